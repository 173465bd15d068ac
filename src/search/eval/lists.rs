//! Sorted lists of documents: how they are made, what is in both of two, in either, in one alone.

use std::rc::Rc;

use super::Match;
use crate::search::postings::skip;
use crate::util::turns::Turns;

/// Documents that lie closer together than this, on average, are sorted by marking them on a map of bits.
const MAP_STEP: u64 = 64;
/// Documents between two moments at which others may have their turn.
const SORTED_PER_TURN: usize = 1024;

/// Documents in growing order, each once.
pub fn sorted(mut docs: Vec<u64>, turns: &Turns<'_>) -> Vec<u64> {
    let (Some(least), Some(greatest)) = (docs.iter().min(), docs.iter().max()) else {
        return docs;
    };
    let (least, span) = (*least, *greatest - *least);
    if span / MAP_STEP > docs.len() as u64 {
        docs.sort_unstable_by(|one, other| {
            turns.tick(1);
            one.cmp(other)
        });
        docs.dedup();
        return docs;
    }
    let mut map = vec![0_u64; span as usize / 64 + 1];
    for part in docs.chunks(SORTED_PER_TURN) {
        for doc in part {
            let at = doc - least;
            map[at as usize / 64] |= 1 << (at % 64);
        }
        turns.tick(part.len());
    }
    docs.clear();
    for (at, part) in map.chunks(SORTED_PER_TURN / 64).enumerate() {
        let first = least + (at * SORTED_PER_TURN) as u64;
        for (at, bits) in part.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                docs.push(first + at as u64 * 64 + u64::from(bits.trailing_zeros()));
                bits &= bits - 1;
            }
        }
        turns.tick(part.len());
    }
    docs
}

/// The documents in all of these.
pub fn common(parts: &[Rc<Match>]) -> Vec<u64> {
    let mut lists: Vec<&[u64]> = parts.iter().map(|part| &part.docs[..]).collect();
    lists.sort_by_key(|list| list.len());
    let Some((first, rest)) = lists.split_first() else {
        return Vec::new();
    };
    rest.iter()
        .fold(first.to_vec(), |held, list| both(&held, list))
}

/// The documents in both lists.
pub fn both(one: &[u64], other: &[u64]) -> Vec<u64> {
    let (short, mut long) = match one.len() <= other.len() {
        true => (one, other),
        false => (other, one),
    };
    let mut found = Vec::with_capacity(short.len());
    for doc in short {
        long = &long[skip(long, *doc)..];
        if long.first() == Some(doc) {
            found.push(*doc);
        }
    }
    found
}

/// The documents in one of two lists, or in both.
pub fn either(mut one: &[u64], mut other: &[u64]) -> Vec<u64> {
    let mut found = Vec::with_capacity(one.len() + other.len());
    while let (Some(first), Some(second)) = (one.first(), other.first()) {
        found.push(*first.min(second));
        let (takes_one, takes_other) = (first <= second, second <= first);
        one = &one[usize::from(takes_one)..];
        other = &other[usize::from(takes_other)..];
    }
    found.extend_from_slice(one);
    found.extend_from_slice(other);
    found
}

pub fn without(docs: Vec<u64>, unwanted: &[u64]) -> Vec<u64> {
    let mut rest = unwanted;
    let keep = |doc: &u64| {
        rest = &rest[skip(rest, *doc)..];
        rest.first() != Some(doc)
    };
    docs.into_iter().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_sorted_whether_they_lie_close_together_or_not() {
        let turns = Turns::none();
        for step in [1, 3, 64, 1000, 1 << 40] {
            let wanted: Vec<u64> = (5..300).map(|n| n * step).collect();
            let mixed = wanted.iter().rev().chain(&wanted[7..20]);
            assert_eq!(sorted(mixed.copied().collect(), &turns), wanted, "{step}");
        }
        assert_eq!(sorted(vec![u64::MAX, 0, u64::MAX], &turns), [0, u64::MAX]);
        assert_eq!(sorted(Vec::new(), &turns), [0_u64; 0]);
    }

    #[test]
    fn lists_are_joined_and_subtracted() {
        let (one, other) = ([1, 3, 5, 7, 9, 11], [2, 3, 9, 10, 11, 12, 13, 14]);
        assert_eq!(both(&one, &other), [3, 9, 11]);
        assert_eq!(both(&other, &one), [3, 9, 11]);
        assert_eq!(both(&one, &[]), [0_u64; 0]);
        assert_eq!(either(&one, &other), [1, 2, 3, 5, 7, 9, 10, 11, 12, 13, 14]);
        assert_eq!(without(one.to_vec(), &other), [1, 5, 7]);
        assert_eq!(without(other.to_vec(), &one), [2, 10, 12, 13, 14]);
    }
}
