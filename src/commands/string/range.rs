//! Parts of a string: append, overwrite, cut out.

use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::types::{Piece, Text, TextRef};

pub const APPEND: Command = Command {
    name: "append",
    summary: "Appends to a string, which may be new",
    since: "2.0.0",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::INSERT), Arg::text("value")],
    run: Run::Write(append),
    ..Command::PLAIN
};

fn append(call: &mut WriteCall<'_>) -> Done {
    let (key, tail) = (call.args.next()?, call.args.next()?);
    let held = call.db.held::<Text>(key)?.map(TextRef::len);
    check_length(call, held.unwrap_or(0) as u64 + tail.len() as u64)?;
    let mut text = call.db.edit_or_create::<Text>(key)?;
    if held.is_none() {
        // A new string is stored like SET's, not as one that keeps growing.
        text.set(Piece::compact(tail));
    } else {
        text.grow(tail.len())?.extend_from_slice(tail);
    }
    text.announce("append");
    let len = text.value().len();
    drop(text);
    call.out.count(len);
    Ok(Flow::Done)
}

fn check_length(call: &WriteCall<'_>, len: u64) -> Result<(), Fail> {
    if len > call.server.config.proto_max_bulk_len.get() {
        return Err(Fail::Says(
            "string exceeds maximum allowed size (proto-max-bulk-len)",
        ));
    }
    Ok(())
}

pub const STRLEN: Command = Command {
    name: "strlen",
    summary: "Returns the length of a string",
    since: "2.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(strlen),
    ..Command::PLAIN
};

fn strlen(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    call.out
        .count(call.db.read::<Text>(key)?.map_or(0, TextRef::len));
    Ok(Flow::Done)
}

pub const SETRANGE: Command = Command {
    name: "setrange",
    summary: "Overwrites a part of a string, filling with zero bytes up to it",
    cost: "O(1), and O(N) to fill N bytes",
    since: "2.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::int("offset"),
        Arg::text("value"),
    ],
    run: Run::Write(setrange),
    ..Command::PLAIN
};

fn setrange(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let offset = call.args.int()?;
    let part = call.args.next()?;
    let offset = u64::try_from(offset).map_err(|_| Fail::Says("offset is out of range"))?;
    let held = call.db.held::<Text>(key)?.map_or(0, TextRef::len);
    if part.is_empty() {
        call.db.mark(key);
        call.out.count(held);
        return Ok(Flow::Done);
    }
    check_length(call, offset.saturating_add(part.len() as u64))?;
    let (from, to) = (offset as usize, offset as usize + part.len());
    let mut text = call.db.edit_or_create::<Text>(key)?;
    text.reach(to)?[from..to].copy_from_slice(part);
    text.announce("setrange");
    let len = text.value().len();
    drop(text);
    call.out.count(len);
    Ok(Flow::Done)
}

pub const GETRANGE: Command = Command {
    name: "getrange",
    summary: "Returns a part of a string",
    cost: "O(N) for N bytes returned",
    since: "2.4.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::int("start"),
        Arg::int("end"),
    ],
    run: Run::Read(getrange),
    ..Command::PLAIN
};

pub const SUBSTR: Command = Command {
    name: "substr",
    summary: "Returns a part of a string",
    cost: "O(N) for N bytes returned",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::int("start"),
        Arg::int("end"),
    ],
    run: Run::Read(getrange),
    deprecated: Some(("2.0.0", "`GETRANGE`")),
    ..Command::PLAIN
};

fn getrange(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let (start, end) = (call.args.int()?, call.args.int()?);
    let mut digits = itoa::Buffer::new();
    let bytes = call
        .db
        .read::<Text>(key)?
        .map_or(&b""[..], |text| text.as_bytes(&mut digits));
    call.out.bulk(&bytes[part(bytes.len(), start, end)]);
    Ok(Flow::Done)
}

/// The bytes from `start` to `end`, both included and counted from the end if negative.
fn part(len: usize, start: i64, end: i64) -> std::ops::Range<usize> {
    let from_end = |at: i64| {
        if at < 0 {
            at.saturating_add(len as i64)
        } else {
            at
        }
    };
    let both_negative = start < 0 && end < 0 && start > end;
    let (start, end) = (
        from_end(start).max(0),
        from_end(end).max(0).min(len as i64 - 1),
    );
    if both_negative || len == 0 || start > end {
        0..0
    } else {
        start as usize..end as usize + 1
    }
}
