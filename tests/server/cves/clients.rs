//! Clients that go while they wait, or while another looks at them.

use crate::common::{Client, Server, encode, eventually};

use super::{is_well, raw, say};

/// Blocked clients are evicted for their memory in the moment that they are served.
#[test]
fn cve_2026_23479_who_is_evicted_while_served_is_gone() {
    let server = Server::start(&["--maxmemory-clients", "400kb", "--io-threads", "2"]);
    let mut pusher = server.client();
    say(&mut pusher, "CLIENT NO-EVICT ON");
    for round in 0..30 {
        let blocked: Vec<Client> = (0..6)
            .map(|_| {
                let mut client = server.client();
                let long = "k".repeat(30_000);
                let _ = client.send(&encode(&[
                    "BLMPOP", "0", "3", "q", "r", &long, "LEFT", "COUNT", "2",
                ]));
                client
            })
            .collect();
        eventually("somebody waits, or all are evicted", || {
            pusher.info_number("blocked_clients") > 0 || pusher.info_number("evicted_clients") > 0
        });
        let big = "e".repeat(100_000);
        for _ in 0..4 {
            raw(&mut pusher, &["RPUSH", "q", &big, &big]);
        }
        if round % 3 == 0 {
            say(&mut pusher, "CONFIG SET maxmemory-clients 200kb");
            say(&mut pusher, "CONFIG SET maxmemory-clients 400kb");
        }
        drop(blocked);
        eventually("the clients are gone", || {
            pusher.info_number("connected_clients") == 1
        });
        say(&mut pusher, "DEL q");
        assert_eq!(pusher.info_number("blocked_clients"), 0);
    }
    is_well(&server);
}

/// https://github.com/redis/redis/pull/15594: one who is served evicts another who waits for the same key.
#[test]
fn who_is_served_may_end_the_next_who_waits() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut pusher = server.client();
    for round in 0..20 {
        let mut waiting: Vec<Client> = (0..4).map(|_| server.client()).collect();
        let ids: Vec<i64> = waiting
            .iter_mut()
            .map(|client| client.ask("CLIENT ID").int())
            .collect();
        for client in &mut waiting {
            client
                .send(&encode(&["BLMOVE", "q", "r", "LEFT", "RIGHT", "0"]))
                .expect("sent");
        }
        eventually("all wait", || pusher.info_number("blocked_clients") == 4);
        let mut pipeline = encode(&["MULTI"]);
        pipeline.extend(encode(&["RPUSH", "q", "a", "b"]));
        pipeline.extend(encode(&[
            "CLIENT",
            "KILL",
            "ID",
            &ids[round % 4].to_string(),
        ]));
        pipeline.extend(encode(&["RPUSH", "q", "c", "d"]));
        pipeline.extend(encode(&["EXEC"]));
        pusher.send(&pipeline).expect("sent");
        for _ in 0..5 {
            pusher.receive().expect("an answer");
        }
        drop(waiting);
        eventually("nobody waits", || {
            pusher.info_number("blocked_clients") == 0
        });
        let left = pusher.ask("LLEN q").int() + pusher.ask("LLEN r").int();
        assert!(left == 4, "round {round}: {left} of 4 elements are left");
        say(&mut pusher, "DEL q r");
    }
    is_well(&server);
}

/// What is asked of a client that ends at the same time.
#[test]
fn clients_may_be_looked_at_while_they_end() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut admin = server.client();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let mut client = server.client();
                    let _ = client.send(&encode(&["SUBSCRIBE", "c"]));
                    let _ = client.send(b"*2\r\n$4\r\nECHO\r\n$3\r\nx");
                }
            });
        }
        for _ in 0..150 {
            for line in [
                "CLIENT LIST",
                "CLIENT KILL TYPE pubsub",
                "PUBLISH c m",
                "CLIENT KILL TYPE normal SKIPME yes",
                "CLIENT UNBLOCK 5",
            ] {
                assert!(!say(&mut admin, line).is_empty());
            }
        }
    });
    eventually("all others are gone", || {
        admin.info_number("connected_clients") == 1
    });
    is_well(&server);
}
