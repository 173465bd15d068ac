//! All indexes, and what stands beside them: aliases, dictionaries, cursors, settings.
//!
//! There is one lock, which units take while they hold their shards: all keys that a unit has changed are indexed anew
//! under one hold of it, so that searches see the unit whole or not at all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hashbrown::HashMap;

use super::document::Document;
use super::expr::Row;
use super::index::{BuildProgress, DocumentIndex};
use super::schema::{Definition, SourceKind};
use crate::util::ranked::{Mutex, RwLock, rank};

/// A command that makes a part of the catalog again.
pub type Making = Vec<Vec<u8>>;

/// Gives the document that a key is, if its value is one of this kind.
pub type Find<'f> = &'f dyn Fn(SourceKind, &mut dyn FnMut(&dyn Document));

#[derive(Default)]
pub struct IndexCatalog {
    pub indexes: BTreeMap<Box<[u8]>, DocumentIndex>,
    /// Other names of indexes.
    pub aliases: BTreeMap<Box<[u8]>, Box<[u8]>>,
    pub dictionaries: BTreeMap<Box<[u8]>, BTreeSet<Box<[u8]>>>,
    /// Counts indexes as they are made, so that one is not taken for another of its name.
    made: u64,
    ids: HashMap<Box<[u8]>, u64>,
}

impl IndexCatalog {
    /// The index of this name or alias.
    pub fn get(&self, name: &[u8]) -> Option<&DocumentIndex> {
        let name = self.aliases.get(name).map_or(name, |name| name);
        self.indexes.get(name)
    }

    pub fn get_mut(&mut self, name: &[u8]) -> Option<&mut DocumentIndex> {
        let name = self.aliases.get(name).map_or(name, |name| name);
        self.indexes.get_mut(name)
    }

    pub fn create(&mut self, definition: Definition, total: u64) {
        let name = definition.name.clone();
        let mut index = DocumentIndex::new(definition);
        if !index.definition.skip_initial_scan {
            index.building = Some(BuildProgress { seen: 0, total });
        }
        self.made += 1;
        self.ids.insert(name.clone(), self.made);
        self.indexes.insert(name, index);
    }

    /// Puts a wider definition in the place of an index's, to be built again.
    pub fn widen(&mut self, definition: Definition, total: u64) {
        let name = definition.name.clone();
        if let Some(index) = self.indexes.get_mut(&name) {
            index.widen(definition);
            index.building = Some(BuildProgress { seen: 0, total });
            self.made += 1;
            self.ids.insert(name, self.made);
        }
    }

    /// Drops an index with its aliases; its keys stay.
    pub fn drop_index(&mut self, name: &[u8]) -> Option<DocumentIndex> {
        let name = self.aliases.get(name).map_or(name, |name| name);
        let name: Box<[u8]> = name.into();
        self.aliases.retain(|_, index| *index != name);
        self.ids.remove(&name);
        self.indexes.remove(&name)
    }

    pub fn clear(&mut self) {
        self.indexes.clear();
        self.aliases.clear();
        self.dictionaries.clear();
        self.ids.clear();
    }

    /// Whether an index has keys of this name.
    pub fn covers(&self, key: &[u8]) -> bool {
        self.indexes
            .values()
            .any(|index| index.definition.covers(key))
    }

    /// Indexes a key anew wherever it belongs.
    pub fn update(&mut self, key: &[u8], find: Find<'_>) {
        for index in self.indexes.values_mut() {
            if index.definition.covers(key) {
                let mut found = false;
                find(index.definition.source, &mut |document| {
                    index.set(key, document);
                    found = true;
                });
                if !found {
                    index.remove(key);
                }
            }
        }
    }

    /// Indexes a key that was there before an index, unless it has been indexed since: then it is as it was.
    pub fn build(&mut self, key: &[u8], find: Find<'_>) {
        for index in self.indexes.values_mut() {
            let wants = index.building.is_some() && index.definition.covers(key);
            if wants && index.doc_of(key).is_none() {
                find(index.definition.source, &mut |document| {
                    index.set(key, document)
                });
            }
        }
    }

    /// Indexes that are being built over the keys that were there before them, each with its number.
    pub fn under_way(&self) -> Vec<(Box<[u8]>, u64)> {
        let building = self
            .indexes
            .iter()
            .filter(|(_, index)| index.building.is_some());
        building
            .map(|(name, _)| (name.clone(), self.ids.get(name).copied().unwrap_or(0)))
            .collect()
    }

