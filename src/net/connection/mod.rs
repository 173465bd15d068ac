//! One client's connection: bytes in, requests to `exec`, replies and messages out.
//!
//! Requests of one read run one after another and their replies leave in one write. Buffers belong to the
//! worker and are borrowed while there is something in them, so an idle client holds none.

mod ahead;
mod batch;
mod buffers;
mod feed;
mod feeding;
mod reading;
mod sending;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;

use buffers::read;
pub use buffers::{Buffers, shake_hands};
use feeding::{Feeding, Turn};

use super::stream::NetStream;
use crate::command::session::Session;
use crate::exec::{Blocked, Wake, Woken, Worker, leave_channels};
use crate::journal::{Answer, Pass};
use crate::pubsub::Mailbox;
use crate::resp::Codec;
use crate::state::client::Client;
use crate::util::{clock, memory};

/// Replies are sent on the way once this much waits, rather than only at the end of the batch.
const FLUSH_BYTES: usize = 256 * 1024;
/// A batch of more requests than this lets others have their turn on the way, if it takes longer than [`TURN_US`]. Fewer
/// of them run together, however long they take: what they send to many subscribers then goes out together, too.
const TURN_BYTES: usize = 16 * 1024;
/// Microseconds of a turn that may be cut off.
const TURN_US: u64 = 250;
/// More than this isn't sent in one go: others would wait for as long as the client takes more.
const WRITE_BYTES: usize = 512 * 1024;
/// More than this is sent at once, while it is in the processor's cache.
const LATER_BYTES: usize = 8 * 1024;
/// What a blocked client may send ahead before its socket is left unread.
const AHEAD_BYTES: usize = 1024 * 1024;

struct Connection {
    worker: Rc<Worker>,
    buffers: Rc<Buffers>,
    stream: NetStream,
    client: Arc<Client>,
    session: Session,
    codec: Codec,
    input: BytesMut,
    /// Replies, and what they depend on.
    out: Answer,
    /// How much of `out` has been sent.
    sent: usize,
    blocked: Option<Box<Blocked>>,
    closing: Closing,
    /// Until what the replies depend on is safe, nothing is sent and nothing more is read.
    held: bool,
    /// The other end is a replica, to be served as one.
    replica: Option<Box<Feeding>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// When what is written has been sent.
    Flushed,
    Now,
}

/// What a wait ended with.
enum Event {
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Rung,
    /// The blocked client's time is up.
    TimedOut,
    /// The gate has moved.
    Moved,
    /// There is something to do for a replica.
    Feed(Turn),
}

/// Serves a client until it leaves, is told to, or the server stops.
pub async fn serve(
    worker: Rc<Worker>,
    buffers: Rc<Buffers>,
    stream: NetStream,
    client: Arc<Client>,
) {
    let mut session = Session::new(client.clone(), None);
    let user = worker.shared.users.default();
    session.be(user.clone(), user.is_open());
    session.tls = matches!(stream, NetStream::Tls(_));
    if let Some(cert) = stream.shown() {
        worker.log_in_by_certificate(&mut session, cert);
    }
    let mut connection = Connection {
        worker,
        buffers,
        stream,
        client,
        session,
        codec: Codec::default(),
        input: BytesMut::new(),
        out: Answer::default(),
        sent: 0,
        blocked: None,
        closing: Closing::No,
        held: false,
        replica: None,
    };
    connection.run().await;
    connection.end_feed();
    connection.end().await;
    // Its buffers are gone by now.
    memory::publish();
}

