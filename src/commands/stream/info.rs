//! XINFO: what a stream, its groups and their consumers are like.

use super::{no_such_group, reply};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, help};
use crate::resp::Reply;
use crate::state::shared::Shared;
use crate::types::stream::{Consumer, Group, Id, Stream, StreamEntry};

/// Entries and pending entries that FULL shows of each list if it isn't told how many.
const FULL_COUNT: usize = 10;

pub const XINFO: Command = Command {
    name: "xinfo",
    summary: "Tells about streams, groups and consumers",
    cost: "Depends on subcommand.",
    since: "5.0.0",
    run: Run::Container,
    subcommands: &[&CONSUMERS, &GROUPS, &STREAM, &help::HELP],
    ..Command::PLAIN
};

const CONSUMERS: Command = Command {
    name: "consumers",
    summary: "Tells about the consumers of a group",
    since: "5.0.0",
    args: &[Arg::key("key", KeyUse::READ), Arg::text("group")],
    run: Run::Read(consumers),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn consumers(call: &mut ReadCall<'_>) -> Done {
    let (key, name) = (call.args.next()?, call.args.next()?);
    let now_ms = call.db.clock_ms() as i64;
    let stream = call.db.read::<Stream>(key)?.ok_or(Fail::NO_KEY)?;
    let group = stream.group(name).ok_or_else(|| no_such_group(key, name))?;
    let out = &mut *call.out;
    out.array(group.consumers().len());
    for consumer in group.consumers() {
        out.map(4);
        out.bulk("name");
        out.bulk(consumer.name());
        out.bulk("pending");
        out.count(consumer.pending().len());
        out.bulk("idle");
        out.int(now_ms.wrapping_sub(consumer.seen_ms).max(0));
        out.bulk("inactive");
        out.int(match consumer.active_ms {
            -1 => -1,
            active_ms => now_ms.wrapping_sub(active_ms).max(0),
        });
    }
    Ok(Flow::Done)
}

const GROUPS: Command = Command {
    name: "groups",
    summary: "Tells about the groups of a stream",
    since: "5.0.0",
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(groups),
    ..Command::PLAIN
};

fn groups(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let stream = call.db.read::<Stream>(key)?.ok_or(Fail::NO_KEY)?;
    let out = &mut *call.out;
    out.array(stream.groups.len());
    for (name, group) in &stream.groups {
        out.map(6);
        out.bulk("name");
        out.bulk(name);
        out.bulk("consumers");
        out.count(group.consumers().len());
        out.bulk("pending");
        out.count(group.pending().len());
        position(stream, group, out);
    }
    Ok(Flow::Done)
}

/// Where a group stands: three pairs.
fn position(stream: &Stream, group: &Group, out: &mut Reply) {
    out.bulk("last-delivered-id");
    reply::id(group.last_id, out);
    out.bulk("entries-read");
    int_or_null(group.entries_read, out);
    out.bulk("lag");
    int_or_null(stream.lag(group), out);
}

fn int_or_null(n: Option<u64>, out: &mut Reply) {
    match n {
        Some(n) => out.int(n as i64),
        None => out.null(),
    }
}

const STREAM: Command = Command {
    name: "stream",
    summary: "Tells about a stream",
    since: "5.0.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::block("full", &[Arg::int("count").token("COUNT").optional()])
            .token("FULL")
            .optional(),
    ],
    run: Run::Read(stream),
    ..Command::PLAIN
};

