//! A database as handlers see it: keys to read, edit, set and delete; no shards, no locks.
//!
//! The unit of work has locked the shards of every key that the command names; asking for a
//! key elsewhere is our mistake and panics. Keys past their deadline are absent to
//! every method here.

mod lasting;
mod store;
mod whole;

pub use whole::GaveUp;

use super::Rules;
use super::access::{Access, AccessRules};
use super::each::Each;
use super::edit::Edit;
use super::effects::{Class, Effects};
use super::entry::Entry;
use super::now::Now;
use super::place::{Hashed, ShardKey};
use super::shard::Shard;
use super::table::Table;
use crate::types::{Bstr, Hash, Kind, LiveSet, Piece, Set, Type, Value, ValueRef};

/// Dead keys that readers let one unit of work see off; the others are met again.
const DEAD_MAX: usize = 1024;

/// The shards that a unit of work holds.
pub trait Shards: Each {
    fn shard(&self, id: usize) -> &Shard;
    fn shard_mut(&mut self, id: usize) -> &mut Shard;
}

/// The key holds a value of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// What becomes of a key's deadline when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    Keep,
    Clear,
    At(u64),
}

/// A key that was taken out of a database whole.
pub struct Taken {
    pub value: Value,
    pub deadline_ms: Option<u64>,
    pub access: Access,
    pub blessed: bool,
}

/// How a unit leaves its mark on the keys that it uses.
#[derive(Clone, Copy)]
struct Toucher<'r> {
    rules: &'r AccessRules,
    clock_ms: u64,
    /// Not for CLIENT NO-TOUCH.
    on: bool,
}

impl Toucher<'_> {
    #[inline]
    fn touch(self, entry: &Entry) {
        if self.on {
            entry.set_access(entry.access().used(self.rules, self.clock_ms));
        }
    }
}

impl Toucher<'_> {
    /// Leaves the mark of an edit that begins; returns it where only an edit that changes something leaves one.
    #[inline]
    fn begin(self, entry: &Entry) -> Option<Access> {
        if self.rules.edits_only {
            return self.on.then(|| Access::fresh(self.rules, self.clock_ms));
        }
        self.touch(entry);
        None
    }
}

/// A key as a writer finds it.
struct FoundKey<'d> {
    shard: &'d mut Shard,
    effects: &'d mut Effects,
    hash: u64,
    /// None if it isn't there.
    pos: Option<usize>,
}

impl<'d> FoundKey<'d> {
    /// Begins to edit the value that stands at `pos`.
    #[inline]
    fn edit<T: Type>(
        self,
        index: usize,
        pos: usize,
        now_ms: u64,
        toucher: Toucher<'_>,
    ) -> Result<Edit<'d, T>, WrongType> {
        let entry = self.shard.table_mut(index).at(pos);
        let mark = toucher.begin(entry);
        if entry.kind() != T::KIND {
            return Err(WrongType);
        }
        let FoundKey { shard, effects, .. } = self;
        let edit = Edit::<T>::new(shard, index, pos, now_ms, effects, false);
        Ok(edit.with_mark(mark))
    }
}

pub struct Db<'a> {
    shards: &'a mut (dyn Shards + 'a),
    index: usize,
    now: Now,
    effects: &'a mut Effects,
    rules: &'a Rules,
    /// Whether use moves the access clock: not for CLIENT NO-TOUCH.
    touch: bool,
    /// The command's key, if it has one: it was hashed to find its shard.
    hashed: Option<Hashed<'a>>,
}

