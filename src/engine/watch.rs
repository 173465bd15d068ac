//! WATCH: who is told when a key changes.
//!
//! A key that was dead when its watch began is left as it stands, as it may not be this server that says when it goes: that
//! it goes is no change then, and that it comes back is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;

use super::place::Place;
use crate::types::Bstr;

/// A client's WATCH of a key.
struct Watch {
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

/// The watches of one shard's keys.
#[derive(Default)]
pub(super) struct Watchers {
    /// Never holds an empty list.
    held: HashMap<Place, Vec<Watch>>,
}

impl Watchers {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many keys are watched.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Watched keys of some databases.
    pub fn places(&self, wanted: impl Fn(usize) -> bool) -> Vec<Place> {
        let places = self.held.keys();
        places.filter(|(db, _)| wanted(*db)).cloned().collect()
    }

    /// Begins to watch a key; `dead` says that it has died by now, and still stands.
    pub fn begin(&mut self, place: Place, broken: Arc<AtomicBool>, dead: bool) {
        let watches = self.held.entry(place).or_default();
        watches.push(Watch { broken, dead });
    }

    pub fn end(&mut self, place: &Place, broken: &Arc<AtomicBool>) {
        if let Some(watches) = self.held.get_mut(place) {
            watches.retain(|held| !Arc::ptr_eq(&held.broken, broken));
            if watches.is_empty() {
                self.held.remove(place);
            }
        }
    }

    /// Whether the key was dead when this watch began, and has not changed since.
    pub fn began_dead(&self, place: &Place, broken: &Arc<AtomicBool>) -> bool {
        let is_it = |held: &&Watch| Arc::ptr_eq(&held.broken, broken);
        let watch = self.held.get(place);
        let watch = watch.and_then(|watches| watches.iter().find(is_it));
        watch.is_some_and(|watch| watch.dead)
    }

    /// Tells whoever watches a key that it changes, or `leaves`.
    pub fn raise(&mut self, db: usize, key: &Bstr, leaves: bool) {
        if let Some(watches) = self.held.get_mut(&(db, key.clone())) {
            for watch in watches {
                if !(std::mem::take(&mut watch.dead) && leaves) {
                    watch.raise();
                }
            }
        }
    }

    /// Raises the flags of all watches for which `hit(db, key, dead)` holds; `dead` says that the key was dead when the
    /// watch began, and still stands.
    pub fn keys_changed(&self, hit: impl Fn(usize, &[u8], bool) -> bool) {
        for ((db, key), watches) in &self.held {
            let hit = |watch: &&Watch| hit(*db, key, watch.dead);
            watches.iter().filter(hit).for_each(Watch::raise);
        }
    }
}
