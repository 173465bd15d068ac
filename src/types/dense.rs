//! Dense items and an index of their positions: keyspace, large hashes, large sets.
//!
//! Removal moves the last item into the hole. No single call costs O(N): items stand in chunks that never
//! move, and the index grows in steps. Where chunks are shared, a copy costs nothing, and a later change
//! copies the one that it touches.

use std::marker::PhantomData;

use triomphe::Arc;

use super::index::Index;
use crate::util::{keyhash, thread};

/// An item that is found by a part of itself.
pub trait Keyed {
    fn key(&self) -> &[u8];

    /// Looks at all that a search, and whoever finds it, will look at.
    #[inline]
    fn warm(&self) -> usize {
        end_of(self.key())
    }
}

/// Looks at the end of the bytes: where it is is known at their beginning.
#[inline]
pub fn end_of(bytes: &[u8]) -> usize {
    bytes.last().map_or(0, |last| usize::from(*last))
}

/// Items that stand together: in a `Vec`, or in one that copies share.
pub trait Chunk<T>: From<Vec<T>> {
    fn items(&self) -> &Vec<T>;
    fn items_mut(&mut self) -> &mut Vec<T>;
}

impl<T> Chunk<T> for Vec<T> {
    #[inline]
    fn items(&self) -> &Vec<T> {
        self
    }

    #[inline]
    fn items_mut(&mut self) -> &mut Vec<T> {
        self
    }
}

impl<T: Clone> Chunk<T> for Arc<Vec<T>> {
    #[inline]
    fn items(&self) -> &Vec<T> {
        self
    }

    #[inline]
    fn items_mut(&mut self) -> &mut Vec<T> {
        Arc::make_mut(self)
    }
}

/// Items of a chunk, as a power of two: as many as take no more than 12 KiB, for which the allocator has pages of their
/// own. The last chunk grows up to this in steps. Copying one, which a change
/// of a shared chunk does, takes some microseconds.
const fn chunk_bits<T>() -> u32 {
    let mut bits = 0;
    while (size_of::<T>() << (bits + 1)) <= CHUNK_BYTES_MAX {
        bits += 1;
    }
    bits
}

const CHUNK_BYTES_MAX: usize = 12 * 1024;

/// So many items and their index are more than the cache nearest to a core.
const FAR: usize = 2048;
/// Keys that are hashed in less time than a look at memory takes.
const SHORT_KEY: usize = 256;

#[derive(Clone, Debug)]
pub struct Dense<T, C = Vec<T>> {
    chunks: Vec<C>,
    len: usize,
    index: Index,
    items: PhantomData<T>,
}

/// Items whose copies share them.
pub type Shared<T> = Dense<T, Arc<Vec<T>>>;

impl<T, C> Default for Dense<T, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, C> Dense<T, C> {
    const CHUNK_BITS: u32 = chunk_bits::<T>();
    const CHUNK: usize = 1 << Self::CHUNK_BITS;

