//! What a query finds.

use crate::search::{ScoreReason, SortKey};
use crate::types::Bstr;

/// A document that a query has found.
pub struct Hit {
    pub doc: u64,
    pub key: Bstr,
    pub score: f64,
    pub distances: Vec<(Vec<u8>, f64)>,
    pub sort: SortKey,
    /// How the score came about, if that is asked.
    pub reason: Option<ScoreReason>,
    /// The words by which it was found, if that matters, each with what it is worth.
    pub words: Vec<(Box<[u8]>, f64)>,
    /// What the document is compared by, if that is wanted.
    pub payload: Option<Box<[u8]>>,
}
