//! COMMAND INFO and COMMAND DOCS say of each command what the real redis-server says.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{Client, Server, Value, real_redis};

/// What 7.4 says otherwise than 7.0.15: the command, the field, why.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("blmove", "flags", IN_SCRIPTS),
    ("blpop", "flags", IN_SCRIPTS),
    ("brpop", "flags", IN_SCRIPTS),
    ("brpoplpush", "flags", IN_SCRIPTS),
    ("bzpopmax", "flags", IN_SCRIPTS),
    ("bzpopmin", "flags", IN_SCRIPTS),
    ("wait", "flags", IN_SCRIPTS),
    ("wait", "categories", IN_SCRIPTS),
    (
        "hscan",
        "arguments",
        "7.4 adds NOVALUES: https://redis.io/docs/latest/commands/hscan/",
    ),
    ("zrank", "arity", WITHSCORE),
    ("zrank", "arguments", WITHSCORE),
    ("zrevrank", "arity", WITHSCORE),
    ("zrevrank", "arguments", WITHSCORE),
    ("mset", "arguments", DATA),
    ("msetnx", "arguments", DATA),
    ("lolwut", "complexity", SAYS),
    ("psync", "complexity", SAYS),
    ("sync", "complexity", SAYS),
    ("monitor", "complexity", SAYS),
    ("object|help", "since", ONE_HELP),
    ("pubsub|help", "since", ONE_HELP),
    ("pubsub|help", "categories", ONE_HELP),
];
const ONE_HELP: &str = "one HELP serves every container here";
const SAYS: &str = "it says how much it costs, where Redis says nothing";
const IN_SCRIPTS: &str = "from 7.2 on scripts may call it, and it does not wait there: https://github.com/redis/redis/pull/11568";
const DATA: &str = "7.2 calls the block data: https://redis.io/docs/latest/commands/mset/";
const WITHSCORE: &str = "7.2 adds WITHSCORE: https://redis.io/docs/latest/commands/zrank/";

/// What isn't there: modules are shared libraries for another program, and slots don't move between nodes.
const NOT_THERE: &[&str] = &[
    "module|load",
    "module|loadex",
    "module|unload",
    "restore-asking",
];

/// Maps become fields, lists that are sets in meaning lose their order.
fn fields(map: &Value) -> BTreeMap<String, Value> {
    map.items()
        .chunks(2)
        .map(|pair| (pair[0].text(), pair[1].clone()))
        .collect()
}

fn word_set(list: &Value) -> BTreeSet<String> {
    list.items().iter().map(Value::text).collect()
}

/// What COMMAND INFO tells of one command, by the name of the field.
fn info(entry: &Value) -> BTreeMap<&'static str, String> {
    let items = entry.items();
    let specs: Vec<String> = items[8].items().iter().map(key_spec).collect();
    BTreeMap::from([
        ("arity", items[1].to_string()),
        ("flags", format!("{:?}", word_set(&items[2]))),
        ("first key", items[3].to_string()),
        ("last key", items[4].to_string()),
        ("step", items[5].to_string()),
        ("categories", format!("{:?}", word_set(&items[6]))),
        ("key specs", specs.join("; ")),
    ])
}

fn key_spec(spec: &Value) -> String {
    let spec = fields(spec);
    let part = |name: &str| spec.get(name).map_or(String::new(), Value::to_string);
    let flags = spec.get("flags").map(word_set).unwrap_or_default();
    format!("{flags:?} {} {}", part("begin_search"), part("find_keys"))
}

/// Every command and subcommand that the server lists, with its COMMAND INFO.
fn infos(client: &mut Client) -> BTreeMap<String, BTreeMap<&'static str, String>> {
    let mut all = BTreeMap::new();
    let reply = client.ask("COMMAND INFO");
    let mut entries = reply.items();
    while let Some(entry) = entries.pop() {
        let items = entry.items();
        entries.extend(items[9].items());
        all.insert(items[0].text(), info(&entry));
    }
    all
}

/// Names, types, tokens and flags of arguments, one a line, indented by depth.
fn arguments(list: &Value, depth: usize, out: &mut Vec<String>) {
    for argument in list.items() {
        let argument = fields(&argument);
        let text = |name: &str| argument.get(name).map_or(String::new(), Value::text);
        let flags = argument.get("flags").map(word_set).unwrap_or_default();
        let (name, kind, token) = (text("name"), text("type"), text("token"));
        out.push(format!("{:depth$}{name} {kind} {token:?} {flags:?}", ""));
        if let Some(inner) = argument.get("arguments") {
            arguments(inner, depth + 1, out);
        }
    }
}

/// Every command's COMMAND DOCS as compared: the words of the summary are each server's own.
fn docs(client: &mut Client) -> BTreeMap<String, BTreeMap<&'static str, String>> {
    let mut all = BTreeMap::new();
    let mut maps = vec![client.ask("COMMAND DOCS")];
    while let Some(map) = maps.pop() {
        for (name, doc) in fields(&map) {
            let doc = fields(&doc);
            let text = |name: &str| doc.get(name).map_or(String::new(), Value::text);
            let mut lines = Vec::new();
            if let Some(list) = doc.get("arguments") {
                arguments(list, 0, &mut lines);
            }
            maps.extend(doc.get("subcommands").cloned());
            all.insert(
                name,
                BTreeMap::from([
                    (
                        "summary",
                        if text("summary").is_empty() {
                            "none"
                        } else {
                            "some"
                        }
                        .into(),
                    ),
                    ("since", text("since")),
                    ("group", text("group")),
                    (
                        "complexity",
                        if text("complexity").is_empty() {
                            "none"
                        } else {
                            "some"
                        }
                        .into(),
                    ),
                    ("arguments", lines.join("\n    ")),
                ]),
            );
        }
    }
    all
}

type Table = BTreeMap<String, BTreeMap<&'static str, String>>;

fn compare(real: &Table, ours: &Table) {
    let mut differences = Vec::new();
    for (name, real) in real {
        let Some(ours) = ours.get(name) else { continue };
        for (field, value) in real {
            let allowed = ALLOWED
                .iter()
                .any(|(at, which, _)| at == name && which == field);
            if ours.get(field) != Some(value) && !allowed {
                let our_value = ours.get(field).map_or("", String::as_str);
                differences.push(format!(
                    "{name}: {field}\n  real {value}\n  ours {our_value}"
                ));
            }
        }
    }
    let missing: Vec<&String> = real
        .keys()
        .filter(|name| !ours.contains_key(*name))
        .collect();
    assert!(
        differences.is_empty(),
        "{}\n{} differences",
        differences.join("\n"),
        differences.len()
    );
    assert_eq!(missing, NOT_THERE, "what the real one has and ours hasn't");
}

fn both() -> (Server, Server) {
    (
        Server::start_program(&real_redis(), &[]),
        Server::start(&[]),
    )
}

fn resp3(server: &Server) -> Client {
    let mut client = server.client();
    client.ask("HELLO 3");
    client
}

#[test]
fn command_info_says_what_the_real_redis_says() {
    let (real, ours) = both();
    compare(&infos(&mut resp3(&real)), &infos(&mut resp3(&ours)));
}

#[test]
fn command_docs_name_the_same_arguments_as_the_real_redis() {
    let (real, ours) = both();
    compare(&docs(&mut resp3(&real)), &docs(&mut resp3(&ours)));
}

#[test]
fn command_info_and_docs_keep_their_shape_in_resp2() {
    let (real, ours) = both();
    compare(&infos(&mut real.client()), &infos(&mut ours.client()));
    compare(&docs(&mut real.client()), &docs(&mut ours.client()));
}
