//! Talk with a server about keys that are never evicted.
//!
//! Known from documents alone: redis.io's pages of BLESS SET, CLEAR, GET and SCAN (8.12). What they leave open is our own: the
//! protection stays as long as something stands at the key, goes along with RENAME and MOVE, and is not copied.

use vermilion::testing::talk;

#[test]
fn a_key_is_blessed_and_may_be_so_no_more() {
    talk(
        "> SET session:42 x
         +OK
         > BLESS GET session:42
         []
         > BLESS SET session:42 NO-EVICT
         :1
         > BLESS SET session:42 NO-EVICT
         :0
         > BLESS GET session:42
         [\"NO-EVICT\"]
         > BLESS SCAN 0 NO-EVICT
         [\"0\" [\"session:42\"]]
         > BLESS CLEAR session:42 NO-EVICT
         :1
         > BLESS CLEAR session:42 NO-EVICT
         :0
         > BLESS SCAN 0 NO-EVICT COUNT 10
         [\"0\" []]
         > BLESS SET missing NO-EVICT
         -ERR no such key
         > BLESS CLEAR missing NO-EVICT
         -ERR no such key
         > BLESS GET missing
         -ERR no such key
         > BLESS SET session:42 EVICT
         -ERR syntax error
         > BLESS SCAN 0 NO-EVICT COUNT 0
         -ERR syntax error
         > BLESS SCAN x NO-EVICT
         -ERR invalid cursor
         > BLESS
         -ERR wrong number of arguments for 'bless' command",
    );
}

#[test]
fn the_protection_is_the_keys_and_not_the_values() {
    talk(
        "> SET k x EX 100
         +OK
         > BLESS SET k NO-EVICT
         :1
         > SET k another
         +OK
         > EXPIRE k 100
         :1
         > BLESS GET k
         [\"NO-EVICT\"]
         > RENAME k l
         +OK
         > BLESS GET l
         [\"NO-EVICT\"]
         > MOVE l 1
         :1
         > COPY l copy DB 1
         :0
         > SELECT 1
         +OK
         > BLESS GET l
         [\"NO-EVICT\"]
         > COPY l copy
         :1
         > BLESS GET copy
         []
         > DEL l
         :1
         > SET l x
         +OK
         > BLESS GET l
         []",
    );
}

#[test]
fn events_and_watch_hear_of_it() {
    talk(
        "> CONFIG SET notify-keyspace-events Kg
         +OK
         b> PSUBSCRIBE *
         [\"psubscribe\" \"*\" :1]
         > SET k x
         +OK
         > BLESS SET k NO-EVICT
         :1
         b< [\"pmessage\" \"*\" \"__keyspace@0__:k\" \"bless\"]
         > WATCH k
         +OK
         c> BLESS CLEAR k NO-EVICT
         :1
         b< [\"pmessage\" \"*\" \"__keyspace@0__:k\" \"unbless\"]
         > MULTI
         +OK
         > PING
         +QUEUED
         > EXEC
         nil",
    );
}

#[test]
fn whoever_may_not_write_a_key_may_not_protect_it() {
    talk(
        "> MSET k x other y
         +OK
         > ACL SETUSER ann on nopass %R~k ~other +@all
         +OK
         b> AUTH ann any
         +OK
         b> GET k
         \"x\"
         b> BLESS SET k NO-EVICT
         -NOPERM No permissions to access a key
         b> BLESS CLEAR k NO-EVICT
         -NOPERM No permissions to access a key
         b> BLESS GET k
         []
         b> BLESS SET other NO-EVICT
         :1
         b> BLESS CLEAR other NO-EVICT
         :1",
    );
}
