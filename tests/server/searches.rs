//! Searches held against Redis Stack 7.4.1 (RediSearch 2.10.5), where `tests/oracles` has brought it: random documents and
//! queries, of which both must find the same, with the same scores and in the same order. And what becomes of indexes
//! when the server starts anew, or a replica takes them over.
//!
//! `SEARCH_SEED` and `SEARCH_QUERIES` make another or a longer run.

use std::collections::BTreeMap;

use crate::common::{Client, Server, Value, eventually, redis_stack, setting};

const WORDS: &[&str] = &[
    "hello", "world", "running", "run", "runs", "jumped", "jump", "dog", "dogs", "quick", "brown",
    "fox", "lazy", "happily", "tests", "testing",
];
const TAGS: &[&str] = &["a", "b", "red car", "Blue", "x-y", "1.5", "foo"];

/// Makes documents and queries; none with parts of words if that is so.
struct Maker(fastrand::Rng, bool);

impl Maker {
    fn of<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.0.usize(..list.len())]
    }

    fn chance(&mut self, share: f64) -> bool {
        self.0.f64() < share
    }

    fn joined(&mut self, list: &[&str], most: usize, between: &str) -> String {
        let count = self.0.usize(1..=most);
        let parts: Vec<&str> = (0..count).map(|_| self.of(list)).collect();
        parts.join(between)
    }

    fn vector(&mut self) -> Vec<u8> {
        // Fine enough that no two are as far from a third: which of them is found would be either server's choice.
        let numbers = [-3000..4000, 1000..5000].map(|range| self.0.i32(range) as f32 / 1000.0);
        numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    fn document(&mut self) -> Vec<Vec<u8>> {
        let mut pairs: Vec<(&str, Vec<u8>)> = vec![("other", b"1".to_vec())];
        let number = self.0.u32(..1000).to_string();
        let few = self.of(&["1", "2", "2.5", "-1", "10"]).to_owned();
        let place = format!("{},{}", self.0.i32(-3..4), self.0.i32(-3..4));
        let made = [
            ("t", self.joined(WORDS, 8, " ")),
            ("t2", self.joined(WORDS, 4, " ")),
            ("tag", self.joined(TAGS, 3, ",")),
            ("cased", self.joined(TAGS, 3, ";")),
            ("n", few),
            ("ns", number),
            ("g", place),
            ("m", "z".to_owned()),
            ("one", "7".to_owned()),
        ];
        for (name, value) in made {
            if self.chance(0.8) {
                pairs.push((name, value.into_bytes()));
            }
        }
        if self.chance(0.8) {
            pairs.push(("v", self.vector()));
        }
        let words = pairs.into_iter();
        words
            .flat_map(|(name, value)| [name.into(), value])
            .collect()
    }

    fn tag(&mut self) -> String {
        let tag = self.of(TAGS).to_owned();
        tag.replace(['-', '.', ' '], "\\ ")
            .replace("x\\ y", "x\\-y")
            .replace("1\\ 5", "1\\.5")
    }

    fn leaf(&mut self) -> String {
        let word = self.of(WORDS).to_owned();
        match self.0.u32(..14) {
            0..4 => word,
            4 => format!("@t:{word}"),
            5 => format!("@t|t2:({word})"),
            6 => format!("@tag:{{{}|{}}}", self.tag(), self.tag()),
            7 => format!("@cased:{{{}}}", self.tag()),
            8 => format!(
                "@n:[{} {}]",
                self.of(&["-1", "(1", "2"]),
                self.of(&["2.5", "(10", "+inf"])
            ),
            9 => format!("@ns:[{}]", self.of(&["(500 +inf", "-inf 300", "200 (800"])),
            10 | 11 if self.1 => word,
            10 => format!("{}*", &word[..3]),
            11 => format!("%{}%", &word[..word.len() - 1]),
            12 => self.phrase(&word),
            _ => format!("@g:[{} {} 200 km]", self.0.i32(-3..4), self.0.i32(-3..4)),
        }
    }

    /// Two words, one behind the other. One word twice has RediSearch put the parts around it into an order of its own.
    fn phrase(&mut self, word: &str) -> String {
        loop {
            let other = self.of(WORDS);
            if other != word {
                return format!("\"{word} {other}\"");
            }
        }
    }

    fn query(&mut self, depth: usize) -> String {
        if depth == 0 || self.chance(0.4) {
            return self.leaf();
        }
        let (one, other) = (self.query(depth - 1), self.query(depth - 1));
        match self.0.u32(..10) {
            0..4 => format!("({one} {other})"),
            4..7 => format!("({one}|{other})"),
            7 => format!("-({one})"),
            8 => format!("({one} ~{})", self.leaf()),
            _ => format!("({one})=>{{$weight: 2}}"),
        }
    }

    /// Something that a document holds, or nothing of which there is more than one list.
    fn part(&mut self) -> String {
        let word = self.of(WORDS).to_owned();
        match self.0.u32(..8) {
            0..4 => word,
            4 => format!("@t2:{word}"),
            5 => format!("@cased:{{{}}}", self.tag()),
            // RediSearch soon has several lists of a field with several numbers.
            6 => format!(
                "@one:[{} {}]",
                self.of(&["-inf", "2", "(7"]),
                self.of(&["7", "(10", "+inf"])
            ),
            _ => self.phrase(&word),
        }
    }

    /// Several parts, alternatives outermost. Of alternatives within something that is wanted beside others, RediSearch 2.10
    /// counts one alone where it comes upon a document by leaping.
    fn parts(&mut self) -> String {
        let mut alternative = || {
            let (one, other) = (self.part(), self.part());
            match self.0.u32(..6) {
                0 => format!("({one})"),
                1 => format!("({one} {other} {})", self.part()),
                // RediSearch 2.10 takes what stands in another field or order for found here.
                2 => format!("({one} ~{})", self.of(WORDS)),
                3 => format!("({one} {other})=>{{$weight: 2}}"),
                4 => format!("(@tag:{{{}|{}}})", self.tag(), self.tag()),
                _ => format!("({one} {other})"),
            }
        };
        let (one, other) = (alternative(), alternative());
        match self.0.u32(..4) {
            0 => one,
            1 => format!("~({one})"),
            _ => format!("({one}|{other})"),
        }
    }

    /// A whole command, and whether it asks for scores. Documents that have gone still count in some of RediSearch's: such
    /// a one is not made once there are any.
    fn search(&mut self, changed: bool) -> (Vec<Vec<u8>>, bool) {
        let which = self.0.u32(..if changed { 5 } else { 10 });
        // Of several words with one beginning in a document, RediSearch counts the one that it comes upon first.
        self.1 = which >= 5;
        let mut query = self.query(2);
        let mut options: Vec<Vec<u8>> = Vec::new();
        let mut scored = false;
        match which {
            0 | 1 => {
                query = format!("({query})=>[KNN {} @v $b AS d]", self.0.u32(1..9));
                options.extend([&b"PARAMS"[..], b"2", b"b"].map(<[u8]>::to_vec));
                options.push(self.vector());
                options.extend([&b"SORTBY"[..], b"d"].map(<[u8]>::to_vec));
            }
            2 => {
                query = format!("@v:[VECTOR_RANGE 2 $b] ({query})");
                options.extend([&b"PARAMS"[..], b"2", b"b"].map(<[u8]>::to_vec));
                options.push(self.vector());
                options.extend([&b"SORTBY"[..], b"ns"].map(<[u8]>::to_vec));
            }
            3 | 4 => {
                let field = self.of(&["ns", "n", "tag", "cased"]);
                let way = self.of(&["ASC", "DESC"]);
                options.extend(["SORTBY", field, way].map(|word| word.as_bytes().to_vec()));
            }
            _ => {
                let has_parts = self.chance(0.6);
                query = if has_parts { self.parts() } else { self.leaf() };
                let scorer = self.of(&[
                    "TFIDF",
                    "TFIDF.DOCNORM",
                    "BM25",
                    "BM25STD",
                    "DISMAX",
                    "DOCSCORE",
                    "HAMMING",
                ]);
                // Of a word and its stem RediSearch counts one alone where it comes upon a document by leaping.
                if query.contains(' ') {
                    options.push(b"VERBATIM".to_vec());
                }
                options
                    .extend(["WITHSCORES", "SCORER", scorer].map(|word| word.as_bytes().to_vec()));
                // Of a field with several numbers or places, RediSearch soon has several lists, and tells of them.
                let has_lists = ["@n:", "@ns:", "@g:"].iter().any(|of| query.contains(of));
                if self.chance(0.3) && !has_lists {
                    options.push(b"EXPLAINSCORE".to_vec());
                }
                if has_parts {
                    options.extend([&b"DIALECT"[..], b"2"].map(<[u8]>::to_vec));
                }
                scored = true;
            }
        }
        let dialect = match which {
            0..3 => "2",
            _ => self.of(&["1", "2"]),
        };
        let mut narrowing = if scored { Vec::new() } else { self.narrowing() };
        // RediSearch finds nothing where a filter narrows a phrase.
        if query.starts_with('"') {
            narrowing.clear();
        }
        for words in narrowing {
            options.extend(words.iter().map(|word| word.as_bytes().to_vec()));
        }
        let head = [
            "FT.SEARCH",
            "i",
            &query,
            "NOCONTENT",
            "LIMIT",
            "0",
            "100",
            "DIALECT",
            dialect,
        ];
        let mut args: Vec<Vec<u8>> = head.map(|word| word.as_bytes().to_vec()).to_vec();
        args.extend(options);
        (args, scored)
    }

    /// Options that leave some results out.
    fn narrowing(&mut self) -> Vec<&'static [&'static str]> {
        let all: [&[&str]; 4] = [
            &["INFIELDS", "1", "t"],
            &["FILTER", "ns", "(100", "700"],
            &["GEOFILTER", "g", "0", "0", "300", "km"],
            &["LANGUAGE", "spanish"],
        ];
        all.into_iter().filter(|_| self.chance(0.07)).collect()
    }
}

