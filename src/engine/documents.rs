//! Values as documents of indexes. Whoever adds a type of documents adds an arm to [`document_of`], and what it reads a
//! document by.

use std::borrow::Cow;

use crate::search::{Datum, Document, FieldSpec, Pair, SourceKind};
use crate::types::{HashRef, Piece, ValueRef};

/// Hands over the document that a value is, if it is one of this kind.
pub fn document_of(
    value: ValueRef<'_>,
    kind: SourceKind,
    now_ms: u64,
    visit: &mut dyn FnMut(&dyn Document),
) {
    match (kind, value) {
        (SourceKind::Hash, ValueRef::Hash(hash)) => visit(&HashDocument { hash, now_ms }),
        // No value here is JSON.
        (SourceKind::Hash | SourceKind::Json, _) => {}
    }
}

/// A hash: each of its fields is an attribute.
struct HashDocument<'h> {
    hash: HashRef<'h>,
    now_ms: u64,
}

fn bytes(piece: Piece<'_>) -> Cow<'_, [u8]> {
    match piece {
        Piece::Bytes(bytes) => Cow::Borrowed(bytes),
        Piece::Int(n) => Cow::Owned(n.to_string().into_bytes()),
    }
}

impl Document for HashDocument<'_> {
    fn datum(&self, field: &FieldSpec) -> Datum<'_> {
        match self.bytes(&field.path) {
            Some(bytes) => Datum::Bytes(bytes),
            None => Datum::Missing,
        }
    }

    fn bytes(&self, path: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.hash.get(path, self.now_ms).map(bytes)
    }

    fn all(&self) -> Vec<Pair<'_>> {
        let pairs = self.hash.iter(self.now_ms);
        pairs
            .map(|(name, value)| (bytes(name), bytes(value)))
            .collect()
    }
}
