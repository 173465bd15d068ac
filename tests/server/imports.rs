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
        .map(|server| [server.client(), server.client()]);
    for line in TALK {
        let (who, words) = line.split_once(' ').expect("someone says it");
        let who = usize::from(who == "b");
        let [theirs, ours] = pairs.each_mut().map(|pair| {
            let shown = pair[who].ask(words).to_string();
            (shown, flags(&mut pair[1]))
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
