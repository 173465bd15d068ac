//! An element of a collection as it is stored: bytes, or an integer that was packed.

use std::cmp::Ordering;

#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    Int(i64),
}

impl<'a> Piece<'a> {
    /// The most compact form of these bytes.
    #[inline]
    pub fn compact(bytes: &'a [u8]) -> Self {
        super::number::parse_i64(bytes).map_or(Piece::Bytes(bytes), Piece::Int)
    }
}

impl Piece<'_> {
    /// The text's length.
    pub fn len(&self) -> usize {
        match self {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Int(n) => itoa::Buffer::new().format(*n).len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        matches!(self, Piece::Bytes([]))
    }

    /// Whether the text is these bytes.
    pub fn is(&self, other: &[u8]) -> bool {
        match self {
            Piece::Bytes(bytes) => *bytes == other,
            Piece::Int(n) => itoa::Buffer::new().format(*n).as_bytes() == other,
        }
    }

    pub fn to_vec(&self) -> Vec<u8> {
        self.as_bytes(&mut itoa::Buffer::new()).to_vec()
    }

    /// The text; an integer is written into `digits`.
    #[inline]
    pub fn as_bytes<'b>(&'b self, digits: &'b mut itoa::Buffer) -> &'b [u8] {
        match self {
            Piece::Bytes(bytes) => bytes,
            Piece::Int(n) => digits.format(*n).as_bytes(),
        }
    }

    /// The integer that the text is, if it is one in canonical form.
    pub fn to_int(&self) -> Option<i64> {
        match self {
            Piece::Bytes(bytes) => super::number::parse_i64(bytes),
            Piece::Int(n) => Some(*n),
        }
    }
}

impl Ord for Piece<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes(&mut itoa::Buffer::new())
            .cmp(other.as_bytes(&mut itoa::Buffer::new()))
    }
}

impl PartialOrd for Piece<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Piece<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Piece<'_> {}
