//! The vectors of one attribute, side by side, and their distances from another. Copies share their parts.

use super::schema::{Metric, Numeral, VectorSpec};
use crate::types::{OrdMap, Rows};

/// Vectors in slots; each slot belongs to one document.
#[derive(Clone, Debug)]
pub struct Vectors {
    spec: VectorSpec,
    numbers: Numbers,
    docs: Rows<u64>,
    slots: OrdMap<u64, u32>,
}

/// Doubles are kept as they are, everything else as single floats, which hold it exactly.
#[derive(Clone, Debug)]
enum Numbers {
    Single(Rows<f32>),
    Double(Rows<f64>),
}

/// A vector that others are compared with.
pub enum VectorTarget {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// The numbers of a blob, as they are written there.
fn singles(numeral: Numeral, blob: &[u8]) -> Vec<f32> {
    let halves = || {
        blob.chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
    };
    match numeral {
        Numeral::Float32 => blob
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect(),
        Numeral::Float64 => doubles(blob).into_iter().map(|n| n as f32).collect(),
        Numeral::Float16 => halves().map(half).collect(),
        Numeral::BFloat16 => halves()
            .map(|bits| f32::from_bits(u32::from(bits) << 16))
            .collect(),
        Numeral::Int8 => blob.iter().map(|byte| f32::from(*byte as i8)).collect(),
        Numeral::UInt8 => blob.iter().map(|byte| f32::from(*byte)).collect(),
    }
}

fn doubles(blob: &[u8]) -> Vec<f64> {
    let eights = blob.chunks_exact(8);
    let read = |eight: &[u8]| f64::from_le_bytes(eight.try_into().expect("it has eight bytes"));
    eights.map(read).collect()
}

/// A float of 16 bits.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

/// Lanes that are summed up side by side: the compiler makes SIMD of them.
const LANES: usize = 8;

macro_rules! kernels {
    ($type:ty, $dot:ident, $square:ident) => {
        fn $dot(one: &[$type], other: &[$type]) -> $type {
            let mut sums = [0.0; LANES];
            let (ones, others) = (one.chunks_exact(LANES), other.chunks_exact(LANES));
            let (rest, other_rest) = (ones.remainder(), others.remainder());
            for (ones, others) in ones.zip(others) {
                for lane in 0..LANES {
                    sums[lane] += ones[lane] * others[lane];
                }
            }
            let last = rest.iter().zip(other_rest).map(|(a, b)| a * b);
            last.sum::<$type>() + sums.iter().sum::<$type>()
        }

        fn $square(one: &[$type], other: &[$type]) -> $type {
            let mut sums = [0.0; LANES];
            let (ones, others) = (one.chunks_exact(LANES), other.chunks_exact(LANES));
            let (rest, other_rest) = (ones.remainder(), others.remainder());
            for (ones, others) in ones.zip(others) {
                for lane in 0..LANES {
                    let difference = ones[lane] - others[lane];
                    sums[lane] += difference * difference;
                }
            }
            let last = rest.iter().zip(other_rest).map(|(a, b)| (a - b) * (a - b));
            last.sum::<$type>() + sums.iter().sum::<$type>()
        }
    };
}

kernels!(f32, dot_single, square_single);
kernels!(f64, dot_double, square_double);

macro_rules! normalize {
    ($numbers:expr, $dot:ident) => {{
        let length = $dot(&$numbers, &$numbers).sqrt();
        if length > 0.0 {
            $numbers.iter_mut().for_each(|n| *n /= length);
        }
    }};
}

impl Vectors {
    pub fn new(spec: VectorSpec) -> Self {
        Vectors {
            spec,
            numbers: match spec.numeral {
                Numeral::Float64 => Numbers::Double(Rows::new(spec.dim)),
                _ => Numbers::Single(Rows::new(spec.dim)),
            },
            docs: Rows::default(),
            slots: OrdMap::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.docs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a document has one.
    pub fn has(&self, doc: u64) -> bool {
        self.slots.contains_key(&doc)
    }

    pub fn bytes(&self) -> usize {
        let numbers = match &self.numbers {
            Numbers::Single(numbers) => numbers.heap_bytes(),
            Numbers::Double(numbers) => numbers.heap_bytes(),
        };
        numbers + self.docs.heap_bytes() + self.slots.heap_bytes()
    }

    /// Reads a vector that documents are compared with.
    pub fn target(&self, blob: &[u8]) -> VectorTarget {
        let cosine = self.spec.metric == Metric::Cosine;
        match &self.numbers {
            Numbers::Single(_) => {
                let mut numbers = singles(self.spec.numeral, blob);
                if cosine {
                    normalize!(numbers, dot_single);
                }
                VectorTarget::Single(numbers)
            }
            Numbers::Double(_) => {
                let mut numbers = doubles(blob);
                if cosine {
                    normalize!(numbers, dot_double);
                }
                VectorTarget::Double(numbers)
            }
        }
    }

    /// Adds a document's vector; its length was checked.
    pub fn insert(&mut self, doc: u64, blob: &[u8]) {
        let read = self.target(blob);
        match (&mut self.numbers, read) {
            (Numbers::Single(held), VectorTarget::Single(numbers)) => held.push(numbers),
            (Numbers::Double(held), VectorTarget::Double(numbers)) => held.push(numbers),
            _ => unreachable!("a target is read as the vectors are held"),
        }
        let slot = u32::try_from(self.docs.len()).expect("no index has billions of vectors");
        self.slots.insert(doc, slot);
        self.docs.push([doc]);
    }

    /// Takes a document's vector out; the last one moves to its place.
    pub fn remove(&mut self, doc: u64) {
        let Some(slot) = self.slots.remove(&doc) else {
            return;
        };
        let at = slot as usize;
        match &mut self.numbers {
            Numbers::Single(held) => held.swap_remove(at),
            Numbers::Double(held) => held.swap_remove(at),
        }
        self.docs.swap_remove(at);
        if at < self.docs.len() {
            self.slots.insert(self.doc_at(at), slot);
        }
    }

    /// The document whose vector is in a slot.
    pub fn doc_at(&self, slot: usize) -> u64 {
        self.docs.at(slot)[0]
    }

    /// How far a document's vector is from the target.
    pub fn distance(&self, doc: u64, target: &VectorTarget) -> Option<f64> {
        let slot = *self.slots.get(&doc)?;
        Some(self.distance_at(slot as usize, target))
    }

    /// How far the vector in a slot is from the target.
    pub fn distance_at(&self, slot: usize, target: &VectorTarget) -> f64 {
        match (&self.numbers, target) {
            (Numbers::Single(held), VectorTarget::Single(target)) => match self.spec.metric {
                Metric::L2 => f64::from(square_single(held.at(slot), target)),
                _ => f64::from(1.0 - dot_single(held.at(slot), target)),
            },
            (Numbers::Double(held), VectorTarget::Double(target)) => match self.spec.metric {
                Metric::L2 => square_double(held.at(slot), target),
                _ => 1.0 - dot_double(held.at(slot), target),
            },
            _ => unreachable!("a target is read as the vectors are held"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(numeral: Numeral, metric: Metric) -> VectorSpec {
        VectorSpec {
            numeral,
            dim: 2,
            metric,
            graph: None,
            block_size: 1024,
        }
    }

    #[test]
    fn distances_are_of_the_documents_that_are_left() {
        let blob = |x: f32, y: f32| [x.to_le_bytes(), y.to_le_bytes()].concat();
        let mut vectors = Vectors::new(spec(Numeral::Float32, Metric::L2));
        vectors.insert(1, &blob(0.0, 0.0));
        vectors.insert(2, &blob(3.0, 4.0));
        vectors.insert(3, &blob(1.0, 0.0));
        vectors.remove(1);
        let target = vectors.target(&blob(0.0, 0.0));
        assert_eq!(vectors.distance(1, &target), None);
        assert_eq!(vectors.distance(2, &target), Some(25.0));
        assert_eq!(vectors.distance(3, &target), Some(1.0));
        let mut cosine = Vectors::new(spec(Numeral::Float32, Metric::Cosine));
        cosine.insert(1, &blob(0.0, 2.0));
        let target = cosine.target(&blob(5.0, 0.0));
        assert_eq!(cosine.distance(1, &target), Some(1.0));
    }

    #[test]
    fn short_floats_are_read() {
        assert_eq!(half(0x3c00), 1.0);
        assert_eq!(half(0xc000), -2.0);
        assert_eq!(half(0x0001), 2_f32.powi(-24));
        assert_eq!(singles(Numeral::BFloat16, &[0x80, 0x3f]), [1.0]);
        assert_eq!(singles(Numeral::Int8, &[0xff]), [-1.0]);
    }
}
