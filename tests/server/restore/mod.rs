//! RESTORE of bytes that nobody wrote: whatever it takes, every command can work with.
//!
//! Values of every type and encoding are dumped, changed at random, and restored. What the server takes is read and
//! edited by all commands of its type, dumped, restored from that dump, and reloaded from a snapshot.

mod commands;
pub mod payloads;

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::common::{Client, Server, Value, encode, setting};
use commands::commands_for;
use payloads::{hand_made, mutate, sealed, value_of};

/// Payloads restored before what was kept is reloaded and forgotten.
const ROUND: u64 = 200;

/// Commands that make one key of each type in each encoding, under the limits that the server is given.
const SAMPLES: &[&[&str]] = &[
    &["SET text hello"],
    &["SET int 12345"],
    &["SETRANGE long 3000 end"],
    &["PFADD sparse a b c d e"],
    &["PFADD dense a b c d e f g", "PFDEBUG TODENSE dense"],
    &["RPUSH list 1 b 300 -70000 5000000000 c"],
    &["RPUSH nodes 1 2 3 4 5 6 7 8 9 10 11 12 a b c d e f g"],
    &["RPUSH plain a b", "RPUSH plain <long> c"],
    &["SADD ints 1 2 3 300"],
    &["SADD wide 1 70000 5000000000"],
    &["SADD members a b c 1 300"],
    &["SADD table a b c d e f g h i j k l m n o p"],
    &["HSET hash a 1 b 2 c 300 f -5"],
    &["HSET fields a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9"],
    &[
        "HSET timed a 1 b 2 c 3 f 4",
        "HEXPIRE timed 100000 FIELDS 2 a b",
    ],
    &[
        "HSET due a 1 b 2 c 3",
        "HPEXPIRE due 1 FIELDS 1 b",
        "HEXPIRE due 9000 FIELDS 1 a",
    ],
    &[
        "HSET clock a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9",
        "HEXPIRE clock 100000 FIELDS 2 a b",
    ],
    &["ZADD zset 1 a 2.5 b 300 c inf f"],
    &["ZADD tree 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8.5 h -inf i"],
    &[
        "VADD vectors VALUES 3 1 2 3 a SETATTR {\"n\":1}",
        "VADD vectors VALUES 3 1 -2 3 b",
        "VADD vectors VALUES 3 -1 2 3 c",
        "VADD vectors VALUES 3 0 2 3 d",
    ],
    &[
        "VADD reduced REDUCE 2 VALUES 3 1 2 3 a NOQUANT M 4",
        "VADD reduced REDUCE 2 VALUES 3 1 5 3 b NOQUANT M 4",
    ],
    &["VADD signs VALUES 3 1 -2 3 a BIN"],
    &[
        r#"JSON.SET doc $ {"a":[1,-2.5,null,true],"b":{"c":"text\u0001","a":18446744073709551615},"d":[[],{}]}"#,
    ],
    &["GEOADD geo 13.36 38.11 a 15.08 37.5 b"],
    &[
        "XADD stream 1-1 a 1 b 2",
        "XADD stream 2-1 a 3 b 4",
        "XADD stream 3-5 c 5",
        "XDEL stream 2-1",
    ],
    &[
        "XADD groups 1-1 a 1",
        "XADD groups 2-1 a 2",
        "XADD groups 3-1 b 3",
        "XADD groups 4-1 b 3",
        "XADD groups 5-1 b 3",
        "XADD groups 6-1 b 3",
        "XGROUP CREATE groups g 0",
        "XGROUP CREATE groups h 2-1",
        "XREADGROUP GROUP g ann COUNT 2 STREAMS groups >",
        "XREADGROUP GROUP g bob COUNT 2 STREAMS groups >",
        "XGROUP CREATECONSUMER groups g idle",
        "XDEL groups 2-1",
    ],
];

fn server() -> Server {
    Server::start(&[
        "--list-max-listpack-size",
        "6",
        "--set-max-listpack-entries",
        "8",
        "--hash-max-listpack-entries",
        "8",
        "--zset-max-listpack-entries",
        "8",
        "--stream-node-max-entries",
        "4",
    ])
}

/// A payload of each type and encoding, without version and sum.
fn samples(client: &mut Client) -> Vec<Vec<u8>> {
    let mut values = hand_made();
    for commands in SAMPLES {
        for command in *commands {
            let line = command.replace("<long>", &"x".repeat(9000));
            let reply = client.ask(&line);
            assert!(!reply.is_error(), "{command}: {reply}");
        }
        let key = commands[0].split(' ').nth(1).expect("a key");
        let Value::Bulk(payload) = client.ask_args(&["DUMP", key]) else {
            panic!("{key} has no dump");
        };
        values.push(value_of(&payload).to_vec());
    }
    values
}

