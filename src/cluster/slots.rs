//! Slots: the 16384 parts of a cluster's keyspace, and sets of them.
//!
//! A key's slot follows from its name alone: from its hash tag, the part between the first `{` and the next `}`, if there
//! is one and it isn't empty.

use std::fmt;

/// Slots of a cluster.
pub const SLOTS: usize = 16384;
/// Bytes of a set of slots in a frame: slot 0 is the lowest bit of the first byte.
pub const SLOT_BYTES: usize = SLOTS / 8;

const WORDS: usize = SLOTS / 64;

/// CRC16 of XMODEM, a byte at a time.
static CRC16: [u16; 256] = crc16_table();

const fn crc16_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc << 1) ^ if crc & 0x8000 != 0 { 0x1021 } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (crc << 8) ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)]
    })
}

/// The slot that a key belongs to.
#[inline]
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(tag_of(key)) & (SLOTS as u16 - 1)
}

/// The part of a key that decides its slot.
fn tag_of(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else {
        return key;
    };
    let rest = &key[open + 1..];
    match memchr::memchr(b'}', rest) {
        Some(end) if end > 0 => &rest[..end],
        _ => key,
    }
}

/// The slot that all keys belong to which a pattern matches; none if they may belong to several.
pub fn slot_of_pattern(pattern: &[u8]) -> Option<u16> {
    let mut open = None;
    for (at, byte) in pattern.iter().enumerate() {
        match (byte, open) {
            (b'*' | b'?' | b'[' | b'\\', _) => return None,
            (b'{', None) => open = Some(at),
            (b'}', Some(open)) if at > open + 1 => break,
            _ => {}
        }
    }
    Some(slot_of(pattern))
}

/// Reads a slot.
pub fn read_slot(text: &str) -> Option<u16> {
    let slot: u16 = text.parse().ok()?;
    (usize::from(slot) < SLOTS).then_some(slot)
}

/// Reads a slot, or the first and the last of several.
pub fn read_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((read_slot(first)?, read_slot(last)?))
}

/// Reads ranges of slots with commas between them: at least one.
pub fn read_ranges(text: &str) -> Option<SlotSet> {
    let range = |text| read_range(text).filter(|(first, last)| first <= last);
    let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
    let slots = ranges?.into_iter().flat_map(|(first, last)| first..=last);
    Some(slots.collect())
}

/// A set of slots, one bit each.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotSet {
    words: Box<[u64; WORDS]>,
    count: u16,
}

impl Default for SlotSet {
    fn default() -> Self {
        SlotSet {
            words: Box::new([0; WORDS]),
            count: 0,
        }
    }
}

impl SlotSet {
    pub fn all() -> Self {
        (0..SLOTS as u16).collect()
    }

    pub fn one(slot: u16) -> Self {
        [slot].into_iter().collect()
    }

    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[inline]
    pub fn has(&self, slot: u16) -> bool {
        self.words[usize::from(slot) / 64] >> (slot % 64) & 1 == 1
    }

    /// Adds a slot below [`SLOTS`]; whether it is new.
    pub fn add(&mut self, slot: u16) -> bool {
        let new = !self.has(slot);
        self.words[usize::from(slot) / 64] |= 1 << (slot % 64);
        self.count += u16::from(new);
        new
    }

    /// Takes a slot out; whether it was there.
    pub fn remove(&mut self, slot: u16) -> bool {
        let had = self.has(slot);
        self.words[usize::from(slot) / 64] &= !(1 << (slot % 64));
        self.count -= u16::from(had);
        had
    }

    /// Adds all slots of another set.
    pub fn join(&mut self, other: &SlotSet) {
        let mut count = 0;
        for (word, more) in self.words.iter_mut().zip(other.words.iter()) {
            *word |= more;
            count += word.count_ones();
        }
        self.count = count as u16;
    }

    /// Whether any slot is in both sets.
    pub fn overlaps(&self, other: &SlotSet) -> bool {
        let mut pairs = self.words.iter().zip(other.words.iter());
        pairs.any(|(one, two)| one & two != 0)
    }

    pub fn clear(&mut self) {
        *self = SlotSet::default();
    }

