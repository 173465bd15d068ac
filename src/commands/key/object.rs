//! OBJECT: what a key's entry knows beside the value.

use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, help};
use crate::config::MaxmemoryPolicy;
use crate::engine::{AccessRules, Entry};
use crate::resp::Reply;
use crate::types::ValueRef;

pub const OBJECT: Command = Command {
    name: "object",
    summary: "Tells how a key is stored and used",
    since: "2.2.3",
    run: Run::Container,
    subcommands: &[&ENCODING, &FREQ, &help::HELP, &IDLETIME, &REFCOUNT],
    ..Command::PLAIN
};

const ENCODING: Command = Command {
    name: "encoding",
    summary: "Returns the name of the representation of a value",
    since: "2.2.3",
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(encoding),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn encoding(call: &mut ReadCall<'_>) -> Done {
    answer(call, |teller, entry| {
        teller.out.bulk(entry.value().encoding())
    })
}

/// Answers with what an entry tells, looking at it without leaving a mark, though that counts; with null if there is no key.
fn answer(call: &mut ReadCall<'_>, tell: impl FnOnce(&mut Teller<'_>, &Entry)) -> Done {
    let key = call.args.next()?;
    let mut teller = Teller {
        out: call.out,
        now_ms: call.db.clock_ms(),
        rules: &call.db.rules().access,
    };
    match call.db.counted_quietly(key) {
        Some(entry) => tell(&mut teller, entry),
        None => teller.out.null(),
    }
    Ok(Flow::Done)
}

struct Teller<'a> {
    out: &'a mut Reply,
    now_ms: u64,
    rules: &'a AccessRules,
}

const FREQ: Command = Command {
    name: "freq",
    summary: "Returns a key's access counter under an LFU policy",
    since: "4.0.0",
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(freq),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn freq(call: &mut ReadCall<'_>) -> Done {
    if !call.db.rules().access.lfu && call.args.peek().is_some_and(|key| call.db.exists(key)) {
        return Err(Fail::Says(
            "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    answer(call, |teller, entry| {
        teller
            .out
            .int(entry.access().frequency(teller.rules, teller.now_ms));
    })
}

const IDLETIME: Command = Command {
    name: "idletime",
    summary: "Returns the seconds since a key was last used",
    since: "2.2.3",
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(idletime),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn idletime(call: &mut ReadCall<'_>) -> Done {
    if call.db.rules().access.lfu && call.args.peek().is_some_and(|key| call.db.exists(key)) {
        return Err(Fail::Says(
            "An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    answer(call, |teller, entry| {
        teller
            .out
            .int(entry.access().idle_seconds(teller.now_ms) as i64)
    })
}

const REFCOUNT: Command = Command {
    name: "refcount",
    summary: "Returns how many keys share a value: only small numbers are shared",
    since: "2.2.3",
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(refcount),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

/// Redis keeps one object for each of these numbers. Here they stand with their keys, and take no more.
const SHARED: std::ops::Range<i64> = 0..10_000;

fn refcount(call: &mut ReadCall<'_>) -> Done {
    let config = &call.server.config;
    // A shared object has one access clock, which then says nothing of any of its keys.
    let shares = config.maxmemory.get() == 0
        || !matches!(
            config.maxmemory_policy.get(),
            MaxmemoryPolicy::AllkeysLru
                | MaxmemoryPolicy::VolatileLru
                | MaxmemoryPolicy::AllkeysLfu
                | MaxmemoryPolicy::VolatileLfu
        );
    answer(call, |teller, entry| {
        let is_shared = |n| shares && SHARED.contains(&n);
        let count = match entry.value() {
            ValueRef::Text(text) if text.as_int().is_some_and(is_shared) => i32::MAX,
            _ => 1,
        };
        teller.out.int(count)
    })
}
