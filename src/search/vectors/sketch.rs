//! Rough copies of vectors, a byte for each number: what is nearest is sought among these, as that takes a quarter of the memory to
//! be looked at. What is found is measured anew by the vectors themselves.

use std::hint::black_box;
use std::ops::RangeInclusive;

use pulp::{Arch, Simd, WithSimd};

use crate::search::distance::TOGETHER;
use crate::search::schema::Metric;
use crate::types::Rows;
use crate::types::graph::{Near, Space};

/// Vectors of fewer numbers are compared as quickly themselves.
pub(super) const NUMBERS_MIN: usize = 64;
/// Steps from zero to the largest number of a vector.
const STEPS: f32 = 127.0;
/// What the processor brings from memory at a time.
const LINE: usize = 64;
/// Sketches that are copied together where copies of an index are held.
const PART_BYTES: usize = 64 * 1024;
/// Between these is the largest number of a vector that has a sketch: squares of smaller ones and of larger ones are not held by
/// single floats. Of other vectors, and of those with what is no number, a sketch tells nothing.
const PLAIN: RangeInclusive<f32> = 1e-12..=1e12;
/// What is lost by reckoning with single floats, here and where the vectors themselves are compared, beside what sketches lose: a
/// part of the lengths.
const ROUNDING: f32 = 1e-4;
/// What an error is multiplied with, so that it is not rounded to less than it is.
const ROUNDED_UP: f64 = 1.0 + 1e-6;
/// Errors of the numbers mostly point in other directions than the vectors: so many times what is left on average is rare.
const RARE: f32 = 4.0;

/// What a sketch's bytes stand for.
#[derive(Clone, Copy, Debug)]
struct SketchScale {
    /// What one step is worth.
    step: f32,
    /// The length of the vector that the bytes stand for.
    length: f32,
    /// How far that is from the vector itself; endless if it can't be told.
    error: f32,
}

impl SketchScale {
    fn is_known(&self) -> bool {
        self.error.is_finite()
    }
}

/// The sketch of a vector with which others are compared.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    bytes: Vec<i8>,
    scale: SketchScale,
}

impl Sketch {
    /// Of these numbers, each multiplied with a factor.
    pub fn new(numbers: &[f32], factor: f32) -> Self {
        let largest = numbers.iter().fold(0.0, |most: f32, n| most.max(n.abs()));
        let step = largest / STEPS;
        let is_plain = PLAIN.contains(&largest) && numbers.iter().all(|n| n.is_finite());
        let per_step = if is_plain { step.recip() } else { 0.0 };
        let bytes: Vec<i8> = numbers
            .iter()
            .map(|n| (n * per_step).round() as i8)
            .collect();
        let (mut square, mut lost) = (0.0, 0.0);
        for (n, byte) in numbers.iter().zip(&bytes) {
            let held = f64::from(*byte) * f64::from(step);
            square += held * held;
            lost += (f64::from(*n) - held) * (f64::from(*n) - held);
        }
        let is_known = is_plain || numbers.iter().all(|n| *n == 0.0);
        let error = match is_known {
            true => (lost.sqrt() * ROUNDED_UP) as f32 * factor,
            false => f32::INFINITY,
        };
        Sketch {
            bytes,
            scale: SketchScale {
                step: step * factor,
                length: square.sqrt() as f32 * factor,
                error,
            },
        }
    }

    /// Whether it tells anything of its vector.
    pub fn is_known(&self) -> bool {
        self.scale.is_known()
    }
}

/// How slots stand to each other that are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SketchOrder {
    /// One behind the other, which the processor sees, and fetches what comes next.
    Growing,
    Any,
}

/// The sketches of the vectors in slots.
#[derive(Clone, Debug)]
pub(super) struct Sketches {
    bytes: Rows<i8>,
    scales: Rows<SketchScale>,
    metric: Metric,
    /// How many of them tell nothing.
    unknown: usize,
}

impl Sketches {
    pub fn new(dim: usize, metric: Metric) -> Self {
        Sketches {
            bytes: Rows::in_parts_of(PART_BYTES, dim),
            scales: Rows::in_parts_of(PART_BYTES / 8, 1),
            metric,
            unknown: 0,
        }
    }

    /// Whether all of them tell something: of others, a walk would not know where they stand.
    pub fn are_known(&self) -> bool {
        self.unknown == 0
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes.heap_bytes() + self.scales.heap_bytes()
    }

    pub fn push(&mut self, sketch: Sketch) {
        self.unknown += usize::from(!sketch.is_known());
        self.bytes.push(sketch.bytes);
        self.scales.push([sketch.scale]);
    }

    pub fn swap_remove(&mut self, slot: usize) {
        self.unknown -= usize::from(!self.scales.at(slot)[0].is_known());
        self.bytes.swap_remove(slot);
        self.scales.swap_remove(slot);
    }

    fn scale(&self, slot: u32) -> SketchScale {
        self.scales.at(slot as usize)[0]
    }

