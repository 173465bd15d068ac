//! Hashes: fields and values under one key, each field with a time to live if wanted.

mod deadline;
mod edit;
mod look;
mod number;
mod timed;

use crate::command::Family;

pub const FAMILY: Family = Family {
    group: "hash",
    category: "hash",
    commands: &[
        &edit::HSET,
        &edit::HMSET,
        &edit::HSETNX,
        &edit::HDEL,
        &number::HINCRBY,
        &number::HINCRBYFLOAT,
        &look::HGET,
        &look::HMGET,
        &look::HGETALL,
        &look::HKEYS,
        &look::HVALS,
        &look::HLEN,
        &look::HSTRLEN,
        &look::HEXISTS,
        &look::HRANDFIELD,
        &look::HSCAN,
        &deadline::HEXPIRE,
        &deadline::HPEXPIRE,
        &deadline::HEXPIREAT,
        &deadline::HPEXPIREAT,
        &deadline::HTTL,
        &deadline::HPTTL,
        &deadline::HEXPIRETIME,
        &deadline::HPEXPIRETIME,
        &deadline::HPERSIST,
        &timed::HGETEX,
        &timed::HSETEX,
        &timed::HGETDEL,
    ],
};
