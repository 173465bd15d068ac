//! The state, and who comes into it and goes out of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::actions::{EventLevel, SentinelAction, SentinelActions};
use super::address::{BadAddress, HostNames, InstanceAddress};
use super::group::{FailoverStage, MasterGroup};
use super::instance::{Instance, InstanceId, InstanceKind};
use super::link::{InstanceLink, LinkKey, WireId};
use super::periods::Periods;
use super::script_queue::ScriptQueue;
use super::wire::OpenWire;
use crate::util::chance::Rng;

/// Replicas of one master, and Sentinels that watch it: nobody has more, and who says so is not believed.
pub(super) const MEMBERS_MAX: usize = 1024;

/// What this Sentinel's own directives say.
#[derive(Clone, Debug, Default)]
pub struct SentinelHome {
    /// The port that it tells others.
    pub port: u16,
    pub requirepass: Vec<u8>,
}

/// What `sentinel` directives say that belong to no master.
#[derive(Debug)]
pub struct SentinelSettings {
    pub announce_ip: Option<String>,
    pub announce_port: i64,
    pub announce_hostnames: bool,
    pub deny_scripts_reconfig: bool,
    pub sentinel_user: Option<Vec<u8>>,
    pub sentinel_pass: Option<Vec<u8>>,
}

/// Failures that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimulatedFailures {
    pub after_election: bool,
    pub after_promotion: bool,
}

#[derive(Debug)]
pub struct Sentinel {
    /// Its name, for as long as its file is kept.
    pub(super) id: String,
    pub(super) current_epoch: u64,
    pub(super) home: SentinelHome,
    pub(super) settings: SentinelSettings,
    pub(super) hosts: HostNames,
    pub(super) periods: Periods,
    pub(super) groups: BTreeMap<Arc<str>, MasterGroup>,
    pub(super) instances: HashMap<InstanceId, Instance>,
    pub(super) links: HashMap<LinkKey, InstanceLink>,
    pub(super) wires: HashMap<WireId, OpenWire>,
    pub(super) scripts: ScriptQueue,
    /// How many hellos wait for names of hosts.
    pub(super) waiting_hellos: usize,
    pub(super) failures: SimulatedFailures,
    /// Since when time is not to be trusted, if it isn't.
    pub(super) tilt_since_ms: Option<i64>,
    /// How often that came.
    pub(super) tilts: u64,
    pub(super) previous_ms: i64,
    /// The moment of what happens just now.
    pub(super) now_ms: i64,
    pub(super) rng: Rng,
    pub(super) actions: Vec<SentinelAction>,
    pub(super) save: bool,
    numbers: u64,
}

/// Why somebody can't be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCreated {
    Duplicate(InstanceKind),
    Address(BadAddress),
    TooMany,
}

impl NotCreated {
    pub fn text(self) -> &'static str {
        match self {
            NotCreated::Duplicate(InstanceKind::Master) => "Duplicate master name.",
            NotCreated::Duplicate(InstanceKind::Replica) => {
                "Duplicate hostname and port for replica."
            }
            NotCreated::Duplicate(InstanceKind::Sentinel) => "Duplicate runid for sentinel.",
            NotCreated::Address(BadAddress::Host) => "Can't resolve instance hostname.",
            NotCreated::Address(BadAddress::Port) => "Invalid port number.",
            NotCreated::TooMany => "Unknown Error for creating instances.",
        }
    }
}

impl Sentinel {
    pub fn new(home: SentinelHome, rng: Rng, now_ms: i64) -> Self {
        Sentinel {
            id: String::new(),
            current_epoch: 0,
            home,
            settings: SentinelSettings {
                announce_ip: None,
                announce_port: 0,
                announce_hostnames: false,
                deny_scripts_reconfig: true,
                sentinel_user: None,
                sentinel_pass: None,
            },
            hosts: HostNames::default(),
            periods: Periods::default(),
            groups: BTreeMap::new(),
            instances: HashMap::new(),
            links: HashMap::new(),
            wires: HashMap::new(),
            scripts: ScriptQueue::default(),
            waiting_hellos: 0,
            failures: SimulatedFailures::default(),
            tilt_since_ms: None,
            tilts: 0,
            previous_ms: now_ms,
            now_ms,
            rng,
            actions: Vec::new(),
            save: false,
            numbers: 0,
        }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// The names of the masters that are watched.
    pub fn master_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.groups.keys().map(|name| &**name)
    }

    /// Begins a call at a moment. Time may run backwards, which the next tick notices.
    pub fn at_moment(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }

    /// Ends a call: what is to be done outside.
    pub fn finish(&mut self) -> SentinelActions {
        SentinelActions {
            save: std::mem::take(&mut self.save),
            list: std::mem::take(&mut self.actions),
        }
    }

