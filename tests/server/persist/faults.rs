//! A disk that fails at each call in turn, and a power cut: nothing acknowledged is lost, and all files load.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vermilion::persist::disk::OsDisk;
use vermilion::testing::TestServer;

use super::faulty::{Fault, FaultyDisk};
use crate::common::{Client, setting};

const ALWAYS: &str = "appendonly yes\nappendfsync always";

/// Keys whose write was acknowledged.
fn write(port: u16, keys: std::ops::Range<usize>, acknowledged: &mut Vec<usize>) {
    let mut client = None;
    for key in keys {
        if client.is_none() {
            client = Client::connect(port).ok();
        }
        let Some(open) = &mut client else {
            return;
        };
        match open.try_ask(&["SET", &format!("key{key}"), "value"]) {
            Ok(reply) if reply.raw == b"+OK\r\n" => acknowledged.push(key),
            Ok(reply) => {
                let told = String::from_utf8_lossy(&reply.raw).into_owned();
                assert!(
                    told.starts_with("-MISCONF") || told.starts_with("-LOADING"),
                    "{told}"
                );
            }
            // It could not be made safe.
            Err(_) => client = None,
        }
        if key % 10 == 5
            && let Some(open) = &mut client
        {
            // These fail as they like, and the server stays up.
            let _ = open.try_ask(&["SAVE"]);
            let _ = open.try_ask(&["BGREWRITEAOF"]);
        }
    }
}

/// Keys that are not there, with what the server says instead.
fn missing(port: u16, acknowledged: &[usize]) -> Vec<(usize, String)> {
    let mut client = Client::connect(port).expect("the server listens");
    let mut ask = |key: usize| loop {
        let reply = client.ask(&format!("GET key{key}")).text().to_string();
        if !reply.starts_with("LOADING") {
            return reply;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let asked = acknowledged.iter().map(|key| (*key, ask(*key)));
    asked.filter(|(_, reply)| reply != "value").collect()
}

/// Starts on the files as they are, with a disk that works.
fn reopened(dir: &Path, acknowledged: &[usize], case: &str) {
    let server = TestServer::start_on(ALWAYS, dir, Arc::new(OsDisk));
    assert_eq!(
        missing(server.port(), acknowledged),
        [],
        "lost after {case}"
    );
    server
        .stop()
        .unwrap_or_else(|error| panic!("{case}: {error:#}"));
}

/// Writes go through again once the disk does.
fn recovers(port: u16, case: &str) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if let Ok(mut client) = Client::connect(port)
            && client
                .try_ask(&["SET", "recovered", "1"])
                .is_ok_and(|reply| reply.raw == b"+OK\r\n")
        {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{case}: writes are refused for ever");
}

#[test]
fn a_disk_that_fails_at_any_call_loses_nothing() {
    // How many calls there are when nothing fails.
    let disk = FaultyDisk::default();
    let dir = TempDir::new().unwrap();
    let server = TestServer::start_on(ALWAYS, dir.path(), disk.handle());
    write(server.port(), 0..40, &mut Vec::new());
    server.stop().expect("nothing fails");
    let calls = disk.calls();
    let step = calls.div_ceil(setting("FAULTS", 20));
    for fault in [Fault::Full, Fault::Short, Fault::Once] {
        for call in (1..calls).step_by(step as usize) {
            let case = format!("{fault:?} at call {call} of {calls}");
            let (disk, dir) = (FaultyDisk::default(), TempDir::new().unwrap());
            disk.fail_at(call, fault);
            let server = TestServer::start_on(ALWAYS, dir.path(), disk.handle());
            let mut acknowledged = Vec::new();
            write(server.port(), 0..40, &mut acknowledged);
            if Client::connect(server.port()).is_err() {
                // It did not come up, and said so.
                assert!(server.stop().is_err(), "{case}");
            } else {
                assert_eq!(
                    missing(server.port(), &acknowledged),
                    [],
                    "reads go on: {case}"
                );
                disk.mend();
                recovers(server.port(), &case);
                write(server.port(), 40..50, &mut acknowledged);
                server
                    .stop()
                    .unwrap_or_else(|error| panic!("{case}: {error:#}"));
            }
            reopened(dir.path(), &acknowledged, &case);
        }
    }
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    let mut random = fastrand::Rng::with_seed(setting("SEED", 7));
    for cut in 0..setting("CUTS", 10) {
        let (disk, dir) = (FaultyDisk::default(), TempDir::new().unwrap());
        let server = TestServer::start_on(ALWAYS, dir.path(), disk.handle());
        let port = server.port();
        let writer = std::thread::spawn(move || {
            let mut acknowledged = Vec::new();
            write(port, 0..2000, &mut acknowledged);
            acknowledged
        });
        std::thread::sleep(Duration::from_millis(random.u64(5..300)));
        disk.cut_power();
        // What the writer hears from here on, it hears from a server without a disk: refusals.
        let acknowledged = writer.join().expect("the writer");
        // Its last words reach nobody.
        let _ = server.stop();
        disk.after_the_cut();
        reopened(dir.path(), &acknowledged, &format!("cut {cut}"));
    }
}

#[test]
fn a_torn_log_on_a_full_disk_is_cut_and_loads() {
    for policy in ["always", "everysec", "no"] {
        let lines = format!("appendonly yes\nappendfsync {policy}");
        let (disk, dir) = (FaultyDisk::default(), TempDir::new().unwrap());
        let server = TestServer::start_on(&lines, dir.path(), disk.handle());
        let mut acknowledged = Vec::new();
        write(server.port(), 0..5, &mut acknowledged);
        server.stop().expect("nothing fails");
        let folder = dir.path().join("appendonlydir");
        let increment = folder.join("appendonly.aof.1.incr.aof");
        let mut bytes = std::fs::read(&increment).unwrap();
        bytes.extend_from_slice(b"*3\r\n$3\r\nSET\r\n$4\r\nhalf");
        std::fs::write(&increment, bytes).unwrap();

        disk.fill();
        let server = TestServer::start_on(&lines, dir.path(), disk.handle());
        assert_eq!(missing(server.port(), &acknowledged), [], "{policy}");
        disk.mend();
        recovers(server.port(), policy);
        server.stop().expect("the disk works again");
        assert!(
            std::fs::read_dir(&folder)
                .unwrap()
                .flatten()
                .all(|file| !file.file_name().to_string_lossy().contains("cut-")),
            "there was no room to keep what was cut off"
        );
        reopened(dir.path(), &acknowledged, policy);
    }
}
