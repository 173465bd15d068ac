//! How far loading has come: for INFO, for the log, and for those who are told to wait.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::util::clock;

/// The most that is told of a load under way.
const PERCENT_MAX: f64 = 99.99;
/// Bytes between two lines in the log.
const LOG_BYTES: u64 = 1 << 30;

#[derive(Default)]
pub struct Loading {
    on: AtomicBool,
    halted: AtomicBool,
    pub started_ms: AtomicU64,
    pub total_bytes: AtomicU64,
    pub loaded_bytes: AtomicU64,
}

impl Loading {
    pub fn begin(&self, total_bytes: u64) {
        self.started_ms.store(clock::now_ms(), Ordering::Relaxed);
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
        self.loaded_bytes.store(0, Ordering::Relaxed);
        self.on.store(true, Ordering::Release);
    }

    /// Begins, unless something is being loaded already.
    pub fn begin_alone(&self) -> bool {
        let begun = !self.on.swap(true, Ordering::AcqRel);
        if begun {
            self.begin(0);
        }
        begun
    }

    pub fn end(&self) {
        self.on.store(false, Ordering::Release);
    }

    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// Makes a load under way fail, because the server stops.
    pub fn halt(&self) {
        self.halted.store(true, Ordering::Release);
    }

    pub fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Acquire)
    }

    /// So many more bytes have been read.
    pub(super) fn read(&self, bytes: u64) -> io::Result<()> {
        if self.is_halted() {
            return Err(io::Error::other("the server stops"));
        }
        let before = self.loaded_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before / LOG_BYTES != (before + bytes) / LOG_BYTES {
            let total = self.total_bytes.load(Ordering::Relaxed).max(1);
            tracing::info!(
                "Loading: {}% of {total} bytes",
                (before + bytes) * 100 / total
            );
        }
        Ok(())
    }

    /// Percent loaded, and the seconds that the rest may take. As long as it is not done, it is less than all; where nobody knows
    /// how much there is, it is none.
    pub fn outlook(&self, now_ms: u64) -> (f64, u64) {
        let loaded = self.loaded_bytes.load(Ordering::Relaxed);
        let total = self.total_bytes.load(Ordering::Relaxed);
        let passed_ms = now_ms.saturating_sub(self.started_ms.load(Ordering::Relaxed));
        let left = total.saturating_sub(loaded);
        let eta = (passed_ms * left).checked_div(loaded * 1000).unwrap_or(1);
        let percent = match total {
            0 => 0.0,
            total => (loaded as f64 * 100.0 / total as f64).min(PERCENT_MAX),
        };
        (percent, eta)
    }
}
