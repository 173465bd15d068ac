//! Pushes.

use super::End;
use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Command, Done, Flow, KeyUse, Run, WriteCall};
use crate::types::List;

pub const LPUSH: Command = Command {
    name: "lpush",
    summary: "Adds elements at the head of a list, which may be new",
    cost: "O(1) for each element",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::INSERT), Arg::text("element").many()],
    run: Run::Write(|call| push(call, End::Left, true)),
    ..Command::PLAIN
};

pub const RPUSH: Command = Command {
    name: "rpush",
    summary: "Adds elements at the tail of a list, which may be new",
    cost: "O(1) for each element",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::INSERT), Arg::text("element").many()],
    run: Run::Write(|call| push(call, End::Right, true)),
    ..Command::PLAIN
};

pub const LPUSHX: Command = Command {
    name: "lpushx",
    summary: "Adds elements at the head of a list that is there",
    cost: "O(1) for each element",
    since: "2.2.0",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::INSERT), Arg::text("element").many()],
    run: Run::Write(|call| push(call, End::Left, false)),
    ..Command::PLAIN
};

pub const RPUSHX: Command = Command {
    name: "rpushx",
    summary: "Adds elements at the tail of a list that is there",
    cost: "O(1) for each element",
    since: "2.2.0",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::INSERT), Arg::text("element").many()],
    run: Run::Write(|call| push(call, End::Right, false)),
    ..Command::PLAIN
};

fn push(call: &mut WriteCall<'_>, end: End, create: bool) -> Done {
    let key = call.args.next()?;
    let limits = &call.db.rules().limits;
    let list = if create {
        Some(call.db.edit_or_create::<List>(key)?)
    } else {
        call.db.edit::<List>(key)?
    };
    let Some(mut list) = list else {
        call.out.int(0);
        return Ok(Flow::Done);
    };
    for element in call.args.rest() {
        end.push(&mut list, element, limits);
    }
    list.announce(end.pushed());
    call.out.count(list.len());
    Ok(Flow::Done)
}