const SCHEMA: &str = "FT.CREATE i ON HASH PREFIX 1 d: SCHEMA t TEXT t2 TEXT WEIGHT 2 tag TAG cased TAG SEPARATOR ; \
    CASESENSITIVE n NUMERIC ns NUMERIC SORTABLE one NUMERIC g GEO m TAG v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC";

/// The keys of a reply, with their scores where those are asked for.
fn found(reply: &Value, scored: bool) -> Vec<(String, f64)> {
    let items = reply.items();
    let step = if scored { 2 } else { 1 };
    let read = |part: &[Value]| {
        // With EXPLAINSCORE, the score comes first of several values.
        let score = part.get(1).map_or(0.0, |score| {
            let leaves = score.leaves();
            leaves[0].text().parse().unwrap()
        });
        (part[0].text(), score)
    };
    items[1..].chunks(step).map(read).collect()
}

/// The sentences on the scores, by the keys.
fn reasons(items: &[Value]) -> BTreeMap<String, Vec<String>> {
    let pairs = items[1..].chunks(2);
    let texts = |value: &Value| {
        let leaves = value.leaves();
        leaves.iter().skip(1).map(Value::text).collect()
    };
    pairs
        .map(|pair| (pair[0].text(), texts(&pair[1])))
        .collect()
}

