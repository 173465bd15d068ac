//! An entry's bookkeeping, in seven bytes: what the snapshot, the timer and eviction ask of it.

use super::block::HEAD;
use crate::engine::access::Access;

/// Bookkeeping. Bytes, as words would be aligned and leave no room for the form's tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// The key's node in the table's wheel, 0 for a key without a deadline, or the lengths in a block that doesn't begin
    /// with them; the side of the snapshot in the highest bit, and whether the key is blessed in the third highest.
    word: [u8; 4],
    /// The access clock.
    access: [u8; 3],
}

const SIDE: u32 = 1 << 31;
/// The word has lengths.
const LENS: u32 = 1 << 30;
/// BLESS has said that the key is never evicted.
const BLESSED: u32 = 1 << 29;
/// What is kept when timer and lengths change.
const KEPT: u32 = SIDE | BLESSED;

impl Mark {
    pub(super) fn new(access: Access, side: bool) -> Self {
        let mut mark = Mark {
            word: [0; 4],
            access: [0; 3],
        };
        mark.set_access(access);
        mark.set_side(side);
        mark
    }

    #[inline]
    fn word(self) -> u32 {
        u32::from_le_bytes(self.word)
    }

    fn set_word(&mut self, word: u32) {
        self.word = word.to_le_bytes();
    }

    #[inline]
    pub(super) fn timer(self) -> u32 {
        match self.lens() {
            Some(_) => 0,
            None => self.word() & !KEPT,
        }
    }

    /// Sets the timer, in the place of lengths.
    pub(super) fn set_timer(&mut self, timer: u32) {
        debug_assert!(timer < BLESSED, "a table has fewer timers");
        self.set_word(self.word() & KEPT | timer);
    }

    #[inline]
    pub(super) fn lens(self) -> Option<[u8; HEAD]> {
        let [key, value, ..] = self.word;
        (self.word() & LENS != 0).then_some([key, value])
    }

    /// Sets the lengths, in the place of a timer.
    pub(super) fn set_lens(&mut self, [key, value]: [u8; HEAD]) {
        self.set_word(self.word() & KEPT | LENS | u32::from_le_bytes([key, value, 0, 0]));
    }

    #[inline]
    pub(super) fn side(self) -> bool {
        self.word() & SIDE != 0
    }

    pub(super) fn set_side(&mut self, side: bool) {
        self.set_word(self.word() & !SIDE | if side { SIDE } else { 0 });
    }

    #[inline]
    pub(super) fn blessed(self) -> bool {
        self.word() & BLESSED != 0
    }

    pub(super) fn set_blessed(&mut self, blessed: bool) {
        self.set_word(self.word() & !BLESSED | if blessed { BLESSED } else { 0 });
    }

    #[inline]
    pub(super) fn access(self) -> Access {
        let [low, middle, high] = self.access;
        Access::from_bits(u32::from_le_bytes([low, middle, high, 0]))
    }

    #[inline]
    pub(super) fn set_access(&mut self, access: Access) {
        let [low, middle, high, _] = access.bits().to_le_bytes();
        self.access = [low, middle, high];
    }
}
