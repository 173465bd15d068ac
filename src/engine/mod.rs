//! The keyspace: sharded tables of keys, their deadlines, blocked clients and watchers.
//!
//! A unit of work locks the shards of its keys, lowest first, runs plain code on a [`Db`], and
//! leaves what it did in [`Effects`]. The engine knows no commands, sockets, log or files.

mod access;
mod census;
mod check;
mod counts;
mod course;
mod db;
mod documents;
mod each;
mod edit;
mod effects;
mod entry;
mod evict;
mod expire;
mod fields;
mod log;
mod names;
mod now;
mod parts;
mod patience;
mod place;
mod saved;
mod shard;
mod shard_set;
mod slots;
mod snapshot;
mod table;
mod waiters;
mod warm;
mod watch;
mod wheel;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

pub use access::{Access, AccessRules};
pub use census::{Census, Contents};
pub use db::{Db, Deadline, GaveUp, Shards, Taken, WrongType};
pub use documents::document_of;
pub use each::Each;
pub use edit::Edit;
pub use effects::{Class, Effects, EffectsWanted, Garbage, KeyspaceEvent};
pub use entry::{Entry, New};
pub use evict::{Busy, Policy, Victim, Victims};
pub use log::{Reach, Records, UnitLog};
pub use names::{NameWalk, Walked};
pub use now::Now;
pub use patience::{Patience, Service};
pub use place::{Hashed, Place, SHARDS, ShardKey, place_by_slots, placed_by_slots};
pub use saved::SavedKey;
pub use shard::{NewKey, Shard};
pub use shard_set::ShardSet;
pub use snapshot::Snapshot;
pub use table::Table;
pub use waiters::{BlockedCommand, Waiter};
pub use warm::{Glance, TOGETHER};

use self::counts::{Growth, KeyCounts, grow};
use crate::config::{Config, MaxmemoryPolicy};
use crate::types::{Bstr, Limits};
use crate::util::ranked::{HeldLock, rank};

/// Configuration that edits obey, copied out of the directives.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub limits: Limits,
    pub access: AccessRules,
    /// Data are imported: what has expired stays, also what is given a deadline that has passed.
    pub importing: bool,
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
            text_bytes: config.proto_max_bulk_len.get(),
        };
        let access = AccessRules {
            lfu: matches!(
                policy,
                MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu
            ),
            edits_only: matches!(
                policy,
                MaxmemoryPolicy::AllkeysLrm | MaxmemoryPolicy::VolatileLrm
            ),
            lfu_log_factor: config.lfu_log_factor.get() as u64,
            lfu_decay_minutes: config.lfu_decay_time.get() as u64,
        };
        Rules {
            limits,
            access,
            importing: config.import_mode.get(),
        }
    }
}

const SHARDS_RANK: u8 = rank("shards");

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
    counts: KeyCounts,
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
            counts: KeyCounts::default(),
        }
    }
}

