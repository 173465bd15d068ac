//! Replicas that move: from a master that has more than it needs to one that has lost its last.

use super::actions::Moment;
use super::failure::DEAD;
use super::node::{At, flag};
use super::state::Cluster;

/// A master is without replicas for so long before one moves to it: those that it had may come back.
const DELAY_MS: u64 = 5000;

impl Cluster {
    /// Moves this replica to a master that has none, if it is the one to go.
    pub(super) fn move_to_orphan(&mut self, moment: Moment) {
        let Some(mine) = self.me().master.filter(|_| self.me().is_replica()) else {
            return;
        };
        self.note_orphans(moment);
        let masters = self.nodes.iter().filter(|(_, node)| node.is_master());
        let live = masters.filter(|(_, node)| !node.is(flag::FAIL));
        let counts: Vec<(At, usize)> = live
            .map(|(at, _)| (at, self.nodes.working_replicas(at)))
            .collect();
        let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let has_most = counts.contains(&(mine, most));
        if !self.settings.allow_migration || most < 2 || !has_most || !self.is_ok {
            return;
        }
        let staying = self.nodes.replicas(mine);
        let staying = staying.filter(|(_, node)| !node.is(DEAD)).count();
        if staying <= self.settings.migration_barrier {
            return;
        }
        let target = self.nodes.iter().find(|(_, node)| node.orphaned_ms != 0);
        let Some((target, since_ms)) = target.map(|(at, node)| (at, node.orphaned_ms)) else {
            return;
        };
        // Of all that could go, the one with the least name does.
        let goers = counts.iter().filter(|(_, count)| *count == most);
        let goers = goers.flat_map(|(at, _)| self.nodes.replicas(*at));
        let goers = goers
            .filter(|(_, node)| !node.is(DEAD))
            .map(|(_, node)| node.id);
        let is_me = goers.min() == Some(self.me().id);
        if is_me && moment.now_ms.saturating_sub(since_ms) > DELAY_MS {
            tracing::info!(
                "Migrating to orphaned master {}",
                self.nodes[target].called()
            );
            self.set_master(target);
        }
    }

    /// Notes since when masters have been without working replicas, of those that had some.
    fn note_orphans(&mut self, moment: Moment) {
        for at in self.nodes.all() {
            let replicas = self.nodes.working_replicas(at);
            let node = &mut self.nodes[at];
            let had_some = node.is(flag::MIGRATE_TO) && node.votes();
            let is_orphan = had_some && replicas == 0 && !node.is(flag::FAIL);
            node.orphaned_ms = match (is_orphan, node.orphaned_ms) {
                (false, _) => 0,
                (true, 0) => moment.now_ms,
                (true, since_ms) => since_ms,
            };
        }
    }
}
