//! The string value on its own: sixteen bytes that are an integer, a short string, or a pointer to a long one. A
//! short one that a key holds stands with the key.
//!
//! What a client stored reads back byte for byte, whatever the form. The form
//! shows in one place only, the name that OBJECT ENCODING gives.

use std::collections::TryReserveError;

use triomphe::{Arc, ThinArc};

use super::{Piece, TypeRef};

const IN_PLACE: usize = 14;
/// Up to here Redis calls a string `embstr`.
const EMBEDDED: usize = 44;
/// A string that grows takes as much room again for what comes next, and this at most: Redis's bound.
const SPARE_MAX: usize = 1 << 20;
/// Strings from here on can be edited in place without being copied first.
const LARGE: usize = 1 << 20;

/// A string value. Copies share long ones, whose length stands beside the bytes: a pointer
/// with a length would not fit beside the tag.
#[derive(Clone, Debug)]
pub struct Text(TextForm);

#[derive(Clone, Debug)]
enum TextForm {
    Int(i64),
    Short {
        len: u8,
        bytes: [u8; IN_PLACE],
    },
    Long(ThinArc<(), u8>),
    /// A string that has been edited in place, and will be again, or a large one.
    Raw(Arc<Vec<u8>>),
}

impl Default for Text {
    fn default() -> Self {
        Text::from_digits(b"")
    }
}

impl Text {
    #[inline]
    pub fn as_ref(&self) -> TextRef<'_> {
        TextRef::see(self)
    }

    /// The most compact form of these bytes.
    #[inline]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Text::from_piece(Piece::compact(bytes))
    }

    /// A string that stays one, though it may look like an integer: INCRBYFLOAT's sums.
    pub fn from_digits(bytes: &[u8]) -> Self {
        Text::from_piece(Piece::Bytes(bytes))
    }

    /// The string that a piece of another value holds.
    pub fn from_piece(piece: Piece<'_>) -> Self {
        match piece {
            Piece::Int(value) => Text(TextForm::Int(value)),
            Piece::Bytes(bytes) if bytes.len() >= LARGE => {
                Text(TextForm::Raw(Arc::new(bytes.to_vec())))
            }
            Piece::Bytes(bytes) if bytes.len() > IN_PLACE => Text(TextForm::Long(long(bytes))),
            Piece::Bytes(bytes) => {
                let mut place = [0; IN_PLACE];
                place[..bytes.len()].copy_from_slice(bytes);
                Text(TextForm::Short {
                    len: bytes.len() as u8,
                    bytes: place,
                })
            }
        }
    }

    fn piece(&self) -> Piece<'_> {
        match &self.0 {
            TextForm::Int(value) => Piece::Int(*value),
            TextForm::Short { len, bytes } => Piece::Bytes(&bytes[..usize::from(*len)]),
            TextForm::Long(bytes) => Piece::Bytes(&bytes.slice),
            TextForm::Raw(bytes) => Piece::Bytes(bytes),
        }
    }

    /// Whether it has been edited in place.
    pub fn is_raw(&self) -> bool {
        matches!(self.0, TextForm::Raw(_))
    }

    /// Looks at the first byte of a long one.
    #[inline]
    pub fn warm(&self) -> usize {
        match &self.0 {
            TextForm::Long(bytes) => bytes.slice.first().map_or(0, |byte| usize::from(*byte)),
            _ => 0,
        }
    }

    /// The bytes to edit in place. From here on the value reports itself as raw.
    pub fn raw_mut(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0, TextForm::Raw(_)) {
            self.0 = TextForm::Raw(Arc::new(self.piece().to_vec()));
        }
        match &mut self.0 {
            TextForm::Raw(bytes) => Arc::make_mut(bytes),
            _ => unreachable!("made raw above"),
        }
    }

    /// The bytes to edit in place, with room for `more` behind them. From here on the value reports itself as raw.
    /// Fails, and changes nothing, where there is no memory for that.
    pub fn grow(&mut self, more: usize) -> Result<&mut Vec<u8>, TryReserveError> {
        let len = self.piece().len();
        let spare = if len == 0 {
            0
        } else {
            len.saturating_add(more).min(SPARE_MAX)
        };
        let is_own = matches!(&self.0, TextForm::Raw(bytes) if bytes.is_unique());
        if !is_own {
            let room = if more == 0 {
                0
            } else {
                more.saturating_add(spare)
            };
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(len.saturating_add(room))?;
            bytes.extend_from_slice(self.as_ref().as_bytes(&mut itoa::Buffer::new()));
            self.0 = TextForm::Raw(Arc::new(bytes));
        }
        let TextForm::Raw(bytes) = &mut self.0 else {
            unreachable!("made raw above");
        };
        let bytes = Arc::make_mut(bytes);
        if bytes.capacity() - len < more {
            bytes.try_reserve_exact(more.saturating_add(spare))?;
        }
        Ok(bytes)
    }
}

/// A string as readers see it: packed with its key, or a [`Text`] of its own.
#[derive(Clone, Copy, Debug)]
pub struct TextRef<'a> {
    piece: Piece<'a>,
    held: Option<&'a Text>,
}

impl<'a> TextRef<'a> {
    #[inline]
    pub fn packed(piece: Piece<'a>) -> Self {
        TextRef { piece, held: None }
    }

