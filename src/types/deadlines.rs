//! Deadlines of a value's parts: of the fields of a hash, and of the members of a set.

use std::collections::BTreeSet;

use super::bstr::Bstr;
use super::dense::{Keyed, Shared};
use crate::util::keyhash;

/// The latest deadline of a part, as in Redis, in milliseconds since the Unix epoch: no command sets a later one, and none may
/// come from a file, or a rewritten log couldn't tell it.
pub const PART_DEADLINE_MAX_MS: u64 = (1 << 46) - 1;

/// A value whose parts may have deadlines, as the engine's sweep sees it.
pub trait Timed {
    /// Removes up to `max` parts that are due, and returns their names.
    fn take_due(&mut self, now_ms: u64, max: usize) -> Vec<Bstr>;

    /// Notes the engine's timer for the earliest of the deadlines; 0 for none.
    fn set_timer(&mut self, timer: u32);
}

/// Both hold the same names.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    /// The engine's timer for the earliest of them; 0 for none. Not a part of the value.
    pub timer: u32,
    by_name: Shared<PartDeadline>,
    by_time: BTreeSet<(u64, Bstr)>,
}

#[derive(Clone, Debug)]
struct PartDeadline {
    name: Bstr,
    deadline_ms: u64,
}

impl Keyed for PartDeadline {
    #[inline]
    fn key(&self) -> &[u8] {
        &self.name
    }
}

impl Deadlines {
    pub fn of(&self, name: &[u8]) -> Option<u64> {
        let pos = self.by_name.find(keyhash::hash(name), name)?;
        Some(self.by_name.at(pos).deadline_ms)
    }

    pub fn set(&mut self, name: &[u8], deadline_ms: u64) {
        self.clear(name);
        let hash = keyhash::hash(name);
        let name = Bstr::new(name);
        self.by_time.insert((deadline_ms, name.clone()));
        self.by_name.push(hash, PartDeadline { name, deadline_ms });
    }

    pub fn clear(&mut self, name: &[u8]) -> bool {
        let Some(pos) = self.by_name.find(keyhash::hash(name), name) else {
            return false;
        };
        let row = self.by_name.swap_remove(pos);
        self.by_time.remove(&(row.deadline_ms, row.name))
    }

    /// Every part that has a deadline, with it.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.by_name
            .iter()
            .map(|row| (&row.name[..], row.deadline_ms))
    }

    /// The earliest deadline of any part.
    pub fn first(&self) -> Option<u64> {
        self.by_time.first().map(|(deadline_ms, _)| *deadline_ms)
    }

    /// The part that goes first, if it is due.
    pub fn first_due(&self, now_ms: u64) -> Option<&Bstr> {
        let (deadline_ms, name) = self.by_time.first()?;
        (*deadline_ms <= now_ms).then_some(name)
    }

    /// The parts that are due.
    pub fn due(&self, now_ms: u64) -> impl Iterator<Item = &Bstr> {
        let rows = self.by_time.iter();
        let due = rows.take_while(move |(deadline_ms, _)| *deadline_ms <= now_ms);
        due.map(|(_, name)| name)
    }

    /// Whether all of so many parts are due.
    pub fn are_all_due(&self, parts: usize, now_ms: u64) -> bool {
        let last = self.by_time.last();
        self.by_name.len() == parts && last.is_some_and(|(deadline_ms, _)| *deadline_ms <= now_ms)
    }

    /// A copy that no table's wheel knows of.
    pub fn detached(&self) -> Self {
        Deadlines {
            timer: 0,
            ..self.clone()
        }
    }

    /// A copy to read through. Of the order in time it needs the earliest alone.
    pub fn frozen(&self) -> Self {
        Deadlines {
            timer: 0,
            by_name: self.by_name.frozen(),
            by_time: self.by_time.first().cloned().into_iter().collect(),
        }
    }

    /// Twice a name and a number for each part, and their share of a table and a tree.
    pub fn heap_bytes(&self) -> usize {
        self.by_name.len() * 2 * (size_of::<Bstr>() + size_of::<u64>() + 8)
    }
}
