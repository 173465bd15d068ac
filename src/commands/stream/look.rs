//! Entries read by their ids.

use super::{id, reply};
use crate::command::Flag::Fast;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run};
use crate::types::stream::Stream;

pub const XLEN: Command = Command {
    name: "xlen",
    summary: "Counts a stream's entries",
    since: "5.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(xlen),
    ..Command::PLAIN
};

fn xlen(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let len = call.db.read::<Stream>(key)?.map_or(0, Stream::len);
    call.out.count(len);
    Ok(Flow::Done)
}

pub const XRANGE: Command = Command {
    name: "xrange",
    summary: "Returns the entries between two ids",
    cost: "O(N) for N entries returned",
    since: "5.0.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("start"),
        Arg::text("end"),
        Arg::int("count").token("COUNT").optional(),
    ],
    run: Run::Read(|call| range(call, false)),
    ..Command::PLAIN
};

pub const XREVRANGE: Command = Command {
    name: "xrevrange",
    summary: "Returns the entries between two ids, the last one first",
    cost: "O(N) for N entries returned",
    since: "5.0.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("end"),
        Arg::text("start"),
        Arg::int("count").token("COUNT").optional(),
    ],
    run: Run::Read(|call| range(call, true)),
    ..Command::PLAIN
};

fn range(call: &mut ReadCall<'_>, is_back: bool) -> Done {
    let (key, first, second) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let (from, to) = if is_back {
        (second, first)
    } else {
        (first, second)
    };
    let (from, to) = (id::parse_start(from)?, id::parse_end(to)?);
    let mut count = None;
    while !call.args.is_empty() {
        if !call.args.word_with("COUNT", 1) {
            return Err(Fail::SYNTAX);
        }
        count = Some(call.args.int()?.max(0) as usize);
    }
    match (call.db.read::<Stream>(key)?, count) {
        (None, _) => call.out.array(0),
        (Some(_), Some(0)) => call.out.null_array(),
        (Some(stream), count) => {
            let count = count.unwrap_or(0);
            if is_back {
                reply::entries(stream.range_back(from, to), count, call.out);
            } else {
                reply::entries(stream.range(from, to), count, call.out);
            }
        }
    }
    Ok(Flow::Done)
}
