//! A sorted set: members, each once, in the order of (score, member bytes).
//!
//! A listpack while small; then a table of members, which finds a score in
//! O(1), beside a counted tree of their order, which finds a rank in O(log N).
//! No score is ever NaN: callers refuse it, as Redis does, before they come.

pub mod bounds;
mod inserted;
mod node;
mod packed;
mod sorted;
mod tree;

use crate::types::listpack::Listpack;
use crate::types::{Far, Limits, Piece, TypeRef};
pub use bounds::{LexBound, LexRange, ScoreBound, ScoreRange};
pub use inserted::Inserted;
use packed::{Packed, PackedIter};
use sorted::{Sorted, SortedIter};
use std::ops::Range;

/// A sorted set.
#[derive(Clone, Debug)]
pub struct ZSet {
    shape: ZSetShape,
}

#[derive(Clone, Debug)]
enum ZSetShape {
    Packed(Packed),
    Sorted(Box<Sorted>),
}

impl Default for ZSet {
    fn default() -> Self {
        Self::new()
    }
}

impl ZSet {
    pub fn new() -> Self {
        Self {
            shape: ZSetShape::Packed(Packed::default()),
        }
    }

    /// A set of the pairs of a listpack, from a file. `None` where they are no
    /// pairs, a score is no number or a member comes twice.
    pub fn from_listpack(pack: Listpack, limits: &Limits) -> Option<Self> {
        let pack = match Packed::check(pack) {
            Ok(packed) => {
                let longest = packed
                    .iter(0..packed.len(), false)
                    .map(|(name, _)| name.len());
                if fits(packed.len(), longest.max().unwrap_or(0), limits) {
                    let shape = ZSetShape::Packed(packed);
                    return Some(Self { shape });
                }
                packed.as_listpack().clone()
            }
            Err(pack) => pack,
        };
        // Too large for the limits, or out of order: built member by member.
        let mut zset = Self::new();
        let mut cursor = pack.first();
        while let Some(member) = cursor {
            let score_at = pack.next(member)?;
            let score = packed::read_score(pack.get(score_at))?;
            let inserted = zset.insert(&pack.get(member).to_vec(), score, limits);
            if inserted != Inserted::Added {
                return None;
            }
            cursor = pack.next(score_at);
        }
        Some(zset)
    }

