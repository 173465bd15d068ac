//! Parts of a query that look into one column.

use std::ops::Bound;
use std::rc::Rc;

use super::{Evaluator, Match, MatchKind, TermHits};
use crate::search::index::{Column, DocumentIndex, Lists};
use crate::search::numbers::Ordered;
use crate::search::postings::WordPlaces;
use crate::search::query::{Affix, TagTest};
use crate::types::geo::{Position, Search, Shape};

/// Shorter texts stand for no words that begin or end with them.
const AFFIX_BYTES_MIN: usize = 2;

/// Which words are meant.
pub(super) enum MeantWords<'q> {
    Affix(Affix, &'q [u8]),
    Pattern(&'q [u8]),
    Fuzzy(&'q [u8], usize),
}

impl MeantWords<'_> {
    /// Those of the words in a dictionary that are meant. Stems stand there, too, behind a sign; as in RediSearch, they are
    /// among those that end so, and the like.
    pub fn among<'l>(&self, lists: &'l Lists) -> Vec<&'l [u8]> {
        let all = || lists.keys().map(|name| &name[..]);
        match *self {
            MeantWords::Affix(_, text) if text.len() < AFFIX_BYTES_MIN => Vec::new(),
            MeantWords::Affix(Affix::Prefix, text) => {
                let from = Bound::Included(text);
                let names = lists.range::<[u8], _>((from, Bound::Unbounded));
                let names = names.map(|(name, _)| &name[..]);
                names.take_while(|name| name.starts_with(text)).collect()
            }
            MeantWords::Affix(Affix::Suffix, text) => {
                all().filter(|name| name.ends_with(text)).collect()
            }
            MeantWords::Affix(Affix::Infix, text) => {
                all().filter(|name| holds(name, text)).collect()
            }
            MeantWords::Pattern(pattern) => all().filter(|name| fits(pattern, name)).collect(),
            MeantWords::Fuzzy(text, edits) => all()
                .filter(|name| is_within_edits(name, text, edits))
                .collect(),
        }
    }
}

fn holds(name: &[u8], text: &[u8]) -> bool {
    name.windows(text.len()).any(|part| part == text)
}

/// Whether a name fits a pattern of `*` and `?`.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[from] => {
                at += 1;
                from += 1;
            }
            _ => match &mut star {
                Some((star_at, star_from)) => {
                    *star_from += 1;
                    (at, from) = (*star_at + 1, *star_from);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Whether so few letters have to be put in, left out or changed.
fn is_within_edits(name: &[u8], text: &[u8], edits: usize) -> bool {
    let letters = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .chars()
            .collect::<Vec<char>>()
    };
    let (one, other) = (letters(name), letters(text));
    if one.len().abs_diff(other.len()) > edits {
        return false;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut before = row[0];
        row[0] = at + 1;
        for (to, wanted) in other.iter().enumerate() {
            let changed = before + usize::from(letter != wanted);
            before = row[to + 1];
            row[to + 1] = changed.min(before + 1).min(row[to] + 1);
        }
        if row.iter().min().is_none_or(|least| *least > edits) {
            return false;
        }
    }
    row[other.len()] <= edits
}

impl TermHits {
    /// Of a term that so many documents hold.
    fn of(index: &DocumentIndex, count: usize) -> Self {
        let (all, with) = (index.docs.len() as f64, count.max(1) as f64);
        TermHits {
            // RediSearch takes the exponent of the binary logarithm.
            idf: (1.0 + all / with).log2().floor(),
            // And it divides with the digits of a single float.
            idf_std: f64::from(1.0 + (all - with + 0.5) as f32 / (with + 0.5) as f32).ln(),
            ..TermHits::default()
        }
    }

    /// The places of the term in a document.
    pub fn places(&self, at: usize) -> WordPlaces<'_> {
        let span = self.spans.get(at).copied().unwrap_or_default();
        WordPlaces::new(&self.places[span.0 as usize..span.1 as usize])
    }
}

