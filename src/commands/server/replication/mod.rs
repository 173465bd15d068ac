//! Replication: who follows whom, and how replicas are served.

mod conf;
mod failover;
mod role;
mod sync;
mod wait;

pub use conf::REPLCONF;
pub use failover::FAILOVER;
pub use role::{REPLICAOF, ROLE, SLAVEOF};
pub use sync::{PSYNC, SYNC};
pub use wait::{WAIT, WAITAOF};
