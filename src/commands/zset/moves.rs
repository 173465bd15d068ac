//! Members from one sorted set to another, with their scores.
//!
//! The log has them as members added and removed, which every version knows.

use super::range::score_range;
use super::reply;
use crate::command::Flag::{Blocking, DenyOom};
use crate::command::{
    Arg, Args, Command, Done, Fail, Flow, KeyUse, OnTimeout, Park, Run, WriteCall, timeout,
};
use crate::types::ZSet;
use crate::types::zset::ScoreRange;
use crate::util::number;

const SOURCE: Arg = Arg::key("source", KeyUse::READ_DELETE);
const TARGET: Arg = Arg::key("destination", KeyUse::INSERT);
const COUNT: Arg = Arg::int("count").token("COUNT").optional();
const MIN: Arg = Arg::word("min", "MIN");
const MAX: Arg = Arg::word("max", "MAX");

pub const ZMOVE: Command = Command {
    name: "zmove",
    summary: "Moves the members with the lowest or the highest scores, or those within a range of scores, to another sorted set",
    cost: "O(log(N)+K*(log(N)+log(M))) for K members moved from N to M",
    since: "8.12.0",
    flags: &[DenyOom],
    args: &[
        SOURCE,
        TARGET,
        Arg::one_of(
            "selection",
            &[
                MIN,
                MAX,
                Arg::block(
                    "score_range",
                    &[
                        Arg::word("byscore", "BYSCORE"),
                        Arg::double("score-min"),
                        Arg::double("score-max"),
                    ],
                ),
            ],
        ),
        COUNT,
    ],
    run: Run::Write(zmove),
    ..Command::PLAIN
};

pub const BZMOVE: Command = Command {
    name: "bzmove",
    summary: "Moves the members with the lowest or the highest scores to another sorted set, or waits for some",
    cost: "O(K*(log(N)+log(M))) for K members moved from N to M",
    since: "8.12.0",
    flags: &[DenyOom, Blocking],
    args: &[
        SOURCE,
        TARGET,
        Arg::one_of("where", &[MIN, MAX]),
        Arg::double("timeout"),
        COUNT,
    ],
    run: Run::Write(bzmove),
    ..Command::PLAIN
};

pub const ZMOVEMEMBER: Command = Command {
    name: "zmovemember",
    summary: "Moves members to another sorted set",
    cost: "O(K*(log(N)+log(M))) for K members moved from N to M",
    since: "8.12.0",
    flags: &[DenyOom],
    args: &[
        SOURCE,
        TARGET,
        Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")]).optional(),
        Arg::block(
            "members",
            &[Arg::int("num-members"), Arg::text("member").many()],
        )
        .token("MEMBERS"),
    ],
    arity: Some(-6),
    run: Run::Write(zmovemember),
    ..Command::PLAIN
};

/// Which members move, and in which order they are told.
enum Chosen {
    Lowest,
    Highest,
    Within(ScoreRange),
}

impl Chosen {
    fn parse_end(args: &mut Args<'_>) -> Result<Self, Fail> {
        if args.word("MIN") {
            Ok(Chosen::Lowest)
        } else if args.word("MAX") {
            Ok(Chosen::Highest)
        } else {
            Err(Fail::SYNTAX)
        }
    }

    /// The members, `count` of them at most; one if none is said, but all of a range.
    fn of(&self, zset: &ZSet, count: Option<usize>) -> Vec<Moved> {
        let (ranks, otherwise) = match self {
            Chosen::Within(range) => (zset.score_range(range), usize::MAX),
            _ => (0..zset.len(), 1),
        };
        let is_back = matches!(self, Chosen::Highest);
        let count = count.unwrap_or(otherwise);
        let members = zset.iter_ranks(ranks, is_back).take(count);
        members
            .map(|(member, score)| (member.to_vec(), score))
            .collect()
    }
}

/// A member and its score.
type Moved = (Vec<u8>, f64);

fn count(args: &mut Args<'_>) -> Result<Option<usize>, Fail> {
    if args.is_empty() {
        return Ok(None);
    }
    if !args.word_with("COUNT", 1) {
        return Err(Fail::SYNTAX);
    }
    let fail = Fail::Says("count should be greater than 0");
    let count = args.int_in(1..=i64::MAX, fail)? as usize;
    args.end()?;
    Ok(Some(count))
}

