//! What each frame does that comes.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::actions::Moment;
use super::frame::{Extension, Frame, FrameBody, FrameHeader, FrameKind, Gossip, mark};
use super::link::{BusLink, LinkEnd};
use super::node::{At, ClusterNode, LinkId, NodeAddress, flag};
use super::slots::SlotSet;
use super::state::Cluster;

impl Cluster {
    pub(super) fn new_link(&mut self, node: Option<At>, moment: Moment) -> LinkId {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        let held = BusLink {
            node,
            inbound: node.is_none(),
            open: false,
            understands: false,
            created_ms: moment.now_ms,
            heard_ms: 0,
            remote_ip: String::new(),
            local_ip: String::new(),
            waiting: Default::default(),
        };
        self.links.insert(link, held);
        link
    }

    /// A connection that was asked for stands.
    pub fn connected(&mut self, link: LinkId, remote_ip: String, local_ip: String, moment: Moment) {
        let Some(held) = self.links.get_mut(&link) else {
            return;
        };
        held.open = true;
        held.remote_ip = remote_ip;
        held.local_ip = local_ip;
        let Some(at) = held.node else {
            return;
        };
        self.pending.view = true;
        let waits_since_ms = self.nodes[at].ping_sent_ms;
        let kind = match self.nodes[at].is(flag::MEET) {
            true => FrameKind::Meet,
            false => FrameKind::Ping,
        };
        self.send_ping(link, kind, moment);
        // It has been waited for since the first ping, whatever became of the connection.
        if waits_since_ms != 0 {
            self.nodes[at].ping_sent_ms = waits_since_ms;
        }
    }

    /// A connection has ended, or never stood.
    pub fn closed(&mut self, link: LinkId) {
        if let Some(held) = self.links.remove(&link) {
            self.unlink(link, &held);
        }
    }

    fn unlink(&mut self, link: LinkId, held: &BusLink) {
        for (_, node) in self.nodes.iter_mut() {
            for end in [&mut node.link, &mut node.inbound] {
                if *end == Some(link) {
                    *end = None;
                    // Pictures show connections that stand.
                    self.pending.view |= held.open;
                }
            }
        }
    }

    /// Closes a connection from this side.
    pub(super) fn close_link(&mut self, link: LinkId) {
        if let Some(held) = self.links.remove(&link) {
            self.unlink(link, &held);
            self.actions.push(super::Action::Close { link });
        }
    }

    /// Breaks connections with a node, as tests want it.
    pub fn break_links(&mut self, at: At, ends: &[LinkEnd]) {
        for end in ends {
            let link = match end {
                LinkEnd::Own => self.nodes[at].link,
                LinkEnd::Inbound => self.nodes[at].inbound,
            };
            link.into_iter().for_each(|link| self.close_link(link));
        }
    }

    /// Leaves frames of a type unheard, by its number; those of none, if there is no such type.
    pub fn leave_unheard(&mut self, kind: i64) {
        let kinds = FrameKind::ALL.into_iter();
        self.unheard = kinds
            .zip(0..)
            .find_map(|(one, number)| (number == kind).then_some(one));
    }

    /// How many bytes wait for a connection, as its socket counts them down.
    pub fn waiting(&self, link: LinkId) -> Option<Arc<AtomicUsize>> {
        self.links.get(&link).map(|held| held.waiting.clone())
    }

    /// Whether somebody of the cluster is at the other end.
    pub fn knows(&self, link: LinkId) -> bool {
        self.links
            .get(&link)
            .is_some_and(|held| held.node.is_some())
    }

