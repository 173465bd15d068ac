//! One index: its documents, and for each attribute what finds them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use hashbrown::HashMap;

use super::document::{Datum, Document};
use super::grammar::Refusal;
use super::numbers::{Ordered, geo_of, number_of};
use super::postings::{Posting, Postings, pack_positions};
use super::schema::{Definition, FieldKind, FieldSpec};
use super::tokens::{Language, Stems, each_word, lower};
use super::vectors::Vectors;
use crate::util::clock::Timer;

/// Postings that a change of an index looks through on behalf of the dead.
const SWEEP_POSTINGS: usize = 4096;
/// What a stem is worth beside the word that it is of.
const STEM_WEIGHT: f64 = 0.2;
/// Dead documents that are not worth a sweep.
const DEAD_MIN: usize = 64;

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
    /// Words, each with the weight of its field.
    pub len: u32,
    /// How often its most frequent word occurs.
    pub max_freq: u32,
    /// A value for each attribute that is SORTABLE or NUMERIC.
    pub sorts: Box<[SortKey]>,
    /// What stands in columns by number: attribute and value.
    numbers: Vec<(usize, f64)>,
}

/// Lists by term or tag.
pub type Lists = BTreeMap<Box<[u8]>, Postings>;

/// What finds documents by one attribute.
#[derive(Debug)]
pub enum Column {
    /// Words of all texts stand together, in [`DocumentIndex::terms`].
    Text,
    Tags(Lists),
    /// Numbers, or places as numbers, each with its document.
    Numbers(BTreeSet<(Ordered, u64)>),
    Vectors(Vectors),
}

impl Column {
    fn of(field: &FieldSpec) -> Self {
        match &field.kind {
            FieldKind::Text { .. } => Column::Text,
            FieldKind::Tag { .. } => Column::Tags(Lists::new()),
            FieldKind::Numeric | FieldKind::Geo => Column::Numbers(BTreeSet::new()),
            FieldKind::Vector(spec) => Column::Vectors(Vectors::new(*spec)),
        }
    }
}

/// What went wrong with documents.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    pub count: u64,
    pub last: Option<(String, Box<[u8]>)>,
}

#[derive(Debug)]
pub struct DocumentIndex {
    pub definition: Definition,
    pub docs: BTreeMap<u64, DocRow>,
    by_key: HashMap<Box<[u8]>, u64>,
    pub columns: Vec<Column>,
    pub terms: Lists,
    /// Documents without an attribute, for those with INDEXMISSING.
    pub missing: Vec<BTreeSet<u64>>,
    next: u64,
    /// Words of all documents.
    pub total_len: u64,
    /// Documents that have died since the lists were last swept.
    dead: usize,
    /// How far the sweep under way has come: a column (the terms come last) and a list.
    sweep: Option<(usize, Box<[u8]>)>,
    pub failures: Vec<Failures>,
    pub indexing_ms: f64,
    /// Keys that are still to be looked at, and how many there were.
    pub building: Option<BuildProgress>,
}

/// A build over the keys that were there before the index.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildProgress {
    pub seen: u64,
    pub total: u64,
}

/// What one document brings, before anything is changed.
struct DocumentDraft {
    tags: Vec<(usize, Vec<Box<[u8]>>)>,
    terms: HashMap<Vec<u8>, DraftTerm>,
    numbers: Vec<(usize, f64)>,
    vectors: Vec<(usize, Vec<u8>)>,
    missing: Vec<usize>,
    sorts: Vec<SortKey>,
    len: u32,
    last_position: u32,
}

#[derive(Default)]
struct DraftTerm {
    freq: u32,
    mask: u64,
    positions: Vec<u32>,
}

impl DocumentIndex {
    pub fn new(definition: Definition) -> Self {
        let fields = definition.fields.len();
        DocumentIndex {
            columns: definition.fields.iter().map(Column::of).collect(),
            definition,
            docs: BTreeMap::new(),
            by_key: HashMap::new(),
            terms: Lists::new(),
            missing: vec![BTreeSet::new(); fields],
            next: 1,
            total_len: 0,
            dead: 0,
            sweep: None,
            failures: vec![Failures::default(); fields],
            indexing_ms: 0.0,
            building: None,
        }
    }

    /// Takes over what FT.ALTER has added. The documents are to be read again.
    pub fn widen(&mut self, definition: Definition) {
        let building = self.building;
        *self = DocumentIndex::new(definition);
        self.building = building;
    }

    /// The number of the last document that was added.
    pub fn last_doc(&self) -> u64 {
        self.next - 1
    }

    pub fn doc_of(&self, key: &[u8]) -> Option<u64> {
        self.by_key.get(key).copied()
    }

    /// Whether a document that stands in a list has not died since.
    pub fn is_alive(&self, doc: u64) -> bool {
        self.dead == 0 && self.sweep.is_none() || self.docs.contains_key(&doc)
    }

    /// Words of a document on average.
    pub fn average_len(&self) -> f64 {
        match self.docs.len() {
            0 => 0.0,
            docs => self.total_len as f64 / docs as f64,
        }
    }

