//! Ids of entries: a time in milliseconds and a number within it, in one order.

/// `ms-seq`, as clients write it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    pub ms: u64,
    pub seq: u64,
}

/// Room for the longest id as text.
#[derive(Debug)]
pub struct IdText([u8; 41]);

impl Default for IdText {
    fn default() -> Self {
        IdText([0; 41])
    }
}

impl Id {
    /// Smaller than every entry's.
    pub const MIN: Id = Id { ms: 0, seq: 0 };
    pub const MAX: Id = Id {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    pub fn new(ms: u64, seq: u64) -> Self {
        Id { ms, seq }
    }

    pub fn is_zero(self) -> bool {
        self == Id::MIN
    }

    /// The smallest id above this one.
    pub fn next(self) -> Option<Id> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => self.ms.checked_add(1).map(|ms| Id { ms, seq: 0 }),
        }
    }

    /// The largest id below this one.
    pub fn prev(self) -> Option<Id> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => self.ms.checked_sub(1).map(|ms| Id { ms, seq: u64::MAX }),
        }
    }

    /// Sixteen bytes in the order of ids, as files have them.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Id {
            ms: (both >> 64) as u64,
            seq: both as u64,
        }
    }

    /// The text, written into `room`.
    #[inline]
    pub fn text(self, room: &mut IdText) -> &[u8] {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (
            ms.format(self.ms).as_bytes(),
            seq.format(self.seq).as_bytes(),
        );
        let len = ms.len() + 1 + seq.len();
        room.0[..ms.len()].copy_from_slice(ms);
        room.0[ms.len()] = b'-';
        room.0[ms.len() + 1..len].copy_from_slice(seq);
        &room.0[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_step_over_the_edge_of_a_millisecond_and_keep_their_order_as_bytes() {
        let edge = Id::new(5, u64::MAX);
        assert_eq!(edge.next(), Some(Id::new(6, 0)));
        assert_eq!(Id::new(6, 0).prev(), Some(edge));
        assert_eq!((Id::MAX.next(), Id::MIN.prev()), (None, None));
        assert!(edge.to_bytes() < Id::new(6, 0).to_bytes());
        assert_eq!(Id::from_bytes(edge.to_bytes()), edge);
        let mut room = IdText::default();
        assert_eq!(Id::MAX.text(&mut room).len(), 41);
        assert_eq!(Id::new(12, 0).text(&mut room), b"12-0");
    }
}
