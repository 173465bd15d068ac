//! A set as readers see it at a moment: without the members whose deadline has passed.

use super::Set;
use crate::types::deadlines::Deadlines;
use crate::types::{Bstr, Piece};

#[derive(Clone, Copy, Debug)]
pub struct LiveSet<'a> {
    set: &'a Set,
    now_ms: u64,
    /// Those of its members, if some of them are due.
    due: Option<&'a Deadlines>,
}

impl<'a> LiveSet<'a> {
    #[inline]
    pub fn new(set: &'a Set, now_ms: u64) -> Self {
        let due = set.timed().filter(|held| held.first_due(now_ms).is_some());
        LiveSet { set, now_ms, due }
    }

    /// The set itself, with the members that are due.
    pub fn whole(self) -> &'a Set {
        self.set
    }

    /// Whether some members are due.
    pub fn has_due(self) -> bool {
        self.due.is_some()
    }

    #[inline]
    fn is_due(self, member: &[u8]) -> bool {
        let deadline_ms = self.due.and_then(|held| held.of(member));
        deadline_ms.is_some_and(|deadline_ms| deadline_ms <= self.now_ms)
    }

    fn is_piece_due(self, piece: &Piece<'_>) -> bool {
        self.due.is_some() && self.is_due(piece.as_bytes(&mut itoa::Buffer::new()))
    }

    /// Members stored, those included that are due but not yet taken out.
    pub fn len(self) -> usize {
        self.set.len()
    }

    /// Whether there is none to see.
    pub fn is_empty(self) -> bool {
        match self.due {
            None => self.set.is_empty(),
            Some(_) => self.set.is_all_due(self.now_ms),
        }
    }

    /// How many members there are to see. It takes as long as there are members that are due.
    pub fn count(self) -> usize {
        self.set.len() - self.due().count()
    }

    /// The members that are due.
    pub fn due(self) -> impl Iterator<Item = &'a Bstr> {
        let due = self.due.into_iter();
        due.flat_map(move |held| held.due(self.now_ms))
    }

    pub fn contains(self, member: &[u8]) -> bool {
        self.set.contains(member) && !self.is_due(member)
    }

    /// The deadline of a member that is there; nothing of one that is due.
    pub fn deadline(self, member: &[u8]) -> Option<u64> {
        let deadline_ms = self.set.deadline(member);
        deadline_ms.filter(|deadline_ms| *deadline_ms > self.now_ms)
    }

    pub fn iter(self) -> impl Iterator<Item = Piece<'a>> {
        self.set
            .form()
            .iter()
            .filter(move |piece| !self.is_piece_due(piece))
    }

    /// Whether the member at a position is to be seen.
    pub fn is_seen(self, pos: usize) -> bool {
        self.due.is_none() || !self.is_piece_due(&self.nth(pos))
    }

    /// The member at a position.
    pub fn nth(self, pos: usize) -> Piece<'a> {
        self.set.form().nth(pos)
    }

    /// Visits about `count` members and returns the next cursor, 0 at the end; see [`crate::types::HashRef::scan`].
    pub fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(Piece<'_>)) -> u64 {
        self.set.form().scan(cursor, count, |piece| {
            if !self.is_piece_due(&piece) {
                visit(piece);
            }
        })
    }
}
