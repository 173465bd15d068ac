//! JSON documents in files, payloads and full syncs, exchanged with a Redis Stack 7.4.1 where `tests/oracles` has brought one.

use tempfile::TempDir;

use crate::common::{Client, Server, Value, eventually, our_server, redis_stack};
use crate::restore::payloads::sealed;

/// A document, a vector set and a Bloom filter, as Redis 8.2.3 with RedisJSON 2.8.3 saved them.
const FILE: &[u8] = include_bytes!("persist/files/stack-json-vset-bloom.rdb");

const TEXTS: [&str; 5] = [
    r#"{"id":1,"name":"a name","tags":["a","b"],"n":{"x":1.5,"y":null,"z":true}}"#,
    "[1,2.5,-0.0,1e16,18446744073709551615,9223372036854775807]",
    r#""é😀 \"quoted\" \u0001""#,
    "null",
    "{}",
];

fn fill(client: &mut Client) {
    for (n, text) in TEXTS.iter().enumerate() {
        let key = format!("doc{n}");
        assert_eq!(client.ask_args(&["JSON.SET", &key, "$", text]).text(), "OK");
    }
    let many: Vec<String> = (0..500).map(|n| format!(r#""field {n}":[{n}]"#)).collect();
    let text = format!("{{{}}}", many.join(","));
    client.ask_args(&["JSON.SET", "large", "$", &text]);
    client.ask("JSON.DEL large $.none");
}

fn held(client: &mut Client) -> Vec<Value> {
    let keys = (0..TEXTS.len()).map(|n| format!("doc{n}"));
    let keys = keys.chain(["large".to_owned()]);
    keys.map(|key| client.ask(&format!("JSON.GET {key}")))
        .collect()
}

fn is_up(client: &mut Client) -> bool {
    client
        .ask("INFO replication")
        .text()
        .contains("master_link_status:up")
}

#[test]
fn a_file_with_a_document_of_redisjson_opens() {
    let dir = TempDir::new().expect("a temporary directory");
    std::fs::write(dir.path().join("dump.rdb"), FILE).expect("it is written");
    let server = Server::start_on(&our_server(), dir, &["--rdb-skip-unknown", "yes"]);
    let mut client = server.client();
    assert_eq!(client.ask("TYPE j").text(), "ReJSON-RL");
    assert!(client.ask("JSON.GET j").text().starts_with('{'));
    assert!(client.ask("JSON.OBJLEN j").int() > 0);
}

#[test]
fn only_large_values_are_freed_on_another_thread() {
    let server = Server::start(&["--lazyfree-lazy-server-del", "yes"]);
    let mut client = server.client();
    let nested = |count: usize| format!("[{}]", vec!["[1]"; count].join(","));
    let (small, large) = (nested(100), nested(2_000));
    let numbers = format!("[{}]", vec!["7"; 20_000].join(","));
    let wanted = [(&small, "0"), (&large, "1"), (&small, "1"), (&numbers, "2")];
    for (text, freed) in wanted {
        client.ask_args(&["JSON.SET", "d", "$", text]);
        client.ask("UNLINK d");
        eventually("nothing waits to be freed", || {
            client.info("lazyfree_pending_objects") == "0"
        });
        assert_eq!(
            client.info("lazyfreed_objects"),
            freed,
            "{} bytes",
            text.len()
        );
    }
}

#[test]
fn damaged_payloads_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask_args(&["JSON.SET", "d", "$", TEXTS[0]]);
    let dumped = client.try_ask(&["DUMP", "d"]).expect("it answers").raw;
    let begin = dumped
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a length");
    let payload = &dumped[begin + 1..dumped.len() - 2];
    let body = &payload[..payload.len() - 10];
    let late = [&[16, 0][..], &[0; 8]].concat();
    let mut restore = |body: &[u8]| {
        let payload = [body, &late].concat();
        let args: [&[u8]; 5] = [b"RESTORE", b"copy", b"0", &payload, b"REPLACE"];
        client.ask_args(&args)
    };
    assert_eq!(restore(body).text(), "OK");
    for at in 1..body.len() {
        assert!(restore(&body[..at]).is_error(), "cut at {at}");
        for bit in [1, 4, 128] {
            let mut bad = body.to_vec();
            bad[at] ^= bit;
            // Whatever is taken is a sound document.
            let _either = restore(&bad);
        }
    }
    let text = |text: &[u8]| [&body[..11], &[text.len() as u8], text, &[0]].concat();
    for bad in [&b"{"[..], b"", b"1 2", b"\xff", b"\"\xff\""] {
        assert!(restore(&text(bad)).is_error());
    }
    assert_eq!(restore(&text(b"[1]")).text(), "OK");
    assert_eq!(client.ask("JSON.GET copy").text(), "[1]");
}

/// A document as RedisJSON 1 saved it: a tree of parts, of which each tells what it is by a number
/// (<https://github.com/RedisJSON/RedisJSON/blob/master/redis_json/src/backward.rs>).
#[test]
fn documents_of_redisjson_1_are_read() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask_args(&["JSON.SET", "d", "$", "1"]);
    let Value::Bulk(dumped) = client.ask_args(&["DUMP", "d"]) else {
        panic!("it has no dump");
    };
    // The kind, the type's number, whose lowest bits are the version, and the parts.
    let versions = |version: u8| {
        let mut head = dumped[..10].to_vec();
        head[9] = head[9] & 0xfc | version;
        head
    };
    let count = |n: u8| match n {
        0..64 => vec![2, n],
        _ => vec![2, 0x40, n],
    };
    let text = |text: &str| [&[5, text.len() as u8], text.as_bytes()].concat();
    let field = |name: &str, value: Vec<u8>| [count(128), text(name), value].concat();
    let object = [
        [count(32), count(6)].concat(),
        field("a", [count(8), count(7)].concat()),
        field(
            "b",
            [count(4), [&[4][..], &2.5f64.to_le_bytes()].concat()].concat(),
        ),
        field("c", [count(2), text("é")].concat()),
        field(
            "d",
            [count(64), count(2), count(1), count(16), text("1")].concat(),
        ),
        field("e", [count(16), text("0")].concat()),
        field("a", [count(32), count(0)].concat()),
    ]
    .concat();
    let payload = |version, body: &[u8]| sealed(&[&versions(version)[..], body, &[0]].concat());
    let restore = |client: &mut Client, payload: &[u8]| {
        let args: [&[u8]; 5] = [b"RESTORE", b"old", b"0", payload, b"REPLACE"];
        client.ask_args(&args)
    };
    let expected = r#"{"a":{},"b":2.5,"c":"é","d":[null,true],"e":false}"#;
    assert_eq!(restore(&mut client, &payload(0, &object)).text(), "OK");
    assert_eq!(client.ask("JSON.GET old").text(), expected);
    assert!(restore(&mut client, &payload(1, &object)).is_error());
    let deep = |depth: usize| {
        payload(
            0,
            &[[count(64), count(1)].concat().repeat(depth), count(1)].concat(),
        )
    };
    assert_eq!(restore(&mut client, &deep(127)).text(), "OK");
    for bad in [
        deep(128),
        payload(0, &count(3)),
        payload(
            0,
            &[count(4), [&[4][..], &f64::NAN.to_le_bytes()].concat()].concat(),
        ),
        payload(0, &[count(2), vec![5, 1, 0xff]].concat()),
        payload(0, &[count(32), count(1), count(1)].concat()),
        payload(0, &[count(64), count(60)].concat()),
    ] {
        assert!(restore(&mut client, &bad).is_error());
    }
    if let Some(program) = redis_stack() {
        let theirs = Server::start_program(&program, &[]);
        let mut stack = theirs.client();
        assert_eq!(restore(&mut stack, &payload(0, &object)).text(), "OK");
        assert_eq!(stack.ask("JSON.GET old").text(), expected);
    }
}

