//! What is begun is ended whole: a script that has changed something runs to its end before the server stops, whoever
//! asks for that; SHUTDOWN NOSAVE cuts it off, and then none of it is kept.

use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use crate::common::{Client, Server, encode, eventually, our_server};

/// It takes from one and gives to the other, and works for long in between.
const MOVES: &str = "redis.call('decrby','alice',100) local n=0 for i=1,tonumber(ARGV[1]) do n=n+1 end redis.call('incrby','bob',100) return n";
/// Some seconds.
const LONG: &str = "150000000";
/// Longer than anybody waits.
const ENDLESS: &str = "1000000000000";

const OPTIONS: [&str; 4] = ["--appendonly", "yes", "--busy-reply-threshold", "20"];

/// Starts a server, and in it a script in the way that is given.
fn begin(way: &str, turns: &str, options: &[&str]) -> (Server, Client) {
    let server = Server::start(&[&OPTIONS, options].concat());
    let mut client = server.client();
    client.ask("MSET alice 500 bob 0");
    let library = format!(
        "#!lua name=bank\nredis.register_function('move', function(KEYS, ARGV) {MOVES} end)"
    );
    assert_eq!(
        client.ask_args(&["FUNCTION", "LOAD", &library]).text(),
        "bank"
    );
    let eval = encode(&["EVAL", MOVES, "0", turns]);
    let bytes = match way {
        "EVAL" => eval,
        "EXEC" => [
            encode(&["MULTI"]),
            encode(&["DECRBY", "alice", "1"]),
            eval,
            encode(&["INCRBY", "bob", "1"]),
            encode(&["EXEC"]),
        ]
        .concat(),
        "FCALL" => encode(&["FCALL", "move", "0", turns]),
        other => panic!("no way: {other}"),
    };
    client.send(&bytes).expect("the server reads");
    let mut other = server.client();
    eventually("the script runs for long", || {
        other.ask("GET x").text().contains("BUSY")
    });
    (server, other)
}

/// What both have once the server is up again.
fn kept(dir: TempDir) -> Vec<String> {
    let server = Server::start_on(&our_server(), dir, &OPTIONS);
    let reply = server.client().ask("MGET alice bob").items();
    reply.iter().map(|value| value.text()).collect()
}

/// Waits until the server is gone, and takes its files.
fn gone(server: Server, client: &mut Client) -> TempDir {
    client.set_patience(std::time::Duration::from_secs(60));
    client.drain().expect("the server closes the connection");
    server.stop()
}

#[test]
fn a_signal_waits_for_scripts_that_have_written() {
    for way in ["EVAL", "EXEC", "FCALL"] {
        let (server, mut client) = begin(way, LONG, &[]);
        kill_process(server.id(), Signal::TERM).expect("it runs");
        let dir = gone(server, &mut client);
        let wanted = match way {
            "EXEC" => ["399", "101"],
            _ => ["400", "100"],
        };
        assert_eq!(kept(dir), wanted, "{way}");
    }
}

#[test]
fn a_stop_that_comes_to_nothing_cuts_no_script() {
    let (server, mut client) = begin("EVAL", LONG, &[]);
    kill_process(server.id(), Signal::TERM).expect("it runs");
    eventually("the server is about to stop", || {
        server.log().contains("Waiting for scripts")
    });
    assert_eq!(client.ask("SHUTDOWN ABORT").text(), "OK");
    let balances = |client: &mut Client| {
        let reply = client.ask("MGET alice bob");
        (!reply.is_error()).then(|| reply.to_string())
    };
    eventually("the script ends", || balances(&mut client).is_some());
    assert_eq!(balances(&mut client).as_deref(), Some("*[\"400\" \"100\"]"));
    assert_eq!(kept(server.stop()), ["400", "100"]);
}

#[test]
fn shutdown_nosave_keeps_nothing_of_a_script() {
    for way in ["EVAL", "EXEC", "FCALL"] {
        let (server, mut client) = begin(way, ENDLESS, &[]);
        for refused in [
            "SHUTDOWN",
            "SHUTDOWN NOW",
            "SHUTDOWN FORCE",
            "SHUTDOWN SAVE",
        ] {
            assert!(client.ask(refused).text().starts_with("BUSY"), "{refused}");
        }
        client
            .send(&encode(&["SHUTDOWN", "NOSAVE"]))
            .expect("the server reads");
        assert_eq!(kept(gone(server, &mut client)), ["500", "0"], "{way}");
    }
}

#[test]
fn a_script_that_has_written_nothing_keeps_no_signal_waiting() {
    let server = Server::start(&OPTIONS);
    let mut client = server.client();
    client
        .send(&encode(&["EVAL", "while true do end", "0"]))
        .expect("the server reads");
    let mut other = server.client();
    eventually("the script runs for long", || {
        other.ask("GET x").text().contains("BUSY")
    });
    kill_process(server.id(), Signal::TERM).expect("it runs");
    gone(server, &mut other);
}

#[test]
fn a_replica_that_has_yet_to_get_its_snapshot_keeps_no_shutdown_waiting() {
    let options = [
        "--repl-diskless-sync-delay",
        "0",
        "--rdb-key-save-delay",
        "1000000",
    ];
    let server = Server::start(&options);
    let mut client = server.client();
    client.ask("DEBUG POPULATE 20");
    let mut replica = server.client();
    replica.send(b"SYNC\r\n").unwrap();
    eventually("it waits for its snapshot", || {
        client.info("slave0").contains("state=wait_bgsave")
    });
    client.send(b"SHUTDOWN NOSAVE\r\n").unwrap();
    assert!(server.ends_within(Duration::from_secs(5)));
}
