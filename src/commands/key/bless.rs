//! BLESS: keys that are never evicted, as redis.io documents it since 8.12.

use crate::command::Flag::{DenyOom, Fast};
use crate::command::{
    Arg, Args, Command, Done, Fail, Flow, KeyUse, Plan, ReadCall, Run, WriteCall, scan,
};
use crate::engine::{Class, GaveUp};

pub const BLESS: Command = Command {
    name: "bless",
    summary: "Protects keys from eviction",
    cost: "Depends on subcommand.",
    since: "8.12.0",
    run: Run::Container,
    subcommands: &[&CLEAR, &GET, &SCAN, &SET],
    ..Command::PLAIN
};

const NO_EVICT: Arg = Arg::word("no-evict", "NO-EVICT");
const COUNT: usize = 1024;

/// The one protection that there is.
fn no_evict(args: &mut Args<'_>) -> Result<(), Fail> {
    match args.word("NO-EVICT") {
        true => Ok(()),
        false => Err(Fail::SYNTAX),
    }
}

const SET: Command = Command {
    name: "set",
    summary: "Protects a key from eviction",
    since: "8.12.0",
    flags: &[DenyOom, Fast],
    args: &[Arg::key("key", KeyUse::UPDATE), NO_EVICT],
    categories: &["dangerous"],
    run: Run::Write(|call| bless(call, true, "bless")),
    ..Command::PLAIN
};

const CLEAR: Command = Command {
    name: "clear",
    summary: "Lets a key be evicted again",
    since: "8.12.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::UPDATE), NO_EVICT],
    categories: &["dangerous"],
    run: Run::Write(|call| bless(call, false, "unbless")),
    ..Command::PLAIN
};

fn bless(call: &mut WriteCall<'_>, on: bool, event: &'static str) -> Done {
    let key = call.args.next()?;
    no_evict(&mut call.args)?;
    let changed = call.db.bless(key, on).ok_or(Fail::NO_KEY)?;
    if changed {
        call.db.announce(Class::Generic, event, key);
    }
    call.out.int(changed);
    Ok(Flow::Done)
}

const GET: Command = Command {
    name: "get",
    summary: "Returns what a key is protected from",
    since: "8.12.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(get),
    ..Command::PLAIN
};

fn get(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let entry = call.db.counted_quietly(key).ok_or(Fail::NO_KEY)?;
    match entry.is_blessed() {
        true => {
            call.out.array(1);
            call.out.bulk("NO-EVICT");
        }
        false => call.out.array(0),
    }
    Ok(Flow::Done)
}

const SCAN: Command = Command {
    name: "scan",
    summary: "Walks over the keys that are protected, a few per call",
    cost: "O(1) per call, O(N) for a whole walk over N keys",
    since: "8.12.0",
    args: &[
        Arg::int("cursor"),
        NO_EVICT,
        Arg::int("count").token("COUNT").optional(),
    ],
    run: Run::Read(scan_blessed),
    plan: Plan::Each,
    ..Command::PLAIN
};

fn scan_blessed(call: &mut ReadCall<'_>) -> Done {
    let cursor = scan::cursor(call.args.next()?)?;
    no_evict(&mut call.args)?;
    let mut count = COUNT;
    while !call.args.is_empty() {
        if !call.args.word_with("COUNT", 1) {
            return Err(Fail::SYNTAX);
        }
        count = call.args.int_in(1..=i64::MAX, Fail::SYNTAX)? as usize;
    }
    let scripts = &call.server.scripts;
    let mark = call.out.mark();
    let mut found = 0;
    let next = call.db.scan(cursor, count, &|| scripts.is_busy(), |entry| {
        if entry.is_blessed() {
            call.out.bulk(entry.key_name());
            found += 1;
        }
    });
    let next = next.map_err(|GaveUp| call.server.busy_fail())?;
    scan::insert_head(call.out, mark, itoa::Buffer::new().format(next), found);
    Ok(Flow::Done)
}
