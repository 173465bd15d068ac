//! Our server and the real one as each other's master and replica, under writes, with the link cut in the middle.

use std::path::Path;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::common::{Client, Server, our_server, real_redis, redis_is_missing};
use crate::persist::contents::contents;

const PATIENCE: Duration = Duration::from_secs(30);
const OPTIONS: [&str; 2] = ["--repl-diskless-sync-delay", "0"];
const WRITERS: u64 = 3;
const WRITES: u64 = 3000;
const CUTS: usize = 5;

fn start(program: &Path) -> (Server, Client) {
    let server = Server::start_program(program, &OPTIONS);
    let client = server.client();
    (server, client)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        sleep(Duration::from_millis(20));
    }
}

fn follow(replica: &mut Client, master: &Server) {
    let line = format!("REPLICAOF 127.0.0.1 {}", master.port);
    assert_eq!(replica.ask(&line).text(), "OK");
    until("the link is up", || {
        replica.info("master_link_status") == "up"
    });
}

/// How often a replica came back for the rest of the stream.
fn resumed(master: &mut Client) -> usize {
    master.info("sync_partial_ok").parse().unwrap()
}

/// Both have the same offset, and the replica has applied it.
fn caught_up(master: &mut Client, replica: &mut Client) {
    until("the replica has everything", || {
        let end = master.info("master_repl_offset");
        replica.info("master_link_status") == "up" && replica.info("slave_repl_offset") == end
    });
}

/// One of many kinds of edits.
fn write(client: &mut Client, random: &mut fastrand::Rng) {
    let key = random.u32(0..200);
    let n = random.i32(-1000..1000);
    let lines: &[String] = &match random.u32(0..24) {
        0 => vec![format!("SET s{key} {n}")],
        1 => vec![format!("SET s{key} {n} EX 1000")],
        2 => vec![format!("SET short{key} {n} PX 30")],
        3 => vec![format!("INCRBYFLOAT f{key} 0.{}", random.u32(1..999))],
        4 => vec![format!("APPEND a{key} {n}")],
        5 => vec![format!("RPUSH l{key} {n} {n}a")],
        6 => vec![format!("LPOP l{key}")],
        7 => vec![format!("LMOVE l{key} l{} LEFT RIGHT", random.u32(0..200))],
        8 => vec![format!("SADD set{key} {n} x{n}")],
        9 => vec![format!("SPOP set{key} 2")],
        10 => vec![format!("HSET h{key} f{n} {n}")],
        11 => vec![format!("HINCRBY h{key} count {n}")],
        12 => vec![format!("ZADD z{key} {n} m{}", random.u32(0..50))],
        13 => vec![format!("ZPOPMIN z{key}")],
        14 => vec![format!("XADD x{key} MAXLEN ~ 100 * field {n}")],
        15 => vec![format!("EXPIRE s{key} {}", random.u32(500..2000))],
        16 => vec![format!("DEL s{key} l{key}")],
        17 => vec![
            "MULTI".into(),
            format!("SET m{key} {n}"),
            format!("INCR counter{}", random.u32(0..5)),
            "EXEC".into(),
        ],
        18 => vec![format!(
            "EVAL \"redis.call('set',KEYS[1],ARGV[1]) return redis.call('incr','evals')\" 2 e{key} evals {n}"
        )],
        19 => vec![format!("SELECT {}", random.u32(0..3))],
        20 => vec![format!("GETEX s{key} PERSIST")],
        21 => vec![format!("SETBIT b{key} {} 1", random.u32(0..3000))],
        22 => vec![format!("PFADD p{key} {n}")],
        _ => vec![format!("BLPOP l{key} 0.001")],
    };
    for line in lines {
        client.ask(line);
    }
}

/// Writes from some clients at a time, while `meanwhile` runs.
fn under_load(master: &Server, seed: u64, meanwhile: impl FnOnce()) {
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed + writer);
                let mut client = master.client();
                for _ in 0..WRITES {
                    write(&mut client, &mut random);
                }
            });
        }
        meanwhile();
    });
}

fn same(master: &mut Client, replica: &mut Client) {
    // Keys with short lives are dead by now, on both sides.
    sleep(Duration::from_millis(200));
    caught_up(master, replica);
    let (expected, got) = (contents(master), contents(replica));
    assert!(expected.len() > 500, "{} keys", expected.len());
    for (place, value) in &expected {
        assert_eq!(got.get(place), Some(value), "at {place:?}");
    }
    assert_eq!(got.len(), expected.len());
}

/// A full sync, then writes during which the link is cut again and again: each time the rest of the stream is enough.
fn exchange(master: &Path, replica: &Path, seed: u64) {
    let (main, mut client) = start(master);
    let (copy, mut other) = start(replica);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..2000 {
        write(&mut client, &mut random);
    }
    client.ask("SELECT 0");
    follow(&mut other, &main);
    let mut watch = main.client();
    under_load(&main, seed, || {
        for cut in 0..CUTS {
            sleep(Duration::from_millis(60));
            // From either end.
            let (side, kind) = if cut % 2 == 0 {
                (&main, "replica")
            } else {
                (&copy, "master")
            };
            side.client().ask(&format!("CLIENT KILL TYPE {kind}"));
            until("the link is up again", || resumed(&mut watch) > cut);
        }
    });
    same(&mut client, &mut other);
    assert_eq!(client.info("sync_full"), "1", "{}", copy.log());
    assert!(other.ask("SET k v").text().starts_with("READONLY"));
}

