//! What a node knows of its cluster, and what it wants done about it.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::election::Election;
use super::frame::FrameKind;
use super::link::{BusLink, LinkId};
use super::manual::ManualFailover;
use super::node::{At, ClusterNode, NodeId, Nodes, Place, flag};
use super::slots::{SLOTS, SlotSet};
use super::view::{NONE, Owners};
use crate::util::chance::Rng;

/// What directives say; replaced whole when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterSettings {
    pub node_timeout_ms: u64,
    pub validity_factor: u64,
    pub migration_barrier: usize,
    pub allow_migration: bool,
    pub full_coverage: bool,
    pub no_failover: bool,
    pub blacklist_ttl_ms: u64,
    pub manual_failover_ms: u64,
    pub repl_ping_period_ms: u64,
    /// Bytes that may wait for one node; 0 for no limit.
    pub link_bytes_max: usize,
    /// The address that is announced; empty to have others find it out.
    pub announce_ip: String,
    /// Announced ports of this node.
    pub tcp_port: u16,
    pub tls_port: u16,
    pub bus_port: u16,
    /// The bus speaks TLS, and clients' main port is the one over TLS.
    pub tls: bool,
    pub hostname: String,
    pub human_name: String,
    /// It is alone, owns every slot and waits for nobody.
    pub lone: bool,
}

/// When something happens, and what else this node knows then.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    pub now_ms: u64,
    /// The end of the stream of edits: its own, or its master's as far as it was applied.
    pub repl_offset: u64,
    /// Whether it copies somebody.
    pub has_master: bool,
    /// Whether the link to its master stands.
    pub master_linked: bool,
    /// For how long nothing has come from its master.
    pub master_silent_ms: u64,
}

/// What is to be done outside of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write the file of nodes before long.
    Save,
    /// Open a connection.
    Connect {
        link: LinkId,
        ip: String,
        port: u16,
    },
    Send {
        link: LinkId,
        frame: Bytes,
    },
    Close {
        link: LinkId,
    },
    /// Become a replica of the node at this place.
    Follow {
        place: Place,
    },
    /// Become a master.
    Lead,
    /// Give a message to the subscribers of a channel.
    Deliver {
        channel: Bytes,
        message: Bytes,
        sharded: bool,
    },
    /// Hold clients' writes back, as a replica is about to take over.
    Pause {
        until_ms: u64,
    },
    Unpause,
    /// Nothing is written any more once the pause holds: say so over this connection, by [`Cluster::tell_paused`].
    TellPaused {
        link: LinkId,
    },
    /// Delete the keys of slots that this node has lost to another.
    DropKeys {
        slots: SlotSet,
    },
    /// Delete all keys.
    DropAllKeys,
}

/// What follows from something that happened.
#[derive(Debug, Default)]
pub struct Actions {
    /// The file of nodes is to be written before anything else is done.
    pub save: bool,
    /// And it is to have reached the disk: somebody depends on what it says, even if the machine fails.
    pub sync: bool,
    pub list: Vec<Action>,
    /// Another picture is to take the place of the one that commands see.
    pub view: bool,
}

/// What is left to do once a call has ended.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub save: bool,
    /// The file is to be written, and to have reached the disk.
    pub sync: bool,
    /// The file is to be written, but nobody waits for it.
    pub note: bool,
    pub update_state: bool,
    pub view: bool,
    /// A pong goes to every node, as what it says has changed.
    pub tell_all: bool,
    /// An election may go on.
    pub failover: bool,
    /// A manual failover may go on.
    pub manual: bool,
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
    /// Slots that their owner has stopped to claim, and nobody else claims yet.
    pub(super) unclaimed: SlotSet,
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
    pub(super) manual: ManualFailover,
    pub(super) pending: Pending,
    pub(super) actions: Vec<Action>,
    pub(super) views: u64,
}

