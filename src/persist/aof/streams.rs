//! A stream as commands: entries, counters, groups, and what is pending.
//!
//! As Redis writes it, save for pending entries that the stream no longer has. Redis loses them, for
//! a claim of an entry that is not there gives none. Here such a stream first has entries of these ids, which are
//! claimed and trimmed away again before the true ones follow.

use std::collections::BTreeSet;
use std::io;

use crate::types::stream::{Group, Id, IdText, Stream};

/// Takes one command.
type Command<'o> = dyn FnMut(&[&[u8]]) -> io::Result<()> + 'o;

pub fn write(key: &[u8], stream: &Stream, command: &mut Command<'_>) -> io::Result<()> {
    let gone = pending_and_gone(stream);
    if !gone.is_empty() {
        for id in &gone {
            command(&[b"XADD", key, &text(*id), b"x", b"y"])?;
        }
        // No group can have read more entries than were added.
        let last = gone.last().copied().unwrap_or_default();
        let added = stream.entries_added.max(gone.len() as u64).to_string();
        command(&[
            b"XSETID",
            key,
            &text(last),
            b"ENTRIESADDED",
            added.as_bytes(),
        ])?;
        groups(key, stream, command)?;
        claims(key, stream, command, |id| gone.contains(&id))?;
        command(&[b"XTRIM", key, b"MAXLEN", b"0"])?;
        command(&[b"XSETID", key, b"0-0"])?;
    }
    for entry in stream.range(Id::MIN, Id::MAX) {
        let mut args = vec![b"XADD".to_vec(), key.to_vec(), text(entry.id)];
        entry.each(|name, value| args.extend([name.to_vec(), value.to_vec()]));
        let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        command(&args)?;
    }
    if stream.is_empty() && gone.is_empty() {
        // An entry that goes as it comes makes the stream; it needs an id above zero.
        let id = text(stream.last_id().max(Id::new(0, 1)));
        command(&[b"XADD", key, b"MAXLEN", b"0", &id, b"x", b"y"])?;
    }
    let added = stream.entries_added.to_string();
    command(&[
        b"XSETID",
        key,
        &text(stream.last_id()),
        b"ENTRIESADDED",
        added.as_bytes(),
        b"MAXDELETEDID",
        &text(stream.max_deleted_id),
    ])?;
    if gone.is_empty() {
        groups(key, stream, command)?;
    }
    claims(key, stream, command, |id| !gone.contains(&id))?;
    idempotency(key, stream, command)
}

fn text(id: Id) -> Vec<u8> {
    id.text(&mut IdText::default()).to_vec()
}

/// The ids that are pending in some group and no longer in the stream.
fn pending_and_gone(stream: &Stream) -> BTreeSet<Id> {
    let pending = |group: &'_ Group| -> Vec<Id> {
        let ids = group.pending().iter().map(|pending| pending.id);
        ids.filter(|id| stream.get(*id).is_none()).collect()
    };
    stream.groups.values().flat_map(pending).collect()
}

/// Makes the groups and their consumers.
fn groups(key: &[u8], stream: &Stream, command: &mut Command<'_>) -> io::Result<()> {
    for (name, group) in &stream.groups {
        let read = group.entries_read.map_or(-1, |read| read as i64);
        command(&[
            b"XGROUP",
            b"CREATE",
            key,
            name,
            &text(group.last_id),
            b"ENTRIESREAD",
            read.to_string().as_bytes(),
        ])?;
        for consumer in group.consumers() {
            command(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer.name()])?;
        }
    }
    Ok(())
}

/// Makes those entries pending whose ids are meant.
fn claims(
    key: &[u8],
    stream: &Stream,
    command: &mut Command<'_>,
    is_meant: impl Fn(Id) -> bool,
) -> io::Result<()> {
    for (name, group) in &stream.groups {
        for pending in group
            .pending()
            .iter()
            .filter(|pending| is_meant(pending.id))
        {
            let Some(owner) = pending.owner() else {
                continue;
            };
            let owner = group.consumer(owner);
            let mut room = IdText::default();
            let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
            command(&[
                b"XCLAIM",
                key,
                name,
                owner.name(),
                b"0",
                pending.id.text(&mut room),
                b"TIME",
                time.format(pending.delivered_ms()).as_bytes(),
                b"RETRYCOUNT",
                count.format(pending.deliveries as i64).as_bytes(),
                b"JUSTID",
                b"FORCE",
            ])?;
        }
        let released = group.released();
        for pending in released.iter().filter(|pending| is_meant(pending.id)) {
            command(&[
                b"XNACK",
                key,
                name,
                b"FAIL",
                b"IDS",
                b"1",
                &text(pending.id),
                b"RETRYCOUNT",
                itoa::Buffer::new()
                    .format(pending.deliveries as i64)
                    .as_bytes(),
                b"FORCE",
            ])?;
        }
    }
    Ok(())
}

/// What is remembered of producers; how often they sent something twice, and how often in all, is not.
fn idempotency(key: &[u8], stream: &Stream, command: &mut Command<'_>) -> io::Result<()> {
    let Some(known) = &stream.idempotency else {
        return Ok(());
    };
    command(&[
        b"XCFGSET",
        key,
        b"IDMP-DURATION",
        known.duration_s().to_string().as_bytes(),
        b"IDMP-MAXSIZE",
        known.ids_max().to_string().as_bytes(),
    ])?;
    for (producer, ids) in known.producers() {
        for (iid, id) in ids {
            command(&[b"XIDMPRECORD", key, producer, iid, &text(id)])?;
        }
    }
    Ok(())
}
