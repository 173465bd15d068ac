//! The words of a master's stream that the link itself acts on.

use crate::util::number;

/// What a command of the stream is to the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamWord {
    /// MULTI: what follows, up to EXEC, is one unit.
    Begin,
    End,
    /// It only says that the master is there.
    Ping,
    /// REPLCONF, which is about the link itself.
    Conf,
    /// REPLCONF GETACK: the master asks how far its stream has been applied.
    GetAck,
    /// It is to be applied.
    Command,
}

impl StreamWord {
    pub fn of(argv: &[&[u8]]) -> Self {
        let is = |at: usize, word: &str| {
            let arg = argv.get(at);
            arg.is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
        };
        match argv {
            [] => StreamWord::Ping,
            _ if is(0, "multi") => StreamWord::Begin,
            _ if is(0, "exec") => StreamWord::End,
            _ if is(0, "ping") => StreamWord::Ping,
            _ if is(0, "replconf") && is(1, "getack") => StreamWord::GetAck,
            _ if is(0, "replconf") => StreamWord::Conf,
            _ => StreamWord::Command,
        }
    }

    /// The database that a SELECT selects.
    pub fn selected(argv: &[&[u8]]) -> Option<i64> {
        match argv {
            [name, number, ..] if name.eq_ignore_ascii_case(b"select") => number::parse_i64(number),
            _ => None,
        }
    }
}
