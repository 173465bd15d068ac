//! Many nodes in one process: their states, a network between them that can be cut and slow, and a clock that jumps.

mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use bytes::Bytes;

use super::*;
use crate::util::chance::Rng;

const FIRST_PORT: u16 = 7000;
pub const TIMEOUT_MS: u64 = 1000;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum SimEvent {
    Tick,
    /// A connection that this node has asked for stands.
    Connected {
        link: LinkId,
        to: usize,
    },
    Closed {
        link: LinkId,
    },
    Frame {
        link: LinkId,
        bytes: Bytes,
    },
}

/// One end of a connection.
struct SimEnd {
    peer: usize,
    peer_link: LinkId,
    /// Frames arrive in order.
    free_ms: u64,
    /// Something was lost: nothing comes after it.
    stuck: bool,
}

pub struct SimNode {
    pub cluster: Cluster,
    file: String,
    /// Something is to be written at the next tick; if the node is killed before, it is lost.
    noted: bool,
    ends: HashMap<LinkId, SimEnd>,
    pub follows: Option<u16>,
    offset: u64,
    heard_ms: u64,
    /// A node that has been killed hears nothing, and events of its earlier life don't reach it.
    life: u32,
    pub alive: bool,
}

type Due = Reverse<(u64, u64, usize, u32, SimEvent)>;

pub struct Sim {
    pub nodes: Vec<SimNode>,
    pub now_ms: u64,
    pub rng: Rng,
    due: BinaryHeap<Due>,
    count: u64,
    /// Pairs that can't reach each other, one way.
    pub cuts: Vec<(usize, usize)>,
    pub delay_ms: std::ops::Range<u64>,
    /// Who has owned a slot under an epoch.
    owners: BTreeMap<(u16, u64), NodeId>,
    pub watched: Vec<u16>,
    pub frames: u64,
}

fn settings(port: u16) -> ClusterSettings {
    ClusterSettings {
        node_timeout_ms: TIMEOUT_MS,
        validity_factor: 10,
        migration_barrier: 1,
        allow_migration: true,
        full_coverage: true,
        blacklist_ttl_ms: 60_000,
        manual_failover_ms: 5000,
        repl_ping_period_ms: 10_000,
        tcp_port: port,
        bus_port: port,
        ..ClusterSettings::default()
    }
}

impl Sim {
    pub fn new(count: usize, seed: u64) -> Self {
        let mut sim = Sim {
            nodes: Vec::new(),
            now_ms: 1_000_000,
            rng: Rng::with_seed(seed),
            due: BinaryHeap::new(),
            count: 0,
            cuts: Vec::new(),
            delay_ms: 0..3,
            owners: BTreeMap::new(),
            watched: Vec::new(),
            frames: 0,
        };
        for at in 0..count {
            let id = NodeId::random(&mut sim.rng);
            let rng = Rng::with_seed(sim.rng.u64(..));
            let cluster = Cluster::new(id, id, settings(FIRST_PORT + at as u16), rng);
            let file = cluster.file_text();
            sim.nodes.push(SimNode {
                cluster,
                file,
                noted: false,
                ends: HashMap::new(),
                follows: None,
                offset: 0,
                heard_ms: sim.now_ms,
                life: 0,
                alive: true,
            });
            let first = sim.rng.u64(0..100);
            sim.later(first, at, SimEvent::Tick);
        }
        sim
    }

    /// Masters with equal parts of the slots, and replicas of each; all have met.
    pub fn with_shards(masters: usize, replicas: usize, seed: u64) -> Self {
        let mut sim = Sim::new(masters * (1 + replicas), seed);
        for at in 0..masters {
            let share = SLOTS / masters;
            let first = at * share;
            let last = if at + 1 == masters {
                SLOTS - 1
            } else {
                first + share - 1
            };
            sim.watched.push(first as u16);
            sim.order(at, |cluster, _| {
                cluster.set_config_epoch(at as i64 + 1).unwrap();
                cluster.add_slots(&[(first as u16, last as u16)]).unwrap();
            });
        }
        sim.meet_all();
        for at in masters..sim.nodes.len() {
            let master = sim.nodes[at % masters].cluster.me().id;
            sim.order(at, |cluster, _| {
                cluster.replicate(master.as_bytes(), false).unwrap();
            });
        }
        assert!(
            sim.agree_within(20_000),
            "a new cluster agrees: {}",
            sim.told()
        );
        sim
    }

    pub fn meet_all(&mut self) {
        for at in 1..self.nodes.len() {
            let port = FIRST_PORT + at as u16;
            self.order(0, |cluster, moment| {
                cluster.meet("127.0.0.1", port, port, moment).unwrap();
            });
        }
        let all = self.nodes.len();
        let met = self.run_until(60_000, |sim| {
            sim.nodes.iter().all(|node| {
                let nodes = node.cluster.nodes();
                nodes.len() == all && nodes.iter().all(|(_, node)| !node.is(flag::HANDSHAKE))
            })
        });
        assert!(met, "all nodes know each other");
    }

