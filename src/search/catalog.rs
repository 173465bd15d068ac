//! All indexes, and what stands beside them: aliases and dictionaries.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::document::Document;
use super::index::DocumentIndex;
use super::live::many::{AddTask, Drafted};
use super::live::{BuildProgress, LiveIndex};
use super::schema::{Definition, FieldKind, SourceKind};
use super::synonyms::Synonyms;
use crate::types::{OrdMap, OrdSet};

/// A command that makes a part of the catalog again.
pub type Making = Vec<Vec<u8>>;

/// Gives the document that a key is, if its value is one of this kind.
pub type Find<'f> = &'f dyn Fn(SourceKind, &mut dyn FnMut(&dyn Document));

#[derive(Default)]
pub struct IndexCatalog {
    pub indexes: BTreeMap<Box<[u8]>, LiveIndex>,
    /// Other names of indexes.
    pub aliases: OrdMap<Box<[u8]>, Arc<[u8]>>,
    pub dictionaries: OrdMap<Box<[u8]>, OrdSet<Box<[u8]>>>,
    /// Counts indexes as they are made, so that one is not taken for another of its name.
    made: u64,
    ids: HashMap<Box<[u8]>, u64>,
    /// Indexes as they were before the transaction or script under way, which has asked for what it wrote. Others find these.
    before: HashMap<Box<[u8]>, Arc<DocumentIndex>>,
}

impl IndexCatalog {
    /// Takes everything out: what is made later is not taken for it.
    pub fn take(&mut self) -> Vec<LiveIndex> {
        let left = IndexCatalog {
            made: self.made,
            before: std::mem::take(&mut self.before),
            ..IndexCatalog::default()
        };
        let gone = std::mem::replace(self, left);
        gone.indexes.into_values().collect()
    }

    /// The index of this name or alias.
    pub fn get(&self, name: &[u8]) -> Option<&LiveIndex> {
        self.indexes.get(self.resolved(name))
    }

    /// The index's own name, if this is an alias.
    pub fn resolved<'n>(&'n self, name: &'n [u8]) -> &'n [u8] {
        self.aliases.get(name).map_or(name, |name| name)
    }

    pub fn create(&mut self, definition: Definition, total: u64) {
        let name: Box<[u8]> = (&*definition.name).into();
        let mut index = LiveIndex::new(definition);
        if !index.definition.skip_initial_scan {
            index.building = Some(BuildProgress { seen: 0, total });
        }
        self.made += 1;
        self.ids.insert(name.clone(), self.made);
        self.indexes.insert(name, index);
    }

    /// Changes the definition of an index, whose documents are to be read again if their number is given; nothing if there is no
    /// index of this name.
    pub fn redefine<E>(
        &mut self,
        name: &[u8],
        total: Option<u64>,
        change: impl FnOnce(&mut Definition) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        let name: Box<[u8]> = self.resolved(name).into();
        let index = self.indexes.get_mut(&name)?;
        let changed = index.redefine(change);
        if changed.is_ok() {
            if let Some(total) = total {
                index.building = Some(BuildProgress { seen: 0, total });
            }
            self.made += 1;
            self.ids.insert(name, self.made);
        }
        Some(changed)
    }

    /// Drops an index with its aliases; its keys stay.
    pub fn drop_index(&mut self, name: &[u8]) -> Option<LiveIndex> {
        let name: Box<[u8]> = self.resolved(name).into();
        let own = self.aliases.iter().filter(|(_, index)| index[..] == *name);
        let own: Vec<Box<[u8]>> = own.map(|(alias, _)| alias.clone()).collect();
        for alias in own {
            self.aliases.remove(&alias);
        }
        self.ids.remove(&name);
        self.indexes.remove(&name)
    }

    /// A copy of an index for a search, as it was before what the unit under way has done, unless that searches itself.
    pub fn frozen(&self, name: &[u8], within: bool) -> Option<Arc<DocumentIndex>> {
        let name = self.resolved(name);
        let before = self.before.get(name).filter(|_| !within);
        before
            .cloned()
            .or_else(|| self.indexes.get(name).map(LiveIndex::frozen))
    }

