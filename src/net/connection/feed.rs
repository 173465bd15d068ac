//! A connection at whose other end is a replica: a snapshot, and then the stream, for as long as it keeps up.
//!
//! Its requests run as any client's do, and have no answer. What it has yet to get stays in the backlog, and is copied
//! out a piece at a time as the socket takes it. Its distance is held against `client-output-buffer-limit replica`: who
//! falls behind for too long is cut off.

use std::sync::atomic::Ordering;

use super::feeding::{Feeding, PIECE_BYTES, Turn};
use super::{Closing, Connection};
use crate::command::Feed;
use crate::config::special::OutputLimit;
use crate::util::{clock, crash};

impl Connection {
    /// The other end has become a replica: what is still to be answered goes before the snapshot, or the stream.
    pub(super) fn begin_feed(&mut self, feed: Feed) {
        if self.worker.shared.config.repl_disable_tcp_nodelay.get() {
            self.stream.gather();
        }
        let mut piece = std::mem::take(self.out.reply().buf_mut());
        piece.drain(..std::mem::take(&mut self.sent));
        self.replica = Some(Box::new(Feeding::new(feed, piece)));
    }

    pub(super) fn end_feed(&mut self) {
        let Some(feeding) = self.replica.take() else {
            return;
        };
        let replica = feeding.replica();
        replica.set_position(None);
        replica.orders.lock().take();
        let replication = &self.worker.shared.replication;
        replication.remove_replica(replica, clock::now_ms());
        tracing::info!("Connection with replica {} lost.", replica.name());
        if feeding.owes_a_word() {
            let times = replication.unread.left(replica, clock::now_ms());
            if times == 2 {
                self.tell_unread(&replica.name());
            }
        }
    }

    /// Twice a replica has left without a word: what may be the reason is said once.
    fn tell_unread(&self, name: &str) {
        let scripts = &self.worker.shared.scripts;
        let timed = self.worker.engine.timed_hash(&|| scripts.is_busy());
        let why = timed.map(|key| {
            format!(
                " Fields of the hash '{}' have deadlines, which Redis before 7.4 and Valkey before 9.0 can't read: take them off (HPERSIST), or let a server follow that reads them.",
                key.escape_ascii()
            )
        });
        tracing::warn!(
            "Replica {name} has left twice without having acknowledged a snapshot.{} It will wait longer and longer for the next one.",
            why.unwrap_or_default()
        );
    }

    /// The socket took some of a piece.
    pub(super) fn fed(&mut self, bytes: usize) {
        let Some(feeding) = &mut self.replica else {
            return;
        };
        if let Some(buf) = feeding.took(bytes) {
            self.buffers.keep_output(buf, self.keep_bytes());
            if self.closing == Closing::Flushed {
                self.closing = Closing::Now;
            }
        }
        let counts = &self.worker.shared.replication.counts;
        counts
            .output_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
        self.count_written(bytes);
        self.tell_output(0);
    }

    /// Does what there is to do for the replica; `false` if it is to go.
    pub(super) fn take_turn(&mut self, turn: Turn) -> bool {
        let Some(feeding) = &mut self.replica else {
            return true;
        };
        match turn {
            Turn::Grown => true,
            // The snapshot failed.
            Turn::Order(None) => false,
            Turn::Order(Some(order)) => feeding.obey(order),
            Turn::Tick => {
                let timeout_ms = self.worker.shared.config.repl_timeout.get() as u64 * 1000;
                feeding.look(timeout_ms)
            }
        }
    }

    /// Takes the next piece to send, if there is one; `false` if it can't be had any more. A replica that
    /// was killed gets none, however much there is to send.
    pub(super) fn fill(&mut self) -> bool {
        if self.client.mailbox.is_closing() {
            return false;
        }
        let pooled = || self.buffers.output.borrow_mut().pop().unwrap_or_default();
        let Some(feeding) = &mut self.replica else {
            return true;
        };
        feeding.look_for_ack();
        if !feeding.unsent().is_empty() || self.closing != Closing::No {
            return true;
        }
        if !feeding.leave_read_file() {
            return false;
        }
        if feeding.has_file() {
            return feeding.read_file(pooled());
        }
        if !feeding.is_streaming() {
            return true;
        }
        let Some(position) = feeding.replica().position() else {
            return false;
        };
        crash::point("feed");
        let mut piece = pooled();
        let there = position.read(PIECE_BYTES, &mut piece);
        if piece.is_empty() {
            self.buffers.output.borrow_mut().push(piece);
            return there;
        }
        feeding.send(piece);
        // Edits that a crash could take back are nobody's business yet.
        let end = self.worker.shared.journal.end();
        self.out.depends().saw(end);
        self.may_send();
        true
    }

    /// What is said on a replica's link is the stream alone.
    pub(super) fn refuse_replies(&mut self) {
        if !self.out.is_empty() {
            let last = self.client.last_command.load(Ordering::Relaxed);
            let names = &self.worker.shared.stats.names;
            tracing::warn!(
                "Replica generated a reply to command '{}', disconnecting it: {}",
                names.get(last as usize).unwrap_or(&"<unknown>"),
                self.client.address
            );
            self.out.reply().buf_mut().clear();
            self.closing = Closing::Now;
        }
    }

    /// What the replica may lack at most.
    pub(super) fn replica_limit(&self) -> OutputLimit {
        let config = &self.worker.shared.config;
        let limits = config
            .client_output_buffer_limit
            .part(|limits| limits.replica);
        // What is kept for everybody is nobody's burden.
        let backlog = config.repl_backlog_size.get();
        let at_least = |limit: u64| if limit > 0 { limit.max(backlog) } else { 0 };
        OutputLimit {
            hard_bytes: at_least(limits.hard_bytes),
            ..limits
        }
    }
}
