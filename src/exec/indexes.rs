//! Indexes over documents follow the keys: at the commit of each unit, and when one is built over keys that were there
//! before it.

mod rebuild;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hashbrown::HashSet;

use rebuild::rebuild;

use super::Worker;
use super::unit::Unit;
use crate::command::CommandEntry;
use crate::commands::search::drop_named;
use crate::engine::{
    Db, Effects, Engine, Locked, Now, Patience, SHARDS, ShardKey, ShardSet, Shards, Table,
    document_of,
};
use crate::search::{IndexCatalog, Searches};
use crate::state::shared::Shared;
use crate::types::Bstr;
use crate::util::clock::Timer;
use crate::util::{clock, memory, thread};

/// Keys that a build looks at under one hold of a shard, at most.
const BUILD_KEYS: usize = 64;
/// It lets go before that once it has held one for so long: finding the place of a vector in a graph takes a while.
const BUILD_HOLD: Duration = Duration::from_millis(1);

impl Worker {
    /// Before a search: a transaction and a script find what they have written.
    #[inline]
    pub(super) fn index_written(&self, unit: &mut Unit<'_>, entry: &CommandEntry) {
        if !unit.effects.indexed.is_empty() && entry.categories.contains(&"search") {
            unit.effects.held_back = true;
            self.index_keys(&mut unit.locked, &mut unit.effects, true);
        }
    }

    /// Indexes anew what a unit has changed, while its shards are still locked: all of it in one step.
    #[cold]
    pub(super) fn index_changes(&self, locked: &mut Locked<'_>, effects: &mut Effects) {
        let held_back = std::mem::take(&mut effects.held_back);
        self.index_keys(locked, effects, held_back);
        if held_back {
            self.shared.search.catalog.write().show();
        }
    }

    fn index_keys(&self, locked: &mut Locked<'_>, effects: &mut Effects, holds_back: bool) {
        let mut keys = std::mem::take(&mut effects.indexed);
        let search = &self.shared.search;
        if std::mem::take(&mut effects.reindex) {
            let mut catalog = search.catalog.write();
            catalog.begin_anew(0);
            effects.build = true;
        }
        last_of_each(&mut keys);
        let covered = search.covered();
        keys.retain(|key| covered.covers(key));
        if keys.is_empty() {
            return;
        }
        let rules = self.present.rules();
        let now = self.present.now();
        let mut catalog = search.catalog.write();
        for key in &keys {
            let at = ShardKey::of(key);
            let table = locked.shard_mut(at.shard()).table_mut(0);
            if let Some(pos) = table.find(at.hash(), key) {
                table.share_fields(pos, catalog.shared(key));
            }
        }
        let db = Db::new(locked, 0, now, effects, &rules, false, None);
        for key in &keys {
            if holds_back {
                catalog.hold_back(key);
            }
            let value = db.stored(key).map(|entry| entry.value());
            catalog.update(key, &|kind, visit| {
                if let Some(value) = value {
                    document_of(value, kind, now.due_ms(), visit);
                }
            });
        }
    }

    /// Drops indexes that are temporary and have been idle for too long, with their documents.
    pub(super) fn drop_idle_indexes(&self, now_ms: u64) {
        for name in self.shared.search.idle_indexes(now_ms) {
            let mut unit = self.begin_write_patiently(ShardSet::ALL);
            // Somebody may have used it meanwhile.
            let is_idle = self.shared.search.idle_indexes(now_ms).contains(&name);
            if self.guards_moved() || !is_idle {
                self.let_go_of(unit);
                continue;
            }
            {
                let (rules, now) = (self.present.rules(), self.present.now());
                let Unit { locked, effects } = &mut unit;
                let mut db = Db::new(locked, 0, now, effects, &rules, false, None);
                drop_named(&self.shared, &mut db, &name, true);
            }
            self.commit_alone(unit);
        }
    }