    /// Puts a document in the place of what was known of its key.
    pub fn set(&mut self, key: &[u8], document: &dyn Document) {
        let started = Timer::start();
        self.remove(key);
        match self.draft(document) {
            Ok(draft) => self.insert(key, document, draft),
            Err((field, why)) => {
                let failures = &mut self.failures[field];
                failures.count += 1;
                failures.last = Some((why, key.into()));
            }
        }
        self.indexing_ms += started.elapsed().as_secs_f64() * 1000.0;
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: &[u8]) {
        let Some(doc) = self.by_key.remove(key) else {
            return;
        };
        let row = self.docs.remove(&doc).expect("a key's document has a row");
        self.total_len -= u64::from(row.len);
        for (field, number) in row.numbers {
            if let Column::Numbers(held) = &mut self.columns[field] {
                held.remove(&(Ordered(number), doc));
            }
        }
        for column in &mut self.columns {
            if let Column::Vectors(vectors) = column {
                vectors.remove(doc);
            }
        }
        for missing in &mut self.missing {
            missing.remove(&doc);
        }
        self.dead += 1;
        if self.sweep.is_none() && self.dead > DEAD_MIN + self.docs.len() / 4 {
            self.dead = 0;
            self.sweep = Some((0, Box::default()));
        }
        self.sweep_on();
    }

    fn draft(&self, document: &dyn Document) -> Result<DocumentDraft, (usize, Refusal)> {
        let mut draft = DocumentDraft {
            tags: Vec::new(),
            terms: HashMap::new(),
            numbers: Vec::new(),
            vectors: Vec::new(),
            missing: Vec::new(),
            sorts: vec![SortKey::Nothing; self.definition.fields.len()],
            len: 0,
            last_position: 0,
        };
        let stems = self.language_of(document).stems();
        for (at, field) in self.definition.fields.iter().enumerate() {
            let datum = document.datum(field);
            match datum {
                Datum::Missing if field.index_missing => draft.missing.push(at),
                Datum::Missing => {}
                Datum::Unfit(why) => return Err((at, why)),
                datum => self
                    .draft_field(at, &datum, &stems, &mut draft)
                    .map_err(|why| (at, why))?,
            }
        }
        Ok(draft)
    }

    fn language_of(&self, document: &dyn Document) -> Language {
        let field = self.definition.language_field.as_ref();
        let named = field.and_then(|path| Language::named(&document.bytes(path)?));
        named
            .or(self.definition.language)
            .unwrap_or_else(Language::english)
    }

    fn score_of(&self, document: &dyn Document) -> f64 {
        let field = self.definition.score_field.as_ref();
        let held = field.and_then(|path| number_of(&document.bytes(path)?));
        held.unwrap_or(self.definition.score)
    }

    fn draft_field(
        &self,
        at: usize,
        datum: &Datum<'_>,
        stems: &Stems,
        draft: &mut DocumentDraft,
    ) -> Result<(), Refusal> {
        let field = &self.definition.fields[at];
        let texts: Vec<&[u8]> = match datum {
            Datum::Bytes(bytes) => vec![bytes],
            Datum::Texts(texts) => texts.iter().map(|text| &text[..]).collect(),
            _ => Vec::new(),
        };
        match &field.kind {
            FieldKind::Text { .. } => {
                draft.sorts[at] = sort_text(field, texts.first().copied());
                if !field.no_index {
                    texts
                        .iter()
                        .for_each(|text| self.draft_text(field, text, stems, draft));
                }
            }
            FieldKind::Tag { .. } => {
                draft.sorts[at] = sort_text(field, texts.first().copied());
                if !field.no_index {
                    let tags = tags_of(field, &texts);
                    draft.tags.push((at, tags));
                }
            }
            FieldKind::Numeric => {
                let numbers = match datum {
                    Datum::Numbers(numbers) => numbers.clone(),
                    _ => texts
                        .iter()
                        .map(|text| number_of(text))
                        .collect::<Option<Vec<f64>>>()
                        .ok_or("Invalid numeric value")?,
                };
                if let Some(first) = numbers.first() {
                    draft.sorts[at] = SortKey::Number(*first);
                }
                if !field.no_index {
                    draft.numbers.extend(numbers.into_iter().map(|n| (at, n)));
                }
            }
            FieldKind::Geo => {
                for text in texts {
                    let place = geo_of(text).ok_or("Invalid geo string")?;
                    if !field.no_index {
                        draft.numbers.push((at, place.score()));
                    }
                }
            }
            FieldKind::Vector(spec) => {
                let blob = match datum {
                    Datum::Vector(blob) => blob,
                    _ => texts.first().copied().unwrap_or_default(),
                };
                if blob.len() != spec.blob_bytes() {
                    return Err(format!(
                        "Could not add vector with blob size {} (expected size {})",
                        blob.len(),
                        spec.blob_bytes()
                    ));
                }
                draft.vectors.push((at, blob.to_vec()));
            }
        }
        Ok(())
    }

