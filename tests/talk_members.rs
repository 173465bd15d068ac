//! Talk with a server about members of sets that have deadlines.
//!
//! Known from documents alone: redis.io's pages of SEXPIRE, SPEXPIRE, SEXPIREAT, SPEXPIREAT, SPERSIST, STTL, SPTTL,
//! SEXPIRETIME, SPEXPIRETIME and SADDEX (8.12). What they leave open is as public tests of a branch of Redis that has these
//! commands say: the words of errors, the events, and that SMOVE takes a member's deadline along and that the stored
//! result of an algebra has the nearest of its sources' deadlines. Valkey's pull request agrees on SMOVE, and drops
//! the deadlines of stored results.

use vermilion::testing::{TestServer, talk};

#[test]
fn members_get_deadlines_one_by_one() {
    talk(
        "> STTL no-key MEMBERS 2 member1 member2
         [:-2 :-2]
         > SADD myset member1 member2
         :2
         > SEXPIRE myset 300 MEMBERS 2 member1 member3
         [:1 :-2]
         > STTL myset MEMBERS 3 member1 member2 member3
         [:300 :-1 :-2]
         > SEXPIREAT myset 4000000000 NX MEMBERS 2 member1 member2
         [:0 :1]
         > SEXPIRETIME myset MEMBERS 1 member2
         [:4000000000]
         > SPEXPIREAT myset 4000000000001 GT MEMBERS 2 member1 member2
         [:1 :1]
         > SPEXPIRETIME myset MEMBERS 2 member1 member2
         [:4000000000001 :4000000000001]
         > SPEXPIREAT myset 4000000000001 LT MEMBERS 1 member1
         [:0]
         > SPERSIST myset MEMBERS 2 member2 member3
         [:1 :-2]
         > SPERSIST myset MEMBERS 1 member2
         [:-1]
         > SPEXPIRE myset 1000000 XX MEMBERS 2 member1 member2
         [:1 :0]
         > OBJECT ENCODING myset
         \"listpackex\"
         > SEXPIRE myset 0 MEMBERS 2 member1 member2
         [:2 :2]
         > EXISTS myset
         :0",
    );
}

#[test]
fn the_first_deadline_turns_integers_into_a_list() {
    talk(
        "> SADD ints 1 2 3
         :3
         > SEXPIRE ints 100 XX MEMBERS 1 2
         [:0]
         > OBJECT ENCODING ints
         \"intset\"
         > SEXPIRE ints 100 MEMBERS 1 2
         [:1]
         > OBJECT ENCODING ints
         \"listpackex\"
         > SADD ints 2 four
         :1
         > STTL ints MEMBERS 3 1 2 four
         [:-1 :100 :-1]
         > CONFIG SET set-max-listpack-entries 2
         +OK
         > SADD ints five
         :1
         > OBJECT ENCODING ints
         \"hashtable\"
         > STTL ints MEMBERS 1 2
         [:100]",
    );
}

#[test]
fn saddex_adds_members_with_their_deadline() {
    talk(
        "> SADDEX s EX 100 MEMBERS 2 a b
         :1
         > STTL s MEMBERS 2 a b
         [:100 :100]
         > SADDEX s MNX MEMBERS 2 b c
         :0
         > SADDEX s MXX MEMBERS 2 b c
         :0
         > SADDEX s MXX MEMBERS 1 b
         :1
         > SADDEX s KEEPTTL MEMBERS 2 a c
         :1
         > STTL s MEMBERS 3 a b c
         [:100 :-1 :-1]
         > SADDEX s PXAT 1 MEMBERS 2 a none
         :1
         > SCARD s
         :2
         > SADDEX none MXX MEMBERS 1 a
         :0
         > SADDEX none EXAT 1 MEMBERS 1 a
         :1
         > EXISTS none
         :0",
    );
}

#[test]
fn arguments_that_are_wrong_are_named() {
    talk(
        "> SADD s a
         :1
         > SEXPIRE s 100 NX NX NX
         -ERR missing MEMBERS argument
         > SEXPIRE s 100 a b c d
         -ERR unknown argument: a
         > SEXPIRE s 100 MEMBERS 0 a
         -ERR Parameter `numMembers` should be greater than 0
         > SEXPIRE s 100 MEMBERS 3 a b
         -ERR wrong number of arguments
         > SEXPIRE s 100 MEMBERS 1 a c
         -ERR unknown argument: c
         > SEXPIRE s 100 MEMBERS 1 a MEMBERS 1 b
         -ERR MEMBERS keyword specified multiple times
         > SEXPIRE s 100 GT MEMBERS 1 a LT
         -ERR Multiple condition flags specified
         > SEXPIRE s 1000 MEMBERS 1 a NX
         [:1]
         > SEXPIRE s -1 MEMBERS 1 a
         -ERR invalid expire time, must be >= 0
         > SPEXPIRE s 281474976710656 MEMBERS 1 a
         -ERR invalid expire time in 'spexpire' command
         > STTL s a 1 a
         -ERR Mandatory argument MEMBERS is missing or not at the right position
         > STTL s MEMBERS 0 a
         -ERR Number of members must be a positive integer
         > SPERSIST s MEMBERS 2 a
         -ERR The `nummembers` parameter must match the number of arguments
         > SADDEX s EX 100 MXX
         -ERR missing MEMBERS argument
         > SADDEX s MEMBERS 0 a
         -ERR invalid number of members
         > SADDEX s MXX MNX MEMBERS 1 a
         -ERR Only one of MXX or MNX arguments can be specified
         > SADDEX s EX 100 KEEPTTL MEMBERS 1 a
         -ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified
         > SADDEX s MEMBERS 1 a EX
         -ERR missing expire time
         > SADDEX s FNX MEMBERS 1 a
         -ERR unknown argument: FNX
         > SADDEX s MEMBERS 1
         -ERR wrong number of arguments for 'saddex' command
         > SET text x
         +OK
         > STTL text MEMBERS 1 a
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > SADDEX text MEMBERS 1 a
         -WRONGTYPE Operation against a key holding the wrong kind of value",
    );
}

