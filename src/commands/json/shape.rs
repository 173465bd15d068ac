//! Values as values of the protocol, which RESP3 has more of.

use super::place::TOO_LARGE;
use crate::command::Fail;
use crate::resp::Reply;
use crate::types::json::{JsonNode, JsonSeen, Spacing, TextWriter};

/// In which form values are answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ReplyShape {
    Text,
    /// As values of the protocol, but containers and texts as JSON text.
    Flat,
    /// As values of the protocol.
    Expanded,
}

/// A value as RESP3 has it. The reply must not become longer than `end`.
pub fn spread(
    node: &JsonNode,
    shape: ReplyShape,
    spacing: Spacing<'_>,
    out: &mut Reply,
    end: usize,
) -> Result<(), Fail> {
    let room = end.checked_sub(out.len()).ok_or(TOO_LARGE)?;
    match node.see() {
        JsonSeen::Null => out.null(),
        JsonSeen::Bool(yes) => out.bool(yes),
        JsonSeen::Int(n) => out.int(n),
        JsonSeen::Large(n) => out.double(n as f64),
        JsonSeen::Float(n) => out.double(n),
        _ if shape == ReplyShape::Flat => {
            out.bulk_by(|out| {
                let mut text = TextWriter::new(out, spacing, room);
                text.node(node);
                text.finish().ok_or(TOO_LARGE)
            })?;
        }
        JsonSeen::Text(text) => out.bulk(text),
        JsonSeen::Array(elements) => {
            out.array(elements.len());
            for node in elements.iter() {
                spread(node, shape, spacing, out, end)?;
            }
        }
        JsonSeen::Object(fields) => {
            out.map(fields.len());
            for (name, node) in fields.iter() {
                out.bulk(name.as_bytes());
                spread(node, shape, spacing, out, end)?;
            }
        }
    }
    Ok(())
}
