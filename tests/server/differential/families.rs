//! Every command with every option as of Redis 7.0, one line each.

use super::check::Check;
use super::streams;

pub struct Family {
    pub name: &'static str,
    pub shapes: &'static [(&'static str, Check)],
}

use Check::{Clock, Drawn, Exact, Hello, Kind, Pairs, Unordered};

/// Slack for a whole second, and for the milliseconds of a busy machine.
const SECONDS: Check = Clock(3);
const MILLIS: Check = Clock(3000);

/// A shape with `;` is several commands sent in a row: what chance has drawn on each side is
/// checked against the listing before it, and removed after it.
pub const FAMILIES: &[Family] = &[
    Family {
        name: "string",
        shapes: &[
            ("GET string", Exact),
            ("SET string value", Exact),
            (
                "SET string value < [ NX | XX ] [ GET ] [ EX far | PX farms | EXAT at | PXAT atms | KEEPTTL ] >",
                Exact,
            ),
            (
                "SET string value ( EX past | PX never | EXAT past | PXAT never | EX far KEEPTTL | NX XX )",
                Exact,
            ),
            (
                "GETEX string [ EX far | PX farms | EXAT at | PXAT atms | PERSIST | EXAT pastat | EX never ]",
                Exact,
            ),
            ("GETDEL string", Exact),
            ("GETSET string value", Exact),
            ("SETNX string value", Exact),
            (
                "SETEX string ( far | far | far | never | past ) value",
                Exact,
            ),
            (
                "PSETEX string ( farms | farms | farms | never | past ) value",
                Exact,
            ),
            ("APPEND string value", Exact),
            ("STRLEN string", Exact),
            ("SETRANGE string offset value", Exact),
            ("GETRANGE string index index", Exact),
            ("SUBSTR string index index", Exact),
            ("INCR string", Exact),
            ("DECR string", Exact),
            ("INCRBY string int", Exact),
            ("DECRBY string int", Exact),
            ("INCRBYFLOAT string float", Exact),
            ("MGET string+", Exact),
            ("MSET ( string value )+", Exact),
            ("MSETNX ( string value )+", Exact),
            ("SET lcs short", Exact),
            (
                "LCS lcs lcs < [ LEN ] [ IDX ] [ MINMATCHLEN small ] [ WITHMATCHLEN ] >",
                Exact,
            ),
        ],
    },
    Family {
        name: "key",
        shapes: &[
            ("DEL anykey+", Exact),
            ("UNLINK anykey+", Exact),
            ("EXISTS anykey+", Exact),
            ("TOUCH anykey+", Exact),
            ("TYPE anykey", Exact),
            ("KEYS pattern", Unordered),
            (
                "SCAN cursor < [ MATCH pattern ] [ COUNT count ] [ TYPE ( string | LIST ) ] >",
                Kind,
            ),
            ("RANDOMKEY", Kind),
            ("RENAME anykey anykey", Exact),
            ("RENAMENX anykey anykey", Exact),
            ("COPY anykey anykey < [ DB db ] [ REPLACE ] >", Exact),
            ("MOVE anykey db", Exact),
            ("EXPIRE anykey far < [ NX | XX ] [ GT | LT ] >", Exact),
            ("PEXPIRE anykey farms < [ NX | XX ] [ GT | LT ] >", Exact),
            ("EXPIREAT anykey at < [ NX | XX ] [ GT | LT ] >", Exact),
            ("PEXPIREAT anykey atms < [ NX | XX ] [ GT | LT ] >", Exact),
            (
                "EXPIRE anykey ( past | never ) [ NX | XX | GT | LT ]",
                Exact,
            ),
            ("PEXPIREAT anykey pastat [ NX | XX | GT | LT ]", Exact),
            ("PERSIST anykey", Exact),
            ("TTL anykey", SECONDS),
            ("PTTL anykey", MILLIS),
            ("EXPIRETIME anykey", SECONDS),
            ("PEXPIRETIME anykey", MILLIS),
            ("OBJECT ENCODING anykey", Exact),
            ("OBJECT REFCOUNT anykey", Exact),
            ("OBJECT IDLETIME anykey", Clock(60)),
            ("OBJECT FREQ anykey", Exact),
            (
                "SORT list < [ LIMIT index count ] [ BY sortby ] [ GET sortget ] [ GET sortget ] [ ASC | DESC ] >",
                Exact,
            ),
            (
                "SORT list < ALPHA [ LIMIT index count ] [ GET sortget ] [ ASC | DESC ] >",
                Exact,
            ),
            (
                "SORT set < [ LIMIT index count ] [ ALPHA ] [ GET sortget ] [ ASC | DESC ] >",
                Exact,
            ),
            (
                "SORT zset < [ LIMIT index count ] [ ALPHA ] [ GET sortget ] [ ASC | DESC ] >",
                Exact,
            ),
            (
                "DEL sorted1 ; RPUSH sorted1 3 1 2 5 ; SORT sorted1 BY nokey1 [ LIMIT index count ] [ ASC | DESC ] [ GET sortget ]",
                Exact,
            ),
            (
                "DEL sorted2 ; ZADD sorted2 1 b 2 a 3 c ; SORT sorted2 BY nokey1 [ LIMIT index count ] [ ASC | DESC ] [ GET sortget ]",
                Exact,
            ),
            (
                "DEL sorted3 ; SADD sorted3 b a c ; SORT sorted3 BY nokey1 STORE sorted1",
                Exact,
            ),
            ("SORT set BY nokey1", Unordered),
            ("SORT list ALPHA BY string* [ ASC | DESC ]", Unordered),
            (
                "SORT anykey < ALPHA [ LIMIT index count ] [ GET sortget ] [ ASC | DESC ] STORE list >",
                Exact,
            ),
            (
                "SORT_RO anykey < ALPHA [ LIMIT index count ] [ GET sortget ] [ ASC | DESC ] >",
                Exact,
            ),
            ("DUMP anykey", Kind),
            (
                "RESTORE anykey ( 0 | far | past ) garbage [ REPLACE ] [ ABSTTL ] [ IDLETIME small ] [ FREQ int ]",
                Exact,
            ),
        ],
    },
    Family {
        name: "db",
        shapes: &[
            ("SELECT db", Exact),
            ("SWAPDB db db", Exact),
            ("DBSIZE", Exact),
            ("MOVE anykey db", Exact),
            ("COPY anykey anykey DB db", Exact),
            ("PING [ word ]", Exact),
            ("ECHO word", Exact),
            ("HELLO ( 2 | 3 | 2 | 3 | 4 | x ) [ SETNAME word ]", Hello),
            ("HELLO 3 AUTH word word", Hello),
            ("HELLO", Hello),
            ("AUTH word [ word ]", Exact),
            ("CLIENT SETNAME word", Exact),
            ("CLIENT GETNAME", Exact),
            ("CLIENT ID", Kind),
            ("CLIENT NO-EVICT ( ON | OFF | word )", Exact),
            ("CLIENT UNBLOCK int [ TIMEOUT | ERROR | word ]", Exact),
            ("CLIENT CACHING ( YES | NO | word )", Exact),
            ("CLIENT GETREDIR", Exact),
            ("CLIENT TRACKINGINFO", Exact),
            ("CLIENT TRACKING OFF", Exact),
            ("CLIENT TRACKING word", Exact),
            (
                "CLIENT TRACKING ON < ( OPTIN OPTOUT | PREFIX word | REDIRECT never | BCAST OPTIN ) >",
                Exact,
            ),
            ("CLIENT word word", Exact),
            ("NOSUCH word", Exact),
            ("NOSUCH", Exact),
            ("TOUCH", Exact),
            ("RESET", Exact),
        ],
    },
    Family {
        name: "hash",
        shapes: &[
            ("HSET hash ( field value )+", Exact),
            ("HSETNX hash field value", Exact),
            ("HMSET hash ( field value )+", Exact),
            ("HGET hash field", Exact),
            ("HMGET hash field+", Exact),
            ("HGETALL hash", Pairs),
            ("HKEYS hash", Unordered),
            ("HVALS hash", Unordered),
            ("HLEN hash", Exact),
            ("HSTRLEN hash field", Exact),
            ("HEXISTS hash field", Exact),
            ("HDEL hash field+", Exact),
            ("HINCRBY hash field int", Exact),
            ("HINCRBYFLOAT hash field float", Exact),
            (
                "HGETALL hash1 ; HRANDFIELD hash1 [ count [ WITHVALUES ] ]",
                Drawn,
            ),
            (
                "HGETALL hash2 ; HRANDFIELD hash2 positive WITHVALUES",
                Drawn,
            ),
            (
                "HSCAN hash cursor < [ MATCH pattern ] [ COUNT count ] >",
                Kind,
            ),
        ],
    },
    Family {
        name: "list",
        shapes: &[
            ("LPUSH list value+", Exact),
            ("RPUSH list value+", Exact),
            ("RPUSH list member+", Exact),
            ("LPUSHX list value+", Exact),
            ("RPUSHX list value+", Exact),
            ("LPOP list [ count ]", Exact),
            ("RPOP list [ count ]", Exact),
            ("LLEN list", Exact),
            ("LRANGE list index index", Exact),
            ("LINDEX list index", Exact),
            ("LSET list index value", Exact),
            ("LINSERT list ( BEFORE | AFTER | word ) member value", Exact),
            ("LREM list index member", Exact),
            ("LTRIM list index index", Exact),
            (
                "LPOS list member < [ RANK index ] [ COUNT count ] [ MAXLEN count ] >",
                Exact,
            ),
            ("LMOVE list list ( LEFT | RIGHT ) ( LEFT | RIGHT )", Exact),
            ("RPOPLPUSH list list", Exact),
            (
                "LMPOP listkeys ( LEFT | RIGHT | word ) [ COUNT count ]",
                Exact,
            ),
            ("BLPOP list+ timeout", Exact),
            ("BRPOP list+ timeout", Exact),
            ("BLPOP list badtimeout", Exact),
            (
                "BLMOVE list list ( LEFT | RIGHT ) ( LEFT | RIGHT ) timeout",
                Exact,
            ),
            ("BRPOPLPUSH list list timeout", Exact),
            (
                "BLMPOP timeout listkeys ( LEFT | RIGHT ) [ COUNT count ]",
                Exact,
            ),
            ("BLMPOP badtimeout listkeys LEFT", Exact),
        ],
    },
    Family {
        name: "set",
        shapes: &[
            ("SADD set member+", Exact),
            ("SADD set int+", Exact),
            ("SREM set member+", Exact),
            ("SISMEMBER set member", Exact),
            ("SMISMEMBER set member+", Exact),
            ("SMEMBERS set", Unordered),
            ("SCARD set", Exact),
            ("SMOVE set set member", Exact),
            ("SINTER set+", Unordered),
            ("SUNION set+", Unordered),
            ("SDIFF set+", Unordered),
            ("SINTERSTORE set set+", Exact),
            ("SUNIONSTORE set set+", Exact),
            ("SDIFFSTORE set set+", Exact),
            ("SINTERCARD setkeys [ LIMIT count ]", Exact),
            ("SMEMBERS set1 ; SPOP set1 [ count ] ; DEL set1", Drawn),
            ("SMEMBERS set2 ; SPOP set2 ; DEL set2", Drawn),
            ("SMEMBERS set3 ; SRANDMEMBER set3 [ count ]", Drawn),
            ("SMEMBERS set4 ; SRANDMEMBER set4 positive", Drawn),
            (
                "SSCAN set cursor < [ MATCH pattern ] [ COUNT count ] >",
                Kind,
            ),
        ],
    },
    Family {
        name: "zset",
        shapes: &[
            ("ZADD zset ( score member )+", Exact),
            (
                "ZADD zset < [ NX | XX ] [ GT | LT ] [ CH ] > ( score member )+",
                Exact,
            ),
            (
                "ZADD zset < [ NX | XX | GT | LT ] INCR > score member",
                Exact,
            ),
            // BYLEX says nothing about members of unequal scores, so it has keys where all are 0.
            ("ZADD lexset ( 0 member )+", Exact),
            ("ZADD lexset 0 m1 0 m2 0 m3 0 m5 0 m9", Exact),
            ("ZINCRBY zset score member", Exact),
            ("ZREM zset member+", Exact),
            ("ZCARD zset", Exact),
            ("ZCOUNT zset bound bound", Exact),
            ("ZLEXCOUNT lexset lex lex", Exact),
            ("ZSCORE zset member", Exact),
            ("ZMSCORE zset member+", Exact),
            ("ZRANK zset member", Exact),
            ("ZREVRANK zset member", Exact),
            ("ZRANGE zset index index < [ REV ] [ WITHSCORES ] >", Exact),
            (
                "ZRANGE zset bound bound < BYSCORE [ REV ] [ LIMIT index count ] [ WITHSCORES ] >",
                Exact,
            ),
            (
                "ZRANGE lexset lex lex < BYLEX [ REV ] [ LIMIT index count ] >",
                Exact,
            ),
            ("ZREVRANGE zset index index [ WITHSCORES ]", Exact),
            (
                "ZRANGEBYSCORE zset bound bound < [ WITHSCORES ] [ LIMIT index count ] >",
                Exact,
            ),
            (
                "ZREVRANGEBYSCORE zset bound bound < [ WITHSCORES ] [ LIMIT index count ] >",
                Exact,
            ),
            ("ZRANGEBYLEX lexset lex lex [ LIMIT index count ]", Exact),
            ("ZREVRANGEBYLEX lexset lex lex [ LIMIT index count ]", Exact),
            ("ZRANGESTORE zset zset index index [ REV ]", Exact),
            (
                "ZRANGESTORE zset zset bound bound < BYSCORE [ REV ] [ LIMIT index count ] >",
                Exact,
            ),
            (
                "ZRANGESTORE lexset lexset lex lex < BYLEX [ REV ] [ LIMIT index count ] >",
                Exact,
            ),
            ("ZREMRANGEBYRANK zset index index", Exact),
            ("ZREMRANGEBYSCORE zset bound bound", Exact),
            ("ZREMRANGEBYLEX lexset lex lex", Exact),
            ("ZPOPMIN zset [ count ]", Exact),
            ("ZPOPMAX zset [ count ]", Exact),
            ("ZMPOP zsetkeys ( MIN | MAX | word ) [ COUNT count ]", Exact),
            ("BZPOPMIN zset+ timeout", Exact),
            ("BZPOPMAX zset+ timeout", Exact),
            ("BZPOPMIN zset badtimeout", Exact),
            (
                "BZMPOP timeout zsetkeys ( MIN | MAX ) [ COUNT count ]",
                Exact,
            ),
            (
                "ZUNION zsetkeys < [ weights ] [ AGGREGATE ( SUM | MIN | MAX ) ] [ WITHSCORES ] >",
                Exact,
            ),
            (
                "ZINTER zsetkeys < [ weights ] [ AGGREGATE ( SUM | MIN | MAX ) ] [ WITHSCORES ] >",
                Exact,
            ),
            ("ZDIFF zsetkeys [ WITHSCORES ]", Exact),
            (
                "ZUNIONSTORE zset zsetkeys < [ weights ] [ AGGREGATE ( SUM | MIN | MAX ) ] >",
                Exact,
            ),
            (
                "ZINTERSTORE zset zsetkeys < [ weights ] [ AGGREGATE ( SUM | MIN | MAX ) ] >",
                Exact,
            ),
            (
                "ZUNIONSTORE zset setkeys [ AGGREGATE ( SUM | MIN | MAX ) ]",
                Exact,
            ),
            ("ZDIFFSTORE zset zsetkeys", Exact),
            ("ZINTERCARD zsetkeys [ LIMIT count ]", Exact),
            (
                "ZRANGE zset1 0 -1 WITHSCORES ; ZRANDMEMBER zset1 [ count [ WITHSCORES ] ]",
                Drawn,
            ),
            (
                "ZRANGE zset2 0 -1 WITHSCORES ; ZRANDMEMBER zset2 positive WITHSCORES",
                Drawn,
            ),
            (
                "ZSCAN zset cursor < [ MATCH pattern ] [ COUNT count ] >",
                Kind,
            ),
        ],
    },
    Family {
        name: "bitmap",
        shapes: &[
            ("SETBIT bits bitoffset bit", Exact),
            ("GETBIT bits bitoffset", Exact),
            ("SET bits value", Exact),
            ("BITCOUNT bits [ index index [ BYTE | BIT | word ] ]", Exact),
            (
                "BITPOS bits bit [ index [ index [ BYTE | BIT | word ] ] ]",
                Exact,
            ),
            ("BITOP ( AND | OR | XOR ) bits bits+", Exact),
            ("BITOP NOT bits bits", Exact),
            ("BITOP ( NOT | word ) bits bits+", Exact),
            (
                "BITFIELD bits ( GET fieldtype fieldoffset | SET fieldtype fieldoffset int | INCRBY fieldtype fieldoffset int | OVERFLOW ( WRAP | SAT | FAIL | word ) )+",
                Exact,
            ),
            (
                "BITFIELD bits SET ( u8 | i16 | u4 | i64 ) ( 0 | 8 | #2 | 101 ) small OVERFLOW ( WRAP | SAT | FAIL ) INCRBY ( u8 | i8 | i64 | u63 | u2 ) ( 0 | #1 | 13 ) int GET ( u8 | i8 | u63 ) ( 0 | 5 )",
                Exact,
            ),
            ("BITFIELD_RO bits ( GET fieldtype fieldoffset )+", Exact),
            (
                "BITFIELD_RO bits GET ( u8 | i5 | u63 ) ( 0 | 3 | #1 | 100000 )",
                Exact,
            ),
            ("BITFIELD_RO bits ( SET u8 0 1 | OVERFLOW SAT )", Exact),
        ],
    },
    Family {
        name: "hyperloglog",
        shapes: &[
            ("PFADD hll member+", Exact),
            ("PFADD hll", Exact),
            ("PFADD hll value+", Exact),
            ("PFCOUNT hll+", Exact),
            ("PFMERGE hll hll+", Exact),
            ("PFMERGE hll", Exact),
            ("GET hll", Exact),
            ("STRLEN hll", Exact),
        ],
    },
    Family {
        name: "geo",
        shapes: &[
            ("GEOADD geo ( place member )+", Exact),
            ("GEOADD geo < [ NX | XX ] [ CH ] > ( place member )+", Exact),
            ("GEOADD geo ( 181 1 | 1 86 | x 1 | NaN 1 ) member", Exact),
            ("GEOPOS geo member+", Exact),
            ("GEOHASH geo member+", Exact),
            ("GEODIST geo member member [ unit ]", Exact),
            (
                "GEOSEARCH geo < ( FROMLONLAT place | FROMMEMBER member ) ( BYRADIUS radius unit | BYBOX radius radius unit ) ( ASC | DESC ) [ COUNT positive ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] >",
                Exact,
            ),
            (
                "GEOSEARCH geo < FROMLONLAT place BYRADIUS radius unit >",
                Unordered,
            ),
            (
                "GEOSEARCH geo < [ FROMLONLAT place ] [ FROMMEMBER member ] [ BYBOX radius radius unit ] [ BYRADIUS radius unit ] ASC [ COUNT count ANY ] >",
                Kind,
            ),
            (
                "GEOSEARCHSTORE geo geo < ( FROMLONLAT place | FROMMEMBER member ) ( BYRADIUS radius unit | BYBOX radius radius unit ) [ ASC | DESC ] [ COUNT positive ] >",
                Exact,
            ),
            (
                "GEOSEARCHSTORE distance2 geo FROMLONLAT place BYRADIUS radius unit STOREDIST",
                Exact,
            ),
            (
                "GEORADIUS geo place radius unit < ( ASC | DESC ) [ COUNT positive ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] >",
                Exact,
            ),
            (
                "GEORADIUS geo place radius unit < ( ASC | DESC ) [ COUNT count ] [ STORE geo | STOREDIST distance1 ] >",
                Exact,
            ),
            (
                "GEORADIUS_RO geo place radius unit < ( ASC | DESC ) [ COUNT positive ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] >",
                Exact,
            ),
            (
                "GEORADIUSBYMEMBER geo member radius unit < ( ASC | DESC ) [ COUNT positive ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] >",
                Exact,
            ),
            (
                "GEORADIUSBYMEMBER geo member radius unit < ( ASC | DESC ) [ STORE geo | STOREDIST distance1 ] >",
                Exact,
            ),
            (
                "GEORADIUSBYMEMBER_RO geo member radius unit < ( ASC | DESC ) [ COUNT positive ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] >",
                Exact,
            ),
            ("ZRANGE geo 0 -1 WITHSCORES", Exact),
        ],
    },
    Family {
        name: "stream",
        shapes: streams::SHAPES,
    },
];

/// Work that rules the others' data: sent seldom, and not inside MULTI.
pub const SWEEPING: &[(&str, Check)] = &[
    ("FLUSHDB [ ASYNC | SYNC | word ]", Exact),
    ("FLUSHALL [ ASYNC | SYNC | word ]", Exact),
    ("EXEC", Exact),
    ("DISCARD", Exact),
    ("WATCH anykey+", Exact),
    ("UNWATCH", Exact),
];
