//! Long replies: written a part at a time, so that no other client waits for all of it.

use super::Worker;
use crate::command::session::Session;
use crate::command::{Entry, Rest};
use crate::engine::Garbage;
use crate::resp::Reply;
use crate::util::clock::Reading;

/// Elements of a part: less than a quarter of a millisecond.
const PART: usize = 4096;

/// A reply that isn't whole yet.
pub struct Long {
    entry: &'static Entry,
    rest: Box<Rest>,
    at: usize,
    /// Time that the command has taken so far.
    pub(super) nanos: u64,
}

impl Long {
    pub(super) fn new(entry: &'static Entry, rest: Box<Rest>) -> Self {
        Long {
            entry,
            rest,
            at: 0,
            nanos: 0,
        }
    }
}

impl Worker {
    /// Writes the next part of a reply. Gives it back unless it is whole now, or nobody will take it.
    pub fn write_on(
        &self,
        session: &Session,
        mut long: Long,
        argv: &[&[u8]],
        out: &mut Reply,
        started: &mut Reading,
    ) -> Option<Long> {
        let Rest { value, len, write } = &*long.rest;
        let end = (*len).min(long.at + PART);
        write(value.as_ref(), long.at..end, out);
        let whole = end == *len;
        long.at = end;
        long.nanos += self.lap(started);
        if !whole && !out.is_full() {
            return Some(long);
        }
        self.end_long(session, long, argv);
        None
    }

    /// A reply is whole, or nobody is left to take the rest of it.
    pub fn end_long(&self, session: &Session, long: Long, argv: &[&[u8]]) {
        self.count(session, long.entry, argv, long.nanos);
        // Its parts may be no one else's any more: that many are not dropped here.
        self.discard(Garbage::Value(long.rest.value));
    }
}
