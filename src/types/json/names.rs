//! The names of an object's fields in their order. Objects of one shape share them.
//!
//! Documents of an application mostly have a few shapes. Each thread remembers the lists of names that it met last, and an
//! object whose list is among them takes that one: it has only its values to itself. A long list has an index.

use std::borrow::Cow;
use std::cell::RefCell;

use triomphe::ThinArc;

use super::text::{FieldName, ShortText};
use crate::types::index::Index;
use crate::util::keyhash;

/// Short lists that a thread remembers: a few hundred kilobytes at most.
const SHORT_LISTS: usize = 256;
/// The bytes of a short list's names.
const SHORT_BYTES_MAX: usize = 1024;
/// And long ones, of one large document or another that is written again and again: two megabytes at most.
const LONG_LISTS: usize = 8;
const LONG_BYTES_MAX: usize = 1 << 16;

/// Lists of more names have an index. The names of fewer are found sooner by a look at each.
const LOOKED_THROUGH: usize = 128;

thread_local! {
    static MET: RefCell<Vec<Option<FieldNames>>> = const { RefCell::new(Vec::new()) };
}

/// Where a list of names is remembered, if it is short enough for that.
fn place<'n>(names: impl Iterator<Item = &'n [u8]>) -> Option<usize> {
    let mut mixed: u64 = 0;
    let mut bytes = 0;
    for name in names {
        bytes += name.len();
        if bytes > LONG_BYTES_MAX {
            return None;
        }
        mixed = (mixed.rotate_left(5) ^ ends(name)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    let mixed = (mixed >> 32) as usize;
    Some(match bytes {
        0..=SHORT_BYTES_MAX => mixed % SHORT_LISTS,
        _ => SHORT_LISTS + mixed % LONG_LISTS,
    })
}

/// A number for a name, made of its length and of both its ends.
#[inline]
fn ends(name: &[u8]) -> u64 {
    let both = |first: u64, last: u64| first ^ last.rotate_left(29) ^ name.len() as u64;
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => both(u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => match (name.first_chunk(), name.last_chunk()) {
            (Some(first), Some(last)) => both(
                u32::from_le_bytes(*first).into(),
                u32::from_le_bytes(*last).into(),
            ),
            _ => name
                .iter()
                .fold(0, |mixed, byte| mixed << 8 | u64::from(*byte)),
        },
    }
}

/// Whether no two of the names are the same.
pub fn all_differ<'n>(names: impl Iterator<Item = &'n [u8]>) -> bool {
    let mut sorted: Vec<&[u8]> = names.collect();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] != pair[1])
}

/// An index of these names; nothing if two of them are the same.
fn index_of(names: &[FieldName]) -> Option<Index> {
    let hash_at = |at: usize| keyhash::hash(names[at].as_bytes());
    let mut index = Index::new();
    index.expect(names.len());
    for (at, name) in names.iter().enumerate() {
        let hash = hash_at(at);
        if index.find(hash, |other| names[other] == *name).is_some() {
            return None;
        }
        index.push(hash, at, hash_at);
    }
    Some(index)
}

/// The names of an object's fields, and their index if they are many.
#[derive(Clone, Debug)]
pub struct FieldNames(ThinArc<Option<Box<Index>>, FieldName>);

impl FieldNames {
    /// The list of these names, shared with other objects that have the same in the same order. Nothing if two are the same.
    pub fn of(names: &[Cow<'_, [u8]>]) -> Option<Self> {
        let each = || names.iter().map(|name| &name[..]);
        let at = place(each());
        Self::known(at, |known| known.are(names)).or_else(|| {
            if names.len() <= LOOKED_THROUGH && !all_differ(each()) {
                return None;
            }
            let alone = Self::alone(each().map(FieldName::new).collect())?;
            Some(Self::remember(at, alone))
        })
    }

    /// These names, which differ, shared with other objects that have the same in the same order.
    pub fn shared(names: Vec<FieldName>) -> Self {
        let at = place(names.iter().map(FieldName::as_bytes));
        let known = Self::known(at, |known| known.all() == names);
        known.unwrap_or_else(|| {
            let alone = Self::alone(names).expect("the names differ");
            Self::remember(at, alone)
        })
    }

    /// The list that is remembered at a place, if it is the one that is sought.
    fn known(at: Option<usize>, is_it: impl FnOnce(&Self) -> bool) -> Option<Self> {
        MET.with_borrow(|met| {
            let known = met.get(at?)?.as_ref()?;
            is_it(known).then(|| known.clone())
        })
    }

    /// Remembers a list at a place, if it is to be remembered at all.
    fn remember(at: Option<usize>, names: Self) -> Self {
        if let Some(at) = at {
            MET.with_borrow_mut(|met| {
                met.resize(SHORT_LISTS + LONG_LISTS, None);
                met[at] = Some(names.clone());
            });
        }
        names
    }

    /// Whether it is these names in this order.
    pub fn are(&self, names: &[Cow<'_, [u8]>]) -> bool {
        let same = |(known, name): (&FieldName, &Cow<'_, [u8]>)| known.is(name);
        self.all().len() == names.len() && self.all().iter().zip(names).all(same)
    }

    /// A list of its own, of names that differ. Of many names it is seen here whether they do.
    fn alone(names: Vec<FieldName>) -> Option<Self> {
        let index = match names.len() {
            0..=LOOKED_THROUGH => None,
            _ => Some(Box::new(index_of(&names)?)),
        };
        let names = ThinArc::from_header_and_iter(index, names.into_iter());
        Some(FieldNames(names))
    }

    pub fn all(&self) -> &[FieldName] {
        &self.0.slice
    }

    pub fn find(&self, name: &[u8]) -> Option<usize> {
        if let Some(index) = &self.0.header.header {
            let is_it = |at: usize| self.all()[at].is(name);
            return index.find(keyhash::hash(name), is_it);
        }
        match ShortText::new(name) {
            Some(short) => {
                self.position(|held| matches!(held, FieldName::Short(held) if *held == short))
            }
            None => {
                self.position(|held| matches!(held, FieldName::Long(held) if held.slice == *name))
            }
        }
    }

    fn position(&self, is_it: impl Fn(&FieldName) -> bool) -> Option<usize> {
        self.all().iter().position(is_it)
    }

    /// Bytes on the heap, divided by those that share them.
    pub fn heap_bytes(&self) -> usize {
        let own: usize = self.all().iter().map(FieldName::heap_bytes).sum();
        let block = 24 + size_of_val(self.all());
        let index = self.0.header.header.as_ref();
        let index = index.map_or(0, |index| size_of::<Index>() + index.allocation_size());
        (own + block + index) / ThinArc::strong_count(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_one_shape_share_their_names() {
        let names = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| FieldName::new(text.as_bytes()))
                .collect()
        };
        let first = FieldNames::shared(names(&["id", "a name of more than fourteen bytes"]));
        let second = FieldNames::shared(names(&["id", "a name of more than fourteen bytes"]));
        let other = FieldNames::shared(names(&["a name of more than fourteen bytes", "id"]));
        assert!(std::ptr::eq(first.all(), second.all()));
        assert!(!std::ptr::eq(first.all(), other.all()));
        assert_eq!((first.find(b"id"), other.find(b"id")), (Some(0), Some(1)));
        assert_eq!(first.find(b"i"), None);
    }
}
