//! Vectors that are held as the bytes of the hashes that they are of.

use std::borrow::Cow;
use std::ops::Deref;

use super::sketch::Sketch;
use crate::search::distance::{dot_singles, in_parts, length, square_singles};
use crate::search::numerals::singles;
use crate::search::schema::{Metric, Numeral};
use crate::types::{Rows, SharedBytes};

/// Bytes of pointers that are copied together where copies of an index are held.
const SHARED_PART_BYTES: usize = 4 * 1024;
/// Vectors that are the bytes of documents.
#[derive(Clone, Debug)]
pub(super) struct SharedVectors {
    blobs: Rows<SharedBytes>,
    /// What gives each the length 1, if directions are compared.
    scales: Rows<f32>,
}

/// A document's vector as its bytes.
#[derive(Clone, Debug)]
pub(in crate::search) enum VectorBlob {
    Own(Vec<u8>),
    Shared(SharedBytes),
}

impl Deref for VectorBlob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            VectorBlob::Own(bytes) => bytes,
            VectorBlob::Shared(bytes) => bytes,
        }
    }
}

impl From<VectorBlob> for SharedBytes {
    fn from(blob: VectorBlob) -> Self {
        match blob {
            VectorBlob::Own(bytes) => SharedBytes::new(bytes.into()),
            VectorBlob::Shared(bytes) => bytes,
        }
    }
}

impl SharedVectors {
    pub fn new() -> Self {
        SharedVectors {
            blobs: Rows::in_parts_of(SHARED_PART_BYTES, 1),
            scales: Rows::in_parts_of(SHARED_PART_BYTES, 1),
        }
    }

    pub fn push(&mut self, blob: SharedBytes, metric: Metric) {
        let held = floats(&blob);
        let length = match metric {
            Metric::Cosine => length(&held),
            Metric::L2 | Metric::InnerProduct => 1.0,
        };
        drop(held);
        self.scales
            .push([if length > 0.0 { length.recip() } else { 1.0 }]);
        self.blobs.push([blob]);
    }

    fn numbers(&self, slot: usize) -> Cow<'_, [f32]> {
        floats(&self.blobs.at(slot)[0])
    }

    pub fn sketch(&self, slot: usize) -> Sketch {
        Sketch::new(&self.numbers(slot), self.scale(slot))
    }

    fn scale(&self, slot: usize) -> f32 {
        self.scales.at(slot)[0]
    }

    /// Visits the distances of some slots' vectors from a target, whose numbers are to be multiplied with a scale, too.
    pub fn measure(
        &self,
        slots: &[u32],
        (target, scale): (&[f32], f32),
        metric: Metric,
        mut visit: impl FnMut(u32, f32),
    ) {
        let numbers = |slot: u32| self.numbers(slot as usize);
        match metric {
            Metric::L2 => in_parts(slots, numbers, (square_singles, target), visit),
            Metric::Cosine | Metric::InnerProduct => {
                in_parts(slots, numbers, (dot_singles, target), |slot, product| {
                    visit(slot, 1.0 - product * (scale * self.scale(slot as usize)));
                });
            }
        }
    }

    /// Visits the distances of some slots' vectors from that in another one.
    pub fn measure_from(
        &self,
        from: u32,
        slots: &[u32],
        metric: Metric,
        visit: impl FnMut(u32, f32),
    ) {
        let from = from as usize;
        self.measure(
            slots,
            (&self.numbers(from), self.scale(from)),
            metric,
            visit,
        );
    }

    /// Whether a vector is made of these bytes.
    pub fn holds(&self, slot: usize, blob: &[u8]) -> bool {
        *self.blobs.at(slot)[0] == *blob
    }

    /// Puts other bytes in the place of a vector's, which are the same.
    pub fn replace(&mut self, slot: usize, blob: SharedBytes) {
        self.blobs.at_mut(slot)[0] = blob;
    }

    pub fn swap_remove(&mut self, slot: usize) {
        self.blobs.swap_remove(slot);
        self.scales.swap_remove(slot);
    }

    /// What it takes, but for the bytes that documents hold.
    pub fn heap_bytes(&self) -> usize {
        let blobs = (0..self.blobs.len()).map(|slot| &self.blobs.at(slot)[0]);
        let alone = blobs.filter(|blob| blob.is_alone());
        let own: usize = alone.map(SharedBytes::heap_bytes).sum();
        own + self.blobs.heap_bytes() + self.scales.heap_bytes()
    }
}

/// The numbers of a vector: where they are, if they stand there as numbers must.
fn floats(blob: &[u8]) -> Cow<'_, [f32]> {
    match bytemuck::try_cast_slice(blob) {
        Ok(numbers) => Cow::Borrowed(numbers),
        Err(_) => Cow::Owned(singles(Numeral::Float32, blob)),
    }
}
