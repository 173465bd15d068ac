//! Clients that are broken, rude, slow or gone: the server answers what Redis answers, forgets what
//! they cost, and serves the next one.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, prlimit, setrlimit};

use crate::common::{Client, Server, Value, encode, eventually};

const PATIENCE: Duration = Duration::from_secs(20);
const MIB: u64 = 1 << 20;

/// The server serves another client, and its memory has come back to about what it was.
fn well_again(server: &Server, before: u64, slack: u64) {
    assert_eq!(server.client().ask("ECHO alive").text(), "alive");
    let begun = Instant::now();
    let mut now = server.resident_bytes();
    while now > before + slack && begun.elapsed() < PATIENCE {
        sleep(Duration::from_millis(50));
        now = server.resident_bytes();
    }
    assert!(
        now <= before + slack,
        "{} MiB stay above {} MiB",
        (now - before) / MIB,
        slack / MIB
    );
}

/// A pipeline with every kind of frame, and what it must answer.
fn pipeline() -> (Vec<u8>, Vec<u8>) {
    let mut bytes = encode(&["SET", "k", "a\r\nb"]);
    bytes.extend(b"ECHO 'in line'\r\n");
    bytes.extend(encode(&["GET", "k"]));
    bytes.extend(encode(&["ECHO", ""]));
    bytes.extend(encode(&["RPUSH", "l", "one", "two"]));
    bytes.extend(encode(&["MULTI"]));
    bytes.extend(encode(&["LRANGE", "l", "0", "-1"]));
    bytes.extend(encode(&["EXEC"]));
    bytes.extend(encode(&["DEL", "k", "l"]));
    let answer = b"+OK\r\n$7\r\nin line\r\n$4\r\na\r\nb\r\n$0\r\n\r\n:2\r\n+OK\r\n+QUEUED\r\n\
        *1\r\n*2\r\n$3\r\none\r\n$3\r\ntwo\r\n:2\r\n";
    (bytes, answer.to_vec())
}

