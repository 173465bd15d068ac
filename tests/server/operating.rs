//! What an operator is told: refusals at start, lines of the log, and what is written to files beside the data.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use vermilion::persist::disk::Disk;
use vermilion::testing::TestServer;

use crate::common::{Server, eventually, our_server};
use crate::persist::faulty::{Fault, FaultyDisk};

/// What a server says that ends at once, and its exit code.
fn ended(options: &[&str]) -> (String, Option<i32>) {
    let dir = TempDir::new().expect("a folder");
    let mut command = Command::new(our_server());
    let command = command.args(options).arg("--dir").arg(dir.path());
    let done = command.output().expect("the program runs");
    let told = [done.stdout, done.stderr].concat();
    (
        String::from_utf8_lossy(&told).into_owned(),
        done.status.code(),
    )
}

#[test]
fn a_server_that_would_listen_nowhere_ends() {
    let (told, code) = ended(&["--port", "0"]);
    assert!(
        told.contains("# Configured to not listen anywhere, exiting."),
        "{told}"
    );
    assert_eq!(code, Some(1));
}

#[test]
fn protection_that_is_not_there_is_refused_at_start_and_later() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let (name, value) = ("activedefrag", "yes");
    let why = "Active defragmentation cannot be enabled: it requires a Redis server";
    let (told, code) = ended(&["--port", "0", &format!("--{name}"), value]);
    assert!(told.contains("*** FATAL CONFIG FILE ERROR"), "{told}");
    assert!(
        told.contains(&format!("'{name} \"{value}\"'\n{why}")),
        "{told}"
    );
    assert_eq!(code, Some(1));
    let refused = client.ask(&format!("CONFIG SET {name} {value}")).text();
    let start = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}");
    assert!(refused.starts_with(&start), "{refused}");
}

#[test]
fn directives_that_do_nothing_are_named_at_start() {
    let server = Server::start(&[
        "--activerehashing",
        "no",
        "--hz",
        "20",
        "--list-compress-depth",
        "1",
    ]);
    let named =
        "do nothing here, redis.conf.example says why: activerehashing, list-compress-depth\n";
    assert!(server.log().contains(named), "{}", server.log());
    assert!(
        !server.log().contains("no config file specified"),
        "{}",
        server.log()
    );
    assert!(!Server::start(&[]).log().contains("do nothing here"));
}

#[test]
fn the_log_tells_of_clients_where_it_is_verbose() {
    let server = Server::start(&["--loglevel", "verbose"]);
    let mut client = server.client();
    client.ask("CLIENT SETNAME talker");
    let id = client.ask("CLIENT ID").text();
    drop(client);
    let closed = format!("- Client closed connection id={id} addr=127.0.0.1:");
    eventually("the end of a connection is logged", || {
        server.log().contains(&closed)
    });
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains(&closed))
        .expect("a line");
    assert!(
        line.contains(" name=talker ") && line.ends_with(" user=default"),
        "{line}"
    );
    assert!(log.contains("- Accepted 127.0.0.1:"), "{log}");
}

#[test]
fn limits_that_do_not_hold_are_warned_of() {
    let options = [
        "--maxmemory",
        "1000",
        "--tcp-backlog",
        "2000000000",
        "--bind",
        "127.0.0.1",
        "-203.0.113.1",
    ];
    let server = Server::start(&options);
    let warned = |what: &str| eventually(what, || server.log().contains(what));
    warned(
        "WARNING: You specified a maxmemory value that is less than 1MB (current value is 1000 bytes).",
    );
    warned(
        "WARNING: The TCP backlog setting of 2000000000 cannot be enforced because /proc/sys/net/core/somaxconn",
    );
    warned("Warning: Could not create server TCP listening socket 203.0.113.1:");
    server.client().ask("CONFIG SET maxmemory 1001");
    warned(
        "WARNING: the new maxmemory value set via CONFIG SET (1001) is smaller than the current memory usage (",
    );
}

#[test]
fn a_rewritten_configuration_has_what_was_set() {
    let dir = TempDir::new().expect("a folder");
    let file = dir.path().join("redis.conf");
    fs::write(&file, "maxclients 100\n").unwrap();
    let server = Server::start(&[&file.to_string_lossy()]);
    let mut client = server.client();
    client.ask("CONFIG SET hz 20");
    assert_eq!(client.ask("CONFIG REWRITE").text(), "OK");
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("maxclients 100\n") && text.contains("hz 20\n"),
        "{text}"
    );
    assert!(!text.contains("io-threads"), "{text}");
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "no draft stays"
    );
}

#[test]
fn a_file_of_users_stays_whole_where_the_disk_is_full() {
    let (disk, dir) = (FaultyDisk::default(), TempDir::new().unwrap());
    let file = dir.path().join("users.acl");
    fs::write(&file, "user default on nopass ~* &* +@all\n").unwrap();
    let server = TestServer::start_on("aclfile users.acl", dir.path(), disk.handle());
    server.talk("> ACL SETUSER alice on\n +OK\n > ACL SAVE\n +OK");
    let saved = fs::read_to_string(&file).unwrap();
    assert!(saved.contains("user alice "), "{saved}");
    disk.fill();
    server.talk("> ACL SETUSER bob on\n +OK\n > ACL SAVE\n -ERR There was an error trying to save the ACLs*");
    assert_eq!(fs::read_to_string(&file).unwrap(), saved);
    disk.mend();
    server.talk("> ACL SAVE\n +OK");
    assert!(fs::read_to_string(&file).unwrap().contains("user bob "));
    assert_eq!(drafts(dir.path()), 0);
}

fn drafts(dir: &Path) -> usize {
    let files = fs::read_dir(dir).expect("a folder").flatten();
    let names = files.map(|file| file.file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with("temp-"))
        .count()
}

#[test]
fn a_full_disk_leaves_the_old_file_and_no_draft() {
    let (faulty, dir) = (FaultyDisk::default(), TempDir::new().unwrap());
    let disk: Arc<dyn Disk> = faulty.handle();
    let file = dir.path().join("redis.conf");
    disk.replace(&file, b"old").unwrap();
    for call in 1..=6 {
        faulty.fail_at(faulty.calls() + call, Fault::Once);
        // Whether it failed before or after the new file took its place, there is one of the two.
        let _ = disk.replace(&file, b"new");
        let there = fs::read(&file).unwrap();
        assert!(there == b"old" || there == b"new", "call {call}");
        disk.replace(&file, b"old").unwrap();
        assert_eq!(drafts(dir.path()), 0, "call {call}");
    }
}
