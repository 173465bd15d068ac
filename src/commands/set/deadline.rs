//! Times to live of single members, as redis.io documents them since 8.12. The set's type is looked at before anything else is.

use crate::command::Flag::Fast;
use crate::command::expiry::TimeUnit;
use crate::command::parts::{
    self, CONDITION, Condition, DELETED, DONE, NO_DEADLINE, NO_PART, NOT_MET, answer_none,
    deadline_of,
};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::engine::Db;
use crate::types::Set;

pub(super) const MEMBERS: Arg = Arg::block(
    "members",
    &[Arg::int("nummembers"), Arg::text("member").many()],
)
.token("MEMBERS");

const COUNT_MAX: i64 = i32::MAX as i64;

pub const SEXPIRE: Command = Command {
    name: "sexpire",
    summary: "Sets the time to live of members in seconds",
    cost: "O(N) for N members",
    since: "8.12.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::int("seconds"),
        CONDITION,
        MEMBERS,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::EX)),
    ..Command::PLAIN
};

pub const SPEXPIRE: Command = Command {
    name: "spexpire",
    summary: "Sets the time to live of members in milliseconds",
    cost: "O(N) for N members",
    since: "8.12.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::int("milliseconds"),
        CONDITION,
        MEMBERS,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::PX)),
    ..Command::PLAIN
};

pub const SEXPIREAT: Command = Command {
    name: "sexpireat",
    summary: "Sets the Unix time in seconds at which members expire",
    cost: "O(N) for N members",
    since: "8.12.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::unix_time("unix-time-seconds"),
        CONDITION,
        MEMBERS,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::EXAT)),
    ..Command::PLAIN
};

pub const SPEXPIREAT: Command = Command {
    name: "spexpireat",
    summary: "Sets the Unix time in milliseconds at which members expire",
    cost: "O(N) for N members",
    since: "8.12.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::unix_time("unix-time-milliseconds"),
        CONDITION,
        MEMBERS,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::PXAT)),
    ..Command::PLAIN
};

/// How many arguments are to follow `MEMBERS`, and what is said of fewer, and of what is no count.
pub(super) struct Wording<'w> {
    pub least: usize,
    pub few: &'w dyn Fn() -> Fail,
    pub no_count: Fail,
}

/// Takes the members, and the other options in whatever order they stand: `option` takes one of them.
pub(super) fn take_members<'a>(
    args: &mut Args<'a>,
    wording: &Wording<'_>,
    mut option: impl FnMut(&mut Args<'a>) -> Result<(), Fail>,
) -> Result<&'a [&'a [u8]], Fail> {
    let mut members = None;
    while !args.is_empty() {
        if !args.word("MEMBERS") {
            option(args)?;
            continue;
        }
        if members.is_some() {
            return Err(Fail::Says("MEMBERS keyword specified multiple times"));
        }
        if args.len() < wording.least {
            return Err((wording.few)());
        }
        let count = args.int_in(1..=COUNT_MAX, wording.no_count.clone())?;
        if count > args.len() as i64 {
            return Err(Fail::Says("wrong number of arguments"));
        }
        members = Some(args.take(count as usize)?);
    }
    members.ok_or(Fail::Says("missing MEMBERS argument"))
}

pub(super) fn unknown(args: &mut Args<'_>) -> Fail {
    let word = args.next().unwrap_or_default();
    Fail::said(format!(
        "unknown argument: {}",
        String::from_utf8_lossy(word)
    ))
}

/// A condition and the members, in any order.
fn wish<'a>(args: &mut Args<'a>) -> Result<(Condition, &'a [&'a [u8]]), Fail> {
    let wording = Wording {
        least: 2,
        few: &|| Fail::Says("MEMBERS requires at least nummembers and one member argument"),
        no_count: Fail::Says("Parameter `numMembers` should be greater than 0"),
    };
    let mut conditions = Vec::new();
    let members = take_members(args, &wording, |args| {
        match Condition::parse(args) {
            Condition::Always => return Err(unknown(args)),
            // A condition may be repeated.
            condition if conditions.contains(&condition) => {}
            condition => conditions.push(condition),
        }
        Ok(())
    })?;
    match conditions[..] {
        [] => Ok((Condition::Always, members)),
        [condition] => Ok((condition, members)),
        _ => Err(Fail::Says("Multiple condition flags specified")),
    }
}

/// What SEXPIRE and its like did to which members.
#[derive(Default)]
struct ExpiredMembers<'a> {
    deadline: u64,
    timed: Vec<&'a [u8]>,
    deleted: Vec<&'a [u8]>,
}

fn expire(call: &mut WriteCall<'_>, unit: TimeUnit) -> Done {
    let key = call.args.next()?;
    let done = set_deadlines(call, key, unit)?;
    log(&mut call.db, key, done.deadline, &done.timed, &done.deleted);
    Ok(Flow::Done)
}

