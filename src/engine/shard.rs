//! A shard: one slice of every database, behind one lock.
//!
//! A key's hash picks its shard, whatever its database, so that moving a key between
//! databases stays inside one shard, and a lock plan is a set of shards and nothing more. Where a cluster is on, a key's
//! slot picks it, so that all keys of a slot stand in one shard.

use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::access::Access;
use super::effects::Effects;
use super::entry::{Entry, New};
use super::snapshot::Saved;
use super::table::Table;
use super::waiters::Waiters;
use super::watch::Watch;
use crate::cluster::{SLOTS, slot_of};
use crate::types::Bstr;
use crate::util::{keyhash, memory};

/// Shards of the keyspace. Many, so that each table is small and its growth short;
/// a power of two, so that a mask picks one.
pub const SHARDS: usize = 256;

/// Whether slots pick the shards. Set before any key is hashed, and never after.
static BY_SLOT: AtomicBool = AtomicBool::new(false);

/// Has slots pick the shards, for as long as the process lives: a cluster is on. To be called before there is an engine.
pub fn place_by_slots() {
    BY_SLOT.store(true, Ordering::Relaxed);
}

/// Whether slots pick the shards.
#[inline]
pub fn placed_by_slots() -> bool {
    BY_SLOT.load(Ordering::Relaxed)
}

/// Where the bits stand that tell a key's slot, or that are the hash's own: the table's index uses those below and its
/// tags the highest, and neither may be constant in a shard.
const SLOT_SHIFT: u32 = 32;
/// The upper bits of the slot, or of what stands in its place, are the shard's number.
const SHARD_SHIFT: u32 = SLOT_SHIFT + (SLOTS / SHARDS).trailing_zeros();
const SLOT_MASK: u64 = SLOTS as u64 - 1;

/// Where a key is kept: the shard, and the hash by which a table finds it. There is no other way from a key to its shard,
/// so that what decides it (the hash alone, or a cluster's slot) is decided here alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardKey(u64);

impl ShardKey {
    #[inline]
    pub fn of(key: &[u8]) -> Self {
        let hash = keyhash::hash(key);
        match placed_by_slots() {
            true => ShardKey::in_slot(hash, slot_of(key)),
            false => ShardKey(hash),
        }
    }

    fn in_slot(hash: u64, slot: u16) -> Self {
        ShardKey(hash & !(SLOT_MASK << SLOT_SHIFT) | u64::from(slot) << SLOT_SHIFT)
    }

    #[inline]
    pub fn shard(self) -> usize {
        (self.0 >> SHARD_SHIFT) as usize & (SHARDS - 1)
    }

    /// The key's slot. It means something only where slots pick the shards.
    #[inline]
    pub fn slot(self) -> u16 {
        (self.0 >> SLOT_SHIFT & SLOT_MASK) as u16
    }

    /// The shard that has a slot's keys, where slots pick the shards.
    pub fn shard_of_slot(slot: u16) -> usize {
        ShardKey::in_slot(0, slot).shard()
    }

    #[inline]
    pub fn hash(self) -> u64 {
        self.0
    }
}

/// A set of shards: what a unit of work locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardSet {
    /// Most commands have one key.
    One(u8),
    /// None, or several.
    Many([u64; SHARDS / 64]),
}

const _: () = assert!(SHARDS == 256, "a shard's number is a byte");

impl Default for ShardSet {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl ShardSet {
    pub const EMPTY: ShardSet = ShardSet::Many([0; SHARDS / 64]);
    pub const ALL: ShardSet = ShardSet::Many([u64::MAX; SHARDS / 64]);

    #[inline]
    pub fn of(key: ShardKey) -> Self {
        ShardSet::one(key.shard())
    }

    /// The shard of this number.
    #[inline]
    pub fn one(id: usize) -> Self {
        debug_assert!(id < SHARDS);
        ShardSet::One(id as u8)
    }

    /// Adds the shard of a key.
    #[inline]
    pub fn add(&mut self, key: ShardKey) {
        self.union(ShardSet::of(key));
    }

    pub fn union(&mut self, other: ShardSet) {
        if self.covers(other) {
            return;
        }
        if self.is_empty() {
            *self = other;
            return;
        }
        let mut words = self.words();
        for (mine, theirs) in words.iter_mut().zip(other.words()) {
            *mine |= theirs;
        }
        *self = ShardSet::Many(words);
    }

    #[inline]
    pub fn covers(&self, other: ShardSet) -> bool {
        match (self, other) {
            (ShardSet::One(mine), ShardSet::One(theirs)) => *mine == theirs,
            (ShardSet::Many(words), ShardSet::One(shard)) => {
                words[usize::from(shard) / 64] & 1 << (shard % 64) != 0
            }
            _ => {
                let mut pairs = self.words().into_iter().zip(other.words());
                pairs.all(|(mine, theirs)| theirs & !mine == 0)
            }
        }
    }

