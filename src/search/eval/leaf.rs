//! Parts of a query that look into one column.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::iter::Peekable;
use std::ops::Bound;
use std::rc::Rc;

use super::lists::sorted;
use super::meant::{MeantWords, TermWish};
use super::{Evaluator, Match, MatchKind, TermHits, WordWorth};
use crate::search::index::{Column, DocumentIndex, Lists};
use crate::search::numbers::Ordered;
use crate::search::postings::{Posting, Postings, WordPlaces};
use crate::search::query::TagTest;
use crate::types::geo::{Coordinates, GeoSearch, Shape};

impl WordWorth {
    /// Of a word that so many documents hold.
    fn of(index: &DocumentIndex, word: &[u8], count: usize) -> Self {
        let (all, with) = (index.docs.len() as f64, count.max(1) as f64);
        WordWorth {
            word: word.into(),
            // RediSearch takes the exponent of the binary logarithm, and counts one document more than there are.
            idf: (1.0 + (all + 1.0) / with).log2().floor(),
            // And it divides with the digits of a single float.
            idf_std: f64::from(1.0 + (all - with + 0.5) as f32 / (with + 0.5) as f32).ln(),
        }
    }
}

impl TermHits {
    fn of(worth: WordWorth) -> Self {
        TermHits {
            worths: vec![worth],
            ..TermHits::default()
        }
    }

    /// What the word is worth that a document holds.
    pub fn worth(&self, at: usize) -> &WordWorth {
        &self.worths[self.which.get(at).map_or(0, |which| usize::from(*which))]
    }

    /// The places of the term in a document.
    pub fn places(&self, at: usize) -> WordPlaces<'_> {
        let span = self.spans.get(at).copied().unwrap_or_default();
        WordPlaces::new(&self.places[span.0 as usize..span.1 as usize])
    }

    /// The words of which a document holds one.
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.worths.iter().map(|worth| &*worth.word)
    }

    /// How many documents hold a word first.
    pub fn count_of(&self, word: &[u8]) -> usize {
        let holds = |at: &usize| *self.worth(*at).word == *word;
        (0..self.freqs.len()).filter(holds).count()
    }

    fn reserve(&mut self, documents: usize, places: bool) {
        self.freqs.reserve(documents);
        if places {
            self.spans.reserve(documents);
            // Most stand at one place, which takes a byte or two.
            self.places.reserve(2 * documents);
        }
    }

    fn add(&mut self, entry: &Posting<'_>, places: bool) {
        self.freqs.push(entry.freq);
        if places {
            let from = self.places.len() as u32;
            match entry.places {
                // A copy of any size is a call.
                [place] => self.places.push(*place),
                places => self.places.extend_from_slice(places),
            }
            self.spans.push((from, self.places.len() as u32));
        }
    }
}