#[test]
fn a_pipeline_cut_at_any_byte_is_answered_the_same() {
    let server = Server::start(&[]);
    let (bytes, answer) = pipeline();
    for wait in [Duration::ZERO, Duration::from_millis(2)] {
        for cut in 0..=bytes.len() {
            let mut client = server.client();
            client.send(&bytes[..cut]).expect("sent");
            sleep(wait);
            client.send(&bytes[cut..]).expect("sent");
            let told = client.finish().expect("answers, then the end");
            assert_eq!(
                told.escape_ascii().to_string(),
                answer.escape_ascii().to_string(),
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn a_pipeline_that_ends_at_any_byte_is_answered_up_to_there() {
    let server = Server::start(&[]);
    let (bytes, answer) = pipeline();
    for cut in 0..bytes.len() {
        let mut client = server.client();
        client.send(&bytes[..cut]).expect("sent");
        let told = client.finish().expect("answers, then the end");
        assert!(
            answer.starts_with(&told),
            "cut at {cut}: {}",
            told.escape_ascii()
        );
        server.client().ask("DEL k l");
    }
    assert_eq!(server.client().ask("ECHO alive").text(), "alive");
}

#[test]
fn impossible_lengths_are_refused_and_the_connection_closed() {
    let server = Server::start(&[]);
    for (bytes, answer) in [
        (
            "*2147483648\r\n",
            "-ERR Protocol error: invalid multibulk length\r\n",
        ),
        (
            "*x\r\n",
            "-ERR Protocol error: invalid multibulk length\r\n",
        ),
        (
            "*1\r\n$-1\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        ),
        (
            "*1\r\n$536870913\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        ),
        (
            "*1\r\n$99999999999999999999\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        ),
        (
            "*1\r\n:1\r\n",
            "-ERR Protocol error: expected '$', got ':'\r\n",
        ),
    ] {
        let mut client = server.client();
        client.send(bytes.as_bytes()).expect("sent");
        // The server closes by itself: we have not said that we are done.
        let told = client.drain().expect("an error, then the end");
        assert_eq!(String::from_utf8_lossy(&told), answer, "{bytes:?}");
    }
}

#[test]
fn an_announced_but_unsent_half_gigabyte_costs_no_memory() {
    let server = Server::start(&[]);
    let before = server.resident_bytes();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = server.client();
        client
            .send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nonly this")
            .expect("sent");
        clients.push(client);
    }
    let mut crowd = server.client();
    crowd.send(b"*1048576\r\n$4\r\nMGET\r\n").expect("sent");
    well_again(&server, before, 64 * MIB);
    drop((clients, crowd));
    well_again(&server, before, 32 * MIB);
}

#[test]
fn a_string_for_which_there_is_no_memory_is_refused() {
    let server = Server::start(&["--proto-max-bulk-len", "8gb"]);
    let mut client = server.client();
    assert_eq!(client.ask("SET k value").text(), "OK");
    let bytes = Some(server.memory_bytes("VmSize:") + 1024 * MIB);
    let limit = Rlimit {
        current: bytes,
        maximum: bytes,
    };
    prlimit(Some(server.id()), Resource::As, limit).expect("a limit for it");
    for line in [
        "SETRANGE k 4294967290 x",
        "SETRANGE new 4294967290 x",
        "SETBIT k 34359738360 1",
        "BITFIELD k SET u8 34359738300 1",
    ] {
        let told = client.ask(line).text();
        let refused = "ERR Insufficient memory, failed allocating the string";
        assert!(
            told == refused || line.contains("BIT") && told.starts_with("ERR "),
            "{line}: {told}"
        );
        assert_eq!(client.ask("GET k").text(), "value");
    }
    assert_eq!(client.ask("EXISTS new").int(), 0);
}

#[test]
fn thousands_of_idle_connections_leave_room_for_a_busy_one() {
    const WANTED: u64 = 10_000;
    const SPARE: u64 = 200;
    let limit = getrlimit(Resource::Nofile);
    let ceiling = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit {
        current: Some(ceiling.min(WANTED + SPARE * 5)),
        ..limit
    };
    if limit
        .current
        .is_some_and(|current| current < WANTED + SPARE)
    {
        setrlimit(Resource::Nofile, raised).expect("a soft limit up to the hard one");
    }
    let connections = WANTED.min(ceiling.saturating_sub(SPARE * 2));
    let server = Server::start(&["--maxclients", &(connections + SPARE).to_string()]);
    let before = server.resident_bytes();
    let idle: Vec<Client> = (0..connections).map(|_| server.client()).collect();
    let mut busy = server.client();
    for at in 0..1000 {
        assert_eq!(busy.ask(&format!("INCR n{}", at % 10)).int(), at / 10 + 1);
    }
    eventually("not all connections were accepted", || {
        busy.info_number("connected_clients") == connections as i64 + 1
    });
    let each = server.resident_bytes().saturating_sub(before) / connections;
    println!("{connections} idle connections, {each} bytes each");
    drop(idle);
    eventually("connections stay counted", || {
        busy.info_number("connected_clients") == 1
    });
    well_again(&server, before, 64 * MIB);
}

#[test]
fn one_client_too_many_is_told_so() {
    let server = Server::start(&["--maxclients", "3"]);
    let mut clients: Vec<Client> = Vec::new();
    eventually("the start-up's own connection stays", || {
        clients = (0..3).map(|_| server.client()).collect();
        clients.iter_mut().all(|client| {
            client
                .try_ask(&["PING"])
                .is_ok_and(|reply| reply.raw == b"+PONG\r\n")
        })
    });
    let told = server.client().drain().expect("an error, then the end");
    assert_eq!(
        told.escape_ascii().to_string(),
        "-ERR max number of clients reached\\r\\n"
    );
    drop(clients);
    eventually("no room after the others left", || {
        server
            .client()
            .try_ask(&["PING"])
            .is_ok_and(|reply| reply.raw == b"+PONG\r\n")
    });
}

#[test]
fn a_subscriber_that_never_reads_is_closed_and_its_memory_returns() {
    let server = Server::start(&["--client-output-buffer-limit", "pubsub 8mb 2mb 60"]);
    let mut publisher = server.client();
    let before = server.resident_bytes();
    let mut lazy = server.client();
    lazy.ask("SUBSCRIBE news");
    let payload = "x".repeat(100_000);
    let begun = Instant::now();
    while publisher.ask_args(&["PUBLISH", "news", &payload]).int() == 1 {
        assert!(begun.elapsed() < PATIENCE, "the subscriber is never closed");
        let over = server.resident_bytes().saturating_sub(before);
        assert!(
            over < 200 * MIB,
            "{} MiB are kept for one who does not read",
            over / MIB
        );
    }
    well_again(&server, before, 32 * MIB);
}

#[test]
fn a_reader_that_asks_and_never_reads_does_not_hold_up_others() {
    let server = Server::start(&["--client-output-buffer-limit", "normal 16mb 0 0"]);
    server
        .client()
        .ask_args(&["SET", "big", &"x".repeat(1_000_000)]);
    let before = server.resident_bytes();
    let mut lazy = server.client();
    for _ in 0..200 {
        // Once the server has closed, or takes no more, sending fails: that is the point.
        if lazy.send(&encode(&["GET", "big"])).is_err() {
            break;
        }
    }
    let over = server.resident_bytes().saturating_sub(before);
    assert!(
        over < 100 * MIB,
        "{} MiB are kept for one who does not read",
        over / MIB
    );
    drop(lazy);
    well_again(&server, before, 40 * MIB);
}

/// A batch of requests is given up where its replies outgrow what may wait, of which some may have been sent meanwhile: no
/// request of it is left without a reply on a connection that stays.
#[test]
fn whoever_asks_for_more_than_may_wait_gets_all_of_it_or_is_closed() {
    let server = Server::start(&["--client-output-buffer-limit", "normal 8mb 0 0"]);
    let mut client = server.client();
    client.ask_args(&["SET", "big", &"x".repeat(MIB as usize)]);
    let asked = encode(&["GET", "big"]).repeat(40);
    for _ in 0..5 {
        let mut eager = server.client();
        // It may be closed before all is sent.
        let _ = eager.send(&asked);
        for _ in 0..40 {
            match eager.receive() {
                Ok(reply) => assert_eq!(reply.value.text().len() as u64, MIB),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("it is not answered, nor closed")
                }
                Err(_) => break,
            }
        }
    }
}

#[test]
fn a_client_gone_in_the_middle_of_a_transaction_has_done_nothing() {
    let server = Server::start(&[]);
    for _ in 0..100 {
        let mut client = server.client();
        client.ask("WATCH k");
        client.ask("MULTI");
        client.ask("SET k 1");
    }
    let mut client = server.client();
    eventually("gone clients stay counted", || {
        client.info_number("connected_clients") == 1
    });
    assert_eq!(client.ask("GET k"), Value::NullBulk);
}

#[test]
fn a_client_gone_while_it_waits_takes_no_element() {
    let server = Server::start(&[]);
    let mut other = server.client();
    for wait in [
        "BLPOP q 0",
        "BLMOVE q r LEFT LEFT 0",
        "BZPOPMIN q 0",
        "BLMPOP 0 1 q LEFT",
    ] {
        let mut gone = server.client();
        gone.send(&encode(&wait.split(' ').collect::<Vec<_>>()))
            .expect("sent");
        eventually("the client does not wait", || {
            other.info_number("blocked_clients") == 1
        });
        drop(gone);
        eventually("the gone client still waits", || {
            other.info_number("blocked_clients") == 0
        });
        other.ask("RPUSH q element");
        assert_eq!(other.ask("LPOP q").text(), "element", "after {wait}");
    }
}

#[test]
fn who_asks_for_too_much_in_one_read_goes_before_any_key() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("CONFIG SET maxmemory-clients 3mb");
    client.ask("CLIENT NO-EVICT ON");
    for key in 0..50 {
        client.ask(&format!("SETRANGE {key} 100000 x"));
    }
    let limit = client.info_number("used_memory") + 5 * MIB as i64;
    client.ask("CONFIG SET maxmemory-policy allkeys-lru");
    client.ask(&format!("CONFIG SET maxmemory {limit}"));
    let mut greedy = server.client();
    let pipeline = encode(&["MGET", "1"]).repeat(400);
    greedy.send(&pipeline).expect("sent");
    eventually("the client stays", || {
        client.info_number("evicted_clients") == 1
    });
    assert_eq!(client.info_number("evicted_keys"), 0);
}

#[test]
fn noise_never_stops_the_server() {
    let server = Server::start(&[]);
    let before = server.resident_bytes();
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..300 {
        let len = rng.usize(..2000);
        let noise: Vec<u8> = (0..len)
            .map(|_| {
                if rng.u8(..4) == 0 {
                    b"*$\r\n:-+19 \"'"[rng.usize(..12)]
                } else {
                    rng.u8(..)
                }
            })
            .collect();
        let mut client = server.client();
        client.set_patience(Duration::from_secs(10));
        // The server may close at the first wrong byte.
        let _ = client.send(&noise);
        if let Err(error) = client.finish() {
            assert_ne!(
                error.kind(),
                io::ErrorKind::WouldBlock,
                "{}",
                noise.escape_ascii()
            );
        }
    }
    well_again(&server, before, 32 * MIB);
}
