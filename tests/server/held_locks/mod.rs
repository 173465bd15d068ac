//! No thread waits for a lock that it holds itself, and none that serves clients waits for one that a long script holds.
//!
//! Here are the ways by which that happened; `every_command` looks for others.

mod arguments;
mod every_command;

use std::time::{Duration, Instant};

use crate::common::{Client, Server, encode, eventually};

/// What a client is answered within, and a server ends within, whatever it is at. Who waits for itself does so for ever; a
/// machine that others use, too, stands still for some seconds at times, and a replica is given ten to get what it lacks.
const ANSWERED: Duration = Duration::from_secs(20);

/// It touches a key that it doesn't declare, so it holds every shard.
const ENDLESS: &str = "redis.call('exists', 'undeclared' .. #ARGV) redis.call('publish', 'news', 'begun') while true do end";

fn text(client: &mut Client, words: &str) -> String {
    client.ask(words).text()
}

/// A client that takes it for a hang if it isn't answered in time.
fn client(server: &Server) -> Client {
    let client = server.client();
    client.set_patience(ANSWERED);
    client
}

/// Begins a script that runs until it is killed, and returns once it holds its locks.
fn begin_endless(server: &Server) -> Client {
    let mut listeners: Vec<Client> = (0..4).map(|_| client(server)).collect();
    for listener in &mut listeners {
        listener.ask("SUBSCRIBE news");
    }
    let mut busy = server.client();
    busy.send(&encode(&["EVAL", ENDLESS, "0"])).expect("sent");
    // Those on the script's own worker hear it later: the first one that hears it will do.
    let begun = Instant::now();
    for listener in &listeners {
        listener.set_patience(Duration::from_millis(50));
    }
    while !listeners
        .iter_mut()
        .any(|listener| listener.receive().is_ok())
    {
        assert!(begun.elapsed() < ANSWERED, "the script begins");
    }
    busy
}

fn until_busy(client: &mut Client) {
    eventually("the script is a long one", || {
        text(client, "GET x").starts_with("BUSY")
    });
}

/// The server ends when it is told to, by itself.
fn assert_ends(server: Server) {
    assert!(
        server.ends_within(ANSWERED),
        "SIGTERM does not end the server"
    );
}

#[test]
fn a_watching_client_is_answered_while_a_script_holds_its_keys() {
    for workers in ["1", "2", "4"] {
        let server = Server::start(&["--io-threads", workers, "--busy-reply-threshold", "50"]);
        let mut watching: Vec<Client> = (0..16).map(|_| client(&server)).collect();
        for (n, client) in watching.iter_mut().enumerate() {
            client.ask(&format!("WATCH k{n} shared"));
        }
        for client in &mut watching[..8] {
            client.ask("MULTI");
            assert_eq!(text(client, "SET k 1"), "QUEUED");
        }
        let mut busy = begin_endless(&server);
        until_busy(&mut client(&server));
        for (n, client) in watching.iter_mut().enumerate() {
            let answer = match n {
                0..4 => text(client, "EXEC"),
                4..8 => text(client, "DISCARD"),
                8..12 => text(client, "UNWATCH"),
                12 | 13 => text(client, "RESET"),
                _ => text(client, "PING"),
            };
            let wanted = match n {
                0..4 => "EXECABORT Transaction discarded because of: BUSY",
                4..12 => "OK",
                12 | 13 => "RESET",
                _ => "BUSY",
            };
            assert!(answer.starts_with(wanted), "{n}: {answer}");
        }
        drop(watching.pop());
        let mut last = watching.pop().expect("it still watches");
        assert_eq!(text(&mut last, "SCRIPT KILL"), "OK");
        let killed = busy.receive().expect("an answer").value.text();
        assert!(killed.contains("Script killed by user"), "{killed}");
        // Nobody's watch is left but the last one's, and it holds.
        for client in &mut watching {
            client.ask("PING");
        }
        eventually("the others' watches are gone", || {
            text(&mut client(&server), "INFO clients").contains("total_watched_keys:2\r\n")
        });
        for client in &mut watching {
            assert_eq!(text(client, "WATCH shared"), "OK");
            client.ask("MULTI");
            client.ask("PING");
            assert_eq!(text(client, "EXEC"), "*[+PONG]");
        }
        watching[0].ask("SET shared 1");
        last.ask("MULTI");
        last.ask("PING");
        assert_eq!(last.ask("EXEC"), crate::common::Value::NullArray);
        assert_ends(server);
    }
}

