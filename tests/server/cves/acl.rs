//! Rules and keys of users.

use crate::common::{Client, Server};

use super::{is_well, raw, say};

/// A server with a user who may touch `mine:*` alone, and that user's connection.
fn limited(rules: &[&str]) -> (Server, Client) {
    let server = Server::start(&[]);
    let mut admin = server.client();
    let head = ["ACL", "SETUSER", "ann", "on", "nopass", "+@all"];
    assert_eq!(raw(&mut admin, &[&head[..], rules].concat()), "+OK\r\n");
    for line in [
        "SET secret 1",
        "RPUSH mine:list 1 2",
        "GEOADD mine:geo 1 1 a",
        "XADD mine:log 1-1 f v",
        "XADD secret:log 1-1 f v",
    ] {
        say(&mut admin, line);
    }
    let mut ann = server.client();
    say(&mut ann, "AUTH ann x");
    (server, ann)
}

#[test]
fn cve_2023_41053_keys_that_patterns_name_are_keys() {
    let (server, mut ann) = limited(&["~mine:*"]);
    let why = "-ERR BY option of SORT denied due to insufficient ACL permissions";
    for line in [
        "SORT_RO mine:list BY secret*",
        "SORT mine:list BY secret*",
        "SORT_RO mine:list BY w_*->f",
    ] {
        let answer = say(&mut ann, line);
        assert!(answer.starts_with(why), "{line}: {answer}");
    }
    for line in [
        "SORT_RO mine:list GET secret*",
        "SORT mine:list GET # GET secret*",
    ] {
        let answer = say(&mut ann, line);
        assert!(
            answer.starts_with("-ERR GET option of SORT denied"),
            "{line}: {answer}"
        );
    }
    assert!(say(&mut ann, "SORT_RO secret").starts_with("-NOPERM"));
    assert!(say(&mut ann, "SORT_RO mine:list").starts_with("*2\r\n"));
    is_well(&server);
}

#[test]
fn cve_2024_31227_and_cve_2024_51741_rules_of_a_selector_are_whole_or_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for rule in [
        "(%", "(%)", "(%~)", "(%~*)", "(%R", "(%RX~a)", "(%r~", "()x", "(()", "((+get))", "(~",
        "(on)", "(>p)", "(reset)", "(+@nope)", "(%R~a", "%", "%~", "%~*", "%RWR",
    ] {
        let answer = raw(&mut client, &["ACL", "SETUSER", "u", "on", rule]);
        assert!(answer.starts_with("-ERR"), "{rule}: {answer}");
    }
    for rule in [
        "%R",
        "%W",
        "(%R)",
        "(%RW)",
        "()",
        "(~)",
        "(%R~)",
        "(%W~a~b)",
        "(+get ~a)",
        "(%RW~*)",
        "(allkeys -@all)",
        "(&a resetchannels)",
    ] {
        assert_eq!(
            raw(&mut client, &["ACL", "SETUSER", "u", rule]),
            "+OK\r\n",
            "{rule}"
        );
        for look in [
            "ACL LIST",
            "ACL GETUSER u",
            "ACL DRYRUN u GET a",
            "ACL DRYRUN u SET a b",
            "ACL USERS",
        ] {
            assert!(!say(&mut client, look).starts_with('-'), "{rule}, {look}");
        }
    }
    is_well(&server);
}

/// https://github.com/redis/redis/pull/15659: the keys that were checked could differ from those that were used.
#[test]
fn the_keys_that_are_checked_are_the_keys_that_are_used() {
    let (server, mut ann) = limited(&["~mine:*", "%R~readable:*"]);
    for line in [
        "GEORADIUS mine:geo 1 1 10 km STORE mine:a STORE secret",
        "GEORADIUS mine:geo 1 1 10 km STORE mine:a STOREDIST secret",
        "GEORADIUS mine:geo 1 1 10 km STOREDIST mine:a STORE readable:a",
        "GEORADIUSBYMEMBER mine:geo a 10 km STORE mine:a STORE secret",
        "SORT mine:list STORE mine:a STORE secret",
        "SORT mine:list STORE secret LIMIT 0 1",
        "SORT mine:list STORE readable:a",
        "SORT mine:list BY STORE STORE secret",
        "SORT mine:list GET STORE STORE secret",
        "XREAD STREAMS mine:log secret:log 0 0",
        "XREAD COUNT 1 STREAMS secret:log 0",
        "XREADGROUP GROUP STREAMS c STREAMS secret:log >",
        "XREADGROUP GROUP g STREAMS STREAMS secret:log >",
        "ZUNIONSTORE secret 1 mine:geo",
        "ZUNIONSTORE readable:a 1 mine:geo",
        "LMPOP 1 readable:a LEFT",
        "BITFIELD readable:a SET u8 0 1",
        "SET readable:a v GET",
        "COPY mine:list secret",
        "EVAL x 1 secret",
        "MSETEX 2 mine:a 1 secret 2",
    ] {
        let answer = say(&mut ann, line);
        let absent = answer.starts_with("-ERR unknown command");
        let mistake = answer.starts_with("-ERR syntax error")
            || answer.starts_with("-ERR BY option")
            || answer.starts_with("-ERR GET option");
        assert!(
            answer.starts_with("-NOPERM") || absent || mistake,
            "{line}: {answer}"
        );
    }
    let mut admin = server.client();
    assert_eq!(say(&mut admin, "EXISTS readable:a mine:a"), ":0\r\n");
    // The last of several is the one that counts, if they are not refused altogether.
    for line in [
        "GEORADIUS mine:geo 1 1 10 km STORE secret STORE mine:a",
        "GEORADIUSBYMEMBER mine:geo a 10 km STORE secret STOREDIST mine:a",
        "SORT mine:list STORE secret STORE mine:a",
    ] {
        let answer = say(&mut ann, line);
        assert!(
            answer.starts_with(':') || answer.starts_with("-NOPERM"),
            "{line}: {answer}"
        );
    }
    assert_eq!(say(&mut admin, "GET secret"), "$1\r\n1\r\n");
    is_well(&server);
}

/// https://github.com/redis/redis/pull/14847
#[test]
fn too_few_arguments_have_no_keys_to_check() {
    let (server, mut ann) = limited(&["~mine:*"]);
    for line in [
        "EVAL",
        "EVAL x",
        "EVALSHA x",
        "FCALL f",
        "ZUNION",
        "ZUNIONSTORE d",
        "LMPOP",
        "BLMPOP 0",
        "SINTERCARD",
        "ZMPOP",
        "XREAD",
        "XREADGROUP GROUP",
        "SORT",
        "MIGRATE h",
    ] {
        let answer = say(&mut ann, line);
        assert!(
            answer.starts_with("-ERR wrong number of arguments"),
            "{line}: {answer}"
        );
        let answer = say(&mut server.client(), &format!("ACL DRYRUN ann {line}"));
        assert!(answer.starts_with("-ERR"), "{line}: {answer}");
    }
    is_well(&server);
}
