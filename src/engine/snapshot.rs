//! A snapshot: every key as it stood at one instant, while edits go on.
//!
//! One bit of each entry says which side of the snapshot it is on. The walk takes a few entries per lock and
//! turns their bit; an edit of an entry not yet taken first hands over the old value. Memory is
//! bounded by what changed meanwhile, and each key is seen exactly once.

use super::Engine;
use super::census::Census;
use super::patience::Patience;
use super::place::SHARDS;
use super::saved::{Saved, SavedKey};
use super::shard::Shard;
use super::shard_set::ShardSet;
use super::table::Table;
use crate::types::Bstr;
use crate::util::thread;

impl Shard {
    /// Hands the entry's value to the running snapshot, if that still needs it: before every change.
    #[inline]
    pub(super) fn preserve(&mut self, db: usize, pos: usize) {
        if self.snapping {
            self.preserve_old(db, pos);
        }
    }

    fn preserve_old(&mut self, db: usize, pos: usize) {
        let side = self.side;
        let table = self.table_mut(db);
        if table.at(pos).side() != side {
            let saved = table.copy_out(pos);
            table.at(pos).set_side(side);
            self.saved.push(Saved::Key(saved));
        }
    }

    fn begin_snapshot(&mut self) {
        debug_assert!(!self.snapping, "one snapshot at a time");
        self.snapping = true;
        self.side = !self.side;
        for (db, table) in self.tables_mut().iter_mut().enumerate() {
            table.unsaved = table.len();
            table.saved_as = db;
        }
    }

    /// Takes about `count` keys; whether the shard is finished. Tables that nobody needs any more go to `spent`.
    fn walk_snapshot(
        &mut self,
        count: usize,
        out: &mut Vec<SavedKey>,
        spent: &mut Vec<Table>,
    ) -> bool {
        let mut left = count;
        while left > 0 {
            match self.saved.pop() {
                Some(Saved::Key(saved)) => out.push(saved),
                Some(Saved::Table(mut table)) => {
                    let finished = table.walk(self.side, &mut left, out);
                    if !finished {
                        self.saved.push(Saved::Table(table));
                    } else if table.is_walked() {
                        self.parted.push(table);
                    } else {
                        spent.push(table);
                    }
                    continue;
                }
                None => break,
            }
            left -= 1;
        }
        let side = self.side;
        for table in self.tables_mut() {
            table.walk(side, &mut left, out);
        }
        let finished =
            self.saved.is_empty() && self.tables().iter().all(|table| table.unsaved == 0);
        if finished {
            self.snapping = false;
            self.saved = Vec::new();
        }
        finished
    }

    /// Takes a whole table away, as FLUSHDB does.
    pub(super) fn take_table(&mut self, db: usize) -> Table {
        let table = std::mem::take(self.table_mut(db));
        if self.snapping && table.unsaved > 0 {
            // The snapshot needs a table to itself; it will be dropped once it is walked.
            self.saved.push(Saved::Table(table));
            return Table::default();
        }
        if table.is_walked() {
            self.parted.push(table);
            return Table::default();
        }
        table
    }
}

impl Table {
    fn copy_out(&self, pos: usize) -> SavedKey {
        let entry = self.at(pos);
        SavedKey {
            db: self.saved_as,
            key: Bstr::new(entry.key_name()),
            value: entry.value().frozen(),
            deadline_ms: self.deadline(entry),
            access: entry.access(),
            blessed: entry.is_blessed(),
        }
    }

    /// Visits positions downwards from where the walk stands; whether it is through.
    fn walk(&mut self, side: bool, left: &mut usize, out: &mut Vec<SavedKey>) -> bool {
        self.unsaved = self.unsaved.min(self.len());
        while self.unsaved > 0 && *left > 0 {
            self.unsaved -= 1;
            *left -= 1;
            if self.at(self.unsaved).side() != side {
                out.push(self.copy_out(self.unsaved));
                self.at(self.unsaved).set_side(side);
            }
        }
        self.unsaved == 0
    }
}

/// A snapshot being taken.
pub struct Snapshot<'e> {
    engine: &'e Engine,
    patience: Patience,
    shard: usize,
    /// What the keyspace held when it began.
    pub census: Census,
}

impl<'e> Snapshot<'e> {
    /// Begins at this instant: all shards are locked for a moment that doesn't depend on the number of keys.
    /// `at` is called in that moment. Nothing has begun if `give_up` says so while others hold a shard.
    pub fn begin(
        engine: &'e Engine,
        give_up: &dyn Fn() -> bool,
        at: impl FnOnce(),
    ) -> Option<Self> {
        let patience = Patience::of_this_thread();
        let mut locked = engine.lock_unless(ShardSet::ALL, give_up)?;
        let mut census = Census::default();
        locked.each(|shard| {
            census.count(shard, 0);
            shard.begin_snapshot();
        });
        at();
        Some(Snapshot {
            engine,
            patience,
            shard: 0,
            census,
        })
    }

    /// The next few keys, under one short lock; `None` at the end.
    pub fn next(&mut self, count: usize) -> Option<Vec<SavedKey>> {
        let mut out = Vec::new();
        while self.shard < SHARDS && out.is_empty() {
            thread::rest();
            let mut spent = Vec::new();
            let mut shard = self.engine.lock_one(self.shard, self.patience);
            let finished = shard.walk_snapshot(count, &mut out, &mut spent);
            drop(shard);
            // It may be large: others have the shard meanwhile.
            drop(spent);
            if finished {
                self.shard += 1;
            }
        }
        (!out.is_empty()).then_some(out)
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // Given up half-way: entries keep their old bits, which the next snapshot must not
        // take for its own, so the walk is finished without keeping anything.
        while self.next(1000).is_some() {}
    }
}