#[test]
fn the_log_ends_inside_a_transaction_while_it_is_rewritten() {
    let options = ["--appendonly", "yes", "--io-threads", "2"];
    let server = Server::start(&options);
    let mut writer = client(&server);
    for round in 0..3 {
        assert_eq!(text(&mut writer, "DEBUG POPULATE 2000"), "OK");
        assert_eq!(
            text(&mut writer, "CONFIG SET rdb-key-save-delay 5000"),
            "OK"
        );
        writer.ask("BGREWRITEAOF");
        eventually("the log is being rewritten", || {
            text(&mut writer, "INFO persistence").contains("aof_rewrite_in_progress:1")
        });
        for words in ["MULTI", "KEYS none", "SET a b", "CONFIG SET appendonly no"] {
            writer.ask(words);
        }
        let done = text(&mut writer, "EXEC");
        assert!(done.ends_with("+OK +OK]"), "{done}");
        assert_eq!(text(&mut client(&server), "PING"), "PONG");
        assert_eq!(text(&mut writer, "CONFIG SET rdb-key-save-delay 0"), "OK");
        eventually("the rewrite has ended", || {
            text(&mut writer, "INFO persistence").contains("aof_rewrite_in_progress:0")
        });
        assert_eq!(text(&mut writer, "CONFIG SET appendonly yes"), "OK");
        eventually("the log is written again", || {
            let info = text(&mut writer, "INFO persistence");
            info.contains("aof_enabled:1") && info.contains("aof_rewrite_in_progress:0")
        });
        assert_eq!(text(&mut writer, &format!("SET round {round}")), "OK");
    }
    let dir = server.stop();
    let server = Server::start_on(&crate::common::our_server(), dir, &options);
    assert_eq!(text(&mut client(&server), "GET round"), "2");
    assert_eq!(text(&mut client(&server), "DBSIZE"), "2002");
    assert_ends(server);
}

#[test]
fn eviction_and_snapshots_give_way_to_an_endless_script() {
    for workers in ["1", "2", "4"] {
        let server = Server::start(&[
            "--io-threads",
            workers,
            "--busy-reply-threshold",
            "300",
            "--maxmemory-policy",
            "allkeys-lru",
        ]);
        let mut clients: Vec<Client> = (0..8).map(|_| client(&server)).collect();
        clients[0].ask("DEBUG POPULATE 1000 key 1000");
        // A transaction is not asked for memory in its midst: this goes above the limit and leaves it there.
        clients[0].ask("CONFIG SET maxmemory 1000000000");
        let used = text(&mut clients[0], "INFO memory");
        let used = used
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        let used: u64 = used.expect("a field").parse().expect("a number");
        for words in [
            "MULTI".to_owned(),
            format!("CONFIG SET maxmemory {used}"),
            "DEBUG POPULATE 1000 more 1000".to_owned(),
            "EXEC".to_owned(),
        ] {
            clients[0].ask(&words);
        }
        for saves in [&["SAVE"][..], &["DEBUG", "RELOAD"]] {
            let mut busy = begin_endless(&server);
            for (n, client) in clients.iter_mut().enumerate() {
                let key = format!("new{n}");
                let asked = match n {
                    7 => encode(saves),
                    _ => encode(&["SET", &key, "1"]),
                };
                client.send(&asked).expect("sent");
            }
            for (n, client) in clients.iter_mut().enumerate() {
                let answer = client.receive().expect("an answer").value.text();
                let loading = n < 7 && saves.len() == 2 && answer.starts_with("LOADING");
                assert!(answer.starts_with("BUSY") || loading, "{n}: {answer}");
            }
            assert_eq!(text(&mut client(&server), "SCRIPT KILL"), "OK");
            let killed = busy.receive().expect("an answer").value.text();
            assert!(killed.contains("Script killed by user"), "{killed}");
        }
        for words in ["SET a b", "SAVE", "DEBUG RELOAD"] {
            assert_eq!(text(&mut clients[0], words), "OK");
        }
        let mut busy = begin_endless(&server);
        until_busy(&mut clients[0]);
        assert_ends(server);
        drop(busy.receive());
    }
}

