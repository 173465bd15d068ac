//! Indexes that go with their documents: which documents go, what the log and replicas hear of it, and who may do it.
//!
//! Redis Stack 7.4.1 says which go: those of a temporary index whatever the command says, as its documentation of FT.CREATE has
//! it ("However, for temporary indexes, documents are deleted along with the index"). It logs them one by one, too. That a user
//! must be allowed to write them, it doesn't ask.

use std::fs;

use vermilion::util::words;

use crate::common::{Client, Server, eventually, our_server, redis_stack};

fn run(client: &mut Client, lines: &[&str]) -> Vec<String> {
    let ask = |line: &&str| {
        let args = words::split(line.as_bytes()).expect("its quotes are closed");
        client.ask_args(&args).text()
    };
    lines.iter().map(ask).collect()
}

fn keys(client: &mut Client) -> Vec<String> {
    let mut keys: Vec<String> = run(
        client,
        &["EVAL \"return table.concat(redis.call('KEYS', '*'), ' ')\" 0"],
    )[0]
    .split_whitespace()
    .map(str::to_owned)
    .collect();
    keys.sort();
    keys
}

#[test]
fn as_many_documents_go_with_an_index_as_in_redis_stack() {
    let Some(program) = redis_stack() else {
        return;
    };
    let (real, ours) = (Server::start_program(&program, &[]), Server::start(&[]));
    let (mut real, mut ours) = (real.client(), ours.client());
    let mut alike = |line: &str| {
        let (wanted, got) = (run(&mut real, &[line]), run(&mut ours, &[line]));
        assert_eq!(got, wanted, "{line}");
    };
    let commands = ["DROPINDEX", "_DROPINDEXIFX", "DROP", "_DROPIFX"];
    let options = [
        "",
        "DD",
        "KEEPDOCS",
        "_FORCEKEEPDOCS",
        "dd",
        "other",
        "DD DD",
        "KEEPDOCS x",
    ];
    for life in ["", "TEMPORARY 1000", "TEMPORARY -1"] {
        for (command, option) in commands
            .iter()
            .flat_map(|command| options.map(|option| (command, option)))
        {
            alike(&format!("FT.CREATE i {life} PREFIX 1 d: SCHEMA t TEXT"));
            alike("HSET d:1 t x");
            alike(&format!("FT.{command} i {option}"));
            alike("EXISTS d:1");
            alike("DEL d:1");
            alike(&format!("FT.{command} i {option}"));
            alike(&format!("FT.{command} nope {option}"));
            alike("FT._DROPIFX i");
        }
    }
    for line in [
        "FT.CREATE i TEMPORARY 9223372036854775807 SCHEMA t TEXT",
        "FT.CREATE i TEMPORARY 9223372036854775808 SCHEMA t TEXT",
        "FT.CREATE i PREFIX 9223372036854775807 x SCHEMA t TEXT",
        "FT.CREATE i STOPWORDS -1 x SCHEMA t TEXT",
        "FT.CREATE i SCHEMA t TEXT",
        "FT.SEARCH i x LIMIT 9223372036854775807 10",
        "FT.SEARCH i x TIMEOUT 9223372036854775807",
        "FT.SEARCH i x RETURN 9223372036854775807 t",
        "FT.AGGREGATE i x SORTBY 1 @t MAX 9223372036854775807",
        "FT.AGGREGATE i x WITHCURSOR COUNT 9223372036854775807",
        "FT.AGGREGATE i x WITHCURSOR MAXIDLE 9223372036854775807",
    ] {
        alike(line);
    }
}

/// An index of which a replica, and whoever reads the log, may think that it has other documents: it is not built over those
/// that were there before it, and what its filter says depends on the time.
const MADE: &[&str] = &[
    "HSET d:0 t x",
    "FT.CREATE i SKIPINITIALSCAN PREFIX 1 d: SCHEMA t TEXT",
    "HSET d:1 t x",
    "FT.CREATE j PREFIX 1 d: FILTER '@n>1' SCHEMA t TEXT",
    "HSET d:2 t x n 1",
    "HSET d:3 t x n 2",
    "HSET e:1 t x",
];

