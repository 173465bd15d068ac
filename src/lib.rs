//! Vermilion: a Redis-compatible in-memory server.
//!
//! # The road of a request
//!
//! ```text
//! socket - net::connection - resp::codec --> arguments (slices of the read buffer, no copy)
//!   find    the command's entry by name, and its key's hash; for up to 16 requests of one read at once, so that
//!           the memory they will look at is fetched for all of them at the same time (benches/versus)
//!   admit   ordered checks, the first refusal wins; inside MULTI: queue, reply QUEUED
//!   lock    the shards of the command's keys, lowest first; if what was checked has changed since, let go and admit anew
//!   run     the handler: plain code, no await; on failure its reply is cut off again
//!   commit  serve sleepers, append to the journal, unlock; then events, tracking, statistics
//!   reply   stands in the connection's buffer: one write per batch read, after the other clients of this worker that
//!           have something to say were heard, so that whoever waits for many replies is woken once. A long one (SMEMBERS of a
//!           large set) is written from a frozen copy, in parts, with the others' turns between them; KEYS of many keys
//!           also finds them so, as of one moment (engine::names). Many requests of one read have others' turns between them, too
//!   log     held there until what it depends on is in the log's file, and under appendfsync always on the disk
//! ```
//!
//! # Floors
//!
//! A module uses only the floors below it. `tests/floors.rs` reads this table and every `use crate::`, and checks.
//!
//! ```text
//! 12  server background daemon log cli testing   put the parts together
//! 11  net        sockets: listener, connection
//! 10  repl       full syncs, and the link to a master
//!  9  exec       finds, admits, locks, runs and commits requests; transactions, scripts, blocked clients, expiry, eviction
//!  8  commands   one file for each group of related commands; families never import each other
//!  7  command    the words that commands are written in, and what workers share
//!  6  persist    the data files: snapshots and the append-only file
//!  5  journal    one order of all edits, for the log and for replicas
//!  4  engine     the keyspace: shards, tables, deadlines, snapshots in memory
//!  3  pubsub acl script tls   channels and client tracking; users and their rights; Lua; certificates and links over TLS
//!  2  types resp config   values without keys or clock; bytes on the wire; every directive once
//!  1  util       clock, numbers, globs, hashes, memory, locks in one order
//! ```
#![forbid(unsafe_code)]

pub mod acl;
pub mod background;
pub mod cli;
pub mod command;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod engine;
pub mod exec;
pub mod journal;
pub mod log;
pub mod net;
pub mod persist;
pub mod pubsub;
pub mod repl;
pub mod resp;
pub mod script;
pub mod server;
pub mod testing;
pub mod tls;
pub mod types;
pub mod util;

/// It counts bytes per thread, which `maxmemory` needs at every command. Beside mimalloc, medians of five: SET of
/// 100 bytes at 0.94 times its processor time, HSET of three fields at 1.12 times, 0.82 times its memory, and half of it idle.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
