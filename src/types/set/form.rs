//! The members of a set: sorted integers, a listpack, or a table, as they grow.

use crate::types::bstr::Bstr;
use crate::types::dense::{Far, Keyed, Shared};
use crate::types::intset::IntSet;
use crate::types::listpack::Listpack;
use crate::types::{Limits, Piece};
use crate::util::{keyhash, number};

#[derive(Clone, Debug)]
pub(super) enum SetForm {
    Ints(IntSet),
    Packed(Listpack),
    /// Behind a pointer, as most sets are packed.
    Table(Box<Shared<Bstr>>),
}

impl Keyed for Bstr {
    #[inline]
    fn key(&self) -> &[u8] {
        self
    }
}

/// A set's bytes as files carry them, if it is small enough to be one run of bytes.
pub enum Flat<'a> {
    Ints(&'a [u8]),
    Packed(&'a [u8]),
}

impl SetForm {
    pub fn new() -> Self {
        SetForm::Ints(IntSet::new())
    }

    /// Packed members; `None` if one stands twice.
    pub fn from_listpack(pack: &Listpack, limits: &Limits) -> Option<Self> {
        let mut set = SetForm::Packed(Listpack::new());
        let mut digits = itoa::Buffer::new();
        pack.iter()
            .all(|piece| set.insert(piece.as_bytes(&mut digits), limits))
            .then_some(set)
    }

    pub fn flat(&self) -> Option<Flat<'_>> {
        match self {
            SetForm::Ints(ints) => Some(Flat::Ints(ints.as_bytes())),
            SetForm::Packed(pack) => Some(Flat::Packed(pack.as_bytes())),
            SetForm::Table(_) => None,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            SetForm::Ints(ints) => ints.len(),
            SetForm::Packed(pack) => pack.len(),
            SetForm::Table(table) => table.len(),
        }
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        match self {
            SetForm::Ints(ints) => number::parse_i64(member).is_some_and(|n| ints.contains(n)),
            SetForm::Packed(pack) => pack.find(member, 0).is_some(),
            SetForm::Table(table) => table.find(keyhash::hash(member), member).is_some(),
        }
    }

    /// Adds a member; true if it is new.
    pub fn insert(&mut self, member: &[u8], limits: &Limits) -> bool {
        if let SetForm::Ints(ints) = self {
            match number::parse_i64(member) {
                Some(n) => {
                    let new = ints.insert(n);
                    if ints.len() > limits.set_ints {
                        // As in Redis, integers that are too many skip the packed form.
                        self.unpack();
                    }
                    return new;
                }
                None => self.leave_ints(1, member.len(), limits),
            }
        }
        if let SetForm::Packed(pack) = self {
            if pack.find(member, 0).is_some() {
                return false;
            }
            if member.len() <= limits.set_value && pack.len() < limits.set_entries {
                pack.push_back(member);
                return true;
            }
            self.unpack();
        }
        let SetForm::Table(table) = self else {
            unreachable!("other forms were answered or converted");
        };
        let hash = keyhash::hash(member);
        let new = table.find(hash, member).is_none();
        if new {
            table.push(hash, Bstr::new(member));
        }
        new
    }

    /// Turns integers into the next form that has room for `more` members of this length.
    pub fn leave_ints(&mut self, more: usize, member_len: usize, limits: &Limits) {
        let SetForm::Ints(ints) = self else {
            return;
        };
        let digits = |n: i64| itoa::Buffer::new().format(n).len();
        let longest = ints
            .iter()
            .next()
            .map_or(0, digits)
            .max(ints.iter().last().map_or(0, digits));
        if ints.len() + more <= limits.set_entries && longest.max(member_len) <= limits.set_value {
            let mut pack = Listpack::new();
            let mut digits = itoa::Buffer::new();
            ints.iter()
                .for_each(|n| pack.push_back(digits.format(n).as_bytes()));
            *self = SetForm::Packed(pack);
        } else {
            self.unpack();
        }
    }

    fn unpack(&mut self) {
        let mut table = Shared::new();
        let mut digits = itoa::Buffer::new();
        for piece in self.iter() {
            let member = Bstr::new(piece.as_bytes(&mut digits));
            table.push(keyhash::hash(&member), member);
        }
        *self = SetForm::Table(Box::new(table));
    }

    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            SetForm::Ints(ints) => number::parse_i64(member).is_some_and(|n| ints.remove(n)),
            SetForm::Packed(pack) => match pack.find(member, 0) {
                Some(at) => {
                    pack.remove(at);
                    true
                }
                None => false,
            },
            SetForm::Table(table) => match table.find(keyhash::hash(member), member) {
                Some(pos) => {
                    table.swap_remove(pos);
                    true
                }
                None => false,
            },
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Piece<'_>> {
        let (mut ints, mut packed, mut table) = (None, None, None);
        match self {
            SetForm::Ints(held) => ints = Some(held.iter().map(Piece::Int)),
            SetForm::Packed(held) => packed = Some(held.iter()),
            SetForm::Table(held) => table = Some(held.iter().map(|member| Piece::Bytes(member))),
        }
        ints.into_iter()
            .flatten()
            .chain(packed.into_iter().flatten())
            .chain(table.into_iter().flatten())
    }

    /// The member at a position, for random picks.
    pub fn nth(&self, pos: usize) -> Piece<'_> {
        match self {
            SetForm::Ints(ints) => Piece::Int(ints.get(pos)),
            SetForm::Packed(pack) => {
                pack.get(pack.seek(pos).expect("positions are below the length"))
            }
            SetForm::Table(table) => Piece::Bytes(table.at(pos)),
        }
    }

    /// Takes out the member at a position.
    pub fn remove_nth(&mut self, pos: usize) -> Vec<u8> {
        let member = self.nth(pos).to_vec();
        match self {
            SetForm::Table(table) => drop(table.swap_remove(pos)),
            _ => drop(self.remove(&member)),
        }
        member
    }

    /// Visits about `count` members and returns the next cursor, 0 at the end; see [`crate::types::HashRef::scan`].
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Piece<'_>)) -> u64 {
        let SetForm::Table(table) = self else {
            self.iter().for_each(visit);
            return 0;
        };
        let mut pos = crate::types::scan_start(cursor, table.len());
        for _ in 0..count {
            if pos == 0 {
                break;
            }
            pos -= 1;
            visit(Piece::Bytes(table.at(pos)));
        }
        pos as u64
    }

    pub fn heap_bytes(&self) -> usize {
        match self {
            SetForm::Ints(ints) => ints.heap_bytes(),
            SetForm::Packed(pack) => pack.heap_bytes(),
            SetForm::Table(table) => {
                let own: usize = table.iter().map(Bstr::heap_bytes).sum();
                size_of::<Shared<Bstr>>() + table.heap_bytes() + own
            }
        }
    }

    pub fn frozen(&self) -> Self {
        match self {
            SetForm::Table(table) => SetForm::Table(Box::new(table.frozen())),
            small => small.clone(),
        }
    }

    pub fn far(&self, member: &[u8]) -> Option<&dyn Far> {
        match self {
            SetForm::Table(table) => table.far(member),
            SetForm::Ints(_) | SetForm::Packed(_) => None,
        }
    }
}
