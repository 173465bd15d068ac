//! Who writes the log, and who syncs it.
//!
//! A reply leaves once the edits that it tells of are in the file, and under `appendfsync always` on the disk. Otherwise
//! a worker whose replies wait writes itself what everybody appended, as Redis does before it answers: one write for all of
//! a turn. Two threads stand behind the workers. One writes what no reply waits for, all under `always`, and what can't be
//! written now; the other one syncs. While it does, a write to the same disk may take as long as the sync: until one
//! has been seen not to, workers leave theirs to the first thread, and go on with what doesn't depend on it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::thread::JoinHandle;
use std::time::Duration;

use super::increment::Increment;
use super::sync_call::SyncWish;
use super::tail::Tail;
use crate::config::AppendFsync;
use crate::config::special::reason;
use crate::journal::{JournalReader, Seq};
use crate::persist::Store;
use crate::util::clock::Timer;
use crate::util::memory;
use crate::util::ranked::{rank, wait_for_thread};
use crate::util::thread;

/// Between attempts to write to a disk that refuses.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Appends gathered into one write, where no reply waits for it.
const GATHER: Duration = Duration::from_millis(10);
const IDLE: Duration = Duration::from_secs(1);

impl Store {
    /// Writes what was appended to the log, because replies wait for it. If somebody is at it, he writes the rest, too,
    /// and opens the gate.
    pub fn write_log(&self) {
        let log = &self.log;
        if !log.is_running()
            || log.has_failed.load(Ordering::Relaxed)
            || self.log_policy() == AppendFsync::Always
        {
            return;
        }
        log.wanted.store(true, Ordering::SeqCst);
        loop {
            fence(Ordering::SeqCst);
            if !log.wanted.load(Ordering::SeqCst) {
                return;
            }
            if log.course.holds_up() {
                return self.journal.ring();
            }
            // Who holds it looks after letting it go whether more is wanted.
            let Some(mut held) = log.tail.try_lock() else {
                return;
            };
            if log.course.holds_up() {
                continue;
            }
            log.wanted.store(false, Ordering::SeqCst);
            if let Some(tail) = &mut *held {
                let done = tail.write();
                self.wrote_log(tail, &done);
            }
        }
    }

    /// Does something with the log's tail, if there is one.
    pub(super) fn with_tail<T>(&self, act: impl FnOnce(&mut Tail) -> T) -> Option<T> {
        let mut held = self.log.tail.lock();
        let done = held.as_mut().map(act);
        drop(held);
        fence(Ordering::SeqCst);
        if self.log.wanted.load(Ordering::SeqCst) {
            self.write_log();
        }
        done
    }

    /// How the log is synced at present.
    fn log_policy(&self) -> AppendFsync {
        let config = &self.config;
        if config.no_appendfsync_on_rewrite.get() && self.is_busy() {
            return AppendFsync::No;
        }
        config.appendfsync.get()
    }

    /// What follows a write: replies pass, a sync is called for, a failure is told.
    pub(super) fn wrote_log(&self, tail: &mut Tail, done: &io::Result<()>) {
        if let Err(error) = done {
            self.log_failed(tail, error);
        }
        let policy = self.log_policy();
        if done.is_ok() {
            if policy == AppendFsync::No {
                tail.forget_written();
            }
            let at_once = tail.has_older() && policy != AppendFsync::Always;
            let due = at_once || policy == AppendFsync::Everysec && tail.is_unsynced();
            if due && !std::mem::replace(&mut tail.called, true) || at_once {
                let ended = false;
                self.log.sync_call.make(SyncWish {
                    due,
                    at_once,
                    ended,
                });
            }
        }
        tail.open_gate(policy);
    }

    fn log_failed(&self, tail: &mut Tail, error: &io::Error) {
        if !std::mem::replace(&mut tail.failed, true) {
            tracing::error!("Error writing to the AOF file: {}", reason(error));
        }
        self.log.has_failed.store(true, Ordering::Relaxed);
        self.log.set_error(Some(reason(error)));
        self.journal.gate.set_failed(true);
        self.take_stock();
    }

    /// All that was appended could be written and synced again.
    fn log_recovered(&self, tail: &mut Tail) {
        tail.failed = false;
        self.log.has_failed.store(false, Ordering::Relaxed);
        self.journal.gate.set_failed(false);
        self.log.set_error(None);
        self.take_stock();
        tracing::warn!("AOF write error looks solved. The server can write again.");
    }

    /// Ten times a second: holds replies back while the disk is too slow.
    pub(in crate::persist) fn watch_log(&self) {
        let log = &self.log;
        let everysec = self.config.appendfsync.get() == AppendFsync::Everysec;
        if !log.is_running() || !everysec || !log.course.is_late() {
            return log.slow.store(false, Ordering::Relaxed);
        }
        if !log.slow.swap(true, Ordering::Relaxed) {
            log.delayed.fetch_add(1, Ordering::Relaxed);
        }
        // Who holds it looks himself.
        if let Some(Some(tail)) = log.tail.try_lock().as_deref() {
            tail.open_gate(AppendFsync::Everysec);
        }
    }

