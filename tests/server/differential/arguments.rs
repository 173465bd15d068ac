//! Random arguments from small pools, so that commands meet each other's data, and damage to whole commands.

use fastrand::Rng;

use super::filters::{ATTRIBUTES, FILTERS};
use super::template::{Command, command_name, pick};

const KEYS_EACH: usize = 5;
/// Geo keys stay among themselves: foreign scores would make equal distances, whose order is open.
const KEY_KINDS: &[&str] = &[
    "string", "hash", "list", "set", "zset", "bits", "hll", "stream",
];
const LENGTHS: &[usize] = &[2, 12, 19, 20, 21, 39, 44, 45, 63, 64, 65, 100, 300];
const LONG: usize = 70_000;
const INTS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "5",
    "7",
    "10",
    "12",
    "100",
    "255",
    "1000",
    "9999",
    "10000",
    "65536",
    "2147483647",
    "4294967296",
    "-2147483648",
    "9223372036854775807",
    "-9223372036854775808",
];
const SMALL: &[&str] = &["0", "1", "1", "2", "2", "3", "5", "10", "40"];
const FLOATS: &[&str] = &[
    "0",
    "1",
    "-1",
    "0.5",
    "1.25",
    "-2.75",
    "3.14",
    "10",
    "0.1",
    "5.0e3",
    "1e-5",
    "100.000001",
    "12345678.125",
    "1e17",
    "-1.5e300",
];
const SCORES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "1.5",
    "2.25",
    "-0.5",
    "10",
    "100",
    "inf",
    "-inf",
    "+inf",
    "1e6",
    "3.14",
    "0.1",
    "-0",
    "1e300",
    "12345678901234567890",
    "1e-7",
];
const BOUNDS: &[&str] = &[
    "-inf", "+inf", "0", "1", "(1", "2", "(2", "1.5", "(2.25", "10", "-1", "(-inf", "(inf", "100",
];
const LEX: &[&str] = &[
    "-", "+", "[m1", "(m1", "[m3", "(m5", "[m9", "[", "(", "[a", "[z", "(zzz", "m", "",
];
const PATTERNS: &[&str] = &[
    "*", "s*", "?", "m?", "m*1", "*1", "h*2", "[lz]*", "[^s]*", "[a-m]*", "\\*", "", "[a-", "**",
    "x", "*:*", "[z-a]*", "*[", "\\",
];
const NASTY: &[&[u8]] = &[
    b"",
    b"x",
    b"99999999999999999999",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"-1",
    b"0",
    b"nan",
    b"inf",
    b"-inf",
    b"1.5",
    b" 1",
    b"1 ",
    b"01",
    b"+1",
    b"-0",
    b"1e3",
    b"0x10",
    b"\0\xff\r\n",
    b"4294967296",
    b"#",
    b"*",
    b"(1",
    b"[",
    b"NX",
    b"XX",
    b"GT",
    b"LT",
    b"CH",
    b"INCR",
    b"GET",
    b"LIMIT",
    b"COUNT",
    b"WITHSCORES",
    b"WEIGHTS",
    b"AGGREGATE",
    b"REV",
    b"BYSCORE",
    b"BYLEX",
    b"KEEPTTL",
    b"EX",
    b"PX",
    b"LEFT",
    b"STORE",
    b"ASC",
    b"MATCH",
    b"BY",
];
const PLACES: &[(f64, f64)] = &[
    (13.361389, 38.115556),
    (15.087269, 37.502669),
    (13.583333, 37.316667),
    (2.3522, 48.8566),
    (-73.9857, 40.7484),
    (179.9, 0.0),
    (-180.0, -85.05112878),
    (0.0, 0.0),
];

/// Draws arguments. One of these serves a whole run, so deadlines never repeat.
pub struct Arguments {
    pub rng: Rng,
    /// Keys in the last `keys` argument: WEIGHTS wants one number for each.
    keys_named: usize,
    deadlines: u64,
    /// Entries given to streams, which makes ids that grow.
    entries: u64,
}

impl Arguments {
    pub fn new(rng: Rng) -> Arguments {
        Arguments {
            rng,
            keys_named: 1,
            deadlines: 0,
            entries: 0,
        }
    }

