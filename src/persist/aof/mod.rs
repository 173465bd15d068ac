//! The append only file: Redis 7's folder of a base, increments and a manifest.

mod commands;
mod course;
mod increment;
mod log;
mod manifest;
mod place;
mod read;
mod rewrite;
mod seal;
mod start;
mod streams;
mod sync_call;
mod tail;
mod writer;

pub use log::Log;
pub use manifest::{AofFile, Manifest};
pub use place::folder;
pub(super) use place::{filename, manifest_path};
pub use read::{AofEnd, Apply, LogFile, run_updates};
pub(super) use rewrite::{collect, rewrite, rotate, try_place};
pub(super) use start::{load, load_from, take_over};
pub(super) use writer::stop;
