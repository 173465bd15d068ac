//! When a node is dead: for this node, once it has been silent for too long (PFAIL); for all, once most masters say so
//! (FAIL).

use super::actions::Moment;
use super::node::{At, FailureReport, flag};
use super::state::Cluster;

/// Flags of a node that doesn't answer.
pub(super) const DEAD: u16 = flag::FAIL | flag::PFAIL;
/// A report holds for so many node timeouts.
const REPORT_TIMEOUTS: u64 = 2;
/// A master that nobody has replaced for so many node timeouts is taken back.
const UNDO_TIMEOUTS: u64 = 2;

impl Cluster {
    /// A master says whether it holds a node for dead.
    pub(super) fn hear_report(&mut self, by: At, about: At, dead: bool, moment: Moment) {
        let (reporter, reported) = (self.nodes[by].called(), self.nodes[about].called());
        let reports = &mut self.nodes[about].reports;
        let held = reports.iter().position(|report| report.by == by);
        match (held, dead) {
            (Some(held), true) => reports[held].at_ms = moment.now_ms,
            (None, true) => {
                let at_ms = moment.now_ms;
                reports.push(FailureReport { by, at_ms });
                tracing::debug!("Node {reporter} reported node {reported} as not reachable.");
            }
            (Some(held), false) => {
                reports.swap_remove(held);
                tracing::debug!("Node {reporter} reported node {reported} is back online.");
            }
            (None, false) => {}
        }
        self.forget_old_reports(about, moment);
        if dead {
            self.fail_if_agreed(about, moment);
        }
    }

    pub(super) fn forget_old_reports(&mut self, about: At, moment: Moment) {
        let valid_ms = self.settings.node_timeout_ms * REPORT_TIMEOUTS;
        let is_valid =
            |report: &FailureReport| moment.now_ms.saturating_sub(report.at_ms) <= valid_ms;
        self.nodes[about].reports.retain(is_valid);
    }

    /// Holds a node for dead for good if this one can't reach it, and most masters can't.
    pub(super) fn fail_if_agreed(&mut self, about: At, moment: Moment) {
        if !self.nodes[about].is(flag::PFAIL) || self.nodes[about].is(flag::FAIL) {
            return;
        }
        self.forget_old_reports(about, moment);
        let own = usize::from(self.me().is_master());
        if self.nodes[about].reports.len() + own < self.quorum() {
            return;
        }
        tracing::info!(
            "Marking node {} as failing (quorum reached).",
            self.nodes[about].called()
        );
        self.mark_failed(about, moment);
        self.send_fail(about, moment);
    }

    pub(super) fn mark_failed(&mut self, about: At, moment: Moment) {
        let node = &mut self.nodes[about];
        node.put(flag::PFAIL, false);
        node.put(flag::FAIL, true);
        node.failed_ms = moment.now_ms;
        self.noted();
    }

    /// Most masters.
    pub(super) fn quorum(&self) -> usize {
        self.size / 2 + 1
    }

    /// A node has answered that did not.
    pub(super) fn hear_alive(&mut self, at: At, moment: Moment) {
        let node = &mut self.nodes[at];
        if node.put(flag::PFAIL, false) {
            self.noted();
            return;
        }
        if !node.is(flag::FAIL) {
            return;
        }
        let undo_ms = self.settings.node_timeout_ms * UNDO_TIMEOUTS;
        let why = if node.is_replica() {
            "replica is reachable again."
        } else if node.slots.is_empty() {
            "master without slots is reachable again."
        } else if moment.now_ms.saturating_sub(node.failed_ms) > undo_ms {
            "is reachable again and nobody is serving its slots after some time."
        } else {
            return;
        };
        tracing::info!("Clear FAIL state for node {}: {why}", node.called());
        node.put(flag::FAIL, false);
        self.noted();
    }
}
