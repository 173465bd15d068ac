//! Counts, offsets and sizes that wrapped, and types that were not asked for.

use crate::common::{Client, Server};

use super::{eval, is_well, raw, say};

const MIB: usize = 1 << 20;

/// Each line is answered like this, or with something that begins so.
fn answered(server: &Server, lines: &[(&str, &str)]) {
    let mut client = server.client();
    for (line, told) in lines {
        let answer = say(&mut client, line);
        assert!(answer.starts_with(told), "{line}: {answer}");
    }
    is_well(server);
}

#[test]
fn cve_2016_8339_an_unknown_class_of_clients_is_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for classes in [
        "master 1 1 1",
        "3 1 1 1",
        "\x7f 1 1 1",
        " 1 1 1",
        "normal 0 0 0 master 1 1 1",
    ] {
        let answer = raw(
            &mut client,
            &["CONFIG", "SET", "client-output-buffer-limit", classes],
        );
        assert!(answer.starts_with("-ERR"), "{classes}: {answer}");
    }
    let told = client.ask("CONFIG GET client-output-buffer-limit").items()[1].text();
    assert_eq!(
        told,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
    );
    is_well(&server);
}

/// Numbers that no 32 bits hold, where Redis for 32 bits took them for lengths.
#[test]
fn cve_2021_21309_a_longest_argument_of_any_size_can_be_set() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (bytes, told) in [
        ("4294967296", "+OK"),
        ("9223372036854775807", "+OK"),
        ("9223372036854775808", "-ERR"),
        ("1048575", "-ERR"),
    ] {
        let answer = say(
            &mut client,
            &format!("CONFIG SET proto-max-bulk-len {bytes}"),
        );
        assert!(answer.starts_with(told), "{bytes}: {answer}");
    }
    let before = server.resident_bytes();
    for announced in [
        "4294967295",
        "4294967297",
        "9223372036854775807",
        "9223372036854775808",
        "-5",
    ] {
        let mut other = server.client();
        let head = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${announced}\r\nfew bytes\r\n");
        other.send(head.as_bytes()).expect("sent");
        drop(other);
    }
    is_well(&server);
    assert!(server.resident_bytes() < before + 100 * MIB as u64);
    assert_eq!(say(&mut client, "EXISTS k"), ":0\r\n");
}

#[test]
fn cve_2021_29477_and_cve_2021_32625_a_table_of_two_long_texts_is_not_begun() {
    let server = Server::start(&[]);
    let mut client = server.client();
    // The products are 2^34 cells, and what wraps to few in 32 bits.
    for (a, b) in [(131_072, 131_072), (65_536, 65_535), (4 * MIB, 1024)] {
        raw(&mut client, &["SET", "a", &"x".repeat(a)]);
        raw(&mut client, &["SET", "b", &"y".repeat(b)]);
        for how in ["LCS a b", "LCS a b LEN", "LCS a b IDX WITHMATCHLEN"] {
            let answer = say(&mut client, how);
            assert!(
                answer.starts_with("-ERR Insufficient memory"),
                "{a} by {b}: {answer}"
            );
        }
    }
    assert!(say(&mut client, "STRALGO LCS KEYS a b").starts_with("-ERR unknown command"));
    is_well(&server);
}

