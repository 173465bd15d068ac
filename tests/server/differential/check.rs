//! When two replies are the same, and the one list of differences that 7.4 brings over 7.0.

use std::collections::HashSet;

use crate::common::Value;

use super::template::{Command, command_name};

/// How far Redis pins a reply down.
#[derive(Clone, Debug)]
pub enum Check {
    /// Byte for byte.
    Exact,
    /// The elements in any order.
    Unordered,
    /// Pairs, flat or as a map, in any order.
    Pairs,
    /// Drawn by chance from the reply before: the same shape on both sides, nothing invented.
    Drawn,
    /// The same kind of reply; what it says is up to the server.
    Kind,
    /// A time that runs: it may differ by this much.
    Clock(i64),
    /// HELLO: as a map, without the version, the id of the connection, and what modules bring.
    Hello,
    /// What XINFO and XPENDING tell, without times that run, the shape of Redis's radix tree, and what 7.2 and 7.4
    /// count otherwise: consumers who never got anything, and how far a group is. Talk tests hold those.
    StreamInfo,
    /// EXEC: an element for each queued command, under its own check.
    Exec(Vec<(Command, Check)>),
}

/// What 7.4 answers otherwise than 7.0.15. Where they differ, 7.4 wins.
pub struct Known {
    pub commands: &'static [&'static str],
    pub change: &'static str,
    pub source: &'static str,
    /// Real reply, our reply.
    pub accepts: fn(&Value, &Value) -> bool,
}