fn zmove(call: &mut WriteCall<'_>) -> Done {
    let (from, to) = (call.args.next()?, call.args.next()?);
    let chosen = if call.args.word_with("BYSCORE", 2) {
        Chosen::Within(score_range(call.args.next()?, call.args.next()?)?)
    } else {
        Chosen::parse_end(&mut call.args)?
    };
    let count = count(&mut call.args)?;
    if !shift(call, from, to, |zset, _| chosen.of(zset, count))? {
        call.out.null_array();
    }
    Ok(Flow::Done)
}

fn bzmove(call: &mut WriteCall<'_>) -> Done {
    let (from, to) = (call.args.next()?, call.args.next()?);
    let chosen = Chosen::parse_end(&mut call.args)?;
    let deadline_ms = timeout::deadline_ms(call.args.next()?, call.db.clock_ms())?;
    let count = count(&mut call.args)?;
    let in_vain = call.woken_in_vain::<ZSet>();
    if !in_vain && shift(call, from, to, |zset, _| chosen.of(zset, count))? {
        return Ok(Flow::Done);
    }
    // Nothing that happens to one key alone would move anything.
    if from == to {
        call.out.null_array();
        return Ok(Flow::Done);
    }
    Ok(Flow::Park(Box::new(Park {
        keys: [1].into_iter().collect(),
        deadline_ms,
        look_ms: None,
        on_timeout: OnTimeout::NullArray,
        resolved: Vec::new(),
    })))
}

fn zmovemember(call: &mut WriteCall<'_>) -> Done {
    let (from, to) = (call.args.next()?, call.args.next()?);
    let must_be_there = if call.args.word("NX") {
        Some(false)
    } else if call.args.word("XX") {
        Some(true)
    } else {
        None
    };
    if !call.args.word_with("MEMBERS", 1) {
        return Err(Fail::SYNTAX);
    }
    let fail = Fail::Says("Parameter `numMembers` should be greater than 0");
    let count = call.args.int_in(1..=i64::MAX, fail)?;
    let members = call.args.rest();
    if members.len() as i64 != count {
        return Err(Fail::Says(
            "The `numMembers` parameter must match the number of arguments",
        ));
    }
    let moved = shift(call, from, to, |source, target| {
        let mut moved: Vec<Moved> = Vec::new();
        let mut seen = hashbrown::HashSet::new();
        for member in members {
            let is_there = target.is_some_and(|target| target.score(member).is_some());
            if must_be_there.is_some_and(|must| must != is_there) || !seen.insert(*member) {
                continue;
            }
            moved.extend(source.score(member).map(|score| (member.to_vec(), score)));
        }
        moved
    })?;
    if !moved {
        call.out.null_array();
    }
    Ok(Flow::Done)
}

/// Moves the members that are chosen by looking at both sorted sets, and answers with them; false if there is none.
fn shift(
    call: &mut WriteCall<'_>,
    from: &[u8],
    to: &[u8],
    choose: impl FnOnce(&ZSet, Option<&ZSet>) -> Vec<Moved>,
) -> Result<bool, Fail> {
    let Some(source) = call.db.held::<ZSet>(from)? else {
        return Ok(false);
    };
    let target = call.db.held::<ZSet>(to)?;
    if from == to {
        return Ok(false);
    }
    let moved = choose(source, target);
    if moved.is_empty() {
        return Ok(false);
    }
    let mut source = call.db.edit::<ZSet>(from)?.expect("it was just looked at");
    for (member, _) in &moved {
        source.remove(member);
    }
    source.announce("zrem");
    drop(source);
    let limits = &call.db.rules().limits;
    let mut target = call.db.edit_or_create::<ZSet>(to)?;
    for (member, score) in &moved {
        target.insert(member, *score, limits);
    }
    target.announce("zadd");
    drop(target);
    log(call, from, to, &moved);
    reply::pairs(moved.iter(), call.out);
    Ok(true)
}

fn log(call: &mut WriteCall<'_>, from: &[u8], to: &[u8], moved: &[Moved]) {
    if !call.db.effects().wanted.log {
        return;
    }
    let mut scores = vec![Vec::new(); moved.len()];
    let (mut removed, mut added) = (vec![b"ZREM", from], vec![b"ZADD", to]);
    for ((member, score), text) in moved.iter().zip(&mut scores) {
        number::write_double(*score, text);
        removed.push(member);
    }
    for ((member, _), text) in moved.iter().zip(&scores) {
        added.extend([&text[..], member]);
    }
    call.db.log(&removed);
    call.db.log(&added);
}
