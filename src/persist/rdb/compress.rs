//! LZF, the writing half: strings are short and many, so the table of places seen outlives each of them.

/// A match is at least this long; shorter ones cost more than they save.
const MATCH_MIN: usize = 3;
const MATCH_MAX: usize = 264;
/// How far back a match may lie.
const FAR_MAX: usize = 1 << 13;
const LITERALS_MAX: usize = 32;
const TABLE_BITS: u32 = 13;

pub struct Compressor {
    /// Where three bytes with this hash were seen last. Places below `base` belong to strings before this one.
    seen: Box<[u32]>,
    base: u32,
}

impl Default for Compressor {
    fn default() -> Self {
        Compressor {
            seen: vec![0; 1 << TABLE_BITS].into(),
            base: 1,
        }
    }
}

impl Compressor {
    /// Appends the compressed bytes, if they are fewer than `max`; else nothing.
    pub fn compress(&mut self, bytes: &[u8], max: usize, out: &mut Vec<u8>) -> bool {
        let Ok(len) = u32::try_from(bytes.len()) else {
            return false;
        };
        if self.base.checked_add(len).is_none() {
            self.seen.fill(0);
            self.base = 1;
        }
        let start = out.len();
        let (mut at, mut literals) = (0, 0);
        while at + MATCH_MIN <= bytes.len() {
            let Some((distance, len)) = self.find(bytes, at) else {
                at += 1;
                continue;
            };
            write_literals(&bytes[literals..at], out);
            write_match(distance, len, out);
            at += len;
            literals = at;
            if out.len() - start >= max {
                break;
            }
        }
        write_literals(&bytes[literals..], out);
        self.base += len;
        let shorter = out.len() - start < max;
        if !shorter {
            out.truncate(start);
        }
        shorter
    }

    /// An earlier place with the same bytes: how far back, and for how long.
    #[inline]
    fn find(&mut self, bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        let three = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], 0]);
        let slot = (three.wrapping_mul(0x9e37_79b1) >> (32 - TABLE_BITS)) as usize;
        let place = std::mem::replace(&mut self.seen[slot], self.base + at as u32);
        let earlier = place.checked_sub(self.base)? as usize;
        let distance = at - earlier;
        if distance > FAR_MAX || bytes[earlier..earlier + MATCH_MIN] != bytes[at..at + MATCH_MIN] {
            return None;
        }
        let alike = bytes[earlier..].iter().zip(&bytes[at..]).take(MATCH_MAX);
        Some((
            distance,
            alike.take_while(|(one, other)| one == other).count(),
        ))
    }
}

fn write_literals(bytes: &[u8], out: &mut Vec<u8>) {
    for run in bytes.chunks(LITERALS_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

/// Three bits of length and thirteen of distance; longer ones have a byte of length between.
fn write_match(distance: usize, len: usize, out: &mut Vec<u8>) {
    let (back, len) = (distance - 1, len - 2);
    let high = (back >> 8) as u8;
    if len < 7 {
        out.push((len as u8) << 5 | high);
    } else {
        out.extend_from_slice(&[7 << 5 | high, (len - 7) as u8]);
    }
    out.push(back as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_is_what_others_read() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut compressor = Compressor::default();
        let (mut before, mut after) = (0, 0);
        for round in 0..3000 {
            // From a few letters to noise, from words to pages.
            let letters = [2, 4, 16, 256][round % 4];
            let len = [30, 300, 3000, 30_000][round / 4 % 4];
            let bytes: Vec<u8> = (0..random.usize(4..len))
                .map(|_| random.u16(0..letters) as u8)
                .collect();
            let mut short = Vec::new();
            if compressor.compress(&bytes, bytes.len(), &mut short) {
                assert_eq!(
                    lzf::decompress(&short, bytes.len()).as_deref(),
                    Ok(&bytes[..])
                );
                before += bytes.len();
                after += short.len();
            } else {
                assert!(short.is_empty());
            }
        }
        assert!(after < before * 2 / 3, "{before} bytes became {after}");
    }

    #[test]
    fn a_long_run_is_a_few_matches() {
        let mut out = Vec::new();
        assert!(Compressor::default().compress(&[b'x'; 5000], 5000, &mut out));
        assert!(out.len() < 100 && lzf::decompress(&out, 5000) == Ok(vec![b'x'; 5000]));
    }
}
