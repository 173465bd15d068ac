//! A connection at whose other end is a replica: a snapshot, and then the stream, for as long as it keeps up.
//!
//! What it has yet to get stays in the backlog, and is copied out a piece at a time as the socket takes it. Its distance
//! is held against `client-output-buffer-limit replica`: who falls behind for too long is cut off.

use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use bytes::Buf;
use tokio::time::{Interval, MissedTickBehavior};

use super::ahead::{self, Argv};
use super::batch::run;
use super::reading::read;
use super::{Closing, Connection};
use crate::command::replication::{Order, Replica, Stage};
use crate::command::{Entry, Feed, Flag, Found};
use crate::config::special::OutputLimit;
use crate::exec::Next;
use crate::journal::{Depends, Pass, Seq};
use crate::resp::Request;
use crate::util::clock;

/// Bytes copied out of the backlog, or out of a file, at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// How often limits and times are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Between two newlines to a replica that waits: they tell it that its master lives.
const NEWLINE_MS: u64 = 1000;

enum Event {
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Order(Option<Order>),
    Grown,
    Rung,
    Tick,
}

/// What is being sent.
struct Feeding {
    feed: Feed,
    tick: Interval,
    /// A snapshot's file, and what is left of it.
    file: Option<(std::fs::File, u64)>,
    /// The replica has the snapshot; the stream follows once it says so.
    awaits_ack: bool,
    streaming: bool,
    /// The snapshot began to come.
    begun: bool,
    newline_ms: u64,
    /// When the socket took something last.
    moved_ms: u64,
}

impl Connection {
    /// Serves the replica until it leaves or is cut off.
    pub(super) async fn feed(&mut self, feed: Feed) {
        let replica = feed.replica.clone();
        if self.worker.shared.config.repl_disable_tcp_nodelay.get() {
            self.stream.gather();
        }
        let now_ms = clock::now_ms();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut feeding = Feeding {
            streaming: replica.stage() == Stage::Online,
            feed,
            tick,
            file: None,
            awaits_ack: false,
            // A newline in the stream would be a part of it.
            begun: replica.stage() == Stage::Online,
            newline_ms: now_ms,
            moved_ms: now_ms,
        };
        self.closing = Closing::No;
        self.feed_on(&mut feeding).await;
        let shared = &self.worker.shared;
        replica.set_position(None);
        replica.orders.lock().take();
        shared.replication.remove_replica(&replica, clock::now_ms());
        tracing::info!("Connection with replica {} lost.", replica.name());
    }

    async fn feed_on(&mut self, feeding: &mut Feeding) {
        self.send_all().await;
        while self.closing != Closing::Now {
            if self.sent == self.out.len() && !self.fill(feeding).await {
                return;
            }
            match self.feed_event(feeding).await {
                Event::Read(Ok(0)) | Event::Read(Err(_)) | Event::Written(Err(_)) => return,
                Event::Read(Ok(_)) => {
                    if !self.hear(feeding) {
                        return;
                    }
                }
                Event::Written(Ok(bytes)) => {
                    feeding.moved_ms = clock::now_ms();
                    let counts = &self.worker.shared.replication.counts;
                    counts
                        .output_bytes
                        .fetch_add(bytes as u64, Ordering::Relaxed);
                    self.written(bytes);
                }
                Event::Order(order) => {
                    if !self.obey(feeding, order) {
                        return;
                    }
                }
                Event::Grown => {}
                Event::Rung if self.client.mailbox.is_closing() => return,
                Event::Rung => {}
                Event::Tick => {
                    if !self.look(feeding) {
                        return;
                    }
                }
            }
        }
    }

