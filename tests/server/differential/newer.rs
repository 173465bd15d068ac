//! Commands that came with Redis 7.4 to 8.2, and what they do to all others, held against a Redis 8.2 that the
//! environment names: `REDIS_8_SERVER=... cargo test --test server redis_8`.

use crate::common::{Value, redis_8};

use super::check::Check::{Clock, Exact, Pairs};
use super::check::Known;
use super::families::Family;
use super::world::Oracle;

const SECONDS: super::check::Check = Clock(3);
const MILLIS: super::check::Check = Clock(3000);

/// What ours answers otherwise than 8.2.
const KNOWN: &[Known] = &[
    Known {
        commands: &["OBJECT REFCOUNT"],
        change: "every small number is shared, also one that COPY made",
        source: "our own choice: numbers stand in the entry, and none takes memory",
        accepts: |real, ours| *real == Value::Int(1) && *ours == Value::Int(i32::MAX.into()),
    },
    Known {
        commands: &["OBJECT ENCODING"],
        change: "a string of up to 44 bytes is embedded, however long its key is",
        source: "https://github.com/redis/redis/pull/13806 (8.2) puts both into one block of 64 bytes",
        accepts: |real, ours| real.text() == "raw" && ours.text() == "embstr",
    },
    Known {
        commands: &["HSETEX"],
        change: "NX and XX ask for the key",
        source: "https://valkey.io/commands/hsetex/ (Valkey 9.1)",
        accepts: |real, _| {
            let text = real.text().to_ascii_lowercase();
            ["xx", "nx"].iter().any(|word| text == format!("err unknown argument: {word}"))
        },
    },
];

const FAMILIES: &[Family] = &[
    Family {
        name: "key",
        shapes: &[
            ("DEL anykey+", Exact),
            ("TYPE anykey", Exact),
            ("RENAME anykey anykey", Exact),
            ("COPY anykey anykey < [ DB db ] [ REPLACE ] >", Exact),
            ("EXPIRE anykey far < [ NX | XX ] [ GT | LT ] >", Exact),
            ("PERSIST anykey", Exact),
            ("TTL anykey", SECONDS),
            ("PTTL anykey", MILLIS),
            ("OBJECT ENCODING anykey", Exact),
            ("SET string value", Exact),
            ("RPUSH list member+", Exact),
            ("SADD set member+", Exact),
            ("ZADD zset ( score member )+", Exact),
        ],
    },
    Family {
        name: "hash",
        shapes: &[
            ("HSET hash ( field value )+", Exact),
            ("HSET hash field value", Exact),
            ("HDEL hash field+", Exact),
            ("HGETALL hash", Pairs),
            ("HLEN hash", Exact),
            ("HINCRBY hash field int", Exact),
            ("HEXPIRE hash far [ NX | XX | GT | LT ] fieldlist", Exact),
            ("HPEXPIREAT hash ( atms | 1 | 0 ) fieldlist", Exact),
            ("HEXPIREAT hash at fieldlist", Exact),
            ("HPERSIST hash fieldlist", Exact),
            ("HTTL hash fieldlist", SECONDS),
            ("HPEXPIRETIME hash fieldlist", MILLIS),
            ("HGETDEL hash fieldlist", Exact),
            (
                "HGETEX hash [ EX far | PX farms | EXAT at | PXAT atms | PERSIST | EXAT pastat | EX never | PX past ] fieldlist",
                Exact,
            ),
            (
                "HSETEX hash < [ FNX | FXX ] [ EX far | PX farms | EXAT at | PXAT atms | KEEPTTL | EXAT pastat | EX never | PX past ] > fieldvalues",
                Exact,
            ),
            ("HSETEX hash fieldvalues", Exact),
            ("HSETEX hash EX far KEEPTTL fieldvalues", Exact),
        ],
    },
];

#[test]
fn random_commands_get_the_answers_of_redis_8() {
    let Some(program) = redis_8() else { return };
    let oracle = Oracle {
        program,
        events: "KEA",
        known: KNOWN,
    };
    super::hold_against(&oracle, FAMILIES);
}
