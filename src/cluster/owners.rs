//! Who owns which slot.

use super::node::{At, flag};
use super::slots::SlotSet;
use super::state::Cluster;
use super::view::NONE;

impl Cluster {
    pub(super) fn owner(&self, slot: u16) -> Option<At> {
        Some(self.owners[usize::from(slot)]).filter(|owner| *owner != NONE)
    }

    pub(super) fn give_slot(&mut self, slot: u16, to: At) {
        debug_assert!(self.owner(slot).is_none());
        // Whoever gets its first slot while others have replicas may get replicas of theirs.
        if self.nodes[to].slots.is_empty() && self.masters_have_replicas() {
            self.nodes[to].put(flag::MIGRATE_TO, true);
        }
        self.unclaimed.remove(slot);
        self.nodes[to].slots.add(slot);
        self.owners[usize::from(slot)] = to;
    }

    fn masters_have_replicas(&self) -> bool {
        let masters: Vec<At> = self
            .nodes
            .iter()
            .filter_map(|(_, node)| node.master)
            .collect();
        masters
            .iter()
            .any(|at| self.nodes[*at].is_master() && !self.nodes[*at].slots.is_empty())
    }

    /// Takes a slot from its owner, if it has one. That it did not claim it says nothing about the next one.
    pub(super) fn free_slot(&mut self, slot: u16) {
        self.unclaimed.remove(slot);
        if let Some(owner) = self.owner(slot) {
            self.nodes[owner].slots.remove(slot);
            self.owners[usize::from(slot)] = NONE;
        }
    }

    pub(super) fn free_slots_of(&mut self, at: At) {
        let slots = std::mem::take(&mut self.nodes[at].slots);
        for slot in slots.iter() {
            self.unclaimed.remove(slot);
            self.owners[usize::from(slot)] = NONE;
        }
    }

    /// Looks at keys that were found at start: of slots that nobody owns this node takes care; those that are another's
    /// came here by a move that wasn't ended.
    pub fn find_keys(&mut self, slots: &SlotSet) {
        if self.me().is_replica() {
            return;
        }
        for slot in slots.iter() {
            match self.owner(slot) {
                Some(owner) if owner == self.myself => continue,
                Some(_) if self.importing.contains_key(&slot) => continue,
                Some(owner) => {
                    tracing::warn!(
                        "I have keys for slot {slot}, but the slot is assigned to another node. Setting it to importing state."
                    );
                    self.importing.insert(slot, owner);
                }
                None => {
                    tracing::warn!(
                        "I have keys for unassigned slot {slot}. Taking responsibility for it."
                    );
                    self.give_slot(slot, self.myself);
                }
            }
            self.changed();
        }
    }

    /// Forgets all moves of slots.
    pub(super) fn close_slots(&mut self) {
        self.migrating.clear();
        self.importing.clear();
    }
}
