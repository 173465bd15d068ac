//! The order in which the parts are looked for that a document must all have.

use std::rc::Rc;

use super::{Match, MatchKind};

/// Puts parts that a document must all have into the order in which RediSearch looks for them, which tells how far they stand
/// from each other: sorted by halves, as the C library does it, since parts that are nearly as rare have no one order.
pub fn rarest_first(mut parts: Vec<Rc<Match>>) -> Vec<Rc<Match>> {
    if parts.len() < 2 {
        return parts;
    }
    let behind = parts.split_off(parts.len() / 2);
    let mut ahead = rarest_first(parts).into_iter().peekable();
    let mut behind = rarest_first(behind).into_iter().peekable();
    let cost = |part: &Match| match &part.kind {
        MatchKind::All(parts) => part.expected as f64 / parts.len().max(1) as f64,
        _ => part.expected as f64,
    };
    let mut sorted = Vec::with_capacity(ahead.len() + behind.len());
    while let (Some(one), Some(other)) = (ahead.peek(), behind.peek()) {
        // By whole numbers alone, so that what is nearly as rare stays where it is.
        let first = match cost(one) - cost(other) >= 1.0 {
            true => behind.next(),
            false => ahead.next(),
        };
        sorted.extend(first);
    }
    sorted.extend(ahead);
    sorted.extend(behind);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_sorted_by_how_rare_they_are_however_many_there_are() {
        let part = |expected: usize, kind: MatchKind| {
            Rc::new(Match::new(Vec::new(), 1.0, kind).expecting(expected))
        };
        // Each but the last is more frequent than what comes behind it: to move them one by one would take hours.
        let count = 1_000_000;
        let parts = (0..count).rev().map(|n| part(n, MatchKind::Virtual));
        let sorted = rarest_first(parts.collect());
        assert!((0..count).eq(sorted.iter().map(|part| part.expected)));
        let pair = |expected| {
            let parts = [0, 1].map(|_| part(0, MatchKind::Virtual));
            part(expected, MatchKind::All(parts.into()))
        };
        // Two and a half is nearly as rare as two, and not as three and a half.
        let sorted = rarest_first(vec![pair(7), pair(5), part(2, MatchKind::Virtual)]);
        let expected: Vec<usize> = sorted.iter().map(|part| part.expected).collect();
        assert_eq!(expected, [5, 2, 7]);
    }
}
