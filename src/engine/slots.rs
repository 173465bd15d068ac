//! A table's keys by slots, where slots pick the shards: how many each slot has, exactly, and which they are.
//!
//! No key takes memory for this. The names of a slot are found by looking through the table, which has the keys of its
//! shard's slots alone; each search goes on where the last one found something, so that whoever lists a slot and removes
//! what was listed, again and again, looks through the table once.

use std::cell::Cell;

use super::shard::SHARDS;
use crate::cluster::{SLOTS, slot_of};

/// Slots of one shard.
const EACH: usize = SLOTS / SHARDS;

pub(super) struct SlotKeys {
    counts: [u32; EACH],
    /// Where the last search found its first key.
    from: Cell<usize>,
}

impl Default for SlotKeys {
    fn default() -> Self {
        SlotKeys {
            counts: [0; EACH],
            from: Cell::new(0),
        }
    }
}

fn place(slot: u16) -> usize {
    usize::from(slot) % EACH
}

impl SlotKeys {
    pub fn came(&mut self, key: &[u8]) {
        self.counts[place(slot_of(key))] += 1;
    }

    pub fn left(&mut self, key: &[u8]) {
        let count = &mut self.counts[place(slot_of(key))];
        debug_assert!(*count > 0, "a key that leaves was counted when it came");
        *count -= 1;
    }

    pub fn count(&self, slot: u16) -> usize {
        self.counts[place(slot)] as usize
    }

    /// Whether these are the names that were counted.
    pub fn agree<'t>(&self, names: impl Iterator<Item = &'t [u8]>) -> bool {
        let mut counted = SlotKeys::default();
        names.for_each(|name| counted.came(name));
        counted.counts == self.counts
    }

    /// Positions of some keys of a slot, in a table of `len` keys whose names are asked for.
    pub fn find<'t>(
        &self,
        slot: u16,
        max: usize,
        len: usize,
        name: impl Fn(usize) -> &'t [u8],
    ) -> Vec<usize> {
        let wanted = max.min(self.count(slot));
        if wanted == 0 {
            return Vec::new();
        }
        let from = self.from.get().min(len);
        let all = (from..len).chain(0..from);
        let found: Vec<usize> = all
            .filter(|pos| slot_of(name(*pos)) == slot)
            .take(wanted)
            .collect();
        debug_assert_eq!(found.len(), wanted, "the count is exact");
        self.from.set(found.first().copied().unwrap_or(0));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_slot_are_counted_and_found_wherever_the_last_search_ended() {
        let names: Vec<String> = (0..3000).map(|n| format!("key:{n}")).collect();
        // The slots of one shard are counted apart, as a table has no others.
        let mine: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let shard = usize::from(slot_of(mine[0])) / EACH;
        let mut mine = mine;
        mine.retain(|name| usize::from(slot_of(name)) / EACH == shard);
        let mut slots = SlotKeys::default();
        mine.iter().for_each(|name| slots.came(name));
        for slot in (shard * EACH..(shard + 1) * EACH).map(|slot| slot as u16) {
            let held = mine.iter().filter(|name| slot_of(name) == slot).count();
            assert_eq!(slots.count(slot), held);
            let found = slots.find(slot, usize::MAX, mine.len(), |pos| mine[pos]);
            assert_eq!(found.len(), held);
            assert!(found.iter().all(|pos| slot_of(mine[*pos]) == slot));
        }
        // Listed one by one and removed.
        while let Some(pos) = mine.first().map(|name| slot_of(name)).and_then(|slot| {
            let found = slots.find(slot, 1, mine.len(), |pos| mine[pos]);
            found.first().copied()
        }) {
            slots.left(mine.swap_remove(pos));
        }
        assert!(mine.is_empty() && slots.counts == [0; EACH]);
    }
}
