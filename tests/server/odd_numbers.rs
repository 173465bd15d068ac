//! Numbers that are no plain numbers, in every place where a command takes one: the real redis-server answers the same, and
//! both servers' keys are the same afterwards.
//!
//! `odd_numbers.txt` has a command a line, with braces around what is replaced. `ODD_NUMBERS` says how many cases are
//! tried of those that there are; without it, one in twelve.

use crate::common::{Client, Server, Value, encode, real_redis, redis_is_missing, setting};

/// What is put in the place of a number.
const ODD: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "100",
    "-99",
    "-0",
    "00",
    "01",
    "+1",
    " 1",
    "1 ",
    "",
    "x",
    "-",
    "+",
    "#1",
    "(1",
    "1_0",
    "1,5",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775",
    "9223372036854776",
    "-9223372036854775",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "1.5",
    "-1.5",
    ".5",
    "5.",
    "0.1",
    "1e",
    "1e3",
    "1e18",
    "1e19",
    "1e308",
    "5e-324",
    "1e400",
    "-1e400",
    "1e-400",
    "1.7976931348623157e309",
    "inf",
    "-inf",
    "+inf",
    "inf ",
    "Infinity",
    "infinity",
    "nan",
    "-nan",
    "NaN",
    "0x10",
    "0x1p3",
    "-0x1p-1",
    "1\0",
    "-1\0",
];

/// Keys of every type, made anew for each case.
const KEYS: &[&str] = &[
    "SET s hello",
    "SET n 10",
    "SET f 1.5",
    "SET big 9223372036854775807",
    "HSET h a 1 b 2 c x f 1.5",
    "RPUSH l a b c a b a",
    "SADD set a b c 1 2",
    "ZADD z 1 a 2 b 3 c",
    "ZADD zi inf a -inf b 0 c",
    "ZADD lex 0 a 0 b 0 c",
    "GEOADD g 13.36 38.11 a 15.08 37.5 b",
    "PFADD hll a b c",
    "XADD x 1-1 a 1",
    "XADD x 2-1 a 2",
    "XGROUP CREATE x g 0",
    "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
    "RPUSH nums 3 1 2",
];

/// One command in which one number has been replaced.
struct Case {
    /// The line it is from, and the word in it.
    line: &'static str,
    at: usize,
    odd: &'static str,
    command: Vec<String>,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("odd_numbers.txt").lines();
    let mut cases = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let places = (0..words.len()).filter(|at| words[*at].contains('{'));
        for at in places {
            cases.extend(ODD.iter().map(|odd| {
                let fill = |(here, word): (usize, &&str)| match (word.split_once('{'), here == at) {
                    (Some((before, rest)), true) => {
                        let after = rest.split_once('}').expect("a closing brace").1;
                        format!("{before}{odd}{after}")
                    }
                    _ => word.replace(['{', '}'], ""),
                };
                let command = words.iter().enumerate().map(fill).collect();
                Case {
                    line,
                    at,
                    odd,
                    command,
                }
            }));
        }
    }
    cases
}

/// The number that C would read, if any.
fn number(text: &str) -> f64 {
    let text = text.trim().trim_matches('\0');
    match text.strip_prefix("0x") {
        Some(_) => 16.0,
        None => text.trim_start_matches('#').parse().unwrap_or(0.0),
    }
}

/// Whether both servers can answer it at once, and in little memory.
fn is_cheap(command: &[String]) -> bool {
    let last = number(command.last().expect("a name"));
    let waits = command[1] == "nokey" && !(last < 0.0 || (0.000_001..=0.1).contains(&last));
    let vast = |at: usize| (100_000.0..=4.4e9).contains(&number(&command[at]));
    match command[0].as_str() {
        "BLPOP" | "BRPOP" | "BZPOPMIN" | "BZPOPMAX" | "BLMOVE" | "BRPOPLPUSH" => !waits,
        "SETRANGE" | "SETBIT" => !vast(2),
        "BITFIELD" => (2..command.len()).all(|at| !vast(at)),
        "HRANDFIELD" | "SRANDMEMBER" | "ZRANDMEMBER" => number(&command[2]) > -1000.0,
        _ => true,
    }
}

