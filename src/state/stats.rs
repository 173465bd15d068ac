//! Counters of what the server did: written by one worker each, summed when someone asks.
//!
//! A worker only ever adds to its own set, by a plain load and store, so no cache line is
//! shared on the road of a command.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::util::ranked::{Mutex, rank};
use hashbrown::HashMap;

/// A counter with one writer.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub fn add(&self, n: u64) {
        self.0
            .store(self.0.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    /// For the few counters that several threads write.
    pub fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident),* $(,)?) => {
        /// One worker's counters.
        #[derive(Default)]
        pub struct Counters { $($(#[doc = $doc])* pub $name: Counter,)* }

        /// The sum over all workers.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Totals { $($(#[doc = $doc])* pub $name: u64,)* }

        impl Counters {
            fn add_to(&self, totals: &mut Totals) {
                $(totals.$name += self.$name.get();)*
            }

            fn reset(&self) {
                $(self.$name.set(0);)*
            }
        }
    };
}

counters! {
    connections,
    commands,
    input_bytes,
    output_bytes,
    rejected_connections,
    expired_keys,
    expired_fields,
    evicted_keys,
    evicted_clients,
    keyspace_hits,
    keyspace_misses,
    /// Edits since the start; what `rdb_changes_since_last_save` counts.
    dirty,
    error_replies,
    reads,
    writes,
    /// What ACL LOG notes, by its reason.
    acl_denied_auth,
    acl_denied_command,
    acl_denied_key,
    acl_denied_channel,
    acl_denied_database,
    acl_denied_certificate,
    /// Clients closed because their query or output buffer passed its limit.
    query_buffer_limit_disconnections,
    output_buffer_limit_disconnections,
    unblocked_clients,
}

/// One command's numbers on one worker.
#[derive(Default)]
pub struct CommandCounters {
    pub calls: Counter,
    pub nanos: Counter,
    pub rejected: Counter,
    pub failed: Counter,
    histogram: OnceLock<Box<Histogram>>,
}

impl CommandCounters {
    #[inline]
    pub fn ran(&self, nanos: u64, tracked: bool) {
        self.calls.add(1);
        self.nanos.add(nanos);
        if tracked {
            self.histogram.get_or_init(Box::default).record(nanos);
        }
    }
}

/// Durations in buckets of an eighth of a power of two: at most 12% off.
pub struct Histogram {
    buckets: [Counter; Histogram::BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            buckets: std::array::from_fn(|_| Counter::default()),
        }
    }
}

impl Histogram {
    const BUCKETS: usize = 8 * 40;

    #[inline]
    fn bucket(nanos: u64) -> usize {
        let nanos = nanos.max(8);
        let power = 63 - nanos.leading_zeros() as usize;
        let eighth = (nanos >> (power - 3)) as usize & 7;
        ((power - 3) * 8 + eighth).min(Self::BUCKETS - 1)
    }

    /// The least value of a bucket.
    fn floor(bucket: usize) -> u64 {
        let (power, eighth) = (bucket / 8 + 3, bucket % 8);
        (8 + eighth as u64) << (power - 3)
    }

    #[inline]
    pub fn record(&self, nanos: u64) {
        self.buckets[Self::bucket(nanos)].add(1);
    }

    fn add_to(&self, sum: &mut Spread) {
        for (at, bucket) in self.buckets.iter().enumerate() {
            sum.counts[at] += bucket.get();
        }
    }

    fn reset(&self) {
        self.buckets.iter().for_each(|bucket| bucket.set(0));
    }
}

/// The sum of some histograms.
#[derive(Clone, Debug)]
pub struct Spread {
    counts: Vec<u64>,
}

impl Default for Spread {
    fn default() -> Self {
        Spread {
            counts: vec![0; Histogram::BUCKETS],
        }
    }
}

impl Spread {
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The value that `percent` of all samples don't exceed, in nanoseconds.
    pub fn percentile(&self, percent: f64) -> u64 {
        let total = self.total();
        let wanted = ((total as f64 * percent / 100.0).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return Histogram::floor(at + 1) - 1;
            }
        }
        0
    }

    /// How many samples there were up to each power of two microseconds, as LATENCY HISTOGRAM lists
    /// them: from the first power that holds any sample to the one that holds all.
    pub fn by_micros(&self) -> Vec<(u64, u64)> {
        let total = self.total();
        let mut rows = Vec::new();
        let mut seen = 0;
        for limit in (0..64).map(|power| 1u64 << power) {
            if seen == total {
                break;
            }
            let within = self.counts.iter().enumerate();
            let within = within.filter(|(at, _)| Histogram::floor(*at) <= limit * 1000);
            seen = within.map(|(_, count)| count).sum();
            if seen > 0 {
                rows.push((limit, seen));
            }
        }
        rows
    }
}

/// What one worker counted.
pub struct WorkerStats {
    pub counters: Counters,
    pub commands: Box<[CommandCounters]>,
}

/// One command's numbers over all workers.
#[derive(Clone, Debug, Default)]
pub struct CommandTotals {
    pub calls: u64,
    pub micros: u64,
    pub rejected: u64,
    pub failed: u64,
    pub spread: Spread,
}