impl Connection {
    async fn run(&mut self) {
        // A client that was killed hears no more of its replies, however fast it takes them.
        while self.closing != Closing::Now && !self.client.mailbox.is_closing() {
            let deadline_ms = self.blocked.as_ref().and_then(|blocked| blocked.next_ms());
            let event = match deadline_ms {
                None => self.event().await,
                Some(deadline_ms) => tokio::select! {
                    biased;
                    event = self.event() => event,
                    () = clock::until(deadline_ms) => Event::TimedOut,
                },
            };
            match event {
                Event::Read(Ok(0)) => {
                    tracing::debug!("Client closed connection {}", self.client);
                    return;
                }
                Event::Read(Err(error)) => {
                    tracing::debug!("Reading from client: {error} {}", self.client);
                    return;
                }
                Event::Read(Ok(bytes)) => {
                    let before = &self.client.input_bytes;
                    if before.fetch_add(bytes as u64, Ordering::Relaxed) == 0
                        && self.is_tls_in_clear()
                    {
                        return;
                    }
                    let counters = &self.worker.stats().counters;
                    counters.input_bytes.add(bytes as u64);
                    counters.reads.add(1);
                    if self.blocked.is_none() {
                        self.serve().await;
                    }
                }
                Event::Written(Ok(bytes)) if self.replica.is_some() => self.fed(bytes),
                Event::Written(Ok(bytes)) => {
                    self.written(bytes);
                    if self.sent < self.out.len() {
                        tokio::task::yield_now().await;
                    }
                }
                Event::Written(Err(error)) => {
                    tracing::debug!("Error writing to client: {error} {}", self.client);
                    return;
                }
                Event::Rung => self.rung().await,
                Event::TimedOut => self.timed_out().await,
                Event::Moved => {
                    self.flush();
                    if !self.held && self.blocked.is_none() && !self.input.is_empty() {
                        // Requests that were read while it was held.
                        self.serve().await;
                    }
                }
                Event::Feed(turn) => {
                    if !self.take_turn(turn) {
                        return;
                    }
                }
            }
            if self.replica.is_some() && !self.fill() {
                return;
            }
            if self.over_limit() || !self.weigh() {
                return;
            }
        }
    }

    /// Whether a client begins to speak TLS where it is not spoken. No request begins so.
    #[cold]
    fn is_tls_in_clear(&self) -> bool {
        let speaks = self.input.starts_with(&[0x16, 0x03]);
        if speaks {
            tracing::warn!(
                "A client speaks TLS to a port that has none, and is closed: {}",
                self.client
            );
        }
        speaks
    }

    /// Waits for bytes, room for bytes, or the bell.
    async fn event(&mut self) -> Event {
        let Connection {
            stream,
            input,
            codec,
            out,
            sent,
            client,
            buffers,
            blocked,
            closing,
            held,
            worker,
            replica,
            ..
        } = self;
        let mut grown = replica
            .as_ref()
            .and_then(|feeding| feeding.grown(&worker.shared));
        let mailbox: &Mailbox = &client.mailbox;
        let gate = &worker.shared.journal.gate;
        let mut moved = pin!(held.then(|| worker.porter.moved()));
        poll_fn(|context| {
            if let Some(feeding) = replica
                && let Poll::Ready(turn) = feeding.poll(context)
            {
                return Poll::Ready(Event::Feed(turn));
            }
            if let Some(mut moved) = moved.as_mut().as_pin_mut() {
                // Enabled before the gate is looked at, so that no move is missed.
                let rang = moved.as_mut().poll(context).is_ready();
                if rang || out.pass_or_wake(gate) != Pass::Wait {
                    return Poll::Ready(Event::Moved);
                }
                return mailbox.poll_rung(context).map(|()| Event::Rung);
            }
            let unsent = match replica {
                Some(feeding) => feeding.unsent(),
                None => out.unsent(*sent, WRITE_BYTES),
            };
            if !unsent.is_empty()
                && let Poll::Ready(done) = stream.poll_write(context, unsent)
            {
                return Poll::Ready(Event::Written(done));
            }
            if let Some(grown) = &mut grown
                && grown.as_mut().poll(context).is_ready()
            {
                return Poll::Ready(Event::Feed(Turn::Grown));
            }
            let ahead = blocked.is_some() && input.len() > AHEAD_BYTES;
            if *closing == Closing::No
                && !ahead
                && let Poll::Ready(done) =
                    read(stream, input, codec.wanted(input.len()), buffers, context)
            {
                return Poll::Ready(Event::Read(done));
            }
            mailbox.poll_rung(context).map(|()| Event::Rung)
        })
        .await
    }

