//! Sorted integers in Redis's intset format: two, four or eight bytes each, whatever the widest needs.

const HEADER: usize = 8;

#[derive(Clone, Debug)]
pub struct IntSet {
    /// Width (u32), count (u32), the integers in order; all little endian.
    bytes: Vec<u8>,
}

impl Default for IntSet {
    fn default() -> Self {
        Self::new()
    }
}

impl IntSet {
    pub fn new() -> Self {
        IntSet {
            bytes: vec![2, 0, 0, 0, 0, 0, 0, 0],
        }
    }

    /// Takes bytes from outside, if they are sound: sorted, without doubles, of the length they say.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let width = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let count = u32::from_le_bytes(bytes.get(4..HEADER)?.try_into().ok()?) as usize;
        if !matches!(width, 2 | 4 | 8)
            || bytes.len() as u64 != HEADER as u64 + count as u64 * width as u64
        {
            return None;
        }
        let set = IntSet { bytes };
        let sorted = (1..count).all(|at| set.get(at - 1) < set.get(at));
        (count > 0 && sorted).then_some(set)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    fn width(&self) -> usize {
        usize::from(self.bytes[0])
    }

    pub fn len(&self) -> usize {
        (self.bytes.len() - HEADER) / self.width()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, at: usize) -> i64 {
        let width = self.width();
        let from = HEADER + at * width;
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(&self.bytes[from..from + width]);
        i64::from_le_bytes(wide) >> (64 - 8 * width)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Where the integer stands, or would.
    fn search(&self, n: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.get(middle).cmp(&n) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    pub fn contains(&self, n: i64) -> bool {
        self.search(n).is_ok()
    }

    pub fn insert(&mut self, n: i64) -> bool {
        let Err(at) = self.search(n) else {
            return false;
        };
        let needed = match n {
            -32_768..32_768 => 2,
            -2_147_483_648..2_147_483_648 => 4,
            _ => 8,
        };
        if needed > self.width() {
            self.widen(needed);
        }
        let (width, len) = (self.width(), self.bytes.len());
        let from = HEADER + at * width;
        self.bytes.reserve_exact(width.max(len / 8));
        self.bytes.resize(len + width, 0);
        self.bytes.copy_within(from..len, from + width);
        self.bytes[from..from + width].copy_from_slice(&n.to_le_bytes()[..width]);
        self.write_count();
        true
    }

    pub fn remove(&mut self, n: i64) -> bool {
        let Ok(at) = self.search(n) else {
            return false;
        };
        let from = HEADER + at * self.width();
        self.bytes.drain(from..from + self.width());
        self.write_count();
        true
    }

    fn widen(&mut self, width: usize) {
        let mut bytes = Vec::with_capacity(HEADER + (self.len() + 1) * width);
        bytes.extend_from_slice(&self.bytes[..HEADER]);
        bytes[0] = width as u8;
        self.iter()
            .for_each(|n| bytes.extend_from_slice(&n.to_le_bytes()[..width]));
        self.bytes = bytes;
    }

    fn write_count(&mut self) {
        let count = self.len() as u32;
        self.bytes[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_a_sorted_set_at_every_width() {
        let mut random = fastrand::Rng::with_seed(2);
        for span in [100i64, 40_000, 3_000_000_000, i64::MAX] {
            let (mut ints, mut model) = (IntSet::new(), std::collections::BTreeSet::new());
            for _ in 0..2000 {
                let n = random.i64(-span..span);
                if random.u8(..) < 170 {
                    assert_eq!(ints.insert(n), model.insert(n));
                } else {
                    let n = model.iter().next().copied().unwrap_or(n);
                    assert_eq!(ints.remove(n), model.remove(&n));
                }
            }
            assert!(ints.iter().eq(model.iter().copied()));
            let read = IntSet::from_bytes(ints.as_bytes().to_vec()).unwrap();
            assert!(read.iter().eq(model.iter().copied()));
        }
        assert!(IntSet::from_bytes(vec![2, 0, 0, 0, 2, 0, 0, 0, 5, 0, 5, 0]).is_none());
    }
}
