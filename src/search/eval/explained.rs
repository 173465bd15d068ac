//! How a score came about, in RediSearch's words.

use super::score::{Reckoning, Scorer, Scoring};
use super::{Match, MatchKind};
use crate::search::index::{DocRow, DocumentIndex};

/// A sentence about a part of a score, and those about its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreReason {
    pub text: String,
    pub parts: Vec<ScoreReason>,
}

impl ScoreReason {
    fn of(text: String) -> Self {
        ScoreReason {
            text,
            parts: Vec::new(),
        }
    }
}

/// Tells why a document has its score.
pub fn explained(
    scoring: Scoring<'_>,
    index: &DocumentIndex,
    found: &Match,
    doc: u64,
    row: &DocRow,
) -> ScoreReason {
    let scorer = scoring.scorer;
    let reckoning = Reckoning::new(scorer, index, doc, row);
    let words = reckoning.of(found) + 0.0;
    let (score, slop) = (row.score, reckoning.slop(found));
    let head = match scorer {
        Scorer::Tfidf | Scorer::TfidfDocnorm => {
            let norm = match scorer {
                Scorer::Tfidf => row.max_freq,
                _ => row.len,
            };
            format!(
                "Final TFIDF : words TFIDF {words:.2} * document score {score:.2} / norm {norm} / slop {slop}"
            )
        }
        Scorer::Bm25 => {
            format!("Final BM25 : words BM25 {words:.2} * document score {score:.2} / slop {slop}")
        }
        Scorer::Bm25Std => {
            format!("Final BM25 : words BM25 {words:.2} * document score {score:.2}")
        }
        // In words of our own: the server that has it isn't here to be asked.
        Scorer::Bm25StdTanh => format!(
            "Final BM25STD.TANH : tanh(words BM25 {words:.2} * document score {score:.2} / 4)"
        ),
        Scorer::DisMax => return reckoning.reason(found),
        Scorer::DocScore => return ScoreReason::of(format!("Document's score is {score:.2}")),
        Scorer::Hamming => return ScoreReason::of(hamming_text(scoring, row)),
    };
    ScoreReason {
        text: head,
        parts: vec![reckoning.reason(found)],
    }
}

fn hamming_text(scoring: Scoring<'_>, row: &DocRow) -> String {
    let Some(bits) = scoring.differing_bits(row) else {
        return "Payloads provided to scorer vary in length".into();
    };
    let (len, score) = (
        scoring.payload.map_or(0, <[u8]>::len),
        1.0 / f64::from(bits + 1),
    );
    format!("String length is {len}. Bit count is {bits}. Result is (1 / count + 1) = {score:.2}")
}

impl Reckoning {
    /// The reason of a part that has the document.
    fn reason(&self, found: &Match) -> ScoreReason {
        self.weighed_reason(found, self.weight(found))
    }

    fn weighed_reason(&self, found: &Match, weight: f64) -> ScoreReason {
        let held = found.place(self.doc);
        match (&found.kind, held) {
            (MatchKind::Term(hits), Some(at)) => {
                let worth = hits.worth(at);
                let freq = f64::from(hits.freqs[at]);
                self.word_reason(&worth.word, worth.idf, worth.idf_std, freq, weight)
            }
            (MatchKind::First(hits), Some(at)) => {
                let worth = hits.worth(at);
                let freq = f64::from(hits.freqs[at]);
                let inner = self.word_reason(&worth.word, worth.idf, worth.idf_std, freq, 1.0);
                self.list(found, weight, vec![inner])
            }
            (MatchKind::All(parts) | MatchKind::Any(parts), Some(_)) => {
                let with = parts.iter().filter(|part| self.has(part));
                self.list(found, weight, with.map(|part| self.reason(part)).collect())
            }
            (MatchKind::Optional(part), _) if self.has(part) => self.weighed_reason(part, weight),
            (MatchKind::Optional(_), _) => self.plain_reason(weight, 1.0, None),
            (
                MatchKind::Distances {
                    inner: Some(inner), ..
                },
                _,
            ) => self.reason(inner),
            (MatchKind::Virtual, _) => self.plain_reason(weight, 1.0, Some("*")),
            (MatchKind::Number, _) => self.plain_reason(weight, 1.0, None),
            _ => self.plain_reason(weight, 0.0, None),
        }
    }

