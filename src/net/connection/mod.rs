//! One client's connection: bytes in, requests to `exec`, replies and messages out.
//!
//! Requests of one read run one after another and their replies leave in one write. Buffers belong to the
//! worker and are borrowed while there is something in them, so an idle client holds none.

mod ahead;
mod feed;
mod sending;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};

use ahead::{Ahead, Argv};

use super::stream::Stream;
use crate::command::client::Client;
use crate::command::session::{ReplyMode, Session};
use crate::command::{Feed, Job, Shutdown};
use crate::exec::{self, Long, Look, Next, Sleep, Wake, Worker};
use crate::journal::{Depends, Pass};
use crate::pubsub::Mailbox;
use crate::resp::{Codec, ProtocolError, Reply};
use crate::util::clock::{self, Reading};

/// Bytes asked of one read.
const READ_BYTES: usize = 16 * 1024;
/// Buffers above this are given back to the allocator instead of being kept for others.
const KEEP_BYTES: usize = 128 * 1024;
/// The same where what is kept would cost keys: as much as Redis keeps for a client.
const KEEP_BYTES_LIMITED: usize = 16 * 1024;
/// Replies are sent on the way once this much waits, rather than only at the end of the batch.
const FLUSH_BYTES: usize = 256 * 1024;
/// More than this isn't sent in one go: others would wait for as long as the client takes more.
const WRITE_BYTES: usize = 512 * 1024;
/// More than this is sent at once, while it is in the processor's cache.
const LATER_BYTES: usize = 8 * 1024;
/// What a sleeping client may send ahead before its socket is left unread.
const AHEAD_BYTES: usize = 1024 * 1024;

/// Buffers of one worker that no connection is using.
#[derive(Default)]
pub struct Buffers {
    input: RefCell<Vec<BytesMut>>,
    output: RefCell<Vec<Vec<u8>>>,
    ahead: Cell<Ahead>,
}

struct Connection {
    worker: Rc<Worker>,
    buffers: Rc<Buffers>,
    stream: Stream,
    client: Arc<Client>,
    session: Session,
    codec: Codec,
    input: BytesMut,
    out: Reply,
    /// How much of `out` has been sent.
    sent: usize,
    sleep: Option<Sleep>,
    closing: Closing,
    /// What the replies in `out` depend on.
    depends: Depends,
    /// Until that is safe, nothing is sent and nothing more is read.
    held: bool,
    /// The other end is a replica, to be served as one.
    replica: Option<Box<Feed>>,
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
    /// The sleeper's time is up.
    TimedOut,
    /// The gate has moved.
    Moved,
}

/// Serves a client until it leaves, is told to, or the server stops.
pub async fn serve(worker: Rc<Worker>, buffers: Rc<Buffers>, stream: Stream, client: Arc<Client>) {
    let mut session = Session::new(client.clone(), None);
    let user = worker.shared.users.default();
    session.be(user.clone(), user.is_open());
    let mut connection = Connection {
        worker,
        buffers,
        stream,
        client,
        session,
        codec: Codec::default(),
        input: BytesMut::new(),
        out: Reply::default(),
        sent: 0,
        sleep: None,
        closing: Closing::No,
        depends: Depends::default(),
        held: false,
        replica: None,
    };
    connection.run().await;
    if let Some(feed) = connection.replica.take() {
        connection.feed(*feed).await;
    }
    connection.end().await;
}

