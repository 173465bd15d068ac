//! Vectors of fewer numbers than were given, made by a projection that keeps distances about as they were.

use std::sync::Arc;

/// A projection has no more numbers than this: 256 MB.
const NUMBERS_MAX: usize = 1 << 26;

/// A matrix with a row for each number that it makes. Copies share it.
#[derive(Clone, Debug)]
pub struct Projection {
    matrix: Arc<[f32]>,
    from: usize,
}

impl Projection {
    /// From so many numbers to so many. It is made by rule, not by chance: a replica makes the same one. `None` if it were too
    /// large.
    pub fn new(from: usize, to: usize) -> Option<Self> {
        from.checked_mul(to).filter(|count| *count <= NUMBERS_MAX)?;
        let scale = (1.0 / (from as f64).sqrt()) as f32;
        let sign = |at: usize| match ((at / from) & (at % from)).count_ones() % 2 {
            0 => scale,
            _ => -scale,
        };
        Some(Projection {
            matrix: (0..from * to).map(sign).collect(),
            from,
        })
    }

    /// One that a file brings, as bytes.
    pub fn of_bytes(from: usize, to: usize, bytes: &[u8]) -> Option<Self> {
        let whole = from.checked_mul(to)?.checked_mul(4)? == bytes.len();
        let numbers = bytes.as_chunks::<4>().0.iter();
        whole.then(|| Projection {
            matrix: numbers.map(|number| f32::from_le_bytes(*number)).collect(),
            from,
        })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        super::form::to_bytes(&self.matrix)
    }

    /// How many numbers it takes.
    pub fn from(&self) -> usize {
        self.from
    }

    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.matrix)
    }

    pub fn project(&self, vector: &[f32]) -> Vec<f32> {
        let rows = self.matrix.chunks_exact(self.from);
        let dot = |row: &[f32]| {
            let pairs = row.iter().zip(vector);
            pairs.fold(0.0, |sum, (one, other)| sum + one * other)
        };
        rows.map(dot).collect()
    }
}
