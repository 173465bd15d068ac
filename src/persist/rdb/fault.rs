//! Why bytes are no value.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They end too soon.
    Short,
    /// They are no value that any server writes.
    Broken,
    /// They are no value that any server writes, for this reason.
    Says(&'static str),
    /// A collection without elements, which no key may hold.
    Empty,
    /// A kind that only a newer server knows.
    UnknownKind(u8),
    /// A value of a module, by the number that names the module.
    Module(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Says(why) => out.write_str(why),
            fault => write!(out, "{fault:?}"),
        }
    }
}

pub(super) type Read<T> = Result<T, Fault>;
