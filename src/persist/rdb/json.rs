//! Documents as ReJSON keeps them in files: a module's value of one part, the document's text.
//!
//! Versions 2 and 3 of it are alike to a reader: what 3 adds are documents that RediSearch indexes. RedisJSON 1 wrote version
//! 0, a document as a tree of parts, as RedisJSON 2 still reads it (`redis_json/src/backward.rs` there). Nothing reads version 1.

use super::fault::{Fault, Read};
use super::module_parts::ModuleParts;
use super::write::{RdbWriter, Spill};
use crate::types::json::{DEPTH_MAX, FieldName, JsonNode, parse_all, text_of};
use crate::types::{Json, Limits, Type, Value};

/// The type's name in files.
pub const NAME: &str = "ReJSON-RL";

/// The version that RedisJSON 2 writes.
const VERSION: u16 = 3;
/// The first that is a text.
const VERSION_TEXT: u16 = 2;
/// The one that is a tree.
const VERSION_TREE: u16 = 0;

pub fn read(parts: &mut ModuleParts<'_, '_>, version: u16, _: &Limits) -> Read<Value> {
    let root = match version {
        VERSION_TREE => tree(parts, 0)?,
        VERSION_TEXT..=VERSION => {
            let text = parts.text()?;
            parse_all(utf8(&text)?).map_err(|_| Fault::Says("a JSON document that is no JSON"))?
        }
        _ => {
            return Err(Fault::Says(
                "a JSON document in a form that RedisJSON 2 neither writes nor reads",
            ));
        }
    };
    Ok(Json { root }.wrap())
}

fn utf8(text: &[u8]) -> Read<&str> {
    std::str::from_utf8(text).map_err(|_| Fault::Says("a JSON document that is not UTF-8"))
}

/// What a node of a tree is.
mod node {
    pub const NULL: u64 = 1;
    pub const TEXT: u64 = 2;
    pub const DOUBLE: u64 = 4;
    pub const INT: u64 = 8;
    pub const BOOL: u64 = 16;
    pub const OBJECT: u64 = 32;
    pub const ARRAY: u64 = 64;
    /// A field of an object: its name, and then its value.
    pub const FIELD: u64 = 128;
}

/// A node of a tree that stands in so many others, with all that is in it.
fn tree(parts: &mut ModuleParts<'_, '_>, depth: usize) -> Read<JsonNode> {
    Ok(match parts.count()? {
        node::NULL => JsonNode::Null,
        node::TEXT => JsonNode::text(utf8(&parts.text()?)?.as_bytes()),
        node::DOUBLE => match parts.double()? {
            n if n.is_finite() => JsonNode::Float(n),
            _ => return Err(Fault::Broken),
        },
        // Modules save integers as if they had no sign.
        node::INT => JsonNode::Int(parts.count()? as i64),
        node::BOOL => JsonNode::Bool(parts.text()?.starts_with(b"1")),
        node::ARRAY | node::OBJECT if depth == DEPTH_MAX => return Err(Fault::Broken),
        node::ARRAY => {
            let mut nodes = Vec::new();
            for _ in 0..parts.count()? {
                nodes.push(tree(parts, depth + 1)?);
            }
            JsonNode::array(nodes)
        }
        node::OBJECT => {
            let mut fields = Vec::new();
            for _ in 0..parts.count()? {
                if parts.count()? != node::FIELD {
                    return Err(Fault::Broken);
                }
                let name = FieldName::new(utf8(&parts.text()?)?.as_bytes());
                fields.push((name, tree(parts, depth + 1)?));
            }
            JsonNode::object_of_any(fields)
        }
        _ => return Err(Fault::Broken),
    })
}

impl<S: Spill> RdbWriter<S> {
    pub(super) fn json(&mut self, json: &Json) {
        self.module_head(NAME, u64::from(VERSION));
        self.module_text(&text_of(&json.root));
        self.module_end();
    }
}
