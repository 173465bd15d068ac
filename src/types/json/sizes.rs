//! How large a value in a document is: how deep, how many nodes, how many blocks, how many bytes.

use super::array::LongArray;
use super::fields::{ManyField, ManyFields};
use super::node::{ArrayView, JsonNode, ObjectView};
use super::text::{FieldName, long_bytes};

/// So many values are looked at in the time in which a block is freed.
const NODES_A_BLOCK: usize = 16;

impl JsonNode {
    /// How many containers stand in one another.
    pub fn depth(&self) -> usize {
        let deepest = |nodes: &[JsonNode]| nodes.iter().map(JsonNode::depth).max().unwrap_or(0);
        match self {
            JsonNode::Array(held) => 1 + deepest(&held.slice),
            JsonNode::Object(held) => 1 + deepest(&held.slice),
            JsonNode::LongArray(_) | JsonNode::LongObject(_) => {
                1 + self.children().map(JsonNode::depth).max().unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// How many blocks freeing it would free, as far as anyone wants to know, and what it takes to look at all values. Names of
    /// objects that were read are shared.
    pub fn blocks(&self, enough: usize) -> usize {
        let fields = self.as_object().map_or(0, ObjectView::len);
        let values = fields + self.as_array().map_or(0, ArrayView::len);
        let own = 1 + values / NODES_A_BLOCK;
        if own >= enough {
            return own;
        }
        own + match self {
            JsonNode::Array(held) => blocks_in(held.slice.iter(), enough),
            JsonNode::Object(held) => blocks_in(held.slice.iter(), enough),
            JsonNode::LongArray(held) => blocks_in(held.iter(), enough),
            JsonNode::LongObject(held) => {
                let is_long =
                    |field: &&ManyField<JsonNode>| matches!(field.name, FieldName::Long(_));
                let nodes = held.iter().map(|field| &field.node);
                held.iter().filter(is_long).count() + blocks_in(nodes, enough)
            }
            _ => 0,
        }
    }

    /// How many nodes there are.
    pub fn count(&self) -> usize {
        1 + self.children().map(JsonNode::count).sum::<usize>()
    }

    /// Bytes on the heap. What copies share is counted in full, but for names.
    pub fn heap_bytes(&self) -> usize {
        let own = match self {
            JsonNode::Long(text) => long_bytes(text),
            JsonNode::Array(held) => 16 + size_of_val(&held.slice),
            JsonNode::LongArray(held) => 8 + size_of::<LongArray<JsonNode>>() + held.heap_bytes(),
            JsonNode::Object(held) => {
                24 + size_of_val(&held.slice) + held.header.header.heap_bytes()
            }
            JsonNode::LongObject(held) => {
                let names: usize = held.iter().map(|field| field.name.heap_bytes()).sum();
                8 + size_of::<ManyFields<JsonNode>>() + held.heap_bytes() + names
            }
            _ => 0,
        };
        own + self.children().map(JsonNode::heap_bytes).sum::<usize>()
    }
}

/// The blocks of what is in a container.
fn blocks_in<'n>(nodes: impl Iterator<Item = &'n JsonNode>, enough: usize) -> usize {
    let mut blocks = 0;
    for node in nodes {
        blocks += match node {
            JsonNode::Long(_) => 1,
            held if held.is_container() => held.blocks(enough.saturating_sub(blocks)),
            _ => continue,
        };
        if blocks >= enough {
            break;
        }
    }
    blocks
}
