//! Whether the cluster's bus keeps up, so that its picture of the cluster can be trusted by who takes writes.
//!
//! A process that was stopped for a while, and is let go on, may have been replaced by another node: its clients' requests
//! wait in its sockets beside the frames that say so. From the moment when the bus is late until it has ticked in time
//! again, which leaves it the time to hear those frames, writes are refused.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// A bus that is busy for so long isn't late, however short the node timeout is.
const LATE_MS_MIN: u64 = 300;
/// Ticks in time, one after another, before a bus that was late is trusted.
const TICKS: u8 = 2;

pub struct Pulse {
    ticked_ms: AtomicU64,
    /// Ticks that are still to come in time.
    wanted: AtomicU8,
    trusted_until_ms: AtomicU64,
}

impl Default for Pulse {
    /// As long as the bus has not begun, nobody waits for it.
    fn default() -> Self {
        Pulse {
            ticked_ms: AtomicU64::new(u64::MAX),
            wanted: AtomicU8::new(0),
            trusted_until_ms: AtomicU64::new(u64::MAX),
        }
    }
}

impl Pulse {
    /// The bus ticks: called by its thread alone.
    pub fn tick(&self, now_ms: u64, node_timeout_ms: u64) {
        let late_ms = (node_timeout_ms / 2).max(LATE_MS_MIN);
        let before_ms = self.ticked_ms.swap(now_ms, Ordering::Relaxed);
        let wanted = match now_ms.saturating_sub(before_ms) > late_ms {
            true => TICKS,
            false => self.wanted.load(Ordering::Relaxed).saturating_sub(1),
        };
        self.wanted.store(wanted, Ordering::Relaxed);
        if wanted == 0 {
            self.trusted_until_ms
                .store(now_ms + late_ms, Ordering::Release);
        }
    }

    #[inline]
    pub fn is_late(&self, now_ms: u64) -> bool {
        now_ms > self.trusted_until_ms.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_that_was_late_is_trusted_after_ticks_in_time() {
        let pulse = Pulse::default();
        assert!(!pulse.is_late(1_000_000));
        pulse.tick(1000, 2000);
        pulse.tick(1100, 2000);
        assert!(!pulse.is_late(2100) && pulse.is_late(2101));
        // The process goes on after a while: it is late before and after the bus notices.
        assert!(pulse.is_late(9000));
        pulse.tick(9000, 2000);
        assert!(pulse.is_late(9001));
        pulse.tick(9100, 2000);
        assert!(pulse.is_late(9101));
        pulse.tick(9200, 2000);
        assert!(!pulse.is_late(9201));
        // Not by a node timeout shorter than a tick.
        pulse.tick(9300, 10);
        assert!(!pulse.is_late(9600));
    }
}
