//! The change of roles: to follow a master, and to lead.

use std::sync::atomic::Ordering;

use super::{Failover, Link, Master, new_id};
use crate::config::special::ReplicaOf;
use crate::state::client::Unblock;
use crate::state::pause::PauseFor;
use crate::state::shared::Shared;
use crate::util::clock;

impl Shared {
    /// Acts on the directives of replication: after start, after every change of them and of roles.
    pub fn apply_replication(&self) {
        let config = &self.config;
        self.replication.guard(config.min_replicas_to_write.get());
        self.guards.moved();
        let own = self.replication.is_replica() && !config.replica_read_only.get();
        self.journal.set_recording(own);
        let backlog = &self.journal.backlog;
        backlog.set_size(config.repl_backlog_size.get());
    }

    /// Makes this server a replica of a master.
    pub fn follow(&self, master: Master) {
        let (replication, journal) = (&self.replication, &self.journal);
        let mut state = replication.state();
        let was_master = state.master.is_none();
        tracing::debug!("Following {}:{}", master.host, master.port);
        // A cluster's node keeps in its own file whom it copies.
        if self.clustering.is_none() {
            let whom = Some((master.host.clone(), master.port));
            self.config.replicaof.put(ReplicaOf(whom));
        }
        state.master = Some(master);
        state.link = Link::Connect;
        state.down_since_ms = clock::now_ms();
        state.drop_link();
        replication.replica.store(true, Ordering::Relaxed);
        self.guards.moved();
        state.epoch = journal.set_relaying(true);
        if was_master {
            tracing::info!(
                "Before turning into a replica, using my own master parameters to synthesize a cached master: I may be able to synchronize with the new master with just a partial transfer."
            );
            state.resumable = true;
            journal.begin_backlog(self.config.repl_backlog_size.get());
        }
        drop(state);
        self.apply_replication();
        // The log says so if it can't be set; roles change all the same.
        let _ = self.apply_oom_score();
        for client in self.clients.all() {
            self.clients.unblock(&client, Unblock::Moved);
        }
        replication.changed.notify_all();
    }

    /// Makes this server a master; `false` if it is one.
    pub fn lead(&self) -> bool {
        let (replication, journal) = (&self.replication, &self.journal);
        let mut state = replication.state();
        if state.master.take().is_none() {
            return false;
        }
        self.config.replicaof.put(ReplicaOf(None));
        state.link = Link::None;
        state.failover = Failover::None;
        state.drop_link();
        // From here on nothing of the old master's is taken any more.
        state.epoch = journal.set_relaying(false);
        tracing::info!("Discarding previously cached master state.");
        let end = journal.backlog.end();
        state.begin_history(new_id(), end);
        tracing::info!(
            "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
            state.id2,
            end + 1,
            state.id
        );
        state.alone_since_ms = clock::now_ms();
        drop(state);
        replication.replica.store(false, Ordering::Relaxed);
        self.apply_replication();
        // The log says so if it can't be set; roles change all the same.
        let _ = self.apply_oom_score();
        // Those who come back are told of the new name.
        replication.disconnect_replicas();
        replication.changed.notify_all();
        true
    }

    /// Gives a failover up: this server stays, or is again, the master.
    pub fn abort_failover(&self, why: &str) {
        let before = std::mem::take(&mut self.replication.state().failover);
        if before == Failover::None {
            return;
        }
        tracing::info!("Aborting failover: {why}");
        if before == Failover::InProgress {
            self.lead();
        }
        self.pause.stop(PauseFor::Failover);
    }
}
