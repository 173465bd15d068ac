//! What no server at hand writes: Redis's versions 13 to 16, and Valkey's 81, composed from documents.

mod bounds;
mod hostile;
mod master;
mod refused;
mod updates;
mod writer;

use std::fs;
use std::io::Write;

use tempfile::TempDir;

use crate::common::{Client, Server, our_server, real_redis, redis_is_missing};
use updates::with_updates;
use writer::{Composed, listpack, producers, stream};

/// Our server on a snapshot file.
fn open(bytes: &[u8]) -> Result<Server, String> {
    started(bytes, &[])
}

fn started(bytes: &[u8], options: &[&str]) -> Result<Server, String> {
    let dir = TempDir::new().expect("a temporary directory");
    fs::write(dir.path().join("dump.rdb"), bytes).unwrap();
    Server::try_start_on(&our_server(), dir, options)
}

fn opened(bytes: &[u8]) -> (Server, Client) {
    let server = open(bytes).unwrap_or_else(|log| panic!("it does not start:\n{log}"));
    let client = server.client();
    (server, client)
}

/// What the server holds survives a save and a restart.
fn again(server: Server, mut client: Client) -> (Server, Client) {
    assert_eq!(client.ask("SAVE").to_string(), "+OK");
    let server = Server::start_on(&our_server(), server.kill(), &[]);
    let client = server.client();
    (server, client)
}

#[test]
fn every_version_of_both_families_is_opened_and_later_ones_are_not() {
    let redis = (1..=16).map(|version| format!("REDIS{version:04}"));
    let valkey = (80..=81).map(|version| format!("VALKEY{version:03}"));
    for magic in redis.chain(valkey) {
        let file = Composed::file(&magic)
            .raw(&[0xfe, 0])
            .string("key", "value");
        // Before version 5 nothing follows the end.
        let bytes = match &magic[..] {
            "REDIS0001" | "REDIS0002" | "REDIS0003" | "REDIS0004" => file.raw(&[0xff]).0,
            _ => file.end(),
        };
        let (_server, mut client) = opened(&bytes);
        assert_eq!(client.ask("GET key").text(), "value", "{magic}");
    }
    for magic in [
        "REDIS0017",
        "REDIS0080",
        "VALKEY011",
        "VALKEY079",
        "VALKEY082",
    ] {
        let log = open(&Composed::file(magic).end())
            .err()
            .expect("it must not start");
        assert!(
            log.contains("Can't handle RDB format version"),
            "{magic}: {log}"
        );
    }
}

#[test]
fn where_one_number_means_two_things_the_magic_decides() {
    let at = 4_000_000_000_000_u64;
    // 22 in Redis's files: a draft of 7.4, whose deadlines stand before the fields. In Valkey's: after the values.
    let redis = Composed::file("REDIS0012").key(22, "h").len(2);
    let redis = redis.len(at).texts(&["f", "1"]).len(0).texts(&["g", "2"]);
    let valkey = |magic| {
        let valkey = Composed::file(magic).key(22, "h").len(2);
        let valkey = valkey.texts(&["f", "1"]).raw(&at.to_le_bytes());
        valkey.texts(&["g", "2"]).raw(&(-1_i64).to_le_bytes())
    };
    for file in [redis, valkey("VALKEY080"), valkey("VALKEY081")] {
        let (server, client) = opened(&file.end());
        let (_server, mut client) = again(server, client);
        let deadlines = client.ask("HPEXPIRETIME h FIELDS 2 f g").to_string();
        assert_eq!(deadlines, "*[:4000000000000 :-1]");
        assert_eq!(client.ask("HMGET h f g").to_string(), "*[\"1\" \"2\"]");
    }
    // 242 and 243: a template and metadata there, a command and a slot migration here.
    let migration = Composed::file("VALKEY080").raw(&[243]).text("job").len(2);
    let migration = migration.len(0).len(5).len(16_000).len(16_383);
    let (server, mut client) = opened(&migration.string("key", "value").end());
    assert_eq!(client.ask("GET key").text(), "value");
    assert!(
        server
            .log()
            .contains("Skipping the state of a slot migration")
    );
    // Kinds that Redis alone has are none of Valkey's.
    let foreign = Composed::file("VALKEY080").key(24, "h").end();
    let log = open(&foreign).err().expect("it must not start");
    assert!(log.contains("Unknown RDB encoding type 24"), "{log}");
}

