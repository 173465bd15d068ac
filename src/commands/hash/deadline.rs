//! Times to live of single fields: the hash's type is looked at before anything else is.

use crate::command::Flag::Fast;
use crate::command::expiry::TimeUnit;
use crate::command::parts::{
    self, CONDITION, Condition, DELETED, DONE, NO_DEADLINE, NO_PART, NOT_MET, deadline_of,
};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::engine::Db;
use crate::types::Hash;

pub(super) const FIELDS: Arg = Arg::block(
    "fields",
    &[Arg::int("numfields"), Arg::text("field").many()],
)
.token("FIELDS");

/// What is said of a `numfields` that is no count: HEXPIRE and its like have words of their own.
const NUMFIELDS: Fail = Fail::Says("Parameter `numFields` should be greater than 0");
pub(super) const COUNT: Fail = Fail::Says("Number of fields must be a positive integer");

/// `FIELDS numfields field ...`, which ends the command.
pub(super) fn fields<'a>(args: &mut Args<'a>, no_count: Fail) -> Result<&'a [&'a [u8]], Fail> {
    if !args.word("FIELDS") {
        return Err(Fail::Says(
            "Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    let count = args.int_in(1..=i64::MAX, no_count)?;
    if count != args.len() as i64 {
        return Err(Fail::Says(
            "The `numfields` parameter must match the number of arguments",
        ));
    }
    Ok(args.rest())
}

pub const HEXPIRE: Command = Command {
    name: "hexpire",
    summary: "Sets the time to live of fields in seconds",
    cost: "O(N) for N fields",
    since: "7.4.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::int("seconds"),
        CONDITION,
        FIELDS,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::EX)),
    ..Command::PLAIN
};

pub const HPEXPIRE: Command = Command {
    name: "hpexpire",
    summary: "Sets the time to live of fields in milliseconds",
    cost: "O(N) for N fields",
    since: "7.4.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::int("milliseconds"),
        CONDITION,
        FIELDS,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::PX)),
    ..Command::PLAIN
};

pub const HEXPIREAT: Command = Command {
    name: "hexpireat",
    summary: "Sets the Unix time in seconds at which fields expire",
    cost: "O(N) for N fields",
    since: "7.4.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::unix_time("unix-time-seconds"),
        CONDITION,
        FIELDS,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::EXAT)),
    ..Command::PLAIN
};

pub const HPEXPIREAT: Command = Command {
    name: "hpexpireat",
    summary: "Sets the Unix time in milliseconds at which fields expire",
    cost: "O(N) for N fields",
    since: "7.4.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::unix_time("unix-time-milliseconds"),
        CONDITION,
        FIELDS,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::PXAT)),
    ..Command::PLAIN
};

/// What HEXPIRE and its like did to which fields.
struct Expired<'a> {
    deadline: u64,
    set: Vec<&'a [u8]>,
    deleted: Vec<&'a [u8]>,
}

fn expire(call: &mut WriteCall<'_>, unit: TimeUnit) -> Done {
    let key = call.args.next()?;
    let done = set_deadlines(call, key, unit)?;
    if !done.set.is_empty() {
        log_deadline(&mut call.db, key, done.deadline, &done.set);
    }
    if !done.deleted.is_empty() {
        call.db.log(&[&[b"HDEL", key], &done.deleted[..]].concat());
    }
    Ok(Flow::Done)
}

/// Logs that fields have this deadline from now on.
pub(super) fn log_deadline(db: &mut Db<'_>, key: &[u8], deadline: u64, fields: &[&[u8]]) {
    let (at, count) = (deadline.to_string(), fields.len().to_string());
    let head: [&[u8]; 5] = [
        b"HPEXPIREAT",
        key,
        at.as_bytes(),
        b"FIELDS",
        count.as_bytes(),
    ];
    db.log(&[&head, fields].concat());
}

