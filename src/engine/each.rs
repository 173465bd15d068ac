//! The keyspace looked at as a whole: by a unit that holds every shard, or by one that holds none.
//!
//! A unit that holds none locks one shard after another, each for the moment in which it looks at it, so
//! that nobody waits for the whole keyspace.

use super::place::SHARDS;
use super::shard::Shard;
use super::warm::Glance;
use super::{Guarded, Locked};

/// Every shard, whether they are held or not.
pub trait Each {
    /// Looks at a shard; false if others hold it and `give_up` says so.
    fn look(&self, id: usize, give_up: &dyn Fn() -> bool, visit: &mut dyn FnMut(&Shard)) -> bool;

    /// Looks at what will be looked at of some keys, so many that they are looked at together. A hint: what is held is passed over.
    fn warm(&self, db: usize, glances: &[Glance<'_>]);

    /// Keys of a shard over all databases, as of its last change.
    fn keys_in(&self, id: usize) -> usize;

    /// Keys of a database over all shards.
    fn keys_of(&self, db: usize) -> usize;
}

const SOME: &str = "a unit that looks at the whole keyspace holds every shard or none";

impl Each for Locked<'_> {
    fn look(&self, id: usize, give_up: &dyn Fn() -> bool, visit: &mut dyn FnMut(&Shard)) -> bool {
        if !self.is_empty() {
            visit(self.held(id));
            return true;
        }
        match Guarded::take(self.engine, id, give_up) {
            Some(guarded) => {
                visit(&guarded.shard);
                true
            }
            None => false,
        }
    }

    fn warm(&self, db: usize, glances: &[Glance<'_>]) {
        self.engine.warm(db, glances.iter().copied());
    }

    fn keys_in(&self, id: usize) -> usize {
        if self.is_empty() {
            return self.engine.keys_in(id);
        }
        let tables = self.held(id).tables().iter();
        tables.map(|table| table.len()).sum()
    }

    fn keys_of(&self, db: usize) -> usize {
        if self.is_empty() {
            return self.engine.counts.of(db);
        }
        let guards = self.all();
        assert!(guards.len() == SHARDS, "{SOME}");
        let tables = guards.iter().filter_map(|held| held.shard.table(db));
        tables.map(|table| table.len()).sum()
    }
}