    /// A frame has come.
    pub fn receive(&mut self, link: LinkId, frame: Frame, moment: Moment) {
        let Some(held) = self.links.get_mut(&link) else {
            return;
        };
        held.heard_ms = moment.now_ms;
        let Frame { header, body } = frame;
        held.understands |= header.marks & mark::EXTENSIONS != 0;
        if self.unheard == Some(header.kind) {
            return;
        }
        self.received[header.kind as usize] += 1;
        let sender = self.sender(link, &header);
        if let Some(at) = sender {
            let before_ms = &mut self.nodes[at].data_received_ms;
            // One that is heard for the first time may make most of them.
            self.pending.view |= std::mem::replace(before_ms, moment.now_ms) == 0;
            if !self.nodes[at].is(flag::HANDSHAKE) {
                self.hear_header(at, &header, moment);
            }
        }
        match (header.kind, body) {
            (_, FrameBody::Ping { gossip, extensions }) => {
                self.hear_ping(link, sender, &header, &gossip, &extensions, moment);
            }
            (kind, body) => {
                // Whoever isn't of the cluster has no say in it, and this node has nothing to tell itself.
                if let Some(at) = sender.filter(|at| *at != self.myself) {
                    self.hear_member(at, link, kind, &header, body, moment);
                }
            }
        }
    }

    fn hear_member(
        &mut self,
        from: At,
        link: LinkId,
        kind: FrameKind,
        header: &FrameHeader,
        body: FrameBody,
        moment: Moment,
    ) {
        match (kind, body) {
            (_, FrameBody::Fail { id }) => self.hear_fail(from, &id, moment),
            (_, FrameBody::Publish { channel, message }) => {
                self.actions.push(super::Action::Deliver {
                    channel,
                    message,
                    sharded: kind == FrameKind::PublishShard,
                });
            }
            (
                _,
                FrameBody::Update {
                    id,
                    config_epoch,
                    slots,
                },
            ) => {
                self.hear_update(&id, config_epoch, &slots);
            }
            (FrameKind::AuthRequest, _) => self.hear_auth_request(from, header, moment),
            (FrameKind::AuthAck, _) => self.hear_vote(from, header),
            (FrameKind::ManualStart, _) => self.hear_manual_start(from, link, moment),
            _ => {}
        }
    }

    /// Who sent it: the node that it names, which the connection belongs to from then on. Over the connection to a node
    /// nobody else has a say.
    fn sender(&mut self, link: LinkId, header: &FrameHeader) -> Option<At> {
        let (mut held, inbound) = (self.links.get(&link)?.node, self.links.get(&link)?.inbound);
        if let Some(at) = held.filter(|at| !self.nodes[*at].is(flag::HANDSHAKE)) {
            if self.nodes[at].id == header.sender {
                return Some(at);
            }
            if !inbound {
                return None;
            }
            // It has taken another name.
            self.nodes[at].inbound = None;
            self.links.get_mut(&link)?.node = None;
            held = None;
        }
        let at = self.nodes.find(&header.sender)?;
        // A connection that claims to be this node's own is nobody's.
        if held.is_none() && at != self.myself {
            if let Some(before) = self.nodes[at].inbound.take() {
                self.close_link(before);
            }
            self.nodes[at].inbound = Some(link);
            self.links.get_mut(&link)?.node = Some(at);
        }
        Some(at)
    }

    fn hear_header(&mut self, from: At, header: &FrameHeader, moment: Moment) {
        if from == self.myself {
            return;
        }
        if header.current_epoch > self.current_epoch {
            self.current_epoch = header.current_epoch;
            self.pending.note = true;
        }
        let node = &mut self.nodes[from];
        if header.config_epoch > node.config_epoch {
            node.config_epoch = header.config_epoch;
            self.pending.sync = true;
        }
        // A replica without data is shown to nobody; how far one has come is shown now and then.
        self.pending.view |= (node.repl_offset == 0) != (header.repl_offset == 0);
        self.unseen_offsets |= node.repl_offset != header.repl_offset;
        node.repl_offset = header.repl_offset;
        node.repl_offset_ms = moment.now_ms;
        self.hear_paused(from, header);
    }

