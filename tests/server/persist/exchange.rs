//! Files written by one server and read by the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::contents::{contents, edit, fill, fill_timed_hashes, same};
use crate::common::{
    Client, Oracle, Server, Value, eventually, oracles, our_server, real_redis, redis_is_missing,
};

fn start(program: &Path, dir: TempDir, options: &[&str]) -> (Server, Client) {
    let server = Server::start_on(program, dir, options);
    let client = server.client();
    client.set_patience(Duration::from_secs(30));
    (server, client)
}

fn folder() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

/// Waits for what INFO says of persistence.
pub fn wait_for(client: &mut Client, line: &str) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        if client.ask("INFO persistence").text().contains(line) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("INFO never said {line}");
}

/// Puts something of every type into a server that another one is to read, too.
fn fill_for(oracle: &Oracle, client: &mut Client) {
    fill(client);
    if oracle.times_fields {
        fill_timed_hashes(client);
    }
}

#[test]
fn snapshots_go_both_ways() {
    if redis_is_missing() {
        return;
    }
    for oracle in oracles() {
        println!("{}", oracle.name);
        let (server, mut client) = start(&oracle.program, folder(), &[]);
        fill_for(&oracle, &mut client);
        client.ask_args(&[
            "FUNCTION",
            "LOAD",
            "#!lua name=lib\nredis.register_function('f', function() return 1 end)",
        ]);
        let written = contents(&mut client);
        let groups = client.ask("XINFO GROUPS log");
        assert_eq!(client.ask("SAVE").to_string(), "+OK");

        let (server, mut client) = start(&our_server(), server.kill(), &oracle.dialect());
        assert_eq!(client.ask("XINFO GROUPS log"), groups);
        same(&written, &contents(&mut client));
        assert_eq!(client.ask("SAVE").to_string(), "+OK");
        let dir = server.kill();
        check_snapshot(&oracle, dir.path());

        let (server, mut client) = start(&oracle.program, dir, &[]);
        same(&written, &contents(&mut client));
        assert_eq!(client.ask("FCALL f 0").to_string(), ":1");
        drop(server);
    }
}

/// The snapshot has the lowest version that carries the data, and Redis's own tool finds nothing wrong with it.
fn check_snapshot(oracle: &Oracle, dir: &Path) {
    let header = fs::read(dir.join("dump.rdb")).unwrap();
    let magic = match (oracle.times_fields, oracle.reads_valkey) {
        (false, _) => "REDIS0010",
        (true, false) => "REDIS0012",
        (true, true) => "VALKEY080",
    };
    assert_eq!(header[..9].escape_ascii().to_string(), magic);
    if oracle.times_fields {
        return;
    }
    let checked = Command::new("redis-check-rdb")
        .arg(dir.join("dump.rdb"))
        .output()
        .expect("redis-check-rdb runs");
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );
}

/// What INFO says of a replica's link and of how far it has come.
fn follows(master: &mut Client, replica: &mut Client) -> bool {
    let field = |client: &mut Client, name: &str| {
        let text = client.ask("INFO replication").text();
        let head = format!("{name}:");
        let found = text.lines().find_map(|line| line.strip_prefix(&head));
        found.unwrap_or_default().to_owned()
    };
    let end = field(master, "master_repl_offset");
    field(replica, "master_link_status") == "up" && field(replica, "slave_repl_offset") == end
}

#[test]
fn full_syncs_go_both_ways() {
    for oracle in oracles() {
        let ours = our_server();
        for (master, replica) in [(&oracle.program, &ours), (&ours, &oracle.program)] {
            println!("{} follows {}", replica.display(), master.display());
            let options = ["--repl-diskless-sync-delay", "0"];
            let (main, mut client) = start(master, folder(), &options);
            let (copy, mut other) = start(replica, folder(), &options);
            fill_for(&oracle, &mut client);
            let line = format!("REPLICAOF 127.0.0.1 {}", main.port);
            assert_eq!(other.ask(&line).to_string(), "+OK");
            eventually(&format!("a sync ends: {}", copy.log()), || {
                follows(&mut client, &mut other)
            });
            edit(&mut client, 0);
            eventually("the edits arrive", || follows(&mut client, &mut other));
            same(&contents(&mut client), &contents(&mut other));
        }
    }
}

