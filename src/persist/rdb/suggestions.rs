//! Suggestions as RediSearch keeps them in files: how many there are, then the text, score and payload of each, the texts
//! ending in a zero.

use super::fault::{Fault, Read};
use super::module_parts::ModuleParts;
use super::write::{RdbWriter, Spill};
use crate::types::suggestions::Suggestions;
use crate::types::{Limits, Type, Value};

/// The type's name in files.
pub const NAME: &str = "trietype0";

/// The version that RediSearch 2.10 writes: the first with payloads.
const VERSION: u16 = 1;

pub fn read(parts: &mut ModuleParts<'_, '_>, version: u16, _: &Limits) -> Read<Value> {
    if version > VERSION {
        return Err(Fault::Says(
            "suggestions in a form that is newer than RediSearch 2.10's",
        ));
    }
    let mut held = Suggestions::default();
    for _ in 0..parts.count()? {
        let text = parts.text()?;
        let text = text.strip_suffix(b"\0").unwrap_or(&text);
        let text = std::str::from_utf8(text).map_err(|_| Fault::Broken)?;
        let score = parts.double()? as f32;
        let payload = match version {
            0 => Default::default(),
            _ => parts.text()?,
        };
        // RediSearch writes one byte more than there is, whatever stands there in its memory.
        let payload = payload.split_last().map_or(&[][..], |(_, held)| held);
        held.add(text, score, false, Some(payload));
    }
    Ok(held.wrap())
}

impl<S: Spill> RdbWriter<S> {
    pub(super) fn suggestions(&mut self, held: &Suggestions) {
        self.module_head(NAME, u64::from(VERSION));
        self.module_count(held.len() as u64);
        for (text, one) in held.iter() {
            self.module_text(&[text.as_bytes(), b"\0"].concat());
            self.module_double(f64::from(one.score));
            let payload = one.payload.as_deref().unwrap_or_default();
            self.module_text(&[payload, b"\0"].concat());
        }
        self.module_end();
    }
}
