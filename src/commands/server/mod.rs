//! The server itself: what it holds, how it is set, what it did, and its end.

mod command;
mod config;
mod database;
mod debug;
mod docs;
mod figures;
mod info;
mod latency;
mod lolwut;
mod memory;
mod monitor;
mod persistence;
mod shutdown;
mod slowlog;

use crate::command::Family;

pub const FAMILY: Family = Family {
    group: "server",
    category: "",
    commands: &[
        &persistence::BGREWRITEAOF,
        &persistence::BGSAVE,
        &command::COMMAND,
        &config::CONFIG,
        &database::DBSIZE,
        &debug::DEBUG,
        &database::FLUSHALL,
        &database::FLUSHDB,
        &info::INFO,
        &persistence::LASTSAVE,
        &latency::LATENCY,
        &lolwut::LOLWUT,
        &memory::MEMORY,
        &monitor::MONITOR,
        &database::ROLE,
        &persistence::SAVE,
        &shutdown::SHUTDOWN,
        &slowlog::SLOWLOG,
        &database::SWAPDB,
        &database::TIME,
    ],
};

/// What COMMAND DOCS lists among the commands on keys.
pub const GENERIC: Family = Family {
    group: "generic",
    category: "connection",
    commands: &[&database::WAIT],
};
