//! What a part of a query has found.

use std::cell::Cell;
use std::rc::Rc;

use crate::search::postings::skip;

/// The documents that a part of a query finds.
#[derive(Debug)]
pub struct Match {
    /// In growing order, each once.
    pub docs: Vec<u64>,
    /// How many documents RediSearch would expect here: it looks for the rarest part first.
    pub(super) expected: usize,
    pub weight: f64,
    pub kind: MatchKind,
    /// The place of the document that was sought last: who asks goes from one to the next.
    sought: Cell<usize>,
}

#[derive(Debug)]
pub enum MatchKind {
    Term(TermHits),
    /// All documents: each counts once.
    Virtual,
    /// A range of numbers, or places around one.
    Number,
    /// What is found because it is not something, or has not: it counts for nothing.
    Silent,
    /// There is nothing in the index that could be found: alternatives are as if this were none.
    Nothing,
    All(Vec<Rc<Match>>),
    Any(Vec<Rc<Match>>),
    /// Words that a part of one stands for: only the first that a document holds counts.
    First(TermHits),
    /// What may be found as well; it has the weight of the whole.
    Optional(Rc<Match>),
    /// Distances of vectors, by document; and what else the documents had to be.
    Distances {
        name: Option<Vec<u8>>,
        values: Vec<f64>,
        inner: Option<Rc<Match>>,
    },
}

/// What a word is worth: the rarer, the more.
#[derive(Debug)]
pub struct WordWorth {
    pub word: Box<[u8]>,
    pub idf: f64,
    pub idf_std: f64,
}

/// What is known of each document that holds a term, or one of several words.
#[derive(Debug, Default)]
pub struct TermHits {
    pub(super) worths: Vec<WordWorth>,
    /// Which of the words each document holds; nothing if there is one alone.
    pub(super) which: Vec<u16>,
    pub freqs: Vec<u32>,
    /// Where each one's places stand in the bytes behind, if they are wanted.
    pub(super) spans: Vec<(u32, u32)>,
    pub(super) places: Vec<u8>,
}

impl Match {
    pub(super) fn new(docs: Vec<u64>, weight: f64, kind: MatchKind) -> Self {
        Match {
            expected: docs.len(),
            docs,
            weight,
            kind,
            sought: Cell::new(0),
        }
    }

    pub(super) fn expecting(mut self, documents: usize) -> Self {
        self.expected = documents;
        self
    }

    /// Where a document is among those that it finds.
    pub(super) fn place(&self, doc: u64) -> Option<usize> {
        let last = self.sought.get();
        let from = match last.checked_sub(1) {
            Some(before) if self.docs[before] < doc => last,
            _ => 0,
        };
        let at = from + skip(&self.docs[from..], doc);
        self.sought.set(at);
        (self.docs.get(at) == Some(&doc)).then_some(at)
    }

    /// Whether a document is among those that it finds.
    pub(super) fn holds(&self, doc: u64) -> bool {
        self.place(doc).is_some()
    }

    pub(super) fn nothing() -> Self {
        Match::new(Vec::new(), 1.0, MatchKind::Nothing)
    }

    /// Visits the words by which a document was found.
    pub fn each_word(&self, doc: u64, visit: &mut dyn FnMut(&WordWorth)) {
        match &self.kind {
            MatchKind::All(parts) | MatchKind::Any(parts) => {
                parts.iter().for_each(|part| part.each_word(doc, visit));
            }
            MatchKind::Optional(part) => part.each_word(doc, visit),
            MatchKind::Distances {
                inner: Some(inner), ..
            } => inner.each_word(doc, visit),
            MatchKind::Term(hits) | MatchKind::First(hits) => {
                if let Some(at) = self.place(doc) {
                    visit(hits.worth(at));
                }
            }
            _ => {}
        }
    }

    /// How many parts it has, itself included.
    pub fn parts(&self) -> usize {
        let parts = match &self.kind {
            MatchKind::All(parts) | MatchKind::Any(parts) => {
                parts.iter().map(|part| part.parts()).sum()
            }
            MatchKind::Optional(part) => part.parts(),
            MatchKind::Distances { inner, .. } => inner.as_ref().map_or(0, |part| part.parts()),
            _ => 0,
        };
        1 + parts
    }

    /// Visits the distances of a document, with their names.
    pub fn each_distance(&self, doc: u64, visit: &mut dyn FnMut(&[u8], f64)) {
        match &self.kind {
            MatchKind::All(parts) | MatchKind::Any(parts) => {
                parts.iter().for_each(|part| part.each_distance(doc, visit));
            }
            MatchKind::Optional(part) => part.each_distance(doc, visit),
            MatchKind::Distances {
                name,
                values,
                inner,
            } => {
                if let Some(at) = self.place(doc)
                    && let Some(name) = name
                {
                    visit(name, values[at]);
                }
                if let Some(inner) = inner {
                    inner.each_distance(doc, visit);
                }
            }
            _ => {}
        }
    }
}
