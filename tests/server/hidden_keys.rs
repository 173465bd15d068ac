//! Commands whose keys stand behind words and counts: none touches a key that it did not lock, however odd its arguments.

use fastrand::Rng;

use crate::common::{Server, encode, setting};

/// A command's fixed beginning, and pieces that may follow in any number and order.
const COMMANDS: &[(&str, &str)] = &[
    (
        "GEORADIUS g 1 1 10 km",
        "STORE a|STOREDIST b|STORE STORE|STOREDIST STOREDIST|STORE STOREDIST|COUNT 1|COUNT STORE|ASC|ANY|WITHDIST|STORE",
    ),
    ("GEORADIUS_RO g 1 1 10 km", "STORE a|COUNT 1|ASC|WITHDIST"),
    (
        "GEORADIUSBYMEMBER g m 10 km",
        "STORE a|STOREDIST b|STORE STORE|STOREDIST STOREDIST|STORE STOREDIST|COUNT 1|ASC|STORE",
    ),
    (
        "GEORADIUSBYMEMBER STORE STORE 10 km",
        "STORE a|STOREDIST b|STORE STORE|COUNT 1",
    ),
    (
        "GEOSEARCHSTORE a g FROMMEMBER m BYRADIUS 10 km",
        "STOREDIST|COUNT 1|ASC|FROMMEMBER m|STORE b",
    ),
    (
        "GEOSEARCH g",
        "FROMMEMBER m|FROMLONLAT 1 1|BYRADIUS 10 km|BYBOX 1 1 km|COUNT 1|STORE b",
    ),
    (
        "SORT l",
        "STORE a|STORE STORE|STORE b|BY x|BY STORE|BY *x|GET #|GET STORE|GET *y|LIMIT 0 1|LIMIT STORE b|ALPHA|STORE",
    ),
    (
        "SORT_RO l",
        "BY *x|BY STORE|GET #|GET *y|LIMIT 0 1|ALPHA|STORE a",
    ),
    (
        "XREAD",
        "COUNT 1|COUNT STREAMS|BLOCK 1|STREAMS s 0|STREAMS s STREAMS 0 0|STREAMS STREAMS STREAMS|s 0|STREAMS",
    ),
    (
        "XREADGROUP GROUP w c",
        "COUNT 1|NOACK|STREAMS s 0|STREAMS s STREAMS 0 0|STREAMS STREAMS >|BLOCK 1",
    ),
    (
        "XREADGROUP GROUP STREAMS STREAMS",
        "COUNT 1|NOACK|STREAMS s >|STREAMS STREAMS >|STREAMS s t > >",
    ),
    (
        "MIGRATE 127.0.0.1 1",
        "x 0 10|KEYS 0 10|KEYS a b|KEYS KEYS|COPY|REPLACE|AUTH KEYS|AUTH2 KEYS KEYS|KEYS",
    ),
    ("EVAL return(1)", "0|1|2|3|-1|x|a|b|KEYS"),
    ("EVAL return(redis.call('set',KEYS[1]or'z',1))", "0|1|2|a|b"),
    (
        "EVAL_RO return(redis.call('get',KEYS[1]or'z'))",
        "0|1|2|a|b",
    ),
    ("FCALL f", "0|1|2|a|b"),
    (
        "ZINTERSTORE",
        "d|1|2|3|a|z|WEIGHTS 1 2|AGGREGATE MAX|WEIGHTS|STORE",
    ),
    ("ZUNIONSTORE d", "1|2|3|a|z|WEIGHTS 1|AGGREGATE SUM"),
    ("ZDIFFSTORE d", "1|2|a|z|-1"),
    ("ZUNION", "1|2|a|z|WITHSCORES|WEIGHTS 1 1"),
    ("ZINTERCARD", "1|2|a|z|LIMIT 1"),
    ("SINTERCARD", "1|2|a|e|LIMIT 1"),
    ("ZRANGESTORE d z", "0 -1|BYSCORE|LIMIT 0 1|REV|a b"),
    ("LMPOP", "1|2|l|a|LEFT|RIGHT|COUNT 1|COUNT LEFT"),
    ("BLMPOP 0.01", "1|2|l|a|LEFT|COUNT 1"),
    ("ZMPOP", "1|2|z|a|MIN|MAX|COUNT 1"),
    ("BZMPOP 0.01", "1|2|z|a|MIN|COUNT 1"),
    ("BLPOP", "l|a|b|0.01"),
    ("BZPOPMIN", "z|a|b|0.01"),
    ("BLMOVE l d", "LEFT|RIGHT|0.01"),
    ("BITOP", "AND|NOT|a|b|d"),
    (
        "BITFIELD a",
        "GET u8 0|SET u8 0 1|OVERFLOW SAT|INCRBY u8 #1 1",
    ),
    ("COPY a b", "DB 1|REPLACE|DB"),
    ("SET a 1", "GET|NX|XX|KEEPTTL|EX 10|GET GET"),
    ("MSET", "a 1|b 2|d"),
    ("PFMERGE", "a|b|d"),
    ("PFCOUNT", "a|b"),
    ("SUNIONSTORE", "d|e|a"),
    ("OBJECT", "ENCODING a|FREQ|HELP|a"),
    ("MEMORY USAGE", "a|SAMPLES 1|b"),
    (
        "XINFO",
        "STREAM s|FULL|COUNT 1|GROUPS s|CONSUMERS s w|STREAM",
    ),
    (
        "XGROUP",
        "CREATE s|w|$|MKSTREAM|DESTROY s|CREATECONSUMER s w c",
    ),
    ("LCS", "a|b|LEN|IDX|MINMATCHLEN 1"),
    ("DELEX a", "IFEQ 1"),
    ("SWAPDB", "0|1"),
    ("TOUCH", "a|b|d"),
    ("RENAME a", "b|a"),
];

