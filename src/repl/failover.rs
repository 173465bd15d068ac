//! FAILOVER: a master hands over to one of its replicas, once that has everything.

use std::sync::Arc;

use crate::state::replication::{Failover, Master, Replica, ReplicaStage};
use crate::state::shared::Shared;

/// Hands over if the time has come, or gives up.
pub fn look(shared: &Shared, now_ms: u64) {
    let wish = shared.replication.state().failover.clone();
    let Failover::WaitForSync {
        target,
        deadline_ms,
        force,
    } = wish
    else {
        return;
    };
    let late = deadline_ms.is_some_and(|deadline_ms| now_ms >= deadline_ms);
    match target {
        Some(Master { host, port }) if late && force => {
            tracing::info!("Failover to {host}:{port} time out exceeded, failing over.");
            hand_over(shared, Master { host, port });
        }
        _ if late => shared.abort_failover("Replica never caught up before timeout"),
        // What has arrived elsewhere is still to be deleted, and the replica to hear of it.
        _ if shared.pause.has_away() => {}
        target => {
            if let Some(master) = caught_up(shared, target.as_ref()) {
                tracing::info!("Failover target is synced, failing over.");
                hand_over(shared, master);
            }
        }
    }
}

/// A replica that has everything, if it is the one, or any if none is named.
fn caught_up(shared: &Shared, target: Option<&Master>) -> Option<Master> {
    let end = shared.journal.backlog.end();
    let is = |one: &Arc<Replica>, target: &Master| {
        one.conf.port == target.port && one.ip().eq_ignore_ascii_case(&target.host)
    };
    let replicas = shared.replication.replicas();
    let mut ready = replicas.iter().filter(|one| {
        one.stage() == ReplicaStage::Online
            && one.acked() == end
            && target.is_none_or(|target| is(one, target))
    });
    let found = ready.next()?;
    Some(Master {
        host: found.ip(),
        port: found.conf.port,
    })
}

fn hand_over(shared: &Shared, master: Master) {
    shared.replication.state().failover = Failover::InProgress;
    shared.follow(master);
}
