//! VSIM: the elements whose vectors are nearest to another one.

use super::given::{Given, mismatch, project};
use super::{KEY, arity};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, ReadCall, Rest, Run, quoted};
use crate::resp::Reply;
use crate::types::vectors::{AttributeFilter, Query, VectorMatch};
use crate::types::{Type, TypeRef, VectorSet};
use crate::util::number;

const COUNT: usize = 10;
/// Elements that are kept in sight, where nothing is said.
const EXPLORATION: usize = 100;
/// For each element that is wanted, a filter is tried on so many, at most.
const EFFORT_EACH: usize = 100;
/// Sets of so many elements are looked through from end to end while nothing is locked.
const MANY: usize = 2048;

pub const VSIM: Command = Command {
    name: "vsim",
    summary: "Returns the elements whose vectors are nearest to another one",
    cost: "O(log(N)) for N elements, O(N) with TRUTH",
    since: "8.0.0",
    args: &[
        KEY,
        Arg::one_of(
            "format",
            &[
                Arg::word("ele", "ELE"),
                Arg::word("fp32", "FP32"),
                Arg::word("values", "VALUES"),
            ],
        ),
        Arg::text("vector_or_element"),
        Arg::word("withscores", "WITHSCORES").optional(),
        Arg::word("withattribs", "WITHATTRIBS")
            .optional()
            .since("8.2.0"),
        Arg::int("count").token("COUNT").optional(),
        Arg::double("max_distance").token("EPSILON").optional(),
        Arg::int("search-exploration-factor").token("EF").optional(),
        Arg::text("expression").token("FILTER").optional(),
        Arg::int("max-filtering-effort")
            .token("FILTER-EF")
            .optional(),
        Arg::word("truth", "TRUTH").optional(),
        Arg::word("nothread", "NOTHREAD").optional(),
    ],
    arity: Some(-1),
    run: Run::Read(vsim),
    ..Command::PLAIN
};

/// What may follow the vector.
struct SearchOptions {
    with_scores: bool,
    with_attributes: bool,
    count: usize,
    /// How far an element may be, as a share of the way to the opposite direction.
    farthest: f32,
    exploration: usize,
    filter: Option<AttributeFilter>,
    effort: Option<usize>,
    exact: bool,
}

/// A number above zero.
fn above_zero(args: &mut Args<'_>, refusal: &'static str) -> Result<usize, Fail> {
    Ok(args.int_in(1..=i64::MAX, Fail::Says(refusal))? as usize)
}

impl SearchOptions {
    fn parse(args: &mut Args<'_>) -> Result<Self, Fail> {
        let mut options = SearchOptions {
            with_scores: false,
            with_attributes: false,
            count: COUNT,
            farthest: 2.0,
            exploration: EXPLORATION,
            filter: None,
            effort: None,
            exact: false,
        };
        while !args.is_empty() {
            if args.word("WITHSCORES") {
                options.with_scores = true;
            } else if args.word("WITHATTRIBS") {
                options.with_attributes = true;
            } else if args.word("TRUTH") {
                options.exact = true;
            } else if args.word("NOTHREAD") {
                // Redis may search on another thread; here it never does.
            } else if args.word_with("COUNT", 1) {
                options.count = above_zero(args, "invalid COUNT")?;
            } else if args.word_with("EPSILON", 1) {
                let given = number::parse_double(args.next()?).filter(|given| *given > 0.0);
                options.farthest = given.ok_or(Fail::Says("invalid EPSILON"))? as f32;
            } else if args.word_with("EF", 1) {
                options.exploration = above_zero(args, "invalid EF")?;
            } else if args.word_with("FILTER-EF", 1) {
                options.effort = Some(above_zero(args, "invalid FILTER-EF")?);
            } else if args.word_with("FILTER", 1) {
                options.filter = Some(filter(args.next()?)?);
            } else {
                return Err(Fail::Says("syntax error in VSIM command"));
            }
        }
        Ok(options)
    }

