//! Entries deleted with regard to what groups know of them.

use super::id;
use crate::command::Flag::Fast;
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::resp::Reply;
use crate::types::Bstr;
use crate::types::stream::{Forgotten, Id, IdText, References, Stream};

/// Whether references are kept, dropped, or keep the entry.
pub const CONDITION: Arg = Arg::one_of(
    "condition",
    &[
        Arg::word("keepref", "KEEPREF"),
        Arg::word("delref", "DELREF"),
        Arg::word("acked", "ACKED"),
    ],
)
.optional();

pub const IDS: Arg = Arg::block("ids", &[Arg::int("numids"), Arg::text("id").many()]).token("IDS");

pub const XDELEX: Command = Command {
    name: "xdelex",
    summary: "Deletes entries by their ids, and says what became of each",
    cost: "O(1) for each entry",
    since: "8.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::DELETE), CONDITION, IDS],
    arity: Some(-5),
    run: Run::Write(xdelex),
    ..Command::PLAIN
};

pub const XACKDEL: Command = Command {
    name: "xackdel",
    summary: "Acknowledges entries that a group was given, and deletes them",
    cost: "O(1) for each entry",
    since: "8.2.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse(&["RW", "update", "delete"])),
        Arg::text("group"),
        CONDITION,
        IDS,
    ],
    arity: Some(-6),
    run: Run::Write(xackdel),
    ..Command::PLAIN
};

/// There is no such entry, or it isn't pending.
const NONE: i64 = -1;
const DELETED: i64 = 1;
/// A group still refers to it.
const SPARED: i64 = 2;

/// Takes one of the words that say what becomes of references, if none was taken before.
pub fn take_condition(args: &mut Args<'_>, held: &mut Option<References>) -> bool {
    if held.is_some() {
        return false;
    }
    *held = if args.word("KEEPREF") {
        Some(References::Keep)
    } else if args.word("DELREF") {
        Some(References::Drop)
    } else if args.word("ACKED") {
        Some(References::Spare)
    } else {
        None
    };
    held.is_some()
}

/// What is asked for: ids, not looked at yet, and what becomes of references to them.
struct Targets<'a> {
    references: References,
    ids: &'a [&'a [u8]],
}

impl<'a> Targets<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Self, Fail> {
        let (mut references, mut ids) = (None, None);
        while !args.is_empty() {
            if take_condition(args, &mut references) {
                continue;
            }
            if !args.word_with("IDS", 1) {
                return Err(Fail::SYNTAX);
            }
            let fail = Fail::Says("Number of IDs must be a positive integer");
            let count = args.int_in(1..=i64::MAX, fail)? as usize;
            let taken = args.take(count).map_err(|_| {
                Fail::Says("The `numids` parameter must match the number of arguments")
            })?;
            ids = Some(taken);
        }
        Ok(Targets {
            references: references.unwrap_or_default(),
            ids: ids.ok_or(Fail::Says("IDS option is required"))?,
        })
    }

    /// No such key or group: nothing was found.
    fn answer_none(&self, out: &mut Reply) -> Flow {
        out.array(self.ids.len());
        self.ids.iter().for_each(|_| out.int(NONE));
        Flow::Done
    }
}

/// What was deleted and forgotten, as the log and replicas are told.
#[derive(Default)]
struct Deleted {
    deleted: Vec<Id>,
    forgotten: Forgotten,
}

impl Deleted {
    /// Deletes an entry, if nothing spares it.
    fn delete(&mut self, stream: &mut Stream, id: Id, references: References) -> i64 {
        match references {
            References::Spare if stream.is_referenced(id) => return SPARED,
            References::Drop => stream.forget(id, &mut self.forgotten),
            _ => {}
        }
        if !stream.delete(id) {
            return NONE;
        }
        self.deleted.push(id);
        DELETED
    }

    /// The log is told in commands that every version knows.
    fn log(&self, call: &mut WriteCall<'_>, key: &[u8]) {
        log_forgotten(call, key, &self.forgotten);
        log_ids(call, &[b"XDEL", key], &self.deleted);
    }
}

/// Logs that entries are no longer pending.
pub fn log_forgotten(call: &mut WriteCall<'_>, key: &[u8], forgotten: &Forgotten) {
    for (group, ids) in forgotten {
        log_ids(call, &[b"XACK", key, group], ids);
    }
}

fn log_ids(call: &mut WriteCall<'_>, command: &[&[u8]], ids: &[Id]) {
    if ids.is_empty() || !call.db.effects().wanted.log {
        return;
    }
    let texts: Vec<Vec<u8>> = ids
        .iter()
        .map(|id| id.text(&mut IdText::default()).to_vec())
        .collect();
    let mut record = command.to_vec();
    record.extend(texts.iter().map(|text| &text[..]));
    call.db.log(&record);
}

fn xdelex(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    // A key of another type is the first complaint.
    drop(call.db.edit::<Stream>(key)?);
    let wish = Targets::parse(&mut call.args)?;
    let Some(mut stream) = call.db.edit::<Stream>(key)? else {
        return Ok(wish.answer_none(call.out));
    };
    let ids = id::parse_all(wish.ids)?;
    let mut outcome = Deleted::default();
    call.out.array(ids.len());
    for id in ids {
        call.out
            .int(outcome.delete(&mut stream, id, wish.references));
    }
    if !outcome.deleted.is_empty() {
        stream.announce("xdel");
    } else if !outcome.forgotten.is_empty() {
        stream.note();
    }
    drop(stream);
    outcome.log(call, key);
    Ok(Flow::Done)
}

fn xackdel(call: &mut WriteCall<'_>) -> Done {
    let (key, name) = (call.args.next()?, call.args.next()?);
    call.db.counted(key);
    let stream = call.db.edit::<Stream>(key)?;
    let wish = Targets::parse(&mut call.args)?;
    let Some(mut stream) = stream.filter(|stream| stream.group(name).is_some()) else {
        return Ok(wish.answer_none(call.out));
    };
    let ids = id::parse_all(wish.ids)?;
    let (mut outcome, mut acknowledged) = (Deleted::default(), Vec::new());
    call.out.array(ids.len());
    for id in ids {
        let was_pending = stream.with_group(name, |_, group| group.acknowledge(id));
        if was_pending != Some(true) {
            call.out.int(NONE);
            continue;
        }
        acknowledged.push(id);
        // An entry that was pending and has left the stream counts as deleted.
        call.out
            .int(match outcome.delete(&mut stream, id, wish.references) {
                SPARED => SPARED,
                _ => DELETED,
            });
    }
    if !outcome.deleted.is_empty() {
        stream.announce("xdel");
    } else if !acknowledged.is_empty() {
        stream.note();
    }
    drop(stream);
    if !acknowledged.is_empty() {
        outcome
            .forgotten
            .entry(Bstr::new(name))
            .or_default()
            .extend(acknowledged);
    }
    outcome.log(call, key);
    Ok(Flow::Done)
}
