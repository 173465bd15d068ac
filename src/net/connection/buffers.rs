//! Buffers of a worker's connections, and how they are filled.

use std::cell::{Cell, RefCell};
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;

use super::ahead::Ahead;
use crate::net::stream::NetStream;
use crate::util::memory::{self, grow_exactly};

/// Buffers above this are given back to the allocator instead of being kept for others.
pub(super) const KEEP_BYTES: usize = 128 * 1024;
/// The limit that holds instead where buffers would cost keys: as much as Redis keeps for a client.
pub(super) const KEEP_BYTES_LIMITED: usize = 16 * 1024;
/// Bytes asked of one read.
const READ_BYTES: usize = 16 * 1024;

/// Buffers of one worker that no connection is using.
#[derive(Default)]
pub struct Buffers {
    pub(super) input: RefCell<Vec<BytesMut>>,
    pub(super) output: RefCell<Vec<Vec<u8>>>,
    pub(super) ahead: Cell<Ahead>,
    /// Held by the one TLS handshake that reckons at present.
    handshakes: tokio::sync::Mutex<()>,
}

impl Buffers {
    /// Takes back what a connection read into, unless it is larger than is to be kept.
    pub(super) fn keep_input(&self, mut buf: BytesMut, bytes_max: usize) {
        buf.clear();
        // Its capacity is what lies behind the last request: before that there may be much more.
        if buf.try_reclaim(bytes_max + 1) {
            free(buf);
        } else if buf.capacity() > 0 {
            self.input.borrow_mut().push(buf);
        }
    }

    /// Takes back what a connection wrote from, unless it is larger than is to be kept.
    pub(super) fn keep_output(&self, mut buf: Vec<u8>, bytes_max: usize) {
        buf.clear();
        match buf.capacity() <= bytes_max {
            true => self.output.borrow_mut().push(buf),
            false => free(buf),
        }
    }
}

/// Frees a large buffer, which counts at once: this worker may have nothing to do for long.
#[cold]
fn free<T>(buf: T) {
    drop(buf);
    memory::publish();
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
    stream: &mut NetStream,
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

/// Comes to an agreement with a client that speaks TLS, in this time at most.
pub async fn shake_hands(
    buffers: &Buffers,
    stream: &mut NetStream,
    patience: Duration,
) -> io::Result<()> {
    let NetStream::Tls(secure) = stream else {
        return Ok(());
    };
    let shaken = secure.shake_hands(&buffers.handshakes);
    match tokio::time::timeout(patience, shaken).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the handshake has not come to an end in time",
        )),
    }
}
