//! Bytes on the wire: requests, and replies in RESP2 and RESP3.

mod codec;
mod reply;
mod request;

pub mod value;

pub use codec::{Codec, ProtoLimits, ProtocolError};
pub use reply::{Deferred, Reply, ReplyMark};
pub use request::{Request, encode};
