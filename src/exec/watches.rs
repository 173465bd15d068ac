//! WATCH: a session's flag is put on keys, and taken off them when the watch has ended.

use super::Worker;
use super::unit::Unit;
use crate::command::Fail;
use crate::command::session::Session;
use crate::engine::{Place, ShardKey, ShardSet, Shards};
use crate::journal::Depends;
use crate::types::Bstr;

/// Ends the session's watches. The shards forget them now, or once the script has ended that holds them.
pub(super) fn end_watches(worker: &Worker, session: &mut Session) {
    let watches = std::mem::take(&mut session.watches);
    if !watches.keys.is_empty() {
        worker.ended_watches.borrow_mut().push(watches);
        forget(worker);
    }
}

impl Worker {
    /// Has the shards forget watches that have ended and that no long script holds any more.
    #[inline]
    pub(super) fn look_at_ended_watches(&self) {
        if !self.ended_watches.borrow().is_empty() && !self.shared.scripts.is_busy() {
            forget(self);
        }
    }
}

/// Has the shards forget watches that have ended, as far as no long script holds them.
fn forget(worker: &Worker) {
    let ended = worker.ended_watches.take();
    let mut left = Vec::new();
    for watches in ended {
        let Ok(mut unit) = worker.begin(watched_shards(&watches.keys)) else {
            left.push(watches);
            continue;
        };
        for (place, broken) in watches.keys.iter().zip(watches.broken.iter().cycle()) {
            let shard = unit.locked.shard_mut(ShardKey::of(&place.1).shard());
            shard.unwatch(place, broken);
        }
        worker.commit_alone(unit);
    }
    worker.ended_watches.borrow_mut().extend(left);
}

/// Whether a watched key was changed, or has died, since WATCH.
pub(super) fn watch_failed(worker: &Worker, session: &Session, unit: &Unit<'_>) -> bool {
    let watches = &session.watches;
    if watches.is_broken() {
        return true;
    }
    let due_ms = worker.time_for(session.imports).due_ms();
    watches.keys.iter().any(|place| {
        let shard = unit.locked.shard(ShardKey::of(&place.1).shard());
        watches
            .broken
            .as_ref()
            .is_some_and(|broken| shard.has_died(place, broken, due_ms))
    })
}

/// WATCH: puts the session's flag on keys.
pub(super) fn watch_keys(
    worker: &Worker,
    session: &mut Session,
    keys: &[&[u8]],
    depends: &mut Depends,
) -> Result<(), Fail> {
    let mut set = ShardSet::EMPTY;
    keys.iter().for_each(|key| set.add(ShardKey::of(key)));
    let mut unit = worker.begin(set)?;
    let watches = &mut session.watches;
    let broken = watches.broken.get_or_insert_default();
    let due_ms = worker.time_for(session.imports).due_ms();
    for key in keys {
        let place: Place = (session.db, Bstr::new(key));
        if watches.keys.contains(&place) {
            continue;
        }
        let shard = unit.locked.shard_mut(ShardKey::of(key).shard());
        shard.watch(place.clone(), broken.clone(), due_ms);
        watches.keys.push(place);
    }
    worker.commit(unit, None, depends);
    Ok(())
}

pub(super) fn watched_shards(places: &[Place]) -> ShardSet {
    let mut set = ShardSet::EMPTY;
    places
        .iter()
        .for_each(|place| set.add(ShardKey::of(&place.1)));
    set
}
