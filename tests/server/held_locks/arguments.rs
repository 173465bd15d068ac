//! Plausible arguments for every command, from what COMMAND DOCS says of them.

use std::collections::BTreeMap;

use crate::common::{Client, Value};

/// A command as it is sent.
pub type Words = Vec<String>;

/// Commands whose arguments are more than their documentation can tell, and subcommands that it doesn't list. A dot is a space
/// in an argument.
const BY_HAND: &[&str] = &[
    "EVAL_RO return·redis.call('get',KEYS[1]) 1 s",
    "EVAL return·redis.call('set','undeclared','1') 0",
    "EVAL #!lua\nreturn·redis.call('set',KEYS[1],'1') 1 d",
    "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
    "FCALL f 1 d",
    "FCALL_RO g 1 s",
    "FUNCTION LOAD REPLACE #!lua·name=other\nredis.register_function('h',function()·return·1·end)",
    "FUNCTION DELETE other",
    "FUNCTION LIST",
    "FUNCTION RESTORE x",
    "SCRIPT LOAD return·1",
    "VADD v VALUES 2 1 0 a SETATTR {}",
    "VADD v VALUES 2 1 1 b CAS",
    "VSIM v ELE a FILTER 1 TRUTH",
    "VREM v b",
    "XADD x MAXLEN ~ 100 * f v",
    "XGROUP CREATE x g2 $ MKSTREAM",
    "XREADGROUP GROUP g c COUNT 1 BLOCK 10 STREAMS x >",
    "XREAD BLOCK 10 STREAMS x $",
    "XCLAIM x g c 0 1-1",
    "SORT l BY s* GET s* STORE d",
    "SORT l ALPHA",
    "BLPOP blocked 0.01",
    "RPUSH blocked 1 2 3",
    "BLMOVE blocked l LEFT LEFT 0.01",
    "BZPOPMIN blockedz 0.01",
    "ZADD blockedz 1 m",
    "WAIT 1 10",
    "WAITAOF 1 1 10",
    "MIGRATE 127.0.0.1 1 s 0 50 COPY",
    "CLIENT KILL ID 999999",
    "CLIENT KILL TYPE pubsub",
    "CLIENT UNBLOCK 999999",
    "CLIENT PAUSE 10 WRITE",
    "CLIENT PAUSE 10",
    "CLIENT REPLY ON",
    "CLIENT TRACKING ON BCAST",
    "CLIENT TRACKING ON",
    "ACL SETUSER someone on nopass ~* &* +@all",
    "ACL SETUSER someone reset",
    "ACL DELUSER someone",
    "ACL DRYRUN default GET s",
    "CONFIG SET appendonly no",
    "CONFIG SET appendonly yes",
    "CONFIG SET appendfsync always",
    "CONFIG SET appendfsync everysec",
    "CONFIG SET notify-keyspace-events AKE",
    "CONFIG SET maxmemory-clients 100mb",
    "CONFIG SET repl-backlog-size 1mb",
    "CONFIG SET min-replicas-to-write 0",
    "CONFIG SET requirepass %s",
    "CONFIG SET maxclients 5000",
    "CONFIG SET tracking-table-max-keys 100",
    "CONFIG SET dir .",
    "CONFIG GET *",
    "DEBUG CHANGE-REPL-ID",
    "DEBUG DIGEST",
    "DEBUG DIGEST-VALUE s l",
    "DEBUG ERROR x",
    "DEBUG FAIL-JOB",
    "DEBUG HTSTATS 0",
    "DEBUG HTSTATS-KEY h",
    "DEBUG LISTPACK h",
    "DEBUG LOADAOF",
    "DEBUG LOG x",
    "DEBUG OBJECT s",
    "DEBUG POPULATE 10 more",
    "DEBUG RELOAD",
    "DEBUG RELOAD NOSAVE NOFLUSH MERGE",
    "DEBUG REPLICATE PING",
    "DEBUG SET-ACTIVE-EXPIRE 1",
    "DEBUG SLEEP 0.01",
    "DEBUG STRUCTSIZE",
    "FAILOVER ABORT",
    "FAILOVER TO 127.0.0.1 1 TIMEOUT 10",
    "FLUSHALL SYNC",
    "INFO everything",
    "SHUTDOWN ABORT",
    "SUBSCRIBE ch",
];

/// Commands that end the server, move it to another port or make it another's replica.
const LEFT_OUT: &[&str] = &[
    "client reply",
    "shutdown",
    "replicaof",
    "slaveof",
    "failover",
    "debug",
    "config set",
];

/// What is known of an argument.
type Fields = BTreeMap<String, Value>;

