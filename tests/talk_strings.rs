//! Talk with a server about strings that are compared, set together and counted within bounds.
//!
//! No server is at hand that has SET's conditions, DELEX, DIGEST and INCREX as Redis has them from 8.4 and 8.8 on. Their
//! answers are those of https://redis.io/docs/latest/commands/set/, /delex/, /digest/ and /increx/, of
//! https://github.com/redis/redis/pull/14502 (digests), /pull/14529 (what a user must be allowed), /pull/15045 and
//! /pull/15237 (INCREX), and of the tests of these changes. DELIFEQ and MSETEX are compared with Valkey 9 in
//! `server/differential/newer.rs`, but for two errors of MSETEX, which are those of https://github.com/redis/redis/pull/14434.

use vermilion::testing::{TestServer, talk};

#[test]
fn a_value_is_set_if_it_is_what_was_expected() {
    talk(
        "> SET k new IFEQ old
         nil
         > EXISTS k
         :0
         > SET k old IFNE other
         +OK
         > SET k new IFEQ other
         nil
         > SET k new IFEQ old GET
         \"old\"
         > SET k newer IFEQ old GET
         \"new\"
         > GET k
         \"new\"
         > SET k newer IFNE new
         nil
         > SET k newer IFEQ new EX 100
         +OK
         > TTL k
         :100
         > SET k newest IFNE other KEEPTTL
         +OK
         > TTL k
         :100
         > SET k 1 IFEQ newest
         +OK
         > SET k 2 IFEQ 01
         nil
         > SET k 2 IFEQ 1
         +OK
         > SET k 3 IFEQ 2 NX
         -ERR syntax error
         > SET k 3 XX IFEQ 2
         -ERR syntax error
         > SET k 3 IFEQ 2 IFEQ 2
         -ERR syntax error
         > SET k 3 IFEQ
         -ERR syntax error
         > RPUSH l 1
         :1
         > SET l 3 IFNE 1
         -WRONGTYPE Operation against a key holding the wrong kind of value",
    );
}

#[test]
fn a_digest_stands_for_a_value() {
    talk(
        "> DIGEST k
         nil
         > SET k \"Hello world\"
         +OK
         > DIGEST k
         \"b6acb9d84a38ff74\"
         > SET k v8
         +OK
         > DIGEST k
         \"0cc76dbb41381419\"
         > SET k 123
         +OK
         > DIGEST k
         \"404a763b3f4c8c9a\"
         > SET k new IFDNE 404a763b3f4c8c9a
         nil
         > SET k hello IFDEQ 404A763B3F4C8C9A
         +OK
         > SET k new IFDEQ 9555e8555c62dcf
         -ERR must be exactly 16 hexadecimal characters
         > SET none new IFDEQ 9555e8555c62dcfd
         nil
         > SET none new IFDNE 9555e8555c62dcfd
         +OK
         > DELEX k IFDEQ zzzzzzzzzzzzzzzz
         :0
         > DELEX k IFDNE 9555e8555c62dcfd
         :0
         > DELEX k IFDEQ 9555e8555c62dcfd
         :1
         > RPUSH l 1
         :1
         > DIGEST l
         -WRONGTYPE Operation against a key holding the wrong kind of value",
    );
}

#[test]
fn a_key_is_removed_if_it_holds_what_was_expected() {
    talk(
        "> SET k old
         +OK
         > DELEX k IFEQ other
         :0
         > DELEX k ifne old
         :0
         > DELEX k IFEQ old
         :1
         > DELEX k IFNE old
         :0
         > DELEX none FOO bar
         :0
         > SET k old
         +OK
         > DELEX k FOO bar
         -ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE
         > DELEX none IFEQ
         -ERR wrong number of arguments for 'delex' command
         > DELEX k IFEQ old more
         -ERR wrong number of arguments for 'delex' command
         > DELEX k IFDEQ 0
         -ERR must be exactly 16 hexadecimal characters
         > DELIFEQ k other
         :0
         > DELIFEQ k old
         :1
         > RPUSH l 1
         :1
         > DELEX l FOO bar
         -ERR Key should be of string type if conditions are specified
         > DELIFEQ l 1
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > DELEX l
         :1
         > DELEX l
         :0",
    );
}