    fn later(&mut self, after_ms: u64, at: usize, event: SimEvent) {
        self.count += 1;
        let life = self.nodes[at].life;
        let due = (self.now_ms + after_ms, self.count, at, life, event);
        self.due.push(Reverse(due));
    }

    fn delay(&mut self) -> u64 {
        self.rng.u64(self.delay_ms.clone())
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        self.nodes[to].alive && !self.cuts.contains(&(from, to))
    }

    /// Cuts these nodes off from all others, both ways.
    pub fn isolate(&mut self, group: &[usize]) {
        for at in 0..self.nodes.len() {
            for other in group.iter().filter(|_| !group.contains(&at)) {
                self.cuts.push((at, *other));
                self.cuts.push((*other, at));
            }
        }
    }

    fn moment(&self, at: usize) -> Moment {
        let node = &self.nodes[at];
        Moment {
            now_ms: self.now_ms,
            repl_offset: node.offset,
            has_master: node.follows.is_some(),
            master_linked: false,
            master_silent_ms: self.now_ms - node.heard_ms,
        }
    }

    /// Orders a node to do something, as a command does.
    pub fn order<T>(&mut self, at: usize, order: impl FnOnce(&mut Cluster, Moment) -> T) -> T {
        let moment = self.moment(at);
        let outcome = order(&mut self.nodes[at].cluster, moment);
        let actions = self.nodes[at].cluster.finish(moment);
        self.carry_out(at, actions);
        outcome
    }

    fn carry_out(&mut self, at: usize, actions: Actions) {
        if actions.save {
            self.nodes[at].file = self.nodes[at].cluster.file_text();
        }
        for action in actions.list {
            match action {
                Action::Connect { link, port, .. } => {
                    let to = usize::from(port - FIRST_PORT);
                    let delay = self.delay();
                    if self.nodes[to].alive {
                        // Over a cut nothing comes of it, not even a refusal.
                        if self.reaches(at, to) && self.reaches(to, at) {
                            self.later(delay, at, SimEvent::Connected { link, to });
                        }
                    } else {
                        self.later(delay, at, SimEvent::Closed { link });
                    }
                }
                Action::Send { link, frame } => self.send(at, link, frame),
                Action::Close { link } => self.close(at, link),
                Action::Follow { place } => {
                    self.nodes[at].follows = Some(place.bus_port);
                    self.nodes[at].heard_ms = self.now_ms;
                }
                Action::Lead => self.nodes[at].follows = None,
                Action::TellPaused { link } => {
                    self.order(at, |cluster, moment| cluster.tell_paused(link, moment));
                }
                Action::Save => self.nodes[at].noted = true,
                Action::Deliver { .. }
                | Action::Pause { .. }
                | Action::Unpause
                | Action::DropKeys { .. }
                | Action::DropAllKeys
                | Action::Import { .. }
                | Action::OfferSlots { .. }
                | Action::SettleMoves
                | Action::SeeToLeaves
                | Action::SettleStaged => {}
            }
        }
        self.check(at);
    }

    fn send(&mut self, at: usize, link: LinkId, bytes: Bytes) {
        self.frames += 1;
        let delay = self.delay();
        let Some(end) = self.nodes[at].ends.get(&link) else {
            return;
        };
        let (peer, peer_link) = (end.peer, end.peer_link);
        let reaches = self.reaches(at, peer);
        let now_ms = self.now_ms;
        let Some(end) = self.nodes[at].ends.get_mut(&link) else {
            return;
        };
        end.stuck |= !reaches;
        if end.stuck {
            return;
        }
        end.free_ms = end.free_ms.max(now_ms + delay);
        let after_ms = end.free_ms - now_ms;
        let link = peer_link;
        self.later(after_ms, peer, SimEvent::Frame { link, bytes });
    }

    fn close(&mut self, at: usize, link: LinkId) {
        if let Some(end) = self.nodes[at].ends.remove(&link)
            && self.reaches(at, end.peer)
        {
            let delay = self.delay();
            let link = end.peer_link;
            self.later(delay + 3, end.peer, SimEvent::Closed { link });
        }
    }

    fn happen(&mut self, at: usize, event: SimEvent) {
        match event {
            SimEvent::Tick => {
                if std::mem::take(&mut self.nodes[at].noted) {
                    self.nodes[at].file = self.nodes[at].cluster.file_text();
                }
                self.replicate(at);
                self.order(at, |cluster, moment| cluster.tick(moment));
                self.later(100, at, SimEvent::Tick);
            }
            SimEvent::Connected { link, to } => {
                if !self.reaches(at, to) {
                    return;
                }
                let ip = || "127.0.0.1".to_owned();
                let peer_link =
                    self.order(to, |cluster, moment| cluster.accepted(ip(), ip(), moment));
                let end = |peer, peer_link| SimEnd {
                    peer,
                    peer_link,
                    free_ms: 0,
                    stuck: false,
                };
                self.nodes[to].ends.insert(peer_link, end(at, link));
                self.nodes[at].ends.insert(link, end(to, peer_link));
                self.order(at, |cluster, moment| {
                    cluster.connected(link, ip(), ip(), moment);
                });
            }
            SimEvent::Closed { link } => {
                self.nodes[at].ends.remove(&link);
                self.order(at, |cluster, _| cluster.closed(link));
            }
            SimEvent::Frame { link, bytes } => {
                let known = self.nodes[at].cluster.knows(link);
                assert_eq!(Frame::length(&bytes, known), Ok(Some(bytes.len())));
                let frame = Frame::read(&bytes).expect("nodes send what nodes can read");
                self.order(at, |cluster, moment| cluster.receive(link, frame, moment));
            }
        }
    }

