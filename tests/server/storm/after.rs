//! After a storm: everything is let go, and what memory holds is compared with what the replica, the log and the counts say.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::acts::other_values;
use crate::common::{Client, Server, Value, eventually, our_server};
use crate::persist::contents::{Contents, contents, same};

const DBS: usize = 16;
const STOP_SECONDS: u64 = 5;
/// What caches, statistics and the rest of a long life may keep.
const KEPT_BYTES: i64 = 8 << 20;
/// What was freed elsewhere comes back in steps.
const MEMORY_PATIENCE: Duration = Duration::from_secs(20);

/// How a server was before the storm.
pub struct Before {
    pub directives: Vec<(String, String)>,
    used_memory: i64,
}

pub fn prepare(master: &Server, replica: &Server) -> Before {
    let line = format!("REPLICAOF 127.0.0.1 {}", master.port);
    replica.client().ask(&line);
    eventually("the link comes up", || {
        replica.client().info("master_link_status") == "up"
    });
    let mut client = master.client();
    let items = client.ask("CONFIG GET *").items();
    Before {
        directives: items
            .chunks(2)
            .map(|pair| (pair[0].text(), pair[1].text()))
            .collect(),
        used_memory: client.info_number("used_memory"),
    }
}

/// Ends scripts and pauses, so that every client is answered. Its own connection may be closed by what others do.
pub fn let_go(server: &Server) {
    end_scripts(server);
    ask_all(server, &["CLIENT UNPAUSE"]);
}

/// Ends the script that runs, if it is one that never ends by itself.
pub fn end_scripts(server: &Server) {
    ask_all(server, &["SCRIPT KILL", "FUNCTION KILL"]);
}

/// Asks a server that may be out of reach, whatever it answers.
fn ask_all(server: &Server, lines: &[&str]) {
    if let Ok(mut client) = Client::connect(server.port) {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let _ = client.try_ask(&words);
        }
    }
}

/// Puts every directive back that can be changed.
fn restore(master: &mut Client, before: &Before) {
    for (name, value) in &before.directives {
        if !other_values(name, value).is_empty() {
            let told = master.ask_args(&["CONFIG", "SET", name, value]);
            let fixed = told.text().contains("immutable");
            assert!(
                fixed || !told.is_error(),
                "CONFIG SET {name} {value}: {told}"
            );
        }
    }
    for line in [
        "REPLICAOF NO ONE",
        "CONFIG SET appendonly yes",
        "DEBUG SET-ACTIVE-EXPIRE 1",
    ] {
        let told = master.ask(line);
        assert_eq!(told.text(), "OK", "{line}");
    }
}

/// No key and no field dies while others look at it.
fn without_deadlines(master: &mut Client) {
    for db in 0..DBS {
        master.ask(&format!("SELECT {db}"));
        for key in master.ask("KEYS *").items() {
            let Value::Bulk(key) = key else {
                panic!("KEYS lists strings")
            };
            master.ask_args(&[b"PERSIST", &key[..]]);
            for field in master.ask_args(&[b"HKEYS", &key[..]]).items() {
                if let Value::Bulk(field) = field {
                    master.ask_args(&[b"HPERSIST", &key[..], b"FIELDS", b"1", &field]);
                }
            }
        }
    }
    master.ask("SELECT 0");
}

/// What INFO says of the keyspace is what is there.
fn counts(client: &mut Client, held: &Contents) {
    for db in 0..DBS {
        client.ask(&format!("SELECT {db}"));
        let counted = held.keys().filter(|(of, _)| *of == db).count() as i64;
        // Keys that have died are hidden at once, and counted until they are removed.
        eventually(&format!("DBSIZE of database {db} is {counted}"), || {
            client.ask("DBSIZE").int() == counted
        });
        let told = client.info(&format!("db{db}"));
        let expected = if counted == 0 {
            String::new()
        } else {
            format!("keys={counted},expires=0,")
        };
        assert!(
            told.starts_with(&expected) && (counted > 0 || told.is_empty()),
            "db{db}: {told}, and {counted} are there"
        );
    }
    client.ask("SELECT 0");
}

