//! What SENTINEL and INFO show of everybody.

use super::group::MasterGroup;
use super::instance::{Instance, InstanceId, InstanceKind, Reconf};
use super::state::Sentinel;

/// Names and values, in the order in which they are shown.
pub type Fields = Vec<(&'static str, Vec<u8>)>;

/// How old what an instance said of itself is, and what that was.
pub type CachedInfo<'i> = (i64, Option<&'i [u8]>);

impl Sentinel {
    /// A master as it is shown.
    pub fn master(&self, name: &str) -> Option<Fields> {
        let group = self.groups.get(name)?;
        Some(self.describe(group.master))
    }

    pub fn masters(&self) -> Vec<Fields> {
        let groups = self.groups.values();
        groups.map(|group| self.describe(group.master)).collect()
    }

    /// The replicas of a master that are to be known to clients.
    pub fn replicas(&self, name: &str) -> Option<Vec<Fields>> {
        let replicas = self.groups.get(name)?.replicas.values();
        let announced = replicas.filter(|id| self.at(**id).replica.announced != 0);
        Some(announced.map(|id| self.describe(*id)).collect())
    }

    pub fn sentinels(&self, name: &str) -> Option<Vec<Fields>> {
        let sentinels = self.groups.get(name)?.sentinels.values();
        Some(sentinels.map(|id| self.describe(*id)).collect())
    }

    fn describe(&self, id: InstanceId) -> Fields {
        let one = self.at(id);
        let group = self.group_of(id);
        let mut fields = Fields::new();
        let mut text = |name, value: &str| fields.push((name, value.as_bytes().to_vec()));
        text("name", &one.name);
        text("ip", self.shown(&one.address));
        text("port", &one.address.port.to_string());
        text("runid", one.run_id.as_deref().unwrap_or_default());
        text("flags", &self.flags(id));
        self.describe_link(id, &mut fields);
        let number = |value: i64| value.to_string().into_bytes();
        if one.s_down {
            fields.push(("s-down-time", number(self.now_ms - one.s_down_since_ms)));
        }
        if one.o_down {
            fields.push(("o-down-time", number(self.now_ms - one.o_down_since_ms)));
        }
        fields.push(("down-after-milliseconds", number(group.down_after_ms)));
        if one.kind != InstanceKind::Sentinel {
            let role = match one.reported {
                Some(InstanceKind::Master) => "master",
                _ => "slave",
            };
            fields.push(("info-refresh", number(self.age(one.info_ms))));
            fields.push(("role-reported", role.into()));
            fields.push(("role-reported-time", number(self.now_ms - one.reported_ms)));
        }
        match one.kind {
            InstanceKind::Master => describe_group(group, &mut fields),
            InstanceKind::Replica => describe_replica(one, &mut fields),
            InstanceKind::Sentinel => {
                let voter = &one.voter;
                let hello_ms = self.now_ms - voter.last_hello_ms;
                let leader = voter.leader.as_deref().unwrap_or("?");
                fields.push(("last-hello-message", number(hello_ms)));
                fields.push(("voted-leader", leader.into()));
                fields.push(("voted-leader-epoch", voter.leader_epoch.to_string().into()));
            }
        }
        fields
    }

    /// The time since a moment, or 0 if it never came.
    fn age(&self, since_ms: i64) -> i64 {
        match since_ms {
            0 => 0,
            since_ms => self.now_ms - since_ms,
        }
    }

    fn describe_link(&self, id: InstanceId, fields: &mut Fields) {
        let link = self.link_of(id);
        let mut number = |name, value: i64| fields.push((name, value.to_string().into()));
        number("link-pending-commands", link.pending as i64);
        number("link-refcount", link.owners as i64);
        let (one, failover) = (self.at(id), &self.group_of(id).failover);
        if one.kind == InstanceKind::Master && failover.is_on {
            fields.push(("failover-state", failover.stage.word().into()));
        }
        let mut number = |name, value: i64| fields.push((name, value.to_string().into()));
        number("last-ping-sent", self.age(link.act_ping_ms));
        number("last-ok-ping-reply", self.now_ms - link.last_avail_ms);
        number("last-ping-reply", self.now_ms - link.last_pong_ms);
    }

