//! Requests of one read, run one after another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use bytes::Buf;

use super::ahead::{Ahead, Argv};
use super::{Closing, Connection, FLUSH_BYTES, TURN_BYTES, TURN_US};
use crate::command::session::{ReplyMode, Session};
use crate::command::{Job, Shutdown};
use crate::exec::{self, Long, Look, Next, Worker};
use crate::resp::{ProtocolError, Reply};
use crate::util::clock::{self, Reading};

impl Connection {
    /// Runs every whole request that has been read.
    pub(super) async fn batch(&mut self) {
        let Some(mut started) = self.open_batch() else {
            return;
        };
        let mut done = 0;
        let mut turn = (started, done);
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
            let has_run = match next {
                Next::Continue => true,
                other => self.see_to(other, &ahead, &mut started).await,
            };
            if has_run {
                done = ahead.ran();
            }
            if !self.client.mailbox.is_empty() {
                self.take_mail();
            }
            // Of a reply that was cut short nothing is sent.
            if self.out.is_full() {
                break;
            }
            if self.out.len() - self.sent > FLUSH_BYTES {
                self.flush();
            }
            if !self.weigh() {
                break;
            }
            if done - turn.1 > TURN_BYTES && self.worker.micros(turn.0, started) > TURN_US {
                self.let_others(&mut started).await;
                turn = (started, done);
            }
        }
        self.take_depends();
        ahead.end(&mut self.codec);
        self.buffers.ahead.set(ahead);
        self.input.advance(done);
        self.worker.end_batch();
        self.give_back_input();
    }

    /// Gives others their turn in the middle of a batch.
    async fn let_others(&mut self, started: &mut Reading) {
        self.take_depends();
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
            Next::Sleep(sleep) => {
                self.worker.shared.clients.fell_asleep(&self.client);
                self.worker.look_again(&sleep);
                self.sleep = Some(sleep);
            }
            Next::Shutdown(wish) => {
                self.shutdown(wish, started).await;
            }
            Next::Wait(job) => {
                self.wait(job, started).await;
            }
            Next::Replica(feed) => {
                self.replica = Some(feed);
                self.closing = Closing::Now;
            }
            Next::Rest(long) => self.write_on(long, ahead, started).await,
            Next::Busy => self.go_on(started).await,
            Next::Close => {
                self.closing = Closing::Flushed;
                return false;
            }
            Next::Abort => {
                self.out.buf_mut().clear();
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
        self.worker.shared.clients.fell_asleep(&self.client);
        self.worker.shared.pause.over(clock::now_ms()).await;
        self.worker.shared.clients.woke_up(&self.client);
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
            let (worker, session, out) = (&self.worker, &mut self.session, &mut self.out);
            let go_on = || worker.go_on(session, out, started);
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
            self.take_depends();
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
            let argv = ahead.argv(&self.input);
            if self.closing == Closing::Now {
                return self.worker.end_long(&self.session, *long, &argv);
            }
            let (worker, session) = (&self.worker, &self.session);
            let write_on = || worker.write_on(session, long, &argv, &mut self.out, started);
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
            if exec::abort(&self.worker.shared) {
                return self.out.ok();
            }
            return self.out.error(b"ERR No shutdown in progress.");
        };
        let shared = self.worker.shared.clone();
        let asked = exec::ask_to_stop(&shared, wish);
        shared.clients.fell_asleep(&self.client);
        let mut stopping = tokio::task::spawn_blocking(move || exec::stop(&shared, asked));
        // Who doesn't read holds nobody up.
        let stopped = tokio::select! {
            biased;
            () = self.send_all() => stopping.await,
            stopped = &mut stopping => stopped,
        };
        self.worker.shared.clients.woke_up(&self.client);
        if stopped.unwrap_or(false) {
            // The socket closes with the process.
            std::future::pending::<()>().await;
        }
        self.resume(started);
        self.out
            .error(b"ERR Errors trying to SHUTDOWN. Check logs.");
    }

    /// Answers once a job has ended.
    async fn wait(&mut self, job: Job, started: &mut Reading) {
        self.send_all().await;
        let done = job.done.await.unwrap_or(false);
        self.resume(started);
        match job.failed.filter(|_| !done) {
            None => self.out.ok(),
            Some(failed) => self.out.error(failed.as_bytes()),
        }
    }
}

/// Runs one request.
pub(super) fn run(
    worker: &Rc<Worker>,
    session: &mut Session,
    argv: &[&[u8]],
    look: Option<Look>,
    out: &mut Reply,
    started: &mut Reading,
) -> Next {
    let run = || worker.run(session, argv, look, out, started);
    guarded(argv[0], run, || Next::Close)
}

/// A panic in a handler is our mistake, and costs its connection alone, which `give_up` ends.
#[inline(always)]
fn guarded<T>(name: &[u8], act: impl FnOnce() -> T, give_up: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| {
        let name = String::from_utf8_lossy(name);
        tracing::error!(
            "A bug: the command '{name}' panicked. Its connection is closed; please report it."
        );
        give_up()
    })
}
