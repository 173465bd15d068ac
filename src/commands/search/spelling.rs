//! FT.SPELLCHECK: for words that no document has, those that are nearly alike.

use super::options::QueryOptions;
use super::{SEARCHES, refused, rights, shown, wrong_arity};
use crate::command::Flag::ReadOnly;
use crate::command::{Command, Done, Fail, Flow, ReadCall, Run};
use crate::search::{
    ALL_FIELDS, DocumentIndex, Misspelt, QueryRules, SpellingRules, Words, folded, misspelt, parse,
};
use crate::util::number;

pub const SPELL_CHECK: Command = Command {
    name: "ft.spellcheck",
    summary: "Performs spelling correction on a query, returning suggestions for misspelled terms",
    cost: "O(1)",
    since: "1.4.0",
    flags: &[ReadOnly],
    run: Run::Read(spell_check),
    ..SEARCHES
};

/// Letters in which words may differ.
const DISTANCES: std::ops::RangeInclusive<i64> = 1..=4;

struct SpellingWish<'a> {
    edits: usize,
    include: Vec<&'a [u8]>,
    exclude: Vec<&'a [u8]>,
    whole_scores: bool,
    dialect: Option<u8>,
}

fn wish<'a>(words: &mut Words<'a>) -> Result<SpellingWish<'a>, Fail> {
    let mut wish = SpellingWish {
        edits: 1,
        include: Vec::new(),
        exclude: Vec::new(),
        whole_scores: false,
        dialect: None,
    };
    while !words.is_empty() {
        if words.word("DISTANCE") {
            let text = words.maybe().ok_or(Fail::code(
                "DISTANCE arg is given but no DISTANCE comes after",
            ))?;
            let edits = number::parse_i64(text).filter(|n| DISTANCES.contains(n));
            wish.edits = edits.ok_or(Fail::code(
                "bad distance given, distance must be a natural number between 1 to 4",
            ))? as usize;
        } else if words.word("TERMS") {
            let pair = words.maybe().zip(words.maybe());
            let (what, name) = pair.ok_or(Fail::code(
                "TERM arg is given but no TERM params comes after",
            ))?;
            match what.to_ascii_uppercase().as_slice() {
                b"INCLUDE" => wish.include.push(name),
                b"EXCLUDE" => wish.exclude.push(name),
                _ => {
                    let text = "bad format, exlude/include operation was not given";
                    return Err(Fail::code(text));
                }
            }
        } else if words.word("FULLSCOREINFO") {
            wish.whole_scores = true;
        } else if words.word("DIALECT") {
            let text = words.maybe().unwrap_or_default();
            let dialect = number::parse_i64(text).filter(|n| (1..=4).contains(n));
            wish.dialect = Some(dialect.ok_or(Fail::code(
                "DIALECT requires a non negative integer >=1 and <= 4",
            ))? as u8);
        } else {
            // What it doesn't know it passes over, as RediSearch does.
            words.maybe();
        }
    }
    Ok(wish)
}

/// The words of these dictionaries.
fn dictionaries(call: &ReadCall<'_>, names: &[&[u8]]) -> Result<Vec<String>, Fail> {
    let held = call.server.search.catalog.read().dictionaries.clone();
    let mut words = Vec::new();
    for name in names {
        let held = held.get(*name);
        let no_such = || Fail::code(format!("Dict does not exist: {}", shown(name)));
        words.extend(held.ok_or_else(no_such)?.keys().map(|word| folded(word)));
    }
    Ok(words)
}

fn spell_check(call: &mut ReadCall<'_>) -> Done {
    let args = call.args.rest();
    let [name, query, rest @ ..] = args else {
        return Err(wrong_arity("FT.SPELLCHECK"));
    };
    let wish = wish(&mut Words::new(rest))?;
    rights::check(call.server, call.user, name)?;
    let index = call.server.search.frozen(name, !call.parts);
    let index = index.filter(|_| call.db.index() == 0);
    let index = index.ok_or(Fail::code("Unknown Index name"))?;
    let rules = SpellingRules {
        edits: wish.edits,
        include: dictionaries(call, &wish.include)?,
        exclude: dictionaries(call, &wish.exclude)?,
    };
    let mut asked = QueryOptions::new(query, call.server.search.defaults());
    asked.dialect = wish.dialect.unwrap_or(asked.dialect);
    let found = checked(&index, &asked, &rules)?;
    write(call, &index, &found, wish.whole_scores);
    Ok(Flow::Done)
}

fn checked(
    index: &DocumentIndex,
    asked: &QueryOptions<'_>,
    rules: &SpellingRules,
) -> Result<Vec<Misspelt>, Fail> {
    let node = parse(
        asked.query,
        &QueryRules {
            definition: &index.definition,
            params: &asked.params,
            dialect: asked.dialect,
            verbatim: true,
            no_stopwords: true,
            in_fields: ALL_FIELDS,
        },
    );
    Ok(misspelt(index, &node.map_err(refused)?, rules))
}

fn write(call: &mut ReadCall<'_>, index: &DocumentIndex, found: &[Misspelt], whole: bool) {
    let docs = index.docs.len().max(1) as f64;
    let score = |count: usize| match whole {
        true => count as f64,
        false => count as f64 / docs,
    };
    let out = &mut *call.out;
    if out.resp3() {
        out.map(1 + usize::from(whole));
        if whole {
            out.simple("total_docs");
            out.count(index.docs.len());
        }
        out.simple("results");
        out.map(found.len());
        for one in found {
            out.bulk(&one.word);
            out.array(one.suggestions.len());
            for (word, count) in &one.suggestions {
                out.map(1);
                out.bulk(word);
                out.double(score(*count));
            }
        }
        return;
    }
    out.array(found.len() + usize::from(whole));
    if whole {
        out.count(index.docs.len());
    }
    for one in found {
        out.array(3);
        out.simple("TERM");
        out.bulk(&one.word);
        out.array(one.suggestions.len());
        for (word, count) in &one.suggestions {
            out.array(2);
            out.double(score(*count));
            out.bulk(word);
        }
    }
}