    async fn rung(&mut self) {
        if self.client.mailbox.is_closing() {
            self.closing = Closing::Now;
            return;
        }
        if self
            .blocked
            .as_ref()
            .is_some_and(|blocked| blocked.is_decided())
        {
            self.wake(Wake::Decided).await;
            // What the client sent while it was blocked comes now.
            return self.serve().await;
        }
        if let Some(blocked) = &self.blocked {
            blocked.look_again(&self.worker, &self.session);
        }
        self.take_mail();
        if !self.session.shard_channels.is_empty() {
            let out = self.out.reply();
            leave_channels(&self.worker.shared, &mut self.session, out);
        }
        self.flush();
    }

    async fn wake(&mut self, wake: Wake) {
        let Some(blocked) = self.blocked.take() else {
            return;
        };
        loop {
            self.until_idle().await;
            self.worker.begin_batch();
            self.borrow_output();
            let (session, out) = (&mut self.session, &mut self.out);
            // Another script may be a long one by now.
            match blocked.wake(&self.worker, session, wake, out) {
                None => continue,
                Some(Woken::GoesOn) => {}
                Some(Woken::Leaves) => self.closing = Closing::Flushed,
                Some(Woken::Again(request)) => self.run_again(&request),
            }
            break;
        }
        self.worker.shared.clients.set_unblocked(&self.client);
    }

    /// Puts a request in front of those that were read and have not run.
    fn run_again(&mut self, request: &[u8]) {
        let mut input = BytesMut::with_capacity(request.len() + self.input.len());
        input.extend_from_slice(request);
        input.extend_from_slice(&self.input);
        self.input = input;
        self.codec.rewind();
    }

    /// Runs what was read, and answers: in several steps where answers were held back on the way, and no longer are.
    async fn serve(&mut self) {
        loop {
            self.batch().await;
            let stopped = self.held;
            self.answer().await;
            if !stopped || self.held {
                return;
            }
        }
    }

    /// Sends what a batch left to be sent, once whoever else has something to say was heard: one wake-up of a
    /// process that has many connections then finds replies on most of them.
    async fn answer(&mut self) {
        if self.out.is_full() {
            // Nothing of it is sent; the caller closes the connection, and tells why.
            return;
        }
        if (1..LATER_BYTES).contains(&(self.out.len() - self.sent)) {
            others().await;
        }
        self.flush();
    }

    /// Ends the client's wait, or looks again if it is not the end yet.
    async fn timed_out(&mut self) {
        if self
            .blocked
            .as_ref()
            .is_some_and(|blocked| blocked.is_to_look())
        {
            self.retry().await;
        } else {
            self.wake(Wake::TimedOut).await;
            self.serve().await;
        }
    }

    /// Looks again for what the client waits for, which may be there because of the time.
    async fn retry(&mut self) {
        let Some(mut blocked) = self.blocked.take() else {
            return;
        };
        loop {
            self.until_idle().await;
            self.worker.begin_batch();
            let looked = blocked.retry(&self.worker);
            self.worker.end_batch();
            // Another script may be a long one by now.
            if looked.is_some() {
                break;
            }
        }
        self.blocked = Some(blocked);
    }

    /// Waits until no script keeps others from the locks.
    async fn until_idle(&self) {
        let scripts = &self.worker.shared.scripts;
        while scripts.is_busy() {
            let ended = scripts.ended.notified();
            let _ = tokio::time::timeout(Duration::from_millis(10), ended).await;
        }
    }

    /// Takes everything of this client out of what is shared.
    async fn end(mut self) {
        self.wake(Wake::Gone).await;
        self.worker.begin_batch();
        self.worker.close(&mut self.session);
    }
}

/// Lets every other connection of this worker that has something to do have its turn.
async fn others() {
    let mut had_theirs = false;
    poll_fn(|context| {
        if std::mem::replace(&mut had_theirs, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