    pub fn len(&self) -> usize {
        let words = self.words().into_iter();
        words.map(|word| word.count_ones() as usize).sum()
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    fn words(&self) -> [u64; SHARDS / 64] {
        match *self {
            ShardSet::Many(words) => words,
            ShardSet::One(shard) => {
                let mut words = [0; SHARDS / 64];
                words[usize::from(shard) / 64] = 1 << (shard % 64);
                words
            }
        }
    }

    /// The shards, lowest first: the one order in which they are locked.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut words = self.words();
        let mut at = 0;
        std::iter::from_fn(move || {
            while *words.get(at)? == 0 {
                at += 1;
            }
            let bit = words[at].trailing_zeros() as usize;
            words[at] &= words[at] - 1;
            Some(at * 64 + bit)
        })
    }
}

/// A key of the command under way, with where it is kept.
#[derive(Clone, Copy)]
pub struct Hashed<'a> {
    key: &'a [u8],
    pub at: ShardKey,
}

impl<'a> Hashed<'a> {
    #[inline]
    pub fn new(key: &'a [u8]) -> Self {
        Hashed {
            key,
            at: ShardKey::of(key),
        }
    }

    /// A key that was hashed before.
    #[inline]
    pub fn known(key: &'a [u8], at: ShardKey) -> Self {
        debug_assert_eq!(ShardKey::of(key), at, "a hash of another key");
        Hashed { key, at }
    }

    /// Where these bytes are kept, if they are the very same in memory.
    #[inline]
    pub fn of(self, key: &[u8]) -> Option<ShardKey> {
        std::ptr::eq(self.key, key).then_some(self.at)
    }
}

/// A database's number and a key in it.
pub type Place = (usize, Bstr);

/// A key as a file holds it.
pub struct NewKey<'a> {
    pub db: usize,
    pub key: Hashed<'a>,
    pub value: New<'a>,
    pub deadline_ms: Option<u64>,
    pub access: Access,
    /// It is never evicted.
    pub blessed: bool,
}

/// One slice of every database.
#[derive(Default)]
pub struct Shard {
    /// Tables by database number. Grows when a database is first written to.
    tables: Vec<Table>,
    /// How many keys of each are in what others read without the lock.
    counted: SmallVec<[usize; 2]>,
    /// Clients blocked until one of these keys has something for them.
    pub waiters: Waiters,
    /// WATCHed keys and who is told when they change. Never holds an empty list.
    pub(super) watchers: HashMap<Place, Vec<Watch>>,
    /// Values that edits handed to the running snapshot before changing them.
    pub(super) saved: Vec<Saved>,
    /// Tables that were flushed while walks over their names were under way.
    pub(super) parted: Vec<Table>,
    /// The side of the snapshot that new and already taken entries are on.
    pub(super) side: bool,
    /// Whether a snapshot is being taken of this shard.
    pub(super) snapping: bool,
    /// What the last unit that edited it was stamped with.
    pub(super) stamp: u64,
}

impl Drop for Shard {
    fn drop(&mut self) {
        memory::vacate(self.tables.capacity() * size_of::<Table>(), 0);
        memory::vacate(self.counted_bytes(), 0);
    }
}

impl Shard {
    #[inline]
    pub fn table(&self, db: usize) -> Option<&Table> {
        self.tables.get(db)
    }

    #[inline]
    pub fn table_mut(&mut self, db: usize) -> &mut Table {
        if db >= self.tables.len() {
            let before = self.tables.capacity() * size_of::<Table>();
            self.tables.resize_with(db + 1, Table::default);
            // No eviction gives these back.
            memory::vacate(before, self.tables.capacity() * size_of::<Table>());
            let before = self.counted_bytes();
            self.counted.resize(db + 1, 0);
            memory::vacate(before, self.counted_bytes());
        }
        &mut self.tables[db]
    }

    /// Takes another shard's tables in the place of its own, which are empty.
    pub(super) fn adopt(&mut self, other: &mut Shard) {
        debug_assert!(!self.snapping && !other.snapping, "no snapshot sees both");
        if let Some(last) = other.tables.len().checked_sub(1) {
            self.table_mut(last);
        }
        for (mine, theirs) in self.tables.iter_mut().zip(&mut other.tables) {
            *mine = std::mem::take(theirs);
        }
        self.side = other.side;
    }

    fn counted_bytes(&self) -> usize {
        if self.counted.spilled() {
            self.counted.capacity() * size_of::<usize>()
        } else {
            0
        }
    }

    /// Tells by how many keys databases have grown here since this was called last.
    #[inline]
    pub(super) fn take_growth(&mut self, mut tell: impl FnMut(usize, i64)) {
        for (db, (table, counted)) in self.tables.iter().zip(&mut self.counted).enumerate() {
            let keys = table.len();
            if keys != *counted {
                tell(db, keys as i64 - *counted as i64);
                *counted = keys;
            }
        }
    }

    /// Those of the databases, and those that were flushed but are still needed.
    pub(super) fn every_table_mut(&mut self) -> impl Iterator<Item = &mut Table> {
        let saved = self.saved.iter_mut().filter_map(|saved| match saved {
            Saved::Table(table) => Some(table),
            Saved::Key(_) => None,
        });
        self.tables.iter_mut().chain(&mut self.parted).chain(saved)
    }

    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    pub fn tables_mut(&mut self) -> &mut [Table] {
        &mut self.tables
    }

