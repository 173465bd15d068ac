//! What the running snapshot is handed of what it has yet to visit, before an edit changes it.

use super::access::Access;
use super::table::Table;
use crate::types::{Bstr, Value};

/// A key as it was when the snapshot began.
#[derive(Debug)]
pub struct SavedKey {
    pub db: usize,
    pub key: Bstr,
    pub value: Value,
    pub deadline_ms: Option<u64>,
    pub access: Access,
    pub blessed: bool,
}

/// What edits handed over.
pub(super) enum Saved {
    Key(SavedKey),
    /// A table that was flushed before the walk had finished it.
    Table(Table),
}
