//! What a part of a query seeks: which words of a dictionary it means, and where they count.

use std::ops::Bound;

use crate::search::index::Lists;
use crate::search::postings::Postings;
use crate::search::query::{Affix, QueryNode};

/// Shorter texts stand for no words that begin or end with them.
const AFFIX_BYTES_MIN: usize = 2;

/// Which words are meant.
pub(super) enum MeantWords<'q> {
    Affix(Affix, &'q [u8]),
    Pattern(&'q [u8]),
    Fuzzy(&'q [u8], usize),
}

/// Where and how a word is sought.
pub(super) struct TermWish<'a> {
    /// A bit for each field in which it counts.
    pub mask: u64,
    pub weight: f64,
    /// Whether it matters where it stands.
    pub places: bool,
    /// What is not among these need not be found.
    pub among: Option<&'a [u64]>,
}

impl TermWish<'_> {
    pub fn of(node: &QueryNode, places: bool) -> Self {
        TermWish {
            mask: node.mask,
            weight: 1.0,
            places,
            among: None,
        }
    }
}

impl<'q> MeantWords<'q> {
    /// Those of the words in a dictionary that are meant, in their order. Stems stand there, too, behind a sign; as in
    /// RediSearch, they are among those that end so, and the like.
    pub fn among<'l>(
        self,
        lists: &'l Lists,
    ) -> Box<dyn Iterator<Item = (&'l [u8], &'l Postings)> + 'l>
    where
        'q: 'l,
    {
        let all = || lists.iter().map(|(name, list)| (&name[..], &**list));
        match self {
            MeantWords::Affix(_, text) if text.len() < AFFIX_BYTES_MIN => {
                Box::new(std::iter::empty())
            }
            MeantWords::Affix(Affix::Prefix, text) => {
                let from = Bound::Included(text);
                let held = lists.range::<[u8], _>((from, Bound::Unbounded));
                let held = held.map(|(name, list)| (&name[..], &**list));
                Box::new(held.take_while(move |(name, _)| name.starts_with(text)))
            }
            MeantWords::Affix(Affix::Suffix, text) => {
                Box::new(all().filter(move |(name, _)| name.ends_with(text)))
            }
            MeantWords::Affix(Affix::Infix, text) => {
                Box::new(all().filter(move |(name, _)| holds(name, text)))
            }
            MeantWords::Pattern(pattern) => {
                Box::new(all().filter(move |(name, _)| fits(pattern, name)))
            }
            MeantWords::Fuzzy(text, edits) => {
                let wanted = letters(text);
                Box::new(all().filter(move |(name, _)| is_within_edits(name, &wanted, edits)))
            }
        }
    }
}

fn holds(name: &[u8], text: &[u8]) -> bool {
    name.windows(text.len()).any(|part| part == text)
}

/// Whether a name fits a pattern of `*` and `?`.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[from] => {
                at += 1;
                from += 1;
            }
            _ => match &mut star {
                Some((star_at, star_from)) => {
                    *star_from += 1;
                    (at, from) = (*star_at + 1, *star_from);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

fn letters(bytes: &[u8]) -> Vec<char> {
    String::from_utf8_lossy(bytes).chars().collect()
}

/// Whether so few letters have to be put in, left out or changed. Only so many places around the diagonal are looked at.
pub fn is_within_edits(name: &[u8], wanted: &[char], edits: usize) -> bool {
    // A letter has one to four bytes.
    if name.len() + edits < wanted.len() || name.len() / 4 > wanted.len() + edits {
        return false;
    }
    let one = letters(name);
    if one.len().abs_diff(wanted.len()) > edits {
        return false;
    }
    // What lies outside counts as too much.
    let far = edits + 1;
    let mut row: Vec<usize> = (0..=wanted.len()).map(|at| at.min(far)).collect();
    for (at, letter) in one.iter().enumerate() {
        let (from, to) = (at.saturating_sub(edits), (at + far).min(wanted.len()));
        let mut before = row[from];
        row[from] = if from == 0 { (at + 1).min(far) } else { far };
        let mut least = row[from];
        for (place, other) in wanted.iter().enumerate().take(to).skip(from) {
            let changed = before + usize::from(letter != other);
            before = row[place + 1];
            row[place + 1] = changed.min(before + 1).min(row[place] + 1).min(far);
            least = least.min(row[place + 1]);
        }
        if least > edits {
            return false;
        }
    }
    row[wanted.len()] <= edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_by_patterns_and_by_few_changes() {
        assert!(fits(b"he*lo", b"hello") && fits(b"h?llo", b"hello") && fits(b"*", b""));
        assert!(!fits(b"he*lo", b"help") && !fits(b"h?llo", b"hllo"));
        let near = |one: &str, other: &str, edits| {
            is_within_edits(one.as_bytes(), &letters(other.as_bytes()), edits)
        };
        assert!(near("hello", "hallo", 1) && near("helo", "hello", 1) && near("hell", "hello", 1));
        assert!(
            !near("hello", "hela", 1) && near("hello", "hela", 2) && near("h\u{e4}llo", "hello", 1)
        );
        assert!(!near("kitten", "sitting", 2) && near("kitten", "sitting", 3));
        assert!(
            near("", "a", 1) && near("ab", "", 2) && !near("abc", "", 2) && near("xab", "ab", 1)
        );
    }
}
