//! What Redis 8 and Valkey 8.1 added to lists, sets and sorted sets.
//!
//! Known from documents alone, but for NOSCORES, which is as Valkey 9.1.2 has it: the pages of these commands on redis.io; LMOVEM's
//! empty reply, which its page and Redis 8.10.2 tell differently, is the null of 8.10.2, and its two events come in LMOVE's order.
//! What ZMOVE and its kin answer with is said to be the moved members: here they are pairs of a member and its score, as ZMPOP's.

use vermilion::testing::{TestServer, show, talk};

#[test]
fn counts_of_unions_and_differences_stop_where_they_are_told_to() {
    talk(
        "> SADD a 1 2 3 x
         :4
         > SADD b 3 4 x
         :3
         > SUNIONCARD 3 a b none
         :5
         > SUNIONCARD 2 a b LIMIT 3
         :3
         > SUNIONCARD 2 a b APPROX LIMIT 0
         :5
         > SDIFFCARD 2 a b
         :2
         > SDIFFCARD 2 a b LIMIT 1
         :1
         > SDIFFCARD 1 none
         :0
         > SDIFFCARD 2 a b APPROX
         -ERR syntax error
         > SUNIONCARD 0 a
         -ERR numkeys should be greater than 0
         > SUNIONCARD 3 a b
         -ERR Number of keys can't be greater than number of args
         > SUNIONCARD 2 a b LIMIT -1
         -ERR LIMIT can't be negative
         > SET t text
         +OK
         > SUNIONCARD 2 a t
         -WRONGTYPE Operation against a key holding the wrong kind of value",
    );
}