#[test]
fn streams_with_producers_and_with_entries_that_were_given_back() {
    let plain = producers(stream(Composed::file("REDIS0013").key(26, "s"), 6, false));
    let both = producers(stream(plain.key(27, "t"), 6, true));
    let (server, client) = opened(&both.end());
    let (_server, mut client) = again(server, client);
    for key in ["s", "t"] {
        assert_eq!(client.ask(&format!("XLEN {key}")).int(), 6);
        let first = client.ask(&format!("XRANGE {key} - + COUNT 1")).to_string();
        assert_eq!(first, r#"*[*["1-1" *["f" "v"]]]"#);
        let pending = client.ask(&format!("XPENDING {key} g")).items();
        assert_eq!(pending[0].int(), 4);
    }
    let pending = client.ask("XPENDING t g - + 9").items();
    let owners: Vec<String> = pending.iter().map(|one| one.items()[1].text()).collect();
    assert_eq!(owners, ["ann", "", "", "ann"]);
    // What producers sent is counted; it is too long ago to be remembered.
    let told = client.ask("XINFO STREAM s").items();
    let names: Vec<String> = told.iter().map(crate::common::Value::text).collect();
    let at = names
        .iter()
        .position(|name| name == "iids-added")
        .expect("a count");
    assert_eq!(told[at + 1].int(), 2);
    // Whoever claims them has them.
    let claimed = client
        .ask("XAUTOCLAIM t g bob 0 2-1 COUNT 2 JUSTID")
        .items();
    assert_eq!(claimed[1].to_string(), r#"*["2-1" "3-1"]"#);
    assert_eq!(client.ask("XACK t g 1-1 2-1 3-1 4-1").int(), 4);
}

/// Fields of a template in the order in which Redis keeps them: by length, then by bytes.
const FIELDS: [&str; 3] = ["age", "name", "email"];
const ROWS: &str = r#"["42" "Ann" "a@b"]"#;

#[test]
fn hashes_of_templates_become_plain_ones() {
    let template = |file: Composed, id: u64, fields: &[&str]| {
        file.raw(&[242])
            .len(id)
            .len(fields.len() as u64)
            .texts(fields)
    };
    let file = template(Composed::file("REDIS0015"), 7, &FIELDS);
    let file = template(file, 300, &["only"]).raw(&[0xfe, 0]);
    let file = file
        .key(30, "packed")
        .text(listpack(&["7", "42", "Ann", "a@b"]));
    let file = file.key(32, "plain").len(7).texts(&["42", "Ann", "a@b"]);
    let file = file.key(32, "other").len(300).text("one");
    let (server, client) = opened(&file.clone().end());
    let (_server, mut client) = again(server, client);
    for key in ["packed", "plain"] {
        let row = client
            .ask(&format!("HMGET {key} age name email"))
            .to_string();
        assert_eq!(row, format!("*{ROWS}"));
    }
    assert_eq!(
        client.ask("HGETALL other").to_string(),
        r#"*["only" "one"]"#
    );

    // Payloads bring the names; Redis propagates them without a checksum.
    let pack = |values: &[&str]| {
        let value = Composed::value(29).len(3).texts(&FIELDS);
        value.text(listpack(values)).payload(15)
    };
    let pairs = Composed::value(31).len(3);
    let pairs = pairs.texts(&["age", "42", "name", "Ann", "email", "a@b"]);
    for payload in [
        pack(&["42", "Ann", "a@b"]),
        pack(&["7", "42", "Ann", "a@b"]),
        pairs.payload(16),
    ] {
        let args = [b"RESTORE", &b"h"[..], b"0", &payload, b"REPLACE"];
        assert_eq!(client.ask_args(&args).to_string(), "+OK");
        assert_eq!(
            client.ask("HMGET h age name email").to_string(),
            format!("*{ROWS}")
        );
    }
    let bad = [
        (
            "a template that isn't there",
            file.clone().key(32, "x").len(8).text("v"),
        ),
        (
            "too few values",
            file.clone().key(30, "x").text(listpack(&["7", "1", "2"])),
        ),
        ("a number twice", template(file.clone(), 7, &["again"])),
        (
            "a field twice",
            template(file, 8, &["f", "f"])
                .key(32, "x")
                .len(8)
                .texts(&["1", "2"]),
        ),
    ];
    for (why, file) in bad {
        assert!(open(&file.end()).is_err(), "{why}");
    }
}

#[test]
fn payloads_of_later_servers_are_logged_for_earlier_ones() {
    if redis_is_missing() {
        return;
    }
    let options = ["--appendonly", "yes"];
    let server = Server::start(&options);
    let mut client = server.client();
    let hash = Composed::value(31).len(1).texts(&["f", "v"]).payload(15);
    let valkeys = Composed::value(22).len(1).texts(&["f", "v"]);
    let valkeys = valkeys.raw(&(-1_i64).to_le_bytes()).payload(80);
    let log = producers(stream(Composed::value(27), 6, false).len(0)).payload(16);
    for (key, payload) in [("hash", hash), ("valkeys", valkeys), ("log", log)] {
        let args = [b"RESTORE", key.as_bytes(), b"0", &payload];
        assert_eq!(client.ask_args(&args).to_string(), "+OK", "{key}");
    }
    let active = |client: &mut Client| client.ask("XINFO STREAM log FULL").to_string();
    let was = active(&mut client);
    let server = Server::start_on(&our_server(), server.stop(), &options);
    assert_eq!(
        active(&mut server.client()),
        was,
        "it replays to the same stream"
    );
    let server = Server::start_on(&real_redis(), server.stop(), &options);
    let mut client = server.client();
    for key in ["hash", "valkeys"] {
        assert_eq!(client.ask(&format!("HGET {key} f")).text(), "v");
    }
    // Redis 7.0 has no form for when a consumer last got something, and leaves the stream out.
    assert_eq!(client.ask("DBSIZE").int(), 2);
}

#[test]
fn payloads_are_logged_as_what_they_hold_whatever_they_claim() {
    let server = Server::start(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]);
    let mut client = server.client();
    let plain = stream(Composed::value(21), 5, false);
    let later = producers(stream(Composed::value(26), 5, false));
    let hash = Composed::value(31).len(1).texts(&["f", "v"]);
    let sealed = |composed: &Composed, version: u16| {
        let bytes = composed.clone().raw(&version.to_le_bytes()).0;
        let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Redis, &bytes);
        [&bytes[..], &sum.to_le_bytes()].concat()
    };
    let holds = |what: &[u8]| {
        let folder = server.dir().join("appendonlydir");
        let files = fs::read_dir(folder).unwrap();
        let mut files = files.map(|entry| fs::read(entry.unwrap().path()).unwrap());
        files.any(|bytes| bytes.windows(what.len()).any(|window| window == what))
    };
    // What an older server reads as it is keeps its bytes, under the version that it has had since.
    for version in [13, 16, 80, 81] {
        let args = [
            b"RESTORE",
            &b"plain"[..],
            b"0",
            &sealed(&plain, version),
            b"REPLACE",
        ];
        assert_eq!(client.ask_args(&args).to_string(), "+OK", "{version}");
        assert!(!holds(&sealed(&plain, version)), "{version}");
        assert!(holds(&sealed(&plain, 11)), "{version}");
        client.ask("BGREWRITEAOF");
        super::exchange::wait_for(&mut client, "aof_rewrite_in_progress:0");
        assert!(!holds(&sealed(&plain, 11)), "the log was written anew");
    }
    // And what none of them reads is written anew, though it claims to be of an early version.
    for (name, composed, version) in [("later", &later, 11), ("hash", &hash, 10)] {
        let args = [
            b"RESTORE",
            name.as_bytes(),
            b"0",
            &sealed(composed, version),
        ];
        assert_eq!(client.ask_args(&args).to_string(), "+OK", "{name}");
        assert!(!holds(&composed.0), "{name}");
    }
}

