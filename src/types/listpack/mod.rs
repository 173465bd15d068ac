//! A listpack: a few short elements in one run of bytes, in Redis's own format.
//!
//! The bytes are those that RDB files and DUMP carry, so a small collection is saved by copying it. Elements
//! are found by their offset, which holds until the next change. Bytes from outside
//! are checked whole before they become a `Listpack`, and are as we would have written them from then on.

mod element;
mod view;

use smallvec::SmallVec;

use element::{
    backlen_size, checked_len, encode, encode_int, encode_to, is_shortest, write_backlen,
};

use crate::util::number;
use crate::util::piece::Piece;
pub use view::PackRef;

const HEADER: usize = 6;
const END: u8 = 0xff;
/// Below this all elements are moved in no time, and no room is kept in front of them.
const GAP_MIN: usize = 128;
/// The header's count when there are too many elements for its 16 bits.
const UNCOUNTED: usize = 0xffff;

#[derive(Debug)]
pub struct Listpack {
    /// From `start` on: total length (u32), count (u16), the elements, the end mark.
    room: Vec<u8>,
    /// Room in front, so that a queue moves the header to and fro rather than all of its elements.
    start: u32,
    count: u32,
}

impl Clone for Listpack {
    fn clone(&self) -> Self {
        Listpack {
            room: self.as_bytes().to_vec(),
            start: 0,
            count: self.count,
        }
    }
}

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl Listpack {
    pub fn new() -> Self {
        let mut pack = Listpack {
            room: vec![0; HEADER + 1],
            start: 0,
            count: 0,
        };
        pack.room[HEADER] = END;
        pack.write_header();
        pack
    }

    /// Takes bytes from outside, if every one of them is sound. A header that leaves elements uncounted, and elements
    /// that could be shorter, become those that we write.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let head = bytes.get(..HEADER)?;
        let total = u32::from_le_bytes(head[..4].try_into().ok()?);
        let said = usize::from(u16::from_le_bytes(head[4..].try_into().ok()?));
        if total as usize != bytes.len() {
            return None;
        }
        let (mut at, mut count, mut shortest) = (HEADER, 0usize, true);
        while *bytes.get(at)? != END {
            let len = checked_len(bytes.get(at..)?)?;
            let back = backlen_size(len);
            let mut wanted = SmallVec::<[u8; 8]>::new();
            write_backlen(len, &mut wanted);
            if bytes.get(at + len..at + len + back)? != &wanted[..] {
                return None;
            }
            shortest &= is_shortest(&bytes[at..at + len]);
            at += len + back;
            count += 1;
        }
        if at + 1 != bytes.len() || (said != UNCOUNTED && said != count) {
            return None;
        }
        let mut pack = Listpack {
            room: bytes,
            start: 0,
            count: u32::try_from(count).ok()?,
        };
        if !shortest {
            return Some(pack.shortened());
        }
        if said != count.min(UNCOUNTED) {
            pack.write_header();
        }
        Some(pack)
    }

    /// The elements, each encoded anew.
    fn shortened(&self) -> Self {
        let (mut pack, mut digits) = (Listpack::new(), itoa::Buffer::new());
        let mut out = pack.append();
        self.iter()
            .for_each(|piece| out.push(piece.as_bytes(&mut digits)));
        drop(out);
        pack
    }

    /// The bytes as files carry them.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.room[self.start as usize..]
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start as usize..]
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn heap_bytes(&self) -> usize {
        self.room.capacity()
    }

    #[inline]
    pub fn view(&self) -> PackRef<'_> {
        PackRef::new(self.as_bytes(), self.count)
    }

    /// A copy of a pack that stands elsewhere, with room for `more` bytes.
    pub fn copy_of(pack: PackRef<'_>, more: usize) -> Self {
        let mut room = Vec::with_capacity(pack.as_bytes().len() + more);
        room.extend_from_slice(pack.as_bytes());
        Listpack {
            room,
            start: 0,
            count: pack.len() as u32,
        }
    }

    // What readers see, for those who have a pack of their own.

    pub fn end(&self) -> usize {
        self.view().end()
    }

    pub fn first(&self) -> Option<usize> {
        self.view().first()
    }

    pub fn last(&self) -> Option<usize> {
        self.view().last()
    }

    #[inline]
    pub fn next(&self, at: usize) -> Option<usize> {
        self.view().next(at)
    }

    pub fn prev(&self, at: usize) -> Option<usize> {
        self.view().prev(at)
    }

    pub fn seek(&self, index: usize) -> Option<usize> {
        self.view().seek(index)
    }

    #[inline]
    pub fn get(&self, at: usize) -> Piece<'_> {
        self.view().get(at)
    }

    pub fn iter(&self) -> impl Iterator<Item = Piece<'_>> {
        self.view().iter()
    }

    pub fn find(&self, wanted: &[u8], skip: usize) -> Option<usize> {
        self.view().find(wanted, skip)
    }

    #[inline]
    pub fn read(&self, at: usize) -> (Piece<'_>, usize) {
        self.view().read(at)
    }

    #[inline]
    pub fn skip(&self, at: usize) -> usize {
        self.view().skip(at)
    }

    pub fn push_back(&mut self, element: &[u8]) {
        self.insert(self.end(), element);
    }

    /// Appends elements one after another, and brings the header up to date when the guard is dropped.
    pub fn append(&mut self) -> Append<'_> {
        self.room.pop();
        Append { pack: self }
    }

    /// Puts an integer in the place of the element at this offset.
    pub fn set_int(&mut self, at: usize, n: i64) {
        let mut encoded = SmallVec::<[u8; 96]>::new();
        encode_int(n, &mut encoded);
        write_backlen(encoded.len(), &mut encoded);
        self.make_room(at, self.skip(at) - at, encoded.len());
        self.bytes_mut()[at..at + encoded.len()].copy_from_slice(&encoded);
        self.write_header();
    }

    /// Gives back room that was kept for growth.
    pub fn shrink(&mut self) {
        self.close_gap();
        self.room.shrink_to_fit();
    }

    pub fn push_front(&mut self, element: &[u8]) {
        self.insert(HEADER, element);
    }

    /// Puts an element at this offset, before the one that stands there.
    pub fn insert(&mut self, at: usize, element: &[u8]) {
        let len = element.len();
        if len < 64 && number::parse_i64(element).is_none() {
            // Most elements are short texts: length, bytes, and the length of both.
            self.make_room(at, 0, len + 2);
            let room = &mut self.bytes_mut()[at..at + len + 2];
            room[0] = 0x80 | len as u8;
            room[1..=len].copy_from_slice(element);
            room[len + 1] = len as u8 + 1;
        } else {
            let encoded = encode(element);
            self.make_room(at, 0, encoded.len());
            self.bytes_mut()[at..at + encoded.len()].copy_from_slice(&encoded);
        }
        self.count += 1;
        self.write_header();
    }

    pub fn replace(&mut self, at: usize, element: &[u8]) {
        let encoded = encode(element);
        self.make_room(at, self.skip(at) - at, encoded.len());
        self.bytes_mut()[at..at + encoded.len()].copy_from_slice(&encoded);
        self.write_header();
    }

    /// Takes an element out; the next one then stands at its offset.
    pub fn remove(&mut self, at: usize) {
        self.remove_many(at, 1);
    }

    /// Takes out up to `n` elements from an offset on.
    pub fn remove_many(&mut self, at: usize, n: usize) {
        let mut to = at;
        let mut removed = 0;
        while removed < n && to < self.end() {
            to = self.skip(to);
            removed += 1;
        }
        self.make_room(at, to - at, 0);
        self.count -= removed as u32;
        self.write_header();
    }

    /// Changes the room at an offset from `old` bytes to `new` ones, by moving what stands on the shorter side of it.
    fn make_room(&mut self, at: usize, old: usize, new: usize) {
        let (start, end) = (self.start as usize, self.room.len());
        let (head, tail) = (start..start + at, start + at + old..end);
        let in_front = head.len() < tail.len();
        if new > old {
            let more = new - old;
            if in_front && start >= more {
                self.room.copy_within(head, start - more);
                self.start -= more as u32;
                return;
            }
            if in_front && end - start >= GAP_MIN {
                return self.open_gap(at, old, new);
            }
            if self.room.capacity() - end < more {
                if start > more.max((end - start) / 8) {
                    self.close_gap();
                    return self.make_room(at, old, new);
                }
                self.room.reserve_exact(growth(end - start, more));
            }
            self.room.resize(end + more, 0);
            let to = tail.start + more;
            self.room.copy_within(tail, to);
        } else if new < old {
            let less = old - new;
            if in_front {
                self.room.copy_within(head, start + less);
                self.start += less as u32;
            } else {
                let to = tail.start - less;
                self.room.copy_within(tail, to);
                self.room.truncate(end - less);
            }
            let len = self.as_bytes().len();
            if self.room.capacity() > 2 * len + 64 {
                self.close_gap();
                self.room.shrink_to(len + len / 8);
            }
        }
    }

    /// Opens a gap in a pack that grows at its head: the room that is kept for growth is in front then.
    fn open_gap(&mut self, at: usize, old: usize, new: usize) {
        let before = self.as_bytes();
        let more = new - old;
        let gap = growth(before.len(), more) - more;
        let mut room = Vec::with_capacity(gap + before.len() + more);
        room.resize(gap, 0);
        room.extend_from_slice(&before[..at]);
        room.resize(gap + at + new, 0);
        room.extend_from_slice(&before[at + old..]);
        self.room = room;
        self.start = gap as u32;
    }

    fn close_gap(&mut self) {
        self.room.drain(..self.start as usize);
        self.start = 0;
    }

    fn write_header(&mut self) {
        let count = (self.count as usize).min(UNCOUNTED) as u16;
        let bytes = self.bytes_mut();
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }
}

