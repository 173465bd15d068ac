//! A command's arguments as a tree: what COMMAND DOCS shows, and arity and keys follow from.

use crate::acl::KeyAccess;

/// One argument, or a block or choice of several.
pub struct Arg {
    pub name: &'static str,
    pub kind: ArgKind,
    /// The word before the value (`EX` seconds).
    pub token: Option<&'static str>,
    pub optional: bool,
    pub multiple: bool,
    /// With `multiple`: the token stands before each value, not only before the first.
    pub multiple_token: bool,
    pub since: Option<&'static str>,
    pub deprecated_since: Option<&'static str>,
}

pub enum ArgKind {
    Key(KeyUse),
    Text,
    Int,
    Double,
    UnixTime,
    Pattern,
    /// A channel that is spoken or listened to, which users may be kept from.
    Channel,
    /// A pattern of channels, which users may be kept from.
    ChannelPattern,
    /// A word alone; the word is the `token`.
    Token,
    OneOf(&'static [Arg]),
    Block(&'static [Arg]),
}

/// What a command does with a key, in the words of COMMAND INFO's key specifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse(pub &'static [&'static str]);

impl KeyUse {
    pub const READ: KeyUse = KeyUse(&["RO", "access"]);
    /// Looks at the key's existence or type, not at its value.
    pub const LOOK: KeyUse = KeyUse(&["RO"]);
    pub const UPDATE: KeyUse = KeyUse(&["RW", "update"]);
    pub const READ_UPDATE: KeyUse = KeyUse(&["RW", "access", "update"]);
    pub const READ_WRITE: KeyUse = KeyUse(&["RW", "access"]);
    pub const READ_INSERT: KeyUse = KeyUse(&["RW", "access", "insert"]);
    pub const READ_DELETE: KeyUse = KeyUse(&["RW", "access", "delete"]);
    pub const INSERT: KeyUse = KeyUse(&["RW", "insert"]);
    pub const DELETE: KeyUse = KeyUse(&["RW", "delete"]);
    pub const OVERWRITE: KeyUse = KeyUse(&["OW", "update"]);
    pub const OVERWRITE_INSERT: KeyUse = KeyUse(&["OW", "insert"]);
    pub const REMOVE: KeyUse = KeyUse(&["RM", "delete"]);
    pub const CHANNEL: KeyUse = KeyUse(&["not_key"]);
}

impl KeyUse {
    /// What a user must be allowed to do with the key.
    pub fn access(self) -> KeyAccess {
        let is_any = |words: &[&str]| self.0.iter().any(|word| words.contains(word));
        KeyAccess {
            read: is_any(&["access"]),
            write: is_any(&["insert", "delete", "update"]),
        }
    }

    /// It tells of some keys only.
    pub fn is_incomplete(self) -> bool {
        self.0.contains(&"incomplete")
    }
}

impl Arg {
    const fn new(name: &'static str, kind: ArgKind) -> Self {
        Arg {
            name,
            kind,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            since: None,
            deprecated_since: None,
        }
    }

    pub const fn key(name: &'static str, used: KeyUse) -> Self {
        Self::new(name, ArgKind::Key(used))
    }

    pub const fn text(name: &'static str) -> Self {
        Self::new(name, ArgKind::Text)
    }

    pub const fn int(name: &'static str) -> Self {
        Self::new(name, ArgKind::Int)
    }

    pub const fn double(name: &'static str) -> Self {
        Self::new(name, ArgKind::Double)
    }

    pub const fn unix_time(name: &'static str) -> Self {
        Self::new(name, ArgKind::UnixTime)
    }

    pub const fn pattern(name: &'static str) -> Self {
        Self::new(name, ArgKind::Pattern)
    }

    pub const fn channel(name: &'static str) -> Self {
        Self::new(name, ArgKind::Channel)
    }

    pub const fn channel_pattern(name: &'static str) -> Self {
        Self::new(name, ArgKind::ChannelPattern)
    }

    /// A word alone: `Arg::word("nx", "NX")`.
    pub const fn word(name: &'static str, token: &'static str) -> Self {
        Self::new(name, ArgKind::Token).token(token)
    }

    pub const fn one_of(name: &'static str, choices: &'static [Arg]) -> Self {
        Self::new(name, ArgKind::OneOf(choices))
    }

    pub const fn block(name: &'static str, parts: &'static [Arg]) -> Self {
        Self::new(name, ArgKind::Block(parts))
    }

    pub const fn token(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    pub const fn many(mut self) -> Self {
        self.multiple = true;
        self
    }

    /// Many, each with its token: SORT's `GET pattern`.
    pub const fn many_with_token(mut self) -> Self {
        self.multiple = true;
        self.multiple_token = true;
        self
    }

    pub const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    pub const fn deprecated(mut self, version: &'static str) -> Self {
        self.deprecated_since = Some(version);
        self
    }

    /// COMMAND DOCS' word for the kind.
    pub fn type_word(&self) -> &'static str {
        match self.kind {
            ArgKind::Key(_) => "key",
            ArgKind::Text | ArgKind::Channel => "string",
            ArgKind::Int => "integer",
            ArgKind::Double => "double",
            ArgKind::UnixTime => "unix-time",
            ArgKind::Pattern | ArgKind::ChannelPattern => "pattern",
            ArgKind::Token => "pure-token",
            ArgKind::OneOf(_) => "oneof",
            ArgKind::Block(_) => "block",
        }
    }

    pub fn parts(&self) -> &'static [Arg] {
        match self.kind {
            ArgKind::OneOf(parts) | ArgKind::Block(parts) => parts,
            _ => &[],
        }
    }
}
