//! What is being sent to one replica: the snapshot first, and then the stream, a piece of at most [`PIECE_BYTES`] at a time.
//!
//! It knows how far the replica is and when it was heard last. The connection moves the pieces, and holds the limits.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

use crate::command::Feed;
use crate::state::replication::{Replica, ReplicaStage, SendOrder};
use crate::state::shared::Shared;
use crate::util::clock;

/// Bytes copied out of the backlog, or out of a file, at a time.
pub(super) const PIECE_BYTES: usize = 64 * 1024;
/// How often limits and times are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Between two newlines to a replica that waits: they tell it that its master lives.
const NEWLINE_MS: u64 = 1000;

/// What there is to do for a replica.
pub(super) enum Turn {
    Order(Option<SendOrder>),
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
    pub(super) fn new(feed: Feed, piece: Vec<u8>) -> Self {
        let now_ms = clock::now_ms();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let online = feed.replica.stage() == ReplicaStage::Online;
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

    pub(super) fn replica(&self) -> &Arc<Replica> {
        &self.feed.replica
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

    /// The socket took some of the piece. The piece, if it took the last of it.
    pub(super) fn took(&mut self, bytes: usize) -> Option<Vec<u8>> {
        self.moved_ms = clock::now_ms();
        self.sent += bytes;
        self.unsent().is_empty().then(|| {
            self.sent = 0;
            std::mem::take(&mut self.piece)
        })
    }

    /// The next piece of the stream.
    pub(super) fn send(&mut self, piece: Vec<u8>) {
        debug_assert!(self.unsent().is_empty(), "a piece goes out after another");
        self.piece = piece;
    }

    /// The stream follows a streamed snapshot once the replica has acknowledged it.
    pub(super) fn look_for_ack(&mut self) {
        if self.awaits_ack && self.feed.replica.has_acknowledged() {
            self.awaits_ack = false;
            self.streaming = true;
        }
    }

    /// Whether it is the stream's turn: the snapshot has been sent, and acknowledged if it has to be.
    pub(super) fn is_streaming(&self) -> bool {
        self.streaming
    }

    pub(super) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Puts a snapshot's file away that has been read to its end; whether the replica stays.
    pub(super) fn leave_read_file(&mut self) -> bool {
        if self.file.as_ref().is_none_or(|(_, left)| *left > 0) {
            return true;
        }
        self.file = None;
        self.go_online(false)
    }

    /// Takes the next piece of the snapshot's file, into what is given for it; whether that was possible.
    pub(super) fn read_file(&mut self, piece: Vec<u8>) -> bool {
        let Some((file, left)) = &mut self.file else {
            return true;
        };
        self.piece = piece;
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

    /// Takes a part of the snapshot, or its end; whether the replica stays.
    pub(super) fn obey(&mut self, order: SendOrder) -> bool {
        self.begun = true;
        if let SendOrder::Done { streamed } = order {
            return self.go_online(streamed);
        }
        self.sent_snapshot = true;
        self.newline_ms = u64::MAX;
        self.moved_ms = clock::now_ms();
        match order {
            SendOrder::Bytes(bytes) => self.piece.extend_from_slice(&bytes),
            SendOrder::File(file, len) => {
                let head = format!("${len}\r\n");
                self.piece.extend_from_slice(head.as_bytes());
                self.feed.replica.set_stage(ReplicaStage::SendBulk);
                self.file = Some((file, len));
            }
            SendOrder::Done { .. } => unreachable!("the snapshot's end is no piece of it"),
        }
        true
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
        replica.set_stage(ReplicaStage::Online);
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

    /// Whether it was sent a snapshot that it can acknowledge. Tools that say SYNC, and who wants a snapshot alone,
    /// leave without a word.
    pub(super) fn owes_a_word(&self) -> bool {
        let replica = &self.feed.replica;
        self.sent_snapshot && !replica.plain && !replica.conf.rdb_only
    }

    /// Ten times a second: silence, and a sign of life. `false` if the replica is to go.
    pub(super) fn look(&mut self, timeout_ms: u64) -> bool {
        let now_ms = clock::now_ms();
        if self.is_timed_out(now_ms, timeout_ms) {
            return false;
        }
        let unsent = !self.unsent().is_empty();
        if !self.begun && !unsent && now_ms >= self.newline_ms.saturating_add(NEWLINE_MS) {
            self.newline_ms = now_ms;
            self.piece.push(b'\n');
        }
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
