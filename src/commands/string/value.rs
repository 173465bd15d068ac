//! Whole values: GET, SET and their older spellings.

use super::compare::{Compared, Demand};
use crate::command::Flag::{DenyOom, Fast};
use crate::command::expiry::{self, EXPIRATION_OR_PERSIST, TimeUnit};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::engine::{Class, Deadline, New, WrongType};
use crate::resp::Reply;
use crate::types::{Text, TextRef};

pub const GET: Command = Command {
    name: "get",
    summary: "Returns the string value of a key",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(get),
    ..Command::PLAIN
};

fn get(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    reply_text(call.db.read::<Text>(key)?, call.out);
    Ok(Flow::Done)
}

fn reply_text(text: Option<TextRef<'_>>, out: &mut Reply) {
    match text {
        Some(text) => out.bulk(text.as_bytes(&mut itoa::Buffer::new())),
        None => out.null(),
    }
}

/// Answers with the string at a key that is about to be changed.
fn reply_old(call: &mut WriteCall<'_>, key: &[u8]) -> Result<bool, WrongType> {
    let text = call.db.read::<Text>(key)?;
    reply_text(text, call.out);
    Ok(text.is_some())
}

pub const SET: Command = Command {
    name: "set",
    summary: "Sets a key to a string, whatever it held before",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse(&["RW", "access", "update", "variable_flags"])),
        Arg::text("value"),
        Arg::one_of(
            "condition",
            &[
                Arg::word("nx", "NX"),
                Arg::word("xx", "XX"),
                Arg::text("ifeq-value").token("IFEQ").since("8.4.0"),
                Arg::text("ifne-value").token("IFNE").since("8.4.0"),
                Arg::text("ifdeq-digest").token("IFDEQ").since("8.4.0"),
                Arg::text("ifdne-digest").token("IFDNE").since("8.4.0"),
            ],
        )
        .optional()
        .since("2.6.12"),
        Arg::word("get", "GET").optional().since("6.2.0"),
        Arg::one_of(
            "expiration",
            &[
                Arg::int("seconds").token("EX").since("2.6.12"),
                Arg::int("milliseconds").token("PX").since("2.6.12"),
                Arg::unix_time("unix-time-seconds")
                    .token("EXAT")
                    .since("6.2.0"),
                Arg::unix_time("unix-time-milliseconds")
                    .token("PXAT")
                    .since("6.2.0"),
                Arg::word("keepttl", "KEEPTTL").since("6.0.0"),
            ],
        )
        .optional(),
    ],
    run: Run::Write(set),
    key_use: Some(set_use),
    ..Command::PLAIN
};

/// With GET, or to be compared, the old value is read, too.
fn set_use(argv: &[&[u8]]) -> KeyUse {
    let options = argv.get(3..).unwrap_or_default();
    let mut words = options.iter();
    let get = words.any(|arg| arg.eq_ignore_ascii_case(b"GET"));
    if get || Compared::is_among(options) {
        KeyUse::READ_UPDATE
    } else {
        KeyUse::OVERWRITE
    }
}

fn set(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let value = call.args.next()?;
    let (mut demand, mut get) = (Demand::None, false);
    let (mut keep, mut expiry) = (false, None);
    while !call.args.is_empty() {
        if demand.take(&mut call.args)? {
            // It is asked once all options are read.
        } else if call.args.word("GET") {
            get = true;
        } else if expiry.is_none() && call.args.word("KEEPTTL") {
            keep = true;
        } else if keep || expiry.is_some() {
            return Err(Fail::SYNTAX);
        } else {
            expiry = Some(expiry::ExpiryOption::take(&mut call.args)?.ok_or(Fail::SYNTAX)?);
        }
    }
    let deadline = match expiry {
        Some(said) => Deadline::At(said.deadline_ms(call.entry, call.db.now())?),
        None if keep => Deadline::Keep,
        None => Deadline::Clear,
    };
    if get {
        reply_old(call, key)?;
    }
    if !demand.is_met(&call.db, key)? {
        if !get {
            call.out.null();
        }
        return Ok(Flow::Done);
    }
    store(call, key, value, deadline);
    if !get {
        call.out.ok();
    }
    Ok(Flow::Done)
}

/// Sets a string and announces it; what is logged holds the absolute deadline.
pub(super) fn store(call: &mut WriteCall<'_>, key: &[u8], value: &[u8], deadline: Deadline) {
    call.db.set(key, New::text(value), deadline);
    call.db.announce(Class::String, "set", key);
    match deadline {
        Deadline::At(at) => {
            call.db.announce(Class::Generic, "expire", key);
            let mut digits = itoa::Buffer::new();
            call.db
                .log(&[b"SET", key, value, b"PXAT", digits.format(at).as_bytes()]);
        }
        Deadline::Keep => call.db.log(&[b"SET", key, value, b"KEEPTTL"]),
        Deadline::Clear => call.db.log(&[b"SET", key, value]),
    }
}

pub const SETNX: Command = Command {
    name: "setnx",
    summary: "Sets a string only if there is no such key",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::OVERWRITE_INSERT),
        Arg::text("value"),
    ],
    run: Run::Write(setnx),
    deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
    ..Command::PLAIN
};

fn setnx(call: &mut WriteCall<'_>) -> Done {
    let (key, value) = (call.args.next()?, call.args.next()?);
    let free = !call.db.mark(key);
    if free {
        store(call, key, value, Deadline::Clear);
    }
    call.out.int(free);
    Ok(Flow::Done)
}