#[test]
fn deadlines_go_where_members_go() {
    talk(
        "> SADDEX a EXAT 4000000000 MEMBERS 2 m1 m2
         :1
         > SADDEX a EXAT 4000000500 MEMBERS 1 m3
         :1
         > SADD b m2 m3 m4
         :3
         > SEXPIREAT b 4000000100 MEMBERS 1 m3
         [:1]
         > SUNIONSTORE d a b
         :4
         > SEXPIRETIME d MEMBERS 4 m1 m2 m3 m4
         [:4000000000 :4000000000 :4000000100 :-1]
         > SINTERSTORE d b a
         :2
         > SEXPIRETIME d MEMBERS 2 m2 m3
         [:4000000000 :4000000100]
         > SDIFFSTORE d a b
         :1
         > SEXPIRETIME d MEMBERS 1 m1
         [:4000000000]
         > SMOVE a b m2
         :1
         > SEXPIRETIME b MEMBERS 1 m2
         [:4000000000]
         > SADD a m3
         :0
         > SPERSIST a MEMBERS 1 m3
         [:1]
         > SMOVE a b m3
         :1
         > STTL b MEMBERS 1 m3
         [:-1]
         > COPY b c
         :1
         > RENAME c e
         +OK
         > SEXPIRETIME e MEMBERS 1 m2
         [:4000000000]",
    );
}

#[test]
fn events_tell_which_members_change() {
    talk(
        "> CONFIG SET notify-keyspace-events KsgI
         +OK
         b> PSUBSCRIBE *
         [\"psubscribe\" \"*\" :1]
         > SADD s a b
         :2
         b< [\"pmessage\" \"*\" \"__keyspace@0__:s\" \"sadd\"]
         > SEXPIRE s 100 MEMBERS 1 a
         [:1]
         b< [\"pmessage\" \"*\" \"__keyspace@0__:s\" \"sexpire\"]
         b< [\"pmessage\" \"*\" \"__subkeyspaceitem@0__:s\\na\" \"sexpire\"]
         > SEXPIRE s 100 NX MEMBERS 1 a
         [:0]
         > SMOVE s t a
         :1
         b< [\"pmessage\" \"*\" \"__keyspace@0__:s\" \"srem\"]
         b< [\"pmessage\" \"*\" \"__keyspace@0__:t\" \"sadd\"]
         b< [\"pmessage\" \"*\" \"__keyspace@0__:t\" \"sexpire\"]
         b< [\"pmessage\" \"*\" \"__subkeyspaceitem@0__:t\\na\" \"sexpire\"]
         > SPERSIST t MEMBERS 1 a
         [:1]
         b< [\"pmessage\" \"*\" \"__keyspace@0__:t\" \"spersist\"]
         b< [\"pmessage\" \"*\" \"__subkeyspaceitem@0__:t\\na\" \"spersist\"]
         > SEXPIREAT t 1 MEMBERS 1 a
         [:2]
         b< [\"pmessage\" \"*\" \"__keyspace@0__:t\" \"srem\"]
         b< [\"pmessage\" \"*\" \"__subkeyspaceitem@0__:t\\na\" \"srem\"]
         b< [\"pmessage\" \"*\" \"__keyspace@0__:t\" \"del\"]",
    );
}

#[test]
fn members_vanish_untouched_and_take_the_key_with_them() {
    let server = TestServer::start("notify-keyspace-events Ksg");
    let mut listener = server.connect();
    listener.say("PSUBSCRIBE *");
    listener.hear();
    server.talk("> SADDEX s PX 20 MEMBERS 2 a b\n :1\n");
    let mut heard = Vec::new();
    while heard
        .last()
        .is_none_or(|event: &String| !event.contains("\"del\""))
    {
        heard.push(vermilion::testing::show(&listener.hear()));
    }
    let all = heard.join(" ");
    assert!(all.contains("sexpired"), "{all}");
    server.talk("> EXISTS s\n :0\n");
}
