//! The cluster's bus: sockets between nodes, the clock that drives the state, and the file that outlives the process.
//!
//! What nodes say to each other, and what follows from it, is decided by `cluster`; here it is carried. The bus has
//! threads of its own, so that a node which is busy is not held for dead: one for sockets and the clock, and others for
//! what may have to wait for shards, for the disk or for other nodes.

mod chores;
mod leaves;
mod link;
mod moves;
mod orders;
mod peer;
mod serve;
mod start;

pub use serve::{Bus, serve};
pub use start::open;
