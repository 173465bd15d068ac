//! Commands of Redis that are not there, but that rules of users may name: files of rules are written for Redis, and
//! `+cluster|info` stands in many.

use crate::acl::{Known, category};

/// Categories, and the commands in them.
const ABSENT: &[(&[&str], &[&str])] = &[
    (
        &["fast", "connection"],
        &["asking", "readonly", "readwrite"],
    ),
    (
        &["keyspace", "write", "slow", "dangerous"],
        &["restore-asking"],
    ),
    (
        &["slow"],
        &[
            "cluster",
            "cluster|countkeysinslot",
            "cluster|getkeysinslot",
            "cluster|help",
            "cluster|info",
            "cluster|keyslot",
            "cluster|links",
            "cluster|myid",
            "cluster|myshardid",
            "cluster|nodes",
            "cluster|shards",
            "cluster|slots",
        ],
    ),
    (
        &["admin", "slow", "dangerous"],
        &[
            "cluster|addslots",
            "cluster|addslotsrange",
            "cluster|bumpepoch",
            "cluster|count-failure-reports",
            "cluster|delslots",
            "cluster|delslotsrange",
            "cluster|failover",
            "cluster|flushslots",
            "cluster|forget",
            "cluster|meet",
            "cluster|replicas",
            "cluster|replicate",
            "cluster|reset",
            "cluster|saveconfig",
            "cluster|set-config-epoch",
            "cluster|setslot",
            "cluster|slaves",
            "module|load",
            "module|loadex",
            "module|unload",
        ],
    ),
];

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
