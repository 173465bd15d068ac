//! COMMAND INFO and COMMAND DOCS say of each command what the real redis-server says, and what Redis 8.2 says, where
//! `tests/oracles` has brought one.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{Client, Server, Value, real_redis, redis_8, redis_is_missing};

/// A command, a field of what is said of it, and why ours says otherwise.
type Allowed = &'static [(&'static str, &'static str, &'static str)];

/// What is said otherwise than by both.
const ALLOWED_BOTH: Allowed = &[
    ("xadd", "arguments", OF_STREAMS),
    ("xread", "arguments", OF_STREAMS),
    ("xreadgroup", "arguments", OF_STREAMS),
    ("zinter", "arguments", COUNTS),
    ("zinterstore", "arguments", COUNTS),
    ("zunion", "arguments", COUNTS),
    ("zunionstore", "arguments", COUNTS),
    ("zscan", "arguments", NO_SCORES),
    ("geosearch", "arguments", POLYGON),
    ("geosearchstore", "arguments", POLYGON),
    ("bitcount", "arguments", VALKEY_BITCOUNT),
    ("bgsave", "arguments", VALKEY_CANCEL),
    ("shutdown", "arguments", VALKEY_SAFE),
    ("cluster|replicate", "arity", VALKEY_NO_ONE),
    ("cluster|replicate", "arguments", VALKEY_NO_ONE),
    ("set", "arguments", COMPARES),
    ("lolwut", "complexity", SAYS),
    ("psync", "complexity", SAYS),
    ("sync", "complexity", SAYS),
    ("monitor", "complexity", SAYS),
    ("object|help", "since", ONE_HELP),
    ("pubsub|help", "since", ONE_HELP),
    ("pubsub|help", "categories", ONE_HELP),
];

/// What is said otherwise than by 7.0.15 alone.
const ALLOWED_7: Allowed = &[
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
    ("cluster|shards", "flags", AS_8),
    ("cluster|slots", "flags", AS_8),
    ("command|getkeys", "arity", AS_8),
    ("command|getkeysandflags", "arity", AS_8),
    ("sinterstore", "key specs", AS_8),
    ("bitop", "arguments", AS_8),
    ("client|kill", "arguments", AS_8),
    ("client|list", "arguments", AS_8),
    ("client|pause", "since", AS_8),
    ("client|reply", "arguments", AS_8),
    ("client|unblock", "arguments", AS_8),
];

/// What is said otherwise than by 8.2 alone.
const ALLOWED_8: Allowed = &[
    ("xread", "complexity", SAYS),
    (
        "hsetex",
        "arguments",
        "Valkey 9.1 has conditions on the key: https://valkey.io/commands/hsetex/",
    ),
];

/// Commands whose arguments have the names, or the form, of 7.0: 7.2 has others (https://github.com/redis/redis/pull/11051).
const AS_IN_7_0: &[&str] = &[
    "command|getkeys",
    "command|getkeysandflags",
    "config|get",
    "geohash",
    "geopos",
    "georadius",
    "georadiusbymember",
    "migrate",
    "pfmerge",
    "psubscribe",
    "xinfo|stream",
    "xtrim",
    "xadd",
];

/// Commands with options that came after 8.2, or with Valkey; the transcripts of `talk_*_8.rs` and `talk_geo_9.rs` say where.
const NEWER_OPTIONS: &[&str] = &[
    "cluster|replicate",
    "geosearch",
    "geosearchstore",
    "xadd",
    "xread",
    "xreadgroup",
    "zinter",
    "zinterstore",
    "zscan",
    "zunion",
    "zunionstore",
];

/// Commands whose arguments have the names that 7.2 gave them.
const NAMES_OF_7_2: &[&str] = &[
    "acl|cat",
    "bitfield",
    "bitfield_ro",
    "bitpos",
    "cluster|addslotsrange",
    "cluster|delslotsrange",
    "cluster|meet",
    "cluster|reset",
    "cluster|setslot",
    "config|set",
    "flushall",
    "flushdb",
    "function|flush",
    "geoadd",
    "georadius",
    "georadius_ro",
    "georadiusbymember",
    "georadiusbymember_ro",
    "geosearch",
    "geosearchstore",
    "hello",
    "hmset",
    "hset",
    "lcs",
    "script|flush",
    "sort",
    "sort_ro",
    "xadd",
    "xclaim",
    "xgroup|create",
    "xgroup|createconsumer",
    "xgroup|delconsumer",
    "xgroup|destroy",
    "xgroup|setid",
    "xreadgroup",
    "xinfo|consumers",
    "xsetid",
    "zadd",
    "zrange",
    "zrangebylex",
    "zrangebyscore",
    "zrangestore",
    "zrevrangebylex",
    "zrevrangebyscore",
];

