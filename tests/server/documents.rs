//! JSON documents in files, payloads and full syncs, exchanged with a Redis Stack 7.4.1 where `tests/oracles` has brought one.

use tempfile::TempDir;

use crate::common::{Client, Server, Value, eventually, our_server, redis_stack};

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
