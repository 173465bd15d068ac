//! Elements of a listpack as bytes: a short text or an integer, and the length of both behind it.

use smallvec::SmallVec;

use crate::util::number;

/// Length of the element that `bytes` begin with, without its back length; `None` if it doesn't fit.
#[inline]
pub(super) fn checked_len(bytes: &[u8]) -> Option<usize> {
    let head = *bytes.first()?;
    let len = match head {
        0..0x80 => 1,
        0x80..0xc0 => 1 + usize::from(head & 0x3f),
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 2 + (usize::from(head & 0x0f) << 8 | usize::from(*bytes.get(1)?)),
        0xf0 => 5 + u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?) as usize,
        0xf1 => 3,
        0xf2 => 4,
        0xf3 => 5,
        0xf4 => 9,
        _ => return None,
    };
    (len <= bytes.len()).then_some(len)
}

/// Whether an element, given without its back length, is encoded as [`encode_to`] would encode it. Elements are looked
/// for by what they would be then.
#[inline]
pub(super) fn is_shortest(element: &[u8]) -> bool {
    let int = |width: usize| {
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(&element[1..=width]);
        i64::from_le_bytes(wide) >> (64 - 8 * width)
    };
    match element[0] {
        0..0x80 => true,
        0x80..0xc0 => element.len() > 21 || number::parse_i64(&element[1..]).is_none(),
        0xc0..0xe0 => element[0] > 0xc0 || element[1] >= 128,
        0xe0..0xf0 => element.len() >= 2 + 64,
        0xf0 => element.len() >= 5 + 4096,
        0xf1 => !(-4096..4096).contains(&int(2)),
        0xf2 => !(-32_768..32_768).contains(&int(3)),
        0xf3 => !(-8_388_608..8_388_608).contains(&int(4)),
        _ => !(-2_147_483_648..2_147_483_648).contains(&int(8)),
    }
}

pub(super) fn backlen_size(len: usize) -> usize {
    match len {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        2_097_152..268_435_456 => 4,
        _ => 5,
    }
}

/// The length, seven bits a byte, to be read from its last byte backwards.
pub(super) fn write_backlen(len: usize, out: &mut impl Extend<u8>) {
    let size = backlen_size(len);
    out.extend((0..size).map(|at| {
        let group = (len >> (7 * (size - 1 - at))) as u8 & 127;
        if at == 0 { group } else { group | 128 }
    }));
}

pub(super) fn encode(element: &[u8]) -> SmallVec<[u8; 96]> {
    let mut out = SmallVec::new();
    encode_to(element, &mut out);
    write_backlen(out.len(), &mut out);
    out
}

/// What elements are written to.
pub(super) trait Sink: Extend<u8> {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for SmallVec<[u8; 96]> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// The element without its back length.
pub(super) fn encode_to(element: &[u8], out: &mut impl Sink) {
    let number = match element.len() {
        0..=20 => number::parse_i64(element),
        _ => None,
    };
    if let Some(n) = number {
        return encode_int(n, out);
    }
    let len = element.len();
    match len {
        0..64 => out.put(&[0x80 | len as u8]),
        64..4096 => out.put(&[0xe0 | (len >> 8) as u8, len as u8]),
        _ => {
            out.put(&[0xf0]);
            out.put(&(len as u32).to_le_bytes());
        }
    }
    out.put(element);
}

pub(super) fn encode_int(n: i64, out: &mut impl Sink) {
    let mut wide = |head: u8, width: usize| {
        out.put(&[head]);
        out.put(&n.to_le_bytes()[..width]);
    };
    match n {
        0..128 => out.put(&[n as u8]),
        -4096..4096 => {
            let raw = (n & 0x1fff) as u16;
            out.put(&[0xc0 | (raw >> 8) as u8, raw as u8]);
        }
        -32_768..32_768 => wide(0xf1, 2),
        -8_388_608..8_388_608 => wide(0xf2, 3),
        -2_147_483_648..2_147_483_648 => wide(0xf3, 4),
        _ => wide(0xf4, 8),
    }
}
