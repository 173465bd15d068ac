//! Times to live of single fields.

use crate::command::Flag::{DenyOom, Fast};
use crate::command::expiry::Unit;
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::types::Hash;

const BAD_COUNT: &str = "Number of fields must be a positive integer";
/// The latest deadline of a field, as in Redis, in milliseconds since the Unix epoch.
const DEADLINE_MAX_MS: i64 = (1 << 46) - 1;

// What is answered for each field.
const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;
const NOT_MET: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

const CONDITION: Arg = Arg::one_of(
    "condition",
    &[
        Arg::word("nx", "NX"),
        Arg::word("xx", "XX"),
        Arg::word("gt", "GT"),
        Arg::word("lt", "LT"),
    ],
)
.optional();
const FIELDS: Arg = Arg::block(
    "fields",
    &[Arg::int("numfields"), Arg::text("field").many()],
)
.token("FIELDS");

macro_rules! setter {
    ($const:ident, $name:literal, $summary:literal, $time:expr, $unit:expr) => {
        pub const $const: Command = Command {
            name: $name,
            summary: $summary,
            cost: "O(N) for N fields",
            since: "7.4.0",
            flags: &[DenyOom, Fast],
            args: &[Arg::key("key", KeyUse::UPDATE), $time, CONDITION, FIELDS],
            run: Run::Write(|call| expire(call, $unit)),
            ..Command::PLAIN
        };
    };
}

setter!(
    HEXPIRE,
    "hexpire",
    "Sets the time to live of fields in seconds",
    Arg::int("seconds"),
    Unit::EX
);
setter!(
    HPEXPIRE,
    "hpexpire",
    "Sets the time to live of fields in milliseconds",
    Arg::int("milliseconds"),
    Unit::PX
);
setter!(
    HEXPIREAT,
    "hexpireat",
    "Sets the Unix time in seconds at which fields expire",
    Arg::unix_time("unix-time-seconds"),
    Unit::EXAT
);
setter!(
    HPEXPIREAT,
    "hpexpireat",
    "Sets the Unix time in milliseconds at which fields expire",
    Arg::unix_time("unix-time-milliseconds"),
    Unit::PXAT
);

macro_rules! teller {
    ($const:ident, $name:literal, $summary:literal, $unit:expr, $tips:expr) => {
        pub const $const: Command = Command {
            name: $name,
            summary: $summary,
            cost: "O(N) for N fields",
            since: "7.4.0",
            flags: &[Fast],
            args: &[Arg::key("key", KeyUse::READ), FIELDS],
            run: Run::Read(|call| tell(call, $unit)),
            tips: $tips,
            ..Command::PLAIN
        };
    };
}

teller!(
    HTTL,
    "httl",
    "Returns the seconds that fields have left",
    Unit::EX,
    &["nondeterministic_output"]
);
teller!(
    HPTTL,
    "hpttl",
    "Returns the milliseconds that fields have left",
    Unit::PX,
    &["nondeterministic_output"]
);
teller!(
    HEXPIRETIME,
    "hexpiretime",
    "Returns the Unix times in seconds at which fields expire",
    Unit::EXAT,
    &[]
);
teller!(
    HPEXPIRETIME,
    "hpexpiretime",
    "Returns the Unix times in milliseconds at which fields expire",
    Unit::PXAT,
    &[]
);

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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    Nx,
    Xx,
    Gt,
    Lt,
}

impl Condition {
    fn parse(args: &mut Args<'_>) -> Self {
        let words = [
            ("NX", Condition::Nx),
            ("XX", Condition::Xx),
            ("GT", Condition::Gt),
            ("LT", Condition::Lt),
        ];
        let found = words.into_iter().find(|(word, _)| args.word(word));
        found.map_or(Condition::Always, |(_, condition)| condition)
    }

    fn holds(self, present: Option<u64>, new: u64) -> bool {
        match self {
            Condition::Always => true,
            Condition::Nx => present.is_none(),
            Condition::Xx => present.is_some(),
            Condition::Gt => present.is_some_and(|held| new > held),
            Condition::Lt => present.is_none_or(|held| new < held),
        }
    }
}

