//! Who owns which slot, as the owners claim it: the claim of the higher epoch goes.

use super::actions::Moment;
use super::frame::FrameHeader;
use super::node::At;
use super::slots::SlotSet;
use super::state::Cluster;

impl Cluster {
    /// Takes a master's claim to slots under an epoch.
    pub(super) fn take_claim(&mut self, by: At, epoch: u64, claimed: &SlotSet) {
        if by == self.myself {
            tracing::warn!("Discarding UPDATE message about myself.");
            return;
        }
        // Slots are taken from this node, or from its master.
        let mine = self.me().master.unwrap_or(self.myself);
        let mut lost = SlotSet::default();
        for slot in claimed.iter() {
            let owner = self.owner(slot);
            if owner == Some(by) {
                self.unclaimed.remove(slot);
                continue;
            }
            // Such a slot changes hands by SETSLOT alone.
            if self.importing.contains_key(&slot) {
                continue;
            }
            let is_free = owner.is_none() || self.unclaimed.has(slot);
            if !is_free && owner.is_some_and(|owner| self.nodes[owner].config_epoch >= epoch) {
                continue;
            }
            if owner == Some(mine) {
                lost.add(slot);
                self.migrating.remove(&slot);
            }
            self.free_slot(slot);
            self.give_slot(slot, by);
            self.pending.sync = true;
            self.changed();
        }
        self.note_unclaimed(by, claimed);
        self.follow_claim(by, mine, claimed.len(), lost);
    }

    /// What an owner has stopped to claim stays its own until somebody else claims it, and others aren't told that it is.
    fn note_unclaimed(&mut self, by: At, claimed: &SlotSet) {
        let held = self.nodes[by].slots.clone();
        for slot in held.iter().filter(|slot| !claimed.has(*slot)) {
            self.unclaimed.add(slot);
        }
    }

    /// Acts on slots that have changed hands: whoever has lost all of them follows the one who has them.
    fn follow_claim(&mut self, by: At, mine: At, claimed: usize, lost: SlotSet) {
        let emptied = !lost.is_empty() && self.nodes[mine].slots.is_empty();
        if emptied && (self.settings.allow_migration || claimed == lost.len()) {
            tracing::info!(
                "Configuration change detected. Reconfiguring myself as a replica of {}",
                self.nodes[by].called()
            );
            self.set_master(by);
            return;
        }
        if self.leave_replica() {
            return;
        }
        if mine == self.myself {
            self.drop_keys(lost);
        } else {
            // Their keys go when the master says so; or, if it fails before, when this node takes its place.
            lost.iter().for_each(|slot| {
                self.lost_by_master.add(slot);
            });
        }
    }

    /// A replica of a replica follows that one's master, unless that is itself.
    fn leave_replica(&mut self) -> bool {
        let above = self
            .me()
            .master
            .and_then(|master| self.nodes[master].master);
        let Some(above) = above.filter(|above| *above != self.myself) else {
            return false;
        };
        tracing::info!(
            "I'm a sub-replica! Reconfiguring myself as a replica of grandmaster {}",
            self.nodes[above].called()
        );
        self.set_master(above);
        true
    }

    /// A sender that claims what somebody owns under a higher epoch has missed that: it is told.
    pub(super) fn correct_claim(&mut self, sender: At, header: &FrameHeader, moment: Moment) {
        let newer = |slot: &u16| {
            let owner = self.owner(*slot).filter(|_| !self.unclaimed.has(*slot))?;
            let is_newer = self.nodes[owner].config_epoch > header.config_epoch;
            (owner != sender && is_newer).then_some(owner)
        };
        let Some(owner) = header.slots.iter().find_map(|slot| newer(&slot)) else {
            return;
        };
        tracing::debug!(
            "Node {} has old slots configuration, sending an UPDATE message about {}",
            self.nodes[sender].called(),
            self.nodes[owner].called()
        );
        self.send_update(sender, owner, moment);
    }

    /// Two masters of one epoch: the one with the lesser name takes another.
    pub(super) fn part_epochs(&mut self, sender: At, epoch: u64) {
        let (me, other) = (self.me(), &self.nodes[sender]);
        let collide = me.is_master() && other.is_master() && epoch == me.config_epoch;
        if !collide || other.config_epoch != epoch || other.id <= me.id {
            return;
        }
        let called = other.called();
        let Some(epoch) = self.raise_epoch() else {
            return;
        };
        tracing::debug!(
            "WARNING: configEpoch collision with node {called}. configEpoch set to {epoch}"
        );
        self.me_mut().config_epoch = epoch;
        self.changed();
    }
}