    pub const fn new() -> Self {
        Dense {
            chunks: Vec::new(),
            len: 0,
            index: Index::new(),
            items: PhantomData,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<T, C> Drop for Dense<T, C> {
    fn drop(&mut self) {
        thread::drop_each(self.chunks.drain(..));
    }
}

impl<T, C: Chunk<T>> Dense<T, C> {
    #[inline]
    pub fn at(&self, pos: usize) -> &T {
        &self.chunks[pos >> Self::CHUNK_BITS].items()[pos & (Self::CHUNK - 1)]
    }

    #[inline]
    pub fn at_mut(&mut self, pos: usize) -> &mut T {
        &mut self.chunks[pos >> Self::CHUNK_BITS].items_mut()[pos & (Self::CHUNK - 1)]
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.items())
    }

    /// The items, in runs that stand together.
    pub fn slices(&self) -> impl Iterator<Item = &[T]> {
        self.chunks.iter().map(|chunk| &chunk.items()[..])
    }

    /// Bytes of chunks and index, not those that items hold themselves. O(1).
    pub fn heap_bytes(&self) -> usize {
        let whole = self.chunks.len().saturating_sub(1) * Self::CHUNK;
        let last = self.chunks.last().map_or(0, |last| last.items().capacity());
        (whole + last) * size_of::<T>() + self.index.allocation_size()
    }

    /// What [`Dense::heap_bytes`] tells without the share of the items that are here: room for more.
    pub fn vacant_bytes(&self) -> usize {
        self.heap_bytes()
            .saturating_sub(self.len * (size_of::<T>() + self.index.bytes_each()))
    }
}

impl<T> Shared<T> {
    /// A copy to read through, made in no time: it has no index, so nothing is found in it.
    pub fn frozen(&self) -> Self {
        let mut copy = Self::new();
        copy.chunks = self.chunks.clone();
        copy.len = self.len;
        copy
    }
}

/// Looks at what will be looked for, one step after another, to call it into the processor's cache.
pub trait Far {
    /// Where the index knows of the hash.
    fn touch(&self, hash: u64) -> u8;

    /// The position of an item that is likely the one with this hash.
    fn likely(&self, hash: u64) -> Option<usize>;

    /// The item there.
    fn warm(&self, pos: usize) -> usize;
}

impl<T: Keyed, C: Chunk<T>> Far for Dense<T, C> {
    #[inline]
    fn touch(&self, hash: u64) -> u8 {
        self.index.touch(hash)
    }

    #[inline]
    fn likely(&self, hash: u64) -> Option<usize> {
        self.index.likely(hash)
    }

    #[inline]
    fn warm(&self, pos: usize) -> usize {
        self.at(pos).warm()
    }
}

impl<T: Keyed, C: Chunk<T>> Dense<T, C> {
    /// The position of the item with this key.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        debug_assert!(
            self.index.may_know(self.len),
            "a frozen copy is only read through"
        );
        self.index.find(hash, |pos| self.at(pos).key() == key)
    }

    /// These items for those who only look, where they are so many that most are not in the processor's cache. A long
    /// key isn't hashed for that: it will be once more.
    #[inline]
    pub fn far(&self, key: &[u8]) -> Option<&dyn Far> {
        (self.len >= FAR && key.len() <= SHORT_KEY).then_some(self)
    }

    /// Makes room in the index for so many items, where there is none yet.
    pub fn expect(&mut self, len: usize) {
        self.index.expect(len);
    }

    /// Adds an item whose key isn't there yet, and returns its position: the last.
    pub fn push(&mut self, hash: u64, item: T) -> usize {
        debug_assert!(self.find(hash, item.key()).is_none(), "a key is there once");
        let pos = self.len;
        let Dense { chunks, index, .. } = self;
        index.push(hash, pos, |pos| hash_at(chunks, pos));
        if pos & (Self::CHUNK - 1) == 0 {
            self.chunks.push(Vec::new().into());
        }
        let chunk = self
            .chunks
            .last_mut()
            .expect("there is a chunk for the next item");
        let chunk = chunk.items_mut();
        if chunk.len() == chunk.capacity() {
            // An eighth of all at a time: what is reserved and unused stays small. Later chunks double, from a quarter
            // on: of these sizes the allocator has pages of their own, and none is left half empty behind a growing chunk.
            let more = if pos < Self::CHUNK {
                (pos / 8).max(2).min(Self::CHUNK - chunk.len())
            } else {
                chunk.len().max(Self::CHUNK / 4)
            };
            chunk.reserve_exact(more);
        }
        chunk.push(item);
        self.len += 1;
        pos
    }

    /// Takes an item out; the last one moves to its position.
    pub fn swap_remove(&mut self, pos: usize) -> T {
        self.unlist(pos);
        self.fill(pos)
    }

