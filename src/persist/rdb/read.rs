//! Bytes to values. Every length is held against what is there before anything is allocated.

use std::borrow::Cow;

use super::dialect::Dialect;
use super::fault::{Fault, Fault::Broken, Read};
use super::templates::Templates;
use super::{kind, ziplist, zipmap};
use crate::types::intset::IntSet;
use crate::types::list::ListNode;
use crate::types::zset::Inserted;
use crate::types::{
    Hash, Limits, List, Listpack, PART_DEADLINE_MAX_MS, Set, Text, Type, Value, ZSet,
};

/// Redis keeps 48 bits of a field's deadline, and reads no more. One that no command may set becomes the latest that may be.
const READ_DEADLINE_MAX_MS: u64 = (1 << 48) - 1;

#[derive(Clone, Copy)]
pub struct RdbReader<'a> {
    bytes: &'a [u8],
    /// Those of the file that the bytes are of.
    templates: Option<&'a Templates>,
}

/// A length, or what stands in the place of one.
pub(super) enum Length {
    Plain(u64),
    /// An integer of this many bytes.
    Int(usize),
    Compressed,
}

fn hash_of_pairs(pack: Listpack, limits: &Limits) -> Read<Hash> {
    let whole = pack.len().is_multiple_of(2);
    Hash::from_listpack(pack, limits).ok_or(match whole {
        true => Fault::Says("listpack with dup elements"),
        false => Broken,
    })
}

impl<'a> RdbReader<'a> {
    /// Reads one value, and all of it.
    pub fn value(bytes: &'a [u8], dialect: Dialect, limits: &Limits) -> Read<Value> {
        let mut reader = RdbReader::new(bytes);
        if dialect == Dialect::Redis {
            reader.pass_metadata()?;
        }
        let kind = dialect.kind(reader.byte()?)?;
        let value = reader.whole(kind, limits)?;
        if reader.bytes.is_empty() {
            Ok(value)
        } else {
            Err(Broken)
        }
    }

    /// A value of this kind, with at least one element if it is a collection.
    pub(super) fn whole(&mut self, kind: u8, limits: &Limits) -> Read<Value> {
        let value = self.value_of(kind, limits)?;
        if value.as_ref().holds_nothing() {
            return Err(Fault::Empty);
        }
        Ok(value)
    }

    pub(super) fn new(bytes: &'a [u8]) -> Self {
        RdbReader {
            bytes,
            templates: None,
        }
    }

    /// Of a file that has these templates.
    pub(super) fn with_templates(mut self, templates: &'a Templates) -> Self {
        self.templates = Some(templates);
        self
    }