/// A class of metadata: four letters of six bits, five bits of version, three of flags.
fn class(name: &[u8; 4], may_be_left_out: bool) -> [u8; 4] {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = |letter: &u8| LETTERS.iter().position(|known| known == letter).unwrap() as u32;
    let bits = name
        .iter()
        .fold(0, |bits, letter| bits << 6 | value(letter));
    (bits << 8 | 1 << 3 | u32::from(may_be_left_out)).to_le_bytes()
}

#[test]
fn metadata_of_keys_is_left_out_where_its_owner_allows() {
    let value = |composed: Composed, name: &[u8; 4], may: bool| {
        composed
            .raw(&class(name, may))
            .len(2)
            .len(77)
            .len(5)
            .text("more")
            .len(0)
    };
    let file = value(
        Composed::file("REDIS0013").raw(&[243]).len(1),
        b"KMT1",
        true,
    );
    let file = file.string("one", "1");
    let file = value(file.raw(&[243]).len(1), b"KMT1", true).string("two", "2");
    // The server's own, whose value has no parts: keys that are never evicted.
    let file = file
        .raw(&[243])
        .len(1)
        .raw(&class(b"BLES", true))
        .len(1)
        .len(0);
    let file = file.string("three", "3");
    let (server, mut client) = opened(&file.clone().end());
    assert_eq!(
        client.ask("MGET one two three").to_string(),
        r#"*["1" "2" "3"]"#
    );
    let log = server.log();
    let told = |class: &str| {
        log.matches(&format!("Skipping metadata of class '{class}'"))
            .count()
    };
    assert_eq!((told("KMT1"), told("BLES")), (1, 0), "{log}");
    assert_eq!(
        client.ask("BLESS SCAN 0 NO-EVICT").to_string(),
        r#"*["0" *["three"]]"#
    );

    let file = value(file.raw(&[0xfe, 3, 243]).len(1), b"KMT2", false).string("four", "4");
    let log = open(&file.end()).err().expect("it must not start");
    let told = "metadata of 1 key of classes that this server does not have: 1 of class 'KMT2' in database 3";
    assert!(log.contains(told), "{log}");

    // In payloads, too.
    for (may, reply) in [(true, "+OK"), (false, "-ERR Bad data format")] {
        let payload = value(Composed::value(243).len(1), b"KMT1", may);
        let payload = payload.raw(&[0]).text("value").payload(15);
        let args = [b"RESTORE", &b"k"[..], b"0", &payload, b"REPLACE"];
        assert_eq!(client.ask_args(&args).to_string(), reply);
    }
}