#[test]
fn scripts_with_flags_run_in_a_transaction_above_maxmemory() {
    const FLAGGED: &str = "#!lua\nreturn redis.call('set', KEYS[1], 1)";
    const LIBRARY: &str = "#!lua name=lib\nredis.register_function('f', function(keys) return redis.call('set', keys[1], 1) end)";
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let mut client = client(&server);
    client.ask_args(&["FUNCTION", "LOAD", LIBRARY]);
    client.ask("DEBUG POPULATE 1000 key 1000");
    let used = text(&mut client, "INFO memory");
    let used = used
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    let used: u64 = used.expect("a field").parse().expect("a number");
    client.ask(&format!("CONFIG SET maxmemory {}", used + 100_000));
    let big = "x".repeat(1 << 20);
    for call in [&["FCALL", "f", "1", "n"][..], &["EVAL", FLAGGED, "1", "n"]] {
        client.ask("MULTI");
        client.ask_args(&["SET", "big", &big]);
        client.ask_args(call);
        assert_eq!(text(&mut client, "EXEC"), "*[+OK +OK]");
        client.ask("DEL big");
    }
    // Where nothing may be evicted, they are refused as the transaction would be.
    client.ask("CONFIG SET maxmemory-policy noeviction");
    client.ask("CONFIG SET maxmemory 1");
    for call in [&["FCALL", "f", "1", "n"][..], &["EVAL", FLAGGED, "1", "n"]] {
        client.ask("MULTI");
        client.ask_args(call);
        let answer = text(&mut client, "EXEC");
        assert!(answer.contains("OOM command not allowed"), "{answer}");
    }
    assert_ends(server);
}

#[test]
fn what_follows_a_slow_transaction_happens_after_it() {
    const SLOW: &str = "local sum = 0 for i = 1, 3000000 do sum = sum + i % 7 end return 'done'";
    let server = Server::start(&[]);
    let mut client = client(&server);
    let batch: Vec<u8> = [
        &["MULTI"][..],
        &["SET", "k", "v", "PX", "5"],
        &["EVAL", SLOW, "0"],
        &["GET", "k"],
        &["EXEC"],
        &["GET", "k"],
        &["SET", "k", "v", "PX", "5"],
        &["EVAL", SLOW, "0"],
        &["GET", "k"],
    ]
    .iter()
    .flat_map(|args| encode(args))
    .collect();
    client.send(&batch).expect("sent");
    let answers: Vec<String> = (0..9)
        .map(|_| client.receive().expect("an answer").value.to_string())
        .collect();
    assert!(
        answers[4].contains("done") && answers[4].contains('v'),
        "{answers:?}"
    );
    assert_eq!(answers[5], answers[8], "{answers:?}");
    assert_eq!(answers[5], crate::common::Value::NullBulk.to_string());
}

#[test]
fn flushall_is_answered_wherever_it_comes_from_though_it_saves() {
    let server = Server::start(&["--save", "3600 1"]);
    let mut client = client(&server);
    assert_eq!(text(&mut client, "FLUSHALL"), "OK");
    let script = "return {redis.call('FLUSHALL'), redis.pcall('FLUSHALL', 'ASYNC')}";
    let answer = client.ask_args(&["EVAL", script, "0"]);
    assert_eq!(answer.to_string(), "*[+OK +OK]");
    client.ask("MULTI");
    client.ask("FLUSHALL");
    assert_eq!(text(&mut client, "EXEC"), "*[+OK]");
    assert_ends(server);
}
