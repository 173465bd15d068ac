//! Unions, intersections and differences of sorted sets, and of sets with a score of one.

use hashbrown::HashMap;

use super::reply;
use crate::command::Flag::DenyOom;
use crate::command::{
    Arg, Args, Command, CommandEntry, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall,
};
use crate::engine::{Class, Db, Deadline};
use crate::types::{Bstr, Limits, LiveSet, Piece, Type, ValueRef, ZSet};

const WEIGHTS: Arg = Arg::int("weight").token("WEIGHTS").optional().many();
const AGGREGATE: Arg = Arg::one_of(
    "aggregate",
    &[
        Arg::word("sum", "SUM"),
        Arg::word("min", "MIN"),
        Arg::word("max", "MAX"),
        Arg::word("count", "COUNT").since("8.8.0"),
    ],
)
.token("AGGREGATE")
.optional();
const WITHSCORES: Arg = Arg::word("withscores", "WITHSCORES").optional();
const NUMKEYS: Arg = Arg::int("numkeys");
const KEYS: Arg = Arg::key("key", KeyUse::READ).many();
const TARGET: Arg = Arg::key("destination", KeyUse::OVERWRITE);

#[derive(Clone, Copy, PartialEq, Eq)]
enum ZSetOperation {
    Union,
    Inter,
    Diff,
}

pub const ZUNION: Command = Command {
    name: "zunion",
    summary: "Returns the members that any of several sorted sets has",
    cost: "O(N)+O(M*log(M)) for N members in all sets and M in the result",
    since: "6.2.0",
    args: &[NUMKEYS, KEYS, WEIGHTS, AGGREGATE, WITHSCORES],
    run: Run::Read(|call| answer(call, ZSetOperation::Union)),
    ..Command::PLAIN
};

pub const ZINTER: Command = Command {
    name: "zinter",
    summary: "Returns the members that all of several sorted sets have",
    cost: "O(N*K)+O(M*log(M)) for the smallest of K sets of N members and M in the result",
    since: "6.2.0",
    args: &[NUMKEYS, KEYS, WEIGHTS, AGGREGATE, WITHSCORES],
    run: Run::Read(|call| answer(call, ZSetOperation::Inter)),
    ..Command::PLAIN
};

pub const ZDIFF: Command = Command {
    name: "zdiff",
    summary: "Returns the members of the first sorted set that no other has",
    cost: "O(N*K) for K sets of N members",
    since: "6.2.0",
    args: &[NUMKEYS, KEYS, WITHSCORES],
    run: Run::Read(|call| answer(call, ZSetOperation::Diff)),
    ..Command::PLAIN
};

pub const ZUNIONSTORE: Command = Command {
    name: "zunionstore",
    summary: "Stores the members that any of several sorted sets has",
    cost: "O(N)+O(M*log(M)) for N members in all sets and M in the result",
    since: "2.0.0",
    flags: &[DenyOom],
    args: &[TARGET, NUMKEYS, KEYS, WEIGHTS, AGGREGATE],
    run: Run::Write(|call| store(call, ZSetOperation::Union, "zunionstore")),
    ..Command::PLAIN
};

pub const ZINTERSTORE: Command = Command {
    name: "zinterstore",
    summary: "Stores the members that all of several sorted sets have",
    cost: "O(N*K)+O(M*log(M)) for the smallest of K sets of N members and M in the result",
    since: "2.0.0",
    flags: &[DenyOom],
    args: &[TARGET, NUMKEYS, KEYS, WEIGHTS, AGGREGATE],
    run: Run::Write(|call| store(call, ZSetOperation::Inter, "zinterstore")),
    ..Command::PLAIN
};

pub const ZDIFFSTORE: Command = Command {
    name: "zdiffstore",
    summary: "Stores the members of the first sorted set that no other has",
    cost: "O(N*K) for K sets of N members",
    since: "6.2.0",
    flags: &[DenyOom],
    args: &[TARGET, NUMKEYS, KEYS],
    run: Run::Write(|call| store(call, ZSetOperation::Diff, "zdiffstore")),
    ..Command::PLAIN
};

#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
    /// The sum of the weights of those sets that have the member: scores don't matter.
    Count,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // Infinities that cancel each other out count as nothing.
            Aggregate::Sum | Aggregate::Count if (a + b).is_nan() => 0.0,
            Aggregate::Sum | Aggregate::Count => a + b,
            // What is no number is neither the smallest nor the largest.
            Aggregate::Min => a.min(b),
            Aggregate::Max => a.max(b),
        }
    }
}

