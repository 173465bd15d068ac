//! What this node says of itself, and to whom.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::actions::{Action, Moment};
use super::frame::{Frame, FrameBody, FrameHeader, FrameKind, mark};
use super::node::{At, LinkId, flag};
use super::state::Cluster;

/// Bytes that may wait for a stranger, before one more frame.
const STRANGER_WAITING_MAX: usize = 64 << 10;

impl Cluster {
    /// A header that says how things are.
    pub(super) fn header(&self, kind: FrameKind, moment: Moment) -> FrameHeader {
        let me = self.me();
        let claims = self.epoch_node();
        let tls = self.settings.tls;
        let (port, other_port) = match tls {
            true => (me.place.tls_port, me.place.tcp_port),
            false => (me.place.tcp_port, me.place.tls_port),
        };
        let paused = me.is_master() && self.manual.stopped;
        FrameHeader {
            kind,
            sender: me.id,
            current_epoch: self.current_epoch,
            config_epoch: claims.config_epoch,
            repl_offset: moment.repl_offset,
            slots: claims.slots.clone(),
            master: me.master.map(|master| self.nodes[master].id),
            ip: self.settings.announce_ip.clone(),
            port,
            other_port,
            bus_port: me.place.bus_port,
            flags: me.flags,
            is_ok: self.is_ok,
            marks: if paused { mark::PAUSED } else { 0 },
        }
    }

    pub(super) fn send(&mut self, link: LinkId, frame: &Frame) {
        self.send_bytes(link, frame.header.kind, frame.to_bytes());
    }

    /// Sends bytes over a connection, if it stands. One that takes too little is closed.
    fn send_bytes(&mut self, link: LinkId, kind: FrameKind, frame: Bytes) {
        let Some(held) = self.links.get(&link).filter(|held| held.open) else {
            return;
        };
        let waiting = held.waiting.fetch_add(frame.len(), Ordering::Relaxed);
        // Who doesn't say who he is gets answers, but nothing waits long for him to read them.
        if held.node.is_none() && waiting > STRANGER_WAITING_MAX {
            self.close_link(link);
            return;
        }
        let most = self.settings.link_bytes_max;
        if most != 0 && waiting > most {
            tracing::warn!(
                "Freeing cluster link({} bytes wait for it, more than cluster-link-sendbuf-limit)",
                waiting
            );
            self.overflowed_links += 1;
            self.close_link(link);
            return;
        }
        self.sent[kind as usize] += 1;
        self.actions.push(Action::Send { link, frame });
    }

    /// Sends a frame with an empty body to a node.
    pub(super) fn send_word(&mut self, to: At, kind: FrameKind, marks: u8, moment: Moment) {
        if let Some(link) = self.nodes[to].link {
            let frame = self.word(kind, marks, moment);
            self.send(link, &frame);
        }
    }

    fn word(&self, kind: FrameKind, marks: u8, moment: Moment) -> Frame {
        let mut header = self.header(kind, moment);
        header.marks |= marks;
        Frame {
            header,
            body: FrameBody::Empty,
        }
    }

    /// Sends a frame to every node that has told its name.
    pub(super) fn broadcast(&mut self, frame: &Frame) {
        let bytes = frame.to_bytes();
        for link in self.named_links(|_| true) {
            self.send_bytes(link, frame.header.kind, bytes.clone());
        }
    }

    pub(super) fn broadcast_word(&mut self, kind: FrameKind, marks: u8, moment: Moment) {
        let frame = self.word(kind, marks, moment);
        self.broadcast(&frame);
    }

    /// The connections to nodes that have told their names.
    fn named_links(&self, wanted: impl Fn(At) -> bool) -> Vec<LinkId> {
        let named = self
            .nodes
            .iter()
            .filter(|(at, node)| !node.is(flag::MYSELF | flag::HANDSHAKE) && wanted(*at));
        named.filter_map(|(_, node)| node.link).collect()
    }

    /// Tells every node how things are, without being asked; or only the other replicas of this one's master.
    pub(super) fn broadcast_pong(&mut self, siblings: bool, moment: Moment) {
        let (myself, master) = (self.myself, self.me().master);
        let is_sibling = |at: At| {
            let theirs = self.nodes[at].master;
            self.nodes[at].is_replica()
                && theirs.is_some()
                && (theirs == Some(myself) || theirs == master)
        };
        let links = self.named_links(|at| !siblings || is_sibling(at));
        for link in links {
            self.send_ping(link, FrameKind::Pong, moment);
        }
    }

    /// Tells a node who owns slots that it claims: it has missed something.
    pub(super) fn send_update(&mut self, to: At, about: At, moment: Moment) {
        let Some(link) = self.nodes[to].link else {
            return;
        };
        let owner = &self.nodes[about];
        // What the owner has stopped to claim is somebody else's, whoever that is.
        let claimed = owner.slots.iter().filter(|slot| !self.unclaimed.has(*slot));
        let frame = Frame {
            body: FrameBody::Update {
                id: owner.id,
                config_epoch: owner.config_epoch,
                slots: claimed.collect(),
            },
            header: self.header(FrameKind::Update, moment),
        };
        self.send(link, &frame);
    }

    /// Tells all nodes that one has failed.
    pub(super) fn send_fail(&mut self, about: At, moment: Moment) {
        let frame = Frame {
            body: FrameBody::Fail {
                id: self.nodes[about].id,
            },
            header: self.header(FrameKind::Fail, moment),
        };
        self.broadcast(&frame);
    }

    /// Gives a message to the nodes that may have subscribers of its channel: all, or those of this node's shard.
    pub fn publish(&mut self, channel: Bytes, message: Bytes, sharded: bool, moment: Moment) {
        let kind = match sharded {
            true => FrameKind::PublishShard,
            false => FrameKind::Publish,
        };
        let frame = Frame {
            header: self.header(kind, moment),
            body: FrameBody::Publish { channel, message },
        };
        let mine = self.me().master.unwrap_or(self.myself);
        let in_shard = |at: At| at == mine || self.nodes[at].master == Some(mine);
        let links = self.named_links(|at| !sharded || in_shard(at));
        let bytes = frame.to_bytes();
        for link in links {
            self.send_bytes(link, kind, bytes.clone());
        }
    }
}
