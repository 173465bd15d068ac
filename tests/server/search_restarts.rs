//! A server that is killed and started again answers searches as it did before, from its log and from a snapshot: two clients
//! edit documents of all kinds under several indexes, and those themselves, until all was answered. Where it is killed in the
//! midst of that, `persist/killed.rs` looks for what was answered.
//!
//! `EDITS` says how many edits each of them makes, `SEED` which.

use std::thread;

use fastrand::Rng;

use crate::common::{Client, Server, Value, eventually, our_server, setting};

/// Keys of each kind.
const KEYS: u64 = 60;
/// Documents that have deadlines that don't come, of the key and of a field.
const KEPT: u64 = 5;

const INDEXES: &[&str] = &[
    "FT.CREATE hashes PREFIX 1 h: SCHEMA t TEXT SORTABLE g TAG n NUMERIC SORTABLE p GEO f VECTOR FLAT 6 TYPE FLOAT32 DIM 2 \
     DISTANCE_METRIC L2 v VECTOR HNSW 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC COSINE",
    "FT.CREATE some PREFIX 2 h:1 x: FILTER @n>50 LANGUAGE french STOPWORDS 1 red SCHEMA t TEXT NOSTEM n NUMERIC g TAG INDEXMISSING",
    "FT.CREATE trees ON JSON PREFIX 1 j: SCHEMA $.t AS t TEXT $.g[*] AS g TAG $.n AS n NUMERIC SORTABLE $.p AS p GEO \
     $.f AS f VECTOR FLAT 6 TYPE FLOAT64 DIM 2 DISTANCE_METRIC IP $.v AS v VECTOR HNSW 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2",
];

/// Searches whose results have no order, and what each asks of an index.
const SEARCHES: &[&str] = &[
    "*",
    "red",
    "running|blue",
    "gre*",
    "%gren%",
    "@t:(red -blue)",
    "\"red green\"",
    "bleu",
    "@g:{a}",
    "@g:{b|c}",
    "-@g:{a}",
    "@n:[(10 60]",
    "@n:[-inf 30] green",
    "@p:[2 48 400 km]",
];

/// Those by vectors: the distances that they find, as which of those that are as far comes first may change.
const NEAREST: &[&str] = &[
    "*=>[KNN 10 @f $q AS far]",
    "*=>[KNN 10 @v $q EF_RUNTIME 1000 AS far]",
    "(@n:[20 90])=>[KNN 5 @v $q EF_RUNTIME 1000 AS far]",
    "@f:[VECTOR_RANGE 5 $q]=>{$YIELD_DISTANCE_AS: far}",
];

fn ask(client: &mut Client, line: &str) -> Value {
    let words: Vec<&str> = line.split_whitespace().collect();
    client.ask_args(&words)
}

fn done(client: &mut Client, line: &str) {
    let reply = ask(client, line);
    assert!(!reply.is_error(), "{line}: {reply:?}");
}