/// Long texts are read before the document's shard is locked: what comes of it, and what is said of a fault, is alike.
#[test]
fn long_texts_are_taken_as_short_ones_are() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("SET text x");
    let long = format!("{{\"a\":[\"{}\",1]}}", "x".repeat(9000));
    let broken = &long[..long.len() - 1];
    let set = ["JSON.SET", "doc", "$", &long];
    let commands: [&[&str]; 6] = [
        &set,
        &["JSON.MSET", "doc", "$", "1", "two", "$", &long],
        &["JSON.MERGE", "doc", "$", &long],
        &["JSON.ARRAPPEND", "doc", "$.a", "7", &long],
        &["JSON.ARRINSERT", "doc", "$.a", "1", &long, "8"],
        &["JSON.SET", "text", "$", &long],
    ];
    for command in commands {
        let told = |client: &mut Client, way: usize| {
            client.ask_args(&set);
            client.ask("DEL two");
            let reply = match way {
                0 => client.ask_args(command),
                1 => {
                    client.ask("MULTI");
                    client.ask_args(command);
                    client.ask("EXEC").items()[0].clone()
                }
                _ => {
                    let script = "return redis.pcall(unpack(ARGV))";
                    let eval = [&["EVAL", script, "0"][..], command].concat();
                    client.ask_args(&eval)
                }
            };
            let held = ["JSON.GET doc", "JSON.GET two"].map(|get| client.ask(get).text());
            (reply.text(), held)
        };
        let alone = told(&mut client, 0);
        assert!(alone.1.concat().len() > 9000, "{}", command[0]);
        assert_eq!(alone, told(&mut client, 1), "{}", command[0]);
        assert_eq!(alone, told(&mut client, 2), "{}", command[0]);
        // A fault in the text changes nothing, and counts only where the key is a document's.
        client.ask_args(&set);
        let bad: Vec<&str> = command
            .iter()
            .map(|word| if *word == long { broken } else { *word })
            .collect();
        let reply = client.ask_args(&bad).text();
        let why = match command[1] {
            "text" => "Existing key has wrong Redis type",
            _ => "EOF while parsing an object at line 1 column 9011",
        };
        assert_eq!(reply, why, "{}", command[0]);
        assert_eq!(client.ask("JSON.GET doc").text(), long, "{}", command[0]);
    }
}

