//! Commands of Redis that are not there, but that rules of users may name: files of rules are written for Redis, and
//! `-module|load` stands in many.

use crate::acl::{Known, category};

/// Categories, and the commands in them.
const ABSENT: &[(&[&str], &[&str])] = &[(
    &["admin", "slow", "dangerous"],
    &["module|load", "module|loadex", "module|unload"],
)];

/// Adds them to those there are, which may have come to hold some of them.
pub(super) fn add(commands: &mut Vec<Known>) {
    for (categories, names) in ABSENT {
        let categories = categories
            .iter()
            .filter_map(|name| category(name.as_bytes()))
            .fold(0, |bits, category| bits | 1 << category);
        for name in *names {
            if commands.iter().any(|known| known.name == *name) {
                continue;
            }
            let number = commands.len();
            let container = name.split_once('|').map(|(container, _)| container);
            let mut there = commands.iter_mut();
            if let Some(known) = there.find(|known| Some(known.name.as_str()) == container) {
                known.subcommands.push(number);
            }
            commands.push(Known {
                name: name.to_string(),
                categories,
                subcommands: Vec::new(),
            });
        }
    }
}