/// Sends all of it and returns the replies. The server must not close the connection: that is what it does after a panic.
fn replies(client: &mut Client, commands: &[Vec<Vec<u8>>], about: &[u8]) -> Vec<Value> {
    let bytes: Vec<u8> = commands.iter().flat_map(|args| encode(args)).collect();
    client.send(&bytes).expect("sent");
    let receive = |args: &Vec<Vec<u8>>| match client.receive() {
        Ok(reply) => reply.value,
        Err(error) => panic!(
            "{error} at {} after RESTORE of {}",
            args.join(&b' ').escape_ascii(),
            hex(about)
        ),
    };
    commands.iter().map(receive).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn args(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

/// What of a payload was taken: its type, and what DUMP then says.
fn restore(client: &mut Client, key: &[u8], payload: &[u8]) -> Option<(String, Vec<u8>)> {
    let told = replies(
        client,
        &[
            args(&[b"DEL", key]),
            args(&[b"RESTORE", key, b"0", payload]),
            args(&[b"TYPE", key]),
            args(&[b"DUMP", key]),
        ],
        payload,
    );
    match (&told[1], &told[3]) {
        // All fields of a hash may be due by now.
        (Value::Simple(_), Value::Bulk(dump)) => Some((told[2].text(), dump.clone())),
        _ => None,
    }
}

/// What the server makes of a whole value, whatever the order in which it is kept.
fn digest(client: &mut Client, key: &[u8], about: &[u8]) -> String {
    let command = args(&[b"DEBUG", b"DIGEST-VALUE", key]);
    replies(client, &[command], about)[0].to_string()
}

/// Works with a value that was taken, and returns what DUMP said of it before.
fn work(client: &mut Client, rng: &mut Rng, payload: &[u8]) -> Option<Vec<u8>> {
    let (kind, dump) = restore(client, b"k", payload)?;
    assert!(
        restore(client, b"again", &dump).is_some(),
        "DUMP of {} cannot be restored",
        hex(payload)
    );
    let held = [&b"k"[..], b"again"].map(|key| digest(client, key, payload));
    assert_eq!(held[0], held[1], "after RESTORE of {}", hex(payload));
    replies(client, &commands_for(&kind, rng), payload);
    let edited = replies(client, &[args(&[b"DUMP", b"k"])], payload);
    if let [Value::Bulk(edited)] = &edited[..] {
        assert!(
            restore(client, b"again", edited).is_some(),
            "DUMP after edits cannot be restored: {} after RESTORE of {}",
            hex(edited),
            hex(payload)
        );
    }
    Some(dump)
}

/// A snapshot of what was kept tells of the same values.
fn reload(client: &mut Client, kept: &BTreeMap<Vec<u8>, Vec<u8>>) {
    let digests = |client: &mut Client| -> Vec<String> {
        let each = |(key, payload): (&Vec<u8>, &Vec<u8>)| digest(client, key, payload);
        kept.iter().map(each).collect()
    };
    let before = digests(client);
    assert_eq!(client.ask("DEBUG RELOAD").text(), "OK");
    let after = digests(client);
    for ((before, after), payload) in before.iter().zip(&after).zip(kept.values()) {
        assert_eq!(before, after, "after DEBUG RELOAD of {}", hex(payload));
    }
    client.ask("FLUSHALL");
}

/// Whether a value has fields that may die before it is looked at again.
fn has_deadlines(dump: &[u8]) -> bool {
    matches!(dump[0], 22..=25)
}

#[test]
fn whatever_restore_takes_every_command_can_work_with() {
    let seed = setting("RESTORE_SEED", 1);
    let count = setting("RESTORE_PAYLOADS", 20_000);
    let server = server();
    let mut client = server.client();
    // Fields that are due stay, so that a dump is what was restored.
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0");
    let samples = samples(&mut client);
    client.ask("FLUSHALL");
    for sample in &samples {
        let payload = sealed(sample);
        assert!(
            restore(&mut client, b"k", &payload).is_some(),
            "{}",
            hex(&payload)
        );
    }
    let mut rng = Rng::with_seed(seed);
    let (mut kept, mut taken) = (BTreeMap::new(), 0);
    for at in 0..count {
        let payload = sealed(&mutate(&samples, &mut rng));
        if let Some(dump) = work(&mut client, &mut rng, &payload) {
            taken += 1;
            let key = format!("kept:{at}").into_bytes();
            if !has_deadlines(&dump) && restore(&mut client, &key, &payload).is_some() {
                kept.insert(key, payload);
            }
        }
        if at % ROUND == ROUND - 1 {
            client.ask("DEL k again");
            reload(&mut client, &std::mem::take(&mut kept));
        }
    }
    println!("{taken} of {count} payloads were taken");
    assert!(
        taken * 20 > count,
        "too few payloads are near enough to a value"
    );
    assert_eq!(client.ask("PING").text(), "PONG");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn a_small_hash_that_leaves_its_fields_uncounted_is_counted() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let body = b"\x10\x16\x16\0\0\0\xff\xff\x81a\x02\x01\x01\x81b\x02\x02\x01\x81c\x02\x03\x01\xff";
    let reply = client.ask_args(&[b"RESTORE", &b"h"[..], b"0", &sealed(body)]);
    assert_eq!(reply.text(), "OK");
    for round in 0..2 {
        assert_eq!(client.ask("HLEN h").int(), 3, "round {round}");
        assert_eq!(
            client.ask("HGETALL h").to_string(),
            r#"*["a" "1" "b" "2" "c" "3"]"#
        );
        assert_eq!(client.ask("HRANDFIELD h 10").items().len(), 3);
        assert_eq!(client.ask("DEBUG RELOAD").text(), "OK");
    }
}

#[test]
fn deadlines_of_fields_are_in_order_and_within_their_bits() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut takes = |value: Vec<u8>| restore(&mut client, b"h", &sealed(&value)).is_some();
    let max = (1u64 << 48) - 1;
    for (deadlines, taken) in [
        (vec![0, 0], true),
        (vec![max - 1, max], true),
        (vec![max, 0], true),
        (vec![max, max], true),
        (vec![max, max - 1], false),
        (vec![0, max], false),
        (vec![max, 0, max], false),
        (vec![max + 1], false),
        (vec![1 << 60], false),
        (vec![u64::MAX], false),
    ] {
        assert_eq!(
            takes(payloads::timed_listpack(&deadlines)),
            taken,
            "{deadlines:?}"
        );
    }
    for (deadline, taken) in [(max, true), (max + 1, false), (1 << 60, false)] {
        assert_eq!(takes(payloads::timed_table(deadline)), taken, "{deadline}");
    }
}

#[test]
fn a_payload_needs_its_sum() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut payload = sealed(b"\x00\x03abc");
    let len = payload.len();
    payload[len - 8..].fill(0);
    let reply = client.ask_args(&[b"RESTORE", &b"k"[..], b"0", &payload]);
    assert_eq!(
        reply.text(),
        "ERR DUMP payload version or checksum are wrong"
    );
}

