//! `used_memory` counts what is in use, whichever thread took it and whichever gave it back, after that thread's end too.

use crate::common::{Client, Server, eventually};

/// What is on its way, and what tables keep to spare.
const SLACK_BYTES: i64 = 2 << 20;

fn used(client: &mut Client) -> i64 {
    client.info_number("used_memory")
}

/// Does it a few times, and then waits until as much is in use as after the first time.
fn stays(client: &mut Client, what: &str, mut act: impl FnMut(&mut Client)) {
    act(client);
    let before = used(client);
    for _ in 0..20 {
        act(client);
    }
    let mut kept = 0;
    eventually(&format!("what was in use before {what} is"), || {
        kept = used(client) - before;
        kept.abs() < SLACK_BYTES
    });
}

fn fill(client: &mut Client) {
    let item = "y".repeat(50);
    let fields: Vec<String> = (0..800).map(|field| field.to_string()).collect();
    for key in 0..50 {
        client.ask_args(&["SET", &format!("string{key}"), &item.repeat(20)]);
        let list = format!("list{key}");
        let items = vec![&item[..]; 200];
        client.ask_args(&[&["RPUSH", &list[..]], &items[..]].concat());
        let hash = format!("hash{key}");
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        client.ask_args(&[&["HSET", &hash[..]], &fields[..]].concat());
    }
}

#[test]
fn reading_data_again_and_again_takes_no_more_memory() {
    let server = Server::start(&["--io-threads", "2", "--appendonly", "yes"]);
    let mut client = server.client();
    fill(&mut client);
    for line in ["DEBUG RELOAD", "DEBUG LOADAOF"] {
        stays(&mut client, line, |client| {
            assert_eq!(client.ask(line).text(), "OK");
        });
    }
}

#[test]
fn full_syncs_take_no_more_memory() {
    let master = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let mut client = master.client();
    fill(&mut client);
    let replica = Server::start(&[]);
    let mut follower = replica.client();
    stays(&mut follower, "full syncs", |follower| {
        client.ask("DEBUG CHANGE-REPL-ID");
        follower.ask("REPLICAOF NO ONE");
        follower.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
        eventually("the replica is up", || {
            follower.info("master_link_status") == "up"
        });
    });
    assert_eq!(follower.ask("DBSIZE").int(), 150);
}

#[test]
fn keys_that_are_sent_away_take_no_more_memory() {
    let (server, other) = (Server::start(&[]), Server::start(&[]));
    let mut client = server.client();
    client.ask_args(&["SET", "large", &"x".repeat(4 << 20)]);
    stays(&mut client, "MIGRATE", |client| {
        let line = format!(
            "MIGRATE 127.0.0.1 {} large 0 10000 COPY REPLACE",
            other.port
        );
        assert_eq!(client.ask(&line).text(), "OK");
    });
}
