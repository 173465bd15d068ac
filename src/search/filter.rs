//! FILTER of FT.CREATE: which documents an index takes.

use super::document::Document;
use super::expr::Row;
use super::numbers::number_of;
use super::schema::{Definition, FieldKind, SourceKind};
use super::value::RowValue;

/// The property by which an expression asks for the name of the key.
const KEY: &[u8] = b"__key";

impl Definition {
    /// Whether a document with a key that the index covers belongs to it: unless the expression is false. It isn't where it has no
    /// value, as it asks for something that the document doesn't have: RediSearch takes such documents.
    pub fn takes(&self, key: &[u8], document: &dyn Document) -> bool {
        let Some(filter) = &self.filter else {
            return true;
        };
        let mut row = Row::default();
        filter.expression.properties(&mut |name| {
            if let Some(value) = value(self, key, document, name) {
                row.set(name, value);
            }
        });
        let value = filter.expression.eval(&row);
        !value.is_ok_and(|value| !value.is_true())
    }
}

/// What a property of a document is: an attribute by its name, and a field of a hash by its own, too.
fn value(
    definition: &Definition,
    key: &[u8],
    document: &dyn Document,
    name: &[u8],
) -> Option<RowValue> {
    if name == KEY {
        return Some(RowValue::text(key));
    }
    let field = definition.field(name).map(|at| &definition.fields[at]);
    let path = match (definition.source, field) {
        (_, Some(field)) => &field.path,
        (SourceKind::Hash, None) => name,
        (SourceKind::Json, None) => return None,
    };
    let bytes = document.bytes(path)?;
    let is_number = field.is_some_and(|field| field.kind == FieldKind::Numeric);
    match number_of(&bytes).filter(|_| is_number) {
        Some(number) => Some(RowValue::Number(number)),
        None => Some(RowValue::text(&bytes)),
    }
}
