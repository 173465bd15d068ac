//! What each command counts and marks, held against the real server: hits and misses, the events that tell of them, how
//! often a key was used, and when it was used last.

use crate::common::{
    Client, Server, Value, encode, eventually, our_server, real_redis, redis_is_missing,
};

const KEYS: [&str; 14] = [
    "s", "s2", "l", "l2", "h", "h2", "t", "t2", "z", "z2", "x", "p", "p2", "g",
];

const SETUP: &str = "
    SET s 100000
    SET s2 hello
    RPUSH l a b c
    RPUSH l2 x
    HSET h f 1 g 2
    HSET h2 a 1
    SADD t a b c
    SADD t2 a
    ZADD z 1 a 2 b
    ZADD z2 1 a
    XADD x 1-1 f v
    XADD x 1-2 f v
    XGROUP CREATE x grp 0
    XREADGROUP GROUP grp bob COUNT 1 STREAMS x >
    PFADD p a b
    PFADD p2 c
    GEOADD g 1 1 a 2 2 b
    EXPIRE h2 1000";

/// Each is sent as it stands here, and with one or all of its keys missing. EMPTY is an empty string.
const COMMANDS: &str = "
    GET s
    SET s 1
    SET s 1 NX
    SET s 1 XX
    SET s 1 GET
    SETNX s 1
    SETEX s 10 1
    PSETEX s 1000 1
    GETSET s 1
    GETDEL s
    GETEX s
    GETEX s EX 10
    GETEX s PERSIST
    MGET s s2
    MSET s 1 s2 2
    MSETNX s 1 s2 2
    APPEND s x
    STRLEN s
    SETRANGE s 1 x
    SETRANGE s 0 EMPTY
    GETRANGE s 0 1
    SUBSTR s 0 1
    INCR s
    DECR s
    INCRBY s 2
    DECRBY s 2
    INCRBYFLOAT s 1.5
    LCS s s2
    SETBIT s 1 1
    GETBIT s 1
    BITCOUNT s
    BITPOS s 1
    BITFIELD s GET u8 0
    BITFIELD s SET u8 0 1
    BITFIELD_RO s GET u8 0
    BITOP AND s s2 s
    BITOP NOT n1 s
    LPUSH l x
    RPUSH l x
    LPUSHX l x
    RPUSHX l x
    LPOP l
    RPOP l
    LPOP l 2
    LLEN l
    LINDEX l 0
    LSET l 0 x
    LRANGE l 0 -1
    LTRIM l 0 0
    LREM l 1 a
    LINSERT l BEFORE a x
    LPOS l a
    LMOVE l l2 LEFT RIGHT
    LMOVE l l LEFT RIGHT
    RPOPLPUSH l l2
    LMPOP 1 l LEFT
    LMPOP 2 l l2 LEFT
    BLPOP l 0.01
    BRPOP l 0.01
    BLMOVE l l2 LEFT RIGHT 0.01
    BRPOPLPUSH l l2 0.01
    BLMPOP 0.01 1 l LEFT
    HSET h f 1
    HSETNX h f 1
    HGET h f
    HMGET h f g
    HMSET h f 1
    HDEL h f
    HLEN h
    HSTRLEN h f
    HKEYS h
    HVALS h
    HGETALL h
    HEXISTS h f
    HINCRBY h f 1
    HINCRBYFLOAT h f 1
    HRANDFIELD h
    HRANDFIELD h 2
    HSCAN h 0
    SADD t x
    SREM t a
    SMOVE t t2 b
    SISMEMBER t a
    SMISMEMBER t a b
    SCARD t
    SPOP t
    SPOP t 1
    SRANDMEMBER t
    SRANDMEMBER t 2
    SMEMBERS t
    SINTER t t2
    SINTERCARD 2 t t2
    SINTERSTORE n1 t t2
    SUNION t t2
    SUNIONSTORE n1 t t2
    SDIFF t t2
    SDIFFSTORE n1 t t2
    SSCAN t 0
    ZADD z 1 x
    ZADD z INCR 1 a
    ZADD z NX 1 a
    ZADD z XX 1 a
    ZINCRBY z 1 a
    ZREM z a
    ZREMRANGEBYRANK z 0 0
    ZREMRANGEBYSCORE z 0 1
    ZREMRANGEBYLEX z - +
    ZUNION 2 z z2
    ZUNIONSTORE n1 2 z z2
    ZINTER 2 z z2
    ZINTERSTORE n1 2 z z2
    ZINTERCARD 2 z z2
    ZDIFF 2 z z2
    ZDIFFSTORE n1 2 z z2
    ZRANGE z 0 -1
    ZRANGEBYSCORE z 0 5
    ZREVRANGE z 0 -1
    ZREVRANGEBYSCORE z 5 0
    ZRANGEBYLEX z - +
    ZREVRANGEBYLEX z + -
    ZRANGESTORE n1 z 0 -1
    ZCOUNT z 0 5
    ZLEXCOUNT z - +
    ZCARD z
    ZSCORE z a
    ZMSCORE z a b
    ZRANK z a
    ZREVRANK z a
    ZSCAN z 0
    ZPOPMIN z
    ZPOPMAX z
    ZMPOP 1 z MIN
    BZPOPMIN z 0.01
    BZPOPMAX z 0.01
    BZMPOP 0.01 1 z MIN
    ZRANDMEMBER z
    ZRANDMEMBER z 2
    GEOADD g 1 1 c
    GEODIST g a b
    GEOHASH g a
    GEOPOS g a
    GEORADIUS g 1 1 10 km
    GEORADIUS_RO g 1 1 10 km
    GEORADIUS g 1 1 10 km STORE n1
    GEORADIUSBYMEMBER g a 10 km
    GEORADIUSBYMEMBER_RO g a 10 km
    GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 10 km
    GEOSEARCHSTORE n1 g FROMLONLAT 1 1 BYRADIUS 10 km
    PFADD p x
    PFCOUNT p
    PFCOUNT p p2
    PFMERGE n1 p p2
    PFMERGE p p2
    XADD x 5-1 f v
    XADD x NOMKSTREAM 5-1 f v
    XLEN x
    XRANGE x - +
    XREVRANGE x + -
    XDEL x 1-1
    XTRIM x MAXLEN 1
    XREAD STREAMS x 0
    XREAD STREAMS x $
    XREADGROUP GROUP grp bob STREAMS x >
    XREADGROUP GROUP grp bob STREAMS x 0
    XACK x grp 1-1
    XPENDING x grp
    XPENDING x grp - + 10
    XCLAIM x grp al 0 1-1
    XAUTOCLAIM x grp al 0 0
    XINFO STREAM x
    XINFO STREAM x FULL
    XINFO GROUPS x
    XINFO CONSUMERS x grp
    XGROUP CREATE x grp2 0
    XGROUP CREATE x grp2 0 MKSTREAM
    XGROUP SETID x grp 0
    XGROUP DESTROY x grp
    XGROUP CREATECONSUMER x grp al
    XGROUP DELCONSUMER x grp bob
    XSETID x 9-1
    DEL s
    UNLINK s
    EXISTS s s2
    TYPE s
    TOUCH s
    TTL s
    PTTL s
    EXPIRETIME s
    PEXPIRETIME s
    EXPIRE s 100
    EXPIRE s -1
    EXPIRE s 100 XX
    PEXPIRE s 1000
    EXPIREAT s 9999999999
    PEXPIREAT s 9999999999000
    PERSIST s
    PERSIST h2
    RENAME s n1
    RENAMENX s n1
    RENAMENX s s2
    COPY s n1
    COPY s s2
    COPY s s2 REPLACE
    MOVE s 1
    DUMP s
    OBJECT ENCODING s
    OBJECT REFCOUNT s
    OBJECT IDLETIME s
    SORT l ALPHA
    SORT_RO l ALPHA
    SORT l BY nosort
    SORT l BY w_* GET # ALPHA
    SORT l ALPHA STORE n1
    MEMORY USAGE s
    KEYS s
    SCAN 0
    RANDOMKEY
    DBSIZE
    WATCH s
    GET l
    LPUSH s x
    HGET s f
    INCR l";