#[test]
fn documents_go_to_a_redis_stack_and_come_back() {
    let Some(program) = redis_stack() else { return };
    let theirs = Server::start_program(&program, &["--repl-diskless-sync-delay", "0"]);
    let mut stack = theirs.client();
    fill(&mut stack);
    let wanted = held(&mut stack);

    // As a replica of it, by payloads, and as its master.
    let ours = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let mut client = ours.client();
    client.ask(&format!("REPLICAOF 127.0.0.1 {}", theirs.port));
    eventually("the link is up", || is_up(&mut client));
    assert_eq!(held(&mut client), wanted);
    stack.ask("JSON.NUMINCRBY doc0 $.id 5");
    stack.ask("JSON.ARRAPPEND doc1 $ 7");
    stack.ask("JSON.MERGE doc4 $ {\"a\":1}");
    stack.ask("SET last x");
    eventually("the stream follows", || {
        client.ask("GET last").text() == "x"
    });
    let wanted = held(&mut stack);
    assert_eq!(held(&mut client), wanted);

    client.ask("REPLICAOF NO ONE");
    let dumped = client.try_ask(&["DUMP", "doc0"]).expect("it answers").raw;
    let begin = dumped
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a length");
    let payload = &dumped[begin + 1..dumped.len() - 2];
    let restore: [&[u8]; 4] = [b"RESTORE", b"back", b"0", payload];
    assert_eq!(stack.ask_args(&restore).text(), "OK");
    assert_eq!(stack.ask("JSON.GET back"), client.ask("JSON.GET doc0"));

    stack.ask("FLUSHALL");
    stack.ask(&format!("REPLICAOF 127.0.0.1 {}", ours.port));
    eventually("the stack follows", || is_up(&mut stack));
    assert_eq!(held(&mut stack), wanted);
    client.ask("JSON.DEL doc0 $.tags");
    client.ask("JSON.STRAPPEND doc2 $ \"\\\"!\\\"\"");
    client.ask("SET last y");
    eventually("the stack hears", || stack.ask("GET last").text() == "y");
    assert_eq!(held(&mut stack), held(&mut client));
}

#[test]
fn snapshots_and_logs_with_documents_go_both_ways() {
    let Some(program) = redis_stack() else { return };
    let options = ["--appendonly", "yes"];
    let theirs = Server::start_program(&program, &options);
    let mut stack = theirs.client();
    fill(&mut stack);
    stack.ask("JSON.NUMMULTBY doc0 $.n.x 3");
    let wanted = held(&mut stack);
    drop(stack);
    let ours = Server::start_on(&our_server(), theirs.stop(), &options);
    let mut client = ours.client();
    assert_eq!(held(&mut client), wanted);
    client.ask("JSON.ARRPOP doc0 $.tags");
    let wanted = held(&mut client);
    assert_eq!(client.ask("SAVE").text(), "OK");
    drop(client);
    let theirs = Server::start_on(&program, ours.stop(), &options);
    assert_eq!(held(&mut theirs.client()), wanted);
}
