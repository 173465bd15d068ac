//! The two families of servers that number their formats apart from each other.
//!
//! What both had when they parted means the same in both: versions up to 11, and kinds up to 21. From there on the same
//! numbers mean different things, and the first letters of a file, or the version of a payload, tell whose they are.

use std::ops::RangeInclusive;

use super::fault::{Fault, Read};
use super::kind;
use crate::config::choices::RdbDialect;

/// The version that Redis 7.0 writes: listpacks and quicklists of them.
pub const VERSION_PLAIN: u16 = 10;
/// Redis 7.2's: consumers of streams with the time at which they last got something.
pub const VERSION_STREAM_3: u16 = 11;
/// Redis 7.4's: hashes whose fields have deadlines.
pub const VERSION_FIELD_TTL: u16 = 12;
/// Redis 8.6's: streams that know their producers.
pub const VERSION_STREAM_4: u16 = 13;
/// Redis 8.8's: streams whose groups were given pending entries back.
pub const VERSION_STREAM_5: u16 = 14;
/// Redis 8.12's, the latest that is read.
const VERSION_REDIS_MAX: u16 = 16;
/// From this version on payloads may come without a checksum: Redis 8.10 propagates such ones.
pub const VERSION_UNSUMMED: u16 = 15;
/// Valkey's own, from its 9.0 on: hashes whose fields have deadlines.
pub const VERSION_VALKEY: u16 = 80;
/// Valkey 9.2's, the latest that is read: with edits between the keys.
const VERSION_VALKEY_MAX: u16 = 81;
pub const VERSION_EDITS: u16 = VERSION_VALKEY_MAX;

/// Kinds below this are the same in both families.
const KINDS_SHARED: u8 = kind::STREAM_3 + 1;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    #[default]
    Redis,
    Valkey,
}

impl From<RdbDialect> for Dialect {
    fn from(picked: RdbDialect) -> Self {
        match picked {
            RdbDialect::Redis => Dialect::Redis,
            RdbDialect::Valkey => Dialect::Valkey,
        }
    }
}

impl Dialect {
    /// Whose payloads have this version.
    pub fn of_version(version: u16) -> Self {
        match version {
            VERSION_VALKEY.. => Dialect::Valkey,
            _ => Dialect::Redis,
        }
    }

    /// The versions of this family that are read.
    pub fn versions(self) -> RangeInclusive<u16> {
        match self {
            Dialect::Redis => 1..=VERSION_REDIS_MAX,
            Dialect::Valkey => VERSION_VALKEY..=VERSION_VALKEY_MAX,
        }
    }

    /// The lowest version that carries deadlines of fields.
    pub fn version_of_field_ttl(self) -> u16 {
        match self {
            Dialect::Redis => VERSION_FIELD_TTL,
            Dialect::Valkey => VERSION_VALKEY,
        }
    }

    /// The version since which servers up to Redis 7.4 read the kind that a number stands for in this family's payloads;
    /// nothing if they don't.
    pub(super) fn early_version(self, number: u8) -> Option<u16> {
        match (self, number) {
            (_, ..=kind::STREAM_2) => Some(VERSION_PLAIN),
            (_, ..KINDS_SHARED) => Some(VERSION_STREAM_3),
            (Dialect::Redis, ..=kind::HASH_LISTPACK_EX) => Some(VERSION_FIELD_TTL),
            _ => None,
        }
    }

    /// The kind that a number stands for in this family's files.
    pub(super) fn kind(self, number: u8) -> Read<u8> {
        match (self, number) {
            (_, ..KINDS_SHARED) => Ok(number),
            (Dialect::Redis, ..=kind::REDIS_MAX) => Ok(number),
            (Dialect::Valkey, kind::HASH_VALKEY_NUMBER) => Ok(kind::HASH_VALKEY),
            _ => Err(Fault::UnknownKind(number)),
        }
    }
}

/// The form in which a snapshot is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotForm {
    pub dialect: Dialect,
    /// `None`: the lowest that can carry the data.
    pub version: Option<u16>,
    /// The latest that its reader understands, where the reader has told.
    pub most: Option<u16>,
}

