//! Posting lists: the documents that hold a term or a tag, by growing number, in blocks of packed bytes.
//!
//! Numbers only ever grow, so a list is written at its end alone. What has died stays until the list is swept. Copies share
//! the blocks that are full.

use triomphe::Arc;

use crate::util::gallop::gallop;

/// Entries of a block. A seek unpacks half of one on average.
const BLOCK_ENTRIES: u16 = 128;

#[derive(Clone, Debug, Default)]
struct PostingBlock {
    first: u64,
    last: u64,
    entries: u16,
    bytes: Vec<u8>,
}

/// One document of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting<'a> {
    pub doc: u64,
    /// How often the term occurs, each occurrence with the weight of its field.
    pub freq: u32,
    /// A bit for each text field that holds it.
    pub mask: u64,
    /// Its places, as packed differences.
    pub places: &'a [u8],
}

impl Posting<'_> {
    /// The places at which the term stands, in growing order.
    pub fn positions(&self) -> WordPlaces<'_> {
        WordPlaces {
            rest: self.places,
            last: 0,
        }
    }
}

/// Unpacks places.
#[derive(Clone, Copy, Debug)]
pub struct WordPlaces<'a> {
    rest: &'a [u8],
    last: u32,
}

impl<'a> WordPlaces<'a> {
    pub fn new(packed: &'a [u8]) -> Self {
        WordPlaces {
            rest: packed,
            last: 0,
        }
    }
}

impl Iterator for WordPlaces<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.rest.is_empty() {
            return None;
        }
        self.last += take_number(&mut self.rest) as u32;
        Some(self.last)
    }
}

/// Packs places, which must grow.
pub fn pack_positions(positions: &[u32]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(positions.len());
    let mut last = 0;
    for position in positions {
        put_number(u64::from(position - last), &mut packed);
        last = *position;
    }
    packed
}

