//! Bytes to values. Every length is held against what is there before anything is allocated.

use std::borrow::Cow;

use super::{kind, ziplist};
use crate::types::intset::IntSet;
use crate::types::list::Node;
use crate::types::zset::Inserted;
use crate::types::{Hash, Limits, List, Listpack, Set, Text, Type, Value, ZSet};

/// The bytes are no value of a kind that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

type Read<T> = Result<T, Broken>;

pub struct Reader<'a> {
    bytes: &'a [u8],
}

/// A length, or what stands in the place of one.
enum Length {
    Plain(u64),
    /// An integer of this many bytes.
    Int(usize),
    Compressed,
}

impl<'a> Reader<'a> {
    /// Reads one value, and all of it.
    pub fn value(bytes: &'a [u8], limits: &Limits) -> Read<Value> {
        let mut reader = Reader { bytes };
        let kind = reader.take(1)?[0];
        let value = reader.value_of(kind, limits)?;
        if reader.bytes.is_empty() && !value.is_empty() {
            Ok(value)
        } else {
            Err(Broken)
        }
    }

    fn value_of(&mut self, kind: u8, limits: &Limits) -> Read<Value> {
        Ok(match kind {
            kind::STRING => Value::Text(Text::from_bytes(&self.string()?)),
            kind::LIST => self.list_of_strings(limits)?.wrap(),
            kind::LIST_ZIPLIST => List::from_nodes([Node::packed(self.ziplist()?)], limits).wrap(),
            kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => self
                .quicklist(kind == kind::LIST_QUICKLIST_2, limits)?
                .wrap(),
            kind::SET => self.set(limits)?.wrap(),
            kind::SET_INTSET => {
                Set::from_ints(IntSet::from_bytes(self.string()?.into_owned()).ok_or(Broken)?)
                    .wrap()
            }
            kind::SET_LISTPACK => Set::from_listpack(&self.listpack()?, limits)
                .ok_or(Broken)?
                .wrap(),
            kind::ZSET | kind::ZSET_2 => self.zset(kind == kind::ZSET_2, limits)?.wrap(),
            kind::ZSET_ZIPLIST => ZSet::from_listpack(self.ziplist()?, limits)
                .ok_or(Broken)?
                .wrap(),
            kind::ZSET_LISTPACK => ZSet::from_listpack(self.listpack()?, limits)
                .ok_or(Broken)?
                .wrap(),
            kind::HASH | kind::HASH_METADATA => {
                self.hash(kind == kind::HASH_METADATA, limits)?.wrap()
            }
            kind::HASH_ZIPLIST => Hash::from_listpack(self.ziplist()?, limits)
                .ok_or(Broken)?
                .wrap(),
            kind::HASH_LISTPACK => Hash::from_listpack(self.listpack()?, limits)
                .ok_or(Broken)?
                .wrap(),
            kind::HASH_LISTPACK_EX => self.hash_with_deadlines(limits)?.wrap(),
            _ => return Err(Broken),
        })
    }

    fn list_of_strings(&mut self, limits: &Limits) -> Read<List> {
        let mut list = List::new();
        for _ in 0..self.count()? {
            list.push_back(&self.string()?, limits);
        }
        Ok(list)
    }

    fn quicklist(&mut self, second: bool, limits: &Limits) -> Read<List> {
        let mut nodes = Vec::new();
        for _ in 0..self.count()? {
            nodes.push(match if second { self.count()? } else { 0 } {
                0 if !second => Node::packed(self.ziplist()?),
                1 => Node::plain(self.string()?.into()),
                2 => Node::packed(self.listpack()?),
                _ => return Err(Broken),
            });
        }
        Ok(List::from_nodes(nodes, limits))
    }

    fn set(&mut self, limits: &Limits) -> Read<Set> {
        let mut set = Set::new();
        for _ in 0..self.count()? {
            if !set.insert(&self.string()?, limits) {
                return Err(Broken);
            }
        }
        Ok(set)
    }

