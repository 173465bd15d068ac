//! What searches need of the server: the catalog of indexes, cursors, settings.
//!
//! # Who waits for whom
//!
//! The catalog has one lock, which units take while they hold their shards: all keys that a unit has changed are indexed anew
//! under one hold of it, so that searches see the unit whole or not at all. Units whose keys belong to no index never take it:
//! which keys do stands in [`Covered`], which changes while all shards are locked and is read without waiting.
//!
//! A search takes the lock for as long as it copies the index, whose parts both then share: some hundred nanoseconds. It works
//! on the copy while nothing is locked, on a stack of its own that the worker leaves after a moment to serve others
//! (`exec/aside.rs`). So neither writers nor other clients wait for it, and it finds every edit that was answered before it
//! began. What it found is read key by key then, under the lock of one shard at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use hashbrown::HashMap;

use super::catalog::{Covered, IndexCatalog, Outline};
use super::expr::Row;
use super::index::DocumentIndex;
use super::query::QueryDefaults;
use crate::util::ranked::{Mutex, RwLock, rank};

/// Rows that are still to be read.
pub struct RowCursor {
    pub index: Arc<[u8]>,
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
    ("TIMEOUT", "0"),
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
    /// Which keys belong to indexes, unless that is still to be gathered.
    covered: ArcSwap<Covered>,
    unsettled: AtomicBool,
    /// Whether there is any index.
    active: AtomicBool,
    /// Until when temporary indexes were another's to drop: how they were used until then may not be known here.
    put_off_ms: AtomicU64,
    /// Whether a thread builds indexes.
    pub builder: AtomicBool,
    cursors: Mutex<HashMap<u64, RowCursor>, { rank("search cursors") }>,
    pub settings: Mutex<SearchSettings, { rank("search settings") }>,
    /// Which dialects queries were asked in, from the first on.
    dialects: [AtomicBool; DIALECTS],
}

/// The dialects of queries.
const DIALECTS: usize = 4;

impl Searches {
    /// Whether changed keys are to be told of. It changes while all shards are locked.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// Notes that there are other indexes than before, while all shards are locked. Which keys belong to them is gathered when
    /// somebody asks, so that many may be made one after another.
    pub fn settle(&self, catalog: &IndexCatalog) {
        self.active
            .store(!catalog.indexes.is_empty(), Ordering::Relaxed);
        self.unsettled.store(true, Ordering::Release);
    }

    /// Which keys belong to indexes. Whoever holds a shard finds what holds for its keys.
    pub fn covered(&self) -> Arc<Covered> {
        if self.unsettled.load(Ordering::Acquire) {
            // No index is made meanwhile: the shard is held.
            let covered = self.catalog.read().covered();
            self.covered.store(Arc::new(covered));
            self.unsettled.store(false, Ordering::Release);
        }
        self.covered.load_full()
    }

    /// What is written to files of the indexes.
    pub fn outline(&self) -> Outline {
        self.catalog.read().outline()
    }

    /// A copy of an index for a search, which a transaction or a script may have begun: it finds what that has written.
    pub fn frozen(&self, name: &[u8], within: bool) -> Option<Arc<DocumentIndex>> {
        self.catalog.read().frozen(name, within)
    }

    /// What holds for queries that say nothing else.
    pub fn defaults(&self) -> QueryDefaults {
        let settings = self.settings.lock();
        let text = |name: &str| settings.0.get(name).map_or("", String::as_str);
        QueryDefaults {
            dialect: text("DEFAULT_DIALECT").parse().unwrap_or(1),
            timeout_ms: text("TIMEOUT").parse().unwrap_or(0),
            fails_late: text("ON_TIMEOUT") == "fail",
            expansions: text("MAXPREFIXEXPANSIONS").parse().unwrap_or(200),
        }
    }

    /// Notes that a query was asked in a dialect.
    pub fn note_dialect(&self, dialect: u8) {
        let at = usize::from(dialect).wrapping_sub(1);
        if let Some(asked) = self.dialects.get(at) {
            asked.store(true, Ordering::Relaxed);
        }
    }

    /// Whether queries were asked in each of the dialects.
    pub fn dialects(&self) -> [bool; DIALECTS] {
        std::array::from_fn(|at| self.dialects[at].load(Ordering::Relaxed))
    }

    /// Indexes that are temporary and have been idle for too long.
    pub fn idle_indexes(&self, now_ms: u64) -> Vec<Box<[u8]>> {
        match self.is_active() {
            true => {
                let since_ms = self.put_off_ms.load(Ordering::Relaxed);
                self.catalog.read().idle(now_ms, since_ms)
            }
            false => Vec::new(),
        }
    }

    /// Notes that temporary indexes are not to be dropped here now: what is searched at a master, its replicas don't hear.
    pub fn put_off(&self, now_ms: u64) {
        self.put_off_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Keeps rows for a client, and returns the number by which it asks for them; nothing if the index has too many.
    pub fn keep(&self, cursor: RowCursor) -> Option<u64> {
        let mut cursors = self.cursors.lock();
        drop_idle(&mut cursors, cursor.used_ms);
        let same = cursors.values().filter(|held| held.index == cursor.index);
        if same.count() >= CURSORS_MAX {
            return None;
        }
        loop {
            let id = crate::util::chance::within(1..1 << 31) as u64;
            if !cursors.contains_key(&id) {
                cursors.insert(id, cursor);
                return Some(id);
            }
        }
    }

    /// The next rows of an index's cursor, and whether there are more behind them.
    pub fn next_rows(
        &self,
        (index, id): (&[u8], u64),
        count: Option<usize>,
        now_ms: u64,
    ) -> Option<(Vec<Row>, bool)> {
        let mut cursors = self.cursors.lock();
        drop_idle(&mut cursors, now_ms);
        let cursor = cursors.get_mut(&id).filter(|held| *held.index == *index)?;
        cursor.used_ms = now_ms;
        let count = count.unwrap_or(cursor.count).min(cursor.rows.len());
        let rows = cursor.rows.drain(..count).collect();
        let more = !cursor.rows.is_empty();
        if !more {
            cursors.remove(&id);
        }
        Some((rows, more))
    }

    /// Drops an index's cursor; false if there is none of this number.
    pub fn drop_cursor(&self, index: &[u8], id: u64) -> bool {
        let mut cursors = self.cursors.lock();
        let is_own = cursors.get(&id).is_some_and(|held| *held.index == *index);
        is_own && cursors.remove(&id).is_some()
    }

    /// Drops the cursors of an index, or all.
    pub fn drop_cursors(&self, index: Option<&[u8]>) {
        let mut cursors = self.cursors.lock();
        cursors.retain(|_, held| index.is_some_and(|index| *held.index != *index));
    }

    /// Drops the cursors that nobody has asked for too long.
    pub fn drop_idle_cursors(&self, now_ms: u64) {
        drop_idle(&mut self.cursors.lock(), now_ms);
    }

    /// How many cursors there are, and how many of them are an index's.
    pub fn count_cursors(&self, index: &[u8]) -> (usize, usize) {
        let cursors = self.cursors.lock();
        let own = cursors.values().filter(|held| *held.index == *index);
        (cursors.len(), own.count())
    }
}

/// Cursors of one index.
pub const CURSORS_MAX: usize = 128;

fn drop_idle(cursors: &mut HashMap<u64, RowCursor>, now_ms: u64) {
    if !cursors.is_empty() {
        cursors.retain(|_, held| now_ms.saturating_sub(held.used_ms) < held.idle_ms_max);
    }
}
