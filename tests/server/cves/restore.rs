//! Payloads of RESTORE that said what was not so.

use crate::common::{Client, Server, Value};

use super::{is_well, raw, say};

const BAD: &str = "-ERR Bad data format\r\n";

/// A payload as RESTORE takes it: a kind, its body, a version, and a checksum of all that.
fn payload(kind: u8, body: &[u8]) -> Vec<u8> {
    sealed(&[&[kind][..], body, &[9, 0]].concat())
}

fn sealed(bytes: &[u8]) -> Vec<u8> {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Redis, bytes);
    [bytes, &sum.to_le_bytes()].concat()
}

fn restore(client: &mut Client, payload: &[u8]) -> String {
    raw(client, &[b"RESTORE", &b"k"[..], b"0", payload, b"REPLACE"])
}

fn dump(client: &mut Client, key: &str) -> Vec<u8> {
    match client.ask_args(&["DUMP", key]) {
        Value::Bulk(bytes) => bytes,
        other => panic!("{key}: {other}"),
    }
}

/// Reads and changes whatever the key holds, in every way that may meet an entry that is wrong.
fn use_all(client: &mut Client) {
    for line in [
        "TYPE k",
        "OBJECT ENCODING k",
        "MEMORY USAGE k SAMPLES 0",
        "DEBUG OBJECT k",
        "DUMP k",
        "STRLEN k",
        "GET k",
        "PFCOUNT k",
        "LRANGE k 0 -1",
        "LINDEX k -1",
        "LPOS k x",
        "SMEMBERS k",
        "SRANDMEMBER k -5",
        "SISMEMBER k x",
        "HGETALL k",
        "HLEN k",
        "HRANDFIELD k -5 WITHVALUES",
        "HSCAN k 0",
        "HPTTL k FIELDS 1 f",
        "ZRANGE k 0 -1 WITHSCORES",
        "ZRANGEBYSCORE k -inf inf",
        "ZRANGEBYLEX k - +",
        "ZRANDMEMBER k -5 WITHSCORES",
        "XRANGE k - +",
        "XREVRANGE k + -",
        "XINFO STREAM k FULL COUNT 0",
        "XPENDING k g - + 100",
        "SORT k ALPHA",
        "COPY k copy REPLACE",
        "APPEND k x",
        "LINSERT k BEFORE x y",
        "LPUSHX k x",
        "RPOP k",
        "SADD k x",
        "SPOP k",
        "HSET k f w",
        "HDEL k f",
        "HINCRBY k n 1",
        "ZADD k 5 x",
        "ZINCRBY k 1 x",
        "ZPOPMIN k",
        "XADD k * f v",
        "XDEL k 1-1",
        "XTRIM k MAXLEN 1",
        "XREADGROUP GROUP g c STREAMS k >",
        "XACK k g 1-0",
        "XAUTOCLAIM k g a 0 - COUNT 5",
        "XGROUP DELCONSUMER k g a",
        "XGROUP DELCONSUMER k g b",
        "XGROUP DESTROY k g",
        "DEL k copy",
    ] {
        assert!(!say(client, line).is_empty());
    }
}

/// The sketches that these bytes pretend to be are refused, or counted, by everything that takes one.
fn sketches(sketches: &[Vec<u8>]) {
    let server = Server::start(&[]);
    let mut client = server.client();
    say(&mut client, "PFADD good a b c");
    for bytes in sketches {
        for line in [
            "PFCOUNT k",
            "PFADD k a b c d",
            "PFMERGE k good",
            "PFMERGE d k good",
            "PFCOUNT good k",
            "PFDEBUG DECODE k",
            "PFDEBUG TODENSE k",
            "PFDEBUG GETREG k",
        ] {
            raw(&mut client, &[b"SET", &b"k"[..], bytes]);
            let answer = say(&mut client, line);
            assert!(!answer.is_empty());
        }
    }
    assert_eq!(say(&mut client, "PFCOUNT good"), ":3\r\n");
    is_well(&server);
}

