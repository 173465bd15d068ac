//! Payloads of RESTORE: what is taken can be read, changed, dumped and restored again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vermilion::config::Config;
use vermilion::engine::Rules;
use vermilion::persist::rdb::{self, Dialect};
use vermilion::resp::value::Value;
use vermilion_fuzz::{ask, server, words};

const READS: &[&str] = &[
    "TYPE k",
    "OBJECT ENCODING k",
    "MEMORY USAGE k SAMPLES 0",
    "GET k",
    "STRLEN k",
    "PFCOUNT k",
    "BITCOUNT k",
    "LRANGE k 0 -1",
    "LINDEX k -1",
    "LPOS k x COUNT 0",
    "SMEMBERS k",
    "SRANDMEMBER k -3",
    "SISMEMBER k x",
    "HGETALL k",
    "HLEN k",
    "HKEYS k",
    "HVALS k",
    "HSTRLEN k f",
    "HRANDFIELD k -3 WITHVALUES",
    "HSCAN k 0",
    "HPTTL k FIELDS 1 f",
    "ZCARD k",
    "ZRANGE k 0 -1 WITHSCORES",
    "ZRANGEBYSCORE k -inf inf",
    "ZRANGEBYLEX k - +",
    "ZRANDMEMBER k -3 WITHSCORES",
    "ZRANK k a",
    "XRANGE k - +",
    "XREVRANGE k + - COUNT 2",
    "XINFO STREAM k FULL COUNT 0",
    "XINFO CONSUMERS k g",
    "XPENDING k g - + 9",
    "JSON.GET k",
    "JSON.GET k $..*",
    "JSON.TYPE k $..[?(@.a||@>1)]",
    "JSON.RESP k",
    "JSON.OBJKEYS k $..*",
    "JSON.DEBUG MEMORY k",
    "SORT k ALPHA",
    "COPY k c REPLACE",
];
const EDITS: &[&str] = &[
    "APPEND k x",
    "SETRANGE k 3 y",
    "PFADD k q",
    "LINSERT k BEFORE a y",
    "LPUSHX k x",
    "LSET k 0 z",
    "LREM k 1 a",
    "RPOP k",
    "SADD k x 99999",
    "SREM k a",
    "SPOP k",
    "HSET k f w new field",
    "HDEL k f",
    "HINCRBY k n 1",
    "HPEXPIRE k 100000 FIELDS 1 f",
    "HPERSIST k FIELDS 1 f",
    "ZADD k 5 x",
    "ZINCRBY k 1 a",
    "ZREM k b",
    "ZPOPMIN k",
    "XADD k * f v",
    "XDEL k 1-1",
    "XREADGROUP GROUP g ann COUNT 2 STREAMS k >",
    "XACK k g 1-1",
    "XCLAIM k g bob 0 1-1",
    "XAUTOCLAIM k g bob 0 - COUNT 5",
    "XGROUP DELCONSUMER k g ann",
    "XGROUP DELCONSUMER k g bob",
    "XTRIM k MAXLEN 1",
    "XGROUP DESTROY k g",
    "JSON.NUMINCRBY k $..* 1",
    "JSON.STRAPPEND k $..* \"x\"",
    "JSON.ARRAPPEND k $..* 1 2",
    "JSON.ARRPOP k $..* 0",
    "JSON.MERGE k $ {\"a\":{\"b\":null}}",
    "JSON.DEL k $..a",
    "JSON.CLEAR k $.*",
    "LRANGE k 0 -1",
    "SMEMBERS k",
    "HGETALL k",
    "ZRANGE k 0 -1",
    "XRANGE k - +",
    "GET k",
];

/// Both families' payloads, by the version that tells them apart.
const DIALECTS: [(Dialect, u8); 2] = [(Dialect::Redis, 16), (Dialect::Valkey, 81)];

fn sealed(body: &[u8], version: u8) -> Vec<u8> {
    let bytes = [body, &[version, 0]].concat();
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Redis, &bytes);
    [&bytes[..], &sum.to_le_bytes()].concat()
}

fn command(name: &str, rest: &[&[u8]]) -> Vec<Vec<u8>> {
    let name = words(name).into_iter();
    name.chain(rest.iter().map(|part| part.to_vec())).collect()
}

fuzz_target!(|body: &[u8]| {
    let limits = Rules::of(&Config::new()).limits;
    for (dialect, version) in DIALECTS {
        if rdb::RdbReader::value(body, dialect, &limits).is_ok() {
            work(body, version);
        }
    }
});

fn work(body: &[u8], version: u8) {
    let server = server(&[]);
    let mut commands = vec![
        words("DEL k again"),
        command("RESTORE k 0", &[&sealed(body, version)]),
    ];
    commands.extend(READS.iter().map(|line| words(line)));
    commands.push(words("DUMP k"));
    let replies = ask(server, &commands);
    assert_eq!(replies.len(), commands.len(), "a command was not answered");
    let Some(Value::Bulk(dumped)) = replies.last() else {
        // All of its fields were past their deadlines, and it with them.
        // Metadata may stand before the kind.
        let kind = body.first().copied().unwrap_or_default();
        let timed = (22..=25).contains(&kind) || kind == 243;
        assert!(timed, "what was restored is not there");
        return;
    };
    let mut commands = vec![command("RESTORE again 0", &[dumped]), words("DUMP again")];
    commands.extend(EDITS.iter().map(|line| words(line)));
    let replies = ask(server, &commands);
    assert_eq!(replies.len(), commands.len(), "a command was not answered");
    assert!(
        matches!(&replies[0], Value::Simple(_)),
        "its own dump is refused: {:?}",
        replies[0]
    );
    assert!(matches!(&replies[1], Value::Bulk(_)));
}
