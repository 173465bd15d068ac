//! What HOTKEYS collects: the keys that take most processor time and most bytes on the network.
//!
//! Only so many keys are counted. When there are too many, those with the least are dropped, and a key that comes later begins with
//! the most that was dropped: its count is never too low, and at most that much too high (the Space-Saving algorithm of Metwally,
//! Agrawal and El Abbadi, with the dropping done for many at once).

use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;

use crate::util::chance;
use crate::util::clock;
use crate::util::cpu::CpuTime;
use crate::util::ranked::{Mutex, rank};

/// Keys that are counted for each one that is told.
const COUNTED_PER_TOLD: usize = 100;

/// What is asked of a collection.
#[derive(Clone, Debug)]
pub struct HotkeysWish {
    pub cpu: bool,
    pub net: bool,
    /// Keys that are told.
    pub count: usize,
    pub duration_ms: Option<u64>,
    /// One in so many commands is looked at.
    pub sample: u64,
}

/// What a command took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub micros: u64,
    pub bytes: u64,
}

/// A collection that goes on or has ended.
pub struct Collection {
    pub wish: HotkeysWish,
    pub began_ms: u64,
    ended_ms: Option<u64>,
    cpu_before: CpuTime,
    cpu_after: CpuTime,
    /// Of all commands, those on no key and those not looked at with them.
    pub all: Cost,
    cpu: Heaviest,
    net: Heaviest,
}

impl Collection {
    fn begin(wish: HotkeysWish, now_ms: u64) -> Self {
        let heaviest = Heaviest::of(wish.count * COUNTED_PER_TOLD);
        let cpu = CpuTime::of_process();
        Collection {
            wish,
            began_ms: now_ms,
            ended_ms: None,
            cpu_before: cpu,
            cpu_after: cpu,
            all: Cost::default(),
            cpu: heaviest.clone(),
            net: heaviest,
        }
    }

    /// Ends where its time is over; its duration is not what passed until somebody asked.
    fn end_if_due(&mut self, now_ms: u64) {
        let due = self.wish.duration_ms.map(|time| self.began_ms + time);
        if let Some(due) = due.filter(|due| *due <= now_ms) {
            self.end(due);
        }
    }

    fn end(&mut self, at_ms: u64) {
        if self.is_active() {
            self.ended_ms = Some(at_ms);
            self.cpu_after = CpuTime::of_process();
        }
    }

    pub fn is_active(&self) -> bool {
        self.ended_ms.is_none()
    }

    pub fn lasted_ms(&self, now_ms: u64) -> u64 {
        self.ended_ms
            .unwrap_or(now_ms)
            .saturating_sub(self.began_ms)
    }

    /// The process's time since the beginning.
    pub fn process_time(&self) -> CpuTime {
        let now = if self.is_active() {
            CpuTime::of_process()
        } else {
            self.cpu_after
        };
        CpuTime {
            user_us: now.user_us.saturating_sub(self.cpu_before.user_us),
            system_us: now.system_us.saturating_sub(self.cpu_before.system_us),
        }
    }

    /// Keys with their microseconds, the most first.
    pub fn by_cpu(&self) -> Vec<(&[u8], u64)> {
        self.cpu.first(self.wish.count)
    }

    /// Keys with their bytes, the most first.
    pub fn by_net(&self) -> Vec<(&[u8], u64)> {
        self.net.first(self.wish.count)
    }
}

/// HOTKEYS' only collection.
#[derive(Default)]
pub struct Hotkeys {
    /// Whether commands are to be told of.
    on: AtomicBool,
    collection: Mutex<Option<Collection>, { rank("hot keys") }>,
}

impl Hotkeys {
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Begins a collection, in the place of one that has ended. False if one goes on.
    pub fn start(&self, wish: HotkeysWish) -> bool {
        let now_ms = clock::now_ms();
        let mut held = self.collection.lock();
        if let Some(collection) = held.as_mut() {
            collection.end_if_due(now_ms);
            if collection.is_active() {
                return false;
            }
        }
        *held = Some(Collection::begin(wish, now_ms));
        self.on.store(true, Ordering::Relaxed);
        true
    }

