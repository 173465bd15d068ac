//! An entry: a key, its value, and a few bytes of bookkeeping, in sixteen bytes and one block.
//!
//! A short string, or a small hash without deadlines, stands with its key in one block of bytes, whose size is one that
//! the allocator has. Any other value stands behind the same pointer as its key. As most entries have no deadline, the
//! lengths of such a block stand where the timer would; with a timer, the block begins with them.

mod block;
mod form;
mod mark;

use super::access::Access;
use crate::types::{Hash, Keyed, Kind, Value, ValueMut, ValueRef};
use block::{BlockLayout, HEAD, Small, size_for};
use form::EntryForm;
pub use form::New;
use mark::Mark;

/// One key of a table.
#[derive(Debug)]
pub struct Entry(EntryForm);

impl Entry {
    pub(super) fn new(key: &[u8], new: New<'_>, access: Access, side: bool) -> Self {
        Entry(EntryForm::new(Mark::new(access, side), key, new))
    }

    #[inline]
    pub fn key_name(&self) -> &[u8] {
        self.0.key()
    }

    #[inline]
    pub fn value(&self) -> ValueRef<'_> {
        self.0.value()
    }

    /// The value to be edited in its place. A packed one is taken out of its block first.
    pub(super) fn value_mut(&mut self) -> ValueMut<'_> {
        if self.0.is_packed() {
            let (mark, block) = (self.0.mark().get(), self.0.block());
            self.0 = EntryForm::whole(mark, block.key(), block.value().alone());
        }
        let value = self.0.value_mut();
        value.expect("it is packed no more")
    }

    /// Whether key and value stand in one block.
    #[inline]
    pub(super) fn is_packed(&self) -> bool {
        self.0.is_packed()
    }

    /// A copy of a packed hash, to be edited and given to [`Entry::put_back`].
    #[inline]
    pub(super) fn unpacked_hash(&self) -> Option<Hash> {
        if !self.0.is_packed() {
            return None;
        }
        match self.0.block().value() {
            Small::Hash(pack) => Some(Hash::unpacked(pack)),
            Small::Text(_) => None,
        }
    }

    /// Puts an edited copy in the place of the packed hash it was made of.
    pub(super) fn put_back(&mut self, hash: Hash) {
        let written = |pack| self.write_over(Small::Hash(pack));
        if !hash.packed().is_some_and(written) {
            let next = New::Value(Value::Hash(hash));
            self.0 = EntryForm::new(self.0.mark().get(), self.0.key(), next);
        }
    }

    /// A hash that isn't packed.
    #[inline]
    pub(super) fn hash_mut(&mut self) -> Option<&mut Hash> {
        match &mut self.0 {
            EntryForm::Hash(_, whole) => Some(&mut whole.value),
            _ => None,
        }
    }

    /// Puts another value at this key. What it held before is given back, unless it was written over.
    pub(super) fn put(&mut self, new: New<'_>) -> Option<Entry> {
        if let New::Text(piece) = new
            && self.write_over(Small::Text(piece))
        {
            return None;
        }
        let next = EntryForm::new(self.0.mark().get(), self.0.key(), new);
        Some(Entry(std::mem::replace(&mut self.0, next)))
    }

    /// Writes a value into the block that is there, over whatever is in it, if it takes one of the same size.
    #[inline]
    fn write_over(&mut self, value: Small<'_>) -> bool {
        if !self.0.is_packed() {
            return false;
        }
        let mark = self.0.mark().get();
        let head = if mark.lens().is_some() { 0 } else { HEAD };
        let key_end = head + self.0.key().len();
        let Some(layout) = BlockLayout::of(self.0.key(), value) else {
            return false;
        };
        let room = self.0.room_mut();
        let fits = size_for(head + layout.bytes) == room.len();
        if fits {
            block::write(&mut room[key_end..], value);
            if head > 0 {
                room[..HEAD].copy_from_slice(&layout.lens);
            } else {
                self.change(|mark| mark.set_lens(layout.lens));
            }
        }
        fits
    }

    pub(super) fn into_value(self) -> Value {
        self.0.into_value()
    }

    #[inline]
    pub(super) fn timer(&self) -> u32 {
        self.0.mark().get().timer()
    }

    pub(super) fn set_timer(&mut self, timer: u32) {
        let mut mark = self.0.mark().get();
        let lens = mark.lens();
        if lens.is_some() && timer == 0 {
            return;
        }
        mark.set_timer(timer);
        if let Some(lens) = lens {
            // They make room.
            let block = self.0.block();
            let (key, value) = (block.key(), block.value());
            let bytes = BlockLayout::of(key, value).map_or(0, |layout| layout.bytes);
            let room = self.0.room();
            if size_for(HEAD + bytes) != room.len() {
                self.0 = EntryForm::small(mark, key, value);
                return;
            }
            let room = self.0.room_mut();
            room.copy_within(..bytes, HEAD);
            room[..HEAD].copy_from_slice(&lens);
        }
        self.0.mark().set(mark);
    }

    #[inline]
    pub fn access(&self) -> Access {
        self.0.mark().get().access()
    }

    /// The clock ticks in seconds: where it says the same, nothing is written, and a reader leaves memory as it is.
    #[inline]
    pub(super) fn set_access(&self, access: Access) {
        if self.access().bits() != access.bits() {
            self.change(|mark| mark.set_access(access));
        }
    }

    #[inline]
    pub(super) fn side(&self) -> bool {
        self.0.mark().get().side()
    }

    pub(super) fn set_side(&self, side: bool) {
        self.change(|mark| mark.set_side(side));
    }

    /// Whether the key is never evicted, as BLESS has said.
    #[inline]
    pub fn is_blessed(&self) -> bool {
        self.0.mark().get().blessed()
    }

    pub(super) fn set_blessed(&self, blessed: bool) {
        if self.is_blessed() != blessed {
            self.change(|mark| mark.set_blessed(blessed));
        }
    }

    #[inline]
    fn change(&self, change: impl FnOnce(&mut Mark)) {
        let cell = self.0.mark();
        let mut mark = cell.get();
        change(&mut mark);
        cell.set(mark);
    }

    /// Bytes on the heap beside the entry's own sixteen.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// The type of the value.
    #[inline]
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }
}

