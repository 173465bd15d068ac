//! The guard through which a value is changed in place.
//!
//! A handler edits through it as through a `&mut`, and announces what it did. Dropping the guard
//! then removes an emptied key, moves WATCH, marks blocked clients ready, sets the wheel and
//! records the change; a value that the running snapshot still needs was handed over before the first touch.

use std::collections::TryReserveError;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::access::Access;
use super::effects::{Class, Effects, Garbage};
use super::entry::New;
use super::parts::{sync_parts, tell_gone};
use super::shard::Shard;
use crate::types::{Bstr, Hash, Kind, Piece, Text, Type, Value, ValueRef};

pub struct Edit<'a, T: Type> {
    shard: &'a mut Shard,
    db: usize,
    pos: usize,
    now_ms: u64,
    effects: &'a mut Effects,
    /// The key was made for this edit, and nobody has heard of it yet.
    fresh: bool,
    changed: bool,
    /// What it leaves if the value changes, where an edit that changes nothing leaves no mark.
    mark: Option<Access>,
    noted: bool,
    wakes: bool,
    /// A small hash stands with its key: it is taken out to be edited, and put back when the guard is dropped.
    taken: Option<Hash>,
    /// Fields or members that were due when the edit came upon them: gone, and not told of yet.
    gone: Vec<Bstr>,
    /// Such parts were due and are told of.
    expired: bool,
    kind: PhantomData<T>,
}

impl<'a, T: Type> Edit<'a, T> {
    pub(super) fn new(
        shard: &'a mut Shard,
        db: usize,
        pos: usize,
        now_ms: u64,
        effects: &'a mut Effects,
        fresh: bool,
    ) -> Self {
        Edit {
            shard,
            db,
            pos,
            now_ms,
            effects,
            fresh,
            changed: false,
            mark: None,
            noted: false,
            wakes: false,
            taken: None,
            gone: Vec::new(),
            expired: false,
            kind: PhantomData,
        }
    }

    #[inline]
    pub(super) fn with_mark(mut self, mark: Option<Access>) -> Self {
        self.mark = mark;
        self
    }

    /// The time of the whole unit of work.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// A part was due, and was taken out.
    pub(super) fn has_gone(&mut self, part: Bstr) {
        self.gone.push(part);
    }

    /// Tells of the parts that were due, before what is done to the others.
    #[inline]
    fn tell_gone(&mut self) {
        if !self.gone.is_empty() {
            let (gone, place) = (std::mem::take(&mut self.gone), (self.db, self.pos));
            let key = self.shard.table_mut(self.db).at(self.pos).key_name();
            let key = Bstr::new(key);
            tell_gone(self.shard, place, &key, gone, self.effects);
            self.expired = true;
        }
    }

    /// Whether this edit made the key.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Says that the value changed, in a way that no event tells of.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// Does what [`Edit::touch`] does, and announces the key if the edit made it.
    pub fn touch_new(&mut self) {
        if self.fresh && !self.changed && self.effects.wanted.events != 0 {
            let key = self.shard.table_mut(self.db).at(self.pos).key_name();
            self.effects.announce(Class::New, "new", self.db, key);
        }
        self.changed = true;
    }

    /// Says that something changed which WATCH and client-side caches don't hear of: what a
    /// stream's groups remember.
    pub fn note(&mut self) {
        self.noted = true;
    }

    /// Does what [`Edit::note`] does, and announces the keyspace event `name`.
    pub fn announce_aside(&mut self, name: &'static str) {
        self.tell(name, &[]);
        self.noted = true;
    }

    /// Drops what was taken out of the value now if that is quick, else once no lock is held.
    pub fn discard(&mut self, part: Value) {
        if !part.as_ref().is_one_piece() {
            self.effects.garbage.push(Garbage::Value(part));
        }
    }

    /// Counts the key as changed for WATCH alone, as Redis does once a module has opened it for an edit.
    pub fn signal(&mut self) {
        self.shard.signal(self.db, self.pos);
    }

    /// Lets the key's blocked clients look again, though for others it hasn't changed.
    pub fn wake(&mut self) {
        self.wakes = true;
    }

    /// Says that the value changed, as the keyspace event `name`. An edit that
    /// announces nothing has changed nothing.
    pub fn announce(&mut self, name: &'static str) {
        self.announce_with(name, &[]);
    }

    pub(super) fn announce_with(&mut self, name: &'static str, fields: &[Bstr]) {
        self.tell(name, fields);
        self.changed = true;
    }

    pub(super) fn effects(&self) -> &Effects {
        self.effects
    }

