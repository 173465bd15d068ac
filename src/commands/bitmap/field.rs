//! BITFIELD: integers of any width at any bit.

use super::{bit, offset, set_bit};
use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::config::Config;
use crate::resp::Reply;
use crate::types::Text;

const AT: &[Arg] = &[Arg::text("encoding"), Arg::int("offset")];

pub const BITFIELD: Command = Command {
    name: "bitfield",
    summary: "Reads, sets and adds to integers inside a string",
    cost: "O(1) for each operation",
    since: "3.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse(&["RW", "access", "update", "variable_flags"])),
        Arg::one_of(
            "operation",
            &[
                Arg::block("get-block", AT).token("GET"),
                Arg::block(
                    "write",
                    &[
                        Arg::one_of(
                            "overflow-block",
                            &[
                                Arg::word("wrap", "WRAP"),
                                Arg::word("sat", "SAT"),
                                Arg::word("fail", "FAIL"),
                            ],
                        )
                        .token("OVERFLOW")
                        .optional(),
                        Arg::one_of(
                            "write-operation",
                            &[
                                Arg::block(
                                    "set-block",
                                    &[Arg::text("encoding"), Arg::int("offset"), Arg::int("value")],
                                )
                                .token("SET"),
                                Arg::block(
                                    "incrby-block",
                                    &[
                                        Arg::text("encoding"),
                                        Arg::int("offset"),
                                        Arg::int("increment"),
                                    ],
                                )
                                .token("INCRBY"),
                            ],
                        ),
                    ],
                ),
            ],
        )
        .optional()
        .many(),
    ],
    run: Run::Write(bitfield),
    key_use: Some(field_use),
    ..Command::PLAIN
};

/// Gets alone only read. What is no part of the grammar may mean anything.
fn field_use(argv: &[&[u8]]) -> KeyUse {
    let mut rest = argv.get(2..).unwrap_or_default();
    while let Some((word, behind)) = rest.split_first() {
        let taken = match word.to_ascii_lowercase().as_slice() {
            b"get" => 2,
            b"overflow" => 1,
            _ => return KeyUse::READ_UPDATE,
        };
        let Some(behind) = behind.get(taken..) else {
            return KeyUse::READ_UPDATE;
        };
        rest = behind;
    }
    KeyUse::READ
}

pub const BITFIELD_RO: Command = Command {
    name: "bitfield_ro",
    summary: "Reads integers inside a string",
    cost: "O(1) for each operation",
    since: "6.0.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::block("get-block", AT)
            .token("GET")
            .optional()
            .many_with_token(),
    ],
    run: Run::Read(bitfield_ro),
    ..Command::PLAIN
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldOverflow {
    Wrap,
    Sat,
    Fail,
}

#[derive(Clone, Copy)]
enum Act {
    Get,
    Set(i64),
    Add(i64),
}

/// One operation on one integer.
#[derive(Clone, Copy)]
struct FieldOperation {
    act: Act,
    signed: bool,
    width: u32,
    offset: u64,
    overflow: FieldOverflow,
}

impl FieldOperation {
    fn parse_all(args: &mut Args<'_>, config: &Config) -> Result<Vec<Self>, Fail> {
        let mut operations = Vec::new();
        let mut overflow = FieldOverflow::Wrap;
        while !args.is_empty() {
            if args.word_with("OVERFLOW", 1) {
                overflow = if args.word("WRAP") {
                    FieldOverflow::Wrap
                } else if args.word("SAT") {
                    FieldOverflow::Sat
                } else if args.word("FAIL") {
                    FieldOverflow::Fail
                } else {
                    return Err(Fail::Says("Invalid OVERFLOW type specified"));
                };
                continue;
            }
            let word = if args.word_with("GET", 2) {
                0
            } else if args.word_with("SET", 3) {
                1
            } else if args.word_with("INCRBY", 3) {
                2
            } else {
                return Err(Fail::SYNTAX);
            };
            let (signed, width) = encoding(args.next()?)?;
            let offset = offset(args, config, Some(width))?;
            let act = match word {
                0 => Act::Get,
                1 => Act::Set(args.int()?),
                _ => Act::Add(args.int()?),
            };
            operations.push(FieldOperation {
                act,
                signed,
                width,
                offset,
                overflow,
            });
        }
        Ok(operations)
    }

    fn is_get(&self) -> bool {
        matches!(self.act, Act::Get)
    }

    fn end(&self) -> u64 {
        self.offset + u64::from(self.width)
    }

    /// The integer as it is; bits beyond the end are clear.
    fn read(&self, bytes: &[u8]) -> i128 {
        let raw =
            (self.offset..self.end()).fold(0u64, |raw, at| raw << 1 | u64::from(bit(bytes, at)));
        if self.signed {
            i128::from((raw << (64 - self.width)).cast_signed() >> (64 - self.width))
        } else {
            i128::from(raw)
        }
    }