fn set_deadlines<'a>(
    call: &mut WriteCall<'a>,
    key: &[u8],
    unit: TimeUnit,
) -> Result<ExpiredMembers<'a>, Fail> {
    let (now, over_ms) = (call.db.now(), call.db.over_ms());
    let limits = &call.db.rules().limits;
    let set = call.db.edit::<Set>(key)?;
    let deadline = deadline_of(call.args.int()?, unit, call.entry, now)?;
    let (condition, members) = wish(&mut call.args)?;
    let Some(mut set) = set else {
        answer_none(call.out, members);
        return Ok(ExpiredMembers::default());
    };
    let (mut timed, mut deleted) = (Vec::new(), Vec::new());
    call.out.array(members.len());
    for member in members {
        let answer = if !set.contains(member) {
            NO_PART
        } else if !condition.holds(set.deadline(member), deadline) {
            NOT_MET
        } else if deadline <= over_ms {
            set.remove(member);
            deleted.push(*member);
            DELETED
        } else {
            set.set_deadline(member, deadline, limits);
            timed.push(*member);
            DONE
        };
        call.out.int(answer);
    }
    if !deleted.is_empty() {
        set.announce_parts("srem", deleted.iter().copied());
    }
    if !timed.is_empty() {
        set.announce_parts("sexpire", timed.iter().copied());
    }
    Ok(ExpiredMembers {
        deadline,
        timed,
        deleted,
    })
}

/// Logs that members have this deadline from now on, and that others are gone.
pub(super) fn log(db: &mut Db<'_>, key: &[u8], deadline: u64, timed: &[&[u8]], gone: &[&[u8]]) {
    if !gone.is_empty() {
        db.log(&[&[b"SREM", key], gone].concat());
    }
    if !timed.is_empty() {
        let (at, count) = (deadline.to_string(), timed.len().to_string());
        let head: [&[u8]; 5] = [
            b"SPEXPIREAT",
            key,
            at.as_bytes(),
            b"MEMBERS",
            count.as_bytes(),
        ];
        db.log(&[&head, timed].concat());
    }
}

/// `MEMBERS nummembers member ...`, which ends the command.
fn members<'a>(args: &mut Args<'a>) -> Result<&'a [&'a [u8]], Fail> {
    if !args.word("MEMBERS") {
        return Err(Fail::Says(
            "Mandatory argument MEMBERS is missing or not at the right position",
        ));
    }
    let count = Fail::Says("Number of members must be a positive integer");
    if args.int_in(1..=i64::MAX, count)? != args.len() as i64 {
        return Err(Fail::Says(
            "The `nummembers` parameter must match the number of arguments",
        ));
    }
    Ok(args.rest())
}

pub const SPERSIST: Command = Command {
    name: "spersist",
    summary: "Lets members live for ever",
    cost: "O(N) for N members",
    since: "8.12.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::UPDATE), MEMBERS],
    run: Run::Write(spersist),
    ..Command::PLAIN
};

fn spersist(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let set = call.db.edit::<Set>(key)?;
    let members = members(&mut call.args)?;
    let Some(mut set) = set else {
        answer_none(call.out, members);
        return Ok(Flow::Done);
    };
    call.out.array(members.len());
    let mut changed = Vec::new();
    for member in members {
        let answer = if !set.contains(member) {
            NO_PART
        } else if set.clear_deadline(member) {
            changed.push(*member);
            DONE
        } else {
            NO_DEADLINE
        };
        call.out.int(answer);
    }
    if !changed.is_empty() {
        set.announce_parts("spersist", changed);
    }
    Ok(Flow::Done)
}

pub const STTL: Command = Command {
    name: "sttl",
    summary: "Returns the seconds that members have left",
    cost: "O(N) for N members",
    since: "8.12.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), MEMBERS],
    run: Run::Read(|call| tell(call, TimeUnit::EX)),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

pub const SPTTL: Command = Command {
    name: "spttl",
    summary: "Returns the milliseconds that members have left",
    cost: "O(N) for N members",
    since: "8.12.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), MEMBERS],
    run: Run::Read(|call| tell(call, TimeUnit::PX)),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

pub const SEXPIRETIME: Command = Command {
    name: "sexpiretime",
    summary: "Returns the Unix times in seconds at which members expire",
    cost: "O(N) for N members",
    since: "8.12.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), MEMBERS],
    run: Run::Read(|call| tell(call, TimeUnit::EXAT)),
    ..Command::PLAIN
};

pub const SPEXPIRETIME: Command = Command {
    name: "spexpiretime",
    summary: "Returns the Unix times in milliseconds at which members expire",
    cost: "O(N) for N members",
    since: "8.12.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), MEMBERS],
    run: Run::Read(|call| tell(call, TimeUnit::PXAT)),
    ..Command::PLAIN
};

fn tell(call: &mut ReadCall<'_>, unit: TimeUnit) -> Done {
    let key = call.args.next()?;
    let now = call.db.now();
    let set = call.db.members(key)?;
    let members = members(&mut call.args)?;
    let Some(set) = set else {
        answer_none(call.out, members);
        return Ok(Flow::Done);
    };
    parts::tell(call.out, members, (unit, now), |member| {
        set.contains(member).then(|| set.deadline(member))
    });
    Ok(Flow::Done)
}
