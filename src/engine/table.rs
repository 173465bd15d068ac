//! One shard's part of one database: dense entries, and the wheel of their deadlines.
//!
//! The entry knows its timer and the timer knows its entry; this file alone moves entries,
//! so it alone keeps the two in step.

use super::access::Access;
use super::course::Course;
use super::entry::{Entry, New};
use super::place::{ShardKey, placed_by_slots};
use super::slots::{SlotKeys, SlotSearch};
use super::wheel::{Due, Subject, Wheel};
use crate::types::{Bstr, Dense, Far, Keyed, Kind, ValueRef};
use crate::util::memory;

pub struct Table {
    entries: Dense<Entry>,
    /// Absent until the first deadline is set.
    wheel: Option<Box<Wheel>>,
    /// Positions below this are still to be visited by the running snapshot.
    pub(super) unsaved: usize,
    /// The database this table was when the running snapshot began.
    pub(super) saved_as: usize,
    /// Walks over the names here that are under way.
    pub(super) courses: Vec<Course>,
    /// Room for more entries and timers, as it was told last.
    vacant: usize,
    /// Whether a stream was ever here that only files of later versions carry whole.
    later_streams: bool,
    /// How many keys each slot has, where slots pick the shards.
    slots: Option<Box<SlotKeys>>,
}

impl Default for Table {
    fn default() -> Self {
        Table {
            entries: Dense::new(),
            wheel: None,
            unsaved: 0,
            saved_as: 0,
            courses: Vec::new(),
            vacant: 0,
            later_streams: false,
            slots: placed_by_slots().then(Box::default),
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        memory::vacate(self.vacant, 0);
    }
}

impl Table {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        self.entries.find(hash, key)
    }

    /// The entries, for those who only look.
    #[inline]
    pub(super) fn far(&self) -> &impl Far {
        &self.entries
    }

    /// Whether the key stands here, dead or alive.
    pub fn holds(&self, key: &[u8]) -> bool {
        self.find(ShardKey::of(key).hash(), key).is_some()
    }

    #[inline]
    pub fn at(&self, pos: usize) -> &Entry {
        self.entries.at(pos)
    }

    #[inline]
    pub(super) fn at_mut(&mut self, pos: usize) -> &mut Entry {
        self.entries.advance();
        self.entries.at_mut(pos)
    }

