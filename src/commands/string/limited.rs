//! INCREX: a number that is added to within bounds, and its time to live: a rate limiter in one command.
//!
//! The log has the value that comes of it, as INCRBYFLOAT's: SET, or DEL where the time to live has passed already.

use crate::command::Flag::{DenyOom, Fast};
use crate::command::expiry::{EXPIRATION_OR_PERSIST, ExpiryOption};
use crate::command::{Arg, Args, Command, CommandEntry, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::engine::{Class, Deadline, New, Now};
use crate::types::{Piece, Text, TextRef};
use crate::util::extended::Extended;
use crate::util::number;

pub const INCREX: Command = Command {
    name: "increx",
    summary: "Adds to a number within bounds, and sets or clears its time to live",
    since: "8.8.0",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::one_of(
            "increment",
            &[
                Arg::double("float").token("BYFLOAT"),
                Arg::int("integer").token("BYINT"),
            ],
        )
        .optional(),
        Arg::word("saturate", "SATURATE").optional(),
        Arg::text("lowerbound").token("LBOUND").optional(),
        Arg::text("upperbound").token("UBOUND").optional(),
        EXPIRATION_OR_PERSIST,
        Arg::word("enx", "ENX").optional(),
    ],
    run: Run::Write(increx),
    ..Command::PLAIN
};

/// The options as they were said; each stands once.
#[derive(Default)]
struct Increase<'a> {
    by_int: Option<&'a [u8]>,
    by_float: Option<&'a [u8]>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturate: bool,
    expiry: Option<ExpiryOption<'a>>,
    persist: bool,
    only_without_expiry: bool,
}

impl<'a> Increase<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Self, Fail> {
        let mut options = Increase::default();
        while !args.is_empty() {
            options.take(args)?;
        }
        if options.only_without_expiry && options.expiry.is_none() {
            return Err(Fail::Says("ENX flag requires an expiration"));
        }
        Ok(options)
    }

    fn take(&mut self, args: &mut Args<'a>) -> Result<(), Fail> {
        let adds = self.by_int.is_some() || self.by_float.is_some();
        if !adds && args.word_with("BYINT", 1) {
            self.by_int = Some(args.next()?);
        } else if !adds && args.word_with("BYFLOAT", 1) {
            self.by_float = Some(args.next()?);
        } else if self.lower.is_none() && args.word_with("LBOUND", 1) {
            self.lower = Some(args.next()?);
        } else if self.upper.is_none() && args.word_with("UBOUND", 1) {
            self.upper = Some(args.next()?);
        } else if !self.saturate && args.word("SATURATE") {
            self.saturate = true;
        } else if !self.only_without_expiry && !self.persist && args.word("ENX") {
            self.only_without_expiry = true;
        } else if self.persist || self.expiry.is_some() {
            return Err(Fail::SYNTAX);
        } else if !self.only_without_expiry && args.word("PERSIST") {
            self.persist = true;
        } else {
            self.expiry = Some(ExpiryOption::take(args)?.ok_or(Fail::SYNTAX)?);
        }
        Ok(())
    }

    /// What becomes of the key's deadline, of which it may have one.
    fn deadline(
        &self,
        held: Option<u64>,
        entry: &CommandEntry,
        now: Now,
    ) -> Result<Deadline, Fail> {
        Ok(match self.expiry {
            _ if self.persist => Deadline::Clear,
            None => Deadline::Keep,
            Some(said) => {
                let deadline = said.deadline_ms(entry, now)?;
                match held {
                    Some(_) if self.only_without_expiry => Deadline::Keep,
                    _ => Deadline::At(deadline),
                }
            }
        })
    }
}

const BOUNDS_CROSSED: Fail = Fail::Says("LBOUND can't be greater than UBOUND");

/// Whole numbers.
struct WholeStep {
    by: i64,
    lower: i64,
    upper: i64,
}

impl WholeStep {
    fn parse(options: &Increase<'_>) -> Result<Self, Fail> {
        let parse = |text: Option<&[u8]>, otherwise: i64, fault| {
            text.map_or(Some(otherwise), number::parse_i64)
                .ok_or(Fail::Says(fault))
        };
        let whole = WholeStep {
            by: parse(
                options.by_int,
                1,
                "Increment is not an integer or out of range",
            )?,
            lower: parse(
                options.lower,
                i64::MIN,
                "LBOUND is not an integer or out of range",
            )?,
            upper: parse(
                options.upper,
                i64::MAX,
                "UBOUND is not an integer or out of range",
            )?,
        };
        if whole.lower > whole.upper {
            return Err(BOUNDS_CROSSED);
        }
        Ok(whole)
    }

    /// The sum and what it was increased by; `None` if it is out of bounds.
    fn add(&self, held: i64, saturate: bool) -> Result<Option<(i64, i64)>, Fail> {
        let sum = i128::from(held) + i128::from(self.by);
        let bounded = sum.clamp(self.lower.into(), self.upper.into());
        if bounded != sum && !saturate {
            return Ok(None);
        }
        let increase = i64::try_from(bounded - i128::from(held));
        let increase = increase.map_err(|_| Fail::Says("applied increment would overflow"))?;
        Ok(Some((bounded as i64, increase)))
    }
}

/// Numbers with fractions.
struct FractionStep {
    by: Extended,
    lower: Extended,
    upper: Extended,
}

