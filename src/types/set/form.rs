//! A set: sorted integers, a listpack, or a table, as it grows.

use super::bstr::Bstr;
use super::dense::{Far, Keyed, Shared};
use super::intset::IntSet;
use super::listpack::Listpack;
use super::{Limits, Piece, TypeRef};
use crate::util::{keyhash, number};

#[derive(Clone, Debug)]
pub struct Set(Form);

#[derive(Clone, Debug)]
enum Form {
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

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

impl Set {
    pub fn new() -> Self {
        Set(Form::Ints(IntSet::new()))
    }

    /// A set of sound integers from a file.
    pub fn from_ints(ints: IntSet) -> Self {
        Set(Form::Ints(ints))
    }

    /// A set of packed members; `None` if one stands twice.
    pub fn from_listpack(pack: &Listpack, limits: &Limits) -> Option<Self> {
        let mut set = Set(Form::Packed(Listpack::new()));
        let mut digits = itoa::Buffer::new();
        pack.iter()
            .all(|piece| set.insert(piece.as_bytes(&mut digits), limits))
            .then_some(set)
    }

    pub fn flat(&self) -> Option<Flat<'_>> {
        match &self.0 {
            Form::Ints(ints) => Some(Flat::Ints(ints.as_bytes())),
            Form::Packed(pack) => Some(Flat::Packed(pack.as_bytes())),
            Form::Table(_) => None,
        }
    }

    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.len(),
            Form::Packed(pack) => pack.len(),
            Form::Table(table) => table.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Form::Ints(ints) => number::parse_i64(member).is_some_and(|n| ints.contains(n)),
            Form::Packed(pack) => pack.find(member, 0).is_some(),
            Form::Table(table) => table.find(keyhash::hash(member), member).is_some(),
        }
    }

    /// Adds a member; true if it is new.
    pub fn insert(&mut self, member: &[u8], limits: &Limits) -> bool {
        if let Form::Ints(ints) = &mut self.0 {
            match number::parse_i64(member) {
                Some(n) => {
                    let new = ints.insert(n);
                    if ints.len() > limits.set_ints {
                        // As in Redis, integers that are too many skip the packed form.
                        self.unpack();
                    }
                    return new;
                }
                None => self.convert(member.len(), limits),
            }
        }
        if let Form::Packed(pack) = &mut self.0 {
            if pack.find(member, 0).is_some() {
                return false;
            }
            if member.len() <= limits.set_value && pack.len() < limits.set_entries {
                pack.push_back(member);
                return true;
            }
            self.unpack();
        }
        let Form::Table(table) = &mut self.0 else {
            unreachable!("other forms were answered or converted");
        };
        let hash = keyhash::hash(member);
        let new = table.find(hash, member).is_none();
        if new {
            table.push(hash, Bstr::new(member));
        }
        new
    }

    /// Turns integers into the next form that has room for one more member of this length.
    fn convert(&mut self, member_len: usize, limits: &Limits) {
        let Form::Ints(ints) = &self.0 else {
            return;
        };
        let digits = |n: i64| itoa::Buffer::new().format(n).len();
        let longest = ints
            .iter()
            .next()
            .map_or(0, digits)
            .max(ints.iter().last().map_or(0, digits));
        if ints.len() < limits.set_entries && longest.max(member_len) <= limits.set_value {
            let mut pack = Listpack::new();
            let mut digits = itoa::Buffer::new();
            ints.iter()
                .for_each(|n| pack.push_back(digits.format(n).as_bytes()));
            self.0 = Form::Packed(pack);
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
        self.0 = Form::Table(Box::new(table));
    }

    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Form::Ints(ints) => number::parse_i64(member).is_some_and(|n| ints.remove(n)),
            Form::Packed(pack) => match pack.find(member, 0) {
                Some(at) => {
                    pack.remove(at);
                    true
                }
                None => false,
            },
            Form::Table(table) => match table.find(keyhash::hash(member), member) {
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
        match &self.0 {
            Form::Ints(held) => ints = Some(held.iter().map(Piece::Int)),
            Form::Packed(held) => packed = Some(held.iter()),
            Form::Table(held) => table = Some(held.iter().map(|member| Piece::Bytes(member))),
        }
        ints.into_iter()
            .flatten()
            .chain(packed.into_iter().flatten())
            .chain(table.into_iter().flatten())
    }

    /// The member at a position, for random picks.
    pub fn nth(&self, pos: usize) -> Piece<'_> {
        match &self.0 {
            Form::Ints(ints) => Piece::Int(ints.get(pos)),
            Form::Packed(pack) => pack.get(pack.seek(pos).expect("positions are below the length")),
            Form::Table(table) => Piece::Bytes(table.at(pos)),
        }
    }

    /// Takes out the member at a position.
    pub fn remove_nth(&mut self, pos: usize) -> Vec<u8> {
        let member = self.nth(pos).to_vec();
        match &mut self.0 {
            Form::Table(table) => drop(table.swap_remove(pos)),
            _ => drop(self.remove(&member)),
        }
        member
    }

    /// Visits about `count` members and returns the next cursor, 0 at the end; see [`super::Hash::scan`].
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Piece<'_>)) -> u64 {
        let Form::Table(table) = &self.0 else {
            self.iter().for_each(visit);
            return 0;
        };
        let mut pos = super::scan_start(cursor, table.len());
        for _ in 0..count {
            if pos == 0 {
                break;
            }
            pos -= 1;
            visit(Piece::Bytes(table.at(pos)));
        }
        pos as u64
    }
}

