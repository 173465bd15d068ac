//! Data of every type and encoding, and all that a server holds, to be compared.

use std::collections::BTreeMap;

use crate::common::{Client, Value};

/// Every key of every database, with its type, deadline and value.
pub type Contents = BTreeMap<(usize, Vec<u8>), String>;

const DBS: usize = 16;

/// Reads everything.
pub fn contents(client: &mut Client) -> Contents {
    let mut contents = Contents::new();
    for db in 0..DBS {
        client.ask(&format!("SELECT {db}"));
        for key in client.ask("KEYS *").items() {
            let Value::Bulk(key) = key else {
                panic!("KEYS lists strings")
            };
            let told = describe(client, &key);
            contents.insert((db, key), told);
        }
    }
    client.ask("SELECT 0");
    contents
}

fn describe(client: &mut Client, key: &[u8]) -> String {
    let mut ask = |words: &[&str]| {
        let args: Vec<&[u8]> = words
            .iter()
            .map(|word| if *word == "KEY" { key } else { word.as_bytes() })
            .collect();
        client.ask_args(&args)
    };
    let kind = ask(&["TYPE", "KEY"]).text();
    let deadline = ask(&["PEXPIRETIME", "KEY"]);
    let mut value = match kind.as_str() {
        "string" => vec![ask(&["GET", "KEY"])],
        "list" => ask(&["LRANGE", "KEY", "0", "-1"]).items(),
        "set" => ask(&["SMEMBERS", "KEY"]).items(),
        "zset" => ask(&["ZRANGE", "KEY", "0", "-1", "WITHSCORES"]).items(),
        "hash" => ask(&["HGETALL", "KEY"])
            .items()
            .chunks(2)
            .map(|pair| Value::Array(pair.to_vec()))
            .collect(),
        "stream" => vec![lasting(&ask(&[
            "XINFO", "STREAM", "KEY", "FULL", "COUNT", "0",
        ]))],
        other => panic!("no such type: {other}"),
    };
    if kind == "hash" {
        add_deadlines(client, key, &mut value);
    }
    if kind == "set" || kind == "hash" {
        value.sort();
    }
    if let ("string", [Value::Bulk(bytes)]) = (&kind[..], &mut value[..])
        && bytes.starts_with(b"HYLL")
        && bytes.len() >= 16
    {
        // What PFCOUNT last counted is remembered by whoever was asked.
        bytes[8..16].fill(0);
    }
    let mut shown: Vec<String> = value.iter().map(Value::to_string).collect();
    if kind == "zset" {
        // 7.0 prints doubles with more digits than it takes to tell them apart.
        for (score, reply) in shown.iter_mut().zip(&value).skip(1).step_by(2) {
            // A small set makes 0 of -0, and a large one keeps it, as in Redis.
            let number = reply.text().parse::<f64>().map(|number| number + 0.0);
            *score = format!("{number:?}");
        }
    }
    format!("{kind} until {deadline}: {}", shown.join(" "))
}

/// Adds to each pair of a hash the deadline of its field, if it has one.
fn add_deadlines(client: &mut Client, key: &[u8], pairs: &mut [Value]) {
    let names: Vec<Value> = pairs.iter().map(|pair| pair.items()[0].clone()).collect();
    let count = names.len().to_string();
    let mut args = vec![&b"HPEXPIRETIME"[..], key, b"FIELDS", count.as_bytes()];
    for name in &names {
        let Value::Bulk(name) = name else {
            panic!("a hash has names")
        };
        args.push(name);
    }
    let deadlines = client.ask_args(&args);
    if deadlines.is_error() {
        // A server that knows no such thing.
        return;
    }
    for (pair, deadline) in pairs.iter_mut().zip(deadlines.items()) {
        if let (Value::Array(pair), Value::Int(0..)) = (pair, &deadline) {
            pair.push(deadline);
        }
    }
}

