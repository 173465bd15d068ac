//! Times to live of a value's parts: what the commands of a hash's fields and of a set's members have in common.

use hashbrown::HashSet;

use super::expiry::TimeUnit;
use super::{Arg, Args, CommandEntry, Fail};
use crate::engine::Now;
use crate::resp::Reply;
use crate::types::{Bstr, PART_DEADLINE_MAX_MS, Piece};

// What is answered for each part.
pub const NO_PART: i64 = -2;
pub const NO_DEADLINE: i64 = -1;
pub const NOT_MET: i64 = 0;
pub const DONE: i64 = 1;
pub const DELETED: i64 = 2;

pub const CONDITION: Arg = Arg::one_of(
    "condition",
    &[
        Arg::word("nx", "NX"),
        Arg::word("xx", "XX"),
        Arg::word("gt", "GT"),
        Arg::word("lt", "LT"),
    ],
)
.optional();

/// Answers the same for every part: there is no value.
pub fn answer_none(out: &mut Reply, parts: &[&[u8]]) {
    out.array(parts.len());
    parts.iter().for_each(|_| out.int(NO_PART));
}

/// Answers for each part how long it has left, or when it ends. `held` tells of a part that there is whether it has a deadline.
pub fn tell<'p>(
    out: &mut Reply,
    parts: &[&'p [u8]],
    (unit, now): (TimeUnit, Now),
    held: impl Fn(&'p [u8]) -> Option<Option<u64>>,
) {
    out.array(parts.len());
    for part in parts {
        out.int(match held(part) {
            None => NO_PART,
            Some(None) => NO_DEADLINE,
            Some(Some(deadline)) => unit.told(deadline, now),
        });
    }
}

/// Whether a part is one of these, which are due.
pub fn is_among(due: &HashSet<Bstr>, part: &Piece<'_>) -> bool {
    !due.is_empty() && due.contains(part.as_bytes(&mut itoa::Buffer::new()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Always,
    Nx,
    Xx,
    Gt,
    Lt,
}

impl Condition {
    pub fn parse(args: &mut Args<'_>) -> Self {
        let words = [
            ("NX", Condition::Nx),
            ("XX", Condition::Xx),
            ("GT", Condition::Gt),
            ("LT", Condition::Lt),
        ];
        let found = words.into_iter().find(|(word, _)| args.word(word));
        found.map_or(Condition::Always, |(_, condition)| condition)
    }

    pub fn holds(self, present: Option<u64>, new: u64) -> bool {
        match self {
            Condition::Always => true,
            Condition::Nx => present.is_none(),
            Condition::Xx => present.is_some(),
            Condition::Gt => present.is_some_and(|held| new > held),
            Condition::Lt => present.is_none_or(|held| new < held),
        }
    }
}

/// The deadline that a time means, which may be now or long ago, but not before the Unix epoch.
pub fn deadline_of(time: i64, unit: TimeUnit, entry: &CommandEntry, now: Now) -> Result<u64, Fail> {
    if time < 0 {
        return Err(Fail::Says("invalid expire time, must be >= 0"));
    }
    let deadline = unit.deadline_ms(time, now);
    let deadline = deadline.and_then(|deadline| u64::try_from(deadline).ok());
    let deadline = deadline.filter(|deadline| *deadline <= PART_DEADLINE_MAX_MS);
    deadline.ok_or_else(|| Fail::expire_time(entry.command.name))
}
