//! The vectors of one attribute, side by side, and their distances from another. Copies share their parts.

use super::schema::{Metric, Numeral, VectorSpec};
use crate::types::{OrdSet, Rows};

/// Vectors in slots; each slot belongs to one document.
#[derive(Clone, Debug)]
pub struct Vectors {
    spec: VectorSpec,
    numbers: Numbers,
    docs: Rows<u64>,
    /// Each document with the slots that it has: one, unless it is JSON.
    slots: OrdSet<(u64, u32)>,
    /// How many documents there are.
    all: usize,
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

/// A vector of these numbers, as the bytes that its type has.
pub fn blob_of(numeral: Numeral, numbers: &[f64]) -> Vec<u8> {
    let each = numbers.iter();
    match numeral {
        Numeral::Float32 => each.flat_map(|n| (*n as f32).to_le_bytes()).collect(),
        Numeral::Float64 => each.flat_map(|n| n.to_le_bytes()).collect(),
        Numeral::Float16 => each
            .flat_map(|n| to_half(*n as f32).to_le_bytes())
            .collect(),
        Numeral::BFloat16 => each
            .flat_map(|n| to_bfloat(*n as f32).to_le_bytes())
            .collect(),
        Numeral::Int8 => each.flat_map(|n| (*n as i8).to_le_bytes()).collect(),
        Numeral::UInt8 => each.flat_map(|n| (*n as u8).to_le_bytes()).collect(),
    }
}

/// The upper half of a single float, rounded to the nearest, and to the even of two as near.
fn to_bfloat(n: f32) -> u16 {
    let bits = n.to_bits();
    if n.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    let half = 0x7fff + (bits >> 16 & 1);
    (bits.wrapping_add(half) >> 16) as u16
}

/// The nearest float of 16 bits, and the even of two as near.
fn to_half(n: f32) -> u16 {
    let sign = (n.to_bits() >> 16) as u16 & 0x8000;
    let magnitude = n.abs();
    if n.is_nan() {
        return sign | 0x7e00;
    }
    if magnitude >= 65520.0 {
        return sign | 0x7c00;
    }
    // Below the least that is normal, steps are all alike.
    let exponent = (magnitude.to_bits() >> 23) as i32 - 127;
    let exponent = exponent.max(-14);
    let steps = (magnitude / 2_f32.powi(exponent - 10)).round_ties_even() as u16;
    sign | ((exponent + 14) as u16 * 1024 + steps)
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
            slots: OrdSet::new(),
            all: 0,
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
        self.slots_of(doc).next().is_some()
    }

    fn slots_of(&self, doc: u64) -> impl Iterator<Item = u32> {
        let own = self.slots.range((doc, 0)..=(doc, u32::MAX));
        own.map(|((_, slot), ())| *slot)
    }

    /// Whether a document has several.
    pub fn has_several(&self) -> bool {
        self.all < self.docs.len()
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
        self.all += usize::from(!self.has(doc));
        self.slots.insert((doc, slot), ());
        self.docs.push([doc]);
    }

    /// Takes a document's vectors out; the last one moves to the place of each.
    pub fn remove(&mut self, doc: u64) {
        self.all -= usize::from(self.has(doc));
        // From the last one on: what moves is never one that is still to go.
        let own: Vec<u32> = self.slots_of(doc).collect();
        for slot in own.into_iter().rev() {
            self.slots.remove(&(doc, slot));
            let at = slot as usize;
            match &mut self.numbers {
                Numbers::Single(held) => held.swap_remove(at),
                Numbers::Double(held) => held.swap_remove(at),
            }
            let last = self.docs.len() - 1;
            self.docs.swap_remove(at);
            if at < last {
                let moved = self.doc_at(at);
                self.slots.remove(&(moved, last as u32));
                self.slots.insert((moved, slot), ());
            }
        }
    }

    /// The document whose vector is in a slot.
    pub fn doc_at(&self, slot: usize) -> u64 {
        self.docs.at(slot)[0]
    }

    /// How far a document's vector is from the target: the nearest, if it has several.
    pub fn distance(&self, doc: u64, target: &VectorTarget) -> Option<f64> {
        let distances = self
            .slots_of(doc)
            .map(|slot| self.distance_at(slot as usize, target));
        distances.min_by(f64::total_cmp)
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
    fn a_document_with_several_is_as_far_as_the_nearest_and_goes_with_all() {
        let blob = |x: f32| [x.to_le_bytes(), 0_f32.to_le_bytes()].concat();
        let mut vectors = Vectors::new(spec(Numeral::Float32, Metric::L2));
        vectors.insert(1, &blob(1.0));
        assert!(!vectors.has_several());
        for at in 2..6 {
            vectors.insert(2, &blob(at as f32));
        }
        vectors.insert(3, &blob(9.0));
        let target = vectors.target(&blob(5.0));
        assert!(vectors.has_several());
        assert_eq!(vectors.distance(2, &target), Some(0.0));
        vectors.remove(2);
        assert_eq!((vectors.len(), vectors.has_several()), (2, false));
        assert_eq!(vectors.distance(1, &target), Some(16.0));
        assert_eq!(vectors.distance(3, &target), Some(16.0));
        assert_eq!(vectors.distance(2, &target), None);
    }

    #[test]
    fn short_floats_are_written_as_they_are_read() {
        for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
            assert_eq!(to_half(half(bits)), bits, "{bits:x}");
        }
        assert_eq!(half(to_half(1.0 + 1.0 / 2048.0)), 1.0);
        assert_eq!((to_half(1e9), to_half(-1e-9)), (0x7c00, 0x8000));
        assert_eq!(to_bfloat(1.0), 0x3f80);
        assert_eq!(blob_of(Numeral::Int8, &[-1.0, 3.0]), [0xff, 3]);
        assert_eq!(
            singles(Numeral::Float32, &blob_of(Numeral::Float32, &[1.5])),
            [1.5]
        );
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
