//! INFO: what instances say of themselves, and what follows from it.

use super::actions::EventLevel;
use super::address::port_of;
use super::group::FailoverStage;
use super::instance::{InstanceId, InstanceKind, Reconf};
use super::state::{MEMBERS_MAX, Sentinel};
use super::wire::Awaited;
use crate::util::number::{parse_like_atoi, parse_u64_like_c};

/// What a text of INFO says.
#[derive(Debug, Default, PartialEq, Eq)]
struct InfoText {
    run_id: Option<String>,
    role: Option<InstanceKind>,
    replicas: Vec<(String, i64)>,
    link_down_ms: i64,
    master_host: Option<String>,
    master_port: Option<i32>,
    link_up: Option<bool>,
    priority: Option<i32>,
    offset: Option<u64>,
    announced: Option<i32>,
}

impl InfoText {
    fn read(text: &[u8]) -> Self {
        let mut facts = InfoText::default();
        let text = String::from_utf8_lossy(text);
        for line in text.split("\r\n") {
            if let Some((field, value)) = line.split_once(':') {
                facts.take(field, value);
            }
        }
        facts
    }

    fn take(&mut self, field: &str, value: &str) {
        let number = || parse_like_atoi(value.as_bytes());
        let is_replica = self.role == Some(InstanceKind::Replica);
        match field {
            "run_id" if value.is_char_boundary(40) && value.len() >= 40 => {
                self.run_id = Some(value[..40].to_owned());
            }
            "role" if value.starts_with("master") => self.role = Some(InstanceKind::Master),
            "role" if value.starts_with("slave") => self.role = Some(InstanceKind::Replica),
            "master_link_down_since_seconds" => {
                self.link_down_ms = i64::from(number()).saturating_mul(1000);
            }
            "master_host" if is_replica => self.master_host = Some(value.to_owned()),
            "master_port" if is_replica => self.master_port = Some(number()),
            "master_link_status" if is_replica => {
                self.link_up = Some(value.eq_ignore_ascii_case("up"));
            }
            "slave_priority" if is_replica => self.priority = Some(number()),
            "slave_repl_offset" if is_replica => self.offset = parse_u64_like_c(value.as_bytes()),
            "replica_announced" if is_replica => self.announced = Some(number()),
            _ => {
                let number = field.strip_prefix("slave");
                if number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                    && self.replicas.len() < MEMBERS_MAX
                {
                    self.replicas.extend(replica_of(value));
                }
            }
        }
    }
}

/// `ip=127.0.0.1,port=6380,...`, or as it was long ago: `127.0.0.1,6380,online`.
fn replica_of(value: &str) -> Option<(String, i64)> {
    let named = |name: &str| {
        let mut parts = value.split(',');
        parts.find_map(|part| part.strip_prefix(name))
    };
    let (ip, port) = match named("ip=") {
        Some(ip) => (ip, named("port=")?),
        None => {
            let mut parts = value.split(',');
            let found = (parts.next()?, parts.next()?);
            parts.next()?;
            found
        }
    };
    Some((ip.to_owned(), port_of(port)?))
}

impl Sentinel {
    pub(super) fn take_info(&mut self, id: InstanceId, text: Vec<u8>) {
        let facts = InfoText::read(&text);
        let replicas = match self.at(id).kind {
            InstanceKind::Master => &facts.replicas[..],
            // Those of a replica are not watched.
            _ => &[],
        };
        let hosts = replicas.iter().map(|(host, _)| host);
        let hosts = hosts.chain(&facts.master_host).map(String::as_str);
        if !self.info_waits(id, &text, hosts) {
            self.act_on_info(id, &facts, text);
        }
    }

    /// Takes in what an instance says of itself whose names have been looked up, whatever came of that.
    pub(super) fn take_info_now(&mut self, id: InstanceId, text: Vec<u8>) {
        self.act_on_info(id, &InfoText::read(&text), text);
    }

    fn act_on_info(&mut self, id: InstanceId, facts: &InfoText, text: Vec<u8>) {
        self.at_mut(id).info = Some(text);
        self.note_run_id(id, facts.run_id.as_deref());
        if self.at(id).kind == InstanceKind::Master {
            self.find_replicas(id, &facts.replicas);
        }
        self.note_replication(id, facts);
        self.note_role(id, facts.role);
        if self.tilt_since_ms.is_some() || self.at(id).kind != InstanceKind::Replica {
            return;
        }
        match facts.role {
            Some(InstanceKind::Master) => self.act_on_new_master(id),
            Some(InstanceKind::Replica) => {
                self.act_on_wrong_master(id);
                self.follow_reconf(id);
            }
            _ => {}
        }
    }