/// Hashes small and large of which some fields have deadlines.
pub fn fill_timed_hashes(client: &mut Client) {
    for (key, count) in [("timed small", 5), ("timed large", 700)] {
        for n in 0..count {
            client.ask_args(&["HSET", key, &format!("field {n}"), &format!("value {n}")]);
        }
        for n in (0..count).step_by(3) {
            let (at, field) = (4_000_000_000_000_i64 + n * 1000, format!("field {n}"));
            let args = ["HPEXPIREAT", key, &at.to_string(), "FIELDS", "1", &field];
            assert_eq!(client.ask_args(&args).to_string(), "*[:1]");
        }
    }
}

/// A stream's figures, without how its nodes hang together, when consumers last asked, and what groups
/// have read, which 7.0 doesn't log.
fn lasting(value: &Value) -> Value {
    const PASSING: &[&str] = &[
        "radix-tree-keys",
        "radix-tree-nodes",
        "seen-time",
        "active-time",
        "entries-read",
        "lag",
        // What came with Redis 8.6 and 8.8.
        "idmp-duration",
        "idmp-maxsize",
        "pids-tracked",
        "iids-tracked",
        "iids-added",
        "iids-duplicates",
        "nacked-count",
    ];
    // What servers before Redis 8.6 don't tell, as it is where nothing of it was used.
    const UNUSED: &[(&str, i64)] = &[
        ("idmp-duration", 100),
        ("idmp-maxsize", 100),
        ("pids-tracked", 0),
        ("iids-tracked", 0),
        ("iids-added", 0),
        ("iids-duplicates", 0),
        ("nacked-count", 0),
    ];
    let Value::Array(items) = value else {
        return value.clone();
    };
    let mut kept = Vec::new();
    let mut items = items.iter();
    while let Some(item) = items.next() {
        let name = item.text();
        let told = items.clone().next();
        let is_unused = UNUSED
            .iter()
            .any(|(unused, value)| name == *unused && told == Some(&Value::Int(*value)));
        if is_unused || PASSING.contains(&name.as_str()) {
            items.next();
        } else {
            kept.push(lasting(item));
        }
    }
    Value::Array(kept)
}

/// Says how two servers' contents differ.
pub fn same(left: &Contents, right: &Contents) {
    for (place, told) in left {
        let (db, key) = place;
        let key = String::from_utf8_lossy(key);
        assert_eq!(Some(told), right.get(place), "key '{key}' in database {db}");
    }
    assert_eq!(left.len(), right.len(), "one has keys that the other lacks");
}

/// Puts something of every type and encoding into a server.
pub fn fill(client: &mut Client) {
    let mut texts = vec![
        ("empty", Vec::new()),
        ("number", b"12345".to_vec()),
        ("byte", b"-100".to_vec()),
        ("short", b"-30000".to_vec()),
        ("word", b"2000000000".to_vec()),
        ("wide", b"-9223372036854775808".to_vec()),
        ("not quite a number", b"007".to_vec()),
        ("embedded", b"a few words".to_vec()),
        ("compressible", b"again and ".repeat(2000)),
        ("binary", (0..=255).collect()),
    ];
    let mut noise = 1u64;
    let mut random = || {
        noise = noise
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (noise >> 33) as u8
    };
    texts.push(("noise", (0..70_000).map(|_| random()).collect()));
    for (key, value) in texts {
        client.ask_args(&[b"SET", key.as_bytes(), &value]);
    }
    for (size, count) in [("small", 5), ("large", 3000)] {
        for n in 0..count {
            let element = format!("element {n} of many");
            client.ask_args(&["RPUSH", &format!("list {size}"), &element, &n.to_string()]);
            client.ask_args(&["SADD", &format!("set {size}"), &element]);
            client.ask_args(&[
                "SADD",
                &format!("ints {size}"),
                &(i64::from(n).pow(3)).to_string(),
            ]);
            client.ask_args(&["HSET", &format!("hash {size}"), &element, &n.to_string()]);
            let score = (f64::from(n) / 7.0 - 100.0).to_string();
            client.ask_args(&["ZADD", &format!("zset {size}"), &score, &element]);
        }
    }
    let more = [
        "SADD wide -9223372036854775808 9223372036854775807 0",
        "ZADD limits -inf low inf high 5e-324 least 1.7976931348623157e308 most -0.1 tenth",
        "PFADD sketch a b c d e f",
        "SETBIT bits 1000 1",
        "GEOADD places 13.361389 38.115556 Palermo",
        "SET dying soon PXAT 4000000000123",
        "PEXPIREAT small 4000000000000",
        "HSET session user 1 name x",
        "PEXPIREAT session 3999999999999",
        "SELECT 3",
        "SET here too",
        "RPUSH queue a b c",
        "PEXPIREAT queue 4100000000000",
        "SELECT 15",
        "SET last one",
        "SELECT 0",
    ];
    for line in more {
        client.ask(line);
    }
    fill_streams(client);
    client.ask_args(&[
        b"RPUSH",
        &b"large elements"[..],
        &[b'x'; 20_000],
        &[b'y'; 9_000],
        b"z",
    ]);
}

