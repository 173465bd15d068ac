//! Commands whose replies come later, or in parts, under CLIENT REPLY; and what MONITOR shows of scripts that fail.

use crate::common::{Client, Server, Value, encode, eventually};

fn send(client: &mut Client, lines: &[&str]) {
    let bytes = lines
        .iter()
        .flat_map(|line| encode(&line.split(' ').collect::<Vec<_>>()));
    client
        .send(&bytes.collect::<Vec<u8>>())
        .expect("the server reads");
}

fn hear(client: &mut Client) -> Value {
    client.receive().expect("an answer").value
}

const LATE: &[&str] = &[
    "BLPOP none 0.05",
    "BZPOPMIN none 0.05",
    "BLMOVE none d LEFT LEFT 0.05",
    "XREAD BLOCK 50 STREAMS none $",
    "WAIT 1 50",
    "WAITAOF 0 1 50",
    "SAVE",
    "SHUTDOWN ABORT",
    "SMEMBERS large",
    "KEYS *",
    "EVAL for(i)in(pairs({}))do(print)(i)end 0",
    "EVAL local(n)=0;repeat(function()n=n+1;end)()until(n>3000000)return(n) 0",
    "NOSUCH",
    "MULTI",
    "GET",
];

#[test]
fn a_skipped_reply_is_dropped_however_late_it_comes() {
    for workers in ["1", "2"] {
        let server = Server::start(&["--io-threads", workers, "--busy-reply-threshold", "10"]);
        let mut client = server.client();
        let members: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
        for part in members.chunks(1000) {
            let mut args = vec!["SADD", "large"];
            args.extend(part.iter().map(String::as_str));
            client.ask_args(&args);
            let set = |n: &String| ["SET".to_owned(), format!("k{n}"), "1".to_owned()];
            part.iter()
                .take(500)
                .for_each(|n| drop(client.ask_args(&set(n))));
        }
        for line in LATE {
            let mut client = server.client();
            send(
                &mut client,
                &["CLIENT REPLY SKIP", line, "ECHO next", "ECHO last"],
            );
            if *line == "MULTI" {
                assert_eq!(hear(&mut client).text(), "QUEUED", "{line}");
                continue;
            }
            assert_eq!(hear(&mut client).text(), "next", "{line}");
            assert_eq!(hear(&mut client).text(), "last", "{line}");
            send(
                &mut client,
                &[
                    "CLIENT REPLY OFF",
                    line,
                    line,
                    "CLIENT REPLY ON",
                    "ECHO next",
                ],
            );
            assert_eq!(hear(&mut client).text(), "OK", "{line}");
            assert_eq!(hear(&mut client).text(), "next", "{line}");
        }
    }
}

#[test]
fn a_blocked_client_that_skips_is_served_without_a_word() {
    let server = Server::start(&["--io-threads", "2"]);
    let (mut client, mut other) = (server.client(), server.client());
    send(
        &mut client,
        &["CLIENT REPLY SKIP", "BLPOP k 0", "ECHO next"],
    );
    eventually("it blocks", || {
        other
            .ask("INFO clients")
            .text()
            .contains("blocked_clients:1")
    });
    other.ask("RPUSH k a b");
    assert_eq!(hear(&mut client).text(), "next");
    assert_eq!(other.ask("LRANGE k 0 -1").to_string(), "*[\"b\"]");
}

#[test]
fn monitor_shows_scripts_that_fail_once() {
    let server = Server::start(&["--io-threads", "1"]);
    let (mut monitor, mut client) = (server.client(), server.client());
    monitor.ask("MONITOR");
    let unknown = "EVALSHA ffffffffffffffffffffffffffffffffffffffff 0";
    let lines = [
        unknown,
        "MULTI",
        unknown,
        "EXEC",
        "FCALL nosuch 0",
        "EVAL return 5",
        "EVAL return(1 0",
        "EVAL return(1) 0",
        "ECHO end",
    ];
    let mut shown = Vec::new();
    for line in lines {
        let answer = client.ask(line);
        assert!(answer.is_error() || !line.contains("ffff") || answer.text() == "QUEUED");
    }
    while shown
        .last()
        .is_none_or(|line: &String| !line.contains("end"))
    {
        let line = hear(&mut monitor).text();
        let words = line.split_once("] ").expect("an address").1;
        shown.push(words.replace('"', ""));
    }
    let expected = [
        unknown,
        "MULTI",
        unknown,
        "EXEC",
        "FCALL nosuch 0",
        "EVAL return 5",
        "EVAL return(1 0",
        "EVAL return(1) 0",
        "ECHO end",
    ];
    assert_eq!(shown, expected);
}