#[test]
fn cve_2021_29478_and_cve_2021_32687_sets_of_numbers_may_be_as_large_as_somebody_likes() {
    let server = Server::start(&[]);
    let mut client = server.client();
    say(&mut client, "CONFIG SET set-max-intset-entries 4294967295");
    say(
        &mut client,
        "CONFIG SET set-max-listpack-entries 4294967295",
    );
    let members: Vec<String> = (0..60_000).map(|n| (n * 7).to_string()).collect();
    for part in members.chunks(10_000) {
        let mut command = vec!["SADD".to_string(), "ints".into()];
        command.extend_from_slice(part);
        raw(&mut client, &command);
    }
    // Wider numbers make all the others wider.
    say(&mut client, "SADD ints 4294967296 -9223372036854775808");
    assert_eq!(say(&mut client, "SCARD ints"), ":60002\r\n");
    say(&mut client, "COPY ints copy");
    say(&mut client, "SREM copy 7 -9223372036854775808");
    assert_eq!(say(&mut client, "SINTERCARD 2 ints copy"), ":60000\r\n");
    let payload = match client.ask("DUMP copy") {
        crate::common::Value::Bulk(bytes) => bytes,
        other => panic!("{other}"),
    };
    assert_eq!(
        raw(&mut client, &[b"RESTORE", &b"again"[..], b"0", &payload]),
        "+OK\r\n"
    );
    assert_eq!(say(&mut client, "SDIFF copy again"), "*0\r\n");
    is_well(&server);
}

/// Elements far longer than any compact form has room for, under limits that ask for the compact form.
fn long_elements(limits: &[&str], fill: impl Fn(&mut Client, &str), look: &[(&str, usize)]) {
    let server = Server::start(&[]);
    let mut client = server.client();
    for limit in limits {
        assert_eq!(
            say(&mut client, &format!("CONFIG SET {limit}")),
            "+OK\r\n",
            "{limit}"
        );
    }
    let long = "e".repeat(2 * MIB);
    for _ in 0..3 {
        fill(&mut client, &long);
    }
    for (line, least) in look {
        let answer = say(&mut client, line);
        assert!(answer.len() >= *least, "{line}: {} bytes", answer.len());
    }
    is_well(&server);
}

#[test]
fn cve_2021_32627_entries_of_streams_may_be_long() {
    long_elements(
        &[
            "stream-node-max-bytes 0",
            "stream-node-max-entries 0",
            "proto-max-bulk-len 9223372036854775807",
        ],
        |client, long| {
            raw(client, &["XADD", "x", "*", "f", long, "f", long]);
        },
        &[("XRANGE x - +", 12 * MIB), ("XLEN x", 1)],
    );
}

#[test]
fn cve_2021_32628_elements_of_compact_forms_may_be_long() {
    let most = "9223372036854775807";
    long_elements(
        &[
            &format!("hash-max-listpack-value {most}"),
            &format!("hash-max-listpack-entries {most}"),
            &format!("zset-max-listpack-value {most}"),
            &format!("zset-max-listpack-entries {most}"),
            "list-max-listpack-size 32767",
        ],
        |client, long| {
            raw(client, &["HSET", "h", "f", long, long, "v"]);
            raw(client, &["ZADD", "z", "1", long]);
            raw(client, &["RPUSH", "l", long, "short", long]);
            raw(client, &["LSET", "l", "-1", long]);
            raw(client, &["LINSERT", "l", "BEFORE", "short", long]);
        },
        &[
            ("HGETALL h", 4 * MIB),
            ("ZRANGE z 0 -1 WITHSCORES", 2 * MIB),
            ("LRANGE l 0 2", 4 * MIB),
        ],
    );
}

#[test]
fn cve_2021_32761_bits_beyond_the_longest_string_are_refused() {
    let server = Server::start(&[]);
    say(&mut server.client(), "SET k abc");
    answered(
        &server,
        &[
            (
                "SETBIT k 4294967296 1",
                "-ERR bit offset is not an integer or out of range",
            ),
            (
                "GETBIT k 4294967296",
                "-ERR bit offset is not an integer or out of range",
            ),
            ("SETBIT k 9223372036854775807 1", "-ERR"),
            ("SETBIT k -1 1", "-ERR"),
            ("CONFIG SET proto-max-bulk-len 9223372036854775807", "+OK"),
            ("GETBIT k 34359738368", ":0"),
            ("BITFIELD k GET u8 #576460752303423487", "*1"),
            ("BITFIELD k SET u64 1 1", "-ERR"),
            ("BITCOUNT k -9223372036854775808 9223372036854775807", ":10"),
            (
                "BITCOUNT k 9223372036854775807 -9223372036854775808 BIT",
                ":0",
            ),
            ("BITPOS k 1 4294967295 4294967296", ":-1"),
            (
                "BITPOS k 0 -9223372036854775808 -9223372036854775808 BIT",
                ":0",
            ),
            ("STRLEN k", ":3"),
        ],
    );
}