impl Engine {
    /// Locks a set of shards, lowest first, however long that takes.
    pub fn lock(&self, set: ShardSet, _: Patience) -> Locked<'_> {
        self.lock_unless(set, &|| false)
            .expect("nobody gives up who never wants to")
    }

    /// Locks a set of shards, lowest first, unless `give_up` says so while others hold one of them. Units wait
    /// for more than one here alone; [`Engine::warm`] holds several, and waits for none of them.
    #[inline]
    pub fn lock_unless(&self, set: ShardSet, give_up: &dyn Fn() -> bool) -> Option<Locked<'_>> {
        let held = match set {
            ShardSet::One(id) => ShardGuards::One(Guarded::take(self, usize::from(id), give_up)?),
            ShardSet::Many(_) => {
                let guards = set.iter().map(|id| Guarded::take(self, id, give_up));
                ShardGuards::Many(guards.collect::<Option<Box<[_]>>>()?)
            }
        };
        Some(Locked { engine: self, held })
    }

    /// Empties all databases at once.
    pub fn clear(&self, patience: Patience) {
        let mut locked = self.lock(ShardSet::ALL, patience);
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

    /// Makes room for so many keys that a database is about to get, where it has none.
    pub fn expect(&self, db: usize, keys: usize, patience: Patience) {
        let each = keys / SHARDS;
        if each > 0 {
            (0..SHARDS).for_each(|id| self.lock_one(id, patience).table_mut(db).expect(each));
        }
    }

    /// Locks one shard, for walks that visit them one after another, however long that takes.
    pub fn lock_one(&self, id: usize, _: Patience) -> OneLocked<'_> {
        let held = HeldLock::take(SHARDS_RANK, id as u8);
        OneLocked {
            engine: self,
            slot: &self.slots[id],
            guard: self.slots[id].shard.lock(),
            _held: held,
        }
    }

    /// A key whose hash has fields with deadlines. Shards that are held while `give_up` says so are passed over.
    pub fn timed_hash(&self, give_up: &dyn Fn() -> bool) -> Option<Bstr> {
        (0..SHARDS).find_map(|id| {
            let locked = self.lock_unless(ShardSet::one(id), give_up)?;
            locked.held(id).tables().iter().find_map(Table::timed_hash)
        })
    }

    /// Counts what the shards hold, one after another; nothing if one is held while `give_up` says so.
    pub fn census(&self, give_up: &dyn Fn() -> bool) -> Option<Census> {
        let mut census = Census::default();
        for id in 0..SHARDS {
            let locked = self.lock_unless(ShardSet::one(id), give_up)?;
            census.count(locked.held(id), 0);
        }
        Some(census)
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

    /// Keys of a database, over all shards, as of their last changes.
    pub fn keys_of(&self, db: usize) -> usize {
        self.counts.of(db)
    }

    /// Keys in a shard, over all databases, as of its last change.
    pub fn keys_in(&self, id: usize) -> usize {
        self.slots[id].keys.load(Ordering::Acquire)
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
    /// Publishes what others read without the lock. Called while the lock is still held, as is what adds the growth
    /// of databases to their counts.
    #[inline]
    fn publish(&self, shard: &mut Shard, growth: &mut Growth) {
        let due = shard.next_due().unwrap_or(u64::MAX);
        if self.next_due_ms.load(Ordering::Relaxed) != due {
            self.next_due_ms.store(due, Ordering::Relaxed);
        }
        let mut keys = self.keys.load(Ordering::Relaxed) as i64;
        shard.take_growth(|db, by| {
            keys += by;
            self.keys.store(keys as usize, Ordering::Release);
            grow(growth, db, by);
        });
    }
}

/// A shard that a unit of work has locked.
struct Guarded<'e> {
    id: usize,
    slot: &'e Slot,
    shard: MutexGuard<'e, Shard>,
    _held: HeldLock,
}

impl<'e> Guarded<'e> {
    #[inline]
    fn take(engine: &'e Engine, id: usize, give_up: &dyn Fn() -> bool) -> Option<Self> {
        let slot = &engine.slots[id];
        let held = HeldLock::take(SHARDS_RANK, id as u8);
        let shard = match slot.shard.try_lock() {
            Some(shard) => shard,
            None => lock_slowly(&slot.shard, give_up)?,
        };
        Some(Guarded {
            id,
            slot,
            shard,
            _held: held,
        })
    }
}

