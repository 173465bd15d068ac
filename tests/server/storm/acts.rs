//! What clients of a storm do: every command with arguments that others understand, and everything that is done to a server.

use fastrand::Rng;

use crate::common::encode;
use crate::differential::arguments::{Arguments, comparable};
use crate::differential::families::{FAMILIES, SWEEPING};
use crate::differential::template::{Command, Template, command_name, pick};

/// What one client sends in one write.
pub struct Act {
    pub commands: Vec<Command>,
    /// On a connection of its own.
    pub alone: bool,
    pub of_replica: bool,
    /// Replies are not awaited: nobody can say how many there will be.
    pub unread: bool,
}

impl Act {
    pub fn bytes(&self) -> Vec<u8> {
        self.commands
            .iter()
            .flat_map(|command| encode(command))
            .collect()
    }

    pub fn replies(&self) -> usize {
        if self.unread { 0 } else { self.commands.len() }
    }
}

/// What the comparison with 7.0 leaves out: deadlines that come, fields with deadlines, and waits that others end.
const MORE: &[&str] = &[
    "SET string value PX positive",
    "SET string value EX positive",
    "PEXPIRE anykey positive",
    "PEXPIRE anykey small",
    "EXPIRE anykey positive",
    "HPEXPIRE hash positive FIELDS 2 field field",
    "HPEXPIRE hash small FIELDS 1 field",
    "HEXPIRE hash positive FIELDS 1 field",
    "HPERSIST hash FIELDS 1 field",
    "HPTTL hash FIELDS 2 field field",
    "HSETNX hash field value",
    "HINCRBY hash field small",
    "HDEL hash field+",
    "XADD stream * field value",
    "ZADD zset score member+",
    "APPEND string value",
    "SETRANGE string offset short",
    "WAIT 1 positive",
    "BLPOP list list 0.1",
    "BLMOVE list list LEFT RIGHT 0.1",
    "BZPOPMIN zset zset 0.1",
    "BLMPOP 0.1 2 list list LEFT COUNT 2",
    "XREAD BLOCK 50 STREAMS stream $",
    "PUBLISH channel value",
    "SPUBLISH channel value",
];

/// What is done to the server, its clients and its files.
const ADMIN: &[&str] = &[
    "BGSAVE",
    "SAVE",
    "BGREWRITEAOF",
    "LASTSAVE",
    "INFO",
    "INFO everything",
    "DBSIZE",
    "RANDOMKEY",
    "SCAN 0 COUNT 100",
    "KEYS *",
    "MEMORY STATS",
    "MEMORY DOCTOR",
    "MEMORY PURGE",
    "SLOWLOG GET",
    "SLOWLOG RESET",
    "LATENCY LATEST",
    "LATENCY RESET",
    "LATENCY HISTOGRAM",
    "COMMAND",
    "COMMAND DOCS set",
    "ACL LIST",
    "ACL LOG",
    "ACL SETUSER storm on nopass ~* &* +@all",
    "ACL SETUSER storm -@all",
    "ACL DELUSER storm",
    "AUTH storm x",
    "AUTH default x",
    "CLIENT LIST",
    "CLIENT INFO",
    "CLIENT NO-EVICT ON",
    "CLIENT NO-TOUCH ON",
    "CLIENT TRACKING ON BCAST",
    "CLIENT TRACKING ON",
    "CLIENT TRACKING OFF",
    "CLIENT PAUSE 20 WRITE",
    "CLIENT PAUSE 20 ALL",
    "CLIENT UNPAUSE",
    "CLIENT KILL TYPE pubsub",
    "CLIENT KILL TYPE replica",
    "CLIENT KILL TYPE normal SKIPME yes",
    "CLIENT KILL ID 40",
    "SWAPDB 0 1",
    "CONFIG RESETSTAT",
    "CONFIG SET appendonly no",
    "CONFIG SET appendonly yes",
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "FUNCTION KILL",
    "FUNCTION FLUSH",
    "FUNCTION LIST",
    "FUNCTION STATS",
    "FUNCTION DUMP",
    "REPLICAOF 127.0.0.1 1",
    "REPLICAOF NO ONE",
    "FAILOVER ABORT",
    "ROLE",
    "PUBSUB CHANNELS",
    "DEBUG SLEEP 0.02",
    "DEBUG RELOAD",
    "DEBUG DIGEST",
    "DEBUG CHANGE-REPL-ID",
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "DEBUG SET-ACTIVE-EXPIRE 1",
    "SHUTDOWN ABORT",
];

/// After these, what a client sends is answered otherwise.
const UNFIT: &[&str] = &[
    "QUIT",
    "RESET",
    "MULTI",
    "EXEC",
    "DISCARD",
    "HELLO",
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "CLIENT REPLY",
    "MONITOR",
];