    fn draft_text(&self, field: &FieldSpec, text: &[u8], stems: &Stems, draft: &mut DocumentDraft) {
        let FieldKind::Text {
            weight,
            no_stem,
            bit,
            ..
        } = &field.kind
        else {
            return;
        };
        let (mask, freq) = (1_u64 << bit, (*weight as u32).max(1));
        let stem_freq = ((*weight * STEM_WEIGHT) as u32).max(1);
        if text.is_empty() && field.index_empty {
            draft.terms.entry(Vec::new()).or_default().mask |= mask;
            draft.terms.entry(Vec::new()).or_default().freq += freq;
        }
        let DocumentDraft {
            terms,
            len,
            last_position,
            ..
        } = draft;
        each_word(text, |word| {
            if self.definition.is_stopword(&word) {
                return;
            }
            *last_position += 1;
            *len += freq;
            let mut add = |term: Vec<u8>, freq: u32| {
                let held = terms.entry(term).or_default();
                held.freq += freq;
                held.mask |= mask;
                held.positions.push(*last_position);
            };
            if let Some(stem) = stems.of_long(&word).filter(|_| !no_stem) {
                add([b"+", stem.as_bytes()].concat(), stem_freq);
            }
            add(word.into_bytes(), freq);
        });
    }

    fn insert(&mut self, key: &[u8], document: &dyn Document, draft: DocumentDraft) {
        let doc = self.next;
        self.next += 1;
        let freqs = draft.terms.values().map(|held| held.freq);
        // RediSearch counts a vector as one more.
        let max_freq = freqs.max().unwrap_or(0) + draft.vectors.len() as u32;
        for (term, held) in draft.terms {
            let list = self.terms.entry(term.into()).or_default();
            list.push(Posting {
                doc,
                freq: held.freq,
                mask: held.mask,
                places: &pack_positions(&held.positions),
            });
        }
        for (at, tags) in draft.tags {
            if let Column::Tags(lists) = &mut self.columns[at] {
                for tag in tags {
                    lists.entry(tag).or_default().push_plain(doc);
                }
            }
        }
        for (at, number) in &draft.numbers {
            if let Column::Numbers(held) = &mut self.columns[*at] {
                held.insert((Ordered(*number), doc));
            }
        }
        for (at, blob) in draft.vectors {
            if let Column::Vectors(vectors) = &mut self.columns[at] {
                vectors.insert(doc, &blob);
            }
        }
        for at in draft.missing {
            self.missing[at].insert(doc);
        }
        let row = DocRow {
            key: key.into(),
            score: self.score_of(document),
            len: draft.len,
            max_freq,
            sorts: draft.sorts.into(),
            numbers: draft.numbers,
        };
        self.total_len += u64::from(draft.len);
        self.docs.insert(doc, row);
        self.by_key.insert(key.into(), doc);
    }

    /// Takes the dead out of some more lists.
    fn sweep_on(&mut self) {
        let (mut effort, columns) = (0, self.columns.len());
        while let Some((at, from)) = self.sweep.take() {
            let lists = match self.columns.get_mut(at) {
                Some(Column::Tags(lists)) => lists,
                Some(_) => {
                    self.sweep = Some((at + 1, Box::default()));
                    continue;
                }
                None if at == columns => &mut self.terms,
                None => return,
            };
            let begin = match from.is_empty() {
                true => Bound::Included(Box::default()),
                false => Bound::Excluded(from),
            };
            let mut next = lists.range_mut::<Box<[u8]>, _>((begin, Bound::Unbounded));
            let Some((name, list)) = next.next() else {
                lists.retain(|_, list| !list.is_empty());
                self.sweep = Some((at + 1, Box::default()));
                continue;
            };
            effort += list.len() + 1;
            list.sweep(|doc| self.docs.contains_key(&doc));
            self.sweep = Some((at, name.clone()));
            if effort > SWEEP_POSTINGS {
                return;
            }
        }
    }
}

/// What a text is sorted by.
fn sort_text(field: &FieldSpec, text: Option<&[u8]>) -> SortKey {
    match text.filter(|_| field.sortable) {
        None => SortKey::Nothing,
        Some(text) if field.unf => SortKey::Text(text.into()),
        Some(text) => SortKey::Text(lower(text).into_bytes().into()),
    }
}

/// The tags of an attribute, each once.
fn tags_of(field: &FieldSpec, texts: &[&[u8]]) -> Vec<Box<[u8]>> {
    let FieldKind::Tag {
        separator,
        case_sensitive,
    } = field.kind
    else {
        return Vec::new();
    };
    let mut tags: Vec<Box<[u8]>> = Vec::new();
    for text in texts {
        // A separator that is zero separates nothing.
        let parts = text.split(|byte| separator != 0 && *byte == separator);
        for part in parts.map(<[u8]>::trim_ascii) {
            if part.is_empty() && !field.index_empty {
                continue;
            }
            let tag = match case_sensitive {
                true => part.into(),
                false => lower(part).into_bytes().into_boxed_slice(),
            };
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    tags
}
