//! Slots that change hands whole, with their keys.

use std::borrow::Cow;

use super::node::NodeId;
use super::orders::OrderRefused;
use super::slots::SlotSet;
use super::state::Cluster;

fn refused(why: &'static str) -> OrderRefused {
    OrderRefused(Cow::Borrowed(why))
}

impl Cluster {
    /// Takes slots, whose keys are here, from their owner under an epoch above all others.
    pub fn take_over(&mut self, slots: &SlotSet, from: &NodeId) -> Result<(), OrderRefused> {
        if !self.me().is_master() {
            return Err(refused("this node is a replica by now"));
        }
        let from = self.nodes.find(from);
        let from = from.ok_or(refused("the slots' owner is not known any more"))?;
        if slots.iter().any(|slot| self.owner(slot) != Some(from)) {
            return Err(refused("the slots have another owner by now"));
        }
        if slots.iter().any(|slot| self.importing.contains_key(&slot)) {
            return Err(refused("a slot has another state by now"));
        }
        let epoch = self
            .raise_epoch()
            .ok_or(refused("there is no epoch above the present one"))?;
        self.me_mut().config_epoch = epoch;
        for slot in slots.iter() {
            self.free_slot(slot);
            self.give_slot(slot, self.myself);
        }
        tracing::info!("Slots {slots} are this node's under the epoch {epoch}.");
        // The others learn of it as soon as may be.
        self.pending.tell_all = true;
        self.changed();
        Ok(())
    }

    /// Claims this node's slots under an epoch that is above the one that another node may have taken and told nobody.
    pub fn claim_anew(&mut self) {
        if !self.me().is_master() {
            return;
        }
        for _ in 0..2 {
            if let Some(epoch) = self.raise_epoch() {
                self.me_mut().config_epoch = epoch;
            }
        }
        self.pending.tell_all = true;
        self.changed();
    }
}
