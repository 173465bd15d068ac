//! Vector sets between ours and Redis 8.2, where `tests/oracles` has brought it: payloads, files and full syncs in both
//! directions, and how good what each of them finds is.

use std::collections::BTreeSet;
use std::fs;

use fastrand::Rng;
use tempfile::TempDir;

use crate::common::{Client, Server, Value, encode, eventually, our_server, redis_8};
use crate::restore::payloads::{sealed, value_of};

const DIMENSION: usize = 32;
const ELEMENTS: usize = 2000;
const SEARCHES: usize = 100;

/// Without a real server beside it, ours finds at least this share of the ten nearest.
const RECALL_MIN: f64 = 0.9;

fn vector(random: &mut Rng, dimension: usize) -> Vec<u8> {
    let number = |_| (random.f32() * 2.0 - 1.0).to_le_bytes();
    (0..dimension).flat_map(number).collect()
}

/// Adds elements to `k`, many in one write. `more` stands behind each.
fn fill(client: &mut Client, random: &mut Rng, (count, dimension): (usize, usize), more: &str) {
    let mut bytes = Vec::new();
    for n in 0..count {
        let (name, vector) = (format!("e{n}"), vector(random, dimension));
        let mut args: Vec<&[u8]> = vec![b"VADD", b"k", b"FP32", &vector, name.as_bytes()];
        args.extend(more.split_whitespace().map(str::as_bytes));
        bytes.extend(encode(&args));
    }
    client.send(&bytes).expect("sent");
    for _ in 0..count {
        let reply = client.receive().expect("it answers").value;
        assert_eq!(reply, Value::Int(1));
    }
}

/// The share of the ten nearest that a search finds, over many.
fn recall(client: &mut Client, random: &mut Rng) -> f64 {
    let mut hits = 0;
    for _ in 0..SEARCHES {
        let to = vector(random, DIMENSION);
        let mut search = |how: &[&[u8]]| -> BTreeSet<String> {
            let head: [&[u8]; 4] = [b"VSIM", b"k", b"FP32", &to];
            let found = client.ask_args(&[&head, how].concat());
            found.items().iter().map(Value::text).collect()
        };
        let (truth, found) = (search(&[b"TRUTH"]), search(&[b"EF", b"50"]));
        assert_eq!((truth.len(), found.len()), (10, 10));
        hits += truth.intersection(&found).count();
    }
    hits as f64 / (10 * SEARCHES) as f64
}

fn recall_of(server: &Server) -> f64 {
    let (mut client, mut random) = (server.client(), Rng::with_seed(32));
    let more = "M 8 EF 100";
    fill(&mut client, &mut random, (ELEMENTS, DIMENSION), more);
    recall(&mut client, &mut random)
}

#[test]
fn as_many_of_the_nearest_are_found_as_by_redis_8() {
    let ours = recall_of(&Server::start(&[]));
    println!("ours finds {ours} of the nearest");
    assert!(ours >= RECALL_MIN, "{ours}");
    if let Some(program) = redis_8() {
        let real = recall_of(&Server::start_program(&program, &[]));
        println!("Redis 8.2 finds {real} of the nearest");
        assert!(ours >= real - 0.02, "ours {ours}, Redis 8.2 {real}");
    }
}

/// Sets of every kind.
fn fill_kinds(client: &mut Client) -> [&'static str; 5] {
    let mut random = Rng::with_seed(7);
    for (key, more) in [
        ("q8", ""),
        ("whole", "NOQUANT M 4"),
        ("signs", "BIN"),
        ("told", "SETATTR {\"n\":1}"),
        ("low", "M 5"),
    ] {
        fill(client, &mut random, (300, 9), more);
        client.ask("VSETATTR k e7 {}");
        for n in 0..100 {
            client.ask(&format!("VREM k e{}", 3 * n));
        }
        client.ask(&format!("RENAME k {key}"));
    }
    client.ask("VADD low2 REDUCE 3 VALUES 5 1 2 3 4 5 a");
    client.ask("VADD low2 REDUCE 3 VALUES 5 1 2 3 -4 5 b");
    client.ask("DEL low");
    client.ask("RENAME low2 low");
    ["q8", "whole", "signs", "told", "low"]
}

/// All that is told of a set but who is linked with whom on how many levels, and what it finds.
fn told(client: &mut Client, key: &str) -> Vec<String> {
    let info = client.ask(&format!("VINFO {key}")).items();
    let figures = info
        .chunks(2)
        .map(|pair| (pair[0].text(), pair[1].to_string()));
    let own = ["max-level", "vset-uid", "hnsw-max-node-uid"];
    let shared = figures.filter(|(name, _)| !own.contains(&name.as_str()));
    let mut told: Vec<String> = shared
        .map(|(name, figure)| format!("{name} {figure}"))
        .collect();
    let names = client.ask(&format!("VRANDMEMBER {key} 100000")).items();
    let mut names: Vec<String> = names.iter().map(Value::text).collect();
    names.sort();
    for name in names {
        let raw = shown(&client.ask(&format!("VEMB {key} {name} RAW")));
        let attributes = client.ask(&format!("VGETATTR {key} {name}"));
        told.push(format!("{name} {raw} {attributes}"));
    }
    let some = if key == "low" { "a" } else { "e1" };
    let found = client.ask(&format!("VSIM {key} ELE {some} WITHSCORES TRUTH COUNT 3"));
    told.push(match key {
        // Many are as near as others.
        "signs" => found.items().len().to_string(),
        _ => shown(&found),
    });
    told
}

