//! Words near each other.

use std::rc::Rc;

use smallvec::SmallVec;

use super::{Match, MatchKind};

/// Places in growing order: of most words there are few.
type Places = SmallVec<[u32; 8]>;

/// The places at which a part of a query stands in a document; nothing if it is no text.
fn places(part: &Match, doc: u64) -> Option<Places> {
    match &part.kind {
        MatchKind::Term(hits) | MatchKind::First(hits) => {
            let at = part.place(doc)?;
            let places: Places = hits.places(at).collect();
            (!places.is_empty()).then_some(places)
        }
        MatchKind::All(parts) | MatchKind::Any(parts) => {
            let held = parts.iter().filter(|part| part.holds(doc));
            let each = held.filter_map(|part| places(part, doc));
            let mut all: Places = each.flatten().collect();
            all.sort_unstable();
            (!all.is_empty()).then_some(all)
        }
        MatchKind::Optional(part) if part.holds(doc) => places(part, doc),
        MatchKind::Distances {
            inner: Some(inner), ..
        } => places(inner, doc),
        _ => None,
    }
}

/// Whether the parts stand so close to each other in a document.
pub(super) fn is_close(doc: u64, parts: &[Rc<Match>], slop: i64, in_order: bool) -> bool {
    let lists: Vec<Places> = parts.iter().filter_map(|part| places(part, doc)).collect();
    match lists.len() {
        0 | 1 => true,
        _ if in_order => is_near_in_order(&lists, slop),
        _ => is_near(&lists, slop),
    }
}

fn is_near_in_order(lists: &[Places], slop: i64) -> bool {
    let mut at = vec![0; lists.len()];
    for first in &lists[0] {
        let (mut last, mut span, mut fits) = (*first, 0, true);
        for (list, at) in lists.iter().zip(&mut at).skip(1) {
            while list.get(*at).is_some_and(|place| *place < last) {
                *at += 1;
            }
            let Some(place) = list.get(*at) else {
                return false;
            };
            span += i64::from(*place) - i64::from(last) - 1;
            last = *place;
            if span > slop {
                fits = false;
                break;
            }
        }
        if fits {
            return true;
        }
    }
    false
}

fn is_near(lists: &[Places], slop: i64) -> bool {
    let mut at = vec![0; lists.len()];
    loop {
        let here = lists.iter().zip(&at).map(|(list, at)| list[*at]);
        let greatest = here.clone().max().unwrap_or_default();
        let least = here.enumerate().min_by_key(|(_, place)| *place);
        let (which, least) = least.expect("there are several");
        if i64::from(greatest - least) - (lists.len() as i64 - 1) <= slop {
            return true;
        }
        at[which] += 1;
        if at[which] == lists[which].len() {
            return false;
        }
    }
}

/// How far the parts of a match stand from each other in a document, as RediSearch counts it; scores are divided by it.
pub(super) fn spread(root: &Match, doc: u64) -> i32 {
    let parts = match &root.kind {
        MatchKind::All(parts) | MatchKind::Any(parts) => parts,
        MatchKind::Optional(part) if part.holds(doc) => return spread(part, doc),
        _ => return 1,
    };
    let held = parts.iter().filter(|part| part.holds(doc));
    let held: SmallVec<[&Match; 4]> = held.map(|part| &**part).collect();
    let count = held.len() as i32;
    if count <= 1 {
        return 1;
    }
    let counted = held.iter().filter_map(|part| counted_places(part, doc));
    let lists: SmallVec<[Places; 4]> = counted.collect();
    let pairs = lists.windows(2);
    let sum: i64 = pairs.map(|pair| distance(&pair[0], &pair[1]).pow(2)).sum();
    match sum {
        0 => count - 1,
        sum => (sum as f64).sqrt() as i32,
    }
}

/// The places of a part that counts where distances are reckoned. Several parts together count, even if they have no places,
/// unless none of them is something that is looked for.
fn counted_places(part: &Match, doc: u64) -> Option<Places> {
    match &part.kind {
        MatchKind::First(_) => Some(places(part, doc).unwrap_or_default()),
        MatchKind::All(parts) | MatchKind::Any(parts) => {
            let held = parts.iter().filter(|part| part.holds(doc));
            let mut held = held.filter(|part| !is_virtual(part, doc));
            held.next()?;
            Some(places(part, doc).unwrap_or_default())
        }
        MatchKind::Optional(part) if part.holds(doc) => counted_places(part, doc),
        _ => places(part, doc),
    }
}

/// Whether a part is nothing that is looked for in a document.
fn is_virtual(part: &Match, doc: u64) -> bool {
    match &part.kind {
        MatchKind::Virtual | MatchKind::Silent | MatchKind::Nothing => true,
        MatchKind::Optional(part) => !part.holds(doc) || is_virtual(part, doc),
        _ => false,
    }
}

/// How far two lists of places are from each other at least. One that is empty stands just before the first place.
fn distance(one: &[u32], other: &[u32]) -> i64 {
    let place = |list: &[u32]| list.first().map_or(-1, |place| i64::from(*place));
    let apart = |a: u32, b: u32| (i64::from(a) - i64::from(b)).abs();
    let (mut at, mut to) = (0, 0);
    let mut least = (place(one) - place(other)).abs();
    while least > 1
        && let Some((a, b)) = one.get(at).zip(other.get(to))
    {
        least = least.min(apart(*a, *b));
        match b > a {
            true => at += 1,
            false => to += 1,
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_near_in_order_or_in_any() {
        let places = |places: &[u32]| Places::from_slice(places);
        let lists = [places(&[5, 9]), places(&[1, 7])];
        assert!(is_near(&lists, 1) && !is_near(&lists, 0));
        assert!(is_near_in_order(&lists, 1) && !is_near_in_order(&lists, 0));
        assert!(is_near_in_order(&[places(&[3]), places(&[4])], 0));
        assert!(!is_near_in_order(&[places(&[4]), places(&[3])], 100));
        assert_eq!(distance(&[1, 10], &[5, 12]), 2);
        assert_eq!((distance(&[], &[7]), distance(&[], &[])), (8, 0));
    }
}
