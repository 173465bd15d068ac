//! Talk with a server about what holds across families: transactions, blocked clients, expiry, pub/sub.

use vermilion::testing::{TestServer, talk};

#[test]
fn exec_runs_all_or_nothing() {
    talk(
        "> SET n 1
         +OK
         > MULTI
         +OK
         > INCR n
         +QUEUED
         > LPUSH n x
         +QUEUED
         > GET n
         +QUEUED
         > EXEC
         [:2 -WRONGTYPE Operation against a key holding the wrong kind of value \"2\"]
         > MULTI
         +OK
         > NOSUCH
         -ERR unknown command 'NOSUCH'*
         > EXEC
         -EXECABORT Transaction discarded because of previous errors.
         > EXEC
         -ERR EXEC without MULTI",
    );
}

#[test]
fn exec_fails_when_a_watched_key_changed() {
    talk(
        "> WATCH k
         +OK
         b> SET k 1
         +OK
         > MULTI
         +OK
         > PING
         +QUEUED
         > EXEC
         nil
         > WATCH k
         +OK
         > MULTI
         +OK
         > PING
         +QUEUED
         > EXEC
         [+PONG]",
    );
}

#[test]
fn a_watched_key_that_expires_breaks_the_watch() {
    let server = TestServer::start("");
    server.talk("> SET k v PX 30\n +OK\n");
    let mut client = server.connect();
    for line in ["WATCH k", "MULTI", "PING"] {
        client.say(line);
        client.hear();
    }
    std::thread::sleep(std::time::Duration::from_millis(60));
    client.say("EXEC");
    assert_eq!(vermilion::testing::show(&client.hear()), "nil");
}

#[test]
fn blocked_clients_are_served_in_order_and_before_later_commands() {
    talk(
        "b> BLPOP q 0
         zzz
         c> BLPOP q 0
         zzz
         > RPUSH q one two three
         :3
         b< [\"q\" \"one\"]
         c< [\"q\" \"two\"]
         > LRANGE q 0 -1
         [\"three\"]",
    );
}

#[test]
fn blocking_in_a_transaction_is_a_null() {
    talk(
        "> MULTI
         +OK
         > BLPOP q 0
         +QUEUED
         > EXEC
         [nil]",
    );
}

#[test]
fn subscribers_hear_messages_and_events() {
    talk(
        "> CONFIG SET notify-keyspace-events KEA
         +OK
         b> SUBSCRIBE __keyevent@0__:set news
         [\"subscribe\" \"__keyevent@0__:set\" :1]
         [\"subscribe\" \"news\" :2]
         > SET k v
         +OK
         b< [\"message\" \"__keyevent@0__:set\" \"k\"]
         > PUBLISH news hello
         :1
         b< [\"message\" \"news\" \"hello\"]
         b> GET k
         -ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
    );
}

#[test]
fn untouched_keys_vanish_and_are_announced() {
    let server = TestServer::start("notify-keyspace-events Ex");
    let mut listener = server.connect();
    listener.say("SUBSCRIBE __keyevent@0__:expired");
    listener.hear();
    server.talk("> SET k v PX 20\n +OK\n > DBSIZE\n :1\n");
    let event = vermilion::testing::show(&listener.hear());
    assert_eq!(event, "[\"message\" \"__keyevent@0__:expired\" \"k\"]");
    server.talk("> DBSIZE\n :0\n");
}

#[test]
fn a_caching_client_hears_what_changed() {
    talk(
        "> SET k 1
         +OK
         b> HELLO 3
         {*
         b> CLIENT TRACKING on
         +OK
         b> GET k
         \"1\"
         > SET k 2
         +OK
         b< >[\"invalidate\" [\"k\"]]",
    );
}

#[test]
fn scripts_run_whole_in_a_transaction_and_never_sleep() {
    talk(
        "> MULTI
         +OK
         > EVAL \"redis.call('set', 'k', 'v') return redis.call('get', 'k')\" 0
         +QUEUED
         > GET k
         +QUEUED
         > EVALSHA ffffffffffffffffffffffffffffffffffffffff 0
         +QUEUED
         > EXEC
         [\"v\" \"v\" -NOSCRIPT No matching script. Please use EVAL.]
         b> BLPOP q 0
         > EVAL \"redis.call('rpush', KEYS[1], 'a', 'b') return redis.call('llen', KEYS[1])\" 1 q
         :2
         b< [\"q\" \"a\"]
         > EVAL_RO \"return redis.call('set', 'k', 'w')\" 0
         -ERR Write commands are not allowed from read-only scripts. script: *
         > EVAL \"redis.call('select', 3) redis.call('set', 'k', 'three') return redis.call('get', 'k')\" 0
         \"three\"
         > GET k
         \"v\"",
    );
}

#[test]
fn what_is_pushed_is_heard_though_replies_are_off() {
    talk(
        "> CLIENT REPLY OFF
         > SUBSCRIBE news
         [\"subscribe\" \"news\" :1]
         b> PUBLISH news 1
         :1
         > PING
         [\"message\" \"news\" \"1\"]",
    );
}

#[test]
fn what_a_script_reads_is_tracked_as_its_callers() {
    talk(
        "> HELLO 3
         {*
         > CLIENT TRACKING on
         +OK
         > EVAL \"return redis.call('SET', KEYS[1], 1)\" 1 a
         +OK
         > EVAL \"return redis.call('GET', KEYS[1])\" 2 a b
         \"1\"
         w> SET a 2
         +OK
         w> SET b 2
         +OK
         > PING
         >[\"invalidate\" [\"a\"]]
         >[\"invalidate\" [\"b\"]]
         +PONG",
    );
}

#[test]
fn what_a_transaction_changes_before_it_reads_is_no_news_to_it() {
    talk(
        "> HELLO 3
         {*
         > CLIENT TRACKING on
         +OK
         > MULTI
         +OK
         > SET a 1
         +QUEUED
         > GET a
         +QUEUED
         > EXEC
         [+OK \"1\"]
         > PING
         +PONG
         > MULTI
         +OK
         > INCR a
         +QUEUED
         > EXEC
         [:2]
         >[\"invalidate\" [\"a\"]]",
    );
}

#[test]
fn fewer_tracked_keys_are_allowed_at_once() {
    talk(
        "> HELLO 3
         {*
         > CLIENT TRACKING on
         +OK
         > MGET a b
         [nil nil]
         w> CONFIG SET tracking-table-max-keys 1
         +OK
         > PING
         >[\"invalidate\" *
         +PONG",
    );
}

#[test]
fn a_reader_that_finds_a_key_dead_has_it_removed() {
    let server = TestServer::start("notify-keyspace-events KEx");
    server.talk(
        "> DEBUG SET-ACTIVE-EXPIRE 0
         +OK
         > SET a 1 PX 1
         +OK
         > SET b 1 PX 1
         +OK
         > SET c 1 PX 1
         +OK
         > DEBUG SLEEP 0.01
         +OK
         > DBSIZE
         :3
         e> SUBSCRIBE __keyevent@0__:expired
         [\"subscribe\" \"__keyevent@0__:expired\" :1]
         > GET a
         nil
         e< [\"message\" \"__keyevent@0__:expired\" \"a\"]
         > DBSIZE
         :2
         > SCAN 0 COUNT 1000
         [\"0\" []]
         > DBSIZE
         :0
         > DEBUG SET-ACTIVE-EXPIRE 1
         +OK",
    );
}

#[test]
fn a_field_that_a_write_finds_due_is_announced_first() {
    let server = TestServer::start("notify-keyspace-events Khg");
    server.talk(
        "> DEBUG SET-ACTIVE-EXPIRE 0
         +OK
         > HSET h a 1 b 2 c 3
         :3
         > HPEXPIRE h 1 FIELDS 2 a b
         [:1 :1]
         > WATCH h
         +OK
         > DEBUG SLEEP 0.01
         +OK
         e> SUBSCRIBE __keyspace@0__:h
         [\"subscribe\" \"__keyspace@0__:h\" :1]
         w> HINCRBY h a 5
         :5
         e< [\"message\" \"__keyspace@0__:h\" \"hexpired\"]
         e< [\"message\" \"__keyspace@0__:h\" \"hincrby\"]
         w> HDEL h a b c
         :2
         e< [\"message\" \"__keyspace@0__:h\" \"hexpired\"]
         e< [\"message\" \"__keyspace@0__:h\" \"hdel\"]
         e< [\"message\" \"__keyspace@0__:h\" \"del\"]
         > MULTI
         +OK
         > EXEC
         nil",
    );
}

#[test]
fn a_hash_whose_fields_are_all_due_goes_before_a_write_of_it() {
    let server = TestServer::start("notify-keyspace-events Khgn");
    server.talk(
        "> DEBUG SET-ACTIVE-EXPIRE 0
         +OK
         > HSET h a 1 b 2
         :2
         > EXPIRE h 1000
         :1
         > HPEXPIRE h 1 FIELDS 2 a b
         [:1 :1]
         > DEBUG SLEEP 0.01
         +OK
         e> SUBSCRIBE __keyspace@0__:h
         [\"subscribe\" \"__keyspace@0__:h\" :1]
         > HSET h b 3
         :1
         e< [\"message\" \"__keyspace@0__:h\" \"hexpired\"]
         e< [\"message\" \"__keyspace@0__:h\" \"del\"]
         e< [\"message\" \"__keyspace@0__:h\" \"new\"]
         e< [\"message\" \"__keyspace@0__:h\" \"hset\"]
         > TTL h
         :-1
         > HGETALL h
         [\"b\" \"3\"]",
    );
}

#[test]
fn a_watch_is_broken_by_a_field_that_expires() {
    talk(
        "> DEBUG SET-ACTIVE-EXPIRE 0
         +OK
         > HSET h due 1 live 2
         :2
         > HPEXPIRE h 1 FIELDS 1 due
         [:1]
         > DEBUG SLEEP 0.01
         +OK
         > WATCH h
         +OK
         b> HPERSIST h FIELDS 1 due
         [:-2]
         > MULTI
         +OK
         > EXEC
         nil",
    );
}

#[test]
fn deadlines_of_fields_are_asked_of_hashes_alone() {
    talk(
        "> SET s v
         +OK
         > HEXPIRE s -1 FIELDS 1 f
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > HPEXPIREAT s x FIELDS 1 f
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > HPERSIST s FIELDS 2 f
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > HTTL s FIELDS 0 f
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > HEXPIRE h -1 FIELDS 1 f
         -ERR invalid expire time, must be >= 0
         > HEXPIRE h 1 FIELDS 0 f
         -ERR Parameter `numFields` should be greater than 0
         > HTTL h FIELDS 0 f
         -ERR Number of fields must be a positive integer
         > HSET h f 1
         :1
         > HEXPIRE h 100 FIELDS 1 nothing
         [:-2]
         > OBJECT ENCODING h
         \"listpackex\"
         > HSET g f 1
         :1
         > HPERSIST g FIELDS 1 f
         [:-1]
         > OBJECT ENCODING g
         \"listpack\"",
    );
}
