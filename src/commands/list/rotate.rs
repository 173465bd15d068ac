//! Elements from one list to another.

use super::{ENDS, End};
use crate::command::Flag::DenyOom;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::types::List;

pub const LMOVE: Command = Command {
    name: "lmove",
    summary: "Takes an element from one list and adds it to another",
    since: "6.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("source", KeyUse::READ_DELETE),
        Arg::key("destination", KeyUse::INSERT),
        Arg::one_of("wherefrom", ENDS),
        Arg::one_of("whereto", ENDS),
    ],
    run: Run::Write(lmove),
    ..Command::PLAIN
};

fn lmove(call: &mut WriteCall<'_>) -> Done {
    let (from, to) = (call.args.next()?, call.args.next()?);
    let (take, add) = (End::parse(&mut call.args)?, End::parse(&mut call.args)?);
    if !shift(call, from, to, take, add)? {
        call.out.null();
    }
    Ok(Flow::Done)
}

pub const RPOPLPUSH: Command = Command {
    name: "rpoplpush",
    summary: "Takes the tail of one list and adds it at the head of another",
    since: "1.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("source", KeyUse::READ_DELETE),
        Arg::key("destination", KeyUse::INSERT),
    ],
    run: Run::Write(rpoplpush),
    deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
    ..Command::PLAIN
};

fn rpoplpush(call: &mut WriteCall<'_>) -> Done {
    let (from, to) = (call.args.next()?, call.args.next()?);
    if !shift(call, from, to, End::Right, End::Left)? {
        call.out.null();
    }
    Ok(Flow::Done)
}

/// Moves one element and answers with it; false if there is none.
pub(super) fn shift(
    call: &mut WriteCall<'_>,
    from: &[u8],
    to: &[u8],
    take: End,
    add: End,
) -> Result<bool, Fail> {
    let Some(element) = call.db.held::<List>(from)?.and_then(|list| take.peek(list)) else {
        return Ok(false);
    };
    let element = element.to_vec();
    let limits = &call.db.rules().limits;
    // Adding comes first, also to the same list, so that it is never empty in between.
    let mut target = call.db.edit_or_create::<List>(to)?;
    let same_end = from == to && take == add;
    if !same_end {
        add.push(&mut target, &element, limits);
    }
    target.announce(add.pushed());
    drop(target);
    if let Some(mut source) = call.db.edit::<List>(from)? {
        if !same_end {
            take.drop(&mut source, 1);
        }
        source.announce(take.popped());
    }
    let word = |end| {
        if end == End::Left {
            &b"LEFT"[..]
        } else {
            &b"RIGHT"[..]
        }
    };
    if call.entry.command.name.ends_with("rpoplpush") {
        // As it came, so that older replicas know it.
        call.db.log(&[b"RPOPLPUSH", from, to]);
    } else {
        call.db.log(&[b"LMOVE", from, to, word(take), word(add)]);
    }
    call.out.bulk(&element);
    Ok(true)
}