/// Whether the answer is one for a moment only.
fn passes(case: &Case) -> bool {
    let name = case.command[0].as_str();
    let is_time = matches!(name, "PSETEX" | "PEXPIRE" | "HPEXPIRE")
        || case.command.iter().any(|word| word == "PX")
        || name == "XCLAIM" && case.at == 4;
    let odd = case.odd.parse::<f64>();
    is_time && odd.is_ok_and(|odd| odd > 0.0 && odd < 1000.0)
}

/// What tells of all keys, whatever the command was.
const STATE: &[&str] = &[
    "EXISTS s n f big h l set z zi lex g hll x nums d l2 s2",
    "GETRANGE s 0 60",
    "STRLEN s",
    "MGET n f big",
    "HGETALL h",
    "LRANGE l 0 -1",
    "LRANGE l2 0 -1",
    "LRANGE nums 0 -1",
    "SCARD set",
    "ZRANGE z 0 -1 WITHSCORES",
    "ZRANGE zi 0 -1 WITHSCORES",
    "ZRANGE g 0 -1",
    "XRANGE x - +",
    "XPENDING x g",
    "TYPE d",
];

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// The answer, and what the keys are afterwards.
fn answers(client: &mut Client, case: &Case) -> Vec<Value> {
    let first = ["RESET", "FLUSHALL"].iter().chain(KEYS).copied().map(words);
    let own = std::iter::once(case.command.clone());
    let lines: Vec<Vec<String>> = first
        .chain(own)
        .chain(STATE.iter().copied().map(words))
        .collect();
    let bytes: Vec<u8> = lines.iter().flat_map(|line| encode(line)).collect();
    client.send(&bytes).expect("sent");
    let mut told: Vec<Value> = lines
        .iter()
        .map(|line| match client.receive() {
            Ok(reply) => reply.value,
            Err(error) => panic!("{error} at {line:?}, after {:?}", case.command),
        })
        .collect();
    told.split_off(2 + KEYS.len())
}

/// Where Redis 8.2.3 answers otherwise than 7.0.15, or ours has a reason of its own.
struct Known {
    why: &'static str,
    holds: fn(&Case, &Value, &Value) -> bool,
}

const RANGE: &str =
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";