    fn note_run_id(&mut self, id: InstanceId, run_id: Option<&str>) {
        let Some(run_id) = run_id else { return };
        let now_ms = self.now_ms;
        let before = self.at_mut(id).run_id.replace(run_id.to_owned());
        if before.is_none_or(|before| before == run_id) {
            return;
        }
        self.tell_of(EventLevel::Notice, "+reboot", id, "");
        let watched = self.group_of(id).reboot_down_after_ms != 0;
        let one = self.at_mut(id);
        if one.kind == InstanceKind::Master && watched {
            one.rebooted = true;
            one.rebooted_since_ms = now_ms;
        }
    }

    fn find_replicas(&mut self, master: InstanceId, replicas: &[(String, i64)]) {
        let group = self.at(master).group.clone();
        for (host, port) in replicas {
            let Ok(address) = self.hosts.address(host, *port, true) else {
                continue;
            };
            if let Some(id) = self.meet_replica(&group, address) {
                self.tell_of(EventLevel::Notice, "+slave", id, "");
                self.save = true;
            }
        }
    }

    fn note_replication(&mut self, id: InstanceId, facts: &InfoText) {
        let now_ms = self.now_ms;
        let one = self.at_mut(id);
        one.info_ms = now_ms;
        let known = &mut one.replica;
        known.link_down_ms = facts.link_down_ms;
        if let Some(host) = &facts.master_host {
            let before = known.master_host.as_ref();
            if before.is_none_or(|before| !before.eq_ignore_ascii_case(host)) {
                known.master_host = Some(host.clone());
                known.conf_changed_ms = now_ms;
            }
        }
        if let Some(port) = facts.master_port
            && known.master_port != port
        {
            known.master_port = port;
            known.conf_changed_ms = now_ms;
        }
        known.link_up = facts.link_up.unwrap_or(known.link_up);
        known.priority = facts.priority.unwrap_or(known.priority);
        known.offset = facts.offset.unwrap_or(known.offset);
        known.announced = facts.announced.unwrap_or(known.announced);
    }

    fn note_role(&mut self, id: InstanceId, role: Option<InstanceKind>) {
        let now_ms = self.now_ms;
        let one = self.at_mut(id);
        if one.reported == role {
            return;
        }
        one.reported = role;
        one.reported_ms = now_ms;
        if role == Some(InstanceKind::Replica) {
            one.replica.conf_changed_ms = now_ms;
        }
        let channel = match role == Some(one.kind) {
            true => "+role-change",
            false => "-role-change",
        };
        let word = match role {
            Some(InstanceKind::Master) => "master",
            _ => "slave",
        };
        let more = format!(" new reported role is {word}");
        self.tell_of(EventLevel::Verbose, channel, id, &more);
    }

    /// Whether a master is what it should be, as far as it is known.
    fn looks_sane(&self, master: InstanceId) -> bool {
        let one = self.at(master);
        one.reported == Some(InstanceKind::Master)
            && !one.s_down
            && !one.o_down
            && self.now_ms - one.info_ms < self.periods.info * 2
    }

    /// A replica says that it is a master: because this Sentinel has promoted it, or else it is made a replica again.
    fn act_on_new_master(&mut self, id: InstanceId) {
        let group = self.group_of(id);
        let one = self.at(id);
        let failover = &group.failover;
        if one.replica.promoted && failover.is_on && failover.stage == FailoverStage::WaitPromotion
        {
            self.promoted(id);
            return;
        }
        // Who knows better has some time to say so.
        let wait_ms = self.periods.publish * 4;
        let master = group.master;
        if !one.replica.promoted
            && self.looks_sane(master)
            && one.was_up_for(wait_ms, self.now_ms)
            && self.now_ms - one.reported_ms > wait_ms
        {
            let address = self.at(master).address.clone();
            if self.send_replicaof(id, Some(&address)) {
                self.tell_of(EventLevel::Notice, "+convert-to-slave", id, "");
            }
        }
    }

