//! Fields that are returned, set or removed together with their times to live.
//!
//! The log has them in the words of 7.4, HSET, HPEXPIREAT, HPERSIST and HDEL, so that older servers read it.

use super::deadline::{self, COUNT, FIELDS, log_deadline};
use crate::command::Flag::{DenyOom, Fast};
use crate::command::expiry::{EXPIRATION_OR_KEEPTTL, EXPIRATION_OR_PERSIST, ExpiryOption};
use crate::command::parts::deadline_of;
use crate::command::{
    Arg, Args, Command, CommandEntry, Done, Fail, Flow, KeyUse, Run, WriteCall, quoted,
};
use crate::engine::{Edit, Now};
use crate::types::Hash;
use crate::util::number;

/// What becomes of the times to live of the fields that a command names.
#[derive(Clone, Copy)]
enum Lifetime {
    Keep,
    Clear,
    At(u64),
}

/// Takes `EX`, `PX`, `EXAT` or `PXAT` with its value, which is judged at once.
fn take_deadline(args: &mut Args<'_>, entry: &CommandEntry, now: Now) -> Result<Option<u64>, Fail> {
    let Some(said) = ExpiryOption::take(args)? else {
        return Ok(None);
    };
    let time = number::parse_i64(said.value).ok_or(Fail::NOT_INTEGER)?;
    deadline_of(time, said.unit, entry, now).map(Some)
}

pub const HGETEX: Command = Command {
    name: "hgetex",
    summary: "Returns fields of a hash, and sets or clears their times to live",
    cost: "O(N) for N fields",
    since: "8.0.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        EXPIRATION_OR_PERSIST,
        FIELDS,
    ],
    run: Run::Write(hgetex),
    ..Command::PLAIN
};

fn hgetex(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let (lifetime, changed) = return_fields(call, key)?;
    if !changed.is_empty() {
        log_lifetime(call, key, lifetime, &changed);
    }
    Ok(Flow::Done)
}

/// Answers with fields, and returns what becomes of their times to live, and of which it does.
fn return_fields<'a>(
    call: &mut WriteCall<'a>,
    key: &[u8],
) -> Result<(Lifetime, Vec<&'a [u8]>), Fail> {
    let (now, over_ms) = (call.db.now(), call.db.over_ms());
    let hash = call.db.edit::<Hash>(key)?;
    let lifetime = match take_deadline(&mut call.args, call.entry, now)? {
        Some(deadline) => Lifetime::At(deadline),
        None if call.args.word("PERSIST") => Lifetime::Clear,
        None => Lifetime::Keep,
    };
    if call.args.len() < 2 {
        return Err(Fail::arity(call.entry.command.name));
    }
    let fields = deadline::fields(&mut call.args, COUNT)?;
    call.out.array(fields.len());
    let Some(mut hash) = hash else {
        fields.iter().for_each(|_| call.out.null());
        return Ok((lifetime, Vec::new()));
    };
    if !matches!(lifetime, Lifetime::Keep) {
        hash.fields_mut().expect_deadlines();
    }
    let mut changed = Vec::new();
    for field in fields {
        match hash.get(field) {
            Some(value) => call.out.bulk(value.as_bytes(&mut itoa::Buffer::new())),
            None => {
                call.out.null();
                continue;
            }
        }
        let has_changed = match lifetime {
            Lifetime::Keep => false,
            Lifetime::Clear => hash.fields_mut().clear_deadline(field),
            Lifetime::At(deadline) if deadline <= over_ms => hash.fields_mut().remove(field),
            Lifetime::At(deadline) => {
                hash.fields_mut().set_deadline(field, deadline);
                true
            }
        };
        if has_changed {
            changed.push(*field);
        }
    }
    if !changed.is_empty() {
        announce_lifetime(&mut hash, lifetime, over_ms, &changed);
    }
    Ok((lifetime, changed))
}

fn announce_lifetime(
    hash: &mut Edit<'_, Hash>,
    lifetime: Lifetime,
    over_ms: u64,
    fields: &[&[u8]],
) {
    let event = match lifetime {
        Lifetime::Keep => return,
        Lifetime::Clear => "hpersist",
        Lifetime::At(deadline) if deadline <= over_ms => "hdel",
        Lifetime::At(_) => "hexpire",
    };
    hash.announce_parts(event, fields.iter().copied());
}

