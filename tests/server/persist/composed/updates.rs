//! Edits that Valkey 9.2 heard of while it wrote a snapshot, and that stand between the keys.

use super::writer::Composed;
use super::{again, open, opened, started};
use crate::common::{Client, Server, Value, encode};

fn update(file: Composed, words: &[&str]) -> Composed {
    file.raw(&[242]).raw(&encode(words))
}

/// A snapshot of Valkey 9.2 with edits that it heard of while it wrote.
pub fn with_updates() -> Vec<u8> {
    let file = Composed::file("VALKEY081").raw(&[0xfe, 0]);
    let file = file.string("counter", "41").string("gone", "x");
    let file = update(file, &["INCR", "counter"]);
    let file = update(file, &["DEL", "gone"]);
    let file = update(file, &["MULTI"]);
    let file = update(file, &["RPUSH", "list", "a", "b"]);
    let file = update(file, &["EXEC"]);
    let file = file.raw(&[0xfe, 4]).string("there", "1");
    update(file, &["APPEND", "there", "23"]).end()
}

pub fn updated(client: &mut Client) {
    assert_eq!(client.ask("GET counter").text(), "42");
    assert_eq!(client.ask("EXISTS gone").int(), 0);
    assert_eq!(client.ask("LRANGE list 0 -1").to_string(), r#"*["a" "b"]"#);
    assert_eq!(client.ask("SELECT 4").to_string(), "+OK");
    assert_eq!(client.ask("GET there").text(), "123");
    assert_eq!(client.ask("SELECT 0").to_string(), "+OK");
}

#[test]
fn edits_that_stand_between_the_keys_are_made() {
    let (server, mut client) = opened(&with_updates());
    updated(&mut client);
    let (_server, mut client) = again(server, client);
    updated(&mut client);
}

#[test]
fn only_what_a_log_may_hold_is_run() {
    let with = |words: &[&str]| {
        let file = Composed::file("VALKEY081").raw(&[0xfe, 0]);
        let file = update(file.string("counter", "41"), words);
        update(file, &["INCR", "counter"]).end()
    };
    for (words, name) in [
        (&["SHUTDOWN", "NOSAVE"][..], "SHUTDOWN"),
        (&["CONFIG", "SET", "maxclients", "77"], "CONFIG SET"),
        (&["ACL", "SETUSER", "default", "off"], "ACL SETUSER"),
        (&["DEBUG", "JMAP"], "DEBUG"),
        (&["GET", "counter"], "GET"),
        (&["EVAL", "return redis.call('SET','e','1')", "0"], "EVAL"),
        (&["FCALL", "f", "0"], "FCALL"),
        (&["REPLICAOF", "127.0.0.1", "1"], "REPLICAOF"),
        (&["no\nsuch", "x"], "no\\nsuch"),
        (&["FUNCTION", "LIST"], "FUNCTION LIST"),
        (&["SET", "counter"], "SET"),
    ] {
        let log = open(&with(words)).err().expect("it must not start");
        let told = format!("1 command that no log holds: 1 of '{name}' in database 0");
        assert!(log.contains(&told), "{words:?}: {log}");
        let server = started(&with(words), &["--rdb-skip-unknown", "yes"]).expect("it starts");
        let mut client = server.client();
        assert_eq!(client.ask("GET counter").text(), "42", "{words:?}");
        assert!(server.log().contains(&told), "{words:?}");
        assert!(
            !client
                .ask("CONFIG GET maxclients")
                .to_string()
                .contains("77")
        );
        assert_eq!(client.ask("EXISTS e").int(), 0);
    }
    // Functions are in logs, too, and so are the brackets of a transaction.
    let library = "#!lua name=mylib\nredis.register_function('f', function() return 7 end)";
    let server = started(&with(&["FUNCTION", "LOAD", library]), &[]).expect("it starts");
    assert_eq!(server.client().ask("FCALL f 0").int(), 7);
}

#[test]
fn a_key_that_had_died_does_not_live_again_by_an_edit() {
    let past = 1_700_000_000_000_u64.to_le_bytes();
    let dead = |file: Composed, name: &str| file.raw(&[0xfc]).raw(&past).string(name, "1");
    let file = dead(
        dead(Composed::file("VALKEY081").raw(&[0xfe, 0]), "dead"),
        "set",
    );
    let file = update(dead(file, "untouched"), &["APPEND", "dead", "2"]);
    let file = update(file, &["SET", "set", "anew"]);
    let (server, mut client) = opened(&file.end());
    let check = |client: &mut Client| {
        assert!(matches!(client.ask("GET dead"), Value::NullBulk));
        assert!(matches!(client.ask("GET untouched"), Value::NullBulk));
        assert_eq!(client.ask("GET set").text(), "anew");
        assert_eq!(client.ask("TTL set").int(), -1);
    };
    check(&mut client);
    let (_server, mut client): (Server, Client) = again(server, client);
    check(&mut client);
    assert_eq!(client.ask("DBSIZE").int(), 1);
}
