//! Sockets: listeners, connections and what they may use. Nothing here knows what any command means.

mod connection;
mod doors;
mod listener;
mod stream;

pub use connection::{Buffers, serve};
pub use listener::{Accepted, Listeners};
pub use stream::Stream;
