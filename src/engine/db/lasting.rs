//! How long keys last: their deadlines, and whether they may be evicted.

use super::{Db, FoundKey};
use crate::engine::entry::Entry;

impl Db<'_> {
    /// What is given its deadline then or before goes at once. While data are imported that stays until their source says
    /// that it goes.
    pub fn over_ms(&self) -> u64 {
        match self.rules.importing {
            true => 0,
            false => self.now_ms(),
        }
    }

    /// The deadline of a key: `None` if there is no key, `Some(None)` if it lives for ever.
    pub fn deadline(&self, key: &[u8]) -> Option<Option<u64>> {
        self.find(key)
            .map(|(table, pos)| table.deadline(table.at(pos)))
    }

    /// Sets or clears a key's deadline; false if there is no key, or nothing to clear.
    pub fn set_deadline(&mut self, key: &[u8], deadline_ms: Option<u64>) -> bool {
        let (index, now_ms, toucher) = (self.index, self.now_ms(), self.toucher());
        let found = self.find_mut(key);
        let FoundKey { shard, effects, .. } = found;
        let Some(pos) = found.pos else {
            return false;
        };
        shard.preserve(index, pos);
        let table = shard.table_mut(index);
        match deadline_ms {
            Some(deadline_ms) => {
                table.set_deadline(pos, deadline_ms, now_ms);
                effects.deadline_set(deadline_ms);
            }
            None if table.at(pos).timer() == 0 => return false,
            None => table.drop_timer(pos),
        }
        if toucher.rules.edits_only {
            toucher.touch(shard.table_mut(index).at(pos));
        }
        shard.changed(index, pos, effects);
        true
    }

    /// Says whether a key is never evicted; whether that is new, or nothing if there is no key.
    pub fn bless(&mut self, key: &[u8], blessed: bool) -> Option<bool> {
        let index = self.index;
        let FoundKey {
            shard,
            effects,
            pos,
            ..
        } = self.find_mut(key);
        let pos = pos?;
        if shard.table_mut(index).at(pos).is_blessed() == blessed {
            return Some(false);
        }
        shard.preserve(index, pos);
        shard.table_mut(index).at(pos).set_blessed(blessed);
        shard.changed(index, pos, effects);
        Some(true)
    }

    /// Whether a key is never evicted.
    pub fn is_blessed(&self, key: &[u8]) -> bool {
        self.entry(key).is_some_and(Entry::is_blessed)
    }
}