    /// The bytes from here to where a later reader stands.
    pub(super) fn until(&self, later: &RdbReader<'_>) -> &'a [u8] {
        &self.bytes[..self.bytes.len() - later.bytes.len()]
    }

    /// All that was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    fn value_of(&mut self, kind: u8, limits: &Limits) -> Read<Value> {
        Ok(match kind {
            kind::STRING => Value::Text(Text::from_bytes(&self.string()?)),
            kind::LIST => self.list_of_strings(limits)?.wrap(),
            kind::LIST_ZIPLIST => {
                List::from_nodes([ListNode::packed(self.ziplist()?)], limits).wrap()
            }
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
            kind::HASH_VALKEY => self.hash_of_valkey(limits)?.wrap(),
            kind::HASH | kind::HASH_METADATA | kind::HASH_METADATA_DRAFT => {
                self.hash(kind, limits)?.wrap()
            }
            kind::HASH_ZIPMAP => {
                let mut hash = Hash::new();
                zipmap::each(&self.string()?, |field, value| {
                    hash.insert(field, value, false, 0, limits)
                })
                .ok_or(Broken)?;
                hash.wrap()
            }
            kind::HASH_ZIPLIST => hash_of_pairs(self.ziplist()?, limits)?.wrap(),
            kind::HASH_LISTPACK => hash_of_pairs(self.listpack()?, limits)?.wrap(),
            kind::HASH_LISTPACK_EX | kind::HASH_LISTPACK_EX_DRAFT => {
                self.hash_with_deadlines(kind, limits)?.wrap()
            }
            kind::STREAM | kind::STREAM_2 | kind::STREAM_3 | kind::STREAM_4 | kind::STREAM_5 => {
                self.stream(kind)?.wrap()
            }
            kind::HASH_TEMPLATE..=kind::HASH_TEMPLATE_REF
            | kind::HASH_TEMPLATE_PACK..=kind::HASH_TEMPLATE_PACK_REF => {
                let none = Templates::default();
                let templates = self.templates.unwrap_or(&none);
                self.hash_of_template(kind, templates, limits)?.wrap()
            }
            kind::BITMAP => Value::Text(Text::from_bytes(&self.bitmap(limits)?)),
            kind::MODULE_2 => self.module_value(limits)?,
            other => return Err(Fault::UnknownKind(other)),
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
                0 if !second => ListNode::packed(self.ziplist()?),
                1 => match self.string()? {
                    element if element.is_empty() => return Err(Broken),
                    element => ListNode::plain(element.into()),
                },
                2 => ListNode::packed(self.listpack()?),
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
        match self.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Ok(f64::NAN),
            len => crate::util::number::parse_double(self.take(usize::from(len))?).ok_or(Broken),
        }
    }

    fn hash(&mut self, kind: u8, limits: &Limits) -> Read<Hash> {
        let with_deadlines = kind != kind::HASH;
        // The drafts of 7.4 had absolute deadlines, which is one more than from an earliest of 0.
        let earliest = match kind {
            kind::HASH_METADATA => u64::from_le_bytes(self.array()?),
            _ => 1,
        };
        let mut hash = Hash::new();
        for _ in 0..self.count()? {
            let after = if with_deadlines { self.count()? } else { 0 };
            let (field, value) = (self.string()?, self.string()?);
            if !hash.insert(&field, &value, false, 0, limits) {
                return Err(Broken);
            }
            if after > 0 {
                let deadline = earliest.checked_add(after - 1);
                let deadline = deadline.filter(|at| *at <= READ_DEADLINE_MAX_MS);
                // Zero would stand for none in what we write.
                hash.set_deadline(
                    &field,
                    deadline.ok_or(Broken)?.clamp(1, PART_DEADLINE_MAX_MS),
                );
            }
        }
        Ok(hash)
    }

    /// Field, value, and a deadline or -1.
    fn hash_of_valkey(&mut self, limits: &Limits) -> Read<Hash> {
        let mut hash = Hash::new();
        for _ in 0..self.count()? {
            let (field, value) = (self.string()?, self.string()?);
            let deadline = i64::from_le_bytes(self.array()?);
            if !hash.insert(&field, &value, false, 0, limits) {
                return Err(Broken);
            }
            if let Ok(deadline) = u64::try_from(deadline) {
                hash.set_deadline(&field, deadline.clamp(1, PART_DEADLINE_MAX_MS));
            }
        }
        Ok(hash)
    }

    fn hash_with_deadlines(&mut self, kind: u8, limits: &Limits) -> Read<Hash> {
        if kind == kind::HASH_LISTPACK_EX {
            self.array::<8>()?; // The earliest deadline, which the fields tell as well.
        }
        let pack = self.listpack()?;
        let (mut hash, mut before) = (Hash::new(), 0);
        let mut pieces = pack.iter();
        while let Some(field) = pieces.next() {
            let (Some(value), Some(deadline)) = (pieces.next(), pieces.next()) else {
                return Err(Broken);
            };
            let field = field.to_vec();
            if !hash.insert(&field, &value.to_vec(), false, 0, limits) {
                return Err(Broken);
            }
            let deadline = deadline.to_int().and_then(|at| u64::try_from(at).ok());
            let deadline = deadline.filter(|at| *at <= READ_DEADLINE_MAX_MS);
            // In order; fields without a deadline come last.
            let place = match deadline.ok_or(Broken)? {
                0 => u64::MAX,
                deadline => {
                    hash.set_deadline(&field, deadline.min(PART_DEADLINE_MAX_MS));
                    deadline
                }
            };
            if place < std::mem::replace(&mut before, place) {
                return Err(Broken);
            }
        }
        Ok(hash)
    }

    pub(super) fn listpack(&mut self) -> Read<Listpack> {
        Listpack::from_bytes(self.string()?.into_owned()).ok_or(Broken)
    }

    fn ziplist(&mut self) -> Read<Listpack> {
        ziplist::to_listpack(&self.string()?).ok_or(Broken)
    }

    pub(super) fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(Fault::Short)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Read<u8> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Broken)
    }

    pub(super) fn length(&mut self) -> Read<Length> {
        let head = self.byte()?;
        Ok(match head {
            0..0x40 => Length::Plain(u64::from(head)),
            0x40..0x80 => Length::Plain(u64::from(head & 0x3f) << 8 | u64::from(self.byte()?)),
            0x80 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            0xc0 => Length::Int(1),
            0xc1 => Length::Int(2),
            0xc2 => Length::Int(4),
            0xc3 => Length::Compressed,
            _ => return Err(Broken),
        })
    }

    pub(super) fn count(&mut self) -> Read<u64> {
        match self.length()? {
            Length::Plain(count) => Ok(count),
            _ => Err(Broken),
        }
    }

    pub(super) fn string(&mut self) -> Read<Cow<'a, [u8]>> {
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