#[test]
fn the_log_and_replicas_hear_which_documents_went_with_an_index() {
    let drops: &[&[&str]] = &[
        &["FT.DROPINDEX i DD"],
        &["FT.DROP i"],
        &["FT._DROPIFX i"],
        &["FT._DROPINDEXIFX i DD"],
        &["FT.ALIASADD a i", "FT.DROPINDEX a DD"],
        &[
            "MULTI",
            "SET s 1",
            "FT.DROPINDEX i DD",
            "HSET d:1 t y",
            "EXEC",
        ],
        &["EVAL \"return redis.call('FT.DROPINDEX', 'i', 'DD')\" 0"],
        &["FT.DROPINDEX j DD"],
        &["FT.DROPINDEX i"],
        &[
            "FT.CREATE k TEMPORARY 1000 SKIPINITIALSCAN PREFIX 1 d: SCHEMA t TEXT",
            "HSET d:4 t x",
            "FT.DROPINDEX k",
        ],
        &[
            "FT.CREATE k TEMPORARY 0 SKIPINITIALSCAN PREFIX 1 e: SCHEMA t TEXT",
            "HSET e:2 t x",
        ],
    ];
    for drop in drops {
        let options = ["--appendonly", "yes", "--repl-diskless-sync-delay", "0"];
        let master = Server::start(&options);
        let mut client = master.client();
        run(&mut client, MADE);
        let replica = Server::start(&[]);
        let mut copy = replica.client();
        copy.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
        eventually("the replica has all", || {
            let info = copy.ask("INFO replication").text();
            info.contains("master_link_status:up") && keys(&mut copy).len() == 5
        });
        run(&mut client, drop);
        eventually("the index is gone", || client.ask("FT.INFO k").is_error());
        let (left, indexes) = (keys(&mut client), run(&mut client, &["FT._LIST"]));
        client.ask("SET last 1");
        eventually("the replica has heard of it", || {
            copy.ask("EXISTS last").text() == "1"
        });
        copy.ask("REPLICAOF NO ONE");
        client.ask("DEL last");
        copy.ask("DEL last");
        assert_eq!(keys(&mut copy), left, "{drop:?}");
        assert_eq!(run(&mut copy, &["FT._LIST"]), indexes, "{drop:?}");
        let again = Server::start_on(&our_server(), master.kill(), &options);
        let mut client = again.client();
        assert_eq!(keys(&mut client), left, "{drop:?}");
        assert_eq!(run(&mut client, &["FT._LIST"]), indexes, "{drop:?}");
    }
}

#[test]
fn logs_of_before_mean_what_they_meant() {
    let lines = [
        "FT.CREATE i PREFIX 1 d: SCHEMA t TEXT",
        "FT.CREATE j PREFIX 1 e: TEMPORARY 1000 SCHEMA t TEXT",
        "HSET d:1 t x",
        "HSET e:1 t x",
        "FT.DROPINDEX i DD",
        "FT.DROPINDEX j",
    ];
    let log = lines.map(|line| crate::common::encode(&words::split(line.as_bytes()).unwrap()));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("appendonly.aof"), log.concat()).unwrap();
    let server = Server::start_on(&our_server(), dir, &["--appendonly", "yes"]);
    let mut client = server.client();
    assert_eq!(keys(&mut client), ["e:1"]);
    assert_eq!(client.ask("FT._LIST").items().len(), 0);
}

#[test]
fn who_may_write_all_that_an_index_covers_may_let_it_go_with_an_index() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let denied = "NOPERM No permissions to access a key";
    let makes = ["FT.CREATE", "FT._CREATEIFNX"];
    let drops = [
        "FT.DROPINDEX i DD",
        "FT._DROPINDEXIFX i DD",
        "FT.DROP i",
        "FT._DROPIFX i",
        "FT.DROPINDEX t",
    ];
    for (keys, may) in [
        ("", false),
        ("%R~*", false),
        ("~d:1", false),
        ("%R~* %W~d:1*", false),
        ("%R~* %W~d:?", false),
        ("%R~d:* (+@all %W~d:*)", true),
        ("~d:*", true),
        ("~*", true),
    ] {
        client.ask(&format!("ACL SETUSER some reset on nopass +@all {keys}"));
        let mut some = server.client();
        some.ask("AUTH some x");
        for make in makes {
            for (life, needs) in [
                ("", false),
                ("TEMPORARY -1", false),
                ("TEMPORARY 1000", true),
            ] {
                let line = format!("{make} i {life} PREFIX 1 d: SCHEMA t TEXT");
                let wanted = if needs && !may { denied } else { "OK" };
                assert_eq!(
                    some.ask(&line.replace("  ", " ")).text(),
                    wanted,
                    "{line} with {keys}"
                );
                client.ask("FT._DROPINDEXIFX i");
            }
        }
        for drop in drops {
            client.ask("FT.CREATE i PREFIX 1 d: SCHEMA t TEXT");
            client.ask("FT.CREATE t PREFIX 1 d: TEMPORARY 1000 SCHEMA t TEXT");
            client.ask("HSET d:1 t x");
            let got = some.ask(drop);
            assert_eq!(got.is_error(), !may, "{drop} with {keys}: {got:?}");
            assert!(!got.is_error() || got.text().starts_with("NOPERM"));
            assert_eq!(
                client.ask("EXISTS d:1").int() == 0,
                may,
                "{drop} with {keys}"
            );
        }
        // The index alone may go by who may read it.
        let reads = keys.starts_with("%R") || may;
        let alone = [
            some.ask("FT.DROPINDEX i").text(),
            some.ask("FT.DROPINDEX t _FORCEKEEPDOCS").text(),
        ];
        assert_eq!(
            alone.iter().all(|reply| !reply.starts_with("NOPERM")),
            reads,
            "{keys}: {alone:?}"
        );
        client.ask("FT._DROPIFX i");
        client.ask("FT._DROPIFX t");
    }
}
