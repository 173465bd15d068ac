//! JSON documents, held against a Redis Stack 7.4.1, where `tests/oracles` has brought it: generated values and paths.

use fastrand::Rng;

use crate::common::{Value, redis_stack};

use super::check::Check::{Clock, Exact, Unordered};
use super::check::{Known, same_numbers};
use super::families::Family;
use super::template::pick;
use super::world::Oracle;

/// None begins as another one does: there RedisJSON 2.8 removes too few (its own later versions don't).
const NAMES: &[&str] = &[
    "x",
    "b",
    "c",
    "n",
    "s",
    "t",
    "arr",
    "obj",
    "0",
    "1",
    "Sp ace",
    "one-rather_long+name",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "7",
    "100",
    "0.5",
    "-2.75",
    "1.0",
    "1e3",
    "-0",
    "1e-7",
    "1.5e300",
    "123456789.123",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "0.1",
    "3.141592653589793",
];
const TEXTS: &[&str] = &[
    "",
    "x",
    "abc",
    "abd",
    "zzz",
    "^ab",
    "a text of more than fourteen bytes",
    "é😀",
    r#"q\"uote"#,
    r"line\n\u0001",
    "1",
    "true",
];
const BAD_VALUES: &[&str] = &[
    "",
    " ",
    "{",
    "[1,]",
    r#"{"a" 1}"#,
    "nul",
    "01",
    "1e999",
    "'a'",
    r#""\ud800""#,
    r#""\x""#,
    "{a:1}",
    "[1 2]",
    "\"a\nb\"",
    "-",
];
const BAD_PATHS: &[&str] = &[
    "$[",
    "$..",
    "$.a.",
    "$[1,]",
    "$.a b",
    "$[?(@.a==)]",
    "$[?(@.a",
    "$[1:2:0]",
    "$[00]",
    "",
    "[",
    "$.a[*",
    "$['a',]",
    "$.a!",
    "$[?()]",
    "$[a]",
    "@",
    "$[?(@.a=1)]",
    "..",
    "$.a,$.b",
    "$[?@.a&&]",
    "$[?(@.n>1||)]",
    "$[-]",
    "$[1.5]",
    "$.*.",
];

/// An argument of one of the classes that begin with `json`.
pub fn argument(rng: &mut Rng, class: &str) -> Vec<u8> {
    match class {
        "jsonkey" => match rng.u8(..40) {
            0 => b"string1".to_vec(),
            _ => format!("json{}", rng.u8(1..5)).into_bytes(),
        },
        "jsonvalue" => value(rng).into_bytes(),
        "jsonroot" => pick(rng, &["$", "$", "."]).as_bytes().to_vec(),
        "jsonpath" => path(rng, Steps::Any).into_bytes(),
        "jsonplace" => path(rng, Steps::Places).into_bytes(),
        "jsonflat" => path(rng, Steps::Flat).into_bytes(),
        // Popping by an older path from an empty array is an event there.
        "jsonall" => match path(rng, Steps::Flat) {
            path if path.starts_with('$') => path.into_bytes(),
            _ => b"$".to_vec(),
        },
        "jsonrich" => rich(rng, 3).into_bytes(),
        // Of their own, as names in them begin alike with those in others.
        "jsonrichkey" => format!("json{}", rng.u8(6..9)).into_bytes(),
        "jsonspot" => spot(rng, true).into_bytes(),
        "jsonnarrow" => spot(rng, false).into_bytes(),
        // Popping by an older path from an empty array is an event there.
        "jsonnarrowall" => match spot(rng, false) {
            path if path.starts_with('$') => path.into_bytes(),
            path => format!("${path}").into_bytes(),
        },
        "jsonone" => format!("${}{}", one(rng), one(rng)).into_bytes(),
        "jsonname" => {
            let name = pick(rng, &["x", "b", "c", "n", "arr", "obj", "fresh1", "fresh2"]);
            let parent = pick(rng, &["$", "$.x", "$.obj", "$.x.b", "$.arr[0]", ".obj", ""]);
            format!("{parent}.{name}").into_bytes()
        }
        "jsontext" => match rng.u8(..20) {
            0 => pick(rng, &["1", "{", "nul", "null", "[]"])
                .as_bytes()
                .to_vec(),
            _ => format!("\"{}\"", pick(rng, TEXTS)).into_bytes(),
        },
        "jsonnumber" => match rng.u8(..20) {
            0 => value(rng).into_bytes(),
            _ => pick(rng, NUMBERS).as_bytes().to_vec(),
        },
        "jsonpower" => pick(rng, &["0", "1", "2", "3", "0.5", "2.0", "-1", "-1.5", "64"])
            .as_bytes()
            .to_vec(),
        "jsonindex" => match rng.u8(..40) {
            0 => b"x".to_vec(),
            1 => b"9223372036854775807".to_vec(),
            // The least one of all runs over in RedisJSON.
            2 => b"-9223372036854775807".to_vec(),
            _ => rng.i64(-6..7).to_string().into_bytes(),
        },
        other => panic!("no such class: {other}"),
    }
}

