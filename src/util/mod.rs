//! Small tools without an opinion on Redis's data: clock, chance, numbers, globs, hashes, memory, locks.

pub mod chance;
pub mod clock;
pub mod cpu;
pub mod crash;
pub mod dial;
pub mod extended;
pub mod gallop;
pub mod glob;
pub mod keyhash;
pub mod memory;
pub mod number;
pub mod oom;
pub mod piece;
pub mod ranked;
pub mod system;
pub mod thread;
pub mod turns;
pub mod words;
