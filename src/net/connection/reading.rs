//! Bytes on their way in: room for them, and what others see of it.

use std::io;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::BytesMut;

use super::{Buffers, Connection, KEEP_BYTES};
use crate::net::stream::Stream;
use crate::util::memory::grow_exactly;

/// Bytes asked of one read.
const READ_BYTES: usize = 16 * 1024;

impl Connection {
    pub(super) fn give_back_input(&mut self) {
        if self.input.is_empty() {
            let buf = std::mem::take(&mut self.input);
            self.buffers.keep_input(buf, self.keep_bytes());
        }
        self.codec.shrink();
        self.tell_input();
    }

    /// What others see of the query buffer. What was announced is taken already: it will be needed before anything
    /// can be done about it, and a reply to someone else must not depend on how much of it has come.
    pub(super) fn tell_input(&self) {
        let have = self.input.len();
        let argv_bytes = self.codec.before_large().min(have);
        let query_bytes = have - argv_bytes;
        let announced = have.saturating_add(self.codec.wanted(have));
        let client = &self.client;
        client.argv_bytes.store(argv_bytes, Ordering::Relaxed);
        client.query_bytes.store(query_bytes, Ordering::Relaxed);
        client
            .query_capacity
            .store(self.input.capacity().max(announced), Ordering::Relaxed);
    }
}

/// Room for what was announced, but not much more at once than has come already: words are cheap.
fn make_room(input: &mut BytesMut, wanted: usize) {
    let (len, room) = (input.len(), input.capacity() - input.len());
    let is_large = len >= 2 * READ_BYTES && wanted > 0;
    if room >= READ_BYTES / 4 || is_large && room >= wanted {
        return;
    }
    if is_large && wanted <= 2 * len {
        // All that is left of a large argument.
        grow_exactly(input, wanted);
    } else {
        input.reserve(wanted.clamp(READ_BYTES, len.max(READ_BYTES)));
    }
}

pub(super) fn read(
    stream: &mut Stream,
    input: &mut BytesMut,
    wanted: usize,
    buffers: &Buffers,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if input.capacity() == 0 {
        *input = buffers.input.borrow_mut().pop().unwrap_or_default();
    }
    make_room(input, wanted);
    let done = stream.poll_read(context, input);
    if done.is_pending() && input.is_empty() {
        buffers.keep_input(std::mem::take(input), KEEP_BYTES);
    }
    done
}
