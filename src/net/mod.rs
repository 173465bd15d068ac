//! Sockets: listeners, connections and what they may use. Nothing here knows what any command means.

mod connection;
mod dial;
mod doors;
mod listener;
mod stream;
mod tls;

pub use connection::{Buffers, serve, shake_hands};
pub use dial::{Dial, Dialled};
pub use doors::Spoken;
pub use doors::listen;
pub use listener::{Accepted, Listeners};
pub use stream::NetStream;
