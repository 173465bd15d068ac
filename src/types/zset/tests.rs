//! Sorted sets against a plain model: every operation, in both encodings.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// What a sorted set must agree with. Scores are halves of whole numbers, so
/// that they order as integers do.
#[derive(Default)]
struct Model {
    scores: BTreeMap<Vec<u8>, i64>,
    order: BTreeSet<(i64, Vec<u8>)>,
}

impl Model {
    fn insert(&mut self, name: &[u8], halves: i64) -> Inserted {
        match self.scores.insert(name.to_vec(), halves) {
            Some(old) if old == halves => Inserted::Same,
            Some(old) => {
                self.order.remove(&(old, name.to_vec()));
                self.order.insert((halves, name.to_vec()));
                Inserted::Moved
            }
            None => {
                self.order.insert((halves, name.to_vec()));
                Inserted::Added
            }
        }
    }

    fn remove(&mut self, name: &[u8]) -> bool {
        match self.scores.remove(name) {
            Some(halves) => self.order.remove(&(halves, name.to_vec())),
            None => false,
        }
    }

    fn pairs(&self) -> Vec<(Vec<u8>, f64)> {
        let pair = |(halves, name): &(i64, Vec<u8>)| (name.clone(), *halves as f64 / 2.0);
        self.order.iter().map(pair).collect()
    }
}

fn pairs<'a>(iter: impl Iterator<Item = (Piece<'a>, f64)>) -> Vec<(Vec<u8>, f64)> {
    iter.map(|(name, score)| (name.to_vec(), score)).collect()
}

fn limits(zset_entries: usize) -> Limits {
    Limits {
        zset_entries,
        zset_value: 64,
        ..Limits::default()
    }
}

fn zset_of(pairs: &[(&str, f64)], limits: &Limits) -> ZSet {
    let mut zset = ZSet::new();
    for (name, score) in pairs {
        zset.insert(name.as_bytes(), *score, limits);
    }
    zset
}

fn same(zset: &ZSet, model: &Model, chance: &mut fastrand::Rng) {
    let told = model.pairs();
    assert_eq!(zset.len(), told.len());
    assert_eq!(pairs(zset.iter()), told);
    let back = pairs(zset.iter_range(0, usize::MAX, true));
    assert!(back.iter().eq(told.iter().rev()));
    for _ in 0..200.min(told.len()) {
        let rank = chance.usize(0..told.len());
        let (name, score) = &told[rank];
        assert_eq!(zset.rank(name), Some(rank));
        assert_eq!(zset.score(name), Some(*score));
        let stop = (rank + chance.usize(0..100)).min(told.len());
        let part = pairs(zset.iter_range(rank, stop - rank, false));
        assert_eq!(part, told[rank..stop]);

        let mut ends = [chance.i64(-5..2_100), chance.i64(-5..2_100)].map(|end| end as f64 / 2.0);
        ends.sort_by(f64::total_cmp);
        let (min_open, max_open) = (chance.bool(), chance.bool());
        let range = ScoreRange {
            min: ScoreBound {
                value: ends[0],
                exclusive: min_open,
            },
            max: ScoreBound {
                value: ends[1],
                exclusive: max_open,
            },
        };
        let found = zset.score_range(&range);
        assert!(
            told[found.clone()]
                .iter()
                .all(|(_, score)| range.contains(*score))
        );
        let inside = told.iter().filter(|(_, score)| range.contains(*score));
        assert_eq!(inside.count(), found.len());
    }
    let mut seen: Vec<_> = (0..zset.len())
        .filter_map(|place| Some(zset.at(place)?.0.to_vec()))
        .collect();
    seen.sort_unstable();
    assert!(seen.iter().eq(model.scores.keys()));
}

fn any_name(chance: &mut fastrand::Rng, names: u32) -> Vec<u8> {
    match chance.u32(0..names) {
        number if number % 3 == 0 => number.to_string().into_bytes(),
        number if number % 3 == 1 => format!("member:{number}").into_bytes(),
        number => format!("a member with a name that is rather long:{number}").into_bytes(),
    }
}

fn agree(entries: usize, names: u32, spread: i64, steps: usize, seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let limits = limits(entries);
    let mut zset = ZSet::new();
    let mut model = Model::default();
    for (steps, grow) in [(steps, 0.9), (steps / 2, 0.5), (steps, 0.05)] {
        for _ in 0..steps {
            if chance.f64() < grow {
                let name = any_name(&mut chance, names);
                let halves = chance.i64(0..spread);
                let inserted = zset.insert(&name, halves as f64 / 2.0, &limits);
                assert_eq!(inserted, model.insert(&name, halves));
                continue;
            }
            match chance.u8(0..8) {
                0 => {
                    let told = model.order.first().map(|(_, name)| name.clone());
                    let popped = zset.pop_min().map(|(name, _)| name);
                    assert_eq!(popped, told);
                    told.map(|name| model.remove(&name));
                }
                1 => {
                    let told = model.order.last().map(|(_, name)| name.clone());
                    let popped = zset.pop_max().map(|(name, _)| name);
                    assert_eq!(popped, told);
                    told.map(|name| model.remove(&name));
                }
                2 if !zset.is_empty() => {
                    let start = chance.usize(0..zset.len());
                    let stop = (start + chance.usize(0..4)).min(zset.len());
                    zset.remove_ranks(start..stop, |name, score| {
                        let halves = model.scores[&name.to_vec()];
                        assert_eq!(halves as f64 / 2.0, score);
                        assert!(model.remove(&name.to_vec()));
                    });
                }
                _ => {
                    let name = any_name(&mut chance, names);
                    assert_eq!(zset.remove(&name), model.remove(&name));
                }
            }
        }
        same(&zset, &model, &mut chance);
        let clone = zset.clone();
        same(&clone, &model, &mut chance);
    }
}