/// Scripts that declare their keys, ones that do not, ones that take long, and ones that never end.
const SCRIPTS: &[&str] = &[
    "return redis.call('incr', KEYS[1])",
    "redis.call('set', KEYS[1], ARGV[1]) redis.call('lpush', KEYS[2], ARGV[1]) return redis.call('llen', KEYS[2])",
    "redis.call('sadd', 'set1', ARGV[1]) return redis.call('scard', 'set1')",
    "for i = 1, 50 do redis.pcall('hset', 'hash' .. (i % 5), 'f' .. i, i) end return redis.call('time')",
    "redis.call('set', KEYS[1], 1) for i = 1, 300000 do end return redis.call('incr', 'string2')",
    "local t = {} for i = 1, 20000 do t[i] = tostring(i) end return #t",
    "redis.call('rpush', 'list1', 'a') error('half')",
    "return redis.pcall('blpop', 'list1', 0)",
    "return redis.call('randomkey')",
    "redis.call('select', 1) redis.call('set', KEYS[1], 'one') return redis.call('dbsize')",
    "while true do end",
    "while true do redis.call('get', 'string1') end",
];
const LIBRARY: &str = "#!lua name=storm\n\
    redis.register_function('put', function(keys, args) return redis.call('set', keys[1], args[1]) end)\n\
    redis.register_function{function_name='look', callback=function(keys) return redis.call('dbsize') end, flags={'no-writes'}}";

/// Directives that would keep the clients themselves out, move files, or are asked for by the checks afterwards.
const LEFT_ALONE: &[&str] = &[
    "requirepass",
    "masterauth",
    "masteruser",
    "dir",
    "port",
    "bind",
    "bind-source-addr",
    "maxclients",
    "replicaof",
    "slaveof",
    "dbfilename",
    "appendonly",
    "protected-mode",
    "min-replicas-to-write",
    "min-slaves-to-write",
    "proc-title-template",
    "oom-score-adj",
    "oom-score-adj-values",
    "loglevel",
    "save",
    "shutdown-timeout",
    "repl-timeout",
    "timeout",
    "maxmemory-clients",
    "client-output-buffer-limit",
    "client-query-buffer-limit",
    "proto-max-bulk-len",
    "key-load-delay",
    "rdb-key-save-delay",
    "repl-diskless-sync-delay",
    "appendfsync",
    "notify-keyspace-events",
    "unixsocket",
    "slave-read-only",
    "replica-read-only",
    "busy-reply-threshold",
    "lua-time-limit",
    "enable-debug-assert",
    "slave-announce-ip",
    "replica-announce-ip",
    "syslog-ident",
    // A sorted set's zero has no sign in the compact form, and a sketch is as it was written: both differ by these.
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
    "zset-max-ziplist-entries",
    "zset-max-ziplist-value",
    "hll-sparse-max-bytes",
];

/// Every legal value of a directive that is worth a try.
pub fn other_values(name: &str, value: &str) -> Vec<String> {
    if LEFT_ALONE.contains(&name) || name.starts_with("tls-") || name.starts_with("cluster-") {
        return Vec::new();
    }
    match (name, value) {
        ("maxmemory", _) => vec!["0".into(), "3mb".into(), "8mb".into(), "100mb".into()],
        ("maxmemory-policy", _) => [
            "noeviction",
            "allkeys-lru",
            "allkeys-lfu",
            "volatile-ttl",
            "allkeys-random",
        ]
        .map(String::from)
        .to_vec(),
        (_, "yes" | "no") => vec!["yes".into(), "no".into()],
        _ => value.parse::<i64>().map_or(Vec::new(), |number| {
            vec![number, number * 2 + 1, number / 2, 1]
                .into_iter()
                .map(|number| number.to_string())
                .collect()
        }),
    }
}

pub struct Author {
    shapes: Vec<Template>,
    more: Vec<Template>,
    arguments: Arguments,
    /// Where the replica's master is.
    master: u16,
    id: u64,
    directives: Vec<(String, Vec<String>)>,
}

impl Author {
    pub fn new(rng: Rng, master: u16, id: u64, directives: Vec<(String, Vec<String>)>) -> Author {
        let rows = FAMILIES
            .iter()
            .flat_map(|family| family.shapes)
            .chain(SWEEPING);
        Author {
            shapes: rows
                .flat_map(|(text, _)| Template::parse_row(text))
                .collect(),
            more: MORE.iter().map(|text| Template::parse(text)).collect(),
            arguments: Arguments::new(rng),
            master,
            id,
            directives,
        }
    }

    pub fn next(&mut self) -> Act {
        let mut act = Act {
            commands: Vec::new(),
            alone: false,
            of_replica: false,
            unread: false,
        };
        let draw = self.arguments.rng.u32(..1000);
        // One in thirty looks after the server for the most part.
        let is_admin = self.id == 0;
        match draw {
            0..12 => self.admin(&mut act),
            12..300 if is_admin => self.admin(&mut act),
            300..420 if is_admin => self.role(&mut act),
            12..60 => self.script(&mut act),
            60..70 => self.directive(&mut act),
            70..90 => self.listener(&mut act),
            90..180 => {
                act.commands.push(words("MULTI"));
                for _ in 0..self.arguments.rng.usize(1..6) {
                    self.plain(&mut act);
                }
                act.commands.push(words("EXEC"));
            }
            180..220 => {
                act.of_replica = true;
                self.plain(&mut act);
            }
            _ => {
                for _ in 0..self.arguments.rng.usize(1..12) {
                    self.plain(&mut act);
                }
            }
        }
        act
    }

