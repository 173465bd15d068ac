//! MEMORY: what memory goes to.

use super::figures::{Figures, census, human};
use crate::command::Flag::Neither;
use crate::command::{
    Arg, Command, Done, Fail, Flow, KeyUse, Plan, ReadCall, Run, SessionCall, help,
};
use crate::engine::{Contents, Entry};
use crate::resp::Reply;
use crate::util::memory;

pub const MEMORY: Command = Command {
    name: "memory",
    summary: "Tells what memory goes to",
    cost: "Depends on subcommand.",
    since: "4.0.0",
    run: Run::Container,
    subcommands: &[&DOCTOR, &HELP, &MALLOC_STATS, &PURGE, &STATS, &USAGE],
    ..Command::PLAIN
};

const HELP: Command = Command {
    since: "4.0.0",
    ..help::HELP
};

const ASK_ALL: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
];

const USAGE: Command = Command {
    name: "usage",
    summary: "Returns the bytes that a key and its value take",
    cost: "O(1)",
    since: "4.0.0",
    args: &[
        Arg::key("key", KeyUse::LOOK),
        Arg::int("count").token("SAMPLES").optional(),
    ],
    run: Run::Read(usage),
    categories: &["read"],
    ..Command::PLAIN
};

fn usage(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    while !call.args.is_empty() {
        if !call.args.word_with("SAMPLES", 1) {
            return Err(Fail::SYNTAX);
        }
        // Values know their size, so samples are neither taken nor needed.
        if call.args.int()? < 0 {
            return Err(Fail::SYNTAX);
        }
    }
    match call.db.entry(key) {
        Some(entry) => call
            .out
            .count(size_of::<Entry>() + INDEX_BYTES + entry.heap_bytes()),
        None => call.out.null(),
    }
    Ok(Flow::Done)
}

/// A key's part of its table's index, at most.
const INDEX_BYTES: usize = 5;

const STATS: Command = Command {
    name: "stats",
    summary: "Returns where the server's memory goes, in figures",
    cost: "O(N) for N connections",
    since: "4.0.0",
    flags: &[Neither],
    run: Run::Read(stats),
    plan: Plan::Each,
    tips: ASK_ALL,
    ..Command::PLAIN
};

fn stats(call: &mut ReadCall<'_>) -> Done {
    let used = memory::used();
    let census = census(call)?;
    let clients = call.server.clients.tally();
    let figures = Figures::take(call.server, &census, &clients, used);
    let used = census
        .databases
        .iter()
        .enumerate()
        .filter(|(_, contents)| contents.keys > 0);
    let used: Vec<(usize, &Contents)> = used.collect();
    let scripts = &call.server.scripts;
    let out = &mut *call.out;
    let count = |name: &str, value: u64, out: &mut Reply| {
        out.bulk(name);
        out.int(value as i64);
    };
    let share = |name: &str, value: f64, out: &mut Reply| {
        out.bulk(name);
        out.double(value);
    };
    let extent = call.server.journal.backlog.extent();
    let kept = extent.end - extent.first;
    out.map(31 + used.len());
    for (name, value) in [
        ("peak.allocated", figures.peak),
        ("total.allocated", figures.used),
        ("startup.allocated", figures.startup),
        ("replication.backlog", kept - extent.held),
        ("clients.slaves", figures.replicas),
        ("clients.normal", figures.clients),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", scripts.bytes() as u64),
        ("functions.caches", scripts.functions.load().bytes() as u64),
    ] {
        count(name, value, out);
    }
    for (index, contents) in used {
        out.bulk(format!("db.{index}"));
        out.map(2);
        count("overhead.hashtable.main", contents.table_bytes as u64, out);
        // Deadlines stand in the same tables.
        count("overhead.hashtable.expires", 0, out);
    }
    for (name, value) in [
        ("overhead.db.hashtable.lut", figures.tables),
        ("overhead.db.hashtable.rehashing", 0),
        ("db.dict.rehashing.count", 0),
        ("overhead.total", figures.overhead()),
        ("keys.count", figures.keys),
        ("keys.bytes-per-key", figures.bytes_per_key()),
        ("dataset.bytes", figures.dataset()),
    ] {
        count(name, value, out);
    }
    share("dataset.percentage", figures.dataset_percent(), out);
    share("peak.percentage", figures.peak_percent(), out);
    count("allocator.allocated", figures.allocated, out);
    count("allocator.active", figures.active, out);
    count("allocator.resident", figures.held, out);
    count("allocator.muzzy", 0, out);
    for loss in figures.losses() {
        let ratio = match loss.name {
            "fragmentation" => loss.name.to_owned(),
            name => format!("{name}.ratio"),
        };
        share(&ratio, loss.ratio, out);
        out.bulk(format!("{}.bytes", loss.name));
        out.int(loss.bytes);
    }
    Ok(Flow::Done)
}

const DOCTOR: Command = Command {
    name: "doctor",
    summary: "Says in words what is wrong with memory, if anything is",
    cost: "O(N) for N connections",
    since: "4.0.0",
    flags: &[Neither],
    run: Run::Read(doctor),
    plan: Plan::Each,
    tips: ASK_ALL,
    ..Command::PLAIN
};

/// Below this, what a fresh process takes outweighs the data, and ratios say nothing.
const WORTH_A_LOOK: u64 = 5 << 20;

fn doctor(call: &mut ReadCall<'_>) -> Done {
    let used = memory::used();
    let clients = call.server.clients.tally();
    let figures = Figures::take(call.server, &census(call)?, &clients, used);
    let text = if figures.used < WORTH_A_LOOK {
        "This server holds very little data: there is nothing to look at yet.\n".to_owned()
    } else {
        match findings(&figures) {
            none if none.is_empty() => "No memory problem was found.\n".to_owned(),
            found => found.join("\n"),
        }
    };
    call.out.verbatim("txt", text.as_bytes());
    Ok(Flow::Done)
}

fn findings(figures: &Figures) -> Vec<String> {
    let mut found = Vec::new();
    if figures.peak > figures.used / 2 * 3 {
        found.push(format!(
            "Peak: {} were in use once, {} are now. The allocator may keep pages of that time: MEMORY PURGE gives them back.\n",
            human(figures.peak),
            human(figures.used)
        ));
    }
    for loss in figures.losses() {
        // A few megabytes more than asked for are no problem at any ratio.
        if loss.ratio > 1.4 && loss.bytes > 10 << 20 {
            found.push(format!(
                "{}: {} more than what it is made of, {:.2} times as much.\n",
                loss.name,
                human(loss.bytes as u64),
                loss.ratio
            ));
        }
    }
    found
}

const PURGE: Command = Command {
    name: "purge",
    summary: "Gives unused pages back to the system",
    cost: "O(N) for N unused pages",
    since: "4.0.0",
    run: Run::Session(purge),
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Command::PLAIN
};

fn purge(call: &mut SessionCall<'_>) -> Done {
    memory::purge();
    call.out.ok();
    Ok(Flow::Done)
}

const MALLOC_STATS: Command = Command {
    name: "malloc-stats",
    summary: "Returns the allocator's own report",
    cost: "O(N) for N arenas",
    since: "4.0.0",
    run: Run::Session(malloc_stats),
    tips: ASK_ALL,
    ..Command::PLAIN
};

fn malloc_stats(call: &mut SessionCall<'_>) -> Done {
    let report = memory::report().map_err(|error| Fail::said(error.to_string()))?;
    call.out.verbatim("txt", &report);
    Ok(Flow::Done)
}
