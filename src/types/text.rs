//! The string value: sixteen bytes that are an integer, a short string, or a
//! pointer to a long one.
//!
//! What a client stored reads back byte for byte, whatever the form. The form
//! shows in one place only, the name that OBJECT ENCODING gives.

use crate::util::number::parse_i64;
use triomphe::{Arc, ThinArc};

const IN_PLACE: usize = 14;
/// Up to here Redis calls a string `embstr`.
const EMBEDDED: usize = 44;

/// A string value. Copies share long ones, whose length stands beside the bytes: a pointer
/// with a length would not fit beside the tag.
#[derive(Clone, Debug)]
pub struct Text(Form);

#[derive(Clone, Debug)]
enum Form {
    Int(i64),
    Short {
        len: u8,
        bytes: [u8; IN_PLACE],
    },
    Long(ThinArc<(), u8>),
    /// A string that has been edited in place, and will be again.
    Raw(Arc<Vec<u8>>),
}

impl Text {
    /// A string that stays one, though it may look like an integer: INCRBYFLOAT's sums.
    pub fn from_digits(bytes: &[u8]) -> Self {
        match Text::from_bytes(bytes) {
            Text(Form::Int(_)) if bytes.len() > IN_PLACE => Text(Form::Long(long(bytes))),
            Text(Form::Int(_)) => {
                let mut place = [0; IN_PLACE];
                place[..bytes.len()].copy_from_slice(bytes);
                Text(Form::Short {
                    len: bytes.len() as u8,
                    bytes: place,
                })
            }
            text => text,
        }
    }

    /// The most compact form of these bytes.
    #[inline]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        if let Some(value) = parse_i64(bytes) {
            return Text(Form::Int(value));
        }
        if bytes.len() > IN_PLACE {
            return Text(Form::Long(long(bytes)));
        }
        let mut place = [0; IN_PLACE];
        place[..bytes.len()].copy_from_slice(bytes);
        Text(Form::Short {
            len: bytes.len() as u8,
            bytes: place,
        })
    }

    #[inline]
    pub fn from_int(value: i64) -> Self {
        Text(Form::Int(value))
    }

    /// The bytes; the buffer holds them when they have to be written out.
    #[inline]
    pub fn as_bytes<'a>(&'a self, buffer: &'a mut itoa::Buffer) -> &'a [u8] {
        match &self.0 {
            Form::Int(value) => buffer.format(*value).as_bytes(),
            Form::Short { len, bytes } => &bytes[..usize::from(*len)],
            Form::Long(bytes) => &bytes.slice,
            Form::Raw(bytes) => bytes,
        }
    }

    /// The value as it is stored, for those who treat integers apart.
    #[inline]
    pub fn piece(&self) -> super::Piece<'_> {
        use super::Piece;
        match &self.0 {
            Form::Int(value) => Piece::Int(*value),
            Form::Short { len, bytes } => Piece::Bytes(&bytes[..usize::from(*len)]),
            Form::Long(bytes) => Piece::Bytes(&bytes.slice),
            Form::Raw(bytes) => Piece::Bytes(bytes),
        }
    }

    /// Looks at the first byte of a long one.
    #[inline]
    pub fn warm(&self) -> usize {
        match &self.0 {
            Form::Long(bytes) => bytes.slice.first().map_or(0, |byte| usize::from(*byte)),
            _ => 0,
        }
    }

    /// The integer that the text stands for, if it is written canonically.
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        self.piece().to_int()
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.piece().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes to edit in place. From here on the value reports itself as raw.
    pub fn raw_mut(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0, Form::Raw(_)) {
            self.0 = Form::Raw(Arc::new(self.piece().to_vec()));
        }
        match &mut self.0 {
            Form::Raw(bytes) => Arc::make_mut(bytes),
            _ => unreachable!("made raw above"),
        }
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Int(_) => "int",
            Form::Raw(_) => "raw",
            _ if self.len() <= EMBEDDED => "embstr",
            _ => "raw",
        }
    }

    /// Bytes held outside of the value itself.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Int(_) | Form::Short { .. } => 0,
            Form::Long(bytes) => 2 * size_of::<usize>() + bytes.slice.len(),
            Form::Raw(bytes) => size_of::<usize>() + size_of::<Vec<u8>>() + bytes.capacity(),
        }
    }
}

fn long(bytes: &[u8]) -> ThinArc<(), u8> {
    ThinArc::from_header_and_slice((), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &Text) -> Vec<u8> {
        text.as_bytes(&mut itoa::Buffer::new()).to_vec()
    }

    #[test]
    fn it_and_an_enum_around_it_take_sixteen_bytes() {
        enum Value {
            Text(Text),
            List(Box<u64>),
            Hash(Box<u32>),
            Stream(Box<u16>),
        }
        assert_eq!(size_of::<Text>(), 16);
        assert_eq!(size_of::<Value>(), 16);
        for value in [
            Value::Text(Text::from_int(1)),
            Value::List(Box::new(1)),
            Value::Hash(Box::new(1)),
            Value::Stream(Box::new(1)),
        ] {
            let held = match value {
                Value::Text(text) => text.as_int(),
                Value::List(n) => Some(*n as i64),
                Value::Hash(n) => Some(i64::from(*n)),
                Value::Stream(n) => Some(i64::from(*n)),
            };
            assert_eq!(held, Some(1));
        }
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
            assert_eq!(Text::from_bytes(text.as_bytes()).encoding(), "int");
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
            assert_eq!(Text::from_bytes(text.as_bytes()).encoding(), "embstr");
        }
    }

    #[test]
    fn every_length_reads_back_under_its_name() {
        let bytes = vec![b'x'; 300];
        for len in 0..bytes.len() {
            let text = Text::from_bytes(&bytes[..len]);
            assert_eq!(read(&text), &bytes[..len]);
            assert_eq!(text.len(), len);
            assert_eq!(text.encoding(), if len <= 44 { "embstr" } else { "raw" });
            assert_eq!(text.heap_bytes() > 0, len > 14);
        }
    }

    #[test]
    fn editing_in_place_keeps_the_bytes_and_makes_it_raw() {
        for start in ["12", "abc", "a string too long to stand in place"] {
            let mut text = Text::from_bytes(start.as_bytes());
            text.raw_mut().extend_from_slice(b"34");
            assert_eq!(read(&text), format!("{start}34").into_bytes());
            assert_eq!(text.encoding(), "raw");
            assert_eq!(read(&text.clone()), read(&text));
        }
        let mut text = Text::from_int(12);
        text.raw_mut().push(b'3');
        assert_eq!(text.as_int(), Some(123));
        assert_eq!(text.len(), 3);
    }
}
