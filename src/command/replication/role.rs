//! The change of roles: to follow a master, and to lead.

use std::sync::atomic::Ordering;

use super::{Failover, Link, Master, new_id};
use crate::command::client::Unblock;
use crate::command::shared::Shared;
use crate::config::special::ReplicaOf;
use crate::util::clock;

impl Shared {
    /// Makes this server a replica of a master.
    pub fn follow(&self, master: Master) {
        let (replication, journal) = (&self.replication, &self.journal);
        let mut state = replication.state();
        let was_master = state.master.is_none();
        tracing::debug!("Following {}:{}", master.host, master.port);
        self.config
            .replicaof
            .put(ReplicaOf(Some((master.host.clone(), master.port))));
        state.master = Some(master);
        state.link = Link::Connect;
        state.down_since_ms = clock::now_ms();
        state.drop_link();
        replication.replica.store(true, Ordering::Relaxed);
        state.epoch = journal.set_relaying(true);
        if was_master {
            tracing::info!(
                "Before turning into a replica, using my own master parameters to synthesize a cached master: I may be able to synchronize with the new master with just a partial transfer."
            );
            state.resumable = true;
            journal.begin_backlog(self.config.repl_backlog_size.get());
        }
        drop(state);
        replication.guard(self.config.min_replicas_to_write.get());
        for client in self.clients.all() {
            client.unblock(Unblock::Moved);
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
        replication.guard(self.config.min_replicas_to_write.get());
        // Those who come back are told of the new name.
        replication.disconnect_replicas();
        replication.changed.notify_all();
        true
    }
}
