//! A map in the order of its keys, in chunks that copies share.
//!
//! A copy counts up one reference. Whoever then edits one of the two copies the list of chunks, and the chunk that he edits,
//! once: the others stay shared. Chunks that grow at the end of the map are filled to the brim.

use std::borrow::Borrow;
use std::ops::{Bound, Index, RangeBounds};

use triomphe::Arc;

use crate::util::gallop::gallop;

/// Entries of a chunk.
const CHUNK_MAX: usize = 64;
/// Chunks with fewer are joined with the next one, if that leaves room for more.
const CHUNK_MIN: usize = CHUNK_MAX / 4;
const CHUNK_JOINED: usize = CHUNK_MAX - CHUNK_MIN;

/// Entries that follow each other. Those before it have lesser keys than its bound, and its own do not: where a key belongs is
/// found by the bounds alone, which stand side by side.
#[derive(Debug)]
struct MapChunk<K, V> {
    bound: K,
    entries: Arc<Vec<(K, V)>>,
}

impl<K: Clone, V> Clone for MapChunk<K, V> {
    fn clone(&self) -> Self {
        MapChunk {
            bound: self.bound.clone(),
            entries: self.entries.clone(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct OrdMap<K, V> {
    /// None is empty.
    chunks: Arc<Vec<MapChunk<K, V>>>,
    len: usize,
}

/// A set in the order of its items.
pub type OrdSet<K> = OrdMap<K, ()>;

impl<K, V> Default for OrdMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> OrdMap<K, V> {
    pub fn new() -> Self {
        OrdMap {
            chunks: Arc::new(Vec::new()),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of all chunks, not those that keys and values own themselves.
    pub fn heap_bytes(&self) -> usize {
        let held: usize = self
            .chunks
            .iter()
            .map(|chunk| chunk.entries.capacity())
            .sum();
        let each = size_of::<MapChunk<K, V>>() + size_of::<Vec<(K, V)>>() + size_of::<usize>();
        held * size_of::<(K, V)>() + self.chunks.len() * each
    }

    pub fn iter(&self) -> Entries<'_, K, V> {
        Entries {
            chunks: &self.chunks,
            from: (0, 0),
            to: (self.chunks.len(), 0),
        }
    }

    /// The least key and the greatest.
    pub fn ends(&self) -> Option<(&K, &K)> {
        let first = self.chunks.first()?.entries.first()?;
        let last = self.chunks.last()?.entries.last()?;
        Some((&first.0, &last.0))
    }

    pub fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> OrdMap<K, V> {
    /// The chunk of a key, and its place there, or where it belongs.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> (usize, Result<usize, usize>)
    where
        K: Borrow<Q>,
    {
        let begins = |chunk: &MapChunk<K, V>| chunk.bound.borrow() <= key;
        let at = self.chunks.partition_point(begins).saturating_sub(1);
        let found = match self.chunks.get(at) {
            Some(chunk) => chunk
                .entries
                .binary_search_by(|(held, _)| held.borrow().cmp(key)),
            None => Err(0),
        };
        (at, found)
    }

    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (at, pos) = self.place(key);
        let pos = pos.ok()?;
        Some(&self.chunks[at].entries[pos].1)
    }

    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).1.is_ok()
    }

    /// Seeks keys one after another.
    pub fn walk(&self) -> MapWalk<'_, K, V> {
        MapWalk {
            chunks: &self.chunks,
            at: 0,
            pos: 0,
        }
    }

    /// The entries whose keys lie in a range.
    pub fn range<Q: Ord + ?Sized, R: RangeBounds<Q>>(&self, range: R) -> Entries<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let before = |key: &Q, passes: bool| match self.place(key) {
            (at, Ok(pos)) => (at, pos + usize::from(passes)),
            (at, Err(pos)) => (at, pos),
        };
        let from = match range.start_bound() {
            Bound::Included(key) => before(key, false),
            Bound::Excluded(key) => before(key, true),
            Bound::Unbounded => (0, 0),
        };
        let to = match range.end_bound() {
            Bound::Included(key) => before(key, true),
            Bound::Excluded(key) => before(key, false),
            Bound::Unbounded => (self.chunks.len(), 0),
        };
        Entries {
            chunks: &self.chunks,
            from,
            to,
        }
    }
}

impl<K: Ord + Clone, V: Clone> OrdMap<K, V> {
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (at, pos) = self.place(key);
        let pos = pos.ok()?;
        Some(&mut self.chunk_mut(at)[pos].1)
    }

