//! Users and their rights beside the real server's: the same rules, the same refusals.

use std::collections::HashMap;
use std::path::Path;

use vermilion::util::words;

use crate::common::{
    Client, Server, Value, encode, our_server, real_redis, redis_is_missing, setting,
};

/// What a server answers to each line of a script.
fn answers(program: &Path, script: &str) -> Vec<String> {
    let server = Server::start_program(program, &["--enable-debug-command", "yes"]);
    let mut clients: HashMap<&str, Client> = HashMap::new();
    let mut answers = Vec::new();
    for line in lines(script) {
        let (name, said) = line.split_once("> ").expect("a name and what it says");
        let words = words::split(said.as_bytes()).expect("quotes are balanced");
        if said == "CLOSE" {
            clients.remove(name);
            continue;
        }
        let client = clients.entry(name).or_insert_with(|| server.client());
        let heard = match said {
            "READ" => client.receive(),
            _ => client.send(&encode(&words)).and_then(|()| client.receive()),
        };
        let answer = heard.map_or("closed".to_string(), |reply| {
            let (value, _) = Value::parse(&reply.raw).expect("the server speaks RESP");
            shown(&value)
        });
        answers.push(format!("{line}\n  {answer}"));
    }
    answers
}

fn lines(script: &str) -> impl Iterator<Item = &str> {
    let lines = script.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// An answer without what 7.2 and later say otherwise: rules about commands are told as they were given, where 7.0 finds
/// others that come to the same (that they do is held by another test), and refusals have other words.
fn shown(value: &Value) -> String {
    let texts: Vec<String> = value.leaves().iter().map(Value::text).collect();
    if !texts.iter().any(|text| text.contains("@all")) {
        return reworded(&value.to_string());
    }
    let about_commands = |word: &&str| {
        let word = word.trim_start_matches('(');
        word.starts_with(['+', '-']) && !word.contains("@all")
    };
    let bare = texts.iter().map(|text| {
        let words = text.split(' ').filter(|word| !about_commands(word));
        words
            .map(|word| word.trim_end_matches(')'))
            .collect::<Vec<_>>()
            .join(" ")
    });
    bare.collect::<Vec<_>>().join("; ")
}

/// A refusal of 7.0 in the words of 7.2. Who was refused stands in those of 7.2 alone.
fn reworded(text: &str) -> String {
    let text = text
        .replace(
            "NOPERM this user has no permissions to access one of the keys used as arguments",
            "NOPERM No permissions to access a key",
        )
        .replace(
            "NOPERM this user has no permissions to access one of the channels used as arguments",
            "NOPERM No permissions to access a channel",
        )
        .replace(
            "The user executing the script can\\'t access at least one of the keys mentioned in the command arguments",
            "ACL failure in script: No permissions to access a key",
        )
        .replace(
            "The user executing the script can\\'t publish to the channel mentioned in the command",
            "ACL failure in script: No permissions to access a channel",
        )
        .replace(
            "The user executing the script can\\'t run this command or subcommand",
            "ACL failure in script: a command",
        )
        .replace("NOPERM this user has", "User has")
        .replace("This user has no permissions", "User has no permissions");
    let mut words: Vec<&str> = text.split(' ').collect();
    if let Some(at) = words
        .windows(3)
        .position(|three| three[0].ends_with("User") && three[2] == "has")
    {
        words.remove(at + 1);
    }
    let text = words.join(" ").replace("NOPERM User has", "User has");
    // From 8.0 on documents and searches have a category.
    let text = text.replace(" \"scripting\" \"json\" \"search\"]", " \"scripting\"]");
    // 7.0 doesn't say which command it was.
    match text.split_once("ACL failure in script: User has no permissions to run the") {
        None => text,
        Some((before, rest)) => {
            let after = rest.split_once(" command").map_or("", |(_, after)| after);
            format!("{before}ACL failure in script: a command{after}")
        }
    }
}

#[test]
fn users_are_told_what_the_real_server_tells_them() {
    if redis_is_missing() {
        return;
    }
    let script = include_str!("acl.txt");
    let (real, ours) = (
        answers(&real_redis(), script),
        answers(&our_server(), script),
    );
    for (real, ours) in real.iter().zip(&ours) {
        assert_eq!(ours, real);
    }
    assert!(real.len() > 250, "the script was read");
}

/// Rules of all kinds, some of them wrong.
const RULES: &[&str] = &[
    "on",
    "off",
    "nopass",
    "resetpass",
    ">a",
    ">b",
    "<a",
    "reset",
    "allkeys",
    "resetkeys",
    "~a*",
    "~b",
    "%R~c*",
    "%W~c*",
    "%RW~d",
    "allchannels",
    "resetchannels",
    "&a",
    "&b*",
    "+@all",
    "-@all",
    "+@read",
    "-@read",
    "+@write",
    "-@write",
    "+@string",
    "-@string",
    "+@hash",
    "-@dangerous",
    "+@slow",
    "-@fast",
    "+@connection",
    "-@admin",
    "+@keyspace",
    "-@pubsub",
    "+@scripting",
    "+get",
    "-get",
    "+set",
    "-set",
    "+config",
    "-config|set",
    "+config|get",
    "+client|id",
    "-client",
    "+select|0",
    "+select|1",
    "-select",
    "+cluster|info",
    "-readonly",
    "+memory|usage",
    "+publish",
    "+eval",
    "(+get ~a)",
    "(+@all ~b* &*)",
    "(-@all +@list %W~c*)",
    "()",
    "clearselectors",
    "(x)",
    "+nosuch",
    "bad",
    "sanitize-payload",
    "skip-sanitize-payload",
];

/// Commands that touch keys and channels in all ways.
const COMMANDS: &[&str] = &[
    "GET a",
    "GET b",
    "GET c1",
    "SET a 1",
    "SET c1 1",
    "SET d 1 GET",
    "COPY a d",
    "MGET a b",
    "DEL c1 d",
    "CONFIG GET x",
    "CONFIG SET x y",
    "CLIENT ID",
    "CLIENT LIST",
    "SELECT 0",
    "SELECT 1",
    "SELECT 2",
    "PUBLISH a x",
    "PUBLISH b1 x",
    "SUBSCRIBE a b1",
    "PSUBSCRIBE b*",
    "LPUSH c1 x",
    "LRANGE a 0 1",
    "HGET a f",
    "HSET d f v",
    "KEYS *",
    "EVAL x 1 a",
    "PING",
    "AUTH x",
    "FLUSHALL",
    "MEMORY USAGE b",
    "SORT a STORE d",
    "INFO",
    "EXISTS c1",
    "TYPE d",
];

#[test]
fn rules_come_to_the_same_as_on_the_real_server() {
    if redis_is_missing() {
        return;
    }
    let seeds = setting("SEEDS", 40);
    let options = ["--enable-debug-command", "yes"];
    let real = Server::start_program(&real_redis(), &options);
    let ours = Server::start_program(&our_server(), &options);
    let (mut real, mut ours) = (real.client(), ours.client());
    let known: Vec<String> = real
        .ask("COMMAND LIST")
        .items()
        .iter()
        .map(Value::text)
        .collect();
    for seed in 0..seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut said = vec![format!("ACL SETUSER u{seed}")];
        for server in [&mut real, &mut ours] {
            server.ask(&said[0]);
        }
        for _ in 0..random.usize(1..12) {
            let rule = RULES[random.usize(..RULES.len())];
            let ask = [
                &b"ACL"[..],
                b"SETUSER",
                format!("u{seed}").as_bytes(),
                rule.as_bytes(),
            ]
            .map(<[u8]>::to_vec);
            said.push(rule.to_string());
            let (theirs, own) = (real.ask_args(&ask), ours.ask_args(&ask));
            assert_eq!(own.to_string(), theirs.to_string(), "{said:?}");
        }
        for command in COMMANDS {
            let ask = format!("ACL DRYRUN u{seed} {command}");
            let (theirs, own) = (shown(&real.ask(&ask)), shown(&ours.ask(&ask)));
            assert_eq!(own, theirs, "{command} after {said:?}");
        }
        // What is told of a user makes the same user again, here and there.
        let told = line_of(&mut ours, &format!("u{seed}"));
        for (server, is_real) in [(&mut ours, false), (&mut real, true)] {
            let rules = told.split(' ').skip(2);
            let rules = rules.filter(|rule| !is_real || is_known(rule, &known));
            let ask: Vec<&str> = ["ACL", "SETUSER", "again", "reset"]
                .into_iter()
                .chain(rules)
                .collect();
            assert_eq!(server.ask_args(&ask).text(), "OK", "{told}");
        }
        let again = line_of(&mut ours, "again").replace(" sanitize-payload", "");
        let told = told.replace(" sanitize-payload", "");
        assert_eq!(again.replace("user again", &format!("user u{seed}")), told);
        for command in COMMANDS {
            let (first, again) = (
                shown(&ours.ask(&format!("ACL DRYRUN u{seed} {command}"))),
                shown(&real.ask(&format!("ACL DRYRUN again {command}"))),
            );
            assert_eq!(first, again, "{command} by {told}");
        }
    }
}

