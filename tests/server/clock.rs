//! A clock that a test moves, and chance that a seed repeats: nothing here waits for time to pass.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::common::{Client, Server, Value, encode, eventually, our_server};

/// A time in the middle of a second, in milliseconds since the Unix epoch.
const THEN: u64 = 1_900_000_000_500;

/// What TIME replies.
fn time(client: &mut Client) -> Vec<String> {
    let parts = client.ask("TIME").items();
    parts.iter().map(Value::text).collect()
}

#[test]
fn keys_die_at_their_millisecond() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask(&format!("DEBUG CLOCK FREEZE {THEN}"));
    client.ask("SET seen v PX 1000");
    client.ask("SET alone v PX 1000");
    assert_eq!(client.ask("PTTL seen").int(), 1000);
    assert_eq!(client.ask("PEXPIRETIME seen").int(), THEN as i64 + 1000);
    client.ask("DEBUG CLOCK ADVANCE 999");
    assert_eq!(client.ask("GET seen").text(), "v");
    assert_eq!(client.ask("PTTL seen").int(), 1);
    client.ask("DEBUG CLOCK ADVANCE 1");
    assert_eq!(client.ask("EXISTS seen").int(), 0);
    // The sweep wakes for the other one.
    eventually("the sweep removes what nobody touches", || {
        client.info_number("expired_keys") == 2
    });
}

#[test]
fn times_stand_still_are_set_and_go_on() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask(&format!("DEBUG CLOCK FREEZE {THEN}"));
    for _ in 0..3 {
        assert_eq!(time(&mut client), ["1900000000", "500000"]);
    }
    assert_eq!(client.ask("XADD s * f v").text(), format!("{THEN}-0"));
    assert_eq!(client.ask("XADD s * f v").text(), format!("{THEN}-1"));
    client.ask("DEBUG CLOCK SET 1000");
    assert_eq!(time(&mut client), ["1", "0"]);
    client.ask(&format!("DEBUG CLOCK SET {THEN}"));
    client.ask("DEBUG CLOCK RUN");
    eventually("the clock goes on", || {
        time(&mut client) != ["1900000000", "500000"]
    });
    assert!(time(&mut client)[0].starts_with("19000000"));
    for wrong in ["ADVANCE", "SET", "RUN 1", "STOP", "FREEZE -1", "SET x"] {
        assert!(client.ask(&format!("DEBUG CLOCK {wrong}")).is_error());
    }
    // No time is too far.
    client.ask("DEBUG CLOCK SET 9223372036854775807");
    client.ask("DEBUG CLOCK ADVANCE 9223372036854775807");
    assert!(!client.ask("SET k v PX 1000").is_error());
    assert!((1..=1000).contains(&client.ask("PTTL k").int()));
}

#[test]
fn what_follows_in_one_batch_has_the_new_time() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask(&format!("DEBUG CLOCK FREEZE {THEN}"));
    let batch = [
        encode(&["SET", "k", "v", "PX", "10"]),
        encode(&["DEBUG", "CLOCK", "ADVANCE", "10"]),
        encode(&["GET", "k"]),
    ];
    client.send(&batch.concat()).expect("the server reads");
    let mut hear = || client.receive().expect("the server answers").raw;
    assert_eq!(hear(), b"+OK\r\n");
    assert_eq!(hear(), b"+OK\r\n");
    assert_eq!(hear(), b"$-1\r\n");
}

#[test]
fn blocked_and_paused_clients_wait_for_the_clock() {
    let server = Server::start(&[]);
    let (mut client, mut blocked) = (server.client(), server.client());
    let mut paused = server.client();
    client.ask("DEBUG CLOCK FREEZE");
    blocked
        .send(&encode(&["BLPOP", "q", "3600"]))
        .expect("the server reads");
    eventually("it blocks", || client.info_number("blocked_clients") == 1);
    client.ask("DEBUG CLOCK ADVANCE 3599999");
    assert_eq!(client.info_number("blocked_clients"), 1);
    client.ask("DEBUG CLOCK ADVANCE 1");
    assert_eq!(blocked.receive().expect("it wakes").raw, b"*-1\r\n");

    client.ask("CLIENT PAUSE 3600000 WRITE");
    paused
        .send(&encode(&["SET", "k", "v"]))
        .expect("the server reads");
    eventually("it is held back", || {
        client.info_number("blocked_clients") == 1
    });
    client.ask("DEBUG CLOCK ADVANCE 3600000");
    assert_eq!(paused.receive().expect("it goes on").raw, b"+OK\r\n");
}

#[test]
fn a_server_that_forbids_debugging_keeps_its_clock() {
    let server = Server::start(&["--enable-debug-command", "no"]);
    let mut client = server.client();
    for word in ["CLOCK FREEZE", "SEED 1"] {
        let refused = client.ask(&format!("DEBUG {word}")).text();
        assert!(
            refused.starts_with("ERR DEBUG command not allowed"),
            "{refused}"
        );
    }
}