fn put_number(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// What is set in the bytes of numbers that go on behind them.
const LONG: u32 = u32::from_ne_bytes([0x80; 4]);

#[inline]
fn take_number(rest: &mut &[u8]) -> u64 {
    match rest.split_first() {
        Some((byte, more)) if *byte < 0x80 => {
            *rest = more;
            u64::from(*byte)
        }
        _ => take_long(rest),
    }
}

/// Four numbers, which are mostly of a byte each.
#[inline]
fn take_four(rest: &mut &[u8]) -> [u64; 4] {
    match rest.split_first_chunk() {
        Some((four, more)) if u32::from_ne_bytes(*four) & LONG == 0 => {
            *rest = more;
            four.map(u64::from)
        }
        _ => std::array::from_fn(|_| take_number(rest)),
    }
}

fn take_long(rest: &mut &[u8]) -> u64 {
    let (mut n, mut shift) = (0, 0);
    while let Some((byte, more)) = rest.split_first() {
        *rest = more;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    n
}

impl PostingBlock {
    fn iter(&self) -> impl Iterator<Item = Posting<'_>> + Clone {
        let (mut rest, mut doc) = (&self.bytes[..], self.first);
        (0..self.entries).map(move |_| {
            let [step, freq, mask, len] = take_four(&mut rest);
            doc += step;
            let (places, more) = rest.split_at(len as usize);
            rest = more;
            Posting {
                doc,
                freq: freq as u32,
                mask,
                places,
            }
        })
    }
}

/// How many come before a document, which is mostly near.
pub fn skip(list: &[u64], doc: u64) -> usize {
    gallop(list, |held| *held < doc)
}

/// A posting list.
#[derive(Clone, Debug, Default)]
pub struct Postings {
    full: Vec<Arc<PostingBlock>>,
    last: PostingBlock,
}

impl Postings {
    /// Documents in the list, those included that have died since it was swept.
    pub fn len(&self) -> usize {
        self.full.len() * usize::from(BLOCK_ENTRIES) + usize::from(self.last.entries)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn blocks(&self) -> usize {
        self.full.len() + usize::from(self.last.entries > 0)
    }

    pub fn bytes(&self) -> usize {
        let each = size_of::<PostingBlock>() + size_of::<usize>();
        let held: usize = self.all().map(|block| block.bytes.capacity()).sum();
        held + self.full.capacity() * size_of::<usize>()
            + self.full.len() * each
            + size_of::<Self>()
    }

    fn all(&self) -> impl Iterator<Item = &PostingBlock> + Clone {
        self.full.iter().map(|block| &**block).chain([&self.last])
    }

    /// Adds a document, which comes after all that are there.
    pub fn push(&mut self, entry: Posting<'_>) {
        let block = &mut self.last;
        if block.entries == 0 {
            (block.first, block.last) = (entry.doc, entry.doc);
        }
        debug_assert!(block.entries == 0 || block.last < entry.doc);
        put_number(entry.doc - block.last, &mut block.bytes);
        put_number(u64::from(entry.freq), &mut block.bytes);
        put_number(entry.mask, &mut block.bytes);
        put_number(entry.places.len() as u64, &mut block.bytes);
        block.bytes.extend_from_slice(entry.places);
        block.last = entry.doc;
        block.entries += 1;
        if block.entries == BLOCK_ENTRIES {
            block.bytes.shrink_to_fit();
            self.full.push(Arc::new(std::mem::take(block)));
        }
    }

    /// Adds a document of which nothing more is to be known: one that has a tag.
    pub fn push_plain(&mut self, doc: u64) {
        self.push(Posting {
            doc,
            freq: 1,
            mask: 1,
            places: &[],
        });
    }

    pub fn iter(&self) -> impl Iterator<Item = Posting<'_>> + Clone {
        self.all().flat_map(PostingBlock::iter)
    }

    /// Visits those of some documents that are in the list, and goes on for as long as it is told to. Blocks without any are
    /// passed by.
    pub fn each_among(&self, docs: &[u64], mut visit: impl FnMut(Posting<'_>) -> bool) {
        let mut rest = docs;
        for block in self.all().filter(|block| block.entries > 0) {
            rest = &rest[skip(rest, block.first)..];
            if rest.first().is_none_or(|doc| *doc > block.last) {
                continue;
            }
            for entry in block.iter() {
                while rest.first().is_some_and(|doc| *doc < entry.doc) {
                    rest = &rest[1..];
                }
                match rest.first() {
                    None => return,
                    Some(doc) if *doc == entry.doc && !visit(entry) => return,
                    Some(_) => {}
                }
            }
        }
    }

    /// Drops the documents that are not to be kept.
    pub fn sweep(&mut self, keep: impl Fn(u64) -> bool) {
        if self.iter().all(|entry| keep(entry.doc)) {
            return;
        }
        let mut kept = Postings::default();
        for entry in self.iter().filter(|entry| keep(entry.doc)) {
            kept.push(entry);
        }
        kept.last.bytes.shrink_to_fit();
        *self = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_back_what_was_put_in_and_forgets_what_is_swept() {
        let mut list = Postings::default();
        let places = pack_positions(&[1, 5, 300]);
        for doc in (1..2000_u64).map(|n| n * n) {
            list.push(Posting {
                doc,
                freq: doc as u32 & 7,
                mask: doc & 3,
                places: &places,
            });
        }
        assert_eq!(list.len(), 1999);
        let found: Vec<u64> = list.iter().map(|entry| entry.doc).collect();
        assert_eq!(found, (1..2000).map(|n| n * n).collect::<Vec<u64>>());
        let entry = list.iter().nth(500).unwrap();
        assert_eq!(entry.positions().collect::<Vec<_>>(), [1, 5, 300]);
        assert_eq!(
            (entry.freq, entry.mask),
            (entry.doc as u32 & 7, entry.doc & 3)
        );
        let wanted: Vec<u64> = (0..3_000_000).step_by(300).collect();
        let mut among = Vec::new();
        list.each_among(&wanted, |entry| {
            among.push(entry.doc);
            entry.places == places
        });
        let both = (1..2000)
            .map(|n| n * n)
            .filter(|doc| doc % 300 == 0 && *doc < 3_000_000);
        assert_eq!(among, both.collect::<Vec<u64>>());
        let mut seen = 0;
        list.each_among(&wanted, |_| {
            seen += 1;
            seen < 3
        });
        assert_eq!(seen, 3);
        list.sweep(|doc| doc % 2 == 0);
        assert!(list.iter().all(|entry| entry.doc % 2 == 0));
        assert_eq!(list.len(), 999);
    }
}
