//! Who may fail a master over: one Sentinel for each epoch, by the votes of most.

use std::collections::BTreeMap;

use super::actions::EventLevel;
use super::state::Sentinel;

/// Epochs up to this one are believed: who tries a failover every second comes to it in 136 years.
const EPOCH_MAX: u64 = u32::MAX as u64;
/// Where one has come further, with whatever help, others may be ahead by so much.
const AHEAD_MAX: u64 = 1 << 16;

/// Sentinels that begin at the same time would get each other's votes.
const DESYNC_MS: i64 = 1000;

impl Sentinel {
    /// A moment within the next second.
    pub(super) fn soon_ms(&mut self) -> i64 {
        self.now_ms + self.rng.i64(0..DESYNC_MS)
    }

    /// Whether others may have come to an epoch. One that leaves none for later failovers would end them for good.
    pub(super) fn believes(&self, epoch: u64) -> bool {
        epoch <= EPOCH_MAX.max(self.current_epoch.saturating_add(AHEAD_MAX))
    }

    /// Comes to an epoch that somebody who watches a master has come to.
    pub(super) fn reach(&mut self, name: &str, epoch: u64) {
        if epoch <= self.current_epoch {
            return;
        }
        self.current_epoch = epoch;
        self.save = true;
        let master = self.groups[name].master;
        let text = epoch.to_string();
        self.tell(EventLevel::Warning, "+new-epoch", Some(master), text);
    }

    /// Votes for a Sentinel, unless a vote was given in this epoch; tells whom the last vote was for, and when.
    pub(super) fn vote(
        &mut self,
        name: &str,
        epoch: u64,
        candidate: &str,
    ) -> (Option<String>, u64) {
        let master = self.groups[name].master;
        self.reach(name, epoch);
        let current_epoch = self.current_epoch;
        let soon_ms = self.soon_ms();
        let for_me = candidate.eq_ignore_ascii_case(&self.id);
        let group = self.group_mut(name);
        if group.leader_epoch < epoch && current_epoch <= epoch {
            group.leader = Some(candidate.to_owned());
            group.leader_epoch = current_epoch;
            if !for_me {
                // It has its time to do it.
                group.failover.start_ms = soon_ms;
            }
            self.save = true;
            let text = format!("{candidate} {current_epoch}");
            self.tell(EventLevel::Warning, "+vote-for-leader", Some(master), text);
        }
        let group = &self.groups[name];
        (group.leader.clone(), group.leader_epoch)
    }

    /// Whom most Sentinels have voted for in an epoch; this one gives its vote, if it hasn't.
    pub(super) fn elected(&mut self, name: &str, epoch: u64) -> Option<String> {
        let group = &self.groups[name];
        let (voters, quorum) = (group.sentinels.len() + 1, group.quorum);
        let mut votes: BTreeMap<String, i64> = BTreeMap::new();
        for id in group.sentinels.values() {
            let voter = &self.at(*id).voter;
            if let Some(leader) = &voter.leader
                && voter.leader_epoch == self.current_epoch
            {
                *votes.entry(leader.clone()).or_default() += 1;
            }
        }
        let first = most(&votes).map(|(leader, _)| leader.clone());
        let candidate = first.unwrap_or_else(|| self.id.clone());
        let (mine, mine_epoch) = self.vote(name, epoch, &candidate);
        if let Some(mine) = mine
            && mine_epoch == epoch
        {
            *votes.entry(mine).or_default() += 1;
        }
        let needed = (voters as i64 / 2 + 1).max(quorum);
        most(&votes)
            .filter(|(_, count)| **count >= needed)
            .map(|(leader, _)| leader.clone())
    }
}

fn most(votes: &BTreeMap<String, i64>) -> Option<(&String, &i64)> {
    votes.iter().max_by_key(|(_, count)| **count)
}
