//! The log as the server sees it: whether it runs, of which files it is made, how large it is, and what fails.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::course::LogCourse;
use super::manifest::{AofFile, Manifest};
use super::sync_call::SyncCall;
use super::tail::Tail;
use crate::config::Config;
use crate::util::ranked::{Mutex, rank};

/// The log's files, and those who write them.
#[derive(Default)]
pub struct Log {
    pub(super) running: AtomicBool,
    /// It is being begun: it has edits, and not yet the data that they follow.
    pub(super) beginning: AtomicBool,
    /// There while the log is running.
    pub(super) tail: Mutex<Option<Tail>, { rank("log tail") }>,
    /// How writing it goes; the tail has it, too.
    pub(super) course: Arc<LogCourse>,
    /// Some reply waits for a write.
    pub(super) wanted: AtomicBool,
    /// The last write or sync failed.
    pub(super) has_failed: AtomicBool,
    pub(super) sync_call: SyncCall,
    /// Those behind the tail. Held while the log begins or ends: one ends before the next one begins.
    pub(super) threads: Mutex<Vec<JoinHandle<()>>, { rank("log threads") }>,
    pub(super) manifest: Mutex<Manifest, { rank("log manifest") }>,
    /// Bytes of all files after the last rewrite, or at start.
    base_bytes: AtomicU64,
    /// Times that replies began to wait for a slow disk, and whether they do.
    pub delayed: AtomicU64,
    pub(super) slow: AtomicBool,
    error: Mutex<Option<String>, { rank("log error") }>,
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
    pub(in crate::persist) fn manifest(&self) -> Manifest {
        self.manifest.lock().clone()
    }

    /// Those that it was made of, for who removes them.
    pub(in crate::persist) fn take_manifest(&self) -> Manifest {
        std::mem::take(&mut *self.manifest.lock())
    }

    pub(in crate::persist) fn has_history(&self) -> bool {
        !self.manifest.lock().history.is_empty()
    }

    /// Why the log can't be written at present.
    pub fn error(&self) -> Option<String> {
        self.error.lock().clone()
    }

    pub(super) fn set_error(&self, error: Option<String>) {
        *self.error.lock() = error;
    }

    pub fn current_bytes(&self) -> u64 {
        self.course.bytes()
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

    /// DEBUG AOF-FLUSH-SLEEP: waits for so long before each write.
    pub fn set_flush_sleep(&self, time_us: u64) {
        self.course.set_flush_sleep(time_us);
    }

    /// The files there are now, all of them whole.
    pub(super) fn set_files(&self, manifest: Manifest, dir: &Path) {
        let bytes =
            |part: &AofFile| fs::metadata(dir.join(&part.name)).map_or(0, |data| data.len());
        let last = manifest.increments.last();
        // The last one grows while it is looked at.
        let settled = manifest.parts().filter(|part| Some(*part) != last);
        let settled: u64 = settled.map(bytes).sum();
        let last = last.map_or(0, bytes);
        self.course.set_bytes(settled, last);
        self.base_bytes.store(settled + last, Ordering::Relaxed);
        *self.manifest.lock() = manifest;
    }
}
