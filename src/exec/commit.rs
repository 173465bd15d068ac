//! The one commit: blocked clients, log, unlock, then events, tracking, statistics and garbage.

use std::sync::atomic::Ordering;

use super::Worker;
use super::park::serve_blocked;
use super::unit::Unit;
use crate::command::CommandEntry;
use crate::command::session::Session;
use crate::engine::{Effects, Garbage, Locked, ShardSet};
use crate::journal::{Depends, Seq};
use crate::pubsub::notify::{self, KeyEvent};
use crate::types::Bstr;
use crate::util::crash;

/// Garbage of more pieces than this is dropped on another thread, as in Redis.
const FREE_EFFORT_MAX: usize = 64;

impl Worker {
    /// Ends a unit that is no part of what a client is answered.
    pub(super) fn commit_alone(&self, unit: Unit<'_>) {
        self.commit(unit, None, &mut Depends::default());
    }

    /// Ends a unit, and notes what the reply that tells of it depends on. `by` is the client whose command it was.
    pub(super) fn commit(&self, mut unit: Unit<'_>, by: Option<u64>, depends: &mut Depends) {
        if !unit.effects.ready.is_empty() {
            serve_blocked(self, &mut unit);
        }
        let Unit {
            mut locked,
            mut effects,
        } = unit;
        if effects.wanted.indexed | effects.wanted.changed {
            note_changes(self, &mut locked, &mut effects);
        }
        let build = std::mem::take(&mut effects.build);
        let counters = &self.stats().counters;
        counters.keyspace_hits.add(effects.hits.take());
        counters.keyspace_misses.add(effects.misses.take());
        let dead = std::mem::take(effects.dead.get_mut());
        if effects.is_quiet() {
            depends.saw(if locked.is_empty() {
                // What was seen, one shard after another, was edited before now.
                self.shared.journal.end()
            } else {
                Seq(locked.stamp())
            });
            drop(locked);
            // An edit that came to nothing may have looked at one.
            effects.earliest_deadline_ms = None;
            effects.touched = false;
        } else {
            crash::point("commit");
            // Still locked: log order is edit order.
            if effects.log.is_empty() {
                depends.saw(Seq(locked.stamp()));
            } else {
                let journal = &self.shared.journal;
                for part in effects.log.parts() {
                    let end = journal.append(part, self.now_ms());
                    locked.set_stamp(end.0);
                    depends.wrote(end);
                }
            }
            locked.publish();
            drop(locked);
            crash::point("after-commit");
            self.tell(&mut effects, by);
            effects.clear();
        }
        self.effects.borrow_mut().push(effects);
        if build {
            self.build_indexes();
        }
        if !dead.is_empty() {
            self.remove_dead(dead);
        }
    }

    /// What follows an edit once nothing is locked.
    fn tell(&self, effects: &mut Effects, by: Option<u64>) {
        let shared = &*self.shared;
        if effects.has_events() {
            let on = shared.config.notify_keyspace_events.get();
            let staged = shared.store.staged_db();
            let events = effects.take_events();
            // Of keys that no client reaches, none hears.
            for event in events.filter(|event| Some(event.db) != staged) {
                let event = KeyEvent {
                    name: event.name,
                    db: event.db,
                    key: &event.key,
                    fields: &event.fields,
                };
                notify::publish(&shared.broker, on, &event);
            }
        }
        if effects.wanted.changed {
            if effects.flushed {
                shared.tracking.flushed();
            }
            shared.tracking.changed(&effects.changed, effects.told, by);
        }
        let counters = &self.stats().counters;
        counters.dirty.add(effects.dirty);
        counters.expired_keys.add(effects.expired);
        counters.expired_fields.add(effects.expired_fields);
        counters.evicted_keys.add(effects.evicted);
        if let Some(deadline_ms) = effects.earliest_deadline_ms {
            self.alarm.expect_by(deadline_ms);
            if by.is_some() && shared.replication.is_replica() {
                self.note_own_keys(effects);
            }
        }
        for garbage in effects.garbage.drain(..) {
            self.discard(garbage);
        }
    }

    /// Logs a command that changes no key.
    pub(super) fn log_alone(&self, session: &Session, argv: &[&[u8]], depends: &mut Depends) {
        if let Ok(mut unit) = self.begin(ShardSet::EMPTY) {
            unit.effects.dirty += 1;
            unit.effects.record(session.db, argv);
            self.commit(unit, Some(session.client.id), depends);
        }
    }

    /// Lets replicas hear a command that changes nothing.
    pub(super) fn tell_replicas(&self, session: &Session, argv: &[&[u8]]) {
        if !self.shared.journal.has_readers() {
            return;
        }
        let mut effects = Effects::default();
        effects.wanted.log = true;
        effects.tell_replicas(session.db, argv);
        self.shared
            .journal
            .append(effects.log.whole(), self.now_ms());
    }

    pub(super) fn discard(&self, garbage: Garbage) {
        if garbage.effort() > FREE_EFFORT_MAX {
            let pending = &self.shared.stats.freeing.pending;
            pending.fetch_add(garbage.values(), Ordering::Relaxed);
            // If that thread is gone the server is stopping, and the value is dropped here.
            let _ = self.garbage.send(garbage);
        }
    }

    /// Remembers, for client-side caching, that the client has read these keys.
    #[inline]
    pub(super) fn track_reads(
        &self,
        session: &Session,
        effects: &mut Effects,
        entry: &CommandEntry,
        argv: &[&[u8]],
    ) {
        if let Some(tracking) = &session.tracking
            && tracking.wants_reads()
        {
            self.begin_tracking(session, effects);
            entry.each_key(argv, |at| self.track_key(session, argv[at]));
        }
    }

    /// Tracks the keys that a script declared.
    pub(super) fn track_declared(&self, session: &Session, effects: &mut Effects, keys: &[Bstr]) {
        self.begin_tracking(session, effects);
        keys.iter().for_each(|key| self.track_key(session, key));
    }

    /// What has changed so far in this unit is no news to who reads now.
    fn begin_tracking(&self, session: &Session, effects: &mut Effects) {
        let news = &effects.changed[effects.told..];
        if !news.is_empty() {
            let tracking = &self.shared.tracking;
            tracking.tell_readers(news, Some(session.client.id));
            effects.told = effects.changed.len();
        }
    }

    fn track_key(&self, session: &Session, key: &[u8]) {
        let keys_max = self.shared.config.tracking_table_max_keys.get() as usize;
        let tracking = &self.shared.tracking;
        tracking.remember(session.client.id, key, keys_max);
    }
}

/// Lets those know of what has changed who go by it from now on: its shards are still locked.
#[cold]
fn note_changes(worker: &Worker, locked: &mut Locked<'_>, effects: &mut Effects) {
    if effects.wanted.indexed {
        worker.index_changes(locked, effects);
    }
    note_for_moves(worker, effects);
}

/// Notes changes of keys whose slots move whole, while their shards are still locked.
pub(super) fn note_for_moves(worker: &Worker, effects: &Effects) {
    let moves = &worker.shared.slot_moves;
    if moves.is_running() {
        let keys = effects.changed.iter().chain(&effects.noted);
        moves.changed(keys, effects.flushed, worker.now_ms());
    }
}