/// Commands whose replies hang on chance, and on the order of keys.
fn chances(client: &mut Client) -> Vec<u8> {
    let mut told = Vec::new();
    let mut say = |words: &str| {
        let args: Vec<&str> = words.split(' ').collect();
        told.extend(client.try_ask(&args).expect("the server answers").raw);
    };
    say("CONFIG SET maxmemory-policy allkeys-lfu");
    for n in 0..200 {
        say(&format!("SET key:{n} v"));
        say(&format!("SADD set member:{n}"));
        say(&format!("ZADD zset {n} member:{n}"));
        say(&format!("HSET hash field:{n} v"));
    }
    for _ in 0..50 {
        say("SRANDMEMBER set");
        say("SPOP set");
        say("RANDOMKEY");
        say("HRANDFIELD hash 3");
        say("ZRANDMEMBER zset -3");
        say("GET key:1");
        say("OBJECT FREQ key:1");
    }
    say("SCAN 0 COUNT 20");
    say("KEYS *");
    say("LOLWUT");
    told
}

/// A program that starts our server with a seed.
fn seeded(dir: &TempDir, seed: u64) -> PathBuf {
    let path = dir.path().join(format!("seed-{seed}"));
    let server = our_server();
    let text = format!(
        "#!/bin/sh\nVERMILION_SEED={seed} exec '{}' \"$@\"\n",
        server.display()
    );
    std::fs::write(&path, text).expect("a script");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("it may run");
    path
}

#[test]
fn a_seed_repeats_a_run() {
    let dir = TempDir::new().expect("a folder");
    let run = |seed| {
        let server = Server::start_program(&seeded(&dir, seed), &["--io-threads", "1"]);
        let mut client = server.client();
        client.ask(&format!("DEBUG CLOCK FREEZE {THEN}"));
        let id = client.ask("INFO server").text();
        let id = id.lines().find(|line| line.starts_with("run_id:"));
        (
            chances(&mut client),
            id.expect("a run has an id").to_owned(),
        )
    };
    let ((first, one), (again, two)) = (run(7), run(7));
    assert!(first == again, "one seed, one run");
    assert_ne!(one, two, "two servers are never one");
    assert!(run(8).0 != first, "another seed, another run");
}

#[test]
fn a_seed_given_later_repeats_what_is_drawn_from_there() {
    let server = Server::start(&["--io-threads", "1"]);
    let mut client = server.client();
    for n in 0..1000 {
        client.ask(&format!("SADD set {n} m{n}"));
    }
    let mut draw = |seed: u64| {
        client.ask(&format!("DEBUG SEED {seed}"));
        let drawn: Vec<String> = (0..20)
            .map(|_| client.ask("SRANDMEMBER set").text())
            .collect();
        drawn
    };
    let first = draw(11);
    assert_eq!(draw(11), first);
    assert_ne!(draw(12), first);
}

#[test]
fn what_a_log_counts_from_now_it_counts_from_the_time_it_is_read() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("SET k v");
    let payload = client.try_ask(&["DUMP", "k"]).expect("it answers").raw;
    // A frame has its length before it, and a line's end on both sides.
    let begin = payload
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a length")
        + 1;
    let payload = &payload[begin..payload.len() - 2];

    let dir = server.stop();
    let script =
        "if redis.call('PTTL', KEYS[1]) <= 100000 then redis.call('SET', KEYS[2], 'yes') end";
    let log = [
        encode(&["SELECT", "0"]),
        // It was alive when the next one was given.
        encode(&["SET", "dead", "v", "PXAT", "1000"]),
        encode(&["COPY", "dead", "copy"]),
        encode(&["PERSIST", "copy"]),
        encode(&["PSETEX", "soon", "100000", "v"]),
        encode(&[
            b"RESTORE",
            &b"old"[..],
            b"100000",
            payload,
            b"IDLETIME",
            b"500",
        ]),
        encode(&["EVAL", script, "2", "soon", "seen"]),
    ];
    std::fs::write(dir.path().join("appendonly.aof"), log.concat()).expect("a file");
    let server = Server::start_on(&our_server(), dir, &["--appendonly", "yes"]);
    let mut client = server.client();
    assert_eq!(client.ask("GET copy").text(), "v");
    assert_eq!(client.ask("EXISTS dead").int(), 0);
    for key in ["soon", "old"] {
        let left = client.ask(&format!("PTTL {key}")).int();
        assert!((1..=100_000).contains(&left), "{key}: {left}");
    }
    let idle = client.ask("OBJECT IDLETIME old").int();
    assert!((500..600).contains(&idle), "{idle}");
    assert_eq!(client.ask("GET seen").text(), "yes");
}
