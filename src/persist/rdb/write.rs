//! Values to bytes.

use hashbrown::HashMap;

use super::compress::Compressor;
use super::dialect::{
    Dialect, VERSION_PLAIN, VERSION_STREAM_3, VERSION_STREAM_4, VERSION_STREAM_5,
};
use super::kind;
use crate::types::list::NodeRef;
use crate::types::set::Flat;
use crate::types::{HashRef, Listpack, Piece, ValueRef};

/// Strings shorter than this gain nothing from compression.
const COMPRESS_MIN: usize = 20;

/// How values are written: which readers must understand them, and whether strings are compressed.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub version: u16,
    pub compress: bool,
}

/// The lowest version of a family that can carry the value. When a stream's consumer was last active is not worth
/// a version that servers before 7.2 refuse.
pub fn version_for(value: ValueRef<'_>, dialect: Dialect) -> u16 {
    match value {
        ValueRef::Hash(hash) if hash.next_deadline().is_some() => dialect.version_of_field_ttl(),
        // Valkey has no form for these.
        ValueRef::Stream(_) if dialect == Dialect::Valkey => VERSION_PLAIN,
        ValueRef::Stream(stream) if stream.has_released => VERSION_STREAM_5,
        ValueRef::Stream(stream) if stream.is_later() => VERSION_STREAM_4,
        _ => VERSION_PLAIN,
    }
}

/// Bytes gathered before they are handed on.
const SPILL_BYTES: usize = 256 * 1024;

/// Where bytes go that have piled up, even in the middle of a value.
pub trait Spill {
    fn spill(&mut self, bytes: &mut Vec<u8>);
}

/// They stay.
impl Spill for () {
    fn spill(&mut self, _: &mut Vec<u8>) {}
}

/// Writes values, and the strings and lengths they are made of.
pub struct RdbWriter<S> {
    pub out: Vec<u8>,
    pub style: Style,
    pub spill: S,
    compressor: Compressor,
}

impl<S: Spill> RdbWriter<S> {
    pub fn new(style: Style, spill: S) -> Self {
        RdbWriter {
            out: Vec::new(),
            style,
            spill,
            compressor: Compressor::default(),
        }
    }

    fn dialect(&self) -> Dialect {
        Dialect::of_version(self.style.version)
    }

    /// The byte that tells a value's kind.
    pub fn kind_of(&self, value: ValueRef<'_>) -> u8 {
        let packs = self.style.version >= VERSION_PLAIN;
        match value {
            ValueRef::Text(_) => kind::STRING,
            ValueRef::List(_) if packs => kind::LIST_QUICKLIST_2,
            ValueRef::List(_) => kind::LIST,
            // The packed form is younger than 7.0, so members are written one by one.
            ValueRef::Set(set) => match set.flat() {
                Some(Flat::Ints(_)) => kind::SET_INTSET,
                _ => kind::SET,
            },
            ValueRef::ZSet(zset) if packs && zset.as_listpack().is_some() => kind::ZSET_LISTPACK,
            ValueRef::ZSet(_) => kind::ZSET_2,
            ValueRef::Hash(hash) => {
                let timed = hash.next_deadline().is_some();
                if timed && self.dialect() == Dialect::Valkey {
                    return kind::HASH_VALKEY;
                }
                match hash.as_listpack() {
                    Some(_) if timed => kind::HASH_LISTPACK_EX,
                    Some(_) if packs => kind::HASH_LISTPACK,
                    _ if timed => kind::HASH_METADATA,
                    _ => kind::HASH,
                }
            }
            ValueRef::Stream(stream)
                if stream.is_later()
                    && self.style.version >= VERSION_STREAM_4
                    && self.dialect() == Dialect::Redis =>
            {
                match stream.has_released && self.style.version >= VERSION_STREAM_5 {
                    true => kind::STREAM_5,
                    false => kind::STREAM_4,
                }
            }
            ValueRef::Stream(_) if self.style.version >= VERSION_STREAM_3 => kind::STREAM_3,
            ValueRef::Stream(_) if packs => kind::STREAM_2,
            ValueRef::Stream(_) => kind::STREAM,
            ValueRef::VectorSet(_) | ValueRef::Json(_) | ValueRef::Suggestions(_) => kind::MODULE_2,
        }
    }

    /// The value itself, without the byte before it.
    pub fn value(&mut self, value: ValueRef<'_>) {
        match (self.kind_of(value), value) {
            (_, ValueRef::Text(text)) => self.string(text.as_bytes(&mut itoa::Buffer::new())),
            (kind::LIST, ValueRef::List(list)) => {
                self.len(list.len() as u64);
                list.iter_from(0, false)
                    .for_each(|element| self.piece(element));
            }
            (_, ValueRef::List(list)) => {
                self.len(list.nodes().count() as u64);
                for node in list.nodes() {
                    match node {
                        NodeRef::Plain(element) => {
                            self.len(1);
                            self.string(element);
                        }
                        NodeRef::Packed(pack) => {
                            self.len(2);
                            self.string(pack.as_bytes());
                        }
                    }
                }
            }
            (_, ValueRef::Set(set)) => {
                if let Some(Flat::Ints(ints)) = set.flat() {
                    return self.string(ints);
                }
                self.len(set.len() as u64);
                set.iter().for_each(|member| self.piece(member));
            }
            (kind, ValueRef::ZSet(zset)) => {
                if kind == kind::ZSET_LISTPACK
                    && let Some(pack) = zset.as_listpack()
                {
                    return self.string(pack.as_bytes());
                }
                self.len(zset.len() as u64);
                for (member, score) in zset.iter_ranks(0..zset.len(), true) {
                    self.piece(member);
                    self.out.extend_from_slice(&score.to_le_bytes());
                }
            }
            (kind, ValueRef::Hash(hash)) => self.hash(kind, hash),
            (kind, ValueRef::Stream(stream)) => self.stream(kind, stream),
            (_, ValueRef::VectorSet(set)) => self.vector_set(set),
            (_, ValueRef::Json(json)) => self.json(json),
            (_, ValueRef::Suggestions(held)) => self.suggestions(held),
        }
    }