fn blob(numbers: [f32; 2]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// What documents are made of.
struct Drawn {
    text: String,
    tags: [&'static str; 2],
    number: u64,
    place: String,
    vector: [f32; 2],
}

fn draw(rng: &mut Rng) -> Drawn {
    let words = ["red", "green", "blue", "bleu", "runs", "running", "rouge"];
    let text: Vec<&str> = (0..rng.usize(1..5))
        .map(|_| words[rng.usize(..7)])
        .collect();
    let tag = |rng: &mut Rng| ["a", "b", "c", "d"][rng.usize(..4)];
    Drawn {
        text: text.join(" "),
        tags: [tag(rng), tag(rng)],
        number: rng.u64(..100),
        place: format!("{},{}", rng.u8(..5), rng.u8(45..52)),
        vector: [rng.f32() * 4.0, rng.f32() * 4.0 + 0.1],
    }
}

fn hset(key: &str, drawn: &Drawn, rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut words = vec![b"HSET".to_vec(), key.into()];
    let pairs: [(&str, Vec<u8>); 6] = [
        ("n", drawn.number.to_string().into()),
        ("t", drawn.text.clone().into()),
        ("g", drawn.tags.join(",").into()),
        ("p", drawn.place.clone().into()),
        ("f", blob(drawn.vector)),
        ("v", blob(drawn.vector)),
    ];
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        if at == 0 || rng.u8(..4) > 0 {
            words.extend([name.into(), value]);
        }
    }
    words
}

fn json(drawn: &Drawn) -> String {
    let Drawn {
        text,
        tags: [one, other],
        number,
        place,
        vector: [x, y],
    } = drawn;
    format!(
        r#"{{"t":"{text}","g":["{one}","{other}"],"n":{number},"p":"{place}","f":[{x},{y}],"v":[{x},{y}]}}"#
    )
}

/// One edit, or several in one step.
fn edit(client: &mut Client, rng: &mut Rng, at: u64) {
    let key = |rng: &mut Rng, kind: &str| format!("{kind}:{}", rng.u64(..KEYS));
    let (hash, tree, other) = (key(rng, "h"), key(rng, "j"), key(rng, "h"));
    let drawn = draw(rng);
    match rng.u8(..28) {
        0..=7 => drop(client.ask_args(&hset(&hash, &drawn, rng))),
        8..=12 => drop(client.ask_args(&["JSON.SET", &tree, "$", &json(&drawn)])),
        13 => drop(ask(client, &format!("HDEL {hash} t p v"))),
        14 => drop(ask(client, &format!("DEL {hash} {tree}"))),
        15 => drop(ask(client, &format!("RENAME {hash} {other}"))),
        16 => drop(ask(client, &format!("RENAME {hash} x:{}", rng.u8(..20)))),
        17 => drop(ask(client, &format!("RENAME {tree} away:{}", rng.u8(..20)))),
        18 => drop(ask(client, &format!("RENAME away:{} {tree}", rng.u8(..20)))),
        19 => drop(ask(client, &format!("COPY {hash} {other} REPLACE"))),
        20 => drop(ask(client, &format!("PEXPIRE {hash} 2"))),
        21 => drop(ask(client, &format!("HPEXPIRE {hash} 2 FIELDS 2 t g"))),
        22 => drop(ask(client, &format!("HINCRBY {hash} n 7"))),
        23 => drop(ask(client, &format!("JSON.NUMINCRBY {tree} $.n 3"))),
        24 => drop(ask(client, &format!("JSON.DEL {tree} $.v"))),
        25 => drop(ask(client, &format!("SET {hash} text"))),
        26 => {
            // Both are found, or none.
            let mut bytes = crate::common::encode(&["MULTI"]);
            bytes.extend(crate::common::encode(&hset(&hash, &drawn, rng)));
            bytes.extend(crate::common::encode(&hset(&other, &drawn, rng)));
            bytes.extend(crate::common::encode(&["EXEC"]));
            client.send(&bytes).expect("sent");
            (0..4).for_each(|_| drop(client.receive().expect("a reply to each")));
        }
        _ => define(client, rng, at),
    }
}

/// Changes what indexes are.
fn define(client: &mut Client, rng: &mut Rng, at: u64) {
    let index = ["hashes", "some", "trees"][rng.usize(..3)];
    let (field, kind) = [("u", "NUMERIC"), ("w", "TEXT"), ("k", "TAG SORTABLE")][rng.usize(..3)];
    let path = if index == "trees" { "$." } else { "" };
    let line = match rng.u8(..8) {
        0 | 1 => format!("FT.ALTER {index} SCHEMA ADD {path}{field} AS {field} {kind}"),
        2 | 3 => format!("FT.ALIASUPDATE other{} {index}", rng.u8(..3)),
        4 => format!("FT.SYNUPDATE {index} group{} red word{at}", rng.u8(..2)),
        5 => format!("FT.DICTADD words{} word{at}", rng.u8(..2)),
        6 => format!(
            "FT.CREATE more{} PREFIX 1 h:2 SCHEMA n NUMERIC",
            rng.u8(..3)
        ),
        _ => format!("FT.DROPINDEX more{}", rng.u8(..3)),
    };
    // An attribute is added once, and an index that isn't there can't be dropped.
    drop(ask(client, &line));
}

/// The documents of a reply in the order of their keys, each with its fields in the order of their names.
fn sorted(reply: &Value) -> Vec<String> {
    let items = reply.items();
    let mut documents: Vec<String> = items[1..]
        .chunks(3)
        .map(|found| {
            let fields = found[2].items();
            let mut pairs: Vec<String> = fields
                .chunks(2)
                .map(|pair| format!("{:?}", (&pair[0], &pair[1])))
                .collect();
            pairs.sort();
            let score: f64 = found[1].text().parse().expect("a score");
            format!("{} {score:.9} {}", found[0].text(), pairs.join(" "))
        })
        .collect();
    documents.sort();
    documents.insert(0, items[0].text());
    documents
}

/// What an index answers.
fn answers_of(client: &mut Client, index: &str) -> Vec<String> {
    let mut told = Vec::new();
    for query in SEARCHES {
        let reply = client.ask_args(&[
            "FT.SEARCH",
            index,
            query,
            "WITHSCORES",
            "LIMIT",
            "0",
            "10000",
            "DIALECT",
            "2",
        ]);
        // Indexes have not all of the attributes.
        let found = if reply.is_error() {
            vec![reply.text()]
        } else {
            sorted(&reply)
        };
        told.push(format!("{index} {query}: {found:#?}"));
    }
    let query = [
        blob([1.0, 2.0]),
        [1_f64, 2.0].iter().flat_map(|n| n.to_le_bytes()).collect(),
    ];
    for line in NEAREST {
        for vector in &query {
            let words = [
                "FT.SEARCH",
                index,
                line,
                "RETURN",
                "1",
                "far",
                "DIALECT",
                "2",
                "LIMIT",
                "0",
                "10000",
            ];
            let mut words: Vec<&[u8]> = words.map(str::as_bytes).into();
            words.extend([&b"PARAMS"[..], b"2", b"q", vector]);
            let reply = client.ask_args(&words);
            let items = reply.items();
            let mut far: Vec<String> = items
                .iter()
                .skip(2)
                .step_by(2)
                .map(|row| row.items()[1].text())
                .collect();
            far.sort();
            let head = if reply.is_error() {
                reply.text()
            } else {
                items[0].text()
            };
            told.push(format!("{index} {line}: {head} {far:?}"));
        }
    }
    let lines = [
        format!("FT.SEARCH {index} * SORTBY n RETURN 1 n LIMIT 0 10000"),
        format!(
            "FT.AGGREGATE {index} * GROUPBY 1 @g REDUCE COUNT 0 AS c REDUCE SUM 1 @n AS s SORTBY 4 @c DESC @s ASC"
        ),
        format!("FT.TAGVALS {index} g"),
        format!("FT.SYNDUMP {index}"),
    ];
    for line in lines {
        let mut leaves: Vec<String> = ask(client, &line)
            .leaves()
            .iter()
            .map(Value::text)
            .collect();
        match line.contains("SORTBY n") {
            // The numbers in their order, whichever of the documents that have the same comes first.
            true => leaves.retain(|leaf| leaf.parse::<f64>().is_ok()),
            false => leaves.sort(),
        }
        told.push(format!("{line}: {leaves:?}"));
    }
    let info = ask(client, &format!("FT.INFO {index}")).leaves();
    let texts: Vec<String> = info.iter().map(Value::text).collect();
    let until = texts
        .iter()
        .position(|text| text == "max_doc_id")
        .expect("FT.INFO tells it");
    told.push(format!("{index}: {:?}", &texts[..until]));
    told
}

/// What all indexes and what stands beside them answer.
fn answers(client: &mut Client) -> Vec<String> {
    let mut names: Vec<String> = ask(client, "FT._LIST")
        .items()
        .iter()
        .map(Value::text)
        .collect();
    names.sort();
    let mut told = vec![format!("{names:?}")];
    names.extend((0..3).map(|n| format!("other{n}")));
    for name in names {
        match ask(client, &format!("FT.INFO {name}")).is_error() {
            true => told.push(format!("{name} is not there")),
            false => told.extend(answers_of(client, &name)),
        }
    }
    for dictionary in ["words0", "words1"] {
        let mut words: Vec<String> = ask(client, &format!("FT.DICTDUMP {dictionary}"))
            .leaves()
            .iter()
            .map(Value::text)
            .collect();
        words.sort();
        told.push(format!("{dictionary}: {words:?}"));
    }
    told
}

/// Waits until all deadlines that come have come, and all indexes are built.
fn settle(client: &mut Client) {
    eventually("what was to die is gone", || {
        let info = client.ask("INFO keyspace").text();
        info.contains(&format!(",expires={KEPT},")) && info.contains(&format!("subexpiry={KEPT}"))
    });
    eventually("the indexes are built", || {
        let names = ask(client, "FT._LIST").items();
        names.iter().all(|name| {
            let leaves = ask(client, &format!("FT.INFO {}", name.text())).leaves();
            let at = leaves.iter().position(|leaf| leaf.text() == "indexing");
            leaves[at.expect("FT.INFO tells it") + 1].text() == "0"
        })
    });
}

fn start_filling(server: &Server) -> Client {
    let mut client = server.client();
    for line in INDEXES {
        done(&mut client, line);
    }
    let mut rng = Rng::with_seed(setting("SEED", 5));
    for n in 0..KEPT {
        let key = format!("h:kept{n}");
        client.ask_args(&hset(&key, &draw(&mut rng), &mut rng));
        done(&mut client, &format!("EXPIRE {key} 90000"));
        done(&mut client, &format!("HEXPIRE {key} 90000 FIELDS 1 n"));
    }
    client
}

/// Two clients edit at once.
fn fill(server: &Server, seed: u64) {
    let edits = setting("EDITS", 1500);
    thread::scope(|scope| {
        for client in 0..2 {
            let mut own = server.client();
            let mut rng = Rng::with_seed(setting("SEED", 5) + 100 * seed + client);
            scope.spawn(move || (0..edits).for_each(|at| edit(&mut own, &mut rng, at)));
        }
    });
}

fn assert_alike(told: &[String], wanted: &[String], when: &str) {
    for (got, wanted) in told.iter().zip(wanted) {
        assert_eq!(got, wanted, "{when}");
    }
    assert_eq!(told.len(), wanted.len(), "{when}");
}

#[test]
fn killed_and_started_on_its_log_a_server_finds_what_it_found() {
    let options = ["--appendonly", "yes", "--io-threads", "2"];
    let mut server = Server::start(&options);
    drop(start_filling(&server));
    for life in 0..3 {
        fill(&server, life);
        let mut client = server.client();
        settle(&mut client);
        let wanted = answers(&mut client);
        assert!(wanted.len() > 50 && wanted.iter().any(|told| told.contains("h:kept")));
        server = Server::start_on(&our_server(), server.kill(), &options);
        let told = answers(&mut server.client());
        assert_alike(&told, &wanted, "from the log");
        if life == 1 {
            // The next one is read from what a rewrite has made, and edits after it.
            done(&mut server.client(), "BGREWRITEAOF");
        }
    }
}

#[test]
fn killed_and_started_on_a_snapshot_a_server_finds_what_was_there_then() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut client = start_filling(&server);
    fill(&server, 7);
    settle(&mut client);
    let wanted = answers(&mut client);
    done(&mut client, "SAVE");
    fill(&server, 8);
    assert_ne!(answers(&mut client), wanted);
    let server = Server::start_on(&our_server(), server.kill(), &["--io-threads", "2"]);
    assert_alike(&answers(&mut server.client()), &wanted, "from a snapshot");
}

