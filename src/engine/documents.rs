//! Values as documents of indexes. Whoever adds a type of documents adds an arm to [`document_of`], and what it reads a
//! document by.

use std::borrow::Cow;

use crate::search::{Datum, Document, FieldKind, FieldSpec, Pair, SourceKind, VectorSpec, blob_of};
use crate::types::json::path::{PathEffort, PathRef, Spelled};
use crate::types::json::{JsonNode, JsonSeen, text_of};
use crate::types::{HashRef, Piece, SharedBytes, ValueRef};

/// Hands over the document that a value is, if it is one of this kind.
pub fn document_of(
    value: ValueRef<'_>,
    kind: SourceKind,
    now_ms: u64,
    visit: &mut dyn FnMut(&dyn Document),
) {
    match (kind, value) {
        (SourceKind::Hash, ValueRef::Hash(hash)) => visit(&HashDocument { hash, now_ms }),
        (SourceKind::Json, ValueRef::Json(json)) => visit(&JsonDocument(&json.root)),
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

    fn number(&self, path: &[u8]) -> Option<f64> {
        match self.hash.get(path, self.now_ms)? {
            Piece::Int(n) => Some(n as f64),
            Piece::Bytes(bytes) => crate::search::number_of(bytes),
        }
    }

    fn shared(&self, path: &[u8]) -> Option<SharedBytes> {
        self.hash.shared(path, self.now_ms)
    }

    fn all(&self, _: bool) -> Vec<Pair<'_>> {
        let pairs = self.hash.iter(self.now_ms);
        pairs
            .map(|(name, value)| (bytes(name), bytes(value)))
            .collect()
    }
}

/// A JSON document: attributes are what paths lead to.
struct JsonDocument<'d>(&'d JsonNode);

const WORDS_ALONE: &str = "TEXT/TAG fields can only contain strings or nulls";
const NUMBERS_ALONE: &str = "NUMERIC fields can only contain numeric or nulls";

/// The number that a value is.
fn number_of(node: &JsonNode) -> Option<f64> {
    match node.see() {
        JsonSeen::Int(n) => Some(n as f64),
        JsonSeen::Large(n) => Some(n as f64),
        JsonSeen::Float(n) => Some(n),
        _ => None,
    }
}

/// A value as replies show one.
fn shown(node: &JsonNode) -> Option<Cow<'_, [u8]>> {
    match node.see() {
        JsonSeen::Null => None,
        JsonSeen::Bool(yes) => Some(Cow::Borrowed(if yes { b"1" } else { b"0" })),
        JsonSeen::Text(text) => Some(Cow::Borrowed(text)),
        _ => Some(Cow::Owned(text_of(node))),
    }
}

/// Why a value can't be an attribute of any type but one.
fn unfit(node: &JsonNode) -> Datum<'_> {
    let why = match node.see() {
        JsonSeen::Bool(_) => "Boolean type can be represent only TAG field",
        JsonSeen::Text(_) => "String type can represent only TEXT, TAG, GEO or GEOMETRY field",
        JsonSeen::Object(_) => "Object type can represent only GEOMETRY fields",
        _ => "Numeric type can represent only NUMERIC field",
    };
    Datum::Unfit(format!("Invalid JSON type: {why}"))
}

/// Several values, as an array or a path holds them; nulls among them stand for nothing.
fn several<'d>(field: &FieldSpec, nodes: impl Iterator<Item = &'d JsonNode>) -> Datum<'d> {
    let (mut texts, mut numbers) = (Vec::new(), Vec::new());
    let wants_numbers = field.kind == FieldKind::Numeric;
    for node in nodes {
        match (node.see(), number_of(node)) {
            (JsonSeen::Null, _) => {}
            (JsonSeen::Text(text), _) if !wants_numbers => texts.push(Cow::Borrowed(text)),
            (_, Some(number)) if wants_numbers => numbers.push(number),
            _ if wants_numbers => return Datum::Unfit(NUMBERS_ALONE.into()),
            _ => return Datum::Unfit(WORDS_ALONE.into()),
        }
    }
    match wants_numbers {
        true => Datum::Numbers(numbers),
        false => Datum::Texts(texts),
    }
}

