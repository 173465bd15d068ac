//! When, or how often, a key was used: 24 bits that eviction compares.
//!
//! Under an LRU policy they are a clock in seconds. Under an LFU policy they are the
//! minute of the last decay (16 bits) and a logarithmic counter (8 bits), as Redis keeps them,
//! because OBJECT FREQ, RESTORE and RDB files show them.

use crate::util::chance;

/// How reads leave their mark; from `maxmemory-policy` and the `lfu-*` directives.
#[derive(Clone, Copy, Debug)]
pub struct AccessRules {
    pub lfu: bool,
    /// Only edits leave a mark: the policies `*-lrm` give up what was modified least recently.
    pub edits_only: bool,
    pub lfu_log_factor: u64,
    pub lfu_decay_minutes: u64,
}

impl Default for AccessRules {
    fn default() -> Self {
        AccessRules {
            lfu: false,
            edits_only: false,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
        }
    }
}

/// A counter that a new key starts with, so that it isn't evicted at once.
const LFU_START: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(u32);

impl Access {
    /// The mark of a key written now.
    #[inline]
    pub fn fresh(rules: &AccessRules, now_ms: u64) -> Self {
        if rules.lfu {
            Self::lfu(minutes(now_ms), LFU_START)
        } else {
            Self::lru(now_ms)
        }
    }

    #[inline]
    fn lru(now_ms: u64) -> Self {
        Access((now_ms / 1000) as u32 & 0xff_ffff)
    }

    fn lfu(minute: u32, counter: u32) -> Self {
        Access(minute << 8 | counter)
    }

    /// The mark after one more use.
    #[inline]
    pub fn used(self, rules: &AccessRules, now_ms: u64) -> Self {
        if !rules.lfu {
            return Self::lru(now_ms);
        }
        let counter = self.frequency(rules, now_ms);
        let chance =
            1.0 / (counter.saturating_sub(LFU_START) as u64 * rules.lfu_log_factor + 1) as f64;
        let step = u32::from(counter < 255 && chance::fraction() < chance);
        Self::lfu(minutes(now_ms), counter + step)
    }

    /// The counter, less what it lost since it was last touched.
    pub fn frequency(self, rules: &AccessRules, now_ms: u64) -> u32 {
        let passed = minutes(now_ms).wrapping_sub(self.0 >> 8) & 0xffff;
        let lost = (passed as u64)
            .checked_div(rules.lfu_decay_minutes)
            .unwrap_or(0);
        (self.0 & 0xff).saturating_sub(lost.min(255) as u32)
    }

    /// Seconds since the last use; the clock wraps after half a year.
    pub fn idle_seconds(self, now_ms: u64) -> u64 {
        u64::from(((now_ms / 1000) as u32).wrapping_sub(self.0) & 0xff_ffff)
    }

    /// The counter as it was left, for files.
    pub fn counter(self) -> u8 {
        self.0 as u8
    }

    /// A mark as RESTORE gives it.
    pub fn with_idle_seconds(seconds: u64, now_ms: u64) -> Self {
        Self::lru(now_ms.saturating_sub(seconds.saturating_mul(1000)))
    }

    pub fn with_frequency(counter: u8, now_ms: u64) -> Self {
        Self::lfu(minutes(now_ms), u32::from(counter))
    }

    pub(super) fn bits(self) -> u32 {
        self.0
    }

    pub(super) fn from_bits(bits: u32) -> Self {
        Access(bits)
    }
}

fn minutes(now_ms: u64) -> u32 {
    (now_ms / 60_000) as u32 & 0xffff
}