    /// Has others share the bytes of some fields, if a hash that is no small one stands at a position.
    pub fn share_fields<'f>(&mut self, pos: usize, fields: impl Iterator<Item = &'f [u8]>) {
        if let Some(hash) = self.entries.at_mut(pos).hash_mut() {
            fields.for_each(|field| hash.share(field));
        }
    }

    /// Visits all entries, and calls the keys of several into the cache at the same time.
    pub(super) fn visit(&self, visit: impl FnMut(&Entry)) {
        let mut visit = visit;
        for entries in self.entries.slices().flat_map(|slice| slice.chunks(16)) {
            let warm = entries.iter().fold(0, |sum, entry| sum ^ entry.warm());
            std::hint::black_box(warm);
            entries.iter().for_each(&mut visit);
        }
    }

    /// The wheel, for those who count.
    pub(super) fn wheel(&self) -> Option<&Wheel> {
        self.wheel.as_deref()
    }

    /// A key whose hash has fields with deadlines.
    pub(super) fn timed_hash(&self) -> Option<Bstr> {
        self.wheel.as_ref().filter(|wheel| wheel.hashes() > 0)?;
        let is_timed =
            |entry: &&Entry| matches!(entry.value(), ValueRef::Hash(hash) if hash.timer() != 0);
        let timed = (0..self.len()).map(|pos| self.at(pos)).find(is_timed);
        timed.map(|entry| Bstr::new(entry.key_name()))
    }

    /// Deadlines that have passed and whose keys still stand here.
    pub fn due_count(&self, now_ms: u64) -> usize {
        self.wheel
            .as_ref()
            .map_or(0, |wheel| wheel.due_count(now_ms))
    }

    pub fn next_due(&self) -> Option<u64> {
        self.wheel.as_ref().and_then(|wheel| wheel.next_due())
    }

    #[inline]
    pub(super) fn deadline(&self, entry: &Entry) -> Option<u64> {
        let timer = entry.timer();
        if timer == 0 {
            return None;
        }
        let wheel = self.wheel.as_ref().expect("a timer has a wheel");
        Some(wheel.deadline(timer))
    }

    /// Whether the key is there for readers: a key past its deadline is absent.
    #[inline]
    pub(super) fn is_live(&self, pos: usize, now_ms: u64) -> bool {
        self.deadline(self.at(pos))
            .is_none_or(|deadline| deadline > now_ms)
    }

    pub(super) fn due(&mut self, now_ms: u64, effort: &mut usize) -> Option<Due> {
        self.wheel.as_mut()?.due(now_ms, effort)
    }

    pub(super) fn insert(
        &mut self,
        hash: u64,
        key: &[u8],
        value: New<'_>,
        access: Access,
        side: bool,
    ) -> usize {
        let entry = Entry::new(key, value, access, side);
        let pos = self.entries.push(hash, entry);
        if let Some(slots) = &mut self.slots {
            slots.came(key);
        }
        self.tell_vacant();
        pos
    }

    /// Makes room for so many keys, where there is none yet.
    pub(super) fn expect(&mut self, keys: usize) {
        self.entries.expect(keys);
        self.tell_vacant();
    }

    /// Tells how much memory the table has but doesn't use. A key that is given up leaves room for
    /// another one, and frees nothing but what it held outside the table: without this, eviction
    /// would give up key after key and see no effect.
    fn tell_vacant(&mut self) {
        let wheel = self.wheel.as_ref().map_or(0, |wheel| wheel.vacant_bytes());
        let vacant = self.entries.vacant_bytes() + wheel;
        memory::vacate(self.vacant, vacant);
        self.vacant = vacant;
    }

    /// Takes an entry out; the last one moves into its place.
    pub(super) fn remove(&mut self, pos: usize) -> Entry {
        if !self.courses.is_empty() {
            return self.remove_walked(pos);
        }
        self.unset_timer(pos);
        self.drop_parts_timer(pos);
        let taken = self.entries.swap_remove(pos);
        if pos < self.entries.len() {
            self.entry_moved(pos);
        }
        self.count_out(&taken);
        taken
    }

    /// Counts an entry that has left.
    fn count_out(&mut self, taken: &Entry) {
        if let Some(slots) = &mut self.slots {
            slots.left(taken.key_name());
        }
        self.tell_vacant();
    }

    /// Whether the slots' counts are those of the keys.
    pub(super) fn counts_slots(&self) -> bool {
        let names = || (0..self.len()).map(|pos| self.at(pos).key_name());
        self.slots.as_ref().is_none_or(|slots| slots.agree(names()))
    }

    /// How many keys a slot has here.
    pub(super) fn count_in_slot(&self, slot: u16) -> usize {
        self.slots.as_ref().map_or(0, |slots| slots.count(slot))
    }

    /// Goes on with a search for keys of a slot; true once it has ended.
    pub(super) fn search_slot(&self, search: &mut SlotSearch) -> bool {
        let name = |pos: usize| self.at(pos).key_name();
        let slots = self.slots.as_ref();
        slots.is_none_or(|slots| slots.search(search, self.len(), name))
    }

    /// Removes an entry while names are being walked over: what a walk has yet to visit stays before it.
    #[cold]
    fn remove_walked(&mut self, pos: usize) -> Entry {
        let stops = self.pass_by(pos);
        self.unset_timer(pos);
        self.drop_parts_timer(pos);
        let taken = self.entries.remove_through(pos, &stops);
        for hole in std::iter::once(pos).chain(stops) {
            if hole < self.entries.len() {
                self.entry_moved(hole);
            }
        }
        self.count_out(&taken);
        taken
    }

    fn entry_moved(&mut self, pos: usize) {
        let entry = self.entries.at(pos);
        for timer in [entry.timer(), entry.value().parts_timer()] {
            if timer != 0 {
                self.wheel
                    .as_mut()
                    .expect("a timer has a wheel")
                    .moved(timer, pos as u32);
            }
        }
    }

    pub(super) fn set_deadline(&mut self, pos: usize, deadline_ms: u64, now_ms: u64) {
        if !self.courses.is_empty() {
            self.settle(pos, Some(deadline_ms));
        }
        let wheel = self
            .wheel
            .get_or_insert_with(|| Box::new(Wheel::new(now_ms)));
        let entry = self.entries.at_mut(pos);
        match entry.timer() {
            0 => {
                entry.set_timer(wheel.add(pos as u32, deadline_ms, Subject::Key));
                self.tell_vacant();
            }
            timer => wheel.set_deadline(timer, deadline_ms),
        }
    }

    pub(super) fn drop_timer(&mut self, pos: usize) {
        if !self.courses.is_empty() {
            self.settle(pos, None);
        }
        self.unset_timer(pos);
    }

    fn unset_timer(&mut self, pos: usize) {
        let entry = self.entries.at_mut(pos);
        let timer = entry.timer();
        if timer != 0 {
            entry.set_timer(0);
            self.wheel
                .as_mut()
                .expect("a timer has a wheel")
                .remove(timer);
        }
    }

    /// Takes the timer of a value's parts out of the wheel: before the value is replaced or leaves.
    pub(super) fn drop_parts_timer(&mut self, pos: usize) {
        if self.entries.at(pos).value().parts_timer() != 0 {
            self.set_parts_timer(pos, None, 0);
        }
    }

    /// Sets the wheel by the earliest deadline of a value's parts, after the value was edited, and notes what a stream is like.
    pub(super) fn sync_parts_timer(&mut self, pos: usize, now_ms: u64) {
        match self.entries.at(pos).value() {
            value @ (ValueRef::Hash(_) | ValueRef::Set(_)) => {
                let deadline_ms = value.next_deadline();
                if deadline_ms.is_some() || value.parts_timer() != 0 {
                    self.set_parts_timer(pos, deadline_ms, now_ms);
                }
            }
            ValueRef::Stream(stream) => self.later_streams |= stream.is_later(),
            _ => {}
        }
    }

    pub fn has_later_streams(&self) -> bool {
        self.later_streams
    }

    fn set_parts_timer(&mut self, pos: usize, deadline_ms: Option<u64>, now_ms: u64) {
        let wheel = self
            .wheel
            .get_or_insert_with(|| Box::new(Wheel::new(now_ms)));
        let entry = self.entries.at_mut(pos);
        let timer = entry.value().parts_timer();
        let subject = match entry.kind() {
            Kind::Set => Subject::Members,
            _ => Subject::Fields,
        };
        let value = entry.value_mut().timed();
        let value = value.expect("only hashes and sets have timed parts");
        match (deadline_ms, timer) {
            (None, timer) => {
                wheel.remove(timer);
                value.set_timer(0);
            }
            (Some(deadline_ms), 0) => {
                value.set_timer(wheel.add(pos as u32, deadline_ms, subject));
            }
            (Some(deadline_ms), timer) => wheel.set_deadline(timer, deadline_ms),
        }
    }

    pub fn heap_bytes(&self) -> usize {
        let slots = self.slots.as_ref().map_or(0, |_| size_of::<SlotKeys>());
        let wheel = self.wheel.as_ref().map_or(0, |wheel| wheel.heap_bytes());
        self.entries.heap_bytes() + wheel + slots
    }
}
