//! What a replica is sent: the lowest version that carries the data, of the family that it says it is of, and no later one
//! than it says it reads.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::common::{Client, Server, eventually};

/// What a server says that follows ours, beside its port.
const REDIS_7: &[&str] = &["capa eof", "capa psync2"];
const REDIS_8: &[&str] = &["capa eof", "capa psync2", "capa rdb-channel-repl"];
const VALKEY_8: &[&str] = &["capa eof", "capa psync2", "version 8.1.8"];
const VALKEY_9: &[&str] = &["capa eof", "capa psync2", "version 9.1.2"];
/// And what one like ours says.
const OURS: &[&str] = &[
    "capa eof",
    "capa psync2",
    "capa rdb-redis-16",
    "version 9.1.0",
];
const NONSENSE: &[&str] = &["capa eof", "capa psync2", "version nine"];

/// The first bytes of the snapshot that a replica is sent; nothing if the connection ends before.
fn sent(server: &Server, words: &[&str]) -> Option<String> {
    let mut client = server.client();
    client.set_patience(Duration::from_secs(10));
    // Who leaves without a word, as these do, waits for its next snapshot under the same name.
    static PORTS: AtomicU16 = AtomicU16::new(1);
    let port = PORTS.fetch_add(1, Ordering::Relaxed);
    client.ask(&format!("REPLCONF listening-port {port}"));
    for word in words {
        assert_eq!(client.ask(&format!("REPLCONF {word}")).to_string(), "+OK");
    }
    client.send(b"PSYNC ? -1\r\n").unwrap();
    let mut bytes = Vec::new();
    loop {
        let magic = [&b"REDIS0"[..], b"VALKEY"].iter().find_map(|magic| {
            let at = bytes.windows(6).position(|window| window == *magic)?;
            bytes.get(at..at + 9)
        });
        if let Some(magic) = magic {
            return Some(magic.escape_ascii().to_string());
        }
        let mut piece = Vec::new();
        client.receive_raw(&mut piece).ok()?;
        bytes.extend(piece);
    }
}

fn server(options: &[&str]) -> (Server, Client) {
    let delay = ["--repl-diskless-sync-delay", "0"];
    let server = Server::start(&[&delay[..], options].concat());
    let mut client = server.client();
    client.ask("SET plain text");
    (server, client)
}

#[test]
fn a_replica_is_sent_what_it_reads() {
    for options in [
        &[][..],
        &["--rdb-version", "12"],
        &["--rdb-dialect", "valkey", "--rdb-version", "12"],
        &["--repl-diskless-sync", "no"],
    ] {
        let (server, mut client) = server(options);
        for words in [REDIS_7, REDIS_8, VALKEY_8, VALKEY_9, NONSENSE, OURS] {
            let magic = sent(&server, words);
            assert_eq!(magic.as_deref(), Some("REDIS0010"), "{options:?} {words:?}");
        }
        client.ask("HSET timed f 1 g 2");
        client.ask("HPEXPIREAT timed 4000000000000 FIELDS 1 f");
        for (words, magic) in [
            (REDIS_7, "REDIS0012"),
            (REDIS_8, "REDIS0012"),
            (VALKEY_9, "VALKEY080"),
        ] {
            let sent = sent(&server, words);
            assert_eq!(sent.as_deref(), Some(magic), "{options:?} {words:?}");
        }
        assert_eq!(sent(&server, VALKEY_8), None);
        let told =
            "the replica reads versions up to 11, and the deadlines of hash fields need version 12";
        eventually("the log says why", || server.log().contains(told));
        // They are all a Valkey 8 has to do without.
        client.ask("HPERSIST timed FIELDS 1 f");
        eventually("it is sent again", || {
            sent(&server, VALKEY_8).as_deref() == Some("REDIS0010")
        });
    }
}

