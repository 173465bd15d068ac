//! What operators order: CLUSTER's subcommands that change something. Each is checked whole before it changes anything.
//!
//! After an order, whoever gave it calls [`Cluster::finish`].

use std::borrow::Cow;
use std::net::IpAddr;

use super::actions::{Action, Moment};
use super::failover::Election;
use super::frame::EPOCH_MAX;
use super::node::{At, ClusterNode, NodeAddress, NodeId, flag};
use super::slots::SLOTS;
use super::state::Cluster;

/// Why an order is refused: Redis's text, after `ERR `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRefused(pub Cow<'static, str>);

impl OrderRefused {
    fn says(text: &'static str) -> Self {
        OrderRefused(Cow::Borrowed(text))
    }

    fn said(text: String) -> Self {
        OrderRefused(Cow::Owned(text))
    }
}

/// How a replica takes over by CLUSTER FAILOVER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverWay {
    /// Its master stops first, so that nothing is lost.
    Agreed,
    /// FORCE: its master isn't asked, the other masters are.
    Force,
    /// TAKEOVER: nobody is asked.
    Takeover,
}

type Order<T = ()> = Result<T, OrderRefused>;

impl Cluster {
    /// Finds a node by what a client calls it.
    pub fn find(&self, id: &[u8]) -> Option<At> {
        self.nodes.find(&NodeId::parse(id)?)
    }

    fn known(&self, id: &[u8], refusal: &str) -> Order<At> {
        let name = || OrderRefused::said(format!("{refusal} {}", String::from_utf8_lossy(id)));
        self.find(id).ok_or_else(name)
    }

    /// CLUSTER ADDSLOTS and ADDSLOTSRANGE, and DELSLOTS and DELSLOTSRANGE.
    pub fn add_slots(&mut self, ranges: &[(u16, u16)]) -> Order {
        let slots = self.check_slots(ranges, false)?;
        for slot in slots {
            // It was on its way here: now it has arrived.
            self.importing.remove(&slot);
            self.give_slot(slot, self.myself);
        }
        self.changed();
        Ok(())
    }

    pub fn del_slots(&mut self, ranges: &[(u16, u16)]) -> Order {
        let slots = self.check_slots(ranges, true)?;
        slots.into_iter().for_each(|slot| self.free_slot(slot));
        self.changed();
        Ok(())
    }

    fn check_slots(&self, ranges: &[(u16, u16)], owned: bool) -> Order<Vec<u16>> {
        let mut seen = vec![false; SLOTS];
        let mut slots = Vec::new();
        for (first, last) in ranges {
            for slot in *first..=*last {
                let why = match (owned, self.owner(slot).is_some()) {
                    (true, false) => Some("already unassigned"),
                    (false, true) => Some("already busy"),
                    _ if seen[usize::from(slot)] => Some("specified multiple times"),
                    _ => None,
                };
                if let Some(why) = why {
                    return Err(OrderRefused::said(format!(
                        "Slot {slot} {}{why}",
                        match why {
                            "specified multiple times" => "",
                            _ => "is ",
                        }
                    )));
                }
                seen[usize::from(slot)] = true;
                slots.push(slot);
            }
        }
        Ok(slots)
    }

    /// CLUSTER FLUSHSLOTS.
    pub fn flush_slots(&mut self, has_keys: bool) -> Order {
        if has_keys {
            return Err(OrderRefused::says(
                "DB must be empty to perform CLUSTER FLUSHSLOTS.",
            ));
        }
        self.free_slots_of(self.myself);
        self.changed();
        Ok(())
    }

    /// What every CLUSTER SETSLOT asks first.
    pub fn check_setslot(&self) -> Order {
        match self.me().is_replica() {
            true => Err(OrderRefused::says("Please use SETSLOT only with masters.")),
            false => Ok(()),
        }
    }

    /// CLUSTER SETSLOT slot MIGRATING node.
    pub fn set_migrating(&mut self, slot: u16, to: &[u8]) -> Order {
        self.check_setslot()?;
        if self.owner(slot) != Some(self.myself) {
            return Err(OrderRefused::said(format!(
                "I'm not the owner of hash slot {slot}"
            )));
        }
        let to = self.other_master(to, "I don't know about node")?;
        self.migrating.insert(slot, to);
        self.changed();
        Ok(())
    }

