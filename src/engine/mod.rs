//! The keyspace: sharded tables of keys, their deadlines, sleepers and watchers.
//!
//! A unit of work locks the shards of its keys, lowest first, runs plain code on a [`Db`], and
//! leaves what it did in [`Effects`]. The engine knows no commands, sockets, log or files.

mod access;
mod census;
mod db;
mod edit;
mod effects;
mod entry;
mod evict;
mod expire;
mod shard;
mod snapshot;
mod table;
mod waiters;
mod wheel;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

pub use access::{Access, AccessRules};
pub use census::{Census, Contents};
pub use db::{Db, Deadline, Shards, Taken, WrongType};
pub use edit::Edit;
pub use effects::{Class, Effects, Event, Garbage, Record, Wanted};
pub use entry::Entry;
pub use evict::{Policy, Victim, Victims};
pub use shard::{Place, SHARDS, Shard, ShardSet, shard_of};
pub use snapshot::{SavedKey, Snapshot};
pub use table::Table;
pub use waiters::{Sleeper, Waiter};

use crate::config::{Config, MaxmemoryPolicy};
use crate::types::Limits;

/// Configuration that edits obey, copied out of the directives.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub limits: Limits,
    pub access: AccessRules,
}

impl Rules {
    pub fn of(config: &Config) -> Self {
        let policy = config.maxmemory_policy.get();
        let limits = Limits {
            hash_entries: config.hash_max_listpack_entries.get() as usize,
            hash_value: config.hash_max_listpack_value.get() as usize,
            list_size: config.list_max_listpack_size.get(),
            set_ints: config.set_max_intset_entries.get() as usize,
            set_entries: config.set_max_listpack_entries.get() as usize,
            set_value: config.set_max_listpack_value.get() as usize,
            zset_entries: config.zset_max_listpack_entries.get() as usize,
            zset_value: config.zset_max_listpack_value.get() as usize,
            stream_node_bytes: config.stream_node_max_bytes.get() as usize,
            stream_node_entries: config.stream_node_max_entries.get() as usize,
        };
        let access = AccessRules {
            lfu: matches!(
                policy,
                MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu
            ),
            lfu_log_factor: config.lfu_log_factor.get() as u64,
            lfu_decay_minutes: config.lfu_decay_time.get() as u64,
            not_before_ms: 0,
        };
        Rules { limits, access }
    }
}

/// A shard on cache lines of its own, with what others may read without its lock.
#[repr(align(128))]
struct Slot {
    shard: Mutex<Shard>,
    /// A lower bound of the shard's next deadline; `u64::MAX` for none.
    next_due_ms: AtomicU64,
    keys: AtomicUsize,
}

pub struct Engine {
    slots: Box<[Slot]>,
}

impl Default for Engine {
    fn default() -> Self {
        let slot = || {
            let mut shard = Shard::default();
            // Most servers use it: what one without data takes is then known at start.
            shard.table_mut(0);
            Slot {
                shard: Mutex::new(shard),
                next_due_ms: AtomicU64::new(u64::MAX),
                keys: AtomicUsize::new(0),
            }
        };
        Engine {
            slots: std::iter::repeat_with(slot).take(SHARDS).collect(),
        }
    }
}

impl Engine {
    /// Locks a set of shards, lowest first: the only place where more than one is taken.
    #[inline]
    pub fn lock(&self, set: ShardSet) -> Locked<'_> {
        let guards = set
            .iter()
            .map(|id| (id, self.slots[id].shard.lock()))
            .collect();
        Locked {
            engine: self,
            set,
            guards,
        }
    }

    /// Locks a set of shards as [`Engine::lock`] does, unless `give_up` says so while others hold one of them.
    #[inline]
    pub fn lock_unless(&self, set: ShardSet, give_up: &dyn Fn() -> bool) -> Option<Locked<'_>> {
        let mut guards = SmallVec::new();
        for id in set.iter() {
            let mutex = &self.slots[id].shard;
            let guard = match mutex.try_lock() {
                Some(guard) => guard,
                None => lock_slowly(mutex, give_up)?,
            };
            guards.push((id, guard));
        }
        Some(Locked {
            engine: self,
            set,
            guards,
        })
    }

    /// Empties all databases at once.
    pub fn clear(&self) {
        let mut locked = self.lock(ShardSet::ALL);
        let mut tables = Vec::new();
        locked.each(|shard| {
            for db in 0..shard.tables().len() {
                tables.push(shard.take_table(db));
            }
        });
        locked.publish();
        drop(locked);
        drop(tables);
    }

    /// Locks one shard, for walks that visit them one after another.
    pub fn lock_one(&self, id: usize) -> OneLocked<'_> {
        OneLocked {
            slot: &self.slots[id],
            guard: self.slots[id].shard.lock(),
        }
    }

    /// Shards in which something may be due by now.
    pub fn due_shards(&self, now_ms: u64) -> impl Iterator<Item = usize> {
        (0..SHARDS).filter(move |id| self.slots[*id].next_due_ms.load(Ordering::Relaxed) <= now_ms)
    }

    /// When the next deadline may be, over all shards.
    pub fn next_due(&self) -> Option<u64> {
        let earliest = self
            .slots
            .iter()
            .map(|slot| slot.next_due_ms.load(Ordering::Relaxed))
            .min();
        earliest.filter(|at| *at != u64::MAX)
    }

    /// Keys in a shard, over all databases, as of its last change.
    pub fn keys_in(&self, id: usize) -> usize {
        self.slots[id].keys.load(Ordering::Relaxed)
    }
}