fn sketch(encoding: u8, registers: &[u8]) -> Vec<u8> {
    // No cardinality is kept: it has to be counted.
    [
        b"HYLL",
        &[encoding, 0, 0, 0][..],
        &[0, 0, 0, 0, 0, 0, 0, 0x80],
        registers,
    ]
    .concat()
}

#[test]
fn cve_2019_10192_sparse_sketches_cover_their_registers_and_no_more() {
    let all = [0x7f, 0xff];
    sketches(&[
        sketch(1, &[]),
        sketch(1, &all),
        sketch(1, &[0x7f]),
        sketch(1, &[0x7f, 0xff, 0x80]),
        sketch(1, &[0x80; 9000]),
        sketch(1, &[0xff; 20000]),
        sketch(1, &[0x3f; 256]),
        sketch(1, &[0x3f; 300]),
        sketch(1, &[&all[..], &all].concat()),
        sketch(1, &[&[0x7f, 0xf0][..], &[0xff; 4]].concat()),
        sketch(2, &all),
        sketch(255, &all),
    ]);
}

#[test]
fn cve_2019_10193_dense_sketches_are_as_long_as_they_are() {
    sketches(&[
        sketch(0, &[]),
        sketch(0, &[0xff; 12287]),
        sketch(0, &[0xff; 12288]),
        sketch(0, &[0xff; 12289]),
        sketch(0, &[0xff; 20000]),
        b"HYLL".to_vec(),
        b"HYLL\x00".to_vec(),
        b"HYLX\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
    ]);
    // Bytes written into the middle of a sketch that was right.
    let server = Server::start(&[]);
    let mut client = server.client();
    for at in [0, 3, 4, 8, 15, 16, 17, 20, 30] {
        for bytes in ["\0", "\x7f", "\u{80}", "\u{7ff}\u{7ff}\u{7ff}"] {
            say(&mut client, "DEL k");
            say(&mut client, "PFADD k a b c d e f g");
            raw(&mut client, &["SETRANGE", "k", &at.to_string(), bytes]);
            for line in ["PFCOUNT k", "PFADD k h", "PFMERGE d k", "PFDEBUG DECODE k"] {
                assert!(!say(&mut client, line).is_empty());
            }
        }
    }
    is_well(&server);
}

#[test]
fn cve_2025_32023_runs_of_registers_do_not_wrap() {
    let server = Server::start(&[]);
    let mut client = server.client();
    // Runs whose sum is 2^31, and back to what it should be, in 32 bits.
    let long = [[0x7f, 0xff].repeat(131_072 * 2), vec![0x7f, 0xff]].concat();
    for registers in [
        long,
        [0x7f, 0xff].repeat(131_073),
        [[0x7f, 0xff].repeat(131_071), vec![0xff; 8192]].concat(),
    ] {
        let bytes = sketch(1, &registers);
        for line in [
            "PFCOUNT k",
            "PFADD k a",
            "PFMERGE k good",
            "PFMERGE d k",
            "PFDEBUG TODENSE k",
        ] {
            say(&mut client, "PFADD good a b");
            raw(&mut client, &[b"SET", &b"k"[..], &bytes]);
            let answer = say(&mut client, line);
            assert!(answer.starts_with("-INVALIDOBJ"), "{line}: {answer}");
        }
    }
    is_well(&server);
}

#[test]
fn cve_2021_29478_numbers_are_as_many_as_there_are_bytes() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let intset = |width: u32, count: u32, bytes: &[u8]| {
        let set = [&width.to_le_bytes()[..], &count.to_le_bytes(), bytes].concat();
        payload(11, &[&[set.len() as u8][..], &set].concat())
    };
    assert_eq!(
        restore(&mut client, &intset(2, 2, &[1, 0, 2, 0])),
        "+OK\r\n"
    );
    for (width, count, bytes) in [
        (8, 0x2000_0000, &[0; 8][..]),
        (8, 0x4000_0001, &[1, 0, 0, 0, 0, 0, 0, 0]),
        (4, 0x4000_0001, &[1, 0, 0, 0]),
        (2, 0x8000_0001, &[1, 0]),
        (2, 0, &[]),
        (2, 3, &[1, 0, 2, 0]),
        (3, 1, &[1, 0, 0]),
        (0, 1, &[]),
        (2, 2, &[2, 0, 1, 0]),
        (2, 2, &[1, 0, 1, 0]),
    ] {
        assert_eq!(
            restore(&mut client, &intset(width, count, bytes)),
            BAD,
            "{width} bytes, {count} of them"
        );
    }
    is_well(&server);
}

