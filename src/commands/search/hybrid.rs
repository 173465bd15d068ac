//! FT.HYBRID: what a text query has found and what lies near a vector, in one list.
//!
//! Sources: Redis's documentation of the command as of 8.4, and what redis-py's tests expect of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::aggregate::{RowsFound, rows};
use super::find::{effort, evaluated, frozen, was_late};
use super::fusion::{DISTANCE, Fusion, HybridWish};
use super::hit::{Hit, HitRank};
use super::load::Tries;
use super::pipeline::RowFlow;
use super::reply::values;
use super::{SEARCHES, refused, wrong_arity};
use crate::command::Flag::ReadOnly;
use crate::command::{Command, Done, Fail, Flow, ReadCall, Run};
use crate::search::{
    ALL_FIELDS, DocumentIndex, Effort, EvalRules, Match, Metric, QueryNode, QueryRules, Row,
    SortKey, parse, score,
};
use crate::util::clock::Timer;

pub const HYBRID: Command = Command {
    name: "ft.hybrid",
    summary: "Performs hybrid search combining text search and vector similarity search",
    cost: "O(N+M) where N is the complexity of the text search and M is the complexity of the vector search",
    since: "8.4.0",
    flags: &[ReadOnly],
    run: Run::Read(hybrid),
    ..SEARCHES
};

/// Scoring a document is so many units of work.
const SCORE_UNITS: usize = 8;

/// A document that one of the queries has found, or both.
#[derive(Default)]
struct Fused {
    score: f64,
    text: Option<f64>,
    near: Option<f64>,
}

fn hybrid(call: &mut ReadCall<'_>) -> Done {
    let begun = Timer::start();
    let args = call.args.rest();
    let Some((name, rest)) = args.split_first() else {
        return Err(wrong_arity("FT.HYBRID"));
    };
    let wish = HybridWish::parse(rest, call.server.search.defaults())?;
    let mut tries = Tries::begin();
    loop {
        let index = frozen(call, name)?;
        let mut warnings = Vec::new();
        let found = found(call, &index, &wish, &mut warnings)?;
        let effort = effort(call, &index, &wish.rows.asked);
        if let Some(rows) = rows(call, name, &wish.rows, &found, &effort)? {
            let (total, rows) = finished(&effort, &wish, rows)?;
            if was_late(&effort, &wish.rows.asked)? {
                warnings.push("Timeout limit was reached (POST PROCESSING)");
            }
            write(call, total, &rows, &warnings, &begun);
            return Ok(Flow::Done);
        }
        if !tries.go_on() {
            return Ok(Flow::Whole);
        }
    }
}

fn found(
    call: &ReadCall<'_>,
    index: &DocumentIndex,
    wish: &HybridWish<'_>,
    warnings: &mut Vec<&'static str>,
) -> Result<RowsFound, Fail> {
    let asked = &wish.rows.asked;
    call.server.search.note_dialect(asked.dialect);
    let read = |query: &[u8]| {
        let rules = QueryRules {
            definition: &index.definition,
            params: &asked.params,
            dialect: asked.dialect,
            verbatim: asked.verbatim,
            no_stopwords: false,
            in_fields: ALL_FIELDS,
        };
        parse(query, &rules).map_err(refused)
    };
    let metric = metric(index, wish.field)?;
    let (text, near) = (read(asked.query)?, read(&wish.vector_query())?);
    let (text, late) = best(call, index, wish, (&text, None))?;
    warnings.extend(late.then_some("Timeout limit was reached (SEARCH)"));
    let (near, late) = best(call, index, wish, (&near, Some(metric)))?;
    warnings.extend(late.then_some("Timeout limit was reached (VSIM)"));
    let fused = fused(&wish.fusion, &text, &near);
    let hits = fused.into_iter().filter_map(|(doc, fused)| {
        let row = index.docs.get(&doc)?;
        Some(hit(doc, &row.key, &fused, wish))
    });
    Ok(RowsFound {
        hits: hits.collect(),
        definition: Arc::clone(&index.definition),
        edits: index.edits,
        needed: Vec::new(),
    })
}

/// The best documents that one of the queries finds, by how near they are if there is a metric; and whether it was late.
fn best(
    call: &ReadCall<'_>,
    index: &DocumentIndex,
    wish: &HybridWish<'_>,
    (node, metric): (&QueryNode, Option<Metric>),
) -> Result<(Vec<(u64, f64)>, bool), Fail> {
    let asked = &wish.rows.asked;
    let effort = effort(call, index, asked);
    let scorer = metric.is_none().then_some(asked.scorer);
    // As in Redis 8.4, tags find documents and score nothing.
    let rules = EvalRules {
        scores_tags: false,
        ..asked.rules(scorer.is_some())
    };
    let found = evaluated(index, node, (rules, &effort), &mut None, scorer)?;
    let mut hits = scored_hits(&found, &mut |doc| {
        effort.tick(SCORE_UNITS);
        if let Some(metric) = metric {
            return similarity(&found, doc, metric);
        }
        let row = index.docs.get(&doc)?;
        Some(score(asked.scoring(), index, &found, doc, row))
    });
    let late = was_late(&effort, asked)?;
    hits.truncate(wish.window);
    Ok((hits, late))
}