/// The log's files as they are on the disk, read by another server.
fn read_again(master: &Server) -> Contents {
    let from: &Path = &master.dir().join("appendonlydir");
    let manifest = || std::fs::read(from.join("appendonly.aof.manifest")).expect("a manifest");
    let mut copy = TempDir::new().expect("a temporary directory");
    eventually(
        "the log's files stay for as long as it takes to copy them",
        || {
            let before = manifest();
            copy = TempDir::new().expect("a temporary directory");
            let folder = copy.path().join("appendonlydir");
            std::fs::create_dir(&folder).expect("a folder");
            let files = std::fs::read_dir(from).expect("the log's folder");
            let copied = files.flatten().all(|file| {
                // It may be gone by now.
                std::fs::copy(file.path(), folder.join(file.file_name())).is_ok()
            });
            copied && manifest() == before
        },
    );
    let server = Server::start_on(&our_server(), copy, &["--appendonly", "yes"]);
    let mut client = server.client();
    eventually("the log is read", || !client.ask("DBSIZE").is_error());
    contents(&mut client)
}

pub fn check(seed: u64, master: Server, replica: Server, before: Before) {
    let mut client = master.client();
    eventually("the others are gone", || {
        client.info("connected_clients") == "1"
    });
    restore(&mut client, &before);
    let mut follower = replica.client();
    follower.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    without_deadlines(&mut client);
    eventually("the replica has everything", || {
        follower.info("master_link_status") == "up"
            && follower.info("slave_repl_offset") == client.info("master_repl_offset")
    });
    let held = contents(&mut client);
    println!("storm {seed}: {} keys", held.len());
    println!("storm {seed}: the replica");
    same(&held, &contents(&mut follower));
    counts(&mut client, &held);
    eventually("the log is written", || {
        // In one answer: one that is scheduled may begin between two.
        let told = client.ask("INFO persistence").text();
        let calm = ["aof_rewrite_in_progress:0\r", "aof_rewrite_scheduled:0\r"];
        calm.iter().all(|line| told.contains(line))
    });
    client.ask("SET last word");
    let told = client.ask("WAITAOF 1 0 10000").to_string();
    assert_eq!(told, "*[:1 :0]");
    client.ask("DEL last");
    client.ask("WAITAOF 1 0 10000");
    println!("storm {seed}: the log");
    same(&held, &read_again(&master));
    for line in [
        "FLUSHALL",
        "SCRIPT FLUSH",
        "FUNCTION FLUSH",
        "CONFIG RESETSTAT",
        "SLOWLOG RESET",
        "ACL LOG RESET",
        "MEMORY PURGE",
    ] {
        assert!(!client.ask(line).is_error(), "{line}");
    }
    let begun = Instant::now();
    loop {
        let kept = client.info_number("used_memory") - before.used_memory;
        if kept < KEPT_BYTES {
            break;
        }
        if begun.elapsed() > MEMORY_PATIENCE {
            let told = client.ask("INFO memory").text();
            let clients = client.ask("CLIENT LIST").text();
            panic!("seed {seed}: {kept} bytes stay\n{told}\n{clients}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    for server in [master, replica] {
        assert_eq!(server.client().ask("PING").text(), "PONG");
        let log = server.log();
        let at = log.find("panicked").or(log.find("BUG REPORT"));
        assert!(
            at.is_none(),
            "seed {seed}: {}",
            &log[at.unwrap_or(0).saturating_sub(500)..]
        );
        let begun = Instant::now();
        server.stop();
        assert!(
            begun.elapsed().as_secs() < STOP_SECONDS,
            "seed {seed}: it did not end by SIGTERM"
        );
    }
}