const DATA: &[&str] = &[
    "GEOADD g 1 1 m",
    "GEOADD STORE 1 1 STORE",
    "RPUSH l 1 2",
    "ZADD z 1 m",
    "SADD e m",
    "XADD s 1-1 f v",
    "XADD STREAMS 1-1 f v",
    "XGROUP CREATE s w 0",
    "XGROUP CREATE STREAMS w 0",
    "XGROUP CREATE s STREAMS 0",
];

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn no_command_touches_a_key_that_it_has_not_locked() {
    let server = Server::start(&["--io-threads", "2", "--busy-reply-threshold", "5000"]);
    let mut client = server.client();
    let rounds = setting("HIDDEN_KEYS_ROUNDS", 60);
    client.ask_args(&["FUNCTION", "LOAD", "#!lua name=f\nredis.register_function('f',function(k) return redis.call('set',k[1] or 'z',1) end)"]);
    let mut chance = Rng::with_seed(22);
    for round in 0..rounds {
        client.ask("FLUSHALL");
        DATA.iter().for_each(|line| drop(client.ask(line)));
        for (start, pieces) in COMMANDS {
            let pieces: Vec<&str> = pieces.split('|').collect();
            let mut args = words(start);
            for _ in 0..chance.usize(0..6) {
                args.extend(words(chance.choice(&pieces).expect("there are pieces")));
            }
            let in_transaction = chance.bool();
            let mut bytes = encode(&args);
            let mut answers = 1;
            if in_transaction {
                bytes = [encode(&["MULTI"]), bytes, encode(&["EXEC"])].concat();
                answers = 3;
            }
            client.send(&bytes).expect("the server reads");
            for _ in 0..answers {
                let heard = client.receive();
                assert!(heard.is_ok(), "round {round}: {args:?}\n{}", server.log());
            }
        }
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn the_last_store_counts_and_needs_rights() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("GEOADD g 1 1 m");
    for command in ["GEORADIUS g 1 1 10 km", "GEORADIUSBYMEMBER g m 10 km"] {
        for (first, last) in [
            ("STORE", "STORE"),
            ("STOREDIST", "STORE"),
            ("STORE", "STOREDIST"),
        ] {
            client.ask("DEL a b");
            let line = format!("{command} {first} a {last} b");
            assert_eq!(client.ask(&line).int(), 1, "{line}");
            assert_eq!(client.ask("EXISTS a").int(), 0, "{line}");
            assert_eq!(client.ask("ZCARD b").int(), 1, "{line}");
        }
    }
    let keys = client.ask("COMMAND GETKEYS GEORADIUS g 1 1 10 km STORE a STORE b");
    assert_eq!(keys.to_string(), "*[\"g\" \"a\"]");
    client.ask("ACL SETUSER u on nopass +@all ~g ~a");
    client.ask("AUTH u x");
    for command in ["GEORADIUS g 1 1 10 km", "GEORADIUSBYMEMBER g m 10 km"] {
        assert_eq!(client.ask(&format!("{command} STORE a")).int(), 1);
        assert_eq!(client.ask(&format!("{command} STORE a STORE a")).int(), 1);
        let denied = client.ask(&format!("{command} STORE a STORE b")).text();
        assert!(denied.starts_with("NOPERM"), "{denied}");
    }
}