    fn flags(&self, id: InstanceId) -> String {
        let one = self.at(id);
        let is_master = one.kind == InstanceKind::Master;
        let failover = &self.group_of(id).failover;
        let flags = [
            ("s_down", one.s_down),
            ("o_down", one.o_down),
            (one.kind.word(), true),
            ("disconnected", self.link_of(id).disconnected),
            ("master_down", one.voter.master_down),
            ("failover_in_progress", is_master && failover.is_on),
            ("promoted", one.replica.promoted),
            ("reconf_sent", one.replica.reconf == Some(Reconf::Sent)),
            (
                "reconf_inprog",
                one.replica.reconf == Some(Reconf::InProgress),
            ),
            ("reconf_done", one.replica.reconf == Some(Reconf::Done)),
            ("force_failover", is_master && failover.forced),
            ("script_kill_sent", one.script_kill_sent),
        ];
        let set: Vec<&str> = flags
            .iter()
            .filter(|flag| flag.1)
            .map(|flag| flag.0)
            .collect();
        set.join(",")
    }

    /// Where a master is now.
    pub fn master_address(&self, name: &str) -> Option<(String, u16)> {
        let address = self.current_address(self.groups.get(name)?);
        Some((self.shown(address).to_owned(), address.port))
    }

    /// What the master and each of its replicas last said of themselves, and how long ago.
    pub fn info_cache(&self, name: &str) -> Option<Vec<CachedInfo<'_>>> {
        let group = self.groups.get(name)?;
        let members = std::iter::once(&group.master).chain(group.replicas.values());
        let shown = members.map(|id| {
            let one = self.at(*id);
            (self.age(one.info_ms), one.info.as_deref())
        });
        Some(shown.collect())
    }

    /// INFO's section, but for its title.
    pub fn info_section(&self) -> String {
        let tilt_s = self
            .tilt_since_ms
            .map(|since_ms| (self.now_ms - since_ms) / 1000);
        let failures =
            u8::from(self.failures.after_election) | u8::from(self.failures.after_promotion) << 1;
        let mut text = format!(
            "sentinel_masters:{}\r\nsentinel_tilt:{}\r\nsentinel_tilt_since_seconds:{}\r\nsentinel_total_tilt:{}\r\nsentinel_running_scripts:{}\r\n\
             sentinel_scripts_queue_length:{}\r\nsentinel_simulate_failure_flags:{failures}\r\n",
            self.groups.len(),
            u8::from(tilt_s.is_some()),
            tilt_s.unwrap_or(-1),
            self.tilts,
            self.scripts.running(),
            self.scripts.len(),
        );
        for (at, group) in self.groups.values().enumerate() {
            let one = self.at(group.master);
            let status = match (one.o_down, one.s_down) {
                (true, _) => "odown",
                (_, true) => "sdown",
                _ => "ok",
            };
            text += &format!(
                "master{at}:name={},status={status},address={}:{},slaves={},sentinels={}\r\n",
                group.name,
                self.shown(&one.address),
                one.address.port,
                group.replicas.len(),
                group.sentinels.len() + 1,
            );
        }
        text
    }
}

fn describe_group(group: &MasterGroup, fields: &mut Fields) {
    let mut text = |name, value: String| fields.push((name, value.into()));
    text("config-epoch", group.config_epoch.to_string());
    text("num-slaves", group.replicas.len().to_string());
    text("num-other-sentinels", group.sentinels.len().to_string());
    text("quorum", group.quorum.to_string());
    text("failover-timeout", group.failover_timeout_ms.to_string());
    text("parallel-syncs", group.parallel_syncs.to_string());
    let scripts = [
        ("notification-script", &group.notification_script),
        ("client-reconfig-script", &group.client_reconfig_script),
    ];
    for (name, script) in scripts {
        fields.extend(script.clone().map(|script| (name, script)));
    }
}

fn describe_replica(one: &Instance, fields: &mut Fields) {
    let known = &one.replica;
    let mut text = |name, value: String| fields.push((name, value.into()));
    text("master-link-down-time", known.link_down_ms.to_string());
    let status = if known.link_up { "ok" } else { "err" };
    text("master-link-status", status.to_owned());
    let host = known.master_host.as_deref().unwrap_or("?");
    text("master-host", host.to_owned());
    text("master-port", known.master_port.to_string());
    text("slave-priority", known.priority.to_string());
    text("slave-repl-offset", known.offset.to_string());
    text("replica-announced", known.announced.to_string());
}
