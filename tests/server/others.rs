//! What is done to another client, and to what clients may do, holds when it is answered.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

use crate::common::{Client, Server, Value, encode, eventually};

/// A blocking command, what to make before it, what would serve it, and what shows that nothing was taken.
const WAITS: &[(&str, &str, &str, &str, &str)] = &[
    ("BLPOP k 0", "PING", "RPUSH k v", "LLEN k", ":1"),
    ("BRPOP k 0", "PING", "RPUSH k v", "LLEN k", ":1"),
    (
        "BLMOVE k d LEFT RIGHT 0",
        "PING",
        "RPUSH k v",
        "LLEN k",
        ":1",
    ),
    ("BRPOPLPUSH k d 0", "PING", "RPUSH k v", "LLEN k", ":1"),
    ("BLMPOP 0 1 k LEFT", "PING", "RPUSH k v", "LLEN k", ":1"),
    ("BZPOPMIN k 0", "PING", "ZADD k 1 v", "ZCARD k", ":1"),
    ("BZMPOP 0 1 k MIN", "PING", "ZADD k 1 v", "ZCARD k", ":1"),
    (
        "XREADGROUP GROUP g c BLOCK 0 STREAMS k >",
        "XGROUP CREATE k g $ MKSTREAM",
        "XADD k * f v",
        "XINFO GROUPS k",
        "*[*[\"name\" \"g\" \"consumers\" :1 \"pending\" :0 ",
    ),
];

fn words(line: &str) -> Vec<u8> {
    encode(&line.split(' ').collect::<Vec<_>>())
}

/// Sends these at once, and returns the last `count` answers.
fn pipeline(client: &mut Client, lines: &[&str], count: usize) -> Vec<Value> {
    let bytes: Vec<u8> = lines.iter().flat_map(|line| words(line)).collect();
    client.send(&bytes).expect("the server reads");
    let mut heard: Vec<Value> = lines
        .iter()
        .map(|_| client.receive().expect("an answer").value)
        .collect();
    heard.split_off(heard.len() - count)
}

/// A client that waits in this command, and its number.
fn waiting(server: &Server, asker: &mut Client, line: &str) -> (Client, i64) {
    let mut client = server.client();
    let id = client.ask("CLIENT ID").int();
    client.send(&words(line)).expect("the server reads");
    eventually("the client blocks", || {
        let listed = asker.ask(&format!("CLIENT LIST ID {id}")).text();
        listed.contains(" flags=b ")
    });
    (client, id)
}

fn servers() -> impl Iterator<Item = Server> {
    ["1", "2", "4"]
        .into_iter()
        .map(|workers| Server::start(&["--io-threads", workers]))
}

#[test]
fn a_killed_client_takes_nothing() {
    for server in servers() {
        let mut asker = server.client();
        for (wait, make, serve, show, shown) in WAITS {
            for in_transaction in [false, true] {
                asker.ask("FLUSHALL");
                asker.ask(make);
                let (_victim, id) = waiting(&server, &mut asker, wait);
                let kill = format!("CLIENT KILL ID {id}");
                let heard = match in_transaction {
                    false => pipeline(&mut asker, &[&kill, serve], 2),
                    true => pipeline(&mut asker, &["MULTI", &kill, serve, "EXEC"], 1)[0].items(),
                };
                assert_eq!(heard[0], Value::Int(1), "{wait}");
                let left = asker.ask(show).to_string();
                assert!(left.starts_with(shown), "{wait}: {left}");
                assert_eq!(asker.ask(&format!("CLIENT LIST ID {id}")).text(), "");
            }
        }
    }
}

