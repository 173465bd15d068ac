//! Members in and out.

use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::types::{LiveSet, Set};

pub const SADD: Command = Command {
    name: "sadd",
    summary: "Adds members to a set, which may be new",
    cost: "O(1) for each member",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::INSERT), Arg::text("member").many()],
    run: Run::Write(sadd),
    ..Command::PLAIN
};

fn sadd(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let limits = &call.db.rules().limits;
    let mut set = call.db.edit_or_create::<Set>(key)?;
    let added = call
        .args
        .rest()
        .iter()
        .filter(|member| set.insert(member, limits))
        .count();
    if added > 0 {
        set.announce("sadd");
    }
    call.out.count(added);
    Ok(Flow::Done)
}

pub const SREM: Command = Command {
    name: "srem",
    summary: "Removes members from a set",
    cost: "O(1) for each member",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::DELETE), Arg::text("member").many()],
    run: Run::Write(srem),
    ..Command::PLAIN
};

fn srem(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let mut removed = 0;
    if let Some(mut set) = call.db.edit::<Set>(key)? {
        removed = call
            .args
            .rest()
            .iter()
            .filter(|member| set.remove(member))
            .count();
        if removed > 0 {
            set.announce("srem");
        }
    }
    call.out.count(removed);
    Ok(Flow::Done)
}

pub const SMOVE: Command = Command {
    name: "smove",
    summary: "Moves a member from one set to another",
    flags: &[Fast],
    args: &[
        Arg::key("source", KeyUse::READ_DELETE),
        Arg::key("destination", KeyUse::INSERT),
        Arg::text("member"),
    ],
    run: Run::Write(smove),
    ..Command::PLAIN
};

fn smove(call: &mut WriteCall<'_>) -> Done {
    let (from, to, member) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let Some(source) = call.db.held::<Set>(from)? else {
        call.db.mark(to);
        call.out.int(0);
        return Ok(Flow::Done);
    };
    let source = LiveSet::new(source, call.db.now_ms());
    let (held, deadline) = (source.contains(member), source.deadline(member));
    call.db.held::<Set>(to)?;
    if held && from != to {
        if let Some(mut source) = call.db.edit::<Set>(from)? {
            source.remove(member);
            source.announce("srem");
        }
        put(call, to, member, deadline)?;
    }
    if !held || from == to {
        call.db.mark(from);
        call.db.mark(to);
    }
    call.out.int(held);
    Ok(Flow::Done)
}

/// Adds the member that was moved, with the deadline that it had, or with none.
fn put(
    call: &mut WriteCall<'_>,
    to: &[u8],
    member: &[u8],
    deadline: Option<u64>,
) -> Result<(), Fail> {
    let limits = &call.db.rules().limits;
    let mut target = call.db.edit_or_create::<Set>(to)?;
    if target.insert(member, limits) {
        target.announce("sadd");
    }
    match deadline {
        Some(deadline) => {
            target.set_deadline(member, deadline, limits);
            target.announce_parts("sexpire", [member]);
        }
        None if target.clear_deadline(member) => target.announce_parts("spersist", [member]),
        None => {}
    }
    Ok(())
}
