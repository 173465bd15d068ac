//! Bytes on the wire, sockets, and what is kept for those who send or do not read them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::SockRef;

use crate::common::{Client, Server, encode, eventually, our_server};

use super::{is_well, raw, say};

const MIB: u64 = 1 << 20;

/// What the server answers to these bytes until it closes.
fn told(server: &Server, bytes: &[u8]) -> String {
    let mut client = server.client();
    // The server may have closed before all was sent.
    let _ = client.send(bytes);
    let told = client.finish().expect("an answer, then the end");
    String::from_utf8_lossy(&told).into_owned()
}

/// A server that wants a password.
fn locked() -> Server {
    let server = Server::start(&[]);
    assert_eq!(
        say(&mut server.client(), "CONFIG SET requirepass secret"),
        "+OK\r\n"
    );
    server
}

#[test]
fn cve_2016_10517_a_browser_is_not_obeyed() {
    let server = Server::start(&[]);
    for head in [
        "POST / HTTP/1.1\r\n",
        "post / HTTP/1.1\r\n",
        "GET x\r\nHost: 127.0.0.1\r\n",
        "PING\r\nhOsT: x\r\n",
    ] {
        let answer = told(
            &server,
            format!("{head}Accept: */*\r\n\r\nSET planted 1\r\n").as_bytes(),
        );
        assert!(!answer.contains("+OK"), "{head}: {answer}");
    }
    assert_eq!(say(&mut server.client(), "EXISTS planted"), ":0\r\n");
    is_well(&server);
}

#[test]
fn cve_2021_32675_who_has_not_logged_in_announces_little() {
    let server = locked();
    let before = server.resident_bytes();
    let head = |count: &str, len: &str| format!("*{count}\r\n${len}\r\nfew bytes");
    for (bytes, why) in [
        (head("11", "4"), "unauthenticated multibulk length"),
        (head("1048576", "4"), "unauthenticated multibulk length"),
        (head("2", "16385"), "unauthenticated bulk length"),
        (head("2", "536870912"), "unauthenticated bulk length"),
    ] {
        let answer = told(&server, bytes.as_bytes());
        assert_eq!(answer, format!("-ERR Protocol error: {why}\r\n"), "{bytes}");
    }
    // Many that announce what they may, and one whose line never ends.
    let crowd: Vec<Client> = (0..200)
        .map(|_| {
            let mut client = server.client();
            client.send(head("10", "16384").as_bytes()).expect("sent");
            client
        })
        .collect();
    let mut endless = server.client();
    for _ in 0..100 {
        // It is closed when it has sent too much.
        if endless.send(&[b'x'; 4096]).is_err() {
            break;
        }
    }
    assert!(server.resident_bytes() < before + 64 * MIB);
    drop(crowd);
    let mut known = server.client();
    assert_eq!(say(&mut known, "AUTH secret"), "+OK\r\n");
    assert_eq!(say(&mut known, "ECHO alive"), "$5\r\nalive\r\n");
}

/// A peer that is asked by this server announces more than there is.
#[test]
fn cve_2021_32762_a_peers_reply_costs_what_it_sends() {
    let server = Server::start(&[]);
    let mut client = server.client();
    say(&mut client, "SET k v");
    let before = server.resident_bytes();
    for reply in [
        "*1073741825\r\n",
        "*9223372036854775807\r\n",
        "$9223372036854775807\r\n",
        "$-5\r\n",
        "*-9\r\n",
        ":\r\n",
        "+OK",
        "\0\r\n",
        "",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the server connects");
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(reply.as_bytes());
        });
        let answer = say(&mut client, &format!("MIGRATE 127.0.0.1 {port} k 0 2000"));
        assert!(answer.starts_with('-'), "{reply:?}: {answer}");
        peer.join().expect("the peer ends");
        assert_eq!(say(&mut client, "GET k"), "$1\r\nv\r\n");
    }
    assert!(server.resident_bytes() < before + 64 * MIB);
    is_well(&server);
}

/// A master is a peer, too.
#[test]
fn cve_2021_32762_a_masters_reply_costs_what_it_sends() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let before = server.resident_bytes();
    for reply in [
        "*1073741825\r\n",
        "$9223372036854775807\r\n",
        "+FULLRESYNC x 99999999999999999999\r\n",
        "+CONTINUE \r\n",
        "-\r\n",
        "\n\n\n$\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the replica connects");
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(reply.repeat(4).as_bytes());
            let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
            while stream.read(&mut request).is_ok_and(|len| len > 0) {}
        });
        say(&mut client, &format!("REPLICAOF 127.0.0.1 {port}"));
        peer.join().expect("the peer ends");
        assert_eq!(say(&mut client, "REPLICAOF NO ONE"), "+OK\r\n");
    }
    assert!(server.resident_bytes() < before + 64 * MIB);
    is_well(&server);
}