    fn plain(&mut self, act: &mut Act) {
        loop {
            let is_more = self.arguments.rng.u8(..4) == 0;
            let from = if is_more { &self.more } else { &self.shapes };
            let at = self.arguments.rng.usize(..from.len());
            let command = from[at].fill(&mut self.arguments);
            let name = command_name(&command);
            // They change how many replies come, or take all that the storm has made.
            let rare = name.starts_with("FLUSH") && self.arguments.rng.u8(..200) > 0;
            if !rare
                && !is_told_to_nobody(&command)
                && !UNFIT.contains(&name.as_str())
                && (is_more || comparable(&command))
            {
                act.commands.push(command);
                return;
            }
        }
    }

    fn admin(&mut self, act: &mut Act) {
        let mut line = *pick(&mut self.arguments.rng, ADMIN);
        if self.arguments.rng.u8(..8) == 0 {
            line = "SCRIPT KILL";
        }
        act.alone = line.starts_with("AUTH") || line.starts_with("CLIENT TRACKING");
        act.commands.push(words(line));
        if self.arguments.rng.u8(..4) == 0 {
            self.plain(act);
        }
    }

    /// The replica becomes a master, or a replica again.
    fn role(&mut self, act: &mut Act) {
        act.of_replica = true;
        let line = match self.arguments.rng.u8(..3) {
            0 => "REPLICAOF NO ONE".to_owned(),
            _ => format!("REPLICAOF 127.0.0.1 {}", self.master),
        };
        act.commands.push(words(&line));
    }

    fn script(&mut self, act: &mut Act) {
        let rng = &mut self.arguments.rng;
        // Those that never end are few: others have to wait for them.
        let endless = rng.u16(..600) == 0;
        let last = SCRIPTS.len() - if endless { 0 } else { 2 };
        let script = SCRIPTS[rng.usize(if endless { last - 2 } else { 0 }..last)];
        let number = rng.u32(..100).to_string();
        match rng.u8(..8) {
            0 => act.commands.push(vec![
                b"FUNCTION".to_vec(),
                b"LOAD".to_vec(),
                b"REPLACE".to_vec(),
                LIBRARY.into(),
            ]),
            1 => act
                .commands
                .push(words(&format!("FCALL put 1 string1 {number}"))),
            2 => act.commands.push(words("FCALL_RO look 0")),
            _ => {
                let key = format!("string{}", rng.u8(1..6));
                let eval = [
                    if rng.bool() { "EVAL" } else { "EVAL_RO" },
                    script,
                    "2",
                    &key,
                    "list1",
                    &number,
                ];
                act.commands
                    .push(eval.iter().map(|word| word.as_bytes().to_vec()).collect());
            }
        }
        if endless {
            act.alone = true;
            act.commands.insert(0, words("CLIENT ID"));
        }
    }

    fn directive(&mut self, act: &mut Act) {
        let (name, values) = pick(&mut self.arguments.rng, &self.directives);
        let value = pick(&mut self.arguments.rng, values);
        act.commands
            .push(words(&format!("CONFIG SET {name} {value}")));
    }

    /// Somebody listens for a moment, or leaves in the middle.
    fn listener(&mut self, act: &mut Act) {
        act.alone = true;
        act.unread = true;
        let line = *pick(
            &mut self.arguments.rng,
            &[
                "SUBSCRIBE channel1 channel2",
                "PSUBSCRIBE channel*",
                "SSUBSCRIBE channel1",
                "MONITOR",
                "BLPOP list1 list2 0",
                "BZPOPMAX zset1 0",
                "XREAD BLOCK 0 STREAMS stream1 $",
                "PSYNC ? -1",
                "CLIENT REPLY SKIP",
                "WAIT 5 1000",
                "MULTI",
            ],
        );
        act.commands.push(words(line));
        self.plain(act);
    }
}

/// Reading again what was delivered before counts as another delivery, which Redis tells neither replicas nor the log.
fn is_told_to_nobody(command: &Command) -> bool {
    let streams = command
        .iter()
        .position(|word| word.eq_ignore_ascii_case(b"streams"));
    let ids = streams.map(|at| &command[at + 1..]).unwrap_or_default();
    command[0].eq_ignore_ascii_case(b"xreadgroup")
        && ids[ids.len() / 2..].iter().any(|id| id != b">")
}

fn words(line: &str) -> Command {
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// The directives that can be changed, of these with their values, with other values for each.
pub fn directives(all: &[(String, String)]) -> Vec<(String, Vec<String>)> {
    let pairs = all
        .iter()
        .map(|(name, value)| (name.clone(), other_values(name, value)));
    pairs.filter(|(_, values)| !values.is_empty()).collect()
}
