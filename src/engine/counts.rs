//! How many keys each database holds.
//!
//! They are counted beside the shards: a unit adds what it changed while it still holds its locks, in one step. So whoever
//! reads the count finds the keys of whole units, in an order that agrees with what is found under the locks.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use smallvec::SmallVec;

use crate::util::ranked::{Mutex, rank};

/// By how many keys databases have grown, or shrunk.
pub(super) type Growth = SmallVec<[(usize, i64); 4]>;

/// Adds to the growth of one database.
pub(super) fn grow(growth: &mut Growth, db: usize, by: i64) {
    match growth.iter_mut().find(|(held, _)| *held == db) {
        Some((_, sum)) => *sum += by,
        None => growth.push((db, by)),
    }
}

/// Databases in the first chunk of counts; each later chunk has twice as many as the one before it.
const FIRST: usize = 16;
/// Enough for every number that a database can have.
const CHUNKS: usize = 28;

/// How many keys each database holds.
#[derive(Default)]
pub(super) struct KeyCounts {
    /// Made when a database first gets a key. They never move.
    chunks: [OnceLock<Box<[AtomicI64]>>; CHUNKS],
    /// Held by a unit that changed several databases while it adds to one after another, and by readers, who
    /// would otherwise find half of it.
    several: Mutex<(), { rank("key counts") }>,
}

/// The chunk of a database's count, and its place in there.
fn place(db: usize) -> (usize, usize) {
    let chunk = (db / FIRST + 1).ilog2() as usize;
    (chunk, db - FIRST * ((1 << chunk) - 1))
}

impl KeyCounts {
    fn add_one(&self, db: usize, by: i64) {
        let (chunk, at) = place(db);
        let fresh = || (0..FIRST << chunk).map(|_| AtomicI64::new(0)).collect();
        self.chunks[chunk].get_or_init(fresh)[at].fetch_add(by, Ordering::Release);
    }

    /// Adds what a unit changed. Its shards are still locked.
    pub(super) fn add(&self, growth: &Growth) {
        match growth[..] {
            [] => {}
            [(db, by)] => self.add_one(db, by),
            _ => {
                let _several = self.several.lock();
                growth.iter().for_each(|(db, by)| self.add_one(*db, *by));
            }
        }
    }

    pub(super) fn of(&self, db: usize) -> usize {
        let (chunk, at) = place(db);
        let _several = self.several.lock();
        let count = self.chunks[chunk]
            .get()
            .map_or(0, |counts| counts[at].load(Ordering::Acquire));
        usize::try_from(count).expect("no database holds fewer keys than none")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_has_a_count_of_its_own() {
        let counts = KeyCounts::default();
        let dbs = [0, 1, 15, 16, 47, 48, 111, 112, 10_000, 1_000_000];
        for (at, db) in dbs.iter().enumerate() {
            let mut growth = Growth::new();
            grow(&mut growth, *db, at as i64);
            grow(&mut growth, *db, 1);
            counts.add(&growth);
        }
        let found: Vec<usize> = dbs.iter().map(|db| counts.of(*db)).collect();
        assert_eq!(found, (1..=dbs.len()).collect::<Vec<_>>());
        assert_eq!((counts.of(2), counts.of(17), counts.of(1 << 30)), (0, 0, 0));
        let (chunk, _) = place(i32::MAX as usize);
        assert!(chunk < CHUNKS);
    }
}