#[test]
fn every_version_that_can_be_picked_is_read_by_the_real_server() {
    if redis_is_missing() {
        return;
    }
    for version in ["9", "10", "11"] {
        let (server, mut client) = start(
            &our_server(),
            folder(),
            &["--rdb-version", version, "--rdbcompression", "no"],
        );
        fill(&mut client);
        if version == "9" {
            // It has no room for a stream's counters, which then begin anew.
            client.ask("DEL log void");
        }
        let written = contents(&mut client);
        client.ask("SAVE");
        let dir = server.kill();
        let bytes = fs::read(dir.path().join("dump.rdb")).unwrap();
        assert!(bytes.starts_with(format!("REDIS{version:0>4}").as_bytes()));
        if version == "11" {
            // 7.0 knows no 11, so ours reads it.
            let (_server, mut client) = start(&our_server(), dir, &[]);
            same(&written, &contents(&mut client));
        } else {
            let (_server, mut client) = start(&real_redis(), dir, &[]);
            same(&written, &contents(&mut client));
        }
    }
}

#[test]
fn deadlines_of_fields_need_a_newer_version() {
    let (server, mut client) = start(&our_server(), folder(), &[]);
    client.ask("HSET h a 1 b 2 c 3");
    client.ask("HPEXPIREAT h 4000000000000 FIELDS 2 a b");
    for n in 0..1000 {
        client.ask(&format!("HSET large f{n} {n}"));
    }
    client.ask("HPEXPIREAT large 4000000000001 FIELDS 2 f5 f7");
    assert_eq!(client.ask("SAVE").to_string(), "+OK");
    let path = server.dir().join("dump.rdb");
    assert!(fs::read(&path).unwrap().starts_with(b"REDIS0012"));
    // A version that would drop them is refused, and the old file stays.
    client.ask("CONFIG SET rdb-version 10");
    assert!(client.ask("SAVE").to_string().starts_with("-ERR"));
    assert!(fs::read(&path).unwrap().starts_with(b"REDIS0012"));
    let (_server, mut client) = start(&our_server(), server.kill(), &[]);
    let fields = "HPEXPIRETIME h FIELDS 3 a b c";
    assert_eq!(
        client.ask(fields).to_string(),
        "*[:4000000000000 :4000000000000 :-1]"
    );
    let fields = "HPEXPIRETIME large FIELDS 3 f5 f6 f7";
    assert_eq!(
        client.ask(fields).to_string(),
        "*[:4000000000001 :-1 :4000000000001]"
    );
}

#[test]
fn logs_go_both_ways() {
    if redis_is_missing() {
        return;
    }
    for oracle in oracles() {
        for preamble in ["yes", "no"] {
            if oracle.name == "redis-stack" && preamble == "no" {
                continue; // RediSearch does not start without.
            }
            if oracle.name == "valkey-9" && preamble == "no" && !knows("HSETEX") {
                println!(
                    "{}: ours has no HSETEX, in which it writes timed hashes",
                    oracle.name
                );
                continue;
            }
            println!("{}, preamble {preamble}", oracle.name);
            exchange_logs(&oracle, preamble);
        }
    }
}

/// Whether ours has a command.
fn knows(command: &str) -> bool {
    let server = Server::start(&[]);
    !server
        .client()
        .ask(command)
        .text()
        .contains("unknown command")
}

fn exchange_logs(oracle: &Oracle, preamble: &str) {
    let options = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
    let our_options = [&options[..], &oracle.dialect()].concat();
    let (server, mut client) = start(&oracle.program, folder(), &options);
    fill_for(oracle, &mut client);
    client.ask("BGREWRITEAOF");
    wait_for(&mut client, "aof_rewrite_in_progress:0");
    edit(&mut client, 0);
    let written = contents(&mut client);

    let (server, mut client) = start(&our_server(), server.stop(), &our_options);
    same(&written, &contents(&mut client));
    edit(&mut client, 1);
    client.ask("BGREWRITEAOF");
    edit(&mut client, 2);
    wait_for(&mut client, "aof_rewrite_in_progress:0");
    edit(&mut client, 3);
    let written = contents(&mut client);
    let dir = server.stop();
    if !oracle.times_fields {
        let manifest = dir.path().join("appendonlydir/appendonly.aof.manifest");
        let checked = Command::new("redis-check-aof")
            .arg(&manifest)
            .output()
            .expect("redis-check-aof runs");
        assert!(
            checked.status.success(),
            "{}",
            String::from_utf8_lossy(&checked.stdout)
        );
    }

    let (server, mut client) = start(&oracle.program, dir, &options);
    same(&written, &contents(&mut client));
    edit(&mut client, 4);
    let written = contents(&mut client);
    // And ours goes on where the other has.
    let (_server, mut client) = start(&our_server(), server.stop(), &our_options);
    same(&written, &contents(&mut client));
}

