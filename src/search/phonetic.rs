//! How words sound: by Double Metaphone, whatever their language, as in RediSearch.

use rphonetic::{DoubleMetaphone, Encoder};

/// Shorter words of documents are not found by how they sound.
const SOUND_LETTERS_MIN: usize = 3;
/// What stands before a sound where words stand.
const SIGN: u8 = b'<';

/// The term for how a word sounds; nothing if it has no sound.
pub fn sound_of(word: &str) -> Option<Vec<u8>> {
    let code = DoubleMetaphone::default().encode(word);
    (!code.is_empty()).then(|| [&[SIGN], code.as_bytes()].concat())
}

/// The term by which a document is found that holds a word.
pub fn sound_of_long(word: &str) -> Option<Vec<u8>> {
    let is_long = word.chars().count() >= SOUND_LETTERS_MIN;
    is_long.then(|| sound_of(word)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_sound_alike_have_one_term() {
        assert_eq!(sound_of("jon").as_deref(), Some(&b"<JN"[..]));
        assert_eq!(sound_of("john"), sound_of("jon"));
        assert_eq!(sound_of("smith").as_deref(), Some(&b"<SM0"[..]));
        assert_eq!((sound_of("123"), sound_of_long("go")), (None, None));
    }
}