    /// Whether a key is there, and its time is not up.
    pub fn has_live(&self, db: usize, key: &[u8], now_ms: u64) -> bool {
        let found = self.table(db).and_then(|table| {
            let pos = table.find(ShardKey::of(key).hash(), key)?;
            Some(table.is_live(pos, now_ms))
        });
        found.unwrap_or(false)
    }

    /// The earliest time at which something in this shard may be due.
    pub fn next_due(&self) -> Option<u64> {
        self.tables.iter().filter_map(Table::next_due).min()
    }

    pub(super) fn insert(
        &mut self,
        db: usize,
        hash: u64,
        key: &[u8],
        value: New<'_>,
        access: Access,
    ) -> usize {
        let side = self.side;
        self.table_mut(db).insert(hash, key, value, access, side)
    }

    /// Puts a key where none may be yet, as loading a file does, unless it is to `replace` it; false if there is one.
    pub fn load(&mut self, loaded: NewKey<'_>, replace: bool, now_ms: u64) -> bool {
        let NewKey {
            db,
            key,
            value,
            deadline_ms,
            access,
            blessed,
        } = loaded;
        let Hashed { key, at } = key;
        let hash = at.hash();
        if let Some(pos) = self.table_mut(db).find(hash, key) {
            if !replace {
                return false;
            }
            self.preserve(db, pos);
            self.remove(db, pos);
        }
        let pos = self.insert(db, hash, key, value, access);
        let table = self.table_mut(db);
        table.at(pos).set_blessed(blessed);
        if let Some(deadline_ms) = deadline_ms {
            table.set_deadline(pos, deadline_ms, now_ms);
        }
        table.sync_parts_timer(pos, now_ms);
        true
    }

    /// Takes an entry out, once the snapshot has what it needs of it.
    pub(super) fn remove(&mut self, db: usize, pos: usize) -> Entry {
        self.preserve(db, pos);
        self.table_mut(db).remove(pos)
    }

    /// Records that the key at `pos` changed: the one place that tells WATCH, tracking and blocked clients.
    #[inline]
    pub(super) fn changed(&mut self, db: usize, pos: usize, effects: &mut Effects) {
        self.record(db, pos, false, effects);
    }

    /// Does what [`Shard::changed`] does for a key that is about to leave.
    #[inline]
    pub(super) fn leaves(&mut self, db: usize, pos: usize, effects: &mut Effects) {
        self.record(db, pos, true, effects);
    }

    #[inline]
    fn record(&mut self, db: usize, pos: usize, leaves: bool, effects: &mut Effects) {
        effects.touched = true;
        effects.dirty += 1;
        if !self.watchers.is_empty() || effects.wanted.changed || effects.wanted.indexed {
            let key = Bstr::new(self.tables[db].at(pos).key_name());
            if effects.wanted.indexed && db == 0 {
                effects.indexed.push(key.clone());
            }
            self.raise(db, &key, leaves);
            if effects.wanted.changed {
                effects.changed.push(key);
            }
        }
        self.wake(db, pos, effects);
    }

    /// Lets the blocked clients of the key at `pos` look again.
    #[inline]
    pub(super) fn wake(&mut self, db: usize, pos: usize, effects: &mut Effects) {
        if !self.waiters.is_empty() {
            let place = (db, Bstr::new(self.tables[db].at(pos).key_name()));
            if self.waiters.holds(&place) {
                effects.ready.push(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_picks_its_shard_and_leaves_the_table_its_bits() {
        for (slot, shard) in [(0, 0), (63, 0), (64, 1), (16383, 255)] {
            for hash in [0, u64::MAX, keyhash::hash(b"key")] {
                let at = ShardKey::in_slot(hash, slot);
                assert_eq!((at.slot(), at.shard()), (slot, shard));
                assert_eq!(at.hash() as u32, hash as u32, "the index looks at these");
                assert_eq!(at.hash() >> 46, hash >> 46, "and the tags are these");
            }
        }
    }

    #[test]
    fn shard_sets_iterate_lowest_first() {
        let mut set = ShardSet::EMPTY;
        for shard in [200, 3, 64, 63] {
            set.union(ShardSet::one(shard));
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 63, 64, 200]);
        assert_eq!(ShardSet::ALL.iter().count(), SHARDS);
        assert!(ShardSet::ALL.covers(set) && !set.covers(ShardSet::ALL));
        let one = ShardSet::one(64);
        assert_eq!(one.iter().collect::<Vec<_>>(), [64]);
        assert!(set.covers(one) && !one.covers(set) && one.covers(ShardSet::EMPTY));
        let mut grown = ShardSet::EMPTY;
        grown.union(one);
        grown.union(one);
        assert_eq!(grown, one, "a set has one form");
        assert_eq!((one.len(), set.len(), ShardSet::ALL.len()), (1, 4, SHARDS));
    }
}
