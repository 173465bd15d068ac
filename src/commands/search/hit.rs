//! What a query finds.

use crate::search::{ScoreReason, SortKey};
use crate::types::Bstr;

/// A document that a query has found, with what decides its place among the others.
pub struct HitRank {
    pub doc: u64,
    pub score: f64,
    pub sort: SortKey,
}

/// A document that may be among the results.
pub struct Hit {
    pub rank: HitRank,
    pub key: Bstr,
    pub distances: Vec<(Vec<u8>, f64)>,
    /// How the score came about, if that is asked.
    pub reason: Option<ScoreReason>,
    /// The words by which it was found, if that matters, each with what it is worth.
    pub words: Vec<(Box<[u8]>, f64)>,
    /// What the document is compared by, if that is wanted.
    pub payload: Option<Box<[u8]>>,
}

impl Hit {
    /// One of which nothing else is known yet.
    pub fn new(rank: HitRank, key: &[u8]) -> Self {
        Hit {
            rank,
            key: Bstr::new(key),
            distances: Vec::new(),
            reason: None,
            words: Vec::new(),
            payload: None,
        }
    }
}