impl Connection {
    async fn run(&mut self) {
        while self.closing != Closing::Now {
            let deadline_ms = self.sleep.as_ref().and_then(|sleep| sleep.deadline_ms);
            let event = match deadline_ms {
                None => self.event().await,
                Some(deadline_ms) => tokio::select! {
                    biased;
                    event = self.event() => event,
                    () = until(deadline_ms) => Event::TimedOut,
                },
            };
            match event {
                Event::Read(Ok(0)) | Event::Read(Err(_)) => return,
                Event::Read(Ok(bytes)) => {
                    self.client
                        .input_bytes
                        .fetch_add(bytes as u64, Ordering::Relaxed);
                    let counters = &self.worker.stats().counters;
                    counters.input_bytes.add(bytes as u64);
                    counters.reads.add(1);
                    if self.sleep.is_none() {
                        self.batch().await;
                        self.answer().await;
                    }
                }
                Event::Written(Ok(bytes)) => {
                    self.written(bytes);
                    if self.sent < self.out.len() {
                        tokio::task::yield_now().await;
                    }
                }
                Event::Written(Err(_)) => return,
                Event::Rung => self.rung().await,
                Event::TimedOut => {
                    self.until_idle().await;
                    self.wake(Wake::TimedOut);
                    self.batch().await;
                    self.answer().await;
                }
                Event::Moved => {
                    self.flush();
                    if !self.held && self.sleep.is_none() && !self.input.is_empty() {
                        // Requests that were read while it was held.
                        self.batch().await;
                        self.answer().await;
                    }
                }
            }
            if self.over_limit() || !self.weigh() {
                return;
            }
        }
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
            sleep,
            closing,
            held,
            depends,
            worker,
            ..
        } = self;
        let mailbox: &Mailbox = &client.mailbox;
        let gate = &worker.shared.journal.gate;
        let mut moved = pin!(held.then(|| gate.moved()));
        poll_fn(|context| {
            if let Some(mut moved) = moved.as_mut().as_pin_mut() {
                // Enabled before the gate is looked at, so that no move is missed.
                let rang = moved.as_mut().poll(context).is_ready();
                if rang || gate.pass(*depends) != Pass::Wait {
                    return Poll::Ready(Event::Moved);
                }
                return mailbox.poll_rung(context).map(|()| Event::Rung);
            }
            let end = out.len().min(*sent + WRITE_BYTES);
            if *sent < end
                && let Poll::Ready(done) = stream.poll_write(context, &out.bytes()[*sent..end])
            {
                return Poll::Ready(Event::Written(done));
            }
            let ahead = sleep.is_some() && input.len() > AHEAD_BYTES;
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
        if let Some(sleep) = &self.sleep
            && let Some(wake) = self.worker.woken(sleep)
        {
            self.until_idle().await;
            self.worker.begin_batch();
            self.wake(wake);
            if wake == Wake::Moved {
                self.closing = Closing::Flushed;
            }
            // What the client sent while it slept comes now.
            self.batch().await;
            return self.answer().await;
        }
        self.take_mail();
        self.flush();
    }

    fn wake(&mut self, wake: Wake) {
        if let Some(sleep) = self.sleep.take() {
            self.borrow_output();
            self.worker
                .wake(&mut self.session, &sleep, wake, &mut self.out);
            self.worker.shared.clients.woke_up(&self.client);
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

    /// Runs every whole request that has been read.
    async fn batch(&mut self) {
        let Some(mut started) = self.open_batch() else {
            return;
        };
        let mut done = 0;
        let mut ahead = self.buffers.ahead.take();
        while self.closing == Closing::No && self.sleep.is_none() && !self.held {
            // What others sent comes before the reply to what the client asks next.
            if !self.client.mailbox.is_empty() {
                self.take_mail();
            }
            let Connection {
                codec,
                input,
                worker,
                session,
                out,
                ..
            } = self;
            let next = match ahead.next(codec, input, done, worker, session) {
                Ok(Some(asked)) => {
                    let mut argv = Argv::new();
                    argv.extend(asked.args(input));
                    Ok(match argv.is_empty() {
                        true => Next::Continue,
                        false => run(worker, session, &argv, asked.look, out, &mut started),
                    })
                }
                Ok(None) => break,
                Err(error) => Err(error),
            };
            let next = match next {
                Ok(next) => next,
                Err(error) => {
                    self.refuse(&error);
                    break;
                }
            };
            match next {
                Next::Continue => done = ahead.ran(),
                Next::Paused => {
                    self.send_all().await;
                    self.worker.shared.clients.fell_asleep(&self.client);
                    self.worker.shared.pause.over(clock::now_ms()).await;
                    self.worker.shared.clients.woke_up(&self.client);
                    if self.client.mailbox.is_closing() {
                        self.closing = Closing::Now;
                    }
                    started = self.worker.begin_batch();
                    continue;
                }
                Next::Sleep(sleep) => {
                    done = ahead.ran();
                    self.worker.shared.clients.fell_asleep(&self.client);
                    self.worker.look_again(&sleep);
                    self.sleep = Some(sleep);
                }
                Next::Shutdown(wish) => {
                    done = ahead.ran();
                    self.shutdown(wish).await;
                    started = self.worker.begin_batch();
                }
                Next::Wait(job) => {
                    done = ahead.ran();
                    self.wait(job).await;
                    started = self.worker.begin_batch();
                }
                Next::Replica(feed) => {
                    done = ahead.ran();
                    self.replica = Some(feed);
                    self.closing = Closing::Now;
                }
                Next::Rest(long) => {
                    self.write_on(long, &ahead, &mut started).await;
                    done = ahead.ran();
                }
                Next::Busy => {
                    done = ahead.ran();
                    self.go_on(&mut started).await;
                }
                Next::Close => self.closing = Closing::Flushed,
                Next::Abort => {
                    self.out.buf_mut().clear();
                    self.sent = 0;
                    self.closing = Closing::Now;
                }
            }
            if !self.client.mailbox.is_empty() {
                self.take_mail();
            }
            if self.out.is_full() || !self.weigh() {
                break;
            }
            if self.out.len() - self.sent > FLUSH_BYTES {
                self.flush();
            }
        }
        self.take_depends();
        ahead.end(&mut self.codec);
        self.buffers.ahead.set(ahead);
        self.input.advance(done);
        self.worker.end_batch();
        self.give_back_input();
    }

    /// Gets ready to run requests; nothing if the client takes too much to stay.
    fn open_batch(&mut self) -> Option<Reading> {
        self.borrow_output();
        self.tell_input();
        if !self.weigh() {
            return None;
        }
        let started = self.worker.begin_batch();
        let hard_bytes = self.output_limit().hard_bytes as usize;
        self.out.set_room(match hard_bytes {
            0 => usize::MAX,
            limit => self.sent.saturating_add(limit),
        });
        self.client
            .active_ms
            .store(self.worker.now_ms(), Ordering::Relaxed);
        Some(started)
    }

    /// What came is no request: the client hears why, and is left.
    fn refuse(&mut self, error: &ProtocolError) {
        let text = format!("ERR Protocol error: {error}");
        if self.session.reply == ReplyMode::On {
            self.out.error(text.as_bytes());
        }
        self.worker.shared.stats.error(text.as_bytes());
        self.worker.stats().counters.error_replies.add(1);
        tracing::debug!(client = %self.client.address, "Protocol error: {error}");
        self.closing = Closing::Flushed;
    }

    /// Comes back to a script again and again, until it has ended.
    async fn go_on(&mut self, started: &mut Reading) {
        loop {
            self.take_depends();
            tokio::task::yield_now().await;
            let next = self.worker.go_on(&mut self.session, &mut self.out, started);
            if !matches!(next, Next::Busy) {
                *started = self.worker.begin_batch();
                return;
            }
        }
    }

    /// Writes a long reply, and lets others have their turn before each part of it.
    async fn write_on(&mut self, long: Long, ahead: &Ahead, started: &mut Reading) {
        let mut left = Some(long);
        while let Some(long) = left.take() {
            self.take_depends();
            self.flush();
            // It comes back once the sockets have been looked at.
            tokio::task::yield_now().await;
            if long.is_walk() {
                // This worker may have left a script that holds what the walk would wait for.
                self.until_idle().await;
            }
            if self.client.mailbox.is_closing() {
                self.closing = Closing::Now;
            }
            *started = self.worker.begin_batch();
            let argv = ahead.argv(&self.input);
            if self.closing == Closing::Now {
                return self.worker.end_long(&self.session, long, &argv);
            }
            let (worker, session) = (&self.worker, &self.session);
            left = worker.write_on(session, long, &argv, &mut self.out, started);
            drop(argv);
            if let Some(long) = &left {
                self.tell_output();
                self.tell_kept(long.bytes());
                self.weigh();
            }
        }
    }

    /// Waits until no script keeps others from the locks.
    async fn until_idle(&self) {
        let scripts = &self.worker.shared.scripts;
        while scripts.is_busy() {
            let ended = scripts.ended.notified();
            let _ = tokio::time::timeout(Duration::from_millis(10), ended).await;
        }
    }

    async fn shutdown(&mut self, wish: Option<Shutdown>) {
        let Some(wish) = wish else {
            if exec::abort(&self.worker.shared) {
                return self.out.ok();
            }
            return self.out.error(b"ERR No shutdown in progress.");
        };
        self.send_all().await;
        let shared = self.worker.shared.clone();
        self.worker.shared.clients.fell_asleep(&self.client);
        let stopped = tokio::task::spawn_blocking(move || exec::stop(&shared, wish)).await;
        self.worker.shared.clients.woke_up(&self.client);
        if stopped.unwrap_or(false) {
            self.closing = Closing::Now;
        } else {
            self.borrow_output();
            self.out
                .error(b"ERR Errors trying to SHUTDOWN. Check logs.");
        }
    }

    /// Answers once a job has ended.
    async fn wait(&mut self, job: Job) {
        self.send_all().await;
        let done = tokio::select! {
            done = job.done => done.unwrap_or(false),
            () = self.worker.shared.stop.cancelled() => false,
        };
        self.borrow_output();
        match job.failed.filter(|_| !done) {
            None => self.out.ok(),
            Some(failed) => self.out.error(failed.as_bytes()),
        }
    }

    fn give_back_input(&mut self) {
        if self.input.is_empty() && self.input.capacity() > 0 {
            let mut buf = std::mem::take(&mut self.input);
            buf.clear();
            if buf.capacity() <= self.keep_bytes() {
                self.buffers.input.borrow_mut().push(buf);
            }
        }
        self.codec.shrink();
        self.tell_input();
    }

    /// What others see of the query buffer. What was announced is taken already: it will be needed before anything
    /// can be done about it, and a reply to someone else must not depend on how much of it has come.
    fn tell_input(&self) {
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

    /// Takes everything of this client out of what is shared.
    async fn end(mut self) {
        self.until_idle().await;
        self.wake(Wake::Gone);
        self.worker.begin_batch();
        self.worker.close(&mut self.session);
        self.worker.end_batch();
    }
}

/// Runs one request. A panic in a handler is our mistake, and costs this connection alone.
fn run(
    worker: &Rc<Worker>,
    session: &mut Session,
    argv: &[&[u8]],
    look: Option<Look>,
    out: &mut Reply,
    started: &mut Reading,
) -> Next {
    let guarded = std::panic::AssertUnwindSafe(|| worker.run(session, argv, look, out, started));
    std::panic::catch_unwind(guarded).unwrap_or_else(|_| {
        let name = String::from_utf8_lossy(argv[0]).into_owned();
        tracing::error!(
            "A bug: the command '{name}' panicked. Its connection is closed; please report it."
        );
        Next::Close
    })
}

/// Room for what was announced, but not much more at once than has come already: words are cheap.
fn make_room(input: &mut BytesMut, wanted: usize) {
    let (len, room) = (input.len(), input.capacity() - input.len());
    let is_large = len >= 2 * READ_BYTES && wanted > 0;
    if room >= READ_BYTES / 4 || is_large && room >= wanted {
        return;
    }
    if is_large && wanted <= 2 * len {
        // All that is left of a large argument. `reserve` would take up to twice what that needs.
        let mut exact = BytesMut::with_capacity(len + wanted);
        exact.extend_from_slice(input);
        *input = exact;
    } else {
        input.reserve(wanted.clamp(READ_BYTES, len.max(READ_BYTES)));
    }
}

fn read(
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
        let buf = std::mem::take(input);
        if buf.capacity() <= KEEP_BYTES {
            buffers.input.borrow_mut().push(buf);
        }
    }
    done
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

async fn until(deadline_ms: u64) {
    let left = deadline_ms.saturating_sub(clock::now_ms());
    tokio::time::sleep(Duration::from_millis(left)).await;
}
