//! HIGHLIGHT and SUMMARIZE: the words of a text that a query has found, and the pieces of it around them.

use super::tokens::is_separator;

/// What is made of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FragmentWish {
    /// What stands before and behind each found word.
    pub tags: Option<(Vec<u8>, Vec<u8>)>,
    pub summary: Option<SummaryWish>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SummaryWish {
    /// Pieces at most.
    pub count: usize,
    /// Words of a piece beside the found ones, about.
    pub words: usize,
    /// What stands behind each piece.
    pub separator: Vec<u8>,
}

/// A word of a text that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundWord {
    /// Where it begins, in bytes.
    pub at: usize,
    /// The how-manieth word it is.
    pub place: u32,
    /// Which word of the query it is, and how rare that is.
    pub which: usize,
    pub worth: f64,
}

/// Found words with more words between them stand in pieces of their own.
const APART_MAX: u32 = 8;
/// Letters of a word, about.
const WORD_BYTES: usize = 6;

/// Found words that stand near each other, and the text from the first to the last.
#[derive(Debug, Default)]
struct Fragment {
    from: usize,
    to: usize,
    last_place: u32,
    worth: f64,
    /// Words from the first to the last that were not found.
    between: usize,
    seen: Vec<usize>,
    /// Where found words stand.
    spans: Vec<(usize, usize)>,
}

fn word_end(text: &[u8], at: usize) -> usize {
    let rest = text[at..].iter();
    at + rest.take_while(|byte| !is_separator(**byte)).count()
}

fn fragments(text: &[u8], words: &[FoundWord]) -> Vec<Fragment> {
    let mut found: Vec<Fragment> = Vec::new();
    for word in words {
        let near = found
            .last()
            .is_some_and(|last| word.place - last.last_place <= APART_MAX);
        if !near {
            found.push(Fragment {
                from: word.at,
                last_place: word.place - 1,
                ..Fragment::default()
            });
        }
        let held = found.last_mut().expect("one was just there");
        if !held.seen.contains(&word.which) {
            held.seen.push(word.which);
            held.worth += word.worth;
        }
        held.between += (word.place - held.last_place - 1) as usize;
        held.last_place = word.place;
        held.to = word_end(text, word.at);
        held.spans.push((word.at, held.to));
    }
    found
}

impl FragmentWish {
    /// What becomes of a text; nothing if it stays as it is.
    pub fn apply(&self, text: &[u8], words: &[FoundWord]) -> Option<Vec<u8>> {
        let found = fragments(text, words);
        match (&self.summary, &self.tags) {
            (None, None) => None,
            (Some(summary), None) if found.is_empty() => Some(beginning(text, summary)),
            _ if found.is_empty() => None,
            (None, _) => Some(self.tagged(text, 0, text.len(), &found)),
            (Some(summary), _) => Some(self.summarized(text, found, summary)),
        }
    }

    /// A stretch of a text with its found words in tags.
    fn tagged(&self, text: &[u8], from: usize, to: usize, found: &[Fragment]) -> Vec<u8> {
        let (mut out, mut at) = (Vec::new(), from);
        for (begin, end) in found.iter().flat_map(|fragment| &fragment.spans) {
            out.extend_from_slice(&text[at..*begin]);
            if let Some((open, close)) = &self.tags {
                out.extend_from_slice(open);
                out.extend_from_slice(&text[*begin..*end]);
                out.extend_from_slice(close);
            } else {
                out.extend_from_slice(&text[*begin..*end]);
            }
            at = *end;
        }
        out.extend_from_slice(&text[at.min(to)..to]);
        out
    }

    /// The pieces that are worth most, in the order in which they stand.
    fn summarized(&self, text: &[u8], mut found: Vec<Fragment>, summary: &SummaryWish) -> Vec<u8> {
        found.sort_by(|one, other| other.worth.total_cmp(&one.worth));
        found.truncate(summary.count);
        found.sort_by_key(|fragment| fragment.from);
        let mut out = Vec::new();
        for (at, fragment) in found.iter().enumerate() {
            let first = at.checked_sub(1).map_or(0, |before| found[before].to);
            let last = found.get(at + 1).map_or(text.len() - 1, |after| after.from);
            let (from, to) = fragment.around(text, first, last, summary.words);
            let one = std::slice::from_ref(fragment);
            out.extend(single_blanks(&self.tagged(text, from, to, one)));
            out.extend_from_slice(&summary.separator);
        }
        out
    }
}