    /// Masters write; replicas have what their master has, if they reach it.
    fn replicate(&mut self, at: usize) {
        match self.nodes[at].follows {
            None => self.nodes[at].offset += 10,
            Some(port) => {
                let master = usize::from(port - FIRST_PORT);
                if self.reaches(master, at) && self.reaches(at, master) && self.nodes[at].alive {
                    self.nodes[at].offset = self.nodes[master].offset;
                    self.nodes[at].heard_ms = self.now_ms;
                }
            }
        }
    }

    /// At most one master has a slot under one epoch, ever.
    fn check(&mut self, at: usize) {
        let cluster = &self.nodes[at].cluster;
        let me = cluster.me();
        if !me.is_master() {
            return;
        }
        for slot in self.watched.iter().filter(|slot| me.slots.has(**slot)) {
            let before = self.owners.insert((*slot, me.config_epoch), me.id);
            assert!(
                before.is_none_or(|before| before == me.id),
                "slot {slot} has two masters in epoch {}",
                me.config_epoch
            );
        }
    }

    pub fn kill(&mut self, at: usize) {
        self.nodes[at].alive = false;
        self.nodes[at].life += 1;
        let ends: Vec<SimEnd> = self.nodes[at].ends.drain().map(|(_, end)| end).collect();
        for end in ends {
            if self.nodes[end.peer].alive && !self.cuts.contains(&(at, end.peer)) {
                let link = end.peer_link;
                self.later(1, end.peer, SimEvent::Closed { link });
            }
        }
    }

    pub fn restart(&mut self, at: usize) {
        let rng = Rng::with_seed(self.rng.u64(..));
        let settings = settings(FIRST_PORT + at as u16);
        let node = &mut self.nodes[at];
        node.cluster = Cluster::read(&node.file, settings, rng, self.now_ms).unwrap();
        node.follows = node.cluster.master_place().map(|place| place.bus_port);
        node.heard_ms = self.now_ms;
        node.alive = true;
        self.later(1, at, SimEvent::Tick);
    }

    /// Runs until something holds, or for so long; whether it holds.
    pub fn run_until(&mut self, for_ms: u64, holds: impl Fn(&Sim) -> bool) -> bool {
        let end_ms = self.now_ms + for_ms;
        let mut looked_ms = 0;
        while let Some(Reverse((when_ms, _, at, life, event))) = self.due.pop() {
            self.now_ms = self.now_ms.max(when_ms);
            if self.nodes[at].alive && self.nodes[at].life == life {
                self.happen(at, event);
            }
            // Looking at many nodes takes long.
            if self.now_ms >= looked_ms + 10 * self.nodes.len() as u64 {
                looked_ms = self.now_ms;
                if holds(self) {
                    return true;
                }
            }
            if self.now_ms >= end_ms {
                break;
            }
        }
        holds(self)
    }

    pub fn run(&mut self, for_ms: u64) {
        self.run_until(for_ms, |_| false);
    }

    pub fn agree_within(&mut self, for_ms: u64) -> bool {
        self.run_until(for_ms, Sim::agrees)
    }

    /// Whether all living nodes serve, and see the same owners, masters and epochs.
    fn agrees(&self) -> bool {
        let mut pictures = self.nodes.iter().filter(|node| node.alive).map(|node| {
            let nodes = node.cluster.nodes();
            let mut picture: Vec<_> = nodes
                .iter()
                .map(|(_, one)| {
                    let master = one.master.map(|master| nodes[master].id);
                    let epoch = if one.is_master() { one.config_epoch } else { 0 };
                    (
                        one.id,
                        one.is_master(),
                        master,
                        epoch,
                        one.slots.to_string(),
                    )
                })
                .collect();
            picture.sort();
            (node.cluster.is_ok(), picture)
        });
        let Some(first) = pictures.next() else {
            return false;
        };
        first.0 && pictures.all(|picture| picture == first)
    }

    /// The nodes' own lines, for whoever looks why a test failed.
    pub fn told(&self) -> String {
        let living = self.nodes.iter().filter(|node| node.alive);
        let text: Vec<String> = living.map(|node| node.cluster.file_text()).collect();
        format!("at {} ms\n{}", self.now_ms, text.join("\n"))
    }

    pub fn master_of(&self, slot: u16, seen_by: usize) -> Option<usize> {
        let cluster = &self.nodes[seen_by].cluster;
        let owner = cluster
            .nodes()
            .iter()
            .find(|(_, node)| node.slots.has(slot))?;
        let id = owner.1.id;
        self.nodes
            .iter()
            .position(|node| node.cluster.me().id == id)
    }
}
