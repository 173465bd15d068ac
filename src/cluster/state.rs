//! What a node knows of its cluster.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::actions::{Action, Unfinished};
use super::failover::{Election, ManualFailover};
use super::frame::FrameKind;
use super::leave::GivenLeave;
use super::link::BusLink;
use super::node::{At, ClusterNode, LinkId, NodeId, Nodes, flag};
use super::settings::ClusterSettings;
use super::slots::{SLOTS, SlotSet};
use super::view::{NONE, Owners};
use crate::util::chance::Rng;

pub struct Cluster {
    pub(super) settings: ClusterSettings,
    pub(super) rng: Rng,
    pub(super) nodes: Nodes,
    pub(super) myself: At,
    pub(super) owners: Box<Owners>,
    pub(super) migrating: BTreeMap<u16, At>,
    pub(super) importing: BTreeMap<u16, At>,
    pub(super) current_epoch: u64,
    pub(super) last_vote_epoch: u64,
    pub(super) is_ok: bool,
    pub(super) size: usize,
    pub(super) began_ms: u64,
    /// When this node last saw itself among fewer than most masters.
    pub(super) minority_ms: u64,
    pub(super) links: HashMap<LinkId, BusLink>,
    pub(super) next_link: u64,
    /// Strangers that want to be met, whom the picture shows from the next tick on.
    pub(super) unseen: bool,
    /// Nodes have come further in the stream of edits since the last picture.
    pub(super) unseen_offsets: bool,
    /// Slots that their owner has stopped to claim, and nobody else claims yet.
    pub(super) unclaimed: SlotSet,
    /// Slots lost to another node whose keys are still being deleted, and which loss it was.
    pub(super) dropping: BTreeMap<u16, u64>,
    pub(super) losses: u64,
    /// Slots whose keys were still being deleted when this node stopped, until it has looked which keys it has.
    pub(super) remains: SlotSet,
    /// Of a replica: slots that its master has lost to others, whose keys may not have gone yet.
    pub(super) lost_by_master: SlotSet,
    /// Leave to take slots of this node, until it is known what came of it.
    pub(super) leaves: Vec<GivenLeave>,
    pub(super) election: Election,
    pub(super) ticks: u64,
    /// Pings sent, by which it is known whom the last one told of.
    pub(super) pings: u64,
    /// Frames sent and received, by type.
    pub(super) sent: [u64; FrameKind::ALL.len()],
    pub(super) received: [u64; FrameKind::ALL.len()],
    /// Nodes that were forgotten, and until when nobody makes it know them again.
    pub(super) banned: HashMap<NodeId, u64>,
    pub(super) overflowed_links: u64,
    /// Frames of this type are left unheard, for tests.
    pub(super) unheard: Option<FrameKind>,
    pub(super) manual: ManualFailover,
    pub(super) pending: Unfinished,
    pub(super) actions: Vec<Action>,
    pub(super) views: u64,
    /// The table of owners that the last picture shows, and the nodes in its order, until an owner changes.
    pub(super) pictured: Option<(Vec<At>, Arc<Owners>)>,
}

impl Cluster {
    /// A node that knows nobody.
    pub fn new(id: NodeId, shard: NodeId, settings: ClusterSettings, rng: Rng) -> Self {
        let mut nodes = Nodes::default();
        let mut me = ClusterNode::new(id, flag::MYSELF | flag::MASTER, 0);
        me.shard = shard;
        let myself = nodes.add(me).expect("there is room for the first node");
        let mut cluster = Cluster {
            settings: ClusterSettings::default(),
            rng,
            nodes,
            myself,
            owners: Box::new([NONE; SLOTS]),
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
            current_epoch: 0,
            last_vote_epoch: 0,
            is_ok: false,
            size: 0,
            began_ms: 0,
            minority_ms: 0,
            links: HashMap::new(),
            next_link: 1,
            unseen: false,
            unseen_offsets: false,
            unclaimed: SlotSet::default(),
            dropping: BTreeMap::new(),
            losses: 0,
            remains: SlotSet::default(),
            lost_by_master: SlotSet::default(),
            leaves: Vec::new(),
            election: Election::default(),
            ticks: 0,
            pings: 0,
            sent: Default::default(),
            received: Default::default(),
            banned: HashMap::new(),
            overflowed_links: 0,
            unheard: None,
            manual: ManualFailover::default(),
            pending: Unfinished::default(),
            actions: Vec::new(),
            views: 0,
            pictured: None,
        };
        cluster.configure(settings);
        cluster
    }

    /// Takes other settings, after the directives have changed.
    pub fn configure(&mut self, settings: ClusterSettings) {
        let me = &mut self.nodes[self.myself];
        me.place.tcp_port = settings.tcp_port;
        me.place.tls_port = settings.tls_port;
        me.place.bus_port = settings.bus_port;
        if !settings.announce_ip.is_empty() {
            me.place.ip.clone_from(&settings.announce_ip);
        } else if !self.settings.announce_ip.is_empty() {
            me.place.ip.clear();
        }
        me.hostname.clone_from(&settings.hostname);
        me.human_name.clone_from(&settings.human_name);
        me.put(flag::NO_FAILOVER, settings.no_failover);
        self.settings = settings;
        self.noted();
    }

    pub fn settings(&self) -> &ClusterSettings {
        &self.settings
    }

    pub fn me(&self) -> &ClusterNode {
        &self.nodes[self.myself]
    }

    pub fn my_place(&self) -> At {
        self.myself
    }

    pub(super) fn me_mut(&mut self) -> &mut ClusterNode {
        &mut self.nodes[self.myself]
    }

    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    pub fn is_ok(&self) -> bool {
        self.is_ok
    }

    pub(super) fn is_linked(&self, at: At) -> bool {
        let link = self.nodes[at].link.and_then(|link| self.links.get(&link));
        link.is_some_and(|link| link.open)
    }

    /// Whose configuration epoch this node goes by: its master's, or its own.
    pub(super) fn epoch_node(&self) -> &ClusterNode {
        let me = self.me();
        me.master.map_or(me, |master| &self.nodes[master])
    }
}
