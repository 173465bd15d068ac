//! What every black-box test needs: a server of its own and a client that sees the bytes.

mod client;
mod oracles;
mod process;
mod value;

use std::thread::sleep;
use std::time::{Duration, Instant};

pub use client::{Client, Reply, Transport, encode};
pub use oracles::{Oracle, oracles, redis_8, redis_stack, valkey_9};
pub use process::{Server, free_port, our_server, real_redis, redis_is_missing};
pub use value::{Value, escape};

const PATIENCE: Duration = Duration::from_secs(20);

/// What `get` has at last, which takes a while; `what` is missing if it never comes.
pub fn awaited<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(got) = get() {
            return got;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(10));
    }
}

/// Waits until it holds; `what` is wrong if it never does.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    awaited(what, || holds().then_some(()));
}

/// A number from the environment, so that a longer run needs no edit.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}"))
    })
}