    /// A replica follows somebody else for too long.
    fn act_on_wrong_master(&mut self, id: InstanceId) {
        let group = self.group_of(id);
        let one = self.at(id);
        let address = &self.at(group.master).address;
        let host = one.replica.master_host.as_deref().unwrap_or_default();
        if one.replica.master_port == i32::from(address.port)
            && self.hosts.is_host_of(address, host)
        {
            return;
        }
        let wait_ms = group.failover_timeout_ms;
        if self.looks_sane(group.master)
            && one.was_up_for(wait_ms, self.now_ms)
            && self.now_ms - one.replica.conf_changed_ms > wait_ms
        {
            let address = address.clone();
            if self.send_replicaof(id, Some(&address)) {
                self.tell_of(EventLevel::Notice, "+fix-slave-config", id, "");
            }
        }
    }

    /// A replica that was told of the new master comes to follow it.
    fn follow_reconf(&mut self, id: InstanceId) {
        let failover = &self.group_of(id).failover;
        let promoted = failover.promoted.map(|promoted| &self.at(promoted).address);
        let one = &self.at(id).replica;
        if let (Some(Reconf::Sent), Some(promoted), Some(host)) =
            (one.reconf, promoted, &one.master_host)
            && self.hosts.is_host_of(promoted, host)
            && one.master_port == i32::from(promoted.port)
        {
            self.at_mut(id).replica.reconf = Some(Reconf::InProgress);
            self.tell_of(EventLevel::Notice, "+slave-reconf-inprog", id, "");
        }
        let one = &self.at(id).replica;
        if one.reconf == Some(Reconf::InProgress) && one.link_up {
            self.at_mut(id).replica.reconf = Some(Reconf::Done);
            self.tell_of(EventLevel::Notice, "+slave-reconf-done", id, "");
        }
    }

    /// Has an instance follow somebody, or nobody, and keep that in its file; its clients are closed, so that they ask anew
    /// where the master is. False if it can't be told.
    pub(super) fn send_replicaof(
        &mut self,
        id: InstanceId,
        address: Option<&super::address::InstanceAddress>,
    ) -> bool {
        let (host, port) = match address {
            None => ("NO".to_owned(), "ONE".to_owned()),
            Some(address) => (self.shown(address).to_owned(), address.port.to_string()),
        };
        let commands: [&[&[u8]]; 6] = [
            &[b"MULTI"],
            &[b"SLAVEOF", host.as_bytes(), port.as_bytes()],
            &[b"CONFIG", b"REWRITE"],
            &[b"CLIENT", b"KILL", b"TYPE", b"normal"],
            &[b"CLIENT", b"KILL", b"TYPE", b"pubsub"],
            &[b"EXEC"],
        ];
        commands
            .iter()
            .all(|words| self.send(id, words, Awaited::Nothing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replicas_say_is_read() {
        let text = b"# Server\r\nrun_id:0123456789012345678901234567890123456789\r\nrole:slave\r\nmaster_host:h\r\nmaster_port:6379\r\n\
            master_link_status:down\r\nmaster_link_down_since_seconds:7\r\nslave_priority:5\r\nslave_repl_offset:12\r\nreplica_announced:0\r\n";
        let expected = InfoText {
            run_id: Some("0123456789012345678901234567890123456789".into()),
            role: Some(InstanceKind::Replica),
            replicas: vec![],
            link_down_ms: 7000,
            master_host: Some("h".into()),
            master_port: Some(6379),
            link_up: Some(false),
            priority: Some(5),
            offset: Some(12),
            announced: Some(0),
        };
        assert_eq!(InfoText::read(text), expected);
    }

    #[test]
    fn both_forms_of_replicas_are_read() {
        let text = b"role:master\r\nslave0:ip=1.2.3.4,port=5,state=online\r\nslave1:4.3.2.1,6,online\r\nslave2:x\r\nslave3:ip=1.2.3.4,port=0,state=online\r\nslave_x:1\r\nslaves:2\r\n";
        let found = InfoText::read(text).replicas;
        assert_eq!(
            found,
            [("1.2.3.4".to_owned(), 5), ("4.3.2.1".to_owned(), 6)]
        );
    }

    #[test]
    fn odd_texts_do_no_harm() {
        for text in [
            &b""[..],
            b":",
            b"run_id:\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"slave0:ip=,port=",
            b"slave99999999999999999999:ip=a",
            b"role:slave\r\nmaster_port:99999999999999999999\r\nslave_repl_offset:-1",
        ] {
            InfoText::read(text);
        }
    }
}
