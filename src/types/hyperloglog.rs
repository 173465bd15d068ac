//! HyperLogLog: a string that estimates how many different elements it was given.
//!
//! The bytes are Redis's own after any sequence of commands, so a value may
//! be read with GET, dumped and loaded by either server. A header of 16 bytes
//! holds "HYLL", the encoding and the last count. Behind it stand 16384
//! registers: dense, six bits each, or sparse, as runs of equal registers:
//!
//! | bytes               | run                                                   |
//! |---------------------|-------------------------------------------------------|
//! | `00llllll`          | ZERO: `l + 1` registers that are zero                 |
//! | `01llllll llllllll` | XZERO: `l + 1` registers that are zero                |
//! | `1vvvvvll`          | VAL: `l + 1` registers that hold `v + 1`              |
//!
//! Every function here but `check` wants bytes that `check` has passed, and
//! still reports, never panics, when the runs behind the header are broken.

use std::io::Write;

use smallvec::SmallVec;

/// Registers of every value; the low bits of an element's hash choose one.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// Bits of the hash that are left to count zeros in.
const RANK_BITS: usize = 64 - INDEX_BITS as usize;
const REGISTER_BITS: usize = 6;
const HEADER_LEN: usize = 16;
const DENSE_LEN: usize = HEADER_LEN + REGISTERS * REGISTER_BITS / 8;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// Where the encoding and the cached count stand in the header.
const ENCODING_AT: usize = 4;
const COUNT_AT: usize = 8;
/// In the last byte of the cached count: it no longer holds.
const STALE: u8 = 0x80;
/// The most that one opcode of each kind can say.
const ZERO_RUN_MAX: usize = 64;
const VAL_RUN_MAX: usize = 4;
const VAL_MAX: u8 = 32;
const HASH_SEED: u64 = 0xadc8_3b19;

/// Why a string is no usable HyperLogLog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HllError {
    /// Not one at all.
    Foreign,
    /// It has the header of one, but broken contents.
    Corrupted,
}

impl HllError {
    /// The whole error reply, with its code.
    pub fn text(&self) -> &'static str {
        match self {
            HllError::Foreign => "WRONGTYPE Key is not a valid HyperLogLog string value.",
            HllError::Corrupted => "INVALIDOBJ Corrupted HLL object detected",
        }
    }
}

/// A value that was given nothing yet.
pub fn create() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + 2);
    bytes.extend_from_slice(b"HYLL");
    bytes.resize(HEADER_LEN, 0);
    bytes[ENCODING_AT] = SPARSE;
    bytes.extend_from_slice(&zero_run(REGISTERS));
    bytes
}

/// Whether a string has the form of a HyperLogLog.
pub fn check(bytes: &[u8]) -> Result<(), HllError> {
    let known = bytes.len() >= HEADER_LEN
        && bytes.starts_with(b"HYLL")
        && match bytes[ENCODING_AT] {
            DENSE => bytes.len() == DENSE_LEN,
            SPARSE => true,
            _ => false,
        };
    known.then_some(()).ok_or(HllError::Foreign)
}

/// Whether the registers are stored dense.
pub fn is_dense(bytes: &[u8]) -> bool {
    bytes[ENCODING_AT] == DENSE
}

/// Counts an element; whether that changed a register. The caller marks the
/// cached count stale, once, after its last element.
pub fn add(bytes: &mut Vec<u8>, element: &[u8], sparse_max: usize) -> Result<bool, HllError> {
    let (index, rank) = place(element);
    raise(bytes, index, rank, sparse_max)
}

/// The cached count, if it still holds.
pub fn cached_count(bytes: &[u8]) -> Option<u64> {
    let count = bytes[COUNT_AT..HEADER_LEN]
        .try_into()
        .map(u64::from_le_bytes)
        .ok()?;
    (bytes[HEADER_LEN - 1] & STALE == 0).then_some(count)
}

/// Stores a count that `count` returned.
pub fn cache_count(bytes: &mut [u8], count: u64) {
    bytes[COUNT_AT..HEADER_LEN].copy_from_slice(&count.to_le_bytes());
}

/// Marks the cached count as one that no longer holds.
pub fn mark_stale(bytes: &mut [u8]) {
    bytes[HEADER_LEN - 1] |= STALE;
}

/// Estimates the number of different elements, whatever the cache says.
pub fn count(bytes: &[u8]) -> Result<u64, HllError> {
    let mut histogram = [0; 1 << REGISTER_BITS];
    for_each_run(bytes, |_, value, length| {
        histogram[usize::from(value)] += length
    })?;
    Ok(estimate(&histogram))
}

