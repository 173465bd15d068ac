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
