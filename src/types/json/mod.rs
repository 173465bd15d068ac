//! A JSON document.
//!
//! It is a tree of nodes of sixteen bytes. A copy shares all of it, and an edit copies the containers on the way to its
//! place, where they are shared: a running snapshot costs what is edited meanwhile, however large the document is.

mod array;
mod fields;
mod names;
mod node;
mod parse;
pub mod path;
mod plain;
mod read;
mod sizes;
mod text;
mod write;

pub use node::{ArrayView, JsonNode, JsonSeen, ObjectView, PathStep};
pub use parse::{parse, parse_all};
pub use text::FieldName;
pub use write::{Spacing, TextWriter, text_of};

use super::TypeRef;

/// How many containers may stand in one another, as in RedisJSON.
pub const DEPTH_MAX: usize = 127;

/// Most of a document's blocks were allocated one after another. As many of them as this are freed in the time of one piece of
/// another type.
const BLOCKS_A_PIECE: usize = 8;

/// More blocks than anyone frees while a client waits.
const MANY: usize = 80 * BLOCKS_A_PIECE;

/// A document, by its root.
#[derive(Clone, Debug, Default)]
pub struct Json {
    pub root: JsonNode,
}

impl<'a> TypeRef<'a> for &'a Json {
    type Whole = Json;

    fn see(json: &'a Json) -> Self {
        json
    }

    fn encoding(self) -> &'static str {
        "raw"
    }

    fn heap_bytes(self) -> usize {
        self.root.heap_bytes()
    }

    fn detached(self) -> Json {
        self.clone()
    }

    fn free_effort(self) -> usize {
        self.root.blocks(MANY) / BLOCKS_A_PIECE
    }

    fn is_one_piece(self) -> bool {
        !self.root.is_container()
    }
}

#[cfg(test)]
mod tests;
