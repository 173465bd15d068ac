//! The cluster's bus: sockets between nodes, the clock that drives the state, and the file that outlives the process.
//!
//! What nodes say to each other, and what follows from it, is decided by `cluster`; here it is carried.

mod start;

pub use start::open;
