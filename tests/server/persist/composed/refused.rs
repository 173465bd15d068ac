//! Full syncs that come to nothing: what the replica held stays, in memory and in its file.

use std::fs;

use super::master::Master;
use super::writer::Composed;
use crate::common::{Client, Server, eventually};

/// A replica that holds a key, in its file as well.
fn replica(load: &str) -> (Server, Client) {
    let server = Server::start(&["--repl-diskless-load", load]);
    let mut client = server.client();
    client.ask("SET before text");
    let library = "#!lua name=mylib\nredis.register_function('f', function() return 7 end)";
    assert_eq!(
        client.ask_args(&["FUNCTION", "LOAD", library]).text(),
        "mylib"
    );
    assert_eq!(client.ask("SAVE").to_string(), "+OK");
    (server, client)
}

/// What the replica held stays, however it loads, and the log says why in one sentence at each attempt.
fn stays(snapshot: &[u8], told: &str, load: &str) {
    let master = Master::start(snapshot.to_vec());
    let (server, mut client) = replica(load);
    let path = server.dir().join("dump.rdb");
    let file = fs::read(&path).unwrap();
    client.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    eventually("the attempts come less often", || {
        server.log().contains("Trying again in 2 seconds")
    });
    let log = server.log();
    assert_eq!(
        log.matches(told).count(),
        2,
        "{load}: one sentence each time: {log}"
    );
    assert_eq!(client.ask("GET before").text(), "text", "{told} {load}");
    assert_eq!(client.ask("EXISTS plain").int(), 0);
    assert!(client.ask("FUNCTION LIST").to_string().contains("mylib"));
    assert!(
        fs::read(&path).unwrap() == file,
        "{told} {load}: the file is the old one"
    );
    let drafts = fs::read_dir(server.dir()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("temp-")
    });
    assert_eq!(drafts.count(), 0, "{told} {load}");
    // Before its master ends.
    drop(server);
}

#[test]
fn a_snapshot_that_cannot_be_read_takes_the_place_of_nothing() {
    let plain = |magic: &str| {
        Composed::file(magic)
            .raw(&[0xfe, 0])
            .string("plain", "text")
    };
    let array = plain("REDIS0014").key(28, "a").len(0).len(0).end();
    let metadata = plain("REDIS0014").raw(&[243, 1, 0, 0, 0, 0]).len(0);
    let edit = plain("VALKEY081").raw(b"\xf2*1\r\n$4\r\nPING\r\n").end();
    let mut damaged = plain("REDIS0012").end();
    let end = damaged.len();
    damaged[end - 1] = 1;
    let cases = [
        (
            array,
            "1 key of kinds that this server does not have: 1 of kind 'array'",
        ),
        (metadata.string("m", "1").end(), "metadata of 1 key"),
        (edit, "1 command that no log holds: 1 of 'PING'"),
        (
            plain("REDIS0017").end(),
            "Can't handle RDB format version 17",
        ),
        (
            plain("REDIS0012").key(99, "x").end(),
            "Unknown RDB encoding type 99",
        ),
        (
            plain("REDIS0012").raw(&[0xfe, 50]).end(),
            "more than 16 databases",
        ),
        (damaged, "Wrong RDB checksum"),
    ];
    // Each waits for a second attempt, so they do it together.
    std::thread::scope(|scope| {
        for (snapshot, told) in &cases {
            scope.spawn(move || {
                stays(snapshot, told, "disabled");
                stays(snapshot, told, "swapdb");
            });
        }
    });
}

#[test]
fn a_sync_beside_the_data_takes_their_place_whole_or_not_at_all() {
    let file = Composed::file("VALKEY081")
        .raw(&[0xf5])
        .text("this is no library");
    let file = file.raw(&[0xfe, 0]).string("plain", "text");
    let snapshot = file.raw(b"\xf2*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n").end();
    let master = Master::start(snapshot);
    let (server, mut client) = replica("swapdb");
    client.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    eventually("the attempts come less often", || {
        server.log().contains("Trying again in 2 seconds")
    });
    assert_eq!(client.ask("GET before").text(), "text");
    assert_eq!(client.ask("DBSIZE").int(), 1);
    assert!(client.ask("FUNCTION LIST").to_string().contains("mylib"));
    drop(server);
}