const AS_8: &str = "as in Redis 8.2";
const VALKEY_BITCOUNT: &str =
    "Valkey 8.1 lets the end be left out: https://valkey.io/commands/bitcount/";
const VALKEY_CANCEL: &str = "Valkey 8.1 adds CANCEL: https://valkey.io/commands/bgsave/";
const VALKEY_SAFE: &str = "Valkey 9.0 adds SAFE and FAILOVER: https://valkey.io/commands/shutdown/";
const VALKEY_NO_ONE: &str = "Valkey 9.0 adds NO ONE: https://valkey.io/commands/cluster-replicate/";
const COMPARES: &str = "8.4 adds IFEQ and others: https://redis.io/docs/latest/commands/set/";
const OF_STREAMS: &str = "KEEPREF, DELREF and ACKED (8.2), CLAIM (8.4), IDMP and IDMPAUTO (8.6), MAXCOUNT and MAXSIZE (8.10): https://redis.io/docs/latest/commands/xadd/";
const COUNTS: &str = "8.8 adds AGGREGATE COUNT: https://redis.io/docs/latest/commands/zunion/";
const NO_SCORES: &str = "Valkey 9.1 adds NOSCORES: https://valkey.io/commands/zscan/";
const POLYGON: &str = "Valkey 9.0 adds BYPOLYGON: https://valkey.io/commands/geosearch/";
const ONE_HELP: &str = "one HELP serves every container here";
const SAYS: &str = "it says how much it costs, where Redis says nothing";
const IN_SCRIPTS: &str = "from 7.2 on scripts may call it, and it does not wait there: https://github.com/redis/redis/pull/11568";
const DATA: &str = "7.2 calls the block data: https://redis.io/docs/latest/commands/mset/";
const WITHSCORE: &str = "7.2 adds WITHSCORE: https://redis.io/docs/latest/commands/zrank/";

/// What isn't there: modules are shared libraries for another program.
const NOT_THERE: &[&str] = &["module|load", "module|loadex", "module|unload"];

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
        all.insert(items[0].text().to_ascii_lowercase(), info(&entry));
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
            if doc.contains_key("module") {
                // Of such a command Redis 8.2 says nothing else.
                continue;
            }
            let text = |name: &str| doc.get(name).map_or(String::new(), Value::text);
            let mut lines = Vec::new();
            if let Some(list) = doc.get("arguments") {
                arguments(list, 0, &mut lines);
            }
            maps.extend(doc.get("subcommands").cloned());
            all.insert(
                name.to_ascii_lowercase(),
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

/// What is known of a server: where ours differs, and what ours does not have.
struct Expected {
    allowed: [Allowed; 2],
    /// Commands whose arguments differ.
    arguments: [&'static [&'static str]; 2],
    is_missing: fn(&str) -> bool,
}

impl Expected {
    /// The commands and fields that may differ.
    fn allowances(&self) -> BTreeSet<(&'static str, &'static str)> {
        let fields = self.allowed.into_iter().flatten();
        let fields = fields.map(|(name, field, _)| (*name, *field));
        let arguments = self.arguments.into_iter().flatten();
        let arguments = arguments.map(|name| (*name, "arguments"));
        fields.chain(arguments).collect()
    }
}

const OF_7_0: Expected = Expected {
    allowed: [ALLOWED_BOTH, ALLOWED_7],
    arguments: [NAMES_OF_7_2, NEWER_OPTIONS],
    is_missing: |name| NOT_THERE.contains(&name),
};

