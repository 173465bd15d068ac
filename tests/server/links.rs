//! The connection between a master and its replica, from either end: what may be said on it, and what keeps it up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::common::{Client, Server, encode, eventually, our_server, real_redis, redis_is_missing};

const OPTIONS: [&str; 4] = [
    "--repl-diskless-sync-delay",
    "0",
    "--busy-reply-threshold",
    "20",
];

fn linked(replica: &mut Client, master: &Server) {
    let line = format!("REPLICAOF 127.0.0.1 {}", master.port);
    assert_eq!(replica.ask(&line).text(), "OK");
    eventually("the link is up", || {
        replica.info("master_link_status") == "up"
    });
}

#[test]
fn replicas_catch_up_while_clients_are_paused() {
    if redis_is_missing() {
        return;
    }
    for program in [our_server(), real_redis()] {
        let master = Server::start(&OPTIONS);
        let copy = Server::start_program(&program, &[]);
        let (mut client, mut replica) = (master.client(), copy.client());
        linked(&mut replica, &master);
        let mut writer = master.client();
        for n in 0..1000 {
            writer
                .send(&encode(&["SET", &format!("k{n}"), "v"]))
                .expect("the server reads");
        }
        for _ in 0..1000 {
            writer.receive().expect("an answer");
        }
        assert_eq!(client.ask("CLIENT PAUSE 3000 ALL").text(), "OK");
        // Clients wait, but the replica acknowledges what it has, which WAIT would hear of: nobody may ask until then.
        eventually("the replica has everything", || {
            replica.ask("DBSIZE").int() == 1000
        });
        let acknowledged = std::thread::spawn(move || client.ask("WAIT 1 10000").int());
        assert_eq!(acknowledged.join().expect("an answer"), 1);
        let mut client = master.client();
        assert_eq!(client.info("sync_full"), "1");
        assert_eq!(client.info("connected_slaves"), "1");
        assert!(
            !master.log().contains("generated a reply"),
            "{}",
            master.log()
        );
    }
}

#[test]
fn a_replica_that_asks_of_the_keyspace_is_cut_off() {
    let server = Server::start(&OPTIONS);
    let mut client = server.client();
    for line in [
        vec!["EVAL", "while true do end", "0"],
        vec!["EVAL_RO", "return 1", "0"],
        vec!["FCALL", "f", "0"],
        vec!["GET", "k"],
        vec!["SET", "k", "v"],
        vec!["PUBLISH", "channel", "x"],
        vec!["PING"],
        vec!["SCRIPT", "LOAD", "return 1"],
        vec!["NOSUCH"],
        vec!["MULTI"],
        vec!["SUBSCRIBE", "channel"],
        vec!["SHUTDOWN", "ABORT"],
    ] {
        let mut link = server.replica();
        link.send(&encode(&line)).expect("the server reads");
        link.drain().expect("the server closes the link");
        eventually("the replica is gone", || {
            client.info("connected_slaves") == "0"
        });
        assert_eq!(client.ask("EXISTS k").int(), 0, "{line:?}");
    }
    let log = server.log();
    for told in [
        "Replica generated a reply to command 'eval', disconnecting it",
        "Replica generated a reply to command 'ping', disconnecting it",
        "'ERR Replica can't interact with the keyspace' after processing the command 'get'",
    ] {
        assert!(log.contains(told), "{log}");
    }
}

