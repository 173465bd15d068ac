//! What a node does by the clock, ten times a second: connects, pings, and looks who is silent.

use super::actions::{Action, Moment};
use super::failure::DEAD;
use super::frame::FrameKind;
use super::node::{At, NodeAddress, flag};
use super::state::Cluster;

/// A node is given so long, at least, to tell its name.
const HANDSHAKE_MS_MIN: u64 = 1000;
/// Ticks between two pings to nodes drawn by chance, and how many of them are drawn.
const PING_TICKS: u64 = 10;
const PING_DRAWS: usize = 5;

impl Cluster {
    /// A tenth of a second has passed.
    pub fn tick(&mut self, moment: Moment) {
        self.ticks += 1;
        let now_ms = moment.now_ms;
        self.pending.view |= std::mem::take(&mut self.unseen);
        let banned = self.banned.len();
        self.banned.retain(|_, until_ms| *until_ms > now_ms);
        debug_assert!(self.banned.len() <= banned);
        let patience_ms = self.settings.node_timeout_ms.max(HANDSHAKE_MS_MIN);
        self.close_silent_strangers(patience_ms, moment);
        for at in self.nodes.all() {
            self.connect(at, moment);
        }
        if self.ticks.is_multiple_of(PING_TICKS) {
            self.pending.view |= std::mem::take(&mut self.unseen_offsets);
            self.ping_one(moment);
        }
        for at in self.nodes.all() {
            let unwatched = flag::MYSELF | flag::NO_ADDRESS | flag::HANDSHAKE;
            if !self.nodes[at].is(unwatched) {
                self.watch(at, moment);
            }
        }
        self.copy_master(moment);
        self.give_up_manual(moment);
        if self.me().is_replica() {
            self.go_on_manual(moment);
            self.strive(moment);
            self.move_to_orphan(moment);
        }
        self.pending.update_state |= !self.is_ok;
    }

    /// A replica that copies nobody yet begins to, once its master's address is known.
    fn copy_master(&mut self, moment: Moment) {
        if let Some(place) = self.master_place().filter(|_| !moment.has_master) {
            self.actions.push(Action::Follow { place });
        }
    }

    /// Where this node's master is, if it is a replica.
    pub fn master_place(&self) -> Option<NodeAddress> {
        let me = self.me();
        let master = &self.nodes[me.master.filter(|_| me.is_replica())?];
        let known = !master.is(flag::NO_ADDRESS) && !master.place.ip.is_empty();
        known.then(|| master.place.clone())
    }

    /// Looks at a manual failover between two ticks.
    pub fn hurry(&mut self) {
        self.pending.manual = true;
    }

    /// Opens a connection to a node that has none; forgets one that doesn't tell its name.
    fn connect(&mut self, at: At, moment: Moment) {
        let node = &self.nodes[at];
        if node.is(flag::MYSELF | flag::NO_ADDRESS) {
            return;
        }
        let patience_ms = self.settings.node_timeout_ms.max(HANDSHAKE_MS_MIN);
        let age_ms = moment.now_ms.saturating_sub(node.created_ms);
        if node.is(flag::HANDSHAKE) && age_ms > patience_ms {
            self.remove_node(at);
            return;
        }
        if node.link.is_some() {
            return;
        }
        let (ip, port) = (node.place.ip.clone(), node.place.bus_port);
        let link = self.new_link(Some(at), moment);
        self.nodes[at].link = Some(link);
        self.actions.push(Action::Connect { link, ip, port });
    }

    /// Pings the one of a few nodes that has been silent for longest.
    fn ping_one(&mut self, moment: Moment) {
        let all = self.nodes.all();
        let drawn = (0..PING_DRAWS).map(|_| all[self.rng.usize(0..all.len())]);
        let drawn: Vec<At> = drawn.collect();
        let fit = drawn.into_iter().filter_map(|at| {
            let node = &self.nodes[at];
            let idle = node.ping_sent_ms == 0 && !node.is(flag::MYSELF | flag::HANDSHAKE);
            let link = node.link.filter(|_| idle)?;
            Some((node.pong_received_ms, link))
        });
        if let Some((_, link)) = fit.min() {
            self.send_ping(link, FrameKind::Ping, moment);
        }
    }

    /// Looks whether a node is silent, and pings it in time.
    fn watch(&mut self, at: At, moment: Moment) {
        let (now_ms, timeout_ms) = (moment.now_ms, self.settings.node_timeout_ms);
        let since = |time_ms: u64| now_ms.saturating_sub(time_ms);
        let node = &self.nodes[at];
        let (ping_ms, data_ms) = (since(node.ping_sent_ms), since(node.data_received_ms));
        let waits = node.ping_sent_ms != 0;
        let link = node
            .link
            .and_then(|id| Some((id, self.links.get(&id)?.created_ms)));
        // The connection may be what is dead.
        if let Some((id, created_ms)) = link
            && waits
            && since(created_ms) > timeout_ms
            && ping_ms > timeout_ms / 2
            && data_ms > timeout_ms / 2
        {
            self.close_link(id);
        }
        let node = &self.nodes[at];
        if let Some(id) = node.link {
            let due = !waits && since(node.pong_received_ms) > timeout_ms / 2;
            // A replica that takes over waits for this master's offset.
            if due || self.me().is_master() && self.manual.replica == Some(at) {
                self.send_ping(id, FrameKind::Ping, moment);
                return;
            }
        }
        // Whatever comes is a sign of life.
        if waits && ping_ms.min(data_ms) > timeout_ms && !self.nodes[at].is(DEAD) {
            self.nodes[at].put(flag::PFAIL, true);
            tracing::debug!("*** NODE {} possibly failing", self.nodes[at].called());
            self.pending.update_state = true;
            self.fail_if_alone(at, moment);
        }
    }

    /// Where one master is most of them, it needs nobody's agreement.
    fn fail_if_alone(&mut self, at: At, moment: Moment) {
        if self.size == 1 && self.me().votes() {
            self.fail_if_agreed(at, moment);
        }
    }
}
