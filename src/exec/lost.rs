//! Keys that are to go because a cluster's other node owns their slots now.

use super::Worker;
use super::unit::Unit;
use crate::cluster::{SlotSet, View, slot_of};
use crate::engine::{Db, SHARDS, ShardKey, ShardSet};
use crate::types::Bstr;

/// Keys deleted under one lock.
const KEYS_AT_A_TIME: usize = 64;

impl Worker {
    /// The slots that keys were loaded of.
    pub fn held_slots(&self) -> SlotSet {
        let mut slots = SlotSet::default();
        self.begin_batch();
        for id in 0..SHARDS {
            let mut unit = self.begin_write_patiently(ShardSet::one(id));
            let (rules, now) = (self.rules.borrow(), self.now.get());
            let Unit { locked, effects } = &mut unit;
            let db = Db::new(locked, 0, now, effects, &rules, false, None);
            db.visit_names_in(id, |key| {
                slots.add(slot_of(key));
            });
            self.let_go_of(unit);
        }
        self.end_batch();
        slots
    }

    /// Deletes the keys of slots that another node has taken, a few at a time, and tells log and replicas of it; returns how
    /// many there were. A replica's keys are its master's. A slot that has come back meanwhile, or is about to, is left
    /// alone: clients have written to it since.
    pub fn drop_slots(&self, slots: &SlotSet) -> usize {
        let mut count = 0;
        self.begin_batch();
        for id in 0..SHARDS {
            let keys = {
                let mut unit = self.begin_write_patiently(ShardSet::one(id));
                let (rules, now) = (self.rules.borrow(), self.now.get());
                let Unit { locked, effects } = &mut unit;
                let db = Db::new(locked, 0, now, effects, &rules, false, None);
                let mut keys = Vec::new();
                db.visit_names_in(id, |key| {
                    if slots.has(slot_of(key)) {
                        keys.push(Bstr::new(key));
                    }
                });
                self.let_go_of(unit);
                keys
            };
            for some in keys.chunks(KEYS_AT_A_TIME) {
                let mut unit = self.begin_write_patiently(ShardSet::one(id));
                // Asked under the lock: whoever was let in to write takes it after the picture that let it in.
                let is_replica = self.shared.replication.is_replica();
                let view = self.shared.redirecting().map(|on| on.view().clone());
                let is_back = |key: &[u8]| {
                    let slot = slot_of(key);
                    let back = |view: &View| view.owns(slot) || view.importing_from(slot).is_some();
                    view.as_deref().is_some_and(back)
                };
                for key in some.iter().filter(|key| !is_replica && !is_back(key)) {
                    debug_assert_eq!(ShardKey::of(key).shard(), id);
                    let (rules, now) = (self.rules.borrow(), self.now.get());
                    let Unit { locked, effects } = &mut unit;
                    let mut db = Db::new(locked, 0, now, effects, &rules, false, None);
                    if db.delete(key) {
                        db.log(&[b"DEL", key]);
                        count += 1;
                    }
                }
                self.commit(unit, None);
            }
        }
        self.end_batch();
        count
    }
}
