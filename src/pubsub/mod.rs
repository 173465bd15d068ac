//! Messages outside the order of request and reply.
//!
//! A mailbox holds what a connection has yet to push to its client; the broker and the
//! tracking table put messages into mailboxes. Nothing here knows sockets or commands.

mod broker;
mod mailbox;
pub mod notify;
mod tracking;

pub use broker::{Broker, Channels};
pub use mailbox::{Mailbox, Overflow};
pub use tracking::{Tracking, TrackingMode};
