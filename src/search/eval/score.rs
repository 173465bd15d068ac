//! What documents are worth to a query, as RediSearch reckons it.

use std::rc::Rc;

use super::phrase::{first, spread};
use super::{Match, MatchKind};
use crate::search::index::{DocRow, DocumentIndex};

/// How documents are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scorer {
    #[default]
    Tfidf,
    TfidfDocnorm,
    Bm25,
    Bm25Std,
    DisMax,
    DocScore,
    Hamming,
}

impl Scorer {
    pub fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"TFIDF" => Scorer::Tfidf,
            b"TFIDF.DOCNORM" => Scorer::TfidfDocnorm,
            b"BM25" => Scorer::Bm25,
            b"BM25STD" => Scorer::Bm25Std,
            b"DISMAX" => Scorer::DisMax,
            b"DOCSCORE" => Scorer::DocScore,
            b"HAMMING" => Scorer::Hamming,
            _ => return None,
        })
    }

    /// Whether it asks where words stand.
    pub fn wants_places(self) -> bool {
        matches!(self, Scorer::Tfidf | Scorer::TfidfDocnorm | Scorer::Bm25)
    }
}

/// How much a word that occurs more often is worth more.
const K1: f64 = 1.2_f32 as f64;
/// How much a long document is worth less.
const B: f64 = 0.5;

/// The score of a document that a query has found.
pub fn score(scorer: Scorer, index: &DocumentIndex, found: &Match, doc: u64, row: &DocRow) -> f64 {
    let reckoning = Reckoning {
        scorer,
        doc,
        len: f64::from(row.len),
        average: index.average_len(),
    };
    let parts = || reckoning.of(found);
    let slop = || f64::from(spread(found, doc));
    let scored = match scorer {
        Scorer::Tfidf => row.score * parts() / f64::from(row.max_freq) / slop(),
        Scorer::TfidfDocnorm => row.score * parts() / f64::from(row.len) / slop(),
        Scorer::Bm25 => row.score * parts() / slop(),
        Scorer::Bm25Std => row.score * parts(),
        Scorer::DisMax => parts(),
        Scorer::DocScore => row.score,
        // Documents have no payloads to be compared.
        Scorer::Hamming => 0.0,
    };
    // Nothing divided by no words.
    if scored.is_nan() {
        return 0.0;
    }
    // A sum of nothing is a negative zero.
    scored + 0.0
}

struct Reckoning {
    scorer: Scorer,
    doc: u64,
    len: f64,
    average: f64,
}

impl Reckoning {
    fn of(&self, found: &Match) -> f64 {
        match &found.kind {
            MatchKind::Optional(part) => self.of(part),
            MatchKind::Distances { inner, .. } => {
                inner.as_ref().map_or(0.0, |inner| self.of(inner))
            }
            kind => match found.docs.binary_search(&self.doc) {
                Ok(at) => self.held(found, kind, at),
                Err(_) => 0.0,
            },
        }
    }

    fn held(&self, found: &Match, kind: &MatchKind, at: usize) -> f64 {
        match kind {
            MatchKind::Term(hits) => {
                let freq = f64::from(hits.freqs[at]);
                match self.scorer {
                    Scorer::Bm25 => hits.idf * self.old(freq),
                    Scorer::Bm25Std => hits.idf_std * self.standard(freq),
                    Scorer::DisMax => found.weight * freq,
                    _ => found.weight * freq * hits.idf,
                }
            }
            MatchKind::All(parts) => found.weight * self.sum(parts),
            MatchKind::Any(parts) if self.scorer == Scorer::DisMax => {
                let each = parts.iter().map(|part| self.of(part));
                found.weight * each.fold(0.0, f64::max)
            }
            MatchKind::Any(parts) => found.weight * self.sum(parts),
            MatchKind::First(parts) => {
                let part = first(parts, self.doc);
                found.weight * part.map_or(0.0, |part| self.of(part))
            }
            MatchKind::Virtual => self.plain(found.weight),
            MatchKind::Number if self.scorer == Scorer::Bm25Std => 0.0,
            MatchKind::Number => self.plain(found.weight),
            MatchKind::Silent | MatchKind::Optional(_) | MatchKind::Distances { .. } => 0.0,
        }
    }

    fn sum(&self, parts: &[Rc<Match>]) -> f64 {
        parts.iter().map(|part| self.of(part)).sum()
    }

    /// What has no words counts as one that every document has.
    fn plain(&self, weight: f64) -> f64 {
        match self.scorer {
            Scorer::Bm25 => weight * self.old(1.0),
            Scorer::Bm25Std => weight * self.standard(1.0),
            _ => weight,
        }
    }

    fn old(&self, freq: f64) -> f64 {
        freq / (freq + K1 * (1.0 - B + B * self.average))
    }

    fn standard(&self, freq: f64) -> f64 {
        let relative = match self.average {
            0.0 => 0.0,
            average => self.len / average,
        };
        freq * (K1 + 1.0) / (freq + K1 * (1.0 - B + B * relative))
    }
}