/// Streams of one node and of many, with tombstones, groups and pending entries, and one without entries.
fn fill_streams(client: &mut Client) {
    for n in 1..=3000 {
        let line = match n % 3 {
            0 => format!("XADD log {n}-{n} other {n} names yes"),
            _ => format!("XADD log {n}-{n} name \"value of {n}\" number {n}"),
        };
        client.ask(&line);
    }
    for n in (100..400).step_by(7) {
        client.ask(&format!("XDEL log {n}-{n}"));
    }
    for line in [
        "XADD events 1-1 field value",
        "XADD events 18446744073709551615-1 field value",
        "XGROUP CREATE log readers 0",
        "XREADGROUP GROUP readers ann COUNT 700 STREAMS log >",
        "XREADGROUP GROUP readers bob COUNT 30 STREAMS log >",
        "XACK log readers 1-1 2-2 650-650 701-701",
        "XCLAIM log readers bob 0 3-3 5-5 RETRYCOUNT 12",
        "XREADGROUP GROUP readers cid COUNT 5 NOACK STREAMS log >",
        "XGROUP CREATECONSUMER log readers idle",
        "XGROUP CREATE log others $ ENTRIESREAD 17",
        "XTRIM log MAXLEN 2950",
        "XGROUP CREATE void waiting $ MKSTREAM",
        "XSETID void 77-7",
    ] {
        let reply = client.ask(line);
        assert!(!reply.is_error(), "{line}: {reply}");
    }
}

/// Edits on top of [`fill`], some of them of what it made.
pub fn edit(client: &mut Client, round: usize) {
    let lines = [
        format!("SET edited{round} {round}"),
        "INCR counter".to_owned(),
        "INCRBYFLOAT float 0.1".to_owned(),
        "SPOP set\\ small".to_owned(),
        "LPOP \"list large\" 10".to_owned(),
        "RPUSH \"list large\" new".to_owned(),
        "ZINCRBY \"zset large\" 1.5 \"element 7 of many\"".to_owned(),
        "HDEL \"hash large\" \"element 1 of many\"".to_owned(),
        format!("EXPIRE edited{round} 1000000"),
        "SET volatile x PX 100000000".to_owned(),
        "RENAME volatile volatile2".to_owned(),
        "DEL embedded".to_owned(),
        "MULTI".to_owned(),
        "INCR in-transaction".to_owned(),
        "SELECT 3".to_owned(),
        "INCR in-transaction".to_owned(),
        "SELECT 0".to_owned(),
        "EXEC".to_owned(),
        "SADD swapped a".to_owned(),
        "MOVE swapped 5".to_owned(),
        format!("XADD log MAXLEN ~ 2900 {}-* edited {round}", 5000 + round),
        "XREADGROUP GROUP readers bob COUNT 3 STREAMS log >".to_owned(),
        "XREADGROUP GROUP others dan NOACK STREAMS log >".to_owned(),
        // It forgets what is pending and gone, for which a rewritten log has no words.
        "XAUTOCLAIM log readers ann 0 - COUNT 1000 JUSTID".to_owned(),
        format!("XACK log readers {n}-{n} 735-735", n = 720 + round),
        "XDEL log 2999-2999".to_owned(),
    ];
    for line in lines {
        client.ask(&line);
    }
}