/// Redis writes a claim of what is gone, which makes nothing.
#[test]
fn pending_entries_that_left_their_stream_stay_pending_in_a_log_of_commands() {
    if redis_is_missing() {
        return;
    }
    let options = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
    let (server, mut client) = start(&our_server(), folder(), &options);
    for key in ["trimmed", "deleted", "partly", "lowered", "kept"] {
        for id in 1..=6 {
            client.ask(&format!("XADD {key} {id}-1 f v{id}"));
        }
        for group in ["one", "two"] {
            client.ask(&format!("XGROUP CREATE {key} {group} 0"));
            client.ask(&format!(
                "XREADGROUP GROUP {group} ann COUNT 3 STREAMS {key} >"
            ));
            client.ask(&format!(
                "XREADGROUP GROUP {group} bob COUNT 1 STREAMS {key} >"
            ));
        }
        client.ask(&format!("XACK {key} two 1-1"));
    }
    client.ask("XTRIM trimmed MAXLEN 0");
    client.ask("XDEL deleted 1-1 2-1 3-1 4-1 5-1 6-1");
    client.ask("XDEL partly 2-1 4-1");
    client.ask("XTRIM partly MAXLEN 3");
    client.ask("XTRIM lowered MAXLEN 0");
    client.ask("XSETID lowered 2-1");
    client.ask("BGREWRITEAOF");
    wait_for(&mut client, "aof_rewrite_in_progress:0");
    let written = contents(&mut client);
    let (server, mut client) = start(&our_server(), server.stop(), &options);
    same(&written, &contents(&mut client));
    let (_server, mut client) = start(&real_redis(), server.stop(), &options);
    same(&written, &contents(&mut client));
}

#[test]
fn a_single_log_of_an_older_server_is_taken_over() {
    if redis_is_missing() {
        return;
    }
    for preamble in ["yes", "no"] {
        let options = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let (server, mut client) = start(&real_redis(), folder(), &options);
        fill(&mut client);
        client.ask("BGREWRITEAOF");
        wait_for(&mut client, "aof_rewrite_in_progress:0");
        edit(&mut client, 0);
        let written = contents(&mut client);
        let dir = server.stop();
        // One file, as servers before 7.0 wrote it.
        let parts = parts(dir.path());
        let bytes: Vec<u8> = parts
            .iter()
            .flat_map(|part| fs::read(part).unwrap())
            .collect();
        fs::remove_dir_all(dir.path().join("appendonlydir")).unwrap();
        fs::write(dir.path().join("appendonly.aof"), bytes).unwrap();

        let (server, mut client) = start(&our_server(), dir, &options);
        same(&written, &contents(&mut client));
        edit(&mut client, 1);
        let written = contents(&mut client);
        let (_server, mut client) = start(&real_redis(), server.stop(), &options);
        same(&written, &contents(&mut client));
    }
}

/// The files that a manifest names, in order.
pub fn parts(dir: &Path) -> Vec<PathBuf> {
    let folder = dir.join("appendonlydir");
    let text = fs::read_to_string(folder.join("appendonly.aof.manifest")).expect("a manifest");
    text.lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(|name| folder.join(name))
        .collect()
}

#[test]
fn dump_payloads_go_both_ways() {
    for oracle in oracles() {
        println!("{}", oracle.name);
        let (_real, mut real) = start(&oracle.program, folder(), &[]);
        let (_ours, mut ours) = start(&our_server(), folder(), &oracle.dialect());
        fill_for(&oracle, &mut real);
        let written = contents(&mut real);
        carry(&mut real, &mut ours);
        same(&written, &contents(&mut ours));
        real.ask("FLUSHALL");
        carry(&mut ours, &mut real);
        same(&written, &contents(&mut real));
    }
}

/// Moves every key with DUMP and RESTORE.
fn carry(from: &mut Client, to: &mut Client) {
    for db in 0..16 {
        from.ask(&format!("SELECT {db}"));
        to.ask(&format!("SELECT {db}"));
        for key in from.ask("KEYS *").items() {
            let Value::Bulk(key) = key else {
                panic!("KEYS lists strings")
            };
            let Value::Bulk(payload) = from.ask_args(&[b"DUMP", &key[..]]) else {
                panic!("DUMP gives a string")
            };
            let deadline = from.ask_args(&[b"PEXPIRETIME", &key[..]]).text();
            let deadline = deadline.parse::<i64>().unwrap_or(0).max(0).to_string();
            let told = to.ask_args(&[
                b"RESTORE",
                &key[..],
                deadline.as_bytes(),
                &payload,
                b"ABSTTL",
            ]);
            assert_eq!(
                told.to_string(),
                "+OK",
                "RESTORE {}",
                String::from_utf8_lossy(&key)
            );
        }
    }
}
