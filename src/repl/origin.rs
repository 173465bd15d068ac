//! Which history of edits the data files are a part of: so that a restart costs no full sync.

use std::sync::Arc;

use crate::persist::rdb::Origin;
use crate::state::replication::{Link, Master, new_id};
use crate::state::shared::Shared;
use crate::util::clock;

/// At start, before anything is loaded: `replicaof` in the configuration.
pub fn begin(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    let told = shared.store.tell_origin.set(Box::new(move || {
        let shared = weak.upgrade()?;
        origin(&shared)
    }));
    debug_assert!(told.is_ok(), "a server starts once");
    let master = shared.config.replicaof.get().0.clone();
    let master = master.map(|(host, port)| Master { host, port });
    if let Some(master) = master.or_else(|| shared.cluster_master()) {
        shared.follow(master);
        let mut state = shared.replication.state();
        // Nothing is here yet that could be a part of its history.
        state.resumable = false;
        debug_assert_eq!(state.link, Link::Connect);
    }
}

/// Once the data files are loaded. Whether this is a master whose replicas may come back.
pub fn resume(shared: &Shared) -> bool {
    let Some(origin) = shared.store.loaded_origin.lock().take() else {
        return false;
    };
    let id = String::from_utf8_lossy(&origin.id).into_owned();
    let (replication, journal) = (&shared.replication, &shared.journal);
    let mut state = replication.state();
    if state.master.is_some() {
        state.forget_history(id);
        state.resumable = true;
        journal.move_stream(origin.offset, Some(origin.db));
        return false;
    }
    // Replicas of before may come back: what they have is the beginning of what we have.
    state.forget_history(id);
    state.begin_history(new_id(), origin.offset);
    state.alone_since_ms = clock::now_ms();
    journal.move_stream(origin.offset, None);
    journal.begin_backlog(shared.config.repl_backlog_size.get());
    true
}

fn origin(shared: &Shared) -> Option<Origin> {
    let (replication, journal) = (&shared.replication, &shared.journal);
    let state = replication.state();
    let extent = journal.backlog.extent();
    let known = match &state.master {
        Some(_) => state.resumable,
        None => extent.active,
    };
    let id = state.id.as_bytes().try_into().ok()?;
    known.then_some(Origin {
        id,
        offset: extent.end,
        db: journal.backlog.selected().unwrap_or(0),
    })
}
