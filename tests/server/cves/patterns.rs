//! Patterns that took a lifetime, or the stack.

use std::time::{Duration, Instant};

use crate::common::Server;

use super::{is_well, raw, say};

/// Long enough for a machine under load, and far below what trying every way would take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Everything that takes a pattern.
fn everywhere(pattern: &str) {
    let server = Server::start(&[]);
    let mut client = server.client();
    let text = "a".repeat(200);
    let library = "#!lua name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nredis.register_function('f', function() end)";
    raw(&mut client, &["SET", &text, "v"]);
    raw(&mut client, &["FUNCTION", "LOAD", library]);
    for (kind, add) in [("h", "HSET"), ("s", "SADD"), ("z", "ZADD")] {
        match add {
            "SADD" => raw(&mut client, &[add, kind, &text]),
            "ZADD" => raw(&mut client, &[add, kind, "1", &text]),
            _ => raw(&mut client, &[add, kind, &text, "v"]),
        };
    }
    let begun = Instant::now();
    for command in [
        &["KEYS", pattern][..],
        &["SCAN", "0", "MATCH", pattern, "COUNT", "100"],
        &["HSCAN", "h", "0", "MATCH", pattern],
        &["SSCAN", "s", "0", "MATCH", pattern],
        &["ZSCAN", "z", "0", "MATCH", pattern],
        &["CONFIG", "GET", pattern],
        &["PUBSUB", "CHANNELS", pattern],
        &["COMMAND", "LIST", "FILTERBY", "PATTERN", pattern],
        &["FUNCTION", "LIST", "LIBRARYNAME", pattern],
        &[
            "ACL",
            "SETUSER",
            "u",
            "on",
            "nopass",
            &format!("~{pattern}"),
            &format!("&{pattern}"),
            "+@all",
        ],
        &["ACL", "DRYRUN", "u", "GET", &text],
        &["ACL", "DRYRUN", "u", "PUBLISH", &text, "m"],
        &["SORT", "s", "ALPHA", "BY", pattern, "GET", pattern],
    ] {
        assert!(!raw(&mut client, command).is_empty());
    }
    let mut listener = server.client();
    raw(&mut listener, &["PSUBSCRIBE", pattern]);
    raw(&mut client, &["PUBLISH", &text, "m"]);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(say(&mut client, "DBSIZE"), ":4\r\n");
    is_well(&server);
}

#[test]
fn cve_2022_36021_many_stars_do_not_try_every_way() {
    everywhere(&format!("{}b", "a*".repeat(100)));
    everywhere(&format!("{}b", "*a*?".repeat(60)));
    everywhere(&format!("{}b", "*[a-z]".repeat(100)));
}

#[test]
fn cve_2024_31228_a_long_pattern_needs_no_deep_stack() {
    everywhere(&"*?".repeat(30_000));
    everywhere(&format!("{}b", "*a".repeat(30_000)));
    everywhere(&"[".repeat(60_000));
    everywhere(&"\\".repeat(59_999));
}
