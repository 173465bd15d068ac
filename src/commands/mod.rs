//! The commands, a folder or file for each family. This list is the only one.

mod key;
mod string;

use crate::command::Family;

pub const FAMILIES: &[&Family] = &[&string::FAMILY, &key::FAMILY];
