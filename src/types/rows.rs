//! Rows of one width by position, in chunks that copies share.
//!
//! A copy counts up one reference for each chunk; whoever edits a shared chunk copies that chunk alone. Taking a row out moves
//! the last one to its place.

use triomphe::Arc;

use crate::util::thread;

/// A chunk takes no more than this, unless a single row does.
const CHUNK_BYTES_MAX: usize = 12 * 1024;

#[derive(Clone, Debug)]
pub struct Rows<T> {
    /// Full, but for the last. None is empty.
    chunks: Vec<Arc<Vec<T>>>,
    width: usize,
    /// Rows of a full chunk, as a power of two.
    bits: u32,
    len: usize,
}

impl<T> Drop for Rows<T> {
    fn drop(&mut self) {
        thread::drop_each(self.chunks.drain(..));
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self::new(1)
    }
}

impl<T> Rows<T> {
    pub fn new(width: usize) -> Self {
        Self::in_parts_of(CHUNK_BYTES_MAX, width)
    }

    /// Chunks that take no more than so many bytes, unless a single row does.
    pub fn in_parts_of(bytes: usize, width: usize) -> Self {
        let row = (width * size_of::<T>()).max(1);
        Rows {
            chunks: Vec::new(),
            width: width.max(1),
            bits: (bytes / row).max(1).ilog2(),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn width(&self) -> usize {
        self.width
    }

    fn place(&self, pos: usize) -> (usize, usize) {
        let inside = pos & ((1 << self.bits) - 1);
        (pos >> self.bits, inside * self.width)
    }

    #[inline]
    pub fn at(&self, pos: usize) -> &[T] {
        let (chunk, from) = self.place(pos);
        &self.chunks[chunk][from..from + self.width]
    }

    /// Bytes of all chunks, not those that items own themselves.
    pub fn heap_bytes(&self) -> usize {
        let whole = (self.chunks.len().saturating_sub(1) * self.width) << self.bits;
        let last = self.chunks.last().map_or(0, |last| last.capacity());
        (whole + last) * size_of::<T>()
            + self.chunks.len() * (size_of::<Arc<Vec<T>>>() + size_of::<Vec<T>>() + 8)
    }
}

impl<T: Clone> Rows<T> {
    pub fn at_mut(&mut self, pos: usize) -> &mut [T] {
        let (chunk, from) = self.place(pos);
        &mut Arc::make_mut(&mut self.chunks[chunk])[from..from + self.width]
    }

    /// Puts a row behind all others. Room is made for an eighth more at a time in the first chunk, for whole chunks behind it.
    pub fn push(&mut self, row: impl IntoIterator<Item = T>) {
        let (chunk, from) = self.place(self.len);
        if chunk == self.chunks.len() {
            self.chunks.push(Arc::new(Vec::new()));
        }
        let rows = Arc::make_mut(&mut self.chunks[chunk]);
        if rows.capacity() < from + self.width {
            let more = match chunk {
                0 => (self.len / 8).max(1).min((1 << self.bits) - self.len),
                _ => (1 << self.bits) - (from / self.width),
            };
            rows.reserve_exact(more * self.width);
        }
        rows.extend(row);
        debug_assert_eq!(rows.len(), from + self.width, "every row is of one width");
        self.len += 1;
    }

    /// Takes a row out; the last one moves to its place.
    pub fn swap_remove(&mut self, pos: usize) {
        let last = self.len - 1;
        let (chunk, from) = self.place(last);
        let tail = Arc::make_mut(&mut self.chunks[chunk]).split_off(from);
        if from == 0 {
            self.chunks.pop();
        }
        self.len = last;
        if pos != last {
            let moved = self.at_mut(pos).iter_mut().zip(tail);
            moved.for_each(|(held, tail)| *held = tail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_a_list_and_copies_stay_as_they_were() {
        let mut random = fastrand::Rng::with_seed(4);
        let (mut rows, mut model) = (Rows::<u32>::new(500), Vec::new());
        let mut copies = Vec::new();
        for round in 0..3000u32 {
            if random.u32(0..100) < if round < 1500 { 70 } else { 35 } || model.is_empty() {
                rows.push((0..500).map(|at| round + at));
                model.push(round);
            } else {
                let pos = random.usize(0..model.len());
                rows.swap_remove(pos);
                model.swap_remove(pos);
            }
            if let Some(first) = model.first_mut() {
                *first += 1;
                rows.at_mut(0).iter_mut().for_each(|held| *held += 1);
            }
            if round % 100 == 0 {
                copies.push((rows.clone(), model.clone()));
            }
        }
        copies.push((rows, model));
        for (rows, model) in copies {
            assert_eq!(rows.len(), model.len());
            for (pos, first) in model.iter().enumerate() {
                assert!(rows.at(pos).iter().copied().eq(*first..first + 500));
            }
        }
    }
}
