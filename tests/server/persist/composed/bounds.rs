//! How much a snapshot or a payload may ask of the server that reads it.

use std::fs;

use super::writer::{Composed, stream};
use super::{class, enveloped, open, opened, started};
use crate::common::{Client, Server, our_server, setting};

const BAD: &str = "-ERR Bad data format";

fn restore(client: &mut Client, payload: &[u8]) -> String {
    let args = [b"RESTORE", &b"k"[..], b"0", payload, b"REPLACE"];
    client.ask_args(&args).to_string()
}

/// A stream whose producers have these ids.
fn with_producers(duration: u64, maxsize: u64, producers: &[(&str, &[&str])]) -> Composed {
    let composed = stream(Composed::value(26), 5, false);
    let composed = composed
        .len(duration)
        .len(maxsize)
        .len(producers.len() as u64);
    let composed = producers.iter().fold(composed, |composed, (name, ids)| {
        let composed = composed.text(name).len(ids.len() as u64);
        ids.iter()
            .fold(composed, |composed, id| composed.text(id).len(1).len(1))
    });
    composed.len(2).len(0)
}

#[test]
fn what_streams_remember_of_producers_is_within_the_bounds_of_xcfgset() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let ids: &[&str] = &["a", "b"];
    for (duration, maxsize, producers, reply) in [
        (1, 1, &[("p", ids)][..], "+OK"),
        (86_400, 10_000, &[("p", ids), ("q", ids)], "+OK"),
        (0, 100, &[("p", ids)], BAD),
        (86_401, 100, &[("p", ids)], BAD),
        (100, 0, &[("p", ids)], BAD),
        (100, 10_001, &[("p", ids)], BAD),
        (100, u64::MAX, &[], BAD),
        (100, 100, &[("p", &["a", "b", "a"])], BAD),
        (100, 100, &[("p", ids), ("p", ids)], BAD),
    ] {
        let payload = with_producers(duration, maxsize, producers).payload(16);
        assert_eq!(
            restore(&mut client, &payload),
            reply,
            "{duration} {maxsize} {producers:?}"
        );
        if reply == "+OK" {
            let told = client.ask("XINFO STREAM k").to_string();
            assert!(
                told.contains(&format!("\"idmp-duration\" :{duration}")),
                "{told}"
            );
        }
    }
}

/// Runs that leave four bits of a container out.
const RUNS: [(u16, u16); 5] = [
    (0, 9_999),
    (10_001, 19_999),
    (20_001, 29_999),
    (30_001, 39_999),
    (40_001, 65_535),
];

/// A bitmap of so many containers of these runs.
fn runs(containers: u32) -> Vec<u8> {
    let mut bytes = [&1_u64.to_le_bytes()[..], &[0; 4]].concat();
    bytes.extend((12_347 | (containers - 1) << 16).to_le_bytes());
    bytes.extend(vec![0xff; containers.div_ceil(8) as usize]);
    for number in 0..containers {
        bytes.extend((number as u16).to_le_bytes());
        bytes.extend(65_534_u16.to_le_bytes());
    }
    // Where each begins, which nobody needs.
    bytes.extend(vec![0; 4 * containers as usize]);
    for _ in 0..containers {
        bytes.extend(5_u16.to_le_bytes());
        for (first, last) in RUNS {
            bytes.extend(first.to_le_bytes());
            bytes.extend((last - first).to_le_bytes());
        }
    }
    bytes
}

#[test]
fn long_bitmaps_are_made_of_runs_and_are_no_longer_than_strings_may_be() {
    let containers = setting("VERMILION_BITMAP_CONTAINERS", 2000) as u32;
    let (server, mut client) = {
        let server = Server::start(&["--proto-max-bulk-len", "20mb"]);
        let client = server.client();
        (server, client)
    };
    let payload = |len: u64| {
        let value = Composed::value(33).len(len);
        value.text(runs(containers)).payload(16)
    };
    let len = u64::from(containers) * 8192;
    assert_eq!(restore(&mut client, &payload(len)), "+OK");
    assert_eq!(client.ask("STRLEN k").int() as u64, len);
    assert_eq!(
        client.ask("BITCOUNT k").int() as u64,
        len * 8 - 4 * u64::from(containers)
    );
    for (at, bit) in [(0, 1), (29_999, 1), (30_000, 0), (30_001, 1), (65_535, 1)] {
        assert_eq!(client.ask(&format!("GETBIT k {at}")).int(), bit, "{at}");
        let later = at + 65_536 * u64::from(containers - 1);
        assert_eq!(
            client.ask(&format!("GETBIT k {later}")).int(),
            bit,
            "{later}"
        );
    }
    // A byte more than a string may have, and one less than the bits need.
    assert_eq!(restore(&mut client, &payload((20 << 20) + 1)), BAD);
    assert_eq!(restore(&mut client, &payload(len - 1)), BAD);
    drop(server);
    let file = Composed::file("REDIS0016").raw(&[0xfe, 0]);
    let file = file.key(33, "long").len(len).text(runs(containers)).end();
    let log = started(&file, &["--proto-max-bulk-len", "1mb"]).err();
    let log = log.expect("it must not start");
    assert!(
        log.contains("1 of kind 'bitmap too long or too sparse for a string'"),
        "{log}"
    );
}

