//! WATCH: who is told when a key changes.
//!
//! A key that was dead when its watch began is left as it stands, as it may not be this server that says when it goes: that
//! it goes is no change then, and that it comes back is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::shard::{Place, Shard};
use crate::types::Bstr;

/// A client's WATCH of a key.
pub struct Watch {
    /// Raised when the key changes.
    broken: Arc<AtomicBool>,
    /// The key was dead when this began, and still stands: that it goes is no change.
    dead: bool,
}

impl Watch {
    fn raise(&self) {
        self.broken.store(true, Ordering::Release);
    }
}

impl Shard {
    /// How many keys are watched.
    pub fn watched_keys(&self) -> usize {
        self.watchers.len()
    }

    /// Watched keys of some databases.
    pub(super) fn watched(&self, wanted: impl Fn(usize) -> bool) -> Vec<Place> {
        let places = self.watchers.keys();
        places.filter(|(db, _)| wanted(*db)).cloned().collect()
    }

    /// Begins to watch a key, which may have died by then, and still stand.
    pub fn watch(&mut self, place: Place, broken: Arc<AtomicBool>, now_ms: u64) {
        let dead = self.is_dead(&place, now_ms);
        let watches = self.watchers.entry(place).or_default();
        watches.push(Watch { broken, dead });
    }

    pub fn unwatch(&mut self, place: &Place, broken: &Arc<AtomicBool>) {
        if let Some(watches) = self.watchers.get_mut(place) {
            watches.retain(|held| !Arc::ptr_eq(&held.broken, broken));
            if watches.is_empty() {
                self.watchers.remove(place);
            }
        }
    }

    /// Whether a key is past its deadline and still stands.
    fn is_dead(&self, (db, key): &Place, now_ms: u64) -> bool {
        let table = self.table(*db);
        table.is_some_and(|table| table.holds(key)) && !self.has_live(*db, key, now_ms)
    }

    /// Whether a watched key has died since this watch began.
    pub fn has_died(&self, place: &Place, broken: &Arc<AtomicBool>, now_ms: u64) -> bool {
        let is_it = |held: &&Watch| Arc::ptr_eq(&held.broken, broken);
        let watch = self.watchers.get(place);
        let watch = watch.and_then(|watches| watches.iter().find(is_it));
        self.is_dead(place, now_ms) && !watch.is_some_and(|watch| watch.dead)
    }

    /// Tells WATCH, and nobody else, that the key at `pos` changed.
    pub(super) fn signal(&mut self, db: usize, pos: usize) {
        if !self.watchers.is_empty() {
            let key = Bstr::new(self.tables()[db].at(pos).key_name());
            self.raise(db, &key, false);
        }
    }

    /// Tells whoever watches a key that it changes, or `leaves`.
    pub(super) fn raise(&mut self, db: usize, key: &Bstr, leaves: bool) {
        if let Some(watches) = self.watchers.get_mut(&(db, key.clone())) {
            for watch in watches {
                if !(std::mem::take(&mut watch.dead) && leaves) {
                    watch.raise();
                }
            }
        }
    }

    /// Raises the flags of all watches for which `hit(db, key, dead)` holds; `dead` says that the key was dead when the
    /// watch began, and still stands.
    pub(super) fn keys_changed(&self, hit: impl Fn(usize, &[u8], bool) -> bool) {
        for ((db, key), watches) in &self.watchers {
            let hit = |watch: &&Watch| hit(*db, key, watch.dead);
            watches.iter().filter(hit).for_each(Watch::raise);
        }
    }
}