impl<'a> TypeRef<'a> for &'a Set {
    type Whole = Set;

    #[inline]
    fn see(set: &'a Set) -> Self {
        set
    }

    fn encoding(self) -> &'static str {
        match &self.0 {
            Form::Ints(_) => "intset",
            Form::Packed(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    fn heap_bytes(self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.heap_bytes(),
            Form::Packed(pack) => pack.heap_bytes(),
            Form::Table(table) => {
                let own: usize = table.iter().map(Bstr::heap_bytes).sum();
                size_of::<Shared<Bstr>>() + table.heap_bytes() + own
            }
        }
    }

    fn detached(self) -> Set {
        self.clone()
    }

    fn frozen(self) -> Set {
        Set(match &self.0 {
            Form::Table(table) => Form::Table(Box::new(table.frozen())),
            small => small.clone(),
        })
    }

    fn free_effort(self) -> usize {
        self.len()
    }

    fn holds_nothing(self) -> bool {
        self.is_empty()
    }

    fn far(self, member: &[u8]) -> Option<&'a dyn Far> {
        match &self.0 {
            Form::Table(table) => table.far(member),
            Form::Ints(_) | Form::Packed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_change_form_as_redis_does() {
        let limits = Limits {
            set_ints: 5,
            set_entries: 6,
            ..Limits::default()
        };
        let mut set = Set::new();
        (0..4).for_each(|n| assert!(set.insert(n.to_string().as_bytes(), &limits)));
        assert_eq!(set.encoding(), "intset");
        assert!(set.insert(b"4", &limits) && !set.insert(b"4", &limits));
        assert_eq!(set.encoding(), "intset");
        assert!(set.insert(b"five", &limits));
        assert_eq!(set.encoding(), "listpack");
        assert!(set.insert(b"six", &limits));
        assert_eq!((set.encoding(), set.len()), ("hashtable", 7));
        let mut members: Vec<_> = set.iter().map(|piece| piece.to_vec()).collect();
        members.sort();
        assert_eq!(
            members,
            ["0", "1", "2", "3", "4", "five", "six"].map(|text| text.as_bytes().to_vec())
        );
        assert!(set.remove(b"five") && !set.contains(b"five"));
    }
}