impl<'a> Db<'a> {
    pub fn new(
        shards: &'a mut (dyn Shards + 'a),
        index: usize,
        now: Now,
        effects: &'a mut Effects,
        rules: &'a Rules,
        touch: bool,
        hashed: Option<Hashed<'a>>,
    ) -> Self {
        Db {
            shards,
            index,
            now,
            effects,
            rules,
            touch,
            hashed,
        }
    }

    #[inline]
    fn place(&self, key: &[u8]) -> ShardKey {
        let hashed = self.hashed.and_then(|hashed| hashed.of(key));
        hashed.unwrap_or_else(|| ShardKey::of(key))
    }

    /// This database's number.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The time of the whole unit of work: what deadlines are made with.
    pub fn now(&self) -> Now {
        self.now
    }

    /// The time by which keys and fields are dead: see [`Now::due_ms`].
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.now.due_ms()
    }

    /// The time of day, whatever the unit replays.
    pub fn clock_ms(&self) -> u64 {
        self.now.clock_ms()
    }

    pub fn rules(&self) -> &'a Rules {
        self.rules
    }

    pub fn effects(&mut self) -> &mut Effects {
        self.effects
    }

    /// Another database under the same locks.
    pub fn other(&mut self, index: usize) -> Db<'_> {
        Db {
            shards: &mut *self.shards,
            index,
            now: self.now,
            effects: &mut *self.effects,
            rules: self.rules,
            touch: self.touch,
            hashed: self.hashed,
        }
    }

    #[inline]
    fn find(&self, key: &[u8]) -> Option<(&Table, usize)> {
        let at = self.place(key);
        let table = self.shards.shard(at.shard()).table(self.index)?;
        let pos = table.find(at.hash(), key)?;
        if table.is_live(pos, self.now_ms()) {
            return Some((table, pos));
        }
        self.note_dead(table.at(pos));
        None
    }

    /// The sweep is late, or switched off: the key goes as soon as this unit of work is done.
    #[cold]
    fn note_dead(&self, entry: &Entry) {
        let mut dead = self.effects.dead.borrow_mut();
        if dead.len() < DEAD_MAX || self.effects.writes {
            dead.push((self.index, Bstr::new(entry.key_name())));
        }
    }

    // Reading.

    /// The entry, without leaving a mark on it: for commands that look at bookkeeping.
    pub fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.find(key).map(|(table, pos)| table.at(pos))
    }

    /// The entry even if its time is up: a replica keeps its keys until its master removes them.
    pub fn stored(&self, key: &[u8]) -> Option<&Entry> {
        let at = ShardKey::of(key);
        let table = self.shards.shard(at.shard()).table(self.index)?;
        table.find(at.hash(), key).map(|pos| table.at(pos))
    }

    /// Marks a key as used just now, for CLIENT NO-TOUCH too; false if it isn't there. It is counted like [`Db::value`].
    pub fn touch(&self, key: &[u8]) -> bool {
        let found = self.value(key).is_some();
        if found
            && !self.touch
            && let Some(entry) = self.entry(key)
        {
            let always = Toucher {
                on: true,
                ..self.toucher()
            };
            always.touch(entry);
        }
        found
    }

    /// Whether the key is there, for writers that look at it: marked as used, and uncounted.
    pub fn mark(&self, key: &[u8]) -> bool {
        let entry = self.entry(key);
        if let Some(entry) = entry {
            self.reader_mark().touch(entry);
        }
        entry.is_some()
    }

    pub fn exists(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// The value, without a mark and uncounted.
    pub fn peek(&self, key: &[u8]) -> Option<ValueRef<'_>> {
        self.entry(key).map(Entry::value)
    }

    /// The value; counts a hit or a miss and marks the key as used.
    #[inline]
    pub fn value(&self, key: &[u8]) -> Option<ValueRef<'_>> {
        let entry = self.counted(key)?;
        self.reader_mark().touch(entry);
        Some(entry.value())
    }

    /// The entry, without leaving a mark on it; counts a hit or a miss.
    #[inline]
    pub fn counted(&self, key: &[u8]) -> Option<&Entry> {
        let entry = self.counted_quietly(key);
        if entry.is_none() && self.effects.wants(Class::Miss) {
            self.effects.announce_miss(self.index, key);
        }
        entry
    }

    /// The entry, without leaving a mark on it; counts a hit or a miss, but no event tells of a miss.
    #[inline]
    pub fn counted_quietly(&self, key: &[u8]) -> Option<&Entry> {
        let found = self.find(key);
        let Effects { hits, misses, .. } = &*self.effects;
        let count = if found.is_some() { hits } else { misses };
        count.set(count.get() + 1);
        found.map(|(table, pos)| table.at(pos))
    }

    /// How a use that changes nothing leaves its mark.
    #[inline]
    fn reader_mark(&self) -> Toucher<'a> {
        Toucher {
            on: self.touch && !self.rules.access.edits_only,
            ..self.toucher()
        }
    }

    #[inline]
    fn toucher(&self) -> Toucher<'a> {
        Toucher {
            rules: &self.rules.access,
            clock_ms: self.now.clock_ms(),
            on: self.touch,
        }
    }

    /// The value as one type; counted and marked like [`Db::value`].
    #[inline]
    pub fn read<T: Type>(&self, key: &[u8]) -> Result<Option<T::Ref<'_>>, WrongType> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => T::of(value).ok_or(WrongType).map(Some),
        }
    }

    /// The value of a hash's field, like [`Db::read`]; nothing either where the key holds no hash. That it is due is noted.
    pub fn field(&self, key: &[u8], field: &[u8]) -> Option<Piece<'_>> {
        let hash = self.read::<Hash>(key).ok()??;
        if hash.is_due(field, self.now_ms()) {
            self.note_faded(key);
        }
        hash.get(field, self.now_ms())
    }

    /// Some of what a command wants of the key's value is due. If it writes elsewhere, that goes before it is logged.
    fn note_faded(&self, key: &[u8]) {
        if self.effects.writes {
            let mut faded = self.effects.faded.borrow_mut();
            faded.push((self.index, Bstr::new(key)));
        }
    }

    /// The members of a set, like [`Db::read`]: without those that are due, which are noted.
    pub fn members(&self, key: &[u8]) -> Result<Option<LiveSet<'_>>, WrongType> {
        let set = self.read::<Set>(key)?;
        Ok(set.map(|set| self.live(key, set)))
    }

    /// The set that stands at a key, as readers see it.
    pub fn live<'s>(&self, key: &[u8], set: &'s Set) -> LiveSet<'s> {
        let live = LiveSet::new(set, self.now_ms());
        if live.has_due() {
            self.note_faded(key);
        }
        live
    }

    /// The value as one type, without a mark and uncounted: for writers, who leave their mark when they edit it.
    pub fn held<T: Type>(&self, key: &[u8]) -> Result<Option<T::Ref<'_>>, WrongType> {
        match self.peek(key) {
            None => Ok(None),
            Some(value) => T::of(value).ok_or(WrongType).map(Some),
        }
    }

    // Editing.

    /// Finds a key for a writer, once a dead one was cleared away.
    #[inline]
    fn find_mut(&mut self, key: &[u8]) -> FoundKey<'_> {
        let at = self.place(key);
        let hash = at.hash();
        let shard = self.shards.shard_mut(at.shard());
        let effects = &mut *self.effects;
        effects.touched = true;
        let mut found = None;
        if let Some(table) = shard.table(self.index)
            && let Some(pos) = table.find(hash, key)
        {
            match table.is_live(pos, self.now.due_ms()) {
                true => found = Some(pos),
                false => shard.expire(self.index, pos, effects),
            }
        }
        FoundKey {
            shard,
            effects,
            hash,
            pos: found,
        }
    }

    /// Finds a key whose value is to be edited. One whose fields or members are all due has gone with them.
    #[inline]
    fn find_to_edit<T: Type>(&mut self, key: &[u8]) -> FoundKey<'_> {
        let (index, now_ms) = (self.index, self.now_ms());
        let mut found = self.find_mut(key);
        if matches!(T::KIND, Kind::Hash | Kind::Set)
            && let Some(pos) = found.pos
            && found.shard.is_faded(index, pos, T::KIND, now_ms)
        {
            found.shard.expire_all(index, pos, now_ms, found.effects);
            found.pos = None;
        }
        found
    }

    /// Removes what is due of a key, for a command that takes all the rest.
    pub fn settle(&mut self, key: &[u8]) {
        let shard = self.shards.shard_mut(self.place(key).shard());
        shard.expire_all_now(self.index, key, self.now.due_ms(), self.effects);
    }

    /// The key's value, to be edited in place. Nothing if there is no key.
    #[inline]
    pub fn edit<T: Type>(&mut self, key: &[u8]) -> Result<Option<Edit<'_, T>>, WrongType> {
        let (index, now_ms, toucher) = (self.index, self.now_ms(), self.toucher());
        let found = self.find_to_edit::<T>(key);
        let Some(pos) = found.pos else {
            return Ok(None);
        };
        found.edit(index, pos, now_ms, toucher).map(Some)
    }

    /// The key's value, to be edited in place; an empty one if there is no key.
    #[inline]
    pub fn edit_or_create<T: Type>(&mut self, key: &[u8]) -> Result<Edit<'_, T>, WrongType> {
        let (index, now_ms, toucher) = (self.index, self.now_ms(), self.toucher());
        let found = self.find_to_edit::<T>(key);
        if let Some(pos) = found.pos {
            return found.edit(index, pos, now_ms, toucher);
        }
        let access = Access::fresh(toucher.rules, toucher.clock_ms);
        let shard = found.shard;
        let pos = shard.insert(index, found.hash, key, T::fresh().into(), access);
        Ok(Edit::new(shard, index, pos, now_ms, found.effects, true))
    }

    /// Announces a keyspace event of a key in this database.
    #[inline]
    pub fn announce(&mut self, class: Class, name: &'static str, key: &[u8]) {
        self.effects.announce(class, name, self.index, key);
    }

    /// Logs this record, and whatever else is recorded, in the place of the command itself.
    pub fn log(&mut self, args: &[&[u8]]) {
        self.effects.rewritten = true;
        if self.effects.wanted.log {
            self.effects.log.push(self.index, args);
        }
    }

    /// Changes made so far that the statistics don't know yet.
    pub fn changes(&self) -> u64 {
        self.effects.dirty
    }
}
