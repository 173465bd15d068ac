//! Queries and expressions of random words over some documents, which are edited between them: each is answered, by an error or by
//! what it finds. Some are of vectors, in a graph that is walked even where there are few.
#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use vermilion_fuzz::{Bytes, ask, server, words};

/// Pieces of queries that make sense beside each other often enough.
const QUERY: &[&str] = &[
    "hello",
    "world",
    "run",
    "running",
    " ",
    " ",
    " ",
    "(",
    ")",
    "|",
    "-",
    "~",
    "\"",
    "'",
    "*",
    "%",
    "%%",
    "w'",
    "@t:",
    "@g:",
    "@n:",
    "@p:",
    "@v:",
    "@h:",
    "@t|g:",
    "{",
    "}",
    "[",
    "]",
    "1",
    "2.5",
    "-1",
    "inf",
    "+inf",
    "(1",
    "km",
    "=>",
    "{$weight:2}",
    "{$slop:1}",
    "{$inorder:true}",
    "KNN",
    "3",
    "@v",
    "@h",
    "$b",
    "AS",
    "d",
    "VECTOR_RANGE",
    "$n",
    "=>[KNN 3 @h $b]",
    "=>[KNN $n @h $b EF_RUNTIME 2 AS d]",
    "@h:[VECTOR_RANGE 1 $b]",
    "=>{$YIELD_DISTANCE_AS:d;$EPSILON:0.5}",
    "HYBRID_POLICY BATCHES",
    "\\",
    "\\-",
    ",",
    ":",
    ";",
    "==",
    ">=",
    "!=",
    "ismissing(@g)",
    "a",
    "b c",
    ".",
    "é",
    "\u{0}",
];
/// And of expressions.
const EXPRESSION: &[&str] = &[
    "@n",
    "@t",
    "@g",
    "@__key",
    "1",
    "2",
    "0",
    "0.5",
    "'a'",
    "\"b\"",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "(",
    ")",
    ",",
    "==",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "&&",
    "||",
    "!",
    "upper(",
    "lower(",
    "substr(",
    "format(",
    "split(",
    "strlen(",
    "startswith(",
    "contains(",
    "floor(",
    "sqrt(",
    "log(",
    "exp(",
    "timefmt(",
    "parsetime(",
    "year(",
    "day(",
    "geodistance(",
    "exists(",
    "case(",
    "to_number(",
    "to_str(",
    "'%s'",
    "'1,2'",
    "NULL",
    " ",
    "\\",
    "'",
];

fn text(bytes: &mut Bytes<'_>, pieces: &[&str]) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..bytes.below(40) {
        match bytes.byte() % 16 {
            0 => text.push(bytes.byte()),
            _ => text.extend_from_slice(bytes.pick(pieces).as_bytes()),
        }
    }
    text
}

/// Documents that are there at first, or again.
const DOCUMENTS: usize = 60;

