//! Failovers: from the moment that a master is down for enough Sentinels to the one when all replicas follow another.

use std::sync::Arc;

use super::actions::{EventLevel, SentinelAction};
use super::group::FailoverStage;
use super::instance::{InstanceId, Reconf};
use super::state::Sentinel;

impl Sentinel {
    /// Begins a failover, under an epoch of its own.
    pub(super) fn start_failover(&mut self, name: &str) {
        let now_ms = self.now_ms;
        self.current_epoch = self.current_epoch.saturating_add(1);
        let epoch = self.current_epoch;
        let start_ms = self.soon_ms();
        let group = self.group_mut(name);
        group.failover.is_on = true;
        group.failover.epoch = epoch;
        group.failover.start_ms = start_ms;
        group.enter(FailoverStage::WaitStart, now_ms);
        let master = group.master;
        let level = EventLevel::Warning;
        self.tell(level, "+new-epoch", Some(master), epoch.to_string());
        self.tell_of(level, "+try-failover", master, "");
    }

    /// Begins one if the master is down, and if none was tried a short time ago.
    pub(super) fn start_failover_if_needed(&mut self, name: &str) -> bool {
        let now_ms = self.now_ms;
        let group = &self.groups[name];
        if !self.at(group.master).o_down || group.failover.is_on {
            return false;
        }
        let start_ms = group.failover.start_ms;
        let not_before_ms = start_ms + group.failover_timeout_ms * 2;
        if now_ms < not_before_ms {
            if group.failover.delay_logged_ms != start_ms {
                self.group_mut(name).failover.delay_logged_ms = start_ms;
                self.actions.push(SentinelAction::LogDelay(not_before_ms));
            }
            return false;
        }
        self.start_failover(name);
        true
    }

    /// Gives a failover up. That can be done as long as no replica has become the master.
    fn abort_failover(&mut self, name: &str, channel: &'static str) {
        let now_ms = self.now_ms;
        let master = self.groups[name].master;
        self.tell_of(EventLevel::Warning, channel, master, "");
        let group = self.group_mut(name);
        group.failover.is_on = false;
        group.failover.forced = false;
        group.enter(FailoverStage::None, now_ms);
        if let Some(promoted) = group.failover.promoted.take() {
            self.at_mut(promoted).replica.promoted = false;
        }
    }

    pub(super) fn go_on_failover(&mut self, name: &str) {
        let failover = &self.groups[name].failover;
        if !failover.is_on {
            return;
        }
        match failover.stage {
            FailoverStage::WaitStart => self.wait_for_election(name),
            FailoverStage::SelectReplica => self.select(name),
            FailoverStage::SendReplicaofNoOne => self.promote(name),
            FailoverStage::WaitPromotion => self.wait_for_promotion(name),
            FailoverStage::ReconfReplicas => self.reconf_next(name),
            FailoverStage::UpdateConfig | FailoverStage::None => {}
        }
    }

    fn wait_for_election(&mut self, name: &str) {
        let now_ms = self.now_ms;
        let epoch = self.groups[name].failover.epoch;
        let leader = self.elected(name, epoch);
        let leads = leader.is_some_and(|leader| leader.eq_ignore_ascii_case(&self.id));
        let group = &self.groups[name];
        if !leads && !group.failover.forced {
            let patience_ms = self.periods.election_timeout.min(group.failover_timeout_ms);
            if now_ms - group.failover.start_ms > patience_ms {
                self.abort_failover(name, "-failover-abort-not-elected");
            }
            return;
        }
        let master = group.master;
        let level = EventLevel::Warning;
        self.tell_of(level, "+elected-leader", master, "");
        if self.failures.after_election {
            self.actions.push(SentinelAction::Crash);
        }
        self.group_mut(name)
            .enter(FailoverStage::SelectReplica, now_ms);
        self.tell_of(level, "+failover-state-select-slave", master, "");
    }

    fn select(&mut self, name: &str) {
        let now_ms = self.now_ms;
        let Some(id) = self.best_replica(name) else {
            return self.abort_failover(name, "-failover-abort-no-good-slave");
        };
        self.tell_of(EventLevel::Warning, "+selected-slave", id, "");
        self.at_mut(id).replica.promoted = true;
        let group = self.group_mut(name);
        group.failover.promoted = Some(id);
        group.enter(FailoverStage::SendReplicaofNoOne, now_ms);
        let channel = "+failover-state-send-slaveof-noone";
        self.tell_of(EventLevel::Notice, channel, id, "");
    }

    fn is_late(&self, name: &str) -> bool {
        let group = &self.groups[name];
        self.now_ms - group.failover.changed_ms > group.failover_timeout_ms
    }

    fn promote(&mut self, name: &str) {
        let now_ms = self.now_ms;
        let promoted = self.groups[name].failover.promoted;
        let reached = promoted.filter(|id| !self.link_of(*id).disconnected);
        let Some(id) = reached else {
            if self.is_late(name) {
                self.abort_failover(name, "-failover-abort-slave-timeout");
            }
            return;
        };
        if !self.send_replicaof(id, None) {
            return;
        }
        let channel = "+failover-state-wait-promotion";
        self.tell_of(EventLevel::Notice, channel, id, "");
        self.group_mut(name)
            .enter(FailoverStage::WaitPromotion, now_ms);
    }

