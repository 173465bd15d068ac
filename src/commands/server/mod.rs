//! The server itself: what it holds, how it is set, what it did, and its end.

mod acl;
mod acl_roles;
mod backup;
mod command;
mod commandlog;
mod config;
mod database;
mod debug;
mod docs;
mod figures;
mod hotkeys;
mod info;
mod latency;
mod lolwut;
mod memory;
mod module;
mod monitor;
mod persistence;
mod replication;
mod shutdown;
mod slowlog;

use crate::command::Family;

pub const FAMILY: Family = Family {
    group: "server",
    category: "",
    commands: &[
        &acl::ACL,
        &backup::BACKUP,
        &persistence::BGREWRITEAOF,
        &persistence::BGSAVE,
        &command::COMMAND,
        &config::CONFIG,
        &database::DBSIZE,
        &debug::DEBUG,
        &replication::FAILOVER,
        &database::FLUSHALL,
        &database::FLUSHDB,
        &hotkeys::HOTKEYS,
        &info::INFO,
        &persistence::LASTSAVE,
        &latency::LATENCY,
        &lolwut::LOLWUT,
        &memory::MEMORY,
        &module::MODULE,
        &monitor::MONITOR,
        &replication::PSYNC,
        &replication::REPLCONF,
        &replication::REPLICAOF,
        &replication::ROLE,
        &persistence::SAVE,
        &shutdown::SHUTDOWN,
        &replication::SLAVEOF,
        &slowlog::SLOWLOG,
        &commandlog::COMMANDLOG,
        &database::SWAPDB,
        &replication::SYNC,
        &database::TIME,
    ],
};

/// Those that a Sentinel has.
pub const OF_A_SENTINEL: Family = Family {
    commands: &[
        &acl::ACL_OF_A_SENTINEL,
        &command::COMMAND,
        &info::INFO,
        &replication::ROLE,
        &shutdown::SHUTDOWN,
    ],
    ..FAMILY
};

/// What COMMAND DOCS lists among the commands on keys.
pub const GENERIC: Family = Family {
    group: "generic",
    category: "connection",
    commands: &[&replication::WAIT, &replication::WAITAOF],
};
