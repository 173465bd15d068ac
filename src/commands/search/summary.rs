//! Texts of results, with found words in tags or in pieces.

use super::hit::Hit;
use super::options::SearchWish;
use crate::search::{
    Definition, Expander, FoundWord, FragmentWish, QueryKind, QueryNode, each_word_at, expansions,
};

/// Puts found words into tags, or pieces of texts into the place of whole ones.
pub fn summarize(
    fields: &mut [(Vec<u8>, Vec<u8>)],
    definition: &Definition,
    hit: &Hit,
    wish: &SearchWish<'_>,
) {
    for (name, text) in fields {
        let made = wish.summary.of(name, wish.wanted.is_some());
        if made == FragmentWish::default() {
            continue;
        }
        let at = definition.field(name);
        let is_text = at.is_some_and(|at| definition.fields[at].bit().is_some());
        let words = match is_text {
            true => found_words(text, definition, hit, wish),
            false => Vec::new(),
        };
        if let Some(made) = made.apply(text, &words) {
            *text = made;
        }
    }
}

/// The words of a text by which a document was found: themselves, by their stems or by words that mean the same.
fn found_words(
    text: &[u8],
    definition: &Definition,
    hit: &Hit,
    wish: &SearchWish<'_>,
) -> Vec<FoundWord> {
    let (mut found, mut place) = (Vec::new(), 0);
    let anywhere = QueryNode::new(QueryKind::Every);
    each_word_at(text, |at, word| {
        if definition.is_stopword(&word) {
            return;
        }
        place += 1;
        let mut terms = expansions(
            &anywhere,
            &word,
            definition,
            wish.asked.language,
            Expander::default(),
        );
        terms.insert(0, word.into_bytes());
        // The stem as a word of its own is another word.
        terms.truncate(1 + terms[1..].iter().filter(|term| is_marked(term)).count());
        let is = |(held, _): &(Box<[u8]>, f64)| terms.iter().any(|term| **term == **held);
        if let Some(which) = hit.words.iter().position(is) {
            let worth = hit.words[which].1;
            found.push(FoundWord {
                at,
                place,
                which,
                worth,
            });
        }
    });
    found
}

/// Whether a term is no word: it has the sign of stems or synonyms.
fn is_marked(term: &[u8]) -> bool {
    matches!(term.first(), Some(b'+' | b'~' | b'<'))
}
