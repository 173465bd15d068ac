//! What workers share beside the keyspace: clients, statistics, replication, the cluster, what moves away.
//!
//! It knows nothing of commands: those are written in terms of it, a floor above.

pub mod away;
pub mod client;
pub mod clients;
pub mod clustering;
pub mod guards;
pub mod hotkeys;
mod in_cluster;
mod in_sentinel;
pub mod latency;
pub mod links;
pub mod moves;
pub mod pause;
pub mod pulse;
pub mod replication;
pub mod rewrite;
pub mod sentinel;
pub mod shared;
pub mod slot_costs;
pub mod slowlog;
pub mod stats;
pub mod surroundings;
pub mod users;
pub mod weight;
