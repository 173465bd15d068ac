//! An entry: a key, its value, and one word of bookkeeping, in 48 bytes.

use std::cell::Cell;

use super::access::Access;
use crate::types::{Bstr, Keyed, Value};

/// One key of a table.
#[derive(Debug)]
pub struct Entry {
    pub(super) key: Bstr,
    pub(super) value: Value,
    /// The key's node in the table's wheel; 0 for a key without a deadline.
    pub(super) timer: u32,
    /// Access clock in the low 24 bits, the side of the snapshot in the highest.
    word: Cell<u32>,
}

const SIDE: u32 = 1 << 31;
const ACCESS: u32 = (1 << 24) - 1;

impl Entry {
    pub(super) fn new(key: Bstr, value: Value, access: Access, side: bool) -> Self {
        let word = access.bits() & ACCESS | if side { SIDE } else { 0 };
        Entry {
            key,
            value,
            timer: 0,
            word: Cell::new(word),
        }
    }

    pub fn key_name(&self) -> &Bstr {
        &self.key
    }

    pub fn value(&self) -> &Value {
        &self.value
    }

    pub fn access(&self) -> Access {
        Access::from_bits(self.word.get() & ACCESS)
    }

    #[inline]
    pub(super) fn set_access(&self, access: Access) {
        self.word
            .set(self.word.get() & !ACCESS | access.bits() & ACCESS);
    }

    #[inline]
    pub(super) fn side(&self) -> bool {
        self.word.get() & SIDE != 0
    }

    pub(super) fn set_side(&self, side: bool) {
        self.word
            .set(self.word.get() & !SIDE | if side { SIDE } else { 0 });
    }

    /// Bytes on the heap beside the entry's own 48.
    pub fn heap_bytes(&self) -> usize {
        self.key.heap_bytes() + self.value.heap_bytes()
    }
}

impl Keyed for Entry {
    #[inline]
    fn key(&self) -> &[u8] {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<super::Entry>(), 48);
    }
}