pub const KNOWN: &[Known] = &[
    Known {
        commands: &[
            "ZADD",
            "ZINCRBY",
            "ZSCORE",
            "ZMSCORE",
            "ZRANGE",
            "ZRANGEBYSCORE",
            "ZREVRANGE",
            "ZREVRANGEBYSCORE",
            "ZRANK",
            "ZREVRANK",
            "ZPOPMIN",
            "ZPOPMAX",
            "BZPOPMIN",
            "BZPOPMAX",
            "ZMPOP",
            "BZMPOP",
            "ZUNION",
            "ZINTER",
            "ZDIFF",
            "ZRANDMEMBER",
            "ZSCAN",
            "GEODIST",
            "GEOPOS",
            "GEOSEARCH",
            "GEORADIUS",
            "GEORADIUS_RO",
            "GEORADIUSBYMEMBER",
            "GEORADIUSBYMEMBER_RO",
            "EXEC",
        ],
        change: "doubles have the shortest digits that read back the same, not 17 of them",
        source: "https://github.com/redis/redis/pull/10587 (7.2)",
        accepts: same_numbers,
    },
    Known {
        commands: &[
            "GEOPOS",
            "GEOSEARCH",
            "GEORADIUS",
            "GEORADIUS_RO",
            "GEORADIUSBYMEMBER",
            "GEORADIUSBYMEMBER_RO",
            "EXEC",
        ],
        change: "coordinates have the shortest digits that read back the same, not 17 behind the point",
        source: "Redis 8.2.3 as it answers",
        accepts: |real, ours| numbers_agree(real, ours, |a, b| (a - b).abs() < 1e-16),
    },
    Known {
        commands: &["OBJECT ENCODING"],
        change: "small sets of any members are a listpack",
        source: "https://github.com/redis/redis/pull/11290 (7.2)",
        accepts: |real, ours| real.text() == "hashtable" && ours.text() == "listpack",
    },
    Known {
        commands: &["OBJECT ENCODING"],
        change: "a list of one node is a listpack",
        source: "https://github.com/redis/redis/pull/11303 (7.2)",
        accepts: |real, ours| real.text() == "quicklist" && ours.text() == "listpack",
    },
    Known {
        commands: &["OBJECT ENCODING"],
        change: "SORT leaves a packed sorted set as it is, where 7.0 turns it into a skip list",
        source: "our own choice: reading must not change what is read",
        accepts: |real, ours| real.text() == "skiplist" && ours.text() == "listpack",
    },
    Known {
        commands: &["COMMAND GETKEYSANDFLAGS"],
        change: "SINTERSTORE overwrites its destination",
        source: "Redis 8.2.3 as it answers",
        accepts: |real, ours| real.to_string().replace("+RW", "+OW") == ours.to_string(),
    },
    Known {
        commands: &["COMMAND GETKEYS", "COMMAND GETKEYSANDFLAGS"],
        change: "a command without arguments may be asked about",
        source: "Redis 8.2.3 as it answers",
        accepts: |real, ours| {
            real.text()
                .starts_with("ERR wrong number of arguments for 'command|getkeys")
                && [
                    "ERR The command has no key arguments",
                    "ERR Invalid number of arguments specified for command",
                    "ERR Invalid command specified",
                ]
                .contains(&&ours.text()[..])
        },
    },
    Known {
        commands: &["SCAN", "HSCAN", "SSCAN", "ZSCAN"],
        change: "blanks may stand before a cursor",
        source: "https://github.com/redis/redis/blob/7.4/src/db.c parseScanCursorOrReply",
        accepts: |real, ours| real.text() == "ERR invalid cursor" && !ours.is_error(),
    },
    Known {
        commands: &["SCAN", "HSCAN", "SSCAN", "ZSCAN"],
        change: "a negative cursor is refused",
        source: "https://github.com/redis/redis/blob/7.4/src/db.c parseScanCursorOrReply",
        accepts: |_, ours| ours.text() == "ERR invalid cursor",
    },
    Known {
        commands: &["ZRANK", "ZREVRANK"],
        change: "a third argument may be WITHSCORE, and anything else is a syntax error",
        source: "https://github.com/redis/redis/pull/11235 (7.2)",
        accepts: |real, ours| {
            real.text().contains("wrong number") && ours.text() == "ERR syntax error"
        },
    },
    Known {
        commands: &[
            "BLPOP",
            "BRPOP",
            "BLMOVE",
            "BRPOPLPUSH",
            "BLMPOP",
            "BZPOPMIN",
            "BZPOPMAX",
            "BZMPOP",
        ],
        change: "an infinite timeout is out of range, and not negative by overflow",
        source: "https://github.com/redis/redis/pull/11688 (7.2)",
        accepts: |real, ours| {
            real.text() == "ERR timeout is negative" && ours.text() == "ERR timeout is out of range"
        },
    },
    Known {
        commands: &["SORT", "SORT_RO"],
        change: "elements alike up to a zero byte have an order, that of their bytes",
        source: "our own choice: C compares no further, and leaves them as they fall",
        accepts: alike_before_zero,
    },
    Known {
        commands: &["OBJECT REFCOUNT"],
        change: "every small number is shared, also one that COPY made",
        source: "our own choice: numbers stand in the entry, and none takes memory",
        accepts: |real, ours| *real == Value::Int(1) && *ours == Value::Int(i32::MAX.into()),
    },
    Known {
        commands: &["HELLO"],
        change: "all options are parsed before the login is tried",
        source: "https://github.com/redis/redis/pull/11659 (7.2)",
        accepts: |real, ours| {
            real.text().starts_with("WRONGPASS") && ours.text().contains("HELLO option")
        },
    },
    Known {
        commands: &["BITCOUNT", "BITPOS"],
        change: "arguments are checked even when the key does not exist",
        source: "https://github.com/redis/redis/pull/11734 (7.4)",
        accepts: |real, ours| {
            let looked_first =
                matches!(real, Value::Int(0 | -1)) || real.text().starts_with("WRONGTYPE");
            looked_first && ours.is_error()
        },
    },
    Known {
        commands: &["BITCOUNT"],
        change: "a part may have a start alone, and then goes to the end",
        source: "https://valkey.io/commands/bitcount/ (Valkey 8.1)",
        accepts: counts_from_a_start,
    },
    Known {
        commands: &[
            "ZCOUNT",
            "ZRANGE",
            "ZRANGEBYSCORE",
            "ZRANGESTORE",
            "ZREMRANGEBYSCORE",
            "ZREVRANGEBYSCORE",
        ],
        change: "a number has no blanks before it",
        source: "Redis 8.2.3 as it answers",
        accepts: |real, ours| !real.is_error() && ours.text() == "ERR min or max is not a float",
    },
    Known {
        commands: &["SCAN", "HSCAN", "SSCAN", "ZSCAN"],
        change: "a cursor below zero is no cursor",
        source: "https://github.com/redis/redis/blob/7.4.0/src/db.c, parseScanCursorOrReply",
        // Valid cursors are walked to their end by a scene, so this hides nothing about them.
        accepts: |_, ours| ours.text() == "ERR invalid cursor",
    },
    Known {
        commands: &["XSETID"],
        change: "an id below that of a deleted entry is refused before one below the last entry's",
        source: "Redis 8.2.3 as it answers",
        accepts: |real, ours| {
            let is_refusal =
                |value: &Value| value.text().starts_with("ERR The ID specified in XSETID");
            is_refusal(real) && ours.text().ends_with("current max_deleted_entry_id")
        },
    },
    Known {
        commands: &["XREAD", "XREADGROUP"],
        change: "the text about an odd number of streams and ids",
        source: "https://github.com/redis/redis/pull/13117 (7.4)",
        accepts: |real, ours| {
            let text = |value: &Value| value.text().starts_with("ERR Unbalanced");
            text(real) && text(ours)
        },
    },
];

