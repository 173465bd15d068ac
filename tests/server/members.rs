//! Deadlines of sets' members and blessed keys in files: ours keep them, and other servers read the rest.

use std::path::Path;

use tempfile::TempDir;

use crate::common::{Client, Oracle, Server, eventually, oracles, our_server};

const TIMED: &str = "SPEXPIRETIME s MEMBERS 3 a b c";
const DEADLINES: &str = "*[:4000000000000 :4000000000001 :-1]";

fn folder() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

fn start(program: &Path, dir: TempDir, options: &[&str]) -> (Server, Client) {
    let server = Server::start_on(program, dir, options);
    let client = server.client();
    (server, client)
}

/// Sets of both forms with deadlines, and keys that are never evicted.
fn fill(client: &mut Client) {
    let large: Vec<String> = (0..1000).map(|n| format!("member:{n}")).collect();
    for line in [
        "SADD s a b c",
        "SPEXPIREAT s 4000000000000 MEMBERS 1 a",
        "SPEXPIREAT s 4000000000001 MEMBERS 1 b",
        "SADD ints 1 2 3",
        "SPEXPIREAT ints 4000000000002 MEMBERS 1 2",
        "SET kept v",
        "BLESS SET kept NO-EVICT",
        "HSET h f v",
        "BLESS SET h NO-EVICT",
        "BLESS SET s NO-EVICT",
        "SET other v",
    ] {
        assert!(!client.ask(line).is_error(), "{line}");
    }
    let mut args = vec!["SADD".to_owned(), "large".to_owned()];
    args.extend(large);
    client.ask_args(&args);
    client.ask("SPEXPIREAT large 4000000000003 MEMBERS 2 member:7 member:999");
}

fn check(client: &mut Client, place: &str) {
    for (asked, answer) in [
        (TIMED, DEADLINES),
        ("OBJECT ENCODING s", "\"listpackex\""),
        ("SPEXPIRETIME ints MEMBERS 2 1 2", "*[:-1 :4000000000002]"),
        (
            "SPEXPIRETIME large MEMBERS 3 member:7 member:8 member:999",
            "*[:4000000000003 :-1 :4000000000003]",
        ),
        ("SCARD large", ":1000"),
        ("BLESS GET kept", "*[\"NO-EVICT\"]"),
        ("BLESS GET h", "*[\"NO-EVICT\"]"),
        ("BLESS GET s", "*[\"NO-EVICT\"]"),
        ("BLESS GET other", "*[]"),
    ] {
        assert_eq!(client.ask(asked).to_string(), answer, "{asked} in {place}");
    }
    assert!(!client.ask("DEBUG DIGEST").is_error(), "{place}");
}

fn calm(client: &mut Client) {
    eventually("no rewrite is under way", || {
        let text = client.ask("INFO persistence").text();
        text.contains("aof_rewrite_in_progress:0") && text.contains("aof_rewrite_scheduled:0")
    });
}

#[test]
fn they_stand_in_snapshots_in_logs_and_on_replicas() {
    for preamble in ["yes", "no"] {
        let options = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let (server, mut client) = start(&our_server(), folder(), &options);
        fill(&mut client);
        check(&mut client, "memory");
        assert_eq!(client.ask("DEBUG LOADAOF").text(), "OK");
        check(&mut client, "a log of the commands that made them");
        client.ask("BGREWRITEAOF");
        calm(&mut client);
        assert_eq!(client.ask("DEBUG LOADAOF").text(), "OK");
        check(&mut client, "a log that was rewritten");
        assert_eq!(client.ask("DEBUG RELOAD").text(), "OK");
        check(&mut client, "a snapshot");
        let replica = Server::start(&[]);
        let mut copy = replica.client();
        copy.ask(&format!("REPLICAOF 127.0.0.1 {}", server.port));
        eventually("the replica has a snapshot", || {
            let text = copy.ask("INFO replication").text();
            text.contains("master_link_status:up")
        });
        check(&mut copy, "a replica");
        let (_server, mut client) = start(&our_server(), server.stop(), &options);
        check(&mut client, "a server that was started again");
    }
}

#[test]
fn payloads_keep_deadlines_and_no_blessing() {
    let server = Server::start(&[]);
    let mut client = server.client();
    fill(&mut client);
    for key in ["s", "ints", "large"] {
        let digest = client.ask(&format!("DEBUG DIGEST-VALUE {key}"));
        let dumped = client.try_ask(&["DUMP", key]).expect("it answers").raw;
        let begin = dumped.iter().position(|byte| *byte == b'\n');
        let payload = &dumped[begin.expect("a length") + 1..dumped.len() - 2];
        let restore: [&[u8]; 4] = [b"RESTORE", b"copy", b"0", payload];
        assert_eq!(client.ask_args(&restore).text(), "OK", "{key}");
        assert_eq!(client.ask("DEBUG DIGEST-VALUE copy"), digest, "{key}");
        assert_eq!(client.ask("BLESS GET copy").to_string(), "*[]");
        // What stood there keeps its protection.
        client.ask("BLESS SET copy NO-EVICT");
        let restore: [&[u8]; 5] = [b"RESTORE", b"copy", b"0", payload, b"REPLACE"];
        assert_eq!(client.ask_args(&restore).text(), "OK", "{key}");
        assert_eq!(client.ask("BLESS GET copy").to_string(), "*[\"NO-EVICT\"]");
        client.ask("DEL copy");
        for at in 0..payload.len() {
            let cut: [&[u8]; 4] = [b"RESTORE", b"cut", b"0", &payload[..at]];
            assert!(client.ask_args(&cut).is_error(), "{key} cut at {at}");
        }
    }
}