#[test]
fn an_unblocked_client_takes_nothing_and_is_unblocked_once() {
    for server in servers() {
        let mut asker = server.client();
        for (wait, make, serve, show, shown) in WAITS {
            for in_transaction in [false, true] {
                asker.ask("FLUSHALL");
                asker.ask(make);
                let (mut victim, id) = waiting(&server, &mut asker, wait);
                let error = format!("CLIENT UNBLOCK {id} ERROR");
                let timeout = format!("CLIENT UNBLOCK {id} TIMEOUT");
                let lines: [&str; 4] = [&error, &timeout, serve, &error];
                let heard = match in_transaction {
                    false => pipeline(&mut asker, &lines, 4),
                    true => {
                        let all = ["MULTI", lines[0], lines[1], lines[2], lines[3], "EXEC"];
                        pipeline(&mut asker, &all, 1)[0].items()
                    }
                };
                assert_eq!(heard[0], Value::Int(1), "{wait}");
                assert_eq!(heard[1], Value::Int(0), "{wait}");
                assert_eq!(heard[3], Value::Int(0), "{wait}");
                let left = asker.ask(show).to_string();
                assert!(left.starts_with(shown), "{wait}: {left}");
                let told = victim.receive().expect("an answer").value.text();
                assert_eq!(told, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
                assert_eq!(victim.ask("PING").text(), "PONG");
            }
        }
    }
}

#[test]
fn a_killed_client_hears_nothing_and_is_in_no_list() {
    for server in servers() {
        let mut asker = server.client();
        for round in 0..20 {
            let mut victim = server.client();
            let id = victim.ask("CLIENT ID").int();
            victim.ask("SUBSCRIBE news");
            let mut pattern = server.client();
            let pattern_id = pattern.ask("CLIENT ID").int();
            pattern.ask("PSUBSCRIBE n*");
            let heard = pipeline(
                &mut asker,
                &[
                    "PUBLISH news one",
                    &format!("CLIENT KILL ID {id}"),
                    "PUBLISH news two",
                    "PUBSUB NUMSUB news",
                    "PUBSUB CHANNELS",
                    &format!("CLIENT KILL ID {pattern_id}"),
                    "PUBLISH news three",
                    "PUBSUB NUMPAT",
                    &format!("CLIENT LIST ID {id} {pattern_id}"),
                    &format!("CLIENT KILL ID {id}"),
                    &format!("CLIENT TRACKING ON REDIRECT {id}"),
                ],
                11,
            );
            let heard: Vec<String> = heard.iter().map(Value::to_string).collect();
            let expected = [
                ":2",
                ":1",
                ":1",
                "*[\"news\" :0]",
                "*[]",
                ":1",
                ":0",
                ":0",
                "=\"txt:\"",
                ":0",
                "-ERR The client ID you want redirect to does not exist",
            ];
            let expected = expected.map(|one| one.replace("=\"txt:\"", "\"\""));
            assert_eq!(heard, expected, "round {round}");
            let rest = String::from_utf8_lossy(&victim.drain().expect("it is closed")).into_owned();
            assert!(!rest.contains("two"), "{rest}");
        }
    }
}

const LARGE_BYTES: usize = 128 << 20;

/// A client that asks for a large value, with its number and the bytes that it has read so far.
fn asks_for_much(server: &Server, asker: &mut Client) -> (TcpStream, String, usize) {
    asker.ask(&format!("SETRANGE k {} x", LARGE_BYTES - 1));
    let mut victim = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    let mut read = [0; 1000];
    victim.write_all(&words("CLIENT ID")).expect("it reads");
    let count = victim.read(&mut read).expect("an answer");
    let id = String::from_utf8_lossy(&read[1..count]).trim().to_string();
    victim.write_all(&words("GET k")).expect("it reads");
    let got = victim.read(&mut read).expect("an answer begins");
    (victim, id, got)
}

/// Bytes that come until the server closes.
fn rest(mut victim: TcpStream) -> usize {
    let (mut read, mut got) = (vec![0; 1 << 20], 0);
    while let Ok(count @ 1..) = victim.read(&mut read) {
        got += count;
    }
    got
}

/// Its socket has room all the time, so that there is always something to do for it but to close.
#[test]
fn a_killed_client_that_reads_fast_does_not_get_the_rest() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut asker = server.client();
    let (victim, id, mut got) = asks_for_much(&server, &mut asker);
    let reader = spawn(move || rest(victim));
    assert_eq!(asker.ask(&format!("CLIENT KILL ID {id}")), Value::Int(1));
    got += reader.join().expect("a reader that lives");
    assert!(got < LARGE_BYTES, "all {got} bytes came");
}

/// It does not read, so that the server would wait for it.
#[test]
fn a_killed_client_that_is_paused_is_not_waited_for() {
    for server in servers() {
        let mut asker = server.client();
        let (mut victim, id, mut got) = asks_for_much(&server, &mut asker);
        assert_eq!(asker.ask("CLIENT PAUSE 100000 WRITE").text(), "OK");
        victim.write_all(&words("SET x 1")).expect("it reads");
        eventually("it is paused", || {
            let listed = asker.ask(&format!("CLIENT LIST ID {id}")).text();
            listed.contains(&format!(" qbuf={} ", words("SET x 1").len()))
        });
        assert_eq!(asker.ask(&format!("CLIENT KILL ID {id}")), Value::Int(1));
        eventually("its replies are freed", || {
            let told = asker.info("used_memory").parse::<usize>();
            told.expect("a number") < LARGE_BYTES * 3 / 2
        });
        got += rest(victim);
        assert!(got < LARGE_BYTES, "all {got} bytes came");
    }
}