const OF_8: Expected = Expected {
    allowed: [ALLOWED_BOTH, ALLOWED_8],
    arguments: [AS_IN_7_0, NEWER_OPTIONS],
    is_missing: |name| NOT_THERE.contains(&name),
};

fn compare(expected: &Expected, real: &Table, ours: &Table) {
    let mut differences = Vec::new();
    let allowances = expected.allowances();
    let mut unused = allowances.clone();
    for (name, real) in real {
        let Some(ours) = ours.get(name) else { continue };
        for (field, value) in real {
            if ours.get(field) == Some(value) {
                continue;
            }
            unused.remove(&(&**name, *field));
            if !allowances.contains(&(&**name, *field)) {
                let our_value = ours.get(field).map_or("", String::as_str);
                differences.push(format!(
                    "{name}: {field}\n  real {value}\n  ours {our_value}"
                ));
            }
        }
    }
    // What the one or the other doesn't have, or what isn't asked for here, was not compared.
    unused.retain(|(name, field)| {
        let is_compared = real.get(*name).is_some_and(|real| real.contains_key(field));
        is_compared && ours.contains_key(*name)
    });
    assert!(unused.is_empty(), "nothing differs there: {unused:?}");
    let missing: Vec<&String> = real
        .keys()
        .filter(|name| !ours.contains_key(*name) && !(expected.is_missing)(name))
        .collect();
    assert!(
        differences.is_empty(),
        "{}\n{} differences",
        differences.join("\n"),
        differences.len()
    );
    assert!(
        missing.is_empty(),
        "what the real one has and ours hasn't: {missing:?}"
    );
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
    if redis_is_missing() {
        return;
    }
    let (real, ours) = both();
    let (real, ours) = (infos(&mut resp3(&real)), infos(&mut resp3(&ours)));
    compare(&OF_7_0, &real, &ours);
}

#[test]
fn command_docs_name_the_same_arguments_as_the_real_redis() {
    if redis_is_missing() {
        return;
    }
    let (real, ours) = both();
    let (real, ours) = (docs(&mut resp3(&real)), docs(&mut resp3(&ours)));
    compare(&OF_7_0, &real, &ours);
}

#[test]
fn command_info_and_docs_keep_their_shape_in_resp2() {
    if redis_is_missing() {
        return;
    }
    let (real, ours) = both();
    compare(
        &OF_7_0,
        &infos(&mut real.client()),
        &infos(&mut ours.client()),
    );
    compare(
        &OF_7_0,
        &docs(&mut real.client()),
        &docs(&mut ours.client()),
    );
}

#[test]
fn command_info_and_docs_say_what_redis_8_says() {
    let Some(program) = redis_8() else { return };
    let real = Server::start_program(&program, &[]);
    let ours = Server::start(&[]);
    let (mut real, mut ours) = (resp3(&real), resp3(&ours));
    compare(&OF_8, &infos(&mut real), &infos(&mut ours));
    compare(&OF_8, &docs(&mut real), &docs(&mut ours));
    // Tips are told in COMMAND INFO alone.
    let tips = |client: &mut Client| {
        let mut all = BTreeMap::new();
        let mut entries = client.ask("COMMAND INFO").items();
        while let Some(entry) = entries.pop() {
            let items = entry.items();
            entries.extend(items[9].items());
            all.insert(items[0].text(), format!("{:?}", word_set(&items[7])));
        }
        all
    };
    let ours = tips(&mut ours);
    for (name, tips) in tips(&mut real) {
        if let Some(our_tips) = ours.get(&name) {
            assert_eq!(&tips, our_tips, "{name}");
        }
    }
}

#[test]
fn every_command_that_changes_a_key_needs_the_right_to_write_it() {
    let server = Server::start(&[]);
    let mut changes = 0;
    for (name, said) in infos(&mut server.client()) {
        // As in Redis, what these change is how a count is kept.
        if ["pfcount", "pfdebug"].contains(&name.as_str()) {
            continue;
        }
        for spec in said["key specs"].split(';') {
            let has = |words: &[&str]| words.iter().any(|word| spec.contains(word));
            if has(&["RW", "OW", "RM"]) {
                changes += 1;
                assert!(has(&["insert", "update", "delete"]), "{name}: {spec}");
            }
        }
    }
    assert!(changes > 100);
}
