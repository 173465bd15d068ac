//! A stream as commands: entries, counters, groups, and what is pending.
//!
//! As Redis writes it. A pending entry that was deleted from the stream has no command that makes
//! it, so it is gone after this, as it is from Redis's own rewritten log.

use std::io;

use crate::types::stream::{Group, Id, IdText, Stream};

/// Takes one command.
type Command<'o> = dyn FnMut(&[&[u8]]) -> io::Result<()> + 'o;

pub fn write(key: &[u8], stream: &Stream, command: &mut Command<'_>) -> io::Result<()> {
    let text = |id: Id| id.text(&mut IdText::default()).to_vec();
    for entry in stream.range(Id::MIN, Id::MAX) {
        let mut args = vec![b"XADD".to_vec(), key.to_vec(), text(entry.id)];
        entry.each(|name, value| args.extend([name.to_vec(), value.to_vec()]));
        let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        command(&args)?;
    }
    if stream.is_empty() {
        // An entry that goes as it comes makes the stream; it needs an id above zero.
        let id = text(stream.last_id().max(Id::new(0, 1)));
        let args: [&[u8]; 7] = [b"XADD", key, b"MAXLEN", b"0", &id, b"x", b"y"];
        command(&args)?;
    }
    let added = stream.entries_added.to_string();
    let args: [&[u8]; 7] = [
        b"XSETID",
        key,
        &text(stream.last_id()),
        b"ENTRIESADDED",
        added.as_bytes(),
        b"MAXDELETEDID",
        &text(stream.max_deleted_id),
    ];
    command(&args)?;
    for (name, group) in &stream.groups {
        let read = group.entries_read.map_or(-1, |read| read as i64);
        let read = read.to_string();
        let args: [&[u8]; 7] = [
            b"XGROUP",
            b"CREATE",
            key,
            name,
            &text(group.last_id),
            b"ENTRIESREAD",
            read.as_bytes(),
        ];
        command(&args)?;
        pending(key, name, group, command)?;
    }
    Ok(())
}

fn pending(key: &[u8], name: &[u8], group: &Group, command: &mut Command<'_>) -> io::Result<()> {
    for consumer in group.consumers() {
        let args: [&[u8]; 5] = [b"XGROUP", b"CREATECONSUMER", key, name, consumer.name()];
        command(&args)?;
    }
    for pending in group.pending().iter() {
        let owner = group.consumer(pending.owner());
        let mut room = IdText::default();
        let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        let args: [&[u8]; 12] = [
            b"XCLAIM",
            key,
            name,
            owner.name(),
            b"0",
            pending.id.text(&mut room),
            b"TIME",
            time.format(pending.delivered_ms).as_bytes(),
            b"RETRYCOUNT",
            count.format(pending.deliveries as i64).as_bytes(),
            b"JUSTID",
            b"FORCE",
        ];
        command(&args)?;
    }
    Ok(())
}
