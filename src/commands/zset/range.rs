//! ZRANGE and its older spellings: one parser, one body.

use std::ops::Range;

use super::reply;
use crate::command::Flag::DenyOom;
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::engine::{Class, Deadline};
use crate::types::zset::{LexRange, ScoreRange};
use crate::types::{Type, ZSet};
use crate::util::number;

pub(super) const NOT_LEX: Fail = Fail::Says("min or max not valid string range item");

const LIMIT: Arg = Arg::block("limit", &[Arg::int("offset"), Arg::int("count")])
    .token("LIMIT")
    .optional();
const BY: Arg = Arg::one_of(
    "sortby",
    &[Arg::word("byscore", "BYSCORE"), Arg::word("bylex", "BYLEX")],
)
.optional();
const REV: Arg = Arg::word("rev", "REV").optional();
const WITHSCORES: Arg = Arg::word("withscores", "WITHSCORES").optional();
const COST: &str = "O(log(N)+M) for M members returned";

pub const ZRANGE: Command = Command {
    name: "zrange",
    summary: "Returns members within a range of ranks, scores or names",
    cost: COST,
    since: "1.2.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("start"),
        Arg::text("stop"),
        BY.since("6.2.0"),
        REV.since("6.2.0"),
        LIMIT.since("6.2.0"),
        WITHSCORES,
    ],
    run: Run::Read(|call| range(call, None, None)),
    ..Command::PLAIN
};

pub const ZREVRANGE: Command = Command {
    name: "zrevrange",
    summary: "Returns members within a range of ranks, highest first",
    cost: COST,
    since: "1.2.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::int("start"),
        Arg::int("stop"),
        WITHSCORES,
    ],
    run: Run::Read(|call| range(call, Some(RangeBy::Rank), Some(true))),
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
    ..Command::PLAIN
};

pub const ZRANGEBYSCORE: Command = Command {
    name: "zrangebyscore",
    summary: "Returns members within a range of scores",
    cost: COST,
    since: "1.0.5",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::double("min"),
        Arg::double("max"),
        WITHSCORES.since("2.0.0"),
        LIMIT,
    ],
    run: Run::Read(|call| range(call, Some(RangeBy::Score), Some(false))),
    deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
    ..Command::PLAIN
};

pub const ZREVRANGEBYSCORE: Command = Command {
    name: "zrevrangebyscore",
    summary: "Returns members within a range of scores, highest first",
    cost: COST,
    since: "2.2.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::double("max"),
        Arg::double("min"),
        WITHSCORES,
        LIMIT,
    ],
    run: Run::Read(|call| range(call, Some(RangeBy::Score), Some(true))),
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
    ..Command::PLAIN
};

pub const ZRANGEBYLEX: Command = Command {
    name: "zrangebylex",
    summary: "Returns members within a range of names",
    cost: COST,
    since: "2.8.9",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("min"),
        Arg::text("max"),
        LIMIT,
    ],
    run: Run::Read(|call| range(call, Some(RangeBy::Lex), Some(false))),
    deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
    ..Command::PLAIN
};

pub const ZREVRANGEBYLEX: Command = Command {
    name: "zrevrangebylex",
    summary: "Returns members within a range of names, highest first",
    cost: COST,
    since: "2.8.9",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("max"),
        Arg::text("min"),
        LIMIT,
    ],
    run: Run::Read(|call| range(call, Some(RangeBy::Lex), Some(true))),
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
    ..Command::PLAIN
};

pub const ZRANGESTORE: Command = Command {
    name: "zrangestore",
    summary: "Stores the members within a range of ranks, scores or names",
    cost: "O(log(N)+M) for M members stored",
    since: "6.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("dst", KeyUse::OVERWRITE),
        Arg::key("src", KeyUse::READ),
        Arg::text("min"),
        Arg::text("max"),
        BY,
        REV,
        LIMIT,
    ],
    run: Run::Write(zrangestore),
    ..Command::PLAIN
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum RangeBy {
    Rank,
    Score,
    Lex,
}

enum Bounds<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Names(LexRange<'a>),
}

/// What a range command asks for.
struct RangeQuery<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    offset: i64,
    /// Negative for all.
    count: i64,
    with_scores: bool,
}