/// Why two replies differ.
fn difference(real: &Value, ours: &Value, scored: bool) -> Option<&'static str> {
    if real.is_error() || ours.is_error() {
        return (real != ours).then_some("an error");
    }
    if real.items()[0] != ours.items()[0] {
        return Some("the number of results");
    }
    let (items, others) = (real.items(), ours.items());
    let (real, ours) = (found(real, scored), found(ours, scored));
    let by_key: BTreeMap<String, f64> = real.iter().cloned().collect();
    for (key, score) in &ours {
        match by_key.get(key) {
            None => return Some("the results"),
            Some(real) if real.is_nan() && *score != 0.0 => return Some("a score of nothing"),
            Some(real) if (real - score).abs() > 1e-6 * real.abs().max(1.0) => {
                return Some("a score");
            }
            Some(_) => {}
        }
    }
    if scored && reasons(&items) != reasons(&others) {
        return Some("a reason");
    }
    // Where Stack divides nothing by nothing, the score is no number, and its heap has no order then; ours is 0.
    if by_key.values().any(|score| score.is_nan()) {
        return None;
    }
    // Scores that differ by rounding alone have no order.
    let same = |((one, score), (other, _)): (&(String, f64), &(String, f64))| {
        one == other || scored && (score - by_key[other]).abs() < 1e-12
    };
    let is_same = real.iter().zip(&ours).all(same);
    (!is_same).then_some("the order")
}