    /// Writes what no reply has waited for, and syncs what `always` wants synced: the body of the log's own thread.
    fn keep_log(&self, reader: &JournalReader) {
        loop {
            let round = |tail: &mut Tail| {
                let policy = self.log_policy();
                let mut done = tail.write();
                if done.is_ok() && (policy == AppendFsync::Always || tail.failed) {
                    done = tail.sync();
                }
                if done.is_ok() && tail.failed {
                    self.log_recovered(tail);
                }
                self.wrote_log(tail, &done);
                (policy, tail.failed)
            };
            let Some((policy, failed)) = self.with_tail(round) else {
                return;
            };
            memory::publish();
            if failed {
                reader.rest(RETRY_AFTER);
            } else if !reader.wait(IDLE) && policy != AppendFsync::Always {
                reader.rest(GATHER);
            }
        }
    }

    /// Syncs the log while others write it: the body of a thread.
    fn sync_log(&self) {
        let mut last = Timer::start();
        while self.log.sync_call.wait(last) {
            last = Timer::start();
            while self.sync_one() {}
        }
    }

    /// Syncs one file of the log; whether there may be another one that waits for it.
    fn sync_one(&self) -> bool {
        let begun = self.with_tail(|tail| {
            tail.called = false;
            let older = tail.has_older();
            if !older && self.log_policy() != AppendFsync::Everysec {
                return None;
            }
            let syncing = tail.begin_sync()?;
            self.log.course.set_syncing(true);
            Some((syncing, older))
        });
        let Some((syncing, older)) = begun.flatten() else {
            return false;
        };
        let done = syncing.file.lock().sync();
        self.with_tail(|tail| {
            self.log.course.set_syncing(false);
            let done = tail.end_sync(syncing, done);
            self.wrote_log(tail, &done);
        });
        self.log.course.set_syncing(false);
        // After a failure the log's own thread tries again.
        older && !self.log.has_failed.load(Ordering::Relaxed)
    }
}

/// Starts the log: its tail, and the threads behind it.
///
/// Nothing is started if the job that does it was given up, or the log was turned off meanwhile: who stops the log says so
/// first.
pub fn start(
    store: &Arc<Store>,
    job: u64,
    reader: JournalReader,
    increment: Increment,
) -> io::Result<()> {
    let log = &store.log;
    let mut threads = log.threads.lock();
    if !store.keeps_log() || store.is_abandoned(job) {
        return Err(io::Error::other("the log was turned off"));
    }
    assert!(threads.is_empty(), "a log ends before the next one begins");
    log.course.forget_switches();
    log.set_error(None);
    log.course.all_safe(0);
    log.has_failed.store(false, Ordering::Relaxed);
    log.sync_call.begin();
    let reader = Arc::new(reader);
    *log.tail.lock() = Some(Tail::new(
        store.journal.clone(),
        store.config.clone(),
        log.course.clone(),
        reader.clone(),
        increment,
    ));
    log.running.store(true, Ordering::Release);
    let (keeper, syncer) = (store.clone(), store.clone());
    let started = thread::start("aof", move || keeper.keep_log(&reader))
        .map(|thread| threads.push(thread))
        .and_then(|()| thread::start("aof-sync", move || syncer.sync_log()))
        .map(|thread| threads.push(thread));
    if started.is_err() {
        // What there was to write is in no file that counts.
        let _ = end(store, &mut threads);
    }
    started
}

/// Writes what there is, and stops writing: CONFIG SET appendonly no, and the server's end. Its threads are gone when
/// this returns.
pub fn stop(store: &Store) -> io::Result<()> {
    end(store, &mut store.log.threads.lock())
}

fn end(store: &Store, threads: &mut Vec<JoinHandle<()>>) -> io::Result<()> {
    let log = &store.log;
    let mut held = log.tail.lock();
    let done = held
        .as_mut()
        .map(|tail| tail.write().and_then(|()| tail.sync()));
    log.running.store(false, Ordering::Release);
    drop(held.take());
    drop(held);
    log.course.forget_switches();
    let gate = &store.journal.gate;
    gate.open_to(Seq(u64::MAX));
    gate.set_failed(false);
    store.journal.set_durable(None);
    log.has_failed.store(false, Ordering::Relaxed);
    log.set_error(None);
    store.journal.ring();
    log.sync_call.make(SyncWish {
        ended: true,
        ..SyncWish::default()
    });
    wait_for_thread(rank("log tail"));
    for thread in threads.drain(..) {
        // One that has panicked has said so.
        let _ = thread.join();
    }
    done.unwrap_or(Ok(()))
}
