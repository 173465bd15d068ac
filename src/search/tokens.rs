//! Words of a text: where they end, which are passed over, and their stems.

use rust_stemmers::{Algorithm, Stemmer};

/// The words that RediSearch passes over unless an index names others.
pub const STOPWORDS: &[&str] = &[
    "a", "is", "the", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into",
    "it", "no", "not", "of", "on", "or", "such", "that", "their", "then", "there", "these", "they",
    "this", "to", "was", "will", "with",
];

/// Shorter words of documents are not found by their stems.
const STEM_BYTES_MIN: usize = 4;

/// Languages by their names, with what makes stems of their words.
const LANGUAGES: &[(&str, Option<Algorithm>)] = &[
    ("arabic", Some(Algorithm::Arabic)),
    ("armenian", None),
    ("basque", None),
    ("catalan", None),
    ("danish", Some(Algorithm::Danish)),
    ("dutch", Some(Algorithm::Dutch)),
    ("english", Some(Algorithm::English)),
    ("finnish", Some(Algorithm::Finnish)),
    ("french", Some(Algorithm::French)),
    ("german", Some(Algorithm::German)),
    ("greek", Some(Algorithm::Greek)),
    ("hindi", None),
    ("hungarian", Some(Algorithm::Hungarian)),
    ("indonesian", None),
    ("irish", None),
    ("italian", Some(Algorithm::Italian)),
    ("lithuanian", None),
    ("nepali", None),
    ("norwegian", Some(Algorithm::Norwegian)),
    ("portuguese", Some(Algorithm::Portuguese)),
    ("romanian", Some(Algorithm::Romanian)),
    ("russian", Some(Algorithm::Russian)),
    ("serbian", None),
    ("spanish", Some(Algorithm::Spanish)),
    ("swedish", Some(Algorithm::Swedish)),
    ("tamil", Some(Algorithm::Tamil)),
    ("turkish", Some(Algorithm::Turkish)),
    ("yiddish", None),
    ("chinese", None),
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
        Stems(LANGUAGES[self.0].1.map(Stemmer::create))
    }
}

/// Makes stems of words.
pub struct Stems(Option<Stemmer>);

impl Stems {
    /// The stem of a word, if it has one.
    pub fn of(&self, word: &str) -> Option<String> {
        let stemmer = self.0.as_ref()?;
        Some(stemmer.stem(word).into_owned())
    }

    /// The stem by which a document is found that holds a word, if it is another one.
    pub fn of_long(&self, word: &str) -> Option<String> {
        let stem = self.of(word).filter(|_| word.len() >= STEM_BYTES_MIN);
        stem.filter(|stem| *stem != word)
    }
}

/// Whether a byte ends a word.
pub fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
        || byte.is_ascii_punctuation() && byte != b'_' && byte != b'\\'
}

/// Lower case, where the bytes are text.
pub fn lower(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).to_lowercase()
}

/// Visits each word of a text in lower case. A backslash makes a separator a part of the word.
pub fn each_word(text: &[u8], mut visit: impl FnMut(String)) {
    let mut word = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        at += 1;
        match byte {
            b'\\' => {
                if let Some(next) = text.get(at) {
                    word.push(*next);
                    at += 1;
                }
            }
            _ if is_separator(byte) || byte == 0 => {
                if !word.is_empty() {
                    visit(lower(&std::mem::take(&mut word)));
                }
            }
            _ => word.push(byte),
        }
    }
    if !word.is_empty() {
        visit(lower(&word));
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
    }
}
