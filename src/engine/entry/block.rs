//! A key and a small value in one block of bytes: the key, then the value. Their lengths stand before them, or with whom
//! the block belongs to.

use crate::types::{Hash, HashRef, PackRef, Piece, Text, TextRef, Value, ValueRef};

/// What may stand with its key.
#[derive(Clone, Copy)]
pub(super) enum Small<'a> {
    Text(Piece<'a>),
    /// A hash without deadlines, which knows its own length.
    Hash(PackRef<'a>),
}

/// The lengths of key and value, where they stand before the key.
pub(super) const HEAD: usize = 2;
/// The value's length, where the value is an integer of eight bytes.
const INT: u8 = u8::MAX;
/// The value's length, where the value is a hash.
const HASH: u8 = INT - 1;
/// The longest string.
const TEXT_MAX: usize = HASH as usize - 1;
const KEY_MAX: usize = u8::MAX as usize;

/// How a key and a value stand together.
#[derive(Clone, Copy)]
pub(super) struct BlockLayout {
    /// The length of the key, and that of the value or what it is.
    pub lens: [u8; HEAD],
    /// Bytes of both.
    pub bytes: usize,
}

impl BlockLayout {
    /// None if they may not stand together.
    #[inline]
    pub fn of(key: &[u8], value: Small<'_>) -> Option<Self> {
        let (len, bytes) = match value {
            Small::Text(Piece::Int(_)) => (INT, size_of::<i64>()),
            Small::Text(Piece::Bytes(bytes)) if bytes.len() <= TEXT_MAX => {
                (bytes.len() as u8, bytes.len())
            }
            Small::Text(Piece::Bytes(_)) => return None,
            Small::Hash(pack) => (HASH, pack.as_bytes().len()),
        };
        (key.len() <= KEY_MAX).then_some(BlockLayout {
            lens: [key.len() as u8, len],
            bytes: key.len() + bytes,
        })
    }
}

/// The size of the block for so many bytes: the allocator's next, four to each doubling.
#[inline]
pub(super) fn size_for(bytes: usize) -> usize {
    let step = match bytes {
        ..=128 => 16,
        129..=256 => 32,
        _ => 64,
    };
    bytes.next_multiple_of(step)
}

/// Writes a value to where it stands.
#[inline]
pub(super) fn write(room: &mut [u8], value: Small<'_>) {
    let mut put = |bytes: &[u8]| room[..bytes.len()].copy_from_slice(bytes);
    match value {
        Small::Text(Piece::Int(n)) => put(&n.to_le_bytes()),
        Small::Text(Piece::Bytes(bytes)) => put(bytes),
        Small::Hash(pack) => put(pack.as_bytes()),
    }
}

/// Key and value as they stand together.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    lens: [u8; HEAD],
    /// The key and what follows.
    bytes: &'a [u8],
}

impl<'a> Block<'a> {
    /// Their lengths stand before them.
    #[inline]
    pub fn headed(block: &'a [u8]) -> Self {
        let (lens, bytes) = block.split_first_chunk().unwrap_or((&[0; HEAD], &[]));
        Block::new(*lens, bytes)
    }

    #[inline]
    pub fn new(lens: [u8; HEAD], bytes: &'a [u8]) -> Self {
        Block { lens, bytes }
    }

    #[inline]
    pub fn key(self) -> &'a [u8] {
        self.bytes
            .get(..usize::from(self.lens[0]))
            .unwrap_or_default()
    }

    #[inline]
    pub fn holds_hash(self) -> bool {
        self.lens[1] == HASH
    }

    #[inline]
    pub fn value(self) -> Small<'a> {
        let bytes = self
            .bytes
            .get(usize::from(self.lens[0])..)
            .unwrap_or_default();
        match self.lens[1] {
            HASH => Small::Hash(PackRef::at_start_of(bytes)),
            INT => {
                let first = bytes.first_chunk();
                Small::Text(Piece::Int(
                    first.map_or(0, |first| i64::from_le_bytes(*first)),
                ))
            }
            len => Small::Text(Piece::Bytes(
                bytes.get(..usize::from(len)).unwrap_or_default(),
            )),
        }
    }
}

impl<'a> Small<'a> {
    /// The value as readers see it.
    #[inline]
    pub fn seen(self) -> ValueRef<'a> {
        match self {
            Small::Text(piece) => ValueRef::Text(TextRef::packed(piece)),
            Small::Hash(pack) => ValueRef::Hash(HashRef::packed(pack)),
        }
    }

    /// A copy that stands by itself.
    pub fn alone(self) -> Value {
        match self {
            Small::Text(piece) => Value::Text(Text::from_piece(piece)),
            Small::Hash(pack) => Value::Hash(Hash::unpacked(pack)),
        }
    }
}
