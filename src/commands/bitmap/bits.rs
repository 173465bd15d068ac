//! Single bits, and whole strings combined bit by bit.

use super::{bit, offset, set_bit};
use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::engine::{Class, Deadline};
use crate::types::{Text, TextRef, Value};

pub const SETBIT: Command = Command {
    name: "setbit",
    summary: "Sets or clears a bit, and returns what it was",
    since: "2.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::int("offset"),
        Arg::int("value"),
    ],
    run: Run::Write(setbit),
    ..Command::PLAIN
};

fn setbit(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let offset = offset(&mut call.args, &call.server.config, None)?;
    let on = call
        .args
        .int_in(0..=1, Fail::Says("bit is not an integer or out of range"))? as u8;
    let mut text = call.db.edit_or_create::<Text>(key)?;
    let needed = (offset >> 3) as usize + 1;
    let grown = text.value().len() < needed;
    let bytes = text.reach(needed)?;
    let before = bit(bytes, offset);
    set_bit(bytes, offset, on);
    if grown || before != on {
        text.announce("setbit");
    }
    call.out.int(before);
    Ok(Flow::Done)
}

pub const GETBIT: Command = Command {
    name: "getbit",
    summary: "Returns a bit",
    since: "2.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), Arg::int("offset")],
    run: Run::Read(getbit),
    ..Command::PLAIN
};

fn getbit(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let offset = offset(&mut call.args, &call.server.config, None)?;
    let mut digits = itoa::Buffer::new();
    let bytes = call
        .db
        .read::<Text>(key)?
        .map_or(&b""[..], |text| text.as_bytes(&mut digits));
    call.out.int(bit(bytes, offset));
    Ok(Flow::Done)
}

pub const BITOP: Command = Command {
    name: "bitop",
    summary: "Stores strings combined bit by bit",
    cost: "O(N) for N bytes in all strings",
    since: "2.6.0",
    flags: &[DenyOom],
    args: &[
        Arg::text("operation"),
        Arg::key("destkey", KeyUse::OVERWRITE),
        Arg::key("key", KeyUse::READ).many(),
    ],
    run: Run::Write(bitop),
    ..Command::PLAIN
};

fn bitop(call: &mut WriteCall<'_>) -> Done {
    let mut args = call.args;
    let combine: fn(u8, u8) -> u8 = if args.word("AND") {
        |a, b| a & b
    } else if args.word("OR") {
        |a, b| a | b
    } else if args.word("XOR") || args.word("NOT") {
        |a, b| a ^ b
    } else {
        return Err(Fail::SYNTAX);
    };
    let not = call.args.word("NOT");
    let (target, sources) = (args.next()?, args.rest());
    if not && sources.len() != 1 {
        return Err(Fail::Says(
            "BITOP NOT must be called with a single source key.",
        ));
    }
    let texts: Vec<Option<TextRef<'_>>> = sources
        .iter()
        .map(|key| call.db.read::<Text>(key))
        .collect::<Result<_, _>>()?;
    let len = texts
        .iter()
        .flatten()
        .map(|text| text.len())
        .max()
        .unwrap_or(0);
    let mut result = Vec::new();
    result.try_reserve_exact(len)?;
    result.resize(len, 0);
    let mut digits = itoa::Buffer::new();
    for (at, text) in texts.iter().enumerate() {
        let bytes = text.map_or(&b""[..], |text| text.as_bytes(&mut digits));
        // A shorter string goes on in zeros.
        let bytes = bytes.iter().copied().chain(std::iter::repeat(0));
        for (held, byte) in result.iter_mut().zip(bytes) {
            *held = if at == 0 { byte } else { combine(*held, byte) };
        }
    }
    if not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    if result.is_empty() {
        call.db.delete(target);
    } else {
        let mut text = Text::from_digits(b"");
        *text.raw_mut() = result;
        call.db.set(target, Value::Text(text), Deadline::Clear);
        call.db.announce(Class::String, "set", target);
    }
    call.out.count(len);
    Ok(Flow::Done)
}
