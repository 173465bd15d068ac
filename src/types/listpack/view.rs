//! A packed sequence as readers see it, wherever its bytes stand.

use super::element::{backlen_size, checked_len};
use super::{HEADER, UNCOUNTED};
use crate::util::number;
use crate::util::piece::Piece;

/// Elements and the offsets at which they stand.
#[derive(Clone, Copy, Debug)]
pub struct PackRef<'a> {
    bytes: &'a [u8],
    count: u32,
}

impl<'a> PackRef<'a> {
    /// `bytes` are those of a sound pack of so many elements.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], count: u32) -> Self {
        PackRef { bytes, count }
    }

    /// A small pack that `room` begins with: its header says how long it is, and how many elements are in it.
    #[inline]
    pub fn at_start_of(room: &'a [u8]) -> Self {
        let len = u32::from_le_bytes([room[0], room[1], room[2], room[3]]) as usize;
        let count = u16::from_le_bytes([room[4], room[5]]);
        debug_assert!(
            usize::from(count) < UNCOUNTED,
            "a small pack counts its elements"
        );
        PackRef::new(&room[..len], u32::from(count))
    }

    /// The bytes as files carry them.
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// How many elements there are.
    #[inline]
    pub fn len(self) -> usize {
        self.count as usize
    }

    #[inline]
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The offset behind the last element: where `insert` appends.
    pub fn end(self) -> usize {
        self.bytes.len() - 1
    }

    pub fn first(self) -> Option<usize> {
        (!self.is_empty()).then_some(HEADER)
    }

    pub fn last(self) -> Option<usize> {
        self.prev(self.end())
    }

    /// The element after the one at `at`.
    #[inline]
    pub fn next(self, at: usize) -> Option<usize> {
        let next = self.skip(at);
        (next < self.end()).then_some(next)
    }

    /// The element before the one at `at`, or before the end.
    pub fn prev(self, at: usize) -> Option<usize> {
        if at <= HEADER {
            return None;
        }
        let (mut len, mut shift, mut from) = (0usize, 0, at - 1);
        loop {
            let byte = self.bytes[from];
            len |= usize::from(byte & 127) << shift;
            if byte & 128 == 0 {
                break;
            }
            shift += 7;
            from -= 1;
        }
        Some(from - len)
    }

    /// The element with this index.
    pub fn seek(self, index: usize) -> Option<usize> {
        if index >= self.len() {
            return None;
        }
        if index < self.len() / 2 {
            let mut at = HEADER;
            (0..index).for_each(|_| at = self.skip(at));
            return Some(at);
        }
        let mut at = self.end();
        for _ in index..self.len() {
            at = self.prev(at)?;
        }
        Some(at)
    }

    #[inline]
    pub fn get(self, at: usize) -> Piece<'a> {
        let bytes = &self.bytes[at..];
        let head = bytes[0];
        let text = |from: usize, len: usize| Piece::Bytes(&bytes[from..from + len]);
        let int = |width: usize| {
            let mut wide = [0; 8];
            wide[8 - width..].copy_from_slice(&bytes[1..=width]);
            Piece::Int(i64::from_le_bytes(wide) >> (64 - 8 * width))
        };
        match head {
            0..0x80 => Piece::Int(i64::from(head)),
            0x80..0xc0 => text(1, usize::from(head & 0x3f)),
            0xc0..0xe0 => {
                let raw = i64::from(head & 0x1f) << 8 | i64::from(bytes[1]);
                Piece::Int(if raw >= 1 << 12 { raw - (1 << 13) } else { raw })
            }
            0xe0..0xf0 => text(2, usize::from(head & 0x0f) << 8 | usize::from(bytes[1])),
            0xf0 => text(
                5,
                u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize,
            ),
            0xf1 => int(2),
            0xf2 => int(3),
            0xf3 => int(4),
            _ => int(8),
        }
    }

    pub fn iter(self) -> impl Iterator<Item = Piece<'a>> + use<'a> {
        std::iter::successors(self.first(), move |at| self.next(*at)).map(move |at| self.get(at))
    }

    /// The first element that is `wanted`, looking at one and passing over `skip` in turn.
    pub fn find(self, wanted: &[u8], skip: usize) -> Option<usize> {
        let number = if wanted.len() <= 20 {
            number::parse_i64(wanted)
        } else {
            None
        };
        let mut at = self.first();
        while let Some(here) = at {
            let hit = match (self.get(here), number) {
                (Piece::Int(n), Some(wanted)) => n == wanted,
                (Piece::Bytes(bytes), None) => bytes == wanted,
                _ => false,
            };
            if hit {
                return Some(here);
            }
            at = self.next(here);
            for _ in 0..skip {
                at = at.and_then(|at| self.next(at));
            }
        }
        None
    }

    /// The element at an offset, and the offset behind it.
    #[inline]
    pub fn read(self, at: usize) -> (Piece<'a>, usize) {
        (self.get(at), self.skip(at))
    }

    /// The offset behind the element at `at`.
    #[inline]
    pub fn skip(self, at: usize) -> usize {
        let len = checked_len(&self.bytes[at..]).expect("bytes inside a listpack are sound");
        at + len + backlen_size(len)
    }
}