/// Stores the registers dense; whether they were not before.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<bool, HllError> {
    if is_dense(bytes) {
        return Ok(false);
    }
    let mut dense = vec![0; DENSE_LEN];
    dense[..HEADER_LEN].copy_from_slice(&bytes[..HEADER_LEN]);
    dense[ENCODING_AT] = DENSE;
    for_each_run(bytes, |start, value, length| {
        if value > 0 {
            for index in start..start + length {
                set_register(&mut dense[HEADER_LEN..], index, value);
            }
        }
    })?;
    *bytes = dense;
    Ok(true)
}

/// The runs of a sparse value as PFDEBUG DECODE shows them.
pub fn describe_runs(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut at = HEADER_LEN;
    while let Some(run) = SparseRun::at(bytes, at) {
        let blank = if text.is_empty() { "" } else { " " };
        let length = run.length;
        match (run.value, run.opcode_len) {
            (0, 1) => write!(text, "{blank}z:{length}"),
            (0, _) => write!(text, "{blank}Z:{length}"),
            (value, _) => write!(text, "{blank}v:{value},{length}"),
        }
        .expect("a vector takes every byte");
        at += run.opcode_len;
    }
    text
}

/// All registers, one byte each: the union of the values merged into it.
pub struct Registers {
    values: Vec<u8>,
    /// Whether one of the values merged was dense, which makes their union dense.
    dense: bool,
}

impl Default for Registers {
    fn default() -> Registers {
        Registers {
            values: vec![0; REGISTERS],
            dense: false,
        }
    }
}

impl Registers {
    /// Takes in another value.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<(), HllError> {
        self.dense |= is_dense(bytes);
        for_each_run(bytes, |start, value, length| {
            for register in &mut self.values[start..start + length] {
                *register = value.max(*register);
            }
        })
    }

    /// Estimates the number of different elements of the union.
    pub fn count(&self) -> u64 {
        let mut histogram = [0; 1 << REGISTER_BITS];
        for value in &self.values {
            histogram[usize::from(*value)] += 1;
        }
        estimate(&histogram)
    }

    /// Raises the registers of a value, one of those merged or a new one, to
    /// the union, and marks its count stale.
    pub fn store(&self, bytes: &mut Vec<u8>, sparse_max: usize) -> Result<(), HllError> {
        if self.dense {
            make_dense(bytes)?;
        }
        for (index, value) in self.values.iter().enumerate() {
            if *value > 0 {
                raise(bytes, index, *value, sparse_max)?;
            }
        }
        mark_stale(bytes);
        Ok(())
    }

    /// Each register's value, in order.
    pub fn values(&self) -> &[u8] {
        &self.values
    }
}

/// The register an element belongs to, and how rare its hash is: one more than
/// the zeros at the end of the bits that did not choose the register.
fn place(element: &[u8]) -> (usize, u8) {
    let hash = hash(element);
    let index = hash as usize & (REGISTERS - 1);
    // The bit above the last ends the count.
    let rest = hash >> INDEX_BITS | 1 << RANK_BITS;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// MurmurHash64A, read little-endian: part of the format, since values made
/// by different servers are merged.
fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    let scramble = |word: u64| {
        let word = word.wrapping_mul(FACTOR);
        (word ^ word >> 47).wrapping_mul(FACTOR)
    };
    let mut hash = HASH_SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        hash = (hash ^ scramble(u64::from_le_bytes(*word))).wrapping_mul(FACTOR);
    }
    if !tail.is_empty() {
        let word = tail
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(FACTOR);
    hash ^ hash >> 47
}

/// Raises one register to a value; whether it was lower.
fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    value: u8,
    sparse_max: usize,
) -> Result<bool, HllError> {
    if !is_dense(bytes) {
        match raise_sparse(bytes, index, value, sparse_max)? {
            RaiseOutcome::Yes => return Ok(true),
            RaiseOutcome::No => return Ok(false),
            RaiseOutcome::NoRoom => make_dense(bytes)?,
        };
    }
    let dense = &mut bytes[HEADER_LEN..];
    let raised = register(dense, index) < value;
    if raised {
        set_register(dense, index, value);
    }
    Ok(raised)
}

fn register(dense: &[u8], index: usize) -> u8 {
    let (at, bit) = (index * REGISTER_BITS / 8, index * REGISTER_BITS % 8);
    // The last register ends with the last byte and needs no other.
    let high = dense.get(at + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([dense[at], high]) >> bit) as u8 & 0x3f
}

