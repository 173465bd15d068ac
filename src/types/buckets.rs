//! A hash table of positions in buckets: what tells whether a hash is there and the position itself stand in the
//! same 64 bytes, so that a look at a large table waits for memory once.
//!
//! A full bucket passes positions on to the next one and counts them, so that a search knows where to
//! end, and a removal leaves nothing behind. Beside hashbrown's table, medians of five with keys and members from a
//! million, and the buckets of a batch touched first (benches/versus): GET -P 16 at 0.80 times its processor time, SET and
//! ZADD at 0.88, SADD at 0.92 times, and two to five bytes less for a key.

use wide::u8x16;

/// A position, in as few bytes as it takes.
pub trait Position: Copy + Into<u32> + TryFrom<usize> {
    #[inline]
    fn new(pos: usize) -> Self {
        let Ok(pos) = Self::try_from(pos) else {
            panic!("a table of so many has been replaced by one of longer positions");
        };
        pos
    }

    #[inline]
    fn at(self) -> usize {
        self.into() as usize
    }
}

impl Position for u16 {}
impl Position for u32 {}

/// `HEAD` is `SLOTS` tags and a number of four bytes.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket<P, const HEAD: usize, const SLOTS: usize> {
    /// For each slot a part of its hash, and zero if it is empty; then how many positions were passed on.
    head: [u8; HEAD],
    positions: [P; SLOTS],
}

/// Positions of two bytes, twenty to a bucket.
pub type Short = Buckets<u16, 24, 20>;
/// Positions of four bytes, twelve to a bucket.
pub type Long = Buckets<u32, 16, 12>;

#[derive(Clone, Debug)]
pub struct Buckets<P, const HEAD: usize, const SLOTS: usize> {
    buckets: Vec<Bucket<P, HEAD, SLOTS>>,
    len: usize,
}

/// Bytes that are compared at once.
const LANES: usize = 16;

/// Never zero.
#[inline]
fn tag_of(hash: u64) -> u8 {
    ((hash >> 56) as u8).max(1)
}

impl<P: Position, const HEAD: usize, const SLOTS: usize> Bucket<P, HEAD, SLOTS> {
    fn empty() -> Self {
        const { assert!(HEAD == SLOTS + 4 && size_of::<Self>() == 64) };
        Bucket {
            head: [0; HEAD],
            positions: [P::new(0); SLOTS],
        }
    }

    /// A bit for each slot with this tag.
    #[inline]
    fn tagged(&self, tag: u8) -> u32 {
        let tag = u8x16::splat(tag);
        let from = |at: usize| {
            let lanes: [u8; LANES] = self.head[at..at + LANES]
                .try_into()
                .expect("as many as that");
            u8x16::new(lanes).simd_eq(tag).to_bitmask() << at
        };
        // The second look begins before the end of the first where the head is no longer.
        (from(0) | from(HEAD - LANES)) & ((1 << SLOTS) - 1)
    }

    #[inline]
    fn passed(&self) -> u32 {
        let bytes = self.head[SLOTS..].try_into();
        u32::from_le_bytes(bytes.expect("four bytes"))
    }

    fn set_passed(&mut self, passed: u32) {
        self.head[SLOTS..].copy_from_slice(&passed.to_le_bytes());
    }
}

impl<P: Position, const HEAD: usize, const SLOTS: usize> Buckets<P, HEAD, SLOTS> {
    /// How many of a bucket's slots are taken, on average, before there must be more of them.
    const FILL: usize = SLOTS - SLOTS / 10;

    pub const fn new() -> Self {
        Buckets {
            buckets: Vec::new(),
            len: 0,
        }
    }

    /// With room for so many: as many buckets as a power of two or one and a half, for which the
    /// allocator has sizes of their own.
    pub fn with_capacity(capacity: usize) -> Self {
        let wanted = match capacity {
            0 => return Self::new(),
            _ if capacity <= SLOTS => 1,
            _ => capacity.div_ceil(Self::FILL),
        };
        let double = wanted.next_power_of_two();
        let between = double / 4 * 3;
        let count = if between >= wanted { between } else { double };
        Buckets {
            buckets: vec![Bucket::empty(); count],
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// How many it takes before it has to grow.
    #[inline]
    pub fn capacity(&self) -> usize {
        match self.buckets.len() {
            1 => SLOTS,
            count => count * Self::FILL,
        }
    }

    pub fn allocation_size(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket<P, HEAD, SLOTS>>()
    }

    /// The bucket where a search begins: all bits of the lower half count.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        ((u64::from(hash as u32) * self.buckets.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        let next = at + 1;
        if next == self.buckets.len() { 0 } else { next }
    }

    /// Looks at the bucket where a search would begin.
    #[inline]
    pub fn touch(&self, hash: u64) -> u8 {
        let home = self.buckets.get(self.home(hash));
        home.map_or(0, |bucket| bucket.head[0])
    }

    /// Bucket and slot of the position with this hash that is the one sought.
    #[inline]
    fn seek(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
        let tag = tag_of(hash);
        let mut at = self.home(hash);
        for _ in 0..self.buckets.len() {
            let bucket = &self.buckets[at];
            let mut hits = bucket.tagged(tag);
            while hits != 0 {
                let slot = hits.trailing_zeros() as usize;
                if is_it(bucket.positions[slot].at()) {
                    return Some((at, slot));
                }
                hits &= hits - 1;
            }
            if bucket.passed() == 0 {
                break;
            }
            at = self.after(at);
        }
        None
    }

    /// The position with this hash that is the one sought.
    #[inline]
    pub fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let (at, slot) = self.seek(hash, is_it)?;
        Some(self.buckets[at].positions[slot].at())
    }

