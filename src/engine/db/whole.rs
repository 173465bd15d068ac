//! What looks at a database as a whole, or edits it.
//!
//! What edits, and what must see all keys as of one moment, runs under a plan that locks every shard. The other readers
//! run as well where none is held: they look at one shard after another.

use smallvec::SmallVec;

use super::Db;
use crate::engine::census::Census;
use crate::engine::effects::Garbage;
use crate::engine::entry::Entry;
use crate::engine::names::NameWalk;
use crate::engine::place::{SHARDS, ShardKey};
use crate::engine::shard::Shard;
use crate::engine::slots::SlotSearch;
use crate::engine::table::Table;
use crate::engine::warm::{Glance, TOGETHER};
use crate::types::Bstr;
use crate::types::dense::Keyed;
use crate::util::chance;

/// A shard was held by others for longer than one may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GaveUp;

/// Says when to give up waiting for a shard.
pub type GiveUp<'g> = &'g dyn Fn() -> bool;

/// With fewer keys than this, looking at all shards that have any costs less than trying shards at random.
const FEW: usize = 32;
/// Keys that are drawn at random before all shards are looked at.
const DRAWS: usize = 2048;

impl Db<'_> {
    fn tables(&self) -> impl Iterator<Item = &Table> {
        (0..SHARDS).filter_map(|id| self.shards.shard(id).table(self.index))
    }

    fn look(
        &self,
        id: usize,
        give_up: GiveUp<'_>,
        mut visit: impl FnMut(&Shard),
    ) -> Result<(), GaveUp> {
        match self.shards.look(id, give_up, &mut visit) {
            true => Ok(()),
            false => Err(GaveUp),
        }
    }

    /// Counts what all databases hold. Where no shard is held, the keys of a database are as of one moment, and the
    /// other figures are gathered in the time that this takes.
    pub fn census(&self, give_up: GiveUp<'_>) -> Result<Census, GaveUp> {
        let mut census = Census::default();
        for id in 0..SHARDS {
            self.look(id, give_up, |shard| census.count(shard, self.now_ms()))?;
        }
        for (db, contents) in census.databases.iter_mut().enumerate() {
            contents.keys = self.shards.keys_of(db);
        }
        Ok(census)
    }

    /// Keys held, those due but not yet removed included, as DBSIZE counts.
    pub fn len(&self) -> usize {
        self.shards.keys_of(self.index)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits every live entry, with its deadline.
    pub fn visit(&self, mut visit: impl FnMut(&Entry, Option<u64>)) {
        for table in self.tables() {
            table.visit(|entry| {
                let deadline = table.deadline(entry);
                if deadline.is_none_or(|deadline| deadline > self.now_ms()) {
                    visit(entry, deadline);
                }
            });
        }
    }

    /// Visits the names of this database's keys in one shard, which must be held.
    pub fn visit_names_in(&self, shard: usize, mut visit: impl FnMut(&[u8])) {
        if let Some(table) = self.shards.shard(shard).table(self.index) {
            table.visit(|entry| visit(entry.key()));
        }
    }

    /// Looks whether all shards, which must be held, are as they must be; says what is not.
    pub fn check(&self) -> Result<(), String> {
        (0..SHARDS).try_for_each(|id| self.shards.shard(id).check(id))
    }

    /// Begins a walk over the names of the keys that are there at this moment, to be gone on with when nothing is locked.
    /// Its cost doesn't depend on the number of keys.
    pub fn walk_names(&mut self) -> NameWalk {
        let mut walk = NameWalk::new(self.now_ms());
        for id in 0..SHARDS {
            walk.join(self.shards.shard_mut(id), self.index);
        }
        walk
    }

    /// How many keys of this database a slot has, those due but not yet removed included.
    pub fn count_in_slot(&self, slot: u16, give_up: GiveUp<'_>) -> Result<usize, GaveUp> {
        let mut count = 0;
        self.look_at_slot(slot, give_up, |table| count = table.count_in_slot(slot))?;
        Ok(count)
    }

    /// Names of some keys of this database that a slot has. Where no shard is held, others may have it in between.
    pub fn names_in_slot(
        &self,
        slot: u16,
        max: usize,
        give_up: GiveUp<'_>,
    ) -> Result<Vec<Bstr>, GaveUp> {
        let mut search = SlotSearch::new(slot, max);
        let mut has_ended = false;
        while !has_ended {
            has_ended = true;
            self.look_at_slot(slot, give_up, |table| {
                has_ended = table.search_slot(&mut search);
            })?;
        }
        Ok(search.found.into_iter().collect())
    }

    fn look_at_slot(
        &self,
        slot: u16,
        give_up: GiveUp<'_>,
        mut visit: impl FnMut(&Table),
    ) -> Result<(), GaveUp> {
        self.look(ShardKey::shard_of_slot(slot), give_up, |shard| {
            if let Some(table) = shard.table(self.index) {
                visit(table);
            }
        })
    }

    /// The name of a live key, each as likely as any other.
    pub fn random_key(&self, give_up: GiveUp<'_>) -> Result<Option<Bstr>, GaveUp> {
        let total = self.len();
        if total == 0 {
            return Ok(None);
        }
        if total >= FEW
            && let Some(key) = self.draw_key(total, give_up)?
        {
            return Ok(Some(key));
        }
        self.pick_key(give_up)
    }

    /// Tries positions of random shards, as if all of them had as many keys as the largest: a position that a shard
    /// doesn't have is drawn again, so that a key of a small shard is not more likely than others.
    fn draw_key(&self, total: usize, give_up: GiveUp<'_>) -> Result<Option<Bstr>, GaveUp> {
        // Keys are spread by their hashes: hardly any shard has more than this, and then the draw goes by what it has. Of few
        // keys several may well share a shard.
        let mean = total as f64 / SHARDS as f64;
        let mut most = (mean + 4.0 * mean.sqrt()) as usize + 5;
        for _ in 0..DRAWS {
            let id = chance::within(0..SHARDS);
            let at = chance::within(0..most);
            if at >= self.shards.keys_in(id) {
                continue;
            }
            let mut found = None;
            self.look(id, give_up, |shard| {
                let Some(table) = shard.table(self.index) else {
                    return;
                };
                match table.len() {
                    len if len > 2 * most => most = len,
                    // A little fuller than was taken for granted: its keys share what it gets.
                    len if len > most => found = self.live_name(table, chance::within(0..len)),
                    len if at < len => found = self.live_name(table, at),
                    _ => {}
                }
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Looks at all shards, and keeps the key of each as likely as it has its share of those seen so far.
    fn pick_key(&self, give_up: GiveUp<'_>) -> Result<Option<Bstr>, GaveUp> {
        let (mut seen, mut picked) = (0, None);
        for id in 0..SHARDS {
            if self.shards.keys_in(id) == 0 {
                continue;
            }
            self.look(id, give_up, |shard| {
                let Some(table) = shard.table(self.index) else {
                    return;
                };
                let live = |at: &usize| table.is_live(*at, self.now_ms());
                // The dead that this comes upon are to be removed.
                let seen_live = |at: &usize| self.live_name(table, *at).is_some();
                let alive = (0..table.len()).filter(seen_live).count();
                seen += alive;
                if alive > 0 && chance::within(0..seen) < alive {
                    let at = (0..table.len()).filter(live).nth(chance::within(0..alive));
                    picked = at.and_then(|at| self.live_name(table, at));
                }
            })?;
        }
        Ok(picked)
    }

    /// The name of the key at this position, unless it is dead.
    fn live_name(&self, table: &Table, at: usize) -> Option<Bstr> {
        if !table.is_live(at, self.now_ms()) {
            self.note_dead(table.at(at));
            return None;
        }
        Some(Bstr::new(table.at(at).key_name()))
    }

    /// Visits about `count` entries and returns the cursor for the next call, 0 at the end.
    ///
    /// The cursor is a shard and a position in it, walking down: an entry that moves, moves
    /// from above the cursor to below it, so nothing present throughout is missed.
    pub fn scan(
        &self,
        cursor: u64,
        count: usize,
        give_up: GiveUp<'_>,
        mut visit: impl FnMut(&Entry),
    ) -> Result<u64, GaveUp> {
        let shard = (cursor & (SHARDS as u64 - 1)) as usize;
        let mut from = cursor >> SHARDS.trailing_zeros();
        let mut left = count;
        for id in shard..SHARDS {
            let from = std::mem::take(&mut from);
            let stopped_at = self.scan_shard(id, from, &mut left, give_up, &mut visit)?;
            if stopped_at > 0 {
                return Ok(stopped_at << SHARDS.trailing_zeros() | id as u64);
            }
            if left == 0 && id + 1 < SHARDS {
                return Ok(id as u64 + 1);
            }
        }
        Ok(0)
    }

    /// Visits live entries of one shard, from a position downwards, from the top if that is 0, and takes each entry that it looks at
    /// off what is left; returns the position to go on from, 0 at the end.
    pub fn scan_shard(
        &self,
        id: usize,
        from: u64,
        left: &mut usize,
        give_up: GiveUp<'_>,
        mut visit: impl FnMut(&Entry),
    ) -> Result<u64, GaveUp> {
        let top = match from {
            0 => usize::MAX,
            from => usize::try_from(from).unwrap_or(usize::MAX),
        };
        // Whoever was answered after adding a key finds it counted here.
        if self.shards.keys_in(id) == 0 {
            return Ok(0);
        }
        let mut stopped_at = 0;
        self.look(id, give_up, |shard| {
            if let Some(table) = shard.table(self.index) {
                stopped_at = self.scan_table(table, top, left, &mut visit);
            }
        })?;
        Ok(stopped_at as u64)
    }

    /// Visits entries from a position downwards; returns the position above the next one, 0 at the end.
    fn scan_table(
        &self,
        table: &Table,
        top: usize,
        left: &mut usize,
        visit: &mut impl FnMut(&Entry),
    ) -> usize {
        let mut pos = top.min(table.len());
        while pos > 0 && *left > 0 {
            pos -= 1;
            *left -= 1;
            if table.is_live(pos, self.now_ms()) {
                visit(table.at(pos));
            } else {
                self.note_dead(table.at(pos));
            }
        }
        pos
    }

    /// Empties this database and returns how many keys it had.
    pub fn flush(&mut self) -> usize {
        let index = self.index;
        self.effects.touched = true;
        let mut removed = 0;
        for id in 0..SHARDS {
            let shard = self.shards.shard_mut(id);
            if shard.table(index).is_none_or(Table::is_empty) {
                continue;
            }
            shard.watchers.keys_changed(|db, key, dead| {
                let holds = |table: &Table| table.holds(key);
                db == index && !dead && shard.table(index).is_some_and(holds)
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
        // Moves of slots end, whether anybody notes changes or not.
        self.effects.wanted.changed = true;
        // Whoever empties a database drops all indexes, as RediSearch does.
        self.effects.indexed.clear();
        self.effects.reindex = false;
        removed
    }

    /// Exchanges the contents of two databases.
    pub fn swap(&mut self, first: usize, second: usize) {
        let over_ms = self.over_ms();
        self.effects.touched = true;
        for id in 0..SHARDS {
            let shard = self.shards.shard_mut(id);
            shard.table_mut(first.max(second));
            // Where a key is watched, a dead one must not stand: it would look as if it had changed, or had died since.
            for (_, key) in shard.watchers.places(|db| db == first || db == second) {
                shard.expire_now(first, &key, over_ms, self.effects);
                shard.expire_now(second, &key, over_ms, self.effects);
            }
            shard.watchers.keys_changed(|db, key, _| {
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
        self.effects.reindex |= first == 0 || second == 0;
    }

    /// Looks at what will be looked at of some keys, and of a field of each, for sixteen keys at the same time.
    pub fn warm<'k>(&self, keys: impl Iterator<Item = &'k [u8]>, member: Option<&[u8]>) {
        let glances = keys.take(TOGETHER).map(|key| Glance {
            key: self.place(key),
            member,
        });
        let glances: SmallVec<[Glance<'_>; TOGETHER]> = glances.collect();
        self.shards.warm(self.index, &glances);
    }

    /// Looks at one key, whether its shard is held or not; at nothing if it isn't there or is dead.
    pub fn look_at(
        &self,
        key: &[u8],
        give_up: GiveUp<'_>,
        mut visit: impl FnMut(Option<&Entry>),
    ) -> Result<(), GaveUp> {
        let at = self.place(key);
        self.look(at.shard(), give_up, |shard| {
            let table = shard.table(self.index);
            let found = table.and_then(|table| {
                let pos = table.find(at.hash(), key)?;
                let live = table.is_live(pos, self.now_ms());
                live.then(|| table.at(pos))
            });
            visit(found);
        })
    }
}
