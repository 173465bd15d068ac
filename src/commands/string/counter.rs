//! Counters: strings that are numbers.

use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::engine::{Class, Deadline, New};
use crate::types::{Piece, Text};
use crate::util::extended::Extended;

pub const INCR: Command = Command {
    name: "incr",
    summary: "Adds one to an integer",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::READ_UPDATE)],
    run: Run::Write(|call| add(call, 1)),
    ..Command::PLAIN
};

pub const DECR: Command = Command {
    name: "decr",
    summary: "Takes one from an integer",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::READ_UPDATE)],
    run: Run::Write(|call| add(call, -1)),
    ..Command::PLAIN
};

pub const INCRBY: Command = Command {
    name: "incrby",
    summary: "Adds to an integer",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::READ_UPDATE), Arg::int("increment")],
    run: Run::Write(incrby),
    ..Command::PLAIN
};

fn incrby(call: &mut WriteCall<'_>) -> Done {
    let by = second(call)?;
    add(call, by)
}

pub const DECRBY: Command = Command {
    name: "decrby",
    summary: "Takes from an integer",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::READ_UPDATE), Arg::int("decrement")],
    run: Run::Write(decrby),
    ..Command::PLAIN
};

fn decrby(call: &mut WriteCall<'_>) -> Done {
    let by = second(call)?
        .checked_neg()
        .ok_or(Fail::Says("decrement would overflow"))?;
    add(call, by)
}

/// The argument after the key, without taking either.
fn second(call: &WriteCall<'_>) -> Result<i64, Fail> {
    let mut args = call.args;
    args.next()?;
    args.int()
}

fn add(call: &mut WriteCall<'_>, by: i64) -> Done {
    let key = call.args.next()?;
    let mut sum = by;
    if let Some(mut text) = call.db.edit::<Text>(key)? {
        let held = text.value().as_int().ok_or(Fail::NOT_INTEGER)?;
        sum = held
            .checked_add(by)
            .ok_or(Fail::Says("increment or decrement would overflow"))?;
        text.set(Piece::Int(sum));
        text.announce("incrby");
    } else {
        call.db
            .set(key, New::Text(Piece::Int(sum)), Deadline::Clear);
        call.db.announce(Class::String, "incrby", key);
    }
    call.out.int(sum);
    Ok(Flow::Done)
}

pub const INCRBYFLOAT: Command = Command {
    name: "incrbyfloat",
    summary: "Adds to a number with a fraction",
    since: "2.6.0",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::double("increment"),
    ],
    run: Run::Write(incrbyfloat),
    ..Command::PLAIN
};

fn incrbyfloat(call: &mut WriteCall<'_>) -> Done {
    let (key, by) = (call.args.next()?, call.args.next()?);
    let mut digits = itoa::Buffer::new();
    let held = call.db.held::<Text>(key)?;
    let held = held.map_or(&b"0"[..], |text| text.as_bytes(&mut digits));
    let held = Extended::parse(held).ok_or(Fail::NOT_FLOAT)?;
    let total = held + Extended::parse(by).ok_or(Fail::NOT_FLOAT)?;
    if !total.is_finite() {
        return Err(Fail::Says("increment would produce NaN or Infinity"));
    }
    let mut sum = Vec::new();
    total.write_human(&mut sum);
    call.db
        .renew(key, New::Text(Piece::Bytes(&sum)), Deadline::Keep);
    call.db.announce(Class::String, "incrbyfloat", key);
    // The sum is logged, so that a reader of the log needs no arithmetic of ours.
    call.db.log(&[b"SET", key, &sum, b"KEEPTTL"]);
    call.out.bulk(&sum);
    Ok(Flow::Done)
}