fn lines(text: &str) -> impl Iterator<Item = Vec<String>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().map(str::to_string).collect())
}

/// The command with these of its keys replaced by keys that don't exist.
fn missing(line: &[String], places: &[usize]) -> Vec<String> {
    let mut line = line.to_vec();
    for place in places {
        line[*place] = format!("missing-{}", line[*place]);
    }
    line
}

/// The command with all its keys, with none, and without the first or the last of several.
fn variants(line: &[String]) -> Vec<Vec<String>> {
    let places = (1..line.len()).filter(|at| KEYS.contains(&line[*at].as_str()));
    let mut places: Vec<usize> = places.collect();
    if matches!(
        line[0].as_str(),
        "XADD" | "LPUSH" | "RPUSH" | "LPUSHX" | "RPUSHX" | "SADD" | "ZADD" | "PFADD" | "GEOADD"
    ) {
        // The others are elements that have a key's name.
        places.truncate(1);
    }
    let mut all = vec![line.to_vec(), missing(line, &places)];
    if let [first, .., last] = places[..] {
        all.extend([missing(line, &[first]), missing(line, &[last])]);
    }
    all
}

/// What might have to wait looks its key up twice there, and counts that as two uses.
const LOOKED_UP_TWICE: [&str; 7] = [
    "BLMOVE l l2 LEFT RIGHT 0.01",
    "BLMOVE l missing-l2 LEFT RIGHT 0.01",
    "BRPOPLPUSH l l2 0.01",
    "BRPOPLPUSH l missing-l2 0.01",
    "BZPOPMIN z 0.01",
    "BZPOPMAX z 0.01",
    "BZMPOP 0.01 1 z MIN",
];