    /// The value of a key, which is made if it isn't there.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let (at, pos) = match self.place(&key) {
            (at, Ok(pos)) => (at, pos),
            (at, Err(pos)) => self.add(at, pos, (key, make())),
        };
        &mut self.chunk_mut(at)[pos].1
    }

    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            (at, Ok(pos)) => Some(std::mem::replace(&mut self.chunk_mut(at)[pos].1, value)),
            (at, Err(pos)) => {
                self.add(at, pos, (key, value));
                None
            }
        }
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (at, pos) = self.place(key);
        let pos = pos.ok()?;
        let chunk = self.chunk_mut(at);
        let (_, value) = chunk.remove(pos);
        let left = chunk.len();
        self.len -= 1;
        if left == 0 {
            Arc::make_mut(&mut self.chunks).remove(at);
        } else if left < CHUNK_MIN {
            self.join(at);
        }
        Some(value)
    }

    fn chunk_mut(&mut self, at: usize) -> &mut Vec<(K, V)> {
        Arc::make_mut(&mut Arc::make_mut(&mut self.chunks)[at].entries)
    }

    /// Puts an entry where it belongs, and says where it is.
    fn add(&mut self, at: usize, pos: usize, entry: (K, V)) -> (usize, usize) {
        self.len += 1;
        let chunks = Arc::make_mut(&mut self.chunks);
        let (mut at, mut pos) = (at, pos);
        if chunks.is_empty() {
            chunks.push(MapChunk {
                bound: entry.0.clone(),
                entries: Arc::new(Vec::new()),
            });
        } else if chunks[at].entries.len() == CHUNK_MAX {
            let is_end = at + 1 == chunks.len() && pos == CHUNK_MAX;
            let middle = if is_end { CHUNK_MAX } else { CHUNK_MAX / 2 };
            let full = Arc::make_mut(&mut chunks[at].entries);
            let upper = full.split_off(middle);
            full.shrink_to_fit();
            let bound = upper.first().map_or(&entry.0, |(key, _)| key).clone();
            let entries = Arc::new(upper);
            chunks.insert(at + 1, MapChunk { bound, entries });
            if pos > middle || is_end {
                (at, pos) = (at + 1, pos - middle);
            }
        }
        let chunk = Arc::make_mut(&mut chunks[at].entries);
        if chunk.len() == chunk.capacity() {
            chunk.reserve_exact((chunk.len() / 4).max(2).min(CHUNK_MAX - chunk.len()));
        }
        chunk.insert(pos, entry);
        (at, pos)
    }

    /// Joins a chunk with the next one, if both are small.
    fn join(&mut self, at: usize) {
        let chunks = Arc::make_mut(&mut self.chunks);
        let fits =
            |next: &MapChunk<K, V>| chunks[at].entries.len() + next.entries.len() <= CHUNK_JOINED;
        if chunks.get(at + 1).is_some_and(fits) {
            let mut next = chunks.remove(at + 1);
            let more = std::mem::take(Arc::make_mut(&mut next.entries));
            Arc::make_mut(&mut chunks[at].entries).extend(more);
        }
    }
}

impl<K: Ord + Borrow<Q>, V, Q: Ord + ?Sized> Index<&Q> for OrdMap<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("the key is there")
    }
}

/// Seeks keys, fast where each is a little behind the one before it.
#[derive(Debug)]
pub struct MapWalk<'m, K, V> {
    chunks: &'m [MapChunk<K, V>],
    /// Where the last one was sought.
    at: usize,
    pos: usize,
}

impl<'m, K: Ord, V> MapWalk<'m, K, V> {
    /// Goes to the chunk in which a key stands, if it is there.
    fn go(&mut self, key: &K) {
        let begins = |chunk: &MapChunk<K, V>| chunk.bound <= *key;
        if !self.chunks.get(self.at).is_some_and(begins) {
            (self.at, self.pos) = (0, 0);
        }
        if let Some(behind) = self.chunks.get(self.at + 1..) {
            let passed = gallop(behind, begins);
            if passed > 0 {
                (self.at, self.pos) = (self.at + passed, 0);
            }
        }
    }

