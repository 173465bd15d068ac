//! Replies and messages on their way out: when they may be sent, and when there are too many of them.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::ahead::is_known;
use super::buffers::{KEEP_BYTES, KEEP_BYTES_LIMITED};
use super::{Closing, Connection, WRITE_BYTES};
use crate::config::special::OutputLimit;
use crate::journal::Pass;
use crate::state::client::ReplicationPart;
use crate::util::clock;

/// What may wait for a client that has not logged in: it hears errors only, and those fit. Redis keeps as much beside
/// its list of replies, of which such a client may have none to speak of.
const UNKNOWN_LIMIT: OutputLimit = OutputLimit {
    hard_bytes: 16 * 1024,
    soft_bytes: 0,
    soft_seconds: 0,
};

impl Connection {
    pub(super) fn take_mail(&mut self) {
        self.borrow_output();
        let out = &mut self.out;
        self.client.mailbox.drain_into(out.reply().buf_mut());
        // Whoever sent it may have told of an edit.
        out.depends().saw(self.worker.shared.journal.end());
    }

    /// Whether what stands in `out` may be sent.
    pub(super) fn may_send(&mut self) -> bool {
        let shared = &self.worker.shared;
        let mut pass = self.out.pass(&shared.journal.gate);
        if pass == Pass::Wait {
            shared.store.write_log();
            pass = self.out.pass(&shared.journal.gate);
        }
        self.held = pass == Pass::Wait;
        match pass {
            Pass::Open | Pass::Wait => {}
            Pass::Broken => {
                tracing::debug!(
                    "Closing a client whose edit could not be made safe: {}",
                    self.client
                );
                self.closing = Closing::Now;
            }
        }
        pass == Pass::Open
    }

