//! Replication at work: full syncs for replicas, the link to a master, and what is looked at now and then.
//!
//! Replicas are connections like any other, served by `net`; here is what they are served with, and the thread that
//! makes this server a replica itself.

mod cron;
mod failover;
mod full;
mod link;
mod origin;
mod transfer;
mod wire;

pub use cron::watch;
pub use link::follow;
pub use origin::{begin, resume};
