//! A hash as readers see it, wherever it stands: packed with its key, or a [`Hash`] of its own.

use super::{Hash, HashForm, Pair, pairs};
use crate::types::deadlines::Deadlines;
use crate::types::dense::{Far, Shared};
use crate::types::listpack::{Listpack, PackRef};
use crate::types::{Bstr, Piece, SharedBytes, TypeRef};
use crate::util::keyhash;

#[derive(Clone, Copy, Debug)]
pub struct HashRef<'a> {
    form: FormRef<'a>,
    deadlines: Option<&'a Deadlines>,
}

#[derive(Clone, Copy, Debug)]
enum FormRef<'a> {
    Packed(PackRef<'a>),
    Table(&'a Shared<Pair>),
}

impl Hash {
    #[inline]
    pub fn as_ref(&self) -> HashRef<'_> {
        HashRef::see(self)
    }
}

impl<'a> HashRef<'a> {
    /// A hash of packed pairs, none of which has a deadline.
    #[inline]
    pub fn packed(pack: PackRef<'a>) -> Self {
        HashRef {
            form: FormRef::Packed(pack),
            deadlines: None,
        }
    }

    /// The engine's timer for the earliest deadline of a field; 0 for none.
    pub fn timer(self) -> u32 {
        self.deadlines.map_or(0, |held| held.timer)
    }

    fn copy(
        self,
        table_copy: impl Fn(&Shared<Pair>) -> Shared<Pair>,
        deadlines_copy: impl Fn(&Deadlines) -> Deadlines,
    ) -> Hash {
        Hash {
            form: match self.form {
                FormRef::Packed(pack) => HashForm::Packed(Listpack::copy_of(pack, 0)),
                FormRef::Table(table) => HashForm::Table(Box::new(table_copy(table))),
            },
            deadlines: self.deadlines.map(|held| Box::new(deadlines_copy(held))),
        }
    }