fn vector(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut number = || bytes.pick(&[0.0_f32, 1.0, -1.0, 0.5, 3.0, 1e30, f32::NAN]);
    let numbers = [number(), number()];
    numbers.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// An edit of a document, or of all.
fn edit(bytes: &mut Bytes<'_>) -> Vec<Vec<u8>> {
    let key = format!("d:{}", bytes.below(DOCUMENTS)).into_bytes();
    let mut command = match bytes.below(12) {
        0 => return vec![b"DEL".to_vec(), key],
        1 => vec![b"HDEL".to_vec(), key, bytes.pick(&["t", "v", "h"]).into()],
        2 => {
            return vec![
                b"HPEXPIRE".to_vec(),
                key,
                b"0".to_vec(),
                b"FIELDS".to_vec(),
                b"1".to_vec(),
                b"h".to_vec(),
            ];
        }
        3 => return vec![b"RENAME".to_vec(), key, b"d:0".to_vec()],
        4 => return vec![b"SET".to_vec(), key, b"x".to_vec()],
        _ => vec![b"HSET".to_vec(), key],
    };
    if command[0] == b"HDEL" {
        return command;
    }
    for _ in 0..=bytes.below(4) {
        match bytes.below(6) {
            0 => command.extend([b"t".to_vec(), text(bytes, QUERY)]),
            1 => command.extend([b"g".to_vec(), bytes.pick(&["a", "b", "a,b", ""]).into()]),
            2 => command.extend([
                b"n".to_vec(),
                bytes.pick(&["1", "-1", "2.5", "inf", "x"]).into(),
            ]),
            3 => command.extend([b"p".to_vec(), bytes.pick(&["1,2", "200,1", "1"]).into()]),
            4 => command.extend([b"v".to_vec(), vector(bytes)]),
            _ => command.extend([b"h".to_vec(), vector(bytes)]),
        }
    }
    command
}

/// FT.HYBRID behind the index.
fn hybrid(bytes: &mut Bytes<'_>) -> Vec<Vec<u8>> {
    let mut command = words("FT.HYBRID i SEARCH");
    command.push(text(bytes, QUERY));
    let near = [
        "VSIM @h $b",
        "VSIM @v $b KNN 2 K 3",
        "VSIM @h $b KNN 4 K 3 EF_RUNTIME 2",
        "VSIM @h $b RANGE 2 RADIUS 1",
        "VSIM @h $b RANGE 4 RADIUS 3 EPSILON 0.5",
        "VSIM @v $b FILTER @n:[0,2]",
        "VSIM @t $b",
    ];
    command.extend(words(bytes.pick(&near)));
    let joined = [
        "COMBINE RRF 4 WINDOW 5 CONSTANT 0",
        "COMBINE LINEAR 4 ALPHA 0.5 BETA 0.5",
        "COMBINE RRF",
        "LIMIT 0 3",
        "LOAD *",
        "LOAD 2 @t @n",
    ];
    for _ in 0..bytes.below(3) {
        command.extend(words(bytes.pick(&joined)));
    }
    if bytes.below(2) == 1 {
        command.push(b"APPLY".to_vec());
        command.push(text(bytes, EXPRESSION));
        command.extend(words("AS x"));
    }
    command.extend(words("PARAMS 4 b 12345678 n 1"));
    command
}

/// FT.SEARCH and its like.
fn search(bytes: &mut Bytes<'_>) -> Vec<Vec<u8>> {
    let dialect = [&b"1"[..], b"2", b"3", b"4"][bytes.below(4)].to_vec();
    let how = bytes.below(8);
    let query = text(bytes, QUERY);
    let mut search = words(match how {
        0 => "FT.EXPLAIN i",
        1 => "FT.AGGREGATE i",
        2 => "FT.SPELLCHECK i",
        3 => "FT.PROFILE i SEARCH QUERY",
        _ => "FT.SEARCH i",
    });
    search.push(query);
    if how == 1 {
        for word in ["APPLY", "FILTER"] {
            search.push(word.into());
            search.push(text(bytes, EXPRESSION));
            if word == "APPLY" {
                search.extend(words("AS x"));
            }
        }
    }
    if how > 2 {
        let more = [
            "WITHSCORES",
            "NOCONTENT",
            "HIGHLIGHT",
            "SUMMARIZE",
            "VERBATIM",
            "SORTBY n",
        ];
        search.extend(words(bytes.pick(&more)));
        let scorers = [
            "TFIDF",
            "BM25",
            "BM25STD",
            "DISMAX",
            "DOCSCORE",
            "HAMMING",
            "TFIDF.DOCNORM",
        ];
        search.extend(words("SCORER"));
        search.extend(words(bytes.pick(&scorers)));
        search.extend(words("PARAMS 4 b 12345678 n 1"));
    }
    search.extend([b"DIALECT".to_vec(), dialect]);
    search
}

fuzz_target!(|data: &[u8]| {
    let server = server(&["acl", "config", "flushall", "flushdb"]);
    static FILLED: Once = Once::new();
    FILLED.call_once(|| {
        let lines = [
            "FT.CREATE i SCHEMA t TEXT WEIGHT 2 g TAG n NUMERIC SORTABLE p GEO v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2 \
             h VECTOR HNSW 12 TYPE FLOAT32 DIM 2 DISTANCE_METRIC COSINE M 4 EF_CONSTRUCTION 4 EF_RUNTIME 1",
            "FT.SYNUPDATE i 1 hello hallo",
            "HSET a t hello_world g a,b n 1 p 1,2 v 12345678",
            "HSET b t running g b n 2.5 v 87654321",
            "HSET c t hello n -1 p 3,4",
        ];
        ask(server, &lines.map(words));
        // So many that the graph is walked for one neighbour.
        let documents = (0..DOCUMENTS).map(|n| {
            let mut numbers = Bytes(&[1, n as u8, 1, n as u8 / 7]);
            let mut command = words(&format!("HSET d:{n} t world n {n} h"));
            command.push(vector(&mut numbers));
            command
        });
        ask(server, &documents.collect::<Vec<_>>());
    });
    let mut bytes = Bytes(data);
    let mut commands: Vec<Vec<Vec<u8>>> = Vec::new();
    for _ in 0..bytes.below(4) {
        commands.push(edit(&mut bytes));
    }
    commands.push(match bytes.below(4) {
        0 => hybrid(&mut bytes),
        _ => search(&mut bytes),
    });
    ask(server, &commands);
});
