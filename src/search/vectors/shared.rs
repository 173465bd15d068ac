//! Vectors that are held as the bytes of the hashes that they are of.

use std::borrow::Cow;
use std::ops::Deref;

use crate::search::distance::{dot_single, square_single};
use crate::search::numerals::singles;
use crate::search::schema::{Metric, Numeral};
use crate::types::{Rows, SharedBytes};

/// Bytes of pointers that are copied together where copies of an index are held.
const SHARED_PART_BYTES: usize = 4 * 1024;
/// Bytes that come into the cache together.
const LINE_BYTES: usize = 64;
/// From so many on, the processor itself goes on to the next ones.
const LINES_WARMED: usize = 3;

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
            Metric::Cosine => dot_single(&held, &held).sqrt(),
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

    fn scale(&self, slot: usize) -> f32 {
        self.scales.at(slot)[0]
    }

    pub fn distance(&self, slot: usize, target: &[f32], metric: Metric) -> f32 {
        match metric {
            Metric::L2 => square_single(&self.numbers(slot), target),
            _ => 1.0 - dot_single(&self.numbers(slot), target) * self.scale(slot),
        }
    }

    pub fn between(&self, one: usize, other: usize, metric: Metric) -> f32 {
        match metric {
            Metric::L2 => square_single(&self.numbers(one), &self.numbers(other)),
            _ => {
                let product = dot_single(&self.numbers(one), &self.numbers(other));
                1.0 - product * self.scale(one) * self.scale(other)
            }
        }
    }

    /// Calls vectors into the cache: what stands at one place of memory is waited for while what stands at others is.
    #[inline]
    pub fn warm(&self, slots: impl Iterator<Item = usize>) {
        let begun = slots.fold(0, |sum, slot| {
            let lines = self.blobs.at(slot)[0].iter().step_by(LINE_BYTES);
            lines.take(LINES_WARMED).fold(sum, |sum, byte| sum ^ byte)
        });
        std::hint::black_box(begun);
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