    /// Looks at the memory of some sketches: all of it is on its way before the first is compared.
    fn call(&self, slots: &[u32]) {
        let mut seen = 0;
        for slot in slots {
            let (bytes, scale) = (self.bytes.at(*slot as usize), self.scale(*slot));
            seen ^= scale.step.to_bits() as i8;
            for line in bytes.chunks(LINE) {
                seen ^= line[0];
            }
        }
        black_box(seen);
    }

    /// Visits some slots with the distances of their sketches from another one.
    fn measure(
        &self,
        (slots, order): (&[u32], SketchOrder),
        (bytes, scale): (&[i8], SketchScale),
        mut visit: impl FnMut(u32, f32),
    ) {
        for slots in slots.chunks(TOGETHER) {
            if order == SketchOrder::Any {
                self.call(slots);
            }
            let mut products = [0; TOGETHER];
            Arch::new().dispatch(Products {
                target: bytes,
                slots,
                rows: &self.bytes,
                products: &mut products,
            });
            for (slot, product) in slots.iter().zip(products) {
                let own = self.scale(*slot);
                let product = product as f32 * scale.step * own.step;
                let distance = match self.metric {
                    Metric::Cosine | Metric::InnerProduct => 1.0 - product,
                    Metric::L2 => {
                        let squares = scale.length * scale.length + own.length * own.length;
                        (squares - 2.0 * product).max(0.0)
                    }
                };
                visit(*slot, distance);
            }
        }
    }

    /// Visits some slots with the distances of their sketches from a target's.
    pub fn rough(&self, slots: &[u32], target: &Sketch, visit: impl FnMut(u32, f32)) {
        let order = SketchOrder::Any;
        self.measure((slots, order), (&target.bytes, target.scale), visit);
    }

    /// Visits some slots, most of which stand side by side, with what their vectors are at least away from the target.
    pub fn at_least(&self, slots: &[u32], target: &Sketch, mut visit: impl FnMut(u32, f32)) {
        let to = target.scale;
        let order = SketchOrder::Growing;
        self.measure((slots, order), (&target.bytes, to), |slot, distance| {
            let own = self.scale(slot);
            let least = match self.metric {
                Metric::Cosine | Metric::InnerProduct => {
                    let lost = own.error * (to.length + to.error) + to.error * own.length;
                    distance - lost - ROUNDING * (1.0 + own.length * to.length)
                }
                Metric::L2 => {
                    let lengths = own.length * own.length + to.length * to.length;
                    let apart = (distance - ROUNDING * lengths).max(0.0).sqrt();
                    let apart = (apart - own.error - to.error).max(0.0);
                    apart * apart
                }
            };
            // Where nothing is known, no distance is too small.
            let least = if least.is_nan() {
                f32::NEG_INFINITY
            } else {
                least
            };
            visit(slot, least);
        });
    }

    /// By how much the distances of vectors about as far from a target as the one in a slot may rarely differ from those of their
    /// sketches.
    fn blur(&self, slot: u32, to: SketchScale, distance: f32) -> f32 {
        let own = self.scale(slot);
        let spread = RARE / (self.bytes.width() as f32).sqrt();
        let blur = match self.metric {
            Metric::Cosine | Metric::InnerProduct => own.error * to.length + to.error * own.length,
            Metric::L2 => 2.0 * distance.max(0.0).sqrt() * (own.error + to.error),
        };
        spread * blur + ROUNDING * (own.length * own.length + to.length * to.length)
    }

    /// Whether what was found near a target, from the nearest on, is too close together to be told apart by sketches.
    pub fn are_blurred(&self, near: &[Near], target: &Sketch) -> bool {
        self.blurred(near, target.scale)
    }

    /// Whether what was found near the vector in a slot is.
    pub fn are_blurred_around(&self, near: &[Near], slot: u32) -> bool {
        self.blurred(near, self.scale(slot))
    }

    fn blurred(&self, near: &[Near], to: SketchScale) -> bool {
        let [first, .., last] = near else {
            return false;
        };
        let apart = last.distance - first.distance;
        let is_clear = apart > self.blur(last.node, to, last.distance);
        // What is no number is not clear, either.
        !is_clear
    }
}

/// Sketches between which the graph asks for distances.
impl Space for Sketches {
    fn measure(&self, from: u32, nodes: &[u32], near: &mut Vec<Near>) {
        let target = (self.bytes.at(from as usize), self.scale(from));
        self.measure((nodes, SketchOrder::Any), target, |node, distance| {
            near.push(Near { distance, node });
        });
    }
}

/// The products of a sketch with those in some slots, by the widest instructions that the processor has.
struct Products<'v> {
    target: &'v [i8],
    slots: &'v [u32],
    rows: &'v Rows<i8>,
    products: &'v mut [i32; TOGETHER],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (slot, product) in self.slots.iter().zip(self.products) {
            let other = self.rows.at(*slot as usize);
            // A loop, as a sum would be a function, which is not compiled for these instructions unless it is inlined.
            for (a, b) in self.target.iter().zip(other) {
                *product += i32::from(*a) * i32::from(*b);
            }
        }
    }
}