/// Commands of 7.4 that the real 7.0.15 does not know: they are not sent to it.
pub const NOT_IN_7_0: &[&str] = &[
    "HEXPIRE",
    "HPEXPIRE",
    "HEXPIREAT",
    "HPEXPIREAT",
    "HTTL",
    "HPTTL",
    "HEXPIRETIME",
    "HPEXPIRETIME",
    "HPERSIST",
    "CLIENT NO-TOUCH",
    "CLIENT SETINFO",
    "CLUSTER MYSHARDID",
    "WAITAOF",
];

/// One side's reply, and the one before it in the same step.
pub struct Told<'a> {
    pub reply: &'a Value,
    pub before: Option<&'a Value>,
}

/// Whether the replies agree.
pub fn agree(
    known: &[&[Known]],
    command: &Command,
    check: &Check,
    real: &Told<'_>,
    ours: &Told<'_>,
) -> bool {
    let name = command_name(command);
    agree_strictly(known, check, real, ours)
        || known.iter().copied().flatten().any(|known| {
            known.commands.contains(&name.as_str()) && (known.accepts)(real.reply, ours.reply)
        })
}

fn agree_strictly(known: &[&[Known]], check: &Check, real: &Told<'_>, ours: &Told<'_>) -> bool {
    let (a, b) = (real.reply, ours.reply);
    if a.is_error() || b.is_error() {
        return a == b;
    }
    match check {
        Check::Exact => a == b,
        Check::Unordered => same_kind(a, b) && sorted(a.items()) == sorted(b.items()),
        Check::Pairs => same_kind(a, b) && sorted(couples(a)) == sorted(couples(b)),
        Check::Drawn => same_shape(a, b) && drawn(real) && drawn(ours),
        Check::Kind => same_kind(a, b),
        Check::Clock(slack) => match (a, b) {
            (Value::Int(x), Value::Int(y)) => {
                x.abs_diff(*y) <= *slack as u64 && (*x < 0) == (*y < 0)
            }
            (Value::Array(x), Value::Array(y)) => {
                let alike = |(a, b)| agree_strictly(known, check, &alone(a), &alone(b));
                x.len() == y.len() && x.iter().zip(y).all(alike)
            }
            _ => a == b,
        },
        Check::StreamInfo => still(a) == still(b),
        Check::Hello => same_kind(a, b) && lasting(a) == lasting(b),
        Check::Exec(checks) => agree_exec(known, checks, a, b),
    }
}

/// A reply with none before it.
fn alone(reply: &Value) -> Told<'_> {
    Told {
        reply,
        before: None,
    }
}

