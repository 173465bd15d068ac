//! Keys, fields and members past their deadline, taken out a few at a time.
//!
//! The sweep goes through the same effects as any edit, so that expiry reaches the log, events and
//! WATCH with no code of its own.

use super::effects::{Class, Effects};
use super::parts::{expiry_event, tell_gone};
use super::place::ShardKey;
use super::shard::Shard;
use super::wheel::{Due, Subject};
use crate::types::{Bstr, Kind};

/// Fields or members removed from one key before another one gets its turn.
const PARTS_PER_TURN: usize = 64;

impl Shard {
    /// Removes what is due, within an effort; returns the lateness in milliseconds of each thing removed.
    pub fn sweep(
        &mut self,
        now_ms: u64,
        effort: usize,
        effects: &mut Effects,
        late: &mut Vec<u64>,
    ) {
        let mut effort = effort;
        for db in 0..self.tables().len() {
            while let Some(Due {
                entry,
                subject,
                deadline_ms,
            }) = self.tables_mut()[db].due(now_ms, &mut effort)
            {
                late.push(now_ms - deadline_ms);
                match subject {
                    Subject::Key => self.expire(db, entry as usize, effects),
                    Subject::Fields | Subject::Members => {
                        self.expire_parts(db, entry as usize, now_ms, effects);
                    }
                }
            }
        }
    }

    /// Removes a key if its deadline has passed.
    pub fn expire_now(&mut self, db: usize, key: &[u8], now_ms: u64, effects: &mut Effects) {
        let Some(table) = self.table(db) else {
            return;
        };
        if let Some(pos) = table.find(ShardKey::of(key).hash(), key)
            && !table.is_live(pos, now_ms)
        {
            self.expire(db, pos, effects);
        }
    }

    /// Removes what is due of a key: the key itself, or parts of its value, however many they are.
    pub fn expire_all_now(&mut self, db: usize, key: &[u8], now_ms: u64, effects: &mut Effects) {
        self.expire_now(db, key, now_ms, effects);
        let found = self
            .table(db)
            .and_then(|table| table.find(ShardKey::of(key).hash(), key));
        if let Some(pos) = found {
            self.expire_all(db, pos, now_ms, effects);
        }
    }

    /// Removes the parts of a value that are due, and the key with them if it has no others.
    pub(super) fn expire_all(&mut self, db: usize, pos: usize, now_ms: u64, effects: &mut Effects) {
        let is_due = |shard: &mut Self| {
            let next = shard.table_mut(db).at(pos).value().next_deadline();
            next.is_some_and(|due| due <= now_ms)
        };
        while is_due(self) && self.expire_parts(db, pos, now_ms, effects) {}
    }

    /// Whether a key holds a value of this type all of whose parts are due.
    #[inline]
    pub(super) fn is_faded(&self, db: usize, pos: usize, kind: Kind, now_ms: u64) -> bool {
        let entry = self.tables()[db].at(pos);
        // What is packed has no deadlines.
        !entry.is_packed() && entry.kind() == kind && entry.value().is_all_due(now_ms)
    }

    /// Removes a key whose deadline has passed.
    pub(super) fn expire(&mut self, db: usize, pos: usize, effects: &mut Effects) {
        self.leaves(db, pos, effects);
        // Expiry isn't an edit of the command that came upon it.
        effects.dirty -= 1;
        let entry = self.remove(db, pos);
        effects.expired += 1;
        effects.announce(Class::Expired, "expired", db, entry.key_name());
        if effects.wanted.log {
            effects.log.push(db, &[b"DEL", entry.key_name()]);
        }
        effects.discard(entry);
    }

    /// Removes some parts of a value that are due, or all of it if all are; whether the key is still there.
    fn expire_parts(&mut self, db: usize, pos: usize, now_ms: u64, effects: &mut Effects) -> bool {
        effects.touched = true;
        self.preserve(db, pos);
        let entry = self.table_mut(db).at_mut(pos);
        if entry.value().is_all_due(now_ms) && !effects.wants_parts(Class::of(entry.kind())) {
            self.expire_whole(db, pos, effects);
            return false;
        }
        let key = Bstr::new(entry.key_name());
        let value = entry.value_mut().timed();
        let value = value.expect("only hashes and sets have timed parts");
        let gone = value.take_due(now_ms, PARTS_PER_TURN);
        let empty = entry.value().holds_nothing();
        tell_gone(self, (db, pos), &key, gone, effects);
        if empty {
            self.remove(db, pos);
            effects.announce(Class::Generic, "del", db, &key);
        } else {
            self.table_mut(db).sync_parts_timer(pos, now_ms);
        }
        !empty
    }

    /// Removes a key all of whose parts are due at once, however many they are, where nobody wants their names.
    fn expire_whole(&mut self, db: usize, pos: usize, effects: &mut Effects) {
        self.leaves(db, pos, effects);
        // Expiry isn't an edit of the command that came upon it.
        effects.dirty -= 1;
        let entry = self.remove(db, pos);
        let key = entry.key_name();
        effects.expired_fields += entry.value().parts() as u64;
        let (class, event) = expiry_event(entry.kind());
        effects.announce(class, event, db, key);
        if effects.wanted.log {
            effects.log.push(db, &[b"DEL", key]);
        }
        effects.announce(Class::Generic, "del", db, key);
        effects.discard(entry);
    }
}
