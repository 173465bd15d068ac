//! Keys, fields and members past their deadline, taken out a few at a time.
//!
//! The sweep goes through the same effects as any edit, so that expiry reaches the log, events and
//! WATCH with no code of its own.

use super::db::discard;
use super::effects::{Class, Effects};
use super::fields::tell_gone;
use super::shard::{Shard, ShardKey};
use super::wheel::{Due, Subject};
use crate::types::Bstr;

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
        let hash = ShardKey::of(key).hash();
        let find = |shard: &Self| {
            let table = shard.table(db)?;
            let pos = table.find(hash, key)?;
            let is_due = |due| due <= now_ms;
            let next = table.at(pos).value().next_deadline();
            next.is_some_and(is_due).then_some(pos)
        };
        while let Some(pos) = find(self) {
            self.expire_parts(db, pos, now_ms, effects);
        }
    }

    /// Removes a key whose deadline has passed.
    pub(super) fn expire(&mut self, db: usize, pos: usize, effects: &mut Effects) {
        self.changed(db, pos, effects);
        // Expiry isn't an edit of the command that came upon it.
        effects.dirty -= 1;
        let entry = self.remove(db, pos);
        effects.expired += 1;
        effects.announce(Class::Expired, "expired", db, entry.key_name());
        if effects.wanted.log {
            effects.log.push(db, &[b"DEL", entry.key_name()]);
        }
        discard(entry, effects);
    }

    fn expire_parts(&mut self, db: usize, pos: usize, now_ms: u64, effects: &mut Effects) {
        effects.touched = true;
        self.preserve(db, pos);
        let entry = self.table_mut(db).at_mut(pos);
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
    }
}
