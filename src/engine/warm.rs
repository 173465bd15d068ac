//! Looking at what commands are about to look at.
//!
//! A key of many, and a member of a large collection, are not in the processor's cache: a command waits for its
//! place in the index, then for its entry, then for the value. Here all of several commands are looked at, one
//! step for all of them and then the next, so that they are fetched at the same time.

use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;
use smallvec::SmallVec;

use super::place::ShardKey;
use super::shard::Shard;
use super::table::Table;
use super::{Engine, Entry, Locked};
use crate::types::{Far, Keyed};
use crate::util::keyhash;

/// What a command will look at.
#[derive(Clone, Copy, Debug)]
pub struct Glance<'a> {
    pub key: ShardKey,
    /// The first field or member that it names.
    pub member: Option<&'a [u8]>,
}

/// How many are looked at together.
pub const TOGETHER: usize = 16;
/// Keys of a shard from which on they are not all in the cache: a megabyte or so in all shards.
const KEYS_MIN: usize = 64;

impl Engine {
    /// Looks at what these commands, sixteen at most, will look at. A hint: what is locked is passed over.
    pub fn warm<'a>(&self, db: usize, glances: impl Iterator<Item = Glance<'a>>) {
        // All locks first: each of them waits for whatever is being fetched.
        let mut held: SmallVec<[(usize, MutexGuard<'_, Shard>); TOGETHER]> = SmallVec::new();
        let mut wanted: SmallVec<[(usize, Glance<'_>); TOGETHER]> = SmallVec::new();
        for glance in glances {
            let id = glance.key.shard();
            let slot = &self.slots[id];
            // Few keys are in the cache anyway.
            if glance.member.is_none() && slot.keys.load(Ordering::Relaxed) < KEYS_MIN {
                continue;
            }
            let at = match slot.shard.try_lock() {
                Some(shard) => {
                    held.push((id, shard));
                    held.len() - 1
                }
                // By somebody else, or for a command before.
                None => match held.iter().position(|(held, _)| *held == id) {
                    Some(at) => at,
                    None => continue,
                },
            };
            wanted.push((at, glance));
        }
        let glances = wanted.iter().filter_map(|(at, glance)| {
            let (_, shard) = &held[*at];
            Some((shard.table(db)?, *glance))
        });
        look(glances);
    }
}

impl Locked<'_> {
    /// Looks at the keys of one command that names several.
    pub fn warm(&self, db: usize, keys: &[ShardKey]) {
        for keys in keys.chunks(TOGETHER) {
            let tables = keys.iter().filter_map(|key| {
                let table = self.held(key.shard()).table(db)?;
                let glance = Glance {
                    key: *key,
                    member: None,
                };
                (table.len() >= KEYS_MIN).then_some((table, glance))
            });
            look(tables);
        }
    }
}

fn look<'t>(glances: impl Iterator<Item = (&'t Table, Glance<'t>)>) {
    let glances: SmallVec<[(&Table, Glance<'_>); TOGETHER]> = glances.collect();
    let indexes = glances.iter();
    see(indexes.map(|(table, glance)| usize::from(table.far().touch(glance.key.hash()))));
    // Many commands in a row may be about one key.
    let mut last: Option<(ShardKey, usize)> = None;
    let places: SmallVec<[(&Entry, Glance<'_>); TOGETHER]> = glances
        .iter()
        .filter_map(|(table, glance)| {
            let pos = match last {
                Some((key, pos)) if key == glance.key => pos,
                _ => table.far().likely(glance.key.hash())?,
            };
            last = Some((glance.key, pos));
            Some((table.at(pos), *glance))
        })
        .collect();
    see(places.iter().map(|(entry, _)| entry.timer() as usize));
    see(places.iter().map(|(entry, _)| entry.warm()));
    let members: SmallVec<[(&dyn Far, u64); TOGETHER]> = places
        .iter()
        .filter_map(|(entry, glance)| {
            let member = glance.member?;
            let far = entry.value().far(member)?;
            Some((far, keyhash::hash(member)))
        })
        .collect();
    see(members
        .iter()
        .map(|(far, hash)| usize::from(far.touch(*hash))));
    let places: SmallVec<[(&dyn Far, usize); TOGETHER]> = members
        .iter()
        .filter_map(|(far, hash)| Some((*far, far.likely(*hash)?)))
        .collect();
    see(places.iter().map(|(far, pos)| far.warm(*pos)));
}

/// Has all of it looked at, though nothing comes of it.
#[inline]
fn see(looks: impl Iterator<Item = usize>) {
    std::hint::black_box(looks.fold(0, |sum, look| sum ^ look));
}
