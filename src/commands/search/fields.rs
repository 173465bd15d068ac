//! What replies show of a document: all that it holds, or the fields that are named.

use super::hit::Hit;
use super::options::{ReturnField, SearchWish};
use crate::search::{Definition, Document, FieldKind, RowValue, number_of, written};

pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Whatever a document holds: what it was sorted by and distances first.
pub fn all(
    definition: &Definition,
    hit: &Hit,
    document: &dyn Document,
    wish: &SearchWish<'_>,
) -> Fields {
    let mut fields: Fields = Vec::new();
    for (name, distance) in &hit.distances {
        fields.push((name.clone(), written(*distance).into_bytes()));
    }
    let first = wish.sort.and_then(|(name, _)| definition.field(name));
    if let Some(at) = first {
        let field = &definition.fields[at];
        if let Some(value) = document.bytes(&field.path) {
            fields.push((field.name.to_vec(), value.into_owned()));
        }
    }
    // A document has each of its names once: they are sought among what comes first.
    let first = fields.len();
    for (name, value) in document.all(wish.asked.shows_every()) {
        if !fields[..first].iter().any(|(held, _)| *held == *name) {
            fields.push((name.into_owned(), value.into_owned()));
        }
    }
    fields
}

/// The fields that RETURN names.
pub fn chosen(
    definition: &Definition,
    hit: &Hit,
    document: &dyn Document,
    wanted: &[ReturnField<'_>],
    wish: &SearchWish<'_>,
) -> Fields {
    let sorted_by = wish.sort.map(|(name, _)| name);
    let every = wish.asked.shows_every();
    let value =
        |wanted: &ReturnField<'_>| value_of(definition, hit, document, (wanted.name, every));
    let is_distance = |name: &[u8]| hit.distances.iter().any(|(held, _)| held == name);
    // Distances come first, and then what the results are sorted by.
    let place = |wanted: &ReturnField<'_>| match wanted.name {
        name if is_distance(name) => 0,
        name if sorted_by == Some(name) => 1,
        _ => 2,
    };
    let mut order: Vec<&ReturnField<'_>> = wanted.iter().collect();
    order.sort_by_key(|one| place(one));
    let found = order.into_iter().filter_map(|one| {
        let value = value(one)?;
        (!value.is_null()).then(|| (one.shown_as.to_vec(), value.shown()))
    });
    found.collect()
}

/// The value of a document by the name of an attribute, a path, or a distance; all values if there may be several and that
/// is wanted.
pub fn value_of(
    definition: &Definition,
    hit: &Hit,
    document: &dyn Document,
    (name, every): (&[u8], bool),
) -> Option<RowValue> {
    if let Some((_, distance)) = hit.distances.iter().find(|(held, _)| held == name) {
        return Some(RowValue::Number(*distance));
    }
    let field = definition.field(name).map(|at| &definition.fields[at]);
    let path = field.map_or(name, |field| &field.path);
    let is_number = field.is_some_and(|field| field.kind == FieldKind::Numeric);
    if let Some(n) = is_number.then(|| document.number(path)).flatten() {
        return Some(RowValue::Number(n));
    }
    // What is sorted by stands beside the document, as its first value.
    let every = every && field.is_none_or(|field| !field.sortable);
    let bytes = match every {
        true => document.every(path)?,
        false => document.bytes(path)?,
    };
    let number = is_number.then(|| number_of(&bytes)).flatten();
    Some(match number {
        Some(n) => RowValue::Number(n),
        None => RowValue::Text(bytes.into_owned()),
    })
}
