//! The numbers of vectors, by slot, and how far they are from each other and from others.

use std::borrow::Cow;
use std::ops::Sub;

use super::shared::{SharedVectors, VectorBlob};
use super::sketch::{NUMBERS_MIN, Sketch};
use crate::search::distance::{
    Compare, dot_doubles, dot_singles, in_parts, length, length_of_doubles, square_doubles,
    square_singles,
};
use crate::search::numerals::{doubles, singles};
use crate::search::schema::{Metric, Numeral, VectorSpec};
use crate::types::Rows;
use crate::types::graph::{Near, Space};

/// Doubles are kept as they are, everything else as single floats, which hold it exactly. Where documents hold single floats
/// themselves, and not few, they are shared.
#[derive(Clone, Debug)]
pub(super) enum Numbers {
    Shared(SharedVectors),
    Single(Rows<f32>),
    Double(Rows<f64>),
}

/// A vector that others are compared with.
pub(super) enum TargetNumbers {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// Vectors of which copies are held are copied in parts of so many bytes: a list of smaller parts would take longer to copy itself.
const PART_BYTES: usize = 64 * 1024;

macro_rules! normalize {
    ($numbers:expr, $length:expr) => {{
        let length = $length;
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

    /// Whether vectors are compared by sketches first.
    pub fn have_sketches(spec: &VectorSpec) -> bool {
        spec.numeral != Numeral::Float64 && spec.dim >= NUMBERS_MIN
    }

    /// The sketch of the vector in a slot, which is of single floats.
    pub fn sketch(&self, slot: usize) -> Sketch {
        match self {
            Numbers::Shared(held) => held.sketch(slot),
            Numbers::Single(held) => Sketch::new(held.at(slot), 1.0),
            Numbers::Double(_) => unreachable!("doubles have no sketches"),
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
    pub fn target(&self, spec: &VectorSpec, blob: &[u8]) -> TargetNumbers {
        let cosine = spec.metric == Metric::Cosine;
        match self {
            Numbers::Shared(_) | Numbers::Single(_) => {
                let mut numbers = singles(spec.numeral, blob);
                if cosine {
                    normalize!(numbers, length(&numbers));
                }
                TargetNumbers::Single(numbers)
            }
            Numbers::Double(_) => {
                let mut numbers = doubles(blob);
                if cosine {
                    normalize!(numbers, length_of_doubles(&numbers));
                }
                TargetNumbers::Double(numbers)
            }
        }
    }

    /// Adds a vector in the next slot.
    pub fn push(&mut self, spec: &VectorSpec, blob: VectorBlob) {
        if let Numbers::Shared(held) = self {
            return held.push(blob.into(), spec.metric);
        }
        match (self.target(spec, &blob), self) {
            (TargetNumbers::Single(numbers), Numbers::Single(held)) => held.push(numbers),
            (TargetNumbers::Double(numbers), Numbers::Double(held)) => held.push(numbers),
            _ => unreachable!("a target is read as the vectors are held"),
        }
    }

    /// Whether the vector in a slot is this one.
    pub fn holds(&self, spec: &VectorSpec, slot: usize, blob: &[u8]) -> bool {
        if let Numbers::Shared(held) = self {
            return held.holds(slot, blob);
        }
        match (self, self.target(spec, blob)) {
            (Numbers::Single(held), TargetNumbers::Single(read)) => held.at(slot) == read,
            (Numbers::Double(held), TargetNumbers::Double(read)) => held.at(slot) == read,
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

    /// Visits the distances of some slots' vectors from another one.
    pub fn measure(
        &self,
        slots: &[u32],
        target: &TargetNumbers,
        metric: Metric,
        mut visit: impl FnMut(u32, f64),
    ) {
        match (self, target) {
            (Numbers::Shared(held), TargetNumbers::Single(target)) => {
                held.measure(slots, (target, 1.0), metric, |slot, n| {
                    visit(slot, f64::from(n));
                });
            }
            (Numbers::Single(held), TargetNumbers::Single(target)) => {
                measure_rows(held, slots, target, (SINGLES, metric), |slot, n| {
                    visit(slot, f64::from(n));
                });
            }
            (Numbers::Double(held), TargetNumbers::Double(target)) => {
                measure_rows(held, slots, target, (DOUBLES, metric), visit);
            }
            _ => unreachable!("a target is read as the vectors are held"),
        }
    }
}

/// What gives products of numbers of a kind, and squares of their differences.
struct Kernels<N: Clone> {
    dots: Compare<N>,
    squares: Compare<N>,
}

const SINGLES: Kernels<f32> = Kernels {
    dots: dot_singles,
    squares: square_singles,
};

const DOUBLES: Kernels<f64> = Kernels {
    dots: dot_doubles,
    squares: square_doubles,
};

/// Visits how far the vectors in some slots are from a target.
fn measure_rows<N: Copy + Default + From<u8> + Sub<Output = N>>(
    held: &Rows<N>,
    slots: &[u32],
    target: &[N],
    (kernels, metric): (Kernels<N>, Metric),
    mut visit: impl FnMut(u32, N),
) {
    let numbers = |slot: u32| Cow::Borrowed(held.at(slot as usize));
    match metric {
        Metric::L2 => in_parts(slots, numbers, (kernels.squares, target), visit),
        Metric::Cosine | Metric::InnerProduct => {
            in_parts(slots, numbers, (kernels.dots, target), |slot, product| {
                visit(slot, N::from(1) - product);
            });
        }
    }
}

/// Vectors between which the graph asks for distances.
pub(super) struct BetweenSlots<'v> {
    pub numbers: &'v Numbers,
    pub metric: Metric,
}

impl Space for BetweenSlots<'_> {
    fn measure(&self, from: u32, nodes: &[u32], near: &mut Vec<Near>) {
        let metric = self.metric;
        let note = |node: u32, distance: f32| near.push(Near { distance, node });
        match self.numbers {
            Numbers::Shared(held) => held.measure_from(from, nodes, metric, note),
            Numbers::Single(held) => {
                measure_rows(held, nodes, held.at(from as usize), (SINGLES, metric), note);
            }
            Numbers::Double(held) => {
                let target = held.at(from as usize);
                let mut note = note;
                measure_rows(held, nodes, target, (DOUBLES, metric), |node, distance| {
                    note(node, distance as f32);
                });
            }
        }
    }
}