/// The offsets of bits that BITRANGEINTARRAY is to tell.
fn offsets(
    bytes: &[u8],
    bits: std::ops::RangeInclusive<usize>,
    wanted: u8,
    limit: usize,
) -> String {
    let is_hit = |at: &usize| bytes[at / 8] >> (7 - at % 8) & 1 == wanted;
    let found: Vec<String> = bits
        .filter(is_hit)
        .take(limit)
        .map(|at| format!(":{at}"))
        .collect();
    format!("*[{}]", found.join(" "))
}

#[test]
fn offsets_of_many_bits_are_told_in_parts_and_in_one() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut random = fastrand::Rng::with_seed(7);
    // Dense parts, sparse ones, and such without a bit or with all of them.
    let mut bytes: Vec<u8> = (0..40_000).map(|_| random.u8(..)).collect();
    bytes[3000..9001].fill(0);
    bytes[9001..15_000].fill(0xff);
    (15_000..25_000).for_each(|at| bytes[at] &= random.u8(..) & random.u8(..) & random.u8(..));
    client.ask_args(&[&b"SET"[..], b"bits", &bytes]);
    let last = bytes.len() * 8 - 1;
    for (from, to) in [
        (0, last),
        (13, last - 5),
        (25_000, 25_007),
        (100_003, 250_001),
        (70_000, 70_600),
    ] {
        for (word, wanted) in [("", 1), (" ZEROS", 0)] {
            for limit in [1, 8191, 8192, 9000, 70_001, usize::MAX >> 1] {
                let line = format!("BITRANGEINTARRAY bits {from} {to} BIT LIMIT {limit}{word}");
                let told = offsets(&bytes, from..=to, wanted, limit);
                assert!(client.ask(&line).to_string() == told, "{line}");
                client.ask("MULTI");
                client.ask(&line);
                let held = client.ask("EXEC").items().remove(0);
                assert!(held.to_string() == told, "{line} in a transaction");
            }
        }
    }
}

#[test]
fn large_collections_are_told_without_what_is_due() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0");
    for part in (0..10_000).collect::<Vec<_>>().chunks(500) {
        let members = part.iter().map(|n| format!("m{n}"));
        let pairs = part.iter().flat_map(|n| [format!("m{n}"), "v".to_owned()]);
        let head = |name: &str, key: &str| vec![name.to_owned(), key.to_owned()];
        client.ask_args(&[head("SADD", "set"), members.collect()].concat());
        client.ask_args(&[head("HSET", "hash"), pairs.collect()].concat());
    }
    for due in [1, 9000] {
        let names: Vec<String> = (0..due).map(|n| format!("m{n}")).collect();
        let (count, named) = (names.len(), names.join(" "));
        client.ask(&format!("SPEXPIRE set 1 MEMBERS {count} {named}"));
        client.ask(&format!("HPEXPIRE hash 1 FIELDS {count} {named}"));
        eventually("they are due", || {
            client.ask("SISMEMBER set m0").int() == 0 && client.ask("HEXISTS hash m0").int() == 0
        });
        let seen = 10_000 - due;
        let asked = [
            ("SMEMBERS set", seen),
            ("HKEYS hash", seen),
            ("SRANDMEMBER set 5", 5),
            ("SRANDMEMBER set 700", 700),
            ("SRANDMEMBER set 20000", seen),
            ("HRANDFIELD hash 5", 5),
            ("HRANDFIELD hash 700", 700),
            ("HRANDFIELD hash 20000", seen),
        ];
        for (line, len) in asked {
            let mut told: Vec<_> = client.ask(line).items().iter().map(Value::text).collect();
            let gone = |name: &String| name[1..].parse::<usize>().expect("a number") < due;
            assert!(!told.iter().any(gone), "{line}");
            told.sort();
            told.dedup();
            assert_eq!(told.len(), len, "{line}, {due} due");
        }
        for line in ["SRANDMEMBER set -3000", "HRANDFIELD hash -3000"] {
            let told = client.ask(line).items();
            let gone = |name: &Value| name.text()[1..].parse::<usize>().expect("a number") < due;
            assert!(told.len() == 3000 && !told.iter().any(gone), "{line}");
        }
        assert_eq!(client.ask("HGETALL hash").items().len(), 2 * seen);
        client.ask("MULTI");
        client.ask("SMEMBERS set");
        let held = client.ask("EXEC").items().remove(0);
        assert_eq!(held.items().len(), seen, "in a transaction");
    }
}
