//! Why a command was refused, in Redis's words.

use std::borrow::Cow;
use std::collections::TryReserveError;

use crate::engine::WrongType;

/// A client's mistake. What the reply says is Redis's text, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fail {
    /// The text after `ERR `.
    Says(&'static str),
    /// The text after `ERR `, made on the spot.
    Said(String),
    /// A text with a code of its own: `NOSCRIPT ...`.
    Code(Cow<'static, str>),
    /// Name or password of a log-in are wrong; whose, for ACL LOG.
    Login(Vec<u8>),
    /// A text with its code, of a command that a script called: it was counted when that failed.
    Counted(String),
}

/// First words of errors that send clients elsewhere, or have them come again.
const REDIRECTIONS: &[&str] = &[
    "REDIRECT",
    "MOVED",
    "ASK",
    "TRYAGAIN",
    "CROSSSLOT",
    "CLUSTERDOWN",
];

const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

impl Fail {
    pub const SYNTAX: Fail = Fail::Says("syntax error");
    pub const NOT_INTEGER: Fail = Fail::Says("value is not an integer or out of range");
    pub const NO_SCRIPT: Fail = Fail::Code(Cow::Borrowed(
        "NOSCRIPT No matching script. Please use EVAL.",
    ));
    pub const NOT_FLOAT: Fail = Fail::Says("value is not a valid float");
    pub const NO_KEY: Fail = Fail::Says("no such key");
    /// Of a length that a client asked for.
    pub const NO_MEMORY: Fail = Fail::Says("Insufficient memory, failed allocating the string");
    pub const OUT_OF_RANGE: Fail = Fail::Says("index out of range");
    /// An integer whose negative is none.
    pub const UNMIRRORED: Fail = Fail::Says(
        "value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    pub const NEGATIVE: Fail = Fail::Says("value is out of range, must be positive");
    pub const WRONG_TYPE: Fail = Fail::Code(Cow::Borrowed(
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    ));

    pub fn said(text: impl Into<String>) -> Self {
        Fail::Said(text.into())
    }

    pub fn code(text: impl Into<Cow<'static, str>>) -> Self {
        Fail::Code(text.into())
    }

    pub fn arity(full_name: &str) -> Self {
        Fail::Said(format!(
            "wrong number of arguments for '{full_name}' command"
        ))
    }

    /// `invalid expire time in 'set' command`.
    pub fn expire_time(command: &str) -> Self {
        Fail::Said(format!("invalid expire time in '{command}' command"))
    }

    /// What EXEC says when it is refused itself.
    pub fn aborting(&self) -> String {
        let why = match self {
            Fail::Says(text) => text,
            Fail::Said(text) => text.as_str(),
            Fail::Code(text) => text,
            Fail::Counted(text) => text,
            Fail::Login(_) => WRONGPASS,
        };
        // Who follows redirections looks at the first word.
        let word = why.split(' ').next().unwrap_or_default();
        if REDIRECTIONS.contains(&word) {
            return why.to_owned();
        }
        format!("EXECABORT Transaction discarded because of: {why}")
    }

    /// The whole error line, without its sign and line end.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Fail::Says(text) => format!("ERR {text}").into(),
            Fail::Said(text) => format!("ERR {text}").into(),
            Fail::Code(text) => Cow::Borrowed(text),
            Fail::Counted(text) => Cow::Borrowed(text),
            Fail::Login(_) => Cow::Borrowed(WRONGPASS),
        }
    }
}

/// A client's bytes inside an error text: as in Redis, up to the first zero byte.
pub fn quoted(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end])
}

impl From<TryReserveError> for Fail {
    fn from(_: TryReserveError) -> Self {
        Fail::NO_MEMORY
    }
}

impl From<WrongType> for Fail {
    fn from(_: WrongType) -> Self {
        Fail::WRONG_TYPE
    }
}
