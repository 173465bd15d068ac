//! Fields that are numbers.

use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::types::Hash;
use crate::util::extended::Extended;

pub const HINCRBY: Command = Command {
    name: "hincrby",
    summary: "Adds to a field that is an integer",
    since: "2.0.0",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::text("field"),
        Arg::int("increment"),
    ],
    run: Run::Write(hincrby),
    ..Command::PLAIN
};

fn hincrby(call: &mut WriteCall<'_>) -> Done {
    let (key, field) = (call.args.next()?, call.args.next()?);
    let by = call.args.int()?;
    let limits = &call.db.rules().limits;
    let mut hash = call.db.edit_or_create::<Hash>(key)?;
    let held = match hash.get(field) {
        Some(piece) => piece
            .to_int()
            .ok_or(Fail::Says("hash value is not an integer"))?,
        None => 0,
    };
    let sum = held
        .checked_add(by)
        .ok_or(Fail::Says("increment or decrement would overflow"))?;
    let mut digits = itoa::Buffer::new();
    hash.fields_mut()
        .set(field, digits.format(sum).as_bytes(), true, limits);
    hash.announce_parts("hincrby", [field]);
    call.out.int(sum);
    Ok(Flow::Done)
}

pub const HINCRBYFLOAT: Command = Command {
    name: "hincrbyfloat",
    summary: "Adds to a field that is a number with a fraction",
    since: "2.6.0",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::text("field"),
        Arg::double("increment"),
    ],
    run: Run::Write(hincrbyfloat),
    ..Command::PLAIN
};

fn hincrbyfloat(call: &mut WriteCall<'_>) -> Done {
    let (key, field, by) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let by = Extended::parse(by).ok_or(Fail::NOT_FLOAT)?;
    if !by.is_finite() {
        return Err(Fail::Says("value is NaN or Infinity"));
    }
    let limits = &call.db.rules().limits;
    let mut hash = call.db.edit_or_create::<Hash>(key)?;
    let held = match hash.get(field) {
        Some(piece) => piece.to_vec(),
        None => b"0".to_vec(),
    };
    let total = Extended::parse(&held).ok_or(Fail::Says("hash value is not a float"))? + by;
    if !total.is_finite() {
        return Err(Fail::Says("increment would produce NaN or Infinity"));
    }
    let mut sum = Vec::new();
    total.write_human(&mut sum);
    hash.fields_mut().set(field, &sum, true, limits);
    hash.announce_parts("hincrbyfloat", [field]);
    let deadline = hash.value().deadline(field);
    drop(hash);
    // The sum is logged, so that a reader of the log needs no arithmetic of ours; a deadline is
    // logged again, because HSET clears it.
    call.db.log(&[b"HSET", key, field, &sum]);
    if let Some(deadline) = deadline {
        let at = deadline.to_string();
        call.db
            .log(&[b"HPEXPIREAT", key, at.as_bytes(), b"FIELDS", b"1", field]);
    }
    call.out.bulk(&sum);
    Ok(Flow::Done)
}