    fn zset(&mut self, binary_scores: bool, limits: &Limits) -> Read<ZSet> {
        let mut zset = ZSet::new();
        for _ in 0..self.count()? {
            let member = self.string()?;
            let score = if binary_scores {
                f64::from_le_bytes(self.array()?)
            } else {
                self.text_score()?
            };
            if score.is_nan() || zset.insert(&member, score, limits) != Inserted::Added {
                return Err(Broken);
            }
        }
        Ok(zset)
    }

    /// A score as text behind its length; lengths of 253 and more are nan and the infinities.
    fn text_score(&mut self) -> Read<f64> {
        match self.take(1)?[0] {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Ok(f64::NAN),
            len => crate::util::number::parse_double(self.take(usize::from(len))?).ok_or(Broken),
        }
    }

    fn hash(&mut self, with_deadlines: bool, limits: &Limits) -> Read<Hash> {
        let earliest = if with_deadlines {
            u64::from_le_bytes(self.array()?)
        } else {
            0
        };
        let mut hash = Hash::new();
        for _ in 0..self.count()? {
            let after = if with_deadlines { self.count()? } else { 0 };
            let (field, value) = (self.string()?, self.string()?);
            if !hash.insert(&field, &value, false, 0, limits) {
                return Err(Broken);
            }
            if after > 0 {
                hash.set_deadline(&field, earliest.checked_add(after - 1).ok_or(Broken)?);
            }
        }
        Ok(hash)
    }

    fn hash_with_deadlines(&mut self, limits: &Limits) -> Read<Hash> {
        self.array::<8>()?;
        let pack = self.listpack()?;
        let mut hash = Hash::new();
        let mut pieces = pack.iter();
        while let Some(field) = pieces.next() {
            let (Some(value), Some(deadline)) = (pieces.next(), pieces.next()) else {
                return Err(Broken);
            };
            let field = field.to_vec();
            if !hash.insert(&field, &value.to_vec(), false, 0, limits) {
                return Err(Broken);
            }
            match deadline
                .to_int()
                .and_then(|deadline| u64::try_from(deadline).ok())
            {
                None => return Err(Broken),
                Some(0) => {}
                Some(deadline) => hash.set_deadline(&field, deadline),
            }
        }
        Ok(hash)
    }

    fn listpack(&mut self) -> Read<Listpack> {
        Listpack::from_bytes(self.string()?.into_owned()).ok_or(Broken)
    }

    fn ziplist(&mut self) -> Read<Listpack> {
        ziplist::to_listpack(&self.string()?).ok_or(Broken)
    }

    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(Broken)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Broken)
    }

    fn length(&mut self) -> Read<Length> {
        let head = self.take(1)?[0];
        Ok(match head {
            0..0x40 => Length::Plain(u64::from(head)),
            0x40..0x80 => Length::Plain(u64::from(head & 0x3f) << 8 | u64::from(self.take(1)?[0])),
            0x80 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            0xc0 => Length::Int(1),
            0xc1 => Length::Int(2),
            0xc2 => Length::Int(4),
            0xc3 => Length::Compressed,
            _ => return Err(Broken),
        })
    }

    fn count(&mut self) -> Read<u64> {
        match self.length()? {
            Length::Plain(count) => Ok(count),
            _ => Err(Broken),
        }
    }

    fn string(&mut self) -> Read<Cow<'a, [u8]>> {
        Ok(match self.length()? {
            Length::Plain(len) => {
                Cow::Borrowed(self.take(usize::try_from(len).map_err(|_| Broken)?)?)
            }
            Length::Int(width) => {
                let mut wide = [0; 8];
                wide[8 - width..].copy_from_slice(self.take(width)?);
                let n = i64::from_le_bytes(wide) >> (64 - 8 * width);
                Cow::Owned(n.to_string().into_bytes())
            }
            Length::Compressed => {
                let (short, len) = (self.count()? as usize, self.count()? as usize);
                let short = self.take(short)?;
                // Nothing is compressed by more than this, so no small payload claims gigabytes.
                if len > short.len().saturating_mul(300) {
                    return Err(Broken);
                }
                let bytes = lzf::decompress(short, len).map_err(|_| Broken)?;
                if bytes.len() != len {
                    return Err(Broken);
                }
                Cow::Owned(bytes)
            }
        })
    }
}
