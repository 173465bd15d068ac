//! A table's keys by slots, where slots pick the shards: how many each slot has, exactly, and which they are.
//!
//! No key takes memory for this. The names of a slot are found by looking through the table, which has the keys of its
//! shard's slots alone, a part at a time, so that nobody waits for a whole search. Each search goes on where the last one
//! for its slot found something, so that whoever lists a slot and removes what was listed, again and again, looks through
//! the table once.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::place::SHARDS;
use crate::cluster::{SLOTS, slot_of};
use crate::types::Bstr;

/// Slots of one shard.
const EACH: usize = SLOTS / SHARDS;
/// Keys that are looked at under one lock.
const PART: usize = 4096;

pub(super) struct SlotKeys {
    counts: [u32; EACH],
    /// Where the last search for each slot's keys found the first of them.
    from: [Cell<u32>; EACH],
}

/// A search for keys of a slot. Others may change the table between its parts.
pub(super) struct SlotSearch {
    slot: u16,
    max: usize,
    /// Where it goes on, once it has begun.
    at: Option<usize>,
    /// Positions that it has looked at.
    looked: usize,
    pub found: BTreeSet<Bstr>,
}

impl SlotSearch {
    pub fn new(slot: u16, max: usize) -> Self {
        SlotSearch {
            slot,
            max,
            at: None,
            looked: 0,
            found: BTreeSet::new(),
        }
    }
}

impl Default for SlotKeys {
    fn default() -> Self {
        SlotKeys {
            counts: [0; EACH],
            from: [const { Cell::new(0) }; EACH],
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

    /// Goes on with a search, in a table of `len` keys whose names are asked for; true once it has ended.
    pub fn search<'t>(
        &self,
        search: &mut SlotSearch,
        len: usize,
        name: impl Fn(usize) -> &'t [u8],
    ) -> bool {
        let wanted = search.max.min(self.count(search.slot));
        if search.found.len() >= wanted {
            return true;
        }
        // What moved meanwhile may have been passed by: what is not found in parts is found at once.
        let at_once = search.looked >= len;
        let part = if at_once {
            len
        } else {
            PART.min(len - search.looked)
        };
        let cursor = &self.from[place(search.slot)];
        let from = search.at.unwrap_or(cursor.get() as usize);
        let from = if from < len { from } else { 0 };
        for pos in (from..len).chain(0..from).take(part) {
            let name = name(pos);
            if slot_of(name) != search.slot {
                continue;
            }
            if search.found.is_empty() {
                cursor.set(u32::try_from(pos).unwrap_or(0));
            }
            search.found.insert(Bstr::new(name));
            if search.found.len() == wanted {
                return true;
            }
        }
        search.at = Some((from + part) % len);
        search.looked += part;
        at_once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(slots: &SlotKeys, slot: u16, max: usize, names: &[&[u8]]) -> Vec<usize> {
        let mut search = SlotSearch::new(slot, max);
        while !slots.search(&mut search, names.len(), |pos| names[pos]) {}
        let at = |found: &Bstr| names.iter().position(|name| *name == &found[..]);
        let found = search.found.iter().map(at);
        found.map(|at| at.expect("it is there")).collect()
    }

    #[test]
    fn what_moves_to_where_a_search_has_been_is_found_all_the_same() {
        let others: Vec<String> = (0..PART + 10).map(|n| format!("{{a}}:{n}")).collect();
        let mut names: Vec<&[u8]> = others.iter().map(|name| name.as_bytes()).collect();
        names.push(b"b");
        assert_ne!(slot_of(b"a"), slot_of(b"b"));
        let mut slots = SlotKeys::default();
        names.iter().for_each(|name| slots.came(name));
        let mut search = SlotSearch::new(slot_of(b"b"), 10);
        // One of a slot that another shard has would be counted at the same place.
        assert_ne!(place(slot_of(b"a")), place(slot_of(b"b")));
        assert!(!slots.search(&mut search, names.len(), |pos| names[pos]));
        slots.left(names.swap_remove(0));
        while !slots.search(&mut search, names.len(), |pos| names[pos]) {}
        assert_eq!(search.found.len(), 1);
    }

    #[test]
    fn a_slot_with_few_keys_is_found_again_without_a_walk_though_others_are_listed() {
        let many: Vec<String> = (0..2 * PART).map(|n| format!("{{a}}:{n}")).collect();
        let mut names: Vec<&[u8]> = many.iter().map(|name| name.as_bytes()).collect();
        names.push(b"b");
        let mut slots = SlotKeys::default();
        names.iter().for_each(|name| slots.came(name));
        for round in 0..2 {
            assert_eq!(found(&slots, slot_of(b"a"), 1, &names), [0]);
            let looks = Cell::new(0);
            let mut search = SlotSearch::new(slot_of(b"b"), 1);
            let look = |pos: usize| {
                looks.set(looks.get() + 1);
                names[pos]
            };
            while !slots.search(&mut search, names.len(), look) {}
            assert_eq!(looks.get() == 1, round == 1, "round {round}");
        }
    }

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
            let found = found(&slots, slot, usize::MAX, &mine);
            assert_eq!(found.len(), held);
            assert!(found.iter().all(|pos| slot_of(mine[*pos]) == slot));
        }
        // Listed one by one and removed.
        while let Some(slot) = mine.first().map(|name| slot_of(name)) {
            let pos = found(&slots, slot, 1, &mine)[0];
            slots.left(mine.swap_remove(pos));
        }
        assert!(mine.is_empty() && slots.counts == [0; EACH]);
    }
}
