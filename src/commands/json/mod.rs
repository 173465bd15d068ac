//! JSON documents: values in them are found by paths.
//!
//! A path that begins with `$` answers with a list of all that match. An older one, which doesn't, answers with one value, and is
//! an error where none matches. Error texts are those of RedisJSON 2.8, few of which begin with `ERR`.

mod array;
mod array_edit;
mod debug;
mod get;
mod look;
mod number;
mod place;
mod remove;
mod set;
mod shape;
mod text;

use crate::command::{Family, MODULE_GROUP};

pub const FAMILY: Family = Family {
    group: MODULE_GROUP,
    category: "json",
    commands: &[
        &set::SET,
        &set::MSET,
        &set::MERGE,
        &get::GET,
        &get::MGET,
        &remove::DEL,
        &remove::FORGET,
        &remove::CLEAR,
        &look::TYPE,
        &look::OBJKEYS,
        &look::OBJLEN,
        &look::RESP,
        &number::NUMINCRBY,
        &number::NUMMULTBY,
        &number::NUMPOWBY,
        &text::STRAPPEND,
        &text::STRLEN,
        &text::TOGGLE,
        &array::ARRLEN,
        &array::ARRINDEX,
        &array_edit::ARRAPPEND,
        &array_edit::ARRINSERT,
        &array_edit::ARRPOP,
        &array_edit::ARRTRIM,
        &debug::DEBUG,
    ],
};
