//! An index of positions: which of many items has a hash. Positions of a small one take two bytes, others four.

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

/// Positions by the hashes of the items that stand there.
#[derive(Clone, Debug)]
pub enum Positions {
    Short(HashTable<u16>),
    Long(HashTable<u32>),
}

/// Positions that fit into two bytes.
const SHORT: usize = 1 << 16;
/// How many a table of that size takes before it grows.
const SHORT_CAPACITY: usize = SHORT / 8 * 7;

/// The same words for both widths.
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
        Positions::Short(HashTable::new())
    }

    pub fn with_capacity(capacity: usize) -> Self {
        if capacity <= SHORT_CAPACITY {
            Positions::Short(HashTable::with_capacity(capacity))
        } else {
            Positions::Long(HashTable::with_capacity(capacity))
        }
    }

    pub fn len(&self) -> usize {
        either!(self, table => table.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many positions it takes before it has to grow.
    pub fn capacity(&self) -> usize {
        either!(self, table => table.capacity())
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
        either!(self, table => table.find(hash, |pos| is_it(*pos as usize)).map(|pos| *pos as usize))
    }

    /// A position with this hash, likely the one sought.
    #[inline]
    pub fn likely(&self, hash: u64) -> Option<usize> {
        self.find(hash, |_| true)
    }

    /// Adds a position. Should it have to grow, which tables that are replaced in time don't, `hash_of` tells all hashes.
    #[inline]
    pub fn insert(&mut self, hash: u64, pos: usize, hash_of: impl Fn(usize) -> u64) {
        match self {
            Positions::Short(table) => {
                assert!(
                    pos < SHORT,
                    "a table of so many has been replaced by a long one"
                );
                table.insert_unique(hash, pos as u16, |pos| hash_of(usize::from(*pos)));
            }
            Positions::Long(table) => {
                table.insert_unique(hash, pos as u32, |pos| hash_of(*pos as usize));
            }
        }
    }

    /// Takes a position out; whether it was there.
    pub fn remove(&mut self, hash: u64, pos: usize) -> bool {
        either!(self, table => {
            let found = table.find_entry(hash, |held| *held as usize == pos);
            found.map(OccupiedEntry::remove).is_ok()
        })
    }

    /// Changes a position to another one; whether it was there.
    pub fn change(&mut self, hash: u64, from: usize, to: usize) -> bool {
        either!(self, table => match table.find_mut(hash, |held| *held as usize == from) {
            Some(held) => {
                *held = to as _;
                true
            }
            None => false,
        })
    }
}
