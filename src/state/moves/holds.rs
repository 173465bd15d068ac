//! Who is held back because of slots that move whole, and what this server makes of a changed cluster for them.

use std::sync::atomic::Ordering;

use super::leaves::LeaveOrder;
use super::one::MoveSide;
use super::owner::GRANT_MS_MAX;
use crate::cluster::{
    Action, Cluster, GivenLeave, NodeId, SlotSet, claim_anew, keep_leaves, leaves_given,
};
use crate::state::clustering::Clustering;
use crate::state::pause::HeldSlots;
use crate::state::shared::Shared;
use crate::util::clock;

impl Shared {
    /// Keys may be staged for a node of a cluster, whether it knows others or not: its data files may be older than its file
    /// of nodes.
    pub fn note_stages(&self) {
        if self.redirecting().is_some() {
            self.store.stages.store(true, Ordering::Relaxed);
        }
    }

    /// Whether keys of slots that come here whole are staged, or may be before long.
    pub fn stages_keys(&self) -> bool {
        let staged = self.store.staged_db();
        staged.is_some_and(|db| self.store.engine.keys_of(db) > 0)
            || self.slot_moves.is_running() && !self.slot_moves.moving(MoveSide::Import).is_empty()
    }

    /// The stream has told of staged keys.
    pub fn note_staged(&self) {
        let end = self.journal.backlog.end();
        let staged_to = &self.replication.staged_to;
        staged_to.fetch_max(end, Ordering::AcqRel);
    }

    /// Has the thread that sees to leave do something.
    pub fn order_leave(&self, clustering: &Clustering, order: LeaveOrder) {
        self.slot_moves.leave_orders.lock().push_back(order);
        clustering.send(Action::SeeToLeaves);
    }

    /// Looks what has become of slots that move whole. The caller holds nothing.
    pub fn settle_moves(&self, clustering: &Clustering) {
        if !self.slot_moves.is_running() && !self.pause.holds_slots() {
            return;
        }
        let now_ms = clock::now_ms();
        let node_timeout_ms = self.config.cluster_node_timeout.get() as u64;
        let view = clustering.view().clone();
        let mut moved = false;
        let hold = |slots, exports| {
            self.tracking.note_all(exports);
            moved = self.pause.hold_slots(slots, now_ms);
        };
        let moves = &self.slot_moves;
        let unsure = moves.settle(&view, now_ms, node_timeout_ms, hold);
        // What a replica has heard of is its master's.
        let is_known = |cluster: &Cluster| {
            !cluster.me().is_master() || leaves_given(cluster) == moves.leaves()
        };
        if unsure || !clustering.look(is_known) {
            self.in_cluster(clustering, |cluster, _| {
                if unsure {
                    claim_anew(cluster);
                }
                if cluster.me().is_master() {
                    keep_leaves(cluster, moves.leaves());
                }
            });
            self.order_leave(clustering, LeaveOrder::Tell);
        }
        if moved {
            self.guards.moved();
        }
    }

    /// Holds all clients back until it is known what becomes of staged keys, if there are any: this node leads from now on,
    /// or is about to serve for the first time. The chore [`Action::SettleStaged`] lets them go.
    pub fn hold_for_staged(&self, clustering: &Clustering) {
        let staged = self.store.staged_db();
        if staged.is_some_and(|db| self.store.engine.keys_of(db) > 0) {
            self.slot_moves.hold_all(true);
            let all = HeldSlots {
                waiting: SlotSet::all(),
                ..HeldSlots::default()
            };
            self.pause.hold_slots(all, clock::now_ms());
            clustering.send(Action::SettleStaged);
        }
    }

    /// The data files have been read, and nobody has been served yet. A replica leaves what is staged to its master.
    pub fn hold_at_start(&self) {
        if let Some(clustering) = &self.clustering
            && clustering.view().me().is_master()
        {
            let leaves = clustering.look(|cluster| leaves_given(cluster).to_vec());
            // Before anybody looks at what there is of them.
            self.resume_leaves(leaves, clustering.view().me().id);
            self.settle_moves(clustering);
            self.hold_for_staged(clustering);
        }
    }

    /// Other nodes had leave to take slots of this one, or of the master whose place it takes, when that stopped, and may have
    /// taken them: their clients are held back. The caller may hold the cluster's state.
    pub fn resume_leaves(&self, leaves: Vec<GivenLeave>, me: NodeId) {
        if leaves.is_empty() {
            return;
        }
        let node_timeout_ms = self.config.cluster_node_timeout.get() as u64;
        // The other node may still take them, for as long as leave lasts.
        let until_ms = clock::now_ms() + node_timeout_ms.max(GRANT_MS_MAX);
        for leave in leaves {
            tracing::warn!(
                "It is not known yet whether {} has taken the slots {}, as it had leave to.",
                leave.dest,
                leave.slots
            );
            self.slot_moves.resume(leave, me, until_ms);
        }
        self.pause
            .hold_slots(self.slot_moves.held(), clock::now_ms());
    }
}