    /// Gives it a name, if its file has none, and tells whom it watches.
    pub fn begin(&mut self, new_id: String) {
        if self.id.is_empty() {
            self.id = new_id;
            self.save = true;
        }
        self.actions
            .push(SentinelAction::Log(format!("Sentinel ID is {}", self.id)));
        let names: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for name in names {
            self.tell_monitored(&name);
        }
    }

    pub(super) fn tell_monitored(&mut self, name: &str) {
        let group = &self.groups[name];
        let (master, quorum) = (group.master, group.quorum);
        self.tell_of(
            EventLevel::Warning,
            "+monitor",
            master,
            &format!(" quorum {quorum}"),
        );
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn at(&self, id: InstanceId) -> &Instance {
        &self.instances[&id]
    }

    pub(super) fn at_mut(&mut self, id: InstanceId) -> &mut Instance {
        self.instances.get_mut(&id).expect("its group has it")
    }

    pub(super) fn group_of(&self, id: InstanceId) -> &MasterGroup {
        &self.groups[&self.at(id).group]
    }

    pub(super) fn group_mut(&mut self, name: &str) -> &mut MasterGroup {
        self.groups.get_mut(name).expect("it is watched")
    }

    /// All instances of a kind, those of one master after another.
    pub(super) fn instances_of(&self, kind: InstanceKind) -> Vec<InstanceId> {
        let groups = self.groups.values();
        match kind {
            InstanceKind::Master => groups.map(|group| group.master).collect(),
            InstanceKind::Replica => groups
                .flat_map(|group| group.replicas.values().copied())
                .collect(),
            InstanceKind::Sentinel => groups
                .flat_map(|group| group.sentinels.values().copied())
                .collect(),
        }
    }

    /// What clients and other Sentinels are told in the place of an address: the name, too, as long as it has come to none.
    pub(super) fn shown<'a>(&self, address: &'a InstanceAddress) -> &'a str {
        match self.settings.announce_hostnames || address.ip.is_empty() {
            true => &address.host,
            false => &address.ip,
        }
    }

    /// The name of a replica.
    fn replica_name(&self, address: &InstanceAddress) -> String {
        let host = self.shown(address);
        match host.contains(':') {
            true => format!("[{host}]:{}", address.port),
            false => format!("{host}:{}", address.port),
        }
    }

    /// Begins to watch a master.
    pub(super) fn create_master(
        &mut self,
        name: &str,
        host: &str,
        port: i64,
        quorum: i64,
    ) -> Result<InstanceId, NotCreated> {
        let address = self.hosts.address(host, port, true);
        let address = address.map_err(NotCreated::Address)?;
        if self.groups.contains_key(name) {
            return Err(NotCreated::Duplicate(InstanceKind::Master));
        }
        let name: Arc<str> = name.into();
        let id = self.insert(
            InstanceKind::Master,
            name.clone(),
            name.to_string(),
            address,
        );
        let mut group = MasterGroup::new(name.clone(), id, quorum);
        group.down_after_ms = self.periods.down_after;
        group.failover_timeout_ms = self.periods.failover_timeout;
        self.groups.insert(name, group);
        Ok(id)
    }

    pub(super) fn create_replica(
        &mut self,
        group: &str,
        host: &str,
        port: i64,
    ) -> Result<InstanceId, NotCreated> {
        let address = self.hosts.address(host, port, true);
        self.add_replica(group, address.map_err(NotCreated::Address)?)
    }

    pub(super) fn add_replica(
        &mut self,
        group: &str,
        address: InstanceAddress,
    ) -> Result<InstanceId, NotCreated> {
        let name = self.replica_name(&address);
        let replicas = &self.groups[group].replicas;
        if replicas.contains_key(&name) {
            return Err(NotCreated::Duplicate(InstanceKind::Replica));
        }
        if replicas.len() >= MEMBERS_MAX {
            return Err(NotCreated::TooMany);
        }
        let id = self.insert(InstanceKind::Replica, group.into(), name.clone(), address);
        self.group_mut(group).replicas.insert(name, id);
        Ok(id)
    }

    /// Keeps a replica, unless one is known at this place under whatever name.
    pub(super) fn meet_replica(
        &mut self,
        group: &str,
        address: InstanceAddress,
    ) -> Option<InstanceId> {
        let replicas = &self.groups[group].replicas;
        if replicas.contains_key(&self.replica_name(&address)) || replicas.len() >= MEMBERS_MAX {
            return None;
        }
        let is_there = |id: &InstanceId| self.at(*id).address.is(&address);
        match replicas.values().any(is_there) {
            true => None,
            false => self.add_replica(group, address).ok(),
        }
    }

    pub(super) fn create_sentinel(
        &mut self,
        group: &str,
        run_id: &str,
        host: &str,
        port: i64,
    ) -> Result<InstanceId, NotCreated> {
        let address = self.hosts.address(host, port, true);
        let address = address.map_err(NotCreated::Address)?;
        let sentinels = &self.groups[group].sentinels;
        if sentinels.contains_key(run_id) {
            return Err(NotCreated::Duplicate(InstanceKind::Sentinel));
        }
        if sentinels.len() >= MEMBERS_MAX {
            return Err(NotCreated::TooMany);
        }
        let id = self.insert(
            InstanceKind::Sentinel,
            group.into(),
            run_id.to_owned(),
            address,
        );
        self.at_mut(id).run_id = Some(run_id.to_owned());
        self.group_mut(group)
            .sentinels
            .insert(run_id.to_owned(), id);
        Ok(id)
    }

    fn insert(
        &mut self,
        kind: InstanceKind,
        group: Arc<str>,
        name: String,
        address: InstanceAddress,
    ) -> InstanceId {
        let id = InstanceId(self.next_number());
        let link = self.new_link();
        let one = Instance::new(kind, group, name, address, link, self.now_ms);
        self.instances.insert(id, one);
        id
    }

    fn remove(&mut self, id: InstanceId) {
        if let Some(one) = self.instances.remove(&id) {
            self.release_link(one.link);
        }
    }

    /// Forgets the Sentinel of an id; false if it was not known.
    pub(super) fn remove_sentinel(&mut self, group: &str, run_id: &str) -> bool {
        match self.group_mut(group).sentinels.remove(run_id) {
            None => false,
            Some(id) => {
                self.remove(id);
                true
            }
        }
    }

    /// Watches a master no longer.
    pub(super) fn remove_master(&mut self, name: &str) {
        let Some(group) = self.groups.remove(name) else {
            return;
        };
        let members = group.sentinels.values().chain(group.replicas.values());
        for id in members.copied().chain([group.master]) {
            self.remove(id);
        }
    }

    /// Forgets what was seen of a master, and its replicas, and, if that is wished, the other Sentinels. A failover is undone.
    pub(super) fn reset_master(&mut self, name: &str, and_sentinels: bool) {
        let now_ms = self.now_ms;
        let group = self.group_mut(name);
        let master = group.master;
        let mut gone: Vec<InstanceId> = std::mem::take(&mut group.replicas).into_values().collect();
        if and_sentinels {
            gone.extend(std::mem::take(&mut group.sentinels).into_values());
        }
        group.leader = None;
        let failover = &mut group.failover;
        failover.stage = FailoverStage::None;
        failover.is_on = false;
        failover.forced = false;
        failover.changed_ms = 0;
        failover.start_ms = 0;
        failover.promoted = None;
        gone.into_iter().for_each(|id| self.remove(id));
        self.drop_link(master);
        let link = self.link_of_mut(master);
        link.act_ping_ms = now_ms;
        link.last_ping_ms = 0;
        link.last_avail_ms = now_ms;
        link.last_pong_ms = now_ms;
        let one = self.at_mut(master);
        one.s_down = false;
        one.o_down = false;
        one.script_kill_sent = false;
        one.rebooted = false;
        one.run_id = None;
        one.replica.master_host = None;
        one.waiting_info = None;
        one.reported = Some(InstanceKind::Master);
        one.reported_ms = now_ms;
    }

    /// Watches whoever is at an address under the name of a master. The replicas, and whoever was there before, are kept.
    pub(super) fn switch_master(&mut self, name: &str, address: InstanceAddress) {
        let group = &self.groups[name];
        let master = group.master;
        let before = self.at(master).address.clone();
        let replicas = group.replicas.values().map(|id| &self.at(*id).address);
        let mut replicas: Vec<InstanceAddress> =
            replicas.filter(|one| !one.is(&address)).cloned().collect();
        if !before.is(&address) {
            replicas.push(before);
        }
        self.reset_master(name, false);
        let one = self.at_mut(master);
        one.address = address;
        one.s_down_since_ms = 0;
        one.o_down_since_ms = 0;
        for replica in replicas {
            if let Ok(id) = self.add_replica(name, replica) {
                self.tell_of(EventLevel::Notice, "+slave", id, "");
            }
        }
        self.save = true;
    }

    /// Where a master is: at the replica that was promoted, once that has acknowledged it.
    pub(super) fn current_address(&self, group: &MasterGroup) -> &InstanceAddress {
        let failover = &group.failover;
        let promoted = failover
            .promoted
            .filter(|_| failover.is_on && failover.stage >= FailoverStage::ReconfReplicas);
        &self.at(promoted.unwrap_or(group.master)).address
    }
}
