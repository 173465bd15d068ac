//! Bitmaps as Redis 8.12 writes them: their length in bytes, and the bits that are set in the portable form of 64-bit Roaring
//! bitmaps. Here they become ordinary strings.
//!
//! The form is that of the RoaringFormatSpec: buckets by the high 32 bits of a position, containers in them by the next 16
//! bits, and in those a sorted array, 8 KiB of bits, or runs.

use super::fault::{Fault, Fault::Broken, Read};
use super::read::RdbReader;
use crate::types::Limits;

/// Bytes of a string for each byte that is read, and besides: so no small file claims gigabytes.
const GROWTH_MAX: u64 = 300;
const SMALL_MAX: u64 = 1 << 20;
const COOKIE_PLAIN: u32 = 12_346;
const COOKIE_RUNS: u32 = 12_347;
/// Values in a container, and the most that an array has.
const CONTAINER_VALUES: usize = 1 << 16;
const ARRAY_VALUES_MAX: usize = 4096;
/// From so many containers on, a bitmap with runs tells where each one begins.
const OFFSETS_MIN: usize = 4;

impl RdbReader<'_> {
    /// A bitmap as a string in which bit 0 is the highest one of the first byte.
    pub(super) fn bitmap(&mut self, limits: &Limits) -> Read<Vec<u8>> {
        if self.is_too_sparse(limits)? {
            return Err(Fault::Says("bitmap is too long or too sparse for a string"));
        }
        let (len, portable) = (self.count()?, self.string()?);
        let mut bits = Bits(vec![0; len as usize]);
        let mut reader = RdbReader::new(&portable);
        let buckets = u64::from_le_bytes(reader.array()?);
        let mut before = None;
        for _ in 0..buckets {
            let high = reader.little()?;
            if before.replace(high).is_some_and(|before| before >= high) {
                return Err(Broken);
            }
            reader.bucket(u64::from(high) << 32, &mut bits)?;
        }
        match reader.left() {
            0 => Ok(bits.0),
            _ => Err(Broken),
        }
    }

    /// Whether a string of the bitmap that begins here would be longer than any may be, or out of all proportion.
    pub(super) fn is_too_sparse(self, limits: &Limits) -> Read<bool> {
        let mut ahead = self;
        let len = ahead.count()?;
        ahead.skip_string()?;
        let read = self.until(&ahead).len() as u64;
        Ok(len > limits.text_bytes || len > SMALL_MAX + GROWTH_MAX * read)
    }

    fn little(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn short(&mut self) -> Read<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// A bitmap of 32-bit positions, which begins at a position of the whole.
    fn bucket(&mut self, start: u64, bits: &mut Bits) -> Read<()> {
        let cookie = self.little()?;
        let (count, runs) = match cookie & 0xffff {
            COOKIE_RUNS => {
                let count = (cookie >> 16) as usize + 1;
                (count, Some(self.take(count.div_ceil(8))?))
            }
            _ if cookie == COOKIE_PLAIN => (self.little()? as usize, None),
            _ => return Err(Broken),
        };
        if count > CONTAINER_VALUES {
            return Err(Broken);
        }
        let mut heads = RdbReader::new(self.take(count * 4)?);
        if runs.is_none() || count >= OFFSETS_MIN {
            // Where each container begins: one after the other, as they are read.
            self.take(count * 4)?;
        }
        let mut before = None;
        for at in 0..count {
            let (high, values) = (heads.short()?, usize::from(heads.short()?) + 1);
            if before.replace(high).is_some_and(|before| before >= high) {
                return Err(Broken);
            }
            let start = start | u64::from(high) << 16;
            match runs {
                Some(runs) if runs[at / 8] >> (at % 8) & 1 == 1 => self.runs(start, bits)?,
                _ if values > ARRAY_VALUES_MAX => self.plain(start, bits)?,
                _ => {
                    for _ in 0..values {
                        bits.set(start | u64::from(self.short()?))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// First values and how many follow each.
    fn runs(&mut self, start: u64, bits: &mut Bits) -> Read<()> {
        let mut least = 0;
        for _ in 0..self.short()? {
            let (first, more) = (u32::from(self.short()?), u32::from(self.short()?));
            let last = first + more;
            if first < least || last > 0xffff {
                return Err(Broken);
            }
            least = last + 1;
            bits.set_all(start | u64::from(first), start | u64::from(last))?;
        }
        Ok(())
    }

    /// A bit for each value, lowest first.
    fn plain(&mut self, start: u64, bits: &mut Bits) -> Read<()> {
        bits.put(start, self.take(CONTAINER_VALUES / 8)?)
    }
}

struct Bits(Vec<u8>);

impl Bits {
    fn set(&mut self, position: u64) -> Read<()> {
        let at = usize::try_from(position / 8).map_err(|_| Broken)?;
        let byte = self.0.get_mut(at).ok_or(Broken)?;
        *byte |= 0x80 >> (position % 8);
        Ok(())
    }

    /// Sets all bits from one position to another, byte by byte.
    fn set_all(&mut self, first: u64, last: u64) -> Read<()> {
        let at = |position: u64| usize::try_from(position / 8).map_err(|_| Broken);
        let bytes = self.0.get_mut(at(first)?..=at(last)?).ok_or(Broken)?;
        let (head, tail) = (0xff_u8 >> (first % 8), 0xff_u8 << (7 - last % 8));
        match bytes {
            [one] => *one |= head & tail,
            [one, middle @ .., other] => {
                *one |= head;
                middle.fill(0xff);
                *other |= tail;
            }
            [] => {}
        }
        Ok(())
    }

    /// Puts bits into a place that begins with a byte: there the lowest comes first, here the highest.
    fn put(&mut self, start: u64, lowest_first: &[u8]) -> Read<()> {
        let at = usize::try_from(start / 8).map_err(|_| Broken)?;
        let room = self.0.get_mut(at..).unwrap_or_default();
        let (inside, beyond) = lowest_first.split_at(room.len().min(lowest_first.len()));
        for (byte, bits) in room.iter_mut().zip(inside) {
            *byte = bits.reverse_bits();
        }
        match beyond.iter().all(|bits| *bits == 0) {
            true => Ok(()),
            false => Err(Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_set_together_are_those_set_one_by_one() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let (mut together, mut apart) = (Bits(vec![0; 9]), Bits(vec![0; 9]));
            let first = random.u64(0..72);
            let last = random.u64(first..80);
            let done = together.set_all(first, last);
            assert_eq!(done.is_ok(), last < 72, "{first} to {last}");
            if done.is_ok() {
                assert!((first..=last).all(|at| apart.set(at).is_ok()));
            }
            assert_eq!(together.0, apart.0, "{first} to {last}");
            let bytes: [u8; 3] = std::array::from_fn(|_| random.u8(..));
            let start = 8 * random.u64(0..12);
            let (mut together, mut apart) = (Bits(vec![0; 9]), Bits(vec![0; 9]));
            let mut places = (0..24).filter(|at| bytes[at / 8] >> (at % 8) & 1 == 1);
            let done = places.try_for_each(|at| apart.set(start + at as u64));
            assert_eq!(together.put(start, &bytes), done);
            assert_eq!(together.0, apart.0, "{bytes:?} at {start}");
        }
    }
}
