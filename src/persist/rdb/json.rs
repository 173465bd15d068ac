//! Documents as ReJSON keeps them in files: a module's value of one part, the document's text.
//!
//! Versions 2 and 3 of it are alike to a reader: what 3 adds are documents that RediSearch indexes. Before them, a document
//! was a tree of parts, which no server since 2021 writes.

use super::modules::ModuleParts;
use super::read::{Fault, Read};
use super::write::{Spill, Writer};
use crate::types::json::{parse_all, text_of};
use crate::types::{Json, Limits, Type, Value};

/// The type's name in files.
pub const NAME: &str = "ReJSON-RL";

/// The version that RedisJSON 2 writes.
const VERSION: u16 = 3;
/// The first that is a text.
const VERSION_TEXT: u16 = 2;

pub fn read(parts: &mut ModuleParts<'_, '_>, version: u16, _: &Limits) -> Read<Value> {
    if !(VERSION_TEXT..=VERSION).contains(&version) {
        return Err(Fault::Says(
            "a JSON document in a form that only RedisJSON 1 writes",
        ));
    }
    let text = parts.text()?;
    let text =
        std::str::from_utf8(&text).map_err(|_| Fault::Says("a JSON document that is not UTF-8"))?;
    let root = parse_all(text).map_err(|_| Fault::Says("a JSON document that is no JSON"))?;
    Ok(Json { root }.wrap())
}

impl<S: Spill> Writer<S> {
    pub(super) fn json(&mut self, json: &Json) {
        self.module_head(NAME, u64::from(VERSION));
        self.module_text(&text_of(&json.root));
        self.module_end();
    }
}
