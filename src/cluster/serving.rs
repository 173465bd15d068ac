//! Whether the cluster can serve requests, as this node sees it.

use super::node::flag;
use super::slots::SLOTS;
use super::state::Cluster;

/// A master that has just started doesn't serve at once: it may have been replaced meanwhile.
const WRITABLE_DELAY_MS: u64 = 2000;
/// A master that was cut off waits before it serves again, at least and at most so long.
const REJOIN_MS: (u64, u64) = (500, 5000);

impl Cluster {
    /// Looks whether requests can be served: enough masters are reached, and every slot has an owner.
    pub(super) fn update_state(&mut self, now_ms: u64) -> bool {
        if self.began_ms == 0 {
            self.began_ms = now_ms;
        }
        let waits = !self.settings.lone && self.me().is_master();
        if waits && !self.is_ok && now_ms.saturating_sub(self.began_ms) < WRITABLE_DELAY_MS {
            self.pending.update_state = true;
            return false;
        }
        self.size = self.nodes.iter().filter(|(_, node)| node.votes()).count();
        let mut ok = !self.settings.full_coverage || self.is_covered();
        if !reaches_most(self) {
            ok = false;
            self.minority_ms = now_ms;
        }
        if ok == self.is_ok {
            return false;
        }
        let rest_ms = self
            .settings
            .node_timeout_ms
            .clamp(REJOIN_MS.0, REJOIN_MS.1);
        if ok && waits && now_ms.saturating_sub(self.minority_ms) < rest_ms {
            self.pending.update_state = true;
            return false;
        }
        tracing::info!("Cluster state changed: {}", if ok { "ok" } else { "fail" });
        self.is_ok = ok;
        true
    }

    /// Whether every slot has an owner that isn't dead.
    fn is_covered(&self) -> bool {
        let alive = self.nodes.iter().filter(|(_, node)| !node.is(flag::FAIL));
        alive.map(|(_, node)| node.slots.len()).sum::<usize>() == SLOTS
    }
}

/// Whether this node reaches most of the masters that have slots.
pub(super) fn reaches_most(cluster: &Cluster) -> bool {
    let voters = cluster.nodes.iter().filter(|(_, node)| node.votes());
    let dead = flag::FAIL | flag::PFAIL;
    let (mut size, mut reached) = (0, 0);
    for (_, node) in voters {
        size += 1;
        reached += usize::from(!node.is(dead));
    }
    reached > size / 2
}
