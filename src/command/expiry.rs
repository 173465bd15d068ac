//! Times to live as commands spell them: `EX`, `PX`, `EXAT`, `PXAT`.

use super::{Arg, Args, CommandEntry, Fail};
use crate::engine::Now;
use crate::util::number;

/// How a time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeUnit {
    pub seconds: bool,
    /// Since the Unix epoch, rather than from now.
    pub absolute: bool,
}

impl TimeUnit {
    pub const EX: TimeUnit = TimeUnit {
        seconds: true,
        absolute: false,
    };
    pub const PX: TimeUnit = TimeUnit {
        seconds: false,
        absolute: false,
    };
    pub const EXAT: TimeUnit = TimeUnit {
        seconds: true,
        absolute: true,
    };
    pub const PXAT: TimeUnit = TimeUnit {
        seconds: false,
        absolute: true,
    };

    /// The deadline that this many units mean, which may lie in the past; `None` if it can't be counted.
    pub fn deadline_ms(self, value: i64, now: Now) -> Option<i64> {
        let ms = if self.seconds {
            value.checked_mul(1000)?
        } else {
            value
        };
        if self.absolute {
            return Some(ms);
        }
        ms.checked_add(now.clock_ms() as i64)
    }

    /// A deadline as it is told in this unit: how much is left, or when it is.
    pub fn told(self, deadline_ms: u64, now: Now) -> i64 {
        let ms = match self.absolute {
            true => deadline_ms,
            false => deadline_ms.saturating_sub(now.clock_ms()),
        };
        (if self.seconds { ms.div_ceil(1000) } else { ms }) as i64
    }
}

const SECONDS: Arg = Arg::int("seconds").token("EX");
const MILLISECONDS: Arg = Arg::int("milliseconds").token("PX");
const UNIX_SECONDS: Arg = Arg::unix_time("unix-time-seconds").token("EXAT");
const UNIX_MILLISECONDS: Arg = Arg::unix_time("unix-time-milliseconds").token("PXAT");

/// The options of commands that set a deadline, or take away the one that there is unless they are told to keep it.
pub const EXPIRATION_OR_KEEPTTL: Arg = Arg::one_of(
    "expiration",
    &[
        SECONDS,
        MILLISECONDS,
        UNIX_SECONDS,
        UNIX_MILLISECONDS,
        Arg::word("keepttl", "KEEPTTL"),
    ],
)
.optional();

/// The options of commands that keep the deadline that there is, unless they are told to set one or to take it away.
pub const EXPIRATION_OR_PERSIST: Arg = Arg::one_of(
    "expiration",
    &[
        SECONDS,
        MILLISECONDS,
        UNIX_SECONDS,
        UNIX_MILLISECONDS,
        Arg::word("persist", "PERSIST"),
    ],
)
.optional();

/// One of the four options as it was said: its value is judged once all options are read.
#[derive(Clone, Copy, Debug)]
pub struct ExpiryOption<'a> {
    pub unit: TimeUnit,
    pub value: &'a [u8],
}

impl<'a> ExpiryOption<'a> {
    /// Takes one of the four options with its value.
    pub fn take(args: &mut Args<'a>) -> Result<Option<Self>, Fail> {
        let words = [
            ("EX", TimeUnit::EX),
            ("PX", TimeUnit::PX),
            ("EXAT", TimeUnit::EXAT),
            ("PXAT", TimeUnit::PXAT),
        ];
        for (word, unit) in words {
            if args.word_with(word, 1) {
                return Ok(Some(ExpiryOption {
                    unit,
                    value: args.next()?,
                }));
            }
        }
        Ok(None)
    }

    pub fn deadline_ms(&self, entry: &CommandEntry, now: Now) -> Result<u64, Fail> {
        let value = number::parse_i64(self.value).ok_or(Fail::NOT_INTEGER)?;
        positive(value, self.unit, entry, now)
    }
}

/// The deadline of a time that must be positive.
pub fn positive(value: i64, unit: TimeUnit, entry: &CommandEntry, now: Now) -> Result<u64, Fail> {
    let deadline = if value > 0 {
        unit.deadline_ms(value, now)
    } else {
        None
    };
    deadline
        .map(|ms| ms as u64)
        .ok_or_else(|| Fail::expire_time(&entry.full_name))
}
