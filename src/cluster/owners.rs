//! Who owns which slot.

use super::actions::Action;
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
        self.set_owner(slot, to);
    }

    fn set_owner(&mut self, slot: u16, owner: At) {
        self.owners[usize::from(slot)] = owner;
        self.pictured = None;
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
            self.set_owner(slot, NONE);
        }
    }

    pub(super) fn free_slots_of(&mut self, at: At) {
        let slots = std::mem::take(&mut self.nodes[at].slots);
        for slot in slots.iter() {
            self.unclaimed.remove(slot);
            self.set_owner(slot, NONE);
        }
    }

    /// Has the keys of slots deleted that another node has taken.
    pub(super) fn drop_keys(&mut self, slots: SlotSet) {
        if slots.is_empty() {
            return;
        }
        self.losses += 1;
        let loss = self.losses;
        self.dropping.extend(slots.iter().map(|slot| (slot, loss)));
        self.actions.push(Action::DropKeys { slots, loss });
    }

    /// A replica that has taken its master's place ends what that one may have begun: the deletion of keys whose slots it
    /// had lost.
    pub(super) fn drop_keys_for_master(&mut self) {
        let mut slots = std::mem::take(&mut self.lost_by_master);
        for slot in self.me().slots.clone().iter() {
            slots.remove(slot);
        }
        self.drop_keys(slots);
    }

    /// Whether a slot's keys are to go because of this loss.
    pub fn is_dropping(&self, slot: u16, loss: u64) -> bool {
        self.dropping.get(&slot) == Some(&loss)
    }

    /// The keys of all slots that were lost at that time have gone.
    pub fn dropped(&mut self, loss: u64) {
        self.dropping.retain(|_, held| *held != loss);
        self.pending.note = true;
    }

    /// Whether any of these slots still has keys of a time when it was this node's: it can't come back as long as it does,
    /// as they would be taken for its own.
    pub fn has_remains(&self, ranges: &[(u16, u16)]) -> bool {
        let mut ranges = ranges.iter();
        ranges.any(|(first, last)| self.dropping.range(*first..=*last).next().is_some())
    }

    /// Looks at keys that were found at start: of slots that nobody owns this node takes care; those that are another's
    /// are deleted, if that had begun, or else came here by a move that wasn't ended.
    pub fn find_keys(&mut self, slots: &SlotSet) {
        let remains = std::mem::take(&mut self.remains);
        if self.me().is_replica() {
            return;
        }
        let mut going = SlotSet::default();
        for slot in slots.iter() {
            match self.owner(slot) {
                Some(owner) if owner == self.myself => continue,
                Some(_) if self.importing.contains_key(&slot) => continue,
                Some(_) if remains.has(slot) => {
                    going.add(slot);
                    continue;
                }
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
        if !going.is_empty() {
            tracing::info!("The keys of slots {going}, which another node has taken, go.");
        }
        self.drop_keys(going);
        self.pending.note |= !remains.is_empty();
    }

    /// Forgets all moves of slots.
    pub(super) fn close_slots(&mut self) {
        self.migrating.clear();
        self.importing.clear();
    }
}

/// Slots that were given away, and whose keys have yet to go.
pub(super) fn undropped(cluster: &Cluster) -> SlotSet {
    let mut slots = cluster.remains.clone();
    cluster.dropping.keys().for_each(|slot| {
        slots.add(*slot);
    });
    slots
}