fn value(rng: &mut Rng) -> String {
    match rng.u8(..100) {
        0..3 => (*pick(rng, BAD_VALUES)).to_owned(),
        3 => format!("{}1{}", "[".repeat(130), "]".repeat(130)),
        4..40 => scalar(rng),
        _ => node(rng, 4),
    }
}

fn scalar(rng: &mut Rng) -> String {
    match rng.u8(..10) {
        0 => "null".to_owned(),
        1 => "true".to_owned(),
        2 => "false".to_owned(),
        3..7 => (*pick(rng, NUMBERS)).to_owned(),
        _ => format!("\"{}\"", pick(rng, TEXTS)),
    }
}

fn node(rng: &mut Rng, depth: usize) -> String {
    let many = rng.u8(..60) == 0;
    let count = if many {
        rng.usize(60..80)
    } else {
        rng.usize(..6)
    };
    match if depth == 0 { 0 } else { rng.u8(..6) } {
        0..2 => scalar(rng),
        2..4 => {
            let items: Vec<String> = (0..count.min(9)).map(|_| node(rng, depth - 1)).collect();
            format!("[{}]", items.join(*pick(rng, &[",", ",", ", "])))
        }
        _ => {
            let fields: Vec<String> = (0..count)
                .map(|n| {
                    let name = match many {
                        true => format!("many{n:02}"),
                        false => (*pick(rng, NAMES)).to_owned(),
                    };
                    format!("\"{name}\":{}", node(rng, depth - 1))
                })
                .collect();
            format!("{{{}}}", fields.join(","))
        }
    }
}

/// A document that has something of every kind, for edits to find.
fn rich(rng: &mut Rng, depth: usize) -> String {
    let items = |rng: &mut Rng| {
        let count = *pick(rng, &[0, 1, 3, 5, 9, 70]);
        let items: Vec<String> = (0..count).map(|_| scalar(rng)).collect();
        items.join(",")
    };
    let (number, text) = (pick(rng, NUMBERS), pick(rng, TEXTS));
    let (truth, list) = (rng.bool(), items(rng));
    let below = match depth {
        0 => scalar(rng),
        _ => rich(rng, depth - 1),
    };
    format!(
        r#"{{"n":{number},"s":"{text}","t":{truth},"arr":[{list}],"x":null,"obj":{below},"b":[{below},[{list}]]}}"#
    )
}

/// A path to where a rich document has something, without filters, and perhaps to several places.
fn spot(rng: &mut Rng, wide: bool) -> String {
    let mut path = pick(rng, &["$", "$", "$", ""]).to_string();
    for _ in 0..rng.u8(..3) {
        let step: &&str = pick(rng, &[".obj", ".obj", ".b[0]", "['obj']"]);
        path.push_str(step);
    }
    let names = [
        ".n", ".s", ".t", ".arr", ".arr", ".x", ".obj", ".b", ".b[1]", ".arr[0]", ".arr[-1]",
        ".arr[2]", ".b[1][1]", ".none",
    ];
    let several = [".*", ".arr[*]", ".arr[1:3]", ".b[*]", ".b[:1]"];
    let last: &&str = match rng.u8(..8) {
        0 if wide => pick(rng, &several),
        _ => pick(rng, &names),
    };
    path.push_str(last);
    path
}

