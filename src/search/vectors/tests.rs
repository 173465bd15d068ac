//! Distances, the graph's recall, documents with several vectors, and vectors that are shared.

use super::*;
use crate::search::schema::{Metric, Numeral};
use crate::types::SharedBytes;

fn spec(numeral: Numeral, metric: Metric) -> VectorSpec {
    VectorSpec {
        numeral,
        dim: 2,
        metric,
        graph: None,
        block_size: 1024,
    }
}

#[test]
fn distances_are_of_the_documents_that_are_left() {
    let blob = |x: f32, y: f32| [x.to_le_bytes(), y.to_le_bytes()].concat();
    let mut vectors = Vectors::new(spec(Numeral::Float32, Metric::L2));
    vectors.insert(1, VectorBlob::Own(blob(0.0, 0.0)), || 0.5);
    vectors.insert(2, VectorBlob::Own(blob(3.0, 4.0)), || 0.5);
    vectors.insert(3, VectorBlob::Own(blob(1.0, 0.0)), || 0.5);
    vectors.remove(1);
    let target = vectors.target(&blob(0.0, 0.0));
    assert_eq!(distance(&vectors, 1, &target), None);
    assert_eq!(distance(&vectors, 2, &target), Some(25.0));
    assert_eq!(distance(&vectors, 3, &target), Some(1.0));
    let mut cosine = Vectors::new(spec(Numeral::Float32, Metric::Cosine));
    cosine.insert(1, VectorBlob::Own(blob(0.0, 2.0)), || 0.5);
    let target = cosine.target(&blob(5.0, 0.0));
    assert_eq!(distance(&cosine, 1, &target), Some(1.0));
}

#[test]
fn a_document_with_several_is_as_far_as_the_nearest_and_goes_with_all() {
    let blob = |x: f32| [x.to_le_bytes(), 0_f32.to_le_bytes()].concat();
    let mut vectors = Vectors::new(spec(Numeral::Float32, Metric::L2));
    vectors.insert(1, VectorBlob::Own(blob(1.0)), || 0.5);
    assert!(!vectors.has_several());
    for at in 2..6 {
        vectors.insert(2, VectorBlob::Own(blob(at as f32)), || 0.5);
    }
    vectors.insert(3, VectorBlob::Own(blob(9.0)), || 0.5);
    let target = vectors.target(&blob(5.0));
    assert!(vectors.has_several());
    assert_eq!(distance(&vectors, 2, &target), Some(0.0));
    let mut all = Vec::new();
    vectors.distances(&[1, 2, 3, 4], &target, |doc, distance| {
        all.push((doc, distance))
    });
    assert_eq!(all, [(1, 16.0), (2, 0.0), (3, 16.0)]);
    vectors.remove(2);
    assert_eq!((vectors.len(), vectors.has_several()), (2, false));
    assert_eq!(distance(&vectors, 1, &target), Some(16.0));
    assert_eq!(distance(&vectors, 3, &target), Some(16.0));
    assert_eq!(distance(&vectors, 2, &target), None);
}

fn distance(vectors: &Vectors, doc: u64, target: &VectorTarget) -> Option<f64> {
    let mut found = None;
    vectors.distances(&[doc], target, |_, distance| found = Some(distance));
    found
}

fn distance_at(vectors: &Vectors, slot: usize, target: &VectorTarget) -> f64 {
    let mut found = f64::NAN;
    vectors.measure(&[slot as u32], target, |_, distance| found = distance);
    found
}

fn graph_of(m: u64, dim: usize, metric: Metric) -> VectorSpec {
    VectorSpec {
        dim,
        graph: Some(GraphWish {
            m,
            ef_construction: 200,
            ef_runtime: 10,
            epsilon: 0.01,
        }),
        ..spec(Numeral::Float32, metric)
    }
}

