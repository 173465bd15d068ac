//! What is asked of a value, whatever its type: each type answers for itself, through what its readers see.

use std::fmt::Debug;

use super::dense::Far;

/// What a value says of itself to whoever knows its type no better: each type implements it, beside its own methods.
pub trait TypeRef<'a>: Copy + Debug {
    /// The type whose values are seen so.
    type Whole;

    fn see(whole: &'a Self::Whole) -> Self;

    /// OBJECT ENCODING's word.
    fn encoding(self) -> &'static str;

    /// Bytes that it takes on the heap, its own structure not counted.
    fn heap_bytes(self) -> usize;

    /// A copy that no table's wheel knows of.
    fn detached(self) -> Self::Whole;

    /// A copy to read through from end to end, made in a moment however large the value is: the two
    /// share their parts, and what a later edit touches it copies first. Nothing is found by name in it.
    fn frozen(self) -> Self::Whole {
        self.detached()
    }

    /// How many pieces dropping it frees: what decides whether a client may wait for that.
    fn free_effort(self) -> usize {
        1
    }

    /// Whether dropping it frees one piece at most, for those that count their pieces slowly.
    fn is_one_piece(self) -> bool {
        self.free_effort() <= 1
    }

    /// A collection without elements, which no key may hold.
    fn holds_nothing(self) -> bool {
        false
    }

    /// Fields or members of a large collection, to look for this one.
    fn far(self, _member: &[u8]) -> Option<&'a dyn Far> {
        None
    }
}
