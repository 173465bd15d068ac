//! Killed in the midst of everything, in every mode: what was answered is there.
//!
//! `KILLS` sets how many times, in each mode.

use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use tempfile::TempDir;

use super::killed_searches::{changes_indexes, searches_for_what_it_wrote};

use crate::common::{Client, Server, Value, encode, our_server, setting};

/// What a client holds against the server that comes back.
pub type Check = Box<dyn FnOnce(&mut Client) + Send>;

/// A client of the load: goes on until the server is gone.
type Load = fn(Client) -> Check;

const LOADS: [Load; 13] = [
    counts,
    counts_in_pipelines,
    reads_what_others_wrote,
    runs_transactions,
    runs_scripts,
    sets_deadlines,
    pushes,
    pops,
    sets_fields,
    edits_a_document,
    searches_for_what_it_wrote,
    changes_indexes,
    saves_and_rewrites,
];

/// The replies to some commands sent at once; `None` once the server is gone.
pub fn asked(client: &mut Client, commands: &[&[&str]]) -> Option<Vec<Value>> {
    let bytes: Vec<u8> = commands.iter().flat_map(|args| encode(args)).collect();
    client.send(&bytes).ok()?;
    let replies = commands.iter().map(|_| client.receive().ok());
    replies.map(|reply| Some(reply?.value)).collect()
}

pub fn number(value: &Value) -> u64 {
    value.text().parse().unwrap_or(0)
}

fn held(client: &mut Client, key: &str) -> u64 {
    number(&client.ask(&format!("GET {key}")))
}

/// The server that comes back has at least so much of a counter.
fn at_least(client: &mut Client, key: &str, acknowledged: u64) {
    let there = held(client, key);
    assert!(
        there >= acknowledged,
        "{key}: {acknowledged} was answered, {there} is there"
    );
}

fn counts(mut client: Client) -> Check {
    let mut told = 0;
    while let Some(replies) = asked(&mut client, &[&["INCR", "counted"]]) {
        told = number(&replies[0]);
    }
    Box::new(move |client| at_least(client, "counted", told))
}

fn counts_in_pipelines(mut client: Client) -> Check {
    let commands: [&[&str]; 16] = [&["INCR", "piped"]; 16];
    let mut told = 0;
    loop {
        let bytes: Vec<u8> = commands.iter().flat_map(|args| encode(args)).collect();
        let sent = client.send(&bytes);
        for _ in commands {
            let Ok(reply) = client.receive() else {
                return Box::new(move |client| at_least(client, "piped", told));
            };
            told = number(&reply.value);
        }
        sent.expect("all of it was answered");
    }
}

/// Whoever reads an edit of somebody else's has been told of it, too.
fn reads_what_others_wrote(mut client: Client) -> Check {
    let keys = ["counted", "piped", "first", "scripted"];
    let mut seen = [0; 4];
    let commands = keys.map(|key| ["GET", key]);
    let commands = commands.each_ref().map(|args| &args[..]);
    while let Some(replies) = asked(&mut client, &commands) {
        for (seen, reply) in seen.iter_mut().zip(&replies) {
            *seen = number(reply);
        }
    }
    Box::new(move |client| {
        for (key, seen) in keys.iter().zip(seen) {
            at_least(client, key, seen);
        }
    })
}

fn runs_transactions(mut client: Client) -> Check {
    let mut told = 0;
    let commands: [&[&str]; 4] = [
        &["MULTI"],
        &["INCR", "first"],
        &["INCR", "second"],
        &["EXEC"],
    ];
    while let Some(replies) = asked(&mut client, &commands) {
        told = number(&replies[3].items()[1]);
    }
    Box::new(move |client| {
        at_least(client, "second", told);
        assert_eq!(
            held(client, "first"),
            held(client, "second"),
            "half a transaction"
        );
    })
}

fn runs_scripts(mut client: Client) -> Check {
    const SCRIPT: &str = "redis.call('rpush', KEYS[2], redis.call('incr', KEYS[1])) return redis.call('get', KEYS[1])";
    let mut told = 0;
    while let Some(replies) = asked(
        &mut client,
        &[&["EVAL", SCRIPT, "2", "scripted", "script:list"]],
    ) {
        told = number(&replies[0]);
    }
    Box::new(move |client| {
        at_least(client, "scripted", told);
        let pushed = number(&client.ask("LLEN script:list"));
        assert_eq!(pushed, held(client, "scripted"), "half a script");
    })
}

fn sets_deadlines(mut client: Client) -> Check {
    let mut told = 0;
    loop {
        let n = told + 1;
        let (brief, long) = (format!("brief:{n}"), format!("long:{n}"));
        let commands: [&[&str]; 2] = [
            &["SET", &brief, "v", "PX", "3"],
            &["SET", &long, "v", "EX", "1000"],
        ];
        if asked(&mut client, &commands).is_none() {
            break;
        }
        told = n;
    }
    Box::new(move |client| {
        for n in 1..=told {
            let ttl = client.ask(&format!("TTL long:{n}")).text();
            assert!(
                (900..=1000).contains(&ttl.parse().unwrap_or(-2)),
                "long:{n} of {told}: {ttl}"
            );
        }
    })
}