/// `FIELDS numfields field ...`, which ends the command; `bad_count` answers a count that is not positive.
fn fields<'a>(args: &mut Args<'a>, bad_count: &'static str) -> Result<&'a [&'a [u8]], Fail> {
    if !args.word("FIELDS") {
        return Err(Fail::Says(
            "Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    let count = args.int_in(1..=i64::MAX, Fail::Says(bad_count))?;
    if count != args.len() as i64 {
        return Err(Fail::Says(
            "The `numfields` parameter must match the number of arguments",
        ));
    }
    Ok(args.rest())
}

/// Answers the same for every field: there is no hash.
fn answer_none(call_out: &mut crate::resp::Reply, fields: &[&[u8]]) -> Done {
    call_out.array(fields.len());
    fields.iter().for_each(|_| call_out.int(NO_FIELD));
    Ok(Flow::Done)
}

fn expire(call: &mut WriteCall<'_>, unit: Unit) -> Done {
    let key = call.args.next()?;
    let time = call.args.int()?;
    if time < 0 {
        return Err(Fail::Says("invalid expire time, must be >= 0"));
    }
    let now_ms = call.db.now_ms();
    let deadline = unit
        .deadline_ms(time, now_ms)
        .filter(|deadline| *deadline <= DEADLINE_MAX_MS)
        .ok_or_else(|| Fail::expire_time(call.entry.command.name))? as u64;
    let condition = Condition::parse(&mut call.args);
    let fields = fields(
        &mut call.args,
        "Parameter `numFields` should be greater than 0",
    )?;
    let Some(mut hash) = call.db.edit::<Hash>(key)? else {
        return answer_none(call.out, fields);
    };
    call.out.array(fields.len());
    let (mut set, mut deleted) = (Vec::new(), Vec::new());
    for field in fields {
        let answer = if hash.get(field).is_none() {
            NO_FIELD
        } else if !condition.holds(hash.value().deadline(field), deadline) {
            NOT_MET
        } else if deadline <= now_ms {
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
        hash.announce("hexpire");
    }
    if !deleted.is_empty() {
        hash.announce("hdel");
    }
    drop(hash);
    if !set.is_empty() {
        let (at, count) = (deadline.to_string(), set.len().to_string());
        let head: [&[u8]; 5] = [
            b"HPEXPIREAT",
            key,
            at.as_bytes(),
            b"FIELDS",
            count.as_bytes(),
        ];
        call.db.log(&[&head, &set[..]].concat());
    }
    if !deleted.is_empty() {
        call.db.log(&[&[b"HDEL", key], &deleted[..]].concat());
    }
    Ok(Flow::Done)
}

fn tell(call: &mut ReadCall<'_>, unit: Unit) -> Done {
    let key = call.args.next()?;
    let fields = fields(&mut call.args, BAD_COUNT)?;
    let now_ms = call.db.now_ms();
    let Some(hash) = call.db.read::<Hash>(key)? else {
        return answer_none(call.out, fields);
    };
    call.out.array(fields.len());
    for field in fields {
        let answer = match (hash.get(field, now_ms), hash.deadline(field)) {
            (None, _) => NO_FIELD,
            (Some(_), None) => NO_DEADLINE,
            (Some(_), Some(deadline)) => {
                let ms = if unit.absolute {
                    deadline
                } else {
                    deadline - now_ms
                };
                (if unit.seconds { ms.div_ceil(1000) } else { ms }) as i64
            }
        };
        call.out.int(answer);
    }
    Ok(Flow::Done)
}

fn hpersist(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let fields = fields(&mut call.args, BAD_COUNT)?;
    let Some(mut hash) = call.db.edit::<Hash>(key)? else {
        return answer_none(call.out, fields);
    };
    call.out.array(fields.len());
    let mut changed = false;
    for field in fields {
        let answer = if hash.get(field).is_none() {
            NO_FIELD
        } else if hash.fields_mut().clear_deadline(field) {
            changed = true;
            DONE
        } else {
            NO_DEADLINE
        };
        call.out.int(answer);
    }
    if changed {
        hash.announce("hpersist");
    }
    Ok(Flow::Done)
}
