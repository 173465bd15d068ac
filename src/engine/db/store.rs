//! Whole values, put at keys and taken from them.

use super::{Db, Deadline, FoundKey, Taken};
use crate::engine::access::Access;
use crate::engine::effects::Class;
use crate::engine::entry::{Entry, New};
use crate::engine::parts::sync_parts;
use crate::types::Kind;

impl Db<'_> {
    /// Puts a value at a key, whatever was there, and announces that it is gone. How often the key was used doesn't begin
    /// anew.
    pub fn set<'v>(&mut self, key: &[u8], value: impl Into<New<'v>>, deadline: Deadline) {
        let kinds = self.store(key, value.into(), deadline, None);
        if let Some(kinds) = kinds {
            self.effects.announce_overwritten(self.index, key, kinds);
        }
    }

    /// Puts a value at a key that was made from the one there.
    pub fn renew<'v>(&mut self, key: &[u8], value: impl Into<New<'v>>, deadline: Deadline) {
        self.store(key, value.into(), deadline, None);
    }

    /// Puts a value at a key with its access mark: RENAME and RESTORE keep theirs.
    pub fn put(&mut self, key: &[u8], value: New<'_>, deadline: Deadline, access: Access) {
        self.store(key, value, deadline, Some(access));
    }

    /// Returns the kinds of value before and now, if there was one.
    #[inline]
    fn store(
        &mut self,
        key: &[u8],
        value: New<'_>,
        deadline: Deadline,
        access: Option<Access>,
    ) -> Option<(Kind, Kind)> {
        self.settle_faded(key);
        let (index, now_ms, toucher) = (self.index, self.now_ms(), self.toucher());
        let fresh = Access::fresh(toucher.rules, toucher.clock_ms);
        let FoundKey {
            shard,
            effects,
            hash,
            pos,
        } = self.find_mut(key);
        let mut kinds = None;
        let pos = match pos {
            Some(pos) => {
                shard.preserve(index, pos);
                let table = shard.table_mut(index);
                table.drop_parts_timer(pos);
                let entry = table.at_mut(pos);
                match access {
                    Some(access) => entry.set_access(access),
                    None if toucher.rules.lfu => toucher.touch(entry),
                    None => entry.set_access(fresh),
                }
                let before = entry.kind();
                if let Some(old) = entry.put(value) {
                    effects.discard(old);
                }
                kinds = Some((before, entry.kind()));
                pos
            }
            None => {
                let pos = shard.insert(index, hash, key, value, access.unwrap_or(fresh));
                effects.announce(Class::New, "new", index, key);
                pos
            }
        };
        let table = shard.table_mut(index);
        match deadline {
            Deadline::Keep => {}
            Deadline::Clear => table.drop_timer(pos),
            Deadline::At(deadline_ms) => {
                table.set_deadline(pos, deadline_ms, now_ms);
                effects.deadline_set(deadline_ms);
            }
        }
        sync_parts(table, pos, now_ms, effects);
        shard.changed(index, pos, effects);
        kinds
    }

    /// Removes a key and announces it as `del`.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let there = self.drop_quietly(key).is_some();
        if there {
            self.announce(Class::Generic, "del", key);
        }
        there
    }

    /// Removes a key whose place another value is about to take, and returns what kind of value it held.
    pub fn drop_quietly(&mut self, key: &[u8]) -> Option<Kind> {
        let (entry, _) = self.take_entry(key)?;
        let kind = entry.kind();
        self.effects.discard(entry);
        Some(kind)
    }

    /// Announces that the value at a key has taken the place of one of this kind, if there was one.
    pub fn announce_overwritten(&mut self, key: &[u8], before: Option<Kind>) {
        if !self.effects.wants(Class::Overwritten) && !self.effects.wants(Class::TypeChanged) {
            // Nobody hears of it, so the key needn't be looked at.
            return;
        }
        if let Some(before) = before
            && let Some(now) = self.entry(key).map(Entry::kind)
        {
            let kinds = (before, now);
            self.effects.announce_overwritten(self.index, key, kinds);
        }
    }

    /// Takes a key out, for RENAME and MOVE, which announce it in their own words.
    pub fn take(&mut self, key: &[u8]) -> Option<Taken> {
        let (entry, deadline_ms) = self.take_entry(key)?;
        Some(Taken {
            access: entry.access(),
            blessed: entry.is_blessed(),
            value: entry.into_value(),
            deadline_ms,
        })
    }

    /// Before the value at a key goes: what the command under way has left out of it, as it is due, goes first. Whoever reads
    /// the log, where nothing is due, would find it there.
    #[inline]
    fn settle_faded(&mut self, key: &[u8]) {
        let faded = self.effects.faded.get_mut();
        if faded
            .iter()
            .any(|(db, name)| (*db, &name[..]) == (self.index, key))
        {
            self.settle(key);
        }
    }

    fn take_entry(&mut self, key: &[u8]) -> Option<(Entry, Option<u64>)> {
        self.settle_faded(key);
        let index = self.index;
        let found = self.find_mut(key);
        let FoundKey { shard, effects, .. } = found;
        let pos = found.pos?;
        let table = shard.table_mut(index);
        let deadline_ms = table.deadline(table.at(pos));
        shard.leaves(index, pos, effects);
        Some((shard.remove(index, pos), deadline_ms))
    }
}
