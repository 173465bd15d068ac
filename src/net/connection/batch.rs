//! Requests of one read, run one after another.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use bytes::Buf;

use super::ahead::{Ahead, Argv};
use super::{Closing, Connection, FLUSH_BYTES, TURN_BYTES, TURN_US};
use crate::command::session::{ReplyMode, Session};
use crate::command::{AwaitedJob, Shutdown};
use crate::exec::{self, Journey, Long, Look, Next, StopSource, Worker};
use crate::journal::Answer;
use crate::persist::{JobKind, JobOutcome};
use crate::resp::{ProtocolError, Reply};
use crate::util::clock::Reading;
use crate::util::crash;
use crate::util::thread;

/// Where a batch stands.
struct Batch {
    ahead: Ahead,
    /// Bytes of the input whose requests have run.
    done: usize,
    /// When the request that runs began.
    started: Reading,
    /// When this turn began, and after how many bytes.
    turn: (Reading, usize),
    /// Whether the client had logged in after the request before this one.
    authenticated: bool,
}

/// Why no more requests of a batch run for now.
enum BatchStop {
    /// There are none, or none may.
    End,
    /// One wants more than a reply.
    Wants(Next),
    /// Others have waited for their turn.
    Turn,
}

impl Connection {
    /// Runs every whole request that has been read.
    pub(super) async fn batch(&mut self) {
        let Some(started) = self.open_batch() else {
            return;
        };
        let mut batch = Batch {
            ahead: self.buffers.ahead.take(),
            done: 0,
            started,
            turn: (started, 0),
            authenticated: self.session.authenticated,
        };
        let mut stop = self.run_on(&mut batch);
        loop {
            stop = match stop {
                BatchStop::End => break,
                BatchStop::Turn => {
                    self.let_others(&mut batch.started).await;
                    batch.turn = (batch.started, batch.done);
                    self.run_on(&mut batch)
                }
                BatchStop::Wants(next) => {
                    if self.see_to(next, &batch.ahead, &mut batch.started).await {
                        batch.done = batch.ahead.ran();
                    }
                    match self.after_each(&mut batch) {
                        Some(stop) => stop,
                        None => self.run_on(&mut batch),
                    }
                }
            };
        }
        batch.ahead.end(&mut self.codec);
        self.buffers.ahead.set(batch.ahead);
        self.input.advance(batch.done);
        self.session.publish_commands();
        self.give_back_input();
        self.worker.end_batch();
        if let Some(blocked) = &self.blocked {
            // Not before the query is gone from which they were copied: nobody is to be closed for having both.
            let bytes = &self.client.blocked_bytes;
            bytes.store(blocked.bytes(), Ordering::Relaxed);
        }
    }