    fn has(&self, found: &Match) -> bool {
        matches!(found.kind, MatchKind::Optional(_)) || found.holds(self.doc)
    }

    fn list(&self, found: &Match, weight: f64, parts: Vec<ScoreReason>) -> ScoreReason {
        let whole = self.weighed(found, weight);
        // What the parts have together, before the weight.
        let sum = if weight == 0.0 { 0.0 } else { whole / weight };
        let text = match self.scorer {
            Scorer::Bm25 | Scorer::Bm25Std | Scorer::Bm25StdTanh => {
                format!("(Weight {weight:.2} * children BM25 {sum:.2})")
            }
            Scorer::DisMax => format!("{whole:.2} = Weight {weight:.2} * children DISMAX {sum:.2}"),
            _ => format!("(Weight {weight:.2} * total children TFIDF {sum:.2})"),
        };
        ScoreReason { text, parts }
    }

    fn word_reason(
        &self,
        word: &[u8],
        idf: f64,
        idf_std: f64,
        freq: f64,
        weight: f64,
    ) -> ScoreReason {
        ScoreReason::of(match self.scorer {
            Scorer::Bm25 => self.old_text("IDF", idf, freq),
            Scorer::Bm25Std | Scorer::Bm25StdTanh => {
                let word = String::from_utf8_lossy(word);
                self.standard_text(&word, idf_std, freq)
            }
            Scorer::DisMax => {
                let whole = weight * freq;
                format!("DISMAX {whole:.2} = Weight {weight:.2} * Frequency {freq}")
            }
            _ => {
                let whole = weight * freq * idf;
                format!("(TFIDF {whole:.2} = Weight {weight:.2} * TF {freq} * IDF {idf:.2})")
            }
        })
    }

    /// Of what is no word; `named` if it counts as one that every document has.
    fn plain_reason(&self, weight: f64, freq: f64, named: Option<&str>) -> ScoreReason {
        let whole = weight * freq;
        ScoreReason::of(match (self.scorer, named) {
            (Scorer::Bm25, _) if freq == 0.0 => "Frequency 0 -> value 0".into(),
            (Scorer::Bm25, _) => self.old_text("Weight", weight, freq),
            (Scorer::Bm25Std | Scorer::Bm25StdTanh, Some(name)) => {
                self.standard_text(name, weight, freq)
            }
            (Scorer::Bm25Std | Scorer::Bm25StdTanh, None) => {
                "Irrelevant token -> score is 0".into()
            }
            (Scorer::DisMax, _) => {
                format!("DISMAX {whole:.2} = Weight {weight:.2} * Frequency {freq}")
            }
            _ => format!("(TFIDF {whole:.2} = Weight {weight:.2} * Frequency {freq})"),
        })
    }

    fn old_text(&self, what: &str, factor: f64, freq: f64) -> String {
        let whole = factor * self.old(freq);
        let average = self.average;
        format!(
            "({whole:.2} = {what} {factor:.2} * F {freq} / (F {freq} + k1 1.2 * (1 - b 0.5 + b 0.5 * Average Len {average:.2})))"
        )
    }

    fn standard_text(&self, name: &str, idf: f64, freq: f64) -> String {
        let whole = idf * self.standard(freq);
        let (len, average) = (self.len, self.average);
        format!(
            "{name}: ({whole:.2} = IDF {idf:.2} * (F {freq:.2} * (k1 1.2 + 1)) / (F {freq:.2} + k1 1.2 * (1 - b 0.5 + b 0.5 * Doc Len {len} / Average Doc Len {average:.2})))"
        )
    }
}