fn metric(index: &DocumentIndex, field: &[u8]) -> Result<Metric, Fail> {
    let definition = &index.definition;
    let shown = || super::shown(field);
    let at = definition
        .field(field)
        .ok_or_else(|| Fail::code(format!("Unknown field `{}`", shown())))?;
    let spec = definition.fields[at].vector();
    let no_vector = || {
        Fail::code(format!(
            "Expected a VECTOR field, but `{}` is none",
            shown()
        ))
    };
    Ok(spec.ok_or_else(no_vector)?.metric)
}

/// Documents with their scores, the best first; among equals the older ones.
fn scored_hits(found: &Match, score: &mut dyn FnMut(u64) -> Option<f64>) -> Vec<(u64, f64)> {
    let docs = found.docs.iter();
    let mut hits: Vec<(u64, f64)> = docs.filter_map(|doc| Some((*doc, score(*doc)?))).collect();
    hits.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    hits
}

/// How near a document is: one if it is as near as it can be.
fn similarity(found: &Match, doc: u64, metric: Metric) -> Option<f64> {
    let mut held = None;
    found.each_distance(doc, &mut |name, distance| {
        if name == DISTANCE.as_bytes() {
            held = Some(distance);
        }
    });
    let distance: f64 = held?;
    Some(match metric {
        Metric::L2 => 1.0 / (1.0 + distance),
        Metric::Cosine | Metric::InnerProduct => 1.0 - distance / 2.0,
    })
}

/// Both lists in one, the best first.
fn fused(fusion: &Fusion, text: &[(u64, f64)], near: &[(u64, f64)]) -> Vec<(u64, Fused)> {
    let mut held: BTreeMap<u64, Fused> = BTreeMap::new();
    for (rank, (doc, score)) in (1_u32..).zip(text) {
        let one = held.entry(*doc).or_default();
        one.text = Some(*score);
        one.score += match fusion {
            Fusion::Ranks { constant } => 1.0 / (constant + f64::from(rank)),
            Fusion::Weights { alpha, .. } => alpha * score,
        };
    }
    for (rank, (doc, score)) in (1_u32..).zip(near) {
        let one = held.entry(*doc).or_default();
        one.near = Some(*score);
        one.score += match fusion {
            Fusion::Ranks { constant } => 1.0 / (constant + f64::from(rank)),
            Fusion::Weights { beta, .. } => beta * score,
        };
    }
    let mut fused: Vec<(u64, Fused)> = held.into_iter().collect();
    fused.sort_by(|one, other| other.1.score.total_cmp(&one.1.score));
    fused
}

/// A document with its scores under their names, which stand beside its fields in a row.
fn hit(doc: u64, key: &[u8], fused: &Fused, wish: &HybridWish<'_>) -> Hit {
    let named = [
        (wish.text_as, fused.text),
        (wish.near_as, fused.near),
        (Some(wish.score_name()), Some(fused.score)),
    ];
    let scores = named
        .into_iter()
        .filter_map(|(name, score)| Some((name?.to_vec(), score?)));
    let rank = HitRank {
        doc,
        score: fused.score,
        sort: SortKey::Nothing,
    };
    Hit {
        distances: scores.collect(),
        ..Hit::new(rank, key)
    }
}

/// What the steps make of the rows, and how many there were before some were cut off.
fn finished(
    effort: &Effort<'_>,
    wish: &HybridWish<'_>,
    rows: Vec<Row>,
) -> Result<(usize, Vec<Row>), Fail> {
    let mut flow = RowFlow::new(rows);
    for step in &wish.rows.steps {
        flow.step(step, effort).map_err(refused)?;
    }
    if let Some(why) = flow.failed {
        return Err(refused(why));
    }
    let total = flow.rows.len();
    let (offset, count) = wish.limit;
    let rows = flow.rows.into_iter().skip(offset).take(count);
    let shown = rows.map(|mut row| {
        if wish.hides_score {
            row.0.retain(|(name, _)| **name != *wish.score_name());
        }
        row
    });
    Ok((total, shown.collect()))
}

fn write(call: &mut ReadCall<'_>, total: usize, rows: &[Row], warnings: &[&str], begun: &Timer) {
    let out = &mut *call.out;
    out.map(4);
    out.simple("total_results");
    out.count(total);
    out.simple("results");
    out.array(rows.len());
    rows.iter().for_each(|row| values(out, row));
    out.simple("warnings");
    out.array(warnings.len());
    warnings.iter().for_each(|warning| out.simple(warning));
    out.simple("execution_time");
    out.double(begun.elapsed().as_secs_f64() * 1000.0);
}
