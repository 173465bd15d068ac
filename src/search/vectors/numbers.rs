//! The numbers of vectors, by slot, and how far they are from each other and from others.

use super::shared::{SharedVectors, VectorBlob};
use crate::search::distance::{dot_double, dot_single, square_double, square_single};
use crate::search::numerals::{doubles, singles};
use crate::search::schema::{Metric, Numeral, VectorSpec};
use crate::types::Rows;
use crate::types::graph::Space;

/// Doubles are kept as they are, everything else as single floats, which hold it exactly. Where documents hold single floats
/// themselves, and not few, they are shared.
#[derive(Clone, Debug)]
pub(super) enum Numbers {
    Shared(SharedVectors),
    Single(Rows<f32>),
    Double(Rows<f64>),
}

/// A vector that others are compared with.
pub enum VectorTarget {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// Vectors of which copies are held are copied in parts of so many bytes: a list of smaller parts would take longer to copy itself.
const PART_BYTES: usize = 64 * 1024;

macro_rules! normalize {
    ($numbers:expr, $dot:ident) => {{
        let length = $dot(&$numbers, &$numbers).sqrt();
        if length > 0.0 {
            $numbers.iter_mut().for_each(|n| *n /= length);
        }
    }};
}

impl Numbers {
    pub fn new(spec: &VectorSpec) -> Self {
        match spec.numeral {
            _ if spec.shares() => Numbers::Shared(SharedVectors::new()),
            Numeral::Float64 => Numbers::Double(Rows::in_parts_of(PART_BYTES, spec.dim)),
            _ => Numbers::Single(Rows::in_parts_of(PART_BYTES, spec.dim)),
        }
    }

    pub fn heap_bytes(&self) -> usize {
        match self {
            Numbers::Shared(held) => held.heap_bytes(),
            Numbers::Single(held) => held.heap_bytes(),
            Numbers::Double(held) => held.heap_bytes(),
        }
    }

    /// Reads a vector that others are compared with.
    pub fn target(&self, spec: &VectorSpec, blob: &[u8]) -> VectorTarget {
        let cosine = spec.metric == Metric::Cosine;
        match self {
            Numbers::Shared(_) | Numbers::Single(_) => {
                let mut numbers = singles(spec.numeral, blob);
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

    /// Adds a vector in the next slot.
    pub fn push(&mut self, spec: &VectorSpec, blob: VectorBlob) {
        if let Numbers::Shared(held) = self {
            return held.push(blob.into(), spec.metric);
        }
        match (self.target(spec, &blob), self) {
            (VectorTarget::Single(numbers), Numbers::Single(held)) => held.push(numbers),
            (VectorTarget::Double(numbers), Numbers::Double(held)) => held.push(numbers),
            _ => unreachable!("a target is read as the vectors are held"),
        }
    }

    /// Whether the vector in a slot is this one.
    pub fn holds(&self, spec: &VectorSpec, slot: usize, blob: &[u8]) -> bool {
        if let Numbers::Shared(held) = self {
            return held.holds(slot, blob);
        }
        match (self, self.target(spec, blob)) {
            (Numbers::Single(held), VectorTarget::Single(read)) => held.at(slot) == read,
            (Numbers::Double(held), VectorTarget::Double(read)) => held.at(slot) == read,
            _ => unreachable!("a target is read as the vectors are held"),
        }
    }

    /// Has the vector in a slot, which is the same, be held as its document holds it now: it may have been given the very same
    /// bytes anew.
    pub fn replace(&mut self, slot: usize, blob: &VectorBlob) {
        if let (Numbers::Shared(held), VectorBlob::Shared(bytes)) = (self, blob) {
            held.replace(slot, bytes.clone());
        }
    }

    /// Takes a vector out; the last one moves to its slot.
    pub fn swap_remove(&mut self, slot: usize) {
        match self {
            Numbers::Shared(held) => held.swap_remove(slot),
            Numbers::Single(held) => held.swap_remove(slot),
            Numbers::Double(held) => held.swap_remove(slot),
        }
    }

    /// How far the vector in a slot is from another one.
    pub fn distance(&self, slot: usize, target: &VectorTarget, metric: Metric) -> f64 {
        match (self, target) {
            (Numbers::Shared(held), VectorTarget::Single(target)) => {
                f64::from(held.distance(slot, target, metric))
            }
            (Numbers::Single(held), VectorTarget::Single(target)) => match metric {
                Metric::L2 => f64::from(square_single(held.at(slot), target)),
                _ => f64::from(1.0 - dot_single(held.at(slot), target)),
            },
            (Numbers::Double(held), VectorTarget::Double(target)) => match metric {
                Metric::L2 => square_double(held.at(slot), target),
                _ => 1.0 - dot_double(held.at(slot), target),
            },
            _ => unreachable!("a target is read as the vectors are held"),
        }
    }
}

/// Vectors between which the graph asks for distances.
pub(super) struct BetweenSlots<'v> {
    pub numbers: &'v Numbers,
    pub metric: Metric,
}

impl Space for BetweenSlots<'_> {
    #[inline]
    fn warm(&self, nodes: &[u32]) {
        if let Numbers::Shared(held) = self.numbers {
            held.warm(nodes.iter().map(|node| *node as usize));
        }
    }

    fn between(&self, one: u32, other: u32) -> f32 {
        let (one, other) = (one as usize, other as usize);
        match (self.numbers, self.metric) {
            (Numbers::Shared(held), metric) => held.between(one, other, metric),
            (Numbers::Single(held), Metric::L2) => square_single(held.at(one), held.at(other)),
            (Numbers::Single(held), _) => 1.0 - dot_single(held.at(one), held.at(other)),
            (Numbers::Double(held), Metric::L2) => {
                square_double(held.at(one), held.at(other)) as f32
            }
            (Numbers::Double(held), _) => (1.0 - dot_double(held.at(one), held.at(other))) as f32,
        }
    }
}