    /// The listpack itself, where the set is one.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match &self.shape {
            ZSetShape::Packed(packed) => Some(packed.as_listpack()),
            ZSetShape::Sorted(_) => None,
        }
    }

    pub fn len(&self) -> usize {
        match &self.shape {
            ZSetShape::Packed(packed) => packed.len(),
            ZSetShape::Sorted(sorted) => sorted.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.shape {
            ZSetShape::Packed(packed) => packed.find(member).map(|(_, score)| score),
            ZSetShape::Sorted(sorted) => sorted.score(member),
        }
    }

    /// So many pairs are about to come into a set that has none: it takes the form that they need at once, as in Redis.
    pub fn expect(&mut self, count: usize, limits: &Limits) {
        if self.is_empty() && count > limits.zset_entries {
            let none = std::iter::empty();
            self.shape = ZSetShape::Sorted(Box::new(Sorted::from_ascending(none)));
        }
    }

    /// Puts a member in its place, or moves it there. `score` is not NaN.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &Limits) -> Inserted {
        debug_assert!(!score.is_nan(), "a score that is no number has no place");
        if let ZSetShape::Packed(packed) = &self.shape
            && !fits(packed.len() + 1, member.len(), limits)
            && packed.find(member).is_none()
        {
            let pairs = packed.iter(0..packed.len(), false);
            self.shape = ZSetShape::Sorted(Box::new(Sorted::from_ascending(pairs)));
        }
        match &mut self.shape {
            ZSetShape::Packed(packed) => packed.insert(member, score),
            ZSetShape::Sorted(sorted) => sorted.insert(member, score),
        }
    }

    /// Whether the member was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.shape {
            ZSetShape::Packed(packed) => match packed.find(member) {
                Some((rank, _)) => {
                    packed.remove(rank..rank + 1);
                    true
                }
                None => false,
            },
            ZSetShape::Sorted(sorted) => sorted.remove(member),
        }
    }

    /// How many members stand in front of this one.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        match &self.shape {
            ZSetShape::Packed(packed) => packed.find(member).map(|(rank, _)| rank),
            ZSetShape::Sorted(sorted) => sorted.rank(member),
        }
    }

    /// The member at `rank`, and its score.
    pub fn nth(&self, rank: usize) -> Option<(Piece<'_>, f64)> {
        self.iter_range(rank, 1, false).next()
    }

    /// Up to `count` members from the rank `start` on; in reverse both count
    /// from the highest member down, as ZREVRANGE has it.
    pub fn iter_range(&self, start: usize, count: usize, reverse: bool) -> ZSetIter<'_> {
        let len = self.len();
        let start = start.min(len);
        let stop = start.saturating_add(count).min(len);
        let ranks = if reverse {
            len - stop..len - start
        } else {
            start..stop
        };
        self.iter_ranks(ranks, reverse)
    }

    /// The members of these ranks, which are all below `len`: from the lowest
    /// on, or in reverse from the highest of them.
    pub fn iter_ranks(&self, ranks: Range<usize>, reverse: bool) -> ZSetIter<'_> {
        match &self.shape {
            ZSetShape::Packed(packed) => ZSetIter::Packed(packed.iter(ranks, reverse)),
            ZSetShape::Sorted(sorted) => ZSetIter::Sorted(sorted.iter(ranks, reverse)),
        }
    }

    /// All members in order.
    pub fn iter(&self) -> ZSetIter<'_> {
        self.iter_ranks(0..self.len(), false)
    }

    /// The ranks of the members with scores in `range`.
    pub fn score_range(&self, range: &ScoreRange) -> Range<usize> {
        let bounds = match &self.shape {
            ZSetShape::Packed(packed) => (
                packed.partition_point(|score, _| range.is_behind(score)),
                packed.partition_point(|score, _| range.reaches(score)),
            ),
            ZSetShape::Sorted(sorted) => (
                sorted.partition_by_score(|score| range.is_behind(score)),
                sorted.partition_by_score(|score| range.reaches(score)),
            ),
        };
        bounds.0..bounds.1.max(bounds.0)
    }

    /// The ranks of the members in this range of names. What that is among members of different scores, Redis
    /// leaves open; a packed set then answers as Redis's does, which looks from the end it returns first.
    pub fn lex_range(&self, range: &LexRange<'_>, reverse: bool) -> Range<usize> {
        match &self.shape {
            ZSetShape::Packed(packed) => packed.lex_range(range, reverse),
            ZSetShape::Sorted(sorted) => {
                let start = sorted.partition_by_name(|name| range.is_behind(name));
                let end = sorted.partition_by_name(|name| range.reaches(name));
                start..end.max(start)
            }
        }
    }

    /// Removes the members of these ranks, which are all below `len`, and
    /// shows each to `visit` before it goes, from the lowest on.
    pub fn remove_ranks(&mut self, ranks: Range<usize>, mut visit: impl FnMut(Piece<'_>, f64)) {
        match &mut self.shape {
            ZSetShape::Packed(packed) => {
                for (name, score) in packed.iter(ranks.clone(), false) {
                    visit(name, score);
                }
                packed.remove(ranks);
            }
            ZSetShape::Sorted(sorted) => {
                for _ in ranks.clone() {
                    let (name, score) = sorted.take(ranks.start);
                    visit(Piece::Bytes(&name), score);
                }
            }
        }
    }

    pub fn pop_min(&mut self) -> Option<(Vec<u8>, f64)> {
        self.pop(0)
    }

    pub fn pop_max(&mut self) -> Option<(Vec<u8>, f64)> {
        self.pop(self.len().checked_sub(1)?)
    }

    /// Some member for each place below `len`, every one at one place: a
    /// random place is a fair pick. O(1), but for a short walk while small.
    pub fn at(&self, place: usize) -> Option<(Piece<'_>, f64)> {
        match &self.shape {
            ZSetShape::Packed(_) => self.nth(place),
            ZSetShape::Sorted(sorted) => sorted.at(place),
        }
    }

    /// Visits some `count` members and returns the cursor to go on from, zero
    /// when all have been seen. A member that is there from the first call to
    /// the last is visited at least once, whatever comes and goes meanwhile.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Piece<'_>, f64)) -> u64 {
        match &self.shape {
            ZSetShape::Packed(_) => {
                for (name, score) in self.iter() {
                    visit(name, score);
                }
                0
            }
            ZSetShape::Sorted(sorted) => {
                let len = sorted.len();
                let start = match usize::try_from(cursor) {
                    Ok(0) | Err(_) => len,
                    Ok(cursor) => cursor.min(len),
                };
                // Downwards: a member that a removal moves comes from above,
                // where it has been seen, to below, where it is seen again.
                let stop = start.saturating_sub(count.max(1));
                for (name, score) in (stop..start).rev().filter_map(|place| sorted.at(place)) {
                    visit(name, score);
                }
                stop as u64
            }
        }
    }

    fn pop(&mut self, rank: usize) -> Option<(Vec<u8>, f64)> {
        let (name, score) = self.nth(rank)?;
        let popped = (name.to_vec(), score);
        self.remove_ranks(rank..rank + 1, |_, _| {});
        Some(popped)
    }
}

fn fits(len: usize, name_len: usize, limits: &Limits) -> bool {
    len <= limits.zset_entries && name_len <= limits.zset_value
}

/// Members and scores in one direction.
#[derive(Clone, Debug)]
pub enum ZSetIter<'a> {
    Packed(PackedIter<'a>),
    Sorted(SortedIter<'a>),
}

impl<'a> Iterator for ZSetIter<'a> {
    type Item = (Piece<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            ZSetIter::Packed(iter) => iter.next(),
            ZSetIter::Sorted(iter) => iter.next(),
        }
    }
}

#[cfg(test)]
mod tests;

impl<'a> TypeRef<'a> for &'a ZSet {
    type Whole = ZSet;

    #[inline]
    fn see(zset: &'a ZSet) -> Self {
        zset
    }

    fn encoding(self) -> &'static str {
        match &self.shape {
            ZSetShape::Packed(_) => "listpack",
            ZSetShape::Sorted(_) => "skiplist",
        }
    }

    /// O(1).
    fn heap_bytes(self) -> usize {
        match &self.shape {
            ZSetShape::Packed(packed) => packed.heap_bytes(),
            ZSetShape::Sorted(sorted) => size_of::<Sorted>() + sorted.heap_bytes(),
        }
    }

    fn detached(self) -> ZSet {
        self.clone()
    }

    fn frozen(self) -> ZSet {
        let shape = match &self.shape {
            ZSetShape::Packed(packed) => ZSetShape::Packed(packed.clone()),
            ZSetShape::Sorted(sorted) => ZSetShape::Sorted(Box::new(sorted.frozen())),
        };
        ZSet { shape }
    }

    fn free_effort(self) -> usize {
        self.len()
    }

    fn holds_nothing(self) -> bool {
        self.is_empty()
    }

    fn far(self, member: &[u8]) -> Option<&'a dyn Far> {
        match &self.shape {
            ZSetShape::Packed(_) => None,
            ZSetShape::Sorted(sorted) => sorted.far(member),
        }
    }
}
