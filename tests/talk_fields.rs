//! Talk with a server about hash fields that are returned, set or removed together with their times to live. What
//! Redis 8 says is compared with it in `server/differential/newer.rs`; conditions on the key are Valkey 9.1's:
//! https://valkey.io/commands/hsetex/.

use vermilion::testing::talk;

#[test]
fn hsetex_sets_all_fields_or_none() {
    talk(
        "> HSETEX h FIELDS 2 a 1 b 2
         :1
         > HSETEX h FNX FIELDS 2 b 3 c 3
         :0
         > HSETEX h FXX EX 100 FIELDS 2 a 3 b 3
         :1
         > HTTL h FIELDS 3 a b c
         [:100 :100 :-2]
         > HSETEX h KEEPTTL FIELDS 1 a 4
         :1
         > HSETEX h FIELDS 1 b 4
         :1
         > HTTL h FIELDS 2 a b
         [:100 :-1]
         > HSETEX h PXAT 1 FIELDS 2 a 5 b 5
         :1
         > EXISTS h
         :0",
    );
}

#[test]
fn hsetex_asks_for_a_key_that_is_there_or_is_not() {
    talk(
        "> HSETEX k XX FIELDS 1 a 1
         :0
         > EXISTS k
         :0
         > HSETEX k NX FIELDS 1 a 1
         :1
         > HSETEX k NX FIELDS 1 a 2
         :0
         > HSETEX k FNX XX EX 10 FIELDS 1 b 2
         :1
         > HSETEX k XX FNX FIELDS 1 a 2
         :0
         > HSETEX k NX XX FIELDS 1 a 2
         -ERR syntax error
         > HSETEX k XX XX FIELDS 1 a 3
         :1
         > SET s text
         +OK
         > HSETEX s NX FIELDS 1 a 1
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > HGETALL k
         [\"a\" \"3\" \"b\" \"2\"]",
    );
}

#[test]
fn hgetex_and_hgetdel_answer_with_what_was_there() {
    talk(
        "> HSET h a 1 b 2
         :2
         > HGETEX h EX 100 FIELDS 2 a none
         [\"1\" nil]
         > HGETEX h PERSIST FIELDS 1 a
         [\"1\"]
         > HTTL h FIELDS 1 a
         [:-1]
         > HGETEX h EX 0 FIELDS 1 a
         [\"1\"]
         > HGETDEL h FIELDS 2 a b
         [nil \"2\"]
         > EXISTS h
         :0
         > HGETDEL h FIELDS 1 a
         [nil]
         > HELLO 3
         {*
         > HGETEX h FIELDS 1 a
         [nil]",
    );
}
