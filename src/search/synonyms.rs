//! Groups of words that mean the same. Copies share their parts, so that one costs nothing and an edit costs the same however many
//! words there are.

use std::sync::Arc;

use crate::types::{OrdMap, OrdSet};

#[derive(Clone, Debug, Default)]
pub struct Synonyms {
    /// The groups of each word, in the order in which they came.
    words: OrdMap<Arc<str>, OrdMap<u64, Arc<[u8]>>>,
    /// The words of each group.
    groups: OrdSet<(Arc<[u8]>, Arc<str>)>,
    /// Counts the words of all groups.
    added: u64,
}

impl Synonyms {
    pub fn add(&mut self, word: String, group: &[u8]) {
        let (word, group): (Arc<str>, Arc<[u8]>) = (word.into(), group.into());
        if self
            .groups
            .insert((group.clone(), word.clone()), ())
            .is_none()
        {
            self.added += 1;
            let groups = self.words.get_or_insert_with(word, OrdMap::new);
            groups.insert(self.added, group);
        }
    }

    /// The groups of a word.
    pub fn of(&self, word: &str) -> impl Iterator<Item = &[u8]> {
        let groups = self.words.get(word).into_iter();
        groups.flat_map(|groups| groups.values().map(|group| &group[..]))
    }

    /// The words that are in any group.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.keys().map(|word| &word[..])
    }

    pub fn words_len(&self) -> usize {
        self.words.len()
    }

    /// The words of each group, those of one group side by side.
    pub fn grouped(&self) -> impl Iterator<Item = (&Arc<[u8]>, &str)> {
        self.groups.keys().map(|(group, word)| (group, &word[..]))
    }
}
