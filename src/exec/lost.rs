//! Keys that are to go because a cluster's other node owns their slots now.

use super::Worker;
use super::unit::Unit;
use crate::cluster::{SlotSet, slot_of};
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
    /// many there were. Whether a slot's keys are still to go is asked each time: once this node is a replica, they are its
    /// master's. Until they have gone, the slot doesn't come back.
    pub fn drop_slots(&self, slots: &SlotSet, going: impl Fn(u16) -> bool) -> usize {
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
                // Asked under the lock: whoever is let in to write takes it after the change that lets it in.
                for key in some.iter().filter(|key| going(slot_of(key))) {
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