    /// Adds the argument, or arguments, of a class.
    pub fn push(&mut self, class: &str, out: &mut Command) {
        match class {
            "streamids" | "streamnew" => {
                let streams = *pick(&mut self.rng, &[1, 1, 1, 2, 3]);
                for _ in 0..streams {
                    let key = self.key("stream");
                    out.push(key);
                }
                for _ in 0..streams {
                    let is_new = class == "streamnew" && self.rng.u8(..8) > 0;
                    let id = if is_new { b">".to_vec() } else { self.old_id() };
                    out.push(id);
                }
            }
            "stringkeys" | "listkeys" | "setkeys" | "zsetkeys" => {
                let kind = class.trim_end_matches("keys");
                let keys = *pick(&mut self.rng, &[1, 1, 2, 2, 2, 3, 4]);
                self.keys_named = keys;
                out.push(keys.to_string().into_bytes());
                for _ in 0..keys {
                    let key = self.key(kind);
                    out.push(key);
                }
            }
            "fieldlist" | "fieldvalues" => {
                let fields = *pick(&mut self.rng, &[1, 1, 2, 2, 3, 5]);
                out.extend([b"FIELDS".to_vec(), fields.to_string().into_bytes()]);
                for _ in 0..fields {
                    let field = self.one("field");
                    out.push(field);
                    if class == "fieldvalues" {
                        let value = self.value();
                        out.push(value);
                    }
                }
            }
            "weights" => {
                out.push(b"WEIGHTS".to_vec());
                for _ in 0..self.keys_named {
                    let weight = self.one("float");
                    out.push(weight);
                }
            }
            "vector" => {
                out.extend([b"VALUES".to_vec(), b"5".to_vec()]);
                let component = |rng: &mut Rng| format!("{:.4}", rng.f64() * 2.0 - 1.0);
                out.extend((0..5).map(|_| component(&mut self.rng).into_bytes()));
            }
            "place" => {
                let (lon, lat) = *pick(&mut self.rng, PLACES);
                out.extend([self.beside(lon), self.beside(lat)]);
            }
            _ => {
                let one = self.one(class);
                out.push(one);
            }
        }
    }

