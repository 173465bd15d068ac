//! Entries deleted by their ids, and what a stream remembers set.

use super::id;
use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::types::stream::{Id, Stream};

pub const XDEL: Command = Command {
    name: "xdel",
    summary: "Deletes entries by their ids",
    cost: "O(1) for each entry",
    since: "5.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::DELETE), Arg::text("id").many()],
    run: Run::Write(xdel),
    ..Command::PLAIN
};

fn xdel(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let Some(mut stream) = call.db.edit::<Stream>(key)? else {
        call.out.int(0);
        return Ok(Flow::Done);
    };
    let ids = id::parse_all(call.args.rest())?;
    let deleted = ids.iter().filter(|id| stream.delete(**id)).count();
    if deleted > 0 {
        stream.announce("xdel");
    }
    call.out.count(deleted);
    Ok(Flow::Done)
}

pub const XSETID: Command = Command {
    name: "xsetid",
    summary: "Sets a stream's last id and counters",
    since: "5.0.0",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::text("last-id"),
        Arg::int("entries-added")
            .token("ENTRIESADDED")
            .optional()
            .since("7.0.0"),
        Arg::text("max-deleted-id")
            .token("MAXDELETEDID")
            .optional()
            .since("7.0.0"),
    ],
    run: Run::Write(xsetid),
    ..Command::PLAIN
};

fn xsetid(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let last_id = id::parse(call.args.next()?, 0)?;
    let (mut added, mut max_deleted) = (None, Id::MIN);
    while !call.args.is_empty() {
        if call.args.word_with("ENTRIESADDED", 1) {
            let count = u64::try_from(call.args.int()?)
                .map_err(|_| Fail::Says("entries_added must be positive"))?;
            added = Some(count);
        } else if call.args.word_with("MAXDELETEDID", 1) {
            max_deleted = id::parse(call.args.next()?, 0)?;
            if last_id < max_deleted {
                return Err(Fail::Says(
                    "The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    let mut stream = call.db.edit::<Stream>(key)?.ok_or(Fail::NO_KEY)?;
    if last_id < stream.max_deleted_id {
        return Err(Fail::Says(
            "The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if stream.last_entry_id().is_some_and(|last| last_id < last) {
        return Err(Fail::Says(
            "The ID specified in XSETID is smaller than the target stream top item",
        ));
    }
    if added.is_some_and(|added| added < stream.len() as u64) {
        return Err(Fail::Says(
            "The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    stream.set_last_id(last_id);
    stream.entries_added = added.unwrap_or(stream.entries_added);
    if !max_deleted.is_zero() {
        stream.max_deleted_id = max_deleted;
    }
    stream.announce_aside("xsetid");
    call.out.ok();
    Ok(Flow::Done)
}
