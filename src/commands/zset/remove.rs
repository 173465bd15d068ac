//! Members out.

use std::ops::Range;

use super::range::{NOT_LEX, ranks, score_range};
use crate::command::Flag::Fast;
use crate::command::{Arg, Command, Done, Flow, KeyUse, Run, WriteCall};
use crate::types::ZSet;
use crate::types::zset::LexRange;

pub const ZREM: Command = Command {
    name: "zrem",
    summary: "Removes members from a sorted set",
    cost: "O(log(N)) for each member",
    since: "1.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::DELETE), Arg::text("member").many()],
    run: Run::Write(zrem),
    ..Command::PLAIN
};

fn zrem(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let mut removed = 0;
    if let Some(mut zset) = call.db.edit::<ZSet>(key)? {
        removed = call
            .args
            .rest()
            .iter()
            .filter(|member| zset.remove(member))
            .count();
        if removed > 0 {
            zset.announce("zrem");
        }
    }
    call.out.count(removed);
    Ok(Flow::Done)
}

pub const ZREMRANGEBYRANK: Command = Command {
    name: "zremrangebyrank",
    summary: "Removes the members from one rank to another",
    cost: "O(log(N)+M) for M members removed",
    since: "2.0.0",
    args: &[
        Arg::key("key", KeyUse::DELETE),
        Arg::int("start"),
        Arg::int("stop"),
    ],
    run: Run::Write(zremrangebyrank),
    ..Command::PLAIN
};

fn zremrangebyrank(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let (start, stop) = (call.args.int()?, call.args.int()?);
    remove(call, key, "zremrangebyrank", |zset| {
        ranks(zset.len(), start, stop)
    })
}

pub const ZREMRANGEBYSCORE: Command = Command {
    name: "zremrangebyscore",
    summary: "Removes the members within a range of scores",
    cost: "O(log(N)+M) for M members removed",
    since: "1.2.0",
    args: &[
        Arg::key("key", KeyUse::DELETE),
        Arg::double("min"),
        Arg::double("max"),
    ],
    run: Run::Write(zremrangebyscore),
    ..Command::PLAIN
};

fn zremrangebyscore(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let range = score_range(call.args.next()?, call.args.next()?)?;
    remove(call, key, "zremrangebyscore", |zset| {
        zset.score_range(&range)
    })
}

pub const ZREMRANGEBYLEX: Command = Command {
    name: "zremrangebylex",
    summary: "Removes the members within a range of names",
    cost: "O(log(N)+M) for M members removed",
    since: "2.8.9",
    args: &[
        Arg::key("key", KeyUse::DELETE),
        Arg::text("min"),
        Arg::text("max"),
    ],
    run: Run::Write(zremrangebylex),
    ..Command::PLAIN
};

fn zremrangebylex(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let range = LexRange::parse(call.args.next()?, call.args.next()?).ok_or(NOT_LEX)?;
    remove(call, key, "zremrangebylex", |zset| {
        zset.lex_range(&range, false)
    })
}

fn remove(
    call: &mut WriteCall<'_>,
    key: &[u8],
    event: &'static str,
    range: impl FnOnce(&ZSet) -> Range<usize>,
) -> Done {
    let mut removed = 0;
    if let Some(mut zset) = call.db.edit::<ZSet>(key)? {
        let range = range(&zset);
        removed = range.len();
        if removed > 0 {
            zset.remove_ranks(range, |_, _| {});
            zset.announce(event);
        }
    }
    call.out.count(removed);
    Ok(Flow::Done)
}
