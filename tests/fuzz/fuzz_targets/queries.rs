//! Queries and expressions of random words over a few documents: each is answered, by an error or by what it finds.
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
    "$b",
    "AS",
    "d",
    "VECTOR_RANGE",
    "$n",
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

fuzz_target!(|data: &[u8]| {
    let server = server(&["acl", "config", "flushall", "flushdb"]);
    static FILLED: Once = Once::new();
    FILLED.call_once(|| {
        let lines = [
            "FT.CREATE i SCHEMA t TEXT WEIGHT 2 g TAG n NUMERIC SORTABLE p GEO v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2",
            "FT.SYNUPDATE i 1 hello hallo",
            "HSET a t hello_world g a,b n 1 p 1,2 v 12345678",
            "HSET b t running g b n 2.5 v 87654321",
            "HSET c t hello n -1 p 3,4",
        ];
        ask(server, &lines.map(words));
    });
    let mut bytes = Bytes(data);
    let dialect = [&b"1"[..], b"2", b"3", b"4"][bytes.below(4)].to_vec();
    let how = bytes.below(8);
    let query = text(&mut bytes, QUERY);
    let mut search = words(match how {
        0 => "FT.EXPLAIN i",
        1 => "FT.AGGREGATE i",
        2 => "FT.SPELLCHECK i",
        _ => "FT.SEARCH i",
    });
    search.push(query);
    if how == 1 {
        for word in ["APPLY", "FILTER"] {
            search.push(word.into());
            search.push(text(&mut bytes, EXPRESSION));
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
    ask(server, &[search]);
});