impl FractionStep {
    fn parse(by: &[u8], options: &Increase<'_>) -> Result<Self, Fail> {
        let parse = |text: &[u8], fault| Extended::parse(text).ok_or(Fail::Says(fault));
        let by = parse(by, "Increment is not a valid float")?;
        if !by.is_finite() {
            return Err(Fail::Says("BYFLOAT increment cannot be Infinity"));
        }
        let lower = options
            .lower
            .map(|text| parse(text, "LBOUND is not a valid float"));
        let upper = options
            .upper
            .map(|text| parse(text, "UBOUND is not a valid float"));
        let fraction = FractionStep {
            by,
            lower: lower.transpose()?.unwrap_or(Extended::MAX.negated()),
            upper: upper.transpose()?.unwrap_or(Extended::MAX),
        };
        if fraction.upper.is_below(fraction.lower) {
            return Err(BOUNDS_CROSSED);
        }
        Ok(fraction)
    }

    /// The sum and what it was increased by; `None` if it is out of bounds.
    fn add(&self, held: Extended, saturate: bool) -> Result<Option<(Extended, Extended)>, Fail> {
        if !held.is_finite() {
            return Err(Fail::Says("value cannot be Infinity"));
        }
        let sum = held + self.by;
        let bounded = if sum.is_below(self.lower) {
            self.lower
        } else if self.upper.is_below(sum) {
            self.upper
        } else {
            sum
        };
        if bounded != sum && !saturate {
            return Ok(None);
        }
        let increase = bounded + held.negated();
        if !increase.is_finite() {
            return Err(Fail::Says("applied increment would be Infinity"));
        }
        Ok(Some((bounded, increase)))
    }
}

fn increx(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let options = Increase::parse(&mut call.args)?;
    match options.by_float {
        Some(by) => add_fraction(call, key, &FractionStep::parse(by, &options)?, &options),
        None => add_whole(call, key, &WholeStep::parse(&options)?, &options),
    }
}

fn add_whole(
    call: &mut WriteCall<'_>,
    key: &[u8],
    whole: &WholeStep,
    options: &Increase<'_>,
) -> Done {
    let deadline = new_deadline(call, key, options)?;
    let held = call.db.held::<Text>(key)?.map(TextRef::as_int);
    let held = held.unwrap_or(Some(0)).ok_or(Fail::NOT_INTEGER)?;
    let (value, increase) = match whole.add(held, options.saturate)? {
        Some((value, increase)) => {
            let mut digits = itoa::Buffer::new();
            let logged = digits.format(value).as_bytes();
            let new = (Piece::Int(value), logged, "incrby");
            store(call, key, new, deadline);
            (value, increase)
        }
        None => (held, 0),
    };
    call.out.array(2);
    call.out.int(value);
    call.out.int(increase);
    Ok(Flow::Done)
}

fn add_fraction(
    call: &mut WriteCall<'_>,
    key: &[u8],
    fraction: &FractionStep,
    options: &Increase<'_>,
) -> Done {
    let deadline = new_deadline(call, key, options)?;
    let mut digits = itoa::Buffer::new();
    let held = call.db.held::<Text>(key)?;
    let held = held.map_or(&b"0"[..], |text| text.as_bytes(&mut digits));
    let held = Extended::parse(held).ok_or(Fail::NOT_FLOAT)?;
    let summed = fraction.add(held, options.saturate)?;
    let (value, increase) = summed.unwrap_or((held, Extended::ZERO));
    let text = |number: Extended| {
        let mut text = Vec::new();
        number.write_human(&mut text);
        text
    };
    let value = text(value);
    if summed.is_some() {
        let new = (Piece::Bytes(&value), &value[..], "incrbyfloat");
        store(call, key, new, deadline);
    }
    call.out.array(2);
    call.out.double_digits(&value);
    call.out.double_digits(&text(increase));
    Ok(Flow::Done)
}

/// What becomes of the key's deadline, if the sum is stored.
fn new_deadline(
    call: &WriteCall<'_>,
    key: &[u8],
    options: &Increase<'_>,
) -> Result<Deadline, Fail> {
    let held = call.db.deadline(key).flatten();
    options.deadline(held, call.entry, call.db.now())
}

/// Stores a sum, given as what is stored, as text and with its event.
fn store(
    call: &mut WriteCall<'_>,
    key: &[u8],
    (value, text, event): (Piece<'_>, &[u8], &'static str),
    deadline: Deadline,
) {
    let had_deadline = call.db.deadline(key).flatten().is_some();
    call.db.renew(key, New::Text(value), deadline);
    call.db.announce(Class::String, event, key);
    match deadline {
        Deadline::At(at) if at <= call.db.over_ms() => {
            call.db.delete(key);
            call.db.log(&[b"DEL", key]);
        }
        Deadline::At(at) => {
            call.db.announce(Class::Generic, "expire", key);
            let mut digits = itoa::Buffer::new();
            let at = digits.format(at).as_bytes();
            call.db.log(&[b"SET", key, text, b"PXAT", at]);
        }
        Deadline::Keep => call.db.log(&[b"SET", key, text, b"KEEPTTL"]),
        Deadline::Clear => {
            if had_deadline {
                call.db.announce(Class::Generic, "persist", key);
            }
            call.db.log(&[b"SET", key, text]);
        }
    }
}