/// A stream without entries, whose group has given one to consumers: in the list of the group, and those of the
/// consumers.
fn pending(of_group: &[u64], of_ann: &[u64], of_bob: &[u64]) -> Vec<u8> {
    let mut body = vec![0, 0, 5, 0, 1];
    body.extend(b"\x01g\x05\x00");
    body.push(of_group.len() as u8);
    for id in of_group {
        body.extend(id.to_be_bytes());
        body.extend([0; 8]);
        body.extend(1000u64.to_le_bytes());
        body.push(1);
    }
    body.push(2);
    for (name, ids) in [(b'a', of_ann), (b'b', of_bob)] {
        body.extend([1, name]);
        body.extend(1000u64.to_le_bytes());
        body.push(ids.len() as u8);
        for id in ids {
            body.extend(id.to_be_bytes());
            body.extend([0; 8]);
        }
    }
    payload(15, &body)
}

#[test]
fn cve_2026_25243_an_entry_is_pending_once_for_a_consumer() {
    let server = Server::start(&[]);
    let mut client = server.client();
    assert_eq!(
        restore(&mut client, &pending(&[1, 2], &[1], &[2])),
        "+OK\r\n"
    );
    assert_eq!(client.ask("XPENDING k g").items()[0].int(), 2);
    for (group, ann, bob) in [
        (&[1][..], &[1, 1][..], &[][..]),
        (&[1, 2], &[1], &[2, 2]),
        (&[1, 1], &[1], &[]),
        (&[1], &[2], &[]),
        (&[], &[1], &[]),
        (&[1, 2], &[1], &[]),
        (&[1], &[], &[]),
    ] {
        assert_eq!(
            restore(&mut client, &pending(group, ann, bob)),
            BAD,
            "{group:?} {ann:?} {bob:?}"
        );
        use_all(&mut client);
    }
    is_well(&server);
}

#[test]
fn cve_2026_63639_and_cve_2026_66373_no_two_consumers_have_the_same_entry() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (group, ann, bob) in [
        (&[1][..], &[1][..], &[1][..]),
        (&[1, 2], &[1, 2], &[2]),
        (&[1, 2], &[2], &[1, 2]),
    ] {
        assert_eq!(
            restore(&mut client, &pending(group, ann, bob)),
            BAD,
            "{group:?} {ann:?} {bob:?}"
        );
        use_all(&mut client);
    }
    is_well(&server);
}

#[test]
fn cve_2026_25588_and_cve_2026_25589_and_cve_2026_62356_values_of_modules_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let id = |name: &[u8; 9], version: u64| {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let number = name.iter().fold(0u64, |sum, letter| {
            let at = letters
                .iter()
                .position(|held| held == letter)
                .expect("a letter of a module's name");
            sum << 6 | at as u64
        });
        [&[0x81][..], &(number << 10 | version).to_be_bytes()].concat()
    };
    // A series, filters and sketches, with sizes that no file holds.
    for name in [
        b"TSDB-TYPE",
        b"MBbloom--",
        b"MBbloomCF",
        b"CMSk-TYPE",
        b"TopK-TYPE",
        b"TDIS-TYPE",
        b"ReJSON-RL",
        b"vectorset",
    ] {
        for kind in [6, 7] {
            let sizes = [
                2, 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0x80, 0x7f, 0xff, 0xff,
                0xff, 5, 0x80, 0xff, 0xff, 0xff, 0xf0, b'x', 0,
            ];
            let bytes = payload(kind, &[&id(name, 4)[..], &sizes].concat());
            assert_eq!(
                restore(&mut client, &bytes),
                BAD,
                "{}",
                String::from_utf8_lossy(name)
            );
        }
    }
    is_well(&server);
}

