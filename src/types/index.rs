//! An index of positions 0 to N - 1 that grows without a stall: what has to move from the full table to a larger one
//! does so a few positions at a time, with each later change.
//!
//! It knows no items. Whoever has them says how many there are, and tells the hash of the one at a position.

use super::positions::Positions;

/// Below this it grows in one go.
const SMALL: usize = 1024;
/// Positions moved to the new table by each change: more than enough to be done before it is full, and
/// done soon, as both tables take room meanwhile.
const MOVES: usize = 16;

/// Somewhat more than so many.
fn roomy(len: usize) -> usize {
    len + len / MOVES + SMALL / MOVES
}

#[derive(Clone, Debug)]
pub struct Index {
    table: Positions,
    /// The table before the last growth, while some positions are only there. What it says of those below `moved`
    /// is past: moving takes nothing out of it, so that half as much memory is looked at.
    old: Option<Box<Positions>>,
    moved: usize,
}

impl Index {
    pub const fn new() -> Self {
        Index {
            table: Positions::new(),
            old: None,
            moved: 0,
        }
    }

    pub fn allocation_size(&self) -> usize {
        let old = self.old.as_ref().map_or(0, |old| old.allocation_size());
        self.table.allocation_size() + old
    }

    /// Bytes of a position, and the byte that finds it.
    pub fn bytes_each(&self) -> usize {
        self.table.bytes_each()
    }

    /// Makes room for `len` positions where it knows none: they are not moved again and again while they come.
    pub fn expect(&mut self, len: usize) {
        if !self.may_know(1) {
            let len = if len < SMALL { len } else { roomy(len) };
            self.table = Positions::with_capacity(len);
        }
    }

    /// Whether it may know so many positions.
    pub fn may_know(&self, count: usize) -> bool {
        count <= self.table.len() + self.old.as_ref().map_or(0, |old| old.len())
    }