/// Bytes by which a pack of `len` grows that needs `more`: small ones by what they need and the allocator would waste
/// otherwise, others by an eighth, so that few additions move all of it.
fn growth(len: usize, more: usize) -> usize {
    let wanted = len + more.max(len / 8);
    wanted.next_multiple_of(16) - len
}

/// A pack that is being appended to. Until it is dropped the end mark is off.
pub struct Append<'a> {
    pack: &'a mut Listpack,
}

impl Append<'_> {
    #[inline]
    pub fn push(&mut self, element: &[u8]) {
        self.add(|out| encode_to(element, out));
    }

    #[inline]
    pub fn int(&mut self, n: i64) {
        self.add(|out| encode_int(n, out));
    }

    #[inline]
    fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let out = &mut self.pack.room;
        let start = out.len();
        encode(out);
        match out.len() - start {
            len @ 0..128 => out.push(len as u8),
            len => write_backlen(len, out),
        }
        self.pack.count += 1;
    }
}

impl Drop for Append<'_> {
    fn drop(&mut self) {
        self.pack.room.push(END);
        self.pack.write_header();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pack: &Listpack) -> Vec<Vec<u8>> {
        pack.iter().map(|piece| piece.to_vec()).collect()
    }

    #[test]
    fn it_agrees_with_a_vector_under_random_edits() {
        let mut random = fastrand::Rng::with_seed(11);
        let (mut pack, mut model) = (Listpack::new(), Vec::<Vec<u8>>::new());
        for _ in 0..20_000 {
            let element = match random.u8(0..6) {
                0 => random.i64(..).to_string().into_bytes(),
                1 => random.i32(-70_000..70_000).to_string().into_bytes(),
                2 => random.u8(..).to_string().into_bytes(),
                3 => vec![b'x'; random.usize(0..70)],
                4 => vec![b'y'; random.usize(60..5000)],
                _ => b"0123".to_vec(),
            };
            let at = random.usize(0..=model.len());
            match random.u8(0..5) {
                0 | 1 => {
                    pack.insert(pack.seek(at).unwrap_or(pack.end()), &element);
                    model.insert(at, element);
                }
                2 if at < model.len() => {
                    pack.replace(pack.seek(at).unwrap(), &element);
                    model[at] = element;
                }
                3 if at < model.len() => {
                    let n = random.usize(1..4);
                    pack.remove_many(pack.seek(at).unwrap(), n);
                    model.drain(at..(at + n).min(model.len()));
                }
                _ => {
                    let found = pack.find(&element, 0).map(|at| pack.get(at).to_vec());
                    assert_eq!(found.is_some(), model.contains(&element));
                }
            }
            if model.len() > 60 {
                pack = Listpack::new();
                model.clear();
            }
            assert_eq!(texts(&pack), model);
        }
        let back: Vec<_> = std::iter::successors(pack.last(), |at| pack.prev(*at))
            .map(|at| pack.get(at).to_vec())
            .collect();
        assert!(back.iter().eq(model.iter().rev()));
    }

    #[test]
    fn foreign_encodings_become_our_own() {
        let mut pack = Listpack::new();
        let elements = [&b"7"[..], b"-1", b"200", b"-70000", b"abc", &[b'z'; 70]];
        elements.iter().for_each(|element| pack.push_back(element));
        let ours = pack.as_bytes().to_vec();
        let mut uncounted = ours.clone();
        uncounted[4..HEADER].copy_from_slice(&[0xff, 0xff]);
        // Each element as a text, and each text with the longest head.
        let mut long = vec![0; HEADER];
        for element in elements {
            let start = long.len();
            long.push(0xf0);
            long.extend((element.len() as u32).to_le_bytes());
            long.extend(element);
            write_backlen(long.len() - start, &mut long);
        }
        long.push(END);
        let total = long.len() as u32;
        long[..4].copy_from_slice(&total.to_le_bytes());
        long[4..HEADER].copy_from_slice(&(elements.len() as u16).to_le_bytes());
        for foreign in [uncounted, long] {
            let read = Listpack::from_bytes(foreign).expect("sound bytes");
            assert_eq!((read.as_bytes(), read.len()), (&ours[..], elements.len()));
            assert!(read.find(b"200", 0).is_some());
        }
        // Each integer in more bytes than it needs.
        for (bytes, text) in [
            (&[0xc0, 5][..], "5"),
            (&[0xf1, 0, 0x10], "4096"),
            (&[0xf1, 0xff, 0xff], "-1"),
            (&[0xf2, 1, 0, 0], "1"),
            (&[0xf3, 0, 0, 0x80, 0], "8388608"),
            (&[0xf3, 0xff, 0xff, 0x7f, 0], "8388607"),
            (&[0xf4, 0, 0, 0, 0x80, 0, 0, 0, 0], "2147483648"),
            (&[0xf4, 9, 0, 0, 0, 0, 0, 0, 0], "9"),
        ] {
            let mut foreign = (HEADER as u32 + bytes.len() as u32 + 2)
                .to_le_bytes()
                .to_vec();
            foreign.extend([1, 0]);
            foreign.extend(bytes);
            foreign.extend([bytes.len() as u8, END]);
            let mut ours = Listpack::new();
            ours.push_back(text.as_bytes());
            let read = Listpack::from_bytes(foreign).expect("sound bytes");
            assert_eq!(read.as_bytes(), ours.as_bytes(), "{text}");
        }
    }

    #[test]
    fn hostile_bytes_are_refused_and_never_panic() {
        let mut pack = Listpack::new();
        [&b"a"[..], b"12", b"-70000", &[b'z'; 100]]
            .iter()
            .for_each(|element| pack.push_back(element));
        let good = pack.as_bytes().to_vec();
        assert_eq!(
            texts(&Listpack::from_bytes(good.clone()).unwrap()),
            texts(&pack)
        );
        for at in 0..good.len() {
            assert!(Listpack::from_bytes(good[..at].to_vec()).is_none());
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                if let Some(pack) = Listpack::from_bytes(bad) {
                    texts(&pack);
                }
            }
        }
    }
}
