//! A table of positions by hashes. Positions of a small one take two bytes, others four.

use super::buckets::{Long, Short};

/// Positions by the hashes of the items that stand there.
#[derive(Clone, Debug)]
pub enum Positions {
    Short(Short),
    Long(Long),
}

/// Positions that fit into two bytes.
const SHORT: usize = 1 << 16;

/// Writes one expression for both widths.
macro_rules! either {
    ($index:expr, $table:ident => $body:expr) => {
        match $index {
            Positions::Short($table) => $body,
            Positions::Long($table) => $body,
        }
    };
}

impl Positions {
    pub const fn new() -> Self {
        Positions::Short(Short::new())
    }

    pub fn with_capacity(capacity: usize) -> Self {
        if capacity <= SHORT {
            Positions::Short(Short::with_capacity(capacity))
        } else {
            Positions::Long(Long::with_capacity(capacity))
        }
    }

    pub fn len(&self) -> usize {
        either!(self, table => table.len())
    }

    /// How many positions it takes before it has to grow.
    #[inline]
    pub fn capacity(&self) -> usize {
        match self {
            Positions::Short(table) => table.capacity().min(SHORT),
            Positions::Long(table) => table.capacity(),
        }
    }

    pub fn allocation_size(&self) -> usize {
        either!(self, table => table.allocation_size())
    }

    /// Bytes of a position, and the byte that finds it.
    pub fn bytes_each(&self) -> usize {
        match self {
            Positions::Short(_) => size_of::<u16>() + 1,
            Positions::Long(_) => size_of::<u32>() + 1,
        }
    }

    /// The position with this hash that is the one sought.
    #[inline]
    pub fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        either!(self, table => table.find(hash, is_it))
    }

    /// Looks at where [`Positions::find`] will look.
    #[inline]
    pub fn touch(&self, hash: u64) -> u8 {
        either!(self, table => table.touch(hash))
    }

    /// Adds a position. Should it have to grow, which tables that are replaced in time don't, `hash_of` tells all hashes.
    #[inline]
    pub fn insert(&mut self, hash: u64, pos: usize, hash_of: impl Fn(usize) -> u64) {
        either!(self, table => table.insert(hash, pos, hash_of));
    }

    /// Takes a position out; whether it was there.
    pub fn remove(&mut self, hash: u64, pos: usize) -> bool {
        either!(self, table => table.remove(hash, pos))
    }

    /// Changes a position to another one; whether it was there.
    pub fn change(&mut self, hash: u64, from: usize, to: usize) -> bool {
        either!(self, table => table.change(hash, from, to))
    }
}
