//! Keys of any type: their names, life times and places.

mod bless;
mod dump;
mod expire;
mod look;
mod migrate;
mod object;
mod place;
mod remove;
mod sort;

use crate::command::Family;

pub const FAMILY: Family = Family {
    group: "generic",
    category: "keyspace",
    commands: &[
        &remove::DEL,
        &remove::UNLINK,
        &look::EXISTS,
        &look::TOUCH,
        &look::TYPE,
        &look::KEYS,
        &look::SCAN,
        &look::RANDOMKEY,
        &place::RENAME,
        &place::RENAMENX,
        &place::COPY,
        &place::MOVE,
        &expire::EXPIRE,
        &expire::PEXPIRE,
        &expire::EXPIREAT,
        &expire::PEXPIREAT,
        &expire::TTL,
        &expire::PTTL,
        &expire::EXPIRETIME,
        &expire::PEXPIRETIME,
        &expire::PERSIST,
        &object::OBJECT,
        &bless::BLESS,
        &dump::DUMP,
        &dump::RESTORE,
        &migrate::MIGRATE,
        &sort::SORT,
        &sort::SORT_RO,
    ],
};

/// What servers alone say to each other.
pub const BETWEEN_SERVERS: Family = Family {
    group: "server",
    category: "",
    commands: &[&dump::RESTORE_ASKING],
};