const KNOWN: &[Known] = &[
    Known {
        why: "8.2 names the range of a count that may be negated",
        holds: |case, _, ours| case.odd == "-9223372036854775808" && ours.text() == RANGE,
    },
    Known {
        why: "from 7.2 on a time to wait that ends beyond 64 bits is out of range, and not negative or at once by overflow",
        holds: |_, _, ours| ours.text() == "ERR timeout is out of range",
    },
    Known {
        why: "7.4 says why XREADGROUP takes no +",
        holds: |case, _, ours| {
            case.odd == "+"
                && ours
                    .text()
                    .starts_with("ERR The + ID is meaningless in the context of XREADGROUP")
        },
    },
    Known {
        why: "7.2 and later find no key by a count that 32 bits do not hold, and name the others first",
        holds: |case, real, ours| {
            case.line.starts_with("COMMAND GETKEYS")
                && case.odd == "9007199254740993"
                && real.items().len() == ours.items().len()
        },
    },
    Known {
        why: "8.2 reads the bounds of a range of scores as decimal numbers without blanks",
        holds: |case, _, ours| {
            matches!(case.odd, "0x10" | "0x1p3" | "-0x1p-1" | " 1")
                && ours.text() == "ERR min or max is not a float"
        },
    },
    Known {
        why: "from 7.2 on cursors are read as C reads numbers, and none is negative",
        holds: |case, real, ours| {
            case.line.contains("SCAN")
                && [real, ours]
                    .iter()
                    .any(|value| value.text() == "ERR invalid cursor")
        },
    },
    Known {
        why: "to us a zero byte is a part of a field's type",
        holds: |case, _, ours| {
            case.odd.ends_with('\0') && ours.text().starts_with("ERR Invalid bitfield type")
        },
    },
    Known {
        why: "from 7.2 on doubles have the shortest digits that read back the same",
        holds: |_, real, ours| same_numbers(real, ours),
    },
    Known {
        why: "chance draws",
        holds: |case, real, ours| {
            matches!(
                case.command[0].as_str(),
                "HRANDFIELD" | "SRANDMEMBER" | "ZRANDMEMBER" | "SPOP"
            ) && !ours.is_error()
                && real.items().len() == ours.items().len()
        },
    },
    Known {
        why: "cursors, and the order of a scan, are each server's own",
        holds: |case, real, ours| {
            case.line.contains("SCAN") && !real.is_error() && !ours.is_error()
        },
    },
    Known {
        why: "Redis finds no memory for so large a count",
        holds: |case, real, _| {
            case.command[0] == "XAUTOCLAIM" && real.text().contains("COUNT too high")
        },
    },
    Known {
        why: "8.6 tells what a stream knows of its producers",
        holds: |case, real, ours| {
            case.line.starts_with("XINFO STREAM")
                && !real.is_error()
                && ours.to_string().contains("\"idmp-duration\"")
        },
    },
    Known {
        why: "7.2 tells more of an idle consumer and of a group's lag, and times run",
        holds: |case, real, ours| {
            case.command[0].starts_with('X')
                && !ours.is_error()
                && real.items().len() == ours.items().len()
        },
    },
];

/// Whether the leaves are the same, in any order.
fn same_leaves(real: &Value, ours: &Value) -> bool {
    let sorted = |value: &Value| {
        let mut leaves = value.leaves();
        leaves.sort();
        leaves
    };
    sorted(real) == sorted(ours)
}

/// Whether all leaves are the same numbers, or the same texts.
fn same_numbers(real: &Value, ours: &Value) -> bool {
    let (real, ours) = (real.leaves(), ours.leaves());
    let same = |(one, other): (&Value, &Value)| {
        let number = |leaf: &Value| leaf.text().parse::<f64>().ok();
        one == other || number(one).is_some() && number(one) == number(other)
    };
    real.len() == ours.len() && real.iter().zip(&ours).all(same)
}

fn agree(case: &Case, at: usize, real: &Value, ours: &Value) -> bool {
    let known = || KNOWN.iter().any(|known| (known.holds)(case, real, ours));
    match at {
        0 => real == ours || known(),
        // A hash's order is each server's own.
        _ => same_numbers(real, ours) || same_leaves(real, ours),
    }
}