/// Which steps a path may have. RedisJSON 2.8 follows some of them wrongly where it edits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Steps {
    Any,
    /// No filters, as those on objects find no places there, and nothing that names a place twice.
    Places,
    /// And none to all depths: setting what is inside something that was just set brings its server down.
    Flat,
}

fn path(rng: &mut Rng, steps: Steps) -> String {
    match rng.u8(..40) {
        0 => return (*pick(rng, BAD_PATHS)).to_owned(),
        1..4 => return "$".to_owned(),
        4..6 => return ".".to_owned(),
        _ => {}
    }
    let mut path = pick(rng, &["$", "$", "$", ""]).to_string();
    for _ in 0..*pick(rng, &[1, 1, 1, 2, 2, 3]) {
        // What is below several depths may be named twice.
        let steps = match steps == Steps::Places && path.contains("..") {
            true => Steps::Flat,
            false => steps,
        };
        path.push_str(&segment(rng, steps, 2));
    }
    path
}

/// A name or a place.
fn one(rng: &mut Rng) -> String {
    let names = ["x", "b", "c", "n", "s", "t", "arr", "obj", "0", "many07"];
    match rng.u8(..3) {
        0 => format!("[{}]", rng.i64(-4..5)),
        _ => format!(".{}", pick(rng, &names)),
    }
}

fn segment(rng: &mut Rng, steps: Steps, depth: usize) -> String {
    let index = |rng: &mut Rng| rng.i64(-4..5);
    let twice = |rng: &mut Rng| match rng.bool() {
        true => format!("['n','{}']", pick(rng, NAMES)),
        false => format!("[{},{}]", index(rng), index(rng)),
    };
    let deep = [
        "..*",
        "..[0]",
        "..[-1]",
        "..[0:2]",
        "..[\"x\"]",
        "..n",
        "..x",
        "..arr",
        "..0",
    ];
    let ranges = [
        "[:]", "[1:]", "[:2]", "[::2]", "[-2:]", "[:-1:2]", "[0:9:3]",
    ];
    match rng.u8(..20) {
        0..10 => one(rng),
        10 => format!("[\"{}\"]", pick(rng, NAMES)),
        11 => format!("[{}:{}]", index(rng), index(rng)),
        12 => pick(rng, &ranges).to_string(),
        13 => pick(rng, &[".*", "[*]"]).to_string(),
        14..17 if steps != Steps::Flat => pick(rng, &deep).to_string(),
        17 if steps == Steps::Any => twice(rng),
        18..20 if steps == Steps::Any => format!("[?{}]", filter(rng, depth)),
        _ => one(rng),
    }
}

fn filter(rng: &mut Rng, depth: usize) -> String {
    if depth > 0 && rng.u8(..4) == 0 {
        let (first, second) = (filter(rng, depth - 1), filter(rng, depth - 1));
        let joined = format!(
            "{first}{}{second}",
            pick(rng, &["&&", "||", " && ", " || "])
        );
        return if rng.bool() {
            format!("({joined})")
        } else {
            joined
        };
    }
    let from = |rng: &mut Rng| {
        let mut from = pick(rng, &["@", "@", "@", "@", "$"]).to_string();
        if depth > 0 && rng.u8(..3) > 0 {
            from.push_str(&segment(rng, Steps::Any, 0));
        }
        from
    };
    let first = from(rng);
    let compare = *pick(rng, &["==", "!=", "<", "<=", ">", ">=", "=~", " == "]);
    let second = match rng.u8(..10) {
        0..3 => pick(rng, &["0", "1", "2", "-1", "0.5", "1.0", "100"]).to_string(),
        3..5 => format!(
            "\"{}\"",
            pick(rng, &["", "x", "abc", "^ab", "b.$", "(?i)ABC", "["])
        ),
        5 => "'abc'".to_owned(),
        6 => pick(rng, &["true", "false", "null"]).to_string(),
        7 => from(rng),
        _ => {
            return if rng.bool() {
                first
            } else {
                format!("({first})")
            };
        }
    };
    match rng.bool() {
        true => format!("({first}{compare}{second})"),
        false => format!("{first}{compare}{second}"),
    }
}

