//! `import-mode`: what has expired stays, and its source sees it. Held against Valkey 9, where `tests/oracles` has brought one.

use crate::common::{Client, Server, Value, eventually, our_server, valkey_9};

/// What the source (`a`) and another client (`b`) say. A deadline in the past takes the place of waiting.
const TALK: &[&str] = &[
    "a CLIENT IMPORT-SOURCE ON",
    "a CLIENT IMPORT-SOURCE OFF",
    "a CLIENT IMPORT-SOURCE word",
    "a CLIENT IMPORT-SOURCE",
    "a CONFIG SET import-mode yes",
    "a CLIENT IMPORT-SOURCE word",
    "a CLIENT IMPORT-SOURCE ON",
    "a SET k v PXAT 1",
    "a GET k",
    "b GET k",
    "a EXISTS k",
    "b EXISTS k",
    "a TTL k",
    "b TTL k",
    "a SCAN 0",
    "b SCAN 0",
    "a KEYS *",
    "b KEYS *",
    "b DBSIZE",
    "a APPEND k x",
    "a GET k",
    "a EVAL return(redis.call('GET',KEYS[1])) 1 k",
    "b EVAL return(redis.call('GET',KEYS[1])) 1 k",
    "a MULTI",
    "a GET k",
    "a EXEC",
    "b SETNX k n",
    "a GET k",
    "a TTL k",
    "a PEXPIREAT k 1",
    "a EXISTS k",
    "b EXISTS k",
    "a EXISTS k",
    "a SET k2 v",
    "b PEXPIREAT k2 1",
    "a HSET h f v g w",
    "a HPEXPIREAT h 4000000000000 FIELDS 1 f",
    "a HGET h f",
    // A deadline that has passed removes nothing, whoever sets it.
    "b SET e v",
    "b EXPIRE e -1",
    "b EXISTS e",
    "a EXISTS e",
    "a TTL e",
    "a GET e",
    "b SET e2 v",
    "b EXPIREAT e2 -5",
    "a GET e2",
    "a TTL e2",
    "b EXISTS e2",
    "b SET e3 v",
    "b GETEX e3 PXAT 1",
    "b GET e3",
    "a GET e3",
    "b SET e4 v PXAT 1",
    "a PEXPIRETIME e4",
    "a SET e5 v",
    "a EXPIRE e5 -1",
    "a GET e5",
    "b EVAL return(redis.call('PEXPIREAT',KEYS[1],2)) 1 e6",
    "a HSET e7 f v g w",
    "b HPEXPIREAT e7 1 FIELDS 1 f",
    "b HGET e7 f",
    "a HGET e7 f",
    "a HPEXPIREAT e7 1 FIELDS 1 g",
    "a HMGET e7 f g",
    "b HMGET e7 f g",
    "b HSETEX e8 PXAT 1 FIELDS 1 x y",
    "a HGET e8 x",
    "b HGET e8 x",
    "a COPY e4 e9",
    "a GET e9",
    "b COPY e4 e10",
    // WATCH removes nothing, and sees what its client sees.
    "a SET w v PXAT 1",
    "b WATCH w",
    "a EXISTS w",
    "b MULTI",
    "b PING",
    "b EXEC",
    "a EXISTS w",
    "a WATCH w",
    "a MULTI",
    "a GET w",
    "a EXEC",
    "a EXISTS w",
    "b WATCH w",
    "a DEL w",
    "b MULTI",
    "b EXEC",
    "a SET w2 v",
    "b WATCH w2",
    "a PEXPIREAT w2 1",
    "b MULTI",
    "b EXEC",
    "a SET w3 v PXAT 1",
    "b WATCH w3",
    "b FLUSHALL",
    "b MULTI",
    "b EXEC",
    "a EXISTS w3",
    "a SET k3 v PXAT 1",
    "a CLIENT IMPORT-SOURCE OFF",
    "a EXISTS k3",
    "a CLIENT IMPORT-SOURCE ON",
    "a EXISTS k3",
    "a RESET",
    "a EXISTS k3",
];

fn flags(client: &mut Client) -> Vec<String> {
    let list = client.ask("CLIENT LIST").text();
    let words = list.split_whitespace();
    let mut flags: Vec<String> = words
        .filter_map(|word| word.strip_prefix("flags="))
        .map(str::to_owned)
        .collect();
    flags.sort();
    flags
}

