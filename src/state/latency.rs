//! The latency monitor: spikes above `latency-monitor-threshold`, by event.

use crate::util::ranked::{Mutex, rank};
use std::collections::{BTreeMap, VecDeque};

/// Samples kept of each event.
const SAMPLES: usize = 160;

#[derive(Clone, Debug, Default)]
pub struct Spikes {
    /// Time in seconds and latency in milliseconds, oldest first; the worst of each second.
    pub samples: VecDeque<(u64, u64)>,
    pub max_ms: u64,
}

#[derive(Default)]
pub struct LatencyMonitor {
    events: Mutex<BTreeMap<&'static str, Spikes>, { rank("latency") }>,
}

impl LatencyMonitor {
    /// Notes how long something took; the caller has checked the threshold.
    pub fn note(&self, event: &'static str, time_s: u64, ms: u64) {
        let mut events = self.events.lock();
        let spikes = events.entry(event).or_default();
        spikes.max_ms = spikes.max_ms.max(ms);
        if let Some(last) = spikes.samples.back_mut()
            && last.0 == time_s
        {
            last.1 = last.1.max(ms);
            return;
        }
        spikes.samples.push_back((time_s, ms));
        if spikes.samples.len() > SAMPLES {
            spikes.samples.pop_front();
        }
    }

    pub fn events(&self) -> BTreeMap<&'static str, Spikes> {
        self.events.lock().clone()
    }

    pub fn history(&self, event: &str) -> Vec<(u64, u64)> {
        self.events.lock().get(event).map_or(Vec::new(), |spikes| {
            spikes.samples.iter().copied().collect()
        })
    }

    /// Forgets these events, or all of them; how many that were.
    pub fn reset(&self, names: &[&str]) -> usize {
        let mut events = self.events.lock();
        if names.is_empty() {
            let count = events.len();
            events.clear();
            return count;
        }
        names
            .iter()
            .filter(|name| events.remove(**name).is_some())
            .count()
    }
}
