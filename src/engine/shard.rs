//! A shard: one slice of every database, behind one lock.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use smallvec::SmallVec;

use super::access::Access;
use super::effects::Effects;
use super::entry::{Entry, New};
use super::place::{Hashed, Place, ShardKey};
use super::saved::Saved;
use super::table::Table;
use super::waiters::Waiters;
use super::watch::Watchers;
use crate::types::Bstr;
use crate::util::memory;

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
    /// WATCHed keys and who is told when they change.
    pub(super) watchers: Watchers,
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

    /// Whether a key is past its deadline and still stands.
    fn is_dead(&self, (db, key): &Place, now_ms: u64) -> bool {
        let table = self.table(*db);
        table.is_some_and(|table| table.holds(key)) && !self.has_live(*db, key, now_ms)
    }

    /// Begins to watch a key, which may have died by then, and still stand.
    pub fn watch(&mut self, place: Place, broken: Arc<AtomicBool>, now_ms: u64) {
        let dead = self.is_dead(&place, now_ms);
        self.watchers.begin(place, broken, dead);
    }

    pub fn unwatch(&mut self, place: &Place, broken: &Arc<AtomicBool>) {
        self.watchers.end(place, broken);
    }

    /// Whether a watched key has died since this watch began.
    pub fn has_died(&self, place: &Place, broken: &Arc<AtomicBool>, now_ms: u64) -> bool {
        self.is_dead(place, now_ms) && !self.watchers.began_dead(place, broken)
    }

    /// Tells WATCH, and nobody else, that the key at `pos` changed.
    pub(super) fn signal(&mut self, db: usize, pos: usize) {
        if !self.watchers.is_empty() {
            let key = Bstr::new(self.tables[db].at(pos).key_name());
            self.watchers.raise(db, &key, false);
        }
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
            self.watchers.raise(db, &key, leaves);
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
