//! Sets: members without order, and their algebra.

mod algebra;
mod edit;
mod look;
mod random;

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
    ],
};