    /// Runs requests that want nothing but a reply. No wait is in here: what a loop without one needs stays in registers.
    #[inline(never)]
    fn run_on(&mut self, batch: &mut Batch) -> BatchStop {
        while self.closing == Closing::No && self.blocked.is_none() && !self.held {
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
            let Batch {
                ahead,
                done,
                started,
                ..
            } = batch;
            let next = match ahead.next(codec, input, *done, worker, session) {
                Ok(Some(asked)) => {
                    let mut argv = Argv::new();
                    argv.extend(asked.args(input));
                    match argv.is_empty() {
                        true => Next::Continue,
                        false => run(worker, session, &argv, asked.look, out, started),
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.refuse(&error);
                    break;
                }
            };
            match next {
                Next::Continue => batch.done = batch.ahead.ran(),
                other => return BatchStop::Wants(other),
            }
            if let Some(stop) = self.after_each(batch) {
                return stop;
            }
        }
        BatchStop::End
    }

    /// What there is to see to after each request.
    #[inline]
    fn after_each(&mut self, batch: &mut Batch) -> Option<BatchStop> {
        if !self.client.mailbox.is_empty() {
            self.take_mail();
        }
        // Of a reply that was cut short nothing is sent.
        if self.out.is_full() {
            return Some(BatchStop::End);
        }
        if self.out.len() - self.sent > FLUSH_BYTES {
            self.flush();
        }
        if self.session.authenticated != batch.authenticated {
            batch.authenticated = self.session.authenticated;
            self.bound_output();
            // What was read ahead was held against other limits.
            batch.ahead.end(&mut self.codec);
            self.codec.rewind();
        }
        if !self.weigh() {
            return Some(BatchStop::End);
        }
        let (since, from) = batch.turn;
        let is_long =
            batch.done - from > TURN_BYTES && self.worker.micros(since, batch.started) > TURN_US;
        is_long.then_some(BatchStop::Turn)
    }

    /// Gives others their turn in the middle of a batch.
    async fn let_others(&mut self, started: &mut Reading) {
        // It comes back once the sockets have been looked at.
        tokio::task::yield_now().await;
        self.resume(started);
    }

    /// Goes on with a batch, after others had their turn.
    fn resume(&mut self, started: &mut Reading) {
        if self.client.mailbox.is_closing() {
            self.closing = Closing::Now;
        }
        // What was sent meanwhile has given it back.
        self.borrow_output();
        *started = self.worker.begin_batch();
    }

    /// Does what a request wants beside its reply; whether it has been dealt with, and the next one may run.
    async fn see_to(&mut self, next: Next, ahead: &Ahead, started: &mut Reading) -> bool {
        match next {
            Next::Continue => {}
            Next::Paused => {
                self.pause().await;
                self.resume(started);
                return false;
            }
            Next::Block(blocked) => {
                blocked.look_again(&self.worker, &self.session);
                self.blocked = Some(blocked);
            }
            Next::Shutdown(wish) => {
                self.shutdown(wish, started).await;
            }
            Next::Wait(job) => {
                self.wait(job, started).await;
            }
            Next::Transfer(journey) => self.transfer(*journey, started).await,
            Next::Replica(feed) => self.begin_feed(*feed),
            Next::Rest(long) => self.write_on(long, ahead, started).await,
            Next::Busy => self.go_on(started).await,
            Next::Close => {
                self.closing = Closing::Flushed;
                return false;
            }
            Next::Again => unreachable!("the worker asks again by itself"),
            Next::Abort => {
                self.out.reply().buf_mut().clear();
                self.sent = 0;
                self.closing = Closing::Now;
                return false;
            }
        }
        true
    }

    /// Waits until clients are no longer paused.
    async fn pause(&mut self) {
        self.send_all().await;
        self.worker.shared.clients.set_blocked(&self.client);
        loop {
            let pause = &self.worker.shared.pause;
            let rung = poll_fn(|context| self.client.mailbox.poll_rung(context));
            tokio::select! {
                () = pause.over() => break,
                () = rung => {}
            }
            if self.client.mailbox.is_closing() {
                break;
            }
            self.take_mail();
            self.flush();
        }
        self.worker.shared.clients.set_unblocked(&self.client);
    }

    /// Gets ready to run requests; nothing if the client takes too much to stay.
    fn open_batch(&mut self) -> Option<Reading> {
        self.borrow_output();
        self.tell_input();
        if !self.weigh() {
            return None;
        }
        let started = self.worker.begin_batch();
        self.bound_output();
        self.client
            .active_ms
            .store(self.worker.now_ms(), Ordering::Relaxed);
        Some(started)
    }

    /// What came is no request: the client hears why, and is left.
    fn refuse(&mut self, error: &ProtocolError) {
        let text = format!("ERR Protocol error: {error}");
        if self.session.reply == ReplyMode::On {
            self.out.reply().error(text.as_bytes());
        }
        self.worker.shared.stats.error(text.as_bytes());
        self.worker.stats().counters.error_replies.add(1);
        tracing::debug!("Protocol error ({error}) from client: {}", self.client);
        self.closing = Closing::Flushed;
    }

    /// Comes back to a script again and again, until it has ended.
    async fn go_on(&mut self, started: &mut Reading) {
        loop {
            tokio::task::yield_now().await;
            let (session, out) = (&mut self.session, &mut self.out);
            let go_on = || exec::go_on(session, out, started);
            let next = guarded(b"script", go_on, || Next::Close);
            if matches!(next, Next::Close) {
                self.closing = Closing::Flushed;
            }
            if !matches!(next, Next::Busy) {
                self.resume(started);
                return;
            }
        }
    }

    /// Writes a long reply, and lets others have their turn before each part of it.
    async fn write_on(&mut self, long: Box<Long>, ahead: &Ahead, started: &mut Reading) {
        let mut left = Some(long);
        while let Some(long) = left.take() {
            self.flush();
            self.tell_output(long.bytes());
            self.weigh();
            // It comes back once the sockets have been looked at.
            tokio::task::yield_now().await;
            if long.is_walk() {
                // This worker may have left a script that holds what the walk would wait for.
                self.until_idle().await;
            }
            self.resume(started);
            if long.is_walk() && (self.stream.is_gone() || self.worker.shared.stop.is_cancelled()) {
                // Nobody will hear what it finds.
                self.closing = Closing::Now;
            }
            let argv = ahead.argv(&self.input);
            if self.closing == Closing::Now {
                return long.end(&self.worker, &self.session, &argv);
            }
            let (worker, session) = (&self.worker, &self.session);
            let write_on = || long.write_on(worker, session, &argv, &mut self.out, started);
            let closing = &mut self.closing;
            left = guarded(argv[0], write_on, || {
                *closing = Closing::Flushed;
                None
            });
            drop(argv);
        }
    }

    async fn shutdown(&mut self, wish: Option<Shutdown>, started: &mut Reading) {
        let Some(wish) = wish else {
            return match exec::abort(&self.worker.shared) {
                true => self.answer_late(Reply::ok),
                false => self.answer_late(|out| out.error(b"ERR No shutdown in progress.")),
            };
        };
        let shared = self.worker.shared.clone();
        let asked = exec::ask_to_stop(&shared, wish, StopSource::Client);
        shared.clients.set_blocked(&self.client);
        let mut stopping = thread::start_aside(move || exec::stop(&shared, asked));
        // Who doesn't read holds nobody up.
        let stopped = tokio::select! {
            biased;
            () = self.send_all() => stopping.await,
            stopped = &mut stopping => stopped,
        };
        self.worker.shared.clients.set_unblocked(&self.client);
        if stopped.unwrap_or(false) {
            // The socket closes with the process.
            std::future::pending::<()>().await;
        }
        self.resume(started);
        self.answer_late(|out| out.error(b"ERR Errors trying to SHUTDOWN. Check logs."));
    }

    /// Answers a request whose command has run before, as CLIENT REPLY wants it.
    fn answer_late(&mut self, answer: impl FnOnce(&mut Reply)) {
        let (worker, out) = (&self.worker, self.out.reply());
        let mark = out.mark();
        answer(out);
        worker.finish_reply(&mut self.session, mark, out);
    }

    /// Waits until keys have arrived at another server, and answers.
    async fn transfer(&mut self, journey: Journey, started: &mut Reading) {
        self.send_all().await;
        let (shared, db) = (self.worker.shared.clone(), self.session.db);
        shared.clients.set_blocked(&self.client);
        let carrying = thread::start_aside(move || journey.carry(db, &shared)).await;
        self.worker.shared.clients.set_unblocked(&self.client);
        let Ok(mut arrival) = carrying else {
            tracing::error!("A bug: carrying keys to another server panicked; please report it.");
            self.closing = Closing::Flushed;
            return self.resume(started);
        };
        loop {
            self.until_idle().await;
            self.resume(started);
            let (worker, session, out) = (&self.worker, &mut self.session, &mut self.out);
            // Another script may be a long one by now.
            if arrival.arrive(worker, session, out) {
                break;
            }
        }
    }

    /// Answers once a job has ended.
    async fn wait(&mut self, job: AwaitedJob, started: &mut Reading) {
        self.send_all().await;
        let outcome = job.done.await.unwrap_or(JobOutcome::Failed);
        self.resume(started);
        let shared = self.worker.shared.clone();
        self.answer_late(|out| match (outcome, job.failed) {
            (JobOutcome::Done, _) | (JobOutcome::Failed, None) => out.ok(),
            (JobOutcome::Failed, Some(failed)) => out.error(failed.as_bytes()),
            (JobOutcome::Held, Some(_)) => out.error(shared.busy_fail().text().as_bytes()),
            (JobOutcome::Held, None) => {
                // It was not asked for by name: it comes when the script has ended.
                shared.store.begin_later(JobKind::Save);
                out.ok();
            }
        });
    }
}

/// Runs one request.
fn run(
    worker: &Rc<Worker>,
    session: &mut Session,
    argv: &[&[u8]],
    look: Option<Look>,
    out: &mut Answer,
    started: &mut Reading,
) -> Next {
    let run = || worker.run(session, argv, look, out, started);
    guarded(argv[0], run, || Next::Close)
}

/// A panic in a handler that has changed nothing costs its connection alone, which `give_up` ends; any other ends the
/// process before it comes here.
#[inline(always)]
fn guarded<T>(name: &[u8], act: impl FnOnce() -> T, give_up: impl FnOnce() -> T) -> T {
    crash::catch(act).unwrap_or_else(|_| {
        let name = String::from_utf8_lossy(name);
        tracing::error!(
            "A bug: the command '{name}' panicked. Its connection is closed; please report it."
        );
        give_up()
    })
}