    fn tell(&mut self, name: &'static str, fields: &[Bstr]) {
        self.tell_gone();
        if self.effects.wanted.events == 0 {
            // Nobody hears of any, so the key needn't be looked at.
            return;
        }
        let class = Class::of(T::KIND);
        let key = self.shard.table_mut(self.db).at(self.pos).key_name();
        if self.fresh && !self.changed {
            self.effects.announce(Class::New, "new", self.db, key);
        }
        self.effects
            .announce_fields(class, name, self.db, key, fields);
    }
}

impl<T: Type> Edit<'_, T> {
    /// The value as readers see it.
    #[inline]
    pub fn value(&self) -> T::Ref<'_> {
        let value = match &self.taken {
            Some(hash) if T::KIND == Kind::Hash => ValueRef::Hash(hash.as_ref()),
            _ => {
                let table = self.shard.table(self.db);
                let table = table.expect("an edited key has a table");
                table.at(self.pos).value()
            }
        };
        T::of(value).expect("the type was checked when the edit began")
    }

    #[inline]
    fn value_mut(&mut self) -> &mut T {
        self.shard.preserve(self.db, self.pos);
        let entry = self.shard.table_mut(self.db).at_mut(self.pos);
        T::of_mut(entry.value_mut()).expect("the type was checked when the edit began")
    }
}

/// Strings stand with their keys, so there is nothing of them to refer to.
impl Edit<'_, Text> {
    /// Puts another string in its place.
    pub fn set(&mut self, piece: Piece<'_>) {
        self.shard.preserve(self.db, self.pos);
        let entry = self.shard.table_mut(self.db).at_mut(self.pos);
        if let Some(old) = entry.put(New::Text(piece)) {
            self.effects.discard(old);
        }
    }

    /// The bytes to edit in place.
    pub fn raw_mut(&mut self) -> &mut Vec<u8> {
        self.value_mut().raw_mut()
    }

    /// The bytes to edit in place, with room for `more` behind them.
    pub fn grow(&mut self, more: usize) -> Result<&mut Vec<u8>, TryReserveError> {
        self.value_mut().grow(more)
    }

    /// The bytes to edit in place, at least so many: zeros are added where there are fewer.
    pub fn reach(&mut self, len: usize) -> Result<&mut Vec<u8>, TryReserveError> {
        let held = self.value().len();
        let bytes = self.grow(len.saturating_sub(held))?;
        if held < len {
            bytes.resize(len, 0);
        }
        Ok(bytes)
    }
}

impl Edit<'_, Hash> {
    /// The hash to edit in place, and the list of its fields that were due and have gone.
    #[inline]
    pub(super) fn hash_and_gone(&mut self) -> (&mut Hash, &mut Vec<Bstr>) {
        let (db, pos) = (self.db, self.pos);
        if self.taken.is_none() {
            self.shard.preserve(db, pos);
            let entry = self.shard.table_mut(db).at(pos);
            self.taken = entry.unpacked_hash();
        }
        let hash = match &mut self.taken {
            Some(taken) => taken,
            None => {
                let entry = self.shard.table_mut(db).at_mut(pos);
                let hash = entry.hash_mut();
                hash.expect("the type was checked when the edit began")
            }
        };
        (hash, &mut self.gone)
    }
}

impl<T: for<'r> Type<Ref<'r> = &'r T>> Deref for Edit<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value()
    }
}

impl<T: for<'r> Type<Ref<'r> = &'r T>> DerefMut for Edit<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.value_mut()
    }
}

impl<T: Type> Drop for Edit<'_, T> {
    fn drop(&mut self) {
        let (db, pos) = (self.db, self.pos);
        if T::KIND == Kind::Hash
            && let Some(hash) = self.taken.take()
        {
            self.shard.table_mut(db).at_mut(pos).put_back(hash);
        }
        self.tell_gone();
        if self.changed {
            if let Some(mark) = self.mark {
                self.shard.table_mut(db).at(pos).set_access(mark);
            }
            self.shard.changed(db, pos, self.effects);
        } else {
            self.effects.dirty += u64::from(self.noted);
            if self.noted && self.effects.wanted.changed {
                let name = self.shard.table_mut(db).at(pos).key_name();
                self.effects.noted.push(Bstr::new(name));
            }
            if self.wakes {
                self.shard.wake(db, pos, self.effects);
            }
        }
        if matches!(T::KIND, Kind::Hash | Kind::Set | Kind::Stream) {
            let table = self.shard.table_mut(db);
            sync_parts(table, pos, self.now_ms, self.effects);
        }
        if T::KIND != Kind::Text && self.shard.table_mut(db).at(pos).value().holds_nothing() {
            let entry = self.shard.remove(db, pos);
            // What a module brings in Redis goes without a word.
            let is_told = Class::of(T::KIND) != Class::Module;
            if (self.changed || self.expired) && is_told {
                self.effects
                    .announce(Class::Generic, "del", db, entry.key_name());
            }
        } else if self.fresh && !self.changed {
            self.shard.remove(db, pos);
        }
    }
}
