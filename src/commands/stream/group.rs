//! XGROUP: groups and consumers made, moved and removed.

use super::{id, no_such_group};
use crate::command::Flag::DenyOom;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, WriteCall, help};
use crate::engine::Edit;
use crate::types::Bstr;
use crate::types::stream::{Group, Id, IdText, Stream};

pub const XGROUP: Command = Command {
    name: "xgroup",
    summary: "Manages the groups of a stream",
    cost: "Depends on subcommand.",
    since: "5.0.0",
    run: Run::Container,
    subcommands: &[
        &CREATE,
        &SETID,
        &DESTROY,
        &CREATECONSUMER,
        &DELCONSUMER,
        &help::HELP,
    ],
    ..Command::PLAIN
};

const NEW_ID: Arg = Arg::one_of("id-selector", &[Arg::text("id"), Arg::word("new-id", "$")]);
const ENTRIES_READ: Arg = Arg::int("entriesread").token("ENTRIESREAD").optional();

const CREATE: Command = Command {
    name: "create",
    summary: "Makes a group",
    since: "5.0.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::INSERT),
        Arg::text("group"),
        NEW_ID,
        Arg::word("mkstream", "MKSTREAM").optional(),
        ENTRIES_READ,
    ],
    arity: Some(-5),
    run: Run::Write(create),
    ..Command::PLAIN
};

/// The number behind ENTRIESREAD.
fn entries_read(call: &mut WriteCall<'_>) -> Result<Option<u64>, Fail> {
    match call.args.int()? {
        -1 => Ok(None),
        read => u64::try_from(read)
            .map(Some)
            .map_err(|_| Fail::Says("value for ENTRIESREAD must be positive or -1")),
    }
}

/// No more entries can have been read than were added; what a log or a master says was so.
fn held_down(read: Option<u64>, stream: &Stream, is_told: bool) -> Option<u64> {
    match is_told {
        true => read,
        false => read.map(|read| read.min(stream.entries_added)),
    }
}

/// The stream of a command that needs it, and its group's name.
fn stream_of<'e>(call: &'e mut WriteCall<'_>, key: &[u8]) -> Result<Edit<'e, Stream>, Fail> {
    call.db.edit::<Stream>(key)?.ok_or(Fail::Says(
        "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
    ))
}

fn create(call: &mut WriteCall<'_>) -> Done {
    let (key, name, text) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let (mut makes, mut read) = (false, None);
    while !call.args.is_empty() {
        if call.args.word("MKSTREAM") {
            makes = true;
        } else if call.args.word_with("ENTRIESREAD", 1) {
            read = entries_read(call)?;
        } else {
            return Err(help::misused(&call.args, call.entry));
        }
    }
    let is_long = call.args.all().len() > 8;
    let is_told = call.user.is_none();
    let misused = help::misused(&call.args, call.entry);
    let mut stream = if makes {
        call.db.edit_or_create::<Stream>(key)?
    } else {
        stream_of(call, key)?
    };
    if is_long {
        return Err(misused);
    }
    let id = match text {
        b"$" => stream.last_id(),
        text => id::parse(text, 0)?,
    };
    if stream.group(name).is_some() {
        return Err(Fail::code("BUSYGROUP Consumer Group name already exists"));
    }
    let read = held_down(read, &stream, is_told);
    let is_fresh = stream.is_fresh();
    stream.groups.insert(Bstr::new(name), Group::new(id, read));
    if is_fresh {
        stream.announce("xgroup-create");
    } else {
        stream.announce_aside("xgroup-create");
    }
    drop(stream);
    log_position(call, b"CREATE", key, name, id, read, makes);
    call.out.ok();
    Ok(Flow::Done)
}

/// Logs where a group stands, `$` being told.
fn log_position(
    call: &mut WriteCall<'_>,
    what: &[u8],
    key: &[u8],
    name: &[u8],
    id: Id,
    read: Option<u64>,
    makes: bool,
) {
    let (mut room, mut digits) = (IdText::default(), itoa::Buffer::new());
    let id = id.text(&mut room);
    let read = digits
        .format(read.map_or(-1, |read| read as i64))
        .as_bytes();
    let mut record = vec![b"XGROUP", what, key, name, id, b"ENTRIESREAD", read];
    if makes {
        record.push(b"MKSTREAM");
    }
    call.db.log(&record);
}

