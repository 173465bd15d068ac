//! What commands see of the cluster: a picture of one moment that never changes. Another one takes its place.

use std::sync::Arc;

use super::node::{NodeAddress, NodeId, flag};
use super::slots::{SLOTS, SlotSet};

/// Nobody owns the slot.
pub const NONE: u16 = u16::MAX;

/// Who owns each slot, by place in [`View::nodes`].
pub type Owners = [u16; SLOTS];

#[derive(Clone, Debug)]
pub struct View {
    pub owners: Arc<Owners>,
    /// All known nodes, those in handshake too, in no special order.
    pub nodes: Vec<NodeView>,
    /// This node's place.
    pub myself: u16,
    /// Slots that move from this node: to whom. Sorted by slot.
    pub migrating: Vec<(u16, u16)>,
    /// Slots that move to this node: from whom. Sorted by slot.
    pub importing: Vec<(u16, u16)>,
    /// Whether requests are served (CLUSTER INFO's `cluster_state`).
    pub is_ok: bool,
    /// Whether this node reaches most of the masters with slots, and has heard them since it began, whatever else is missing.
    pub hears_most: bool,
    /// Masters with slots.
    pub size: usize,
    pub current_epoch: u64,
    /// Counts the pictures that were made: a reply that was kept is as old as its picture.
    pub number: u64,
}

#[derive(Clone, Debug)]
pub struct NodeView {
    pub id: NodeId,
    pub shard: NodeId,
    pub flags: u16,
    /// Its address; empty while this node doesn't know its own.
    pub place: NodeAddress,
    pub hostname: String,
    pub human_name: String,
    pub master: Option<u16>,
    pub slots: SlotSet,
    pub config_epoch: u64,
    /// How far it had come in the stream of edits when it last said so.
    pub repl_offset: u64,
    /// Whether there is a connection to it.
    pub linked: bool,
}

impl NodeView {
    pub fn is(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    pub fn is_master(&self) -> bool {
        self.is(flag::MASTER)
    }

    pub fn is_replica(&self) -> bool {
        self.is(flag::REPLICA)
    }
}

impl View {
    /// The place of a slot's owner, or [`NONE`].
    #[inline]
    pub fn owner(&self, slot: u16) -> u16 {
        self.owners[usize::from(slot)]
    }

    #[inline]
    pub fn owns(&self, slot: u16) -> bool {
        self.owner(slot) == self.myself
    }

    /// Whether this node's part of the cluster has the slot: it owns it, or its master does.
    pub fn serves(&self, slot: u16) -> bool {
        let owner = self.owner(slot);
        owner == self.myself || owner != NONE && self.my_master() == Some(owner)
    }

    pub fn owner_node(&self, slot: u16) -> Option<&NodeView> {
        self.nodes.get(usize::from(self.owner(slot)))
    }

    pub fn me(&self) -> &NodeView {
        &self.nodes[usize::from(self.myself)]
    }

    /// The place of this node's master, if it is a replica.
    #[inline]
    pub fn my_master(&self) -> Option<u16> {
        self.me().master
    }

    /// Whom a slot of this node moves to.
    #[inline]
    pub fn migrating_to(&self, slot: u16) -> Option<&NodeView> {
        self.moving(&self.migrating, slot)
    }

    /// Whom a slot moves to this node from.
    #[inline]
    pub fn importing_from(&self, slot: u16) -> Option<&NodeView> {
        self.moving(&self.importing, slot)
    }

    fn moving(&self, list: &[(u16, u16)], slot: u16) -> Option<&NodeView> {
        if list.is_empty() {
            return None;
        }
        let at = list.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        self.nodes.get(usize::from(list[at].1))
    }

    pub fn find(&self, id: &[u8]) -> Option<&NodeView> {
        self.nodes.iter().find(|node| node.id.as_bytes() == id)
    }

    pub fn replicas(&self, master: u16) -> impl Iterator<Item = &NodeView> {
        let is = move |node: &&NodeView| node.master == Some(master);
        self.nodes.iter().filter(is)
    }

    /// Whether no slot is on the move from here or to here.
    #[inline]
    pub fn is_settled(&self) -> bool {
        self.migrating.is_empty() && self.importing.is_empty()
    }

    /// Whether clients that a request was let in for may find themselves at the wrong node by this picture.
    pub fn sends_elsewhere(&self, before: &View) -> bool {
        let part = |view: &View| {
            (
                view.me().id,
                view.my_master().map(|at| view.nodes[usize::from(at)].id),
            )
        };
        self.is_ok != before.is_ok || part(self) != part(before) || self.owners_differ(before)
    }

    fn owners_differ(&self, before: &View) -> bool {
        let ids = |view: &View| -> Vec<NodeId> { view.nodes.iter().map(|node| node.id).collect() };
        let (now, then) = (ids(self), ids(before));
        if now == then {
            return !Arc::ptr_eq(&self.owners, &before.owners) && self.owners != before.owners;
        }
        let place = |id: &NodeId| now.iter().position(|one| one == id).map(|at| at as u16);
        let places: Vec<Option<u16>> = then.iter().map(place).collect();
        let moved = |owner: u16| match places.get(usize::from(owner)) {
            Some(place) => *place,
            None => Some(NONE),
        };
        let mut pairs = self.owners.iter().zip(before.owners.iter());
        pairs.any(|(now, then)| moved(*then) != Some(*now))
    }

    /// Slots that have an owner.
    pub fn assigned(&self) -> usize {
        self.owners.iter().filter(|owner| **owner != NONE).count()
    }
}
