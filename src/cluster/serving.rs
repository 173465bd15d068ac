//! Whether the cluster can serve requests, as this node sees it.

use super::node::{At, ClusterNode, flag};
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

/// Whether this node reaches most of the masters that have slots, as far as it knows: after a start it takes all for alive.
fn reaches_most(cluster: &Cluster) -> bool {
    are_most(cluster, |_, node| is_reached(node))
}

/// Whether this node reaches most of the masters that have slots, and has heard them since it began.
pub(super) fn hears_most(cluster: &Cluster) -> bool {
    are_most(cluster, |at, node| {
        let is_heard = at == cluster.myself || node.data_received_ms > 0;
        is_heard && is_reached(node)
    })
}

fn is_reached(node: &ClusterNode) -> bool {
    !node.is(flag::FAIL | flag::PFAIL)
}

/// Whether something is so of most of the masters that have slots.
fn are_most(cluster: &Cluster, so: impl Fn(At, &ClusterNode) -> bool) -> bool {
    let (mut size, mut count) = (0, 0);
    for (at, node) in cluster.nodes.iter().filter(|(_, node)| node.votes()) {
        size += 1;
        count += usize::from(so(at, node));
    }
    count > size / 2
}
