//! Time, read in one place.
//!
//! Wall time decides when keys die; the monotonic counter measures how long work took.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    since_epoch().as_millis() as u64
}

/// Microseconds since the Unix epoch.
pub fn now_us() -> u64 {
    since_epoch().as_micros() as u64
}

fn since_epoch() -> Duration {
    // A clock set before 1970 reads as 1970.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Measures intervals with the processor's counter: a few nanoseconds a reading.
#[derive(Clone)]
pub struct Stopwatch {
    clock: quanta::Clock,
}

/// A reading of a [`Stopwatch`].
#[derive(Clone, Copy)]
pub struct Reading(u64);

impl Default for Stopwatch {
    fn default() -> Self {
        Stopwatch {
            clock: quanta::Clock::new(),
        }
    }
}

impl Stopwatch {
    #[inline]
    pub fn read(&self) -> Reading {
        Reading(self.clock.raw())
    }

    /// Microseconds from one reading to a later one.
    #[inline]
    pub fn micros(&self, from: Reading, to: Reading) -> u64 {
        self.clock.delta_as_nanos(from.0, to.0) / 1000
    }

    #[inline]
    pub fn nanos(&self, from: Reading, to: Reading) -> u64 {
        self.clock.delta_as_nanos(from.0, to.0)
    }
}