/// Whether a rule is about something else than a command that came with 7.4.
fn is_known(rule: &str, commands: &[String]) -> bool {
    let name = rule.trim_start_matches('(').trim_end_matches(')');
    let name = name.strip_prefix(['+', '-']).unwrap_or("@");
    let holds = |wanted: &str| commands.iter().any(|known| known == wanted);
    let is_argument = |container: &str| {
        let head = format!("{container}|");
        holds(container) && !commands.iter().any(|known| known.starts_with(&head))
    };
    let container = name.split_once('|').map(|(container, _)| container);
    name.starts_with('@') || holds(name) || container.is_some_and(is_argument)
}

/// A user's line of ACL LIST.
fn line_of(client: &mut Client, name: &str) -> String {
    let head = format!("user {name} ");
    let lines = client.ask("ACL LIST").items();
    let mut texts = lines.iter().map(Value::text);
    texts
        .find(|line| line.starts_with(&head))
        .expect("the user is listed")
}

#[test]
fn a_users_file_and_lines_of_the_configuration_last() {
    if redis_is_missing() {
        return;
    }
    for program in [our_server(), real_redis()] {
        let dir = tempfile::tempdir().expect("a folder");
        let conf = dir.path().join("redis.conf");
        std::fs::write(
            &conf,
            "user ann on >pw ~a* +@all -flushall\nuser default on nopass ~* &* +@all\n",
        )
        .expect("written");
        let path = conf.display().to_string();
        let server = Server::start_program(&program, &[&path]);
        let mut client = server.client();
        assert_eq!(names(&mut client), "ann default", "{program:?}");
        client.ask("ACL SETUSER bob on nopass +get %R~b (+set ~c)");
        client.ask("ACL DELUSER ann");
        assert_eq!(client.ask("CONFIG REWRITE").text(), "OK");
        let line = line_of(&mut client, "bob");
        drop(server);
        let written = std::fs::read_to_string(&conf).expect("read");
        assert!(written.contains(&line), "{line} in {written}");
        assert!(!written.contains("user ann"), "{written}");

        let file = dir.path().join("users.acl");
        std::fs::write(&file, format!("{line}\n")).expect("written");
        let path = file.display().to_string();
        let server = Server::start_program(&program, &["--aclfile", &path]);
        let mut client = server.client();
        assert_eq!(line_of(&mut client, "bob"), line);
        client.ask("ACL SETUSER carl on nopass");
        assert_eq!(client.ask("ACL SAVE").text(), "OK");
        client.ask("ACL SETUSER dan");
        let mut carl = server.client();
        carl.ask("AUTH carl x");
        assert_eq!(client.ask("ACL LOAD").text(), "OK");
        // Redis 7.0 makes every user anew.
        let stays = carl.try_ask(&["PING"]).is_ok();
        assert_eq!(stays, program == our_server());
        assert_eq!(names(&mut client), "bob carl default");
    }
}

fn names(client: &mut Client) -> String {
    let names = client.ask("ACL USERS").items();
    let names: Vec<String> = names.iter().map(Value::text).collect();
    names.join(" ")
}