    fn query(&self) -> Query<'_> {
        let effort = match (&self.filter, self.effort) {
            (None, _) => usize::MAX,
            (Some(_), Some(effort)) => effort,
            (Some(_), None) => self.count.saturating_mul(EFFORT_EACH),
        };
        Query {
            count: self.count,
            exploration: self.exploration.max(self.count),
            filter: self.filter.as_ref(),
            effort,
            exact: self.exact,
        }
    }

    /// Whether many elements may be looked at.
    fn is_long(&self) -> bool {
        let query = self.query();
        query.exact || query.filter.is_some() || query.exploration >= MANY
    }

    /// Answers with what is near enough.
    fn reply(&self, found: &[VectorMatch<'_>], out: &mut Reply) {
        let is_near =
            |one: &&VectorMatch<'_>| one.distance / 2.0 <= self.farthest || one.distance.is_nan();
        let shown = found.iter().take_while(is_near).count();
        let (both, some) = (
            self.with_scores && self.with_attributes,
            self.with_scores || self.with_attributes,
        );
        match out.resp3() && some {
            true => out.map(shown),
            false => {
                let each = 1 + usize::from(self.with_scores) + usize::from(self.with_attributes);
                out.array(shown * each);
            }
        }
        for one in &found[..shown] {
            out.bulk(one.name);
            if both && out.resp3() {
                out.array(2);
            }
            if self.with_scores {
                out.double(1.0 - f64::from(one.distance) / 2.0);
            }
            if self.with_attributes {
                out.bulk_or_null(one.attributes);
            }
        }
    }
}

fn filter(text: &[u8]) -> Result<AttributeFilter, Fail> {
    AttributeFilter::compile(text).map_err(|nonsense| {
        let near = quoted(&text[nonsense.0..]);
        Fail::said(format!("syntax error in FILTER expression near: {near}"))
    })
}

/// The vector that others are to be near to.
fn sought(args: &mut Args<'_>, set: &VectorSet) -> Result<Vec<f32>, Fail> {
    if args.word("ELE") {
        let at = set.find(args.next()?);
        let at = at.ok_or(Fail::Says("element not found in set"))?;
        return Ok(set.form().restore(set.row(at)));
    }
    let given = Given::parse(args, false)?.vector;
    let dimension = set.form().dimension;
    let vector = match set.projection() {
        Some(projection) if given.len() != dimension => project(&given, projection)?,
        _ => given,
    };
    match vector.len() {
        fits if fits == dimension => Ok(vector),
        other => Err(mismatch(other, set)),
    }
}

fn vsim(call: &mut ReadCall<'_>) -> Done {
    arity(&call.args, 4..=usize::MAX, "VSIM")?;
    let key = call.args.next()?;
    let Some(set) = call.db.read::<VectorSet>(key)? else {
        call.out.array(0);
        return Ok(Flow::Done);
    };
    let vector = sought(&mut call.args, set)?;
    let options = SearchOptions::parse(&mut call.args)?;
    if options.is_long() && call.parts && set.len() >= MANY {
        return Ok(Flow::Rest(Box::new(Rest {
            len: 1,
            value: set.frozen().wrap(),
            write: Box::new(move |value, _, out| {
                let set = VectorSet::of(value).expect("it is given that set");
                options.reply(&set.search(vector.clone(), options.query()), out);
            }),
        })));
    }
    options.reply(&set.search(vector, options.query()), call.out);
    Ok(Flow::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_may_look_at_many_is_told_from_others() {
        let is_long = |text: &str| {
            let words: Vec<&[u8]> = text.split_whitespace().map(str::as_bytes).collect();
            SearchOptions::parse(&mut Args::new(&words, 0)).is_ok_and(|options| options.is_long())
        };
        for text in ["TRUTH", "FILTER .n", "EF 2048", "COUNT 9223372036854775807"] {
            assert!(is_long(text), "{text}");
        }
        for text in ["", "EF 2047 COUNT 2047"] {
            assert!(!is_long(text), "{text}");
        }
    }
}
