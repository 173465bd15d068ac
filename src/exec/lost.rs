//! Keys that are to go because a cluster's other node owns their slots now.

mod staged;

pub use staged::Staging;

use super::Worker;
use super::unit::Unit;
use crate::cluster::SlotSet;
use crate::engine::{Db, ShardKey, ShardSet};
use crate::types::Bstr;
use crate::util::crash;

/// Keys deleted under one lock.
const KEYS_AT_A_TIME: usize = 64;

impl Worker {
    /// The slots that keys were loaded of.
    pub fn held_slots(&self) -> SlotSet {
        let mut slots = SlotSet::default();
        self.begin_batch();
        for slot in SlotSet::all().iter() {
            let unit = self.begin_write_patiently(shard_of(slot));
            if unit.locked.keys_in_slot(slot) > 0 {
                slots.add(slot);
            }
            self.let_go_of(unit);
        }
        self.end_batch();
        slots
    }

    /// Deletes the keys of slots that another node has taken, a few at a time, and tells log and replicas of it; returns how
    /// many there were. Keys that are to be found elsewhere go `silently`: no event tells of them. Whether a slot's keys are still to go is asked each time: once this node is a replica, they are its
    /// master's, and once it stops, it finds them at its next start. Until they have gone, the slot doesn't come back.
    pub fn drop_slots(
        &self,
        slots: &SlotSet,
        silently: bool,
        going: impl Fn(u16) -> bool,
    ) -> usize {
        let mut count = 0;
        self.begin_batch();
        for slot in slots.iter() {
            loop {
                let names = self.some_of_slot(slot);
                if names.is_empty() {
                    break;
                }
                let mut unit = self.begin_write_patiently(shard_of(slot));
                // Asked under the lock: whoever is let in to write takes it after the change that lets it in.
                if !going(slot) {
                    self.let_go_of(unit);
                    break;
                }
                if silently {
                    unit.effects.wanted.events = 0;
                }
                let (rules, now) = (self.present.rules(), self.present.now());
                let Unit { locked, effects } = &mut unit;
                let mut db = Db::new(locked, 0, now, effects, &rules, false, None);
                for name in &names {
                    if db.delete(name) {
                        db.log(&[b"DEL", name]);
                        count += 1;
                    }
                }
                self.commit_alone(unit);
                crash::point("slots-dropping");
            }
        }
        self.end_batch();
        count
    }

    /// Names of some keys of a slot, found without holding anybody back for long.
    fn some_of_slot(&self, slot: u16) -> Vec<Bstr> {
        let mut unit = self.begin_write_patiently(ShardSet::EMPTY);
        let (rules, now) = (self.present.rules(), self.present.now());
        let Unit { locked, effects } = &mut unit;
        let db = Db::new(locked, 0, now, effects, &rules, false, None);
        let names = db.names_in_slot(slot, KEYS_AT_A_TIME, &|| false);
        self.let_go_of(unit);
        names.unwrap_or_default()
    }
}

fn shard_of(slot: u16) -> ShardSet {
    ShardSet::one(ShardKey::shard_of_slot(slot))
}