    /// All slots of the set, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some((at * 64) as u16 + bit as u16)
            })
        })
    }

    /// The runs of slots that follow on each other: the first and the last of each.
    pub fn ranges(&self) -> Vec<(u16, u16)> {
        let mut ranges = Vec::new();
        let mut from = 0;
        while let Some(first) = self.next(from, 0) {
            let end = self.next(first, u64::MAX).unwrap_or(SLOTS);
            ranges.push((first as u16, end as u16 - 1));
            from = end;
        }
        ranges
    }

    /// The next slot that is in the set, from one on; or that isn't, if all bits are flipped.
    fn next(&self, from: usize, flip: u64) -> Option<usize> {
        let mut from = from;
        while from < SLOTS {
            let word = (self.words[from / 64] ^ flip) >> (from % 64);
            if word != 0 {
                return Some(from + word.trailing_zeros() as usize);
            }
            from = (from / 64 + 1) * 64;
        }
        None
    }

    /// As one word, which [`read_ranges`] reads.
    pub fn to_word(&self) -> String {
        self.to_string().replace(' ', ",")
    }

    /// As it stands in a frame.
    pub fn to_bytes(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        for (piece, word) in bytes.chunks_exact_mut(8).zip(self.words.iter()) {
            piece.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads the bytes of a frame, of which there are [`SLOT_BYTES`].
    pub fn of_bytes(bytes: &[u8]) -> Self {
        debug_assert_eq!(bytes.len(), SLOT_BYTES);
        let mut set = SlotSet::default();
        for (word, piece) in set.words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(piece.try_into().unwrap_or_default());
        }
        let count: u32 = set.words.iter().map(|word| word.count_ones()).sum();
        set.count = count as u16;
        set
    }
}

impl FromIterator<u16> for SlotSet {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> Self {
        let mut set = SlotSet::default();
        slots.into_iter().for_each(|slot| {
            set.add(slot);
        });
        set
    }
}

/// As `nodes.conf` and CLUSTER NODES list them: `0-5460 5462`.
impl fmt::Display for SlotSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.ranges().into_iter().enumerate() {
            let gap = if at == 0 { "" } else { " " };
            match first == last {
                true => write!(out, "{gap}{first}")?,
                false => write!(out, "{gap}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fall_into_redis_slots() {
        // CLUSTER KEYSLOT of redis-server 7.0.15.
        for (key, slot) in [
            ("", 0),
            ("123456789", 12739),
            ("foo", 12182),
            ("foo{bar}{zap}", 5061),
            ("bar", 5061),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("{bar", 4015),
            ("foo{bar", 15278),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn patterns_have_a_slot_if_their_tag_tells_it() {
        assert_eq!(slot_of_pattern(b"{a}*"), Some(slot_of(b"a")));
        assert_eq!(slot_of_pattern(b"x{a}*{b}"), Some(slot_of(b"a")));
        assert_eq!(slot_of_pattern(b"plain"), Some(slot_of(b"plain")));
        for open in [&b"*{a}"[..], b"{a*}", b"{}*", b"a?", b"[a]", b"{a"] {
            let whole = open == b"{a";
            assert_eq!(slot_of_pattern(open).is_some(), whole, "{open:?}");
        }
    }

    #[test]
    fn sets_count_list_and_read_back() {
        let mut set: SlotSet = [0, 1, 2, 63, 64, 65, 700, 16383].into_iter().collect();
        assert_eq!(set.to_string(), "0-2 63-65 700 16383");
        assert_eq!(set.len(), 8);
        assert_eq!(SlotSet::of_bytes(&set.to_bytes()), set);
        assert!(!set.add(64) && set.remove(64) && !set.remove(64) && set.add(5));
        assert_eq!(
            set.ranges(),
            [
                (0, 2),
                (5, 5),
                (63, 63),
                (65, 65),
                (700, 700),
                (16383, 16383)
            ]
        );
        assert_eq!(set.iter().count(), set.len());
        let mut both = SlotSet::one(5);
        assert!(both.overlaps(&set) && !both.overlaps(&SlotSet::one(6)));
        both.join(&[5, 6].into_iter().collect());
        assert_eq!((both.to_string(), both.len()), ("5-6".to_owned(), 2));
        assert_eq!(SlotSet::all().len(), SLOTS);
        assert_eq!(SlotSet::all().to_string(), "0-16383");
        assert_eq!(SlotSet::one(9).to_bytes()[1], 2);
    }
}