#[test]
fn odd_numbers_are_answered_as_by_the_real_server() {
    if redis_is_missing() {
        return;
    }
    let all = cases();
    let wanted = setting("ODD_NUMBERS", all.len() as u64 / 12) as usize;
    let mut chosen: Vec<&Case> = all
        .iter()
        .filter(|case| is_cheap(&case.command) && !passes(case))
        .collect();
    fastrand::Rng::with_seed(setting("ODD_SEED", 1)).shuffle(&mut chosen);
    chosen.truncate(wanted);
    let (server, real) = (
        Server::start(&[]),
        Server::start_program(&real_redis(), &[]),
    );
    let (mut client, mut real_client) = (server.client(), real.client());
    let mut differing = Vec::new();
    for case in chosen {
        let (theirs, ours) = (answers(&mut real_client, case), answers(&mut client, case));
        let refused = KNOWN
            .iter()
            .any(|known| theirs[0] != ours[0] && (known.holds)(case, &theirs[0], &ours[0]));
        // Where one refuses what the other does, or both draw, keys differ as well.
        let places = if refused { 1 } else { ours.len() };
        for at in (0..places).filter(|at| !agree(case, *at, &theirs[*at], &ours[*at])) {
            let what = if at == 0 { "the answer" } else { STATE[at - 1] };
            differing.push(format!(
                "{} with {:?} as word {}: {what}: {} there, {} here",
                case.line, case.odd, case.at, theirs[at], ours[at]
            ));
        }
    }
    let known: Vec<&str> = KNOWN.iter().map(|known| known.why).collect();
    assert!(
        differing.is_empty(),
        "{} differ:\n{}\nKnown and accepted:\n{}",
        differing.len(),
        differing.join("\n"),
        known.join("\n")
    );
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn odd_numbers_of_8_2_are_answered_as_there() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (command, answer) in [
        ("SET k hello", "+OK"),
        ("BITFIELD k GET u8 #2305843009213693952", "*[:104]"),
        ("BITFIELD k GET u8 #2305843009213693953", "*[:101]"),
        (
            "BITFIELD k GET u8 #1152921504606846976",
            "-ERR bit offset is not an integer or out of range",
        ),
        (
            "LPOS l x RANK -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        ("BLPOP l 1e400", "-ERR timeout is out of range"),
        ("BLPOP l -1e400", "-ERR timeout is negative"),
        ("BLPOP l 1e-400", "*-1"),
        ("BLPOP l 9223372036854775", "-ERR timeout is out of range"),
        ("BLPOP l 9223372036854775.8", "-ERR timeout is out of range"),
        ("ZADD s inf x -inf y 5 z", ":3"),
        ("ZINTERSTORE d 2 s s WEIGHTS 1 0", ":3"),
        ("ZRANGE d 0 -1 WITHSCORES", r#"*["x" "0" "y" "0" "z" "5"]"#),
        (
            "ZINTER 2 s s WEIGHTS 1 0 AGGREGATE MIN WITHSCORES",
            r#"*["y" "-inf" "z" "0" "x" "inf"]"#,
        ),
        (
            "ZINTER 2 s s WEIGHTS 1 0 AGGREGATE MAX WITHSCORES",
            r#"*["y" "-inf" "z" "5" "x" "inf"]"#,
        ),
        (
            "ZUNION 2 s s WEIGHTS 1 0 WITHSCORES",
            r#"*["y" "-inf" "z" "5" "x" "inf"]"#,
        ),
        (
            "ZUNION 1 s WEIGHTS 0 WITHSCORES",
            r#"*["x" "0" "y" "0" "z" "0"]"#,
        ),
        ("COMMAND GETKEYS ZUNIONSTORE d 1e3 a b", r#"*["a" "d"]"#),
        (
            "COMMAND GETKEYS ZUNIONSTORE d 0 a b",
            "-ERR Invalid arguments specified for command",
        ),
        ("COMMAND GETKEYS ZUNIONSTORE d 2 a b", r#"*["d" "a" "b"]"#),
        ("COMMAND GETKEYS EVAL x 1x a b", r#"*["a"]"#),
        ("COMMAND GETKEYS EVAL x 0 a b", "*[]"),
        (
            "COMMAND GETKEYSANDFLAGS LMPOP 1x a LEFT",
            r#"*[*["a" *[]]]"#,
        ),
        (
            "HTTL h FIELDS 0 a",
            "-ERR Number of fields must be a positive integer",
        ),
        (
            "HPERSIST h FIELDS x a",
            "-ERR Number of fields must be a positive integer",
        ),
        ("SSCAN set +0", r#"*["0" *[]]"#),
        ("SSCAN set -1", "-ERR invalid cursor"),
        (
            "CONFIG SET maxmemory-samples 65",
            "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-samples') - argument must be between 1 and 64 inclusive",
        ),
        (
            "CONFIG SET maxmemory 9223372036854775808",
            "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be greater or equal to 0",
        ),
        (
            "CONFIG SET latency-monitor-threshold 9223372036854775807",
            "+OK",
        ),
        ("PING", "+PONG"),
    ] {
        let told = client.ask(command).to_string().replace("\\'", "'");
        assert_eq!(told, answer, "{command}");
    }
}