/// One server, a client that is asked, and one that hears of events.
struct Side {
    server: Server,
    client: Client,
    listener: Client,
}

impl Side {
    fn start(program: &std::path::Path) -> Side {
        let server = Server::start_program(program, &["--notify-keyspace-events", "AKEm"]);
        let (client, mut listener) = (server.client(), server.client());
        listener.ask("PSUBSCRIBE __keyevent@*");
        Side {
            server,
            client,
            listener,
        }
    }

    fn say(&mut self, line: &[String]) -> Value {
        let words: Vec<&str> = line
            .iter()
            .map(|word| if word == "EMPTY" { "" } else { word })
            .collect();
        self.client.ask_args(&words)
    }

    fn prepare(&mut self) {
        self.client.ask("FLUSHALL");
        for line in lines(SETUP) {
            self.say(&line);
        }
    }

    fn counted(&mut self) -> (i64, i64) {
        let info = self.client.ask("INFO stats").text();
        let field = |name: &str| {
            let mut values = info.lines().filter_map(|line| line.strip_prefix(name));
            let value = values.next().expect("the field is there");
            value.parse().expect("a number")
        };
        (field("keyspace_hits:"), field("keyspace_misses:"))
    }

    /// Everything that was announced since this was called last.
    fn heard(&mut self) -> Vec<String> {
        let mut speaker = self.server.client();
        let said = encode(&["PUBLISH", "__keyevent@0__:end", ""]);
        speaker.send(&said).expect("sent");
        let mut heard = Vec::new();
        loop {
            let parts = self.listener.receive().expect("an event").value.items();
            let name = parts[2].text();
            if name.ends_with(":end") {
                return heard;
            }
            heard.push(format!("{name} {}", parts[3].text()));
        }
    }

    /// What a command counts, and what is announced meanwhile.
    fn account(&mut self, line: &[String]) -> String {
        self.prepare();
        self.heard();
        let before = self.counted();
        self.say(line);
        let after = self.counted();
        let heard = self.heard();
        format!(
            "{} hits, {} misses, {heard:?}",
            after.0 - before.0,
            after.1 - before.1
        )
    }

    fn of_each_key(&mut self, what: &str) -> Vec<(String, Value)> {
        let names = KEYS.iter().copied().chain(["n1"]);
        let ask = |name: &str| {
            (
                name.to_string(),
                self.client.ask(&format!("OBJECT {what} {name}")),
            )
        };
        names.map(ask).collect()
    }

    /// How often each key was used after a command.
    fn uses(&mut self, line: &[String]) -> String {
        self.prepare();
        self.say(line);
        let uses = self.of_each_key("FREQ").into_iter();
        let uses = uses.map(|(name, uses)| format!("{name}: {uses}"));
        uses.collect::<Vec<_>>().join(", ")
    }

    /// Which keys a command used, where none was used for long.
    fn used(&mut self, line: &[String]) -> String {
        self.prepare();
        for key in KEYS {
            let Value::Bulk(payload) = self.client.ask(&format!("DUMP {key}")) else {
                panic!("{key} has been made");
            };
            let words: [&[u8]; 7] = [
                b"RESTORE",
                key.as_bytes(),
                b"0",
                &payload,
                b"REPLACE",
                b"IDLETIME",
                b"5000",
            ];
            assert_eq!(self.client.ask_args(&words).text(), "OK");
        }
        self.client.ask("EXPIRE h2 1000");
        self.say(line);
        let idle = self.of_each_key("IDLETIME").into_iter();
        let used = idle.filter(|(_, idle)| matches!(idle, Value::Int(seconds) if *seconds < 2500));
        format!("{:?}", used.map(|(name, _)| name).collect::<Vec<_>>())
    }
}

