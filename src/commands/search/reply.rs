//! Results as FT.SEARCH and FT.AGGREGATE reply them: a flat array in RESP2, maps in RESP3.

use super::hit::Hit;
use super::measured::SearchProfile;
use super::options::SearchWish;
use crate::resp::Reply;
use crate::search::{Refusal, Row, RowValue, ScoreReason, SortKey, written};

/// A result of FT.SEARCH.
pub struct FoundRow {
    pub hit: Hit,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What stands behind results.
#[derive(Default)]
pub struct ReplyTail {
    /// The time was up before all was found.
    pub late: bool,
    pub profile: Option<SearchProfile>,
    /// Why there are no rows behind these.
    pub failed: Option<Refusal>,
}

/// What stands before results in RESP3; the array of them, and a list of warnings, are to follow.
fn head(out: &mut Reply, total: usize, results: usize, behind: &ReplyTail) {
    out.map(5 + usize::from(behind.profile.is_some()));
    out.simple("attributes");
    out.array(0);
    out.simple("total_results");
    out.count(total);
    out.simple("format");
    out.simple("STRING");
    out.simple("results");
    out.array(results);
}

fn tail(out: &mut Reply, behind: &ReplyTail) {
    out.simple("warning");
    let late = behind.late.then(|| "Timeout limit was reached".to_owned());
    // It may quote a text.
    let failed = behind.failed.as_ref();
    let failed = failed.map(|why| why.replace(['\r', '\n'], " "));
    let warnings: Vec<String> = late.into_iter().chain(failed).collect();
    out.array(warnings.len());
    warnings.iter().for_each(|warning| out.simple(warning));
    if let Some(profile) = &behind.profile {
        out.simple("profile");
        profile.write(out);
    }
}

/// Writes what FT.SEARCH has found.
pub fn write(
    out: &mut Reply,
    wish: &SearchWish<'_>,
    total: usize,
    rows: &[FoundRow],
    behind: &ReplyTail,
) {
    let with_fields =
        !wish.no_content && wish.wanted.as_ref().is_none_or(|wanted| !wanted.is_empty());
    let extra = usize::from(wish.with_scores)
        + usize::from(wish.with_payloads)
        + usize::from(wish.with_sort_keys);
    if out.resp3() {
        head(out, total, rows.len(), behind);
        for row in rows {
            out.map(2 + extra + usize::from(with_fields));
            out.simple("id");
            out.bulk(&row.hit.key);
            beside(out, wish, row);
            if with_fields {
                out.simple("extra_attributes");
                fields(out, row);
            }
            out.simple("values");
            out.array(0);
        }
        return tail(out, behind);
    }
    if behind.profile.is_some() {
        out.array(2);
    }
    out.array(1 + rows.len() * (1 + extra + usize::from(with_fields)));
    out.count(total);
    for row in rows {
        out.bulk(&row.hit.key);
        beside(out, wish, row);
        if with_fields {
            fields(out, row);
        }
    }
    if let Some(profile) = &behind.profile {
        profile.write(out);
    }
}

fn fields(out: &mut Reply, row: &FoundRow) {
    out.map(row.fields.len());
    for (name, value) in &row.fields {
        out.bulk(name);
        out.bulk(value);
    }
}

/// Score, payload and sort key, as far as they are wanted.
fn beside(out: &mut Reply, wish: &SearchWish<'_>, row: &FoundRow) {
    let name = |out: &mut Reply, name: &str| {
        if out.resp3() {
            out.simple(name);
        }
    };
    if wish.with_scores {
        name(out, "score");
        match &row.hit.reason {
            Some(why) => {
                out.array(2);
                out.double(row.hit.rank.score);
                reason(out, why);
            }
            None => out.double(row.hit.rank.score),
        }
    }
    if wish.with_payloads {
        name(out, "payload");
        out.bulk_or_null(row.hit.payload.as_deref());
    }
    if wish.with_sort_keys {
        name(out, "sortkey");
        match &row.hit.rank.sort {
            SortKey::Nothing => out.null(),
            SortKey::Number(n) => out.bulk(format!("#{}", written(*n))),
            SortKey::Text(text) => out.bulk([b"$", &text[..]].concat()),
        }
    }
}

/// Writes why a score is what it is: a sentence, and those about its parts.
fn reason(out: &mut Reply, why: &ScoreReason) {
    if why.parts.is_empty() {
        return out.simple(&why.text);
    }
    out.array(2);
    out.simple(&why.text);
    out.array(why.parts.len());
    why.parts.iter().for_each(|part| reason(out, part));
}

/// Writes rows of FT.AGGREGATE.
pub fn write_rows(out: &mut Reply, total: usize, rows: &[Row], behind: &ReplyTail) {
    if out.resp3() {
        head(out, total, rows.len(), behind);
        for row in rows {
            out.map(2);
            out.simple("extra_attributes");
            values(out, row);
            out.simple("values");
            out.array(0);
        }
        return tail(out, behind);
    }
    if behind.profile.is_some() {
        out.array(2);
    }
    out.array(1 + rows.len());
    out.count(total);
    rows.iter().for_each(|row| values(out, row));
    if let Some(profile) = &behind.profile {
        profile.write(out);
    }
}

pub fn values(out: &mut Reply, row: &Row) {
    out.map(row.0.len());
    for (name, one) in &row.0 {
        out.bulk(name);
        value(out, one);
    }
}

fn value(out: &mut Reply, one: &RowValue) {
    match one {
        RowValue::List(list) => {
            out.array(list.len());
            list.iter().for_each(|one| value(out, one));
        }
        RowValue::Null => out.null(),
        one => out.bulk(one.shown()),
    }
}