/// The documents that only one of two replies has, or of which they say something else.
fn apart(real: &Value, ours: &Value, scored: bool) -> Vec<String> {
    let pairs = |reply: &Value| -> BTreeMap<String, String> {
        match reply.is_error() {
            true => BTreeMap::new(),
            false => {
                let step = if scored { 2 } else { 1 };
                let items = reply.items();
                let told = |part: &[Value]| (part[0].text(), lined(&part[step - 1]));
                items[1..].chunks(step).map(told).collect()
            }
        }
    };
    let (real, ours) = (pairs(real), pairs(ours));
    let keys = real.keys().chain(ours.keys());
    let mut keys: Vec<String> = keys
        .filter(|key| real.get(*key) != ours.get(*key))
        .cloned()
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

fn lined(value: &Value) -> String {
    let leaves: Vec<String> = value.leaves().iter().map(Value::text).collect();
    leaves.join(" | ")
}

/// What stands in a document, for whoever reads why a run failed.
fn told(client: &mut Client, key: &str) -> String {
    let all = client.ask(&format!("HGETALL {key}"));
    let texts: Vec<String> = all
        .leaves()
        .iter()
        .map(|leaf| leaf.text().escape_debug().to_string())
        .collect();
    format!("{key}: {}\n", texts.join(" "))
}

#[test]
fn searches_find_what_redis_stack_finds() {
    let Some(program) = redis_stack() else {
        return;
    };
    let real = Server::start_program(&program, &[]);
    let ours = Server::start(&[]);
    let (mut real, mut ours) = (real.client(), ours.client());
    let seed = setting("SEARCH_SEED", 1);
    let mut maker = Maker(fastrand::Rng::with_seed(seed), false);
    let metric = maker.of(&["L2", "COSINE", "IP"]);
    let put = |maker: &mut Maker, at: u32, real: &mut Client, ours: &mut Client| {
        let key = format!("d:{at}");
        let mut args = vec![b"HSET".to_vec(), key.clone().into_bytes()];
        args.extend(maker.document());
        for client in [real, ours] {
            client.ask(&format!("DEL {key}"));
            client.ask_args(&args);
        }
    };
    // RediSearch takes the last document that holds a word for one that doesn't, or the other way round, where the word is
    // sought in other fields than it stands in, and not wanted. This one holds all of them, and is always the last.
    let put_last = |real: &mut Client, ours: &mut Client| {
        let all = WORDS.join(" ");
        let last = ["HSET", "d:all", "t", &all, "t2", &all];
        for client in [real, ours] {
            client.ask("DEL d:all");
            client.ask_args(&last);
        }
    };
    for client in [&mut real, &mut ours] {
        assert_eq!(client.ask(&format!("{SCHEMA} {metric}")).text(), "OK");
    }
    (0..50).for_each(|at| put(&mut maker, at, &mut real, &mut ours));
    put_last(&mut real, &mut ours);
    let queries = setting("SEARCH_QUERIES", 500);
    for at in 0..queries {
        let changed = at > queries / 2;
        if changed && at % 10 == 9 {
            let at = maker.0.u32(..50);
            put(&mut maker, at, &mut real, &mut ours);
            put_last(&mut real, &mut ours);
        }
        let (args, scored) = maker.search(changed);
        let (theirs, own) = (real.ask_args(&args), ours.ask_args(&args));
        if let Some(what) = difference(&theirs, &own, scored) {
            let shown: Vec<_> = args
                .iter()
                .map(|arg| String::from_utf8_lossy(arg))
                .collect();
            let apart = apart(&theirs, &own, scored);
            let texts: String = apart.iter().map(|key| told(&mut ours, key)).collect();
            panic!(
                "seed {seed}, query {at}: {what} of {shown:?}\nreal {}\nours {}\n{texts}",
                lined(&theirs),
                lined(&own)
            );
        }
    }
}

fn fill(client: &mut Client) {
    client.ask("FT.CREATE i PREFIX 1 d: SCHEMA t TEXT n NUMERIC SORTABLE");
    client.ask("FT.ALTER i SCHEMA ADD k TAG");
    client.ask("FT.ALIASADD other i");
    client.ask("FT.DICTADD words one two");
    client.ask("FT.SYNUPDATE i greeting hello hallo");
    client.ask("FT.SUGADD typed hello 1.5 PAYLOAD there");
    for at in 0..500 {
        client.ask(&format!("HSET d:{at} t hello n {at} k tag{}", at % 5));
    }
}

/// What is asked of servers that must have the same indexes.
fn answers(client: &mut Client) -> Vec<String> {
    let asked = [
        "FT._LIST",
        "FT.SEARCH other hello NOCONTENT SORTBY n LIMIT 0 3",
        "FT.SEARCH i @k:{tag3} NOCONTENT LIMIT 0 0",
        "FT.DICTDUMP words",
        "FT.SYNDUMP i",
        "FT.SEARCH i hallo NOCONTENT LIMIT 0 0",
        "FT.SUGGET typed he WITHSCORES WITHPAYLOADS",
    ];
    let shown = |value: Value| {
        let leaves: Vec<String> = value.leaves().iter().map(Value::text).collect();
        leaves.join(" ")
    };
    asked.map(|words| shown(client.ask(words))).to_vec()
}

#[test]
fn indexes_are_there_after_a_restart_and_in_a_replica() {
    for options in [
        &["--appendonly", "yes"][..],
        &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"],
        &["--appendonly", "no"],
    ] {
        let server = Server::start(options);
        let mut client = server.client();
        fill(&mut client);
        let wanted = answers(&mut client);
        assert!(wanted[1].contains("d:0"), "{wanted:?}");
        if options[1] == "no" {
            assert_eq!(client.ask("SAVE").text(), "OK");
        } else {
            // What was logged since is there as well as what the base has.
            client.ask("BGREWRITEAOF");
            eventually("the log is rewritten", || {
                let info = client.ask("INFO persistence").text();
                info.contains("aof_rewrite_in_progress:0")
                    && info.contains("aof_rewrite_scheduled:0")
            });
            client.ask("HSET d:3 k tag4");
            client.ask("HSET d:3 k tag3");
        }
        let replica = Server::start(&[]);
        let mut copy = replica.client();
        copy.ask(&format!("REPLICAOF 127.0.0.1 {}", server.port));
        eventually("the replica has the indexes", || {
            answers(&mut copy) == wanted
        });
        let again = Server::start_on(&crate::common::our_server(), server.kill(), options);
        let mut client = again.client();
        eventually("the indexes are there again", || {
            answers(&mut client) == wanted
        });
        // A change after the start is seen at once.
        client.ask("HSET d:1 k tag3");
        let count = client.ask("FT.SEARCH i @k:{tag3} NOCONTENT LIMIT 0 0");
        assert_eq!(count.items()[0].int(), 101);
    }
}

#[test]
fn an_index_is_built_over_keys_that_were_there_beside_traffic() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for at in 0..3000 {
        client.ask(&format!("HSET d:{at} k old"));
    }
    client.ask("FT.CREATE i PREFIX 1 d: SCHEMA k TAG");
    client.ask("HSET d:1 k new");
    client.ask("DEL d:2");
    eventually("the index is built", || {
        let info = client.ask("FT.INFO i").leaves();
        let at = info.iter().position(|value| value.text() == "indexing");
        at.is_some_and(|at| info[at + 1].int() == 0)
    });
    let count = |client: &mut Client, query: &str| {
        let reply = client.ask(&format!("FT.SEARCH i {query} NOCONTENT LIMIT 0 0"));
        reply.items()[0].int()
    };
    assert_eq!(count(&mut client, "@k:{old}"), 2998);
    assert_eq!(count(&mut client, "@k:{new}"), 1);
    assert_eq!(count(&mut client, "*"), 2999);
}

#[test]
fn a_transaction_is_found_whole_or_not_at_all() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut client = server.client();
    client.ask("FT.CREATE i PREFIX 1 d: SCHEMA k TAG");
    client.ask("MSET a 1 b 2");
    let port = server.port;
    let writer = std::thread::spawn(move || {
        let mut client = Client::connect(port).unwrap();
        for round in 0..300 {
            client.ask("MULTI");
            client.ask(&format!("HSET d:1 k v{round}"));
            client.ask(&format!("HSET d:2 k v{round}"));
            client.ask(&format!("HSET d:3 k v{round}"));
            client.ask("EXEC");
        }
    });
    let mut seen = 0;
    while !writer.is_finished() {
        let reply = client.ask("FT.AGGREGATE i * GROUPBY 1 @k REDUCE COUNT 0 AS n");
        let groups = &reply.items()[1..];
        assert!(groups.len() <= 1, "{reply:?}");
        for group in groups {
            assert_eq!(group.items()[3].text(), "3", "{reply:?}");
            seen += 1;
        }
    }
    writer.join().unwrap();
    assert!(seen > 0, "searches ran beside the transactions");
}