/// Another server finds the members, which live there until ours says that they are gone.
fn exchange(oracle: &Oracle) {
    let (server, mut client) = start(&our_server(), folder(), &oracle.dialect());
    fill(&mut client);
    assert_eq!(client.ask("SAVE").to_string(), "+OK");
    let (other, mut theirs) = start(&oracle.program, server.kill(), &[]);
    assert_eq!(theirs.ask("SCARD s").int(), 3);
    assert_eq!(
        theirs.ask("SMISMEMBER large member:7 member:8").to_string(),
        "*[:1 :1]"
    );
    assert_eq!(theirs.ask("GET kept").text(), "v");
    assert_eq!(theirs.ask("SAVE").to_string(), "+OK");
    let (main, mut client) = start(
        &our_server(),
        other.kill(),
        &["--repl-diskless-sync-delay", "0"],
    );
    assert_eq!(client.ask(TIMED).to_string(), "*[:-1 :-1 :-1]");
    client.ask("SPEXPIREAT s 4000000000000 MEMBERS 2 a b");
    let (_copy, mut theirs) = start(&oracle.program, folder(), &[]);
    theirs.ask(&format!("REPLICAOF 127.0.0.1 {}", main.port));
    eventually("the other server has a snapshot of ours", || {
        theirs.ask("SCARD s").to_string() == ":3"
    });
    assert_eq!(
        client.ask("SPEXPIREAT s 1 MEMBERS 1 a").to_string(),
        "*[:2]"
    );
    eventually("it hears of the member that has gone", || {
        theirs.ask("SCARD s").to_string() == ":2"
    });
}

#[test]
fn other_servers_read_what_is_left_without_them() {
    for oracle in oracles() {
        println!("{}", oracle.name);
        exchange(&oracle);
    }
}

#[test]
fn blessed_keys_are_never_evicted() {
    for policy in [
        "allkeys-lru",
        "allkeys-random",
        "allkeys-lfu",
        "volatile-ttl",
        "volatile-lru",
    ] {
        let server = Server::start(&["--maxmemory-policy", policy]);
        let mut client = server.client();
        let value = "x".repeat(2000);
        for n in 0..100 {
            client.ask_args(&["SET", &format!("kept:{n}"), &value, "PXAT", "4000000000000"]);
            assert_eq!(client.ask(&format!("BLESS SET kept:{n} NO-EVICT")).int(), 1);
        }
        let used = client.ask("INFO memory").text();
        let used = used
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        let used: u64 = used.and_then(|n| n.trim().parse().ok()).expect("a number");
        client.ask(&format!("CONFIG SET maxmemory {}", used + 1_000_000));
        for n in 0..2000 {
            let key = format!("other:{n}");
            let done = client.ask_args(&["SET", &key, &value, "PXAT", "4000000000000"]);
            assert_eq!(done.text(), "OK", "{policy}");
        }
        let kept: Vec<String> = (0..100).map(|n| format!("kept:{n}")).collect();
        assert_eq!(
            client.ask(&format!("EXISTS {}", kept.join(" "))).int(),
            100,
            "{policy}"
        );
        // Where all that is left is blessed, nothing goes.
        client.ask("CONFIG SET maxmemory 1");
        eventually("nothing else is left", || {
            client.ask("SET one more PXAT 4000000000000");
            client.ask("DBSIZE").int() == 100
        });
        assert!(
            client.ask("SET one more").text().starts_with("OOM"),
            "{policy}"
        );
        assert!(
            client
                .ask("BLESS SET kept:0 NO-EVICT")
                .text()
                .starts_with("OOM")
        );
        // Once one is blessed no more, it goes, however often none was found before.
        for kept in (0..100).rev() {
            assert!(client.ask("SET one more").is_error());
            assert_eq!(client.ask("DBSIZE").int(), kept + 1, "{policy}");
            let cleared = format!("BLESS CLEAR kept:{kept} NO-EVICT");
            assert_eq!(client.ask(&cleared).int(), 1);
            client.ask("SET one more");
            assert_eq!(client.ask("DBSIZE").int(), kept, "{policy}");
        }
    }
}
