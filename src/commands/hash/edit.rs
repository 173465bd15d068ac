//! Fields in and out.

use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::types::Hash;

const PAIRS: Arg = Arg::block("data", &[Arg::text("field"), Arg::text("value")]).many();

pub const HSET: Command = Command {
    name: "hset",
    summary: "Sets fields of a hash, which may be new",
    cost: "O(1) for each field",
    since: "2.0.0",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::UPDATE), PAIRS],
    run: Run::Write(hset),
    ..Command::PLAIN
};

fn hset(call: &mut WriteCall<'_>) -> Done {
    let created = set_pairs(call)?;
    call.out.count(created);
    Ok(Flow::Done)
}

pub const HMSET: Command = Command {
    name: "hmset",
    summary: "Sets fields of a hash, which may be new",
    cost: "O(1) for each field",
    since: "2.0.0",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::UPDATE), PAIRS],
    run: Run::Write(hmset),
    deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
    ..Command::PLAIN
};

fn hmset(call: &mut WriteCall<'_>) -> Done {
    set_pairs(call)?;
    call.out.ok();
    Ok(Flow::Done)
}

/// Sets all pairs, and counts the fields that are new.
fn set_pairs(call: &mut WriteCall<'_>) -> Result<usize, Fail> {
    let key = call.args.next()?;
    let pairs = call
        .args
        .pairs()
        .ok_or_else(|| Fail::arity(call.entry.command.name))?;
    let limits = &call.db.rules().limits;
    let mut hash = call.db.edit_or_create::<Hash>(key)?;
    let mut created = 0;
    let mut held = hash.fields_mut();
    for (field, value) in pairs.clone() {
        created += usize::from(held.set(field, value, false, limits));
    }
    hash.announce_parts("hset", pairs.map(|(field, _)| field));
    Ok(created)
}

pub const HSETNX: Command = Command {
    name: "hsetnx",
    summary: "Sets a field of a hash if it isn't there",
    since: "2.0.0",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::INSERT),
        Arg::text("field"),
        Arg::text("value"),
    ],
    run: Run::Write(hsetnx),
    ..Command::PLAIN
};

fn hsetnx(call: &mut WriteCall<'_>) -> Done {
    let (key, field, value) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let limits = &call.db.rules().limits;
    let mut hash = call.db.edit_or_create::<Hash>(key)?;
    let free = hash.get(field).is_none();
    if free {
        hash.fields_mut().set(field, value, false, limits);
        hash.announce_parts("hset", [field]);
    }
    call.out.int(free);
    Ok(Flow::Done)
}

pub const HDEL: Command = Command {
    name: "hdel",
    summary: "Removes fields of a hash",
    cost: "O(1) for each field",
    since: "2.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::DELETE), Arg::text("field").many()],
    run: Run::Write(hdel),
    ..Command::PLAIN
};

fn hdel(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let mut removed = Vec::new();
    if let Some(mut hash) = call.db.edit::<Hash>(key)? {
        let mut held = hash.fields_mut();
        let fields = call.args.rest().iter().copied();
        removed = fields.filter(|field| held.remove(field)).collect();
        if !removed.is_empty() {
            hash.announce_parts("hdel", removed.iter().copied());
        }
    }
    call.out.count(removed.len());
    Ok(Flow::Done)
}
