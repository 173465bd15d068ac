//! Where a key stands: RENAME, COPY, MOVE.

use crate::command::Flag::{DenyOom, Fast};
use crate::command::{
    Arg, Args, Command, Databases, Done, Fail, Flow, KeyUse, Run, WriteCall, small_int,
};
use crate::engine::{Class, Deadline};
use crate::state::shared::Shared;

pub const RENAME: Command = Command {
    name: "rename",
    summary: "Gives a key another name, and replaces what has that name",
    args: &[
        Arg::key("key", KeyUse::READ_DELETE),
        Arg::key("newkey", KeyUse::OVERWRITE),
    ],
    run: Run::Write(rename),
    ..Command::PLAIN
};

fn rename(call: &mut WriteCall<'_>) -> Done {
    move_name(call, true)?;
    call.out.ok();
    Ok(Flow::Done)
}

pub const RENAMENX: Command = Command {
    name: "renamenx",
    summary: "Gives a key another name, unless that is taken",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ_DELETE),
        Arg::key("newkey", KeyUse::OVERWRITE_INSERT),
    ],
    run: Run::Write(renamenx),
    ..Command::PLAIN
};

fn renamenx(call: &mut WriteCall<'_>) -> Done {
    let done = move_name(call, false)?;
    call.out.int(done);
    Ok(Flow::Done)
}

fn move_name(call: &mut WriteCall<'_>, replace: bool) -> Result<bool, Fail> {
    let (from, to) = (call.args.next()?, call.args.next()?);
    if !call.db.mark(from) {
        return Err(Fail::NO_KEY);
    }
    if from == to {
        return Ok(replace);
    }
    let mut before = None;
    if call.db.mark(to) {
        if !replace {
            return Ok(false);
        }
        before = call.db.drop_quietly(to);
    }
    let taken = call.db.take(from).ok_or(Fail::NO_KEY)?;
    let deadline = taken.deadline_ms.map_or(Deadline::Clear, Deadline::At);
    call.db.put(to, taken.value.into(), deadline, taken.access);
    if taken.blessed {
        call.db.bless(to, true);
    }
    call.db.announce(Class::Generic, "rename_from", from);
    call.db.announce(Class::Generic, "rename_to", to);
    call.db.announce_overwritten(to, before);
    Ok(true)
}

pub const COPY: Command = Command {
    name: "copy",
    summary: "Copies a key's value to another key",
    cost: "O(N) for a collection of N elements, O(1) for a string",
    since: "6.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("source", KeyUse::READ),
        Arg::key("destination", KeyUse::OVERWRITE),
        Arg::int("destination-db").token("DB").optional(),
        Arg::word("replace", "REPLACE").optional(),
    ],
    run: Run::Write(copy),
    databases: Databases::NamedAndHere(|argv, visit| {
        let visit = |at, number| {
            visit(at, number);
            Ok(())
        };
        copy_options(&mut Args::new(argv, argv.len().min(3)), visit).map(|_| ())
    }),
    ..Command::PLAIN
};

fn copy(call: &mut WriteCall<'_>) -> Done {
    let (from, to) = (call.args.next()?, call.args.next()?);
    let mut db = call.db.index();
    let server = call.server;
    let replace = copy_options(&mut call.args, |_, number| {
        db = database(server, number)?;
        Ok(())
    })?;
    if db != 0 {
        let why = "Copying to another database is not allowed in cluster mode";
        call.server.without_cluster(why)?;
    }
    if db == call.db.index() && from == to {
        return Err(Fail::Says("source and destination objects are the same"));
    }
    // Where the command is read from a log, what is due stands.
    call.db.settle(from);
    let taken = call.db.other(db).exists(to);
    let copied = match call.db.value(from) {
        Some(value) if replace || !taken => value.detached(),
        found => {
            if found.is_some() {
                call.db.other(db).mark(to);
            }
            call.out.int(0);
            return Ok(Flow::Done);
        }
    };
    let deadline = call
        .db
        .deadline(from)
        .flatten()
        .map_or(Deadline::Clear, Deadline::At);
    let mut target = call.db.other(db);
    let before = target.drop_quietly(to);
    target.set(to, copied, deadline);
    target.announce(Class::Generic, "copy_to", to);
    target.announce_overwritten(to, before);
    call.out.int(1);
    Ok(Flow::Done)
}

/// Whether what stands at the destination is to be replaced. `visit` is told the databases that are named, and where.
fn copy_options(
    args: &mut Args<'_>,
    mut visit: impl FnMut(usize, i64) -> Result<(), Fail>,
) -> Result<bool, Fail> {
    let mut replace = false;
    while !args.is_empty() {
        if args.word("REPLACE") {
            replace = true;
        } else if args.word_with("DB", 1) {
            visit(args.position(), args.small_int()?)?;
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    Ok(replace)
}

pub const MOVE: Command = Command {
    name: "move",
    summary: "Moves a key to another database",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ_UPDATE), Arg::int("db")],
    run: Run::Write(move_db),
    databases: Databases::NamedAndHere(|argv, visit| {
        visit(2, Args::new(argv, argv.len().min(2)).small_int()?);
        Ok(())
    }),
    ..Command::PLAIN
};

fn move_db(call: &mut WriteCall<'_>) -> Done {
    if Some(call.db.index()) == call.server.store.staged_db() {
        // The log or a master says that keys are to be found by clients from now on; none hears of it.
        let heard = std::mem::take(&mut call.db.effects().wanted.events);
        let moved = move_key(call);
        call.db.effects().wanted.events = heard;
        return moved;
    }
    let why = "MOVE is not allowed in cluster mode";
    call.server.without_cluster(why)?;
    move_key(call)
}

fn move_key(call: &mut WriteCall<'_>) -> Done {
    let (key, number) = (call.args.next()?, call.args.next()?);
    let number = small_int(number)?;
    let db = database(call.server, number)?;
    if db == call.db.index() {
        return Err(Fail::Says("source and destination objects are the same"));
    }
    if !call.db.mark(key) || call.db.other(db).mark(key) {
        call.out.int(0);
        return Ok(Flow::Done);
    }
    let taken = call.db.take(key).ok_or(Fail::NO_KEY)?;
    let deadline = taken.deadline_ms.map_or(Deadline::Clear, Deadline::At);
    let mut target = call.db.other(db);
    target.put(key, taken.value.into(), deadline, taken.access);
    if taken.blessed {
        target.bless(key, true);
    }
    call.db.announce(Class::Generic, "move_from", key);
    call.db.other(db).announce(Class::Generic, "move_to", key);
    call.out.int(1);
    Ok(Flow::Done)
}

/// The number of a database that exists.
fn database(server: &Shared, number: i64) -> Result<usize, Fail> {
    let count = server.config.databases.get() as usize;
    usize::try_from(number)
        .ok()
        .filter(|db| *db < count)
        .ok_or(Fail::Says("DB index is out of range"))
}