    fn hear_ping(
        &mut self,
        link: LinkId,
        sender: Option<At>,
        header: &FrameHeader,
        gossip: &[Gossip],
        extensions: &[Extension],
        moment: Moment,
    ) {
        if header.kind != FrameKind::Pong {
            self.answer_ping(link, sender, header, moment);
        }
        let Some(held) = self.links.get(&link) else {
            return;
        };
        if let Some(at) = held.node.filter(|_| !held.inbound)
            && !self.hear_own_link(link, at, sender, header)
        {
            return;
        }
        // A handshake may have given it its name just now.
        let sender = self.nodes.find(&header.sender);
        let Some(at) = sender.filter(|at| *at != self.myself) else {
            return;
        };
        let marks = flag::NO_FAILOVER | flag::EXTENSIONS;
        let understands = header.marks & mark::EXTENSIONS != 0;
        let node = &mut self.nodes[at];
        node.put(marks, false);
        node.put(header.flags & flag::NO_FAILOVER, true);
        node.put(flag::EXTENSIONS, understands);
        let settled = !node.is(flag::HANDSHAKE);
        if header.kind == FrameKind::Ping && settled && self.update_address(at, link, header) {
            self.noted();
        }
        self.hear_pong(link, header, moment);
        self.hear_role(at, header);
        self.hear_claim(at, header, moment);
        self.hear_gossip(at, gossip, moment);
        self.hear_extensions(at, extensions, moment);
    }

    /// Answers a ping or a MEET, whoever sent it; who sends a MEET is asked for its name.
    fn answer_ping(
        &mut self,
        link: LinkId,
        sender: Option<At>,
        header: &FrameHeader,
        moment: Moment,
    ) {
        let Some(held) = self.links.get(&link) else {
            return;
        };
        let (local_ip, remote_ip) = (held.local_ip.clone(), held.remote_ip.clone());
        let is_meet = header.kind == FrameKind::Meet;
        let announced = !self.settings.announce_ip.is_empty();
        let me = &mut self.nodes[self.myself];
        let unknown = me.place.ip.is_empty();
        if !announced && (is_meet || unknown) && !local_ip.is_empty() && me.place.ip != local_ip {
            tracing::info!("IP address for this node updated to {local_ip}");
            me.place.ip = local_ip;
            self.pending.note = true;
        }
        if is_meet && sender.is_none() {
            let ip = match header.ip.is_empty() {
                true => remote_ip,
                false => header.ip.clone(),
            };
            let place = self.place_of(&ip, header.port, header.other_port, header.bus_port);
            self.hear_meet(place, moment);
        }
        self.send_ping(link, FrameKind::Pong, moment);
    }

    fn hear_meet(&mut self, place: NodeAddress, moment: Moment) {
        let shaking = self
            .nodes
            .iter()
            .filter(|(_, node)| node.is(flag::HANDSHAKE));
        let (mut count, mut under_way) = (0, place.bus_port == 0);
        for (_, node) in shaking {
            count += 1;
            under_way |= node.place == place;
        }
        // Strangers may not fill the list.
        if under_way || count >= HANDSHAKES_MAX {
            return;
        }
        let id = super::NodeId::random(&mut self.rng);
        let mut node = ClusterNode::new(id, flag::HANDSHAKE, moment.now_ms);
        node.place = place;
        self.nodes.add(node);
        // The file says nothing of nodes that have no name yet, and requests don't ask for them.
        self.unseen = true;
    }

    /// Something has come over the connection to a node; whether it is that node that answers.
    fn hear_own_link(
        &mut self,
        link: LinkId,
        at: At,
        sender: Option<At>,
        header: &FrameHeader,
    ) -> bool {
        if self.nodes[at].is(flag::HANDSHAKE) {
            if let Some(known) = sender {
                // It is known already, maybe elsewhere.
                if known != self.myself && self.update_address(known, link, header) {
                    self.noted();
                }
                self.remove_node(at);
                return false;
            }
            self.nodes.rename(at, header.sender);
            let node = &mut self.nodes[at];
            node.put(flag::HANDSHAKE, false);
            node.put(header.flags & (flag::MASTER | flag::REPLICA), true);
            tracing::debug!("Handshake with node {} completed.", node.id);
            self.noted();
            return true;
        }
        if self.nodes[at].id == header.sender {
            return true;
        }
        // Somebody else lives there now.
        tracing::debug!(
            "PONG contains mismatching sender ID. About node {}",
            self.nodes[at].called()
        );
        let node = &mut self.nodes[at];
        node.put(flag::NO_ADDRESS, true);
        node.place = NodeAddress::default();
        self.close_link(link);
        self.pending.note = true;
        false
    }