/// A replica's connection takes commands as any other does, or ends.
#[test]
fn cve_2021_31294_a_replica_that_sends_commands_harms_nobody() {
    let server = Server::start(&["--repl-diskless-sync-delay", "0"]);
    for command in [
        "SET k v",
        "BLPOP l 0",
        "SUBSCRIBE c",
        "MULTI",
        "MONITOR",
        "CLIENT KILL TYPE normal",
        "REPLICAOF NO ONE",
        "PSYNC ? -1",
        "RESET",
    ] {
        let mut replica = server.client();
        replica.send(&encode(&["PSYNC", "?", "-1"])).expect("sent");
        replica
            .send(&encode(&command.split(' ').collect::<Vec<_>>()))
            .expect("sent");
        replica.set_patience(Duration::from_millis(200));
        // A snapshot comes, which is no reply.
        let _ = replica.drain();
        is_well(&server);
    }
    assert_eq!(say(&mut server.client(), "SET k w"), "+OK\r\n");
}

#[test]
fn cve_2023_41056_a_read_buffer_holds_what_comes_after_it_has_shrunk() {
    let server = Server::start(&["--hz", "100", "--io-threads", "1"]);
    let mut client = server.client();
    let mut other = server.client();
    let sizes = [
        10,
        16 * 1024 - 20,
        16 * 1024,
        32 * 1024 - 1,
        32 * 1024,
        70_000,
        1 << 20,
        40,
    ];
    for (round, size) in sizes.iter().cycle().take(24).enumerate() {
        let value = "v".repeat(*size);
        let bytes = encode(&["SET", "k", &value]);
        let cut = bytes.len() * (round % 5) / 5;
        client.send(&bytes[..cut]).expect("sent");
        // Beats of the server's clock, at which it looks for room to give back.
        let ticks = other.info_number("uptime_in_seconds");
        if round % 8 == 0 {
            eventually("the clock goes on", || {
                other.info_number("uptime_in_seconds") > ticks + 2
            });
        }
        client.send(&bytes[cut..]).expect("sent");
        assert_eq!(client.receive().expect("an answer").raw, b"+OK\r\n");
        assert_eq!(say(&mut other, "STRLEN k"), format!(":{size}\r\n"));
    }
    is_well(&server);
}

/// From the first moment on, nobody may connect who may not later.
#[test]
fn cve_2023_45145_a_socket_is_never_open_to_more_than_it_will_be() {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    for round in 0..5 {
        let path = folder.path().join(format!("socket{round}"));
        let name = path.to_string_lossy().into_owned();
        let done = AtomicBool::new(false);
        let modes = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut modes = Vec::new();
                while !done.load(Ordering::Relaxed) || modes.is_empty() {
                    if let Ok(found) = std::fs::metadata(&path) {
                        let mode = found.permissions().mode() & 0o777;
                        if modes.last() != Some(&mode) {
                            modes.push(mode);
                        }
                    }
                }
                modes
            });
            let server = Server::start_program(
                &our_server(),
                &["--unixsocket", &name, "--unixsocketperm", "700"],
            );
            UnixStream::connect(&path).expect("its owner may connect");
            done.store(true, Ordering::Relaxed);
            is_well(&server);
            watcher.join().expect("the watcher ends")
        });
        let open = modes.iter().any(|mode| mode & 0o077 != 0);
        assert!(!open && modes.last() == Some(&0o700), "{modes:?}");
    }
}

#[test]
fn cve_2025_21605_who_has_not_logged_in_is_told_little() {
    let server = locked();
    let before = server.resident_bytes();
    let mut silent: Vec<Client> = (0..8).map(|_| server.client()).collect();
    let pings = encode(&["PING"]).repeat(20_000);
    for client in &mut silent {
        client.set_patience(Duration::from_millis(500));
        for _ in 0..30 {
            // Once the server has closed, or takes no more, sending fails: that is the point.
            if client.send(&pings).is_err() {
                break;
            }
        }
    }
    let mut known = server.client();
    assert_eq!(say(&mut known, "AUTH secret"), "+OK\r\n");
    eventually("those who never logged in are closed", || {
        known.info_number("connected_clients") == 1
    });
    assert!(server.resident_bytes() < before + 32 * MIB);
}