/// All that a reply says, in the order of its letters.
fn letters(value: &Value) -> Vec<char> {
    let mut letters: Vec<char> = match value {
        Value::Array(_) | Value::Map(_) | Value::Set(_) | Value::Push(_) => {
            value.items().iter().flat_map(letters).collect()
        }
        leaf => leaf.text().chars().collect(),
    };
    letters.sort_unstable();
    letters
}

fn same_letters(real: &Value, ours: &Value) -> bool {
    letters(real) == letters(ours)
}

/// What ours answers otherwise than RedisJSON 2.8.3.
const STACK_KNOWN: &[Known] = &[
    Known {
        commands: &["JSON.GET", "JSON.ARRPOP", "EXEC"],
        change: "paths are answered in their order, and fields in FORMAT EXPAND in the document's",
        source: "RedisJSON answers in the order of a hash table that is seeded by chance",
        accepts: same_letters,
    },
    Known {
        commands: &[
            "JSON.NUMINCRBY",
            "JSON.NUMMULTBY",
            "JSON.NUMPOWBY",
            "JSON.GET",
            "EXEC",
        ],
        change: "where two texts are shortest and as near to a double, the one with the even digit",
        source: "Redis 7.4 prints by Grisu, which takes either: https://github.com/redis/redis/blob/7.4/deps/fpconv/fpconv_dtoa.c",
        accepts: same_numbers,
    },
    Known {
        commands: &["COMMAND GETKEYS", "COMMAND GETKEYSANDFLAGS"],
        change: "reads are told from edits, and all keys of JSON.MGET are named",
        source: "RedisJSON's key specifications of 8.0: https://github.com/RedisJSON/RedisJSON/blob/master/redis_json/src/commands.rs",
        accepts: |real, ours| !real.is_error() && !ours.is_error(),
    },
];

const ALL: Family = Family {
    name: "json",
    shapes: &[
        ("JSON.SET jsonkey jsonroot jsonvalue", Exact),
        ("JSON.SET jsonkey jsonroot jsonvalue", Exact),
        ("JSON.SET jsonkey jsonroot jsonvalue", Exact),
        ("JSON.SET jsonkey jsonflat jsonvalue [ NX | XX ]", Exact),
        ("JSON.SET jsonkey jsonname jsonvalue [ NX | XX ]", Exact),
        ("JSON.GET jsonkey", Exact),
        ("JSON.GET jsonkey jsonpath", Exact),
        ("JSON.GET jsonkey jsonpath", Exact),
        ("JSON.GET jsonkey jsonpath jsonpath", Exact),
        (
            "JSON.GET jsonkey < [ INDENT word ] [ NEWLINE word ] [ SPACE word ] > jsonpath",
            Exact,
        ),
        (
            "JSON.GET jsonkey FORMAT ( STRING | EXPAND | EXPAND1 | JSON ) jsonpath",
            Exact,
        ),
        ("JSON.MGET jsonkey jsonkey jsonpath", Exact),
        ("JSON.MSET ( jsonkey jsonroot jsonvalue )+", Exact),
        (
            "JSON.MSET json1 jsonflat jsonvalue json2 jsonname jsonvalue",
            Exact,
        ),
        ("JSON.MERGE jsonkey jsonroot jsonvalue", Exact),
        ("JSON.MERGE jsonkey jsonflat jsonvalue", Exact),
        ("JSON.DEL jsonkey [ jsonplace ]", Exact),
        ("JSON.DEL jsonkey jsonplace", Exact),
        ("JSON.FORGET jsonkey jsonplace", Exact),
        ("JSON.CLEAR jsonkey [ jsonplace ]", Exact),
        ("JSON.TYPE jsonkey [ jsonpath ]", Exact),
        ("JSON.NUMINCRBY jsonkey jsonplace jsonnumber", Exact),
        ("JSON.NUMMULTBY jsonkey jsonone jsonnumber", Exact),
        ("JSON.NUMPOWBY jsonkey jsonone jsonpower", Exact),
        ("JSON.STRAPPEND jsonkey jsonplace jsontext", Exact),
        ("JSON.STRAPPEND jsonkey jsontext", Exact),
        ("JSON.STRLEN jsonkey [ jsonpath ]", Exact),
        ("JSON.ARRINSERT jsonkey jsonflat 0 jsonvalue+", Exact),
        ("JSON.TOGGLE jsonkey jsonplace", Exact),
        ("JSON.ARRAPPEND jsonkey jsonplace jsonvalue+", Exact),
        ("JSON.ARRINDEX jsonkey jsonpath jsonvalue", Exact),
        (
            "JSON.ARRINDEX jsonkey jsonpath jsonnumber jsonindex [ jsonindex ]",
            Exact,
        ),
        ("JSON.ARRINSERT jsonkey jsonone jsonindex jsonvalue+", Exact),
        ("JSON.ARRLEN jsonkey [ jsonpath ]", Exact),
        (
            "JSON.ARRPOP jsonkey [ FORMAT ( STRINGS | EXPAND | EXPAND1 ) ] jsonall [ jsonindex ]",
            Exact,
        ),
        ("JSON.ARRTRIM jsonkey jsonflat jsonindex jsonindex", Exact),
        ("JSON.OBJKEYS jsonkey [ jsonpath ]", Exact),
        ("JSON.OBJLEN jsonkey [ jsonpath ]", Exact),
        ("JSON.RESP jsonkey [ jsonpath ]", Exact),
        ("SET string1 value", Exact),
        ("TYPE jsonkey", Exact),
        ("OBJECT ENCODING jsonkey", Exact),
        ("RENAME jsonkey jsonkey", Exact),
        ("COPY jsonkey jsonkey [ REPLACE ]", Exact),
        ("EXPIRE jsonkey far", Exact),
        ("TTL jsonkey", Clock(3)),
        ("DEL jsonkey", Exact),
        ("KEYS json*", Unordered),
    ],
};

