//! A Sentinel's connections, clock and scripts: what happens is told to [`crate::sentinel`], and what that wants is done.
//!
//! One thread has all connections: to masters, their replicas and other Sentinels. What comes over them is not trusted: replies
//! are bounded, and whoever says too much, or what is no reply, is left.

mod script;
mod serve;
mod start;
mod wire;

pub use serve::serve;
pub use start::{open, set_defaults};