    fn one(&mut self, class: &str) -> Vec<u8> {
        let rng = &mut self.rng;
        let from = |rng: &mut Rng, pool: &[&str]| pick(rng, pool).as_bytes().to_vec();
        match class {
            "string" | "hash" | "list" | "set" | "zset" | "bits" | "hll" | "geo" | "stream" => {
                self.key(class)
            }
            "vec" | "wholevec" | "signvec" | "lowvec" => self.key(class),
            "element" => format!("e{}", rng.u8(1..30)).into_bytes(),
            "attributes" => from(rng, ATTRIBUTES),
            "filter" => from(rng, FILTERS),
            json if json.starts_with("json") => super::documents::argument(rng, json),
            "onlynew" => b">".to_vec(),
            "newid" => self.new_id(),
            "oldid" => self.old_id(),
            "edge" => match rng.u8(..8) {
                0..3 => b"-".to_vec(),
                3..6 => b"+".to_vec(),
                6 => [b"(".to_vec(), self.old_id()].concat(),
                _ => self.old_id(),
            },
            "group" => from(rng, &["group1", "group1", "group1", "group2", "group3"]),
            "consumer" => from(rng, &["ann", "ann", "bob", "cid", ""]),
            "idle" => from(rng, &["0", "0", "0", "100000000", "-5"]),
            "lcs" => format!("lcs{}", rng.u8(1..4)).into_bytes(),
            "lexset" => format!("lex{}", rng.u8(1..4)).into_bytes(),
            "anykey" => {
                let kind = *pick(rng, KEY_KINDS);
                own_key(rng, kind)
            }
            "value" => self.value(),
            "short" => from(
                rng,
                &[
                    "ohmytext",
                    "mynewtext",
                    "",
                    "aXbXc",
                    "abcabcabc",
                    "zzz",
                    "mytext!",
                ],
            ),
            "int" => from(rng, INTS),
            "small" => from(rng, SMALL),
            "index" => (rng.i64(-8..9) * [1, 1, 1, 20][rng.usize(..4)])
                .to_string()
                .into_bytes(),
            "count" => from(rng, &["0", "1", "2", "3", "5", "100", "-1", "-3"]),
            "positive" => from(rng, &["1", "2", "3", "7", "100"]),
            "float" => from(rng, FLOATS),
            "field" => self.named("f", 12),
            "member" => self.named("m", 15),
            "score" => from(rng, SCORES),
            "bound" => from(rng, BOUNDS),
            "lex" => from(rng, LEX),
            "pattern" => from(rng, PATTERNS),
            "channel" => format!("channel{}", rng.u8(1..4)).into_bytes(),
            "mask" => from(rng, &["channel*", "channel[12]", "*3", "c*"]),
            "cursor" => from(rng, &["0", "0", "0", "17", "x", "-1"]),
            "far" => self.deadline(1).into_bytes(),
            "farms" => self.deadline(1000).into_bytes(),
            "at" => (4_102_444_800 + rng.u64(..1_000_000))
                .to_string()
                .into_bytes(),
            "atms" => (4_102_444_800_000 + rng.u64(..1_000_000_000))
                .to_string()
                .into_bytes(),
            "past" => from(rng, &["0", "-1", "-100", "-9223372036854775808"]),
            "pastat" => from(rng, &["0", "1", "-1", "1000000"]),
            "never" => from(
                rng,
                &[
                    "9223372036854775807",
                    "99999999999999999999",
                    "x",
                    "1.5",
                    "",
                    "9223372036854775",
                ],
            ),
            "bit" => from(rng, &["0", "1", "1", "1", "2", "-1"]),
            "bitoffset" => from(
                rng,
                &[
                    "0",
                    "1",
                    "7",
                    "8",
                    "9",
                    "31",
                    "63",
                    "64",
                    "100",
                    "999",
                    "-1",
                    "4294967296",
                ],
            ),
            "fieldtype" => from(
                rng,
                &[
                    "u1", "u2", "u4", "u8", "i8", "u16", "i16", "i5", "u31", "u32", "i32", "u63",
                    "i64", "u64", "i65", "i0", "x8",
                ],
            ),
            "fieldoffset" => from(
                rng,
                &[
                    "0", "1", "5", "8", "#0", "#1", "#3", "100", "-1", "#-1", "#", "x",
                ],
            ),
            "offset" => from(
                rng,
                &["0", "1", "2", "5", "10", "60", "200", "-1", "536870912"],
            ),
            "unit" => from(rng, &["m", "km", "ft", "mi", "KM", "parsec"]),
            "radius" => from(
                rng,
                &[
                    "0", "1", "100", "200", "500", "5000", "20000", "1e7", "-1", "0.5",
                ],
            ),
            "db" => from(rng, &["0", "0", "1", "1", "2", "3", "16", "-1", "x"]),
            "timeout" => from(rng, &["0.01", "0.001", "0.02"]),
            "badtimeout" => from(
                rng,
                &["-1", "x", "", "nan", "inf", "1e300", "99999999999999999999"],
            ),
            "sortby" => from(
                rng,
                &["string*", "hash*->f1", "w*", "*", "string1*->x", "hash*->"],
            ),
            "sortget" => from(rng, &["#", "string*", "hash*->f1", "nokey", "*->"]),
            "word" => from(rng, &["hello", "foo", "bar", "x y", ""]),
            "garbage" => from(rng, &["", "x", "\x00\x03abc\x0a\x00________", "0123456789"]),
            other => panic!("no such class of arguments: {other}"),
        }
    }

    /// A degree near this one: no two members at the same distance, whose order Redis leaves open.
    fn beside(&mut self, degree: f64) -> Vec<u8> {
        format!("{:.7}", degree + self.rng.f64() / 100.0).into_bytes()
    }

