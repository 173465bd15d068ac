//! What is asked of everybody, again and again: connections that are gone are opened, and PING, INFO and hellos are sent.

use super::instance::{InstanceId, InstanceKind};
use super::link::WireId;
use super::state::Sentinel;
use super::wire::Awaited;

/// Where Sentinels tell each other of themselves and of masters.
pub const HELLO_CHANNEL: &str = "__sentinel__:hello";
/// Commands that may be unanswered on a link before no more are sent, but for those that matter.
const PENDING_MAX: usize = 100;
/// Between two looks at what a replica says of itself, while that may change soon.
const INFO_SOON_MS: i64 = 1000;

impl Sentinel {
    /// Opens what is not open. A link counts as connected once its connections are on their way.
    pub(super) fn reconnect(&mut self, id: InstanceId) {
        let (now_ms, ping) = (self.now_ms, self.periods.ping);
        let has_address = self.at(id).address.port != 0;
        let is_sentinel = self.at(id).kind == InstanceKind::Sentinel;
        let link = self.link_of_mut(id);
        if !link.disconnected || !has_address || now_ms - link.last_reconn_ms < ping {
            return;
        }
        link.last_reconn_ms = now_ms;
        link.disconnected = false;
        let (lacks_commands, lacks_pubsub) = (link.commands.is_none(), link.pubsub.is_none());
        if lacks_commands {
            let wire = self.open_wire(id, false);
            self.introduce(wire, id, "cmd");
            self.ping(id);
        }
        if lacks_pubsub && !is_sentinel {
            let wire = self.open_wire(id, true);
            self.introduce(wire, id, "pubsub");
            let group = self.group_of(id);
            let subscribe = group.command("SUBSCRIBE").as_bytes().to_vec();
            self.actions.push(super::SentinelAction::Send {
                wire,
                words: vec![subscribe, HELLO_CHANNEL.as_bytes().to_vec()],
            });
        }
    }

    /// Logs in, and tells the name of a connection.
    fn introduce(&mut self, wire: WireId, id: InstanceId, what: &str) {
        let group = self.group_of(id);
        let settings = &self.settings;
        let (user, password) = match self.at(id).kind {
            InstanceKind::Master | InstanceKind::Replica => {
                (group.auth_user.clone(), group.auth_pass.clone())
            }
            InstanceKind::Sentinel if settings.sentinel_pass.is_some() => (
                settings.sentinel_user.clone(),
                settings.sentinel_pass.clone(),
            ),
            // As long as Sentinels had one password for all that they do.
            InstanceKind::Sentinel => {
                let password = &self.home.requirepass;
                (None, (!password.is_empty()).then(|| password.clone()))
            }
        };
        match (user, password) {
            (_, None) => {}
            (None, Some(password)) => {
                self.send_by(wire, id, &[b"AUTH", &password], Awaited::Nothing);
            }
            (Some(user), Some(password)) => {
                self.send_by(wire, id, &[b"AUTH", &user, &password], Awaited::Nothing);
            }
        }
        let short = self.id.get(..8).unwrap_or(&self.id);
        let name = format!("sentinel-{short}-{what}");
        let words: [&[u8]; 3] = [b"CLIENT", b"SETNAME", name.as_bytes()];
        self.send_by(wire, id, &words, Awaited::Nothing);
    }

    pub(super) fn ping(&mut self, id: InstanceId) {
        if !self.send(id, &[b"PING"], Awaited::Pong) {
            return;
        }
        let now_ms = self.now_ms;
        let link = self.link_of_mut(id);
        link.last_ping_ms = now_ms;
        // Otherwise the wait goes on that began with the first PING without an answer.
        if link.act_ping_ms == 0 {
            link.act_ping_ms = now_ms;
        }
    }

    pub(super) fn send_periodic(&mut self, id: InstanceId) {
        let now_ms = self.now_ms;
        let link = self.link_of(id);
        if link.disconnected || link.pending >= PENDING_MAX * link.owners {
            return;
        }
        let (last_pong_ms, last_ping_ms) = (link.last_pong_ms, link.last_ping_ms);
        let (one, group) = (self.at(id), self.group_of(id));
        let info_period = match one.kind {
            // Somebody may make a master of it before long.
            InstanceKind::Replica
                if self.at(group.master).o_down
                    || group.failover.is_on
                    || one.replica.link_down_ms != 0 =>
            {
                INFO_SOON_MS
            }
            _ => self.periods.info,
        };
        let ping_period = group.down_after_ms.min(self.periods.ping);
        let wants_info = one.kind != InstanceKind::Sentinel
            && one.waiting_info.is_none()
            && (one.info_ms == 0 || now_ms - one.info_ms > info_period);
        let wants_hello = now_ms - one.last_pub_ms > self.periods.publish;
        if wants_info {
            self.send(id, &[b"INFO"], Awaited::Info);
        }
        if now_ms - last_pong_ms > ping_period && now_ms - last_ping_ms > ping_period / 2 {
            self.ping(id);
        }
        if wants_hello {
            self.send_hello(id);
        }
    }

    /// Tells who this Sentinel is, and where the master is.
    fn send_hello(&mut self, id: InstanceId) {
        let settings = &self.settings;
        let ip = match &settings.announce_ip {
            Some(ip) => ip,
            None => match &self.link_of(id).local_ip {
                Some(ip) => ip,
                None => return,
            },
        };
        let port = match settings.announce_port {
            0 => i64::from(self.home.port),
            port => port,
        };
        let group = self.group_of(id);
        let address = self.current_address(group);
        let hello = format!(
            "{ip},{port},{},{},{},{},{},{}",
            self.id,
            self.current_epoch,
            group.name,
            self.shown(address),
            address.port,
            group.config_epoch
        );
        let words: [&[u8]; 3] = [b"PUBLISH", HELLO_CHANNEL.as_bytes(), hello.as_bytes()];
        self.send(id, &words, Awaited::Published);
    }

    /// Has hellos sent at the next tick, as they have news.
    pub(super) fn hurry_hellos(&mut self, group: &str) {
        let sooner = self.periods.publish + 1;
        let group = &self.groups[group];
        let members = group.replicas.values().chain(group.sentinels.values());
        let all: Vec<InstanceId> = members.copied().chain([group.master]).collect();
        for id in all {
            let one = self.at_mut(id);
            if one.last_pub_ms >= sooner {
                one.last_pub_ms -= sooner;
            }
        }
    }
}