    /// The entries among which a key stands, if it is there, and the key at which they begin; in the first chunk, lesser ones may
    /// have come later. Not a byte of the entries has been looked at.
    pub fn around(&mut self, key: &K) -> Option<(&'m K, &'m Vec<(K, V)>)> {
        self.go(key);
        let chunk = self.chunks.get(self.at)?;
        Some((&chunk.bound, &chunk.entries))
    }

    /// The entries from a key on.
    pub fn seek(&mut self, key: &K) -> Entries<'m, K, V> {
        self.go(key);
        if let Some(chunk) = self.chunks.get(self.at) {
            let before = |entry: &(K, V)| entry.0 < *key;
            let entries = &chunk.entries[..];
            let is_behind = self.pos > 0 && before(&entries[self.pos - 1]);
            let from = if is_behind { self.pos } else { 0 };
            self.pos = from + gallop(&entries[from..], before);
        }
        Entries {
            chunks: self.chunks,
            from: (self.at, self.pos),
            to: (self.chunks.len(), 0),
        }
    }

    pub fn get(&mut self, key: &K) -> Option<&'m V> {
        let (held, value) = self.seek(key).next()?;
        (held == key).then_some(value)
    }
}

/// Entries of a map, one after another.
#[derive(Debug)]
pub struct Entries<'m, K, V> {
    chunks: &'m [MapChunk<K, V>],
    from: (usize, usize),
    to: (usize, usize),
}

impl<K, V> Clone for Entries<'_, K, V> {
    fn clone(&self) -> Self {
        Entries { ..*self }
    }
}

impl<'m, K, V> Iterator for Entries<'m, K, V> {
    type Item = (&'m K, &'m V);

    fn next(&mut self) -> Option<(&'m K, &'m V)> {
        if self.from >= self.to {
            return None;
        }
        let (at, pos) = self.from;
        let Some((key, value)) = self.chunks.get(at)?.entries.get(pos) else {
            self.from = (at + 1, 0);
            return self.next();
        };
        self.from.1 += 1;
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_agrees_with_a_tree_and_copies_stay_as_they_were() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut map, mut model) = (OrdMap::<u32, u32>::new(), BTreeMap::new());
        assert!(map.get(&1).is_none() && map.remove(&1).is_none() && map.range(1..).eq([]));
        let mut copies = Vec::new();
        for round in 0..20_000_u32 {
            let key = random.u32(0..3000);
            let adds = if round < 10_000 { 70 } else { 30 };
            if random.u32(0..100) < adds {
                assert_eq!(map.insert(key, round), model.insert(key, round));
            } else {
                assert_eq!(map.remove(&key), model.remove(&key));
            }
            if round % 10 == 0 {
                *map.get_or_insert_with(key, || 0) += 1;
                *model.entry(key).or_insert(0) += 1;
            }
            if round % 2000 == 0 {
                copies.push((map.clone(), model.clone()));
            }
        }
        copies.push((map, model));
        for (map, model) in copies {
            assert_eq!(map.len(), model.len());
            assert!(map.iter().eq(model.iter()));
            let ends = model.first_key_value().zip(model.last_key_value());
            assert_eq!(map.ends(), ends.map(|(first, last)| (first.0, last.0)));
            for most in [1, 30, 3000] {
                let mut walk = map.walk();
                let mut key = random.u32(0..100);
                for _ in 0..200 {
                    assert!(walk.seek(&key).eq(model.range(key..)));
                    assert_eq!(walk.get(&key), model.get(&key));
                    let around = walk.around(&key);
                    let is_there = around.is_some_and(|(_, held)| held.iter().any(|e| e.0 == key));
                    assert_eq!(is_there, model.contains_key(&key));
                    key = (key + random.u32(0..=most)) % 3100;
                }
            }
            for _ in 0..200 {
                let (one, other) = (random.u32(0..3100), random.u32(0..3100));
                let (from, to) = (one.min(other), one.max(other));
                assert!(map.range(from..to).eq(model.range(from..to)));
                assert!(map.range(from..=to).eq(model.range(from..=to)));
                let behind = (Bound::Excluded(from), Bound::Unbounded);
                assert!(map.range(behind).eq(model.range(behind)));
                assert_eq!(map.get(&one), model.get(&one));
            }
        }
    }

    #[test]
    fn what_grows_at_its_end_is_full() {
        let mut map = OrdSet::<u64>::new();
        for key in 0..6400 {
            map.insert(key, ());
        }
        assert_eq!(map.chunks.len(), 100);
        assert!(map.heap_bytes() < 6400 * 8 + 100 * 56);
    }
}
