//! Sorted sets: members in the order of their scores.

mod algebra;
mod edit;
mod look;
mod moves;
mod pop;
mod range;
mod remove;
mod reply;

use crate::command::Family;

pub const FAMILY: Family = Family {
    group: "sorted-set",
    category: "sortedset",
    commands: &[
        &edit::ZADD,
        &edit::ZINCRBY,
        &remove::ZREM,
        &remove::ZREMRANGEBYRANK,
        &remove::ZREMRANGEBYSCORE,
        &remove::ZREMRANGEBYLEX,
        &look::ZCARD,
        &look::ZSCORE,
        &look::ZMSCORE,
        &look::ZRANK,
        &look::ZREVRANK,
        &look::ZCOUNT,
        &look::ZLEXCOUNT,
        &look::ZRANDMEMBER,
        &look::ZSCAN,
        &range::ZRANGE,
        &range::ZREVRANGE,
        &range::ZRANGEBYSCORE,
        &range::ZREVRANGEBYSCORE,
        &range::ZRANGEBYLEX,
        &range::ZREVRANGEBYLEX,
        &range::ZRANGESTORE,
        &algebra::ZUNION,
        &algebra::ZINTER,
        &algebra::ZDIFF,
        &algebra::ZUNIONSTORE,
        &algebra::ZINTERSTORE,
        &algebra::ZDIFFSTORE,
        &algebra::ZINTERCARD,
        &pop::ZPOPMIN,
        &pop::ZPOPMAX,
        &pop::ZMPOP,
        &pop::BZPOPMIN,
        &pop::BZPOPMAX,
        &pop::BZMPOP,
        &moves::ZMOVE,
        &moves::BZMOVE,
        &moves::ZMOVEMEMBER,
    ],
};
