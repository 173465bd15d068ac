//! Scripts that stand in a log or in a master's stream as they were given, as Redis before 7.0 wrote them: they are run
//! there, whatever keeps clients' scripts from running.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::common::{Client, Server, Value, encode, our_server, real_redis, redis_is_missing};
use crate::persist::contents::{Contents, contents, same};

const LOG: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// Replicas get their snapshots without a wait for others.
const AT_ONCE: [&str; 2] = ["--repl-diskless-sync-delay", "0"];

/// A command a line, with a `|` between its words.
const VERBATIM: &str = "
SELECT|3
EVAL|redis.call('set', KEYS[1], '100')|1|foo
EVAL|redis.call('incr', KEYS[1]) return redis.call('incr', KEYS[1])|1|foo
EVALSHA|fd6adc5fa3b20798dacbf345ee5d380ae22afce8|0|too early
SCRIPT|LOAD|return redis.call('set', 'loaded', ARGV[1])
EVALSHA|fd6adc5fa3b20798dacbf345ee5d380ae22afce8|0|yes
SCRIPT|FLUSH
EVALSHA|fd6adc5fa3b20798dacbf345ee5d380ae22afce8|0|too late
MULTI
SET|a|1
EVAL|redis.call('append', 'a', '2') redis.call('select', 5) redis.call('set', 'in5', 'x')|0
APPEND|a|3
EXEC
EVAL|redis.call('set', 'half', '1') redis.call('nosuch')|0
EVAL|#!lua flags=no-writes\\nredis.call('set', 'refused', '1')|0
EVAL_RO|return redis.call('set', 'refused', '1')|0
FUNCTION|LOAD|#!lua name=lib\\nredis.register_function('f', function(k, a) redis.call('set', k[1], a[1]) end)
FCALL|f|1|called|v
SET|gone|1|PXAT|1000
EVAL|redis.call('set', 'saw', redis.call('exists', 'gone'))|0
EVAL|for i = 1, 3 do redis.call('rpush', 'l', i) end redis.call('publish', 'c', 'm')|0
SELECT|1
EVAL|return redis.call('hset', KEYS[1], 'f', ARGV[1])|1|h|v";

/// Long enough to be noticed, and over by itself.
const SLOW: &str = "redis.call('set', KEYS[1], 'y') for i = 1, 1000000 do redis.call('ping') end";
const ENDLESS: &str = "redis.call('set', KEYS[1], 'y') while true do end";

fn commands(lines: &str) -> Vec<u8> {
    let words = |line: &str| {
        let line = line.replace("\\n", "\n");
        encode(&line.split('|').collect::<Vec<_>>())
    };
    lines.trim().lines().flat_map(words).collect()
}

fn log_file(dir: &Path) -> PathBuf {
    dir.join("appendonlydir/appendonly.aof.1.incr.aof")
}

