//! Where a key is kept.
//!
//! A key's hash picks its shard, whatever its database, so that moving a key between
//! databases stays inside one shard, and a lock plan is a set of shards and nothing more. Where a cluster is on, a key's
//! slot picks it, so that all keys of a slot stand in one shard.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::cluster::{SLOTS, slot_of};
use crate::types::Bstr;
use crate::util::keyhash;

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

/// A key of the command under way, with where it is kept.
#[derive(Clone, Copy)]
pub struct Hashed<'a> {
    pub(super) key: &'a [u8],
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
}
