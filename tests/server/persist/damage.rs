//! Data files with damage: what is cut off, what is refused, and what is said of it.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::exchange::parts;
use crate::common::{Server, our_server};

const LOG: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// A log with twenty records, each of them on the disk before the next was given.
fn log() -> (TempDir, PathBuf) {
    let server = Server::start(LOG);
    let mut client = server.client();
    for n in 0..20 {
        client.ask(&format!("SET key{n} value{n}"));
    }
    let dir = server.kill();
    let last = parts(dir.path()).pop().expect("an increment");
    (dir, last)
}

#[test]
fn a_torn_end_is_cut_off_and_kept_beside_the_file() {
    let (dir, path) = log();
    let whole = fs::read(&path).unwrap();
    let seal = memchr_last(&whole, b"#CK:");
    let torn = &whole[..whole.len() - 5];
    fs::write(&path, torn).unwrap();
    let server = Server::start_on(&our_server(), dir, LOG);
    let mut client = server.client();
    assert_eq!(client.ask("DBSIZE").to_string(), ":19");
    let cut = torn.len() - seal;
    let log = server.log();
    assert!(
        log.contains(&format!("at offset {seal}"))
            && log.contains(&format!("{cut} bytes are cut off")),
        "{log}"
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), seal as u64);
    let aside = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.to_string_lossy().contains(".cut-"))
        .expect("a side file");
    assert_eq!(fs::read(aside).unwrap(), &torn[seal..]);
    // It goes on from there.
    client.ask("SET more 1");
    let server = Server::start_on(&our_server(), server.kill(), LOG);
    assert_eq!(server.client().ask("DBSIZE").to_string(), ":20");
}

#[test]
fn a_torn_end_is_refused_where_that_is_wanted() {
    let (dir, path) = log();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    let options = [LOG, &["--aof-load-truncated", "no"]].concat();
    let told = Server::try_start_on(&our_server(), dir, &options)
        .err()
        .expect("it must not start");
    assert!(
        told.contains("Unexpected end of file reading the append only file"),
        "{told}"
    );
}

#[test]
fn rot_in_the_middle_is_refused_with_its_offset() {
    let (dir, path) = log();
    let mut bytes = fs::read(&path).unwrap();
    let seals: Vec<usize> = (0..bytes.len())
        .filter(|at| bytes[*at..].starts_with(b"#CK:"))
        .collect();
    bytes[seals[10] + 60] ^= 1;
    fs::write(&path, bytes).unwrap();
    let told = Server::try_start_on(&our_server(), dir, LOG)
        .err()
        .expect("it must not start");
    assert!(
        told.contains(&format!("damaged at offset {},", seals[10])),
        "{told}"
    );
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let server = Server::start(&[]);
    server.client().ask("SET key value");
    server.client().ask("SAVE");
    let dir = server.kill();
    let path = dir.path().join("dump.rdb");
    let whole = fs::read(&path).unwrap();
    let cases = [
        (
            &whole[..whole.len() - 12],
            "Unexpected EOF reading RDB file",
        ),
        (
            &[b"REDIS0099", &whole[9..]].concat(),
            "Can't handle RDB format version 99",
        ),
        (
            &[b"RUBBISH99", &whole[9..]].concat(),
            "Wrong signature trying to load DB from file",
        ),
        (
            &[&whole[..whole.len() - 1], &[!whole[whole.len() - 1]]].concat(),
            "Wrong RDB checksum",
        ),
    ];
    let sum = |bytes: &[u8]| {
        let sum = bytes.last_chunk::<8>().expect("a checksum");
        format!("({:x})", u64::from_le_bytes(*sum))
    };
    let sums = format!("expected: {} but got {}.", sum(&whole), sum(cases[3].0));
    for (bytes, why) in cases.into_iter().chain([(cases[3].0, &sums[..])]) {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("dump.rdb"), bytes).unwrap();
        let told = Server::try_start_on(&our_server(), dir, &[])
            .err()
            .expect("it must not start");
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn the_log_names_no_keys_where_they_are_to_be_hidden() {
    // A set without members, which the log speaks of, and no checksum.
    let snapshot = b"REDIS0010\xfe\x00\x02\x06secret\x00\xff\0\0\0\0\0\0\0\0";
    for (hidden, name) in [("no", "secret"), ("yes", "*redacted*")] {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("dump.rdb"), snapshot).unwrap();
        let options = ["--hide-user-data-from-log", hidden];
        let server = Server::start_on(&our_server(), dir, &options);
        let said = format!("skipping empty key: {name}\n");
        assert!(server.log().contains(&said), "{}", server.log());
    }
}

#[test]
fn no_room_is_made_for_more_keys_than_a_file_can_hold() {
    // It says that there are 2^62 keys, and has one.
    let said = [b"\x81".as_slice(), &(1_u64 << 62).to_be_bytes()].concat();
    let (head, tail) = (
        b"REDIS0010\xfe\x00\xfb",
        b"\x00\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0",
    );
    let dir = TempDir::new().unwrap();
    let snapshot = [head.as_slice(), &said, tail].concat();
    fs::write(dir.path().join("dump.rdb"), snapshot).unwrap();
    let server = Server::start_on(&our_server(), dir, &[]);
    assert_eq!(server.client().ask("GET k").to_string(), "\"v\"");
}

#[test]
fn what_a_crash_left_half_written_is_removed() {
    let dir = TempDir::new().unwrap();
    let left = dir.path().join("temp-123-dump.rdb");
    fs::write(&left, "half a snapshot").unwrap();
    let snapshot = dir.path().join("temp-999999999.rdb");
    fs::write(&snapshot, "half a snapshot").unwrap();
    let neighbour = dir.path().join(format!("temp-{}.rdb", std::process::id()));
    fs::write(&neighbour, "half a snapshot of a process that runs").unwrap();
    let other = dir.path().join("temp-notes.txt");
    fs::write(&other, "somebody's").unwrap();
    let _server = Server::start_on(&our_server(), dir, &[]);
    assert!(!left.exists() && other.exists());
    assert!(!snapshot.exists() && neighbour.exists());
}

fn memchr_last(bytes: &[u8], sign: &[u8]) -> usize {
    bytes
        .windows(sign.len())
        .rposition(|window| window == sign)
        .expect("a seal")
}