    /// Builds indexes on a thread of its own, beside the clients.
    pub(super) fn build_indexes(&self) {
        if self.is_loading() || self.shared.search.builder.swap(true, Ordering::AcqRel) {
            return;
        }
        let (shared, engine) = (self.shared.clone(), self.engine.clone());
        let build = move || {
            thread::stand_back();
            build(&shared, &engine);
        };
        if let Err(error) = thread::start("indexing", build) {
            tracing::warn!("No thread can be started to build indexes: {error}");
            self.shared.search.builder.store(false, Ordering::Release);
        }
    }

    /// Builds all indexes from the keys that are there, before anybody is served.
    pub(super) fn build_all_indexes(&self) {
        let search = &self.shared.search;
        if !search.is_active() {
            return;
        }
        search.catalog.write().begin_anew(0);
        rebuild(&self.shared, &self.engine);
    }
}

/// Leaves the last mention of each key alone, in their order: the documents come in the order of their last edits.
fn last_of_each(keys: &mut Vec<Bstr>) {
    if keys.len() > 1 {
        let mut is_last: Vec<bool> = {
            let mut seen = HashSet::with_capacity(keys.len());
            let behind = keys.iter().rev();
            behind.map(|key| seen.insert(&key[..])).collect()
        };
        keys.retain(|_| is_last.pop().expect("there is one for each"));
    }
}

/// Builds until there is nothing more to build.
fn build(shared: &Arc<Shared>, engine: &Engine) {
    let search = &shared.search;
    loop {
        while !shared.stop.is_cancelled() && pass(shared, engine) {}
        search.builder.store(false, Ordering::Release);
        // One that was made just before that found a builder at work.
        let left = !search.catalog.read().under_way().is_empty();
        if shared.stop.is_cancelled() || !left || search.builder.swap(true, Ordering::AcqRel) {
            return;
        }
    }
}

/// Looks at every key for all indexes that are being built; false if there is none.
fn pass(shared: &Shared, engine: &Engine) -> bool {
    let search = &shared.search;
    let building = search.catalog.read().under_way();
    if building.is_empty() {
        return false;
    }
    for id in 0..SHARDS {
        let mut at = usize::MAX;
        while at > 0 && !shared.stop.is_cancelled() {
            let looked;
            (at, looked) = some_keys(search, engine, id, at);
            search.catalog.write().progress(&building, looked as u64);
            memory::publish();
        }
    }
    search.catalog.write().built(&building);
    true
}

/// Indexes some keys of a shard, from a position down; returns where the next ones are, and how many were looked at. A key that
/// moves, moves from above that position to below it.
fn some_keys(search: &Searches, engine: &Engine, id: usize, at: usize) -> (usize, usize) {
    let now = Now::Replaying(clock::now_ms());
    let mut shard = engine.lock_one(id, Patience::of_this_thread());
    if shard.table(0).is_none() {
        return (0, 0);
    }
    let table = shard.table_mut(0);
    let top = at.min(table.len());
    let from = top.saturating_sub(BUILD_KEYS);
    let covered = search.covered();
    let named = (from..top).map(|at| (at, table.at(at).key_name()));
    let own = named.filter(|(_, key)| covered.covers(key));
    let keys: Vec<(usize, Bstr)> = own.map(|(at, key)| (at, Bstr::new(key))).collect();
    let mut left = from;
    if !keys.is_empty() {
        left = index_keys(&mut search.catalog.write(), table, &keys, now).unwrap_or(from);
    }
    (left, top - left)
}

/// Indexes these keys from the last one on; returns the position of the one before which it let go.
fn index_keys(
    catalog: &mut IndexCatalog,
    table: &mut Table,
    keys: &[(usize, Bstr)],
    now: Now,
) -> Option<usize> {
    let started = Timer::start();
    for (at, key) in keys.iter().rev() {
        table.share_fields(*at, catalog.shared(key));
        catalog.build(key, &|kind, visit| {
            document_of(table.at(*at).value(), kind, now.due_ms(), visit);
        });
        if started.elapsed() >= BUILD_HOLD {
            return Some(*at);
        }
    }
    None
}