    /// The node that a connection leads to has answered.
    fn hear_pong(&mut self, link: LinkId, header: &FrameHeader, moment: Moment) {
        let held = self.links.get(&link).filter(|held| !held.inbound);
        let Some(at) = held.and_then(|held| held.node) else {
            return;
        };
        if header.kind == FrameKind::Pong {
            let node = &mut self.nodes[at];
            node.pong_received_ms = moment.now_ms;
            node.ping_sent_ms = 0;
            // It has met this node.
            node.put(flag::MEET, false);
            self.hear_alive(at, moment);
        }
    }

    /// Whether the sender is a master or a replica, and whose.
    fn hear_role(&mut self, at: At, header: &FrameHeader) {
        let Some(master) = header.master else {
            return self.note_master(at);
        };
        let known = self.nodes.find(&master).filter(|master| *master != at);
        if self.nodes[at].is_master() || !self.nodes[at].is_replica() {
            let shard = self.nodes[at].shard;
            if let Some(master) = known.filter(|master| self.nodes[*master].shard == shard) {
                if self.nodes[at].config_epoch > header.config_epoch {
                    // It said so before it became the master.
                    return;
                }
                self.hand_over_slots(at, master, header.config_epoch);
            }
            self.free_slots_of(at);
            let node = &mut self.nodes[at];
            node.put(flag::MASTER | flag::MIGRATE_TO, false);
            node.put(flag::REPLICA, true);
            self.noted();
        }
        if known.is_some() && self.nodes[at].master != known {
            self.nodes.set_master(at, known);
            self.pending.note = true;
        }
    }

    /// A master has become the replica of another node of its shard, which has its slots since this epoch: they are without
    /// an owner at no time, although the new one has yet to say so itself.
    fn hand_over_slots(&mut self, from: At, to: At, epoch: u64) {
        if to == self.myself || self.nodes[to].config_epoch > epoch {
            return;
        }
        self.note_master(to);
        self.nodes[to].config_epoch = epoch;
        let slots = self.nodes[from].slots.clone();
        for slot in slots.iter() {
            self.free_slot(slot);
            self.give_slot(slot, to);
        }
    }

    /// A node that was a replica, or was not known to be either, is a master.
    pub(super) fn note_master(&mut self, at: At) {
        if self.nodes[at].is_master() {
            return;
        }
        let had_master = self.nodes[at].master.is_some();
        self.nodes.set_master(at, None);
        let node = &mut self.nodes[at];
        node.put(flag::MIGRATE_TO, had_master);
        node.put(flag::REPLICA, false);
        node.put(flag::MASTER, true);
        self.noted();
    }

    /// The slots that the sender claims, or that its master does.
    fn hear_claim(&mut self, at: At, header: &FrameHeader, moment: Moment) {
        let node = &self.nodes[at];
        let is_master = node.is_master();
        let claims = if is_master { Some(at) } else { node.master };
        let differs = claims.is_some_and(|claims| self.nodes[claims].slots != header.slots);
        if is_master && differs {
            self.take_claim(at, header.config_epoch, &header.slots);
        }
        if differs {
            self.correct_claim(at, header, moment);
        }
        if is_master {
            self.part_epochs(at, header.config_epoch);
        }
    }

    fn hear_fail(&mut self, from: At, about: &super::NodeId, moment: Moment) {
        let Some(at) = self.nodes.find(about) else {
            return;
        };
        if !self.nodes[at].is(flag::FAIL | flag::MYSELF) {
            tracing::info!(
                "FAIL message received from {} about {}",
                self.nodes[from].called(),
                self.nodes[at].called()
            );
            self.mark_failed(at, moment);
        }
    }

    /// Somebody says that another one owns slots since a later epoch.
    fn hear_update(&mut self, id: &super::NodeId, epoch: u64, slots: &SlotSet) {
        let Some(at) = self.nodes.find(id).filter(|at| *at != self.myself) else {
            return;
        };
        if self.nodes[at].config_epoch >= epoch {
            return;
        }
        if self.nodes[at].is_replica() {
            self.note_master(at);
        }
        self.nodes[at].config_epoch = epoch;
        self.pending.sync = true;
        self.take_claim(at, epoch, slots);
    }
}

/// Nodes in handshake that others' MEETs may make at one time.
const HANDSHAKES_MAX: usize = 1024;