/// How often each code was answered.
#[derive(Default)]
struct ErrorCodes {
    counts: HashMap<String, u64>,
    /// There were too many; none is counted until CONFIG RESETSTAT.
    stopped: bool,
}

/// All workers' numbers.
pub struct Stats {
    /// The commands' full names, by the numbers under which they are counted.
    pub names: Box<[&'static str]>,
    workers: Box<[Arc<WorkerStats>]>,
    /// Error replies by their code. Errors are rare enough to share.
    errors: Mutex<ErrorCodes, { rank("error counts") }>,
    /// How late keys were removed, in nanoseconds.
    pub expiry_lag: Mutex<Histogram, { rank("expiry lag") }>,
    pub freeing: Freeing,
}

/// Values that are dropped on another thread.
#[derive(Default)]
pub struct Freeing {
    pub pending: AtomicU64,
    pub freed: AtomicU64,
}

/// Codes kept apart; more of them than any server has means that scripts make them up.
const ERROR_CODES_MAX: usize = 128;

impl Stats {
    pub fn new(workers: usize, names: Box<[&'static str]>) -> Self {
        let worker = || {
            Arc::new(WorkerStats {
                counters: Counters::default(),
                commands: std::iter::repeat_with(CommandCounters::default)
                    .take(names.len())
                    .collect(),
            })
        };
        Stats {
            workers: std::iter::repeat_with(worker).take(workers).collect(),
            names,
            errors: Mutex::default(),
            expiry_lag: Mutex::default(),
            freeing: Freeing::default(),
        }
    }

    /// Threads that count.
    pub fn threads(&self) -> usize {
        self.workers.len()
    }

    pub fn worker(&self, id: usize) -> &Arc<WorkerStats> {
        &self.workers[id]
    }

    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.workers
            .iter()
            .for_each(|worker| worker.counters.add_to(&mut totals));
        totals
    }

    pub fn command(&self, id: usize) -> CommandTotals {
        let mut totals = CommandTotals::default();
        for worker in &self.workers {
            let counters = &worker.commands[id];
            totals.calls += counters.calls.get();
            totals.micros += counters.nanos.get() / 1000;
            totals.rejected += counters.rejected.get();
            totals.failed += counters.failed.get();
            if let Some(histogram) = counters.histogram.get() {
                histogram.add_to(&mut totals.spread);
            }
        }
        totals
    }

    /// Notes an error reply by the first word of its text.
    pub fn error(&self, line: &[u8]) {
        // A single word is no code.
        let blank = line.iter().take(32).position(|byte| *byte == b' ');
        let code = blank.map_or(&b"ERR"[..], |blank| &line[..blank]);
        let code = String::from_utf8_lossy(code);
        let mut errors = self.errors.lock();
        if errors.stopped {
            return;
        }
        if errors.counts.len() < ERROR_CODES_MAX || errors.counts.contains_key(&*code) {
            *errors.counts.entry(code.into_owned()).or_default() += 1;
            return;
        }
        errors.stopped = true;
        let mut codes: Vec<String> = errors.counts.drain().map(|(code, _)| code).collect();
        drop(errors);
        codes.sort();
        tracing::warn!(
            "Errorstats stopped adding new errors because the number of errors reached the limit, may be misuse of lua error_reply, please check INFO ERRORSTATS, this can be re-enabled via CONFIG RESETSTAT."
        );
        tracing::warn!("Current errors code list: {}", codes.join(", "));
    }

    /// Error codes and how often each was answered, in alphabetical order.
    pub fn errors(&self) -> Vec<(String, u64)> {
        let errors = self.errors.lock();
        if errors.stopped {
            return vec![("ERRORSTATS_DISABLED".to_owned(), 1)];
        }
        let counts = errors.counts.iter();
        let mut all: Vec<_> = counts.map(|(code, count)| (code.clone(), *count)).collect();
        all.sort();
        all
    }

    /// The expiry lag's spread.
    pub fn expiry_spread(&self) -> Spread {
        let mut spread = Spread::default();
        self.expiry_lag.lock().add_to(&mut spread);
        spread
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        for worker in &self.workers {
            let dirty = worker.counters.dirty.get();
            worker.counters.reset();
            worker.counters.dirty.set(dirty);
            self.reset_commands(worker);
        }
        *self.errors.lock() = ErrorCodes::default();
        self.expiry_lag.lock().reset();
        self.freeing.freed.store(0, Ordering::Relaxed);
    }

    fn reset_commands(&self, worker: &WorkerStats) {
        for command in &worker.commands {
            for counter in [
                &command.calls,
                &command.nanos,
                &command.rejected,
                &command.failed,
            ] {
                counter.set(0);
            }
            if let Some(histogram) = command.histogram.get() {
                histogram.reset();
            }
        }
    }

    pub fn workers(&self) -> usize {
        self.workers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_close() {
        let histogram = Histogram::default();
        (1..=1000u64).for_each(|n| histogram.record(n * 1000));
        let mut spread = Spread::default();
        histogram.add_to(&mut spread);
        let half = spread.percentile(50.0);
        assert!((440_000..570_000).contains(&half), "{half}");
        assert_eq!(spread.by_micros().last().map(|row| row.1), Some(1000));
    }
}