fn agree_exec(known: &[&[Known]], checks: &[(Command, Check)], real: &Value, ours: &Value) -> bool {
    let (Value::Array(a), Value::Array(b)) = (real, ours) else {
        return real == ours;
    };
    a.len() == b.len()
        && a.len() == checks.len()
        && checks.iter().enumerate().all(|(at, (command, check))| {
            let before = at.checked_sub(1);
            agree(
                known,
                command,
                check,
                &Told {
                    reply: &a[at],
                    before: before.map(|at| &a[at]),
                },
                &Told {
                    reply: &b[at],
                    before: before.map(|at| &b[at]),
                },
            )
        })
}

fn same_kind(a: &Value, b: &Value) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// Lists of the same lengths at every depth; leaves may differ.
fn same_shape(a: &Value, b: &Value) -> bool {
    let list = |value: &Value| {
        matches!(
            value,
            Value::Array(_) | Value::Set(_) | Value::Push(_) | Value::Map(_)
        )
    };
    if !list(a) {
        return !list(b) && same_kind(a, b);
    }
    let (x, y) = (a.items(), b.items());
    same_kind(a, b) && x.len() == y.len() && x.iter().zip(&y).all(|(a, b)| same_shape(a, b))
}

/// Every leaf stood in the reply before, which listed the whole collection.
fn drawn(told: &Told<'_>) -> bool {
    let whole: HashSet<String> = told.before.map_or(HashSet::new(), |all| {
        all.leaves().iter().map(Value::text).collect()
    });
    let nothing = |leaf: &Value| matches!(leaf, Value::Null | Value::NullBulk | Value::NullArray);
    told.reply
        .leaves()
        .iter()
        .all(|leaf| nothing(leaf) || whole.contains(&leaf.text()))
}

/// A stream's figures that stay as they are and that all versions agree about.
fn still(value: &Value) -> Value {
    const RUNNING: &[&str] = &[
        "radix-tree-nodes",
        "idle",
        "inactive",
        "seen-time",
        "active-time",
        "lag",
        "entries-read",
    ];
    /// What came with Redis 8.6 and 8.8.
    const LATER: &[&str] = &[
        "idmp-duration",
        "idmp-maxsize",
        "pids-tracked",
        "iids-tracked",
        "iids-added",
        "iids-duplicates",
        "nacked-count",
    ];
    let items = match value {
        Value::Array(items) => items.clone(),
        Value::Map(_) => value.items(),
        // A moment in milliseconds.
        Value::Int(1_000_000_000_000..) => return Value::Int(0),
        other => return other.clone(),
    };
    let is_id = |id: &Value| id.text().contains('-');
    if let [id, owner, Value::Int(_), count] = &items[..]
        && is_id(id)
    {
        // XPENDING: how long ago.
        return Value::Array(vec![id.clone(), owner.clone(), count.clone()]);
    }
    let is_map = items
        .first()
        .is_some_and(|first| matches!(first.text().as_str(), "name" | "length"));
    if !is_map {
        let busy = |item: &&Value| !is_idle_consumer(item);
        return Value::Array(items.iter().filter(busy).map(still).collect());
    }
    let lasting = items.chunks(2).filter(|pair| {
        let name = pair[0].text();
        let is_count = name == "consumers" && matches!(pair[1], Value::Int(_));
        !is_count && !RUNNING.contains(&name.as_str()) && !LATER.contains(&name.as_str())
    });
    Value::Array(lasting.flatten().map(still).collect())
}

