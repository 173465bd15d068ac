//! Commands that look at the whole keyspace, while others change it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use crate::common::{Client, Server, Value, encode, eventually};

const ROUNDS: usize = 300;

fn int(client: &mut Client, line: &str) -> i64 {
    client.ask(line).int()
}

fn field(client: &mut Client, section: &str, name: &str) -> String {
    let info = client.ask(&format!("INFO {section}")).text();
    let mut lines = info.lines();
    let found = lines.find_map(|line| line.strip_prefix(&format!("{name}:")));
    found
        .unwrap_or_else(|| panic!("INFO {section} has no {name}: {info}"))
        .to_string()
}

/// One SCAN call: the next cursor and the names.
fn scan(client: &mut Client, cursor: &str, options: &str) -> (String, Vec<String>) {
    let Value::Array(parts) = client.ask(&format!("SCAN {cursor} {options}")) else {
        panic!("SCAN answers an array");
    };
    let Value::Array(names) = &parts[1] else {
        panic!("SCAN answers names");
    };
    (parts[0].text(), names.iter().map(Value::text).collect())
}

/// Runs writers until each is through, and readers as long as one of them is not.
fn beside(
    writers: &[&(dyn Fn(&mut Client) + Sync)],
    readers: &[&(dyn Fn(&mut Client) + Sync)],
    server: &Server,
) {
    let writing = AtomicUsize::new(writers.len());
    thread::scope(|scope| {
        for write in writers {
            let writing = &writing;
            scope.spawn(move || {
                let mut client = server.client();
                (0..ROUNDS).for_each(|_| write(&mut client));
                writing.fetch_sub(1, SeqCst);
            });
        }
        for read in readers {
            let writing = &writing;
            scope.spawn(move || {
                let mut client = server.client();
                while writing.load(SeqCst) > 0 {
                    read(&mut client);
                }
            });
        }
    });
}

#[test]
fn dbsize_never_counts_half_a_transaction() {
    let server = Server::start(&["--io-threads", "3"]);
    // The keys of a transaction are in different shards, and in the last one in different databases.
    let pairs = |client: &mut Client| {
        let mut bytes = encode(&["MSET", "a", "1", "b", "2", "c", "3", "d", "4"]);
        bytes.extend(encode(&["DEL", "a", "b", "c", "d"]));
        client.send(&bytes).expect("sent");
        for _ in 0..2 {
            client.receive().expect("a reply");
        }
    };
    let transactions = |client: &mut Client| {
        let mut bytes = Vec::new();
        for words in [
            &["MULTI"][..],
            &["SET", "x", "1"],
            &["SADD", "y", "1"],
            &["SELECT", "1"],
            &["SET", "z", "1"],
            &["SELECT", "0"],
            &["EXEC"],
            &["MULTI"],
            &["DEL", "y"],
            &["UNLINK", "x"],
            &["SELECT", "1"],
            &["DEL", "z"],
            &["SELECT", "0"],
            &["EXEC"],
        ] {
            bytes.extend(encode(words));
        }
        client.send(&bytes).expect("sent");
        for _ in 0..14 {
            client.receive().expect("a reply");
        }
    };
    let odd = |client: &mut Client| {
        let count = int(client, "DBSIZE");
        assert!(count % 2 == 0, "half a transaction: {count}");
        let keys = field(client, "keyspace", "db0");
        let count = keys.split(['=', ',']).nth(1).expect("keys=N");
        let count: usize = count.parse().expect("a number");
        assert!(count.is_multiple_of(2), "half a transaction: {keys}");
    };
    // So that INFO has a line for the database.
    server.client().ask("MSET stays 1 too 2");
    beside(&[&pairs, &transactions], &[&odd, &odd], &server);
}

