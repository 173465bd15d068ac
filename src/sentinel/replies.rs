//! What comes back over connections, in the order in which it was asked for.

use super::instance::{InstanceId, InstanceKind};
use super::link::WireId;
use super::state::Sentinel;
use super::wire::Awaited;
use crate::resp::value::Value;

/// A run id or a `*` fits; no vote is longer.
const VOTE_MAX: usize = 64;

impl Sentinel {
    /// A reply came, or a message to a subscriber.
    pub fn replied(&mut self, wire: WireId, value: Value) {
        let Some(open) = self.wires.get_mut(&wire) else {
            return;
        };
        let key = open.link;
        let is_pubsub = open.is_pubsub;
        let Some((id, awaited)) = open.awaited.pop_front() else {
            match is_pubsub {
                true => self.heard(wire, value),
                // Nobody has asked for it.
                false => self.close_wire(Some(wire)),
            }
            return;
        };
        if let Some(link) = self.links.get_mut(&key) {
            link.pending = link.pending.saturating_sub(1);
        }
        // Whoever it was for may be gone.
        if !self.instances.contains_key(&id) {
            return;
        }
        match awaited {
            Awaited::Nothing => {}
            Awaited::Pong => self.take_pong(id, &value),
            Awaited::Info => {
                if let Value::Bulk(text) = value {
                    self.take_info(id, text);
                }
            }
            Awaited::Published => {
                if !matches!(value, Value::Error(_)) {
                    self.at_mut(id).last_pub_ms = self.now_ms;
                }
            }
            Awaited::Opinion => self.take_opinion(id, &value),
        }
    }

    fn take_pong(&mut self, id: InstanceId, value: &Value) {
        let now_ms = self.now_ms;
        if let Value::Simple(text) | Value::Error(text) = value {
            let says = |word: &[u8]| text.starts_with(word);
            if says(b"PONG") || says(b"LOADING") || says(b"MASTERDOWN") {
                let link = self.link_of_mut(id);
                link.last_avail_ms = now_ms;
                link.act_ping_ms = 0;
                if says(b"PONG") {
                    self.at_mut(id).rebooted = false;
                }
            } else if says(b"BUSY") && self.at(id).s_down && !self.at(id).script_kill_sent {
                // It seems to be down because of a script that doesn't end.
                self.send(id, &[b"SCRIPT", b"KILL"], Awaited::Nothing);
                self.at_mut(id).script_kill_sent = true;
            }
        }
        self.link_of_mut(id).last_pong_ms = now_ms;
    }

    /// A message of the hello channel, or the answer to SUBSCRIBE.
    fn heard(&mut self, wire: WireId, value: Value) {
        let now_ms = self.now_ms;
        let link = self.wires.get(&wire).map(|open| open.link);
        if let Some(link) = link.and_then(|key| self.links.get_mut(&key)) {
            link.pubsub_heard_ms = now_ms;
        }
        if matches!(value, Value::Error(_)) {
            // It is no subscriber, for want of a password, say: it tries again.
            return self.close_wire(Some(wire));
        }
        let (Value::Array(parts) | Value::Push(parts)) = value else {
            return;
        };
        if let [Value::Bulk(word), Value::Bulk(_), Value::Bulk(text)] = &parts[..]
            && word == b"message"
        {
            self.take_hello(text);
        }
    }

    /// What another Sentinel thinks of a master, and whom it votes for.
    fn take_opinion(&mut self, id: InstanceId, value: &Value) {
        let Value::Array(parts) = value else { return };
        let [Value::Int(down), Value::Bulk(leader), Value::Int(epoch)] = &parts[..] else {
            return;
        };
        if self.at(id).kind != InstanceKind::Sentinel || leader.len() > VOTE_MAX {
            return;
        }
        let now_ms = self.now_ms;
        let name = self.at(id).name.clone();
        let voter = &mut self.at_mut(id).voter;
        voter.last_down_reply_ms = now_ms;
        voter.master_down = *down == 1;
        if leader == b"*" {
            return;
        }
        let leader = String::from_utf8_lossy(leader).into_owned();
        let epoch = *epoch as u64;
        let is_news = voter.leader_epoch != epoch;
        let told = format!("{name} voted for {leader} {epoch}");
        voter.leader = Some(leader);
        voter.leader_epoch = epoch;
        if is_news {
            self.actions.push(super::SentinelAction::Log(told));
        }
    }
}
