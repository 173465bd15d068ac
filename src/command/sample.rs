//! Random picks among positions.

use hashbrown::HashSet;

use crate::util::chance;

/// `count` different positions below `len`, each choice as likely as any other; all of them if `count` is
/// at least `len`. In no order that means anything.
pub fn distinct(len: usize, count: usize) -> Vec<usize> {
    if count >= len {
        return (0..len).collect();
    }
    if count * 3 > len {
        // Most are wanted: shuffle the front of all of them.
        let mut all: Vec<usize> = (0..len).collect();
        for at in 0..count {
            all.swap(at, chance::within(at..len));
        }
        all.truncate(count);
        return all;
    }
    let mut seen = HashSet::with_capacity(count);
    let mut picked = Vec::with_capacity(count);
    while picked.len() < count {
        let at = chance::within(0..len);
        if seen.insert(at) {
            picked.push(at);
        }
    }
    picked
}

/// What a signed count means: that many different elements, or as many draws as its opposite.
pub enum Draw {
    Distinct(usize),
    WithRepeats(usize),
}

impl Draw {
    pub fn of(count: i64) -> Self {
        match usize::try_from(count) {
            Ok(count) => Draw::Distinct(count),
            Err(_) => Draw::WithRepeats(count.unsigned_abs() as usize),
        }
    }

    /// How many elements come of a collection of `len`, which isn't empty.
    pub fn size(&self, len: usize) -> usize {
        match self {
            Draw::Distinct(count) => (*count).min(len),
            Draw::WithRepeats(count) => *count,
        }
    }

    /// The positions drawn of a collection of which some elements aren't to be seen: `seen` of `len` are. Where that is most
    /// of them, others are passed over as they are drawn.
    pub fn seen<'a>(
        &self,
        len: usize,
        seen: usize,
        is_seen: impl Fn(usize) -> bool + 'a,
    ) -> Box<dyn Iterator<Item = usize> + 'a> {
        if seen == len {
            return Box::new(self.positions(len));
        }
        let is_large = match self {
            Draw::Distinct(count) => count.saturating_mul(3) > seen,
            Draw::WithRepeats(_) => false,
        };
        if is_large || seen < len / 4 {
            let places: Vec<usize> = (0..len).filter(|place| is_seen(*place)).collect();
            let drawn = self.positions(places.len());
            return Box::new(drawn.map(move |at| places[at]));
        }
        let places = std::iter::repeat_with(move || chance::within(0..len));
        let places = places.filter(move |place| is_seen(*place));
        match self {
            Draw::Distinct(count) => {
                let mut drawn = HashSet::with_capacity(*count);
                let new = places.filter(move |place| drawn.insert(*place));
                Box::new(new.take(*count))
            }
            Draw::WithRepeats(count) => Box::new(places.take(*count)),
        }
    }

    /// The positions drawn, one by one.
    pub fn positions(&self, len: usize) -> impl Iterator<Item = usize> + use<> {
        let (distinct, repeats) = match self {
            Draw::Distinct(count) => (self::distinct(len, *count), 0),
            Draw::WithRepeats(count) => (Vec::new(), *count),
        };
        distinct
            .into_iter()
            .chain((0..repeats).map(move |_| chance::within(0..len)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_to_be_seen_is_not_drawn_and_the_rest_is_as_likely() {
        // Few draws and many, with few that are hidden and many.
        for hidden in [1, 10, 95] {
            let seen = 100 - hidden;
            for draw in [Draw::Distinct(3), Draw::Distinct(80), Draw::WithRepeats(3)] {
                let mut drawn = [0; 100];
                for _ in 0..2000 {
                    let places: Vec<_> = draw.seen(100, seen, |at| at >= hidden).collect();
                    assert_eq!(places.len(), draw.size(seen));
                    let different: HashSet<usize> = places.iter().copied().collect();
                    assert!(
                        different.len() == places.len() || matches!(draw, Draw::WithRepeats(_))
                    );
                    places.into_iter().for_each(|at| drawn[at] += 1);
                }
                assert!(drawn[..hidden].iter().all(|count| *count == 0));
                let mean = 2000 * draw.size(seen) / seen;
                let is_fair = |count: &usize| (mean / 3..=mean * 3).contains(count);
                assert!(drawn[hidden..].iter().all(is_fair), "{drawn:?}");
            }
        }
    }
}