    pub fn as_listpack(self) -> Option<PackRef<'a>> {
        match self.form {
            FormRef::Packed(pack) => Some(pack),
            FormRef::Table(_) => None,
        }
    }

    /// Fields stored, those included that are due but not yet taken out.
    pub fn len(self) -> usize {
        match self.form {
            FormRef::Packed(pack) => pack.len() / 2,
            FormRef::Table(table) => table.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn get(self, field: &[u8], now_ms: u64) -> Option<Piece<'a>> {
        if self.is_due(field, now_ms) {
            return None;
        }
        match self.form {
            FormRef::Packed(pack) => Some(pack.get(pack.next(pack.find(field, 1)?)?)),
            FormRef::Table(table) => {
                let pos = table.find(keyhash::hash(field), field)?;
                Some(Piece::Bytes(&table.at(pos).value))
            }
        }
    }

    /// The bytes of a field, if others may share them.
    pub fn shared(self, field: &[u8], now_ms: u64) -> Option<SharedBytes> {
        match self.form {
            FormRef::Table(table) if !self.is_due(field, now_ms) => {
                let pos = table.find(keyhash::hash(field), field)?;
                table.at(pos).value.shared()
            }
            _ => None,
        }
    }

    /// Every pair that readers may see.
    pub fn iter(self, now_ms: u64) -> impl Iterator<Item = (Piece<'a>, Piece<'a>)> + use<'a> {
        self.iter_all()
            .filter(move |(field, _)| !self.is_piece_due(field, now_ms))
    }

    /// How many fields there are to see. It takes as long as there are fields that are due.
    pub fn count(self, now_ms: u64) -> usize {
        self.len() - self.due(now_ms).count()
    }

    /// The fields that are due.
    pub fn due(self, now_ms: u64) -> impl Iterator<Item = &'a Bstr> + use<'a> {
        let held = self.deadlines.into_iter();
        held.flat_map(move |held| held.due(now_ms))
    }

    /// Whether the field at a position is to be seen.
    pub fn is_seen(self, pos: usize, now_ms: u64) -> bool {
        self.deadlines.is_none() || !self.is_piece_due(&self.nth(pos).0, now_ms)
    }

    /// Every pair, those that are due included.
    pub fn iter_all(self) -> impl Iterator<Item = (Piece<'a>, Piece<'a>)> + use<'a> {
        let (packed, table) = match self.form {
            FormRef::Packed(pack) => (Some(pairs(pack)), None),
            FormRef::Table(table) => (None, Some(table.iter().map(Pair::pieces))),
        };
        packed
            .into_iter()
            .flatten()
            .chain(table.into_iter().flatten())
    }

    /// The pair at a position, for random picks.
    pub fn nth(self, pos: usize) -> (Piece<'a>, Piece<'a>) {
        match self.form {
            FormRef::Packed(pack) => {
                let at = pack.seek(2 * pos).expect("positions are below the length");
                let value = pack.next(at).expect("every field has a value");
                (pack.get(at), pack.get(value))
            }
            FormRef::Table(table) => table.at(pos).pieces(),
        }
    }

    /// Visits about `count` pairs and returns the next cursor, 0 at the end. A position that walks down, so
    /// that nothing present throughout is missed; a packed hash is visited at once.
    pub fn scan(
        self,
        cursor: u64,
        count: usize,
        now_ms: u64,
        mut visit: impl FnMut(Piece<'a>, Piece<'a>),
    ) -> u64 {
        let FormRef::Table(table) = self.form else {
            self.iter(now_ms)
                .for_each(|(field, value)| visit(field, value));
            return 0;
        };
        let mut pos = crate::types::scan_start(cursor, table.len());
        for _ in 0..count {
            if pos == 0 {
                break;
            }
            pos -= 1;
            let (field, value) = table.at(pos).pieces();
            if !self.is_piece_due(&field, now_ms) {
                visit(field, value);
            }
        }
        pos as u64
    }

    #[inline]
    pub fn is_due(self, field: &[u8], now_ms: u64) -> bool {
        self.deadlines.is_some()
            && self
                .deadline(field)
                .is_some_and(|deadline| deadline <= now_ms)
    }

    #[inline]
    fn is_piece_due(self, field: &Piece<'_>, now_ms: u64) -> bool {
        self.deadlines.is_some() && self.is_due(field.as_bytes(&mut itoa::Buffer::new()), now_ms)
    }

    pub fn deadline(self, field: &[u8]) -> Option<u64> {
        self.deadlines?.of(field)
    }

    /// Every field that has a deadline, with it.
    pub fn deadlines(self) -> impl Iterator<Item = (&'a [u8], u64)> + use<'a> {
        self.deadlines.into_iter().flat_map(Deadlines::iter)
    }

    /// The earliest deadline of any field.
    pub fn next_deadline(self) -> Option<u64> {
        self.deadlines?.first()
    }

    /// Whether there is nothing in it for readers to see.
    pub fn is_all_due(self, now_ms: u64) -> bool {
        let all_due = |held: &Deadlines| held.are_all_due(self.len(), now_ms);
        self.deadlines.is_some_and(all_due)
    }
}

impl<'a> TypeRef<'a> for HashRef<'a> {
    type Whole = Hash;

    #[inline]
    fn see(hash: &'a Hash) -> Self {
        HashRef {
            form: match &hash.form {
                HashForm::Packed(pack) => FormRef::Packed(pack.view()),
                HashForm::Table(table) => FormRef::Table(table),
            },
            deadlines: hash.deadlines.as_deref(),
        }
    }

    fn encoding(self) -> &'static str {
        match (self.form, self.deadlines) {
            (FormRef::Packed(_), None) => "listpack",
            (FormRef::Packed(_), Some(_)) => "listpackex",
            (FormRef::Table(_), _) => "hashtable",
        }
    }

    fn heap_bytes(self) -> usize {
        let form = match self.form {
            FormRef::Packed(pack) => pack.as_bytes().len(),
            FormRef::Table(table) => {
                let own: usize = table
                    .iter()
                    .map(|pair| pair.field.heap_bytes() + pair.value.heap_bytes())
                    .sum();
                size_of::<Shared<Pair>>() + table.heap_bytes() + own
            }
        };
        form + self.deadlines.map_or(0, Deadlines::heap_bytes)
    }

    fn detached(self) -> Hash {
        self.copy(Clone::clone, Deadlines::detached)
    }

    fn frozen(self) -> Hash {
        self.copy(Shared::frozen, Deadlines::frozen)
    }

    fn free_effort(self) -> usize {
        self.len()
    }

    fn holds_nothing(self) -> bool {
        self.is_empty()
    }

    fn far(self, field: &[u8]) -> Option<&'a dyn Far> {
        match self.form {
            FormRef::Packed(_) => None,
            FormRef::Table(table) => table.far(field),
        }
    }
}
