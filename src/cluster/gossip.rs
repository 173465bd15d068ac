//! Pings: what they tell of other nodes, and what is learned from them.

use super::actions::{Action, Moment};
use super::failure::DEAD;
use super::frame::{Extension, Frame, FrameBody, FrameHeader, FrameKind, Gossip, mark};
use super::node::{At, ClusterNode, LinkId, NodeAddress, NodeId, flag};
use super::state::Cluster;

/// Nodes that a ping tells of, at least; of more than thirty it tells of a tenth.
const GOSSIP_MIN: usize = 3;
/// A pong that somebody else has seen may be ahead of this node's clock by so much.
const CLOCK_ERROR_MS: u64 = 500;

impl Cluster {
    /// Sends a ping, a pong or a meet.
    pub(super) fn send_ping(&mut self, link: LinkId, kind: FrameKind, moment: Moment) {
        let Some(held) = self.links.get(&link) else {
            return;
        };
        let (node, inbound, open) = (held.node, held.inbound, held.open);
        // Whoever has just come takes this node's slots and its names from one frame.
        let mut understood = held.understands;
        if let Some(at) = node.filter(|_| !inbound && kind == FrameKind::Ping) {
            self.nodes[at].ping_sent_ms = moment.now_ms;
        }
        if !open {
            return;
        }
        let mut header = self.header(kind, moment);
        header.marks |= mark::EXTENSIONS;
        understood |= node.is_some_and(|at| self.nodes[at].is(flag::EXTENSIONS));
        let extensions = match understood {
            true => self.extensions(moment),
            false => Vec::new(),
        };
        let gossip = self.gossip(node);
        let frame = Frame {
            header,
            body: FrameBody::Ping { gossip, extensions },
        };
        self.send(link, &frame);
    }

    /// Some nodes, drawn by chance, and all that seem to be dead: so that those are soon known to most.
    fn gossip(&mut self, to: Option<At>) -> Vec<Gossip> {
        self.pings += 1;
        let all = self.nodes.all();
        let wanted = (all.len() / 10)
            .max(GOSSIP_MIN)
            .min(all.len().saturating_sub(2));
        let mut told = Vec::new();
        for _ in 0..wanted * 3 {
            if told.len() == wanted {
                break;
            }
            let at = all[self.rng.usize(0..all.len())];
            let linked = self.is_linked(at);
            let node = &mut self.nodes[at];
            let silent = flag::MYSELF | flag::PFAIL | flag::HANDSHAKE | flag::NO_ADDRESS;
            let useless = !linked && node.slots.is_empty();
            if node.is(silent) || useless || node.gossiped == self.pings || to == Some(at) {
                continue;
            }
            node.gossiped = self.pings;
            told.push(at);
        }
        let seems_dead = |at: &At| {
            let node = &self.nodes[*at];
            node.is(flag::PFAIL) && !node.is(flag::HANDSHAKE | flag::NO_ADDRESS)
        };
        told.extend(all.iter().copied().filter(seems_dead));
        told.into_iter().map(|at| self.gossip_of(at)).collect()
    }

    fn gossip_of(&self, at: At) -> Gossip {
        let node = &self.nodes[at];
        let place = &node.place;
        let (port, other_port) = match self.settings.tls {
            true => (place.tls_port, place.tcp_port),
            false => (place.tcp_port, place.tls_port),
        };
        Gossip {
            id: node.id,
            ping_sent_s: (node.ping_sent_ms / 1000) as u32,
            pong_received_s: (node.pong_received_ms / 1000) as u32,
            ip: place.ip.clone(),
            port,
            other_port,
            bus_port: place.bus_port,
            flags: node.flags,
        }
    }

    fn extensions(&self, moment: Moment) -> Vec<Extension> {
        let me = self.me();
        let mut list = Vec::new();
        if !me.hostname.is_empty() {
            list.push(Extension::Hostname(me.hostname.clone()));
        }
        if !me.human_name.is_empty() {
            list.push(Extension::HumanName(me.human_name.clone()));
        }
        let mut banned: Vec<_> = self.banned.iter().collect();
        banned.sort();
        for (id, until_ms) in banned {
            let seconds = until_ms.saturating_sub(moment.now_ms) / 1000;
            if seconds > 0 {
                list.push(Extension::Forgotten { id: *id, seconds });
            }
        }
        list.push(Extension::Shard(me.shard));
        list
    }

    /// Learns from what a ping tells of other nodes. Its sender is one of the cluster.
    pub(super) fn hear_gossip(&mut self, sender: At, gossip: &[Gossip], moment: Moment) {
        for told in gossip {
            match self.nodes.find(&told.id) {
                Some(at) => self.hear_of_known(sender, at, told, moment),
                None => self.hear_of_new(told, moment),
            }
        }
    }