enum ShardGuards<'e> {
    One(Guarded<'e>),
    /// In ascending order.
    Many(Box<[Guarded<'e>]>),
}

/// Shards locked by one unit of work.
pub struct Locked<'e> {
    engine: &'e Engine,
    held: ShardGuards<'e>,
}

impl<'e> Locked<'e> {
    #[inline]
    fn all(&self) -> &[Guarded<'e>] {
        match &self.held {
            ShardGuards::One(guarded) => std::slice::from_ref(guarded),
            ShardGuards::Many(guards) => guards,
        }
    }

    #[inline]
    fn all_mut(&mut self) -> &mut [Guarded<'e>] {
        match &mut self.held {
            ShardGuards::One(guarded) => std::slice::from_mut(guarded),
            ShardGuards::Many(guards) => guards,
        }
    }

    /// A shard that is locked.
    #[inline]
    pub fn held(&self, id: usize) -> &Shard {
        let guards = self.all();
        &guards[position(guards, id)].shard
    }

    /// Whether no shard is locked.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    pub fn set(&self) -> ShardSet {
        let mut set = ShardSet::EMPTY;
        for guarded in self.all() {
            set.union(ShardSet::one(guarded.id));
        }
        set
    }

    /// Whether all of these are locked.
    pub fn covers(&self, set: ShardSet) -> bool {
        let guards = self.all();
        let held = |id: usize| {
            guards
                .binary_search_by_key(&id, |guarded| guarded.id)
                .is_ok()
        };
        match set {
            _ if guards.len() == SHARDS => true,
            ShardSet::One(id) => held(usize::from(id)),
            ShardSet::Many(_) => set.iter().all(held),
        }
    }

    #[inline]
    pub fn each(&mut self, mut visit: impl FnMut(&mut Shard)) {
        for guarded in self.all_mut() {
            visit(&mut guarded.shard);
        }
    }

    /// How many keys a slot has, whose shard is among these, in the one database that a cluster's node has.
    pub fn keys_in_slot(&self, slot: u16) -> usize {
        let shard = self.held(ShardKey::shard_of_slot(slot));
        shard.table(0).map_or(0, |table| table.count_in_slot(slot))
    }

    /// The newest stamp of these shards: which edit they were changed by last.
    #[inline]
    pub fn stamp(&self) -> u64 {
        let stamps = self.all().iter().map(|guarded| guarded.shard.stamp);
        stamps.max().unwrap_or(0)
    }

    /// Stamps these shards after an edit. Stamps grow.
    pub fn set_stamp(&mut self, stamp: u64) {
        self.each(|shard| shard.stamp = stamp);
    }

    /// Takes the tables of a keyspace that nobody uses yet, in the place of empty ones. Every shard is locked.
    pub fn adopt(&mut self, other: &Engine) {
        let mut theirs = other.slots.iter().map(|slot| {
            let shard = slot.shard.try_lock();
            shard.expect("nobody uses the other keyspace")
        });
        self.each(|shard| {
            if let Some(mut their) = theirs.next() {
                shard.adopt(&mut their);
            }
        });
    }

    /// To be called after an edit and before unlocking: lets the sweep see new deadlines, and others how many keys there are.
    #[inline]
    pub fn publish(&mut self) {
        let mut growth = Growth::new();
        for guarded in self.all_mut() {
            guarded.slot.publish(&mut guarded.shard, &mut growth);
        }
        if !growth.is_empty() {
            self.engine.counts.add(&growth);
        }
    }
}

const OUTSIDE: &str = "key outside the locked shards: the command's `args` hide a key";

/// Where a shard stands among those that are locked.
#[inline]
fn position(guards: &[Guarded<'_>], id: usize) -> usize {
    let at = match guards.len() {
        1 => 0,
        SHARDS => id,
        _ => guards.partition_point(|guarded| guarded.id < id),
    };
    assert!(
        guards.get(at).is_some_and(|held| held.id == id),
        "{OUTSIDE}"
    );
    at
}

impl Shards for Locked<'_> {
    #[inline]
    fn shard(&self, id: usize) -> &Shard {
        self.held(id)
    }

    #[inline]
    fn shard_mut(&mut self, id: usize) -> &mut Shard {
        let guards = self.all_mut();
        let at = position(guards, id);
        &mut guards[at].shard
    }
}

/// One locked shard; what others read without the lock is brought up to date on dropping it.
pub struct OneLocked<'e> {
    engine: &'e Engine,
    slot: &'e Slot,
    guard: MutexGuard<'e, Shard>,
    _held: HeldLock,
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
        let mut growth = Growth::new();
        self.slot.publish(&mut self.guard, &mut growth);
        if !growth.is_empty() {
            self.engine.counts.add(&growth);
        }
    }
}
