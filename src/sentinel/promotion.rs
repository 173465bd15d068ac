//! Which replica is to take a master's place.

use std::cmp::Reverse;

use super::instance::InstanceId;
use super::state::Sentinel;

impl Sentinel {
    /// The best of the replicas that are up and have heard of their master not too long ago: by rank, then by how much of the
    /// stream it has, then by name.
    pub(super) fn best_replica(&self, name: &str) -> Option<InstanceId> {
        let now_ms = self.now_ms;
        let group = &self.groups[name];
        let master = self.at(group.master);
        let (down_ms, info_age_max) = match master.s_down {
            // Then replicas are asked every second.
            true => (now_ms - master.s_down_since_ms, self.periods.ping * 5),
            false => (0, self.periods.info * 3),
        };
        let link_down_max = down_ms + group.down_after_ms * 10;
        let is_good = |id: &InstanceId| {
            let (one, link) = (self.at(*id), self.link_of(*id));
            !one.s_down
                && !one.o_down
                && !link.disconnected
                && now_ms - link.last_avail_ms <= self.periods.ping * 5
                && one.replica.priority != 0
                && now_ms - one.info_ms <= info_age_max
                && one.replica.link_down_ms <= link_down_max
        };
        let rank = |id: &InstanceId| {
            let one = self.at(*id);
            let run_id = one.run_id.as_ref().map(|id| id.to_ascii_lowercase());
            let (priority, offset) = (one.replica.priority, one.replica.offset);
            (priority, Reverse(offset), run_id.is_none(), run_id)
        };
        let replicas = group.replicas.values().copied();
        replicas.filter(is_good).min_by_key(rank)
    }
}
