//! What modules of other servers leave in files: values and auxiliary records, made of parts that tell their lengths.
//!
//! Whoever adds a type that a module brings elsewhere gives it its reader in [`TYPES`], and nowhere else: files, payloads and
//! full syncs find it there by the module's name. A type without a reader is stepped over and counted.

use super::fault::{Fault, Read};
use super::json;
use super::members;
use super::module_parts::{ModuleParts, part};
use super::read::RdbReader;
use super::suggestions;
use super::vectors;
use super::write::{RdbWriter, Spill};
use crate::types::{Limits, Value};

/// Reads a value of a module's type from its parts; the number is the version in which the module wrote it.
pub type ReadValue = fn(&mut ModuleParts<'_, '_>, u16, &Limits) -> Read<Value>;

/// A type that a module brings.
struct ModuleType {
    /// Nine letters, as files name it.
    name: &'static str,
    /// What people call its values.
    called: &'static str,
    /// What reads a value of it; nothing as long as this server has no such type.
    read: Option<ReadValue>,
}

const fn unread(name: &'static str, called: &'static str) -> ModuleType {
    ModuleType {
        name,
        called,
        read: None,
    }
}

/// Every type that is known by name.
const TYPES: &[ModuleType] = &[
    ModuleType {
        name: json::NAME,
        called: "JSON document",
        read: Some(json::read),
    },
    ModuleType {
        name: "vectorset",
        called: "vector set",
        read: Some(vectors::read),
    },
    ModuleType {
        name: suggestions::NAME,
        called: "suggestion dictionary",
        read: Some(suggestions::read),
    },
    ModuleType {
        name: members::NAME,
        called: "set whose members have deadlines",
        read: Some(members::read),
    },
    unread("MBbloom--", "Bloom filter"),
    unread("bloomfltr", "Bloom filter"),
    unread("MBbloomCF", "cuckoo filter"),
    unread("CMSk-TYPE", "count-min sketch"),
    unread("TopK-TYPE", "top-k list"),
    unread("TDIS-TYPE", "t-digest"),
    unread("TSDB-TYPE", "time series"),
    unread("graphdata", "graph"),
];

fn type_of(id: u64) -> Option<&'static ModuleType> {
    let name = name(id);
    TYPES.iter().find(|known| known.name == name)
}

/// What reads values of the type with this number, if this server has it.
pub(super) fn reader(id: u64) -> Option<ReadValue> {
    type_of(id)?.read
}

/// The version in which a module wrote: the lowest bits of its number.
pub(super) fn version(id: u64) -> u16 {
    (id & 0x3ff) as u16
}

/// What a value of the type with this number is called where people read it.
pub(super) fn called(id: u64) -> String {
    let name = name(id);
    match type_of(id) {
        Some(known) => format!("{} ({name})", known.called),
        None => format!("value of module type {name}"),
    }
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Letters of six bits each, the first one highest, above `low` other bits.
fn letters(packed: u64, count: u32, low: u32) -> String {
    let letter = |at: u32| LETTERS[(packed >> (low + 6 * (count - 1 - at)) & 63) as usize];
    (0..count).map(|at| char::from(letter(at))).collect()
}

/// The name of a type by its number: nine letters, above ten bits of version.
pub(super) fn name(id: u64) -> String {
    letters(id, 9, 10)
}

/// The name of a class of metadata by its number: four letters, above five bits of version and three of flags.
pub(super) fn class_name(spec: u32) -> String {
    letters(u64::from(spec), 4, 8)
}

impl<S: Spill> RdbWriter<S> {
    /// Begins a value of a module's type: the number of the type by its name and version.
    pub(super) fn module_head(&mut self, name: &str, version: u64) {
        self.len(id_of(name, version));
    }
}

/// The number of a type, as modules compute it.
fn id_of(name: &str, version: u64) -> u64 {
    let value = |letter: u8| LETTERS.iter().position(|known| *known == letter);
    let bits = name.bytes().fold(0, |bits, letter| {
        bits << 6 | value(letter).expect("types have names of these letters") as u64
    });
    bits << 10 | version
}

impl RdbReader<'_> {
    /// A value of a module's type, which is all of its parts.
    pub(super) fn module_value(&mut self, limits: &Limits) -> Read<Value> {
        let id = self.count()?;
        let read = reader(id).ok_or(Fault::Module(id))?;
        let mut parts = ModuleParts::new(self);
        let value = read(&mut parts, version(id), limits)?;
        match parts.next_part()? {
            None => Ok(value),
            Some(_) => Err(Fault::Broken),
        }
    }

    /// Steps over an auxiliary record, and returns the number of the type that it belongs to.
    pub(super) fn skip_module_aux(&mut self) -> Read<u64> {
        let id = self.count()?;
        // It begins with when it was written: before the keys, or after them.
        if self.count()? != part::COUNT {
            return Err(Fault::Broken);
        }
        self.count()?;
        self.skip_parts()?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_their_names() {
        // As it stands in a file that ReJSON wrote.
        assert_eq!(id_of("ReJSON-RL", 3), 0x45e2_5238_df91_2c03);
        for known in TYPES {
            assert_eq!(known.name.len(), 9);
            assert_eq!(name(id_of(known.name, 7)), known.name);
            assert_eq!(version(id_of(known.name, 7)), 7);
        }
        let words = called(id_of("scdtype00", 1));
        assert_eq!(words, "value of module type scdtype00");
    }
}
