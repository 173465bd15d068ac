//! DEBUG DIGEST: a fingerprint of data, the same for the same data in any order of keys.
//!
//! Parts whose order means nothing are hashed alone and combined by exclusive or.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::engine::Entry;
use crate::types::stream::{Id, Stream};
use crate::types::vectors::Projection;
use crate::types::{HashRef, LiveSet, Piece, ValueRef, VectorSet, json};

/// The fingerprint. Of nothing it is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Of these parts in this order.
    fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // With its length before it, no part can be taken for the end of another.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut digest = Digest::default();
        digest.0.copy_from_slice(&hash.finalize()[..20]);
        digest
    }

    /// Adds a part whose place among the others doesn't matter.
    pub fn add(&mut self, part: Digest) {
        self.0
            .iter_mut()
            .zip(part.0)
            .for_each(|(mine, byte)| *mine ^= byte);
    }

    /// Of a key, where it stands, what it holds, whether it has a deadline, and whether it is protected from eviction.
    pub fn of_key(db: usize, entry: &Entry, volatile: bool, now_ms: u64) -> Self {
        let (key, held) = (entry.key_name(), Digest::of_value(entry.value(), now_ms));
        let lasts = u8::from(volatile) | u8::from(entry.is_blessed()) << 1;
        Digest::of(&[&db.to_le_bytes(), key, &held.0, &[lasts]])
    }

    pub fn of_value(value: ValueRef<'_>, now_ms: u64) -> Self {
        let content = match value {
            ValueRef::Text(text) => Digest::of(&[text.as_bytes(&mut itoa::Buffer::new())]),
            ValueRef::List(list) => list
                .iter_from(0, false)
                .fold(Digest::default(), |before, element| {
                    with_bytes(&element, |bytes| Digest::of(&[&before.0, bytes]))
                }),
            ValueRef::Hash(hash) => of_hash(hash, now_ms),
            ValueRef::Set(set) => of_set(LiveSet::new(set, now_ms)),
            ValueRef::ZSet(zset) => all(zset.iter().map(|(member, score)| {
                with_bytes(&member, |bytes| {
                    Digest::of(&[bytes, &score.to_bits().to_le_bytes()])
                })
            })),
            ValueRef::Stream(stream) => of_stream(stream),
            ValueRef::VectorSet(set) => of_vectors(set),
            ValueRef::Suggestions(held) => all(held.iter().map(|(text, one)| {
                let payload = one.payload.as_deref().unwrap_or_default();
                Digest::of(&[text.as_bytes(), &one.score.to_le_bytes(), payload])
            })),
            ValueRef::Json(json) => Digest::of(&[&json::text_of(&json.root)]),
        };
        Digest::of(&[value.kind().name().as_bytes(), &content.0])
    }
}

fn all(parts: impl Iterator<Item = Digest>) -> Digest {
    let mut sum = Digest::default();
    parts.for_each(|part| sum.add(part));
    sum
}

fn of_set(set: LiveSet<'_>) -> Digest {
    all(set.iter().map(|member| {
        with_bytes(&member, |member| match set.deadline(member) {
            None => Digest::of(&[member]),
            Some(_) => Digest::of(&[member, b"volatile"]),
        })
    }))
}

fn of_hash(hash: HashRef<'_>, now_ms: u64) -> Digest {
    all(hash.iter(now_ms).map(|(field, value)| {
        with_bytes(&field, |field| {
            let volatile = hash.deadline(field).is_some();
            with_bytes(&value, |value| {
                Digest::of(&[field, value, &[u8::from(volatile)]])
            })
        })
    }))
}

/// Entries in their order, what its groups wait for, and how it remembers what producers add; not how entries stand together in nodes.
fn of_stream(stream: &Stream) -> Digest {
    let mut sum = Digest::of(&[
        &stream.last_id().to_bytes(),
        &stream.max_deleted_id.to_bytes(),
        &stream.entries_added.to_le_bytes(),
    ]);
    for entry in stream.range(Id::MIN, Id::MAX) {
        sum = Digest::of(&[&sum.0, &entry.id.to_bytes()]);
        entry.each(|name, value| {
            sum = with_bytes(&name, |name| {
                with_bytes(&value, |value| Digest::of(&[&sum.0, name, value]))
            });
        });
    }
    for (name, group) in &stream.groups {
        sum = Digest::of(&[&sum.0, name, &group.last_id.to_bytes()]);
        for pending in group.pending().iter() {
            let owner = group.owner_name(pending);
            sum = Digest::of(&[&sum.0, &pending.id.to_bytes(), owner]);
        }
    }
    if let Some(known) = &stream.idempotency {
        let (duration_s, ids_max) = (known.duration_s(), known.ids_max() as u64);
        sum = Digest::of(&[&sum.0, &duration_s.to_le_bytes(), &ids_max.to_le_bytes()]);
    }
    sum
}

/// Elements with their vectors and attributes; not how they are linked, which another server decides otherwise.
fn of_vectors(set: &VectorSet) -> Digest {
    let (form, links) = (set.form(), set.graph().links_wanted());
    let projection = set.projection().map(Projection::to_bytes);
    let elements = (0..set.len()).map(|at| {
        let attributes = set.attributes(at).unwrap_or_default();
        Digest::of(&[set.name(at), set.row(at), attributes])
    });
    Digest::of(&[
        &all(elements).0,
        form.quantization.word().as_bytes(),
        &form.dimension.to_le_bytes(),
        &links.to_le_bytes(),
        &projection.unwrap_or_default(),
    ])
}

fn with_bytes<T>(piece: &Piece<'_>, use_bytes: impl FnOnce(&[u8]) -> T) -> T {
    use_bytes(piece.as_bytes(&mut itoa::Buffer::new()))
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Limits, Set, Text};

    #[test]
    fn order_matters_only_where_it_should() {
        let limits = Limits::default();
        let set = |members: &[&[u8]]| {
            let mut set = Set::new();
            members.iter().for_each(|member| {
                set.insert(member, &limits);
            });
            Digest::of_value(ValueRef::Set(&set), 0)
        };
        assert_eq!(set(&[b"a", b"1", b"b"]), set(&[b"b", b"a", b"1"]));
        assert_ne!(set(&[b"a"]), set(&[b"b"]));
        let (text, number) = (Text::from_digits(b"12"), Text::from_bytes(b"12"));
        let of = |text: &Text| Digest::of_value(ValueRef::Text(text.as_ref()), 0);
        assert_eq!(of(&text), of(&number));
        assert_eq!(Digest::default().to_string(), "0".repeat(40));
    }
}
