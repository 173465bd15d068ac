//! Texts with scores, found by how they begin: what FT.SUGADD keeps.

use std::collections::BTreeMap;

use super::TypeRef;

/// Longer texts are not kept, as in RediSearch.
const LETTERS_MAX: usize = 255;
/// A suggestion that is this much less than the one before it is left out, where that is asked.
const TRIM: f32 = 10.0;
/// What an entry takes of the tree's nodes, beside itself.
const NODE_BYTES: usize = 10;

/// What is kept of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    pub score: f32,
    pub payload: Option<Box<[u8]>>,
}

#[derive(Clone, Debug, Default)]
pub struct Suggestions {
    held: BTreeMap<Box<str>, Suggestion>,
    /// Bytes of the texts and payloads.
    bytes: usize,
}

/// Which suggestions are wanted.
#[derive(Clone, Copy, Debug)]
pub struct SuggestionWish {
    /// Letters in which the beginning may differ.
    pub edits: usize,
    pub count: usize,
    pub trim: bool,
}

/// A text, what it is worth to a beginning, and what was given with it.
pub type Suggested<'s> = (&'s str, f32, Option<&'s [u8]>);

impl Suggestions {
    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The texts in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Suggestion)> {
        self.held.iter().map(|(text, held)| (&**text, held))
    }

    /// Adds a text, or gives one another score, or more of it. Says whether that changed anything.
    pub fn add(&mut self, text: &str, score: f32, more: bool, payload: Option<&[u8]>) -> bool {
        let letters = text.chars().count();
        if letters == 0 || letters > LETTERS_MAX || score == 0.0 {
            return false;
        }
        if !self.held.contains_key(text) {
            self.bytes += text.len();
            let fresh = Suggestion {
                score: 0.0,
                payload: None,
            };
            self.held.insert(text.into(), fresh);
        }
        let held = self.held.get_mut(text).expect("it was just put there");
        held.score = if more { held.score + score } else { score };
        if let Some(payload) = payload.filter(|payload| !payload.is_empty()) {
            let before = held.payload.replace(payload.into());
            self.bytes += payload.len();
            self.bytes -= before.map_or(0, |before| before.len());
        }
        true
    }

    /// Drops a text; false if there is none.
    pub fn remove(&mut self, text: &str) -> bool {
        let Some(gone) = self.held.remove(text) else {
            return false;
        };
        self.bytes -= text.len() + gone.payload.map_or(0, |payload| payload.len());
        true
    }

    /// The texts that begin so, in any case, the most valuable first.
    pub fn find(&self, beginning: &str, wish: SuggestionWish) -> Vec<Suggested<'_>> {
        let wanted: Vec<char> = folded(beginning);
        let mut found: Vec<Suggested<'_>> = Vec::new();
        for (text, held) in &self.held {
            let Some(edits) = distance(&wanted, &folded(text), wish.edits) else {
                continue;
            };
            let letters = text.chars().count();
            let mut score = match is_same(&wanted, text, letters) {
                true => i32::MAX as f32,
                false => held.score,
            };
            if wish.edits > 0 {
                score = (f64::from(score) * (-2.0 * edits as f64).exp()) as f32;
            }
            // Bytes of the beginning are compared with letters, as in RediSearch.
            let apart = letters.abs_diff(beginning.len());
            score = (f64::from(score) / (1.0 + apart as f64).sqrt()) as f32;
            found.push((text, score, held.payload.as_deref()));
        }
        found.sort_by(|one, other| other.1.total_cmp(&one.1));
        found.truncate(wish.count);
        if wish.trim {
            let least = found.first().map_or(0.0, |best| best.1 / TRIM);
            found.retain(|(_, score, _)| *score >= least);
        }
        found
    }
}

fn folded(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether a text counts as the very one that is sought. RediSearch compares half of the letters, as it takes two bytes of
/// each for two of them.
fn is_same(wanted: &[char], text: &str, letters: usize) -> bool {
    let half = letters / 2;
    let low = |letter: char| letter as u32 & 0xff;
    let mut same = wanted.iter().zip(text.chars()).take(half);
    let middle = wanted.get(half).copied().zip(text.chars().nth(half));
    letters == wanted.len()
        && same.all(|(one, other)| *one == other)
        && (letters.is_multiple_of(2) || middle.is_some_and(|(one, other)| low(one) == low(other)))
}

/// In how many letters a beginning differs from the nearest beginning of a text; nothing if in more than `most`.
fn distance(wanted: &[char], text: &[char], most: usize) -> Option<usize> {
    if most == 0 {
        return text.starts_with(wanted).then_some(0);
    }
    // One row of the matrix for each letter of the text: the last cell is the distance to the text up to there.
    let mut row: Vec<usize> = (0..=wanted.len()).collect();
    let mut least = row[wanted.len()];
    for (at, letter) in text.iter().take(wanted.len() + most).enumerate() {
        let mut before = row[0];
        row[0] = at + 1;
        for (place, other) in wanted.iter().enumerate() {
            let changed = before + usize::from(letter != other);
            before = row[place + 1];
            row[place + 1] = changed.min(before + 1).min(row[place] + 1);
        }
        least = least.min(row[wanted.len()]);
    }
    (least <= most).then_some(least)
}

impl<'a> TypeRef<'a> for &'a Suggestions {
    type Whole = Suggestions;

    fn see(whole: &'a Suggestions) -> Self {
        whole
    }

    fn encoding(self) -> &'static str {
        "raw"
    }

    fn heap_bytes(self) -> usize {
        let each = size_of::<(Box<str>, Suggestion)>() + NODE_BYTES;
        self.bytes + self.held.len() * each
    }

    fn detached(self) -> Suggestions {
        self.clone()
    }

    fn free_effort(self) -> usize {
        self.held.len().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(held: &Suggestions, beginning: &str, edits: usize) -> Vec<(String, f32)> {
        let wish = SuggestionWish {
            edits,
            count: 10,
            trim: false,
        };
        let found = held.find(beginning, wish).into_iter();
        found.map(|(text, score, _)| (text.into(), score)).collect()
    }

    #[test]
    fn texts_are_found_by_how_they_begin() {
        let mut held = Suggestions::default();
        let added = [
            ("hello", 1.0),
            ("hell", 2.0),
            ("helicopter", 10.0),
            ("Hat", 4.0),
        ];
        for (text, score) in added {
            assert!(held.add(text, score, false, None));
        }
        assert!(!held.add("", 1.0, false, None) && !held.add("x", 0.0, false, None));
        let found = texts(&held, "hel", 0);
        let names: Vec<&str> = found.iter().map(|(text, _)| &**text).collect();
        assert_eq!(names, ["helicopter", "hell", "hello"]);
        assert_eq!(found[0].1, 3.535_534);
        assert_eq!(texts(&held, "hell", 0)[0].1, 2_147_483_648.0);
        assert_eq!(texts(&held, "helo", 1).len(), 3);
        assert_eq!(texts(&held, "ha", 0)[0].0, "Hat");
        assert!(held.add("hell", 1.0, true, Some(b"p")) && held.remove("hello"));
        assert!(!held.remove("hello") && held.len() == 3);
        assert_eq!(held.iter().nth(2).unwrap().1.score, 3.0);
    }
}