/// Logs what has become of the times to live of these fields.
fn log_lifetime(call: &mut WriteCall<'_>, key: &[u8], lifetime: Lifetime, fields: &[&[u8]]) {
    match lifetime {
        Lifetime::Keep => {}
        Lifetime::Clear => {
            let count = fields.len().to_string();
            let head: [&[u8]; 4] = [b"HPERSIST", key, b"FIELDS", count.as_bytes()];
            call.db.log(&[&head, fields].concat());
        }
        Lifetime::At(deadline) if deadline <= call.db.over_ms() => {
            call.db.log(&[&[b"HDEL", key], fields].concat());
        }
        Lifetime::At(deadline) => log_deadline(&mut call.db, key, deadline, fields),
    }
}

pub const HSETEX: Command = Command {
    name: "hsetex",
    summary: "Sets fields of a hash, and their times to live",
    cost: "O(N) for N fields",
    since: "8.0.0",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::one_of(
            "key-condition",
            &[Arg::word("nx", "NX"), Arg::word("xx", "XX")],
        )
        .optional(),
        Arg::one_of(
            "condition",
            &[Arg::word("fnx", "FNX"), Arg::word("fxx", "FXX")],
        )
        .optional(),
        EXPIRATION_OR_KEEPTTL,
        Arg::block(
            "fields",
            &[
                Arg::int("numfields"),
                Arg::block("data", &[Arg::text("field"), Arg::text("value")]).many(),
            ],
        )
        .token("FIELDS"),
    ],
    run: Run::Write(hsetex),
    ..Command::PLAIN
};

/// What must be there already (`XX`) or must not be there yet (`NX`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Any,
    Missing,
    Held,
}

/// HSETEX as it was asked for.
struct TimedPairs<'a> {
    key_is: Presence,
    fields_are: Presence,
    lifetime: Lifetime,
    /// Field, value, field, value.
    pairs: &'a [&'a [u8]],
}

/// Takes the option that says what becomes of times to live. It stands once, and whatever else stands there is unknown.
fn take_lifetime(
    args: &mut Args<'_>,
    has_one: bool,
    entry: &CommandEntry,
    now: Now,
) -> Result<Lifetime, Fail> {
    let word = args.peek().ok_or_else(|| Fail::arity(entry.command.name))?;
    let is_known = ["EX", "PX", "EXAT", "PXAT", "KEEPTTL"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known.as_bytes()));
    if !is_known {
        return Err(Fail::Said(format!("unknown argument: {}", quoted(word))));
    }
    if has_one {
        return Err(Fail::Says(
            "Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        ));
    }
    if args.word("KEEPTTL") {
        return Ok(Lifetime::Keep);
    }
    let deadline = take_deadline(args, entry, now)?;
    let deadline = deadline.ok_or_else(|| Fail::arity(entry.command.name))?;
    Ok(Lifetime::At(deadline))
}

/// Takes one of two words: what must not be there yet, or what must.
fn take_presence(args: &mut Args<'_>, missing: &str, held: &str) -> Option<Presence> {
    if args.word(missing) {
        Some(Presence::Missing)
    } else {
        args.word(held).then_some(Presence::Held)
    }
}

/// `numfields field value ...`, which ends the command.
fn pairs<'a>(args: &mut Args<'a>, entry: &CommandEntry) -> Result<&'a [&'a [u8]], Fail> {
    let arity = || Fail::arity(entry.command.name);
    if args.len() < 3 {
        return Err(arity());
    }
    let count = args.int_in(
        1..=i64::from(i32::MAX),
        Fail::Says("invalid number of fields"),
    )?;
    let pairs = args.rest();
    if pairs.len() as i64 != 2 * count {
        return Err(arity());
    }
    Ok(pairs)
}

impl<'a> TimedPairs<'a> {
    /// The options in any order, then the fields, which end the command.
    fn parse(args: &mut Args<'a>, entry: &CommandEntry, now: Now) -> Result<Self, Fail> {
        let (mut key_is, mut fields_are) = (Presence::Any, Presence::Any);
        let mut lifetime = None;
        while !args.word("FIELDS") {
            if let Some(wish) = take_presence(args, "NX", "XX") {
                if key_is != Presence::Any && key_is != wish {
                    return Err(Fail::SYNTAX);
                }
                key_is = wish;
            } else if let Some(wish) = take_presence(args, "FNX", "FXX") {
                if fields_are != Presence::Any {
                    return Err(Fail::Says(
                        "Only one of FXX or FNX arguments can be specified",
                    ));
                }
                fields_are = wish;
            } else {
                let new = take_lifetime(args, lifetime.is_some(), entry, now)?;
                lifetime = Some(new);
            }
        }
        Ok(TimedPairs {
            key_is,
            fields_are,
            lifetime: lifetime.unwrap_or(Lifetime::Clear),
            pairs: pairs(args, entry)?,
        })
    }