#[test]
fn a_key_that_moves_between_databases_is_counted_once() {
    let server = Server::start(&["--io-threads", "3"]);
    let mut mover = server.client();
    let all = 3 * ROUNDS as i64;
    for n in 0..all {
        mover.ask(&format!("SET key{n} 1"));
    }
    let next = AtomicUsize::new(0);
    let moves = |client: &mut Client| {
        for _ in 0..3 {
            let n = next.fetch_add(1, SeqCst);
            assert_eq!(int(client, &format!("MOVE key{n} 1")), 1);
        }
    };
    let count = |client: &mut Client, first: usize, second: usize| {
        let sizes = [first, second].map(|db| {
            client.ask(&format!("SELECT {db}"));
            int(client, "DBSIZE")
        });
        sizes[0] + sizes[1]
    };
    // What moves between the two answers is counted in neither of them, or in both.
    let forth = |client: &mut Client| {
        let sum = count(client, 0, 1);
        assert!(sum >= all, "{sum} of {all}");
    };
    let back = |client: &mut Client| {
        let sum = count(client, 1, 0);
        assert!(sum <= all, "{sum} of {all}");
    };
    beside(&[&moves], &[&forth, &back], &server);
}

#[test]
fn a_client_finds_what_it_was_told_has_been_done() {
    let server = Server::start(&["--io-threads", "3", "--databases", "64"]);
    thread::scope(|scope| {
        for db in 0..3 {
            let server = &server;
            scope.spawn(move || {
                let (mut writer, mut reader) = (server.client(), server.client());
                for client in [&mut writer, &mut reader] {
                    client.ask(&format!("SELECT {}", db * 20));
                }
                for n in 1..=ROUNDS as i64 {
                    writer.ask(&format!("SET key{n} 1"));
                    assert_eq!(int(&mut reader, "DBSIZE"), n);
                    let line = field(&mut reader, "keyspace", &format!("db{}", db * 20));
                    assert!(line.starts_with(&format!("keys={n},")), "{line}");
                }
                writer.ask("FLUSHDB");
                assert_eq!(int(&mut reader, "DBSIZE"), 0);
                assert_eq!(reader.ask("RANDOMKEY"), Value::NullBulk);
                assert_eq!(scan(&mut reader, "0", "COUNT 9"), ("0".into(), vec![]));
            });
        }
    });
}

#[test]
fn transactions_and_scripts_count_what_they_did() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for line in [
        "SET first 1",
        "MULTI",
        "SET second 2",
        "DBSIZE",
        "DEL first",
        "DBSIZE",
    ] {
        client.ask(line);
    }
    client.ask("RANDOMKEY");
    client.ask("SCAN 0 COUNT 100");
    let replies = client.ask("EXEC");
    let Value::Array(replies) = replies else {
        panic!("EXEC answers an array: {replies:?}");
    };
    assert_eq!(replies[1], Value::Int(2));
    assert_eq!(replies[3], Value::Int(1));
    assert_eq!(replies[4].text(), "second");
    let script = "redis.call('SET', 'third', 3) redis.call('SET', 'fourth', 4) redis.call('DEL', 'second') \
                  local keys = redis.call('SCAN', 0, 'COUNT', 100)[2] table.sort(keys) \
                  return {redis.call('DBSIZE'), keys[1], keys[2], #keys}";
    let found = client.ask_args(&["EVAL", script, "0"]);
    let Value::Array(found) = found else {
        panic!("the script answers an array: {found:?}");
    };
    assert_eq!(found[0], Value::Int(2));
    assert_eq!(
        (found[1].text(), found[2].text()),
        ("fourth".into(), "third".into())
    );
    assert_eq!(found[3], Value::Int(2));
    assert_eq!(int(&mut client, "DBSIZE"), 2);
}

#[test]
fn dbsize_follows_whatever_changes_the_number_of_keys() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    for (line, expected) in [
        ("MSET a 1 b 2 c 3", 3),
        ("RENAME a d", 3),
        ("COPY b e", 4),
        ("COPY b e DB 1", 4),
        ("SWAPDB 0 1", 1),
        ("SWAPDB 0 1", 4),
        ("PEXPIRE b 0", 3),
        ("GETDEL c", 2),
        ("LPUSH l x", 3),
        ("LPOP l", 2),
        ("SORT l STORE d", 1),
        ("DEBUG POPULATE 1000", 1001),
        ("DEBUG RELOAD", 1001),
        ("SELECT 1", 1),
        ("FLUSHDB", 0),
        ("SELECT 0", 1001),
        ("FLUSHALL", 0),
        ("DEBUG SET-ACTIVE-EXPIRE 0", 0),
        ("SET gone 1 PX 1", 1),
    ] {
        client.ask(line);
        assert_eq!(int(&mut client, "DBSIZE"), expected, "after {line}");
    }
}

