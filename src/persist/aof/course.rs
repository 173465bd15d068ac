//! How the writing of the log goes: what those who write, sync and rewrite it tell each other, and whoever asks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::increment::Switch;
use crate::journal::Seq;
use crate::util::clock;
use crate::util::ranked::{Mutex, rank};

/// How old an edit may be that the disk doesn't have, under `everysec`.
const UNSAFE_MS_MAX: u64 = 900;
/// A write that takes longer than this has waited for something.
const FREE_WRITE_MAX: Duration = Duration::from_millis(2);

#[derive(Default)]
pub struct LogCourse {
    /// Files to go on in, in the order of their marks.
    switches: Mutex<VecDeque<Switch>, { rank("log switches") }>,
    /// A sync goes on that whoever writes might have to wait for.
    syncing: AtomicBool,
    /// The last write during a sync did not have to wait for it, as it doesn't on most disks.
    writes_freely: AtomicBool,
    /// Bytes of all files but the one being written.
    settled_bytes: AtomicU64,
    increment_bytes: AtomicU64,
    /// When the oldest edit was made that the disk may not have; 0 for none.
    unsafe_since_ms: AtomicU64,
    /// DEBUG AOF-FLUSH-SLEEP: microseconds to wait before each write.
    flush_sleep_us: AtomicU64,
}

impl LogCourse {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.settled_bytes.load(Ordering::Relaxed) + self.increment_bytes.load(Ordering::Relaxed)
    }

    /// There are other files now: the one being written has so many bytes, and so many the others together.
    pub fn set_bytes(&self, settled: u64, increment: u64) {
        self.settled_bytes.store(settled, Ordering::Relaxed);
        self.increment_bytes.store(increment, Ordering::Relaxed);
    }

    /// The file being written has so many bytes.
    pub fn wrote(&self, increment_bytes: u64) {
        self.increment_bytes
            .store(increment_bytes, Ordering::Relaxed);
    }

    /// The file that was written to gets no more bytes than these.
    pub fn settle(&self, len: u64) {
        self.settled_bytes.fetch_add(len, Ordering::Relaxed);
        self.increment_bytes.store(0, Ordering::Relaxed);
    }

    /// Whether there are edits under `everysec` that the disk should have had by now: nothing is acknowledged that is more
    /// than a second from safe.
    pub fn is_late(&self) -> bool {
        let since_ms = self.unsafe_since_ms.load(Ordering::Acquire);
        since_ms > 0 && clock::now_ms().saturating_sub(since_ms) > UNSAFE_MS_MAX
    }

    pub fn waits_since(&self, since_ms: u64) {
        let unset = self.unsafe_since_ms.load(Ordering::Relaxed) == 0;
        if unset {
            self.unsafe_since_ms.store(since_ms, Ordering::Relaxed);
        }
    }

    /// The disk has all edits from before this time; 0 if it has all.
    pub fn all_safe(&self, since_ms: u64) {
        self.unsafe_since_ms.store(since_ms, Ordering::Release);
    }

    pub fn is_syncing(&self) -> bool {
        self.syncing.load(Ordering::SeqCst)
    }

    pub fn set_syncing(&self, goes_on: bool) {
        self.syncing.store(goes_on, Ordering::SeqCst);
    }

    /// Whether a worker that wrote now might have to wait for a sync.
    pub fn holds_up(&self) -> bool {
        self.is_syncing() && !self.writes_freely.load(Ordering::Relaxed)
    }

    /// Notes how long a write took while a sync went on.
    pub fn wrote_in_sync(&self, time: Duration) {
        self.writes_freely
            .store(time < FREE_WRITE_MAX, Ordering::Relaxed);
    }

    /// Has the log go on in another file, from a mark on.
    pub fn push_switch(&self, switch: Switch) {
        self.switches.lock().push_back(switch);
    }

    pub fn forget_switches(&self) {
        self.switches.lock().clear();
    }

    /// From where on another file is to be written to.
    pub fn next_mark(&self) -> Option<Seq> {
        self.switches.lock().front().map(|switch| switch.mark)
    }

    pub fn next_switch(&self) -> Option<Switch> {
        self.switches.lock().pop_front()
    }

    pub fn set_flush_sleep(&self, time_us: u64) {
        self.flush_sleep_us.store(time_us, Ordering::Relaxed);
    }

    pub fn sleep_for_tests(&self) {
        let time_us = self.flush_sleep_us.load(Ordering::Relaxed);
        if time_us > 0 {
            std::thread::sleep(Duration::from_micros(time_us));
        }
    }
}