impl Fragment {
    /// Where the piece begins and ends with some words around it, within these bounds.
    fn around(&self, text: &[u8], first: usize, last: usize, words: usize) -> (usize, usize) {
        if words <= self.between {
            return (self.from, self.to);
        }
        let bytes = ((words - self.between) / 2).saturating_mul(WORD_BYTES);
        let is_blank = |at: usize| is_separator(text[at]);
        let mut from = self.from.saturating_sub(bytes).max(first);
        while from < self.from && !is_blank(from) {
            from += 1;
        }
        while from < self.from && is_blank(from) {
            from += 1;
        }
        let mut to = self.to.saturating_add(bytes).min(last);
        while to > self.to && !is_blank(to) {
            to -= 1;
        }
        while to > self.to && is_blank(to) {
            to -= 1;
        }
        (from, (to + 1).max(self.to).min(text.len()))
    }
}

/// The beginning of a text in which nothing was found, as long as its pieces would be.
fn beginning(text: &[u8], summary: &SummaryWish) -> Vec<u8> {
    let words = summary
        .words
        .saturating_mul(summary.count)
        .saturating_add(1);
    let len = words.saturating_mul(WORD_BYTES).min(text.len());
    let mut out = single_blanks(&text[..len]);
    while out.len() > 1 && !out.last().copied().is_some_and(is_separator) {
        out.pop();
    }
    out.truncate(out.trim_ascii_end().len());
    out
}

/// A text with one blank wherever it has several.
fn single_blanks(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut blank = false;
    for byte in text {
        let is_blank = byte.is_ascii_whitespace() || *byte == 0x0b;
        if !(is_blank && blank) {
            out.push(if is_blank { b' ' } else { *byte });
        }
        blank = is_blank;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, wanted: &str) -> Vec<FoundWord> {
        let mut place = 0;
        let mut words = Vec::new();
        for (at, _) in text.match_indices(|c: char| c.is_alphabetic()) {
            if at > 0 && text.as_bytes()[at - 1].is_ascii_alphabetic() {
                continue;
            }
            place += 1;
            if text[at..].starts_with(wanted) {
                words.push(FoundWord {
                    at,
                    place,
                    which: 0,
                    worth: 1.0,
                });
            }
        }
        words
    }

    #[test]
    fn a_word_ends_where_it_does_for_the_index() {
        let wish = FragmentWish {
            tags: Some((b"<".to_vec(), b">".to_vec())),
            summary: None,
        };
        let word = |at, place| FoundWord {
            at,
            place,
            which: 0,
            worth: 1.0,
        };
        let tagged = wish.apply(b"a\0b", &[word(0, 1), word(2, 2)]);
        assert_eq!(tagged.as_deref(), Some(&b"<a>\0<b>"[..]));
    }

    #[test]
    fn found_words_get_tags_and_pieces_surround_them() {
        let text = "a fox runs and the other fox sleeps for a long while under the very old tree near the fox hole";
        let words = found(text, "fox");
        let tags = Some((b"<".to_vec(), b">".to_vec()));
        let apply = |wish: &FragmentWish, text: &str, words: &[FoundWord]| {
            wish.apply(text.as_bytes(), words)
                .map(|bytes| String::from_utf8(bytes).unwrap())
        };
        let highlight = FragmentWish {
            tags: tags.clone(),
            summary: None,
        };
        let shown = apply(&highlight, "one fox", &found("one fox", "fox"));
        assert_eq!(shown.as_deref(), Some("one <fox>"));
        assert_eq!(apply(&highlight, "one", &[]), None);
        let summary = SummaryWish {
            count: 2,
            words: 5,
            separator: b"|".to_vec(),
        };
        let both = FragmentWish {
            tags,
            summary: Some(summary.clone()),
        };
        let shown = apply(&both, text, &words).unwrap();
        assert_eq!(shown, "<fox> runs and the other <fox> |near the <fox> |");
        let short = FragmentWish {
            tags: None,
            summary: Some(summary),
        };
        assert_eq!(
            apply(&short, "no  word\tis here", &[]).as_deref(),
            Some("no word is")
        );
    }
}
