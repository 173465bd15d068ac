//! What searches look at: the documents of an index, and for each attribute what finds them.
//!
//! Copies share their parts, so one is made in a moment whatever the index holds. A search looks at a copy while nothing is
//! locked, however long it takes, and finds everything as it was when the copy was made.

use std::hint::black_box;
use std::sync::Arc;

use smallvec::SmallVec;

use super::numbers::Ordered;
use super::postings::Postings;
use super::schema::{Definition, FieldKind, FieldSpec};
use super::vectors::Vectors;
use crate::types::{OrdMap, OrdSet};

/// A value by which documents are sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum SortKey {
    #[default]
    Nothing,
    Number(f64),
    Text(Box<[u8]>),
}

/// A document as its index knows it.
#[derive(Debug)]
pub struct DocRow {
    pub key: Box<[u8]>,
    pub score: f64,
    /// What stands in the PAYLOAD_FIELD.
    pub payload: Option<Box<[u8]>>,
    /// Words, each with the weight of its field.
    pub len: u32,
    /// How often its most frequent word occurs.
    pub max_freq: u32,
    /// A value for each attribute that is SORTABLE or NUMERIC.
    pub sorts: Box<[SortKey]>,
    /// What stands in columns by number: attribute and value.
    pub(super) numbers: Box<[(u32, f64)]>,
}

impl DocRow {
    /// The value of an attribute by which the document is sorted.
    pub fn sort(&self, field: usize) -> SortKey {
        // An attribute that was added later has none in rows that are still to be read again.
        self.sorts.get(field).cloned().unwrap_or_default()
    }
}

/// So many rows are looked up together.
pub const ROWS_TOGETHER: usize = 16;

/// Documents with their rows.
pub type FoundRows<'i> = SmallVec<[(u64, &'i DocRow); ROWS_TOGETHER]>;

/// Lists by term or tag.
pub type Lists = OrdMap<Box<[u8]>, Arc<Postings>>;

/// What finds documents by one attribute.
#[derive(Clone, Debug)]
pub enum Column {
    /// Words of all texts stand together, in [`DocumentIndex::terms`].
    Text,
    Tags(Lists),
    /// Numbers, or places as numbers, each with its document.
    Numbers(OrdSet<(Ordered, u64)>),
    Vectors(Arc<Vectors>),
}

impl Column {
    pub(super) fn of(field: &FieldSpec) -> Self {
        match &field.kind {
            FieldKind::Text { .. } => Column::Text,
            FieldKind::Tag { .. } => Column::Tags(Lists::new()),
            FieldKind::Numeric | FieldKind::Geo => Column::Numbers(OrdSet::new()),
            FieldKind::Vector(spec) => Column::Vectors(Arc::new(Vectors::new(*spec))),
        }
    }
}

#[derive(Clone, Debug)]
pub struct DocumentIndex {
    pub definition: Arc<Definition>,
    pub docs: OrdMap<u64, Arc<DocRow>>,
    pub columns: Vec<Column>,
    pub terms: Lists,
    /// Documents without an attribute, for those with INDEXMISSING.
    pub missing: Vec<OrdSet<u64>>,
    /// Words of all documents.
    pub total_len: u64,
    /// Whether lists may hold documents that have died.
    pub(super) stale: bool,
    /// The number of its last change. No other index has the same.
    pub edits: u64,
}

impl DocumentIndex {
    pub fn new(definition: Definition) -> Self {
        DocumentIndex {
            columns: definition.fields.iter().map(Column::of).collect(),
            docs: OrdMap::new(),
            terms: Lists::new(),
            missing: vec![OrdSet::new(); definition.fields.len()],
            definition: Arc::new(definition),
            total_len: 0,
            stale: false,
            edits: 0,
        }
    }

    /// The rows of some documents, so many as are looked up together, without those that are not there: the memory of all of
    /// them is waited for at the same time, one step after another.
    pub fn rows_of(&self, docs: &[u64]) -> FoundRows<'_> {
        type Around<'i> = (u64, usize, &'i Vec<(u64, Arc<DocRow>)>);
        let mut walk = self.docs.walk();
        let around = docs.iter().filter_map(|doc| {
            let (bound, entries) = walk.around(doc)?;
            Some((*doc, doc.saturating_sub(*bound) as usize, entries))
        });
        let around: SmallVec<[Around<'_>; ROWS_TOGETHER]> = around.collect();
        black_box(around.iter().fold(0, |sum, (.., held)| sum ^ held.len()));
        // Numbers mostly follow each other.
        let guesses = around
            .iter()
            .map(|(_, at, held)| held.get(*at).or(held.last()));
        let guesses: SmallVec<[_; ROWS_TOGETHER]> = guesses.collect();
        black_box(guesses.iter().flatten().fold(0, |sum, (doc, _)| sum ^ doc));
        let found = around
            .iter()
            .zip(guesses)
            .filter_map(|((doc, _, held), guess)| {
                let (_, row) = guess.filter(|(held, _)| held == doc).or_else(|| {
                    let at = held.binary_search_by_key(doc, |(held, _)| *held).ok()?;
                    held.get(at)
                })?;
                Some((*doc, &**row))
            });
        let rows: FoundRows<'_> = found.collect();
        black_box(rows.iter().fold(0, |sum, (_, row)| sum ^ row.len));
        rows
    }

    /// Whether a document that stands in a list has not died since.
    pub fn is_alive(&self, doc: u64) -> bool {
        !self.stale || self.docs.contains_key(&doc)
    }

    /// Words of a document on average.
    pub fn average_len(&self) -> f64 {
        match self.docs.len() {
            0 => 0.0,
            docs => self.total_len as f64 / docs as f64,
        }
    }
}
