//! Who is down: in the eyes of this Sentinel, and, for a master, in the eyes of as many as the quorum says.

use super::actions::EventLevel;
use super::group::FailoverStage;
use super::instance::{InstanceId, InstanceKind};
use super::state::Sentinel;
use super::wire::Awaited;

impl Sentinel {
    /// Looks whether an instance is down as far as this Sentinel sees.
    pub(super) fn check_subjectively_down(&mut self, id: InstanceId) {
        self.close_dead_wires(id);
        let now_ms = self.now_ms;
        let link = self.link_of(id);
        let silent_ms = match (link.act_ping_ms, link.disconnected) {
            (0, true) => now_ms - link.last_avail_ms,
            (0, false) => 0,
            (since_ms, _) => now_ms - since_ms,
        };
        let (one, group) = (self.at(id), self.group_of(id));
        let down_after_ms = group.down_after_ms;
        let is_master = one.kind == InstanceKind::Master;
        let lost_role = is_master
            && one.reported == Some(InstanceKind::Replica)
            && now_ms - one.reported_ms > down_after_ms + self.periods.info * 2;
        let in_reboot = one.rebooted && now_ms - one.rebooted_since_ms > group.reboot_down_after_ms;
        let is_down = silent_ms > down_after_ms || lost_role || in_reboot;
        if is_down == one.s_down {
            return;
        }
        let channel = if is_down { "+sdown" } else { "-sdown" };
        self.tell_of(EventLevel::Warning, channel, id, "");
        let one = self.at_mut(id);
        one.s_down = is_down;
        match is_down {
            true => one.s_down_since_ms = now_ms,
            false => one.script_kill_sent = false,
        }
    }

    /// Closes connections that seem to stand and carry nothing: others are opened in their place.
    fn close_dead_wires(&mut self, id: InstanceId) {
        let (now_ms, periods) = (self.now_ms, &self.periods);
        let half_ms = self.group_of(id).down_after_ms / 2;
        let link = self.link_of(id);
        let unanswered = link.act_ping_ms != 0
            && now_ms - link.act_ping_ms > half_ms
            && now_ms - link.last_pong_ms > half_ms;
        let dead_commands = link
            .commands
            .filter(|_| unanswered && now_ms - link.commands_since_ms > periods.reconnect_min);
        // This Sentinel's own hellos come back by it.
        let unheard = now_ms - link.pubsub_heard_ms > periods.publish * 3;
        let dead_pubsub = link
            .pubsub
            .filter(|_| unheard && now_ms - link.pubsub_since_ms > periods.reconnect_min);
        self.close_wire(dead_commands);
        self.close_wire(dead_pubsub);
    }

    /// Looks whether a master is down in the eyes of enough Sentinels.
    pub(super) fn check_objectively_down(&mut self, master: InstanceId) {
        let now_ms = self.now_ms;
        let group = self.group_of(master);
        let quorum = group.quorum;
        let others = group.sentinels.values();
        let agree = 1 + others.filter(|id| self.at(**id).voter.master_down).count() as i64;
        let one = self.at(master);
        let is_down = one.s_down && agree >= quorum;
        if is_down == one.o_down {
            return;
        }
        match is_down {
            true => {
                let more = format!(" #quorum {agree}/{quorum}");
                self.tell_of(EventLevel::Warning, "+odown", master, &more);
                self.at_mut(master).o_down_since_ms = now_ms;
            }
            false => self.tell_of(EventLevel::Warning, "-odown", master, ""),
        }
        self.at_mut(master).o_down = is_down;
    }

    /// Asks other Sentinels whether the master is down for them, too, and, in a failover, for their votes.
    pub(super) fn ask_others(&mut self, master: InstanceId, at_once: bool) {
        let (now_ms, ask) = (self.now_ms, self.periods.ask);
        let group = self.group_of(master);
        let asks_for_vote = group.failover.stage > FailoverStage::None;
        let others: Vec<InstanceId> = group.sentinels.values().copied().collect();
        let is_down = self.at(master).s_down;
        let address = &self.at(master).address;
        let (host, port) = (self.shown(address).to_owned(), address.port.to_string());
        let epoch = self.current_epoch.to_string();
        let candidate = match asks_for_vote {
            true => self.id.clone(),
            false => "*".to_owned(),
        };
        for id in others {
            let voter = &mut self.at_mut(id).voter;
            let age_ms = now_ms - voter.last_down_reply_ms;
            if age_ms > ask * 5 {
                voter.master_down = false;
                voter.leader = None;
            }
            if !is_down || self.link_of(id).disconnected || !at_once && age_ms < ask {
                continue;
            }
            let words: [&[u8]; 6] = [
                b"SENTINEL",
                b"is-master-down-by-addr",
                host.as_bytes(),
                port.as_bytes(),
                epoch.as_bytes(),
                candidate.as_bytes(),
            ];
            self.send(id, &words, Awaited::Opinion);
        }
    }
}
