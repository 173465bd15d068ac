//! What Redis 8 added to streams.
//!
//! XDELEX, XACKDEL and their words for XADD and XTRIM: as Redis 8.2.3 answers. The rest is known from documents alone: CLAIM
//! (8.4), IDMP, IDMPAUTO and XCFGSET (8.6), XNACK (8.8), MAXCOUNT and MAXSIZE (8.10), by the pages of these commands and "Idempotent
//! message processing" on redis.io, and the words of errors by Redis's sources.

use vermilion::testing::{TestServer, talk};

#[test]
fn entries_are_deleted_with_regard_to_what_groups_know_of_them() {
    talk(
        "> XADD s 1-0 a 1
         \"1-0\"
         > XADD s 2-0 a 1
         \"2-0\"
         > XADD s 3-0 a 1
         \"3-0\"
         > XADD s 4-0 a 1
         \"4-0\"
         > XADD s 5-0 a 1
         \"5-0\"
         > XGROUP CREATE s g 0
         +OK
         > XGROUP CREATE s h 0
         +OK
         > XREADGROUP GROUP g c COUNT 4 STREAMS s >
         [[\"s\" [[\"1-0\" [\"a\" \"1\"]] [\"2-0\" [\"a\" \"1\"]] [\"3-0\" [\"a\" \"1\"]] [\"4-0\" [\"a\" \"1\"]]]]]
         > XREADGROUP GROUP h c COUNT 2 STREAMS s >
         [[\"s\" [[\"1-0\" [\"a\" \"1\"]] [\"2-0\" [\"a\" \"1\"]]]]]
         > XDELEX s ACKED IDS 4 1-0 2-0 9-0 0-1
         [:2 :2 :2 :-1]
         > XACK s g 1-0
         :1
         > XACK s h 1-0
         :1
         > XDELEX s ACKED IDS 3 1-0 1-0 2-0
         [:1 :-1 :2]
         > XDELEX s DELREF IDS 2 2-0 2-0
         [:1 :-1]
         > XPENDING s g
         [:2 \"3-0\" \"4-0\" [[\"c\" \"2\"]]]
         > XPENDING s h
         [:0 nil nil nil]
         > XDELEX s IDS 1 3-0
         [:1]
         > XPENDING s g - + 10 nobody
         []
         > XACKDEL s g ACKED IDS 3 3-0 4-0 5-0
         [:2 :2 :-1]
         > XACKDEL s h IDS 1 4-0
         [:-1]
         > XREADGROUP GROUP h c STREAMS s >
         [[\"s\" [[\"4-0\" [\"a\" \"1\"]] [\"5-0\" [\"a\" \"1\"]]]]]
         > XREADGROUP GROUP g c STREAMS s >
         [[\"s\" [[\"5-0\" [\"a\" \"1\"]]]]]
         > XACKDEL s h DELREF IDS 2 4-0 5-0
         [:1 :1]
         > XPENDING s g
         [:0 nil nil nil]
         > XPENDING s h
         [:0 nil nil nil]
         > XLEN s
         :0
         > XDELEX none IDS 2 x y
         [:-1 :-1]
         > XACKDEL none g IDS 1 x
         [:-1]
         > XDELEX s IDS 2 1-0 x
         -ERR Invalid stream ID specified as stream command argument
         > XDELEX s IDS 0 1
         -ERR Number of IDs must be a positive integer
         > XDELEX s IDS 3 1 2
         -ERR The `numids` parameter must match the number of arguments
         > XDELEX s KEEPREF DELREF IDS 1 1
         -ERR syntax error
         > XDELEX s KEEPREF ACKED x
         -ERR syntax error
         > XDELEX s IDS 1 1 ACKED
         [:-1]",
    );
}

#[test]
fn a_trim_spares_what_groups_refer_to_or_makes_them_forget_it() {
    let server = TestServer::start("stream-node-max-entries 3");
    server.talk(
        "> XADD s 1-0 a 1
         \"1-0\"
         > XADD s 2-0 a 1
         \"2-0\"
         > XADD s 3-0 a 1
         \"3-0\"
         > XADD s 4-0 a 1
         \"4-0\"
         > XADD s 5-0 a 1
         \"5-0\"
         > XADD s 6-0 a 1
         \"6-0\"
         > XADD s 7-0 a 1
         \"7-0\"
         > XADD s 8-0 a 1
         \"8-0\"
         > XGROUP CREATE s g 0
         +OK
         > XGROUP CREATE s h 0
         +OK
         > XTRIM s MAXLEN 0 ACKED
         :0
         > XREADGROUP GROUP g c COUNT 7 STREAMS s >
         [[\"s\" [[\"1-0\" [\"a\" \"1\"]] [\"2-0\" [\"a\" \"1\"]] [\"3-0\" [\"a\" \"1\"]] [\"4-0\" [\"a\" \"1\"]] [\"5-0\" [\"a\" \"1\"]] [\"6-0\" [\"a\" \"1\"]] [\"7-0\" [\"a\" \"1\"]]]]]
         > XREADGROUP GROUP h c COUNT 7 STREAMS s >
         [[\"s\" [[\"1-0\" [\"a\" \"1\"]] [\"2-0\" [\"a\" \"1\"]] [\"3-0\" [\"a\" \"1\"]] [\"4-0\" [\"a\" \"1\"]] [\"5-0\" [\"a\" \"1\"]] [\"6-0\" [\"a\" \"1\"]] [\"7-0\" [\"a\" \"1\"]]]]]
         > XACK s g 1-0 3-0 4-0 5-0 6-0
         :5
         > XACK s h 1-0 3-0 4-0 5-0
         :4
         > XTRIM s MINID 5-0 ACKED
         :3
         > XRANGE s - +
         [[\"2-0\" [\"a\" \"1\"]] [\"5-0\" [\"a\" \"1\"]] [\"6-0\" [\"a\" \"1\"]] [\"7-0\" [\"a\" \"1\"]] [\"8-0\" [\"a\" \"1\"]]]
         > XTRIM s MAXLEN 3 ACKED
         :1
         > XRANGE s - +
         [[\"2-0\" [\"a\" \"1\"]] [\"6-0\" [\"a\" \"1\"]] [\"7-0\" [\"a\" \"1\"]] [\"8-0\" [\"a\" \"1\"]]]
         > XTRIM s ACKED MAXLEN ~ 0
         :0
         > XADD s MAXLEN 2 DELREF 9-0 b 2
         \"9-0\"
         > XRANGE s - +
         [[\"8-0\" [\"a\" \"1\"]] [\"9-0\" [\"b\" \"2\"]]]
         > XPENDING s g
         [:0 nil nil nil]
         > XPENDING s h
         [:0 nil nil nil]
         > XADD s ACKED MAXLEN 0 10-0 c 3
         \"10-0\"
         > XTRIM s MAXLEN 0 DELREF
         :3
         > XPENDING s g
         [:0 nil nil nil]
         > XADD s KEEPREF ACKED MAXLEN 0 11-0 a 1
         -ERR Invalid stream ID specified as stream command argument
         > XTRIM s MAXLEN 0 ACKED DELREF
         -ERR syntax error
         > XTRIM s ACKED
         -ERR wrong number of arguments for 'xtrim' command
         > XTRIM s ACKED LIMIT 1
         -ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
    );
}

const STREAM: &str = "> XADD s 1-0 a 1
    \"1-0\"
    > XADD s 2-0 a 2
    \"2-0\"
    > XADD s 3-0 a 3
    \"3-0\"
    > XGROUP CREATE s g 0
    +OK";

#[test]
fn what_is_given_back_has_no_owner_and_goes_first_to_who_claims() {
    let server = TestServer::start("");
    server.talk(STREAM);
    server.talk(
        "> XREADGROUP GROUP g c COUNT 2 STREAMS s >
         [[\"s\" [[\"1-0\" [\"a\" \"1\"]] [\"2-0\" [\"a\" \"2\"]]]]]
         > XNACK s g FAIL IDS 3 2-0 3-0 1-0
         :2
         > XPENDING s g
         [:2 \"1-0\" \"2-0\" []]
         > XPENDING s g IDLE 100000 - + 10
         [[\"1-0\" \"\" :-1 :1] [\"2-0\" \"\" :-1 :1]]
         > XPENDING s g - + 10 c
         []
         > XREADGROUP GROUP g d COUNT 1 CLAIM 100000 STREAMS s >
         [[\"s\" [[\"2-0\" [\"a\" \"2\"] :*
         > XREADGROUP GROUP g d CLAIM 100000 STREAMS s >
         [[\"s\" [[\"1-0\" [\"a\" \"1\"] :*
         > XPENDING s g
         [:3 \"1-0\" \"3-0\" [[\"d\" \"3\"]]]
         > XNACK s g SILENT IDS 1 1-0
         :1
         > XNACK s g FATAL IDS 1 2-0
         :1
         > XNACK s g FAIL IDS 1 3-0 RETRYCOUNT 7
         :1
         > XPENDING s g - + 10
         [[\"1-0\" \"\" :-1 :1] [\"2-0\" \"\" :-1 :9223372036854775807] [\"3-0\" \"\" :-1 :7]]
         > XCLAIM s g e 100000 2-0 3-0
         [[\"2-0\" [\"a\" \"2\"]] [\"3-0\" [\"a\" \"3\"]]]
         > XPENDING s g - + 10 e
         [[\"2-0\" \"e\" :* 
         > XDEL s 1-0
         :1
         > XAUTOCLAIM s g e 100000 0
         [\"0-0\" [] [\"1-0\"]]
         > XNACK s g FAIL IDS 1 1-0 FORCE
         :0
         > XACK s g 3-0
         :1
         > XNACK s g FAIL IDS 1 3-0
         :0
         > XNACK s g FAIL IDS 1 3-0 FORCE
         :1
         > XPENDING s g 3-0 + 10
         [[\"3-0\" \"\" :-1 :0]]
         > XACKDEL s g IDS 1 3-0
         [:1]",
    );
}

#[test]
fn xnack_says_what_is_wrong() {
    let server = TestServer::start("");
    server.talk(STREAM);
    server.talk(
        "> XNACK s g maybe IDS 1 1-0 FORCE
         -ERR mode must be SILENT, FAIL, or FATAL
         > XNACK s g FAIL IDS 3 1-0 FORCE
         -ERR number of IDs doesn't match numids
         > XNACK s g FAIL IDS 0 1-0
         -ERR numids must be a positive integer
         > XNACK s g FAIL IDEAS 1 1-0
         -ERR Unrecognized XNACK option 'IDEAS'
         > XNACK s g FAIL RETRYCOUNT 3 FORCE
         -ERR syntax error, expected IDS keyword
         > XNACK s g FAIL IDS 1 1-0 RETRYCOUNT -1
         -ERR Invalid RETRYCOUNT value, must be >= 0
         > XNACK s h FAIL IDS 1 1-0
         -NOGROUP No such key 's' or consumer group 'h'
         > XNACK none g FAIL IDS 1 1-0
         -NOGROUP No such key 'none' or consumer group 'g'",
    );
}

#[test]
fn a_reader_claims_the_longest_idle_first_and_then_reads_what_is_new() {
    let server = TestServer::start("");
    server.talk(STREAM);
    server.talk(
        "> XCLAIM s g c 0 2-0 IDLE 5000 FORCE JUSTID
         [\"2-0\"]
         > XCLAIM s g c 0 1-0 IDLE 4000 FORCE JUSTID
         [\"1-0\"]
         > XGROUP SETID s g 2-0
         +OK
         > XREADGROUP GROUP g d CLAIM 4900 STREAMS s >
         [[\"s\" [[\"2-0\" [\"a\" \"2\"] :5*
         > XREADGROUP GROUP g d CLAIM 4900 STREAMS s >
         nil
         > XREADGROUP GROUP g d CLAIM 3900 NOACK STREAMS s >
         [[\"s\" [[\"1-0\" [\"a\" \"1\"] :4*
         > XPENDING s g
         [:3 \"1-0\" \"3-0\" [[\"d\" \"3\"]]]
         > XDEL s 1-0 2-0
         :2
         > XREADGROUP GROUP g e CLAIM 0 STREAMS s >
         [[\"s\" [[\"3-0\" [\"a\" \"3\"] :*
         > XREADGROUP GROUP g d CLAIM 0 STREAMS s 0
         [[\"s\" [[\"1-0\" nil] [\"2-0\" nil]]]]
         > XREADGROUP GROUP g d CLAIM -1 STREAMS s >
         -ERR min-idle-time must be a positive integer
         > XREADGROUP GROUP g d CLAIM soon STREAMS s >
         -ERR min-idle-time is not an integer or out of range
         > XREAD CLAIM 0 STREAMS s 0
         -ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.
         > MULTI
         +OK
         > XREADGROUP GROUP g d BLOCK 0 CLAIM 100000 STREAMS s >
         +QUEUED
         > EXEC
         [nil]",
    );
}

#[test]
fn a_claim_comes_upon_what_has_left_the_stream_once() {
    let server = TestServer::start("");
    let mut client = server.connect();
    for n in 1..=2500 {
        client.say(&format!("XADD s {n}-0 a {n}"));
        client.hear();
    }
    server.talk(
        "> XGROUP CREATE s g 0
         +OK
         > XREADGROUP GROUP g c STREAMS s >
         [*
         > XTRIM s MAXLEN 1
         :2499
         > XREADGROUP GROUP g d CLAIM 0 STREAMS s >
         nil
         > XREADGROUP GROUP g d CLAIM 0 STREAMS s >
         nil
         > XREADGROUP GROUP g d CLAIM 0 STREAMS s >
         [[\"s\" [[\"2500-0\" [\"a\" \"2500\"] :*
         > XREADGROUP GROUP g e CLAIM 0 STREAMS s >
         [[\"s\" [[\"2500-0\" [\"a\" \"2500\"] :*
         > XPENDING s g
         [:2500 \"1-0\" \"2500-0\" [[\"c\" \"2499\"] [\"e\" \"1\"]]]
         > XGROUP CREATE t g 0 MKSTREAM
         +OK
         > XADD t 5-0 a 5
         \"5-0\"
         > XREADGROUP GROUP g c STREAMS t >
         [*
         > XTRIM t MAXLEN 0
         :1
         > XREADGROUP GROUP g d CLAIM 0 STREAMS t >
         nil
         > XSETID t 1-0
         +OK
         > XADD t 5-0 a 6
         \"5-0\"
         > XREADGROUP GROUP g d CLAIM 0 STREAMS t >
         [[\"t\" [[\"5-0\" [\"a\" \"6\"] :*",
    );
}

#[test]
fn a_reader_sleeps_until_there_is_something_to_claim() {
    let server = TestServer::start("");
    server.talk(STREAM);
    server.talk(
        "> XREADGROUP GROUP g c STREAMS s >
         [[\"s\" [[\"1-0\" [\"a\" \"1\"]] [\"2-0\" [\"a\" \"2\"]] [\"3-0\" [\"a\" \"3\"]]]]]
         b> XREADGROUP GROUP g d BLOCK 0 COUNT 2 CLAIM 200 STREAMS s >
         zzz
         b< [[\"s\" [[\"1-0\" [\"a\" \"1\"] :*
         > XPENDING s g
         [:3 \"1-0\" \"3-0\" [[\"c\" \"1\"] [\"d\" \"2\"]]]
         b> XREADGROUP GROUP g d BLOCK 0 CLAIM 100000 STREAMS s >
         zzz
         c> XREADGROUP GROUP g e BLOCK 50 CLAIM 100000 STREAMS s >
         zzz
         c< nil
         > XNACK s g FAIL IDS 1 3-0
         :1
         b< [[\"s\" [[\"3-0\" [\"a\" \"3\"] :*
         b> XREADGROUP GROUP g d BLOCK 0 CLAIM 100000 STREAMS s >
         zzz
         > XADD s 4-0 a 4
         \"4-0\"
         b< [[\"s\" [[\"4-0\" [\"a\" \"4\"] :0 :0]]]]
         b> XREADGROUP GROUP g d BLOCK 0 CLAIM 100000 STREAMS s >
         zzz
         > XCLAIM s g c 0 2-0 IDLE 200000 JUSTID
         [\"2-0\"]
         b< [[\"s\" [[\"2-0\" [\"a\" \"2\"] :*
         b> XREADGROUP GROUP g d BLOCK 0 CLAIM 100000 STREAMS s >
         zzz
         > XCLAIM s g c 0 2-0 TIME 1 JUSTID
         [\"2-0\"]
         b< [[\"s\" [[\"2-0\" [\"a\" \"2\"] :*",
    );
}

/// What has been given back is due at once, and a reader that may not have it yet looks again and again.
#[test]
fn a_reader_that_claims_at_once_holds_nobody_up() {
    let server = TestServer::start("");
    server.talk(
        "> XADD s 1-0 a 1
         \"1-0\"
         > XGROUP CREATE s g 0
         +OK
         > XREADGROUP GROUP g c STREAMS s >
         [*
         > XDEL s 1-0
         :1
         b> XREADGROUP GROUP g d BLOCK 0 CLAIM 0 STREAMS s >
         zzz
         c> XREADGROUP GROUP g e BLOCK 0 CLAIM 1 STREAMS s >
         zzz
         > PING
         +PONG
         > XADD s 2-0 a 2
         \"2-0\"
         b< [[\"s\" [[\"2-0\" [\"a\" \"2\"] :0 :0]]]]
         c< [[\"s\" [[\"2-0\" [\"a\" \"2\"] :*",
    );
}

#[test]
fn a_reply_holds_no_more_than_is_wanted_of_all_streams_together() {
    let server = TestServer::start("");
    server.talk(STREAM);
    server.talk(
        "> XADD t 1-0 b 1
         \"1-0\"
         > XGROUP CREATE t g 0
         +OK
         > XREAD MAXCOUNT 4 COUNT 2 STREAMS s t 0 0
         [[\"s\" [[\"1-0\" [\"a\" \"1\"]] [\"2-0\" [\"a\" \"2\"]]]] [\"t\" [[\"1-0\" [\"b\" \"1\"]]]]]
         > XREAD MAXCOUNT 3 STREAMS s t 0 0
         [[\"s\" [[\"1-0\" [\"a\" \"1\"]] [\"2-0\" [\"a\" \"2\"]] [\"3-0\" [\"a\" \"3\"]]]]]
         > XREAD MAXSIZE 1 STREAMS s t 0 0
         [[\"s\" [[\"1-0\" [\"a\" \"1\"]]]]]
         > XREADGROUP GROUP g c MAXCOUNT 2 STREAMS s t > >
         [[\"s\" [[\"1-0\" [\"a\" \"1\"]] [\"2-0\" [\"a\" \"2\"]]]]]
         > XPENDING s g
         [:2 \"1-0\" \"2-0\" [[\"c\" \"2\"]]]
         > XINFO CONSUMERS t g
         []
         > XREADGROUP GROUP g c MAXSIZE 1 CLAIM 0 STREAMS s t > >
         [[\"s\" [[\"1-0\" [\"a\" \"1\"] :*
         > XPENDING s g
         [:2 \"1-0\" \"2-0\" [[\"c\" \"2\"]]]
         > XREADGROUP GROUP g c MAXSIZE 1 STREAMS s t 0 0
         [[\"s\" [[\"1-0\" [\"a\" \"1\"]]]]]
         > XREAD MAXCOUNT 1 COUNT 2 STREAMS s 0
         -ERR MAXCOUNT must be greater than or equal to COUNT
         > XREAD MAXCOUNT 0 STREAMS s 0
         -ERR MAXCOUNT must be a positive integer
         > XREAD MAXSIZE -1 STREAMS s 0
         -ERR MAXSIZE must be a positive integer",
    );
}

/// A stream's counts of what producers sent.
fn known(server: &TestServer) -> String {
    let mut client = server.connect();
    client.say("XINFO STREAM s");
    let info = vermilion::testing::show(&client.hear());
    let from = info.find("\"idmp-duration\"").expect("it says so");
    let to = info.find(" \"groups\"").expect("and then of groups");
    info[from..to].replace('"', "")
}

#[test]
fn what_a_producer_sends_again_is_added_once() {
    let server = TestServer::start("stream-idmp-maxsize 2");
    let mut client = server.connect();
    let mut add = |line: &str| {
        client.say(line);
        vermilion::testing::show(&client.hear())
    };
    let first = add("XADD s IDMP ann 1 * a 1");
    assert_eq!(add("XADD s NOMKSTREAM IDMP ann 1 MAXLEN 5 * b 2"), first);
    let other = add("XADD s IDMP bob 1 * a 1");
    assert_ne!(other, first, "producers don't know each other's ids");
    let made = add("XADD s IDMPAUTO bob * a 1 b 2");
    assert_eq!(add("XADD s IDMPAUTO bob * b 2 a 1"), made);
    assert_ne!(add("XADD s IDMPAUTO bob * a 2 b 1"), made);
    assert_ne!(
        add("XADD s IDMP bob 1 * a 1"),
        other,
        "there is room for two"
    );
    assert_eq!(
        known(&server),
        "idmp-duration :100 idmp-maxsize :2 pids-tracked :2 iids-tracked :3 iids-added :5 iids-duplicates :2"
    );
    server.talk(
        "> XLEN s
         :5
         > XCFGSET s IDMP-MAXSIZE 2 IDMP-DURATION 100
         +OK",
    );
    assert!(
        known(&server).contains("iids-tracked :3"),
        "nothing changed"
    );
    server.talk(
        "> XCFGSET s IDMP-MAXSIZE 3
         +OK",
    );
    assert_eq!(
        known(&server),
        "idmp-duration :100 idmp-maxsize :3 pids-tracked :0 iids-tracked :0 iids-added :5 iids-duplicates :2"
    );
    assert_ne!(add("XADD s IDMP ann 1 * a 1"), first);
}

#[test]
fn producers_are_told_what_is_wrong() {
    talk(
        "> XADD s IDMP ann 1 5-5 a 1
         -ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs
         > XADD s IDMP ann 1 IDMPAUTO ann * a 1
         -ERR syntax error, IDMP/IDMPAUTO specified multiple times
         > XADD s IDMP \"\" 1 * a 1
         -ERR syntax error, IDMP requires a non-empty producer ID
         > XADD s IDMP ann \"\" * a 1
         -ERR syntax error, IDMP requires a non-empty idempotent ID
         > XADD s IDMPAUTO \"\" * a 1
         -ERR syntax error, IDMPAUTO requires a non-empty producer ID
         > XADD s NOMKSTREAM IDMP ann 1 * a 1
         nil
         > XCFGSET s IDMP-MAXSIZE 1
         -ERR no such key
         > XADD s 1-0 a 1
         \"1-0\"
         > XCFGSET s
         -ERR At least one parameter must be specified
         > XCFGSET s IDMP-MAXSIZE 0
         -ERR IDMP-MAXSIZE must be between 1 and 10000 entries
         > XCFGSET s IDMP-DURATION 86401
         -ERR IDMP-DURATION must be between 1 and 86400 seconds
         > XCFGSET s IDMP-DURATION 5 IDMP-DURATION 6
         -ERR IDMP-DURATION specified multiple times
         > XCFGSET s IDMP-DURATION
         -ERR syntax error
         > XIDMPRECORD s ann 1 2-0
         -ERR No such message in stream
         > XIDMPRECORD s ann 1 1-0
         +OK
         > XIDMPRECORD s ann 1 1-0
         +OK
         > XADD s 2-0 a 1
         \"2-0\"
         > XIDMPRECORD s \"\" 1 2-0
         -ERR producer ID must be non-empty
         > XIDMPRECORD s ann \"\" 2-0
         -ERR idempotent ID must be non-empty
         > XADD now * a 1
         \"*
         > SET t text
         +OK
         > XCFGSET t IDMP-MAXSIZE 1
         -WRONGTYPE Operation against a key holding the wrong kind of value",
    );
}

const DEEDS: &str = "
    > XADD s 1-0 a 1
    \"1-0\"
    > XADD s 2-0 a 2
    \"2-0\"
    > XADD s 3-0 a 3
    \"3-0\"
    > XADD s 4-0 a 4
    \"4-0\"
    > XADD s 5-0 a 5
    \"5-0\"
    > XGROUP CREATE s g 0
    +OK
    > XGROUP CREATE s h 0
    +OK
    > XREADGROUP GROUP g c STREAMS s >
    [*
    > XREADGROUP GROUP h c STREAMS s >
    [*
    > XACK s g 2-0
    :1
    > XACK s h 2-0
    :1
    > XTRIM s MAXLEN 0 ACKED
    :1
    > XDELEX s DELREF IDS 1 5-0
    [:1]
    > XNACK s g FAIL IDS 2 3-0 1-0
    :2
    > XACKDEL s h IDS 1 4-0
    [:1]
    > XREADGROUP GROUP g d COUNT 1 CLAIM 100000 STREAMS s >
    [*
    > XADD s IDMP ann 1 * a 6
    \"*
    > XADD s IDMP ann 1 * a 6
    \"*
    > XADD s IDMPAUTO bob MAXLEN 3 DELREF * a 7
    \"*
    > XNACK s h FATAL IDS 1 3-0
    :1
    > XCFGSET s IDMP-DURATION 1000
    +OK
    > XADD s IDMP ann 2 * a 8
    \"*
    > XADD s IDMP ann 2 * a 8
    \"*";

/// All of a stream, but for times at which consumers were seen.
fn whole(server: &TestServer) -> String {
    let mut client = server.connect();
    client.say("XINFO STREAM s FULL");
    let info = vermilion::testing::show(&client.hear());
    let mut words: Vec<&str> = info.split(' ').collect();
    for at in 1..words.len() {
        if ["\"seen-time\"", "\"active-time\""].contains(&words[at - 1]) {
            words[at] = "";
        }
    }
    words.join(" ")
}

#[test]
fn a_log_of_commands_has_all_of_it() {
    let server = TestServer::start("appendonly yes\naof-use-rdb-preamble no");
    server.talk(DEEDS);
    let before = whole(&server);
    assert!(before.contains("\"nacked-count\" :1"), "{before}");
    assert!(before.contains("\"iids-tracked\" :1"), "{before}");
    server.talk(
        "> DEBUG LOADAOF
         +OK",
    );
    assert_eq!(whole(&server), before);
}

#[test]
fn a_snapshot_has_all_of_it() {
    let server = TestServer::start("");
    server.talk(DEEDS);
    let before = whole(&server);
    server.talk(
        "> DEBUG RELOAD
         +OK",
    );
    assert_eq!(whole(&server), before);
    let mut client = server.connect();
    client.say("DUMP s");
    let vermilion::resp::value::Value::Bulk(payload) = client.hear() else {
        panic!("a payload is text");
    };
    client.say("DEL s");
    client.hear();
    let quoted: String = payload
        .iter()
        .map(|byte| format!("\\x{byte:02x}"))
        .collect();
    client.say(&format!("RESTORE s 0 \"{quoted}\""));
    assert_eq!(vermilion::testing::show(&client.hear()), "+OK");
    assert_eq!(whole(&server), before);
}

#[test]
fn a_snapshot_for_earlier_servers_gives_each_pending_entry_an_owner() {
    let server = TestServer::start("rdb-version 12");
    server.talk(STREAM);
    server.talk(
        "> XREADGROUP GROUP g c COUNT 2 STREAMS s >
         [*
         > XNACK s g FAIL IDS 2 1-0 2-0
         :2
         > XADD s IDMP ann 1 * a 1
         \"*
         > DEBUG RELOAD
         +OK
         > XPENDING s g
         [:2 \"1-0\" \"2-0\" [[\"\" \"2\"]]]",
    );
    assert_eq!(
        known(&server),
        "idmp-duration :100 idmp-maxsize :100 pids-tracked :0 iids-tracked :0 iids-added :0 iids-duplicates :0"
    );
}

#[test]
fn a_replica_has_all_of_it() {
    let master = TestServer::start("");
    let replica = TestServer::start(&format!("replicaof 127.0.0.1 {}", master.port()));
    let mut client = master.connect();
    let linked = std::time::Instant::now();
    loop {
        client.say("WAIT 1 100");
        if client.hear() == vermilion::resp::value::Value::Int(1) {
            break;
        }
        assert!(linked.elapsed().as_secs() < 30, "the replica comes");
    }
    master.talk(DEEDS);
    client.say("WAIT 1 10000");
    client.hear();
    assert_eq!(whole(&replica), whole(&master));
    // And one that comes later.
    let late = TestServer::start(&format!("replicaof 127.0.0.1 {}", master.port()));
    loop {
        client.say("WAIT 2 100");
        if client.hear() == vermilion::resp::value::Value::Int(2) {
            break;
        }
        assert!(linked.elapsed().as_secs() < 60, "the second replica comes");
    }
    assert_eq!(whole(&late), whole(&master));
}

#[test]
fn a_rough_trim_begins_no_node_that_it_would_not_end() {
    let server = TestServer::start("stream-node-max-entries 3");
    server.talk(STREAM);
    server.talk(
        "> XADD s 4-0 a 4
         \"4-0\"
         > XREADGROUP GROUP g c COUNT 1 STREAMS s >
         [*
         > XGROUP SETID s g 9-0
         +OK
         > XTRIM s MINID ~ 3-0 DELREF
         :0
         > XTRIM s ACKED MAXLEN ~ 3
         :0
         > XTRIM s MINID ~ 4-0 ACKED
         :2
         > XTRIM s MINID ~ 4-0 DELREF
         :1
         > XLEN s
         :1",
    );
}