#[test]
fn at_most_ten_kinds_are_named_in_a_sentence() {
    let mut file = Composed::file("REDIS0012").raw(&[0xfe, 0]);
    for number in 0..1000_u64 {
        // A module's type by its number, and a value without parts.
        file = file
            .key(7, &format!("key {number}"))
            .len(number << 10)
            .len(0);
    }
    for number in 0..1000_u64 {
        // An auxiliary record of a module.
        file = file.raw(&[0xf7]).len(number << 10).len(2).len(1).len(0);
    }
    let file = file.end();
    let log = open(&file).err().expect("it must not start");
    assert!(
        log.contains("1000 keys of kinds that this server does not have:"),
        "{log}"
    );
    assert!(log.contains("and 990 of other kinds"), "{log}");
    assert_eq!(log.matches("value of module type").count(), 10, "{log}");
    assert_eq!(log.matches("Skipping auxiliary data").count(), 10, "{log}");
    let server = started(&file, &["--rdb-skip-unknown", "yes"]).expect("it starts");
    assert_eq!(server.client().ask("DBSIZE").int(), 0);
}

#[test]
fn metadata_is_counted_as_metadata() {
    let mut file = Composed::file("REDIS0013").raw(&[0xfe, 1]);
    for name in ["a", "b"] {
        file = file.raw(&[243]).len(2);
        file = file.raw(&class(b"KMT1", false)).len(0);
        file = file.raw(&class(b"KMT2", false)).len(0);
        file = file.string(name, "1");
    }
    let file = file.key(28, "array").len(0).len(0).end();
    let told = "1 key of kinds that this server does not have: 1 of kind 'array' in database 1, and \
                metadata of 2 keys of classes that this server does not have: 2 of class 'KMT1', \
                2 of class 'KMT2' in database 1";
    let log = open(&file).err().expect("it must not start");
    assert!(log.contains(told), "{log}");
    let server = started(&file, &["--rdb-skip-unknown", "yes"]).expect("it starts");
    let mut client = server.client();
    // What the keys themselves hold is known.
    client.ask("SELECT 1");
    assert_eq!(
        client.ask("MGET a b array").to_string(),
        r#"*["1" "1" $-1]"#
    );
    let kept = server.dir().join("dump.rdb.unknown-1");
    assert_eq!(fs::read(kept).unwrap(), file);
}

#[test]
fn no_small_file_has_a_long_field_beside_its_keys() {
    let with = |name: usize, value: usize| {
        let file = Composed::file("VALKEY081").raw(&[0xfa]);
        let file = file.text("n".repeat(name)).text("v".repeat(value));
        file.raw(&[0xfe, 0]).string("key", "1").end()
    };
    for codec in [1, 2] {
        let (_server, mut client) = opened(&enveloped(&with(9, 1 << 20), codec));
        assert_eq!(client.ask("GET key").text(), "1");
        for (name, value) in [(9, (1 << 20) + 1), ((1 << 20) + 1, 9)] {
            let log = open(&enveloped(&with(name, value), codec)).err();
            let log = log.expect("it must not start");
            assert!(log.contains("auxiliary field that is too long"), "{log}");
        }
    }
    // Older servers kept whole scripts there, in files that were not compressed.
    let (_server, mut client) = opened(&with(9, 2 << 20));
    assert_eq!(client.ask("GET key").text(), "1");
}

#[test]
fn the_last_four_bytes_of_a_frame_are_its_sum() {
    let mut file = Composed::file("VALKEY081").raw(&[0xfe, 0]);
    for n in 0..100 {
        file = file.string(&format!("key {n}"), &format!("value {n}"));
    }
    let mut bytes = enveloped(&file.end(), 2);
    assert!(open(&bytes).is_ok());
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let log = open(&bytes).err().expect("it must not start");
    assert!(
        log.contains("the checksum of the Zstandard frame is wrong"),
        "{log}"
    );
}

#[test]
fn no_more_of_a_file_is_loaded_than_there_is() {
    let mut file = Composed::file("VALKEY081").raw(&[0xfe, 0]);
    for n in 0..3000 {
        file = file.string(&format!("key {n}"), &format!("value {n}").repeat(500));
    }
    let bytes = enveloped(&file.end(), 1);
    let dir = tempfile::TempDir::new().unwrap();
    fs::write(dir.path().join("dump.rdb"), &bytes).unwrap();
    let server = Server::start_on(&our_server(), dir, &[]);
    let mut client = server.client();
    client.ask("CONFIG SET key-load-delay 1000");
    let mut other = server.client();
    let reload = std::thread::spawn(move || client.ask("DEBUG RELOAD NOSAVE").to_string());
    let mut seen = 0;
    while !reload.is_finished() {
        let info = other.ask("INFO persistence").text();
        let figure = |name: &str| -> Option<f64> {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.parse().ok())
        };
        if let Some(percent) = figure("loading_loaded_perc:") {
            let (loaded, total) = (
                figure("loading_loaded_bytes:"),
                figure("loading_total_bytes:"),
            );
            assert!(percent < 100.0, "{info}");
            assert!(loaded <= total, "{info}");
            seen += 1;
        }
    }
    assert_eq!(reload.join().unwrap(), "+OK");
    assert!(seen > 0, "it was asked while it loaded");
}
