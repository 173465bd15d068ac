//! Conditions on the value that a key holds, and the digest that clients compare instead of a large one.

use xxhash_rust::xxh3::xxh3_64;

use crate::command::Flag::Fast;
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::engine::Db;
use crate::types::{Text, TextRef};

/// Digits of a digest.
const DIGEST_LEN: usize = 16;

/// What must hold of a key before it is set or removed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Demand<'a> {
    #[default]
    None,
    Missing,
    Present,
    Value(Compared, &'a [u8]),
}

/// How a value is compared with one that is given. Without a value the first and the third never hold, the others always.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    Equals,
    Differs,
    HasDigest,
    HasOtherDigest,
}

impl Compared {
    const WORDS: [(&'static str, Compared); 4] = [
        ("IFEQ", Compared::Equals),
        ("IFNE", Compared::Differs),
        ("IFDEQ", Compared::HasDigest),
        ("IFDNE", Compared::HasOtherDigest),
    ];

    fn of(word: &[u8]) -> Option<Self> {
        let mut words = Self::WORDS.into_iter();
        let found = words.find(|(known, _)| word.eq_ignore_ascii_case(known.as_bytes()));
        found.map(|(_, compared)| compared)
    }

    /// Whether one of an argument list's words compares.
    pub fn is_among(argv: &[&[u8]]) -> bool {
        argv.iter().any(|word| Self::of(word).is_some())
    }

    /// Whether a value that is there passes. A digest is any 16 characters, in any case.
    fn holds(self, held: TextRef<'_>, given: &[u8]) -> Result<bool, Fail> {
        let mut digits = itoa::Buffer::new();
        let held = held.as_bytes(&mut digits);
        Ok(match self {
            Compared::Equals => held == given,
            Compared::Differs => held != given,
            Compared::HasDigest => has_digest(held, given)?,
            Compared::HasOtherDigest => !has_digest(held, given)?,
        })
    }
}

fn has_digest(held: &[u8], given: &[u8]) -> Result<bool, Fail> {
    if given.len() != DIGEST_LEN {
        return Err(Fail::Says("must be exactly 16 hexadecimal characters"));
    }
    Ok(digest_of(held).as_bytes().eq_ignore_ascii_case(given))
}

fn digest_of(bytes: &[u8]) -> String {
    format!("{:016x}", xxh3_64(bytes))
}

impl<'a> Demand<'a> {
    /// Takes `NX` or `XX`.
    pub fn take_presence(&mut self, args: &mut Args<'_>) -> bool {
        let may_be = |demand| *self == Demand::None || *self == demand;
        if may_be(Demand::Missing) && args.word("NX") {
            *self = Demand::Missing;
        } else if may_be(Demand::Present) && args.word("XX") {
            *self = Demand::Present;
        } else {
            return false;
        }
        true
    }

    /// Takes a condition, of which a command may have one only.
    pub fn take(&mut self, args: &mut Args<'a>) -> Result<bool, Fail> {
        if self.take_presence(args) {
            return Ok(true);
        }
        let compared = args.peek().and_then(Compared::of);
        let Some(compared) = compared.filter(|_| *self == Demand::None && args.len() > 1) else {
            return Ok(false);
        };
        args.next()?;
        *self = Demand::Value(compared, args.next()?);
        Ok(true)
    }

    pub fn is_met(self, db: &Db<'_>, key: &[u8]) -> Result<bool, Fail> {
        match self {
            Demand::None => Ok(true),
            Demand::Missing => Ok(!db.mark(key)),
            Demand::Present => Ok(db.exists(key)),
            Demand::Value(compared, given) => match db.held::<Text>(key)? {
                Some(held) => compared.holds(held, given),
                None => Ok(matches!(
                    compared,
                    Compared::Differs | Compared::HasOtherDigest
                )),
            },
        }
    }
}

pub const DIGEST: Command = Command {
    name: "digest",
    summary: "Returns the XXH3 digest of a string",
    cost: "O(N) for N bytes",
    since: "8.4.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(digest),
    ..Command::PLAIN
};

fn digest(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    match call.db.read::<Text>(key)? {
        Some(text) => {
            let mut digits = itoa::Buffer::new();
            call.out.bulk(digest_of(text.as_bytes(&mut digits)));
        }
        None => call.out.null(),
    }
    Ok(Flow::Done)
}

pub const DELEX: Command = Command {
    name: "delex",
    summary: "Removes a key if its value is, or is not, the one given",
    cost: "O(1), and O(N) for the digest of N bytes",
    since: "8.4.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse(&["RW", "delete", "variable_flags"])),
        Arg::one_of(
            "condition",
            &[
                Arg::text("ifeq-value").token("IFEQ"),
                Arg::text("ifne-value").token("IFNE"),
                Arg::text("ifdeq-digest").token("IFDEQ"),
                Arg::text("ifdne-digest").token("IFDNE"),
            ],
        )
        .optional(),
    ],
    run: Run::Write(delex),
    key_use: Some(delex_use),
    ..Command::PLAIN
};

/// With a condition the value is read, too.
fn delex_use(argv: &[&[u8]]) -> KeyUse {
    match argv.len() {
        ..=2 => KeyUse::REMOVE,
        _ => KeyUse::READ_DELETE,
    }
}

fn delex(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let passes = match *call.args.rest() {
        [] => true,
        [word, given] => match call.db.held::<Text>(key) {
            Ok(None) => false,
            Ok(Some(held)) => {
                let compared = Compared::of(word).ok_or(Fail::Says(
                    "Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE",
                ))?;
                compared.holds(held, given)?
            }
            Err(_) => {
                return Err(Fail::Says(
                    "Key should be of string type if conditions are specified",
                ));
            }
        },
        _ => return Err(Fail::arity(call.entry.command.name)),
    };
    remove_if(call, key, passes)
}

fn remove_if(call: &mut WriteCall<'_>, key: &[u8], passes: bool) -> Done {
    let removed = passes && call.db.delete(key);
    if removed {
        call.db.log(&[b"DEL", key]);
    }
    call.out.int(removed);
    Ok(Flow::Done)
}

pub const DELIFEQ: Command = Command {
    name: "delifeq",
    summary: "Removes a key if it holds this string",
    since: "9.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::REMOVE), Arg::text("value")],
    run: Run::Write(delifeq),
    ..Command::PLAIN
};

fn delifeq(call: &mut WriteCall<'_>) -> Done {
    let (key, given) = (call.args.next()?, call.args.next()?);
    let passes = match call.db.held::<Text>(key)? {
        Some(held) => Compared::Equals.holds(held, given)?,
        None => false,
    };
    remove_if(call, key, passes)
}