fn set_register(dense: &mut [u8], index: usize, value: u8) {
    let (at, bit) = (index * REGISTER_BITS / 8, index * REGISTER_BITS % 8);
    let mask = (0x3f_u16 << bit).to_le_bytes();
    let value = (u16::from(value) << bit).to_le_bytes();
    dense[at] = dense[at] & !mask[0] | value[0];
    if mask[1] != 0 {
        dense[at + 1] = dense[at + 1] & !mask[1] | value[1];
    }
}

/// One opcode of the sparse form.
struct SparseRun {
    opcode_len: usize,
    length: usize,
    value: u8,
}

impl SparseRun {
    /// The opcode at a position; None at the end, or where it is cut off.
    fn at(bytes: &[u8], at: usize) -> Option<SparseRun> {
        let first = *bytes.get(at)?;
        Some(match first >> 6 {
            0 => SparseRun {
                opcode_len: 1,
                length: usize::from(first) + 1,
                value: 0,
            },
            1 => SparseRun {
                opcode_len: 2,
                length: (usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?)) + 1,
                value: 0,
            },
            _ => SparseRun {
                opcode_len: 1,
                length: usize::from(first & 3) + 1,
                value: (first >> 2 & 0x1f) + 1,
            },
        })
    }
}

fn val_run(value: u8, length: usize) -> u8 {
    0x80 | (value - 1) << 2 | (length - 1) as u8
}

fn zero_run(length: usize) -> SmallVec<[u8; 2]> {
    let less = length - 1;
    if length > ZERO_RUN_MAX {
        SmallVec::from_slice(&[0x40 | (less >> 8) as u8, less as u8])
    } else {
        SmallVec::from_slice(&[less as u8])
    }
}

/// Calls with the start, value and length of each run of registers, and
/// reports a value whose runs do not add up to all of them.
fn for_each_run(bytes: &[u8], mut each: impl FnMut(usize, u8, usize)) -> Result<(), HllError> {
    if is_dense(bytes) {
        let dense = &bytes[HEADER_LEN..];
        for index in 0..REGISTERS {
            each(index, register(dense, index), 1);
        }
        return Ok(());
    }
    let (mut at, mut start) = (HEADER_LEN, 0);
    while let Some(run) = SparseRun::at(bytes, at) {
        if start + run.length > REGISTERS {
            return Err(HllError::Corrupted);
        }
        each(start, run.value, run.length);
        at += run.opcode_len;
        start += run.length;
    }
    let whole = at == bytes.len() && start == REGISTERS;
    whole.then_some(()).ok_or(HllError::Corrupted)
}

enum RaiseOutcome {
    Yes,
    No,
    /// The sparse form cannot hold the value, or would grow too long.
    NoRoom,
}

fn raise_sparse(
    bytes: &mut Vec<u8>,
    index: usize,
    value: u8,
    sparse_max: usize,
) -> Result<RaiseOutcome, HllError> {
    if value > VAL_MAX {
        return Ok(RaiseOutcome::NoRoom);
    }
    // Find the run that holds the register, and the one before it.
    let (mut before, mut at, mut start) = (HEADER_LEN, HEADER_LEN, 0);
    let run = loop {
        let run = SparseRun::at(bytes, at).ok_or(HllError::Corrupted)?;
        if index < start + run.length {
            break run;
        }
        before = at;
        at += run.opcode_len;
        start += run.length;
    };
    if run.value >= value {
        return Ok(RaiseOutcome::No);
    }
    // Split it in up to three: what is left of the register, it, what is right.
    let same = |length: usize| match (run.value, length) {
        (_, 0) => SmallVec::new(),
        (0, _) => zero_run(length),
        (old, _) => SmallVec::from_slice(&[val_run(old, length)]),
    };
    let mut split: SmallVec<[u8; 8]> = SmallVec::new();
    split.extend(same(index - start));
    split.push(val_run(value, 1));
    split.extend(same(start + run.length - index - 1));
    let longer = split.len().saturating_sub(run.opcode_len);
    if longer > 0 && bytes.len() + longer > sparse_max {
        return Ok(RaiseOutcome::NoRoom);
    }
    bytes.splice(at..at + run.opcode_len, split);
    join_runs(bytes, before);
    mark_stale(bytes);
    Ok(RaiseOutcome::Yes)
}

