//! A string value, in sixteen bytes: an integer, a few bytes in place, or a pointer to more.

use thin_vec::ThinVec;

use crate::util::number;

/// The longest string kept in place.
const SHORT_MAX: usize = 14;
/// Up to here OBJECT ENCODING says `embstr`.
const EMBSTR_MAX: usize = 44;
/// The longest text that may be a 64-bit integer.
const DIGITS_MAX: usize = 20;

/// The value of a string key.
#[derive(Clone, Debug)]
pub enum Text {
    Int(i64),
    Short {
        len: u8,
        bytes: [u8; SHORT_MAX],
    },
    Long(ThinVec<u8>),
    /// Edited in place, so with room to grow; "raw" even when short.
    Raw(ThinVec<u8>),
}

impl Text {
    /// A value as SET stores it: an integer in canonical form is kept as a number.
    #[inline]
    pub fn from_bytes(from: &[u8]) -> Self {
        if from.len() <= DIGITS_MAX
            && let Some(n) = number::parse_i64(from)
        {
            return Text::Int(n);
        }
        if from.len() > SHORT_MAX {
            return Text::Long(from.into());
        }
        let mut bytes = [0; SHORT_MAX];
        bytes[..from.len()].copy_from_slice(from);
        Text::Short {
            len: from.len() as u8,
            bytes,
        }
    }

    pub fn from_int(n: i64) -> Self {
        Text::Int(n)
    }

    /// The text; an integer is written into `digits`.
    #[inline]
    pub fn as_bytes<'a>(&'a self, digits: &'a mut itoa::Buffer) -> &'a [u8] {
        match self {
            Text::Int(n) => digits.format(*n).as_bytes(),
            Text::Short { len, bytes } => &bytes[..usize::from(*len)],
            Text::Long(bytes) | Text::Raw(bytes) => bytes,
        }
    }

    /// The integer that the text is, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Text::Int(n) => Some(*n),
            _ => number::parse_i64(self.as_bytes(&mut itoa::Buffer::new())),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Text::Int(n) => itoa::Buffer::new().format(*n).len(),
            Text::Short { len, .. } => usize::from(*len),
            Text::Long(bytes) | Text::Raw(bytes) => bytes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, to be changed in place.
    pub fn raw_mut(&mut self) -> &mut ThinVec<u8> {
        if !matches!(self, Text::Raw(_)) {
            let bytes = match std::mem::replace(self, Text::Int(0)) {
                Text::Long(bytes) => bytes,
                other => other.as_bytes(&mut itoa::Buffer::new()).into(),
            };
            *self = Text::Raw(bytes);
        }
        match self {
            Text::Raw(bytes) => bytes,
            _ => unreachable!("it was made raw just now"),
        }
    }

    /// OBJECT ENCODING's word.
    pub fn encoding(&self) -> &'static str {
        match self {
            Text::Int(_) => "int",
            Text::Short { .. } => "embstr",
            Text::Long(bytes) if bytes.len() <= EMBSTR_MAX => "embstr",
            Text::Long(_) | Text::Raw(_) => "raw",
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Text::Int(_) | Text::Short { .. } => 0,
            Text::Long(bytes) | Text::Raw(bytes) => bytes.capacity() + 2 * size_of::<usize>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_their_bytes_and_tell_their_encoding() {
        assert_eq!(size_of::<Text>(), 16);
        let long = "x".repeat(45);
        let cases = [
            ("", "embstr"),
            ("12", "int"),
            ("-7", "int"),
            ("012", "embstr"),
            (&long[..44], "embstr"),
        ];
        for (text, encoding) in cases
            .into_iter()
            .chain([(&long[..], "raw"), ("9223372036854775808", "embstr")])
        {
            let held = Text::from_bytes(text.as_bytes());
            assert_eq!(held.as_bytes(&mut itoa::Buffer::new()), text.as_bytes());
            assert_eq!(
                (held.len(), held.encoding()),
                (text.len(), encoding),
                "{text}"
            );
        }
        let mut text = Text::from_bytes(b"12");
        text.raw_mut().extend_from_slice(b"3");
        assert_eq!((text.as_int(), text.encoding()), (Some(123), "raw"));
    }
}