    /// Takes an item out, so that no item moves from below one of the `stops` to it or above: the item at each stop, in
    /// ascending order and above `pos`, moves to the hole that the one before left, and the last one to the last hole.
    pub fn remove_through(&mut self, pos: usize, stops: &[usize]) -> T {
        self.unlist(pos);
        let mut hole = pos;
        for &stop in stops {
            debug_assert!(hole < stop && stop < self.len, "stops ascend");
            self.relist(stop, hole);
            self.exchange(hole, stop);
            hole = stop;
        }
        self.fill(hole)
    }

    /// Exchanges two items and nothing else: the index isn't told.
    fn exchange(&mut self, low: usize, high: usize) {
        let inside = Self::CHUNK - 1;
        let (at, chunk) = (low & inside, low >> Self::CHUNK_BITS);
        let (other_at, other) = (high & inside, high >> Self::CHUNK_BITS);
        if chunk == other {
            return self.chunks[chunk].items_mut().swap(at, other_at);
        }
        let (front, back) = self.chunks.split_at_mut(other);
        std::mem::swap(
            &mut front[chunk].items_mut()[at],
            &mut back[0].items_mut()[other_at],
        );
    }

    /// Takes out an item that is no longer listed; the last one moves to its position.
    fn fill(&mut self, pos: usize) -> T {
        let last = self.len - 1;
        if pos != last {
            self.relist(last, pos);
        }
        let chunk = self.chunks.last_mut().expect("an item stands in a chunk");
        let chunk = chunk.items_mut();
        let tail = chunk.pop().expect("no chunk is empty");
        if chunk.is_empty() {
            self.chunks.pop();
        }
        self.len = last;
        let taken = if pos == last {
            tail
        } else {
            std::mem::replace(self.at_mut(pos), tail)
        };
        self.advance();
        self.shrink();
        taken
    }

    /// Takes a position out of the index.
    fn unlist(&mut self, pos: usize) {
        self.index.remove(hash_at(&self.chunks, pos), pos);
    }

    /// Lists the item at `from` under another position, where it is about to move.
    fn relist(&mut self, from: usize, to: usize) {
        let Dense { chunks, index, .. } = self;
        index.change(hash_at(chunks, from), from, to, |pos| hash_at(chunks, pos));
    }

    /// Goes on with the index's growth, if one is under way. What changes an item in its place may call it, too.
    #[inline]
    pub fn advance(&mut self) {
        let Dense {
            chunks, index, len, ..
        } = self;
        index.advance(*len, |pos| hash_at(chunks, pos));
    }

    /// After a removal: gives back what is far too large.
    fn shrink(&mut self) {
        if self.len == 0 {
            *self = Self::new();
        } else {
            self.index.shrink(self.len);
        }
    }
}

