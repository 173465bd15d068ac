//! The names of an object's fields in their order. Objects of one shape share them.
//!
//! Documents of an application mostly have a few shapes. Each thread remembers the lists of names that it met last, and an
//! object whose list is among them takes that one: it has only its values to itself.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use triomphe::ThinArc;

use super::text::FieldName;

/// Lists that a thread remembers: a few hundred kilobytes at most.
const REMEMBERED: usize = 256;
/// Longer lists are hardly met twice.
const SHARED_BYTES_MAX: usize = 1024;

thread_local! {
    static MET: RefCell<Vec<Option<FieldNames>>> = const { RefCell::new(Vec::new()) };
}

/// The names of an object's fields.
#[derive(Clone, Debug)]
pub struct FieldNames(ThinArc<(), FieldName>);

impl FieldNames {
    /// These names, shared with other objects that have the same in the same order.
    pub fn shared(names: Vec<FieldName>) -> Self {
        let bytes: usize = names.iter().map(|name| name.as_bytes().len()).sum();
        if bytes > SHARED_BYTES_MAX {
            return Self::alone(names);
        }
        let mut hasher = FixedState::default().build_hasher();
        for name in &names {
            hasher.write(name.as_bytes());
            hasher.write_u8(b'"');
        }
        let at = hasher.finish() as usize % REMEMBERED;
        MET.with_borrow_mut(|met| {
            if met.is_empty() {
                met.resize(REMEMBERED, None);
            }
            match &met[at] {
                Some(known) if known.all() == names => known.clone(),
                _ => met[at].insert(Self::alone(names)).clone(),
            }
        })
    }

    fn alone(names: Vec<FieldName>) -> Self {
        FieldNames(ThinArc::from_header_and_iter((), names.into_iter()))
    }

    pub fn all(&self) -> &[FieldName] {
        &self.0.slice
    }

    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.all().iter().position(|held| held.as_bytes() == name)
    }

    /// Bytes on the heap, divided by those that share them.
    pub fn heap_bytes(&self) -> usize {
        let own: usize = self.all().iter().map(FieldName::heap_bytes).sum();
        let block = 16 + size_of_val(self.all());
        (own + block) / ThinArc::strong_count(&self.0)
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
