//! An index that follows its keys.
//!
//! What is written is what searches hold copies of; the first edit after a copy was made copies what it touches.

pub mod many;

use std::ops::{Bound, Deref};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;

use super::document::Document;
use super::draft::{DocumentDraft, DraftTerm};
use super::index::{Column, DocRow, DocumentIndex, Lists};
use super::numbers::Ordered;
use super::postings::{Posting, pack_positions};
use super::schema::Definition;
use super::words::Refusal;
use crate::types::OrdSet;
use crate::util::chance;
use crate::util::clock::{self, Timer};

/// Postings that a change of an index looks through on behalf of the dead.
const SWEEP_POSTINGS: usize = 4096;
/// Dead documents that are not worth a sweep.
const DEAD_MIN: usize = 64;

/// What went wrong with documents.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    pub count: u64,
    pub last: Option<(String, Box<[u8]>)>,
}

impl Failures {
    fn note(&mut self, why: Refusal, key: &[u8]) {
        self.count += 1;
        self.last = Some((why, key.into()));
    }
}

/// A build over the keys that were there before the index.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildProgress {
    pub seen: u64,
    pub total: u64,
}

/// What is told of an index beside what it holds.
#[derive(Debug)]
pub struct IndexStatus {
    /// Of each attribute.
    pub failures: Vec<Failures>,
    pub indexing_ms: f64,
    pub building: Option<BuildProgress>,
    /// The number of the last document that was added.
    pub last_doc: u64,
}

/// Changes of all indexes since the start.
static EDITS: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub struct LiveIndex {
    held: DocumentIndex,
    by_key: HashMap<Box<[u8]>, u64>,
    next: u64,
    /// Documents that have died since the lists were last swept.
    dead: usize,
    /// How far the sweep under way has come.
    sweep: Option<SweepPlace>,
    pub failures: Vec<Failures>,
    pub indexing_ms: f64,
    /// Keys that are still to be looked at, and how many there were.
    pub building: Option<BuildProgress>,
    /// Documents before this one were read when there were fewer attributes.
    widened: u64,
    /// When one that is temporary was last searched or added to.
    used_ms: AtomicU64,
}

/// A column, the terms coming last, and the list that was swept there last.
#[derive(Debug, Default)]
struct SweepPlace {
    column: usize,
    list: Option<Box<[u8]>>,
}

impl Deref for LiveIndex {
    type Target = DocumentIndex;

    fn deref(&self) -> &DocumentIndex {
        &self.held
    }
}

impl LiveIndex {
    pub fn new(definition: Definition) -> Self {
        let mut index = LiveIndex {
            failures: vec![Failures::default(); definition.fields.len()],
            held: DocumentIndex::new(definition),
            by_key: HashMap::new(),
            next: 1,
            dead: 0,
            sweep: None,
            indexing_ms: 0.0,
            building: None,
            widened: 0,
            used_ms: AtomicU64::new(clock::now_ms()),
        };
        index.changed();
        index
    }

    /// Notes that somebody uses it.
    fn used(&self) {
        if self.definition.idle_ms_max.is_some() {
            self.used_ms.store(clock::now_ms(), Ordering::Relaxed);
        }
    }

    /// Whether it is temporary, and nobody has used it since then for as long as it may be idle.
    pub fn is_idle(&self, now_ms: u64, since_ms: u64) -> bool {
        let used_ms = self.used_ms.load(Ordering::Relaxed).max(since_ms);
        let idle_ms = now_ms.saturating_sub(used_ms);
        self.definition
            .idle_ms_max
            .is_some_and(|most| idle_ms >= most)
    }

    /// A copy for a search.
    pub fn frozen(&self) -> Arc<DocumentIndex> {
        self.used();
        Arc::new(self.copied())
    }

    /// A copy to be looked at, which is no use of the index.
    pub fn copied(&self) -> DocumentIndex {
        self.held.clone()
    }