#[test]
fn a_large_set_agrees_with_an_ordered_one() {
    agree(128, 150_000, 2_000, 200_000, 1);
    agree(0, 150_000, 3, 120_000, 2);
}

#[test]
fn a_small_set_agrees_with_an_ordered_one() {
    for seed in 0..20 {
        agree(1_000, 60, 30, 400, seed);
        agree(16, 60, 30, 400, seed);
    }
}

#[test]
fn names_are_in_order_of_their_bytes() {
    for entries in [128, 0] {
        let limits = limits(entries);
        let names = ["10", "9", "a", "b", "aa", "", "-1"].map(|name| (name, 0.0));
        let zset = zset_of(&names, &limits);
        let sorted: Vec<_> = pairs(zset.iter())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(
            sorted,
            ["", "-1", "10", "9", "a", "aa", "b"].map(|n| n.as_bytes().to_vec())
        );
        let ranks =
            |min: &[u8], max: &[u8]| zset.lex_range(&LexRange::parse(min, max).unwrap(), false);
        assert_eq!(ranks(b"-", b"+"), 0..7);
        assert_eq!(ranks(b"[10", b"(aa"), 2..5);
        assert_eq!(ranks(b"(10", b"[aa"), 3..6);
        assert_eq!(ranks(b"[b", b"[a").len(), 0);
        assert_eq!(ranks(b"+", b"-").len(), 0);
    }
}

#[test]
fn scores_keep_their_last_digit() {
    let scores = [
        f64::NEG_INFINITY,
        f64::MIN,
        -1.5,
        -f64::MIN_POSITIVE,
        0.0,
        5e-324,
        0.1,
        1.0 / 3.0,
        9007199254740993.0,
        1e18,
        1e19,
        1e300,
        f64::INFINITY,
    ];
    for entries in [128, 0] {
        let limits = limits(entries);
        let mut zset = ZSet::new();
        for (at, score) in scores.iter().enumerate() {
            zset.insert(format!("m{at}").as_bytes(), *score, &limits);
        }
        let read: Vec<_> = zset.iter().map(|(_, score)| score).collect();
        assert_eq!(read, scores);
        assert_eq!(zset.insert(b"m4", -0.0, &limits), Inserted::Same);
    }
}

#[test]
fn limits_decide_the_encoding() {
    let limits = limits(3);
    let mut zset = zset_of(&[("a", 1.0), ("b", 2.0), ("c", 3.0)], &limits);
    assert_eq!(zset.encoding(), "listpack");
    assert_eq!(zset.insert(b"c", 4.0, &limits), Inserted::Moved);
    assert_eq!(zset.encoding(), "listpack");
    assert_eq!(zset.insert(b"7", 2.0, &limits), Inserted::Added);
    assert_eq!(zset.encoding(), "skiplist");
    assert!(zset.remove(b"a") && zset.remove(b"b") && zset.remove(b"c"));
    assert_eq!((zset.len(), zset.encoding()), (1, "skiplist"));
    let long = "x".repeat(65);
    assert_eq!(zset_of(&[(&long, 1.0)], &limits).encoding(), "skiplist");
}

#[test]
fn listpacks_from_a_file_are_not_trusted() {
    let pack_of = |entries: &[&str]| {
        let mut pack = Listpack::new();
        for entry in entries {
            pack.push_back(entry.as_bytes());
        }
        pack
    };
    let read = |entries: &[&str], max: usize| ZSet::from_listpack(pack_of(entries), &limits(max));
    let zset = read(&["a", "1", "b", "2.5"], 8).unwrap();
    assert_eq!((zset.score(b"b"), zset.encoding()), (Some(2.5), "listpack"));
    let large = read(&["a", "1", "b", "2.5"], 1).unwrap();
    assert_eq!(
        (large.score(b"b"), large.encoding()),
        (Some(2.5), "skiplist")
    );
    let muddled = read(&["b", "2", "a", "1"], 8).unwrap();
    assert_eq!(
        (muddled.rank(b"b"), muddled.encoding()),
        (Some(1), "listpack")
    );
    for bad in [
        &["a"][..],
        &["a", "1", "b"],
        &["a", "x"],
        &["a", "nan"],
        &["a", "1", "a", "1"],
        &["a", "1", "b", "2", "a", "3"],
    ] {
        assert!(read(bad, 8).is_none(), "{bad:?}");
    }
}

#[test]
fn a_scan_sees_all_that_stay() {
    let limits = limits(16);
    let mut chance = fastrand::Rng::with_seed(5);
    let mut zset = ZSet::new();
    let name = |at: usize| format!("member:{at}").into_bytes();
    for at in 0..5_000 {
        zset.insert(&name(at), at as f64, &limits);
    }
    let mut seen = BTreeSet::new();
    let mut cursor = 0;
    let mut calls = 0;
    loop {
        cursor = zset.scan(cursor, 10, |name, _| {
            seen.insert(name.to_vec());
        });
        calls += 1;
        if cursor == 0 {
            break;
        }
        zset.remove(&name(chance.usize(0..2_500)));
        zset.insert(format!("new:{calls}").as_bytes(), 1.0, &limits);
    }
    assert!(calls <= 501);
    assert!((2_500..5_000).all(|at| seen.contains(&name(at))));
    assert_eq!(zset.scan(u64::MAX, 1, |_, _| {}), zset.len() as u64 - 1);
}
