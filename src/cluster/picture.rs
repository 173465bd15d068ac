//! The state, put into pictures and figures for those who only look.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::frame::FrameKind;
use super::link::BusLink;
use super::node::{At, NodeId, flag};
use super::serving::hears_most;
use super::slots::SLOTS;
use super::state::Cluster;
use super::view::{NONE, NodeView, Owners, View};

/// A connection, for CLUSTER LINKS.
#[derive(Clone, Debug)]
pub struct LinkFigures {
    pub inbound: bool,
    pub node: NodeId,
    pub created_ms: u64,
    /// Bytes that wait to be written.
    pub waiting: usize,
}

/// Numbers for CLUSTER INFO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterFigures {
    pub is_ok: bool,
    pub slots_assigned: usize,
    pub slots_ok: usize,
    pub slots_pfail: usize,
    pub slots_fail: usize,
    pub known_nodes: usize,
    pub size: usize,
    pub current_epoch: u64,
    pub my_epoch: u64,
    /// Frames sent, by the word for their type, those of which there were some.
    pub sent: Vec<(&'static str, u64)>,
    pub received: Vec<(&'static str, u64)>,
    /// Connections closed because too much waited for the other end.
    pub overflowed_links: u64,
}

impl Cluster {
    /// A picture of now.
    pub fn view(&mut self) -> View {
        self.views += 1;
        let all = self.nodes.all();
        let place = |at: At| match all.binary_search(&at) {
            Ok(place) => place as u16,
            Err(_) => NONE,
        };
        let table = match &self.pictured {
            Some((nodes, table)) if *nodes == all => table.clone(),
            _ => self.table_of(&all),
        };
        self.pictured = Some((all.clone(), table.clone()));
        let moves = |list: &BTreeMap<u16, At>| -> Vec<(u16, u16)> {
            list.iter().map(|(slot, at)| (*slot, place(*at))).collect()
        };
        View {
            owners: table,
            nodes: all.iter().map(|at| self.node_view(*at, &place)).collect(),
            myself: place(self.myself),
            migrating: moves(&self.migrating),
            importing: moves(&self.importing),
            is_ok: self.is_ok,
            hears_most: hears_most(self),
            size: self.size,
            current_epoch: self.current_epoch,
            number: self.views,
        }
    }

    /// The owner of each slot by its place among these nodes.
    fn table_of(&self, all: &[At]) -> Arc<Owners> {
        let mut places = vec![NONE; usize::from(all.last().copied().unwrap_or(0)) + 1];
        for (place, at) in all.iter().enumerate() {
            places[usize::from(*at)] = place as u16;
        }
        let owners = self.owners.iter().map(|owner| match *owner {
            NONE => NONE,
            owner => places[usize::from(owner)],
        });
        let mut table = Arc::new([NONE; SLOTS]);
        let slots = Arc::get_mut(&mut table).into_iter().flatten();
        slots.zip(owners).for_each(|(slot, owner)| *slot = owner);
        table
    }

    fn node_view(&self, at: At, place: &dyn Fn(At) -> u16) -> NodeView {
        let node = &self.nodes[at];
        NodeView {
            id: node.id,
            shard: node.shard,
            flags: node.flags,
            place: node.place.clone(),
            hostname: node.hostname.clone(),
            human_name: node.human_name.clone(),
            master: node.master.map(place),
            slots: node.slots.clone(),
            config_epoch: node.config_epoch,
            repl_offset: node.repl_offset,
            linked: at == self.myself || self.is_linked(at),
        }
    }

    /// The connections whose other end is known, for CLUSTER LINKS.
    pub fn link_figures(&self) -> Vec<LinkFigures> {
        let figures = |link: &BusLink| {
            Some(LinkFigures {
                inbound: link.inbound,
                node: self.nodes[link.node?].id,
                created_ms: link.created_ms,
                waiting: link.waiting.load(Ordering::Relaxed),
            })
        };
        self.links.values().filter_map(figures).collect()
    }

    /// Connections of the bus, either way.
    pub fn connections(&self) -> usize {
        self.links.len()
    }

    pub fn figures(&self) -> ClusterFigures {
        let mut figures = ClusterFigures {
            is_ok: self.is_ok,
            known_nodes: self.nodes.len(),
            size: self.size,
            current_epoch: self.current_epoch,
            my_epoch: self.epoch_node().config_epoch,
            overflowed_links: self.overflowed_links,
            sent: counts(&self.sent),
            received: counts(&self.received),
            ..ClusterFigures::default()
        };
        for owner in self.owners.iter().filter(|owner| **owner != NONE) {
            figures.slots_assigned += 1;
            let owner = &self.nodes[*owner];
            match (owner.is(flag::FAIL), owner.is(flag::PFAIL)) {
                (true, _) => figures.slots_fail += 1,
                (_, true) => figures.slots_pfail += 1,
                _ => figures.slots_ok += 1,
            }
        }
        figures
    }
}

/// Counts of frames that aren't 0, by the words for their types.
fn counts(numbers: &[u64; FrameKind::ALL.len()]) -> Vec<(&'static str, u64)> {
    let words = FrameKind::ALL.iter().map(|kind| kind.word());
    let all = words.zip(numbers.iter().copied());
    all.filter(|(_, count)| *count != 0).collect()
}