impl SnapshotForm {
    /// What a replica reads that calls itself a Valkey of this version; nothing if it is no version.
    pub fn of_valkey(version: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(version).ok()?;
        let mut numbers = text.splitn(3, '.').map(|number| number.parse::<u32>().ok());
        let release = (numbers.next()??, numbers.next()??);
        let (dialect, most) = match release {
            (10.., _) | (9, 2..) => (Dialect::Valkey, VERSION_VALKEY_MAX),
            (9, _) => (Dialect::Valkey, VERSION_VALKEY),
            _ => (Dialect::Redis, VERSION_STREAM_3),
        };
        Some(SnapshotForm {
            dialect,
            version: None,
            most: Some(most),
        })
    }

    /// What a replica reads that has this capability; nothing if it has nothing to do with it. Redis from 8.0 on takes a
    /// snapshot on a connection of its own; a server like this one says it plainly.
    pub fn of_capability(word: &[u8]) -> Option<Self> {
        let most = match word {
            b"rdb-channel-repl" => VERSION_FIELD_TTL,
            CAPABILITY => VERSION_REDIS_MAX,
            _ => return None,
        };
        Some(SnapshotForm {
            most: Some(most),
            ..SnapshotForm::default()
        })
    }

    /// What a replica reads that tells nothing.
    pub fn untold() -> Self {
        SnapshotForm {
            most: Some(VERSION_FIELD_TTL),
            ..SnapshotForm::default()
        }
    }

    /// Whether such a reader wants the same bytes of these data as stand in a file of this server's own form. Which version is
    /// written for them decides that.
    pub(super) fn is_met_by(self, own: SnapshotForm, needs: Needs) -> bool {
        match (self.pick(needs), own.pick(needs)) {
            (Ok(wanted), Ok(written)) => wanted == written,
            _ => false,
        }
    }

    /// Whether such a reader can read a file that begins so.
    pub fn reads(self, head: &[u8]) -> bool {
        let Some((dialect, version)) = head.get(..9).and_then(of_magic) else {
            return false;
        };
        let is_shared = version <= VERSION_STREAM_3;
        (is_shared || dialect == self.dialect) && self.most.is_none_or(|most| version <= most)
    }

    /// The version for such data; an error if that can't be.
    pub(super) fn pick(self, needs: Needs) -> Result<u16, String> {
        let newest = self.dialect.version_of_field_ttl();
        let needed = if needs.timed { newest } else { VERSION_PLAIN };
        let later = needs.later_streams && self.dialect == Dialect::Redis;
        let version = match self.version {
            None if later && self.most.is_none_or(|most| most >= VERSION_STREAM_5) => {
                VERSION_STREAM_5
            }
            None => needed,
            // Valkey has a number of its own for what this one carries.
            Some(VERSION_FIELD_TTL) => newest,
            Some(version) => version,
        };
        if version < needed && needs.timed {
            return Err(format!(
                "rdb-version {version} can't carry the deadlines of hash fields, which need version {needed}"
            ));
        }
        match self.most {
            Some(most) if version > most => Err(format!(
                "the replica reads versions up to {most}, and the deadlines of hash fields need version {needed}: take \
                 them off (HPERSIST), or use a newer replica"
            )),
            _ => Ok(version),
        }
    }
}

/// What a replica like this one says that it can do, so that it is sent all that the latest version of Redis's carries.
pub const CAPABILITY: &[u8] = b"rdb-redis-16";

/// What data ask of a version.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    /// Fields have deadlines, which a lower version can't carry.
    pub timed: bool,
    /// Streams know their producers, or had pending entries given back. A lower version carries them as it can: what producers
    /// sent is forgotten, and what was given back belongs to a consumer without a name.
    pub later_streams: bool,
}

/// The number that stands in files for a kind.
pub fn number(kind: u8) -> u8 {
    match kind {
        kind::HASH_VALKEY => kind::HASH_VALKEY_NUMBER,
        kind => kind,
    }
}

/// How a file of this version begins.
pub fn magic(version: u16) -> String {
    match Dialect::of_version(version) {
        Dialect::Redis => format!("REDIS{version:04}"),
        Dialect::Valkey => format!("VALKEY{version:03}"),
    }
}

/// Family and version of a file by its first nine bytes, if it is one at all.
pub fn of_magic(head: &[u8]) -> Option<(Dialect, u16)> {
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
    match (head.strip_prefix(b"REDIS"), head.strip_prefix(b"VALKEY")) {
        (Some(digits), _) => Some((Dialect::Redis, number(digits)?)),
        (_, Some(digits)) => Some((Dialect::Valkey, number(digits)?)),
        _ => None,
    }
}
