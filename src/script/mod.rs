//! Lua: a sandboxed state for each worker, the scripts and functions that all of them share, and values' ways in and out.
//!
//! Knows no keys, commands or locks: what `redis.call` does is handed in as a function.

mod bits;
mod cjson;
mod cmsgpack;
mod contained;
mod convert;
mod host;
mod kept;
mod library;
mod loading;
mod number;
mod packed;
mod raise;
mod sandbox;
mod shared;
mod shebang;
mod state;

pub use contained::{KeyPlaces, is_contained};
pub use convert::{argument, from_reply, write_reply};
pub use host::{Failure, Host};
pub use loading::{Library, Registered};
pub use raise::{Killed, Raised, raised};
pub use shared::{Clash, Functions, LoadedScript, RunningScript, Scripts, sha1_hex};
pub use shebang::{Flags, Header};
