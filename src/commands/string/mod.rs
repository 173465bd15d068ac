//! Strings: values, counters, and pieces of them.

mod compare;
mod counter;
mod lcs;
mod limited;
mod range;
mod several;
mod value;

use crate::command::Family;

pub const FAMILY: Family = Family {
    group: "string",
    category: "string",
    commands: &[
        &value::GET,
        &value::SET,
        &value::SETNX,
        &value::SETEX,
        &value::PSETEX,
        &value::GETSET,
        &value::GETDEL,
        &value::GETEX,
        &value::MGET,
        &value::MSET,
        &value::MSETNX,
        &counter::INCR,
        &counter::DECR,
        &counter::INCRBY,
        &counter::DECRBY,
        &counter::INCRBYFLOAT,
        &range::APPEND,
        &range::STRLEN,
        &range::SETRANGE,
        &range::GETRANGE,
        &range::SUBSTR,
        &lcs::LCS,
        &compare::DIGEST,
        &compare::DELEX,
        &compare::DELIFEQ,
        &several::MSETEX,
        &limited::INCREX,
    ],
};