#[test]
fn neither_scripts_nor_what_was_queued_run_while_the_data_are_read() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    let library = "#!lua name=l\nredis.register_function('put', function(keys) return redis.call('set', keys[1], 1) end)";
    client.ask_args(&["FUNCTION", "LOAD", library]);
    let script = "return redis.call('set', KEYS[1], 1)";
    let sha = client.ask_args(&["SCRIPT", "LOAD", script]).text();
    for n in 0..1000 {
        client.ask(&format!("SET key{n} 1"));
    }
    let mut queues = [server.client(), server.client()];
    for (client, queued) in queues.iter_mut().zip(["SET other 1", "PING"]) {
        client.ask("MULTI");
        assert_eq!(client.ask(queued).text(), "QUEUED");
    }
    client.ask("CONFIG SET key-load-delay 2000");
    client.send(&encode(&["DEBUG", "RELOAD"])).expect("sent");
    let mut other = server.client();
    eventually("the data are read", || {
        other.ask("GET key1").text().starts_with("LOADING")
    });
    for (command, what) in [
        ("EVAL", script),
        ("EVAL_RO", "return redis.call('get', KEYS[1])"),
        ("EVALSHA", &sha),
        ("EVALSHA_RO", &sha),
        ("FCALL", "put"),
        ("FCALL_RO", "put"),
    ] {
        let refused = other.ask_args(&[command, what, "1", "other"]).text();
        assert!(refused.starts_with("LOADING"), "{command}: {refused}");
    }
    let [writer, pinger] = &mut queues;
    let refused = writer.ask("EXEC").text();
    assert!(refused.contains("LOADING Redis is loading"), "{refused}");
    assert_eq!(pinger.ask("EXEC").items().len(), 1);
    assert_eq!(client.receive().expect("it ends").value.text(), "OK");
    assert_eq!(client.ask("DBSIZE").int(), 1000);
}

#[test]
fn blocked_clients_are_served_what_is_there_once_the_log_was_read() {
    let server = Server::start(&["--enable-debug-command", "yes", "--appendonly", "yes"]);
    let mut client = server.client();
    client.ask("RPUSH list taken");
    client.ask("LPOP list");
    let mut blocked = server.client();
    blocked
        .send(&encode(&["BLPOP", "list", "0"]))
        .expect("sent");
    eventually("the client is blocked", || {
        client
            .ask("INFO clients")
            .text()
            .contains("blocked_clients:1")
    });
    assert_eq!(client.ask("DEBUG LOADAOF").text(), "OK");
    client.ask("RPUSH list given");
    let served = blocked.receive().expect("it is served").value;
    assert_eq!(served.to_string(), "*[\"list\" \"given\"]");
}

#[test]
fn every_key_is_drawn_about_as_often() {
    let server = Server::start(&[]);
    let mut client = server.client();
    // The database beside it fills the shards with keys that must not be drawn.
    client.ask("SELECT 1");
    for n in 0..2000 {
        client.ask(&format!("SET other{n} 1"));
    }
    client.ask("SELECT 0");
    for keys in [1, 5, 40, 700] {
        client.ask("FLUSHDB");
        let names: Vec<String> = (0..keys).map(|n| format!("key{n}")).collect();
        for name in &names {
            client.ask(&format!("SET {name} 1"));
        }
        let mut drawn: BTreeMap<String, usize> = BTreeMap::new();
        let draws = keys * 40;
        let mut bytes = Vec::new();
        (0..draws).for_each(|_| bytes.extend(encode(&["RANDOMKEY"])));
        client.send(&bytes).expect("sent");
        for _ in 0..draws {
            let name = client.receive().expect("a reply").value.text();
            *drawn.entry(name).or_default() += 1;
        }
        // Forty each on the average: five, or a hundred, is less likely than one in a billion.
        for name in &names {
            let times = drawn.remove(name).unwrap_or(0);
            assert!((5..=100).contains(&times), "{name}: {times} of {draws}");
        }
        assert!(drawn.is_empty(), "keys of another database: {drawn:?}");
    }
}

