//! What replication does by the clock: pings, the count of good replicas, the backlog's end, full syncs that are due.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{failover, full};
use crate::state::pause::PauseFor;
use crate::state::replication::new_id;
use crate::state::shared::Shared;
use crate::util::clock;

/// While someone waits for a log's sync, which rings no bell.
const WAITING: Duration = Duration::from_millis(10);
const TICK: Duration = Duration::from_millis(100);

/// Runs until the server stops.
pub async fn watch(shared: Arc<Shared>) {
    let mut pinged_ms = clock::now_ms();
    let mut waiting = false;
    loop {
        let time = if waiting { WAITING } else { TICK };
        let _ = tokio::time::timeout(time, shared.replication.bell.notified()).await;
        let replication = &shared.replication;
        let backlog = &shared.journal.backlog;
        let now_ms = clock::now_ms();
        // A replica that takes over has everything once it has what there is now.
        let hands_over = shared.pause.is_for(PauseFor::Failover, now_ms);
        if !hands_over && replication.wants_acks.swap(false, Ordering::AcqRel) {
            backlog.say(&[b"REPLCONF", b"GETACK", b"*"]);
        }
        waiting = replication.serve_waiters(&shared.journal);
        let config = &shared.config;
        failover::look(&shared, now_ms);
        shared.pause.settle(now_ms);
        replication.count_good(now_ms, config.min_replicas_max_lag.get() as u64);
        full::give_up(&shared);
        if !shared.store.loading.is_on() {
            full::begin(&shared, now_ms);
        }
        let period_ms = config.repl_ping_replica_period.get() as u64 * 1000;
        if now_ms >= pinged_ms + period_ms && !replication.replicas().is_empty() {
            pinged_ms = now_ms;
            if shared.pause.active(now_ms).is_none() {
                backlog.say(&[b"PING"]);
            }
        }
        forget_backlog(&shared, now_ms);
    }
}

/// Nobody has come back for it.
fn forget_backlog(shared: &Shared, now_ms: u64) {
    let ttl_s = shared.config.repl_backlog_ttl.get() as u64;
    let replication = &shared.replication;
    if ttl_s == 0 || replication.is_replica() || !replication.replicas().is_empty() {
        return;
    }
    let mut state = replication.state();
    if now_ms.saturating_sub(state.alone_since_ms) > ttl_s.saturating_mul(1000)
        && shared.journal.end_backlog()
    {
        // Edits that follow are in no backlog: the history that replicas know ends here.
        state.forget_history(new_id());
        tracing::info!(
            "Replication backlog freed after {ttl_s} seconds without connected replicas."
        );
    }
}