    /// CLUSTER SETSLOT slot IMPORTING node.
    pub fn set_importing(&mut self, slot: u16, from: &[u8]) -> Order {
        self.check_setslot()?;
        if self.owner(slot) == Some(self.myself) {
            return Err(OrderRefused::said(format!(
                "I'm already the owner of hash slot {slot}"
            )));
        }
        let from = self.other_master(from, "I don't know about node")?;
        self.importing.insert(slot, from);
        self.changed();
        Ok(())
    }

    fn other_master(&self, id: &[u8], refusal: &str) -> Order<At> {
        let at = self.known(id, refusal)?;
        match self.nodes[at].is_replica() {
            true => Err(OrderRefused::says("Target node is not a master")),
            false => Ok(at),
        }
    }

    /// CLUSTER SETSLOT slot STABLE.
    pub fn set_stable(&mut self, slot: u16) -> Order {
        self.check_setslot()?;
        let moved = self.migrating.remove(&slot).is_some();
        if self.importing.remove(&slot).is_some() || moved {
            self.changed();
        }
        Ok(())
    }

    /// CLUSTER SETSLOT slot NODE node. `keys` are those that this node has in the slot.
    pub fn set_slot_node(&mut self, slot: u16, id: &[u8], keys: u64) -> Order {
        self.check_setslot()?;
        let to = self.other_master(id, "Unknown node")?;
        let was_mine = self.owner(slot) == Some(self.myself);
        if was_mine && to != self.myself && keys != 0 {
            return Err(OrderRefused::said(format!(
                "Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
            )));
        }
        if keys == 0 {
            self.migrating.remove(&slot);
        }
        self.free_slot(slot);
        self.give_slot(slot, to);
        let left_empty = self.me().slots.is_empty() && self.settings.allow_migration;
        if was_mine && to != self.myself && left_empty {
            tracing::info!(
                "Configuration change detected. Reconfiguring myself as a replica of {}",
                self.nodes[to].called()
            );
            self.set_master(to);
        }
        if to == self.myself && self.importing.remove(&slot).is_some() {
            if self.bump_alone() {
                tracing::info!("configEpoch updated after importing slot {slot}");
            }
            // The others learn of it as soon as may be.
            self.pending.tell_all = true;
        }
        self.changed();
        Ok(())
    }

    /// CLUSTER BUMPEPOCH: whether the epoch was raised, and what it is.
    pub fn bump_epoch(&mut self) -> (bool, u64) {
        let bumped = self.bump_alone();
        self.changed();
        (bumped, self.me().config_epoch)
    }

    /// Takes an epoch above all others without asking anybody, unless this node's is.
    pub(super) fn bump_alone(&mut self) -> bool {
        let highest = self.highest_epoch();
        let mine = self.me().config_epoch;
        if mine != 0 && mine == highest {
            return false;
        }
        let Some(epoch) = self.raise_epoch() else {
            return false;
        };
        self.me_mut().config_epoch = epoch;
        tracing::info!("New configEpoch set to {epoch}");
        true
    }

    /// Takes the next epoch, if there is one; it is on the disk before anybody hears of it.
    pub(super) fn raise_epoch(&mut self) -> Option<u64> {
        let next = self.current_epoch.checked_add(1);
        let Some(epoch) = next.filter(|epoch| *epoch <= EPOCH_MAX) else {
            tracing::warn!("There is no epoch above {}.", self.current_epoch);
            return None;
        };
        self.current_epoch = epoch;
        self.pending.sync = true;
        Some(epoch)
    }

    pub(super) fn highest_epoch(&self) -> u64 {
        let epochs = self.nodes.iter().map(|(_, node)| node.config_epoch);
        epochs.max().unwrap_or(0).max(self.current_epoch)
    }

    /// CLUSTER SET-CONFIG-EPOCH.
    pub fn set_config_epoch(&mut self, epoch: i64) -> Order {
        let Ok(epoch) = u64::try_from(epoch) else {
            return Err(OrderRefused::said(format!(
                "Invalid config epoch specified: {epoch}"
            )));
        };
        if self.nodes.len() > 1 {
            return Err(OrderRefused::says(
                "The user can assign a config epoch only when the node does not know any other node.",
            ));
        }
        if self.me().config_epoch != 0 {
            return Err(OrderRefused::says("Node config epoch is already non-zero"));
        }
        self.me_mut().config_epoch = epoch;
        tracing::info!("configEpoch set to {epoch} via CLUSTER SET-CONFIG-EPOCH");
        self.current_epoch = self.current_epoch.max(epoch);
        self.changed();
        Ok(())
    }