#[test]
fn a_killed_client_runs_nothing_more() {
    let commands = [
        "INCR k",
        "EVAL redis.call('incr','k') 0",
        "EVAL redis.call('incr',KEYS[1]) 1 k",
        "PUBLISH news x",
    ];
    for server in servers() {
        let mut asker = server.client();
        let mut listener = server.client();
        listener.ask("SUBSCRIBE news");
        for round in 0..20 {
            let command = commands[round % commands.len()];
            asker.ask("SET k 0");
            let mut victim = server.client();
            let id = victim.ask("CLIENT ID").int();
            let once = words(command);
            let writer = spawn(move || {
                // Until it is closed.
                while victim.send(&once.repeat(200)).is_ok() && victim.receive().is_ok() {}
            });
            eventually("it runs", || {
                let listed = asker.ask(&format!("CLIENT LIST ID {id}")).text();
                !listed.contains("cmd=client|id")
            });
            let kill = format!("CLIENT KILL ID {id}");
            let heard = pipeline(&mut asker, &[&kill, "GET k", "PUBLISH news end"], 3);
            assert_eq!(heard[0], Value::Int(1), "round {round}");
            sleep(Duration::from_millis(10));
            assert_eq!(asker.ask("GET k"), heard[1], "{command}, round {round}");
            writer.join().expect("the victim's thread ends");
            asker.ask("PUBLISH news after");
            let mut ended = false;
            loop {
                match listener.receive().expect("a message").value.items()[2]
                    .text()
                    .as_str()
                {
                    "end" => ended = true,
                    "after" => break,
                    _ => assert!(!ended, "{command}, round {round}: it spoke after its end"),
                }
            }
        }
    }
}

/// What keeps writers from writing, and what lets them again.
const GUARDS: &[(&str, &str)] = &[
    ("CLIENT PAUSE 60000 WRITE", "CLIENT UNPAUSE"),
    ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    (
        "ACL SETUSER default -incr -eval",
        "ACL SETUSER default +@all",
    ),
    (
        "CONFIG SET min-replicas-to-write 1",
        "CONFIG SET min-replicas-to-write 0",
    ),
    ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
];

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Writes as fast as it can, in all the ways there are, until all is over.
fn write_on(mut client: Client, key: String) {
    let eval = ["EVAL", "return redis.call('incr',KEYS[1])", "1", &key];
    let incr = words(&format!("INCR {key}"));
    let exec = [words("MULTI"), incr.clone(), words("EXEC")].concat();
    let some = [
        incr.repeat(20),
        exec.repeat(3),
        encode(&eval).repeat(3),
        incr.repeat(20),
    ]
    .concat();
    let answers = 20 + 3 * 3 + 3 + 20;
    while !STOPPED.load(Ordering::Relaxed) {
        client.send(&some).expect("the server reads");
        for _ in 0..answers {
            client.receive().expect("an answer");
        }
    }
}

#[test]
fn nothing_is_written_once_a_guard_has_been_answered() {
    STOPPED.store(false, Ordering::Relaxed);
    for workers in ["2", "4"] {
        STOPPED.store(false, Ordering::Relaxed);
        let server = Server::start(&["--io-threads", workers]);
        let mut asker = server.client();
        let writers: Vec<_> = (0..4)
            .map(|n| {
                let client = server.client();
                client.set_patience(Duration::from_secs(60));
                spawn(move || write_on(client, format!("k{n}")))
            })
            .collect();
        for round in 0..4 {
            for (guard, end) in GUARDS {
                let before = asker.ask("MGET k0 k1 k2 k3");
                eventually("they write", || asker.ask("MGET k0 k1 k2 k3") != before);
                let heard = pipeline(&mut asker, &[guard, "MGET k0 k1 k2 k3"], 2);
                assert!(!heard[0].is_error(), "{guard}: {}", heard[0]);
                sleep(Duration::from_millis(5));
                let after = asker.ask("MGET k0 k1 k2 k3");
                assert_eq!(after, heard[1], "{workers} workers, round {round}, {guard}");
                assert!(!asker.ask(end).is_error());
            }
        }
        STOPPED.store(true, Ordering::Relaxed);
        writers
            .into_iter()
            .for_each(|one| one.join().expect("a writer ends"));
    }
}

