//! What is left to be done of a request once it has run.

use super::{Blocked, Journey, Long};
use crate::command::{AwaitedJob, Feed, Shutdown};

/// What the connection does after a request.
pub enum Next {
    Continue,
    /// Block until served, timed out, unblocked or gone; then ask [`Blocked::wake`].
    Block(Box<Blocked>),
    /// CLIENT PAUSE holds this request back: run it again later.
    Paused,
    /// Close once what is written has been sent.
    Close,
    /// Close at once; nothing more is sent.
    Abort,
    Shutdown(Option<Shutdown>),
    /// A script goes on after others had their turn: [`super::go_on`].
    Busy,
    /// The reply is long, and goes on after others had their turn: [`Long::write_on`].
    Rest(Box<Long>),
    /// The reply comes when a job on another thread has ended.
    Wait(AwaitedJob),
    /// Keys go to another server: [`super::Landing::arrive`] is told when they have arrived.
    Transfer(Box<Journey>),
    /// A replica is at the other end: it gets a snapshot and the stream.
    Replica(Box<Feed>),
    /// The guards have moved since they were asked, and nothing was done: [`super::Worker::run`] asks them again.
    Again,
}