fn hash_at<T: Keyed, C: Chunk<T>>(chunks: &[C], pos: usize) -> u64 {
    keyhash::hash(
        chunks[pos >> Dense::<T, C>::CHUNK_BITS].items()[pos & (Dense::<T, C>::CHUNK - 1)].key(),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    impl Keyed for (Vec<u8>, u64) {
        fn key(&self) -> &[u8] {
            &self.0
        }
    }

    #[test]
    fn it_agrees_with_a_map_while_it_grows_and_shrinks() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut dense: Dense<(Vec<u8>, u64)> = Dense::new();
        let mut model: HashMap<Vec<u8>, u64> = HashMap::new();
        for step in 0..480_000u64 {
            // Waves: mostly pushes up to some 70,000 items, where positions become longer, then mostly removals.
            let grow = (step / 120_000).is_multiple_of(2);
            let key = format!("key:{}", random.u32(0..110_000)).into_bytes();
            let hash = keyhash::hash(&key);
            let found = dense.find(hash, &key);
            assert_eq!(found.map(|pos| dense.at(pos).1), model.get(&key).copied());
            match found {
                None if random.u8(..) < if grow { 250 } else { 20 } => {
                    let pos = dense.push(hash, (key.clone(), step));
                    assert_eq!(pos + 1, dense.len());
                    model.insert(key, step);
                }
                Some(pos) if random.u8(..) < if grow { 10 } else { 250 } => {
                    assert_eq!(dense.swap_remove(pos).0, key);
                    model.remove(&key);
                }
                _ if !grow && !dense.is_empty() => {
                    let (key, _) = dense.swap_remove(random.usize(0..dense.len()));
                    assert!(model.remove(&key).is_some());
                }
                _ => {}
            }
            assert_eq!(dense.len(), model.len());
        }
        assert!(
            dense
                .iter()
                .all(|(key, value)| model.get(key) == Some(value))
        );
        while !dense.is_empty() {
            dense.swap_remove(0);
        }
        assert_eq!(dense.heap_bytes(), 0);
    }

    #[test]
    fn what_is_below_a_stop_stays_below_it() {
        let mut random = fastrand::Rng::with_seed(9);
        let mut dense: Dense<(Vec<u8>, u64)> = Dense::new();
        let mut next = 0u64;
        // Through growths of the index and back, over several chunks.
        for size in [3000, 40, 70_000, 300] {
            while dense.len() < size {
                let key = next.to_string().into_bytes();
                dense.push(keyhash::hash(&key), (key, next));
                next += 1;
            }
            while dense.len() > size {
                let pos = random.usize(0..dense.len());
                let mut stops: Vec<usize> = (0..random.usize(0..4))
                    .map(|_| random.usize(0..dense.len()))
                    .filter(|stop| *stop > pos)
                    .collect();
                stops.sort_unstable();
                stops.dedup();
                let at_stops: Vec<u64> = stops.iter().map(|stop| dense.at(*stop).1).collect();
                let last = dense.at(dense.len() - 1).1;
                let (key, n) = dense.remove_through(pos, &stops);
                assert_eq!(dense.find(keyhash::hash(&key), &key), None, "{n} is out");
                for (hole, moved) in [pos]
                    .iter()
                    .chain(&stops)
                    .zip(at_stops.iter().chain([&last]))
                {
                    // The last stop may be the last position, and nothing stands there any more.
                    if *hole < dense.len() {
                        assert_eq!(dense.at(*hole).1, *moved);
                        let key = moved.to_string().into_bytes();
                        assert_eq!(dense.find(keyhash::hash(&key), &key), Some(*hole));
                    }
                }
            }
            for (at, (key, _)) in dense.iter().enumerate() {
                assert_eq!(dense.find(keyhash::hash(key), key), Some(at));
            }
        }
    }

    #[test]
    fn it_stays_right_where_positions_get_longer() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut dense: Dense<(Vec<u8>, u64)> = Dense::new();
        let mut next = 0u64;
        // To and fro around each number at which a small index is replaced, with what removals leave in it.
        for around in [28_672, 53_900, 57_344, 65_536, 57_344] {
            for step in 0..60_000 {
                let grow = match dense.len() {
                    len if len + 3000 < around => true,
                    len if len > around + 3000 => false,
                    _ => random.bool(),
                };
                if grow {
                    let key = next.to_string().into_bytes();
                    dense.push(keyhash::hash(&key), (key, next));
                    next += 1;
                } else {
                    dense.swap_remove(random.usize(0..dense.len()));
                }
                if step % 20_000 == 0 {
                    for (at, (key, _)) in dense.iter().enumerate() {
                        assert_eq!(dense.find(keyhash::hash(key), key), Some(at));
                    }
                }
            }
        }
    }

    #[test]
    fn a_frozen_copy_stays_as_it_was() {
        let mut dense: Shared<(Vec<u8>, u64)> = Dense::new();
        for n in 0..3000 {
            let key = n.to_string().into_bytes();
            dense.push(keyhash::hash(&key), (key, n));
        }
        let frozen = dense.frozen();
        for n in 0..dense.len() {
            dense.at_mut(n).1 += 1;
        }
        (0..1000).for_each(|_| drop(dense.swap_remove(0)));
        assert!(frozen.iter().map(|(_, n)| *n).eq(0..3000));
    }
}
