//! A small sorted set: a listpack of member, score, member, score in order.
//!
//! The very bytes that RDB files and DUMP carry. Every look is a walk, which
//! the limits on entries keep short.

use super::bounds::LexRange;
use super::inserted::Inserted;
use crate::types::Piece;
use crate::types::listpack::Listpack;
use crate::util::number;
use std::ops::Range;

/// Beyond this Redis writes a whole score in digits of a double, not of an
/// integer; so do we, that both read each other's sets alike.
const INT_MAX: f64 = (1u64 << 62) as f64;

/// Pairs in ascending order of (score, member). No score is NaN.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    pack: Listpack,
}

impl Packed {
    /// The ranks of the members from the first that is in the range on, as far as they are in it.
    pub fn lex_range(&self, range: &LexRange<'_>, reverse: bool) -> Range<usize> {
        let names: Vec<Vec<u8>> = self
            .iter(0..self.len(), false)
            .map(|(name, _)| name.to_vec())
            .collect();
        let (Some(first), Some(last)) = (names.first(), names.last()) else {
            return 0..0;
        };
        if range.is_behind(last) || !range.reaches(first) {
            return 0..0;
        }
        if reverse {
            let end = names
                .iter()
                .rposition(|name| range.reaches(name))
                .map_or(0, |at| at + 1);
            let held = names[..end]
                .iter()
                .rev()
                .take_while(|name| !range.is_behind(name))
                .count();
            end - held..end
        } else {
            let start = names
                .iter()
                .position(|name| !range.is_behind(name))
                .unwrap_or(names.len());
            let held = names[start..]
                .iter()
                .take_while(|name| range.reaches(name))
                .count();
            start..start + held
        }
    }

    /// Takes a listpack from a file. Refuses one that is no sorted set: an odd
    /// entry, a score that is no number, members out of order or twice.
    pub fn check(pack: Listpack) -> Result<Self, Listpack> {
        let packed = Self { pack };
        if packed.is_sound() {
            Ok(packed)
        } else {
            Err(packed.pack)
        }
    }

    pub fn as_listpack(&self) -> &Listpack {
        &self.pack
    }

    pub fn len(&self) -> usize {
        self.pack.len() / 2
    }

    pub fn heap_bytes(&self) -> usize {
        self.pack.heap_bytes()
    }

    /// The rank and score of a member.
    pub fn find(&self, member: &[u8]) -> Option<(usize, f64)> {
        self.iter(0..self.len(), false)
            .enumerate()
            .find(|(_, (name, _))| name.is(member))
            .map(|(rank, (_, score))| (rank, score))
    }

    /// How many pairs, from the first on, `before` holds for.
    pub fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let mut digits = itoa::Buffer::new();
        self.iter(0..self.len(), false)
            .take_while(|&(name, score)| before(score, bytes_of(name, &mut digits)))
            .count()
    }

    /// Puts a member where it belongs, or moves it there.
    pub fn insert(&mut self, member: &[u8], score: f64) -> Inserted {
        let inserted = match self.find(member) {
            Some((_, old)) if old == score => return Inserted::Same,
            Some((rank, _)) => {
                self.remove(rank..rank + 1);
                Inserted::Moved
            }
            None => Inserted::Added,
        };
        let rank = self.partition_point(|other_score, other| {
            other_score < score || (other_score == score && other < member)
        });
        let (mut digits, mut shortest) = (itoa::Buffer::new(), zmij::Buffer::new());
        let text = if score.abs() <= INT_MAX && score.trunc() == score {
            digits.format(score as i64)
        } else if score.is_infinite() {
            if score > 0.0 { "inf" } else { "-inf" }
        } else {
            shortest.format_finite(score)
        };
        match self.pack.seek(rank * 2) {
            Some(cursor) => {
                self.pack.insert(cursor, text.as_bytes());
                self.pack.insert(cursor, member);
            }
            None => {
                self.pack.push_back(member);
                self.pack.push_back(text.as_bytes());
            }
        }
        inserted
    }

    pub fn remove(&mut self, ranks: Range<usize>) {
        if let Some(cursor) = self.pack.seek(ranks.start * 2) {
            self.pack.remove_many(cursor, ranks.len() * 2);
        }
    }

    /// The pairs of these ranks, in order or from the last one back.
    pub fn iter(&self, ranks: Range<usize>, reverse: bool) -> PackedIter<'_> {
        let first = if reverse {
            ranks.end.saturating_sub(1)
        } else {
            ranks.start
        };
        PackedIter {
            pack: &self.pack,
            member: self.pack.seek(first * 2),
            left: ranks.len(),
            reverse,
        }
    }

    fn is_sound(&self) -> bool {
        if !self.pack.len().is_multiple_of(2) {
            return false;
        }
        let mut digits = itoa::Buffer::new();
        let mut last: Option<(f64, Vec<u8>)> = None;
        let mut cursor = self.pack.first();
        while let Some(at) = cursor {
            let Some(score_at) = self.pack.next(at) else {
                return false;
            };
            let Some(score) = read_score(self.pack.get(score_at)) else {
                return false;
            };
            let member = bytes_of(self.pack.get(at), &mut digits);
            if let Some((last_score, last_member)) = &last
                && (*last_score > score || (*last_score == score && **last_member >= *member))
            {
                return false;
            }
            last = Some((score, member.to_vec()));
            cursor = self.pack.next(score_at);
        }
        self.has_no_twins()
    }

    /// In order is not enough: one member may stand there with two scores.
    fn has_no_twins(&self) -> bool {
        let mut names: Vec<_> = self
            .iter(0..self.len(), false)
            .map(|(name, _)| name.to_vec())
            .collect();
        names.sort_unstable();
        names.windows(2).all(|pair| pair[0] != pair[1])
    }
}

/// A score as the listpack has it: `None` where it is no number.
pub fn read_score(piece: Piece<'_>) -> Option<f64> {
    match piece {
        Piece::Int(int) => Some(int as f64),
        Piece::Bytes(text) => number::parse_double(text).filter(|score| !score.is_nan()),
    }
}

fn bytes_of<'a>(piece: Piece<'a>, digits: &'a mut itoa::Buffer) -> &'a [u8] {
    match piece {
        Piece::Bytes(bytes) => bytes,
        Piece::Int(int) => digits.format(int).as_bytes(),
    }
}

/// Pairs in one direction. See [`Packed::iter`].
#[derive(Clone, Debug)]
pub struct PackedIter<'a> {
    pack: &'a Listpack,
    /// Where the next member stands.
    member: Option<usize>,
    left: usize,
    reverse: bool,
}

impl<'a> Iterator for PackedIter<'a> {
    type Item = (Piece<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let member = self.member?;
        let score = self.pack.next(member)?;
        self.member = if self.reverse {
            self.pack
                .prev(member)
                .and_then(|score| self.pack.prev(score))
        } else {
            self.pack.next(score)
        };
        let value = read_score(self.pack.get(score)).expect("`check` lets no other score in");
        Some((self.pack.get(member), value))
    }
}
