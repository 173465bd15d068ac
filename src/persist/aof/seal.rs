//! Seals: annotation lines that say how many bytes follow, and their checksum.
//!
//! `#CK:<bytes>:<crc64>:<durable>` stands before each piece that is written at once. Stock servers pass over it, as
//! over every line that begins with `#`. `durable` is how much of the file had reached the disk by
//! then: damage before that offset is rot, damage after it is what a power cut leaves.

use crate::persist::crc64;

const START: &[u8] = b"#CK:";
/// The longest seal with its line end.
pub const SEAL_MAX: usize = START.len() + 20 + 1 + 16 + 1 + 20 + 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    pub len: u64,
    pub sum: u64,
    pub durable: u64,
}

impl Seal {
    /// Writes the seal of `body`.
    pub fn write(body: &[u8], durable: u64, out: &mut Vec<u8>) {
        use std::io::Write;
        let (len, sum) = (body.len(), sum(body, durable));
        write!(out, "#CK:{len}:{sum:016x}:{durable}\r\n").expect("writing to memory");
    }

    /// Reads a seal at the beginning of `bytes`, and its own length. `None` if there is none, or not all of it.
    pub fn read(bytes: &[u8]) -> Option<(Seal, usize)> {
        let rest = bytes.strip_prefix(START)?;
        let end = memchr::memchr(b'\n', &rest[..rest.len().min(SEAL_MAX)])?;
        let line = std::str::from_utf8(rest[..end].strip_suffix(b"\r")?).ok()?;
        let mut fields = line.split(':');
        let mut field = || fields.next();
        let seal = Seal {
            len: field()?.parse().ok()?,
            sum: u64::from_str_radix(field().filter(|hex| hex.len() == 16)?, 16).ok()?,
            durable: field()?.parse().ok()?,
        };
        field().is_none().then_some((seal, START.len() + end + 1))
    }

    pub fn fits(&self, body: &[u8]) -> bool {
        body.len() as u64 == self.len && sum(body, self.durable) == self.sum
    }

    /// The next seal in `bytes` whose body is there and fits, and where that body ends.
    pub fn find(bytes: &[u8]) -> Option<(Seal, usize)> {
        memchr::memmem::find_iter(bytes, START).find_map(|at| {
            let (seal, used) = Seal::read(&bytes[at..])?;
            let len = usize::try_from(seal.len).ok()?;
            let body = bytes[at + used..].get(..len)?;
            seal.fits(body).then_some((seal, at + used + len))
        })
    }
}

/// Over the body and what the seal says beside its length.
fn sum(body: &[u8], durable: u64) -> u64 {
    let mut digest = crc64::digest();
    digest.update(&durable.to_le_bytes());
    digest.update(body);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_fits_its_body_and_no_other() {
        let body = b"*1\r\n$4\r\nPING\r\n";
        let mut bytes = Vec::new();
        Seal::write(body, 77, &mut bytes);
        let head = bytes.len();
        bytes.extend_from_slice(body);
        let (seal, used) = Seal::read(&bytes).unwrap();
        assert_eq!((used, seal.durable, seal.fits(body)), (head, 77, true));
        let found = Seal::find(&[b"garbage#CK:".as_slice(), &bytes].concat());
        assert_eq!(found, Some((seal, 11 + bytes.len())));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            let fits = Seal::read(&bad).is_some_and(|(seal, used)| seal.fits(&bad[used..]));
            assert!(!fits, "bit flipped at {at}");
        }
        for at in 0..head {
            assert_eq!(Seal::read(&bytes[..at]), None, "cut at {at}");
        }
    }
}