#[test]
fn what_a_silent_replica_asks_for_is_done_as_any_client_has_it() {
    let server = Server::start(&OPTIONS);
    let mut client = server.client();
    let mut link = server.client();
    link.send(&encode(&["CLIENT", "REPLY", "OFF"]))
        .expect("sent");
    link.send(b"SYNC\r\n").expect("sent");
    eventually("it is a replica", || {
        client.info("slave0").contains("state=online")
    });
    // A transaction, a wait and a job of another thread: none has an answer, and the stream goes on beside.
    for line in [
        vec!["MULTI"],
        vec!["CLIENT", "SETNAME", "copy"],
        vec!["EXEC"],
        vec!["WAIT", "5", "20"],
        vec!["BGREWRITEAOF"],
    ] {
        link.send(&encode(&line)).expect("the server reads");
    }
    eventually("it has its name", || {
        client
            .ask("CLIENT LIST TYPE replica")
            .text()
            .contains("name=copy")
    });
    client.ask("SET some thing");
    let mut heard = Vec::new();
    eventually("the stream goes on", || {
        link.set_patience(Duration::from_millis(50));
        if let Err(error) = link.receive_raw(&mut heard) {
            assert_ne!(
                error.kind(),
                std::io::ErrorKind::UnexpectedEof,
                "{}",
                server.log()
            );
        }
        String::from_utf8_lossy(&heard).contains("thing")
    });
    assert_eq!(client.info("connected_slaves"), "1");
}

/// A master that says what it is told: a snapshot with nothing in it, and then these commands.
fn false_master(snapshot: Vec<u8>, stream: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        // It ends with the test's process.
        while let Ok((socket, _)) = listener.accept() {
            let _ = speak(socket, &snapshot, &stream);
        }
    });
    port
}

fn speak(mut socket: TcpStream, snapshot: &[u8], stream: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end() {
            "PING" => socket.write_all(b"+PONG\r\n")?,
            "REPLCONF" => socket.write_all(b"+OK\r\n")?,
            "PSYNC" => break,
            _ => {}
        }
    }
    let head = format!(
        "+FULLRESYNC {} 0\r\n${}\r\n",
        "a".repeat(40),
        snapshot.len()
    );
    socket.write_all(head.as_bytes())?;
    socket.write_all(snapshot)?;
    socket.write_all(stream)?;
    let mut rest = [0; 1024];
    while lines.read(&mut rest)? > 0 {}
    Ok(())
}

/// A snapshot of a server without keys.
fn empty_snapshot() -> Vec<u8> {
    let server = Server::start(&[]);
    server.client().ask("SAVE");
    std::fs::read(server.dir().join("dump.rdb")).expect("it was saved")
}

#[test]
fn a_replica_is_not_debugged_by_its_master() {
    let stream = [
        encode(&["SELECT", "0"]),
        encode(&["SET", "before", "1"]),
        encode(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]),
        encode(&["DEBUG", "CHANGE-REPL-ID"]),
        encode(&["SET", "after", "2"]),
    ]
    .concat();
    for allowed in ["no", "yes"] {
        let port = false_master(empty_snapshot(), stream.clone());
        let server = Server::start(&["--enable-debug-command", allowed]);
        let mut client = server.client();
        client.ask(&format!("REPLICAOF 127.0.0.1 {port}"));
        eventually("the stream came", || {
            client.ask("EXISTS after").text() == "1"
        });
        assert_eq!(client.ask("GET before").text(), "1");
        let refused = client.info("unexpected_error_replies");
        let wanted = if allowed == "no" { "2" } else { "0" };
        assert_eq!(refused, wanted, "{}", server.log());
        assert_eq!(
            server.log().contains("DEBUG command not allowed"),
            allowed == "no"
        );
    }
}

#[test]
fn a_replica_that_cannot_read_the_snapshot_asks_less_and_less_often() {
    if redis_is_missing() {
        return;
    }
    let master = Server::start(&OPTIONS);
    let mut client = master.client();
    client.ask("HSET session user 1 token 2");
    client.ask("HEXPIRE session 10000 FIELDS 1 token");
    let copy = Server::start_program(&real_redis(), &[]);
    let mut replica = copy.client();
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    eventually("the reason is told", || {
        let log = master.log();
        log.contains("Fields of the hash 'session' have deadlines")
    });
    assert_eq!(master.log().matches("have deadlines").count(), 1);
    client.ask("HPERSIST session FIELDS 1 token");
    eventually("the link is up", || {
        replica.info("master_link_status") == "up"
    });
    assert_eq!(replica.ask("HGET session token").text(), "2");
}
