//! Whatever carries values carries every type of value: this reads the list of types, and asks for a sample of each.

use vermilion::types::Kind;

use crate::common::{Client, Server, eventually};

/// How a value of a type begins, and the `n`th thing that is put into it.
fn commands(kind: &str, key: &str, n: usize) -> String {
    match kind {
        "string" => format!("APPEND {key} part:{n}"),
        "list" => format!("RPUSH {key} element:{n}"),
        "hash" => format!("HSET {key} field:{n} value:{n}"),
        "set" => format!("SADD {key} member:{n}"),
        "zset" => format!("ZADD {key} {n}.5 member:{n}"),
        "stream" => format!("XADD {key} {}-1 field:{n} value:{n}", n + 1),
        "vectorset" => format!("VADD {key} VALUES 3 {n} {} 1 element:{n} EF 10", n * n % 97),
        "ReJSON-RL" if n == 0 => format!("JSON.SET {key} $ {{}}"),
        "ReJSON-RL" => format!("JSON.SET {key} $.field:{n} [{n},true]"),
        "trietype0" => format!("FT.SUGADD {key} word:{n} {}.5 PAYLOAD {n}", n + 1),
        other => panic!("say here how a value of the type {other} is made"),
    }
}

/// Keys of every type, with a little in them and with much.
fn fill(client: &mut Client) -> Vec<(&'static str, String)> {
    let mut keys = Vec::new();
    for kind in Kind::ALL.iter().map(|kind| kind.name()) {
        for (size, count) in [("small", 3), ("large", 3000)] {
            let key = format!("{size}:{kind}");
            for n in 0..count {
                let reply = client.ask(&commands(kind, &key, n));
                assert!(!reply.is_error(), "{kind}: {reply}");
            }
            keys.push((kind, key));
        }
    }
    keys
}

fn digest(client: &mut Client, key: &str) -> String {
    client.ask(&format!("DEBUG DIGEST-VALUE {key}")).to_string()
}

fn info_has(client: &mut Client, section: &str, line: &str) -> bool {
    let text = client.ask(&format!("INFO {section}")).text();
    text.lines().any(|held| held == line)
}

#[test]
fn every_type_is_named_copied_dumped_and_freed() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (kind, key) in fill(&mut client) {
        assert_eq!(client.ask(&format!("TYPE {key}")).text(), kind);
        assert!(
            !client
                .ask(&format!("OBJECT ENCODING {key}"))
                .text()
                .is_empty()
        );
        assert!(
            client.ask(&format!("MEMORY USAGE {key}")).int() > 50,
            "{key}"
        );
        assert!(!client.ask(&format!("DEBUG OBJECT {key}")).is_error());
        let found = client.ask(&format!("SCAN 0 COUNT 1000 TYPE {kind}"));
        assert!(found.to_string().contains(&key), "{found}");

        let held = digest(&mut client, &key);
        assert_eq!(client.ask(&format!("COPY {key} copy")).int(), 1);
        assert_eq!(digest(&mut client, "copy"), held, "{key}");
        // A copy is another value.
        client.ask(&commands(kind, "copy", 5000));
        assert_eq!(digest(&mut client, &key), held, "{key}");
        assert_ne!(digest(&mut client, "copy"), held, "{key}");

        let dumped = client.try_ask(&["DUMP", &key]).expect("it answers").raw;
        let begin = dumped
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a length");
        let payload = &dumped[begin + 1..dumped.len() - 2];
        let restore: [&[u8]; 5] = [b"RESTORE", b"copy", b"0", payload, b"REPLACE"];
        assert_eq!(client.ask_args(&restore).text(), "OK", "{key}");
        assert_eq!(digest(&mut client, "copy"), held, "{key}");

        assert_eq!(client.ask(&format!("UNLINK {key} copy")).int(), 2);
        assert_eq!(client.ask(&format!("TYPE {key}")).text(), "none");
    }
    eventually("what is large is freed on another thread", || {
        info_has(&mut client, "memory", "lazyfree_pending_objects:0")
    });
}

#[test]
fn every_type_stands_in_snapshots_in_logs_and_on_replicas() {
    let options = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
    let server = Server::start(&options);
    let mut client = server.client();
    let calm = |client: &mut Client| {
        eventually("no rewrite is under way", || {
            info_has(client, "persistence", "aof_rewrite_in_progress:0")
                && info_has(client, "persistence", "aof_rewrite_scheduled:0")
        });
    };
    calm(&mut client);
    let keys = fill(&mut client);
    let held: Vec<String> = keys
        .iter()
        .map(|(_, key)| digest(&mut client, key))
        .collect();
    let same = |client: &mut Client, place: &str| {
        for ((_, key), held) in keys.iter().zip(&held) {
            assert_eq!(&digest(client, key), held, "{key} in {place}");
        }
    };
    assert_eq!(client.ask("DEBUG LOADAOF").text(), "OK");
    same(&mut client, "a log of the commands that made it");
    client.ask("BGREWRITEAOF");
    calm(&mut client);
    assert_eq!(client.ask("DEBUG LOADAOF").text(), "OK");
    same(&mut client, "a log of commands that was rewritten");
    assert_eq!(client.ask("DEBUG RELOAD").text(), "OK");
    same(&mut client, "a snapshot");

    let replica = Server::start(&[]);
    let mut copy = replica.client();
    copy.ask(&format!("REPLICAOF 127.0.0.1 {}", server.port));
    eventually("the replica has a snapshot", || {
        info_has(&mut copy, "replication", "master_link_status:up")
    });
    same(&mut copy, "a replica");
}