#[test]
fn indexes_that_threads_build_together_at_a_start_hold_what_one_would_make_of_the_keys() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut client = start_filling(&server);
    let mut rng = Rng::with_seed(setting("SEED", 5) + 1);
    // More than one round has.
    for n in 0..600 {
        client.ask_args(&hset(&format!("h:many{n}"), &draw(&mut rng), &mut rng));
        client.ask_args(&[
            "JSON.SET",
            &format!("j:many{n}"),
            "$",
            &json(&draw(&mut rng)),
        ]);
    }
    let wanted = answers(&mut client);
    done(&mut client, "SAVE");
    let mut dir = server.kill();
    let mut bytes = Vec::new();
    for threads in ["1", "2"] {
        let server = Server::start_on(&our_server(), dir, &["--io-threads", threads]);
        let mut client = server.client();
        assert_alike(&answers(&mut client), &wanted, threads);
        let log = server.log();
        let wanted = format!("Indexes are built: 3, of 1205 keys, by {threads} threads.");
        let is_alone = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
        assert!(log.contains(&wanted) || is_alone, "{log}");
        assert!(log.contains("Index 'trees' built: 600 documents."), "{log}");
        assert!(log.contains("Indexes were built in "), "{log}");
        let info = client.ask("INFO memory").text();
        let used = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        bytes.push(
            used.expect("INFO tells it")
                .parse::<f64>()
                .expect("a number"),
        );
        dir = server.kill();
    }
    // What helping threads have taken is counted as if one had done it all.
    let ratio = bytes[1] / bytes[0];
    assert!((0.9..1.1).contains(&ratio), "{bytes:?}");
}

