//! Keys that are due go by themselves: nobody touches them, yet they are gone, announced and counted.
//! How soon is measured elsewhere; here it is only "soon enough for a busy machine".

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::{Client, Server, Value, our_server};

const PATIENCE: Duration = Duration::from_secs(20);
const KEYS: usize = 500;

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(10));
    }
}

fn expired_keys(client: &mut Client) -> usize {
    let text = client.ask("INFO stats").text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("expired_keys:"));
    line.and_then(|number| number.parse().ok())
        .expect("INFO stats counts expired_keys")
}

#[test]
fn untouched_keys_vanish_are_announced_and_counted() {
    let server = Server::start(&["--notify-keyspace-events", "Ex"]);
    let mut listener = server.client();
    listener.ask("SUBSCRIBE __keyevent@0__:expired");
    let mut client = server.client();
    client.ask("SET stays 1");
    for at in 0..KEYS {
        client.ask(&format!("SET key{at} value PX {}", 1 + at % 100));
    }
    wait_for("due keys stay in memory", || {
        client.ask("DBSIZE").int() == 1
    });
    let mut announced: Vec<String> = (0..KEYS)
        .map(|_| {
            listener
                .receive()
                .expect("an event for each key")
                .value
                .items()[2]
                .text()
        })
        .collect();
    announced.sort();
    announced.dedup();
    assert_eq!(announced.len(), KEYS, "some key was announced twice");
    assert_eq!(expired_keys(&mut client), KEYS);
}

#[test]
fn a_due_key_is_absent_to_every_reader_at_once() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0");
    client.ask("RPUSH list a");
    client.ask("PEXPIRE list 1");
    sleep(Duration::from_millis(20));
    assert_eq!(client.ask("EXISTS list").int(), 0);
    assert_eq!(client.ask("TYPE list"), Value::Simple(b"none".to_vec()));
    assert_eq!(client.ask("TTL list").int(), -2);
    assert_eq!(client.ask("KEYS *"), Value::Array(vec![]));
    assert_eq!(
        client.ask("RENAME list other"),
        Value::Error(b"ERR no such key".to_vec())
    );
    assert_eq!(client.ask("RPUSH list b").int(), 1);
    assert_eq!(client.ask("TTL list").int(), -1);
}

#[test]
fn a_key_that_is_dead_when_the_data_are_read_again_is_told_to_the_log() {
    let server = Server::start(&["--appendonly", "yes"]);
    let mut client = server.client();
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0");
    client.ask("SET k v PX 1");
    wait_for("the key dies", || client.ask("EXISTS k").int() == 0);
    assert_eq!(client.ask("DEBUG RELOAD").text(), "OK");
    assert_eq!(client.ask("RPUSH k a").int(), 1);
    let server = Server::start_on(&our_server(), server.stop(), &["--appendonly", "yes"]);
    assert_eq!(server.client().ask("LLEN k").int(), 1);
}

#[test]
fn a_dead_key_that_a_replicas_client_comes_upon_is_told_to_the_replicas_log() {
    let options = ["--appendonly", "yes", "--replica-read-only", "no"];
    let server = Server::start(&options);
    let mut client = server.client();
    client.ask("SADD target old");
    client.ask("SADD source a");
    client.ask("PEXPIRE source 300");
    // Nobody answers there, so nobody says that the key goes.
    assert_eq!(client.ask("REPLICAOF 127.0.0.1 1").text(), "OK");
    wait_for("the key dies", || client.ask("EXISTS source").int() == 0);
    assert_eq!(client.ask("SUNIONSTORE target source").int(), 0);
    let server = Server::start_on(&our_server(), server.stop(), &["--appendonly", "yes"]);
    assert_eq!(server.client().ask("EXISTS target").int(), 0);
}

#[test]
fn a_deadline_moved_or_removed_in_time_is_forgotten() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("SET kept 1 PX 300");
    client.ask("PERSIST kept");
    client.ask("SET moved 1 PX 300");
    client.ask("PEXPIRE moved 3600000");
    client.ask("SET renamed 1 PX 300");
    client.ask("RENAME renamed new");
    wait_for("a renamed key keeps no deadline", || {
        client.ask("DBSIZE").int() == 2
    });
    assert_eq!(client.ask("EXISTS kept moved").int(), 2);
}
