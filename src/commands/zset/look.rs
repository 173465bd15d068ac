//! Reading sorted sets.

use super::range::NOT_LEX;
use super::range::score_range;
use super::reply;
use crate::command::Flag::Fast;
use crate::command::sample::Draw;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, scan};
use crate::types::ZSet;
use crate::types::zset::LexRange;
use crate::util::{chance, number};

pub const ZCARD: Command = Command {
    name: "zcard",
    summary: "Counts the members of a sorted set",
    since: "1.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(zcard),
    ..Command::PLAIN
};

fn zcard(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    call.out
        .count(call.db.read::<ZSet>(key)?.map_or(0, ZSet::len));
    Ok(Flow::Done)
}

pub const ZSCORE: Command = Command {
    name: "zscore",
    summary: "Returns the score of a member",
    since: "1.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), Arg::text("member")],
    run: Run::Read(zscore),
    ..Command::PLAIN
};

fn zscore(call: &mut ReadCall<'_>) -> Done {
    let (key, member) = (call.args.next()?, call.args.next()?);
    let zset = call.db.read::<ZSet>(key)?;
    call.out
        .double_or_null(zset.and_then(|zset| zset.score(member)));
    Ok(Flow::Done)
}

pub const ZMSCORE: Command = Command {
    name: "zmscore",
    summary: "Returns the scores of several members",
    cost: "O(N) for N members",
    since: "6.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), Arg::text("member").many()],
    run: Run::Read(zmscore),
    ..Command::PLAIN
};

fn zmscore(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let zset = call.db.read::<ZSet>(key)?;
    let members = call.args.rest();
    call.out.array(members.len());
    for member in members {
        call.out
            .double_or_null(zset.and_then(|zset| zset.score(member)));
    }
    Ok(Flow::Done)
}

pub const ZRANK: Command = Command {
    name: "zrank",
    summary: "Returns the rank of a member, counted from the lowest score",
    cost: "O(log(N))",
    since: "2.0.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("member"),
        Arg::word("withscore", "WITHSCORE")
            .optional()
            .since("7.2.0"),
    ],
    run: Run::Read(|call| rank(call, false)),
    ..Command::PLAIN
};

pub const ZREVRANK: Command = Command {
    name: "zrevrank",
    summary: "Returns the rank of a member, counted from the highest score",
    cost: "O(log(N))",
    since: "2.0.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("member"),
        Arg::word("withscore", "WITHSCORE")
            .optional()
            .since("7.2.0"),
    ],
    run: Run::Read(|call| rank(call, true)),
    ..Command::PLAIN
};

fn rank(call: &mut ReadCall<'_>, reverse: bool) -> Done {
    let (key, member) = (call.args.next()?, call.args.next()?);
    if call.args.len() > 1 {
        return Err(Fail::arity(call.entry.command.name));
    }
    let with_score = call.args.word("WITHSCORE");
    call.args.end()?;
    let zset = call.db.read::<ZSet>(key)?;
    let found = zset.and_then(|zset| {
        let rank = zset.rank(member)?;
        Some((
            if reverse { zset.len() - 1 - rank } else { rank },
            zset.score(member)?,
        ))
    });
    match found {
        None if with_score => call.out.null_array(),
        None => call.out.null(),
        Some((rank, score)) => {
            if with_score {
                call.out.array(2);
            }
            call.out.count(rank);
            if with_score {
                call.out.double(score);
            }
        }
    }
    Ok(Flow::Done)
}

pub const ZCOUNT: Command = Command {
    name: "zcount",
    summary: "Counts the members within a range of scores",
    cost: "O(log(N))",
    since: "2.0.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::double("min"),
        Arg::double("max"),
    ],
    run: Run::Read(zcount),
    ..Command::PLAIN
};

fn zcount(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let range = score_range(call.args.next()?, call.args.next()?)?;
    let zset = call.db.read::<ZSet>(key)?;
    call.out
        .count(zset.map_or(0, |zset| zset.score_range(&range).len()));
    Ok(Flow::Done)
}

pub const ZLEXCOUNT: Command = Command {
    name: "zlexcount",
    summary: "Counts the members within a range of names",
    cost: "O(log(N))",
    since: "2.8.9",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("min"),
        Arg::text("max"),
    ],
    run: Run::Read(zlexcount),
    ..Command::PLAIN
};

fn zlexcount(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let range = LexRange::parse(call.args.next()?, call.args.next()?).ok_or(NOT_LEX)?;
    let zset = call.db.read::<ZSet>(key)?;
    call.out
        .count(zset.map_or(0, |zset| zset.lex_range(&range, false).len()));
    Ok(Flow::Done)
}

pub const ZRANDMEMBER: Command = Command {
    name: "zrandmember",
    summary: "Returns members at random",
    cost: "O(N) for N members returned",
    since: "6.2.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::block(
            "options",
            &[
                Arg::int("count"),
                Arg::word("withscores", "WITHSCORES").optional(),
            ],
        )
        .optional(),
    ],
    run: Run::Read(zrandmember),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn zrandmember(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let count = if call.args.is_empty() {
        None
    } else {
        Some(call.args.mirrored_int()?)
    };
    let with_scores = call.args.word("WITHSCORES");
    call.args.end()?;
    if with_scores && count.is_some_and(|count| count.unsigned_abs() > i64::MAX as u64 / 2) {
        return Err(Fail::Says("value is out of range"));
    }
    let zset = call.db.read::<ZSet>(key)?;
    match (zset, count) {
        (None, None) => call.out.null(),
        (None, Some(_)) => call.out.array(0),
        (Some(zset), None) => call.out.piece_or_null(
            zset.at(chance::within(0..zset.len()))
                .map(|(member, _)| member),
        ),
        (Some(zset), Some(count)) => {
            let draw = Draw::of(count);
            let drawn = draw
                .positions(zset.len())
                .filter_map(|place| zset.at(place));
            reply::members(drawn, draw.size(zset.len()), with_scores, call.out);
        }
    }
    Ok(Flow::Done)
}

pub const ZSCAN: Command = Command {
    name: "zscan",
    summary: "Walks over the members of a sorted set, a few per call",
    cost: "O(1) per call, O(N) for a whole walk over N members",
    since: "2.8.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::int("cursor"),
        Arg::pattern("pattern").token("MATCH").optional(),
        Arg::int("count").token("COUNT").optional(),
        Arg::word("noscores", "NOSCORES").optional(),
    ],
    run: Run::Read(zscan),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn zscan(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let cursor = scan::cursor(call.args.next()?)?;
    let Some(zset) = call.db.read::<ZSet>(key)? else {
        scan::reply_empty(call.out);
        return Ok(Flow::Done);
    };
    let options = scan::ScanOptions::parse(&mut call.args, Some("NOSCORES"))?;
    let mut found = Vec::new();
    let next = zset.scan(cursor, options.count, |member, score| {
        let member = member.to_vec();
        if options.fits(&member) {
            found.push(member);
            if options.no_values {
                return;
            }
            let mut text = Vec::new();
            number::write_double(score, &mut text);
            found.push(text);
        }
    });
    scan::reply(next, &found, call.out);
    Ok(Flow::Done)
}
