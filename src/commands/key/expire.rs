//! Times to live.

use crate::command::Flag::Fast;
use crate::command::expiry::TimeUnit;
use crate::command::{
    Arg, Args, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall, quoted,
};
use crate::engine::Class;

const CONDITION: Arg = Arg::one_of(
    "condition",
    &[
        Arg::word("nx", "NX"),
        Arg::word("xx", "XX"),
        Arg::word("gt", "GT"),
        Arg::word("lt", "LT"),
    ],
)
.optional()
.since("7.0.0");

pub const EXPIRE: Command = Command {
    name: "expire",
    summary: "Sets a key's time to live in seconds",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::int("seconds"),
        CONDITION,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::EX)),
    ..Command::PLAIN
};

pub const PEXPIRE: Command = Command {
    name: "pexpire",
    summary: "Sets a key's time to live in milliseconds",
    since: "2.6.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::int("milliseconds"),
        CONDITION,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::PX)),
    ..Command::PLAIN
};

pub const EXPIREAT: Command = Command {
    name: "expireat",
    summary: "Sets the Unix time in seconds at which a key expires",
    since: "1.2.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::unix_time("unix-time-seconds"),
        CONDITION,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::EXAT)),
    ..Command::PLAIN
};

pub const PEXPIREAT: Command = Command {
    name: "pexpireat",
    summary: "Sets the Unix time in milliseconds at which a key expires",
    since: "2.6.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::unix_time("unix-time-milliseconds"),
        CONDITION,
    ],
    run: Run::Write(|call| expire(call, TimeUnit::PXAT)),
    ..Command::PLAIN
};

/// NX, XX, GT and LT.
#[derive(Default)]
struct ExpireOptions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl ExpireOptions {
    fn parse(args: &mut Args<'_>) -> Result<Self, Fail> {
        let mut condition = ExpireOptions::default();
        while !args.is_empty() {
            if args.word("NX") {
                condition.nx = true;
            } else if args.word("XX") {
                condition.xx = true;
            } else if args.word("GT") {
                condition.gt = true;
            } else if args.word("LT") {
                condition.lt = true;
            } else {
                let option = quoted(args.next()?).into_owned();
                return Err(Fail::said(format!("Unsupported option {option}")));
            }
        }
        if condition.nx && (condition.xx || condition.gt || condition.lt) {
            return Err(Fail::Says(
                "NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if condition.gt && condition.lt {
            return Err(Fail::Says(
                "GT and LT options at the same time are not compatible",
            ));
        }
        Ok(condition)
    }

    /// Whether a new deadline may take the place of the present one.
    fn holds(&self, present: Option<u64>, new_ms: i64) -> bool {
        let later = present.is_some_and(|held| new_ms > held as i64);
        let sooner = present.is_none_or(|held| new_ms < held as i64);
        !(self.nx && present.is_some()
            || self.xx && present.is_none()
            || self.gt && !later
            || self.lt && !sooner)
    }
}

fn expire(call: &mut WriteCall<'_>, unit: TimeUnit) -> Done {
    let key = call.args.next()?;
    let time = call.args.next()?;
    let condition = ExpireOptions::parse(&mut call.args)?;
    let time = crate::util::number::parse_i64(time).ok_or(Fail::NOT_INTEGER)?;
    let now = call.db.now();
    let deadline = unit
        .deadline_ms(time, now)
        .ok_or_else(|| Fail::expire_time(call.entry.command.name))?;
    call.db.mark(key);
    let Some(present) = call.db.deadline(key) else {
        call.out.int(0);
        return Ok(Flow::Done);
    };
    if !condition.holds(present, deadline) {
        call.out.int(0);
        return Ok(Flow::Done);
    }
    if deadline <= now.due_ms() as i64 && !call.db.rules().importing {
        call.db.delete(key);
        call.db.log(&[b"DEL", key]);
    } else {
        // While data are imported, it may lie before the Unix epoch.
        let deadline = deadline.max(1);
        call.db.set_deadline(key, Some(deadline as u64));
        call.db.announce(Class::Generic, "expire", key);
        call.db.log(&[
            b"PEXPIREAT",
            key,
            itoa::Buffer::new().format(deadline).as_bytes(),
        ]);
    }
    call.out.int(1);
    Ok(Flow::Done)
}

pub const TTL: Command = Command {
    name: "ttl",
    summary: "Returns the seconds that a key has left",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(|call| tell(call, TimeUnit::EX)),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

pub const PTTL: Command = Command {
    name: "pttl",
    summary: "Returns the milliseconds that a key has left",
    since: "2.6.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(|call| tell(call, TimeUnit::PX)),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

pub const EXPIRETIME: Command = Command {
    name: "expiretime",
    summary: "Returns the Unix time in seconds at which a key expires",
    since: "7.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(|call| tell(call, TimeUnit::EXAT)),
    ..Command::PLAIN
};

pub const PEXPIRETIME: Command = Command {
    name: "pexpiretime",
    summary: "Returns the Unix time in milliseconds at which a key expires",
    since: "7.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(|call| tell(call, TimeUnit::PXAT)),
    ..Command::PLAIN
};

fn tell(call: &mut ReadCall<'_>, unit: TimeUnit) -> Done {
    let key = call.args.next()?;
    let found = call.db.counted(key).and_then(|_| call.db.deadline(key));
    let answer = match found {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => {
            let ms = if unit.absolute {
                deadline
            } else {
                deadline.saturating_sub(call.db.clock_ms())
            };
            (if unit.seconds { (ms + 500) / 1000 } else { ms }) as i64
        }
    };
    call.out.int(answer);
    Ok(Flow::Done)
}

pub const PERSIST: Command = Command {
    name: "persist",
    summary: "Lets a key live for ever",
    since: "2.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::UPDATE)],
    run: Run::Write(persist),
    ..Command::PLAIN
};

fn persist(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    call.db.mark(key);
    let done = call.db.set_deadline(key, None);
    if done {
        call.db.announce(Class::Generic, "persist", key);
    }
    call.out.int(done);
    Ok(Flow::Done)
}