fn blob_of(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// Points around some centres, or anywhere in a cube.
fn points(random: &mut fastrand::Rng, dim: usize, centres: usize, count: usize) -> Vec<Vec<f32>> {
    let mut spread =
        |width: f32| -> Vec<f32> { (0..dim).map(|_| (random.f32() - 0.5) * width).collect() };
    let middles: Vec<Vec<f32>> = (0..centres).map(|_| spread(2.0)).collect();
    let moved = |at: usize, mut point: Vec<f32>| match middles.get(at % centres.max(1)) {
        Some(middle) => {
            point
                .iter_mut()
                .zip(middle)
                .for_each(|(n, held)| *n = *n / 4.0 + held);
            point
        }
        None => point,
    };
    (0..count).map(|at| moved(at, spread(1.0))).collect()
}

fn nearest_of(vectors: &Vectors, target: &VectorTarget, sight: usize) -> Vec<u64> {
    let walk = VectorWalk {
        sight,
        go_on: &|_| true,
    };
    let found = vectors.nearest(target, 10, &walk, &|_| true);
    found.into_iter().map(|(_, doc)| doc).collect()
}

/// Which part of the ten nearest is found, over fifty searches, and that of the ten nearest of each.
fn recall(vectors: &Vectors, targets: &[Vec<f32>], sight: usize) -> f64 {
    let mut hits = 0;
    for target in targets {
        let target = vectors.target(&blob_of(target));
        let mut exact: Vec<(f64, u64)> = (0..vectors.len())
            .map(|slot| (distance_at(vectors, slot, &target), vectors.doc_at(slot)))
            .collect();
        exact.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let found = nearest_of(vectors, &target, sight);
        hits += exact[..10]
            .iter()
            .filter(|(_, doc)| found.contains(doc))
            .count();
    }
    hits as f64 / (10 * targets.len()) as f64
}

#[test]
fn a_graph_finds_at_least_so_many_of_the_nearest_also_after_many_were_replaced() {
    let mut random = fastrand::Rng::with_seed(17);
    // Where all are about as far from each other, the nearest are hard to find.
    let floors = [
        (Metric::L2, 32, 20, [0.6, 0.95]),
        (Metric::Cosine, 32, 20, [0.6, 0.95]),
        (Metric::InnerProduct, 32, 0, [0.3, 0.75]),
        (Metric::L2, 96, 20, [0.6, 0.95]),
        (Metric::Cosine, 96, 20, [0.6, 0.95]),
        (Metric::InnerProduct, 96, 0, [0.3, 0.75]),
    ];
    for (metric, dim, centres, floor) in floors {
        let all = points(&mut random, dim, centres, 1050);
        let mut vectors = Vectors::new(graph_of(8, dim, metric));
        let mut draw = fastrand::Rng::with_seed(3);
        for (doc, point) in all[..800].iter().enumerate() {
            vectors.insert(doc as u64, VectorBlob::Own(blob_of(point)), || draw.f64());
        }
        for (at, point) in all[800..1000].iter().enumerate() {
            vectors.remove(3 * at as u64);
            vectors.insert(800 + at as u64, VectorBlob::Own(blob_of(point)), || {
                draw.f64()
            });
        }
        for (sight, floor) in [10, 50].into_iter().zip(floor) {
            let recall = recall(&vectors, &all[1000..], sight);
            assert!(
                recall >= floor,
                "{metric:?}, {dim} numbers, {centres} centres, {sight}: {recall}"
            );
        }
    }
}

/// Vectors of 96 numbers: anywhere, around centres, closer together than the steps of their sketches, far from zero; and some
/// that are no numbers, or zero.
fn kinds_of_points(random: &mut fastrand::Rng) -> Vec<Vec<Vec<f32>>> {
    let moved = |points: Vec<Vec<f32>>, factor: f32, by: f32| -> Vec<Vec<f32>> {
        let point = |point: Vec<f32>| point.into_iter().map(|n| n * factor + by).collect();
        points.into_iter().map(point).collect()
    };
    let mut odd = points(random, 96, 0, 300);
    odd[7] = vec![0.0; 96];
    odd[8] = vec![0.0; 96];
    odd[9][3] = f32::NAN;
    odd[10][4] = f32::INFINITY;
    odd[11] = vec![1e-42; 96];
    odd[12] = vec![f32::MAX; 96];
    vec![
        points(random, 96, 0, 300),
        points(random, 96, 10, 300),
        moved(points(random, 96, 0, 300), 0.01, 1.0),
        moved(points(random, 96, 0, 300), 1.0, 1000.0),
        moved(points(random, 96, 0, 300), 1e18, 0.0),
        moved(points(random, 96, 0, 300), 1e-18, 0.0),
        moved(points(random, 96, 0, 300), 1e-21, 0.0),
        odd,
    ]
}

#[test]
fn sketches_pass_by_nothing_that_is_within_reach() {
    let mut random = fastrand::Rng::with_seed(31);
    let mut passed = 0;
    for (kind, all) in kinds_of_points(&mut random).into_iter().enumerate() {
        for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
            let mut vectors = Vectors::new(VectorSpec {
                dim: 96,
                ..spec(Numeral::Float32, metric)
            });
            for (doc, point) in all.iter().enumerate() {
                vectors.insert(doc as u64, VectorBlob::Own(blob_of(point)), || 0.5);
            }
            let slots: Vec<u32> = (0..all.len() as u32).collect();
            for target in all.iter().take(40) {
                let target = vectors.target(&blob_of(target));
                let mut exact = Vec::new();
                vectors.measure(&slots, &target, |slot, distance| {
                    exact.push((distance, slot))
                });
                let mut ordered = exact.clone();
                ordered.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
                let reach = ordered[9].0;
                let (mut seen, mut count) = (Vec::new(), 0);
                vectors.measure_within(&slots, &target, reach, |slot, distance| {
                    count += 1;
                    seen.extend((distance <= reach).then_some((distance, slot)));
                });
                exact.retain(|(distance, _)| *distance <= reach);
                assert_eq!(seen, exact, "{metric:?}, kind {kind}");
                passed += all.len() - count;
            }
        }
    }
    assert!(passed > 60_000, "only {passed} were passed by");
}

