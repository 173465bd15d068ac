//! Commands that came with Redis 7.4 to 8.2, and what they do to all others, held against a Redis 8.2 and a Valkey 9, where
//! `tests/oracles` has brought them.

use crate::common::{Value, redis_8, valkey_9};

use super::check::Check::{Clock, Exact, Kind, Pairs, StreamInfo, Unordered};
use super::check::{Known, alike_before_zero, counts_from_a_start, same_but_ties, same_numbers};
use super::families::{self, Family};
use super::world::Oracle;

const SECONDS: super::check::Check = Clock(3);
const MILLIS: super::check::Check = Clock(3000);

/// What ours answers otherwise than 8.2.
const KNOWN: &[Known] = &[
    Known {
        commands: &["VSIM", "VEMB", "VLINKS", "EXEC"],
        change: "doubles have the fewest digits that read back the same, and of these the nearest",
        source: "Redis 8.2.3 as it answers: one in some hundred has a digit more, or ends in another one",
        accepts: same_numbers,
    },
    Known {
        commands: &["VSIM"],
        change: "an element whose distance is no number is the farthest",
        source: "our own choice: in 8.2 it stands where the search happens to come upon it",
        accepts: |real, ours| {
            [real, ours]
                .iter()
                .all(|reply| reply.to_string().contains("nan"))
        },
    },
    Known {
        commands: &["VSIM"],
        change: "of elements that are all as far as the last one wanted, others may be found",
        source: "documents leave it open: both searches keep those that they come upon first",
        accepts: same_but_ties,
    },
    Known {
        commands: &["VADD"],
        change: "REDUCE never adds numbers, nor is one that has more than 32 bits cut",
        source: "https://github.com/redis/redis/blob/8.4/modules/vector-sets/vset.c parseVector",
        accepts: |_, ours| ours.text() == "ERR invalid vector specification",
    },
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
        commands: &["OBJECT ENCODING"],
        change: "SORT leaves a packed sorted set as it is, where 8.2 turns it into a skip list",
        source: "our own choice: reading must not change what is read",
        accepts: |real, ours| real.text() == "skiplist" && ours.text() == "listpack",
    },
    Known {
        commands: &[
            "ZADD", "ZINCRBY", "ZSCORE", "ZMSCORE", "ZRANGE", "ZDIFF", "ZINTER", "ZUNION", "EXEC",
        ],
        change: "so a score of -0 is 0 in it",
        source: "a listpack has no -0",
        accepts: same_numbers,
    },
    Known {
        commands: &[
            "GEOPOS",
            "GEORADIUS",
            "GEORADIUS_RO",
            "GEORADIUSBYMEMBER",
            "GEORADIUSBYMEMBER_RO",
            "GEOSEARCH",
            "EXEC",
        ],
        change: "a number is written in as few digits as tell it from others, where Redis may write one more",
        source: "https://github.com/redis/redis/tree/8.2/deps/fpconv is Grisu2, which finds the fewest nearly always",
        accepts: same_numbers,
    },
    Known {
        commands: &["OBJECT ENCODING"],
        change: "a list that has become small is packed sooner or later than by 8.2",
        source: "our own choice: nodes that are nearly empty join others sooner, and are cut elsewhere",
        accepts: |real, ours| {
            let either = ["quicklist", "listpack"];
            [real, ours]
                .iter()
                .all(|one| either.contains(&&one.text()[..]))
        },
    },
    Known {
        commands: &["SORT", "SORT_RO"],
        change: "elements alike up to a zero byte have an order, that of their bytes",
        source: "our own choice: C compares no further, and leaves them as they fall",
        accepts: alike_before_zero,
    },
    Known {
        commands: &["OBJECT ENCODING"],
        change: "a hash or a set is packed as long as it has few elements, however often the command that made it names each",
        source: "our own choice; https://github.com/redis/redis/blob/8.2/src/t_hash.c hashTypeTryConversion guesses that they differ",
        accepts: |real, ours| {
            real.text() == "hashtable"
                && ["listpack", "listpackex", "intset"].contains(&&ours.text()[..])
        },
    },
    Known {
        commands: &["BITCOUNT"],
        change: "a part may have a start alone, and then goes to the end",
        source: "https://valkey.io/commands/bitcount/ (Valkey 8.1)",
        accepts: counts_from_a_start,
    },
    Known {
        commands: &["HSETEX"],
        change: "NX and XX ask for the key",
        source: "https://valkey.io/commands/hsetex/ (Valkey 9.1)",
        accepts: |real, _| {
            let text = real.text().to_ascii_lowercase();
            ["xx", "nx"]
                .iter()
                .any(|word| text == format!("err unknown argument: {word}"))
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
            ("RENAMENX anykey anykey", Exact),
            ("MOVE anykey db", Exact),
            ("GETSET anykey value", Exact),
            (
                "SET anykey value < [ NX | XX ] [ GET ] [ EX far | KEEPTTL ] >",
                Exact,
            ),
            ("SETEX anykey far value", Exact),
            ("MSET ( anykey value )+", Exact),
            ("INCR string", Exact),
            ("INCRBYFLOAT string float", Exact),
            ("APPEND string value", Exact),
            ("SETRANGE string offset value", Exact),
            ("SUNIONSTORE anykey set+", Exact),
            ("SINTERSTORE anykey set set", Exact),
            ("ZUNIONSTORE anykey zsetkeys", Exact),
            ("ZRANGESTORE anykey zset 0 1", Exact),
            ("SORT list ALPHA STORE anykey", Exact),
            ("BITOP OR anykey string+", Exact),
            ("PFADD hll member+", Exact),
            ("PFMERGE hll hll", Exact),
        ],
    },
    Family {
        name: "vectors",
        shapes: &[
            ("VADD vec vector element [ SETATTR attributes ]", Exact),
            ("VADD vec vector element [ SETATTR attributes ]", Exact),
            (
                "VADD vec [ REDUCE ( 1 | 3 | 5 | 0 ) ] vector element < [ CAS ] [ Q8 | BIN ] [ EF positive ] [ M 16 | M small ] >",
                Exact,
            ),
            ("VADD wholevec vector element NOQUANT", Exact),
            ("VADD signvec vector element BIN", Exact),
            ("VADD lowvec REDUCE 3 vector element", Exact),
            ("VADD lowvec REDUCE 3 vector element", Exact),
            ("VREM ( vec | wholevec | signvec | lowvec ) element", Exact),
            ("VCARD ( vec | wholevec | signvec | lowvec )", Exact),
            ("VDIM ( vec | lowvec )", Exact),
            ("VISMEMBER vec element", Exact),
            (
                "VEMB ( vec | wholevec | signvec | lowvec ) element [ RAW ]",
                Exact,
            ),
            ("VSETATTR ( vec | wholevec ) element attributes", Exact),
            ("VGETATTR ( vec | wholevec ) element", Exact),
            (
                "VSIM ( vec | wholevec ) vector WITHSCORES [ WITHATTRIBS ] COUNT 2",
                Exact,
            ),
            (
                "VSIM ( vec | wholevec | lowvec ) ( ELE element ) COUNT 50 [ EPSILON 0.5 ]",
                Unordered,
            ),
            (
                "VSIM ( vec | wholevec | lowvec ) vector WITHSCORES COUNT 100",
                Pairs,
            ),
            ("VSIM signvec vector COUNT 100", Unordered),
            (
                "VSIM ( vec | wholevec ) vector COUNT 50 FILTER filter < [ TRUTH ] [ NOTHREAD ] [ EF 300 ] >",
                Unordered,
            ),
            (
                "VSIM ( vec | lowvec ) vector [ COUNT small ] [ EPSILON float ] [ FILTER-EF 500 ] [ word ]",
                Unordered,
            ),
            ("VRANDMEMBER vec", Kind),
            ("VRANDMEMBER NOKEY [ count ]", Exact),
            ("VLINKS vec ( NONE | ELSE ) [ WITHSCORES ]", Exact),
            ("VINFO NOKEY", Kind),
            ("OBJECT ENCODING vec", Exact),
            ("TYPE vec", Exact),
            ("DEL ( vec | lowvec )", Exact),
        ],
    },
    Family {
        name: "bitmap",
        shapes: &[
            ("SETBIT bits bitoffset bit", Exact),
            ("SET bits value", Exact),
            ("GET bits", Exact),
            ("BITCOUNT bits [ index index [ BYTE | BIT | word ] ]", Exact),
            ("BITOP ( DIFF | DIFF1 | ANDOR ) bits bits bits+", Exact),
            ("BITOP ( ONE | DIFF | DIFF1 | ANDOR ) bits bits+", Exact),
            ("BITOP ( AND | OR | XOR | NOT ) bits bits+", Exact),
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
    Family {
        name: "stream",
        shapes: &[
            ("XADD stream newid field value", Exact),
            ("XADD stream newid field value", Exact),
            (
                "XADD stream < ( MAXLEN [ = ] small | MINID [ = ] oldid ) [ KEEPREF | DELREF | ACKED ] > newid field value",
                Exact,
            ),
            (
                "XTRIM stream < ( MAXLEN [ = ] small | MINID [ = ] oldid ) [ KEEPREF | DELREF | ACKED ] >",
                Exact,
            ),
            (
                "XDELEX stream < [ KEEPREF | DELREF | ACKED ] ( IDS 2 oldid oldid ) >",
                Exact,
            ),
            (
                "XACKDEL stream group < [ KEEPREF | DELREF | ACKED ] ( IDS 2 oldid oldid ) >",
                Exact,
            ),
            ("XGROUP CREATE stream group 0 MKSTREAM", Exact),
            (
                "XREADGROUP GROUP group consumer COUNT 2 STREAMS stream onlynew",
                Exact,
            ),
            ("XACK stream group oldid oldid", Exact),
            ("XPENDING stream group", StreamInfo),
        ],
    },
];

/// What Valkey alone has.
const VALKEY_FAMILIES: &[Family] = &[
    Family {
        name: "string",
        shapes: &[
            ("SET string value", Exact),
            (
                "SET string value < [ IFEQ value | NX | XX ] [ GET ] [ EX far | PXAT atms | KEEPTTL ] >",
                Exact,
            ),
            ("SET string1 v1 ; SET string1 value IFEQ v1 [ GET ]", Exact),
            ("SET string2 v1 ; DELIFEQ string2 ( v1 | V1 )", Exact),
            ("DELIFEQ string value", Exact),
            ("MSETEX 1 string value [ NX | XX ]", Exact),
            (
                "MSETEX 2 string value string value < [ NX | XX ] [ EX far | PX farms | EXAT at | PXAT atms | KEEPTTL | EX past ] >",
                Exact,
            ),
            ("BITCOUNT string index", Exact),
            ("GET string", Exact),
            ("TTL string", SECONDS),
        ],
    },
    Family {
        name: "hash",
        shapes: &[
            (
                "HSETEX hash < [ NX | XX ] [ FNX | FXX ] [ EX far | PXAT atms | KEEPTTL ] > fieldvalues",
                Exact,
            ),
            ("HSET hash field value", Exact),
            ("DEL hash", Exact),
            ("HGETALL hash", Pairs),
            ("HPEXPIRETIME hash fieldlist", MILLIS),
        ],
    },
];

/// What ours answers otherwise than Valkey 9, in the words of Redis 8.
const VALKEY_KNOWN: &[Known] = &[
    Known {
        commands: &["OBJECT ENCODING"],
        change: "a string of up to 44 bytes is embedded, however long its key is",
        source: "https://github.com/valkey-io/valkey/pull/1726 (8.1)",
        accepts: |real, ours| {
            let both = [real.text(), ours.text()];
            both.iter().all(|text| text == "raw" || text == "embstr")
        },
    },
    Known {
        commands: &["OBJECT ENCODING"],
        change: "a small hash whose fields have deadlines is packed",
        source: "Redis 7.4; a hash with deadlines is a table in Valkey 9",
        accepts: |real, ours| real.text() == "hashtable" && ours.text() == "listpackex",
    },
    Known {
        commands: &["HSETEX"],
        change: "a deadline has 46 bits",
        source: "Redis 8.2",
        accepts: |_, ours| ours.text() == "ERR invalid expire time in 'hsetex' command",
    },
    Known {
        commands: &["HSETEX"],
        change: "a deadline is judged before it is seen whether the key is there",
        source: "Redis 8.2, which has no condition on the key",
        accepts: |real, ours| *real == Value::Int(0) && ours.is_error(),
    },
    Known {
        commands: &[
            "MSETEX",
            "HSETEX",
            "HPEXPIRETIME",
            "COMMAND GETKEYS",
            "COMMAND GETKEYSANDFLAGS",
        ],
        change: "refusals have other words",
        source: "https://github.com/redis/redis/pull/14434 (8.4), and Redis 8.2",
        accepts: |real, ours| real.is_error() && ours.is_error(),
    },
    Known {
        commands: &["COMMAND GETKEYSANDFLAGS"],
        change: "SET with a condition on the value reads it",
        source: "https://github.com/redis/redis/pull/14435 (8.4)",
        accepts: |real, ours| {
            let (real, ours) = (real.to_string(), ours.to_string());
            real.contains("+OW +update") && ours.contains("+RW +access +update")
        },
    },
    Known {
        commands: &["COMMAND GETKEYSANDFLAGS"],
        change: "HSETEX updates a key",
        source: "COMMAND INFO of Redis 8.2",
        accepts: |real, ours| ours.to_string() == real.to_string().replace("insert", "update"),
    },
    Known {
        commands: &["OBJECT REFCOUNT"],
        change: "every small number is shared",
        source: "our own choice: numbers stand in the entry, and none takes memory",
        accepts: |real, ours| *real == Value::Int(1) && *ours == Value::Int(i32::MAX.into()),
    },
];

#[test]
fn random_commands_get_the_answers_of_valkey_9() {
    let Some(program) = valkey_9() else { return };
    let oracle = Oracle {
        program,
        scenes: false,
        watches: true,
        unsent: &[],
        events: "KEAn",
        known: &[VALKEY_KNOWN],
    };
    super::hold_against(&oracle, VALKEY_FAMILIES);
}

#[test]
fn random_commands_get_the_answers_of_redis_8() {
    let Some(program) = redis_8() else { return };
    let oracle = Oracle {
        program,
        scenes: false,
        watches: true,
        unsent: &[],
        events: "KEAnoc",
        known: &[KNOWN],
    };
    super::hold_against(&oracle, FAMILIES);
}

/// Whatever 7.0 has, as 8.2 has it.
#[test]
fn random_commands_of_all_families_get_the_answers_of_redis_8() {
    let Some(program) = redis_8() else { return };
    let oracle = Oracle {
        program,
        scenes: true,
        watches: true,
        // 8.2.3 leaves out its reply to some of these.
        unsent: &["HELLO 3 AUTH word word", "AUTH word [ word ]"],
        events: "KEAnoc",
        known: &[KNOWN],
    };
    super::hold_against(&oracle, families::FAMILIES);
}