#[test]
fn streams_of_later_versions_are_sent_whole_to_who_reads_them() {
    let (server, mut client) = server(&[]);
    let id = client.ask("XADD log IDMP producer first * f v").text();
    client.ask("XGROUP CREATE log g 0");
    client.ask("XREADGROUP GROUP g ann STREAMS log >");
    assert_eq!(
        client
            .ask(&format!("XNACK log g FAIL IDS 1 {id}"))
            .to_string(),
        ":1"
    );
    for (words, magic) in [
        (REDIS_7, "REDIS0010"),
        (REDIS_8, "REDIS0010"),
        (VALKEY_9, "REDIS0010"),
        (OURS, "REDIS0014"),
    ] {
        assert_eq!(sent(&server, words).as_deref(), Some(magic), "{words:?}");
    }
    // A replica of ours knows what its master knows.
    let replica = Server::start(&[]);
    let mut copy = replica.client();
    copy.ask(&format!("REPLICAOF 127.0.0.1 {}", server.port));
    eventually("it follows", || {
        copy.ask("INFO replication")
            .text()
            .contains("master_link_status:up")
    });
    let pending = client.ask("XPENDING log g - + 9").to_string();
    assert_eq!(copy.ask("XPENDING log g - + 9").to_string(), pending);
    copy.ask("REPLICAOF NO ONE");
    let again = copy.ask("XADD log IDMP producer first * f v").text();
    assert_eq!(again, id, "it was added before");
}

#[test]
fn the_file_goes_by_way_of_the_disk_to_who_reads_it() {
    let log_of = |options: &[&str], words: &[&str], later: bool| {
        let disk = ["--repl-diskless-sync", "no"];
        let (server, mut client) = server(&[&disk[..], options].concat());
        if later {
            client.ask("XADD log IDMP producer first * f v");
        }
        sent(&server, words).expect("it is sent");
        let log = server.log();
        let mut targets = log
            .lines()
            .filter_map(|line| line.split_once("SYNC with target: "));
        targets.next_back().expect("a target").1.to_owned()
    };
    for words in [REDIS_7, REDIS_8, OURS] {
        assert_eq!(log_of(&[], words, false), "disk", "{words:?}");
    }
    // What they don't read is not what stands in the file.
    assert_eq!(log_of(&[], OURS, true), "disk");
    for words in [REDIS_7, REDIS_8] {
        assert_eq!(log_of(&[], words, true), "replicas sockets", "{words:?}");
    }
    let valkeys = ["--rdb-dialect", "valkey"];
    assert_eq!(log_of(&valkeys, REDIS_7, false), "disk");
    assert_eq!(
        log_of(&["--rdb-version", "12"], REDIS_7, false),
        "replicas sockets"
    );
}

#[test]
fn files_and_payloads_are_of_the_dialect_that_was_picked() {
    let (server, mut client) = server(&[]);
    let saved = |client: &mut Client, version: &str, dialect: &str| {
        client.ask(&format!(
            "CONFIG SET rdb-version {version} rdb-dialect {dialect}"
        ));
        assert_eq!(client.ask("SAVE").to_string(), "+OK");
        let bytes = std::fs::read(server.dir().join("dump.rdb")).unwrap();
        bytes[..9].escape_ascii().to_string()
    };
    let cases = [
        ("auto", "redis", "REDIS0010", "REDIS0012"),
        ("auto", "valkey", "REDIS0010", "VALKEY080"),
        ("12", "redis", "REDIS0012", "REDIS0012"),
        ("12", "valkey", "VALKEY080", "VALKEY080"),
    ];
    for (version, dialect, magic, _) in cases {
        assert_eq!(saved(&mut client, version, dialect), magic);
    }
    client.ask("HSET timed f 1 g 2");
    client.ask("HPEXPIREAT timed 4000000000000 FIELDS 1 f");
    for (version, dialect, _, magic) in cases {
        assert_eq!(saved(&mut client, version, dialect), magic);
        let payload = client.ask("DUMP timed");
        let crate::common::Value::Bulk(payload) = payload else {
            panic!("{payload}")
        };
        let number = u16::from_le_bytes([payload[payload.len() - 10], payload[payload.len() - 9]]);
        assert_eq!(number, if dialect == "valkey" { 80 } else { 12 });
        let args = [b"RESTORE", &b"again"[..], b"0", &payload, b"REPLACE"];
        assert_eq!(client.ask_args(&args).to_string(), "+OK");
        let deadlines = client.ask("HPEXPIRETIME again FIELDS 2 f g").to_string();
        assert_eq!(deadlines, "*[:4000000000000 :-1]");
    }
}
