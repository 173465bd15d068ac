//! The append only file: Redis 7's folder of a base, increments and a manifest.

mod commands;
mod manifest;
mod read;
mod rewrite;
mod seal;
mod start;
mod streams;
mod tail;
mod writer;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::config::{AppendFsync, Config};
use crate::journal::Seq;
use crate::persist::Store;
use crate::util::clock;
use crate::util::ranked::{Mutex, rank};

pub use manifest::{Manifest, Part};
pub use read::{Apply, End, LogFile, run_updates};
pub(super) use rewrite::{collect, rewrite, rotate, try_place};
pub(super) use start::{load, load_from, take_over};
use tail::{Switch, Tail};
use writer::SyncCall;
pub(super) use writer::stop;

/// How old an edit may be that the disk doesn't have, under `everysec`.
const UNSAFE_MS_MAX: u64 = 900;
/// A write that takes longer than this has waited for something.
const FREE_WRITE_MAX: Duration = Duration::from_millis(2);

/// The log's files, and those who write them.
#[derive(Default)]
pub struct Log {
    running: AtomicBool,
    /// It is being begun: it has edits, and not yet the data that they follow.
    beginning: AtomicBool,
    /// There while the log is running.
    tail: Mutex<Option<Tail>, { rank("log tail") }>,
    /// Files to go on in, in the order of their marks.
    switches: Mutex<VecDeque<Switch>, { rank("log switches") }>,
    /// Some reply waits for a write.
    wanted: AtomicBool,
    /// A sync goes on that whoever writes might have to wait for.
    syncing: AtomicBool,
    /// The last write during a sync did not have to wait for it, as it doesn't on most disks.
    writes_freely: AtomicBool,
    /// The last write or sync failed.
    has_failed: AtomicBool,
    sync_call: SyncCall,
    /// Those behind the tail. Held while the log begins or ends: one ends before the next one begins.
    threads: Mutex<Vec<JoinHandle<()>>, { rank("log threads") }>,
    manifest: Mutex<Manifest, { rank("log manifest") }>,
    /// Bytes of all files but the one being written.
    settled_bytes: AtomicU64,
    increment_bytes: AtomicU64,
    /// Bytes of all files after the last rewrite, or at start.
    base_bytes: AtomicU64,
    /// When the oldest edit was made that the disk may not have; 0 for none.
    unsafe_since_ms: AtomicU64,
    /// Times that replies began to wait for a slow disk, and whether they do.
    pub delayed: AtomicU64,
    slow: AtomicBool,
    error: Mutex<Option<String>, { rank("log error") }>,
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

    /// The files that it is made of.
    pub(super) fn manifest(&self) -> Manifest {
        self.manifest.lock().clone()
    }

    /// Those that it was made of, for who removes them.
    pub(super) fn take_manifest(&self) -> Manifest {
        std::mem::take(&mut *self.manifest.lock())
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

    /// Whether there are edits under `everysec` that the disk should have had by now: nothing is acknowledged that is more
    /// than a second from safe.
    fn is_late(&self) -> bool {
        let since_ms = self.unsafe_since_ms.load(Ordering::Acquire);
        since_ms > 0 && clock::now_ms().saturating_sub(since_ms) > UNSAFE_MS_MAX
    }

    fn waits_since(&self, since_ms: u64) {
        let unset = self.unsafe_since_ms.load(Ordering::Relaxed) == 0;
        if unset {
            self.unsafe_since_ms.store(since_ms, Ordering::Relaxed);
        }
    }

    /// The disk has all edits from before this time; 0 if it has all.
    fn all_safe(&self, since_ms: u64) {
        self.unsafe_since_ms.store(since_ms, Ordering::Release);
    }

    fn wrote(&self, increment_bytes: u64) {
        self.increment_bytes
            .store(increment_bytes, Ordering::Relaxed);
    }

    fn is_syncing(&self) -> bool {
        self.syncing.load(Ordering::SeqCst)
    }

    /// Whether a worker that wrote now might have to wait for a sync.
    fn holds_up(&self) -> bool {
        self.is_syncing() && !self.writes_freely.load(Ordering::Relaxed)
    }

    /// Notes how long a write took while a sync went on.
    fn wrote_in_sync(&self, time: Duration) {
        self.writes_freely
            .store(time < FREE_WRITE_MAX, Ordering::Relaxed);
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

    /// From where on another file is to be written to.
    fn next_mark(&self) -> Option<Seq> {
        self.switches.lock().front().map(|switch| switch.mark)
    }

    fn next_switch(&self) -> Option<Switch> {
        self.switches.lock().pop_front()
    }

    /// The file that was written to gets no more bytes than these.
    fn settle(&self, len: u64) {
        self.settled_bytes.fetch_add(len, Ordering::Relaxed);
        self.increment_bytes.store(0, Ordering::Relaxed);
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

/// Where its manifest is.
pub(super) fn manifest_path(config: &Config) -> PathBuf {
    Manifest::path(&folder(config), &filename(config))
}

/// The first part of its files' names.
pub(super) fn filename(config: &Config) -> String {
    String::from_utf8_lossy(&config.appendfilename.get()).into_owned()
}

impl Store {
    /// Ten times a second: holds replies back while the disk is too slow.
    pub(super) fn watch_log(&self) {
        let log = &self.log;
        let everysec = self.config.appendfsync.get() == AppendFsync::Everysec;
        if !log.is_running() || !everysec || !log.is_late() {
            return log.slow.store(false, Ordering::Relaxed);
        }
        if !log.slow.swap(true, Ordering::Relaxed) {
            log.delayed.fetch_add(1, Ordering::Relaxed);
        }
        // Who holds it looks himself.
        if let Some(Some(tail)) = log.tail.try_lock().as_deref() {
            tail.open_gate(self, AppendFsync::Everysec);
        }
    }
}