    fn hash(&mut self, kind: u8, hash: HashRef<'_>) {
        if kind == kind::HASH_LISTPACK
            && let Some(pack) = hash.as_listpack()
        {
            return self.string(pack.as_bytes());
        }
        if kind == kind::HASH {
            self.len(hash.len() as u64);
            for (field, value) in hash.iter_all() {
                self.piece(field);
                self.piece(value);
            }
            return;
        }
        let earliest = hash.next_deadline().unwrap_or(0);
        if kind != kind::HASH_VALKEY {
            self.out.extend_from_slice(&earliest.to_le_bytes());
        }
        // A frozen hash finds no field, so the writer has an index of its own.
        let deadlines: HashMap<&[u8], u64> = hash.deadlines().collect();
        let deadline = |field: &Piece<'_>| {
            let mut digits = itoa::Buffer::new();
            deadlines.get(field.as_bytes(&mut digits)).copied()
        };
        if kind == kind::HASH_METADATA {
            self.len(hash.len() as u64);
            for (field, value) in hash.iter_all() {
                // Relative to the earliest, with 0 for none.
                self.len(deadline(&field).map_or(0, |deadline| deadline - earliest + 1));
                self.piece(field);
                self.piece(value);
            }
            return;
        }
        if kind == kind::HASH_VALKEY {
            self.len(hash.len() as u64);
            for (field, value) in hash.iter_all() {
                let deadline = deadline(&field).map_or(-1, |deadline| deadline as i64);
                self.piece(field);
                self.piece(value);
                self.out.extend_from_slice(&deadline.to_le_bytes());
                self.pour();
            }
            return;
        }
        // Field, value, deadline, in the order of deadlines; those without one come last, as zero.
        let mut rows: Vec<_> = hash
            .iter_all()
            .map(|(field, value)| (deadline(&field), field, value))
            .collect();
        rows.sort_by_key(|(deadline, ..)| deadline.unwrap_or(u64::MAX));
        let mut pack = Listpack::new();
        for (deadline, field, value) in rows {
            pack.push_back(&field.to_vec());
            pack.push_back(&value.to_vec());
            pack.push_back(deadline.unwrap_or(0).to_string().as_bytes());
        }
        self.string(pack.as_bytes());
    }

    fn piece(&mut self, piece: Piece<'_>) {
        self.string(piece.as_bytes(&mut itoa::Buffer::new()));
    }

    /// A length in one, two, five or nine bytes.
    pub fn len(&mut self, len: u64) {
        let out = &mut self.out;
        match len {
            0..64 => out.push(len as u8),
            64..16_384 => out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
            16_384..=0xffff_ffff => {
                out.push(0x80);
                out.extend_from_slice(&(len as u32).to_be_bytes());
            }
            _ => {
                out.push(0x81);
                out.extend_from_slice(&len.to_be_bytes());
            }
        }
    }

    /// A string: as an integer if it is a short one, compressed if that is shorter, or plain.
    pub fn string(&mut self, bytes: &[u8]) {
        if !self.integer(bytes) && !self.compressed(bytes) {
            self.len(bytes.len() as u64);
            for part in bytes.chunks(SPILL_BYTES) {
                self.out.extend_from_slice(part);
                self.pour();
            }
        }
        self.pour();
    }

    /// Hands on what has piled up.
    pub(super) fn pour(&mut self) {
        if self.out.len() >= SPILL_BYTES {
            self.spill.spill(&mut self.out);
        }
    }

    fn integer(&mut self, bytes: &[u8]) -> bool {
        let Some(n) = Some(bytes)
            .filter(|bytes| bytes.len() <= 11)
            .and_then(crate::util::number::parse_i64)
        else {
            return false;
        };
        if let Ok(n) = i8::try_from(n) {
            self.out.extend_from_slice(&[0xc0, n as u8]);
        } else if let Ok(n) = i16::try_from(n) {
            self.out.push(0xc1);
            self.out.extend_from_slice(&n.to_le_bytes());
        } else if let Ok(n) = i32::try_from(n) {
            self.out.push(0xc2);
            self.out.extend_from_slice(&n.to_le_bytes());
        } else {
            return false;
        }
        true
    }

    /// Writes a string compressed, if that saves anything.
    fn compressed(&mut self, bytes: &[u8]) -> bool {
        if !self.style.compress || bytes.len() <= COMPRESS_MIN {
            return false;
        }
        let start = self.out.len();
        self.out.push(0xc3);
        // The length of what follows is known when it stands there.
        let head = self.out.len();
        if !self
            .compressor
            .compress(bytes, bytes.len() - 4, &mut self.out)
        {
            self.out.truncate(start);
            return false;
        }
        let short = self.out.split_off(head);
        self.len(short.len() as u64);
        self.len(bytes.len() as u64);
        self.out.extend_from_slice(&short);
        true
    }
}
