//! Parts of values that have deadlines of their own: the fields of a hash and the members of a set that is being edited,
//! and the one way to change them.
//!
//! Whoever touches a part that is due finds none there: it goes first, as a key past its deadline does, and the
//! [`Edit`] tells log, replicas, events and WATCH of it before they hear of the edit itself. A key all of whose parts are
//! due goes when its edit begins, with all that is known of it beside its value: for whoever reads the log it is gone once
//! its last part is.

use std::ops::DerefMut;

use super::edit::Edit;
use super::effects::Class;
use crate::types::{Bstr, Hash, Limits, Piece, Set, Type};
use crate::util::chance;

/// A hash under edit.
pub struct Fields<'e> {
    hash: &'e mut Hash,
    now_ms: u64,
    /// Fields that were due, and have gone.
    gone: &'e mut Vec<Bstr>,
}

impl Fields<'_> {
    /// Takes the field out if its deadline has passed.
    #[inline]
    fn see_off(&mut self, field: &[u8]) {
        if self.hash.as_ref().is_due(field, self.now_ms) {
            self.hash.remove(field, self.now_ms);
            self.gone.push(Bstr::new(field));
        }
    }

    /// Sets a field; true if it is new. Its deadline goes, unless it is to be kept.
    #[inline]
    pub fn set(
        &mut self,
        field: &[u8],
        value: &[u8],
        keep_deadline: bool,
        limits: &Limits,
    ) -> bool {
        self.see_off(field);
        self.hash
            .insert(field, value, keep_deadline, self.now_ms, limits)
    }

    /// Removes a field; false if there is none.
    #[inline]
    pub fn remove(&mut self, field: &[u8]) -> bool {
        self.see_off(field);
        self.hash.remove(field, self.now_ms)
    }

    /// Fields are about to get deadlines: the hash has room for them from here on, whether or not one gets any.
    pub fn expect_deadlines(&mut self) {
        self.hash.expect_deadlines();
    }

    /// Sets the deadline of a field that is there.
    pub fn set_deadline(&mut self, field: &[u8], deadline_ms: u64) {
        debug_assert!(self.hash.as_ref().get(field, self.now_ms).is_some());
        self.hash.set_deadline(field, deadline_ms);
    }

    /// Lets a field live for ever; false if it had no deadline.
    pub fn clear_deadline(&mut self, field: &[u8]) -> bool {
        self.see_off(field);
        self.hash.clear_deadline(field)
    }
}

impl<T: Type> Edit<'_, T> {
    /// Says that these fields or members changed, as the keyspace event `name`.
    pub fn announce_parts<'f>(
        &mut self,
        name: &'static str,
        parts: impl IntoIterator<Item = &'f [u8]>,
    ) {
        let parts = match self.effects().wants_parts(Class::of(T::KIND)) {
            true => parts.into_iter().map(Bstr::new).collect(),
            false => Vec::new(),
        };
        self.announce_with(name, &parts);
    }
}

impl Edit<'_, Hash> {
    /// The hash to edit in place.
    #[inline]
    pub fn fields_mut(&mut self) -> Fields<'_> {
        let now_ms = self.now_ms();
        let (hash, gone) = self.hash_and_gone();
        Fields { hash, now_ms, gone }
    }

    /// A field's value. A field that is due goes before anything else is done.
    #[inline]
    pub fn get(&mut self, field: &[u8]) -> Option<Piece<'_>> {
        let now_ms = self.now_ms();
        if self.value().is_due(field, now_ms) {
            self.fields_mut().see_off(field);
        }
        self.value().get(field, now_ms)
    }
}

/// What edits a set. These stand before the set's own methods, which know of no time.
impl Edit<'_, Set> {
    /// Takes the member out if its deadline has passed.
    fn see_off(&mut self, member: &[u8]) {
        let now_ms = self.now_ms();
        let deadline_ms = self.value().deadline(member);
        if deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms) {
            self.deref_mut().remove(member);
            self.has_gone(Bstr::new(member));
        }
    }

    /// Adds a member; true if it is new. One that is there keeps its deadline.
    pub fn insert(&mut self, member: &[u8], limits: &Limits) -> bool {
        self.see_off(member);
        self.deref_mut().insert(member, limits)
    }

    /// Removes a member; false if there is none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.see_off(member);
        self.deref_mut().remove(member)
    }

    /// Whether the member is there.
    pub fn contains(&mut self, member: &[u8]) -> bool {
        self.see_off(member);
        self.value().contains(member)
    }

    /// Lets a member live for ever; false if it had no deadline.
    pub fn clear_deadline(&mut self, member: &[u8]) -> bool {
        self.see_off(member);
        self.deref_mut().clear_deadline(member)
    }

    /// Takes so many members at random out, or all that there are.
    pub fn take_some(&mut self, count: usize) -> Vec<Vec<u8>> {
        let (now_ms, mut taken) = (self.now_ms(), Vec::new());
        while taken.len() < count && !self.value().is_empty() {
            let len = self.value().len();
            let place = match count - taken.len() < len {
                true => chance::within(0..len),
                // All of them, the last one first, as no other is moved for it.
                false => len - 1,
            };
            let (member, deadline_ms) = self.deref_mut().remove_nth(place);
            match deadline_ms {
                Some(deadline_ms) if deadline_ms <= now_ms => self.has_gone(Bstr::new(&member)),
                _ => taken.push(member),
            }
        }
        taken
    }
}