#[test]
fn what_dies_while_the_server_is_down_is_not_found() {
    for options in [&["--appendonly", "yes"][..], &[]] {
        let server = Server::start(options);
        let mut client = server.client();
        done(
            &mut client,
            "FT.CREATE i PREFIX 1 d: SCHEMA t TEXT n NUMERIC",
        );
        done(
            &mut client,
            "FT.CREATE j ON JSON PREFIX 1 j: SCHEMA $.n AS n NUMERIC",
        );
        // Its clock stands in the past, so that what has a while to live there is dead when it is started again.
        done(&mut client, "DEBUG CLOCK FREEZE 1700000000000");
        for line in [
            "HSET d:1 t word n 1",
            "HSET d:2 t word n 2",
            "PEXPIRE d:1 60000",
            "HSET d:3 t word n 3",
            "HPEXPIRE d:3 60000 FIELDS 1 t",
            "JSON.SET j:1 $ {\"n\":1}",
            "JSON.SET j:2 $ {\"n\":2}",
            "PEXPIRE j:1 60000",
        ] {
            done(&mut client, line);
        }
        let found = |client: &mut Client, line: &str| {
            let mut keys: Vec<String> = ask(client, line).items()[1..]
                .iter()
                .map(Value::text)
                .collect();
            keys.sort();
            keys.join(" ")
        };
        assert_eq!(
            found(&mut client, "FT.SEARCH i word NOCONTENT"),
            "d:1 d:2 d:3"
        );
        assert_eq!(found(&mut client, "FT.SEARCH j * NOCONTENT"), "j:1 j:2");
        if options.is_empty() {
            done(&mut client, "SAVE");
        }
        let server = Server::start_on(&our_server(), server.kill(), options);
        let mut client = server.client();
        // Those that lie dead in the log are found by nobody, whether they have been swept yet or not.
        eventually("the dead are not found", || {
            found(&mut client, "FT.SEARCH i word NOCONTENT") == "d:2"
                && found(&mut client, "FT.SEARCH i * NOCONTENT") == "d:2 d:3"
                && found(&mut client, "FT.SEARCH j * NOCONTENT") == "j:2"
        });
    }
}
