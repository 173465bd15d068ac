//! The values that keys hold, and the bytes they are made of.
//!
//! Nothing here knows a key, a clock, a reply or chance: time and random numbers come in as arguments.

pub mod bstr;
mod buckets;
mod deadlines;
pub mod dense;
pub mod geo;
pub mod graph;
pub mod hash;
pub mod hyperloglog;
mod index;
pub mod intset;
pub mod json;
pub mod list;
pub mod listpack;
mod ordmap;
mod positions;
mod rows;
mod seen;
pub mod set;
pub mod stream;
pub mod suggestions;
pub mod text;
mod value;
pub mod vectors;
pub mod zset;

pub use crate::util::piece::Piece;
pub use bstr::{Bstr, SharedBytes};
pub use deadlines::{PART_DEADLINE_MAX_MS, Timed};
pub use dense::{Dense, Far, Keyed};
pub use hash::{Hash, HashRef};
pub use json::Json;
pub use list::List;
pub use listpack::{Listpack, PackRef};
pub use ordmap::{OrdMap, OrdSet};
pub use rows::Rows;
pub use seen::TypeRef;
pub use set::{LiveSet, Set};
pub use stream::Stream;
pub use suggestions::Suggestions;
pub use text::{Text, TextRef};
pub(crate) use value::each_type;
pub use value::{Kind, Type, Unbox, Value, ValueMut, ValueRef};
pub use vectors::VectorSet;
pub use zset::ZSet;

/// Up to where a collection stays in its compact form: the `*-max-*` directives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub hash_entries: usize,
    pub hash_value: usize,
    /// Positive: elements in a list's node; -1 to -5: 4, 8, 16, 32 or 64 KiB of it.
    pub list_size: i64,
    pub set_ints: usize,
    pub set_entries: usize,
    pub set_value: usize,
    pub zset_entries: usize,
    pub zset_value: usize,
    /// Bytes and entries of a stream's node; 0 for no limit.
    pub stream_node_bytes: usize,
    pub stream_node_entries: usize,
    /// Bytes of a string that a short form of it may ask for.
    pub text_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            hash_entries: 128,
            hash_value: 64,
            list_size: -2,
            set_ints: 512,
            set_entries: 128,
            set_value: 64,
            zset_entries: 128,
            zset_value: 64,
            stream_node_bytes: 4096,
            stream_node_entries: 100,
            text_bytes: 512 << 20,
        }
    }
}

/// The position below which a scan goes on: 0 begins at the top, and so does one beyond the end, which
/// shrank meanwhile.
fn scan_start(cursor: u64, len: usize) -> usize {
    match usize::try_from(cursor) {
        Ok(0) => len,
        Ok(pos) => pos.min(len),
        Err(_) => len,
    }
}