#[test]
fn long_vectors_that_differ_in_few_numbers_are_told_apart() {
    let dim = 32_768;
    let flipped = |count: usize| -> Vec<f32> {
        let sign = |at: usize| {
            if at % 1000 == 7 && at / 1000 < count {
                -1.0
            } else {
                1.0
            }
        };
        (0..dim).map(|at| 1.417_663_5 * sign(at)).collect()
    };
    let mut vectors = Vectors::new(VectorSpec {
        dim,
        ..spec(Numeral::Float32, Metric::L2)
    });
    for (doc, count) in [8, 8, 8, 8, 5].into_iter().enumerate() {
        let blob = VectorBlob::Own(blob_of(&flipped(count)));
        vectors.insert(doc as u64, blob, || 0.5);
    }
    let target = vectors.target(&blob_of(&flipped(0)));
    let reach = distance_at(&vectors, 0, &target);
    let mut seen = Vec::new();
    vectors.measure_within(&[0, 1, 2, 3, 4], &target, reach, |slot, _| seen.push(slot));
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[test]
fn vectors_that_are_no_numbers_stand_in_nobodys_way() {
    let mut random = fastrand::Rng::with_seed(41);
    for odd in [f32::INFINITY, f32::NAN, 1e38, 1e13] {
        for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
            let mut vectors = Vectors::new(graph_of(8, 64, metric));
            let mut draw = fastrand::Rng::with_seed(3);
            let mut all = points(&mut random, 64, 0, 620);
            all.iter_mut().step_by(60).for_each(|point| point[5] = odd);
            for (doc, point) in all[..600].iter().enumerate() {
                vectors.insert(doc as u64, VectorBlob::Own(blob_of(point)), || draw.f64());
            }
            let recall = recall(&vectors, &all[601..], 100);
            assert!(recall >= 0.8, "{odd}, {metric:?}: {recall}");
            (0..600).step_by(60).for_each(|doc| vectors.remove(doc));
            assert!(vectors.sketches.as_ref().is_some_and(Sketches::are_known));
        }
    }
}

#[test]
fn what_sketches_cannot_tell_apart_is_found_without_them() {
    let mut random = fastrand::Rng::with_seed(37);
    for (kind, all) in kinds_of_points(&mut random)[..7].iter().enumerate() {
        for metric in [Metric::L2, Metric::Cosine] {
            let recall_of = |mut vectors: Vectors, sight: usize| {
                let mut draw = fastrand::Rng::with_seed(3);
                for (doc, point) in all[..280].iter().enumerate() {
                    vectors.insert(doc as u64, VectorBlob::Own(blob_of(point)), || draw.f64());
                }
                recall(&vectors, &all[280..], sight)
            };
            let with = Vectors::new(graph_of(8, 96, metric));
            let mut without = with.clone();
            without.sketches = None;
            for sight in [10, 50] {
                let (with, without) = (
                    recall_of(with.clone(), sight),
                    recall_of(without.clone(), sight),
                );
                assert!(
                    with >= without - 0.05,
                    "{metric:?}, kind {kind}, {sight}: {with}, {without} without"
                );
            }
        }
    }
}

