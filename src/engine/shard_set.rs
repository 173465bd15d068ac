//! Sets of shards: what is locked together, and in which order.

use super::place::{SHARDS, ShardKey};

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

#[cfg(test)]
mod tests {
    use super::*;

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