#[test]
fn the_real_server_is_our_replica() {
    if redis_is_missing() {
        return;
    }
    exchange(&our_server(), &real_redis(), 1);
}

#[test]
fn the_real_server_is_our_master() {
    if redis_is_missing() {
        return;
    }
    exchange(&real_redis(), &our_server(), 2);
}

#[test]
fn our_server_is_its_own_replica() {
    exchange(&our_server(), &our_server(), 3);
}

#[test]
fn a_replica_of_a_replica_goes_on_with_the_one_that_was_promoted() {
    if redis_is_missing() {
        return;
    }
    let (first, mut a) = start(&real_redis());
    let (middle, mut b) = start(&our_server());
    let (_last, mut c) = start(&real_redis());
    follow(&mut b, &first);
    follow(&mut c, &middle);
    under_load(&first, 4, || {});
    same(&mut a, &mut b);
    same(&mut b, &mut c);
    // Promoted, it goes on with the same history, so that nobody needs a full sync.
    let full = b.info("sync_full");
    assert_eq!(b.ask("REPLICAOF NO ONE").text(), "OK");
    let line = format!("REPLICAOF 127.0.0.1 {}", middle.port);
    a.ask(&line);
    until("the old master follows", || {
        a.info("master_link_status") == "up"
    });
    under_load(&middle, 5, || {});
    same(&mut b, &mut a);
    same(&mut b, &mut c);
    assert_eq!(b.info("sync_full"), full);
}

#[test]
fn a_replica_logs_in_as_a_user_of_its_own() {
    if redis_is_missing() {
        return;
    }
    for (master, replica) in [
        (our_server(), real_redis()),
        (real_redis(), our_server()),
        (our_server(), our_server()),
    ] {
        let (master, mut m) = start(&master);
        let (_replica, mut r) = start(&replica);
        m.ask("ACL SETUSER rep on >secret +psync +replconf +ping");
        m.ask("ACL SETUSER default -psync -sync");
        m.ask("SET k v");
        r.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
        // Nobody logs in yet, and the default user may not.
        until("the master refuses", || {
            m.ask("INFO errorstats").text().contains("errorstat_NOPERM")
        });
        assert_eq!(r.info("master_link_status"), "down");
        // In the middle of its greeting the real server would wait for an answer to the log-in that it has not sent.
        r.ask("REPLICAOF NO ONE");
        r.ask("CONFIG SET masteruser rep masterauth secret");
        follow(&mut r, &master);
        m.ask("SET k w");
        caught_up(&mut m, &mut r);
        assert_eq!(r.ask("GET k").text(), "w");
        let list = r.ask("CLIENT LIST TYPE master").text();
        assert!(list.contains(" user=(superuser) "), "{list}");
        let list = m.ask("CLIENT LIST TYPE replica").text();
        assert!(list.contains(" user=rep "), "{list}");
        // Without its user it is no replica.
        m.ask("ACL DELUSER rep");
        until("the link is cut", || r.info("master_link_status") == "down");
    }
}

#[test]
fn a_replica_that_falls_too_far_behind_is_cut_off() {
    let server = Server::start(&[
        "--client-output-buffer-limit",
        "replica 4mb 0 0",
        "--repl-backlog-size",
        "1mb",
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let mut client = server.client();
    // A replica that takes its snapshot and then nothing more.
    let _slow = server.replica();
    let before = server.resident_bytes();
    let value = "x".repeat(100_000);
    for n in 0..600 {
        client.ask(&format!("SET k{} {value}", n % 10));
    }
    until("it is gone", || client.info("connected_slaves") == "0");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes for 60 MB of edits");
    assert!(server.log().contains("overcoming of output buffer limits"));
}

#[test]
fn a_replica_that_is_killed_hears_nothing_of_what_comes_after() {
    let options = ["--repl-diskless-sync-delay", "0", "--io-threads", "1"];
    let server = Server::start(&options);
    let mut client = server.client();
    let mut replica = server.replica();
    client.ask("SET before the-kill");
    client
        .send(b"MULTI\r\nCLIENT KILL TYPE replica\r\nSET after the-kill\r\nEXEC\r\n")
        .unwrap();
    let heard = replica.drain().expect("it is closed");
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.contains("before"), "{heard:?}");
    assert!(!heard.contains("after"), "{heard:?}");
    let replies: Vec<String> = (0..4)
        .map(|_| client.receive().unwrap().value.to_string())
        .collect();
    assert_eq!(replies[3], "*[:1 +OK]");
}

/// As the README has it: without downtime, from a stock server to ours, and back.
#[test]
fn a_master_of_either_make_fails_over_to_the_other() {
    if redis_is_missing() {
        return;
    }
    for (old, new) in [(real_redis(), our_server()), (our_server(), real_redis())] {
        let (old, mut from) = start(&old);
        let (new, mut to) = start(&new);
        for client in [&mut from, &mut to] {
            client.ask("CONFIG SET requirepass secret masterauth secret");
        }
        follow(&mut to, &old);
        from.ask("SET k v");
        // The replica knows that the link is up before its master does.
        until("the master knows that its replica is there", || {
            from.ask("INFO replication").text().contains("state=online")
        });
        let order = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 20000", new.port);
        assert_eq!(from.ask(&order).text(), "OK");
        until("roles have changed", || {
            to.info("role") == "master" && from.info("master_link_status") == "up"
        });
        assert_eq!(to.ask("SET k w").text(), "OK");
        caught_up(&mut to, &mut from);
        assert_eq!(from.ask("GET k").text(), "w");
        assert!(from.ask("SET k x").text().starts_with("READONLY"));
    }
}