/// A folder with a log of these commands.
fn folder(log: &[u8]) -> TempDir {
    let dir = TempDir::new().expect("a temporary directory");
    let file = log_file(dir.path());
    let sub = file.parent().expect("it stands in a folder");
    std::fs::create_dir(sub).expect("a folder for the log");
    let manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    std::fs::write(sub.join("appendonly.aof.manifest"), manifest).expect("a manifest");
    std::fs::write(file, log).expect("a log");
    dir
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asks until the answer holds a word.
fn hears(client: &mut Client, line: &str, wanted: &str) {
    until(wanted, || client.ask(line).text().contains(wanted));
}

/// What is there after a start on a log of these commands.
fn loaded(program: &Path, options: &[&str]) -> Contents {
    let options = [&LOG, options].concat();
    let server = Server::start_on(program, folder(&commands(VERBATIM)), &options);
    let mut client = server.client();
    contents(&mut client)
}

#[test]
fn a_log_of_scripts_is_read_as_the_real_server_reads_it() {
    if redis_is_missing() {
        return;
    }
    let wanted = loaded(&real_redis(), &[]);
    assert_eq!(wanted.len(), 9, "{wanted:?}");
    same(&wanted, &loaded(&our_server(), &[]));
}

#[test]
fn nothing_keeps_a_script_of_the_log_from_running() {
    let wanted = loaded(&our_server(), &[]);
    let replica = ["--replicaof", "127.0.0.1 1"];
    same(&wanted, &loaded(&our_server(), &replica));
    same(&wanted, &loaded(&our_server(), &["--maxmemory", "1kb"]));
    // The real server ends at the first, with a report of a bug, and takes nothing of scripts under the second.
    let lonely = ["--min-replicas-to-write", "2"];
    same(&wanted, &loaded(&our_server(), &lonely));
    let options = [&LOG[..], &replica].concat();
    let server = Server::start_on(&our_server(), folder(&commands(VERBATIM)), &options);
    let mut client = server.client();
    client.ask("CONFIG SET replica-serve-stale-data no");
    assert_eq!(client.ask("DEBUG LOADAOF").text(), "OK");
    client.ask("CONFIG SET replica-serve-stale-data yes");
    same(&wanted, &contents(&mut client));
}

#[test]
fn what_a_script_of_the_log_did_is_not_logged_again() {
    let log = commands(
        "SELECT|0\nEVAL|redis.call('set', KEYS[1], 1)|1|k\nEVAL|redis.call('incr', KEYS[1])|1|k",
    );
    let server = Server::start_on(&our_server(), folder(&log), &LOG);
    let mut client = server.client();
    assert_eq!(client.ask("GET k").text(), "2");
    assert_eq!(std::fs::read(log_file(server.dir())).expect("a log"), log);
    assert_eq!(client.ask("DEBUG LOADAOF").text(), "OK");
    assert_eq!(client.ask("GET k").text(), "2");
}

#[test]
fn while_a_script_of_the_log_runs_for_long_it_is_loading() {
    let options = [&LOG[..], &["--aof-checksum", "no", "--io-threads", "1"]].concat();
    let options = [&options[..], &["--busy-reply-threshold", "1"]].concat();
    let log = commands(&format!(
        "SELECT|0\nEVAL|{SLOW}|1|x\nEVAL|redis.call('append', KEYS[1], 'z')|1|x"
    ));
    let server = Server::start_on(&our_server(), folder(&log), &options);
    assert!(server.log().contains("Slow script detected"));
    let (mut reader, mut other) = (server.client(), server.client());
    reader.send(b"DEBUG LOADAOF\r\n").expect("sent");
    hears(&mut other, "PING", "LOADING");
    hears(&mut other, "INFO server", "BUSY");
    for line in ["PING", "GET x", "SCRIPT KILL", "EVAL x 0"] {
        let answer = other.ask(line).text();
        assert!(answer.starts_with("LOADING"), "{line}: {answer}");
    }
    assert_eq!(reader.receive().expect("an answer").raw, b"+OK\r\n");
    assert_eq!(other.ask("GET x").text(), "yz");
    // The time is the present one again.
    other.ask("SET short 1 PX 1");
    hears(&mut other, "EXISTS short", "0");
    assert!(other.ask("PTTL x").int() == -1);

    // An endless one ends with the server alone.
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(log_file(server.dir()))
        .expect("a log");
    file.write_all(&commands(&format!("EVAL|{ENDLESS}|1|x")))
        .expect("written");
    reader.send(b"DEBUG LOADAOF\r\n").expect("sent");
    hears(&mut other, "INFO server", "BUSY");
    other.send(b"SHUTDOWN NOSAVE\r\n").expect("sent");
    until("the server ends", || Client::connect(server.port).is_err());
}

/// A master that says what it is told to.
struct Master(TcpStream);

impl Master {
    /// Makes a server its replica, by way of a snapshot with nothing in it.
    fn of(replica: &mut Client) -> Master {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let answer = replica.ask(&format!("REPLICAOF 127.0.0.1 {port}"));
        assert_eq!(answer.text(), "OK");
        let (mut socket, _) = listener.accept().expect("the replica comes");
        let mut heard = Vec::new();
        loop {
            while let Some((Value::Array(words), len)) = Value::parse(&heard) {
                heard.drain(..len);
                let word = words[0].text().to_ascii_lowercase();
                let answer = match word.as_str() {
                    "ping" => "+PONG\r\n".into(),
                    "psync" => format!("+FULLRESYNC {} 0\r\n$18\r\n", "a".repeat(40)),
                    _ => "+OK\r\n".to_owned(),
                };
                socket.write_all(answer.as_bytes()).expect("sent");
                if word == "psync" {
                    // No checksum stands for any.
                    socket
                        .write_all(b"REDIS0009\xff\0\0\0\0\0\0\0\0")
                        .expect("sent");
                    let mut master = Master(socket);
                    master.say(&commands("PING"));
                    hears(replica, "INFO replication", "master_link_status:up");
                    // Its log begins anew with the snapshot.
                    hears(replica, "INFO persistence", "aof_rewrite_in_progress:0");
                    hears(replica, "INFO persistence", "aof_rewrite_scheduled:0");
                    return master;
                }
            }
            let mut piece = [0; 4096];
            let len = socket.read(&mut piece).expect("the replica speaks");
            assert!(len > 0, "the replica left");
            heard.extend_from_slice(&piece[..len]);
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("sent");
    }
}

/// How far a replica has come.
fn offset(client: &mut Client) -> usize {
    let text = client.ask("INFO replication").text();
    let mut lines = text.lines();
    let found = lines.find_map(|line| line.strip_prefix("master_repl_offset:"));
    found.expect("an offset").parse().expect("a number")
}

#[test]
fn a_stream_of_scripts_is_applied_as_the_real_server_applies_it() {
    if redis_is_missing() {
        return;
    }
    let (ours, real) = (
        Server::start(&[&LOG[..], &AT_ONCE].concat()),
        Server::start_program(&real_redis(), &["--min-replicas-to-write", "2"]),
    );
    let (mut our_client, mut real_client) = (ours.client(), real.client());
    let (mut our_master, mut real_master) =
        (Master::of(&mut our_client), Master::of(&mut real_client));
    // Replicas of the replica get the same bytes: one of each kind.
    let (real_copy, our_copy) = (
        Server::start_program(&real_redis(), &[]),
        Server::start(&[]),
    );
    let mut copies = [real_copy.client(), our_copy.client()];
    for copy in &mut copies {
        copy.ask(&format!("REPLICAOF 127.0.0.1 {}", ours.port));
        hears(copy, "INFO replication", "master_link_status:up");
    }
    our_client.ask("CONFIG SET min-replicas-to-write 5");
    our_client.ask("CONFIG SET maxmemory 1kb replica-ignore-maxmemory no");
    our_client.ask("CONFIG SET maxmemory-policy noeviction");
    let stream = commands(VERBATIM);
    our_master.say(&stream);
    real_master.say(&stream);
    let end = commands("PING").len() + stream.len();
    for client in [&mut our_client, &mut real_client]
        .into_iter()
        .chain(&mut copies)
    {
        until("all is applied", || offset(client) == end);
    }
    let wanted = contents(&mut real_client);
    assert_eq!(wanted.len(), 9, "{wanted:?}");
    same(&wanted, &contents(&mut our_client));
    for copy in &mut copies {
        same(&wanted, &contents(copy));
    }
    // Twice, for what the script had failed at and for one it didn't know, and so on: as often as there.
    let errors = |client: &mut Client| {
        let text = client.ask("INFO stats").text();
        let mut lines = text.lines();
        lines
            .find(|line| line.starts_with("unexpected_error_replies"))
            .map(str::to_owned)
    };
    assert_eq!(errors(&mut our_client), errors(&mut real_client));
    our_client.ask("CONFIG SET maxmemory 0");

    // The log holds what scripts did.
    let dir = ours.kill();
    let logs = std::fs::read_dir(dir.path().join("appendonlydir")).expect("a log");
    let text: String = logs
        .filter_map(|entry| std::fs::read(entry.ok()?.path()).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    assert!(text.contains("incr") && !text.contains("EVAL"), "{text}");
    let again = Server::start_on(&our_server(), dir, &LOG);
    same(&wanted, &contents(&mut again.client()));
}

#[test]
fn a_slow_script_of_the_master_is_let_finish() {
    let server = Server::start(&["--busy-reply-threshold", "1"]);
    let (mut client, mut other) = (server.client(), server.client());
    let mut master = Master::of(&mut client);
    master.say(&commands(&format!("SELECT|0\nEVAL|{SLOW}|1|x")));
    hears(&mut other, "GET x", "BUSY");
    let answer = other.ask("SCRIPT KILL").text();
    assert!(answer.contains("sent by a master instance"), "{answer}");
    until("it has ended", || other.ask("GET x").text() == "y");
    assert!(server.log().contains("Slow script detected"));
}

#[test]
fn a_script_of_the_master_that_the_servers_end_cuts_off_leaves_nothing() {
    let options = [&LOG[..], &["--busy-reply-threshold", "1"]].concat();
    let server = Server::start(&options);
    let (mut client, mut other) = (server.client(), server.client());
    let mut master = Master::of(&mut client);
    master.say(&commands(&format!(
        "SELECT|0\nSET|before|1\nEVAL|{ENDLESS}|1|x"
    )));
    hears(&mut other, "GET x", "BUSY");
    other.send(b"SHUTDOWN NOSAVE\r\n").expect("sent");
    until("the server ends", || Client::connect(server.port).is_err());
    let again = Server::start_on(&our_server(), server.stop(), &LOG);
    let mut client = again.client();
    assert_eq!(client.ask("GET before").text(), "1");
    assert_eq!(client.ask("EXISTS x").int(), 0);
}
