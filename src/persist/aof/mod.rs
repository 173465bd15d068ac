//! The append only file: Redis 7's folder of a base, increments and a manifest.

mod commands;
mod manifest;
mod read;
mod rewrite;
mod seal;
mod start;
mod streams;
mod writer;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::{AppendFsync, Config};
use crate::journal::{Journal, Reader, Seq};
use crate::persist::Store;

pub use manifest::{Manifest, Part};
pub use read::Apply;
pub(super) use rewrite::{collect, rewrite};
pub(super) use start::{load, take_over};
use writer::{Increment, Order, Writer};

/// Bytes that may wait for the disk before replies wait for it, too.
const BACKLOG_MAX: u64 = 64 << 20;
/// How old an edit may be that the disk doesn't have, under `everysec`.
const UNSAFE_MS_MAX: u64 = 900;

/// The log's files, and the thread that writes them.
#[derive(Default)]
pub struct Log {
    running: AtomicBool,
    /// It is being begun: it has edits, and not yet the data that they follow.
    beginning: AtomicBool,
    orders: Mutex<VecDeque<Order>>,
    /// Held while it is decided whether the log is written, and never while anything is waited for.
    change: Mutex<()>,
    manifest: Mutex<Manifest>,
    /// Bytes of all files but the one being written.
    settled_bytes: AtomicU64,
    increment_bytes: AtomicU64,
    /// Bytes of all files after the last rewrite, or at start.
    base_bytes: AtomicU64,
    /// When the oldest edit was made that the disk may not have; 0 for none.
    unsafe_since_ms: AtomicU64,
    /// Times that replies began to wait for a slow disk.
    pub delayed: AtomicU64,
    error: Mutex<Option<String>>,
    /// DEBUG AOF-FLUSH-SLEEP: microseconds to wait before each write.
    pub flush_sleep_us: AtomicU64,
}

impl Log {
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Whether it is being begun, and would be of no use yet.
    pub fn is_beginning(&self) -> bool {
        self.beginning.load(Ordering::Acquire)
    }

    /// Why the log can't be written at present.
    pub fn error(&self) -> Option<String> {
        self.error.lock().clone()
    }

    pub fn current_bytes(&self) -> u64 {
        self.settled_bytes.load(Ordering::Relaxed) + self.increment_bytes.load(Ordering::Relaxed)
    }

    pub fn base_bytes(&self) -> u64 {
        self.base_bytes.load(Ordering::Relaxed)
    }

    /// Whether the log has grown by as much as the configuration says since it was rewritten.
    pub fn has_outgrown(&self, config: &Config) -> Option<u64> {
        let percent = config.auto_aof_rewrite_percentage.get() as u64;
        let (now, base) = (self.current_bytes(), self.base_bytes().max(1));
        let grown = (now * 100 / base).saturating_sub(100);
        let outgrown = self.is_running()
            && percent > 0
            && now > config.auto_aof_rewrite_min_size.get()
            && grown >= percent;
        outgrown.then_some(grown)
    }

    /// Closes the gate while the disk is too slow: nothing is acknowledged that is more than a second from safe.
    /// Under `always` the writer alone moves the gate.
    pub fn watch(&self, journal: &Journal, config: &Config, now_ms: u64) {
        if !self.is_running()
            || config.appendfsync.get() == AppendFsync::Always
            || !self.is_late(journal, now_ms)
        {
            return;
        }
        self.delayed.fetch_add(1, Ordering::Relaxed);
        journal.gate.close();
        if !self.is_late(journal, now_ms) {
            // The writer opened it just before.
            journal.gate.open_to(Seq(u64::MAX));
        }
    }

    fn is_late(&self, journal: &Journal, now_ms: u64) -> bool {
        let taken = Some(self.unsafe_since_ms.load(Ordering::Acquire)).filter(|since| *since > 0);
        let oldest = taken.into_iter().chain(journal.waiting_since_ms()).min();
        oldest.is_some_and(|since| now_ms.saturating_sub(since) > UNSAFE_MS_MAX)
            || journal.backlog_bytes() > BACKLOG_MAX
    }

    fn waits_since(&self, since_ms: u64) {
        let unset = self.unsafe_since_ms.load(Ordering::Relaxed) == 0;
        if unset {
            self.unsafe_since_ms.store(since_ms, Ordering::Relaxed);
        }
    }

    fn all_safe(&self) {
        self.unsafe_since_ms.store(0, Ordering::Release);
    }

    fn wrote(&self, increment_bytes: u64) {
        self.increment_bytes
            .store(increment_bytes, Ordering::Relaxed);
    }

    fn set_error(&self, error: Option<String>) {
        *self.error.lock() = error;
    }

    pub(super) fn has_history(&self) -> bool {
        !self.manifest.lock().history.is_empty()
    }

    fn sleep_for_tests(&self) {
        let time_us = self.flush_sleep_us.load(Ordering::Relaxed);
        if time_us > 0 {
            std::thread::sleep(Duration::from_micros(time_us));
        }
    }

    fn has_order(&self) -> bool {
        !self.orders.lock().is_empty()
    }

    /// From where on an order wants another file.
    fn next_mark(&self) -> Option<Seq> {
        self.orders.lock().iter().find_map(Order::mark)
    }

    fn order(&self) -> Option<Order> {
        self.orders.lock().pop_front()
    }

    /// The files there are now, all of them whole.
    fn set_files(&self, manifest: Manifest, dir: &Path) {
        let bytes = |part: &Part| fs::metadata(dir.join(&part.name)).map_or(0, |data| data.len());
        let last = manifest.increments.last();
        // The last one grows while it is looked at.
        let settled = manifest.parts().filter(|part| Some(*part) != last);
        let settled: u64 = settled.map(bytes).sum();
        let last = last.map_or(0, bytes);
        self.settled_bytes.store(settled, Ordering::Relaxed);
        self.increment_bytes.store(last, Ordering::Relaxed);
        self.base_bytes.store(settled + last, Ordering::Relaxed);
        *self.manifest.lock() = manifest;
    }
}

/// The folder of the log.
pub fn folder(config: &Config) -> PathBuf {
    config.place_of(&config.appenddirname.get())
}

/// The first part of its files' names.
pub(super) fn filename(config: &Config) -> String {
    String::from_utf8_lossy(&config.appendfilename.get()).into_owned()
}

/// Starts the thread that writes the log.
fn start_writer(store: &Arc<Store>, reader: Reader, increment: Increment) -> io::Result<()> {
    let log = &store.log;
    log.orders.lock().clear();
    log.set_error(None);
    log.all_safe();
    let writer = Writer::new(store.clone(), reader, increment);
    std::thread::Builder::new()
        .name("aof".into())
        .spawn(move || writer.run())?;
    log.running.store(true, Ordering::Release);
    Ok(())
}

/// Waits until an order that was given is carried out.
fn carried_out(store: &Store, told: &Receiver<io::Result<()>>) -> io::Result<()> {
    loop {
        store.journal.ring();
        match told.recv_timeout(Duration::from_millis(100)) {
            Ok(done) => return done,
            // It may have looked for orders just before this one came.
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("the log's thread has ended"));
            }
        }
    }
}

/// Writes what there is, and stops writing: CONFIG SET appendonly no, and the server's end.
pub fn stop_writer(store: &Store) -> io::Result<()> {
    let (done, told) = sync_channel(1);
    {
        let _change = store.log.change.lock();
        if !store.log.running.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        store.log.orders.lock().push_back(Order::Stop { done });
    }
    let stopped = carried_out(store, &told);
    store.log.set_error(None);
    stopped
}