    /// The value as it is stored, for those who treat integers apart.
    #[inline]
    pub fn piece(self) -> Piece<'a> {
        self.piece
    }

    /// The bytes; the buffer holds them when they have to be written out.
    #[inline]
    pub fn as_bytes<'b>(self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self.piece {
            Piece::Bytes(bytes) => bytes,
            Piece::Int(value) => buffer.format(value).as_bytes(),
        }
    }

    /// The integer that the text stands for, if it is written canonically.
    #[inline]
    pub fn as_int(self) -> Option<i64> {
        self.piece.to_int()
    }

    #[inline]
    pub fn len(self) -> usize {
        self.piece.len()
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

fn long(bytes: &[u8]) -> ThinArc<(), u8> {
    ThinArc::from_header_and_slice((), bytes)
}

impl<'a> TypeRef<'a> for TextRef<'a> {
    type Whole = Text;

    #[inline]
    fn see(text: &'a Text) -> Self {
        TextRef {
            piece: text.piece(),
            held: Some(text),
        }
    }

    fn encoding(self) -> &'static str {
        match self.piece {
            Piece::Int(_) => "int",
            Piece::Bytes(_) if self.held.is_some_and(Text::is_raw) => "raw",
            Piece::Bytes(bytes) if bytes.len() <= EMBEDDED => "embstr",
            Piece::Bytes(_) => "raw",
        }
    }

    /// What is packed stands with its key.
    fn heap_bytes(self) -> usize {
        match self.held.map(|text| &text.0) {
            None | Some(TextForm::Int(_) | TextForm::Short { .. }) => 0,
            Some(TextForm::Long(bytes)) => 2 * size_of::<usize>() + bytes.slice.len(),
            Some(TextForm::Raw(bytes)) => {
                size_of::<usize>() + size_of::<Vec<u8>>() + bytes.capacity()
            }
        }
    }

    /// A long one is shared.
    fn detached(self) -> Text {
        match self.held {
            Some(text) => text.clone(),
            None => Text::from_piece(self.piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::util::number::parse_i64;

    fn read(text: &Text) -> Vec<u8> {
        text.as_ref().piece().to_vec()
    }

    #[test]
    fn it_takes_sixteen_bytes() {
        assert_eq!(size_of::<Text>(), 16);
    }

    #[test]
    fn only_canonical_integers_are_integers() {
        for (text, value) in [
            ("0", 0),
            ("7", 7),
            ("-1", -1),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text}");
            assert_eq!(Text::from_bytes(text.as_bytes()).as_ref().encoding(), "int");
        }
        for text in [
            "",
            "-",
            "-0",
            "+1",
            "01",
            " 1",
            "1 ",
            "1.0",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "184467440737095516160",
            "1a",
            "\u{ff}",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
            assert_eq!(
                Text::from_bytes(text.as_bytes()).as_ref().encoding(),
                "embstr"
            );
        }
    }

    #[test]
    fn every_length_reads_back_under_its_name() {
        let bytes = vec![b'x'; 300];
        for len in 0..bytes.len() {
            let text = Text::from_bytes(&bytes[..len]);
            assert_eq!(read(&text), &bytes[..len]);
            assert_eq!(text.as_ref().len(), len);
            assert_eq!(
                text.as_ref().encoding(),
                if len <= 44 { "embstr" } else { "raw" }
            );
            assert_eq!(text.as_ref().heap_bytes() > 0, len > 14);
        }
    }

    #[test]
    fn a_string_that_grows_takes_a_bounded_room_for_what_comes_next() {
        for len in [1, 100, SPARE_MAX - 1, SPARE_MAX, 5 * SPARE_MAX] {
            let mut text = Text::from_bytes(&vec![b'x'; len]);
            let before = text.clone();
            for more in [1, 300, SPARE_MAX / 2] {
                let held = text.as_ref().len();
                let bytes = text.grow(more).expect("there is memory");
                bytes.resize(held + more, b'y');
                let spare = bytes.capacity() - bytes.len();
                assert!(spare <= bytes.len().min(SPARE_MAX), "{spare} of {len}");
            }
            assert_eq!(
                before.as_ref().len(),
                len,
                "a copy of before stays as it was"
            );
        }
        let mut text = Text::from_bytes(b"");
        let bytes = text.grow(1000).expect("there is memory");
        assert_eq!(bytes.capacity(), 1000);
        assert!(text.grow(usize::MAX).is_err());
        assert_eq!(text.as_ref().len(), 0);
    }

    #[test]
    fn editing_in_place_keeps_the_bytes_and_makes_it_raw() {
        for start in ["12", "abc", "a string too long to stand in place"] {
            let mut text = Text::from_bytes(start.as_bytes());
            text.raw_mut().extend_from_slice(b"34");
            assert_eq!(read(&text), format!("{start}34").into_bytes());
            assert_eq!(text.as_ref().encoding(), "raw");
            assert_eq!(read(&text.clone()), read(&text));
        }
        let mut text = Text::from_bytes(b"12");
        text.raw_mut().push(b'3');
        assert_eq!(text.as_ref().as_int(), Some(123));
        assert_eq!(text.as_ref().len(), 3);
    }
}
