//! How words sound: by Double Metaphone, whatever their language, as in RediSearch.

use rphonetic::{DoubleMetaphone, Encoder};

/// Shorter words of documents are not found by how they sound.
const SOUND_LETTERS_MIN: usize = 3;
/// What stands before a sound where words stand.
const SIGN: u8 = b'<';

/// What has no sound and stands for what isn't ASCII.
const SILENT: char = '_';

/// The term for how a word sounds; nothing if it has no sound.
///
/// RediSearch hears bytes, and none that isn't ASCII. The encoder counts in bytes as well, but panics where one isn't the first
/// of a character: it must see nothing else than ASCII.
pub fn sound_of(word: &str) -> Option<Vec<u8>> {
    let heard = |byte: u8| match byte.is_ascii() {
        true => char::from(byte),
        false => SILENT,
    };
    let letters: String = word.bytes().map(heard).collect();
    let code = DoubleMetaphone::default().encode(&letters);
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

    #[test]
    fn what_is_not_ascii_is_not_heard() {
        for (word, sound) in [
            ("caf\u{e9}", &b"<KF"[..]),
            ("\u{f1}andu", b"<NT"),
            ("stra\u{df}e", b"<STR"),
            ("g\u{e9}", b"<K"),
            ("x\u{b2}y", b"<S"),
        ] {
            assert_eq!(sound_of(word).as_deref(), Some(sound), "{word}");
        }
        assert_eq!(sound_of("\u{e7}a"), None);
        assert_eq!(sound_of("\u{43c}\u{438}\u{440}"), None);
    }

    #[test]
    fn any_word_may_be_heard() {
        let mut rng = fastrand::Rng::with_seed(7);
        let letters: Vec<char> = ('\0'..='\u{7f}')
            .chain("\u{e9}\u{c7}\u{d1}\u{df}\u{fb01}\u{1f600}".chars())
            .collect();
        let sounding: Vec<char> = "ACEGHIJKLMNORSTUWXZ \u{e9}".chars().collect();
        for round in 0..200_000 {
            let of = if round % 2 == 0 { &letters } else { &sounding };
            let word: String = (0..rng.usize(..9))
                .map(|_| of[rng.usize(..of.len())])
                .collect();
            sound_of(&word);
        }
    }
}
