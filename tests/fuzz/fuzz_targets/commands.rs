//! Commands of every name with arguments that others understand: none of them panics or hangs.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use vermilion::command::Registry;
use vermilion::commands::FAMILIES;
use vermilion_fuzz::{Bytes, Client, ask, server, words};

const WORDS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "10",
    "9223372036854775807",
    "-9223372036854775808",
    "4294967296",
    "0.5",
    "inf",
    "-inf",
    "nan",
    "1e400",
    "(1",
    "[a",
    "-",
    "+",
    "*",
    "$",
    ">",
    "#",
    "#1",
    "u8",
    "i64",
    "a*",
    "(",
    "0-1",
    "1-*",
    "NX",
    "XX",
    "GT",
    "LT",
    "CH",
    "INCR",
    "GET",
    "EX",
    "PX",
    "KEEPTTL",
    "PERSIST",
    "LIMIT",
    "COUNT",
    "WITHSCORES",
    "WITHVALUES",
    "BY",
    "STORE",
    "STOREDIST",
    "ASC",
    "DESC",
    "ALPHA",
    "MATCH",
    "TYPE",
    "LEFT",
    "RIGHT",
    "BEFORE",
    "MIN",
    "MAX",
    "WEIGHTS",
    "AGGREGATE",
    "SUM",
    "BYSCORE",
    "BYLEX",
    "REV",
    "STREAMS",
    "GROUP",
    "BLOCK",
    "NOACK",
    "MKSTREAM",
    "MAXLEN",
    "MINID",
    "~",
    "=",
    "ID",
    "IDLE",
    "FORCE",
    "JUSTID",
    "FIELDS",
    "m",
    "km",
    "FROMMEMBER",
    "FROMLONLAT",
    "BYRADIUS",
    "BYBOX",
    "ANY",
    "AND",
    "NOT",
    "BIT",
    "OVERFLOW",
    "SAT",
    "SET",
    "INCRBY",
    "REPLACE",
    "DB",
    "RANK",
    "IDX",
    "LEN",
    "ON",
    "OFF",
    "YES",
    "NO",
    "OPTIN",
    "BCAST",
    "PREFIX",
    "REDIRECT",
    "SKIP",
    "string",
    "list",
    "stream",
    "maxmemory",
    "+@all",
    "-get",
    "~k",
    "&c",
    "reset",
];
const KEYS: &[&str] = &["k", "s", "l", "h", "z", "x", "m", "b"];

/// Every command with its container's name before it.
fn names() -> &'static [Vec<Vec<u8>>] {
    static NAMES: OnceLock<Vec<Vec<Vec<u8>>>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let registry = Registry::new(FAMILIES);
        let all = registry.entries().iter();
        all.map(|entry| {
            entry
                .full_name
                .split('|')
                .map(|part| part.as_bytes().to_vec())
                .collect()
        })
        .collect()
    })
}

fuzz_target!(|data: &[u8]| {
    // A wait would be as long as an input says, and a password would lock everybody out.
    let server = server(&[
        "acl", "config", "eval", "eval_ro", "function", "wait", "waitaof",
    ]);
    let mut bytes = Bytes(data);
    if bytes.byte() == 255 {
        // Bytes as they are.
        Client::connect(server).send_all(bytes.0);
        return;
    }
    let mut commands = vec![
        words("SET s v"),
        words("RPUSH l 1 2"),
        words("HSET h f 1"),
        words("ZADD z 1 a 2 b"),
        words("SADD m a 1"),
        words("XADD x 1-1 f v"),
    ];
    while !bytes.0.is_empty() && commands.len() < 30 {
        let mut command = names()
            [(usize::from(bytes.byte()) * 2 + usize::from(bytes.byte() & 1)) % names().len()]
        .clone();
        for _ in 0..bytes.below(9) {
            let argument = match bytes.byte() % 8 {
                0..3 => bytes.pick(KEYS).as_bytes().to_vec(),
                3..7 => bytes.pick(WORDS).as_bytes().to_vec(),
                _ => {
                    let len = bytes.below(20);
                    bytes.take(len).to_vec()
                }
            };
            command.push(argument);
        }
        let name = command[0].to_ascii_lowercase();
        // These wait, or answer with other than one reply each.
        let waits = name.starts_with(b"bl")
            || name.starts_with(b"br")
            || name.starts_with(b"bz")
            || name.starts_with(b"x")
                && command
                    .iter()
                    .any(|word| word.eq_ignore_ascii_case(b"block"));
        let speaks = name.ends_with(b"subscribe")
            || name == b"quit"
            || name == b"hello"
            || name == b"reset"
            || name == b"auth"
            || name == b"client"
            || name == b"multi";
        if !waits && !speaks {
            commands.push(command);
        }
    }
    let in_transaction = data.len() % 3 == 0;
    if in_transaction {
        commands.insert(0, words("MULTI"));
        commands.push(words("EXEC"));
    }
    commands.push(words("FLUSHALL"));
    ask(server, &commands);
});
