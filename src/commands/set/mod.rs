//! Sets: members without order, and their algebra.

mod algebra;
mod deadline;
mod edit;
mod look;
mod random;
mod timed;

use crate::command::Family;

pub const FAMILY: Family = Family {
    group: "set",
    category: "set",
    commands: &[
        &edit::SADD,
        &edit::SREM,
        &edit::SMOVE,
        &look::SCARD,
        &look::SISMEMBER,
        &look::SMISMEMBER,
        &look::SMEMBERS,
        &look::SSCAN,
        &random::SPOP,
        &random::SRANDMEMBER,
        &algebra::SINTER,
        &algebra::SINTERSTORE,
        &algebra::SINTERCARD,
        &algebra::SUNION,
        &algebra::SUNIONSTORE,
        &algebra::SDIFF,
        &algebra::SDIFFSTORE,
        &algebra::SUNIONCARD,
        &algebra::SDIFFCARD,
        &deadline::SEXPIRE,
        &deadline::SPEXPIRE,
        &deadline::SEXPIREAT,
        &deadline::SPEXPIREAT,
        &deadline::SPERSIST,
        &deadline::STTL,
        &deadline::SPTTL,
        &deadline::SEXPIRETIME,
        &deadline::SPEXPIRETIME,
        &timed::SADDEX,
    ],
};