    /// Sends as much as the socket takes now, but not so much that others would wait for it.
    pub(super) fn flush(&mut self) {
        if self.replica.is_some() {
            self.refuse_replies();
        }
        if !self.may_send() {
            return self.tell_output(0);
        }
        let mut left = WRITE_BYTES;
        while self.sent < self.out.len() && left > 0 {
            match self.stream.try_write(self.out.unsent(self.sent, left)) {
                Ok(bytes) => {
                    left -= bytes;
                    self.written(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.tell_output(0);
                    break;
                }
                Err(_) => {
                    self.closing = Closing::Now;
                    return;
                }
            }
        }
        if self.closing == Closing::Flushed && self.sent == self.out.len() {
            self.closing = Closing::Now;
        }
    }

    /// Sends everything, however long the client takes, unless it is killed meanwhile.
    pub(super) async fn send_all(&mut self) {
        if self.replica.is_some() {
            self.refuse_replies();
        }
        while !self.may_send() && self.closing != Closing::Now {
            let worker = self.worker.clone();
            let mut moved = pin!(worker.porter.moved());
            moved.as_mut().enable();
            if self.out.pass_or_wake(&worker.shared.journal.gate) == Pass::Wait {
                moved.await;
            }
        }
        let mut rung = false;
        while self.sent < self.out.len() && self.closing != Closing::Now {
            let Connection {
                stream,
                out,
                sent,
                client,
                ..
            } = self;
            let mailbox = &client.mailbox;
            let taken = poll_fn(|context| {
                if mailbox.is_closing() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                let taken = stream.poll_write(context, out.unsent(*sent, usize::MAX));
                if taken.is_pending() && mailbox.poll_rung(context).is_ready() {
                    rung = true;
                    // To look once more, and to be woken by the next ring.
                    context.waker().wake_by_ref();
                }
                taken
            });
            match taken.await {
                Ok(bytes) => self.written(bytes),
                Err(_) => self.closing = Closing::Now,
            }
        }
        if rung {
            // What it rang for is still to be seen to.
            self.client.mailbox.ring();
        }
    }

    pub(super) fn written(&mut self, bytes: usize) {
        self.sent += bytes;
        // What a batch may answer is counted from what has been sent.
        self.out.reply().widen_room(bytes);
        self.count_written(bytes);
        if self.sent == self.out.len() {
            let buf = std::mem::take(self.out.reply().buf_mut());
            self.out.reply().narrow_room(self.sent);
            self.sent = 0;
            self.buffers.keep_output(buf, self.keep_bytes());
            if self.closing == Closing::Flushed {
                self.closing = Closing::Now;
            }
        }
        self.tell_output(0);
    }

    pub(super) fn count_written(&self, bytes: usize) {
        let counters = &self.worker.stats().counters;
        counters.output_bytes.add(bytes as u64);
        counters.writes.add(1);
        self.client
            .output_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The largest buffer that is kept for whoever needs one next. Where memory has a limit it isn't taken from keys,
    /// and a replica's pieces, which nobody else has, aren't taken for ours.
    pub(super) fn keep_bytes(&self) -> usize {
        let limited = self.worker.shared.config.maxmemory.get() > 0;
        match limited || self.client.part() == ReplicationPart::Replica {
            true => KEEP_BYTES_LIMITED,
            false => KEEP_BYTES,
        }
    }

    /// What others see of the replies that wait, and of the bytes that are kept beside `out`, in which there may be room
    /// for them already.
    pub(super) fn tell_output(&mut self, kept: usize) {
        let feeding = self.replica.as_ref();
        let behind = feeding.map_or(0, |feeding| feeding.behind());
        let fed = feeding.map_or(0, |feeding| feeding.capacity());
        let unsent = self.out.len() - self.sent + kept + behind;
        self.client.mailbox.set_unsent(unsent);
        let whole = self.out.len() + kept;
        let capacity = self.out.reply().buf_mut().capacity().max(whole) + fed;
        let told = &self.client.reply_capacity;
        told.store(capacity, Ordering::Relaxed);
    }

    /// Limits what a batch may answer to what the client may let wait.
    pub(super) fn bound_output(&mut self) {
        let hard_bytes = self.output_limit().hard_bytes as usize;
        self.out.reply().set_room(match hard_bytes {
            0 => usize::MAX,
            limit => self.sent.saturating_add(limit),
        });
    }

    pub(super) fn borrow_output(&mut self) {
        let buf = self.out.reply().buf_mut();
        if buf.capacity() == 0 {
            *buf = self.buffers.output.borrow_mut().pop().unwrap_or_default();
        }
    }

    pub(super) fn output_limit(&self) -> OutputLimit {
        if self.replica.is_some() {
            return self.replica_limit();
        }
        if !is_known(&self.worker, &self.session) {
            return UNKNOWN_LIMIT;
        }
        let config = &self.worker.shared.config;
        let subscriber = self.session.is_subscriber();
        config.client_output_buffer_limit.part(|limits| {
            if subscriber {
                limits.pubsub
            } else {
                limits.normal
            }
        })
    }

    /// Counts what this client takes for `maxmemory-clients`; whether it may stay.
    #[inline]
    pub(super) fn weigh(&mut self) -> bool {
        let clients = &self.worker.shared.clients;
        if clients.weights.limit() == 0 {
            return true;
        }
        clients.weights.weigh(&self.client);
        self.worker.shared.evict_clients();
        if self.client.mailbox.is_closing() {
            self.closing = Closing::Now;
        }
        self.closing != Closing::Now
    }

    /// Whether the client has let its query or its replies grow beyond what it may.
    pub(super) fn over_limit(&mut self) -> bool {
        self.tell_output(0);
        let config = &self.worker.shared.config;
        let counters = &self.worker.stats().counters;
        if self.input.len() as u64 > config.client_query_buffer_limit.get() {
            counters.query_buffer_limit_disconnections.add(1);
            tracing::warn!(
                "Closing client that reached max query buffer length: {}",
                self.client
            );
            return true;
        }
        if self.out.is_full() {
            // A reply was cut short, whatever the limit is by now.
            self.client.overflowed(counters);
            return true;
        }
        let idle = self.sent == self.out.len() && self.client.mailbox.is_empty();
        if idle && self.replica.is_none() {
            return false;
        }
        self.client
            .overflows(self.output_limit(), clock::now_ms(), counters)
    }
}
