//! Single bits, and whole strings combined bit by bit.

use super::{bit, offset, set_bit};
use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::engine::{Class, Deadline};
use crate::types::{Text, TextRef, Value};

pub const SETBIT: Command = Command {
    name: "setbit",
    summary: "Sets or clears a bit, and returns what it was",
    since: "2.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::int("offset"),
        Arg::int("value"),
    ],
    run: Run::Write(setbit),
    ..Command::PLAIN
};

fn setbit(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let offset = offset(&mut call.args, &call.server.config, None)?;
    let on = call
        .args
        .int_in(0..=1, Fail::Says("bit is not an integer or out of range"))? as u8;
    let mut text = call.db.edit_or_create::<Text>(key)?;
    let needed = (offset >> 3) as usize + 1;
    let grown = text.value().len() < needed;
    let bytes = text.reach(needed)?;
    let before = bit(bytes, offset);
    set_bit(bytes, offset, on);
    if grown || before != on {
        text.announce("setbit");
    }
    call.out.int(before);
    Ok(Flow::Done)
}

pub const GETBIT: Command = Command {
    name: "getbit",
    summary: "Returns a bit",
    since: "2.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), Arg::int("offset")],
    run: Run::Read(getbit),
    ..Command::PLAIN
};

fn getbit(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let offset = offset(&mut call.args, &call.server.config, None)?;
    let mut digits = itoa::Buffer::new();
    let bytes = call
        .db
        .read::<Text>(key)?
        .map_or(&b""[..], |text| text.as_bytes(&mut digits));
    call.out.int(bit(bytes, offset));
    Ok(Flow::Done)
}

pub const BITOP: Command = Command {
    name: "bitop",
    summary: "Stores strings combined bit by bit",
    cost: "O(N) for N bytes in all strings",
    since: "2.6.0",
    flags: &[DenyOom],
    args: &[
        Arg::one_of(
            "operation",
            &[
                Arg::word("and", "AND"),
                Arg::word("or", "OR"),
                Arg::word("xor", "XOR"),
                Arg::word("not", "NOT"),
                Arg::word("diff", "DIFF"),
                Arg::word("diff1", "DIFF1"),
                Arg::word("andor", "ANDOR"),
                Arg::word("one", "ONE"),
            ],
        ),
        Arg::key("destkey", KeyUse::OVERWRITE),
        Arg::key("key", KeyUse::READ).many(),
    ],
    run: Run::Write(bitop),
    ..Command::PLAIN
};

/// How strings are combined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Combination {
    And,
    Or,
    Xor,
    Not,
    /// Bits of the first that no other has.
    Diff,
    /// Bits of the others that the first does not have.
    Diff1,
    /// Bits of the first that some other has.
    AndOr,
    /// Bits that exactly one has.
    One,
}

