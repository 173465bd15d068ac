//! What an index asks of a document, whatever type of value that is.

use std::borrow::Cow;

use super::schema::FieldSpec;
use crate::types::SharedBytes;

/// What stands at one attribute of a document.
#[derive(Debug, PartialEq)]
pub enum Datum<'a> {
    Missing,
    /// Bytes of which the attribute's type makes what it needs: all that hashes have.
    Bytes(Cow<'a, [u8]>),
    /// Several texts, as a path that ends in `[*]` finds.
    Texts(Vec<Cow<'a, [u8]>>),
    Numbers(Vec<f64>),
    /// Vectors, each as the bytes that its type has.
    Vectors(Vec<Vec<u8>>),
    /// Something that an attribute of this type can't be.
    Unfit(String),
}

/// A name with what stands there.
pub type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// A value that can be indexed. Whoever adds a type of documents gives it this, and names it in
/// `engine/documents.rs`.
pub trait Document {
    fn datum(&self, field: &FieldSpec) -> Datum<'_>;

    /// The bytes at a path; those of the first value if there are several.
    fn bytes(&self, path: &[u8]) -> Option<Cow<'_, [u8]>>;

    /// The number at a path, if it is known to be one without a copy of its bytes.
    fn number(&self, _path: &[u8]) -> Option<f64> {
        None
    }

    /// The bytes at a path, if an index may share them.
    fn shared(&self, _path: &[u8]) -> Option<SharedBytes> {
        None
    }

    /// All values at a path, as dialects from 3 on show them, if that is something else.
    fn every(&self, path: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.bytes(path)
    }

    /// All that the document holds, for replies that name no fields; as dialects from 3 on show it if that is so.
    fn all(&self, every: bool) -> Vec<Pair<'_>>;
}
