//! What every black-box test needs: a server of its own and a client that sees the bytes.

mod client;
mod process;
mod value;

pub use client::{Client, Reply, encode};
pub use process::{Server, free_port, our_server, real_redis};
pub use value::{Value, escape};

/// A number from the environment, so that a longer run needs no edit.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}"))
    })
}