impl Evaluator<'_> {
    /// The documents that hold a word in one of these fields; nothing if no document ever had it.
    pub(super) fn words(
        &self,
        text: &[u8],
        mask: u64,
        weight: f64,
        places: bool,
    ) -> Option<Rc<Match>> {
        if self.effort.is_over() {
            return None;
        }
        let index = self.index;
        let list = index.terms.get(text)?;
        let (mut docs, mut hits, mut alive) = (Vec::new(), TermHits::default(), 0);
        for entry in self.ticking(list.iter()) {
            if !index.is_alive(entry.doc) {
                continue;
            }
            alive += 1;
            if entry.mask & mask == 0 {
                continue;
            }
            docs.push(entry.doc);
            hits.freqs.push(entry.freq);
            if places {
                let from = hits.places.len() as u32;
                hits.places.extend_from_slice(entry.places);
                hits.spans.push((from, hits.places.len() as u32));
            }
        }
        let frequency = TermHits::of(index, alive);
        (hits.idf, hits.idf_std) = (frequency.idf, frequency.idf_std);
        // Beside each document stand four bytes, or twelve and its places.
        self.effort
            .hold(docs.len() + hits.spans.len() + hits.places.len() / 8);
        Some(Rc::new(Match::new(docs, weight, MatchKind::Term(hits))))
    }

    /// The documents that have one of these tags.
    pub(super) fn tags(&self, field: Option<usize>, tests: &[TagTest], weight: f64) -> Rc<Match> {
        let column = field.and_then(|field| self.index.columns.get(field));
        let Some(Column::Tags(lists)) = column else {
            return Rc::new(Match::nothing());
        };
        let mut found = Vec::new();
        for test in tests {
            let names = match test {
                TagTest::Is(tag) => vec![&tag[..]],
                TagTest::Affix(affix, text) => MeantWords::Affix(*affix, text).among(lists),
                TagTest::Pattern(pattern) => MeantWords::Pattern(pattern).among(lists),
            };
            let names = names.into_iter();
            found.extend(names.filter_map(|name| self.tagged(lists, name)));
        }
        let found = self.any(found, weight);
        match Rc::try_unwrap(found) {
            Ok(mut found) => {
                if let MatchKind::Term(_) = found.kind {
                    found.weight = weight;
                }
                Rc::new(found)
            }
            Err(shared) => shared,
        }
    }

    fn tagged(&self, lists: &Lists, name: &[u8]) -> Option<Rc<Match>> {
        if self.effort.is_over() {
            return None;
        }
        let list = lists.get(name)?;
        let all = self.ticking(list.iter()).map(|entry| entry.doc);
        let docs: Vec<u64> = all.filter(|doc| self.index.is_alive(*doc)).collect();
        let mut hits = TermHits::of(self.index, docs.len());
        hits.freqs = vec![1; docs.len()];
        self.effort.hold(docs.len());
        Some(Rc::new(Match::new(docs, 1.0, MatchKind::Term(hits))))
    }
}

impl Evaluator<'_> {
    /// The documents with a number in a range.
    pub(super) fn range(
        &self,
        field: Option<usize>,
        low: (f64, bool),
        high: (f64, bool),
        weight: f64,
    ) -> Match {
        let Some(Column::Numbers(held)) = field.and_then(|field| self.index.columns.get(field))
        else {
            return Match::nothing();
        };
        if Ordered(low.0) > Ordered(high.0) || low.0 == high.0 && (low.1 || high.1) {
            return Match::nothing();
        }
        let from = match low {
            (n, true) => Bound::Excluded((Ordered(n), u64::MAX)),
            (n, false) => Bound::Included((Ordered(n), 0)),
        };
        let to = match high {
            (n, true) => Bound::Excluded((Ordered(n), 0)),
            (n, false) => Bound::Included((Ordered(n), u64::MAX)),
        };
        let within = held.range((from, to)).map(|((_, doc), ())| *doc);
        let docs = self.in_order(within.collect());
        Match::new(docs, weight, MatchKind::Number)
    }

    /// The documents with a place within a radius.
    pub(super) fn around(
        &self,
        field: Option<usize>,
        (longitude, latitude): (f64, f64),
        radius: f64,
        unit: &str,
    ) -> Match {
        let Some(Column::Numbers(held)) = field.and_then(|field| self.index.columns.get(field))
        else {
            return Match::nothing();
        };
        let units = crate::search::query::UNITS;
        let metres = units.iter().find(|(name, _)| *name == unit);
        let search = Search {
            centre: Position {
                longitude,
                latitude,
            },
            shape: Shape::Circle {
                radius_m: radius * metres.map_or(1.0, |(_, metres)| *metres),
            },
        };
        if !search.centre.is_valid() {
            return Match::nothing();
        }
        let mut docs = Vec::new();
        for (from, to) in search.score_ranges() {
            let near = held.range((Ordered(from), 0)..(Ordered(to), 0));
            let within = near.filter(|((score, _), ())| {
                search
                    .distance_within_m(&Position::of_score(score.0))
                    .is_some()
            });
            docs.extend(self.ticking(within).map(|((_, doc), ())| *doc));
        }
        let docs = self.in_order(docs);
        Match::new(docs, 1.0, MatchKind::Number)
    }

    /// Documents in growing order, each once.
    fn in_order(&self, mut docs: Vec<u64>) -> Vec<u64> {
        docs.sort_unstable_by(|one, other| {
            self.effort.turns.tick(1);
            one.cmp(other)
        });
        docs.dedup();
        docs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_by_patterns_and_by_few_changes() {
        assert!(fits(b"he*lo", b"hello") && fits(b"h?llo", b"hello") && fits(b"*", b""));
        assert!(!fits(b"he*lo", b"help") && !fits(b"h?llo", b"hllo"));
        assert!(is_within_edits(b"hello", b"hallo", 1) && is_within_edits(b"helo", b"hello", 1));
        assert!(!is_within_edits(b"hello", b"hela", 1) && is_within_edits(b"hello", b"hela", 2));
    }
}