fn stream(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    // A key of another type is the first complaint.
    let stream = call.db.read::<Stream>(key)?.ok_or(Fail::NO_KEY)?;
    let full = match call.args.len() {
        0 => None,
        len @ (1 | 3) if call.args.word("FULL") => {
            let mut count = FULL_COUNT;
            if len == 3 {
                if !call.args.word("COUNT") {
                    return Err(help::misused(&call.args, call.entry));
                }
                count = usize::try_from(call.args.int()?).unwrap_or(FULL_COUNT);
            }
            Some(count)
        }
        _ => return Err(help::misused(&call.args, call.entry)),
    };
    let out = &mut *call.out;
    out.map(if full.is_some() { 15 } else { 16 });
    out.bulk("length");
    out.count(stream.len());
    // Nodes hang in no radix tree here, but monitors want its figures: a key for each, and one root.
    out.bulk("radix-tree-keys");
    out.count(stream.nodes().len());
    out.bulk("radix-tree-nodes");
    out.count(stream.nodes().len() + 1);
    out.bulk("last-generated-id");
    reply::id(stream.last_id(), out);
    out.bulk("max-deleted-entry-id");
    reply::id(stream.max_deleted_id, out);
    out.bulk("entries-added");
    out.int(stream.entries_added as i64);
    out.bulk("recorded-first-entry-id");
    reply::id(stream.first_id(), out);
    idempotency(stream, call.server, call.db.clock_ms(), out);
    match full {
        Some(count) => everything(stream, count, out),
        None => ends(stream, out),
    }
    Ok(Flow::Done)
}

/// What is remembered of producers: six pairs.
fn idempotency(stream: &Stream, server: &Shared, now_ms: u64, out: &mut Reply) {
    let fresh = super::idempotency::fresh(&server.config);
    let known = stream.idempotency.as_deref().unwrap_or(&fresh);
    let (producers, ids) = known.counts(now_ms);
    for (name, value) in [
        ("idmp-duration", known.duration_s()),
        ("idmp-maxsize", known.ids_max() as u64),
        ("pids-tracked", producers as u64),
        ("iids-tracked", ids as u64),
        ("iids-added", known.added),
        ("iids-duplicates", known.duplicates),
    ] {
        out.bulk(name);
        out.int(value as i64);
    }
}

/// The first and the last entry.
fn ends(stream: &Stream, out: &mut Reply) {
    out.bulk("groups");
    out.count(stream.groups.len());
    out.bulk("first-entry");
    entry_or_null(stream.range(Id::MIN, Id::MAX).next(), out);
    out.bulk("last-entry");
    entry_or_null(stream.range_back(Id::MIN, Id::MAX).next(), out);
}

fn entry_or_null(entry: Option<StreamEntry<'_>>, out: &mut Reply) {
    match entry {
        Some(entry) => reply::entry(&entry, out),
        None => out.null(),
    }
}

/// Entries, groups, consumers and what is pending; `count` of each, 0 for all.
fn everything(stream: &Stream, count: usize, out: &mut Reply) {
    out.bulk("entries");
    reply::entries(stream.range(Id::MIN, Id::MAX), count, out);
    out.bulk("groups");
    out.array(stream.groups.len());
    for (name, group) in &stream.groups {
        out.map(8);
        out.bulk("name");
        out.bulk(name);
        position(stream, group, out);
        out.bulk("pel-count");
        out.count(group.pending().len());
        out.bulk("nacked-count");
        out.count(group.released().len());
        out.bulk("pending");
        let shown = shown(group.pending().len(), count);
        out.array(shown);
        for pending in group.pending().iter().take(shown) {
            out.array(4);
            reply::id(pending.id, out);
            out.bulk(group.owner_name(pending));
            out.int(pending.delivered_ms());
            out.int(pending.deliveries as i64);
        }
        out.bulk("consumers");
        out.array(group.consumers().len());
        for one in group.consumers() {
            consumer(group, one, count, out);
        }
    }
}

fn shown(len: usize, count: usize) -> usize {
    if count == 0 { len } else { len.min(count) }
}

fn consumer(group: &Group, consumer: &Consumer, count: usize, out: &mut Reply) {
    out.map(5);
    out.bulk("name");
    out.bulk(consumer.name());
    out.bulk("seen-time");
    out.int(consumer.seen_ms);
    out.bulk("active-time");
    out.int(consumer.active_ms);
    out.bulk("pel-count");
    out.count(consumer.pending().len());
    out.bulk("pending");
    let shown = shown(consumer.pending().len(), count);
    out.array(shown);
    for id in consumer.pending().iter().take(shown) {
        let pending = group.pending().get(*id);
        let pending =
            pending.expect("what a consumer has not acknowledged, its group hasn't either");
        out.array(3);
        reply::id(*id, out);
        out.int(pending.delivered_ms());
        out.int(pending.deliveries as i64);
    }
}
