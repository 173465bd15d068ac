//! The expiry sweep: removes what is due, whether or not anyone touches it.
//!
//! One thread sleeps until the earliest deadline and then takes the due shards one after
//! another, a few keys per lock, so that no client waits for more than those few.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Condvar;

use super::Worker;
use super::unit::Unit;
use crate::engine::{ShardKey, ShardSet, Shards};
use crate::types::Bstr;
use crate::util::ranked::{Mutex, rank};
use crate::util::{clock, crash, thread};

/// Things removed under one lock: some tens of microseconds.
const EFFORT: usize = 64;

/// Wakes the sweep in time.
pub struct Alarm {
    /// When the sweep will look next.
    next_ms: AtomicU64,
    lock: Mutex<bool, { rank("alarm") }>,
    bell: Condvar,
}

impl Default for Alarm {
    fn default() -> Self {
        Alarm {
            next_ms: AtomicU64::new(0),
            lock: Mutex::new(false),
            bell: Condvar::new(),
        }
    }
}

impl Alarm {
    /// Something will be due at this time.
    #[inline]
    pub fn expect_by(&self, deadline_ms: u64) {
        if deadline_ms < self.next_ms.load(Ordering::Acquire) {
            self.ring();
        }
    }

    pub fn ring(&self) {
        *self.lock.lock() = true;
        self.bell.notify_one();
    }

    /// Sleeps until a time or the bell.
    fn sleep(&self, until_ms: u64) {
        self.next_ms.store(until_ms, Ordering::Release);
        let mut rung = self.lock.lock();
        if !*rung {
            let longest = Duration::from_millis(SLEEP_MS_MAX);
            let left = clock::left(until_ms).map_or(longest, |left| left.min(longest));
            rung.wait_for(&self.bell, left);
        }
        *rung = false;
        self.next_ms.store(0, Ordering::Release);
    }
}

/// The longest sleep: whoever set a deadline between look and sleep is seen then at the latest.
const SLEEP_MS_MAX: u64 = 1000;

/// The sweep of a worker's keyspace.
pub struct Sweep<'w>(pub &'w Worker);

impl Sweep<'_> {
    /// Sweeps until the server stops: the body of the sweep's own thread.
    pub fn forever(&self) {
        thread::work_in_portions();
        while !self.0.shared.stop.is_cancelled() {
            self.0.begin_batch();
            self.0.asked.now(&self.0.shared.guards);
            let now_ms = self.0.now_ms();
            let mut busy = false;
            if self.0.shared.active_expire.load(Ordering::Relaxed)
                && !self.0.must_not_expire(now_ms)
            {
                for id in self.0.engine.due_shards(now_ms) {
                    busy |= self.shard(id);
                    thread::rest();
                }
            }
            match self.0.must_not_expire(now_ms) {
                true => self.0.shared.search.put_off(now_ms),
                false => self.0.drop_idle_indexes(now_ms),
            }
            if self.0.leaves_expiry() && !self.0.is_loading() {
                self.own_keys();
            }
            self.0.end_batch();
            if busy {
                continue;
            }
            // Deadlines set from here on ring; those set before are seen by this look.
            self.0.alarm.next_ms.store(u64::MAX, Ordering::Release);
            let next = self.0.engine.next_due().unwrap_or(u64::MAX);
            let paused = next <= now_ms;
            let until = if paused { now_ms + 10 } else { next };
            self.0.alarm.sleep(until.min(now_ms + SLEEP_MS_MAX));
        }
    }

    /// Removes all that is due, before anyone is served: what a snapshot brought that replicas know of.
    pub fn now(&self) {
        self.0.begin_batch();
        let mut busy = true;
        while busy {
            busy = false;
            self.0.asked.now(&self.0.shared.guards);
            for id in self.0.engine.due_shards(self.0.now_ms()) {
                busy |= self.shard(id);
            }
        }
        self.0.end_batch();
    }

    /// Removes a few due things of one shard; whether there may be more.
    fn shard(&self, id: usize) -> bool {
        let mut late = Vec::new();
        let mut unit = self.0.begin_write_patiently(ShardSet::one(id));
        let now_ms = self.0.now_ms();
        if self.0.guards_moved() {
            // They are asked again before more is removed.
            self.0.let_go_of(unit);
            return true;
        }
        let Unit { locked, effects } = &mut unit;
        let mut more = false;
        locked.each(|shard| {
            if shard.next_due().is_some_and(|due| due <= now_ms) {
                shard.sweep(now_ms, EFFORT, effects, &mut late);
                crash::point("sweep");
                more |= shard.next_due().is_some_and(|due| due <= now_ms);
            }
        });
        // The wheel's hand moved, so others may see a later bound.
        locked.publish();
        self.0.commit_alone(unit);
        if !late.is_empty() {
            let lag = self.0.shared.stats.expiry_lag.lock();
            late.iter()
                .for_each(|ms| lag.record(ms.saturating_mul(1_000_000)));
        }
        more
    }
}

impl Worker {
    /// Removes keys that readers found dead before the sweep did, each as a unit of its own: what found them was no edit.
    #[cold]
    pub(super) fn remove_dead(&self, dead: Vec<(usize, Bstr)>) {
        let now_ms = self.now_ms();
        if self.must_not_expire(now_ms) {
            return;
        }
        for (db, key) in dead {
            let at = ShardKey::of(&key);
            let Ok(mut unit) = self.begin_write(ShardSet::of(at)) else {
                return;
            };
            if self.must_not_expire(now_ms) {
                self.let_go_of(unit);
                return;
            }
            let shard = unit.locked.shard_mut(at.shard());
            shard.expire_now(db, &key, now_ms, &mut unit.effects);
            self.commit_alone(unit);
        }
    }

    /// Whether what is dead stays for now: clients are paused, data are imported, or somebody else says when it goes.
    fn must_not_expire(&self, now_ms: u64) -> bool {
        let shared = &self.shared;
        self.leaves_expiry()
            || self.is_loading()
            || shared.config.import_mode.get()
            || shared.pause.active(now_ms).is_some()
    }
}
