//! FAILOVER: a master hands over to one of its replicas, once that has everything.

use crate::command::replication::Failover;
use crate::command::shared::Shared;

/// Gives a failover up: this server stays, or is again, the master.
pub fn abort(shared: &Shared, why: &str) {
    let mut state = shared.replication.state();
    let before = std::mem::take(&mut state.failover);
    drop(state);
    if before == Failover::None {
        return;
    }
    tracing::info!("Aborting failover: {why}");
    if before == Failover::InProgress {
        shared.lead();
    }
    shared.pause.stop();
}