/// Joins neighbouring runs of one value. Five looks from the run before the
/// one that changed are what Redis takes, so that the bytes stay its own.
fn join_runs(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = SparseRun::at(bytes, at) else {
            return;
        };
        let next = SparseRun::at(bytes, at + run.opcode_len);
        match next {
            Some(next)
                if run.value > 0
                    && next.value == run.value
                    && run.length + next.length <= VAL_RUN_MAX =>
            {
                bytes[at] = val_run(run.value, run.length + next.length);
                bytes.remove(at + 1);
            }
            _ => at += run.opcode_len,
        }
    }
}

/// Otmar Ertl's estimator, from the number of registers that hold each value.
fn estimate(histogram: &[usize; 1 << REGISTER_BITS]) -> u64 {
    /// 1 / (2 ln 2)
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let registers = REGISTERS as f64;
    let full = histogram[RANK_BITS + 1] as f64;
    let mut sum = registers * tau((registers - full) / registers);
    for count in histogram[1..=RANK_BITS].iter().rev() {
        sum = (sum + *count as f64) * 0.5;
    }
    sum += registers * sigma(histogram[0] as f64 / registers);
    (ALPHA * registers * registers / sum).round() as u64
}

/// Corrects for registers that are full.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let mut weight = 1.0;
    let mut sum = 1.0 - x;
    loop {
        x = x.sqrt();
        weight *= 0.5;
        let last = sum;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum == last {
            return sum / 3.0;
        }
    }
}

/// Corrects for registers that are empty.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let mut weight = 1.0;
    let mut sum = x;
    loop {
        x *= x;
        let last = sum;
        sum += x * weight;
        weight += weight;
        if sum == last {
            return sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPARSE_MAX: usize = 3000;

    fn of(elements: std::ops::Range<u32>, sparse_max: usize) -> Vec<u8> {
        let mut bytes = create();
        for element in elements {
            add(&mut bytes, element.to_string().as_bytes(), sparse_max).unwrap();
        }
        bytes
    }

    #[test]
    fn the_bytes_are_those_of_redis() {
        let mut bytes = create();
        for element in ["a", "b", "c"] {
            assert_eq!(add(&mut bytes, element.as_bytes(), SPARSE_MAX), Ok(true));
            assert_eq!(add(&mut bytes, element.as_bytes(), SPARSE_MAX), Ok(false));
        }
        assert_eq!(
            bytes.escape_ascii().to_string(),
            "HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80`\\xf3\\x80P\\xb1\\x84K\\xfb\\x80BZ"
        );
        assert_eq!(count(&bytes), Ok(3));
        assert_eq!(cached_count(&bytes), None);
        cache_count(&mut bytes, 3);
        assert_eq!(cached_count(&bytes), Some(3));
    }

    #[test]
    fn counts_are_close_and_the_same_in_both_encodings() {
        for (elements, expected) in [(0, 0), (100, 100), (1000, 1001), (100_000, 99565)] {
            let sparse = of(0..elements, usize::MAX);
            let mut dense = of(0..elements, 0);
            make_dense(&mut dense).unwrap();
            assert_eq!(count(&sparse), Ok(expected));
            assert_eq!(count(&dense), Ok(expected));
            let mut converted = sparse.clone();
            make_dense(&mut converted).unwrap();
            assert_eq!(converted[HEADER_LEN..], dense[HEADER_LEN..]);
        }
    }

    #[test]
    fn a_union_holds_both_sides() {
        let mut union = Registers::default();
        union.merge(&of(0..600, SPARSE_MAX)).unwrap();
        union.merge(&of(300..900, SPARSE_MAX)).unwrap();
        let mut stored = create();
        union.store(&mut stored, SPARSE_MAX).unwrap();
        assert_eq!(count(&stored), count(&of(0..900, SPARSE_MAX)));
        assert_eq!(count(&stored), Ok(union.count()));
    }

    #[test]
    fn broken_values_are_reported() {
        for bytes in [
            &b""[..],
            b"HYLL",
            b"HYLX\x01\0\0\0\0\0\0\0\0\0\0\0",
            b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(check(bytes), Err(HllError::Foreign));
        }
        let header = &create()[..HEADER_LEN];
        for runs in [
            &b""[..],
            b"\x7f",
            b"\x7f\xfe",
            b"\x7f\xff\x00",
            b"\x7f\xff\x40",
        ] {
            let mut bytes = [header, runs].concat();
            assert_eq!(check(&bytes), Ok(()));
            assert_eq!(count(&bytes), Err(HllError::Corrupted));
            assert_eq!(make_dense(&mut bytes), Err(HllError::Corrupted));
            let _ = add(&mut bytes, b"x", SPARSE_MAX);
            let _ = describe_runs(&bytes);
        }
    }
}