fn set_deadlines<'a>(
    call: &mut WriteCall<'a>,
    key: &[u8],
    unit: TimeUnit,
) -> Result<Expired<'a>, Fail> {
    let (now, over_ms) = (call.db.now(), call.db.over_ms());
    let hash = call.db.edit::<Hash>(key)?;
    let deadline = deadline_of(call.args.int()?, unit, call.entry, now)?;
    let condition = Condition::parse(&mut call.args);
    let fields = fields(&mut call.args, NUMFIELDS)?;
    let (mut set, mut deleted) = (Vec::new(), Vec::new());
    let Some(mut hash) = hash else {
        parts::answer_none(call.out, fields);
        return Ok(Expired {
            deadline,
            set,
            deleted,
        });
    };
    hash.fields_mut().expect_deadlines();
    call.out.array(fields.len());
    for field in fields {
        let answer = if hash.get(field).is_none() {
            NO_PART
        } else if !condition.holds(hash.value().deadline(field), deadline) {
            NOT_MET
        } else if deadline <= over_ms {
            hash.fields_mut().remove(field);
            deleted.push(*field);
            DELETED
        } else {
            hash.fields_mut().set_deadline(field, deadline);
            set.push(*field);
            DONE
        };
        call.out.int(answer);
    }
    if !set.is_empty() {
        hash.announce_parts("hexpire", set.iter().copied());
    }
    if !deleted.is_empty() {
        hash.announce_parts("hdel", deleted.iter().copied());
    }
    Ok(Expired {
        deadline,
        set,
        deleted,
    })
}

pub const HPERSIST: Command = Command {
    name: "hpersist",
    summary: "Lets fields live for ever",
    cost: "O(N) for N fields",
    since: "7.4.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::UPDATE), FIELDS],
    run: Run::Write(hpersist),
    ..Command::PLAIN
};

fn hpersist(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let hash = call.db.edit::<Hash>(key)?;
    let fields = fields(&mut call.args, COUNT)?;
    let Some(mut hash) = hash else {
        parts::answer_none(call.out, fields);
        return Ok(Flow::Done);
    };
    call.out.array(fields.len());
    let mut changed = Vec::new();
    for field in fields {
        let answer = if hash.get(field).is_none() {
            NO_PART
        } else if hash.fields_mut().clear_deadline(field) {
            changed.push(*field);
            DONE
        } else {
            NO_DEADLINE
        };
        call.out.int(answer);
    }
    if !changed.is_empty() {
        hash.announce_parts("hpersist", changed);
    }
    Ok(Flow::Done)
}

pub const HTTL: Command = Command {
    name: "httl",
    summary: "Returns the seconds that fields have left",
    cost: "O(N) for N fields",
    since: "7.4.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), FIELDS],
    run: Run::Read(|call| tell(call, TimeUnit::EX)),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

pub const HPTTL: Command = Command {
    name: "hpttl",
    summary: "Returns the milliseconds that fields have left",
    cost: "O(N) for N fields",
    since: "7.4.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), FIELDS],
    run: Run::Read(|call| tell(call, TimeUnit::PX)),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

pub const HEXPIRETIME: Command = Command {
    name: "hexpiretime",
    summary: "Returns the Unix times in seconds at which fields expire",
    cost: "O(N) for N fields",
    since: "7.4.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), FIELDS],
    run: Run::Read(|call| tell(call, TimeUnit::EXAT)),
    ..Command::PLAIN
};

pub const HPEXPIRETIME: Command = Command {
    name: "hpexpiretime",
    summary: "Returns the Unix times in milliseconds at which fields expire",
    cost: "O(N) for N fields",
    since: "7.4.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), FIELDS],
    run: Run::Read(|call| tell(call, TimeUnit::PXAT)),
    ..Command::PLAIN
};

fn tell(call: &mut ReadCall<'_>, unit: TimeUnit) -> Done {
    let key = call.args.next()?;
    let now = call.db.now();
    let hash = call.db.read::<Hash>(key)?;
    let fields = fields(&mut call.args, COUNT)?;
    let Some(hash) = hash else {
        parts::answer_none(call.out, fields);
        return Ok(Flow::Done);
    };
    parts::tell(call.out, fields, (unit, now), |field| {
        hash.get(field, now.due_ms())?;
        Some(hash.deadline(field))
    });
    Ok(Flow::Done)
}