pub const SETEX: Command = Command {
    name: "setex",
    summary: "Sets a string that lives for some seconds",
    since: "2.0.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::OVERWRITE),
        Arg::int("seconds"),
        Arg::text("value"),
    ],
    run: Run::Write(|call| set_for(call, TimeUnit::EX)),
    deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
    ..Command::PLAIN
};

pub const PSETEX: Command = Command {
    name: "psetex",
    summary: "Sets a string that lives for some milliseconds",
    since: "2.6.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::OVERWRITE),
        Arg::int("milliseconds"),
        Arg::text("value"),
    ],
    run: Run::Write(|call| set_for(call, TimeUnit::PX)),
    deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
    ..Command::PLAIN
};

fn set_for(call: &mut WriteCall<'_>, unit: TimeUnit) -> Done {
    let key = call.args.next()?;
    let time = call.args.int()?;
    let value = call.args.next()?;
    let deadline = expiry::positive(time, unit, call.entry, call.db.now())?;
    store(call, key, value, Deadline::At(deadline));
    call.out.ok();
    Ok(Flow::Done)
}

pub const GETSET: Command = Command {
    name: "getset",
    summary: "Sets a string and returns the one before",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::READ_UPDATE), Arg::text("value")],
    run: Run::Write(getset),
    deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
    ..Command::PLAIN
};

fn getset(call: &mut WriteCall<'_>) -> Done {
    let (key, value) = (call.args.next()?, call.args.next()?);
    reply_old(call, key)?;
    store(call, key, value, Deadline::Clear);
    Ok(Flow::Done)
}

pub const GETDEL: Command = Command {
    name: "getdel",
    summary: "Returns a string and removes its key",
    since: "6.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ_DELETE)],
    run: Run::Write(getdel),
    ..Command::PLAIN
};

fn getdel(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    if reply_old(call, key)? {
        call.db.delete(key);
        call.db.log(&[b"DEL", key]);
    }
    Ok(Flow::Done)
}

pub const GETEX: Command = Command {
    name: "getex",
    summary: "Returns a string and sets or clears its time to live",
    since: "6.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ_UPDATE), EXPIRATION_OR_PERSIST],
    run: Run::Write(getex),
    ..Command::PLAIN
};

fn getex(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let (now, over_ms) = (call.db.now(), call.db.over_ms());
    let persist = call.args.word("PERSIST");
    let expiry = if persist || call.args.is_empty() {
        None
    } else {
        Some(expiry::ExpiryOption::take(&mut call.args)?.ok_or(Fail::SYNTAX)?)
    };
    call.args.end()?;
    if !reply_old(call, key)? {
        return Ok(Flow::Done);
    }
    let deadline = expiry
        .map(|said| said.deadline_ms(call.entry, now))
        .transpose()?;
    match deadline {
        Some(at) if at <= over_ms => {
            call.db.delete(key);
            call.db.log(&[b"DEL", key]);
        }
        Some(at) => {
            call.db.set_deadline(key, Some(at));
            call.db.announce(Class::Generic, "expire", key);
            call.db
                .log(&[b"PEXPIREAT", key, itoa::Buffer::new().format(at).as_bytes()]);
        }
        None if persist && call.db.set_deadline(key, None) => {
            call.db.announce(Class::Generic, "persist", key);
            call.db.log(&[b"PERSIST", key]);
        }
        None => {}
    }
    Ok(Flow::Done)
}

pub const MGET: Command = Command {
    name: "mget",
    summary: "Returns the strings of several keys",
    cost: "O(N) for N keys",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ).many()],
    run: Run::Read(mget),
    tips: &["request_policy:multi_shard"],
    ..Command::PLAIN
};

fn mget(call: &mut ReadCall<'_>) -> Done {
    let keys = call.args.rest();
    call.out.array(keys.len());
    for key in keys {
        reply_text(call.db.read::<Text>(key).unwrap_or(None), call.out);
    }
    Ok(Flow::Done)
}

pub const MSET: Command = Command {
    name: "mset",
    summary: "Sets several strings at once",
    cost: "O(N) for N keys",
    since: "1.0.1",
    flags: &[DenyOom],
    args: &[Arg::block(
        "data",
        &[Arg::key("key", KeyUse::OVERWRITE), Arg::text("value")],
    )
    .many()],
    run: Run::Write(mset),
    tips: &[
        "request_policy:multi_shard",
        "response_policy:all_succeeded",
    ],
    ..Command::PLAIN
};

fn mset(call: &mut WriteCall<'_>) -> Done {
    set_all(call, false)?;
    call.out.ok();
    Ok(Flow::Done)
}

pub const MSETNX: Command = Command {
    name: "msetnx",
    summary: "Sets several strings if none of the keys exists",
    cost: "O(N) for N keys",
    since: "1.0.1",
    flags: &[DenyOom],
    args: &[Arg::block(
        "data",
        &[
            Arg::key("key", KeyUse::OVERWRITE_INSERT),
            Arg::text("value"),
        ],
    )
    .many()],
    run: Run::Write(msetnx),
    ..Command::PLAIN
};

fn msetnx(call: &mut WriteCall<'_>) -> Done {
    let done = set_all(call, true)?;
    call.out.int(done);
    Ok(Flow::Done)
}

/// Sets all pairs; none, if they must be new and any key exists.
fn set_all(call: &mut WriteCall<'_>, only_new: bool) -> Result<bool, Fail> {
    let pairs = call
        .args
        .pairs()
        .ok_or_else(|| Fail::arity(call.entry.command.name))?;
    if only_new && pairs.clone().any(|(key, _)| call.db.mark(key)) {
        return Ok(false);
    }
    for (key, value) in pairs {
        call.db.set(key, New::text(value), Deadline::Clear);
        call.db.announce(Class::String, "set", key);
    }
    Ok(true)
}
