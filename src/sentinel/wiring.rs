//! Links and their connections as they come and go, and the commands that are sent over them.

use std::collections::VecDeque;

use super::actions::SentinelAction;
use super::instance::{InstanceId, InstanceKind};
use super::link::{InstanceLink, LinkKey, WireId};
use super::state::Sentinel;
use super::wire::{Awaited, OpenWire};

impl Sentinel {
    pub(super) fn link_of(&self, id: InstanceId) -> &InstanceLink {
        let key = self.at(id).link;
        self.links.get(&key).expect("an instance has a link")
    }

    pub(super) fn link_of_mut(&mut self, id: InstanceId) -> &mut InstanceLink {
        let key = self.at(id).link;
        self.links.get_mut(&key).expect("an instance has a link")
    }

    pub(super) fn new_link(&mut self) -> LinkKey {
        let key = LinkKey(self.next_number());
        self.links.insert(key, InstanceLink::new(self.now_ms));
        key
    }

    /// Opens a connection for a link.
    pub(super) fn open_wire(&mut self, id: InstanceId, is_pubsub: bool) -> WireId {
        let wire = WireId(self.next_number());
        let address = self.at(id).address.clone();
        let open = OpenWire {
            link: self.at(id).link,
            is_pubsub,
            awaited: VecDeque::new(),
        };
        self.wires.insert(wire, open);
        let host = match self.hosts.resolve || address.ip.is_empty() {
            true => address.host,
            false => address.ip,
        };
        self.actions.push(SentinelAction::Connect {
            wire,
            host,
            port: address.port,
        });
        let now_ms = self.now_ms;
        let link = self.link_of_mut(id);
        if is_pubsub {
            link.pubsub = Some(wire);
            link.pubsub_since_ms = now_ms;
        } else {
            link.commands = Some(wire);
            link.commands_since_ms = now_ms;
            link.pending = 0;
            link.local_ip = None;
        }
        wire
    }

    /// A connection stands.
    pub fn connected(&mut self, wire: WireId, local_ip: String) {
        let Some(open) = self.wires.get(&wire).filter(|open| !open.is_pubsub) else {
            return;
        };
        if let Some(link) = self.links.get_mut(&open.link) {
            link.local_ip = Some(local_ip);
        }
    }

    /// A connection was lost, or never stood.
    pub fn closed(&mut self, wire: WireId) {
        self.forget_wire(wire);
    }

    /// Closes a connection.
    pub(super) fn close_wire(&mut self, wire: Option<WireId>) {
        if let Some(wire) = wire
            && self.forget_wire(wire)
        {
            self.actions.push(SentinelAction::Close { wire });
        }
    }

    fn forget_wire(&mut self, wire: WireId) -> bool {
        let Some(open) = self.wires.remove(&wire) else {
            return false;
        };
        let Some(link) = self.links.get_mut(&open.link) else {
            return true;
        };
        link.disconnected = true;
        link.pending = link.pending.saturating_sub(open.awaited.len());
        match open.is_pubsub {
            true => link.pubsub = None,
            false => {
                link.commands = None;
                link.local_ip = None;
            }
        }
        true
    }

    /// Closes both connections of an instance.
    pub(super) fn drop_link(&mut self, id: InstanceId) {
        let link = self.link_of(id);
        let (commands, pubsub) = (link.commands, link.pubsub);
        self.close_wire(commands);
        self.close_wire(pubsub);
    }

    /// An instance no longer needs its link; the last of them takes the link away.
    pub(super) fn release_link(&mut self, key: LinkKey) {
        let link = self.links.get_mut(&key).expect("an instance has a link");
        link.owners -= 1;
        if link.owners > 0 {
            return;
        }
        let (commands, pubsub) = (link.commands, link.pubsub);
        self.close_wire(commands);
        self.close_wire(pubsub);
        self.links.remove(&key);
    }

    /// Gives a Sentinel the link that the same one has at another master.
    pub(super) fn share_link(&mut self, id: InstanceId) {
        let one = self.at(id);
        if self.link_of(id).owners > 1 {
            return;
        }
        let same = |other: &&InstanceId| {
            let other = self.at(**other);
            other.group != one.group && other.run_id.is_some() && other.run_id == one.run_id
        };
        let mut voters = self
            .groups
            .values()
            .flat_map(|group| group.sentinels.values());
        let Some(other) = voters.find(same).copied() else {
            return;
        };
        let shared = self.at(other).link;
        let own = std::mem::replace(&mut self.at_mut(id).link, shared);
        self.link_of_mut(id).owners += 1;
        self.release_link(own);
    }

    /// Sends a command, under the name that it has there, over the connection for commands; false if there is none.
    pub(super) fn send(&mut self, id: InstanceId, words: &[&[u8]], awaited: Awaited) -> bool {
        let Some(wire) = self.link_of(id).commands else {
            return false;
        };
        self.send_by(wire, id, words, awaited);
        true
    }

    pub(super) fn send_by(
        &mut self,
        wire: WireId,
        id: InstanceId,
        words: &[&[u8]],
        awaited: Awaited,
    ) {
        let group = self.group_of(id);
        let name = String::from_utf8_lossy(words[0]);
        let mut all = vec![group.command(&name).as_bytes().to_vec()];
        all.extend(words[1..].iter().map(|word| word.to_vec()));
        self.link_of_mut(id).pending += 1;
        if let Some(open) = self.wires.get_mut(&wire) {
            open.awaited.push_back((id, awaited));
        }
        self.actions.push(SentinelAction::Send { wire, words: all });
    }

    /// Closes all connections to other Sentinels.
    pub(super) fn drop_sentinel_links(&mut self) {
        let voters = self.instances_of(InstanceKind::Sentinel);
        for id in voters {
            if !self.link_of(id).disconnected {
                self.drop_link(id);
            }
        }
    }
}
