//! A connection at whose other end is a replica: a snapshot, and then the stream, for as long as it keeps up.
//!
//! Its requests run as any client's do, and have no answer. What it has yet to get stays in the backlog, and is copied
//! out a piece at a time as the socket takes it. Its distance is held against `client-output-buffer-limit replica`: who
//! falls behind for too long is cut off.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

use super::{Closing, Connection};
use crate::command::Feed;
use crate::config::special::OutputLimit;
use crate::state::replication::{Order, Stage};
use crate::state::shared::Shared;
use crate::util::{clock, crash};

/// Bytes copied out of the backlog, or out of a file, at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// How often limits and times are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Between two newlines to a replica that waits: they tell it that its master lives.
const NEWLINE_MS: u64 = 1000;

/// What there is to do for a replica.
pub(super) enum Turn {
    Order(Option<Order>),
    Grown,
    Tick,
}

/// What is being sent to a replica.
pub(super) struct Feeding {
    feed: Feed,
    tick: Interval,
    /// A piece on its way, and how much of it has been sent.
    piece: Vec<u8>,
    sent: usize,
    /// A snapshot's file, and what is left of it.
    file: Option<(std::fs::File, u64)>,
    /// The replica has the snapshot; the stream follows once it says so.
    awaits_ack: bool,
    streaming: bool,
    /// The snapshot, or the stream, began to come.
    begun: bool,
    sent_snapshot: bool,
    newline_ms: u64,
    /// When the socket took something last.
    moved_ms: u64,
}

impl Feeding {
    fn new(feed: Feed, piece: Vec<u8>) -> Self {
        let now_ms = clock::now_ms();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let online = feed.replica.stage() == Stage::Online;
        Feeding {
            feed,
            tick,
            piece,
            sent: 0,
            file: None,
            awaits_ack: false,
            streaming: online,
            // A newline in the stream would be a part of it.
            begun: online,
            sent_snapshot: false,
            newline_ms: now_ms,
            moved_ms: now_ms,
        }
    }

    pub(super) fn unsent(&self) -> &[u8] {
        &self.piece[self.sent..]
    }

    /// Bytes that the replica has yet to get, of which the piece alone is kept for it.
    pub(super) fn behind(&self) -> usize {
        self.feed.replica.behind() as usize + self.unsent().len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.piece.capacity()
    }