    /// What it has become shows in its INFO: see [`Sentinel::promoted`].
    fn wait_for_promotion(&mut self, name: &str) {
        if self.is_late(name) {
            self.abort_failover(name, "-failover-abort-slave-timeout");
        }
    }

    /// The replica that was chosen is a master: from now on this is told to everybody.
    pub(super) fn promoted(&mut self, id: InstanceId) {
        let now_ms = self.now_ms;
        let name = self.at(id).group.clone();
        let group = self.group_mut(&name);
        group.config_epoch = group.failover.epoch;
        group.enter(FailoverStage::ReconfReplicas, now_ms);
        let master = group.master;
        self.save = true;
        let level = EventLevel::Warning;
        self.tell_of(level, "+promoted-slave", id, "");
        if self.failures.after_promotion {
            self.actions.push(SentinelAction::Crash);
        }
        self.tell_of(level, "+failover-state-reconf-slaves", master, "");
        let (from, to) = (self.at(master).address.clone(), self.at(id).address.clone());
        self.schedule_reconfig(&name, true, &from, &to);
        self.hurry_hellos(&name);
    }

    /// Has some more replicas follow the new master: not too many at a time, as they may not serve clients meanwhile.
    fn reconf_next(&mut self, name: &str) {
        let now_ms = self.now_ms;
        let group = &self.groups[name];
        let parallel_syncs = group.parallel_syncs;
        let Some(promoted) = group.failover.promoted else {
            return;
        };
        let replicas: Vec<InstanceId> = group.replicas.values().copied().collect();
        let under_way = |id: &&InstanceId| {
            let reconf = self.at(**id).replica.reconf;
            matches!(reconf, Some(Reconf::Sent | Reconf::InProgress))
        };
        let mut count = replicas.iter().filter(under_way).count() as i64;
        let address = self.at(promoted).address.clone();
        for id in replicas {
            if count >= parallel_syncs {
                break;
            }
            let one = &self.at(id).replica;
            if one.promoted || one.reconf == Some(Reconf::Done) {
                continue;
            }
            let waited_ms = now_ms - one.reconf_sent_ms;
            if one.reconf == Some(Reconf::Sent) && waited_ms > self.periods.reconf_timeout {
                // It is mended later, if it needs that.
                let channel = "-slave-reconf-sent-timeout";
                self.tell_of(EventLevel::Notice, channel, id, "");
                self.at_mut(id).replica.reconf = Some(Reconf::Done);
                continue;
            }
            if one.reconf.is_some() || self.link_of(id).disconnected {
                continue;
            }
            if self.send_replicaof(id, Some(&address)) {
                let one = &mut self.at_mut(id).replica;
                one.reconf = Some(Reconf::Sent);
                one.reconf_sent_ms = now_ms;
                self.tell_of(EventLevel::Notice, "+slave-reconf-sent", id, "");
                count += 1;
            }
        }
        self.detect_end(name);
    }

    /// A failover ends when every replica that is reached follows the new master, or after its time.
    fn detect_end(&mut self, name: &str) {
        let now_ms = self.now_ms;
        let group = &self.groups[name];
        let master = group.master;
        let Some(promoted) = group.failover.promoted.filter(|id| !self.at(*id).s_down) else {
            return;
        };
        let replicas: Vec<InstanceId> = group.replicas.values().copied().collect();
        let is_left = |id: &InstanceId| {
            let one = self.at(*id);
            !one.replica.promoted && one.replica.reconf != Some(Reconf::Done) && !one.s_down
        };
        let any_left = replicas.iter().any(is_left);
        let late = self.is_late(name);
        if late {
            let channel = "+failover-end-for-timeout";
            self.tell_of(EventLevel::Warning, channel, master, "");
        }
        if late || !any_left {
            self.tell_of(EventLevel::Warning, "+failover-end", master, "");
            self.group_mut(name)
                .enter(FailoverStage::UpdateConfig, now_ms);
        }
        if !late {
            return;
        }
        let address = self.at(promoted).address.clone();
        for id in replicas {
            let one = &self.at(id).replica;
            let told = matches!(one.reconf, Some(Reconf::Done | Reconf::Sent));
            if one.promoted || told || self.link_of(id).disconnected {
                continue;
            }
            if self.send_replicaof(id, Some(&address)) {
                self.tell_of(EventLevel::Notice, "+slave-reconf-sent-be", id, "");
                self.at_mut(id).replica.reconf = Some(Reconf::Sent);
            }
        }
    }

    /// Ends failovers that are done: the promoted replica is watched as the master.
    pub(super) fn end_failovers(&mut self) {
        let done = self.groups.values();
        let done: Vec<Arc<str>> = done
            .filter(|group| group.failover.stage == FailoverStage::UpdateConfig)
            .map(|group| group.name.clone())
            .collect();
        for name in done {
            let group = &self.groups[&name];
            let master = group.master;
            let from = self.at(master).address.clone();
            let promoted = group.failover.promoted.unwrap_or(master);
            let to = self.at(promoted).address.clone();
            let text = format!(
                "{name} {} {} {} {}",
                self.shown(&from),
                from.port,
                self.shown(&to),
                to.port
            );
            self.tell(EventLevel::Warning, "+switch-master", Some(master), text);
            self.switch_master(&name, to);
        }
    }
}
