//! Pops that wait for an element.

use super::pop::LMPopOptions;
use super::rotate::shift;
use super::{ENDS, End};
use crate::command::Flag::{Blocking, DenyOom};
use crate::command::{Arg, Command, Done, Flow, KeyUse, OnTimeout, Park, Run, WriteCall, timeout};
use crate::types::List;

pub const BLPOP: Command = Command {
    name: "blpop",
    summary: "Takes the head of the first of several lists that has any, or waits for one",
    cost: "O(N) for N keys",
    since: "2.0.0",
    flags: &[Blocking],
    args: &[
        Arg::key("key", KeyUse::READ_DELETE).many(),
        Arg::double("timeout"),
    ],
    run: Run::Write(|call| block(call, End::Left)),
    ..Command::PLAIN
};

pub const BRPOP: Command = Command {
    name: "brpop",
    summary: "Takes the tail of the first of several lists that has any, or waits for one",
    cost: "O(N) for N keys",
    since: "2.0.0",
    flags: &[Blocking],
    args: &[
        Arg::key("key", KeyUse::READ_DELETE).many(),
        Arg::double("timeout"),
    ],
    run: Run::Write(|call| block(call, End::Right)),
    ..Command::PLAIN
};

/// Blocks the client until one of the keys at these positions changes.
pub(super) fn block_on(
    keys: impl Iterator<Item = usize>,
    deadline_ms: Option<u64>,
    on_timeout: OnTimeout,
) -> Done {
    Ok(Flow::Park(Box::new(Park {
        keys: keys.collect(),
        deadline_ms,
        look_ms: None,
        on_timeout,
        resolved: Vec::new(),
    })))
}

fn block(call: &mut WriteCall<'_>, end: End) -> Done {
    let keys = call.args.take(call.args.len() - 1)?;
    let deadline = timeout::deadline_ms(call.args.next()?, call.db.clock_ms())?;
    // Woken by one key, it takes from the first of all that has something by now.
    let looked_at: &[&[u8]] = if call.woken_in_vain::<List>() {
        &[]
    } else {
        keys
    };
    for key in looked_at {
        let Some(mut list) = call.db.edit::<List>(key)? else {
            continue;
        };
        call.out.array(2);
        call.out.bulk(key);
        call.out.piece_or_null(end.peek(&list));
        end.drop(&mut list, 1);
        list.announce(end.popped());
        drop(list);
        call.db.log(&[end.pop_word(), key]);
        return Ok(Flow::Done);
    }
    block_on(1..1 + keys.len(), deadline, OnTimeout::NullArray)
}

pub const BLMPOP: Command = Command {
    name: "blmpop",
    summary: "Takes elements from the first of several lists that has any, or waits for some",
    cost: "O(N+M) for N keys and M elements",
    since: "7.0.0",
    flags: &[Blocking],
    args: &[
        Arg::double("timeout"),
        Arg::int("numkeys"),
        Arg::key("key", KeyUse::READ_DELETE).many(),
        Arg::one_of("where", ENDS),
        Arg::int("count").token("COUNT").optional(),
    ],
    run: Run::Write(blmpop),
    ..Command::PLAIN
};

fn blmpop(call: &mut WriteCall<'_>) -> Done {
    let time = call.args.next()?;
    let options = LMPopOptions::parse(call)?;
    let deadline = timeout::deadline_ms(time, call.db.clock_ms())?;
    if !call.woken_in_vain::<List>() && options.serve(call, options.keys)? {
        return Ok(Flow::Done);
    }
    block_on(3..3 + options.keys.len(), deadline, OnTimeout::NullArray)
}

pub const BLMOVE: Command = Command {
    name: "blmove",
    summary: "Takes an element from one list and adds it to another, or waits for one",
    since: "6.2.0",
    flags: &[DenyOom, Blocking],
    args: &[
        Arg::key("source", KeyUse::READ_DELETE),
        Arg::key("destination", KeyUse::INSERT),
        Arg::one_of("wherefrom", ENDS),
        Arg::one_of("whereto", ENDS),
        Arg::double("timeout"),
    ],
    run: Run::Write(blmove),
    ..Command::PLAIN
};

fn blmove(call: &mut WriteCall<'_>) -> Done {
    let (from, to) = (call.args.next()?, call.args.next()?);
    let (take, add) = (End::parse(&mut call.args)?, End::parse(&mut call.args)?);
    move_or_block(call, from, to, take, add)
}

pub const BRPOPLPUSH: Command = Command {
    name: "brpoplpush",
    summary: "Takes the tail of one list and adds it at the head of another, or waits for one",
    since: "2.2.0",
    flags: &[DenyOom, Blocking],
    args: &[
        Arg::key("source", KeyUse::READ_DELETE),
        Arg::key("destination", KeyUse::INSERT),
        Arg::double("timeout"),
    ],
    run: Run::Write(brpoplpush),
    deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
    ..Command::PLAIN
};

fn brpoplpush(call: &mut WriteCall<'_>) -> Done {
    let (from, to) = (call.args.next()?, call.args.next()?);
    move_or_block(call, from, to, End::Right, End::Left)
}

fn move_or_block(call: &mut WriteCall<'_>, from: &[u8], to: &[u8], take: End, add: End) -> Done {
    let deadline = timeout::deadline_ms(call.args.next()?, call.db.clock_ms())?;
    // A source of another type is an error at first, and no reason to wake up later.
    if !call.woken_in_vain::<List>() && shift(call, from, to, take, add)? {
        return Ok(Flow::Done);
    }
    block_on(1..2, deadline, OnTimeout::NullArrayOrNull)
}
