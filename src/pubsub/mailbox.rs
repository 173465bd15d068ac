//! A client's mailbox: bytes that others push to it, and the bell that wakes its connection.
//!
//! Its size is bounded by `client-output-buffer-limit`: a reader too slow for what it
//! subscribed to is cut off, and memory given back.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use bytes::Bytes;

use crate::config::OutputLimit;
use crate::util::ranked::{Mutex, rank};

/// The client has more waiting for it than its class allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

#[derive(Default)]
pub struct Mailbox {
    resp3: AtomicBool,
    queue: Mutex<VecDeque<Bytes>, { rank("mailbox") }>,
    /// Bytes in `queue`, and bytes of replies that the socket has not taken yet.
    waiting: AtomicUsize,
    unsent: AtomicUsize,
    /// Since when, in milliseconds, the soft limit has been exceeded; 0 if it isn't.
    over_since_ms: AtomicU64,
    closing: AtomicBool,
    /// Rung since the connection last looked.
    rung: AtomicBool,
    bell: AtomicWaker,
}

impl Mailbox {
    pub fn resp3(&self) -> bool {
        self.resp3.load(Ordering::Relaxed)
    }

    pub fn set_resp3(&self, on: bool) {
        self.resp3.store(on, Ordering::Relaxed);
    }

    /// Queues a message and rings.
    pub fn push(&self, message: Bytes) {
        self.waiting.fetch_add(message.len(), Ordering::Relaxed);
        let first = {
            let mut queue = self.queue.lock();
            queue.push_back(message);
            queue.len() == 1
        };
        // Whoever emptied the queue will look again; only the first message needs to wake it.
        if first {
            self.ring();
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Moves everything queued to the end of a reply buffer.
    pub fn drain_into(&self, out: &mut Vec<u8>) {
        let messages = std::mem::take(&mut *self.queue.lock());
        let mut taken = 0;
        for message in messages {
            taken += message.len();
            out.extend_from_slice(&message);
        }
        self.waiting.fetch_sub(taken, Ordering::Relaxed);
    }

    /// How many messages are queued.
    pub fn messages(&self) -> usize {
        self.queue.lock().len()
    }

    /// Bytes waiting to reach the client, replies included.
    pub fn bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed) + self.unsent.load(Ordering::Relaxed)
    }

    /// Bytes of messages that wait to reach the client, replies left out.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Tells how many bytes of replies the socket would not take.
    pub fn set_unsent(&self, bytes: usize) {
        self.unsent.store(bytes, Ordering::Relaxed);
    }

    /// Holds the waiting bytes against a limit.
    pub fn check(&self, limit: OutputLimit, now_ms: u64) -> Result<(), Overflow> {
        let bytes = self.bytes() as u64;
        if limit.hard_bytes > 0 && bytes > limit.hard_bytes {
            return Err(Overflow);
        }
        if limit.soft_bytes == 0 || bytes <= limit.soft_bytes {
            self.over_since_ms.store(0, Ordering::Relaxed);
            return Ok(());
        }
        let since = self.over_since_ms.load(Ordering::Relaxed);
        if since == 0 {
            self.over_since_ms.store(now_ms, Ordering::Relaxed);
        } else if now_ms.saturating_sub(since) > limit.soft_seconds.saturating_mul(1000) {
            return Err(Overflow);
        }
        Ok(())
    }

    /// Asks the connection to close as soon as it can. Whether nobody had asked it before.
    pub fn close(&self) -> bool {
        let first = !self.closing.swap(true, Ordering::AcqRel);
        self.ring();
        first
    }

    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.bell.wake();
    }

    /// Waits for the bell. A ring while nobody waits is kept.
    #[inline]
    pub fn poll_rung(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.take_ring() {
            return Poll::Ready(());
        }
        self.bell.register(context.waker());
        // It may have been rung before the bell knew whom to wake.
        match self.take_ring() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    fn take_ring(&self) -> bool {
        self.rung.load(Ordering::Acquire) && self.rung.swap(false, Ordering::AcqRel)
    }
}
