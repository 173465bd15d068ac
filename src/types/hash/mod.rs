//! A hash: fields and values; packed while small, a table beyond. Fields may have deadlines.
//!
//! A field past its deadline is absent to readers; the engine's sweep takes it out.

mod view;

use super::bstr::Bstr;
use super::deadlines::{Deadlines, Timed};
use super::dense::{Keyed, Shared, end_of};
use super::listpack::{Listpack, PackRef};
use super::{Limits, Piece};
use crate::util::keyhash;
pub use view::HashRef;

/// Room for what is likely added while a small hash is edited.
const ROOM_BYTES: usize = 96;

#[derive(Clone, Debug)]
pub struct Hash {
    form: HashForm,
    /// Stays once a field has had a deadline.
    deadlines: Option<Box<Deadlines>>,
}

#[derive(Clone, Debug)]
enum HashForm {
    /// Field, value, field, value.
    Packed(Listpack),
    /// Behind a pointer, as most hashes are packed.
    Table(Box<Shared<Pair>>),
}

#[derive(Clone, Debug)]
struct Pair {
    field: Bstr,
    value: Bstr,
}

impl Keyed for Pair {
    #[inline]
    fn key(&self) -> &[u8] {
        &self.field
    }

    #[inline]
    fn warm(&self) -> usize {
        end_of(&self.field) ^ end_of(&self.value)
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl Hash {
    pub fn new() -> Self {
        Hash {
            form: HashForm::Packed(Listpack::new()),
            deadlines: None,
        }
    }

    /// A hash of these packed pairs, turned into a table if it is beyond the limits; `None` if a field has no
    /// value or stands twice.
    pub fn from_listpack(pack: Listpack, limits: &Limits) -> Option<Self> {
        if !pack.len().is_multiple_of(2) {
            return None;
        }
        let mut table = Shared::new();
        let mut small = pack.len() / 2 <= limits.hash_entries;
        for (field, value) in pairs(pack.view()) {
            small &= field.len().max(value.len()) <= limits.hash_value;
            let pair = Pair {
                field: Bstr::new(&field.to_vec()),
                value: Bstr::new(&value.to_vec()),
            };
            let hash = keyhash::hash(&pair.field);
            if table.find(hash, &pair.field).is_some() {
                return None;
            }
            table.push(hash, pair);
        }
        let form = if small {
            HashForm::Packed(pack)
        } else {
            HashForm::Table(Box::new(table))
        };
        Some(Hash {
            form,
            ..Self::new()
        })
    }

    /// The pairs of a small hash without deadlines: all that it is.
    pub fn packed(&self) -> Option<PackRef<'_>> {
        match &self.form {
            HashForm::Packed(pack) if self.deadlines.is_none() => Some(pack.view()),
            _ => None,
        }
    }

    /// A hash of packed pairs that stand elsewhere, with room for a few more.
    pub fn unpacked(pack: PackRef<'_>) -> Self {
        Hash {
            form: HashForm::Packed(Listpack::copy_of(pack, ROOM_BYTES)),
            deadlines: None,
        }
    }

    /// Sets a field; true if it is new. Its deadline goes, unless it is to be kept.
    pub fn insert(
        &mut self,
        field: &[u8],
        value: &[u8],
        keep_deadline: bool,
        now_ms: u64,
        limits: &Limits,
    ) -> bool {
        if self.as_ref().is_due(field, now_ms) {
            self.take(field);
        } else if !keep_deadline {
            self.clear_deadline(field);
        }
        if field.len().max(value.len()) > limits.hash_value {
            self.unpack();
        }
        let new = match &mut self.form {
            HashForm::Packed(pack) => match pack.find(field, 1).and_then(|at| pack.next(at)) {
                Some(at) => {
                    pack.replace(at, value);
                    false
                }
                None => {
                    pack.push_back(field);
                    pack.push_back(value);
                    true
                }
            },
            HashForm::Table(table) => {
                let hash = keyhash::hash(field);
                match table.find(hash, field) {
                    Some(pos) => {
                        table.at_mut(pos).value = Bstr::new(value);
                        false
                    }
                    None => {
                        table.push(
                            hash,
                            Pair {
                                field: Bstr::new(field),
                                value: Bstr::new(value),
                            },
                        );
                        true
                    }
                }
            }
        };
        if self.as_ref().len() > limits.hash_entries {
            self.unpack();
        }
        new
    }

    /// Removes a field; false if readers could not see it.
    pub fn remove(&mut self, field: &[u8], now_ms: u64) -> bool {
        let due = self.as_ref().is_due(field, now_ms);
        self.take(field) && !due
    }

    /// Has others share the bytes of a field, if it is large enough.
    pub fn share(&mut self, field: &[u8]) {
        if let HashForm::Table(table) = &mut self.form
            && let Some(pos) = table.find(keyhash::hash(field), field)
            && table.at(pos).value.shared().is_none()
        {
            table.at_mut(pos).value.share();
        }
    }

    fn take(&mut self, field: &[u8]) -> bool {
        self.clear_deadline(field);
        match &mut self.form {
            HashForm::Packed(pack) => match pack.find(field, 1) {
                Some(at) => {
                    pack.remove_many(at, 2);
                    true
                }
                None => false,
            },
            HashForm::Table(table) => match table.find(keyhash::hash(field), field) {
                Some(pos) => {
                    table.swap_remove(pos);
                    true
                }
                None => false,
            },
        }
    }

    fn unpack(&mut self) {
        if let HashForm::Packed(pack) = &self.form {
            let mut table = Shared::new();
            for (field, value) in pairs(pack.view()) {
                let pair = Pair {
                    field: Bstr::new(&field.to_vec()),
                    value: Bstr::new(&value.to_vec()),
                };
                table.push(keyhash::hash(&pair.field), pair);
            }
            self.form = HashForm::Table(Box::new(table));
        }
    }

    // Deadlines of fields.

    /// Makes a hash some of whose fields may have deadlines.
    pub fn expect_deadlines(&mut self) {
        self.deadlines.get_or_insert_default();
    }

    /// Sets the deadline of a field that is there.
    pub fn set_deadline(&mut self, field: &[u8], deadline_ms: u64) {
        self.deadlines
            .get_or_insert_default()
            .set(field, deadline_ms);
    }

    pub fn clear_deadline(&mut self, field: &[u8]) -> bool {
        self.deadlines
            .as_mut()
            .is_some_and(|deadlines| deadlines.clear(field))
    }
}

impl Timed for Hash {
    fn take_due(&mut self, now_ms: u64, max: usize) -> Vec<Bstr> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(deadlines) = &self.deadlines
            && let Some(field) = deadlines.first_due(now_ms)
        {
            let field = field.clone();
            self.take(&field);
            taken.push(field);
        }
        taken
    }