fn pushes(mut client: Client) -> Check {
    let mut told = 0;
    loop {
        let next = (told + 1).to_string();
        let commands: [&[&str]; 2] = [&["RPUSH", "queue", &next], &["SET", "pushed", &next]];
        if asked(&mut client, &commands).is_none() {
            break;
        }
        told += 1;
    }
    Box::new(move |client| {
        at_least(client, "pushed", told);
        let last = client.ask("LINDEX queue -1");
        let popped = held(client, "popped");
        // One more may have been popped, and nobody told of it.
        assert!(
            number(&last) >= told || popped + 1 >= told,
            "{told} was pushed; {last:?}, {popped}"
        );
    })
}

/// Sleeps for each element, and notes it.
fn pops(mut client: Client) -> Check {
    let mut told = 0;
    while let Some(replies) = asked(&mut client, &[&["BLPOP", "queue", "0"]]) {
        told = number(&replies[0].items()[1]);
        if asked(&mut client, &[&["SET", "popped", &told.to_string()]]).is_none() {
            break;
        }
    }
    Box::new(move |client| {
        let queue = client.ask("LRANGE queue 0 -1");
        let left: Vec<u64> = queue.items().iter().map(number).collect();
        assert!(
            left.iter().all(|n| *n > told),
            "{told} was popped: {left:?}"
        );
        assert!(
            left.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{left:?}"
        );
    })
}

fn sets_fields(mut client: Client) -> Check {
    let mut told = 0;
    loop {
        let next = (told + 1).to_string();
        let commands: [&[&str]; 3] = [
            &["HSET", "hash", &next, "v"],
            &["HPEXPIRE", "hash", "2", "FIELDS", "1", &next],
            &["HSET", "hash", "last", &next],
        ];
        if asked(&mut client, &commands).is_none() {
            break;
        }
        told += 1;
    }
    Box::new(move |client| {
        let last = number(&client.ask("HGET hash last"));
        assert!(last >= told, "hash: {told} was answered, {last} is there");
    })
}

fn edits_a_document(mut client: Client) -> Check {
    let mut told = 0;
    let fresh = r#"{"n":0,"list":[],"names":{}}"#;
    asked(&mut client, &[&["JSON.SET", "doc", "$", fresh]]);
    loop {
        let next = (told + 1).to_string();
        let name = format!("$.names.f{next}");
        let commands: [&[&str]; 3] = [
            &["JSON.ARRAPPEND", "doc", "$.list", &next],
            &["JSON.SET", "doc", &name, "true"],
            &["JSON.NUMINCRBY", "doc", "$.n", "1"],
        ];
        if asked(&mut client, &commands).is_none() {
            break;
        }
        told += 1;
    }
    Box::new(move |client| {
        let counted = |client: &mut Client, command: &str| {
            let reply = client.ask(command);
            reply.items().first().map_or(0, number)
        };
        let length = counted(client, "JSON.ARRLEN doc $.list");
        let names = counted(client, "JSON.OBJLEN doc $.names");
        let text = client.ask("JSON.GET doc .n").text();
        let n: u64 = text.parse().unwrap_or(0);
        assert!(
            told <= n && n <= names && names <= length && length <= n + 1,
            "{told} was answered; {n}, {names} and {length} are there"
        );
        if length > 0 {
            let last = client.ask("JSON.GET doc .list[-1]").text();
            assert_eq!(last, length.to_string(), "the list is whole");
        }
    })
}

fn saves_and_rewrites(mut client: Client) -> Check {
    while asked(&mut client, &[&["BGREWRITEAOF"]]).is_some() {
        sleep(Duration::from_millis(2));
        if asked(&mut client, &[&["BGSAVE"]]).is_none() {
            break;
        }
        sleep(Duration::from_millis(2));
    }
    Box::new(|_| ())
}

fn kill_and_look(policy: &str) {
    let mut random = fastrand::Rng::with_seed(setting("SEED", 11));
    for kill in 0..setting("KILLS", 6) {
        let workers = if kill % 2 == 0 { "1" } else { "2" };
        let options = [
            "--appendonly",
            "yes",
            "--appendfsync",
            policy,
            "--io-threads",
            workers,
        ];
        let server = Server::start_on(&our_server(), TempDir::new().expect("a folder"), &options);
        let begin = |load: Load| {
            let client = server.client();
            spawn(move || load(client))
        };
        let loads: Vec<JoinHandle<Check>> = LOADS.map(begin).into();
        sleep(Duration::from_millis(random.u64(20..300)));
        let dir = server.kill();
        let checks: Vec<Check> = loads
            .into_iter()
            .map(|load| load.join().expect("a client"))
            .collect();
        let server = Server::start_on(&our_server(), dir, &options);
        let mut client = server.client();
        for check in checks {
            check(&mut client);
        }
    }
}

#[test]
fn always_keeps_what_was_answered() {
    kill_and_look("always");
}

#[test]
fn everysec_keeps_what_was_answered() {
    kill_and_look("everysec");
}

#[test]
fn no_sync_keeps_what_was_answered() {
    kill_and_look("no");
}