    /// Changes its definition, to which only attributes are added: what has none of them yet. Documents are found by what they were
    /// found by until they are read again.
    pub fn redefine<E>(
        &mut self,
        change: impl FnOnce(&mut Definition) -> Result<(), E>,
    ) -> Result<(), E> {
        let held = &mut self.held;
        change(Arc::make_mut(&mut held.definition))?;
        let fields = &held.definition.fields;
        let added = &fields[held.columns.len()..];
        held.columns.extend(added.iter().map(Column::of));
        held.missing.resize(fields.len(), OrdSet::new());
        self.failures.resize(fields.len(), Failures::default());
        self.widened = self.next;
        Ok(())
    }

    /// Empties it.
    pub fn begin_anew(&mut self) {
        *self = LiveIndex::new((*self.held.definition).clone());
    }

    /// Whether the document of a key is still to be read.
    pub fn wants(&self, key: &[u8]) -> bool {
        self.building.is_some()
            && self.definition.covers(key)
            && self.doc_of(key).is_none_or(|doc| doc < self.widened)
    }

    pub fn status(&self) -> IndexStatus {
        IndexStatus {
            failures: self.failures.clone(),
            indexing_ms: self.indexing_ms,
            building: self.building,
            last_doc: self.next - 1,
        }
    }

    pub fn doc_of(&self, key: &[u8]) -> Option<u64> {
        self.by_key.get(key).copied()
    }

    /// Whether a document is still what is known of a key, for who found it when the last change of the index had this number.
    /// No document has the number of another one before it.
    pub fn holds(&self, doc: u64, key: &[u8], edits: u64) -> bool {
        let is_held = || self.docs.get(&doc).is_some_and(|row| *row.key == *key);
        self.edits == edits || is_held()
    }

    /// What is found from here on may be something else than before.
    fn changed(&mut self) {
        self.held.edits = EDITS.fetch_add(1, Ordering::Relaxed) + 1;
    }

    /// Puts a document in the place of what was known of its key.
    pub fn set(&mut self, key: &[u8], document: &dyn Document) {
        let started = Timer::start();
        if !self.definition.takes(key, document) {
            return self.remove(key);
        }
        self.used();
        match self.definition.draft(document) {
            Ok(draft) => {
                self.hand_over(key, &draft);
                self.remove(key);
                self.insert(key, draft);
            }
            Err((field, why)) => {
                self.remove(key);
                self.failures[field].note(why, key);
            }
        }
        self.indexing_ms += started.elapsed().as_secs_f64() * 1000.0;
    }

    /// Vectors that an edit has left as they are stay where they are, under the number that the document is about to have: it
    /// takes long to find a place for one.
    fn hand_over(&mut self, key: &[u8], draft: &DocumentDraft) {
        let Some(doc) = self.doc_of(key) else { return };
        for (at, blobs) in &draft.vectors {
            if let Column::Vectors(vectors) = &mut self.held.columns[*at]
                && vectors.has(doc)
            {
                Arc::make_mut(vectors).hand_over(doc, self.next, blobs);
            }
        }
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: &[u8]) {
        let Some(doc) = self.by_key.remove(key) else {
            return;
        };
        self.changed();
        let held = &mut self.held;
        let row = held.docs.remove(&doc).expect("a key's document has a row");
        held.total_len -= u64::from(row.len);
        for (field, number) in &row.numbers {
            if let Column::Numbers(numbers) = &mut held.columns[*field as usize] {
                numbers.remove(&(Ordered(*number), doc));
            }
        }
        for column in &mut held.columns {
            if let Column::Vectors(vectors) = column
                && vectors.has(doc)
            {
                Arc::make_mut(vectors).remove(doc);
            }
        }
        for missing in &mut held.missing {
            missing.remove(&doc);
        }
        self.dead += 1;
        if self.sweep.is_none() && self.dead > DEAD_MIN + held.docs.len() / 4 {
            self.dead = 0;
            self.sweep = Some(SweepPlace::default());
        }
        held.stale = true;
        self.sweep_on();
        self.held.stale = self.dead > 0 || self.sweep.is_some();
    }