#[test]
fn several_strings_are_set_together_or_none() {
    talk(
        "> MSETEX 2 a 1 b 2 EX 100
         :1
         > TTL b
         :100
         > MSETEX 2 c 1 a 3 NX
         :0
         > MSETEX 2 a 3 c 1 XX
         :0
         > EXISTS c
         :0
         > MSETEX 2 a 3 b 4 KEEPTTL XX
         :1
         > TTL a
         :100
         > MGET a b
         [\"3\" \"4\"]
         > MSETEX x a 1
         -ERR invalid numkeys value
         > MSETEX 9223372036854775807 a 1
         -ERR invalid numkeys value
         > MSETEX 2147483647 a 1
         -ERR wrong number of key-value pairs
         > MSETEX 2147483648 a 1
         -ERR invalid numkeys value
         > MSETEX 2 a 1 b
         -ERR wrong number of key-value pairs
         > MSETEX 1 a 1 IFEQ 3
         -ERR syntax error
         > MSETEX 1 a 1 EX 0
         -ERR invalid expire time in 'msetex' command
         > COMMAND GETKEYS MSETEX 2 a 1 b 2 EX 100
         [\"a\" \"b\"]",
    );
}

#[test]
fn a_user_needs_rights_for_all_that_is_set_or_compared() {
    talk(
        "> ACL SETUSER half on nopass +@all ~a*
         +OK
         > ACL SETUSER writer on nopass +@all %W~*
         +OK
         half> AUTH half any
         +OK
         > MSETEX 1 a 1
         :1
         half> MSETEX 2 a 1 b 2
         -NOPERM No permissions to access a key
         half> MSETEX 2 b 1 a 2 EX 100
         -NOPERM No permissions to access a key
         writer> AUTH writer any
         +OK
         writer> SET a 2
         +OK
         writer> SET a 3 IFEQ 2
         -NOPERM No permissions to access a key
         writer> DELEX a IFEQ 2
         -NOPERM No permissions to access a key
         writer> INCREX a
         -NOPERM No permissions to access a key
         writer> DELEX a
         :1",
    );
}

#[test]
fn a_counter_stops_at_its_bounds() {
    talk(
        "> INCREX n
         [:1 :1]
         > INCREX n BYINT 5 UBOUND 6
         [:6 :5]
         > INCREX n BYINT 5 UBOUND 6 EX 100
         [:6 :0]
         > TTL n
         :-1
         > INCREX n BYINT 5 UBOUND 8 SATURATE EX 100
         [:8 :2]
         > TTL n
         :100
         > INCREX n BYINT -50 LBOUND 10 SATURATE
         [:10 :2]
         > INCREX none BYINT 15 UBOUND 10
         [:0 :0]
         > EXISTS none
         :0
         > INCREX none LBOUND 5 SATURATE
         [:5 :5]
         > SET n 9223372036854775800
         +OK
         > INCREX n BYINT 10
         [:9223372036854775800 :0]
         > INCREX n BYINT 10 SATURATE
         [:9223372036854775807 :7]
         > INCREX n SATURATE UBOUND -9223372036854775808
         -ERR applied increment would overflow
         > OBJECT ENCODING none
         \"int\"",
    );
}

#[test]
fn a_counter_with_a_fraction_stops_at_its_bounds() {
    talk(
        "> SET n 1.5
         +OK
         > INCREX n BYFLOAT 0.25
         [\"1.75\" \"0.25\"]
         > INCREX n BYFLOAT 10 UBOUND 5.5
         [\"1.75\" \"0\"]
         > INCREX n BYFLOAT 10 UBOUND 5.5 SATURATE
         [\"5.5\" \"3.75\"]
         > INCREX n BYFLOAT 1 LBOUND -inf UBOUND -inf
         [\"5.5\" \"0\"]
         > INCREX n BYFLOAT 1 LBOUND -inf UBOUND -inf SATURATE
         -ERR applied increment would be Infinity
         > INCREX n BYFLOAT 1 UBOUND -inf
         -ERR LBOUND can't be greater than UBOUND
         > INCREX n BYFLOAT 1 UBOUND inf
         [\"6.5\" \"1\"]
         > INCREX n BYFLOAT inf
         -ERR BYFLOAT increment cannot be Infinity
         > INCREX n BYFLOAT nan
         -ERR Increment is not a valid float
         > INCREX n
         -ERR value is not an integer or out of range
         > SET n inf
         +OK
         > INCREX n BYFLOAT 1
         -ERR value cannot be Infinity
         > SET n 1
         +OK
         > HELLO 3
         {*
         > INCREX n BYFLOAT 0.5
         [,1.5 ,0.5]",
    );
}

#[test]
fn a_counter_may_get_or_lose_a_time_to_live() {
    talk(
        "> INCREX n EX 100 ENX
         [:1 :1]
         > INCREX n EX 500 ENX
         [:2 :1]
         > TTL n
         :100
         > INCREX n EXAT 1 ENX
         [:3 :1]
         > INCREX n PERSIST
         [:4 :1]
         > TTL n
         :-1
         > INCREX n PXAT 1
         [:5 :1]
         > EXISTS n
         :0
         > INCREX n ENX
         -ERR ENX flag requires an expiration
         > INCREX n PERSIST ENX
         -ERR syntax error
         > INCREX n EX 1 ENX PERSIST
         -ERR syntax error
         > INCREX n EX 10 PX 20
         -ERR syntax error
         > INCREX n BYINT 1 BYFLOAT 1
         -ERR syntax error
         > INCREX n LBOUND
         -ERR syntax error
         > INCREX n SATURATE SATURATE
         -ERR syntax error
         > INCREX n EX 0
         -ERR invalid expire time in 'increx' command
         > INCREX n BYINT 1.5
         -ERR Increment is not an integer or out of range
         > INCREX n UBOUND x
         -ERR UBOUND is not an integer or out of range
         > INCREX n BYFLOAT 1 LBOUND x
         -ERR LBOUND is not a valid float
         > INCREX n LBOUND 2 UBOUND 1
         -ERR LBOUND can't be greater than UBOUND
         > RPUSH l 1
         :1
         > INCREX l
         -WRONGTYPE Operation against a key holding the wrong kind of value",
    );
}

#[test]
fn the_log_holds_what_they_did_and_not_what_they_were_asked() {
    let server = TestServer::start("appendonly yes");
    server.talk(
        "> MSETEX 2 a 1 b 2 EXAT 4000000000
         :1
         > INCREX a BYINT 5 UBOUND 3 SATURATE
         [:3 :2]
         > INCREX b BYFLOAT 0.5 PERSIST
         [\"2.5\" \"0.5\"]
         > INCREX c PXAT 1
         [:1 :1]
         > SET d 1
         +OK
         > DELEX d IFEQ 1
         :1
         > SET e old
         +OK
         > SET e new IFEQ old
         +OK
         > SET x abc
         +OK
         > BITOP DIFF f x e
         :3
         > HSETEX h EXAT 4000000000 FIELDS 2 a 1 b 2
         :1
         > HSETEX h KEEPTTL FIELDS 1 a 3
         :1
         > HGETEX h PERSIST FIELDS 1 b
         [\"2\"]
         > DEBUG LOADAOF
         +OK
         > MGET a b c d e f
         [\"3\" \"2.5\" nil nil \"new\" \"\\x01\\x02\\x00\"]
         > EXPIRETIME a
         :4000000000
         > TTL b
         :-1
         > HEXPIRETIME h FIELDS 2 a b
         [:4000000000 :-1]
         > HGET h a
         \"3\"",
    );
}

/// As https://redis.io/docs/latest/commands/bitrangeintarray/ tells (8.12); what is said of a LIMIT that is none is our own.
#[test]
fn offsets_of_bits_are_listed() {
    talk(
        "> BITRANGEINTARRAY none 0 -1
         []
         > SETBIT bits 1 1
         :0
         > SETBIT bits 9 1
         :0
         > SETBIT bits 15 1
         :0
         > BITRANGEINTARRAY bits 0 -1
         [:1 :9 :15]
         > BITRANGEINTARRAY bits 1 1 BYTE
         [:9 :15]
         > BITRANGEINTARRAY bits 0 9 BIT LIMIT 1
         [:1]
         > BITRANGEINTARRAY bits 0 3 BIT ZEROS
         [:0 :2 :3]
         > BITRANGEINTARRAY bits -3 -1 BIT ZEROS LIMIT 5
         [:13 :14]
         > BITRANGEINTARRAY bits 5 2
         []
         > BITRANGEINTARRAY bits 0 -1 LIMIT 0
         -ERR LIMIT should be greater than 0
         > BITRANGEINTARRAY bits 0 -1 BIT BYTE
         -ERR syntax error
         > LPUSH list x
         :1
         > BITRANGEINTARRAY list 0 -1
         -WRONGTYPE Operation against a key holding the wrong kind of value",
    );
}