#[test]
fn a_source_sees_what_has_expired_as_in_valkey() {
    let Some(program) = valkey_9() else { return };
    let servers = [
        Server::start_program(&program, &[]),
        Server::start_program(&our_server(), &[]),
    ];
    let mut pairs = servers
        .each_ref()
        .map(|server| [server.client(), server.client(), server.client()]);
    for line in TALK {
        let (who, words) = line.split_once(' ').expect("someone says it");
        let who = usize::from(who == "b");
        let [theirs, ours] = pairs.each_mut().map(|pair| {
            let shown = pair[who].ask(words).to_string();
            (shown, flags(&mut pair[2]))
        });
        assert_eq!(ours, theirs, "{line}");
    }
}

#[test]
fn all_that_has_expired_goes_once_the_import_is_over() {
    let server = Server::start(&["--import-mode", "yes"]);
    let (mut client, mut other) = (server.client(), server.client());
    assert_eq!(client.ask("CLIENT IMPORT-SOURCE ON").text(), "OK");
    client.ask("SET k v PXAT 1");
    client.ask("HSET h f v");
    client.ask("HPEXPIREAT h 1 FIELDS 1 f");
    client.ask("SADDEX s PXAT 1 MEMBERS 1 m");
    assert_eq!(client.ask("HGET h f").text(), "v");
    assert_eq!(client.ask("SMEMBERS s").to_string(), "*[\"m\"]");
    assert_eq!(other.ask("SMEMBERS s").to_string(), "*[]");
    assert_eq!(other.ask("HGET h f"), Value::NullBulk);
    assert_eq!(other.ask("DBSIZE").int(), 3);
    client.ask("CONFIG SET import-mode no");
    eventually("what has expired is gone", || {
        other.ask("DBSIZE").int() == 0
    });
    assert_eq!(client.ask("EXISTS k").int(), 0);
}

/// Says that a client stores something, and how many keys there are then.
fn stored(client: &mut Client) -> (String, i64) {
    let said = client.ask("SET new v").text();
    (said, client.ask("DBSIZE").int())
}

#[test]
fn nothing_is_evicted_during_an_import_as_in_valkey() {
    let mut programs = vec![our_server()];
    programs.extend(valkey_9());
    for program in programs {
        let server = Server::start_program(&program, &[]);
        let (mut client, mut other) = (server.client(), server.client());
        client.ask("CONFIG SET import-mode yes");
        client.ask("CLIENT IMPORT-SOURCE ON");
        let value = "x".repeat(10_000);
        for n in 0..1000 {
            client.ask(&format!("SET big{n} {value}"));
        }
        client.ask("CONFIG SET maxmemory-policy allkeys-lru");
        client.ask("CONFIG SET maxmemory 6mb");
        let refused = "OOM command not allowed when used memory > 'maxmemory'.";
        for client in [&mut client, &mut other] {
            assert_eq!(stored(client), (refused.to_owned(), 1000), "{program:?}");
        }
        client.ask("CONFIG SET import-mode no");
        let (said, keys) = stored(&mut client);
        assert!(said == "OK" && keys < 1000, "{program:?}: {said}, {keys}");
    }
}

#[test]
fn what_is_stored_beside_an_import_is_the_same_in_memory_and_in_the_log() {
    let server = Server::start(&["--import-mode", "yes", "--appendonly", "yes"]);
    let (mut source, mut other) = (server.client(), server.client());
    source.ask("CLIENT IMPORT-SOURCE ON");
    source.ask("SADD dead a");
    source.ask("SADD lives b");
    source.ask("PEXPIREAT dead 1");
    other.ask("SUNIONSTORE union dead lives");
    other.ask("SET past v");
    other.ask("EXPIRE past -1");
    other.ask("EXPIREAT lives -7");
    let held = |source: &mut Client| {
        let asked = [
            "SMEMBERS union",
            "SMEMBERS lives",
            "SMEMBERS dead",
            "PEXPIRETIME past",
            "GET past",
        ];
        asked.map(|asked| source.ask(asked).to_string())
    };
    let memory = held(&mut source);
    assert_eq!(memory[0], "*[\"b\"]");
    assert_eq!(memory[1], "*[\"b\"]");
    assert_eq!(source.ask("DEBUG LOADAOF").text(), "OK");
    assert_eq!(held(&mut source), memory);
}
