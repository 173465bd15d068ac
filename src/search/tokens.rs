//! Words of a text: where they end, which are passed over, and their stems.

use rust_stemmers::{Algorithm as Old, Stemmer};
use waken_snowball::Algorithm as New;

/// The words that RediSearch passes over unless an index names others.
pub const STOPWORDS: &[&str] = &[
    "a", "is", "the", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into",
    "it", "no", "not", "of", "on", "or", "such", "that", "their", "then", "there", "these", "they",
    "this", "to", "was", "will", "with",
];

/// Shorter words of documents are not found by their stems.
const STEM_BYTES_MIN: usize = 4;

/// What makes stems of a language's words.
#[derive(Clone, Copy)]
enum Maker {
    /// As RediSearch's do: later ones make others in these languages.
    Old(Old),
    New(New),
    None,
}

/// Languages by their names, with what makes stems of their words.
const LANGUAGES: &[(&str, Maker)] = &[
    ("arabic", Maker::Old(Old::Arabic)),
    ("armenian", Maker::New(New::Armenian)),
    ("basque", Maker::New(New::Basque)),
    ("catalan", Maker::New(New::Catalan)),
    ("danish", Maker::Old(Old::Danish)),
    ("dutch", Maker::Old(Old::Dutch)),
    ("english", Maker::Old(Old::English)),
    ("finnish", Maker::Old(Old::Finnish)),
    ("french", Maker::Old(Old::French)),
    ("german", Maker::Old(Old::German)),
    ("greek", Maker::Old(Old::Greek)),
    ("hindi", Maker::New(New::Hindi)),
    ("hungarian", Maker::Old(Old::Hungarian)),
    ("indonesian", Maker::New(New::Indonesian)),
    ("irish", Maker::New(New::Irish)),
    ("italian", Maker::Old(Old::Italian)),
    ("lithuanian", Maker::New(New::Lithuanian)),
    ("nepali", Maker::New(New::Nepali)),
    ("norwegian", Maker::Old(Old::Norwegian)),
    ("portuguese", Maker::Old(Old::Portuguese)),
    ("romanian", Maker::Old(Old::Romanian)),
    ("russian", Maker::New(New::Russian)),
    ("serbian", Maker::New(New::Serbian)),
    ("spanish", Maker::Old(Old::Spanish)),
    ("swedish", Maker::Old(Old::Swedish)),
    ("tamil", Maker::Old(Old::Tamil)),
    ("turkish", Maker::Old(Old::Turkish)),
    ("yiddish", Maker::New(New::Yiddish)),
    ("chinese", Maker::None),
];

/// A language in which texts are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Language(usize);

impl Language {
    /// The language of this name, in any case.
    pub fn named(name: &[u8]) -> Option<Self> {
        let is = |(known, _): &(&str, _)| name.eq_ignore_ascii_case(known.as_bytes());
        LANGUAGES.iter().position(is).map(Language)
    }

    pub fn english() -> Self {
        Self::named(b"english").expect("it is among them")
    }

    pub fn name(self) -> &'static str {
        LANGUAGES[self.0].0
    }

    /// What makes stems, for many words.
    pub fn stems(self) -> Stems {
        match LANGUAGES[self.0].1 {
            Maker::Old(algorithm) => Stems::Old(Stemmer::create(algorithm)),
            Maker::New(algorithm) => Stems::New(algorithm),
            Maker::None => Stems::None,
        }
    }
}

/// Makes stems of words.
pub enum Stems {
    Old(Stemmer),
    New(New),
    None,
}

impl Stems {
    /// The stem of a word, if it has one.
    pub fn of(&self, word: &str) -> Option<String> {
        match self {
            Stems::Old(stemmer) => Some(stemmer.stem(word).into_owned()),
            Stems::New(algorithm) => Some(waken_snowball::stem(*algorithm, word).into_owned()),
            Stems::None => None,
        }
    }

    /// The stem by which a document is found that holds a word, if it is another one.
    pub fn of_long(&self, word: &str) -> Option<String> {
        if word.len() < STEM_BYTES_MIN {
            return None;
        }
        let stem = match self {
            Stems::Old(stemmer) => stemmer.stem(word),
            Stems::New(algorithm) => waken_snowball::stem(*algorithm, word),
            Stems::None => return None,
        };
        (stem != word).then(|| stem.into_owned())
    }
}

/// Whether a byte ends a word.
pub fn is_separator(byte: u8) -> bool {
    matches!(byte, b'\0' | b' ' | b'\t'..=b'\r')
        || byte.is_ascii_punctuation() && byte != b'_' && byte != b'\\'
}

/// Lower case, where the bytes are text.
pub fn lower(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).to_lowercase()
}

/// Lower case of a word, in its own place where that can be.
fn lowered(mut word: Vec<u8>) -> String {
    word.make_ascii_lowercase();
    match String::from_utf8(word) {
        Ok(word) if word.is_ascii() => word,
        Ok(word) => word.to_lowercase(),
        Err(error) => lower(error.as_bytes()),
    }
}

/// Visits each word of a text in lower case. A backslash makes a separator a part of the word.
pub fn each_word(text: &[u8], mut visit: impl FnMut(String)) {
    each_word_at(text, |_, word| visit(word));
}

/// Visits each word with the place of its first byte.
pub fn each_word_at(text: &[u8], mut visit: impl FnMut(usize, String)) {
    let (mut word, mut from) = (Vec::new(), 0);
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if word.is_empty() {
            from = at;
        }
        at += 1;
        match byte {
            b'\\' => {
                if let Some(next) = text.get(at) {
                    word.push(*next);
                    at += 1;
                }
            }
            _ if is_separator(byte) => {
                if !word.is_empty() {
                    visit(from, lowered(std::mem::take(&mut word)));
                }
            }
            _ => word.push(byte),
        }
    }
    if !word.is_empty() {
        visit(from, lowered(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_separators_and_have_stems() {
        let mut words = Vec::new();
        each_word(b"Hello, World! foo_bar a\\-b it's", |word| words.push(word));
        assert_eq!(words, ["hello", "world", "foo_bar", "a-b", "it", "s"]);
        let stems = Language::english().stems();
        assert_eq!(stems.of("running").as_deref(), Some("run"));
        assert_eq!(stems.of("run").as_deref(), Some("run"));
        assert_eq!((stems.of_long("run"), stems.of_long("sky")), (None, None));
        assert!(Language::named(b"GERMAN").is_some() && Language::named(b"foo").is_none());
        let stem = |language: &[u8], word: &str| Language::named(language)?.stems().of(word);
        assert_eq!(stem(b"german", "aktuelles").as_deref(), Some("aktuell"));
        assert_eq!(stem(b"lithuanian", "knygos").as_deref(), Some("knyg"));
        assert_eq!(stem(b"chinese", "word"), None);
    }
}
