//! What looks at a database as a whole, or edits it: under a plan that locks every shard.

use super::Db;
use crate::engine::census::Census;
use crate::engine::effects::Garbage;
use crate::engine::entry::Entry;
use crate::engine::names::NameWalk;
use crate::engine::shard::SHARDS;
use crate::engine::table::Table;

impl Db<'_> {
    fn tables(&self) -> impl Iterator<Item = &Table> {
        (0..SHARDS).filter_map(|id| self.shards.shard(id).table(self.index))
    }

    /// Counts what all databases hold.
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        (0..SHARDS).for_each(|id| census.count(self.shards.shard(id), self.now_ms));
        census
    }

    /// Keys held, those due but not yet removed included, as DBSIZE counts.
    pub fn len(&self) -> usize {
        self.tables().map(Table::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys have a deadline.
    pub fn volatile(&self) -> usize {
        self.tables().map(Table::volatile).sum()
    }

    /// Visits every live entry, with its deadline.
    pub fn visit(&self, mut visit: impl FnMut(&Entry, Option<u64>)) {
        for table in self.tables() {
            table.visit(|entry| {
                let deadline = table.deadline(entry);
                if deadline.is_none_or(|deadline| deadline > self.now_ms) {
                    visit(entry, deadline);
                }
            });
        }
    }

    /// Begins a walk over the names of the keys that are there at this moment, to be gone on with when nothing is locked.
    /// Its cost doesn't depend on the number of keys.
    pub fn walk_names(&mut self) -> NameWalk {
        let mut walk = NameWalk::new(self.now_ms);
        for id in 0..SHARDS {
            walk.join(self.shards.shard_mut(id), self.index);
        }
        walk
    }

    /// A live key, each as likely as any other.
    pub fn random_key(&self) -> Option<&[u8]> {
        let total = self.len();
        // Dead keys are rare and soon swept, so a few draws find a live one; if none does, look.
        for _ in 0..100.min(total) {
            let mut at = fastrand::usize(0..total);
            for table in self.tables() {
                if at < table.len() {
                    if table.is_live(at, self.now_ms) {
                        return Some(table.at(at).key_name());
                    }
                    self.note_dead(table.at(at));
                    break;
                }
                at -= table.len();
            }
        }
        self.tables()
            .flat_map(|table| (0..table.len()).map(move |at| (table, at)))
            .find(|(table, at)| {
                let is_live = table.is_live(*at, self.now_ms);
                if !is_live {
                    self.note_dead(table.at(*at));
                }
                is_live
            })
            .map(|(table, at)| table.at(at).key_name())
    }

    /// Visits about `count` entries and returns the cursor for the next call, 0 at the end.
    ///
    /// The cursor is a shard and a position in it, walking down: an entry that moves, moves
    /// from above the cursor to below it, so nothing present throughout is missed.
    pub fn scan<'s>(&'s self, cursor: u64, count: usize, mut visit: impl FnMut(&'s Entry)) -> u64 {
        let shard = (cursor & (SHARDS as u64 - 1)) as usize;
        let mut from = (cursor >> SHARDS.trailing_zeros()) as usize;
        let mut visited = 0;
        for id in shard..SHARDS {
            let table = self.shards.shard(id).table(self.index);
            let len = table.map_or(0, Table::len);
            // Position 0 in a cursor says "from the top", as does one beyond the end.
            let mut pos = if from == 0 { len } else { from.min(len) };
            from = 0;
            while pos > 0 {
                if visited >= count {
                    return (pos as u64) << SHARDS.trailing_zeros() | id as u64;
                }
                pos -= 1;
                visited += 1;
                let table = table.expect("a position has a table");
                if table.is_live(pos, self.now_ms) {
                    visit(table.at(pos));
                } else {
                    self.note_dead(table.at(pos));
                }
            }
            if visited >= count && id + 1 < SHARDS {
                return id as u64 + 1;
            }
        }
        0
    }

    /// Empties this database and returns how many keys it had.
    pub fn flush(&mut self) -> usize {
        let index = self.index;
        let mut removed = 0;
        for id in 0..SHARDS {
            let shard = self.shards.shard_mut(id);
            if shard.table(index).is_none_or(Table::is_empty) {
                continue;
            }
            shard.keys_changed(|db, key| {
                db == index && shard.table(index).is_some_and(|table| table.holds(key))
            });
            for place in shard.waiters.places() {
                if place.0 == index {
                    self.effects.ready.push(place.clone());
                }
            }
            // A walk or a snapshot may keep the table.
            removed += shard.table(index).map_or(0, Table::len);
            let table = shard.take_table(index);
            self.effects.garbage.push(Garbage::Table(table));
        }
        self.effects.dirty += removed as u64;
        self.effects.flushed = true;
        removed
    }

    /// Exchanges the contents of two databases.
    pub fn swap(&mut self, first: usize, second: usize) {
        let now_ms = self.now_ms;
        for id in 0..SHARDS {
            let shard = self.shards.shard_mut(id);
            shard.table_mut(first.max(second));
            // Where a key is watched, a dead one must not stand: it would look as if it had died since.
            for (db, key) in shard.watched(|db| db == first || db == second) {
                let other = if db == first { second } else { first };
                shard.expire_now(other, &key, now_ms, self.effects);
            }
            shard.keys_changed(|db, key| {
                let held = |db| shard.table(db).is_some_and(|table| table.holds(key));
                (db == first || db == second) && (held(first) || held(second))
            });
            shard.tables_mut().swap(first, second);
            for place in shard.waiters.places() {
                if place.0 == first || place.0 == second {
                    self.effects.ready.push(place.clone());
                }
            }
        }
        self.effects.dirty += 1;
    }
}