    async fn feed_event(&mut self, feeding: &mut Feeding) -> Event {
        let Connection {
            stream,
            input,
            codec,
            out,
            sent,
            client,
            buffers,
            worker,
            ..
        } = self;
        let Feeding {
            feed,
            tick,
            streaming,
            awaits_ack,
            file,
            ..
        } = feeding;
        let idle = *sent == out.len() && file.is_none();
        let position = feed.replica.position();
        let backlog = &worker.shared.journal.backlog;
        let mut grown = pin!(async {
            match &position {
                Some(position) if idle && *streaming => backlog.grown(position.at()).await,
                _ => std::future::pending().await,
            }
        });
        let takes_orders = idle && !*streaming && !*awaits_ack;
        let mut tick = pin!(tick.tick());
        poll_fn(|context| {
            if *sent < out.len()
                && let Poll::Ready(done) = stream.poll_write(context, &out.bytes()[*sent..])
            {
                return Poll::Ready(Event::Written(done));
            }
            if let Poll::Ready(done) =
                read(stream, input, codec.wanted(input.len()), buffers, context)
            {
                return Poll::Ready(Event::Read(done));
            }
            if client.mailbox.poll_rung(context).is_ready() {
                return Poll::Ready(Event::Rung);
            }
            if tick.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::Tick);
            }
            if takes_orders && let Poll::Ready(order) = feed.orders.poll_recv(context) {
                return Poll::Ready(Event::Order(order));
            }
            grown.as_mut().poll(context).map(|()| Event::Grown)
        })
        .await
    }

    /// Takes the next piece to send, if there is one; `false` if it can't be had any more.
    async fn fill(&mut self, feeding: &mut Feeding) -> bool {
        if let Some((file, left)) = &mut feeding.file {
            let most = PIECE_BYTES.min(*left as usize);
            self.borrow_output();
            let out = self.out.buf_mut();
            let read = io::Read::by_ref(file).take(most as u64).read_to_end(out);
            match read {
                Ok(read) if read == most => *left -= most as u64,
                _ => {
                    tracing::warn!("Read error sending DB to replica");
                    return false;
                }
            }
            if *left == 0 {
                feeding.file = None;
                self.go_online(feeding, false);
            }
            return true;
        }
        if !feeding.streaming {
            return true;
        }
        let Some(position) = feeding.feed.replica.position() else {
            return false;
        };
        self.borrow_output();
        if !position.read(PIECE_BYTES, self.out.buf_mut()) {
            return false;
        }
        self.tell_output(0);
        // Edits that a power cut could take back are nobody's business yet.
        let journal = &self.worker.shared.journal;
        let depends = Depends {
            wrote: Seq::default(),
            saw: journal.end(),
        };
        while journal.gate.pass(depends) == Pass::Wait {
            let mut moved = pin!(self.worker.porter.moved());
            moved.as_mut().enable();
            if journal.gate.pass(depends) == Pass::Wait {
                // The limit and the replica's own words are looked at after the sync, or a tick.
                let _ = tokio::time::timeout(TICK, moved).await;
            }
        }
        true
    }

    fn obey(&mut self, feeding: &mut Feeding, order: Option<Order>) -> bool {
        feeding.begun = true;
        feeding.moved_ms = clock::now_ms();
        self.borrow_output();
        match order {
            Some(Order::Bytes(bytes)) => self.out.buf_mut().extend_from_slice(&bytes),
            Some(Order::File(file, len)) => {
                self.out.raw(format!("${len}\r\n").as_bytes());
                feeding.feed.replica.set_stage(Stage::SendBulk);
                feeding.file = Some((file, len));
            }
            Some(Order::Done { streamed }) => return self.go_online(feeding, streamed),
            // The snapshot failed.
            None => return false,
        }
        feeding.newline_ms = u64::MAX;
        true
    }

    /// The snapshot was sent.
    fn go_online(&mut self, feeding: &mut Feeding, streamed: bool) -> bool {
        let replica = &feeding.feed.replica;
        if replica.conf.rdb_only {
            tracing::info!(
                "RDB transfer completed, rdb only replica ({}) should be disconnected asap",
                replica.name()
            );
            self.closing = Closing::Flushed;
            if self.out.is_empty() {
                self.closing = Closing::Now;
            }
            return true;
        }
        let now_ms = clock::now_ms();
        replica.seen(now_ms);
        replica.set_stage(Stage::Online);
        if streamed {
            tracing::info!(
                "Streamed replica synchronization with replica {} succeeded (socket). Waiting for REPLCONF ACK from replica to enable streaming",
                replica.name()
            );
            feeding.awaits_ack = !replica.has_acknowledged();
        }
        feeding.streaming = !feeding.awaits_ack;
        tracing::info!("Synchronization with replica {} succeeded", replica.name());
        true
    }

    /// Runs what the replica says, which has no answer.
    fn hear(&mut self, feeding: &mut Feeding) -> bool {
        let mut started = self.worker.begin_batch();
        self.client
            .active_ms
            .store(self.worker.now_ms(), Ordering::Relaxed);
        let mark = self.out.mark();
        let mut done = 0;
        let mut request = Request::default();
        let limits = ahead::limits(&self.worker, &self.session);
        while let Ok(true) = self.codec.next(&self.input[done..], &limits, &mut request) {
            let argv: Argv<'_> = request.args(&self.input[done..]).collect();
            let registry = &self.worker.shared.registry;
            let found = argv
                .first()
                .map(|name| registry.find(name, argv.get(1).copied()));
            let entry = match found {
                Some(Found::Entry(entry)) => Some(entry),
                _ => None,
            };
            let reads = |entry: &Entry| entry.is(Flag::ReadOnly) || entry.is(Flag::Write);
            let next = if argv.is_empty() {
                Next::Continue
            } else if let Some(entry) = entry.filter(|entry| reads(entry)) {
                tracing::warn!(
                    "== CRITICAL == This master is sending an error to its replica: 'ERR Replica can't interact with the keyspace' after processing the command '{}'",
                    entry.full_name
                );
                Next::Close
            } else {
                run(
                    &self.worker,
                    &mut self.session,
                    &argv,
                    None,
                    &mut self.out,
                    &mut started,
                )
            };
            if !matches!(next, Next::Continue) || !self.out.since(mark).is_empty() {
                let word = String::from_utf8_lossy(argv.first().copied().unwrap_or_default());
                let name = entry.map_or(&*word, |entry| &entry.full_name);
                tracing::warn!(
                    "Replica generated a reply to command '{name}', disconnecting it: {}",
                    self.client.address
                );
                return false;
            }
            done += request.len();
        }
        self.input.advance(done);
        self.worker.end_batch();
        self.worker.take_depends();
        self.give_back_input();
        if feeding.awaits_ack && feeding.feed.replica.has_acknowledged() {
            feeding.awaits_ack = false;
            feeding.streaming = true;
        }
        true
    }

    /// Ten times a second: limits, silence, and a sign of life. `false` if the replica is to go.
    fn look(&mut self, feeding: &mut Feeding) -> bool {
        let replica: &Arc<Replica> = &feeding.feed.replica;
        let now_ms = clock::now_ms();
        let config = &self.worker.shared.config;
        let behind = replica.behind() as usize + self.out.len() - self.sent;
        self.client.mailbox.set_unsent(behind);
        let limits = config
            .client_output_buffer_limit
            .part(|limits| limits.replica);
        // What is kept for everybody is nobody's burden.
        let backlog = config.repl_backlog_size.get();
        let at_least = |limit: u64| if limit > 0 { limit.max(backlog) } else { 0 };
        let limit = OutputLimit {
            hard_bytes: at_least(limits.hard_bytes),
            ..limits
        };
        let counters = &self.worker.stats().counters;
        if self.client.overflows(limit, now_ms, counters) {
            return false;
        }
        let timeout_ms = config.repl_timeout.get() as u64 * 1000;
        if feeding.streaming && !replica.plain && replica.silent_ms(now_ms) > timeout_ms {
            tracing::warn!(
                "Disconnecting timedout replica (streaming sync): {}",
                replica.name()
            );
            return false;
        }
        let unsent = self.sent < self.out.len();
        if !feeding.streaming && unsent && now_ms.saturating_sub(feeding.moved_ms) > timeout_ms {
            tracing::warn!(
                "Disconnecting timedout replica (full sync): {}",
                replica.name()
            );
            return false;
        }
        if !feeding.begun && !unsent && now_ms >= feeding.newline_ms.saturating_add(NEWLINE_MS) {
            feeding.newline_ms = now_ms;
            self.borrow_output();
            self.out.raw(b"\n");
        }
        true
    }
}