impl<'a> RangeQuery<'a> {
    /// Parses what follows the key. Older spellings fix `by` and `reverse`; only ZRANGE lets them be said.
    fn parse(
        args: &mut Args<'a>,
        by: Option<RangeBy>,
        reverse: Option<bool>,
        store: bool,
    ) -> Result<Self, Fail> {
        let (first, second) = (args.next()?, args.next()?);
        let (mut said_by, mut said_reverse) = (by, reverse);
        let (mut offset, mut count, mut with_scores) = (0, -1, false);
        while !args.is_empty() {
            if !store && args.word("WITHSCORES") {
                with_scores = true;
            } else if args.word_with("LIMIT", 2) {
                offset = args.int()?;
                count = args.int()?;
            } else if said_reverse.is_none() && args.word("REV") {
                said_reverse = Some(true);
            } else if said_by.is_none() && args.word("BYLEX") {
                said_by = Some(RangeBy::Lex);
            } else if said_by.is_none() && args.word("BYSCORE") {
                said_by = Some(RangeBy::Score);
            } else {
                return Err(Fail::SYNTAX);
            }
        }
        let (by, reverse) = (
            said_by.unwrap_or(RangeBy::Rank),
            said_reverse.unwrap_or(false),
        );
        if count != -1 && by == RangeBy::Rank {
            return Err(Fail::Says(
                "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == RangeBy::Lex {
            return Err(Fail::Says(
                "syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (low, high) = if reverse {
            (second, first)
        } else {
            (first, second)
        };
        let bounds = match by {
            RangeBy::Rank => {
                let int = |text| number::parse_i64(text).ok_or(Fail::NOT_INTEGER);
                Bounds::Ranks(int(first)?, int(second)?)
            }
            RangeBy::Score => Bounds::Scores(score_range(low, high)?),
            RangeBy::Lex => Bounds::Names(LexRange::parse(low, high).ok_or(NOT_LEX)?),
        };
        Ok(RangeQuery {
            bounds,
            reverse,
            offset,
            count,
            with_scores,
        })
    }

    /// The ranks wanted, counted from the lowest score.
    fn ranks(&self, zset: &ZSet) -> Range<usize> {
        let found = match &self.bounds {
            Bounds::Ranks(start, stop) => {
                let (len, ranks) = (zset.len(), ranks(zset.len(), *start, *stop));
                return if self.reverse {
                    len - ranks.end..len - ranks.start
                } else {
                    ranks
                };
            }
            Bounds::Scores(range) => zset.score_range(range),
            Bounds::Names(range) => zset.lex_range(range, self.reverse),
        };
        let Ok(offset) = usize::try_from(self.offset) else {
            return 0..0;
        };
        if offset >= found.len() {
            return 0..0;
        }
        let count = usize::try_from(self.count)
            .unwrap_or(usize::MAX)
            .min(found.len() - offset);
        if self.reverse {
            let end = found.end - offset;
            end - count..end
        } else {
            let start = found.start + offset;
            start..start + count
        }
    }
}

/// A range of scores, or Redis's complaint.
pub(super) fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, Fail> {
    ScoreRange::parse(min, max).ok_or(Fail::Says("min or max is not a float"))
}

/// Ranks from `start` to `stop`, both included and counted from the end if negative.
pub(super) fn ranks(len: usize, start: i64, stop: i64) -> Range<usize> {
    let len = len as i64;
    let from_end = |at: i64| if at < 0 { at.saturating_add(len) } else { at };
    let (start, stop) = (from_end(start).max(0), from_end(stop).min(len - 1));
    if start > stop {
        0..0
    } else {
        start as usize..stop as usize + 1
    }
}

fn range(call: &mut ReadCall<'_>, by: Option<RangeBy>, reverse: Option<bool>) -> Done {
    let key = call.args.next()?;
    let query = RangeQuery::parse(&mut call.args, by, reverse, false)?;
    let Some(zset) = call.db.read::<ZSet>(key)? else {
        call.out.array(0);
        return Ok(Flow::Done);
    };
    let ranks = query.ranks(zset);
    let len = ranks.len();
    reply::members(
        zset.iter_ranks(ranks, query.reverse),
        len,
        query.with_scores,
        call.out,
    );
    Ok(Flow::Done)
}

fn zrangestore(call: &mut WriteCall<'_>) -> Done {
    let (target, source) = (call.args.next()?, call.args.next()?);
    let query = RangeQuery::parse(&mut call.args, None, None, true)?;
    let limits = &call.db.rules().limits;
    let mut result = ZSet::new();
    if let Some(zset) = call.db.read::<ZSet>(source)? {
        let mut digits = itoa::Buffer::new();
        let ranks = query.ranks(zset);
        if let Bounds::Ranks(..) = query.bounds {
            result.expect(ranks.len(), limits);
        }
        for (member, score) in zset.iter_ranks(ranks, query.reverse) {
            result.insert(member.as_bytes(&mut digits), score, limits);
        }
    }
    let len = result.len();
    if len == 0 {
        call.db.delete(target);
    } else {
        call.db.set(target, result.wrap(), Deadline::Clear);
        call.db.announce(Class::ZSet, "zrangestore", target);
    }
    call.out.count(len);
    Ok(Flow::Done)
}