impl Combination {
    const ALL: [(&'static str, Combination); 8] = [
        ("AND", Combination::And),
        ("OR", Combination::Or),
        ("XOR", Combination::Xor),
        ("NOT", Combination::Not),
        ("DIFF", Combination::Diff),
        ("DIFF1", Combination::Diff1),
        ("ANDOR", Combination::AndOr),
        ("ONE", Combination::One),
    ];

    /// Refuses a number of strings that it has no meaning for.
    fn check(self, sources: usize) -> Result<(), Fail> {
        let fault = match self {
            Combination::Not if sources != 1 => {
                "BITOP NOT must be called with a single source key."
            }
            Combination::Diff if sources < 2 => {
                "BITOP DIFF must be called with at least two source keys."
            }
            Combination::Diff1 if sources < 2 => {
                "BITOP DIFF1 must be called with at least two source keys."
            }
            Combination::AndOr if sources < 2 => {
                "BITOP ANDOR must be called with at least two source keys."
            }
            _ => return Ok(()),
        };
        Err(Fail::Says(fault))
    }

    /// Whether Redis 7 knows it.
    fn is_old(self) -> bool {
        use Combination::{And, Not, Or, Xor};
        matches!(self, And | Or | Xor | Not)
    }

    fn of(self, texts: &[Option<TextRef<'_>>], len: usize) -> Result<Vec<u8>, Fail> {
        let mut result = zeros(len)?;
        let Some((first, others)) = texts.split_first() else {
            return Ok(result);
        };
        if self == Combination::One {
            let mut twice = zeros(len)?;
            for text in texts.iter().flatten() {
                let mut digits = itoa::Buffer::new();
                let bytes = text.as_bytes(&mut digits);
                let pairs = result.iter_mut().zip(&mut twice).zip(bytes);
                pairs.for_each(|((held, twice), byte)| {
                    *twice |= *held & byte;
                    *held |= byte;
                });
            }
            let pairs = result.iter_mut().zip(&twice);
            pairs.for_each(|(held, twice)| *held &= !twice);
            return Ok(result);
        }
        apply(&mut result, *first, |_, byte| byte);
        match self {
            Combination::And => fold(&mut result, others, |a, b| a & b),
            Combination::Or => fold(&mut result, others, |a, b| a | b),
            Combination::Xor | Combination::One => fold(&mut result, others, |a, b| a ^ b),
            Combination::Not => result.iter_mut().for_each(|byte| *byte = !*byte),
            Combination::Diff | Combination::Diff1 | Combination::AndOr => {
                let mut any = zeros(len)?;
                fold(&mut any, others, |a, b| a | b);
                match self {
                    Combination::Diff => combine(&mut result, &any, |first, any| first & !any),
                    Combination::Diff1 => combine(&mut result, &any, |first, any| any & !first),
                    _ => combine(&mut result, &any, |first, any| first & any),
                }
            }
        }
        Ok(result)
    }
}

fn zeros(len: usize) -> Result<Vec<u8>, Fail> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

/// Combines bytes with a string, which goes on in zeros where it is shorter.
fn apply(held: &mut [u8], text: Option<TextRef<'_>>, bits: impl Fn(u8, u8) -> u8) {
    let mut digits = itoa::Buffer::new();
    let bytes = text.map_or(&b""[..], |text| text.as_bytes(&mut digits));
    let (within, beyond) = held.split_at_mut(bytes.len());
    combine(within, bytes, &bits);
    beyond.iter_mut().for_each(|held| *held = bits(*held, 0));
}

/// Combines bytes with a string after the other.
fn fold(held: &mut [u8], texts: &[Option<TextRef<'_>>], bits: impl Fn(u8, u8) -> u8) {
    texts.iter().for_each(|text| apply(held, *text, &bits));
}

/// Combines bytes with as many others. One operation on all of them, known when this is compiled, so that many bytes are combined at
/// once.
fn combine(held: &mut [u8], bytes: &[u8], bits: impl Fn(u8, u8) -> u8) {
    let pairs = held.iter_mut().zip(bytes);
    pairs.for_each(|(held, byte)| *held = bits(*held, *byte));
}

fn bitop(call: &mut WriteCall<'_>) -> Done {
    let mut all = Combination::ALL.into_iter();
    let found = all.find(|(word, _)| call.args.word(word));
    let (_, combination) = found.ok_or(Fail::SYNTAX)?;
    let (target, sources) = (call.args.next()?, call.args.rest());
    combination.check(sources.len())?;
    let texts: Vec<Option<TextRef<'_>>> = sources
        .iter()
        .map(|key| call.db.read::<Text>(key))
        .collect::<Result<_, _>>()?;
    let lens = texts.iter().flatten().map(|text| text.len());
    let len = lens.max().unwrap_or(0);
    let result = combination.of(&texts, len)?;
    if result.is_empty() {
        if call.db.delete(target) && !combination.is_old() {
            call.db.log(&[b"DEL", target]);
        }
    } else {
        if !combination.is_old() {
            call.db.log(&[b"SET", target, &result]);
        }
        let mut text = Text::from_digits(b"");
        *text.raw_mut() = result;
        call.db.set(target, Value::Text(text), Deadline::Clear);
        call.db.announce(Class::String, "set", target);
    }
    call.out.count(len);
    Ok(Flow::Done)
}
