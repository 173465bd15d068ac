//! Many documents of new keys at once: what is read from them, and the columns that take it, are shared out among threads.

use std::sync::Arc;

use super::{LiveIndex, add_number, add_tags, add_terms, row_of};
use crate::search::document::Document;
use crate::search::draft::DocumentDraft;
use crate::search::index::{Column, DocumentIndex};
use crate::search::schema::Definition;
use crate::search::vectors::VectorBlob;
use crate::search::words::Refusal;
use crate::util::chance;

/// What an index takes of a document, or what is wrong with it, and in which attribute.
pub struct Drafted {
    key: Box<[u8]>,
    draft: Result<DocumentDraft, (usize, Refusal)>,
}

impl Drafted {
    /// Nothing of a document that the index doesn't take.
    pub fn new(definition: &Definition, key: &[u8], document: &dyn Document) -> Option<Self> {
        definition.takes(key, document).then(|| Drafted {
            key: key.into(),
            draft: definition.draft(document),
        })
    }
}

/// Adds to one column what documents have for it.
pub type AddTask<'t> = Box<dyn FnOnce() + Send + 't>;

/// What documents have for a column, each with its number.
#[derive(Default)]
struct ColumnDraft {
    tags: Vec<(u64, Vec<Box<[u8]>>)>,
    numbers: Vec<(u64, f64)>,
    vectors: Vec<(u64, Vec<VectorBlob>)>,
    missing: Vec<u64>,
}

impl ColumnDraft {
    fn add(self, column: &mut Column, seed: u64, threads: usize) {
        for (doc, tags) in self.tags {
            add_tags(column, doc, tags);
        }
        for (doc, number) in self.numbers {
            add_number(column, doc, number);
        }
        if let Column::Vectors(vectors) = column {
            let mut random = chance::Rng::with_seed(seed);
            Arc::make_mut(vectors).insert_all(self.vectors, || random.f64(), threads);
        }
    }
}

impl LiveIndex {
    /// Adds documents of keys that it has no document of, by tasks that may be done at the same time. All are to be done before
    /// anybody looks at it.
    pub fn add(&mut self, drafted: Vec<Drafted>, threads: usize) -> Vec<AddTask<'_>> {
        self.used();
        let DocumentIndex {
            docs,
            columns,
            terms,
            missing,
            total_len,
            ..
        } = &mut self.held;
        let mut drafts: Vec<ColumnDraft> = Vec::new();
        drafts.resize_with(columns.len(), ColumnDraft::default);
        let (mut rows, mut words) = (Vec::new(), Vec::new());
        for Drafted { key, draft } in drafted {
            let draft = match draft {
                Ok(draft) => draft,
                Err((field, why)) => {
                    self.failures[field].note(why, &key);
                    continue;
                }
            };
            let doc = self.next;
            self.next += 1;
            *total_len += u64::from(draft.len);
            rows.push((doc, row_of(&key, &draft)));
            words.push((doc, draft.terms));
            for (at, tags) in draft.tags {
                drafts[at].tags.push((doc, tags));
            }
            for (at, number) in draft.numbers {
                drafts[at as usize].numbers.push((doc, number));
            }
            for (at, blobs) in draft.vectors {
                drafts[at].vectors.push((doc, blobs));
            }
            for at in draft.missing {
                drafts[at].missing.push(doc);
            }
        }
        let by_key = &mut self.by_key;
        let add_rows = move || {
            for (doc, row) in rows {
                by_key.insert(row.key.clone(), doc);
                docs.insert(doc, Arc::new(row));
            }
        };
        let add_words = move || {
            let each = words.into_iter();
            each.for_each(|(doc, words)| add_terms(terms, doc, words));
        };
        let mut tasks: Vec<AddTask<'_>> = vec![Box::new(add_words), Box::new(add_rows)];
        for ((column, missing), draft) in columns.iter_mut().zip(missing).zip(drafts) {
            let seed = chance::number();
            tasks.push(Box::new(move || {
                for doc in &draft.missing {
                    missing.insert(*doc, ());
                }
                draft.add(column, seed, threads);
            }));
        }
        tasks
    }
}