/// How long one attempt at a lock lasts before its use is asked about.
const PATIENCE: Duration = Duration::from_millis(10);

#[cold]
fn lock_slowly<'m>(
    mutex: &'m Mutex<Shard>,
    give_up: &dyn Fn() -> bool,
) -> Option<MutexGuard<'m, Shard>> {
    while !give_up() {
        if let Some(guard) = mutex.try_lock_for(PATIENCE) {
            return Some(guard);
        }
    }
    None
}

impl Slot {
    /// Publishes what others read without the lock. Called while the lock is still held.
    #[inline]
    fn publish(&self, shard: &Shard) {
        let due = shard.next_due().unwrap_or(u64::MAX);
        if self.next_due_ms.load(Ordering::Relaxed) != due {
            self.next_due_ms.store(due, Ordering::Relaxed);
        }
        let keys = shard.tables().iter().map(Table::len).sum();
        if self.keys.load(Ordering::Relaxed) != keys {
            self.keys.store(keys, Ordering::Relaxed);
        }
    }
}

/// Shards locked by one unit of work.
pub struct Locked<'e> {
    engine: &'e Engine,
    set: ShardSet,
    guards: SmallVec<[(usize, MutexGuard<'e, Shard>); 2]>,
}

impl Locked<'_> {
    pub fn set(&self) -> ShardSet {
        self.set
    }

    #[inline]
    fn position(&self, id: usize) -> usize {
        let at = match self.guards.len() {
            1 => 0,
            SHARDS => id,
            _ => self.guards.partition_point(|(held, _)| *held < id),
        };
        debug_assert!(at < self.guards.len());
        at
    }

    pub fn each(&mut self, mut visit: impl FnMut(&mut Shard)) {
        self.guards.iter_mut().for_each(|(_, shard)| visit(shard));
    }

    /// The newest stamp of these shards: which edit they were changed by last.
    #[inline]
    pub fn stamp(&self) -> u64 {
        let stamps = self.guards.iter().map(|(_, shard)| shard.stamp);
        stamps.max().unwrap_or(0)
    }

    /// Stamps these shards after an edit. Stamps grow.
    pub fn set_stamp(&mut self, stamp: u64) {
        self.each(|shard| shard.stamp = stamp);
    }

    /// Takes the tables of a keyspace that nobody uses yet, in the place of empty ones. Every shard is locked.
    pub fn adopt(&mut self, other: &Engine) {
        let mut theirs = other.slots.iter().map(|slot| slot.shard.lock());
        self.each(|shard| {
            if let Some(mut their) = theirs.next() {
                shard.adopt(&mut their);
            }
        });
    }

    /// To be called after an edit and before unlocking: lets the sweep see new deadlines.
    #[inline]
    pub fn publish(&self) {
        for (id, shard) in &self.guards {
            self.engine.slots[*id].publish(shard);
        }
    }
}

const OUTSIDE: &str = "key outside the locked shards: the command's `args` hide a key";

impl Shards for Locked<'_> {
    #[inline]
    fn shard(&self, id: usize) -> &Shard {
        let (held, shard) = self.guards.get(self.position(id)).expect(OUTSIDE);
        assert_eq!(*held, id, "{OUTSIDE}");
        shard
    }

    #[inline]
    fn shard_mut(&mut self, id: usize) -> &mut Shard {
        let at = self.position(id);
        let (held, shard) = self.guards.get_mut(at).expect(OUTSIDE);
        assert_eq!(*held, id, "{OUTSIDE}");
        shard
    }
}

/// One locked shard; what others read without the lock is brought up to date on dropping it.
pub struct OneLocked<'e> {
    slot: &'e Slot,
    guard: MutexGuard<'e, Shard>,
}

impl std::ops::Deref for OneLocked<'_> {
    type Target = Shard;
    fn deref(&self) -> &Shard {
        &self.guard
    }
}

impl std::ops::DerefMut for OneLocked<'_> {
    fn deref_mut(&mut self) -> &mut Shard {
        &mut self.guard
    }
}

impl Drop for OneLocked<'_> {
    fn drop(&mut self) {
        self.slot.publish(&self.guard);
    }
}