    /// CLUSTER FORGET.
    pub fn forget(&mut self, id: &[u8], moment: Moment) -> Order {
        let Some(at) = self.find(id) else {
            let banned = NodeId::parse(id).is_some_and(|id| self.banned.contains_key(&id));
            return match banned {
                true => Ok(()),
                false => self.known(id, "Unknown node").map(drop),
            };
        };
        if at == self.myself {
            return Err(OrderRefused::says(
                "I tried hard but I can't forget myself...",
            ));
        }
        if self.me().master == Some(at) {
            return Err(OrderRefused::says("Can't forget my master!"));
        }
        let until_ms = moment.now_ms + self.settings.blacklist_ttl_ms;
        self.banned.insert(self.nodes[at].id, until_ms);
        self.remove_node(at);
        self.changed();
        Ok(())
    }

    /// Strikes a node off the list, and whatever points to it.
    pub(super) fn remove_node(&mut self, at: At) {
        debug_assert_ne!(at, self.myself);
        self.free_slots_of(at);
        self.migrating.retain(|_, to| *to != at);
        self.importing.retain(|_, from| *from != at);
        for (_, node) in self.nodes.iter_mut() {
            node.reports.retain(|report| report.by != at);
            if node.master == Some(at) {
                node.master = None;
            }
        }
        self.nodes.set_master(at, None);
        let Some(node) = self.nodes.remove(at) else {
            return;
        };
        for link in [node.link, node.inbound].into_iter().flatten() {
            self.close_link(link);
        }
        self.pending.view = true;
    }

    /// CLUSTER REPLICATE. `has_keys`: this node has some.
    pub fn replicate(&mut self, id: &[u8], has_keys: bool) -> Order {
        let at = self.known(id, "Unknown node")?;
        if at == self.myself {
            return Err(OrderRefused::says("Can't replicate myself"));
        }
        if self.nodes[at].is_replica() {
            return Err(OrderRefused::says(
                "I can only replicate a master, not a replica.",
            ));
        }
        if self.me().is_master() && (has_keys || !self.me().slots.is_empty()) {
            return Err(OrderRefused::says(
                "To set a master the node must be empty and without assigned slots.",
            ));
        }
        self.set_master(at);
        self.changed();
        Ok(())
    }

    /// Becomes a replica of a node.
    pub(super) fn set_master(&mut self, master: At) {
        debug_assert_ne!(master, self.myself);
        if self.me().is_master() {
            self.close_slots();
        }
        // All of its keys are the master's from now on, and go once that has told what it has.
        self.dropping.clear();
        self.remains.clear();
        self.lost_by_master.clear();
        self.leaves.clear();
        let (shard, place) = {
            let node = &self.nodes[master];
            (node.shard, node.place.clone())
        };
        let me = self.me_mut();
        me.put(flag::MASTER | flag::MIGRATE_TO, false);
        me.put(flag::REPLICA, true);
        me.shard = shard;
        self.nodes.set_master(self.myself, Some(master));
        self.election = Election::default();
        self.actions.push(Action::Follow { place });
        self.reset_manual();
        self.changed();
    }

    /// CLUSTER MEET. `port` is clients' main port; a node that is being met already is not met twice.
    pub fn meet(&mut self, ip: &str, port: u16, bus_port: u16, moment: Moment) -> Order {
        let address: Option<IpAddr> = ip.parse().ok();
        let Some(address) = address.filter(|_| port != 0 && bus_port != 0) else {
            return Err(OrderRefused::said(format!(
                "Invalid node address specified: {ip}:{port}"
            )));
        };
        self.begin_handshake(address, port, bus_port, moment);
        Ok(())
    }

