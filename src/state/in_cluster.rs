//! The one way in which the cluster's state is changed, [`Shared::in_cluster`], and what follows from a change.
//!
//! Under the state's lock the file is written (and synced, where others depend on what it says), this server's part changed
//! and the picture replaced, in the order of the changes; what sockets and keys have to do with it is left to the bus.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::clustering::{Clustering, FileWrite, settings_of};
use super::pause::{PauseFor, PauseMode};
use super::replication::{Link, Master};
use super::shared::Shared;
use crate::cluster::{Action, Actions, Cluster, Moment, NodeAddress, leaves_given};
use crate::util::clock;

impl Shared {
    /// Changes the cluster's state: an order, a frame, a tick. What follows is done when this returns, but for what is
    /// done to sockets and keys. The caller may hold shards.
    pub fn in_cluster<T>(
        &self,
        clustering: &Clustering,
        change: impl FnOnce(&mut Cluster, Moment) -> T,
    ) -> T {
        self.in_cluster_with(clustering, change, None)
    }

    /// Changes the cluster's state, as [`Shared::in_cluster`] does, for a caller who holds shards: they are let go once
    /// requests see the change, before the disk is waited for.
    pub fn in_cluster_with<T>(
        &self,
        clustering: &Clustering,
        change: impl FnOnce(&mut Cluster, Moment) -> T,
        let_go: Option<&mut dyn FnMut()>,
    ) -> T {
        let moment = self.cluster_moment();
        let mut state = clustering.state.lock();
        let outcome = change(&mut state, moment);
        let actions = state.finish(moment);
        self.carry_out(clustering, &mut state, actions, let_go);
        outcome
    }

    fn cluster_moment(&self) -> Moment {
        let now_ms = clock::now_ms();
        let state = self.replication.state();
        let since_ms = match state.link {
            Link::Connected => self.replication.last_io_ms.load(Ordering::Relaxed),
            _ => state.down_since_ms,
        };
        // What is being replaced by a snapshot counts for nothing.
        let repl_offset = match state.link {
            Link::Transfer => 0,
            _ => self.journal.backlog.end(),
        };
        Moment {
            now_ms,
            repl_offset,
            has_master: state.master.is_some(),
            master_linked: state.link == Link::Connected,
            master_silent_ms: now_ms.saturating_sub(since_ms),
        }
    }

    fn carry_out(
        &self,
        clustering: &Clustering,
        state: &mut Cluster,
        actions: Actions,
        let_go: Option<&mut dyn FnMut()>,
    ) {
        let how = match actions.sync && let_go.is_none() {
            true => FileWrite::Synced,
            false => FileWrite::Kept,
        };
        if actions.save && !self.saves_cluster(clustering, state, how) {
            return;
        }
        // Who leads takes writes before clients are told to bring them.
        if actions.list.contains(&Action::Lead) {
            self.resume_leaves(leaves_given(state).to_vec(), state.me().id);
            self.hold_for_staged(clustering);
            self.lead();
        }
        if actions.view {
            let view = Arc::new(state.view());
            let before = clustering.view.swap(view.clone());
            self.guards.moved();
            if self.slot_moves.is_running() {
                clustering.send(Action::SettleMoves);
            }
            if view.sends_elsewhere(&before) {
                // Who is blocked, or listens to sharded channels, may have to go elsewhere.
                self.clients.ring_all();
            }
        }
        if let Some(let_go) = let_go {
            let_go();
            if actions.sync && !self.saves_cluster(clustering, state, FileWrite::Synced) {
                return;
            }
        }
        self.act(clustering, actions.list);
    }

    /// Writes the file; where that fails, this server stops.
    fn saves_cluster(&self, clustering: &Clustering, state: &Cluster, how: FileWrite) -> bool {
        let (number, text) = clustering.text(state);
        let saved = clustering.write(&self.store.disk, number, text, how);
        if let Err(error) = &saved {
            // What the others are told must outlive this process: a vote given twice makes two masters.
            tracing::error!("Fatal: can't update cluster config file: {error}");
            self.stop.cancel();
        }
        saved.is_ok()
    }

    fn act(&self, clustering: &Clustering, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Follow { place } => self.follow(self.master_at(&place)),
                // Done before.
                Action::Lead => {}
                Action::Pause { until_ms } => {
                    let now_ms = clock::now_ms();
                    self.hold_back(PauseFor::Failover, until_ms, PauseMode::Write, now_ms);
                }
                Action::Unpause => self.pause.stop(PauseFor::Failover),
                // One that is under way has yet to look at what there is.
                Action::Save if clustering.noted.swap(true, Ordering::AcqRel) => {}
                action => clustering.send(action),
            }
        }
    }

    /// Whom this node copied when it was last up, as its file says.
    pub fn cluster_master(&self) -> Option<Master> {
        let place = self.clustering.as_ref()?.look(Cluster::master_place)?;
        Some(self.master_at(&place))
    }

    fn master_at(&self, place: &NodeAddress) -> Master {
        let tls = self.config.tls_replication.get();
        Master {
            host: place.ip.clone(),
            port: if tls { place.tls_port } else { place.tcp_port },
        }
    }

    /// Takes the directives as they are now.
    pub fn apply_cluster(&self) {
        if let Some(clustering) = &self.clustering {
            let settings = settings_of(&self.config, clustering.bus_port);
            clustering.forget_kept();
            self.note_stages();
            self.in_cluster(clustering, |cluster, _| {
                if *cluster.settings() != settings {
                    cluster.configure(settings);
                }
            });
        }
    }
}