/// Scores that are no numbers, lengths that wrap, and elements twice.
#[test]
fn compact_forms_are_checked_to_the_last_entry() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let listpack = |entries: &[&[u8]]| {
        let mut body = Vec::new();
        for entry in entries {
            body.push(0x80 | entry.len() as u8);
            body.extend_from_slice(entry);
            body.push(entry.len() as u8 + 1);
        }
        let len = body.len() as u32 + 7;
        let head = [
            &len.to_le_bytes()[..],
            &(entries.len() as u16).to_le_bytes(),
        ]
        .concat();
        let bytes = [&head[..], &body, &[0xff]].concat();
        [&[bytes.len() as u8][..], &bytes].concat()
    };
    assert_eq!(
        restore(
            &mut client,
            &payload(17, &listpack(&[b"a", b"1.5", b"b", b"2"]))
        ),
        "+OK\r\n"
    );
    for (kind, entries) in [
        (17, &[&b"a"[..], b"nan"][..]),
        (17, &[b"a", b"x"]),
        (17, &[b"a"]),
        (17, &[b"a", b"1", b"a", b"2"]),
        (17, &[b"a", b"2", b"b", b"1"]),
        (16, &[b"f", b"v", b"f", b"w"]),
        (16, &[b"f"]),
        (16, &[]),
        (20, &[b"a", b"a"]),
        (20, &[]),
    ] {
        let answer = restore(&mut client, &payload(kind, &listpack(entries)));
        // Redis takes scores in a wrong order; they must then be put right.
        if answer == "+OK\r\n" {
            use_all(&mut client);
        } else {
            assert_eq!(answer, BAD, "kind {kind}: {entries:?}");
        }
    }
    for kind in [9, 10, 12, 13] {
        for body in [
            &b"\x02\xfe\xff"[..],
            b"\x05\xfe\xff\xff\xff\xff",
            b"\x0a\x01\xfe\xff\xff\xff\xff\x00a\xff\xff",
            b"\x01\xff",
        ] {
            assert_eq!(
                restore(&mut client, &payload(kind, body)),
                BAD,
                "kind {kind}: {body:?}"
            );
        }
    }
    is_well(&server);
}

/// Every byte of a payload of every kind, changed.
#[test]
fn payloads_with_any_byte_changed_are_refused_or_right() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for line in [
        "SET text hello",
        "SET number 12345",
        "RPUSH list a 1 -5000 70000 b",
        "SADD ints 1 2 70000",
        "SADD set a b 3",
        "HSET hash f v n 1",
        "ZADD zset 1 a 2.5 b -inf c",
        "PFADD sketch a b c",
        "HSET fields f v g w",
        "HPEXPIREAT fields 4102444800000 FIELDS 1 f",
        "XADD stream 1-1 f v g w",
        "XADD stream 1-2 f v g w",
        "XADD stream 2-1 h x",
        "XDEL stream 1-2",
        "XGROUP CREATE stream g 0",
        "XREADGROUP GROUP g ann COUNT 1 STREAMS stream >",
        "XREADGROUP GROUP g bob COUNT 1 STREAMS stream >",
    ] {
        assert!(!say(&mut client, line).starts_with('-'), "{line}");
    }
    let mut random = fastrand::Rng::with_seed(25243);
    let (mut taken, mut refused) = (0, 0);
    for key in [
        "text", "number", "list", "ints", "set", "hash", "zset", "sketch", "fields", "stream",
    ] {
        let whole = dump(&mut client, key);
        let end = whole.len() - 10;
        for at in 0..end {
            for byte in [0, 0xff, whole[at] ^ 1, whole[at] ^ 0x80, random.u8(..)] {
                let mut bytes = whole[..end + 2].to_vec();
                bytes[at] = byte;
                if restore(&mut client, &sealed(&bytes)).starts_with('-') {
                    refused += 1;
                } else {
                    taken += 1;
                    use_all(&mut client);
                }
            }
        }
        for cut in 1..end {
            let bytes = sealed(&[&whole[..cut], &whole[end..end + 2]].concat());
            if !restore(&mut client, &bytes).starts_with('-') {
                use_all(&mut client);
            }
        }
        is_well(&server);
    }
    assert!(
        taken > 100 && refused > 100,
        "{taken} were taken, {refused} refused"
    );
}