/// The vector that an array is.
fn vector<'d>(spec: &VectorSpec, node: &JsonNode) -> Result<Vec<u8>, Datum<'d>> {
    let refused = |why: String| Err(Datum::Unfit(why));
    let Some(elements) = node.as_array() else {
        return refused("Invalid vector: it is no array".into());
    };
    if elements.is_empty() {
        return refused("Empty array for vector field on JSON document".into());
    }
    let mut numbers = Vec::with_capacity(elements.len());
    for (at, element) in elements.iter().enumerate() {
        match number_of(element) {
            Some(number) => numbers.push(number),
            None => return refused(format!("Invalid vector element at index {at}")),
        }
    }
    if numbers.len() != spec.dim {
        let (wanted, got) = (spec.dim, numbers.len());
        return refused(format!(
            "Invalid vector length. Expected {wanted}, got {got}"
        ));
    }
    Ok(blob_of(spec.numeral, &numbers))
}

/// The one value that a path leads to.
fn single<'d>(field: &FieldSpec, node: &'d JsonNode) -> Datum<'d> {
    match (&field.kind, node.see()) {
        (_, JsonSeen::Null) => Datum::Texts(Vec::new()),
        (FieldKind::Vector(spec), JsonSeen::Array(_)) => match vector(spec, node) {
            Ok(blob) => Datum::Vectors(vec![blob]),
            Err(unfit) => unfit,
        },
        (_, JsonSeen::Array(elements)) => several(field, elements.iter()),
        (FieldKind::Tag { .. }, JsonSeen::Bool(yes)) => {
            let word: &[u8] = if yes { b"true" } else { b"false" };
            Datum::Texts(vec![Cow::Borrowed(word)])
        }
        (FieldKind::Text { .. } | FieldKind::Tag { .. } | FieldKind::Geo, JsonSeen::Text(_))
        | (FieldKind::Numeric, JsonSeen::Int(_) | JsonSeen::Large(_) | JsonSeen::Float(_)) => {
            several(field, std::iter::once(node))
        }
        _ => unfit(node),
    }
}

impl<'d> JsonDocument<'d> {
    fn values(&self, path: PathRef<'_>) -> Option<Vec<&'d JsonNode>> {
        let mut effort = PathEffort::bounded(usize::MAX);
        path.values(self.0, &mut effort).ok()
    }

    /// What a path leads to that no attribute has.
    fn values_at(&self, path: &[u8]) -> Vec<&'d JsonNode> {
        let text = std::str::from_utf8(path).ok();
        let read = text.and_then(|text| Spelled::new(text).parse().ok());
        let found = read.and_then(|path| self.values(path.as_ref()));
        found.unwrap_or_default()
    }
}

impl Document for JsonDocument<'_> {
    fn datum(&self, field: &FieldSpec) -> Datum<'_> {
        let Some(path) = &field.json else {
            return Datum::Missing;
        };
        let Some(nodes) = self.values((*path.0).as_ref()) else {
            return Datum::Unfit("The path takes too many steps".into());
        };
        match (&field.kind, &nodes[..]) {
            (_, []) => Datum::Missing,
            (_, [node]) => single(field, node),
            (FieldKind::Vector(spec), nodes) => {
                let blobs: Result<Vec<_>, _> =
                    nodes.iter().map(|node| vector(spec, node)).collect();
                match blobs {
                    Ok(blobs) => Datum::Vectors(blobs),
                    Err(unfit) => unfit,
                }
            }
            (_, nodes) => several(field, nodes.iter().copied()),
        }
    }

    fn bytes(&self, path: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.values_at(path).first().and_then(|node| shown(node))
    }

    fn every(&self, path: &[u8]) -> Option<Cow<'_, [u8]>> {
        let nodes = self.values_at(path);
        if nodes.is_empty() {
            return None;
        }
        let texts: Vec<Vec<u8>> = nodes.into_iter().map(text_of).collect();
        Some(Cow::Owned(
            [b"[", &texts.join(&b","[..])[..], b"]"].concat(),
        ))
    }

    fn all(&self, every: bool) -> Vec<Pair<'_>> {
        let mut text = text_of(self.0);
        if every {
            text = [b"[", &text[..], b"]"].concat();
        }
        vec![(Cow::Borrowed(b"$"), Cow::Owned(text))]
    }
}