#[test]
fn an_aggregate_counts_the_sets_that_have_a_member_by_their_weights() {
    talk(
        "> ZADD a 1 a1 2 a2 -inf a3
         :3
         > ZADD b 2 a1 2 a2 2 a3
         :3
         > SADD c a1 a3 a4
         :3
         > ZUNION 3 a b c AGGREGATE COUNT WITHSCORES
         [\"a4\" \"1\" \"a2\" \"2\" \"a1\" \"3\" \"a3\" \"3\"]
         > ZUNION 3 a b c WEIGHTS 1 2 3 AGGREGATE COUNT WITHSCORES
         [\"a2\" \"3\" \"a4\" \"3\" \"a1\" \"6\" \"a3\" \"6\"]
         > ZINTER 3 a b c WEIGHTS 1 2 3 AGGREGATE count WITHSCORES
         [\"a1\" \"6\" \"a3\" \"6\"]
         > ZINTERSTORE d 2 a b AGGREGATE COUNT
         :3
         > ZRANGE d 0 -1 WITHSCORES
         [\"a1\" \"2\" \"a2\" \"2\" \"a3\" \"2\"]
         > ZUNIONSTORE d 2 a b AGGREGATE AVERAGE
         -ERR syntax error",
    );
}

#[test]
fn a_walk_may_leave_scores_out() {
    talk(
        "> ZADD z 1 a 2 b
         :2
         > ZSCAN z 0 NOSCORES
         [\"0\" [\"a\" \"b\"]]
         > ZSCAN z 0 MATCH b noscores COUNT 10
         [\"0\" [\"b\"]]
         > ZSCAN z 0 NOVALUES
         -ERR syntax error
         > SADD s a
         :1
         > SSCAN s 0 NOSCORES
         -ERR syntax error",
    );
}

#[test]
fn members_move_with_their_scores() {
    talk(
        "> ZADD a 1 one 2 two 3 three 4 four 5 five
         :5
         > ZADD b 9 two
         :1
         > EXPIRE b 1000
         :1
         > ZMOVE a b MIN
         [[\"one\" \"1\"]]
         > ZMOVE a b MAX COUNT 2
         [[\"five\" \"5\"] [\"four\" \"4\"]]
         > ZMOVE a b BYSCORE (2 +inf COUNT 5
         [[\"three\" \"3\"]]
         > ZMOVE a b BYSCORE 7 9
         nil
         > ZMOVE a b MAX COUNT 9
         [[\"two\" \"2\"]]
         > EXISTS a
         :0
         > ZRANGE b 0 -1 WITHSCORES
         [\"one\" \"1\" \"two\" \"2\" \"three\" \"3\" \"four\" \"4\" \"five\" \"5\"]
         > TTL b
         :1000
         > ZMOVE b c BYSCORE 2 3
         [[\"two\" \"2\"] [\"three\" \"3\"]]
         > TTL c
         :-1
         > ZMOVE b b MIN
         nil
         > ZMOVE none b MIN
         nil
         > ZMOVE b c MIDDLE
         -ERR syntax error
         > ZMOVE b c BYSCORE 1 x
         -ERR min or max is not a float
         > ZMOVE b c MIN COUNT 0
         -ERR count should be greater than 0
         > ZMOVE b c MIN COUNT 1 MAX
         -ERR syntax error
         > SET t text
         +OK
         > ZMOVE b t MIN
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > ZMOVE t b MIN
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > ZMOVE none t MIN
         nil
         > ZRANGE b 0 -1
         [\"one\" \"four\" \"five\"]",
    );
}

#[test]
fn members_move_by_name() {
    talk(
        "> ZADD a 1 one 2 two 3 three 4 four
         :4
         > ZADD b 9 two
         :1
         > ZMOVEMEMBER a b NX MEMBERS 3 two one none
         [[\"one\" \"1\"]]
         > ZMOVEMEMBER a b XX MEMBERS 3 four two two
         [[\"two\" \"2\"]]
         > ZMOVEMEMBER a b XX MEMBERS 1 four
         nil
         > ZMOVEMEMBER a b MEMBERS 4 four none three four
         [[\"four\" \"4\"] [\"three\" \"3\"]]
         > EXISTS a
         :0
         > ZRANGE b 0 -1 WITHSCORES
         [\"one\" \"1\" \"two\" \"2\" \"three\" \"3\" \"four\" \"4\"]
         > ZMOVEMEMBER b b MEMBERS 1 one
         nil
         > ZMOVEMEMBER b a MEMBERS 2 one
         -ERR The `numMembers` parameter must match the number of arguments
         > ZMOVEMEMBER b a MEMBERS 0 one
         -ERR Parameter `numMembers` should be greater than 0
         > ZMOVEMEMBER b a NX XX MEMBERS 1 one
         -ERR syntax error
         > ZMOVEMEMBER b a one two three
         -ERR syntax error",
    );
}

#[test]
fn a_client_waits_for_members_to_move() {
    talk(
        "b> BZMOVE a b MAX 0 COUNT 2
         zzz
         > ZADD b 1 one
         :1
         > ZADD a 1 x 2 y 3 z
         :3
         b< [[\"z\" \"3\"] [\"y\" \"2\"]]
         > ZRANGE b 0 -1
         [\"one\" \"y\" \"z\"]
         b> BZMOVE a b MIN 0
         [[\"x\" \"1\"]]
         b> BZMOVE a b MIN 0.01
         nil
         b> BZMOVE a a MIN 0
         nil
         b> BZMOVE a b MIN soon
         -ERR timeout is not a float or out of range
         b> BZMOVE a b BYSCORE 0
         -ERR syntax error
         > MULTI
         +OK
         > BZMOVE a b MIN 0
         +QUEUED
         > EXEC
         [nil]
         b> BZMOVE a b MIN 0
         zzz
         c> BZMOVE b c MAX 0 COUNT 9
         [[\"z\" \"3\"] [\"y\" \"2\"] [\"x\" \"1\"] [\"one\" \"1\"]]
         c> BZMOVE b c MAX 0 COUNT 9
         zzz
         > ZADD a 7 seven
         :1
         b< [[\"seven\" \"7\"]]
         c< [[\"seven\" \"7\"]]
         > ZSCORE c seven
         \"7\"",
    );
}

/// What LMOVEM does with four elements in `a` and two in `b`: its reply, and both lists then.
#[test]
fn elements_move_one_by_one_or_in_bulk() {
    let server = TestServer::start("");
    let mut client = server.connect();
    let mut ask = |line: &str| {
        client.say(line);
        show(&client.hear())
    };
    for (how, reply, left, right) in [
        ("LEFT LEFT COUNT 2 OBO", "b a", "c d", "b a x y"),
        ("LEFT RIGHT COUNT 2 OBO", "a b", "c d", "x y a b"),
        ("RIGHT LEFT COUNT 2 OBO", "c d", "a b", "c d x y"),
        ("RIGHT RIGHT COUNT 2 OBO", "d c", "a b", "x y d c"),
        ("LEFT LEFT COUNT 2 BULK", "a b", "c d", "a b x y"),
        ("LEFT RIGHT COUNT 2 BULK", "a b", "c d", "x y a b"),
        ("RIGHT LEFT COUNT 2 BULK", "c d", "a b", "c d x y"),
        ("RIGHT RIGHT EXACTLY 2 BULK", "c d", "a b", "x y c d"),
        ("LEFT RIGHT", "a", "b c d", "x y a"),
        ("LEFT RIGHT COUNT 9 BULK", "a b c d", "", "x y a b c d"),
    ] {
        let list = |line: &str| {
            let words: Vec<String> = line
                .split_whitespace()
                .map(|word| format!("\"{word}\""))
                .collect();
            format!("[{}]", words.join(" "))
        };
        ask("FLUSHALL");
        ask("RPUSH a a b c d");
        ask("RPUSH b x y");
        assert_eq!(ask(&format!("LMOVEM a b {how}")), list(reply), "{how}");
        assert_eq!(ask("LRANGE a 0 -1"), list(left), "{how}");
        assert_eq!(ask("LRANGE b 0 -1"), list(right), "{how}");
    }
    for (how, reply, left) in [
        ("LEFT LEFT COUNT 2 OBO", "b a", "b a c d"),
        ("RIGHT RIGHT COUNT 9 OBO", "d c b a", "d c b a"),
        ("LEFT LEFT COUNT 2 BULK", "a b", "a b c d"),
        ("LEFT RIGHT COUNT 2 BULK", "a b", "c d a b"),
        ("RIGHT LEFT EXACTLY 4 OBO", "a b c d", "a b c d"),
    ] {
        let list = |line: &str| format!("[\"{}\"]", line.replace(' ', "\" \""));
        ask("FLUSHALL");
        ask("RPUSH a a b c d");
        ask("EXPIRE a 1000");
        assert_eq!(ask(&format!("LMOVEM a a {how}")), list(reply), "{how}");
        assert_eq!(ask("LRANGE a 0 -1"), list(left), "{how}");
        assert_eq!(ask("TTL a"), ":1000", "{how}");
    }
}

#[test]
fn too_few_elements_do_not_move_exactly() {
    talk(
        "> RPUSH a 1 2
         :2
         > LMOVEM a b LEFT LEFT EXACTLY 3 BULK
         nil
         > LMOVEM none b LEFT LEFT COUNT 3 BULK
         nil
         > LMOVEM none b LEFT LEFT
         nil
         > LMOVEM a b LEFT LEFT COUNT 3
         -ERR syntax error
         > LMOVEM a b LEFT LEFT BULK
         -ERR syntax error
         > LMOVEM a b LEFT LEFT COUNT 3 BULK OBO
         -ERR syntax error
         > LMOVEM a b LEFT LEFT COUNT 0 BULK
         -ERR count should be greater than 0
         > LMOVEM a b LEFT MIDDLE
         -ERR syntax error
         > SET t text
         +OK
         > LMOVEM a t LEFT LEFT
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > LMOVEM t a LEFT LEFT
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > LMOVEM a t LEFT LEFT EXACTLY 3 OBO
         nil
         > LRANGE a 0 -1
         [\"1\" \"2\"]",
    );
}

#[test]
fn a_client_waits_for_as_many_elements_as_it_wants() {
    talk(
        "b> BLMOVEM a b LEFT RIGHT 0 EXACTLY 3 BULK
         zzz
         > RPUSH a 1 2
         :2
         c> BLMOVEM a c LEFT RIGHT 0.01 EXACTLY 3 OBO
         nil
         > LINSERT a BEFORE 2 x
         :3
         b< [\"1\" \"x\" \"2\"]
         b> BLMOVEM a b LEFT RIGHT 0 COUNT 3 OBO
         zzz
         > RPUSH a 5
         :1
         b< [\"5\"]
         > LRANGE b 0 -1
         [\"1\" \"x\" \"2\" \"5\"]
         b> BLMOVEM b a RIGHT LEFT 0
         [\"5\"]
         b> BLMOVEM b a RIGHT LEFT soon
         -ERR timeout is not a float or out of range
         > MULTI
         +OK
         > BLMOVEM none b LEFT LEFT 0
         +QUEUED
         > EXEC
         [nil]",
    );
}

#[test]
fn moves_are_told_of() {
    talk(
        "b> CONFIG SET notify-keyspace-events EA
         +OK
         b> PSUBSCRIBE *
         [\"psubscribe\" \"*\" :1]
         > RPUSH a 1 2
         :2
         b< [\"pmessage\" \"*\" \"__keyevent@0__:rpush\" \"a\"]
         > LMOVEM a b LEFT RIGHT COUNT 2 OBO
         [\"1\" \"2\"]
         b< [\"pmessage\" \"*\" \"__keyevent@0__:rpush\" \"b\"]
         b< [\"pmessage\" \"*\" \"__keyevent@0__:lpop\" \"a\"]
         b< [\"pmessage\" \"*\" \"__keyevent@0__:del\" \"a\"]
         > ZADD z 1 one
         :1
         b< [\"pmessage\" \"*\" \"__keyevent@0__:zadd\" \"z\"]
         > ZMOVE z y MIN
         [[\"one\" \"1\"]]
         b< [\"pmessage\" \"*\" \"__keyevent@0__:zrem\" \"z\"]
         b< [\"pmessage\" \"*\" \"__keyevent@0__:del\" \"z\"]
         b< [\"pmessage\" \"*\" \"__keyevent@0__:zadd\" \"y\"]",
    );
}

#[test]
fn a_log_and_a_replica_have_what_moved() {
    let master = TestServer::start("appendonly yes\naof-use-rdb-preamble no");
    let replica = TestServer::start(&format!("replicaof 127.0.0.1 {}", master.port()));
    let mut client = master.connect();
    let begun = std::time::Instant::now();
    loop {
        client.say("WAIT 1 100");
        if show(&client.hear()) == ":1" {
            break;
        }
        assert!(begun.elapsed().as_secs() < 30, "the replica comes");
    }
    let mut random = fastrand::Rng::with_seed(5);
    let mut pick = |words: &[&'static str]| words[random.usize(..words.len())];
    for n in 0..600 {
        let (from, to) = (pick(&["a", "b"]), pick(&["a", "b"]));
        let (take, add) = (pick(&["LEFT", "RIGHT"]), pick(&["LEFT", "RIGHT"]));
        let many = pick(&[
            "",
            "COUNT 3 OBO",
            "COUNT 3 BULK",
            "EXACTLY 2 OBO",
            "EXACTLY 2 BULK",
        ]);
        let line = match n % 5 {
            0 => format!("RPUSH {from} {n}"),
            1 => format!("ZADD z{from} 0.{n} m{} {n} m{}", n % 7, n % 11),
            2 => format!(
                "ZMOVE z{from} z{to} {} COUNT 2",
                pick(&["MIN", "MAX", "BYSCORE 1 300"])
            ),
            3 => format!(
                "ZMOVEMEMBER z{from} z{to} {} MEMBERS 2 m1 m{}",
                pick(&["", "NX", "XX"]),
                n % 7
            ),
            _ => format!("LMOVEM {from} {to} {take} {add} {many}"),
        };
        client.say(&line);
        let heard = show(&client.hear());
        assert!(!heard.starts_with('-'), "{line}: {heard}");
    }
    let digest = |server: &TestServer| {
        let mut client = server.connect();
        client.say("DEBUG DIGEST");
        show(&client.hear())
    };
    client.say("WAIT 1 10000");
    client.hear();
    let before = digest(&master);
    assert_ne!(before, format!("+{}", "0".repeat(40)));
    assert_eq!(digest(&replica), before);
    client.say("DEBUG LOADAOF");
    assert_eq!(show(&client.hear()), "+OK");
    assert_eq!(digest(&master), before);
}