impl Keyed for Entry {
    #[inline]
    fn key(&self) -> &[u8] {
        self.0.key()
    }

    /// Looks at both ends of what is behind the pointer, or at the first byte of a long string.
    #[inline]
    fn warm(&self) -> usize {
        match &self.0 {
            EntryForm::Text(_, whole) => whole.value.warm(),
            form => match form.room() {
                [first, .., last] => usize::from(first ^ last),
                _ => form.key().len(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Limits, Text, Type};

    fn entry(key: &[u8], value: &[u8]) -> Entry {
        Entry::new(key, New::text(value), Access::from_bits(0x123456), true)
    }

    fn text(entry: &Entry) -> Vec<u8> {
        let text = Text::of(entry.value()).expect("it is a string");
        text.as_bytes(&mut itoa::Buffer::new()).to_vec()
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 16);
        assert_eq!(entry(&[b'k'; 16], &[b'v'; 32]).heap_bytes(), 48);
        let mut timed = entry(&[b'k'; 16], &[b'v'; 32]);
        timed.set_timer(1);
        assert_eq!(timed.heap_bytes(), 64);
        assert_eq!(entry(&[b'k'; 16], b"12345").heap_bytes(), 32);
    }

    #[test]
    fn keys_and_strings_of_all_lengths_read_back() {
        for key_len in [0, 1, 16, 22, 23, 100, 255, 256, 1000] {
            let key = vec![b'k'; key_len];
            for value_len in (0..70).chain(200..300).chain([1000]) {
                let value = vec![b'v'; value_len];
                let mut entry = entry(&key, &value);
                assert_eq!((entry.key_name(), text(&entry)), (&key[..], value.clone()));
                entry.set_timer(77);
                // Over it a value of another length, an integer, and the first one again.
                for next in [&b"another"[..], b"-17", b"017", &value] {
                    entry.put(New::text(next));
                    assert_eq!((entry.key_name(), text(&entry)), (&key[..], next.to_vec()));
                    let mut fresh = Entry::new(&key, New::text(next), entry.access(), true);
                    assert_eq!(text(&fresh), next);
                    fresh.set_timer(77);
                    assert_eq!((fresh.key_name(), text(&fresh)), (&key[..], next.to_vec()));
                    assert_eq!(
                        entry.heap_bytes(),
                        fresh.heap_bytes(),
                        "no room is left over"
                    );
                }
                let ValueMut::Text(held) = entry.value_mut() else {
                    unreachable!("it is a string");
                };
                held.raw_mut().push(b'!');
                assert_eq!(text(&entry), [&value[..], b"!"].concat());
                let mark = (entry.timer(), entry.side(), entry.access().bits());
                assert_eq!(mark, (77, true, 0x123456));
                entry.set_blessed(true);
                entry.set_side(false);
                assert_eq!((entry.timer(), entry.side()), (77, false));
                // It is kept, whatever stands at the key.
                for next in [&b"short"[..], b"17", &value] {
                    entry.put(New::text(next));
                    entry.set_timer(78);
                    assert!(entry.is_blessed());
                    assert_eq!((entry.timer(), text(&entry)), (78, next.to_vec()));
                }
            }
        }
    }

    fn hash_of(fields: usize) -> Hash {
        let (limits, mut hash) = (Limits::default(), Hash::new());
        for n in 0..fields {
            let (field, value) = (format!("field{n}"), format!("value-{n}"));
            hash.insert(field.as_bytes(), value.as_bytes(), false, 0, &limits);
        }
        hash
    }

    #[test]
    fn a_small_hash_stands_with_its_key() {
        let fields = |entry: &Entry| {
            let seen = Hash::of(entry.value()).expect("it is a hash");
            let pairs = seen
                .iter(0)
                .map(|(field, value)| (field.to_vec(), value.to_vec()));
            pairs.collect::<Vec<_>>()
        };
        let wanted = |count| {
            fields(&Entry::new(
                b"",
                hash_of(count).wrap().into(),
                Access::from_bits(0),
                false,
            ))
        };
        for key_len in [0, 1, 16, 255, 256] {
            let key = vec![b'k'; key_len];
            let mut entry = Entry::new(&key, Hash::fresh().into(), Access::from_bits(7), true);
            // It grows out of its block, comes back to a smaller one, and leaves it for good.
            for count in [0, 1, 2, 5, 5, 30, 4, 1, 100] {
                match entry.unpacked_hash() {
                    Some(_) => entry.put_back(hash_of(count)),
                    None => *entry.hash_mut().expect("it is a hash") = hash_of(count),
                }
                assert_eq!(entry.kind(), Kind::Hash);
                assert_eq!((entry.key_name(), entry.access().bits()), (&key[..], 7));
                assert_eq!(fields(&entry), wanted(count));
                let text = Entry::new(&key, New::text(b"v"), entry.access(), true);
                entry.put(New::text(b"v"));
                assert_eq!(
                    (entry.kind(), entry.heap_bytes()),
                    (Kind::Text, text.heap_bytes())
                );
                entry.put(hash_of(count).wrap().into());
                assert_eq!(fields(&entry), wanted(count));
                let mut timed =
                    Entry::new(&key, hash_of(count).wrap().into(), entry.access(), true);
                timed.set_timer(9);
                assert_eq!((timed.key_name(), timed.timer()), (&key[..], 9));
                assert_eq!(fields(&timed), wanted(count));
            }
        }
        let five = Entry::new(
            &[b'k'; 16],
            hash_of(5).wrap().into(),
            Access::from_bits(0),
            false,
        );
        assert_eq!(five.heap_bytes(), 112);
        let mut timed = hash_of(1);
        timed.set_deadline(b"field0", 5);
        let mut entry = five;
        entry.put_back(timed);
        assert_eq!(entry.value().encoding(), "listpackex");
        assert!(entry.hash_mut().is_some());
    }

    #[test]
    fn an_integer_is_told_from_its_digits() {
        let mut entry = entry(b"key", b"12");
        assert_eq!(entry.value().encoding(), "int");
        entry.put(New::Value(Value::Text(Text::from_digits(b"12"))));
        assert_eq!(entry.value().encoding(), "embstr");
        assert_eq!(text(&entry), b"12");
    }
}