    /// Of these indexes, tells that so many more keys were looked at.
    pub fn progress(&mut self, built: &[(Box<[u8]>, u64)], keys: u64) {
        for (name, id) in built {
            if self.ids.get(name) == Some(id)
                && let Some(BuildProgress { seen, .. }) = self
                    .indexes
                    .get_mut(name)
                    .and_then(|index| index.building.as_mut())
            {
                *seen += keys;
            }
        }
    }

    /// Every key was looked at for these indexes.
    pub fn built(&mut self, built: &[(Box<[u8]>, u64)]) {
        for (name, id) in built {
            if self.ids.get(name) == Some(id)
                && let Some(index) = self.indexes.get_mut(name)
            {
                index.building = None;
            }
        }
    }

    /// Empties every index, to be built again.
    pub fn begin_anew(&mut self, total: u64) {
        for index in self.indexes.values_mut() {
            index.widen(index.definition.clone());
            index.building = Some(BuildProgress { seen: 0, total });
        }
    }

    /// The commands that make the catalog again.
    pub fn makings(&self) -> Vec<Making> {
        let mut makings = Vec::new();
        for index in self.indexes.values() {
            let mut making = vec![b"FT.CREATE".to_vec()];
            making.extend(index.definition.words.iter().cloned());
            makings.push(making);
        }
        for (alias, name) in &self.aliases {
            makings.push(vec![b"FT.ALIASADD".to_vec(), alias.to_vec(), name.to_vec()]);
        }
        for (name, words) in &self.dictionaries {
            let mut making = vec![b"FT.DICTADD".to_vec(), name.to_vec()];
            making.extend(words.iter().map(|word| word.to_vec()));
            makings.push(making);
        }
        makings
    }
}

/// Rows that are still to be read.
pub struct RowCursor {
    pub index: Box<[u8]>,
    pub rows: VecDeque<Row>,
    /// Rows at once unless told otherwise.
    pub count: usize,
    pub idle_ms_max: u64,
    pub used_ms: u64,
}

/// FT.CONFIG.
#[derive(Clone, Debug)]
pub struct SearchSettings(pub BTreeMap<String, String>);

/// The settings that there are, as RediSearch has them.
const SETTINGS: &[(&str, &str)] = &[
    ("DEFAULT_DIALECT", "1"),
    ("MAXAGGREGATERESULTS", "unlimited"),
    ("MAXEXPANSIONS", "200"),
    ("MAXPREFIXEXPANSIONS", "200"),
    ("MAXSEARCHRESULTS", "1000000"),
    ("MINPREFIX", "2"),
    ("MINSTEMLEN", "4"),
    ("ON_TIMEOUT", "return"),
    ("TIMEOUT", "500"),
];

impl Default for SearchSettings {
    fn default() -> Self {
        let pairs = SETTINGS.iter();
        SearchSettings(
            pairs
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
        )
    }
}

/// All that searches need of the server.
#[derive(Default)]
pub struct Searches {
    pub catalog: RwLock<IndexCatalog, { rank("search indexes") }>,
    /// Whether there is any index.
    active: AtomicBool,
    /// Whether a thread builds indexes.
    pub builder: AtomicBool,
    pub cursors: Mutex<HashMap<u64, RowCursor>, { rank("search cursors") }>,
    pub settings: Mutex<SearchSettings, { rank("search settings") }>,
    pub searches: AtomicU64,
}

impl Searches {
    /// Whether changed keys are to be told of. It changes while all shards are locked.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// Notes whether there is any index.
    pub fn settle(&self, catalog: &IndexCatalog) {
        let active = !catalog.indexes.is_empty();
        self.active.store(active, Ordering::Relaxed);
    }

    /// The dialect of queries that name none.
    pub fn dialect(&self) -> u8 {
        let settings = self.settings.lock();
        let dialect = settings.0.get("DEFAULT_DIALECT");
        dialect.and_then(|text| text.parse().ok()).unwrap_or(1)
    }

    /// Keeps rows for a client, and returns the number by which it asks for them.
    pub fn keep(&self, cursor: RowCursor) -> u64 {
        let mut cursors = self.cursors.lock();
        let now_ms = cursor.used_ms;
        cursors.retain(|_, held| now_ms.saturating_sub(held.used_ms) < held.idle_ms_max);
        loop {
            let id = crate::util::chance::within(1..1 << 31) as u64;
            if !cursors.contains_key(&id) {
                cursors.insert(id, cursor);
                return id;
            }
        }
    }
}