    /// Notes down a node whose name is not known yet: it is sent a MEET, and named once it answers.
    pub(super) fn begin_handshake(
        &mut self,
        ip: IpAddr,
        port: u16,
        bus_port: u16,
        moment: Moment,
    ) -> Option<At> {
        let ip = ip.to_string();
        let under_way = self.nodes.iter().any(|(_, node)| {
            let place = &node.place;
            let ports = place.bus_port == bus_port && self.main_port(place) == port;
            node.is(flag::HANDSHAKE) && place.ip == ip && ports
        });
        if under_way {
            return None;
        }
        let id = NodeId::random(&mut self.rng);
        let mut node = ClusterNode::new(id, flag::HANDSHAKE | flag::MEET, moment.now_ms);
        node.place = NodeAddress {
            ip,
            tcp_port: if self.settings.tls { 0 } else { port },
            tls_port: if self.settings.tls { port } else { 0 },
            bus_port,
        };
        self.pending.view = true;
        self.nodes.add(node)
    }

    /// Clients' port that comes first in frames.
    pub(super) fn main_port(&self, place: &NodeAddress) -> u16 {
        match self.settings.tls {
            true => place.tls_port,
            false => place.tcp_port,
        }
    }

    /// CLUSTER RESET. `has_keys`: this node has some.
    pub fn reset(&mut self, hard: bool, has_keys: bool) -> Order {
        if self.me().is_master() && has_keys {
            return Err(OrderRefused::says(
                "CLUSTER RESET can't be called with master nodes containing keys",
            ));
        }
        self.leave_master();
        self.close_slots();
        self.reset_manual();
        self.nodes
            .all()
            .into_iter()
            .for_each(|at| self.free_slots_of(at));
        for at in self.nodes.all() {
            if at != self.myself {
                self.remove_node(at);
            }
        }
        if hard {
            self.current_epoch = 0;
            self.last_vote_epoch = 0;
            tracing::info!("configEpoch set to 0 via CLUSTER RESET HARD");
            let id = NodeId::random(&mut self.rng);
            tracing::info!("Node hard reset, now I'm {id}");
            self.nodes.rename(self.myself, id);
            self.me_mut().config_epoch = 0;
        }
        self.pending.sync = true;
        self.changed();
        Ok(())
    }

    /// CLUSTER REPLICATE NO ONE: a replica becomes a master without slots and keys, in a shard of its own. A master stays as it is.
    pub fn leave_master(&mut self) {
        if self.me().is_master() {
            return;
        }
        self.become_master();
        let shard = NodeId::random(&mut self.rng);
        self.me_mut().shard = shard;
        self.election = Election::default();
        self.reset_manual();
        self.actions.push(Action::Lead);
        self.actions.push(Action::DropAllKeys);
    }

    /// Turns this node into a master in the books; whether it leads is the caller's to say.
    pub(super) fn become_master(&mut self) {
        self.nodes.set_master(self.myself, None);
        let me = self.me_mut();
        me.put(flag::REPLICA, false);
        me.put(flag::MASTER, true);
        self.changed();
    }

    /// CLUSTER FAILOVER.
    pub fn failover(&mut self, way: FailoverWay, moment: Moment) -> Order {
        if self.me().is_master() {
            return Err(OrderRefused::says(
                "You should send CLUSTER FAILOVER to a replica",
            ));
        }
        let Some(master) = self.me().master else {
            return Err(OrderRefused::says(
                "I'm a replica but my master is unknown to me",
            ));
        };
        let down = self.nodes[master].is(flag::FAIL) || !self.is_linked(master);
        if down && way == FailoverWay::Agreed {
            return Err(OrderRefused::says(
                "Master is down or failed, please use CLUSTER FAILOVER FORCE",
            ));
        }
        self.reset_manual();
        self.manual.end_ms = moment.now_ms + self.settings.manual_failover_ms;
        self.begin_manual(way, master, moment);
        Ok(())
    }

    /// CLUSTER COUNT-FAILURE-REPORTS.
    pub fn count_failure_reports(&self, id: &[u8]) -> Order<usize> {
        let at = self.known(id, "Unknown node")?;
        Ok(self.nodes[at].reports.len())
    }

    /// Something was learned that may be learned again: it is saved soon, and looked at now.
    pub(super) fn noted(&mut self) {
        self.pending.note = true;
        self.pending.update_state = true;
    }

    /// The configuration has changed: the file is written before anybody hears of it, and the state looked at anew.
    pub(super) fn changed(&mut self) {
        self.pending.save = true;
        self.pending.update_state = true;
    }
}
