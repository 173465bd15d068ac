//! Documents and searches of the rounds. Each index has the documents of all rounds, and a search asks for those of one.

use crate::common::{Client, Value, encode};

use super::model::{Source, Step, Told, Way};

type Args = Vec<Vec<u8>>;

fn args<const N: usize>(words: [&str; N]) -> Args {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// Makes an index of each kind, with a column of every sort.
pub fn make_indexes(client: &mut Client) {
    let schemas = [
        "FT.CREATE hashes PREFIX 1 round SCHEMA round NUMERIC n NUMERIC w TEXT g TAG \
         v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2",
        "FT.CREATE trees ON JSON PREFIX 1 round SCHEMA $.round AS round NUMERIC $.n AS n NUMERIC $.w AS w TEXT $.g AS g TAG \
         $.v AS v VECTOR HNSW 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2",
    ];
    for schema in schemas {
        let words: Vec<&str> = schema.split_whitespace().collect();
        assert_eq!(client.ask_args(&words).text(), "OK");
    }
}

fn index(source: Source) -> &'static str {
    match source {
        Source::Hash => "hashes",
        Source::Json => "trees",
    }
}

/// Two numbers as a vector.
fn blob(x: f32, y: f32) -> Vec<u8> {
    [x.to_le_bytes(), y.to_le_bytes()].concat()
}

/// The command that makes a document, which has its number in a column of every sort.
pub fn put(round: u64, key: u8, n: i64) -> Args {
    let name = format!("round{round}:{key}");
    match Source::of(key) {
        Source::Hash => {
            let [round, number, word] = [round.to_string(), n.to_string(), format!("r{round}n{n}")];
            let mut words = args(["HSET", &name, "round", &round, "n", &number]);
            words.extend(args(["w", &word, "g", &word, "v"]));
            words.push(blob(n as f32, 0.0));
            words
        }
        Source::Json => {
            let value = format!(
                r#"{{"round":{round},"n":{n},"w":"r{round}n{n}","g":"r{round}n{n}","v":[{n},0]}}"#
            );
            args(["JSON.SET", &name, "$", &value])
        }
    }
}

/// The command that searches.
fn find(round: u64, way: Way, source: Source, (from, to): (i64, i64)) -> Args {
    let words: Vec<String> = (from..=to).map(|n| format!("r{round}n{n}")).collect();
    let any = words.join("|");
    let numbers = format!("@round:[{round} {round}] @n:[{from} {to}]");
    let query = match way {
        Way::Number | Way::Rows => numbers,
        Way::Word => format!("@w:({any})"),
        Way::Tag => format!("@g:{{{any}}}"),
        Way::Nearest => format!("@round:[{round} {round}]=>[KNN 10 @v $from AS far]"),
    };
    let command = match way {
        Way::Rows => "FT.AGGREGATE",
        _ => "FT.SEARCH",
    };
    let mut words = args([command, index(source), &query, "DIALECT", "2"]);
    words.extend(match way {
        Way::Rows => args(["LOAD", "2", "@__key", "@n"]),
        Way::Nearest => args(["RETURN", "1", "far"]),
        _ => args(["RETURN", "1", "n"]),
    });
    if way == Way::Nearest {
        words.extend(args(["PARAMS", "2", "from"]));
        words.push(blob(0.0, 0.0));
    }
    words
}

/// What a search has found.
fn found(way: Way, reply: &Value) -> Told {
    assert!(!reply.is_error(), "{reply:?}");
    let items = reply.items();
    let pair = |key: &Value, number: &Value| {
        let (name, number) = (key.text(), number.text());
        let key = name.split_once(':').expect("the name of a document").1;
        let number: f64 = number.parse().expect("a number");
        let number = if way == Way::Nearest {
            number.sqrt()
        } else {
            number
        };
        (key.parse::<i64>().expect("a number"), number as i64)
    };
    let mut pairs: Vec<(i64, i64)> = match way {
        Way::Rows => items[1..]
            .iter()
            .map(|row| pair(&row.items()[1], &row.items()[3]))
            .collect(),
        _ => items[1..]
            .chunks(2)
            .map(|found| pair(&found[0], &found[1].items()[1]))
            .collect(),
    };
    pairs.sort_unstable();
    let pairs = pairs
        .iter()
        .flat_map(|(key, number)| [Some(*key), Some(*number)]);
    std::iter::once(Some(pairs.clone().count() as i64 / 2))
        .chain(pairs)
        .collect()
}

pub fn told_by_search(
    client: &mut Client,
    round: u64,
    way: Way,
    source: Source,
    range: (i64, i64),
) -> Told {
    let reply = client.ask_args(&find(round, way, source, range));
    found(way, &reply)
}

/// Makes two documents of one number, and searches for it behind each.
pub fn put_two(client: &mut Client, round: u64, step: Step, source: Source, n: i64) -> Told {
    let commands: Vec<Args> = source
        .keys()
        .into_iter()
        .flat_map(|key| {
            let search = find(round, Way::Tag, source, (n, n));
            [put(round, key, n), search]
        })
        .collect();
    let replies = match step {
        Step::Multi => in_a_transaction(client, &commands),
        Step::Script => in_a_script(client, &commands),
    };
    let finds = [&replies[1], &replies[3]];
    finds
        .into_iter()
        .flat_map(|reply| found(Way::Tag, reply))
        .collect()
}

fn in_a_transaction(client: &mut Client, commands: &[Args]) -> Vec<Value> {
    let mut bytes = encode(&["MULTI"]);
    bytes.extend(commands.iter().flat_map(|command| encode(command)));
    bytes.extend(encode(&["EXEC"]));
    client.send(&bytes).expect("sent");
    let mut last = Value::Null;
    for _ in 0..commands.len() + 2 {
        last = client.receive().expect("a reply to each").value;
    }
    last.items()
}

/// The script is handed the length of each command before its words.
fn in_a_script(client: &mut Client, commands: &[Args]) -> Vec<Value> {
    const SCRIPT: &str = "local at, told = 1, {} \
        while at <= #ARGV do \
            local words = {} \
            for n = 1, ARGV[at] do words[n] = ARGV[at + n] end \
            at = at + 1 + ARGV[at] \
            told[#told + 1] = redis.call(unpack(words)) \
        end return told";
    let mut words = args(["EVAL", SCRIPT, "0"]);
    for command in commands {
        words.push(command.len().to_string().into_bytes());
        words.extend(command.iter().cloned());
    }
    client.ask_args(&words).items()
}