    /// Adds a position. If it is full, it grows first: `hash_of` tells the hashes of all that are there.
    #[inline]
    pub fn insert(&mut self, hash: u64, pos: usize, hash_of: impl Fn(usize) -> u64) {
        if self.len == self.capacity() {
            self.grow(hash_of);
        }
        self.put(hash, pos);
    }

    #[inline]
    fn put(&mut self, hash: u64, pos: usize) {
        let mut at = self.home(hash);
        loop {
            let bucket = &mut self.buckets[at];
            let free = bucket.tagged(0).trailing_zeros() as usize;
            if free < SLOTS {
                bucket.head[free] = tag_of(hash);
                bucket.positions[free] = P::new(pos);
                self.len += 1;
                return;
            }
            bucket.set_passed(bucket.passed() + 1);
            at = self.after(at);
        }
    }

    #[cold]
    fn grow(&mut self, hash_of: impl Fn(usize) -> u64) {
        let mut grown = Self::with_capacity(self.len + 1);
        for bucket in &self.buckets {
            for (tag, pos) in bucket.head.iter().zip(bucket.positions) {
                if *tag != 0 {
                    grown.put(hash_of(pos.at()), pos.at());
                }
            }
        }
        *self = grown;
    }

    /// Takes a position out; whether it was there.
    pub fn remove(&mut self, hash: u64, pos: usize) -> bool {
        let Some((at, slot)) = self.seek(hash, |held| held == pos) else {
            return false;
        };
        let mut passing = self.home(hash);
        while passing != at {
            let bucket = &mut self.buckets[passing];
            bucket.set_passed(bucket.passed() - 1);
            passing = self.after(passing);
        }
        self.buckets[at].head[slot] = 0;
        self.len -= 1;
        true
    }

    /// Changes a position to another one; whether it was there.
    pub fn change(&mut self, hash: u64, from: usize, to: usize) -> bool {
        let found = self.seek(hash, |held| held == from);
        if let Some((at, slot)) = found {
            self.buckets[at].positions[slot] = P::new(to);
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Hashes of which many begin in the same bucket, and many have the same tag.
    fn crowded(pos: usize) -> u64 {
        let random = (pos as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((random % 5) << 56) | (((random >> 32) % 7) << 29)
    }

    fn agrees_with_a_map<P: Position, const HEAD: usize, const SLOTS: usize>(
        mut table: Buckets<P, HEAD, SLOTS>,
        hash_of: fn(usize) -> u64,
    ) {
        let mut random = fastrand::Rng::with_seed(11);
        let mut model: HashMap<usize, u64> = HashMap::new();
        for step in 0..60_000 {
            let pos = random.usize(0..2000);
            let grow = (step / 20_000) % 2 == 0;
            match model.get(&pos).copied() {
                None if random.u8(..) < if grow { 200 } else { 20 } => {
                    table.insert(hash_of(pos), pos, |held| model[&held]);
                    model.insert(pos, hash_of(pos));
                }
                Some(hash) if random.u8(..) < if grow { 20 } else { 200 } => {
                    assert!(table.remove(hash, pos));
                    assert!(!table.remove(hash, pos));
                    model.remove(&pos);
                }
                Some(hash) => {
                    assert_eq!(table.find(hash, |held| held == pos), Some(pos));
                    let other = 2000 + pos;
                    assert!(table.change(hash, pos, other));
                    assert_eq!(table.find(hash, |held| held == other), Some(other));
                    assert!(table.change(hash, other, pos));
                }
                None => {
                    assert_eq!(table.find(hash_of(pos), |held| held == pos), None);
                    assert!(!table.change(hash_of(pos), pos, 0));
                }
            }
            assert_eq!(table.len(), model.len());
            assert!(table.len() <= table.capacity());
        }
        for (pos, hash) in model.drain() {
            assert!(table.remove(hash, pos));
        }
        assert!(table.buckets.iter().all(|bucket| bucket.passed() == 0));
    }

    #[test]
    fn positions_are_found_whatever_their_hashes() {
        let spread = |pos: usize| crate::util::keyhash::hash(&pos.to_le_bytes());
        for hash_of in [spread, crowded, |_| u64::MAX, |_| 0] {
            agrees_with_a_map(Short::new(), hash_of);
            agrees_with_a_map(Long::new(), hash_of);
        }
    }

    #[test]
    fn a_table_is_as_large_as_it_was_asked_to_be() {
        for capacity in 0..5000 {
            // The sizes are a third or a half apart, or a bucket.
            let most = capacity * 3 / 2 + 20;
            let short = Short::with_capacity(capacity);
            assert!((capacity..=most).contains(&short.capacity()), "{capacity}");
            let long = Long::with_capacity(capacity);
            assert!((capacity..=most).contains(&long.capacity()), "{capacity}");
        }
        let long = Long::with_capacity(100_000);
        assert_eq!(long.allocation_size(), 12_288 * 64);
    }
}