const SETID: Command = Command {
    name: "setid",
    summary: "Sets the last entry that a group was given",
    since: "5.0.0",
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::text("group"),
        NEW_ID,
        ENTRIES_READ,
    ],
    arity: Some(-5),
    run: Run::Write(setid),
    ..Command::PLAIN
};

fn setid(call: &mut WriteCall<'_>) -> Done {
    let (key, name, text) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let mut read = None;
    while !call.args.is_empty() {
        if !call.args.word_with("ENTRIESREAD", 1) {
            return Err(help::misused(&call.args, call.entry));
        }
        read = entries_read(call)?;
    }
    let is_long = call.args.all().len() > 7;
    let is_told = call.user.is_none();
    let misused = help::misused(&call.args, call.entry);
    let mut stream = stream_of(call, key)?;
    if stream.group(name).is_none() {
        return Err(no_such_group(key, name));
    }
    if is_long {
        return Err(misused);
    }
    let id = match text {
        b"$" => stream.last_id(),
        text => id::parse_or_edge(text, 0)?,
    };
    let read = held_down(read, &stream, is_told);
    stream.with_group(name, |_, group| {
        group.last_id = id;
        group.entries_read = read;
    });
    stream.announce_aside("xgroup-setid");
    drop(stream);
    log_position(call, b"SETID", key, name, id, read, false);
    call.out.ok();
    Ok(Flow::Done)
}

const DESTROY: Command = Command {
    name: "destroy",
    summary: "Removes a group",
    cost: "O(N) for N entries pending in the group",
    since: "5.0.0",
    args: &[Arg::key("key", KeyUse::DELETE), Arg::text("group")],
    run: Run::Write(destroy),
    ..Command::PLAIN
};

fn destroy(call: &mut WriteCall<'_>) -> Done {
    let (key, name) = (call.args.next()?, call.args.next()?);
    let mut stream = stream_of(call, key)?;
    let is_there = stream.groups.remove(name).is_some();
    if is_there {
        stream.announce_aside("xgroup-destroy");
        // Its blocked consumers must learn of it.
        stream.wake();
    }
    drop(stream);
    call.out.int(is_there);
    Ok(Flow::Done)
}

const CREATECONSUMER: Command = Command {
    name: "createconsumer",
    summary: "Makes a consumer",
    since: "6.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::INSERT),
        Arg::text("group"),
        Arg::text("consumer"),
    ],
    run: Run::Write(createconsumer),
    ..Command::PLAIN
};

fn createconsumer(call: &mut WriteCall<'_>) -> Done {
    let (key, name, consumer) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let now_ms = call.db.clock_ms();
    let mut stream = stream_of(call, key)?;
    let made = stream.with_group(name, |_, group| {
        group.find_or_add_consumer(consumer, now_ms).1
    });
    let made = made.ok_or_else(|| no_such_group(key, name))?;
    if made {
        stream.announce_aside("xgroup-createconsumer");
    }
    drop(stream);
    call.out.int(made);
    Ok(Flow::Done)
}

const DELCONSUMER: Command = Command {
    name: "delconsumer",
    summary: "Removes a consumer and what is pending for it",
    since: "5.0.0",
    args: &[
        Arg::key("key", KeyUse::DELETE),
        Arg::text("group"),
        Arg::text("consumer"),
    ],
    run: Run::Write(delconsumer),
    ..Command::PLAIN
};

fn delconsumer(call: &mut WriteCall<'_>) -> Done {
    let (key, name, consumer) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let mut stream = stream_of(call, key)?;
    let removed = stream.with_group(name, |_, group| group.remove_consumer(consumer));
    let removed = removed.ok_or_else(|| no_such_group(key, name))?;
    if removed.is_some() {
        stream.announce_aside("xgroup-delconsumer");
    }
    drop(stream);
    call.out.count(removed.unwrap_or(0));
    Ok(Flow::Done)
}
