//! What documents are worth to a query, as RediSearch reckons it.

use std::rc::Rc;

use super::phrase::spread;
use super::{Match, MatchKind, TermHits};
use crate::search::index::{DocRow, DocumentIndex};

/// How documents are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scorer {
    #[default]
    Tfidf,
    TfidfDocnorm,
    Bm25,
    Bm25Std,
    /// BM25STD, put between zero and one.
    Bm25StdTanh,
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
            b"BM25STD.TANH" => Scorer::Bm25StdTanh,
            b"DISMAX" => Scorer::DisMax,
            b"DOCSCORE" => Scorer::DocScore,
            b"HAMMING" => Scorer::Hamming,
            _ => return None,
        })
    }

    /// Whether it is one of those by BM25STD.
    fn is_standard(self) -> bool {
        matches!(self, Scorer::Bm25Std | Scorer::Bm25StdTanh)
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
/// By what BM25STD.TANH divides.
const TANH_FACTOR: f64 = 4.0;

/// How documents are scored, and what their payloads are compared with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scoring<'p> {
    pub scorer: Scorer,
    pub payload: Option<&'p [u8]>,
}

impl Scoring<'_> {
    /// In how many bits a document's payload differs from the query's, if both are as long.
    pub(super) fn differing_bits(&self, row: &DocRow) -> Option<u32> {
        let (held, wanted) = (row.payload.as_ref()?, self.payload?);
        let pairs = held.iter().zip(wanted);
        (held.len() == wanted.len())
            .then(|| pairs.map(|(one, other)| (one ^ other).count_ones()).sum())
    }
}

/// The score of a document that a query has found.
pub fn score(
    scoring: Scoring<'_>,
    index: &DocumentIndex,
    found: &Match,
    doc: u64,
    row: &DocRow,
) -> f64 {
    let score = score_above(scoring, index, found, (doc, row), f64::NEG_INFINITY);
    score.unwrap_or_default()
}

/// The score of a document, or nothing if it is seen on the way that it is not above another one.
pub fn score_above(
    scoring: Scoring<'_>,
    index: &DocumentIndex,
    found: &Match,
    (doc, row): (u64, &DocRow),
    other: f64,
) -> Option<f64> {
    let scorer = scoring.scorer;
    let reckoning = Reckoning::new(scorer, index, doc, row);
    let parts = || reckoning.of(found);
    let whole = match scorer {
        Scorer::Tfidf => row.score * parts() / f64::from(row.max_freq),
        Scorer::TfidfDocnorm => row.score * parts() / f64::from(row.len),
        Scorer::Bm25 => row.score * parts(),
        Scorer::Bm25Std => row.score * parts(),
        Scorer::Bm25StdTanh => (row.score * parts() / TANH_FACTOR).tanh(),
        Scorer::DisMax => parts(),
        Scorer::DocScore => row.score,
        Scorer::Hamming => {
            let bits = scoring.differing_bits(row);
            bits.map_or(0.0, |bits| 1.0 / f64::from(bits + 1))
        }
    };
    let scored = match scorer.wants_places() {
        // It is divided by one or more.
        true if whole.max(0.0) <= other => return None,
        true => whole / f64::from(reckoning.slop(found)),
        false => whole,
    };
    // Nothing divided by no words.
    if scored.is_nan() {
        return Some(0.0);
    }
    // A sum of nothing is a negative zero.
    Some(scored + 0.0)
}

/// How the parts of one document's score are reckoned.
pub(super) struct Reckoning {
    pub scorer: Scorer,
    pub doc: u64,
    pub len: f64,
    pub average: f64,
}

impl Reckoning {
    pub fn new(scorer: Scorer, index: &DocumentIndex, doc: u64, row: &DocRow) -> Self {
        Reckoning {
            scorer,
            doc,
            len: f64::from(row.len),
            average: index.average_len(),
        }
    }

    /// How far the parts stand from each other.
    pub fn slop(&self, found: &Match) -> i32 {
        spread(found, self.doc)
    }

    pub fn of(&self, found: &Match) -> f64 {
        self.weighed(found, self.weight(found))
    }

    /// What may be found as well, and is not, has no weight, unless another one of its kind stands around it.
    pub fn weight(&self, found: &Match) -> f64 {
        match &found.kind {
            MatchKind::Optional(part) if !part.holds(self.doc) => 0.0,
            _ => found.weight,
        }
    }

    /// A part's share, if it had this weight.
    pub fn weighed(&self, found: &Match, weight: f64) -> f64 {
        match &found.kind {
            // What may be found as well has the weight of the whole.
            MatchKind::Optional(part) if part.holds(self.doc) => self.weighed(part, weight),
            MatchKind::Distances { inner, .. } => {
                inner.as_ref().map_or(0.0, |inner| self.of(inner))
            }
            kind => match found.place(self.doc) {
                Some(at) => self.held(kind, at, weight),
                None => 0.0,
            },
        }
    }

    fn held(&self, kind: &MatchKind, at: usize, weight: f64) -> f64 {
        match kind {
            MatchKind::Term(hits) => self.word(hits, at, weight),
            MatchKind::All(parts) => weight * self.sum(parts),
            MatchKind::Any(parts) if self.scorer == Scorer::DisMax => {
                let each = parts.iter().map(|part| self.of(part));
                weight * each.fold(0.0, f64::max)
            }
            MatchKind::Any(parts) => weight * self.sum(parts),
            MatchKind::First(hits) => weight * self.word(hits, at, 1.0),
            MatchKind::Virtual | MatchKind::Optional(_) => self.plain(weight),
            MatchKind::Number if self.scorer.is_standard() => 0.0,
            MatchKind::Number => self.plain(weight),
            MatchKind::Silent | MatchKind::Nothing | MatchKind::Distances { .. } => 0.0,
        }
    }

    fn word(&self, hits: &TermHits, at: usize, weight: f64) -> f64 {
        let (freq, worth) = (f64::from(hits.freqs[at]), hits.worth(at));
        match self.scorer {
            Scorer::Bm25 => worth.idf * self.old(freq),
            Scorer::Bm25Std | Scorer::Bm25StdTanh => worth.idf_std * self.standard(freq),
            Scorer::DisMax => weight * freq,
            _ => weight * freq * worth.idf,
        }
    }

    fn sum(&self, parts: &[Rc<Match>]) -> f64 {
        parts.iter().map(|part| self.of(part)).sum()
    }

    /// What has no words counts as one that every document has.
    fn plain(&self, weight: f64) -> f64 {
        match self.scorer {
            Scorer::Bm25 => weight * self.old(1.0),
            Scorer::Bm25Std | Scorer::Bm25StdTanh => weight * self.standard(1.0),
            _ => weight,
        }
    }

    pub fn old(&self, freq: f64) -> f64 {
        freq / (freq + K1 * (1.0 - B + B * self.average))
    }

    pub fn standard(&self, freq: f64) -> f64 {
        let relative = match self.average {
            0.0 => 0.0,
            average => self.len / average,
        };
        freq * (K1 + 1.0) / (freq + K1 * (1.0 - B + B * relative))
    }
}
