//! Vector sets: elements that are found by how near their vectors are to another one.
//!
//! In Redis 8 a module brings them, which checks the number of arguments itself, and says the name in capitals.

mod edit;
mod given;
mod look;
mod search;

use std::ops::RangeInclusive;

use crate::command::{Arg, Args, Fail, Family, KeyUse, MODULE_GROUP};

pub const FAMILY: Family = Family {
    group: MODULE_GROUP,
    category: "",
    commands: &[
        &edit::VADD,
        &edit::VREM,
        &edit::VSETATTR,
        &search::VSIM,
        &look::VCARD,
        &look::VDIM,
        &look::VEMB,
        &look::VGETATTR,
        &look::VINFO,
        &look::VISMEMBER,
        &look::VLINKS,
        &look::VRANDMEMBER,
        &look::VRANGE,
    ],
};

/// The key of each of them. To Redis, a module's command does anything with it.
const KEY: Arg = Arg::key("key", KeyUse::READ_UPDATE);

/// Checks how many words a command has, its name among them.
fn arity(args: &Args<'_>, fits: RangeInclusive<usize>, name: &str) -> Result<(), Fail> {
    match fits.contains(&args.all().len()) {
        true => Ok(()),
        false => Err(Fail::arity(name)),
    }
}