    fn hear_of_known(&mut self, by: At, at: At, told: &Gossip, moment: Moment) {
        let says_dead = told.flags & DEAD != 0;
        if self.nodes[by].is_master() && at != self.myself {
            self.hear_report(by, at, says_dead, moment);
        }
        let node = &mut self.nodes[at];
        if !says_dead && node.ping_sent_ms == 0 && node.reports.is_empty() {
            let pong_ms = u64::from(told.pong_received_s) * 1000;
            if pong_ms <= moment.now_ms + CLOCK_ERROR_MS {
                node.pong_received_ms = node.pong_received_ms.max(pong_ms);
            }
        }
        // Somebody reaches it where this node doesn't look for it.
        let reached = !says_dead && told.flags & flag::NO_ADDRESS == 0;
        if at != self.myself && self.nodes[at].is(DEAD) && reached {
            let place = self.place_of(&told.ip, told.port, told.other_port, told.bus_port);
            let held = &self.nodes[at].place;
            let moved = !held.ip.eq_ignore_ascii_case(&place.ip)
                || self.main_port(held) != told.port
                || held.bus_port != place.bus_port;
            if moved {
                self.move_node(at, place);
            }
        }
    }

    /// A node is elsewhere now: the connection to where it was is closed.
    fn move_node(&mut self, at: At, place: NodeAddress) {
        if let Some(link) = self.nodes[at].link.take() {
            self.close_link(link);
        }
        let node = &mut self.nodes[at];
        node.place = place;
        node.put(flag::NO_ADDRESS, false);
        self.pending.note = true;
    }

    pub(super) fn place_of(
        &self,
        ip: &str,
        port: u16,
        other_port: u16,
        bus_port: u16,
    ) -> NodeAddress {
        let (tcp_port, tls_port) = match self.settings.tls {
            true => (other_port, port),
            false => (port, other_port),
        };
        NodeAddress {
            ip: ip.to_owned(),
            tcp_port,
            tls_port,
            bus_port,
        }
    }

    /// Takes note of a node that another one of the cluster knows.
    fn hear_of_new(&mut self, told: &Gossip, moment: Moment) {
        let has_address = told.flags & flag::NO_ADDRESS == 0 && !told.ip.is_empty();
        let banned = self.banned.get(&told.id);
        let banned = banned.is_some_and(|until_ms| *until_ms > moment.now_ms);
        if !has_address || told.bus_port == 0 || banned {
            return;
        }
        let kept = flag::MASTER | flag::REPLICA | DEAD | flag::NO_FAILOVER;
        let mut node = ClusterNode::new(told.id, told.flags & kept, moment.now_ms);
        node.shard = NodeId::random(&mut self.rng);
        if node.is(flag::FAIL) {
            node.failed_ms = moment.now_ms;
        }
        node.place = self.place_of(&told.ip, told.port, told.other_port, told.bus_port);
        if self.nodes.add(node).is_some() {
            self.pending.note = true;
        }
    }

    /// Takes what a sender says of itself behind the gossip.
    pub(super) fn hear_extensions(&mut self, from: At, extensions: &[Extension], moment: Moment) {
        let (mut hostname, mut human_name, mut shard) = ("", "", None);
        for extension in extensions {
            match extension {
                Extension::Hostname(name) => hostname = name,
                Extension::HumanName(name) => human_name = name,
                Extension::Shard(id) => shard = Some(*id),
                Extension::Forgotten { id, seconds } => {
                    self.hear_forgotten(from, id, *seconds, moment);
                }
            }
        }
        // Versions that don't say so are in their master's shard.
        let shard = shard.or_else(|| Some(self.nodes[self.nodes[from].master?].shard));
        let node = &mut self.nodes[from];
        let before = (node.hostname.clone(), node.human_name.clone(), node.shard);
        node.hostname = hostname.to_owned();
        node.human_name = human_name.to_owned();
        node.shard = shard.unwrap_or(node.shard);
        if before != (node.hostname.clone(), node.human_name.clone(), node.shard) {
            self.pending.note = true;
        }
        // This node is where its master is.
        if self.me().master == Some(from) && self.me().shard != self.nodes[from].shard {
            self.me_mut().shard = self.nodes[from].shard;
            self.pending.note = true;
        }
    }

    /// Somebody was told to forget a node, which goes for all.
    fn hear_forgotten(&mut self, from: At, id: &NodeId, seconds: u64, moment: Moment) {
        let Some(at) = self.nodes.find(id) else {
            return;
        };
        if at == self.myself || at == from || self.me().master == Some(at) {
            return;
        }
        // Nobody bans for longer than an operator could.
        let seconds = seconds.min(i32::MAX as u64);
        self.banned.insert(*id, moment.now_ms + seconds * 1000);
        self.remove_node(at);
        self.noted();
    }

    /// Takes a sender's address from its frame, if it has another one now; whether it has.
    pub(super) fn update_address(&mut self, at: At, link: LinkId, header: &FrameHeader) -> bool {
        // What comes back over the connection to it proves the address that is known.
        if self.nodes[at].link == Some(link) {
            return false;
        }
        let ip = match (header.ip.as_str(), self.links.get(&link)) {
            ("", Some(held)) if !held.remote_ip.is_empty() => held.remote_ip.clone(),
            ("", _) => return false,
            (announced, _) => announced.to_owned(),
        };
        let place = self.place_of(&ip, header.port, header.other_port, header.bus_port);
        if place == self.nodes[at].place {
            return false;
        }
        tracing::info!(
            "Address updated for node {}, now {ip}:{}",
            self.nodes[at].called(),
            header.port
        );
        self.move_node(at, place.clone());
        if self.me().master == Some(at) {
            self.actions.push(Action::Follow { place });
        }
        true
    }
}
