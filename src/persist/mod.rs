//! Data that outlives the process: snapshots, the append only file, and the files they live in.
//!
//! [`Store`] is what the server asks. One thread of its own writes snapshots and rewrites the log, another writes the
//! log as it grows; both go through [`disk::Disk`]. Loading takes a function that runs a command, and knows no
//! more of commands than that.

pub mod aof;
mod backing_up;
mod backup;
mod crc64;
pub mod disk;
mod job;
mod jobs;
mod kept;
pub mod loading;
pub mod rdb;
mod reading;
mod store;
mod turning;
pub mod window;

pub use aof::run_updates;
pub use job::{JobKind, JobOutcome, RunningJob, Told, Work};
pub use store::{DiskTrouble, Saves, Store};
