//! One connection of a link, and the replies that are still to come over it.

use std::collections::VecDeque;

use super::instance::InstanceId;
use super::link::LinkKey;

/// What is done with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    Nothing,
    Pong,
    Info,
    Published,
    /// An answer to SENTINEL IS-MASTER-DOWN-BY-ADDR.
    Opinion,
}

/// A connection that was opened, or is about to be.
#[derive(Debug)]
pub struct OpenWire {
    pub link: LinkKey,
    pub is_pubsub: bool,
    /// Replies that are still to come, and for whom.
    pub awaited: VecDeque<(InstanceId, Awaited)>,
}