    /// The position with this hash that is the one sought.
    #[inline]
    pub fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        match self.table.find(hash, &is_it) {
            None => {
                let old = self.old.as_ref()?;
                old.find(hash, |pos| pos >= self.moved && is_it(pos))
            }
            found => found,
        }
    }

    /// A position with this hash, likely the one sought.
    #[inline]
    pub fn likely(&self, hash: u64) -> Option<usize> {
        self.find(hash, |_| true)
    }

    /// Looks at where [`Index::likely`] will look.
    #[inline]
    pub fn touch(&self, hash: u64) -> u8 {
        let old = self.old.as_ref().map_or(0, |old| old.touch(hash));
        self.table.touch(hash) ^ old
    }

    /// Adds the position after all others.
    #[inline]
    pub fn push(&mut self, hash: u64, pos: usize, hash_of: impl Fn(usize) -> u64) {
        self.advance(pos, &hash_of);
        if self.table.len() >= self.table.capacity() && pos >= SMALL {
            self.finish(pos, &hash_of);
            self.replace(pos);
        }
        self.table.insert(hash, pos, hash_of);
    }

    /// Takes a position out.
    pub fn remove(&mut self, hash: u64, pos: usize) {
        if !self.table.remove(hash, pos) {
            let old = self.old.as_mut();
            let removed = old.is_some_and(|old| old.remove(hash, pos));
            debug_assert!(removed, "a position is in one of the tables");
        }
    }

    /// Changes a position to another one, which is free.
    pub fn change(&mut self, hash: u64, from: usize, to: usize, hash_of: impl Fn(usize) -> u64) {
        if self.table.change(hash, from, to) {
            return;
        }
        let old = self.old.as_mut();
        let old = old.expect("a position is in one of the tables");
        if to >= self.moved {
            old.change(hash, from, to);
            return;
        }
        // The walk has passed this position, so the new table must know it.
        old.remove(hash, from);
        self.table.insert(hash, to, hash_of);
    }

    /// After a removal: gives back a table that has become far too large for `len` positions.
    pub fn shrink(&mut self, len: usize) {
        let capacity = self.table.capacity();
        if self.old.is_none() && capacity > 2 * SMALL && len < capacity / 8 {
            self.replace(len);
        }
    }

    /// Begins a table with room for `len` positions, and for those that come while they move: of the next size, which
    /// is larger by a third or a half where the table is full.
    fn replace(&mut self, len: usize) {
        let table = Positions::with_capacity(roomy(len));
        let old = std::mem::replace(&mut self.table, table);
        self.old = Some(Box::new(old));
        self.moved = 0;
    }

    /// Goes on with a growth, if one is under way: moves a few of `len` positions. Any change may call it.
    #[inline]
    pub fn advance(&mut self, len: usize, hash_of: impl Fn(usize) -> u64) {
        if self.old.is_some() {
            self.move_over(len, hash_of);
        }
    }

    fn finish(&mut self, len: usize, hash_of: impl Fn(usize) -> u64) {
        while self.old.is_some() {
            self.move_over(len, &hash_of);
        }
    }

    fn move_over(&mut self, len: usize, hash_of: impl Fn(usize) -> u64) {
        let mut hashes = [0; MOVES];
        let here = len.saturating_sub(self.moved).min(MOVES);
        for (n, hash) in hashes[..here].iter_mut().enumerate() {
            *hash = hash_of(self.moved + n);
        }
        // What is far is called from memory for all of them at the same time.
        let table = &mut self.table;
        let warm = hashes[..here]
            .iter()
            .fold(0, |sum, &hash| sum ^ table.touch(hash));
        std::hint::black_box(warm);
        for &hash in &hashes[..here] {
            let pos = self.moved;
            // Those that came since, or took the place of one that left, are there.
            if table.find(hash, |held| held == pos).is_none() {
                table.insert(hash, pos, &hash_of);
            }
            self.moved += 1;
        }
        if self.moved >= len {
            debug_assert!(table.len() == len, "every position was walked");
            self.old = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::keyhash;

    fn hash_of(pos: usize) -> u64 {
        keyhash::hash(&pos.to_le_bytes())
    }

    fn find(index: &Index, pos: usize) -> Option<usize> {
        index.find(hash_of(pos), |held| held == pos)
    }

    /// An index that has moved some of its positions to a new table, and how many it has.
    fn growing() -> (Index, usize) {
        let mut index = Index::new();
        let mut len = 0;
        while index.old.is_none() || index.moved < len / 4 {
            index.push(hash_of(len), len, hash_of);
            len += 1;
        }
        (index, len)
    }

    #[test]
    fn a_growth_moves_a_few_positions_with_each_push() {
        let (mut index, mut len) = growing();
        while index.old.is_some() {
            let moved = index.moved;
            index.push(hash_of(len), len, hash_of);
            len += 1;
            assert!(index.old.is_none() || index.moved - moved == MOVES);
            assert!((0..len).all(|pos| find(&index, pos) == Some(pos)));
        }
        assert_eq!(index.table.len(), len);
    }

    #[test]
    fn what_was_expected_does_not_move() {
        let mut index = Index::new();
        index.expect(5000);
        for pos in 0..5000 {
            index.push(hash_of(pos), pos, |_| unreachable!("there was room"));
        }
        let bytes = index.allocation_size();
        index.expect(1 << 20);
        assert_eq!(index.allocation_size(), bytes, "it knows positions");
        assert!((0..5000).all(|pos| find(&index, pos) == Some(pos)));
    }

    #[test]
    fn what_leaves_during_a_growth_and_comes_back_is_there_once() {
        let (growing, len) = growing();
        for left in [0, 1, growing.moved - 1, growing.moved, len - 1] {
            let mut index = growing.clone();
            // The old table goes on to tell of those that had been moved.
            (left..len).for_each(|pos| index.remove(hash_of(pos), pos));
            assert!((0..len).all(|pos| find(&index, pos).is_some() == (pos < left)));
            index.advance(left, hash_of);
            assert_eq!(index.old.is_some(), left > growing.moved + MOVES);
            (left..len).for_each(|pos| index.push(hash_of(pos), pos, hash_of));
            index.finish(len, hash_of);
            assert_eq!(index.table.len(), len);
            assert!((0..len).all(|pos| find(&index, pos) == Some(pos)));
        }
    }
}
