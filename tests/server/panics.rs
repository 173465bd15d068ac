//! A bug that panics never leaves memory and log apart, and never half a transaction: panics are planted at many places.

use crate::common::{Client, Server, encode, eventually, our_server};

const OPTIONS: &[&str] = &[
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--io-threads",
    "2",
];

/// What becomes of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    LivesOn,
    Ends,
}
use Fate::{Ends, LivesOn};

struct Case {
    place: &'static str,
    /// How often the place is passed before the panic.
    passes: u64,
    /// Asked before the panic is planted.
    before: &'static [&'static str],
    /// Sent at once afterwards.
    then: &'static [&'static str],
    fate: Fate,
}

const fn case(place: &'static str, then: &'static [&'static str], fate: Fate) -> Case {
    Case {
        place,
        passes: 0,
        before: &[],
        then,
        fate,
    }
}

const TWO: &[&str] = &["MULTI", "SET b 2", "SET c 2", "EXEC"];
const SCRIPT: &[&str] = &["EVAL redis.pcall('set','b',2)pcall(redis.call,'set','c',2)return(1) 0"];

const CASES: &[Case] = &[
    // Nothing had been touched.
    case("read", &["GET a"], LivesOn),
    case("read", &["MULTI", "GET a", "SET b 2", "EXEC"], LivesOn),
    case(
        "read",
        &["EVAL pcall(redis.call,'get','a')return(1) 0"],
        LivesOn,
    ),
    case("write", &["SET b 2"], LivesOn),
    case("write", TWO, LivesOn),
    case("write", SCRIPT, LivesOn),
    // Something had.
    case("edited", &["SET b 2"], Ends),
    case("edited", &["FLUSHALL"], Ends),
    case("edited", TWO, Ends),
    Case {
        passes: 1,
        ..case("edited", TWO, Ends)
    },
    Case {
        passes: 1,
        ..case("write", TWO, Ends)
    },
    case("read", &["MULTI", "SET b 2", "GET a", "EXEC"], Ends),
    case("edited", SCRIPT, Ends),
    Case {
        passes: 1,
        ..case("edited", SCRIPT, Ends)
    },
    Case {
        passes: 1,
        ..case("write", SCRIPT, Ends)
    },
    case("commit", &["SET b 2"], Ends),
    case("commit", TWO, Ends),
    case(
        "evict",
        &[
            "CONFIG SET maxmemory-policy allkeys-lru",
            "CONFIG SET maxmemory 1",
        ],
        Ends,
    ),
    Case {
        before: &["SET t 1 PX 100"],
        ..case("sweep", &["PING"], Ends)
    },
    case("log", &["SET b 2"], Ends),
    case("snapshot", &["BGSAVE"], Ends),
];

fn words(line: &str) -> Vec<u8> {
    encode(&line.split(' ').collect::<Vec<_>>())
}

fn is_gone(server: &Server) -> bool {
    Client::connect(server.port).is_err()
}

/// Starts on the files of a server that is gone, or goes.
fn again(server: Server) -> Server {
    Server::start_on(&our_server(), server.kill(), OPTIONS)
}

#[test]
fn what_was_acknowledged_stays_and_nothing_else() {
    for one in CASES {
        let name = format!("{} after {}: {:?}", one.place, one.passes, one.then);
        let server = Server::start(OPTIONS);
        let mut client = server.client();
        client.ask("SET a 1");
        client.ask("RPUSH l x");
        one.before.iter().for_each(|line| {
            client.ask(line);
        });
        let planted = client.ask(&format!("DEBUG PANIC-AT {} {}", one.place, one.passes));
        assert_eq!(planted.text(), "OK", "{name}");
        let bytes: Vec<u8> = one.then.iter().flat_map(|line| words(line)).collect();
        client.send(&bytes).expect("the server reads");
        if one.fate == LivesOn {
            client.set_patience(std::time::Duration::from_secs(5));
            // Its connection may be closed, or hear something else.
            let _ = one.then.iter().try_for_each(|_| client.receive().map(drop));
            eventually(&name, || server.log().contains("a panic was planted at"));
            let mut other = server.client();
            assert_eq!(other.ask("EXISTS b").int(), 0, "{name}");
            let digest = other.ask("DEBUG DIGEST");
            let server = again(server);
            assert_eq!(server.client().ask("DEBUG DIGEST"), digest, "{name}");
            continue;
        }
        eventually(&name, || is_gone(&server));
        assert!(server.log().contains("a panic was planted at"), "{name}");
        let server = again(server);
        let mut client = server.client();
        assert_eq!(
            client.ask("LRANGE l 0 -1").to_string(),
            "*[\"x\"]",
            "{name}"
        );
        assert_eq!(client.ask("GET a").text(), "1", "{name}");
        let half = client.ask("EXISTS b c").int();
        // What had reached the log, and was not answered, may be there, but whole.
        let whole = if one.then == TWO || one.then == SCRIPT {
            2
        } else {
            1
        };
        assert!(
            half == 0 || one.place == "log" && half == whole,
            "{name}: {half}"
        );
    }
}

#[test]
fn a_panic_while_a_blocked_client_is_served_loses_nothing() {
    let server = Server::start(OPTIONS);
    let mut client = server.client();
    let mut waiter = server.client();
    waiter
        .send(&words("BLMOVE k d LEFT RIGHT 0"))
        .expect("the server reads");
    eventually("it waits", || {
        client
            .ask("INFO clients")
            .text()
            .contains("blocked_clients:1")
    });
    client.ask("DEBUG PANIC-AT serve");
    client.send(&words("RPUSH k v")).expect("the server reads");
    eventually("the server ends", || is_gone(&server));
    let server = again(server);
    assert_eq!(
        server.client().ask("EXISTS k d").int(),
        0,
        "neither was acknowledged"
    );
}

#[test]
fn a_panic_in_replication_leaves_both_ends_equal() {
    let master = Server::start(OPTIONS);
    let port = master.port.to_string();
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {port}")]);
    let (mut to_master, mut to_replica) = (master.client(), replica.client());
    let arrives = |to_replica: &mut Client, key: &str| {
        eventually("the key arrives", || {
            to_replica.ask(&format!("EXISTS {key}")).to_string() == ":1"
        });
    };
    to_master.ask("SET a 1");
    arrives(&mut to_replica, "a");
    // The link begins anew.
    to_replica.ask("DEBUG PANIC-AT link");
    to_master.ask("SET b 2");
    arrives(&mut to_replica, "b");
    // The master ends, and comes back with what it had acknowledged.
    to_master.ask("DEBUG PANIC-AT feed");
    let _ = to_master.try_ask(&["SET", "c", "3"]);
    eventually("the master ends", || is_gone(&master));
    let master = again(master);
    assert_eq!(
        master.client().ask("MGET a b").to_string(),
        "*[\"1\" \"2\"]"
    );
    to_replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    let mut to_master = master.client();
    to_master.ask("SET d 4");
    eventually("both are equal", || {
        to_replica.ask("DEBUG DIGEST") == to_master.ask("DEBUG DIGEST")
    });
}