/// Holds what `tell` tells of each command here against what it tells of the real server.
fn compare(settings: &[&str], except: &[&str], tell: impl Fn(&mut Side, &[String]) -> String) {
    let (mut ours, mut theirs) = (Side::start(&our_server()), Side::start(&real_redis()));
    for side in [&mut ours, &mut theirs] {
        for line in settings {
            assert_eq!(side.client.ask(line).text(), "OK", "{line}");
        }
    }
    let mut differences = Vec::new();
    for line in lines(COMMANDS).flat_map(|line| variants(&line)) {
        let text = line.join(" ");
        let (here, there) = (tell(&mut ours, &line), tell(&mut theirs, &line));
        if here != there && !except.contains(&text.as_str()) {
            differences.push(format!("{text}\n  here:  {here}\n  there: {there}"));
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

#[test]
fn hits_and_misses_are_counted_and_announced_as_on_the_real_server() {
    if redis_is_missing() {
        return;
    }
    compare(&[], &[], Side::account);
}

#[test]
fn the_uses_of_a_key_are_counted_as_on_the_real_server() {
    if redis_is_missing() {
        return;
    }
    let settings = [
        // Without a limit small numbers share an object there, whose uses are those of all its keys.
        "CONFIG SET maxmemory 1gb",
        "CONFIG SET maxmemory-policy allkeys-lfu",
        // Every use counts, and none is forgotten.
        "CONFIG SET lfu-log-factor 0",
        "CONFIG SET lfu-decay-time 0",
    ];
    compare(&settings, &LOOKED_UP_TWICE, Side::uses);
}

#[test]
fn a_key_is_idle_where_it_is_on_the_real_server() {
    if redis_is_missing() {
        return;
    }
    let settings = [
        "CONFIG SET maxmemory 1gb",
        "CONFIG SET maxmemory-policy allkeys-lru",
    ];
    compare(&settings, &[], Side::used);
}

#[test]
fn touch_and_writes_under_no_touch() {
    // As from 7.2 on, where NO-TOUCH came: TOUCH marks the key all the same, and a write doesn't.
    let server = Server::start(&[
        "--maxmemory-policy",
        "allkeys-lfu",
        "--lfu-log-factor",
        "0",
        "--lfu-decay-time",
        "0",
    ]);
    let mut client = server.client();
    client.ask("SET n 1");
    assert_eq!(client.ask("OBJECT FREQ n").int(), 5);
    client.ask("CLIENT NO-TOUCH ON");
    for line in ["GET n", "INCR n", "EXPIRE n 100", "SET n 2"] {
        client.ask(line);
        assert_eq!(client.ask("OBJECT FREQ n").int(), 5, "{line}");
    }
    client.ask("TOUCH n");
    assert_eq!(client.ask("OBJECT FREQ n").int(), 6);
}

#[test]
fn codes_of_errors_are_listed_so_that_they_can_be_read() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let fail = |client: &mut Client, text: &str| {
        client.ask_args(&["EVAL", "return redis.error_reply(ARGV[1])", "0", text]);
    };
    let listed = |client: &mut Client| client.ask("INFO errorstats").text();
    fail(&mut client, "{\"code\": 41000}");
    fail(&mut client, "A#B:C x");
    let lines = listed(&mut client);
    assert_eq!(
        lines,
        "# Errorstats\r\nerrorstat_A_B_C:count=1\r\nerrorstat_{\"code\"_:count=1\r\n"
    );
    client.ask("CONFIG RESETSTAT");
    for n in 0..128 {
        fail(&mut client, &format!("E{n} x"));
    }
    assert_eq!(listed(&mut client).lines().count(), 129);
    for code in ["E128 x", "E0 x", "E129 x"] {
        fail(&mut client, code);
        let lines = listed(&mut client);
        assert_eq!(
            lines,
            "# Errorstats\r\nerrorstat_ERRORSTATS_DISABLED:count=1\r\n"
        );
    }
    client.ask("CONFIG RESETSTAT");
    fail(&mut client, "E0 x");
    assert_eq!(
        listed(&mut client),
        "# Errorstats\r\nerrorstat_E0:count=1\r\n"
    );
}

#[test]
fn a_large_string_that_grows_by_a_byte_takes_a_bounded_room() {
    let server = Server::start(&["--proto-max-bulk-len", "1gb"]);
    let mut client = server.client();
    let used = |client: &mut Client| -> u64 {
        let info = client.ask("INFO memory").text();
        let mut lines = info
            .lines()
            .filter_map(|line| line.strip_prefix("used_memory:"));
        lines.next().and_then(|n| n.parse().ok()).expect("a number")
    };
    client.ask(&format!("SETRANGE large {} x", (64 << 20) - 1));
    let mut other = server.client();
    other.ask_args(&["SET", "set", &"x".repeat(48 << 20)]);
    // The other client's worker counts after it has answered, and not what it read the request into.
    eventually("both strings are counted, and nothing else", || {
        let mib = used(&mut client) >> 20;
        (64 + 48..64 + 48 + 8).contains(&mib)
    });
    let before = used(&mut client);
    for line in [
        "APPEND large x",
        "SETRANGE large 67108870 xyz",
        "SETBIT large 536871000 1",
        "BITFIELD large SET u8 536872000 1",
        "APPEND set x",
    ] {
        client.ask(line);
        // What the string had before is freed by another thread. The allocator's next sizes are 16 MB and 8 MB more.
        eventually(&format!("{line} takes little room"), || {
            used(&mut client).saturating_sub(before) < 28 << 20
        });
    }
}
