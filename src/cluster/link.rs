//! Connections of the bus, as the state knows them: numbers, and which node is at the other end.
//!
//! A node opens one connection to every other: on it go its pings, and the other's pongs. The connection that the other
//! has opened is inbound.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::node::At;

/// Which of the two connections with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// The one that this node has opened.
    Own,
    Inbound,
}

#[derive(Debug)]
pub struct BusLink {
    /// Who is at the other end, once that is known.
    pub node: Option<At>,
    pub inbound: bool,
    /// It stands, and takes frames.
    pub open: bool,
    /// The other end has said that it understands extensions of pings, whether it is known or not.
    pub understands: bool,
    pub created_ms: u64,
    /// When the last frame came; 0 if none has.
    pub heard_ms: u64,
    /// The other end's address, of a connection that stands.
    pub remote_ip: String,
    /// This end's address.
    pub local_ip: String,
    /// Bytes that wait to be written.
    pub waiting: Arc<AtomicUsize>,
}