/// Connections that are gone before they are taken do not stand in the way of others.
#[test]
fn cve_2025_48367_a_connection_that_fails_does_not_hold_up_the_next() {
    let server = locked();
    for _ in 0..40 {
        let gone: Vec<TcpStream> = (0..50)
            .filter_map(|_| TcpStream::connect(("127.0.0.1", server.port)).ok())
            .collect();
        for mut stream in gone {
            // Closed with bytes unread, a connection is reset.
            let _ = stream.write_all(b"\xff\xff\r\n*1\r\n");
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        let mut client = server.client();
        client.set_patience(Duration::from_secs(5));
        assert!(raw(&mut client, &["PING"]).starts_with("-NOAUTH"));
    }
}

/// Replies whose length is known at their end, of sizes around those of the buffers that they stand in.
#[test]
fn cve_2025_49112_a_length_is_filled_in_where_it_belongs() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut reader = server.client();
    for size in [1usize, 100, 1000, 16_370, 16_384, 16_400, 33_000, 70_000] {
        let element = "e".repeat(size);
        say(&mut client, "DEL z l h");
        for n in 0..4 {
            raw(
                &mut client,
                &["ZADD", "z", &n.to_string(), &format!("{n}{element}")],
            );
            raw(&mut client, &["HSET", "h", &format!("{n}{element}"), "v"]);
            raw(&mut client, &["RPUSH", "l", &element]);
        }
        let commands = [
            "ZRANGE z (0 +inf BYSCORE",
            "LPOS l x COUNT 0",
            "HSCAN h 0 COUNT 100",
            "KEYS *",
            "ZRANGEBYLEX z - +",
            "EVAL x 0",
            "PUBSUB CHANNELS",
        ];
        // All in one write, so that many stand in one buffer.
        let pipeline: Vec<u8> = (0..20)
            .flat_map(|_| {
                commands
                    .iter()
                    .flat_map(|line| encode(&line.split(' ').collect::<Vec<_>>()))
            })
            .collect();
        reader.send(&pipeline).expect("sent");
        for _ in 0..20 {
            let lens: Vec<usize> = commands
                .iter()
                .map(|line| {
                    let reply = reader
                        .receive()
                        .unwrap_or_else(|error| panic!("{line}: {error}"));
                    reply.value.items().len()
                })
                .collect();
            assert_eq!(
                (lens[0], lens[1], lens[2], lens[3], lens[6]),
                (3, 0, 2, 3, 0),
                "{size}"
            );
        }
    }
    is_well(&server);
}

/// One large command in many arguments is bounded by the limit of the read buffer.
#[test]
fn cve_2025_46686_many_arguments_are_bounded_as_one_is() {
    let server = Server::start(&["--client-query-buffer-limit", "2mb"]);
    let before = server.resident_bytes();
    let mut client = server.client();
    let _ = client.send(b"*1000000\r\n");
    let argument = [&b"$1000\r\n"[..], &[b'x'; 1000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 64 * MIB && client.send(&argument.repeat(100)).is_ok() {
        sent += 100 * argument.len() as u64;
        assert!(server.resident_bytes() < before + 40 * MIB);
    }
    assert!(sent < 64 * MIB, "it was never closed");
    is_well(&server);
}

/// Requests that ask for nothing stand between others.
#[test]
fn cve_2026_27623_nothing_asked_leaves_nothing_behind() {
    let server = Server::start(&[]);
    for nothing in [
        "*0\r\n",
        "*-1\r\n",
        "\r\n",
        "\n",
        "   \r\n",
        "*-2147483648\r\n",
        "*0\r\n\r\n*-1\r\n",
    ] {
        for next in ["*1\r\n$4\r\nPING\r\n", "PING\r\n"] {
            let bytes = format!("{nothing}{next}{nothing}{nothing}{next}");
            assert_eq!(
                told(&server, bytes.as_bytes()),
                "+PONG\r\n+PONG\r\n",
                "{bytes:?}"
            );
            for cut in 0..bytes.len() {
                let mut client = server.client();
                client.send(&bytes.as_bytes()[..cut]).expect("sent");
                client.send(&bytes.as_bytes()[cut..]).expect("sent");
                let told = client.finish().expect("an answer, then the end");
                assert_eq!(told, b"+PONG\r\n+PONG\r\n", "{bytes:?} cut at {cut}");
            }
        }
    }
    is_well(&server);
}