struct AlgebraOptions<'a> {
    keys: &'a [&'a [u8]],
    weights: Option<Vec<f64>>,
    aggregate: Aggregate,
    with_scores: bool,
}

fn keys<'a>(args: &mut Args<'a>, entry: &CommandEntry) -> Result<&'a [&'a [u8]], Fail> {
    let count = args.int()?;
    if count < 1 {
        let name = &entry.full_name;
        return Err(Fail::said(format!(
            "at least 1 input key is needed for '{name}' command"
        )));
    }
    args.take(usize::try_from(count).unwrap_or(usize::MAX))
}

impl<'a> AlgebraOptions<'a> {
    fn parse(
        db: &Db<'_>,
        args: &mut Args<'a>,
        entry: &CommandEntry,
        operation: ZSetOperation,
        store: bool,
    ) -> Result<Self, Fail> {
        let keys = keys(args, entry)?;
        // Redis looks at the inputs before it reads any option.
        let fits = |key: &&[u8]| {
            matches!(
                db.peek(key),
                None | Some(ValueRef::Set(_) | ValueRef::ZSet(_))
            )
        };
        if !keys.iter().all(fits) {
            return Err(Fail::WRONG_TYPE);
        }
        let mut options = AlgebraOptions {
            keys,
            weights: None,
            aggregate: Aggregate::Sum,
            with_scores: false,
        };
        while !args.is_empty() {
            if operation != ZSetOperation::Diff && args.word_with("WEIGHTS", keys.len()) {
                let weight = |_| {
                    args.double()
                        .map_err(|_| Fail::Says("weight value is not a float"))
                };
                options.weights = Some((0..keys.len()).map(weight).collect::<Result<_, _>>()?);
            } else if operation != ZSetOperation::Diff && args.word_with("AGGREGATE", 1) {
                options.aggregate = if args.word("SUM") {
                    Aggregate::Sum
                } else if args.word("MIN") {
                    Aggregate::Min
                } else if args.word("MAX") {
                    Aggregate::Max
                } else if args.word("COUNT") {
                    Aggregate::Count
                } else {
                    return Err(Fail::SYNTAX);
                };
            } else if !store && args.word("WITHSCORES") {
                options.with_scores = true;
            } else {
                return Err(Fail::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// One input, with its weight.
#[derive(Clone, Copy)]
struct Source<'a> {
    held: SourceValue<'a>,
    weight: f64,
    /// Every member counts as much as any other.
    counts: bool,
}

#[derive(Clone, Copy)]
enum SourceValue<'a> {
    Nothing,
    Set(LiveSet<'a>),
    ZSet(&'a ZSet),
}

impl<'a> Source<'a> {
    fn find(db: &'a Db<'_>, key: &[u8], weight: f64, counts: bool) -> Result<Self, Fail> {
        let held = match db.value(key) {
            None => SourceValue::Nothing,
            Some(ValueRef::Set(set)) => SourceValue::Set(db.live(key, set)),
            Some(ValueRef::ZSet(zset)) => SourceValue::ZSet(zset),
            Some(_) => return Err(Fail::WRONG_TYPE),
        };
        Ok(Source {
            held,
            weight,
            counts,
        })
    }

    fn len(&self) -> usize {
        match self.held {
            SourceValue::Nothing => 0,
            SourceValue::Set(set) => set.len(),
            SourceValue::ZSet(zset) => zset.len(),
        }
    }

    fn weigh(&self, score: f64) -> f64 {
        let score = if self.counts { 1.0 } else { score };
        let weighed = self.weight * score;
        if weighed.is_nan() { 0.0 } else { weighed }
    }

    /// The weighed score of a member. An infinite one whose weight is zero is no number here, where [`Source::each`] makes
    /// it zero: so does Redis, which lets an intersection's sum come to zero then.
    fn score(&self, member: &[u8]) -> Option<f64> {
        let score = match self.held {
            SourceValue::Nothing => None,
            SourceValue::Set(set) => set.contains(member).then_some(1.0),
            SourceValue::ZSet(zset) => zset.score(member),
        };
        score.map(|score| self.weight * if self.counts { 1.0 } else { score })
    }

    fn each(&self, mut visit: impl FnMut(Piece<'a>, f64)) {
        self.each_until(|member, score| {
            visit(member, score);
            true
        });
    }

    /// Visits the members until `visit` says that it has enough.
    fn each_until(&self, mut visit: impl FnMut(Piece<'a>, f64) -> bool) {
        let _all = match self.held {
            SourceValue::Nothing => true,
            SourceValue::Set(set) => set.iter().all(|member| visit(member, self.weigh(1.0))),
            SourceValue::ZSet(zset) => zset
                .iter()
                .all(|(member, score)| visit(member, self.weigh(score))),
        };
    }
}

fn combine(
    db: &Db<'_>,
    operation: ZSetOperation,
    options: &AlgebraOptions<'_>,
    limits: &Limits,
) -> Result<ZSet, Fail> {
    let weight = |at: usize| options.weights.as_ref().map_or(1.0, |weights| weights[at]);
    let counts = matches!(options.aggregate, Aggregate::Count);
    let keys = options.keys.iter().enumerate();
    let mut sources: Vec<Source<'_>> = keys
        .map(|(at, key)| Source::find(db, key, weight(at), counts))
        .collect::<Result<_, _>>()?;
    let mut result = ZSet::new();
    let mut digits = itoa::Buffer::new();
    match operation {
        ZSetOperation::Union => {
            sources.sort_by_key(Source::len);
            let mut scores: HashMap<Bstr, f64> = HashMap::new();
            for source in &sources {
                source.each(|member, score| {
                    let sum = scores.entry(Bstr::new(member.as_bytes(&mut digits)));
                    sum.and_modify(|held| *held = options.aggregate.of(*held, score))
                        .or_insert(score);
                });
            }
            for (member, score) in scores {
                result.insert(&member, score, limits);
            }
        }
        ZSetOperation::Inter => {
            sources.sort_by_key(Source::len);
            sources[0].each(|member, score| {
                let member = member.as_bytes(&mut digits);
                let others = sources[1..].iter();
                let sum = others
                    .map(|source| source.score(member))
                    .try_fold(score, |sum, score| {
                        score.map(|score| options.aggregate.of(sum, score))
                    });
                if let Some(sum) = sum {
                    result.insert(member, sum, limits);
                }
            });
        }
        ZSetOperation::Diff => sources[0].each(|member, score| {
            let member = member.as_bytes(&mut digits);
            if sources[1..]
                .iter()
                .all(|source| source.score(member).is_none())
            {
                result.insert(member, score, limits);
            }
        }),
    }
    Ok(result)
}

fn answer(call: &mut ReadCall<'_>, operation: ZSetOperation) -> Done {
    let options = AlgebraOptions::parse(&call.db, &mut call.args, call.entry, operation, false)?;
    // What is not stored is not packed either: that would lose the sign of a zero.
    let loose = Limits {
        zset_entries: 0,
        ..call.db.rules().limits
    };
    let result = combine(&call.db, operation, &options, &loose)?;
    reply::members(result.iter(), result.len(), options.with_scores, call.out);
    Ok(Flow::Done)
}

fn store(call: &mut WriteCall<'_>, operation: ZSetOperation, event: &'static str) -> Done {
    let target = call.args.next()?;
    let options = AlgebraOptions::parse(&call.db, &mut call.args, call.entry, operation, true)?;
    let result = combine(&call.db, operation, &options, &call.db.rules().limits)?;
    let len = result.len();
    if len == 0 {
        call.db.delete(target);
    } else {
        call.db.set(target, result.wrap(), Deadline::Clear);
        call.db.announce(Class::ZSet, event, target);
    }
    call.out.count(len);
    Ok(Flow::Done)
}

pub const ZINTERCARD: Command = Command {
    name: "zintercard",
    summary: "Counts the members that all of several sorted sets have",
    cost: "O(N*K) for the smallest of K sets of N members",
    since: "7.0.0",
    args: &[NUMKEYS, KEYS, Arg::int("limit").token("LIMIT").optional()],
    run: Run::Read(zintercard),
    ..Command::PLAIN
};

fn zintercard(call: &mut ReadCall<'_>) -> Done {
    let keys = keys(&mut call.args, call.entry)?;
    let find = |key: &&[u8]| Source::find(&call.db, key, 1.0, false);
    let mut sources = keys.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let mut limit = 0;
    while !call.args.is_empty() {
        if !call.args.word_with("LIMIT", 1) {
            return Err(Fail::SYNTAX);
        }
        limit = call
            .args
            .int_in(0..=i64::MAX, Fail::Says("LIMIT can't be negative"))? as usize;
    }
    sources.sort_by_key(Source::len);
    let mut found = 0;
    let mut digits = itoa::Buffer::new();
    sources[0].each_until(|member, _| {
        let member = member.as_bytes(&mut digits);
        let mut others = sources[1..].iter();
        found += usize::from(others.all(|source| source.score(member).is_some()));
        found != limit || limit == 0
    });
    call.out.count(found);
    Ok(Flow::Done)
}