/// A list of words and numbers. Redis writes a double with another last digit now and then, which reads back as the same.
fn shown(list: &Value) -> String {
    let items = list.items();
    let words = items.iter().map(|item| match item.text().parse::<f64>() {
        Ok(number) => format!("{number:?}"),
        Err(_) => item.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// One set is told of on both sides as on the other.
fn same(one: &mut Client, other: &mut Client, key: &str) {
    let (one, other) = (told(one, key), told(other, key));
    assert_eq!(one.len(), other.len(), "{key}");
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other, "{key}");
    }
}

/// Who an element is linked with on each level.
fn links(client: &mut Client, key: &str, name: &str) -> Vec<Vec<String>> {
    let levels = client.ask(&format!("VLINKS {key} {name}")).items();
    let sorted = |level: &Value| {
        let mut names: Vec<String> = level.items().iter().map(Value::text).collect();
        names.sort();
        names
    };
    levels.iter().map(sorted).collect()
}

#[test]
fn payloads_and_files_go_both_ways_with_their_links() {
    let Some(program) = redis_8() else { return };
    for (from, to) in [
        (program.clone(), our_server()),
        (our_server(), program.clone()),
        (our_server(), our_server()),
    ] {
        let writer = Server::start_program(&from, &[]);
        let reader = Server::start_program(&to, &[]);
        let (mut client, mut other) = (writer.client(), reader.client());
        let keys = fill_kinds(&mut client);
        for key in keys {
            let Value::Bulk(payload) = client.ask_args(&["DUMP", key]) else {
                panic!("{key} has no payload")
            };
            let restore: [&[u8]; 4] = [b"RESTORE", key.as_bytes(), b"0", &payload];
            assert_eq!(other.ask_args(&restore).to_string(), "+OK", "{key}");
            same(&mut client, &mut other, key);
            if key != "low" {
                let held = links(&mut client, key, "e7");
                assert_eq!(links(&mut other, key, "e7"), held, "{key}");
            }
        }
        assert_eq!(client.ask("SAVE").to_string(), "+OK");
        let server = Server::start_on(&to, writer.kill(), &[]);
        let mut client = server.client();
        for key in keys {
            same(&mut client, &mut other, key);
        }
        // What was read is a set like any other.
        assert_eq!(client.ask("VREM q8 e1").to_string(), ":1");
        assert_eq!(
            client
                .ask("VADD q8 VALUES 9 1 2 3 4 5 6 7 8 9 new")
                .to_string(),
            ":1"
        );
    }
}

#[test]
fn full_syncs_go_both_ways_and_edits_follow() {
    let Some(program) = redis_8() else { return };
    let ours = our_server();
    for (master, replica) in [(&program, &ours), (&ours, &program), (&ours, &ours)] {
        let options = ["--repl-diskless-sync-delay", "0"];
        let main = Server::start_program(master, &options);
        let copy = Server::start_program(replica, &options);
        let (mut client, mut other) = (main.client(), copy.client());
        let keys = fill_kinds(&mut client);
        other.ask(&format!("REPLICAOF 127.0.0.1 {}", main.port));
        let arrived = |other: &mut Client, command: &str, reply: &str| {
            eventually(&format!("the replica answers {command}"), || {
                other.ask(command).to_string() == reply
            });
        };
        arrived(&mut other, "VCARD low", ":2");
        client.ask("VADD q8 VALUES 9 1 2 3 4 5 6 7 8 9 new CAS");
        client.ask("VREM whole e1");
        client.ask("VSETATTR told e2 {\"n\":2}");
        arrived(&mut other, "VGETATTR told e2", "\"{\\\"n\\\":2}\"");
        for key in keys {
            if key != "whole" {
                same(&mut client, &mut other, key);
            }
        }
        arrived(&mut other, "VISMEMBER whole e1", ":0");
    }
}

/// A vector set beside a JSON document and a Bloom filter, written by Redis 8.2.3 with modules.
const OF_STACK: &[u8] = include_bytes!("persist/files/stack-json-vset-bloom.rdb");

#[test]
fn a_file_of_redis_with_modules_is_opened_as_far_as_its_types_are_there() {
    let dir = TempDir::new().expect("a temporary directory");
    fs::write(dir.path().join("dump.rdb"), OF_STACK).unwrap();
    let server = Server::start_on(&our_server(), dir, &["--rdb-skip-unknown", "yes"]);
    let mut client = server.client();
    let found = client.ask("SCAN 0 TYPE vectorset COUNT 100");
    let keys = found.items()[1].items();
    assert_eq!(keys.len(), 1);
    let key = keys[0].text();
    assert!(client.ask(&format!("VCARD {key}")).int() > 0);
    assert!(!client.ask(&format!("VRANDMEMBER {key}")).text().is_empty());
}

#[test]
fn damaged_payloads_are_refused_or_sound() {
    let server = Server::start(&[]);
    let mut client = server.client();
    fill_kinds(&mut client);
    let mut random = Rng::with_seed(15);
    for key in ["q8", "signs", "told", "low"] {
        if key != "low" {
            for n in 12..300 {
                client.ask(&format!("VREM {key} e{n}"));
            }
        }
        let Value::Bulk(payload) = client.ask_args(&["DUMP", key]) else {
            panic!("{key} has no payload")
        };
        let body = value_of(&payload);
        let mut restored = 0;
        for _ in 0..400 {
            let mut bad = body.to_vec();
            for _ in 0..random.usize(1..3) {
                let at = random.usize(9..bad.len() - 2);
                match random.u8(0..3) {
                    0 => bad[at] ^= 1 << random.u8(0..8),
                    1 => bad[at] = random.u8(..),
                    _ => drop(bad.drain(at..(at + random.usize(1..9)).min(body.len() / 2).max(at))),
                }
            }
            let bad = sealed(&bad);
            let restore: [&[u8]; 5] = [b"RESTORE", b"x", b"0", &bad, b"REPLACE"];
            if client.ask_args(&restore).is_error() {
                continue;
            }
            restored += 1;
            let name = client.ask("VRANDMEMBER x").text();
            for command in [
                format!("VSIM x ELE {name} WITHSCORES"),
                format!("VLINKS x {name} WITHSCORES"),
                format!("VREM x {name}"),
                "DUMP x".to_owned(),
                "VINFO x".to_owned(),
            ] {
                client.ask(&command);
            }
        }
        assert!(restored > 0, "every change of {key} was refused");
    }
    assert_eq!(client.ask("PING").to_string(), "+PONG");
}

#[test]
fn what_is_restored_or_copied_has_an_id_and_takes_elements() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("VADD k VALUES 2 1 2 a M 4");
    let Value::Bulk(payload) = client.ask_args(&["DUMP", "k"]) else {
        panic!("the set has no payload")
    };
    // Quantization and links, as a number of 14 bits behind the mark of a number.
    let body = value_of(&payload);
    let at = body.windows(3).position(|bytes| bytes == [2, 0x44, 1]);
    let at = at.expect("the links are told") + 1;
    for (links, told) in [
        (0, Some(16)),
        (1, None),
        (3, None),
        (4, Some(4)),
        (5, Some(5)),
    ] {
        let mut value = body.to_vec();
        value[at] = 0x40 | links;
        let payload = sealed(&value);
        let key = format!("of{links}");
        let restored = client.ask_args(&[b"RESTORE", key.as_bytes(), b"0", &payload]);
        assert_eq!(restored.is_error(), told.is_none(), "{links} {restored}");
        if let Some(told) = told {
            let added = client.ask(&format!("VADD {key} VALUES 2 1 3 b M {told}"));
            assert_eq!(added.to_string(), ":1");
        }
    }
    client.ask("COPY k copy");
    let ids = ["k", "copy", "of4", "of5"].map(|key| {
        let info = client.ask(&format!("VINFO {key}")).items();
        let at = info.iter().position(|one| one.text() == "vset-uid");
        info[at.expect("it has an id") + 1].int()
    });
    assert_eq!(BTreeSet::from(ids).len(), 4, "{ids:?}");
    assert!(ids.iter().all(|id| *id > 0), "{ids:?}");
}

#[test]
fn a_large_set_is_searched_from_end_to_end_while_others_write() {
    let server = Server::start(&[]);
    let (mut client, mut random) = (server.client(), Rng::with_seed(3));
    fill(
        &mut client,
        &mut random,
        (3000, 4),
        "EF 10 SETATTR {\"n\":1}",
    );
    for how in [
        "TRUTH",
        "FILTER .n COUNT 5",
        "FILTER .n TRUTH COUNT 5 WITHSCORES",
        "EF 3000",
        "COUNT 2500",
    ] {
        let found = client.ask(&format!("VSIM k ELE e5 {how}")).items();
        assert_eq!(found[0].text(), "e5", "{how}");
    }
    client.ask("MULTI");
    client.ask("VSIM k ELE e5 TRUTH COUNT 1");
    assert_eq!(client.ask("EXEC").to_string(), "*[*[\"e5\"]]");
}
