//! Changes inside a list.

use crate::command::Flag::DenyOom;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::types::List;
use crate::util::number;

pub const LSET: Command = Command {
    name: "lset",
    summary: "Replaces the element at an index",
    cost: "O(N) for N elements up to the index",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::int("index"),
        Arg::text("element"),
    ],
    run: Run::Write(lset),
    ..Command::PLAIN
};

fn lset(call: &mut WriteCall<'_>) -> Done {
    let (key, index, element) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let limits = &call.db.rules().limits;
    let mut list = call.db.edit::<List>(key)?.ok_or(Fail::NO_KEY)?;
    let index = number::parse_i64(index).ok_or(Fail::NOT_INTEGER)?;
    if list.get(index).is_none() {
        return Err(Fail::OUT_OF_RANGE);
    }
    list.set(index, element, limits);
    list.announce("lset");
    call.out.ok();
    Ok(Flow::Done)
}

pub const LINSERT: Command = Command {
    name: "linsert",
    summary: "Adds an element before or after another",
    cost: "O(N) for N elements up to the pivot",
    since: "2.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::INSERT),
        Arg::one_of(
            "where",
            &[Arg::word("before", "BEFORE"), Arg::word("after", "AFTER")],
        ),
        Arg::text("pivot"),
        Arg::text("element"),
    ],
    run: Run::Write(linsert),
    ..Command::PLAIN
};

fn linsert(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let before = call.args.word("BEFORE");
    if !before && !call.args.word("AFTER") {
        return Err(Fail::SYNTAX);
    }
    let (pivot, element) = (call.args.next()?, call.args.next()?);
    let limits = &call.db.rules().limits;
    let Some(mut list) = call.db.edit::<List>(key)? else {
        call.out.int(0);
        return Ok(Flow::Done);
    };
    if list.insert(pivot, before, element, limits) {
        list.announce("linsert");
        call.out.count(list.len());
    } else {
        call.out.int(-1);
    }
    Ok(Flow::Done)
}

pub const LREM: Command = Command {
    name: "lrem",
    summary: "Removes occurrences of an element",
    cost: "O(N) for a list of N elements",
    args: &[
        Arg::key("key", KeyUse::DELETE),
        Arg::int("count"),
        Arg::text("element"),
    ],
    run: Run::Write(lrem),
    ..Command::PLAIN
};

fn lrem(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let count = call.args.mirrored_int()?;
    let element = call.args.next()?;
    let mut removed = 0;
    if let Some(mut list) = call.db.edit::<List>(key)? {
        removed = list.remove(count, element);
        if removed > 0 {
            list.announce("lrem");
        }
    }
    call.out.count(removed);
    Ok(Flow::Done)
}

pub const LTRIM: Command = Command {
    name: "ltrim",
    summary: "Removes the elements outside of a range of indexes",
    cost: "O(N) for N elements removed",
    args: &[
        Arg::key("key", KeyUse::DELETE),
        Arg::int("start"),
        Arg::int("stop"),
    ],
    run: Run::Write(ltrim),
    ..Command::PLAIN
};

fn ltrim(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let (start, stop) = (call.args.int()?, call.args.int()?);
    if let Some(mut list) = call.db.edit::<List>(key)? {
        let kept = super::span(list.len(), start, stop);
        if kept.is_empty() {
            let len = list.len();
            list.drop_front(len);
        } else {
            list.trim(kept.start, kept.end - 1);
        }
        list.announce("ltrim");
    }
    call.out.ok();
    Ok(Flow::Done)
}