    /// Shows others the indexes of a key as they are now, until the unit under way has ended.
    pub fn hold_back(&mut self, key: &[u8]) {
        for (name, index) in &self.indexes {
            if index.definition.covers(key) && !self.before.contains_key(name) {
                self.before.insert(name.clone(), index.frozen());
            }
        }
    }

    /// Shows everybody everything.
    pub fn show(&mut self) {
        self.before.clear();
    }

    /// Indexes that are temporary and have been idle for too long since then.
    pub fn idle(&self, now_ms: u64, since_ms: u64) -> Vec<Box<[u8]>> {
        let idle = self.indexes.iter();
        let idle = idle.filter(|(_, index)| index.is_idle(now_ms, since_ms));
        idle.map(|(name, _)| name.clone()).collect()
    }

    /// What is covered by indexes: the beginnings of keys.
    pub fn covered(&self) -> Covered {
        let definitions = self.indexes.values().map(|index| &index.definition);
        Covered::new(definitions.flat_map(|definition| definition.prefixes.iter()))
    }

    /// Fields of a key whose bytes indexes hold, too, if it is a hash.
    pub fn shared(&self, key: &[u8]) -> impl Iterator<Item = &[u8]> {
        let definitions = self.indexes.values().map(|index| &index.definition);
        let own = definitions
            .filter(move |one| one.source == SourceKind::Hash && one.covers(key))
            .flat_map(|one| &one.fields);
        own.filter_map(|field| match &field.kind {
            FieldKind::Vector(spec) if spec.shares() => Some(&field.path[..]),
            _ => None,
        })
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

    /// Indexes a key that was there before an index, or before it was widened, unless it has been indexed since.
    pub fn build(&mut self, key: &[u8], find: Find<'_>) {
        for index in self.indexes.values_mut() {
            if index.wants(key) {
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

    /// Definitions of the indexes that are being built, in their order.
    pub fn drafters(&self) -> Vec<Arc<Definition>> {
        let indexes = self.indexes.values();
        let building = indexes.filter(|index| index.building.is_some());
        building.map(|index| index.definition.clone()).collect()
    }

    /// Adds what was drafted for each of the indexes that are being built, none of which has a document of these keys.
    pub fn add(&mut self, drafted: Vec<Vec<Drafted>>, threads: usize) -> Vec<AddTask<'_>> {
        let indexes = self.indexes.values_mut();
        let building = indexes.filter(|index| index.building.is_some());
        let added = building
            .zip(drafted)
            .filter(|(_, drafted)| !drafted.is_empty());
        added
            .flat_map(|(index, drafted)| index.add(drafted, threads))
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
            index.begin_anew();
            index.building = Some(BuildProgress { seen: 0, total });
        }
    }

    /// What is written to files of it.
    pub fn outline(&self) -> Outline {
        let indexes = self.indexes.values();
        Outline {
            definitions: indexes.map(|index| index.definition.clone()).collect(),
            aliases: self.aliases.clone(),
            dictionaries: self.dictionaries.clone(),
        }
    }
}

/// What is written to files of the catalog. Making one costs little: it shares the parts.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    definitions: Vec<Arc<Definition>>,
    aliases: OrdMap<Box<[u8]>, Arc<[u8]>>,
    dictionaries: OrdMap<Box<[u8]>, OrdSet<Box<[u8]>>>,
}

impl Outline {
    /// The commands that make the catalog again.
    pub fn makings(&self) -> Vec<Making> {
        let mut makings = Vec::new();
        for definition in &self.definitions {
            let mut making = vec![b"FT.CREATE".to_vec()];
            making.extend(definition.words.iter().cloned());
            makings.push(making);
            makings.extend(synonym_makings(&definition.synonyms, &definition.name));
        }
        for (alias, name) in self.aliases.iter() {
            makings.push(vec![b"FT.ALIASADD".to_vec(), alias.to_vec(), name.to_vec()]);
        }
        for (name, words) in self.dictionaries.iter() {
            let mut making = vec![b"FT.DICTADD".to_vec(), name.to_vec()];
            making.extend(words.keys().map(|word| word.to_vec()));
            makings.push(making);
        }
        makings
    }
}

/// The commands that make the groups of an index again. Its documents are read behind them.
fn synonym_makings(synonyms: &Synonyms, index: &[u8]) -> Vec<Making> {
    let mut makings: Vec<Making> = Vec::new();
    let mut last: Option<&Arc<[u8]>> = None;
    for (group, word) in synonyms.grouped() {
        if last.replace(group) != Some(group) {
            let head = [&b"FT.SYNUPDATE"[..], index, group, b"SKIPINITIALSCAN"];
            makings.push(head.map(<[u8]>::to_vec).to_vec());
        }
        if let Some(making) = makings.last_mut() {
            making.push(word.as_bytes().to_vec());
        }
    }
    makings
}

/// Beginnings of keys, none of which begins with another: in order.
#[derive(Debug, Default)]
pub struct Covered(Vec<Box<[u8]>>);

impl Covered {
    fn new<'p>(prefixes: impl Iterator<Item = &'p Box<[u8]>>) -> Self {
        let mut prefixes: Vec<&Box<[u8]>> = prefixes.collect();
        prefixes.sort_unstable();
        let mut held: Vec<Box<[u8]>> = Vec::new();
        for prefix in prefixes {
            if !held.last().is_some_and(|last| prefix.starts_with(last)) {
                held.push(prefix.clone());
            }
        }
        Covered(held)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an index has keys of this name.
    pub fn covers(&self, key: &[u8]) -> bool {
        let at = self.0.partition_point(|prefix| **prefix <= *key);
        at > 0 && key.starts_with(&self.0[at - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_many_synonyms_costs_the_same() {
        let words = ["i", "SCHEMA", "t", "TEXT"].map(str::as_bytes);
        let mut catalog = IndexCatalog::default();
        catalog.create(crate::search::definition(&words).unwrap(), 0);
        // Words in one group, and groups of one word. If each were to copy those before it, or to look at them, this would take hours.
        let count = 100_000;
        for n in 0..count {
            for (word, group) in [(format!("w{n}"), "g".into()), ("w".into(), format!("g{n}"))] {
                let done = catalog.redefine(b"i", None, |definition| {
                    definition.synonyms.add(word, group.as_bytes());
                    Ok::<(), ()>(())
                });
                assert_eq!(done, Some(Ok(())));
            }
        }
        let synonyms = &catalog.get(b"i").unwrap().definition.synonyms;
        assert_eq!(synonyms.words_len(), count + 1);
        let groups = synonyms.of("w").map(|group| String::from_utf8_lossy(group));
        assert!(groups.eq((0..count).map(|n| format!("g{n}"))));
        assert_eq!(synonym_makings(synonyms, b"i").len(), count + 1);
    }

    #[test]
    fn what_is_temporary_is_idle_since_it_was_used_or_was_anothers() {
        let words = ["i", "TEMPORARY", "100", "SCHEMA", "t", "TEXT"];
        let words = words.map(str::as_bytes);
        let mut catalog = IndexCatalog::default();
        catalog.create(crate::search::definition(&words).unwrap(), 0);
        let used_ms = crate::util::clock::now_ms();
        let idle = |now_ms, since_ms| catalog.idle(now_ms, since_ms).len();
        assert_eq!(idle(used_ms + 90_000, 0), 0);
        assert_eq!(idle(used_ms + 110_000, 0), 1);
        // A replica that has become a master gives it all of its time.
        assert_eq!(idle(used_ms + 110_000, used_ms + 50_000), 0);
        assert_eq!(idle(used_ms + 150_000, used_ms + 50_000), 1);
    }

    #[test]
    fn keys_are_covered_by_their_beginnings() {
        let prefixes: [Box<[u8]>; 4] = [
            b"b:"[..].into(),
            b"a:"[..].into(),
            b"a:1"[..].into(),
            b"c"[..].into(),
        ];
        let covered = Covered::new(prefixes.iter());
        assert_eq!(covered.0.len(), 3);
        let is = |key: &[u8]| covered.covers(key);
        assert!(is(b"a:") && is(b"a:2") && is(b"a:1") && is(b"b:x") && is(b"c"));
        assert!(!is(b"a") && !is(b"") && !is(b"b") && !is(b"d") && !is(b"aa:"));
        let every: [Box<[u8]>; 2] = [b""[..].into(), b"x"[..].into()];
        assert!(Covered::new(every.iter()).covers(b"") && Covered::new(every.iter()).covers(b"y"));
        assert!(!Covered::default().covers(b"") && Covered::default().is_empty());
    }
}
