//! What a document brings to an index: its words, tags, numbers and vectors, before anything is changed.

use hashbrown::HashMap;

use super::document::{Datum, Document};
use super::index::SortKey;
use super::numbers::{geo_of, number_of};
use super::phonetic::sound_of_long;
use super::schema::{Definition, FieldKind, FieldSpec, SourceKind, VectorSpec};
use super::tokens::{Language, Stems, each_word, lower};
use super::vectors::VectorBlob;
use super::words::Refusal;
use crate::types::SharedBytes;

/// What a stem is worth beside the word that it is of.
const STEM_WEIGHT: f64 = 0.2;

/// What one document brings, before anything is changed.
pub(super) struct DocumentDraft {
    pub tags: Vec<(usize, Vec<Box<[u8]>>)>,
    pub terms: HashMap<Vec<u8>, DraftTerm>,
    pub numbers: Vec<(u32, f64)>,
    pub vectors: Vec<(usize, Vec<VectorBlob>)>,
    pub missing: Vec<usize>,
    pub sorts: Vec<SortKey>,
    pub score: f64,
    pub payload: Option<Box<[u8]>>,
    pub len: u32,
    pub last_position: u32,
}

#[derive(Default)]
pub(super) struct DraftTerm {
    pub freq: u32,
    pub mask: u64,
    pub positions: Vec<u32>,
}

impl Definition {
    pub(super) fn draft(&self, document: &dyn Document) -> Result<DocumentDraft, (usize, Refusal)> {
        let mut draft = DocumentDraft {
            tags: Vec::new(),
            terms: HashMap::new(),
            numbers: Vec::new(),
            vectors: Vec::new(),
            missing: Vec::new(),
            sorts: vec![SortKey::Nothing; self.fields.len()],
            score: self.score_of(document),
            payload: self.payload_of(document),
            len: 0,
            last_position: 0,
        };
        let stems = self.language_of(document).stems();
        for (at, field) in self.fields.iter().enumerate() {
            if let Some((spec, bytes)) = shared(field, document) {
                check_vector(spec, &bytes).map_err(|why| (at, why))?;
                draft.vectors.push((at, vec![VectorBlob::Shared(bytes)]));
                continue;
            }
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
        let field = self.language_field.as_ref();
        let named = field.and_then(|path| Language::named(&document.bytes(path)?));
        named.or(self.language).unwrap_or_else(Language::english)
    }

    fn score_of(&self, document: &dyn Document) -> f64 {
        let field = self.score_field.as_ref();
        let held = field.and_then(|path| number_of(&document.bytes(path)?));
        // RediSearch keeps it in single precision.
        f64::from(held.unwrap_or(self.score) as f32)
    }

    /// As in RediSearch, JSON has none.
    fn payload_of(&self, document: &dyn Document) -> Option<Box<[u8]>> {
        let field = self.payload_field.as_ref();
        let field = field.filter(|_| self.source == SourceKind::Hash)?;
        let payload = document.bytes(field)?;
        (!payload.is_empty()).then(|| payload.as_ref().into())
    }

    fn draft_field(
        &self,
        at: usize,
        datum: &Datum<'_>,
        stems: &Stems,
        draft: &mut DocumentDraft,
    ) -> Result<(), Refusal> {
        let field = &self.fields[at];
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
            FieldKind::Numeric => draft_numbers((at, field), datum, &texts, draft)?,
            FieldKind::Geo => {
                for text in texts {
                    let place = geo_of(text).ok_or("Invalid geo string")?;
                    if !field.no_index {
                        draft.numbers.push((at as u32, place.score()));
                    }
                }
            }
            FieldKind::Vector(spec) => {
                let blobs = match datum {
                    Datum::Vectors(blobs) => blobs.clone(),
                    _ => texts.iter().map(|text| text.to_vec()).collect(),
                };
                for blob in &blobs {
                    check_vector(spec, blob)?;
                }
                let blobs: Vec<VectorBlob> = blobs.into_iter().map(VectorBlob::Own).collect();
                if !blobs.is_empty() {
                    draft.vectors.push((at, blobs));
                }
            }
        }
        Ok(())
    }

    fn draft_text(&self, field: &FieldSpec, text: &[u8], stems: &Stems, draft: &mut DocumentDraft) {
        let FieldKind::Text {
            weight,
            no_stem,
            phonetic,
            bit,
        } = &field.kind
        else {
            return;
        };
        let (mask, freq) = (1_u64 << bit, (*weight as u32).max(1));
        let stem_freq = ((*weight * STEM_WEIGHT) as u32).max(1);
        if text.is_empty() && field.index_empty {
            let held = draft.terms.entry(Vec::new()).or_default();
            held.mask |= mask;
            held.freq = held.freq.saturating_add(freq);
        }
        let DocumentDraft {
            terms,
            len,
            last_position,
            ..
        } = draft;
        each_word(text, |word| {
            if self.is_stopword(&word) {
                return;
            }
            *last_position += 1;
            *len = len.saturating_add(freq);
            let mut add = |term: Vec<u8>, freq: u32| {
                let held = terms.entry(term).or_default();
                held.freq = held.freq.saturating_add(freq);
                held.mask |= mask;
                held.positions.push(*last_position);
            };
            if let Some(stem) = stems.of_long(&word).filter(|_| !no_stem) {
                add([b"+", stem.as_bytes()].concat(), stem_freq);
            }
            let groups = self.synonyms.of(&word);
            for group in groups {
                add([b"~", group].concat(), freq);
            }
            if phonetic.is_some()
                && let Some(sound) = sound_of_long(&word)
            {
                add(sound, freq);
            }
            add(word.into_bytes(), freq);
        });
    }
}

fn draft_numbers(
    (at, field): (usize, &FieldSpec),
    datum: &Datum<'_>,
    texts: &[&[u8]],
    draft: &mut DocumentDraft,
) -> Result<(), Refusal> {
    let read = texts.iter().map(|text| number_of(text));
    let numbers = match datum {
        Datum::Numbers(numbers) => Some(numbers.clone()),
        _ => read.collect::<Option<Vec<f64>>>(),
    };
    let numbers = numbers.ok_or("Invalid numeric value")?;
    if let Some(first) = numbers.first() {
        draft.sorts[at] = SortKey::Number(*first);
    }
    if !field.no_index {
        let numbers = numbers.into_iter().map(|n| (at as u32, n));
        draft.numbers.extend(numbers);
    }
    Ok(())
}

/// A document's vector, if its index holds the document's own bytes.
fn shared<'f>(
    field: &'f FieldSpec,
    document: &dyn Document,
) -> Option<(&'f VectorSpec, SharedBytes)> {
    match &field.kind {
        FieldKind::Vector(spec) if spec.shares() => Some((spec, document.shared(&field.path)?)),
        _ => None,
    }
}

fn check_vector(spec: &VectorSpec, blob: &[u8]) -> Result<(), Refusal> {
    match blob.len() == spec.blob_bytes() {
        true => Ok(()),
        false => Err(format!(
            "Could not add vector with blob size {} (expected size {})",
            blob.len(),
            spec.blob_bytes()
        )),
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