#[test]
fn a_blocked_client_is_asked_again_when_it_is_served() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut asker = server.client();
    let serve = |asker: &mut Client, guard: &str, wait: &str, end: &str| {
        asker.ask("DEL k d");
        let (mut victim, _) = waiting(&server, asker, wait);
        pipeline(asker, &["MULTI", "RPUSH k v", guard, "EXEC"], 1);
        asker.ask(end);
        let heard = victim.receive().expect("an answer").value;
        let heard: Vec<String> = heard.items().iter().map(Value::text).collect();
        (heard.join(" "), asker.ask("LLEN k").int())
    };
    let (heard, left) = serve(
        &mut asker,
        "CONFIG SET min-replicas-to-write 1",
        "BLPOP k 0",
        "CONFIG SET min-replicas-to-write 0",
    );
    assert_eq!(
        (&heard[..], left),
        ("NOREPLICAS Not enough good replicas to write.", 1)
    );
    let (heard, left) = serve(
        &mut asker,
        "CONFIG SET maxmemory 1",
        "BLMOVE k d LEFT RIGHT 0",
        "CONFIG SET maxmemory 0",
    );
    assert_eq!(
        (&heard[..], left),
        ("OOM command not allowed when used memory > 'maxmemory'.", 1)
    );
    let (heard, left) = serve(
        &mut asker,
        "CLIENT PAUSE 60000 WRITE",
        "BLPOP k 0",
        "CLIENT UNPAUSE",
    );
    assert_eq!(
        (&heard[..], left),
        ("k v", 0),
        "it goes on once nobody is paused"
    );
}

#[test]
fn a_paused_client_is_closed_at_once_and_cannot_be_unblocked() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut asker = server.client();
    let mut victim = server.client();
    let id = victim.ask("CLIENT ID").int();
    asker.ask("CLIENT PAUSE 60000 WRITE");
    victim.send(&words("SET k v")).expect("the server reads");
    eventually("the client is held back", || {
        asker
            .ask(&format!("CLIENT LIST ID {id}"))
            .text()
            .contains(" flags=b ")
    });
    assert_eq!(asker.ask(&format!("CLIENT UNBLOCK {id}")), Value::Int(0));
    assert_eq!(asker.ask(&format!("CLIENT KILL ID {id}")), Value::Int(1));
    assert_eq!(victim.drain().expect("it is closed"), b"");
    asker.ask("CLIENT UNPAUSE");
    assert_eq!(asker.ask("EXISTS k"), Value::Int(0));
}

#[test]
fn no_more_clients_come_in_than_may_while_a_worker_is_busy() {
    let server = Server::start(&["--io-threads", "2", "--maxclients", "50"]);
    let mut asker = server.client();
    // One of them keeps each worker busy.
    let mut waiting = [server.client(), server.client()];
    for waiting in &mut waiting {
        waiting
            .send(&words("DEBUG SLEEP 0.5"))
            .expect("the server reads");
    }
    let mut others: Vec<Client> = (0..100).map(|_| server.client()).collect();
    let welcome = others
        .iter_mut()
        .filter_map(|client| client.try_ask(&["PING"]).ok());
    let welcome = welcome.filter(|reply| reply.raw == b"+PONG\r\n").count();
    assert_eq!(welcome, 47);
    drop(others);
    eventually("their places are free again", || {
        asker
            .ask("INFO clients")
            .text()
            .contains("connected_clients:3\r")
    });
    assert_eq!(server.client().ask("PING").text(), "PONG");
}

#[test]
fn a_transaction_that_fills_several_keys_serves_the_first_that_was_named() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut asker = server.client();
    let cases = [
        ("BLPOP hi lo 0", "RPUSH lo x|RPUSH hi y", "*[\"hi\" \"y\"]"),
        (
            "BLMPOP 0 2 hi lo LEFT",
            "RPUSH lo x|RPUSH hi y",
            "*[\"hi\" *[\"y\"]]",
        ),
        (
            "BZPOPMIN hi lo 0",
            "ZADD lo 1 x|ZADD hi 1 y",
            "*[\"hi\" \"y\" \"1\"]",
        ),
        (
            "BZMPOP 0 2 hi lo MIN",
            "ZADD lo 1 x|ZADD hi 1 y",
            "*[\"hi\" *[*[\"y\" \"1\"]]]",
        ),
        (
            "BLPOP hi lo 0",
            "RPUSH lo x|SADD hi y",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        (
            "BLPOP hi lo 0",
            "SADD hi y|RPUSH other x|DEL hi|RPUSH lo x",
            "*[\"lo\" \"x\"]",
        ),
    ];
    for (wait, fill, expected) in cases {
        asker.ask("FLUSHALL");
        let (mut client, _) = waiting(&server, &mut asker, wait);
        let lines: Vec<&str> = fill.split('|').collect();
        let all: Vec<&str> = [&["MULTI"], &lines[..], &["EXEC"]].concat();
        pipeline(&mut asker, &all, 1);
        let heard = client.receive().expect("an answer").value.to_string();
        assert_eq!(heard, expected, "{wait}: {fill}");
    }
}