/// What follows from a call, and from what follows from it, is done at once, but not for ever.
const ROUNDS_MAX: usize = 4;
/// A master that has just started doesn't serve at once: it may have been replaced meanwhile.
const WRITABLE_DELAY_MS: u64 = 2000;
/// A master that was cut off waits before it serves again, at least and at most so long.
const REJOIN_MS: (u64, u64) = (500, 5000);

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
            unclaimed: SlotSet::default(),
            election: Election::default(),
            ticks: 0,
            pings: 0,
            sent: Default::default(),
            received: Default::default(),
            banned: HashMap::new(),
            overflowed_links: 0,
            manual: ManualFailover::default(),
            pending: Pending::default(),
            actions: Vec::new(),
            views: 0,
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

    pub fn me(&self) -> &ClusterNode {
        &self.nodes[self.myself]
    }

    pub(super) fn me_mut(&mut self) -> &mut ClusterNode {
        &mut self.nodes[self.myself]
    }

    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    pub fn settings(&self) -> &ClusterSettings {
        &self.settings
    }

    pub fn is_ok(&self) -> bool {
        self.is_ok
    }

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

    /// Ends a call: goes on with elections, looks whether requests can be served, and gives what is to be done.
    pub fn finish(&mut self, moment: Moment) -> Actions {
        let mut view = false;
        let (mut save, mut sync, mut note) = (false, false, false);
        let mut asked_state = false;
        // Each of them may ask for another.
        for _ in 0..ROUNDS_MAX {
            let pending = std::mem::take(&mut self.pending);
            view |= pending.view || pending.save || pending.sync;
            view |= pending.note || pending.update_state;
            save |= pending.save || pending.sync;
            sync |= pending.sync;
            note |= pending.note;
            if pending.manual || pending.failover {
                self.go_on_manual(moment);
                self.strive(moment);
            }
            if pending.update_state && !asked_state {
                asked_state = true;
                view |= self.update_state(moment.now_ms);
            }
            if pending.tell_all {
                self.broadcast_pong(false, moment);
            }
        }
        if note && !save {
            self.actions.push(Action::Save);
        }
        Actions {
            save,
            sync,
            list: std::mem::take(&mut self.actions),
            view,
        }
    }

    /// Looks whether requests can be served: enough masters are reached, and every slot has an owner.
    fn update_state(&mut self, now_ms: u64) -> bool {
        if self.began_ms == 0 {
            self.began_ms = now_ms;
        }
        let waits = !self.settings.lone && self.me().is_master();
        if waits && !self.is_ok && now_ms.saturating_sub(self.began_ms) < WRITABLE_DELAY_MS {
            self.pending.update_state = true;
            return false;
        }
        let voters = self.nodes.iter().filter(|(_, node)| node.votes());
        let dead = flag::FAIL | flag::PFAIL;
        let (mut size, mut reached) = (0, 0);
        for (_, node) in voters {
            size += 1;
            reached += usize::from(!node.is(dead));
        }
        self.size = size;
        let mut ok = !self.settings.full_coverage || self.is_covered();
        if reached < size / 2 + 1 {
            ok = false;
            self.minority_ms = now_ms;
        }
        if ok == self.is_ok {
            return false;
        }
        let rest_ms = self
            .settings
            .node_timeout_ms
            .clamp(REJOIN_MS.0, REJOIN_MS.1);
        if ok && waits && now_ms.saturating_sub(self.minority_ms) < rest_ms {
            self.pending.update_state = true;
            return false;
        }
        tracing::info!("Cluster state changed: {}", if ok { "ok" } else { "fail" });
        self.is_ok = ok;
        true
    }

    /// Whether every slot has an owner that isn't dead.
    fn is_covered(&self) -> bool {
        let alive = |owner: &u16| *owner != NONE && !self.nodes[*owner].is(flag::FAIL);
        self.owners.iter().all(alive)
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

#[cfg(test)]
mod tests {
    use super::super::{Body, FailoverWay, Frame};
    use super::*;

    fn lone() -> Cluster {
        let mut rng = Rng::with_seed(7);
        let settings = ClusterSettings {
            full_coverage: true,
            lone: true,
            tcp_port: 7000,
            bus_port: 17000,
            ..ClusterSettings::default()
        };
        let (id, shard) = (NodeId::random(&mut rng), NodeId::random(&mut rng));
        Cluster::new(id, shard, settings, rng)
    }

    fn at(now_ms: u64) -> Moment {
        Moment {
            now_ms,
            ..Moment::default()
        }
    }

    #[test]
    fn a_lone_node_is_ok_once_every_slot_is_its_own() {
        let mut cluster = lone();
        cluster.add_slots(&[(0, 16382)]).unwrap();
        let actions = cluster.finish(at(1000));
        assert!(actions.save && actions.view && !cluster.is_ok());
        cluster.add_slots(&[(16383, 16383)]).unwrap();
        cluster.finish(at(1000));
        assert!(cluster.is_ok());
        let view = cluster.view();
        assert!(view.is_ok && view.owns(0) && view.owns(16383) && view.size == 1);
        assert_eq!(cluster.figures().slots_ok, SLOTS);
        let why = cluster.add_slots(&[(5, 5)]).unwrap_err();
        assert_eq!(why.0, "Slot 5 is already busy");
        let why = cluster.del_slots(&[(5, 5), (5, 5)]).unwrap_err();
        assert_eq!(why.0, "Slot 5 specified multiple times");
        cluster.del_slots(&[(5, 5)]).unwrap();
        assert_eq!(cluster.view().owner(5), NONE);
        let why = cluster.failover(FailoverWay::Force, at(1)).unwrap_err();
        assert_eq!(why.0, "You should send CLUSTER FAILOVER to a replica");
    }

    #[test]
    fn the_disk_is_waited_for_where_others_depend_on_what_the_file_says() {
        let mut cluster = lone();
        let mut after = |order: &dyn Fn(&mut Cluster)| {
            order(&mut cluster);
            let actions = cluster.finish(at(1));
            (actions.save, actions.sync)
        };
        assert_eq!(
            after(&|cluster| cluster.add_slots(&[(0, 9)]).unwrap()),
            (true, false)
        );
        assert_eq!(
            after(&|cluster| cluster.set_stable(5).unwrap()),
            (true, false)
        );
        let bump = |cluster: &mut Cluster| assert!(cluster.bump_epoch().0);
        assert_eq!(after(&bump), (true, true));
        // Nothing is left over.
        assert_eq!(
            after(&|cluster| cluster.set_stable(5).unwrap()),
            (true, false)
        );
    }

    #[test]
    fn there_is_an_end_to_epochs() {
        let mut cluster = lone();
        cluster.set_config_epoch(i64::MAX).unwrap();
        let end = i64::MAX as u64;
        assert_eq!(cluster.bump_epoch(), (false, end));
        cluster.me_mut().config_epoch = 1;
        assert_eq!(cluster.bump_epoch(), (false, 1));
        assert_eq!(cluster.raise_epoch(), None);
        let text = cluster.file_text();
        assert!(Cluster::read(&text, ClusterSettings::default(), Rng::new(), 5).is_ok());
        let above = text.replace(&end.to_string(), &(end + 1).to_string());
        assert_ne!(text, above);
        assert!(Cluster::read(&above, ClusterSettings::default(), Rng::new(), 5).is_err());
    }

    #[test]
    fn a_file_that_names_a_node_twice_is_refused_with_the_line() {
        let text = lone().file_text();
        let own = text.lines().next().unwrap();
        let id = lone().me().id.to_string();
        let other = own.replace(&id, &"a".repeat(40));
        let read = |text: &str| {
            let read = Cluster::read(text, ClusterSettings::default(), Rng::new(), 5);
            read.err()
        };
        let with = |line: &str| read(&format!("{text}{line}\n"));
        let says = |line: &str| Some(format!("line 3: {line}"));
        assert_eq!(with(own), says(own));
        assert_eq!(with(&other), says(&other), "another myself");
        let other = other.replace("myself,", "");
        assert_eq!(with(&other), None);
        let replica = other.replace("master -", &format!("slave {}", "a".repeat(40)));
        assert_ne!(replica, other);
        assert_eq!(with(&replica), says(&replica), "its own master");
    }

    #[test]
    fn strangers_that_say_nothing_keep_nobody_out() {
        let mut cluster = lone();
        cluster.settings.node_timeout_ms = 5000;
        let stranger = |cluster: &mut Cluster, now_ms: u64| {
            cluster.accepted("10.0.0.1".into(), "10.0.0.2".into(), at(now_ms))
        };
        let first = stranger(&mut cluster, 1);
        for now_ms in 2..=1100 {
            stranger(&mut cluster, now_ms);
        }
        let last = stranger(&mut cluster, 1101);
        assert_eq!(cluster.strangers(), 1024);
        let closed = cluster.finish(at(1101)).list;
        assert!(closed.contains(&Action::Close { link: first }));
        assert!(cluster.waiting(last).is_some());
        cluster.tick(at(6500));
        assert_eq!(cluster.strangers(), 0);
    }

    #[test]
    fn a_stranger_that_wants_to_be_met_costs_no_file_and_no_picture_of_its_own() {
        let mut cluster = lone();
        let mut other = lone();
        other
            .nodes
            .rename(other.myself, NodeId::random(&mut other.rng));
        let header = other.header(FrameKind::Meet, at(1));
        let ip = || "127.0.0.1".to_owned();
        let link = cluster.accepted(ip(), ip(), at(1));
        // What is noted at first: settings, and the address by which it was met.
        let meet = |cluster: &mut Cluster| {
            let (gossip, extensions) = (Vec::new(), Vec::new());
            let body = Body::Ping { gossip, extensions };
            let header = header.clone();
            cluster.receive(link, Frame { header, body }, at(2));
            cluster.finish(at(2))
        };
        meet(&mut cluster);
        cluster.nodes.all().into_iter().for_each(|at| {
            if at != cluster.myself {
                cluster.remove_node(at);
            }
        });
        cluster.finish(at(2));
        let actions = meet(&mut cluster);
        assert_eq!(cluster.nodes.len(), 2);
        assert!(!actions.save && !actions.view, "{actions:?}");
        assert!(!actions.list.contains(&Action::Save), "{actions:?}");
        cluster.tick(at(3));
        assert!(cluster.finish(at(3)).view);
    }

    #[test]
    fn nothing_much_waits_for_a_stranger() {
        let mut cluster = lone();
        let mut other = lone();
        other
            .nodes
            .rename(other.myself, NodeId::random(&mut other.rng));
        let header = other.header(FrameKind::Ping, at(1));
        let ip = || "127.0.0.1".to_owned();
        let link = cluster.accepted(ip(), ip(), at(1));
        for _ in 0..1000 {
            let body = Body::Ping {
                gossip: Vec::new(),
                extensions: Vec::new(),
            };
            let header = header.clone();
            cluster.receive(link, Frame { header, body }, at(2));
        }
        let sent = cluster.finish(at(2)).list;
        let bytes = sent.iter().map(|action| match action {
            Action::Send { frame, .. } => frame.len(),
            _ => 0,
        });
        let bytes: usize = bytes.sum();
        assert!((2256..80_000).contains(&bytes), "{bytes}");
        assert!(sent.contains(&Action::Close { link }));
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut cluster = lone();
        cluster.add_slots(&[(0, 100), (102, 102)]).unwrap();
        let me = cluster.myself;
        let other = "127.0.0.1".parse().unwrap();
        let other = cluster.begin_handshake(other, 7001, 17001, at(1)).unwrap();
        cluster.nodes[other].flags = flag::REPLICA;
        cluster.nodes[other].master = Some(me);
        cluster.nodes[other].shard = cluster.me().shard;
        cluster.nodes[other].hostname = "other.example".into();
        let id = cluster.nodes[other].id;
        let own = cluster.me().id;
        cluster.set_migrating(7, own.as_bytes()).unwrap();
        assert_eq!(cluster.bump_epoch(), (true, 1));
        assert_eq!(cluster.bump_epoch(), (false, 1));
        let text = cluster.file_text();
        let read = Cluster::read(&text, cluster.settings.clone(), Rng::with_seed(1), 5).unwrap();
        assert_eq!(read.file_text(), text);
        assert_eq!(
            read.find(id.as_bytes())
                .map(|at| read.nodes[at].is_replica()),
            Some(true)
        );
        assert_eq!(read.me().config_epoch, 1);
        for bad in [
            "",
            "x y\n",
            "vars currentEpoch\n",
            &text.replace("0-100", "0-16384"),
        ] {
            assert!(Cluster::read(bad, ClusterSettings::default(), Rng::new(), 5).is_err());
        }
    }
}