#[test]
fn a_time_to_live_beyond_all_clocks_is_the_latest_there_is() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let payload = sealed(b"\x00\x03abc");
    let max = i64::MAX.to_string();
    let restore = |client: &mut Client, words: &[&[u8]]| {
        let head = [&b"RESTORE"[..], b"k", words[0], &payload, b"REPLACE"];
        client.ask_args(&[&head[..], &words[1..]].concat()).text()
    };
    assert_eq!(restore(&mut client, &[max.as_bytes()]), "OK");
    assert_eq!(client.ask("PEXPIRETIME k").int(), i64::MAX);
    assert_eq!(restore(&mut client, &[max.as_bytes(), b"ABSTTL"]), "OK");
    assert_eq!(client.ask("DEBUG RELOAD").text(), "OK");
    assert_eq!(client.ask("PEXPIRETIME k").int(), i64::MAX);
}

#[test]
fn restore_passes_over_what_the_policy_does_not_ask_for() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let payload = sealed(b"\x00\x03abc");
    let mut restored = |policy: &str, option: &str, number: &str, ask: &str| {
        client.ask(&format!("CONFIG SET maxmemory-policy {policy}"));
        let words = [
            &b"RESTORE"[..],
            b"k",
            b"0",
            &payload,
            b"REPLACE",
            option.as_bytes(),
            number.as_bytes(),
        ];
        assert_eq!(client.ask_args(&words).text(), "OK");
        client.ask(&format!("OBJECT {ask} k")).int()
    };
    assert_eq!(
        restored("allkeys-lru", "IDLETIME", "1000", "IDLETIME"),
        1000
    );
    assert!(restored("allkeys-lru", "FREQ", "255", "IDLETIME") < 100);
    assert!(restored("allkeys-lfu", "FREQ", "200", "FREQ") > 190);
    assert!(restored("allkeys-lfu", "IDLETIME", "1000", "FREQ") < 10);
}