#[test]
fn randomkey_finds_the_one_key_that_lives() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0");
    for keys in [20, 300] {
        client.ask("FLUSHALL");
        let mut bytes = encode(&["SET", "alive", "1"]);
        for n in 0..keys {
            bytes.extend(encode(&["SET", &format!("dead{n}"), "1", "PXAT", "1"]));
            bytes.extend(encode(&["SET", &format!("dying{n}"), "1", "PX", "1"]));
        }
        client.send(&bytes).expect("sent");
        (0..=2 * keys).for_each(|_| drop(client.receive().expect("a reply")));
        let last = format!("PTTL dying{}", keys - 1);
        crate::common::eventually("the keys die", || client.ask(&last) == Value::Int(-2));
        assert_eq!(client.ask("RANDOMKEY").text(), "alive");
    }
}

#[test]
fn scan_finds_what_is_there_all_the_time() {
    let server = Server::start(&["--io-threads", "3"]);
    let mut client = server.client();
    for n in 0..1000 {
        client.ask(&format!("SET stays{n} 1"));
    }
    let churn = |client: &mut Client| {
        let name = format!("passing{}", fastrand::u32(..3000));
        client.ask(&format!("SET {name} 1"));
        client.ask(&format!("DEL passing{}", fastrand::u32(..3000)));
    };
    let walk = |client: &mut Client| {
        let count = [1, 7, 100, 5000][fastrand::usize(..4)];
        let (mut cursor, mut seen) = ("0".to_string(), BTreeMap::new());
        let mut calls = 0;
        loop {
            let (next, names) = scan(client, &cursor, &format!("COUNT {count}"));
            assert!(names.len() <= count);
            for name in names {
                *seen.entry(name).or_insert(0) += 1;
            }
            calls += 1;
            assert!(calls <= 6000, "a walk ends");
            cursor = next;
            if cursor == "0" {
                break;
            }
        }
        for n in 0..1000 {
            assert!(
                seen.contains_key(&format!("stays{n}")),
                "stays{n} with COUNT {count}"
            );
        }
    };
    beside(&[&churn, &churn], &[&walk], &server);
}

#[test]
fn a_small_keyspace_is_scanned_in_one_call() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for n in 0..9 {
        client.ask(&format!("SET key{n} 1"));
    }
    let (cursor, names) = scan(&mut client, "0", "COUNT 10");
    assert_eq!((cursor.as_str(), names.len()), ("0", 9));
    let (cursor, names) = scan(&mut client, "0", "MATCH nothing* COUNT 10");
    assert_eq!((cursor.as_str(), names.len()), ("0", 0));
    let (_, names) = scan(&mut client, "0", "COUNT 4");
    assert_eq!(names.len(), 4);
    // A cursor that no call answered is no reason to fail.
    let (cursor, _) = scan(&mut client, "18446744073709551615", "COUNT 10");
    assert_eq!(cursor, "0");
}

#[test]
fn what_looks_at_all_shards_is_refused_while_a_script_holds_one() {
    let server = Server::start(&["--io-threads", "2", "--busy-reply-threshold", "10"]);
    let (mut other, mut looping) = (server.client(), server.client());
    other.ask("SET k 1");
    looping
        .send(&encode(&[
            "EVAL",
            "while true do redis.call('GET', KEYS[1]) end",
            "1",
            "k",
        ]))
        .expect("sent");
    crate::common::eventually("the script is found to be busy", || {
        other.ask("PING").text().starts_with("BUSY")
    });
    for line in ["SCAN 0", "RANDOMKEY", "INFO", "MEMORY STATS", "DBSIZE"] {
        let reply = other.ask(line).text();
        assert!(reply.starts_with("BUSY"), "{line}: {reply}");
    }
    assert_eq!(other.ask("SCRIPT KILL").text(), "OK");
    crate::common::eventually("the script ends", || other.ask("DBSIZE") == Value::Int(1));
}