impl Evaluator<'_> {
    /// The documents that hold a word in one of these fields; nothing if none does.
    pub(super) fn words(&self, text: &[u8], wish: TermWish<'_>) -> Option<Rc<Match>> {
        if self.effort.is_over() {
            return None;
        }
        let index = self.index;
        let list = index.terms.get(text)?;
        let most = wish.among.map_or(usize::MAX, <[u64]>::len);
        let most = most.min(list.len());
        let (mut docs, mut hits) = (Vec::with_capacity(most), TermHits::default());
        hits.reserve(most, wish.places);
        let mut note = |entry: Posting<'_>| {
            self.effort.tick(1);
            if entry.mask & wish.mask != 0 && index.is_alive(entry.doc) {
                docs.push(entry.doc);
                hits.add(&entry, wish.places);
            }
            !self.effort.is_late()
        };
        match wish.among {
            // A part of them at most, or it is as fast to look at all.
            Some(among) if among.len() < list.len() => list.each_among(among, note),
            _ => {
                let _ = list.iter().all(&mut note);
            }
        }
        let alive = self.alive(list);
        hits.worths.push(WordWorth::of(index, text, alive));
        self.hold(&docs, &hits);
        let found = |docs| Match::new(docs, wish.weight, MatchKind::Term(hits)).expecting(alive);
        (!docs.is_empty()).then(|| Rc::new(found(docs)))
    }

    /// How many documents of a list are alive.
    fn alive(&self, list: &Postings) -> usize {
        match self.index.stale {
            true => {
                let alive = list.iter().filter(|entry| self.index.is_alive(entry.doc));
                self.ticking(alive).count()
            }
            false => list.len(),
        }
    }

    /// Beside each document stand four bytes, or twelve and its places.
    fn hold(&self, docs: &[u64], hits: &TermHits) {
        let beside = hits.spans.len() + hits.places.len() / 8;
        self.effort.hold(docs.len() + beside);
    }

    /// What stands for the documents of a list that are alive, with a word in one of these fields; and how many are alive.
    fn opened<'l>(
        &'l self,
        list: &'l Postings,
        mask: u64,
    ) -> Option<(usize, Peekable<impl Iterator<Item = Posting<'l>>>)> {
        let alive = list.iter().filter(|entry| self.index.is_alive(entry.doc));
        let mut held = alive.filter(move |entry| entry.mask & mask != 0).peekable();
        held.peek()?;
        Some((self.alive(list), held))
    }

    /// The documents that hold one of the words that a text stands for: those words which come first, so many of them. Of
    /// several in a document, the first one counts, as if there were no others.
    pub(super) fn expanded<'l>(
        &'l self,
        names: impl Iterator<Item = (&'l [u8], &'l Postings)>,
        mask: u64,
        weight: f64,
        places: bool,
    ) -> Option<Rc<Match>> {
        let mut hits = TermHits::default();
        let (mut readers, mut expected) = (Vec::new(), 0);
        let most = self.rules.expansions.min(usize::from(u16::MAX));
        for (name, list) in self.ticking(names) {
            if let Some((count, reader)) = self.opened(list, mask) {
                hits.worths.push(WordWorth::of(self.index, name, count));
                readers.push(reader);
                expected += count;
            }
            if readers.len() == most {
                break;
            }
        }
        if readers.is_empty() {
            return None;
        }
        let mut next: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        for (which, reader) in readers.iter_mut().enumerate() {
            next.extend(reader.peek().map(|entry| Reverse((entry.doc, which))));
        }
        let mut docs = Vec::new();
        while let Some(mut top) = next.peek_mut() {
            self.effort.tick(1);
            let Reverse((doc, which)) = *top;
            let entry = readers[which].next().expect("it was seen ahead");
            if docs.last() != Some(&doc) {
                docs.push(doc);
                hits.which.push(which as u16);
                hits.add(&entry, places);
            }
            match readers[which].peek() {
                Some(entry) => *top = Reverse((entry.doc, which)),
                None => drop(PeekMut::pop(top)),
            }
        }
        self.hold(&docs, &hits);
        let found = Match::new(docs, weight, MatchKind::First(hits));
        Some(Rc::new(found.expecting(expected)))
    }

    /// The documents that have one of these tags.
    pub(super) fn tags(&self, field: Option<usize>, tests: &[TagTest], weight: f64) -> Rc<Match> {
        let column = field.and_then(|field| self.index.columns.get(field));
        let Some(Column::Tags(lists)) = column else {
            return Rc::new(Match::nothing());
        };
        // As in RediSearch, a weight counts for each tag and once more for all of them.
        let found = tests.iter().filter_map(|test| {
            let meant = match test {
                TagTest::Is(tag) => return self.tagged(lists, tag, weight),
                TagTest::Affix(affix, text) => MeantWords::Affix(*affix, text),
                TagTest::Pattern(pattern) => MeantWords::Pattern(pattern),
            };
            self.expanded(meant.among(lists), u64::MAX, weight, false)
        });
        let found: Vec<Rc<Match>> = found.collect();
        match tests.len() {
            0 | 1 => self.any(found, weight),
            _ if found.is_empty() => Rc::new(Match::nothing()),
            _ => self.joined(found, weight),
        }
    }

    fn tagged(&self, lists: &Lists, name: &[u8], weight: f64) -> Option<Rc<Match>> {
        if self.effort.is_over() {
            return None;
        }
        let list = lists.get(name)?;
        let all = self.ticking(list.iter()).map(|entry| entry.doc);
        let mut docs = Vec::with_capacity(list.len());
        docs.extend(all.filter(|doc| self.index.is_alive(*doc)));
        let mut worth = WordWorth::of(self.index, name, docs.len());
        if !self.rules.scores_tags {
            (worth.idf, worth.idf_std) = (0.0, 0.0);
        }
        let mut hits = TermHits::of(worth);
        hits.freqs = vec![1; docs.len()];
        self.hold(&docs, &hits);
        (!docs.is_empty()).then(|| Rc::new(Match::new(docs, weight, MatchKind::Term(hits))))
    }
}

impl Evaluator<'_> {
    /// The documents with a number in a range.
    pub(super) fn range(&self, field: Option<usize>, low: (f64, bool), high: (f64, bool)) -> Match {
        let Some(Column::Numbers(held)) = field.and_then(|field| self.index.columns.get(field))
        else {
            return Match::nothing();
        };
        // As in RediSearch, where a bound need not be in the range itself for that.
        let is_beyond = |((least, _), (greatest, _)): (&(Ordered, u64), &(Ordered, u64))| {
            Ordered(high.0) < *least || Ordered(low.0) > *greatest
        };
        if Ordered(low.0) > Ordered(high.0) || held.ends().is_none_or(is_beyond) {
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
        let docs = sorted(within.collect(), self.effort.turns);
        Match::new(docs, 1.0, MatchKind::Number).expecting(held.len())
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
        let search = GeoSearch {
            centre: Coordinates {
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
                    .distance_within_m(&Coordinates::of_score(score.0))
                    .is_some()
            });
            docs.extend(self.ticking(within).map(|((_, doc), ())| *doc));
        }
        let docs = sorted(docs, self.effort.turns);
        Match::new(docs, 1.0, MatchKind::Number)
    }
}