#[test]
fn arrays_are_counted_as_unknown() {
    let file = Composed::file("REDIS0014").raw(&[0xfe, 1]).key(28, "a");
    // Four elements, one of each sort, and where the next is inserted.
    let file = file.len(4).len(1).len(49);
    let file = file.len(0).len(0).text("a long text");
    let file = file.len(1).len(1).raw(&(-5_i64).to_le_bytes());
    let file = file.len(2).len(2).raw(&1.5_f64.to_le_bytes());
    let file = file.len(70_000).len(3).text("short");
    let file = file.key(28, "b").len(0).len(0).string("c", "text");
    let log = open(&file.end()).err().expect("it must not start");
    assert!(
        log.contains(
            "2 keys of kinds that this server does not have: 2 of kind 'array' in database 1"
        ),
        "{log}"
    );
}

#[test]
fn bitmaps_become_strings() {
    let portable =
        |containers: &[u8]| [&1_u64.to_le_bytes()[..], &0_u32.to_le_bytes(), containers].concat();
    // An array of two values: 0 and 9.
    let array = [
        &12_346_u32.to_le_bytes()[..],
        &1_u32.to_le_bytes(),
        &[0, 0, 1, 0],
        &[16, 0, 0, 0],
        &[0, 0, 9, 0],
    ];
    // Runs: 8 to 11, and 15.
    let runs = [
        &12_347_u32.to_le_bytes()[..],
        &[1],
        &[0, 0, 4, 0],
        &[2, 0],
        &[8, 0, 3, 0],
        &[15, 0, 0, 0],
    ];
    // Bits: all that are even.
    let bits = [
        &12_346_u32.to_le_bytes()[..],
        &1_u32.to_le_bytes(),
        &[0, 0, 0xff, 0x7f],
        &[16, 0, 0, 0],
        &[0x55; 8192],
    ];
    let file = Composed::file("REDIS0016");
    let file = file.key(33, "array").len(3).text(portable(&array.concat()));
    let file = file.key(33, "runs").len(2).text(portable(&runs.concat()));
    let file = file
        .key(33, "bits")
        .len(8192)
        .text(portable(&bits.concat()));
    let file = file.key(33, "none").len(4).text(0_u64.to_le_bytes());
    let (server, client) = opened(&file.end());
    let (_server, mut client) = again(server, client);
    let get = |client: &mut Client, key: &str| client.ask(&format!("GET {key}")).to_string();
    assert_eq!(get(&mut client, "array"), r#""\x80@\x00""#);
    assert_eq!(get(&mut client, "runs"), r#""\x00\xf1""#);
    assert_eq!(get(&mut client, "none"), r#""\x00\x00\x00\x00""#);
    assert_eq!(client.ask("BITCOUNT bits").int(), 32_768);
    assert_eq!(client.ask("BITPOS bits 0").int(), 1);
    // As Redis's own tests restore an empty one.
    let empty = Composed::value(33)
        .len(0)
        .text(0_u64.to_le_bytes())
        .payload(16);
    let args = [b"RESTORE", &b"empty"[..], b"0", &empty];
    assert_eq!(client.ask_args(&args).to_string(), "+OK");
    // One bit of two million bytes: as a string it would be out of all proportion.
    let sparse = Composed::file("REDIS0016")
        .key(33, "sparse")
        .len(2 << 20)
        .text(portable(&array.concat()));
    let log = open(&sparse.end()).err().expect("it must not start");
    assert!(
        log.contains("1 of kind 'bitmap too long or too sparse for a string' in database 0"),
        "{log}"
    );
    // A bit beyond the length, and a length beyond all strings.
    for bad in [
        Composed::value(33).len(1).text(portable(&array.concat())),
        Composed::value(33).len(1 << 40).text(0_u64.to_le_bytes()),
    ] {
        let args = [b"RESTORE", &b"bad"[..], b"0", &bad.payload(16)];
        assert_eq!(client.ask_args(&args).to_string(), "-ERR Bad data format");
    }
}

/// A snapshot in Valkey 9.2's envelope, compressed by LZ4 or by Zstandard.
fn enveloped(snapshot: &[u8], codec: u8) -> Vec<u8> {
    let envelope = [&b"VKCS"[..], &[1, codec, 1, 0]].concat();
    let packed = match codec {
        1 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(snapshot).unwrap();
            encoder.finish().unwrap()
        }
        _ => {
            ruzstd::encoding::compress_to_vec(snapshot, ruzstd::encoding::CompressionLevel::Fastest)
        }
    };
    [envelope, packed].concat()
}

#[test]
fn snapshots_that_are_compressed_as_a_whole_are_opened() {
    let mut file = Composed::file("VALKEY081").raw(&[0xfe, 0]);
    for n in 0..3000 {
        file = file.string(&format!("key {n}"), &format!("value {n}").repeat(50));
    }
    let snapshot = file.end();
    for codec in [1, 2] {
        let bytes = enveloped(&snapshot, codec);
        assert!(bytes.len() < snapshot.len());
        let (_server, mut client) = opened(&bytes);
        assert_eq!(client.ask("DBSIZE").int(), 3000);
        let value = client.ask_args(&["GET", "key 2999"]).text();
        assert_eq!(value, "value 2999".repeat(50));
        for (what, at, byte) in [
            ("version", 4, 2),
            ("codec", 5, 9),
            ("flags", 6, 8),
            ("content", 7, 1),
        ] {
            let mut bad = bytes.clone();
            bad[at] = byte;
            let log = open(&bad).err().expect("it must not start");
            assert!(
                log.contains("Can't handle the compressed snapshot"),
                "{what}: {log}"
            );
        }
        let cut = &bytes[..bytes.len() / 2];
        assert!(open(cut).is_err(), "half of a frame");
    }
}