fn fields(map: &Value) -> Fields {
    map.items()
        .chunks(2)
        .map(|pair| (pair[0].text(), pair[1].clone()))
        .collect()
}

/// How much of the grammar is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// What must be there.
    Short,
    /// All that may be there, too, and the last of all choices.
    Long,
}

struct Maker {
    command: String,
    group: String,
    form: Form,
}

impl Maker {
    fn list(&self, list: &Value, out: &mut Words) {
        for argument in list.items() {
            self.one(&fields(&argument), out);
        }
    }

    fn one(&self, argument: &Fields, out: &mut Words) {
        let text = |name: &str| argument.get(name).map_or(String::new(), Value::text);
        let flags = argument.get("flags").map(Value::items).unwrap_or_default();
        let is_optional = flags.iter().any(|flag| flag.text() == "optional");
        if is_optional && self.form == Form::Short {
            return;
        }
        let (name, kind, token) = (text("name"), text("type"), text("token"));
        if !token.is_empty() {
            out.push(token);
        }
        let parts = argument.get("arguments");
        match (kind.as_str(), parts) {
            ("pure-token", _) => {}
            ("oneof", Some(parts)) => {
                let mut parts = parts.items();
                let chosen = match self.form {
                    Form::Short => parts.remove(0),
                    Form::Long => parts.pop().expect("a choice has parts"),
                };
                self.one(&fields(&chosen), out);
            }
            (_, Some(parts)) => self.list(parts, out),
            _ => out.push(self.value(&name, &kind)),
        }
    }

    fn value(&self, name: &str, kind: &str) -> String {
        let lex = self.command.contains("lex");
        let value = match (name, kind) {
            ("destination" | "newkey" | "destkey", _) => "d",
            (_, "key") => self.key(),
            ("numkeys" | "numfields" | "count", _) => "1",
            ("timeout", "double") => "0.01",
            ("milliseconds", "integer") if self.command.starts_with('x') => "10",
            ("timeout" | "ms" | "min-idle-time", _) => "10",
            ("seconds" | "milliseconds", _) => "100000",
            (_, "unix-time") => "4000000000000",
            ("host", _) => "127.0.0.1",
            ("min" | "start", _) if lex => "-",
            ("max" | "stop", _) if lex => "+",
            ("start" | "end", _) if self.group == "stream" => "1-1",
            ("id" | "last-id" | "ids", _) if self.group == "stream" => "1-1",
            ("start" | "index" | "cursor" | "offset" | "bit" | "index1", _) => "0",
            ("stop" | "end", _) => "-1",
            ("group", _) => "g",
            ("consumer", _) => "c",
            ("username", _) => "someone",
            ("function", _) => "f",
            ("script", _) => "return 1",
            ("pattern" | "glob-pattern", _) => "*",
            ("encoding", _) => "u8",
            (_, "integer") => "1",
            (_, "double") => "1.5",
            _ => "x",
        };
        value.to_owned()
    }

    fn key(&self) -> &'static str {
        match self.group.as_str() {
            "list" => "l",
            "set" => "set",
            "sorted-set" => "z",
            "hash" => "h",
            "stream" => "x",
            "hyperloglog" => "hll",
            "geo" => "geo",
            _ => "s",
        }
    }
}

/// Every command of the server's table in one or two forms, and those that are written by hand.
pub fn every_command(client: &mut Client) -> Vec<Words> {
    let mut all = Vec::new();
    let mut maps = vec![client.ask("COMMAND DOCS")];
    while let Some(map) = maps.pop() {
        for (name, doc) in fields(&map) {
            let doc = fields(&doc);
            if let Some(subcommands) = doc.get("subcommands") {
                maps.push(subcommands.clone());
            }
            let command = name.replace('|', " ");
            if LEFT_OUT.contains(&command.as_str()) {
                continue;
            }
            let group = doc.get("group").map_or(String::new(), Value::text);
            let made = |form| {
                let maker = Maker {
                    command: command.clone(),
                    group: group.clone(),
                    form,
                };
                let mut words: Words = command.split(' ').map(str::to_uppercase).collect();
                if let Some(list) = doc.get("arguments") {
                    maker.list(list, &mut words);
                }
                words
            };
            let (short, long) = (made(Form::Short), made(Form::Long));
            if long != short {
                all.push(long);
            }
            all.push(short);
        }
    }
    let by_hand = BY_HAND.iter().map(|line| {
        let words = line.split(' ');
        words
            .map(|word| word.replace('·', " ").replace("%s", ""))
            .collect()
    });
    all.extend(by_hand);
    all
}
