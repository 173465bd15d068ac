//! Keys that are to go because a cluster's other node owns their slots now.

use super::Worker;
use super::unit::Unit;
use crate::cluster::{SlotSet, slot_of};
use crate::engine::{Db, SHARDS, ShardKey, ShardSet};

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
            db.names_in(id, |key| {
                slots.add(slot_of(key));
                false
            });
            self.let_go_of(unit);
        }
        self.end_batch();
        slots
    }

    /// Deletes the keys of slots, a few at a time, and tells log and replicas of it; returns how many there were. A replica's
    /// keys are its master's.
    pub fn drop_slots(&self, slots: &SlotSet) -> usize {
        let mut count = 0;
        self.begin_batch();
        for id in 0..SHARDS {
            let keys = {
                let mut unit = self.begin_write_patiently(ShardSet::one(id));
                let (rules, now) = (self.rules.borrow(), self.now.get());
                let Unit { locked, effects } = &mut unit;
                let db = Db::new(locked, 0, now, effects, &rules, false, None);
                let keys = db.names_in(id, |key| slots.has(slot_of(key)));
                self.let_go_of(unit);
                keys
            };
            for some in keys.chunks(KEYS_AT_A_TIME) {
                let mut unit = self.begin_write_patiently(ShardSet::one(id));
                let is_replica = self.shared.replication.is_replica();
                for key in some.iter().filter(|_| !is_replica) {
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
