//! Streams: entries in the order of their ids, and groups of consumers that share them.

mod add;
mod claim;
mod edit;
mod group;
mod id;
mod idempotency;
mod info;
mod look;
mod nack;
mod pending;
mod read;
mod read_group;
mod references;
mod reply;

use crate::command::{Fail, Family, quoted};

pub const FAMILY: Family = Family {
    group: "stream",
    category: "stream",
    commands: &[
        &add::XADD,
        &add::XTRIM,
        &look::XLEN,
        &look::XRANGE,
        &look::XREVRANGE,
        &edit::XDEL,
        &references::XDELEX,
        &references::XACKDEL,
        &edit::XSETID,
        &idempotency::XCFGSET,
        &idempotency::XIDMPRECORD,
        &read::XREAD,
        &read_group::XREADGROUP,
        &group::XGROUP,
        &pending::XACK,
        &nack::XNACK,
        &pending::XPENDING,
        &claim::XCLAIM,
        &claim::XAUTOCLAIM,
        &info::XINFO,
    ],
};

/// The key or the group isn't there; `tail` is what some commands add.
fn no_group(key: &[u8], group: &[u8], tail: &str) -> Fail {
    Fail::code(format!(
        "NOGROUP No such key '{}' or consumer group '{}'{tail}",
        quoted(key),
        quoted(group)
    ))
}

/// The key is there, and the group isn't.
fn no_such_group(key: &[u8], group: &[u8]) -> Fail {
    Fail::code(format!(
        "NOGROUP No such consumer group '{}' for key name '{}'",
        quoted(group),
        quoted(key)
    ))
}