/// Edits of what is there, by paths without filters, in as many commands as all others together.
const EDITS: Family = Family {
    name: "json-edits",
    shapes: &[
        ("JSON.SET jsonrichkey $ jsonrich", Exact),
        ("JSON.SET jsonrichkey jsonspot jsonvalue [ NX | XX ]", Exact),
        ("JSON.SET jsonrichkey jsonspot jsonrich", Exact),
        ("JSON.MERGE jsonrichkey jsonspot jsonvalue", Exact),
        ("JSON.MERGE jsonrichkey jsonspot jsonrich", Exact),
        (
            "JSON.MSET json6 jsonspot jsonvalue json7 jsonspot jsonrich",
            Exact,
        ),
        ("JSON.DEL jsonrichkey jsonnarrow", Exact),
        ("JSON.CLEAR jsonrichkey jsonnarrow", Exact),
        ("JSON.TOGGLE jsonrichkey jsonspot", Exact),
        ("JSON.NUMINCRBY jsonrichkey jsonnarrow jsonnumber", Exact),
        ("JSON.NUMMULTBY jsonrichkey jsonnarrow jsonnumber", Exact),
        ("JSON.NUMPOWBY jsonrichkey jsonnarrow jsonpower", Exact),
        ("JSON.STRAPPEND jsonrichkey jsonspot jsontext", Exact),
        ("JSON.ARRAPPEND jsonrichkey jsonspot jsonvalue+", Exact),
        (
            "JSON.ARRINSERT jsonrichkey jsonnarrow jsonindex jsonvalue+",
            Exact,
        ),
        ("JSON.ARRPOP jsonrichkey jsonnarrowall [ jsonindex ]", Exact),
        (
            "JSON.ARRTRIM jsonrichkey jsonspot jsonindex jsonindex",
            Exact,
        ),
        ("JSON.GET jsonrichkey", Exact),
        ("JSON.GET jsonrichkey jsonspot", Exact),
    ],
};

const FAMILIES: &[Family] = &[ALL, EDITS];

#[test]
fn random_commands_get_the_answers_of_redis_stack() {
    let Some(program) = redis_stack() else { return };
    let oracle = Oracle {
        program,
        scenes: false,
        // An edit that changes nothing ends a transaction there.
        watches: false,
        unsent: &[],
        events: "KEAn",
        known: &[STACK_KNOWN],
    };
    super::hold_against(&oracle, FAMILIES);
}