    fn insert(&mut self, key: &[u8], draft: DocumentDraft) {
        let doc = self.next;
        self.next += 1;
        self.changed();
        let held = &mut self.held;
        let row = row_of(key, &draft);
        add_terms(&mut held.terms, doc, draft.terms);
        for (at, tags) in draft.tags {
            add_tags(&mut held.columns[at], doc, tags);
        }
        for (at, number) in &draft.numbers {
            add_number(&mut held.columns[*at as usize], doc, *number);
        }
        for (at, blobs) in draft.vectors {
            if let Column::Vectors(vectors) = &mut held.columns[at]
                && !vectors.has(doc)
            {
                let vectors = Arc::make_mut(vectors);
                for blob in blobs {
                    vectors.insert(doc, blob, chance::fraction);
                }
            }
        }
        for at in draft.missing {
            held.missing[at].insert(doc, ());
        }
        held.total_len += u64::from(draft.len);
        held.docs.insert(doc, Arc::new(row));
        self.by_key.insert(key.into(), doc);
    }

    /// Takes the dead out of some more lists.
    fn sweep_on(&mut self) {
        let (mut effort, columns) = (0, self.held.columns.len());
        let DocumentIndex {
            docs,
            columns: held,
            terms,
            ..
        } = &mut self.held;
        while let Some(place) = &mut self.sweep {
            let lists = match held.get_mut(place.column) {
                Some(Column::Tags(lists)) => Some(lists),
                None if place.column == columns => Some(&mut *terms),
                Some(_) => None,
                None => {
                    self.sweep = None;
                    return;
                }
            };
            let next = lists.and_then(|lists| {
                let name = next_list(lists, place.list.as_deref())?;
                effort += sweep_list(lists, &name, &|doc| docs.contains_key(&doc));
                Some(name)
            });
            match next {
                Some(name) => place.list = Some(name),
                None => {
                    let column = place.column + 1;
                    *place = SweepPlace { column, list: None };
                }
            }
            if effort > SWEEP_POSTINGS {
                return;
            }
        }
    }
}

fn row_of(key: &[u8], draft: &DocumentDraft) -> DocRow {
    let freqs = draft.terms.values().map(|term| term.freq);
    // RediSearch counts a vector as one more.
    let max_freq = freqs.max().unwrap_or(0) as usize + draft.vectors.len();
    DocRow {
        key: key.into(),
        score: draft.score,
        payload: draft.payload.clone(),
        len: draft.len,
        max_freq: u32::try_from(max_freq).unwrap_or(u32::MAX),
        sorts: draft.sorts.clone().into(),
        numbers: draft.numbers.clone().into(),
    }
}

fn add_terms(lists: &mut Lists, doc: u64, terms: HashMap<Vec<u8>, DraftTerm>) {
    for (term, draft) in terms {
        let list = lists.get_or_insert_with(term.into(), Arc::default);
        Arc::make_mut(list).push(Posting {
            doc,
            freq: draft.freq,
            mask: draft.mask,
            places: &pack_positions(&draft.positions),
        });
    }
}

fn add_tags(column: &mut Column, doc: u64, tags: Vec<Box<[u8]>>) {
    if let Column::Tags(lists) = column {
        for tag in tags {
            let list = lists.get_or_insert_with(tag, Arc::default);
            Arc::make_mut(list).push_plain(doc);
        }
    }
}

fn add_number(column: &mut Column, doc: u64, number: f64) {
    if let Column::Numbers(numbers) = column {
        numbers.insert((Ordered(number), doc), ());
    }
}

/// The name of the list behind another one, or of the first.
fn next_list(lists: &Lists, last: Option<&[u8]>) -> Option<Box<[u8]>> {
    let from = last.map_or(Bound::Unbounded, Bound::Excluded);
    let mut behind = lists.range::<[u8], _>((from, Bound::Unbounded));
    behind.next().map(|(name, _)| name.clone())
}