    /// A value to be set, as Redis sees it: the room between it and the highest one is reckoned in 64
    /// bits, and wraps for a value far below, which then counts as one that is too high.
    fn wrapped_room(&self, value: i64) -> i128 {
        let max = i64::MAX >> (64 - self.width);
        if self.width < 64
            && self.overflow == FieldOverflow::Sat
            && max.checked_sub(value).is_none()
        {
            return i128::from(i64::MAX);
        }
        i128::from(value)
    }

    /// What a value out of bounds becomes; `None` if it is refused.
    fn fit(&self, value: i128) -> Option<i128> {
        let (min, max) = if self.signed {
            (
                -(1i128 << (self.width - 1)),
                (1i128 << (self.width - 1)) - 1,
            )
        } else {
            (0, (1i128 << self.width) - 1)
        };
        if (min..=max).contains(&value) {
            return Some(value);
        }
        match self.overflow {
            FieldOverflow::Fail => None,
            FieldOverflow::Sat => Some(if value > max { max } else { min }),
            FieldOverflow::Wrap => {
                let raw = value & ((1i128 << self.width) - 1);
                Some(if self.signed && raw > max {
                    raw - (1i128 << self.width)
                } else {
                    raw
                })
            }
        }
    }

    /// Does it, answers, and tells what came of it.
    fn apply(&self, bytes: &mut [u8], out: &mut Reply) -> Applied {
        let held = self.read(bytes);
        let (new, answer) = match self.act {
            Act::Get => {
                out.int(held as i64);
                return Applied::Nothing;
            }
            // An unsigned field takes a negative value as the bits it is made of.
            Act::Set(value) if !self.signed => {
                (self.fit(i128::from(value.cast_unsigned())), Some(held))
            }
            Act::Set(value) => (self.fit(self.wrapped_room(value)), Some(held)),
            Act::Add(by) => (self.fit(held + i128::from(by)), None),
        };
        let Some(new) = new else {
            out.null();
            return Applied::Nothing;
        };
        for (place, at) in (self.offset..self.end()).rev().enumerate() {
            set_bit(bytes, at, (new >> place & 1) as u8);
        }
        out.int(answer.unwrap_or(new) as i64);
        if new == held {
            Applied::Same
        } else {
            Applied::Changed
        }
    }
}

/// What an operation did to the value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Applied {
    /// It only looked, or was refused.
    Nothing,
    /// It wrote what stood there.
    Same,
    Changed,
}

/// `i8`, `u63`: a sign and a width.
fn encoding(text: &[u8]) -> Result<(bool, u32), Fail> {
    let bad = || {
        Fail::Says(
            "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        )
    };
    let (signed, max) = match text.first() {
        Some(b'i') => (true, 64),
        Some(b'u') => (false, 63),
        _ => return Err(bad()),
    };
    let width =
        crate::util::number::parse_i64(&text[1..]).filter(|width| (1..=max).contains(width));
    Ok((signed, width.ok_or_else(bad)? as u32))
}

fn bitfield(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let operations = FieldOperation::parse_all(&mut call.args, &call.server.config)?;
    call.out.array(operations.len());
    if operations.iter().all(FieldOperation::is_get) {
        let mut digits = itoa::Buffer::new();
        let bytes = call
            .db
            .read::<Text>(key)?
            .map_or(&b""[..], |text| text.as_bytes(&mut digits));
        operations
            .iter()
            .for_each(|operation| call.out.int(operation.read(bytes) as i64));
        return Ok(Flow::Done);
    }
    let writes = operations.iter().filter(|operation| !operation.is_get());
    let needed = writes
        .map(FieldOperation::end)
        .max()
        .unwrap_or(0)
        .div_ceil(8) as usize;
    let mut text = call.db.edit_or_create::<Text>(key)?;
    let grown = text.value().len() < needed;
    let bytes = text.reach(needed)?;
    let applied: Vec<_> = operations
        .iter()
        .map(|operation| operation.apply(bytes, call.out))
        .collect();
    if applied.contains(&Applied::Changed) || grown && applied.contains(&Applied::Same) {
        text.announce("setbit");
    } else if grown {
        // Longer by zeros, though every operation was refused: no event tells of that but that a key is new.
        text.touch_new();
    }
    Ok(Flow::Done)
}

fn bitfield_ro(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let operations = FieldOperation::parse_all(&mut call.args, &call.server.config)?;
    if !operations.iter().all(FieldOperation::is_get) {
        return Err(Fail::Says("BITFIELD_RO only supports the GET subcommand"));
    }
    let mut digits = itoa::Buffer::new();
    let bytes = call
        .db
        .read::<Text>(key)?
        .map_or(&b""[..], |text| text.as_bytes(&mut digits));
    call.out.array(operations.len());
    operations
        .iter()
        .for_each(|operation| call.out.int(operation.read(bytes) as i64));
    Ok(Flow::Done)
}