/// A consumer for whom nothing is pending.
fn is_idle_consumer(value: &Value) -> bool {
    let items = value.items();
    let names: Vec<String> = items.iter().step_by(2).map(Value::text).collect();
    let has = |name: &str| names.iter().position(|held| held == name);
    let of = |name: &str| has(name).and_then(|at| items.get(2 * at + 1));
    (has("idle").is_some() || has("seen-time").is_some())
        && (of("pel-count") == Some(&Value::Int(0)) || of("pending") == Some(&Value::Int(0)))
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

fn couples(value: &Value) -> Vec<(Value, Option<Value>)> {
    value
        .items()
        .chunks(2)
        .map(|pair| (pair[0].clone(), pair.get(1).cloned()))
        .collect()
}

/// HELLO's fields that are the same on any server of the family.
fn lasting(hello: &Value) -> Vec<(Value, Option<Value>)> {
    couples(hello)
        .into_iter()
        .filter(|(field, _)| !matches!(field.text().as_str(), "version" | "id" | "modules"))
        .collect()
}

/// The same reply, but for the spelling of numbers.
pub fn same_numbers(real: &Value, ours: &Value) -> bool {
    // Compared as numbers: whether a zero keeps its sign depends on how a set is packed.
    numbers_agree(real, ours, |a, b| a == b)
}

/// The same elements, in an order in which they are alike up to a zero byte.
pub fn alike_before_zero(real: &Value, ours: &Value) -> bool {
    let before_zero = |value: &Value| -> Vec<String> {
        let first = |text: String| text.split('\0').next().map(str::to_owned);
        value
            .items()
            .iter()
            .filter_map(|item| first(item.text()))
            .collect()
    };
    sorted(real.items()) == sorted(ours.items()) && before_zero(real) == before_zero(ours)
}

/// The same scores, and other elements only where several are as far as the last one that was asked for.
pub fn same_but_ties(real: &Value, ours: &Value) -> bool {
    // With WITHATTRIBS, each has three parts.
    let (a, b) = (real.items(), ours.items());
    [2, 3].into_iter().any(|parts| {
        let whole = a.len() == b.len() && a.len().is_multiple_of(parts);
        let Some(last) = a.chunks(parts).next_back().filter(|_| whole) else {
            return false;
        };
        a.chunks(parts).zip(b.chunks(parts)).all(|(real, ours)| {
            same_numbers(&real[1], &ours[1])
                && (real[0] == ours[0] || same_numbers(&real[1], &last[1]))
        })
    })
}

/// BITCOUNT with a start alone, by a server that knows no such.
pub fn counts_from_a_start(real: &Value, ours: &Value) -> bool {
    let counted = matches!(ours, Value::Int(_));
    let no_start = "ERR value is not an integer or out of range";
    let wrong_type = ours.text().starts_with("WRONGTYPE");
    real.text() == "ERR syntax error" && (counted || wrong_type || ours.text() == no_start)
}

fn numbers_agree(real: &Value, ours: &Value, same: fn(f64, f64) -> bool) -> bool {
    let number = |leaf: &Value| leaf.text().parse::<f64>().ok();
    match (real, ours) {
        (Value::Bulk(_), Value::Bulk(_)) | (Value::Double(_), Value::Double(_)) => {
            real == ours
                || number(real)
                    .zip(number(ours))
                    .is_some_and(|(a, b)| same(a, b))
        }
        (
            Value::Array(_) | Value::Set(_) | Value::Push(_) | Value::Map(_),
            Value::Array(_) | Value::Set(_) | Value::Push(_) | Value::Map(_),
        ) => {
            let (a, b) = (real.items(), ours.items());
            same_kind(real, ours)
                && a.len() == b.len()
                && a.iter().zip(&b).all(|(a, b)| numbers_agree(a, b, same))
        }
        _ => real == ours,
    }
}

#[test]
fn replies_agree_as_far_as_redis_pins_them_down() {
    let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
    let holds = |name: &str, check: Check, real: &Value, ours: &Value| {
        let told = |reply| Told {
            reply,
            before: None,
        };
        agree(
            &[KNOWN],
            &vec![name.as_bytes().to_vec()],
            &check,
            &told(real),
            &told(ours),
        )
    };
    let ab = Value::Array(vec![bulk("a"), bulk("b")]);
    let ba = Value::Array(vec![bulk("b"), bulk("a")]);
    assert!(holds("KEYS", Check::Unordered, &ab, &ba));
    assert!(!holds("KEYS", Check::Exact, &ab, &ba));
    assert!(holds(
        "zscore",
        Check::Exact,
        &bulk("0.10000000000000001"),
        &bulk("0.1")
    ));
    assert!(!holds("zscore", Check::Exact, &bulk("0.1"), &bulk("0.2")));
    assert!(!holds(
        "GET",
        Check::Exact,
        &Value::NullBulk,
        &Value::NullArray
    ));
}