/// Takes the dead out of a list, and the list away if it is empty then; says how many postings were looked at.
fn sweep_list(lists: &mut Lists, name: &[u8], keep: &dyn Fn(u64) -> bool) -> usize {
    let Some(list) = lists.get(name) else {
        return 1;
    };
    let (effort, dead) = (list.len() + 1, list.iter().any(|entry| !keep(entry.doc)));
    if dead && let Some(list) = lists.get_mut(name) {
        let list = Arc::make_mut(list);
        list.sweep(keep);
        if list.is_empty() {
            lists.remove(name);
        }
    }
    effort
}

#[cfg(test)]
pub(super) mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::search::document::{Datum, Pair};
    use crate::search::grammar::definition;
    use crate::search::postings::Postings;
    use crate::search::schema::FieldSpec;

    /// A document with one text.
    struct OneText(Vec<u8>);

    impl Document for OneText {
        fn datum(&self, _: &FieldSpec) -> Datum<'_> {
            Datum::Bytes(Cow::Borrowed(&self.0))
        }

        fn bytes(&self, _: &[u8]) -> Option<Cow<'_, [u8]>> {
            None
        }

        fn all(&self, _: bool) -> Vec<Pair<'_>> {
            Vec::new()
        }
    }

    fn empty(schema: &[&str]) -> LiveIndex {
        let words: Vec<&[u8]> = schema.iter().map(|word| word.as_bytes()).collect();
        LiveIndex::new(definition(&words).unwrap())
    }

    /// An index of so many documents, each with all of these words.
    pub(in crate::search) fn index_of_words(docs: usize, words: &[&str]) -> Arc<DocumentIndex> {
        let mut index = empty(&["i", "SCHEMA", "t", "TEXT", "NOSTEM"]);
        let text = words.join(" ").into_bytes();
        for at in 0..docs {
            index.set(format!("key{at}").as_bytes(), &OneText(text.clone()));
        }
        index.frozen()
    }

    #[test]
    fn rows_are_found_whether_numbers_follow_each_other_or_not() {
        let mut index = empty(&["i", "SCHEMA", "t", "TEXT"]);
        for round in 0..2000 {
            let key = format!("key{}", round * 7919 % 499);
            match round % 4 {
                0 => index.remove(key.as_bytes()),
                _ => index.set(key.as_bytes(), &OneText(b"word".to_vec())),
            }
            if round % 100 == 99 {
                let step = 1 + round / 100;
                let wanted: Vec<u64> = (0..40).map(|at| round + at * step).collect();
                let found = index.rows_of(&wanted);
                let found: Vec<(u64, &[u8])> =
                    found.iter().map(|(doc, row)| (*doc, &*row.key)).collect();
                let there = wanted
                    .iter()
                    .filter_map(|doc| Some((*doc, &*index.docs.get(doc)?.key)));
                assert_eq!(found, there.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_copy_stays_as_it_was_whatever_becomes_of_the_index() {
        let mut index = empty(&["i", "SCHEMA", "t", "TEXT", "NOSTEM", "g", "TAG"]);
        let mut copies = Vec::new();
        for round in 0..3000_usize {
            let key = format!("key{}", round % 100);
            index.set(
                key.as_bytes(),
                &OneText(format!("word{}", round % 10).into_bytes()),
            );
            if round % 500 == 250 {
                copies.push((index.frozen(), round));
            }
        }
        for (copy, round) in copies {
            assert_eq!(copy.docs.len(), 100.min(round + 1));
            for word in 0..10 {
                let name = format!("word{word}");
                let alive = |list: &Arc<Postings>| {
                    list.iter().filter(|entry| copy.is_alive(entry.doc)).count()
                };
                assert_eq!(alive(&copy.terms[name.as_bytes()]), 10, "{name} at {round}");
                let Column::Tags(tags) = &copy.columns[1] else {
                    panic!("it is a tag");
                };
                assert_eq!(alive(&tags[name.as_bytes()]), 10);
            }
        }
        // What has died doesn't stay in the lists for ever.
        let held: usize = index.terms.values().map(|list| list.len()).sum();
        assert!(held < 400, "{held} entries of 100 documents");
    }
}