    fn is_met(&self, hash: &mut Edit<'_, Hash>, is_there: bool) -> bool {
        let key_fits = match self.key_is {
            Presence::Any => true,
            Presence::Missing => !is_there,
            Presence::Held => is_there,
        };
        let mut fields = self.pairs.iter().step_by(2);
        key_fits
            && match self.fields_are {
                Presence::Any => true,
                Presence::Missing => fields.all(|field| hash.get(field).is_none()),
                Presence::Held => fields.all(|field| hash.get(field).is_some()),
            }
    }
}

fn hsetex(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let (now, over_ms) = (call.db.now(), call.db.over_ms());
    let setting = TimedPairs::parse(&mut call.args, call.entry, now)?;
    let limits = &call.db.rules().limits;
    // A key whose fields are all due is there, though the edit makes it anew.
    let is_there = call.db.exists(key);
    let mut hash = call.db.edit_or_create::<Hash>(key)?;
    if !setting.is_met(&mut hash, is_there) {
        call.out.int(false);
        return Ok(Flow::Done);
    }
    let mut held = hash.fields_mut();
    if let Lifetime::At(_) = setting.lifetime {
        held.expect_deadlines();
    }
    let keep = matches!(setting.lifetime, Lifetime::Keep);
    for pair in setting.pairs.chunks_exact(2) {
        held.set(pair[0], pair[1], keep, limits);
    }
    let fields: Vec<&[u8]> = setting.pairs.iter().step_by(2).copied().collect();
    hash.announce_parts("hset", fields.iter().copied());
    let mut kept = Vec::new();
    match setting.lifetime {
        Lifetime::Clear => {}
        Lifetime::Keep => kept = deadlines_of(&hash, &fields),
        Lifetime::At(deadline) => {
            set_or_remove(&mut hash, deadline, over_ms, &fields);
            announce_lifetime(&mut hash, setting.lifetime, over_ms, &fields);
        }
    }
    drop(hash);
    call.db.log(&[&[b"HSET", key], setting.pairs].concat());
    for alike in kept.chunk_by(|(a, _), (b, _)| a == b) {
        let fields: Vec<&[u8]> = alike.iter().map(|(_, field)| *field).collect();
        log_deadline(&mut call.db, key, alike[0].0, &fields);
    }
    if let Lifetime::At(_) = setting.lifetime {
        log_lifetime(call, key, setting.lifetime, &fields);
    }
    call.out.int(true);
    Ok(Flow::Done)
}

/// The fields that have deadlines, earliest first.
fn deadlines_of<'a>(hash: &Edit<'_, Hash>, fields: &[&'a [u8]]) -> Vec<(u64, &'a [u8])> {
    let timed = fields
        .iter()
        .filter_map(|field| Some((hash.value().deadline(field)?, *field)));
    let mut timed: Vec<_> = timed.collect();
    timed.sort_unstable();
    timed.dedup();
    timed
}

fn set_or_remove(hash: &mut Edit<'_, Hash>, deadline: u64, over_ms: u64, fields: &[&[u8]]) {
    let mut held = hash.fields_mut();
    for field in fields {
        if deadline <= over_ms {
            held.remove(field);
        } else {
            held.set_deadline(field, deadline);
        }
    }
}

pub const HGETDEL: Command = Command {
    name: "hgetdel",
    summary: "Returns fields of a hash and removes them",
    cost: "O(N) for N fields",
    since: "8.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ_DELETE), FIELDS],
    run: Run::Write(hgetdel),
    ..Command::PLAIN
};

fn hgetdel(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let removed = return_and_remove(call, key)?;
    if !removed.is_empty() {
        call.db.log(&[&[b"HDEL", key], &removed[..]].concat());
    }
    Ok(Flow::Done)
}

/// Answers with fields, removes those that are there, and returns them.
fn return_and_remove<'a>(call: &mut WriteCall<'a>, key: &[u8]) -> Result<Vec<&'a [u8]>, Fail> {
    let hash = call.db.edit::<Hash>(key)?;
    let fields = deadline::fields(&mut call.args, COUNT)?;
    call.out.array(fields.len());
    let mut removed = Vec::new();
    let Some(mut hash) = hash else {
        fields.iter().for_each(|_| call.out.null());
        return Ok(removed);
    };
    for field in fields {
        let Some(value) = hash.get(field) else {
            call.out.null();
            continue;
        };
        call.out.bulk(value.as_bytes(&mut itoa::Buffer::new()));
        hash.fields_mut().remove(field);
        removed.push(*field);
    }
    if !removed.is_empty() {
        hash.announce_parts("hdel", removed.iter().copied());
    }
    Ok(removed)
}