    /// Waits for the stream to grow, if that is what the replica waits for.
    pub(super) fn grown<'s>(
        &self,
        shared: &'s Shared,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + 's>>> {
        let idle = self.unsent().is_empty() && self.file.is_none();
        let position = self.feed.replica.position();
        let at = position.filter(|_| idle && self.streaming)?.at();
        Some(Box::pin(shared.journal.backlog.grown(at)))
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Turn> {
        if self.tick.poll_tick(context).is_ready() {
            return Poll::Ready(Turn::Tick);
        }
        let idle = self.unsent().is_empty() && self.file.is_none();
        if idle && !self.streaming && !self.awaits_ack {
            return self.feed.orders.poll_recv(context).map(Turn::Order);
        }
        Poll::Pending
    }

    /// Takes the next piece of the snapshot's file; whether that was possible.
    fn read_file(&mut self) -> bool {
        let Some((file, left)) = &mut self.file else {
            return true;
        };
        let most = PIECE_BYTES.min(*left as usize);
        let mut read = io::Read::by_ref(file).take(most as u64);
        match read.read_to_end(&mut self.piece) {
            Ok(read) if read == most => *left -= most as u64,
            _ => {
                tracing::warn!("Read error sending DB to replica");
                return false;
            }
        }
        true
    }

    fn obey(&mut self, order: Order) {
        self.begun = true;
        self.sent_snapshot = true;
        self.newline_ms = u64::MAX;
        self.moved_ms = clock::now_ms();
        match order {
            Order::Bytes(bytes) => self.piece.extend_from_slice(&bytes),
            Order::File(file, len) => {
                let head = format!("${len}\r\n");
                self.piece.extend_from_slice(head.as_bytes());
                self.feed.replica.set_stage(Stage::SendBulk);
                self.file = Some((file, len));
            }
            Order::Done { .. } => unreachable!("the snapshot's end is no piece of it"),
        }
    }

    /// The snapshot was sent; whether the replica stays.
    fn go_online(&mut self, streamed: bool) -> bool {
        let replica = &self.feed.replica;
        if replica.conf.rdb_only {
            tracing::info!(
                "RDB transfer completed, rdb only replica ({}) should be disconnected asap",
                replica.name()
            );
            return false;
        }
        replica.seen(clock::now_ms());
        replica.set_stage(Stage::Online);
        if streamed {
            tracing::info!(
                "Streamed replica synchronization with replica {} succeeded (socket). Waiting for REPLCONF ACK from replica to enable streaming",
                replica.name()
            );
            self.awaits_ack = !replica.has_acknowledged();
        }
        self.streaming = !self.awaits_ack;
        tracing::info!("Synchronization with replica {} succeeded", replica.name());
        true
    }

    /// Whether it has been silent, or taken nothing, for too long.
    fn is_timed_out(&self, now_ms: u64, timeout_ms: u64) -> bool {
        let replica = &self.feed.replica;
        if self.streaming && !replica.plain && replica.silent_ms(now_ms) > timeout_ms {
            tracing::warn!(
                "Disconnecting timedout replica (streaming sync): {}",
                replica.name()
            );
            return true;
        }
        let unsent = !self.unsent().is_empty();
        if !self.streaming && unsent && now_ms.saturating_sub(self.moved_ms) > timeout_ms {
            tracing::warn!(
                "Disconnecting timedout replica (full sync): {}",
                replica.name()
            );
            return true;
        }
        false
    }
}

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
        let replica = &feeding.feed.replica;
        replica.set_position(None);
        replica.orders.lock().take();
        let replication = &self.worker.shared.replication;
        replication.remove_replica(replica, clock::now_ms());
        tracing::info!("Connection with replica {} lost.", replica.name());
        // Tools that say SYNC, and who wants a snapshot alone, leave without a word.
        if feeding.sent_snapshot && !replica.plain && !replica.conf.rdb_only {
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
        feeding.moved_ms = clock::now_ms();
        feeding.sent += bytes;
        if feeding.unsent().is_empty() {
            let buf = std::mem::take(&mut feeding.piece);
            feeding.sent = 0;
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
            Turn::Order(Some(Order::Done { streamed })) => {
                feeding.begun = true;
                feeding.go_online(streamed)
            }
            Turn::Order(Some(order)) => {
                feeding.obey(order);
                true
            }
            Turn::Tick => self.look(),
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
        if feeding.awaits_ack && feeding.feed.replica.has_acknowledged() {
            feeding.awaits_ack = false;
            feeding.streaming = true;
        }
        if !feeding.unsent().is_empty() || self.closing != Closing::No {
            return true;
        }
        if feeding.file.as_ref().is_some_and(|(_, left)| *left == 0) {
            feeding.file = None;
            if !feeding.go_online(false) {
                return false;
            }
        }
        if feeding.file.is_some() {
            feeding.piece = pooled();
            return feeding.read_file();
        }
        if !feeding.streaming {
            return true;
        }
        let Some(position) = feeding.feed.replica.position() else {
            return false;
        };
        crash::point("feed");
        let mut piece = pooled();
        let there = position.read(PIECE_BYTES, &mut piece);
        if piece.is_empty() {
            self.buffers.output.borrow_mut().push(piece);
            return there;
        }
        feeding.piece = piece;
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

    /// Ten times a second: silence, and a sign of life. `false` if the replica is to go.
    fn look(&mut self) -> bool {
        let timeout_ms = self.worker.shared.config.repl_timeout.get() as u64 * 1000;
        let now_ms = clock::now_ms();
        let Some(feeding) = &mut self.replica else {
            return true;
        };
        if feeding.is_timed_out(now_ms, timeout_ms) {
            return false;
        }
        let unsent = !feeding.unsent().is_empty();
        if !feeding.begun && !unsent && now_ms >= feeding.newline_ms.saturating_add(NEWLINE_MS) {
            feeding.newline_ms = now_ms;
            feeding.piece.push(b'\n');
        }
        true
    }
}
