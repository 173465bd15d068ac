//! The other servers that ours exchanges data with: Debian's Redis 7.0.15, and those that `tests/oracles` brings.
//!
//! `ORACLES` names the file in which `tests/oracles` has written where they are; without it that is `target/oracles/list`.

use std::fs;
use std::path::PathBuf;

use super::process::{real_redis, redis_is_missing};

/// A server of another make.
#[derive(Clone, Debug)]
pub struct Oracle {
    pub name: &'static str,
    pub program: PathBuf,
    /// Whether fields of its hashes may have deadlines.
    pub times_fields: bool,
    /// Valkey 9: where the families' formats differ, it reads its own alone.
    pub reads_valkey: bool,
}

/// All of them in the order of their age, as the list calls them: their fields' deadlines, and whether they are a Valkey 9.
const KNOWN: [(&str, bool, bool); 4] = [
    ("redis-stack", true, false),
    ("redis-8", true, false),
    ("valkey-8", false, false),
    ("valkey-9", true, true),
];

impl Oracle {
    /// Options with which ours writes what it reads.
    pub fn dialect(&self) -> [&'static str; 2] {
        [
            "--rdb-dialect",
            if self.reads_valkey { "valkey" } else { "redis" },
        ]
    }
}

/// Those that are here; each that is missing is told of in one line.
pub fn oracles() -> Vec<Oracle> {
    let mut found = Vec::new();
    if !redis_is_missing() {
        found.push(Oracle {
            name: "redis-7",
            program: real_redis(),
            times_fields: false,
            reads_valkey: false,
        });
    }
    for (name, times_fields, reads_valkey) in KNOWN {
        found.extend(named(name).map(|program| Oracle {
            name,
            program,
            times_fields,
            reads_valkey,
        }));
    }
    found
}

/// The program of one of them; if it is missing, a line tells so.
fn named(name: &str) -> Option<PathBuf> {
    let list = std::env::var_os("ORACLES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/oracles/list")),
        PathBuf::from,
    );
    let list = fs::read_to_string(list).unwrap_or_default();
    let program = list.lines().find_map(|line| {
        let (known, path) = line.split_once('=')?;
        (known == name && PathBuf::from(path).exists()).then(|| PathBuf::from(path))
    });
    if program.is_none() {
        println!("{name} is not here and is left out: tests/oracles brings it");
    }
    program
}

/// Redis 8.2, if it is here.
pub fn redis_8() -> Option<PathBuf> {
    named("redis-8")
}

/// Valkey 9, if it is here.
pub fn valkey_9() -> Option<PathBuf> {
    named("valkey-9")
}

/// Redis Stack 7.4.1, if it is here.
pub fn redis_stack() -> Option<PathBuf> {
    named("redis-stack")
}