    /// Mostly a key of the wanted type, sometimes of another, rarely one that never exists.
    fn key(&mut self, kind: &str) -> Vec<u8> {
        match self.rng.u8(..100) {
            0..=6 => {
                let other = *pick(&mut self.rng, KEY_KINDS);
                own_key(&mut self.rng, other)
            }
            7..=8 => b"missing".to_vec(),
            _ => own_key(&mut self.rng, kind),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        match self.rng.u16(..1000) {
            0..=349 => pick(&mut self.rng, INTS).as_bytes().to_vec(),
            350..=449 => pick(&mut self.rng, FLOATS).as_bytes().to_vec(),
            450..=499 => Vec::new(),
            500..=549 => vec![0, 255, 13, 10, 128, self.rng.u8(..)],
            550..=749 => {
                let len = *pick(&mut self.rng, LENGTHS);
                vec![self.rng.u8(b'a'..=b'e'); len]
            }
            750..=752 => vec![b'L'; LONG],
            _ => self.named("v", 9),
        }
    }

    fn named(&mut self, letter: &str, many: u32) -> Vec<u8> {
        match self.rng.u8(..40) {
            0 => Vec::new(),
            1 => vec![b'x'; *pick(&mut self.rng, LENGTHS)],
            2 => vec![0, 200, 10],
            3..=10 => self.rng.u32(..many * 2).to_string().into_bytes(),
            _ => format!("{letter}{}", self.rng.u32(1..=many)).into_bytes(),
        }
    }

    /// Mostly an id above all that were given, in one of its spellings.
    fn new_id(&mut self) -> Vec<u8> {
        self.entries += 1;
        let (ms, seq) = (self.entries / 4, self.entries % 4 + 1);
        match self.rng.u8(..20) {
            0 => return self.old_id(),
            1 => format!("{ms}-*"),
            2 => format!("{}", ms + 1),
            3 => format!("0{ms}-{seq}"),
            _ => format!("{ms}-{seq}"),
        }
        .into_bytes()
    }

    /// An id that some entry may have.
    fn old_id(&mut self) -> Vec<u8> {
        let back = self.rng.u64(..60);
        let entry = self.entries.saturating_sub(back);
        match self.rng.u8(..10) {
            0 => format!("{}", entry / 4),
            1 => "0".to_owned(),
            _ => format!("{}-{}", entry / 4, entry % 4 + 1),
        }
        .into_bytes()
    }

    /// A deadline that outlives the run and never comes twice: GT and LT then never depend on the millisecond.
    fn deadline(&mut self, unit: u64) -> String {
        self.deadlines += 1;
        let seconds = 1000 * (101 + self.deadlines * 7919 % 100_003);
        (seconds * unit).to_string()
    }

    /// Makes a command wrong, or at least odd, in one place.
    pub fn damage(&mut self, command: &mut Command) {
        let at = self.rng.usize(..command.len());
        match self.rng.u8(..8) {
            0 if command.len() > 1 => {
                command.pop();
            }
            1 if at > 0 => {
                command.remove(at);
            }
            2 => command.push(pick(&mut self.rng, NASTY).to_vec()),
            3 if at > 0 => command.insert(at, pick(&mut self.rng, NASTY).to_vec()),
            4 if at > 0 => {
                let twin = command[at].clone();
                command.push(twin);
            }
            5 if at > 1 => command.swap(1, at),
            _ if at > 0 => command[at] = pick(&mut self.rng, NASTY).to_vec(),
            _ => command.push(b"surplus".to_vec()),
        }
    }
}

fn own_key(rng: &mut Rng, kind: &str) -> Vec<u8> {
    format!("{kind}{}", rng.usize(1..=KEYS_EACH)).into_bytes()
}

/// Damage may have made a command that cannot be compared: one that ends within the run by
/// the clock, waits for long, or asks both servers for gigabytes.
pub fn comparable(command: &Command) -> bool {
    const DEADLINE_MIN: i64 = 100_000;
    let int = |at: usize| -> Option<i64> {
        std::str::from_utf8(command.get(at)?)
            .ok()?
            .trim_start_matches('#')
            .parse()
            .ok()
    };
    let soon = |at: usize| int(at).is_some_and(|n| (1..DEADLINE_MIN).contains(&n));
    let vast = |at: usize| int(at).is_some_and(|n| (100_000..=u32::MAX as i64).contains(&n));
    let word = |at: usize| command[at].to_ascii_uppercase();
    let lex = |at: usize| command.get(at).is_some_and(|key| key.starts_with(b"lex"));
    if command.iter().any(|arg| arg.eq_ignore_ascii_case(b"BYLEX")) && !(lex(1) || lex(2)) {
        return false;
    }
    match command_name(command).as_str() {
        "ZADD" | "ZRANGESTORE" | "GEORADIUS" if lex(1) => {
            lex(2) || command[2..].iter().step_by(2).all(|score| score == b"0")
        }
        "EXPIRE" | "PEXPIRE" | "SETEX" | "PSETEX" | "RESTORE" | "HEXPIRE" | "HPEXPIRE" => !soon(2),
        // Options that stand in the key's place are options for Valkey 9.1, too.
        "HSETEX" if command.len() > 1 && is_option(&word(1)) => false,
        "SET" | "GETEX" | "HGETEX" | "HSETEX" | "MSETEX" => (1..command.len())
            .all(|at| !matches!(word(at - 1).as_slice(), b"EX" | b"PX") || !soon(at)),
        "SETBIT" => !vast(2),
        "SETRANGE" => !int(2).is_some_and(|n| (100_000..512 << 20).contains(&n)),
        "BITFIELD" | "BITFIELD_RO" => (1..command.len())
            .all(|at| !matches!(word(at - 1).first(), Some(b'U' | b'I')) || !vast(at)),
        // No vector set stands where COPY comes, which Redis 8.2 refuses to copy.
        "VADD" if !command.get(1).is_some_and(|key| is_of_vectors(key)) => false,
        // A vector of so many numbers, and so many to be found, end Redis 8.2.3 or take gigabytes.
        "VADD" | "VSIM" => (1..command.len()).all(|at| {
            !matches!(word(at - 1).as_slice(), b"VALUES" | b"REDUCE" | b"COUNT")
                || int(at).is_none_or(|n| (-1000..1000).contains(&n))
        }),
        "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" | "VRANDMEMBER" => {
            int(2).is_none_or(|n| n >= -100)
        }
        // 7.2 adds WITHSCORE, so a fourth argument is no longer one too many.
        "ZRANK" | "ZREVRANK" => command.len() <= 3,
        "LCS" => command
            .iter()
            .skip(1)
            .take(2)
            .any(|key| key.starts_with(b"lcs")),
        // An id that the clock gives is another one on each side.
        "XADD" => !command.iter().any(|arg| arg == b"*"),
        // To be quiet about how long is the default, and 0 is for ever.
        "XREAD" | "XREADGROUP" => (1..command.len()).all(|at| {
            word(at - 1) != b"BLOCK" || int(at).is_none_or(|ms| ms < 0 || (1..=50).contains(&ms))
        }),
        "BLPOP" | "BRPOP" | "BZPOPMIN" | "BZPOPMAX" => command.last().is_some_and(|timeout| {
            !matches!(timeout.as_slice(), b"0" | b"-0") && !patient(timeout)
        }),
        "BLMOVE" | "BRPOPLPUSH" => !patient(command.last().expect("has a name")),
        "BLMPOP" | "BZMPOP" => command.get(1).is_none_or(|timeout| !patient(timeout)),
        _ => true,
    }
}

fn is_option(word: &[u8]) -> bool {
    let options: [&[u8]; 10] = [
        b"FIELDS", b"FNX", b"FXX", b"NX", b"XX", b"EX", b"PX", b"EXAT", b"PXAT", b"KEEPTTL",
    ];
    options.contains(&word)
}

fn is_of_vectors(key: &[u8]) -> bool {
    let kinds: [&[u8]; 4] = [b"vec", b"wholevec", b"signvec", b"lowvec"];
    kinds.iter().any(|kind| key.starts_with(kind))
}

/// Whether this timeout would hold up the run: for ever, or for longer than a blink.
fn patient(timeout: &[u8]) -> bool {
    let text = String::from_utf8_lossy(timeout);
    text.parse::<f64>()
        .is_ok_and(|seconds| seconds == 0.0 || (seconds > 0.05 && seconds < 1e15))
        || text.starts_with("0x")
}