#[test]
fn a_graph_that_threads_have_built_together_finds_as_many() {
    let mut random = fastrand::Rng::with_seed(23);
    let all = points(&mut random, 32, 20, 1250);
    let drafted = |range: std::ops::Range<usize>| -> Vec<(u64, Vec<VectorBlob>)> {
        let blob = |doc: usize| VectorBlob::Own(blob_of(&all[doc]));
        let each = range.map(|doc| (doc as u64, vec![blob(doc)]));
        each.collect()
    };
    let recall_by = |threads: usize| {
        let mut vectors = Vectors::new(graph_of(8, 32, Metric::L2));
        let mut draw = fastrand::Rng::with_seed(3);
        for from in (0..1200).step_by(400) {
            vectors.insert_all(drafted(from..from + 400), || draw.f64(), threads);
        }
        assert_eq!(vectors.len(), 1200);
        recall(&vectors, &all[1200..], 50)
    };
    let (alone, together) = (recall_by(1), recall_by(3));
    assert!(alone >= 0.95, "{alone}");
    // Threads share the work out; what comes of it is the same.
    assert!(
        (alone - together).abs() < f64::EPSILON,
        "{alone} and {together}"
    );
    let mut one_by_one = Vectors::new(graph_of(8, 32, Metric::L2));
    let mut draw = fastrand::Rng::with_seed(3);
    for (doc, point) in all[..1200].iter().enumerate() {
        one_by_one.insert(doc as u64, VectorBlob::Own(blob_of(point)), || draw.f64());
    }
    let before = recall(&one_by_one, &all[1200..], 50);
    assert!(alone >= before - 0.02, "{alone}, and {before} one by one");
}

#[test]
fn what_is_handed_over_stays_in_its_place_and_copies_stay_as_they_were() {
    let mut vectors = Vectors::new(graph_of(4, 2, Metric::L2));
    for doc in 0..500 {
        vectors.insert(doc, VectorBlob::Own(blob_of(&[doc as f32, 0.0])), || 0.5);
    }
    let copy = vectors.clone();
    let own = [VectorBlob::Own(blob_of(&[70.0, 0.0]))];
    assert!(!vectors.hand_over(7, 900, &own));
    assert!(vectors.hand_over(70, 900, &own));
    assert!(!vectors.has(70) && vectors.has(900));
    vectors.remove(71);
    let target = vectors.target(&own[0]);
    assert_eq!(nearest_of(&vectors, &target, 50)[..3], [900, 69, 68]);
    assert_eq!(nearest_of(&copy, &target, 50)[..3], [70, 69, 71]);
    let walk = VectorWalk {
        sight: 10,
        go_on: &|_| true,
    };
    let within = vectors.within(&target, 4.0, (0.01, &walk));
    let docs: Vec<u64> = within.into_iter().map(|(_, doc)| doc).collect();
    assert_eq!(docs, [900, 69, 68, 72]);
}

#[test]
fn shared_vectors_are_as_far_as_they_would_be_by_themselves_and_take_no_room() {
    let mut random = fastrand::Rng::with_seed(23);
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let all = points(&mut random, 96, 0, 101);
        let mut vectors = Vectors::new(VectorSpec {
            dim: 96,
            ..graph_of(8, 32, metric)
        });
        let blobs = all
            .iter()
            .map(|point| SharedBytes::new(blob_of(point).into()));
        let blobs: Vec<SharedBytes> = blobs.collect();
        for (doc, blob) in blobs[..100].iter().enumerate() {
            vectors.insert(doc as u64, VectorBlob::Shared(blob.clone()), || {
                random.f64()
            });
        }
        let target = vectors.target(&blobs[100]);
        for doc in 0..100 {
            let pairs = all[doc].iter().zip(&all[100]);
            let dot = |one: &[f32], other: &[f32]| -> f32 {
                one.iter().zip(other).map(|(a, b)| a * b).sum()
            };
            let wanted = match metric {
                Metric::L2 => pairs.map(|(a, b)| (a - b) * (a - b)).sum(),
                Metric::InnerProduct => 1.0 - dot(&all[doc], &all[100]),
                Metric::Cosine => {
                    let lengths = [doc, 100].map(|at| dot(&all[at], &all[at]).sqrt());
                    1.0 - dot(&all[doc], &all[100]) / lengths[0] / lengths[1]
                }
            };
            let found = distance(&vectors, doc as u64, &target).unwrap();
            assert!(
                (found - f64::from(wanted)).abs() < 1e-4,
                "{found}, {wanted}"
            );
        }
        // A vector alone takes 384 bytes.
        assert!(vectors.bytes() < 350 * 100, "{}", vectors.bytes());
        drop(blobs);
        assert!(vectors.bytes() > 384 * 100);
    }
}
