//! Talk with a server about events: keys that are overwritten, and the fields of hashes that something happens to.
//!
//! `overwritten` and `type_changed` are compared with Redis 8.2 in `server/differential/newer.rs`. No server is at hand that
//! has the channels that name fields: https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/ (Redis 8.8) and the
//! head of Redis's src/notify.c say what they carry.

use vermilion::testing::{TestServer, talk};

#[test]
fn a_value_that_takes_anothers_place_is_announced() {
    talk(
        "> CONFIG SET notify-keyspace-events Eoc$g
         +OK
         b> PSUBSCRIBE __key*
         [\"psubscribe\" \"__key*\" :1]
         > SET k 1
         +OK
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:set\" \"k\"]
         > SET k 2
         +OK
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:overwritten\" \"k\"]
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:set\" \"k\"]
         > INCR k
         :3
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:incrby\" \"k\"]
         > INCREX k
         [:4 :1]
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:incrby\" \"k\"]
         > RPUSH l 1
         :1
         > COPY l k REPLACE
         :1
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:copy_to\" \"k\"]
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:overwritten\" \"k\"]
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:type_changed\" \"k\"]
         > SET k 1
         +OK
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:overwritten\" \"k\"]
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:type_changed\" \"k\"]
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:set\" \"k\"]
         > CONFIG SET notify-keyspace-events Q
         -ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.
         > CONFIG GET notify-keyspace-events
         [\"notify-keyspace-events\" \"g$ocE\"]",
    );
}

#[test]
fn events_of_hashes_name_the_fields() {
    talk(
        "> CONFIG SET notify-keyspace-events STIVh
         +OK
         b> PSUBSCRIBE *
         [\"psubscribe\" \"*\" :1]
         > HSET h one 1 two 2
         :2
         b< [\"pmessage\" \"*\" \"__subkeyspace@0__:h\" \"hset|3:one,3:two\"]
         b< [\"pmessage\" \"*\" \"__subkeyevent@0__:hset\" \"1:h|3:one,3:two\"]
         b< [\"pmessage\" \"*\" \"__subkeyspaceitem@0__:h\\none\" \"hset\"]
         b< [\"pmessage\" \"*\" \"__subkeyspaceitem@0__:h\\ntwo\" \"hset\"]
         b< [\"pmessage\" \"*\" \"__subkeyspaceevent@0__:hset|h\" \"3:one,3:two\"]
         > SET k 1
         +OK
         > CONFIG SET notify-keyspace-events STIVh$
         +OK
         > SET k 1
         +OK
         > HSET \"a\\nb\" f 1
         :1
         b< [\"pmessage\" \"*\" \"__subkeyspace@0__:a\\nb\" \"hset|1:f\"]
         b< [\"pmessage\" \"*\" \"__subkeyevent@0__:hset\" \"3:a\\nb|1:f\"]
         b< [\"pmessage\" \"*\" \"__subkeyspaceevent@0__:hset|a\\nb\" \"1:f\"]",
    );
}

#[test]
fn every_event_of_a_hash_says_which_fields() {
    let server = TestServer::start("notify-keyspace-events \"KTh\"");
    let cases = [
        ("HSET h a 1 b 2", "hset", "1:a,1:b"),
        ("HMSET h c 3", "hset", "1:c"),
        ("HSETNX h d 4", "hset", "1:d"),
        ("HINCRBY h a 1", "hincrby", "1:a"),
        ("HINCRBYFLOAT h a 0.5", "hincrbyfloat", "1:a"),
        ("HDEL h b none", "hdel", "1:b"),
        ("HEXPIRE h 100 FIELDS 2 a none", "hexpire", "1:a"),
        ("HPEXPIRE h 100000 FIELDS 1 c", "hexpire", "1:c"),
        ("HEXPIREAT h 4000000000 FIELDS 1 d", "hexpire", "1:d"),
        ("HPEXPIREAT h 4000000000000 FIELDS 1 d", "hexpire", "1:d"),
        ("HPERSIST h FIELDS 2 a none", "hpersist", "1:a"),
        ("HPEXPIREAT h 1 FIELDS 1 a", "hdel", "1:a"),
        ("HGETEX h PERSIST FIELDS 2 a c", "hpersist", "1:c"),
        ("HGETEX h EX 100 FIELDS 2 a c", "hexpire", "1:c"),
        ("HGETEX h EX 0 FIELDS 1 c", "hdel", "1:c"),
        ("HSETEX h FIELDS 2 e 1 f 2", "hset", "1:e,1:f"),
        ("HGETDEL h FIELDS 2 e none", "hdel", "1:e"),
    ];
    let mut client = server.connect();
    let mut ear = server.connect();
    ear.say("PSUBSCRIBE __*");
    ear.hear();
    for (command, event, fields) in cases {
        client.say(command);
        client.hear();
        let messages = [
            format!(r#"["pmessage" "__*" "__keyspace@0__:h" "{event}"]"#),
            format!(r#"["pmessage" "__*" "__subkeyevent@0__:{event}" "1:h|{fields}"]"#),
        ];
        for message in messages {
            let heard = vermilion::testing::show(&ear.hear());
            assert_eq!(heard, message, "{command}");
        }
    }
    // The sweep tells of fields, too.
    client.say("HSETEX h PX 1 FIELDS 1 g 1");
    client.hear();
    let events = ["hset", "hexpire", "hexpired"];
    for event in events {
        ear.hear();
        let heard = vermilion::testing::show(&ear.hear());
        let message = format!(r#"["pmessage" "__*" "__subkeyevent@0__:{event}" "1:h|1:g"]"#);
        assert_eq!(heard, message);
    }
}
