//! Texts in documents: strings and names of fields, in sixteen bytes, short ones in place.

use std::hash::{Hash, Hasher};

use triomphe::ThinArc;

use super::plain::plain_len_short;

/// The longest text that needs no allocation.
const SHORT_MAX: usize = 14;

/// A text of at most [`SHORT_MAX`] bytes, with zeros behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortText {
    len: u8,
    bytes: [u8; SHORT_MAX],
}

impl ShortText {
    #[inline]
    pub fn new(text: &[u8]) -> Option<Self> {
        let len = text.len();
        if len > SHORT_MAX {
            return None;
        }
        // Put together in registers, of words that may overlap: a copy of any size is a call, and what is written to
        // memory in parts is slow to be read from there as a whole.
        let whole = match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => {
                let behind = u128::from(u64::from_le_bytes(*last)) << (8 * (len - 8));
                u128::from(u64::from_le_bytes(*first)) | behind
            }
            _ => match (text.first_chunk(), text.last_chunk()) {
                (Some(first), Some(last)) => {
                    let behind = u64::from(u32::from_le_bytes(*last)) << (8 * (len - 4));
                    u128::from(u64::from(u32::from_le_bytes(*first)) | behind)
                }
                _ => {
                    let bytes = text.iter().rev();
                    u128::from(bytes.fold(0, |held: u32, byte| held << 8 | u32::from(*byte)))
                }
            },
        };
        let mut bytes = [0; SHORT_MAX];
        bytes.copy_from_slice(&whole.to_le_bytes()[..SHORT_MAX]);
        Some(ShortText {
            len: len as u8,
            bytes,
        })
    }

    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Appends the text between quotes; false if something in it must be escaped. A copy of any size is a call, which
    /// takes longer than one of this size, of which a part goes again.
    #[inline]
    pub fn write_quoted(&self, out: &mut Vec<u8>) -> bool {
        let len = usize::from(self.len);
        if plain_len_short(&self.bytes) < len {
            return false;
        }
        let mut quoted = [b'"'; SHORT_MAX + 2];
        quoted[1..=SHORT_MAX].copy_from_slice(&self.bytes);
        let end = out.len() + len + 1;
        out.extend_from_slice(&quoted);
        out.truncate(end + 1);
        out[end] = b'"';
        true
    }
}

/// A longer one, which copies share.
pub type LongText = ThinArc<(), u8>;

pub fn long(text: &[u8]) -> LongText {
    ThinArc::from_header_and_slice((), text)
}

/// Bytes of a long text's block, without the room to its end: a count, a length and the text.
pub fn long_bytes(text: &LongText) -> usize {
    16 + text.slice.len()
}

/// The name of a field. It is UTF-8, as all text in a document.
#[derive(Clone, Debug)]
pub enum FieldName {
    Short(ShortText),
    Long(LongText),
}

impl FieldName {
    pub fn new(text: &[u8]) -> Self {
        match ShortText::new(text) {
            Some(short) => FieldName::Short(short),
            None => FieldName::Long(long(text)),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match self {
            FieldName::Short(short) => short.as_bytes(),
            FieldName::Long(long) => &long.slice,
        }
    }

    /// Whether it is this text. Short ones are compared in registers.
    #[inline]
    pub fn is(&self, text: &[u8]) -> bool {
        match self {
            FieldName::Short(short) => ShortText::new(text).is_some_and(|text| text == *short),
            FieldName::Long(long) => long.slice == *text,
        }
    }

    pub fn heap_bytes(&self) -> usize {
        match self {
            FieldName::Short(_) => 0,
            FieldName::Long(long) => long_bytes(long),
        }
    }
}

impl PartialEq for FieldName {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for FieldName {}

impl Hash for FieldName {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.as_bytes().hash(hasher);
    }
}