    fn set_timer(&mut self, timer: u32) {
        if let Some(held) = &mut self.deadlines {
            held.timer = timer;
        }
    }
}

impl Pair {
    fn pieces(&self) -> (Piece<'_>, Piece<'_>) {
        (Piece::Bytes(&self.field), Piece::Bytes(&self.value))
    }
}

fn pairs<'a>(pack: PackRef<'a>) -> impl Iterator<Item = (Piece<'a>, Piece<'a>)> + use<'a> {
    let mut pieces = pack.iter();
    std::iter::from_fn(move || Some((pieces.next()?, pieces.next()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TypeRef;

    #[test]
    fn both_forms_agree_with_a_map() {
        let mut random = fastrand::Rng::with_seed(5);
        for entries in [8, 1000] {
            let limits = Limits {
                hash_entries: entries,
                ..Limits::default()
            };
            let (mut hash, mut model) = (Hash::new(), std::collections::BTreeMap::new());
            for step in 0..5000u32 {
                let field = random.u8(0..40).to_string().into_bytes();
                if random.bool() {
                    let value = step.to_string().into_bytes();
                    let new = hash.insert(&field, &value, false, 0, &limits);
                    assert_eq!(new, model.insert(field, value).is_none());
                } else {
                    assert_eq!(hash.remove(&field, 0), model.remove(&field).is_some());
                }
                assert_eq!(hash.as_ref().len(), model.len());
            }
            let all: std::collections::BTreeMap<_, _> = hash
                .as_ref()
                .iter(0)
                .map(|(field, value)| (field.to_vec(), value.to_vec()))
                .collect();
            assert_eq!(all, model);
        }
    }

    #[test]
    fn a_due_field_is_absent_and_then_taken() {
        let limits = Limits::default();
        let mut hash = Hash::new();
        for field in [&b"a"[..], b"b", b"c"] {
            hash.insert(field, b"1", false, 0, &limits);
        }
        hash.set_deadline(b"a", 100);
        hash.set_deadline(b"b", 50);
        assert_eq!(
            (hash.as_ref().next_deadline(), hash.as_ref().encoding()),
            (Some(50), "listpackex")
        );
        assert!(hash.as_ref().get(b"b", 49).is_some() && hash.as_ref().get(b"b", 50).is_none());
        assert_eq!(hash.as_ref().iter(60).count(), 2);
        assert!(
            hash.insert(b"b", b"2", true, 60, &limits),
            "a dead field is new again"
        );
        assert_eq!(hash.as_ref().deadline(b"b"), None);
        assert_eq!(hash.take_due(100, 10), [Bstr::new(b"a")]);
        assert_eq!(
            (hash.as_ref().len(), hash.as_ref().next_deadline()),
            (2, None)
        );
    }
}
