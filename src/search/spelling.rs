//! Words of a query that an index doesn't have, and those of its words that are nearly alike.

use super::eval::is_within_edits;
use super::index::DocumentIndex;
use super::query::{QueryKind, QueryNode, TagTest};

/// What counts as a better word.
pub struct SpellingRules {
    /// Letters in which words may differ.
    pub edits: usize,
    /// Words that are right though no document has them, and are suggested.
    pub include: Vec<String>,
    /// Words that are right, and are not.
    pub exclude: Vec<String>,
}

/// A word that isn't there, and words that are, each with how many documents have it.
#[derive(Debug, PartialEq)]
pub struct Misspelt {
    pub word: Vec<u8>,
    pub suggestions: Vec<(Vec<u8>, usize)>,
}

/// The words of a query that aren't there, with what might be meant.
pub fn misspelt(index: &DocumentIndex, node: &QueryNode, rules: &SpellingRules) -> Vec<Misspelt> {
    let mut found = Vec::new();
    each_word(node, node.mask, &mut |word, mask| {
        let is = |held: &String| held.as_bytes() == word;
        if index.terms.get(word).is_none() && !rules.exclude.iter().any(is) {
            found.push(Misspelt {
                word: word.to_vec(),
                suggestions: suggestions(index, word, mask, rules),
            });
        }
    });
    found
}

/// Visits the words of a query, each with the fields in which it is sought.
fn each_word(node: &QueryNode, mask: u64, visit: &mut dyn FnMut(&[u8], u64)) {
    let mask = mask & node.mask;
    match &node.kind {
        QueryKind::Word { text, .. } => visit(text, mask),
        QueryKind::Exact(words) => words.iter().for_each(|word| visit(word, mask)),
        QueryKind::All(parts) | QueryKind::Any(parts) => {
            parts.iter().for_each(|part| each_word(part, mask, visit));
        }
        QueryKind::Not(part) | QueryKind::Optional(part) => each_word(part, mask, visit),
        QueryKind::Nearest(nearest) => each_word(&nearest.among, mask, visit),
        QueryKind::Tag { tests, .. } => {
            for test in tests {
                if let TagTest::Is(tag) = test {
                    visit(tag, mask);
                }
            }
        }
        _ => {}
    }
}

/// Words nearly alike, those of most documents first.
fn suggestions(
    index: &DocumentIndex,
    word: &[u8],
    mask: u64,
    rules: &SpellingRules,
) -> Vec<(Vec<u8>, usize)> {
    let wanted: Vec<char> = String::from_utf8_lossy(word).chars().collect();
    let is_near = |held: &[u8]| is_within_edits(held, &wanted, rules.edits);
    let mut found: Vec<(Vec<u8>, usize)> = Vec::new();
    for (held, list) in index.terms.iter() {
        // Stems and the like stand behind a sign.
        if matches!(held.first(), None | Some(b'+' | b'~' | b'<')) || !is_near(held) {
            continue;
        }
        let mut alive = list.iter().filter(|entry| index.is_alive(entry.doc));
        let count = alive.clone().count();
        if alive.any(|entry| entry.mask & mask != 0) {
            found.push((held.to_vec(), count));
        }
    }
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for held in rules.include.iter().map(String::as_bytes) {
        if is_near(held) && !found.iter().any(|(known, _)| known == held) {
            found.push((held.to_vec(), 0));
        }
    }
    found
}