#[test]
fn cve_2021_41099_a_string_does_not_grow_past_its_limit() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let why = "-ERR string exceeds maximum allowed size";
    answered(
        &server,
        &[
            ("SETRANGE k 536870911 xy", why),
            ("SETRANGE k 9223372036854775807 x", why),
            ("SETRANGE k 9223372036854775800 0123456789", why),
            ("SETRANGE k -1 x", "-ERR offset is out of range"),
            ("EXISTS k", ":0"),
            ("CONFIG SET proto-max-bulk-len 1048576", "+OK"),
        ],
    );
    raw(&mut client, &["SET", "k", &"x".repeat(MIB)]);
    answered(
        &server,
        &[
            ("APPEND k x", why),
            ("SETRANGE k 1048576 x", why),
            ("STRLEN k", ":1048576"),
        ],
    );
}

#[test]
fn cve_2022_35977_limits_and_offsets_do_not_wrap() {
    let server = Server::start(&[]);
    say(&mut server.client(), "RPUSH l 3 1 2");
    answered(
        &server,
        &[
            ("SORT l LIMIT 1 9223372036854775807", "*2"),
            ("SORT l LIMIT 9223372036854775807 9223372036854775807", "*0"),
            (
                "SORT l LIMIT -9223372036854775808 9223372036854775807",
                "*3",
            ),
            ("SORT_RO l LIMIT 2 9223372036854775807 DESC", "*1"),
            (
                "SORT l BY nosort GET # GET # LIMIT 2 9223372036854775807",
                "*2",
            ),
            ("SORT l LIMIT 0 9223372036854775807 STORE d", ":3"),
            ("SETRANGE s 4611686018427387904 x", "-ERR string exceeds"),
            ("LRANGE l -9223372036854775808 9223372036854775807", "*3"),
            (
                "LPOS l 1 RANK -9223372036854775807 COUNT 0 MAXLEN 9223372036854775807",
                "*0",
            ),
            ("LPOP l 9223372036854775807", "*3"),
            ("GETRANGE d 0 1", "-WRONGTYPE"),
        ],
    );
}

#[test]
fn cve_2023_22458_and_cve_2023_25155_the_least_count_is_no_number_of_elements() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for maker in ["HSET h a 1 b 2", "ZADD z 1 a 2 b", "SADD s a b"] {
        say(&mut client, maker);
    }
    for count in [
        "-9223372036854775808",
        "-9223372036854775807",
        "-4611686018427387905",
        "9223372036854775808",
    ] {
        for line in [
            format!("HRANDFIELD h {count} WITHVALUES"),
            format!("ZRANDMEMBER z {count} WITHSCORES"),
        ] {
            let answer = say(&mut client, &line);
            assert!(answer.starts_with("-ERR value is"), "{line}: {answer}");
        }
    }
    for line in [
        "HRANDFIELD h -9223372036854775808",
        "ZRANDMEMBER z -9223372036854775808",
        "SRANDMEMBER s -9223372036854775808",
        "SRANDMEMBER s 9223372036854775808",
        "SPOP s -1",
        "ZPOPMIN z -9223372036854775808",
    ] {
        let answer = say(&mut client, line);
        assert!(answer.starts_with("-ERR value is"), "{line}: {answer}");
    }
    assert_eq!(
        say(&mut client, "HRANDFIELD h 4611686018427387903 WITHVALUES")
            .lines()
            .next(),
        Some("*4")
    );
    assert_eq!(
        say(&mut client, "SRANDMEMBER s 9223372036854775807")
            .lines()
            .next(),
        Some("*2")
    );
    is_well(&server);
}