    /// Ends the collection. False if none goes on.
    pub fn stop(&self) -> bool {
        let mut held = self.collection.lock();
        self.on.store(false, Ordering::Relaxed);
        let Some(collection) = held.as_mut() else {
            return false;
        };
        let now_ms = clock::now_ms();
        collection.end_if_due(now_ms);
        let was_active = collection.is_active();
        collection.end(now_ms);
        was_active
    }

    /// Forgets what was collected. False if it is collected still.
    pub fn reset(&self) -> bool {
        let mut held = self.collection.lock();
        if let Some(collection) = held.as_mut() {
            collection.end_if_due(clock::now_ms());
            if collection.is_active() {
                return false;
            }
        }
        *held = None;
        self.on.store(false, Ordering::Relaxed);
        true
    }

    /// Shows what was collected.
    pub fn show<T>(&self, show: impl FnOnce(Option<&Collection>, u64) -> T) -> T {
        let mut held = self.collection.lock();
        let now_ms = clock::now_ms();
        if let Some(collection) = held.as_mut() {
            collection.end_if_due(now_ms);
        }
        show(held.as_ref(), now_ms)
    }

    /// Counts what a command took, in equal parts for its keys; in the sum of all only if it is not a part of another.
    pub fn note(&self, cost: Cost, keys: &[&[u8]], is_part: bool) {
        let mut held = self.collection.lock();
        let Some(collection) = held.as_mut() else {
            return;
        };
        collection.end_if_due(clock::now_ms());
        if !collection.is_active() {
            self.on.store(false, Ordering::Relaxed);
            return;
        }
        if !is_part {
            collection.all.micros += cost.micros;
            collection.all.bytes += cost.bytes;
        }
        let sample = collection.wish.sample;
        if keys.is_empty() || sample > 1 && !chance::number().is_multiple_of(sample) {
            return;
        }
        let parts = keys.len() as u64;
        for key in keys {
            if collection.wish.cpu {
                collection.cpu.add(key, cost.micros / parts);
            }
            if collection.wish.net {
                collection.net.add(key, cost.bytes / parts);
            }
        }
    }
}

/// Counts of the keys that have most, and no others.
#[derive(Clone)]
struct Heaviest {
    counts: HashMap<Vec<u8>, u64>,
    counted_max: usize,
    /// The most that a dropped key had.
    dropped_most: u64,
}

impl Heaviest {
    fn of(counted_max: usize) -> Self {
        Heaviest {
            counts: HashMap::new(),
            counted_max,
            dropped_most: 0,
        }
    }

    fn add(&mut self, key: &[u8], more: u64) {
        if more == 0 {
            return;
        }
        let begin = self.dropped_most;
        *self.counts.entry_ref(key).or_insert(begin) += more;
        if self.counts.len() >= self.counted_max * 2 {
            self.drop_half();
        }
    }

    /// Keeps the half that has more.
    fn drop_half(&mut self) {
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        let middle = counts.len() - self.counted_max;
        let (_, least_kept, _) = counts.select_nth_unstable(middle);
        let least_kept = *least_kept;
        self.counts.retain(|_, count| *count > least_kept);
        self.dropped_most = least_kept;
    }

    fn first(&self, told_max: usize) -> Vec<(&[u8], u64)> {
        let mut all: Vec<(&[u8], u64)> = self
            .counts
            .iter()
            .map(|(key, count)| (&key[..], *count))
            .collect();
        all.sort_unstable_by(|(a, more), (b, less)| less.cmp(more).then(a.cmp(b)));
        all.truncate(told_max);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_of_many_keys_are_found_in_little_room() {
        let mut heaviest = Heaviest::of(100);
        for round in 0..50_000u32 {
            heaviest.add(format!("once:{round}").as_bytes(), 1);
            heaviest.add(format!("hot:{}", round % 10).as_bytes(), 3);
        }
        assert!(heaviest.counts.len() < 200);
        let first = heaviest.first(10);
        assert!(first.iter().all(|(key, _)| key.starts_with(b"hot:")));
        // Too high by what was dropped, at most.
        let most = 15_000 + heaviest.dropped_most;
        assert!(first.iter().all(|(_, n)| (15_000..=most).contains(n)));
    }
}
