//! Scripts of random words: one that is believed to touch its declared keys alone touches no other.
//!
//! Such a script runs under the locks of its keys; a key outside of them is a panic of the server, which ends this
//! process. So does a script that is cut after it has written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vermilion::resp::value::Value;
use vermilion_fuzz::{Bytes, ask, server, words};

/// Pieces that make sense beside each other often enough. None of them loops for long.
const PIECES: &[&str] = &[
    "redis.call(",
    "redis.pcall(",
    "redis",
    ".",
    "call",
    "(",
    ")",
    ", ",
    "'get'",
    "'set'",
    "'del'",
    "'mget'",
    "'incr'",
    "'exists'",
    "'rename'",
    "'lpush'",
    "'sort'",
    "'zunionstore'",
    "'eval'",
    "'object'",
    "'encoding'",
    "'copy'",
    "'georadius'",
    "'STORE'",
    "'BY'",
    "'bitop'",
    "'AND'",
    "'xread'",
    "'STREAMS'",
    "'msetnx'",
    "KEYS[1]",
    "KEYS[2]",
    "KEYS[3]",
    "KEYS",
    "ARGV[1]",
    "ARGV",
    "#KEYS",
    "unpack(KEYS)",
    "unpack(ARGV)",
    "'other'",
    "'k1'",
    "1",
    "2",
    "[",
    "]",
    "{",
    "}",
    "=",
    "==",
    "..",
    "#",
    " local ",
    "k",
    "v",
    "t",
    " return ",
    " if ",
    " then ",
    " else ",
    " end ",
    " for i = 1, 3 do ",
    " do ",
    " for k, v in pairs(",
    " in ",
    " and ",
    " or ",
    " not ",
    "nil",
    "true",
    ";",
    "\n",
    "--",
    "pcall(",
    "tostring(",
    "select(",
    "next(",
    "ipairs(",
    "table.concat(",
    "table.insert(",
    "string.rep(",
    "error(",
    "_G",
    "type(",
    "setmetatable(",
    "getmetatable(",
    ":",
    "''",
    "\"x\"",
    "i",
    "KEYS[i]",
    "KEYS[k]",
    "[[x]]",
    "local k = KEYS[1] ",
    "local a, k = ",
    "k = 'other' ",
];

fuzz_target!(|data: &[u8]| {
    let server = server(&["script", "function", "config", "client", "flushall"]);
    let mut bytes = Bytes(data);
    let mut code = String::new();
    while !bytes.0.is_empty() && code.len() < 600 {
        code.push_str(bytes.pick(PIECES));
    }
    let eval = ["EVAL", &code, "3", "k1", "k2", "k3", "other", "get", "k1"]
        .map(|word| word.as_bytes().to_vec())
        .to_vec();
    let replies = ask(
        server,
        &[
            words("MSET k1 1 k2 2 k3 3 other 4"),
            eval,
            words("DEL k1 k2 k3 other v x"),
        ],
    );
    assert_eq!(replies.len(), 3, "{code}");
    if let Value::Error(why) = &replies[1] {
        let why = String::from_utf8_lossy(why);
        assert!(
            !why.contains("undeclared") && !why.contains("bug"),
            "{code}: {why}"
        );
    }
});
