//! A key and a small value in one block of bytes: their lengths, the key, the value.

use crate::types::{Hash, HashRef, PackRef, Piece, Text, TextRef, Value, ValueRef};

/// What may stand with its key.
#[derive(Clone, Copy)]
pub(super) enum Small<'a> {
    Text(Piece<'a>),
    /// A hash without deadlines, which knows its own length.
    Hash(PackRef<'a>),
}

/// Bytes before the key: the lengths of key and value.
const HEAD: usize = 2;
/// The value's length, where the value is an integer of eight bytes.
const INT: u8 = u8::MAX;
/// The same, where the value is a hash.
const HASH: u8 = INT - 1;
/// The longest string.
const TEXT_MAX: usize = HASH as usize - 1;
const KEY_MAX: usize = u8::MAX as usize;

/// The bytes that key and value take, if they may stand together.
#[inline]
pub(super) fn bytes_of(key: &[u8], value: Small<'_>) -> Option<usize> {
    let value_bytes = match value {
        Small::Text(Piece::Int(_)) => size_of::<i64>(),
        Small::Text(Piece::Bytes(bytes)) if bytes.len() <= TEXT_MAX => bytes.len(),
        Small::Text(Piece::Bytes(_)) => return None,
        Small::Hash(pack) => pack.as_bytes().len(),
    };
    (key.len() <= KEY_MAX).then_some(HEAD + key.len() + value_bytes)
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

#[inline]
pub(super) fn write_key(block: &mut [u8], key: &[u8]) {
    block[0] = key.len() as u8;
    block[HEAD..HEAD + key.len()].copy_from_slice(key);
}

/// Writes a value behind the key.
#[inline]
pub(super) fn write(block: &mut [u8], value: Small<'_>) {
    let at = HEAD + usize::from(block[0]);
    let mut put = |len: u8, bytes: &[u8]| {
        block[1] = len;
        block[at..at + bytes.len()].copy_from_slice(bytes);
    };
    match value {
        Small::Text(Piece::Int(n)) => put(INT, &n.to_le_bytes()),
        Small::Text(Piece::Bytes(bytes)) => put(bytes.len() as u8, bytes),
        Small::Hash(pack) => put(HASH, pack.as_bytes()),
    }
}

/// The key of a block that was written.
#[inline]
pub(super) fn key(block: &[u8]) -> &[u8] {
    block
        .get(HEAD..HEAD + usize::from(block[0]))
        .unwrap_or_default()
}

#[inline]
pub(super) fn holds_hash(block: &[u8]) -> bool {
    block[1] == HASH
}

#[inline]
pub(super) fn value(block: &[u8]) -> Small<'_> {
    let bytes = block
        .get(HEAD + usize::from(block[0])..)
        .unwrap_or_default();
    match block[1] {
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
