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
//!   commit  serve blocked clients, append to the journal, unlock; then events, tracking, statistics
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
//! 15  server background daemon log cli testing   put the parts together
//! 14  bus monitor   the cluster's connections and clock; a Sentinel's connections, clock and scripts
//! 13  net        sockets: listener, connection
//! 12  repl       full syncs, and the link to a master
//! 11  exec       finds, admits, locks, runs and commits requests; transactions, scripts, blocked clients, expiry, eviction
//! 10  commands   one file for each group of related commands; families never import each other
//!  9  command    the words that commands are written in
//!  8  state      what workers share: clients, statistics, replication, the cluster, what moves away
//!  7  persist    the data files: snapshots and the append-only file
//!  6  journal    one order of all edits, for the log and for replicas
//!  5  engine     the keyspace: shards, tables, deadlines, snapshots in memory
//!  4  search     indexes over documents: schemas, queries, what finds and scores; no keys' locks
//!  3  pubsub acl script tls cluster sentinel   channels and client tracking; users and their rights; Lua; certificates and links over TLS;
//!                a cluster's nodes, slots and failovers; whom a Sentinel watches, and its failovers
//!  2  types resp config   values without keys or clock; bytes on the wire; every directive once
//!  1  util       clock, chance, numbers, globs, hashes, memory, locks in one order
//! ```
//!
//! # How to add a command
//!
//! Write a `const` and, below it, its handler into the file of its siblings under `commands/`, and name it in the list of
//! its family. Arity, key positions, locks, ACL categories, COMMAND's replies and INFO's counters follow from the `const`
//! (`command::Command` says what each field means); `tests/tidy.rs` sees to it that nothing else knows the command by
//! name. The type of the handler says what it may touch: `Run::Read` keys that it only looks at, `Run::Write` keys,
//! `Run::Session` the session and the server. An edit is made through `Db::edit`, which logs the command, wakes blocked
//! clients, moves WATCH and announces the keyspace event; where the log must say something else, `Db::log` replaces the
//! arguments. A time from now is counted with `Db::now`, and what is dead is told by `Db::now_ms`. Its tests are talk
//! (`tests/talk*.rs`), and a line in the tables of `tests/server/differential` where a real server has the command.
//!
//! # How to add a directive
//!
//! One line in `config/table.rs`: name, type, default, who may change it, documentation. `config.its_name.get()` reads
//! it. What must happen when it is set is done in `Shared::apply_config`. `redis.conf.example` shows it, and a test
//! wants that it is read somewhere, or says why it is ignored.
//!
//! # How to add a type of value
//!
//! The compiler leads through most of the places, as each is a `match` without a wildcard or a trait without a default:
//!
//! - `types/`: a module with the type, its `Default`, and `TypeRef`: what a value says of itself (encoding, bytes,
//!   copies, the effort of freeing it); `types/mod.rs` names the module.
//! - `types/value.rs`: a line in `types!` and the name in `each_type!`. The entry of a key, `Edit`, TYPE, SCAN, COPY,
//!   OBJECT, MEMORY, eviction, UNLINK and snapshots in memory follow from these two.
//! - `engine/effects.rs`: `Class::of`, the class of its keyspace events; a new class is a flag in `config/flags.rs`.
//! - `persist/rdb`: the byte for its kind and the log's word for it in `kind.rs`, an arm each in `write.rs`, `read.rs` and
//!   `skip.rs`. DUMP, RESTORE, MIGRATE, RDB files and full syncs follow.
//! - `persist/aof/commands.rs`: the commands that make the value again, for a log without a snapshot at its head.
//! - `commands/server/debug/digest.rs`: its fingerprint, by which tests compare servers.
//! - `commands/`: a family for its commands, named in `commands/mod.rs`; `acl/catalog.rs` if its ACL category is new.
//! - `tests/server/kinds.rs`: how a sample of it is made. The test then carries it through all of the above.
//!
//! From a key to its shard there is one way, `ShardKey::of`.
//!
//! # How to test
//!
//! `tests/README.md` lists the tests, how each is run and what it takes. The clock (`util::clock`) and chance
//! (`util::chance`) are asked in one place each: a test stops and moves the time by DEBUG CLOCK, and repeats a run by DEBUG
//! SEED or `VERMILION_SEED`.
//!
//! # Words
//!
//! | word | what it means here |
//! | --- | --- |
//! | shard | one of 256 parts of the keyspace, with all databases' keys whose hash falls there, or their slot where a cluster is on, behind one lock |
//! | unit | shards locked together, the commands run on them, and one commit: a command, an EXEC, a script, an expiry |
//! | edit | the guard through which a value is changed; what follows from a change happens when it is dropped |
//! | effects | what a unit did beside changing data: events, records for the log, keys that changed, what is to be freed |
//! | journal | the one order of all edits; the log's writer and the replicas' backlog read it |
//! | gate | how far the log is safe, in its file or on the disk: replies that depend on more are held until it is |
//! | guards | what may forbid a command (CLIENT KILL and PAUSE, rights, the server's role): if they move, it asks anew |
//! | plan | which shards a command locks: those of its keys, all, or one after another |
//! | flow | what a handler asks for when it returns: nothing more, to block, to run a script, to close the connection |
//! | rest, long reply | a reply that is written in parts from a frozen copy, with other clients' turns in between |
//! | fiber | a stack of its own, on which scripts run, so that a worker can leave a slow one and serve others |
//! | relay | applying a master's stream, which is replayed: nothing in it is dead until the master says so |
//! | wheel | the deadlines of a table, sorted as far as needed; the sweep asks it what is due |
//! | garbage | values to be freed when no lock is held, and on another thread if they are large |
#![forbid(unsafe_code)]

pub mod acl;
pub mod background;
pub mod bus;
pub mod cli;
pub mod cluster;
pub mod command;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod engine;
pub mod exec;
pub mod journal;
pub mod log;
pub mod monitor;
pub mod net;
pub mod persist;
pub mod pubsub;
pub mod repl;
pub mod resp;
pub mod script;
pub mod search;
pub mod sentinel;
pub mod server;
pub mod state;
pub mod testing;
pub mod tls;
pub mod types;
pub mod util;

/// It counts bytes per thread, which `maxmemory` needs at every command. Beside mimalloc, medians of five: SET of
/// 100 bytes at 0.94 times its processor time, HSET of three fields at 1.12 times, 0.82 times its memory, and half of it idle.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