#[test]
fn cve_2023_28425_a_key_may_be_named_twice() {
    let server = Server::start(&[]);
    answered(
        &server,
        &[
            ("MSETNX k 1 other 2 k 3", ":1"),
            ("GET k", "$1\r\n3"),
            ("MSETNX k 1 k 2", ":0"),
            ("MSET k 1 k 2", "+OK"),
            ("DEL k k other", ":2"),
            ("RENAME k k", "-ERR no such key"),
            ("SINTERSTORE k k k", ":0"),
            ("BITOP AND k k k", ":0"),
            ("EXISTS k k", ":0"),
        ],
    );
}

#[test]
fn cve_2023_28856_a_fields_number_stays_a_number() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let nan = "-ERR increment would produce NaN or Infinity";
    answered(
        &server,
        &[
            ("HINCRBYFLOAT h f +inf", "-ERR value is NaN or Infinity"),
            ("HINCRBYFLOAT h f nan", "-ERR value is not a valid float"),
            ("HINCRBYFLOAT h f -inf", "-ERR value is NaN or Infinity"),
            ("EXISTS h", ":0"),
            ("INCRBYFLOAT s inf", nan),
            ("INCRBYFLOAT s nan", "-ERR value is not a valid float"),
            ("EXISTS s", ":0"),
        ],
    );
    // Long numbers, whose text is longer than any that was foreseen.
    for _ in 0..3 {
        say(&mut client, "HINCRBYFLOAT h f 1e4932");
        say(&mut client, "INCRBYFLOAT s 1e4932");
    }
    assert!(client.ask("HGET h f").text().parse::<f64>().is_ok());
    is_well(&server);
}

#[test]
fn cve_2023_36824_keys_are_found_where_they_stand() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let getkeys = |client: &mut Client, command: &[&str]| {
        raw(client, &[&["COMMAND", "GETKEYS"], command].concat())
    };
    let many: Vec<String> = (0..5000).map(|n| format!("k{n}")).collect();
    let keys: Vec<&str> = many.iter().map(String::as_str).collect();
    for head in [
        &["ZUNION", "5000"][..],
        &["EVAL", "x", "5000"],
        &["MGET"],
        &["SINTERCARD", "5000"],
    ] {
        let told = getkeys(&mut client, &[head, &keys].concat());
        assert!(told.starts_with("*5000\r\n$2\r\nk0\r\n"), "{head:?}");
    }
    for wrong in [
        &["ZUNION", "5001", "a", "b"][..],
        &["ZUNION", "-1", "a", "b"],
        &["ZUNION", "9223372036854775807", "a", "b"],
        &["SINTERCARD", "2147483647", "a"],
        &["EVAL"],
        &["EVAL", "x"],
        &["XREAD", "COUNT", "1", "BLOCK", "1"],
        &["LMPOP", "18446744073709551617", "a", "LEFT"],
        &["MIGRATE", "h", "1", "", "0", "0", "KEYS"],
        &["SORT"],
    ] {
        for way in ["GETKEYS", "GETKEYSANDFLAGS"] {
            let told = raw(&mut client, &[&["COMMAND", way], wrong].concat());
            assert!(
                told.starts_with("-ERR") || wrong[0] == "XREAD",
                "{wrong:?}: {told}"
            );
        }
    }
    for count in ["2147483647", "-2147483648", "-1", "0"] {
        assert_eq!(
            getkeys(&mut client, &["EVAL", "x", count, "a"]),
            "*0\r\n",
            "{count}"
        );
    }
    let script = "return redis.call('COMMAND', 'GETKEYS', 'ZUNION', '9999999', 'a')";
    assert!(eval(&mut client, script).starts_with("-ERR"));
    is_well(&server);
}
