//! The vectors of one attribute, side by side, their distances from another, and the graph that finds the nearest of them.
//! Copies share their parts.

mod many;
mod shared;

use super::distance::{dot_double, dot_single, square_double, square_single};
use super::numerals::{doubles, singles};
use super::schema::{GraphWish, Metric, Numeral, VectorSpec};
use crate::types::graph::{Graph, LINKS_MAX, LINKS_MIN, Near, Space, WalkWish, Walker, level};
use crate::types::{OrdSet, Rows};
use shared::SharedVectors;
pub(super) use shared::VectorBlob;

/// Vectors in slots; each slot belongs to one document.
#[derive(Clone, Debug)]
pub struct Vectors {
    spec: VectorSpec,
    numbers: Numbers,
    docs: Rows<u64>,
    /// Each document with the slots that it has: one, unless it is JSON.
    slots: OrdSet<(u64, u32)>,
    /// How many documents there are.
    all: usize,
    /// Of HNSW: a node for each slot, of the same number.
    graph: Option<Graph>,
}

/// Doubles are kept as they are, everything else as single floats, which hold it exactly. Where documents hold single floats
/// themselves, and not few, they are shared.
#[derive(Clone, Debug)]
enum Numbers {
    Shared(SharedVectors),
    Single(Rows<f32>),
    Double(Rows<f64>),
}

/// A vector that others are compared with.
pub enum VectorTarget {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// What a walk through a graph is told: how many vectors it keeps in sight, and what is done at each that it comes to. It goes on
/// for as long as the answer is yes.
pub struct VectorWalk<'w> {
    pub sight: usize,
    pub go_on: &'w dyn Fn() -> bool,
}

/// Vectors of which copies are held are copied in parts of so many bytes: a list of smaller parts would take longer to copy itself.
const PART_BYTES: usize = 64 * 1024;

/// On level 0 a node has this many times as many links as M says, at most.
const BASE_LINKS: usize = 4;

macro_rules! normalize {
    ($numbers:expr, $dot:ident) => {{
        let length = $dot(&$numbers, &$numbers).sqrt();
        if length > 0.0 {
            $numbers.iter_mut().for_each(|n| *n /= length);
        }
    }};
}

/// Vectors between which the graph asks for distances.
struct BetweenSlots<'v> {
    numbers: &'v Numbers,
    metric: Metric,
}

impl Space for BetweenSlots<'_> {
    #[inline]
    fn warm(&self, nodes: &[u32]) {
        if let Numbers::Shared(held) = self.numbers {
            held.warm(nodes.iter().map(|node| *node as usize));
        }
    }

    fn between(&self, one: u32, other: u32) -> f32 {
        let (one, other) = (one as usize, other as usize);
        match (self.numbers, self.metric) {
            (Numbers::Shared(held), metric) => held.between(one, other, metric),
            (Numbers::Single(held), Metric::L2) => square_single(held.at(one), held.at(other)),
            (Numbers::Single(held), _) => 1.0 - dot_single(held.at(one), held.at(other)),
            (Numbers::Double(held), Metric::L2) => {
                square_double(held.at(one), held.at(other)) as f32
            }
            (Numbers::Double(held), _) => (1.0 - dot_double(held.at(one), held.at(other))) as f32,
        }
    }
}

fn links_of(wish: &GraphWish) -> usize {
    (wish.m as usize).clamp(LINKS_MIN, LINKS_MAX)
}

fn level_of(wish: &GraphWish, draw: impl FnMut() -> f64) -> usize {
    level(1.0 / links_of(wish) as f64, draw)
}

/// How many nodes around a new one are looked at.
fn sight_of(wish: &GraphWish) -> usize {
    (wish.ef_construction as usize).max(links_of(wish))
}

impl Vectors {
    pub fn new(spec: VectorSpec) -> Self {
        Vectors {
            spec,
            numbers: match spec.numeral {
                _ if spec.shares() => Numbers::Shared(SharedVectors::new()),
                Numeral::Float64 => Numbers::Double(Rows::in_parts_of(PART_BYTES, spec.dim)),
                _ => Numbers::Single(Rows::in_parts_of(PART_BYTES, spec.dim)),
            },
            docs: Rows::default(),
            slots: OrdSet::new(),
            all: 0,
            graph: spec.graph.map(|wish| {
                let links = links_of(&wish);
                Graph::with_base(links, BASE_LINKS * links)
            }),
        }
    }

    pub fn len(&self) -> usize {
        self.docs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn dimensions(&self) -> usize {
        self.spec.dim
    }

    /// Whether a document has one.
    pub fn has(&self, doc: u64) -> bool {
        self.slots_of(doc).next().is_some()
    }

    fn slots_of(&self, doc: u64) -> impl Iterator<Item = u32> {
        let own = self.slots.range((doc, 0)..=(doc, u32::MAX));
        own.map(|((_, slot), ())| *slot)
    }

    /// Whether a document has several.
    pub fn has_several(&self) -> bool {
        self.all < self.docs.len()
    }

    pub fn bytes(&self) -> usize {
        let numbers = match &self.numbers {
            Numbers::Shared(numbers) => numbers.heap_bytes(),
            Numbers::Single(numbers) => numbers.heap_bytes(),
            Numbers::Double(numbers) => numbers.heap_bytes(),
        };
        let graph = self.graph.as_ref().map_or(0, Graph::heap_bytes);
        numbers + self.docs.heap_bytes() + self.slots.heap_bytes() + graph
    }

    /// Reads a vector that documents are compared with.
    pub fn target(&self, blob: &[u8]) -> VectorTarget {
        let cosine = self.spec.metric == Metric::Cosine;
        match &self.numbers {
            Numbers::Shared(_) | Numbers::Single(_) => {
                let mut numbers = singles(self.spec.numeral, blob);
                if cosine {
                    normalize!(numbers, dot_single);
                }
                VectorTarget::Single(numbers)
            }
            Numbers::Double(_) => {
                let mut numbers = doubles(blob);
                if cosine {
                    normalize!(numbers, dot_double);
                }
                VectorTarget::Double(numbers)
            }
        }
    }

    /// Adds a document's vector; its length was checked. Numbers between 0 and 1 are drawn for its place in the graph.
    pub(super) fn insert(&mut self, doc: u64, blob: VectorBlob, draw: impl FnMut() -> f64) {
        self.push(doc, blob);
        if let (Some(graph), Some(wish)) = (&mut self.graph, &self.spec.graph) {
            let space = BetweenSlots {
                numbers: &self.numbers,
                metric: self.spec.metric,
            };
            graph.insert(level_of(wish, draw), sight_of(wish), &space);
        }
    }

    /// Keeps a vector, which is still to be found a place in the graph.
    fn push(&mut self, doc: u64, blob: VectorBlob) {
        match &mut self.numbers {
            Numbers::Shared(held) => held.push(blob.into(), self.spec.metric),
            Numbers::Single(_) | Numbers::Double(_) => {
                match (self.target(&blob), &mut self.numbers) {
                    (VectorTarget::Single(numbers), Numbers::Single(held)) => held.push(numbers),
                    (VectorTarget::Double(numbers), Numbers::Double(held)) => held.push(numbers),
                    _ => unreachable!("a target is read as the vectors are held"),
                }
            }
        }
        let slot = u32::try_from(self.docs.len()).expect("no index has billions of vectors");
        self.all += usize::from(!self.has(doc));
        self.slots.insert((doc, slot), ());
        self.docs.push([doc]);
    }

    /// Has a document's vectors belong to another one, which has the very same ones; false if it has others.
    pub(super) fn hand_over(&mut self, doc: u64, to: u64, blobs: &[VectorBlob]) -> bool {
        let own: Vec<u32> = self.slots_of(doc).collect();
        let is_held = |(slot, blob): (&u32, &VectorBlob)| match (&self.numbers, self.target(blob)) {
            (Numbers::Shared(held), _) => held.holds(*slot as usize, blob),
            (Numbers::Single(held), VectorTarget::Single(read)) => held.at(*slot as usize) == read,
            (Numbers::Double(held), VectorTarget::Double(read)) => held.at(*slot as usize) == read,
            _ => false,
        };
        if own.is_empty() || own.len() != blobs.len() || !own.iter().zip(blobs).all(is_held) {
            return false;
        }
        for (slot, blob) in own.into_iter().zip(blobs) {
            if let (Numbers::Shared(held), VectorBlob::Shared(bytes)) = (&mut self.numbers, blob) {
                // The document may have been given the very same bytes anew.
                held.replace(slot as usize, bytes.clone());
            }
            self.slots.remove(&(doc, slot));
            self.slots.insert((to, slot), ());
            self.docs.at_mut(slot as usize)[0] = to;
        }
        true
    }

    /// Takes a document's vectors out; the last one moves to the place of each.
    pub fn remove(&mut self, doc: u64) {
        self.all -= usize::from(self.has(doc));
        // From the last one on: what moves is never one that is still to go.
        let own: Vec<u32> = self.slots_of(doc).collect();
        for slot in own.into_iter().rev() {
            self.slots.remove(&(doc, slot));
            self.take_out(slot);
            let (at, last) = (slot as usize, self.docs.len() - 1);
            self.docs.swap_remove(at);
            if at < last {
                let moved = self.doc_at(at);
                self.slots.remove(&(moved, last as u32));
                self.slots.insert((moved, slot), ());
            }
        }
    }

    /// Takes a vector and its node out.
    fn take_out(&mut self, slot: u32) {
        if let Some(graph) = &mut self.graph {
            let space = BetweenSlots {
                numbers: &self.numbers,
                metric: self.spec.metric,
            };
            graph.unlink(slot, &space);
            graph.swap_remove(slot);
        }
        match &mut self.numbers {
            Numbers::Shared(held) => held.swap_remove(slot as usize),
            Numbers::Single(held) => held.swap_remove(slot as usize),
            Numbers::Double(held) => held.swap_remove(slot as usize),
        }
    }

    /// What was asked for of the graph, if there is one.
    pub fn graph_wish(&self) -> Option<&GraphWish> {
        self.spec.graph.as_ref()
    }

    /// So many documents that are welcome, the nearest to a target that a walk finds, with their distances: from the nearest on,
    /// and of those that are as far, the older ones first.
    pub fn nearest(
        &self,
        target: &VectorTarget,
        count: usize,
        walk: &VectorWalk<'_>,
        welcome: &dyn Fn(u64) -> bool,
    ) -> Vec<(f64, u64)> {
        let Some(graph) = &self.graph else {
            return Vec::new();
        };
        let mut walker = self.walker(target, walk);
        let mut sight = walk.sight.max(count).min(self.len().max(1));
        loop {
            let wish = WalkWish {
                count: sight,
                effort: usize::MAX,
            };
            let near = walker.run(graph, wish, |node| welcome(self.doc_at(node as usize)));
            let is_all = near.len() < sight || sight == self.len();
            let mut found = self.documents_of(near, target);
            // Of a document that has several, others stand in the way of more documents.
            if found.len() >= count || is_all {
                found.truncate(count);
                return found;
            }
            sight = (2 * sight).min(self.len());
        }
    }

    /// The documents within a radius that a walk finds, in no order, with their distances.
    pub fn within(
        &self,
        target: &VectorTarget,
        radius: f64,
        (epsilon, walk): (f64, &VectorWalk<'_>),
    ) -> Vec<(f64, u64)> {
        let Some(graph) = &self.graph else {
            return Vec::new();
        };
        // The graph counts in single floats.
        let reach = radius + radius.abs() * epsilon.max(f64::from(f32::EPSILON));
        let wish = WalkWish {
            count: walk.sight,
            effort: usize::MAX,
        };
        let near = self
            .walker(target, walk)
            .run_within(graph, wish, reach as f32);
        let mut found = self.documents_of(near, target);
        found.retain(|(distance, _)| *distance <= radius);
        found
    }

    fn walker<'w>(
        &'w self,
        target: &'w VectorTarget,
        walk: &'w VectorWalk<'_>,
    ) -> Walker<impl FnMut(u32) -> f32 + 'w, impl Fn(&[u32]) + 'w> {
        let space = BetweenSlots {
            numbers: &self.numbers,
            metric: self.spec.metric,
        };
        Walker {
            warm: move |nodes: &[u32]| space.warm(nodes),
            distance: move |node| match (walk.go_on)() {
                true => self.distance_at(node as usize, target) as f32,
                // What is left to be looked at is passed by.
                false => f32::INFINITY,
            },
        }
    }

    /// The documents of vectors, each once with the distance of its nearest one: from the nearest on, and of those that are
    /// as far, the older ones first.
    fn documents_of(&self, near: Vec<Near>, target: &VectorTarget) -> Vec<(f64, u64)> {
        let measured = near.into_iter().map(|near| {
            let slot = near.node as usize;
            (self.distance_at(slot, target), self.doc_at(slot))
        });
        let mut found: Vec<(f64, u64)> = measured.collect();
        found.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        if self.has_several() {
            let mut seen = hashbrown::HashSet::new();
            found.retain(|(_, doc)| seen.insert(*doc));
        }
        found
    }

    /// The document whose vector is in a slot.
    pub fn doc_at(&self, slot: usize) -> u64 {
        self.docs.at(slot)[0]
    }

    /// How far a document's vector is from the target: the nearest, if it has several.
    pub fn distance(&self, doc: u64, target: &VectorTarget) -> Option<f64> {
        let distances = self
            .slots_of(doc)
            .map(|slot| self.distance_at(slot as usize, target));
        distances.min_by(f64::total_cmp)
    }

    /// How far the vector in a slot is from the target.
    pub fn distance_at(&self, slot: usize, target: &VectorTarget) -> f64 {
        match (&self.numbers, target) {
            (Numbers::Shared(held), VectorTarget::Single(target)) => {
                f64::from(held.distance(slot, target, self.spec.metric))
            }
            (Numbers::Single(held), VectorTarget::Single(target)) => match self.spec.metric {
                Metric::L2 => f64::from(square_single(held.at(slot), target)),
                _ => f64::from(1.0 - dot_single(held.at(slot), target)),
            },
            (Numbers::Double(held), VectorTarget::Double(target)) => match self.spec.metric {
                Metric::L2 => square_double(held.at(slot), target),
                _ => 1.0 - dot_double(held.at(slot), target),
            },
            _ => unreachable!("a target is read as the vectors are held"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(vectors.distance(1, &target), None);
        assert_eq!(vectors.distance(2, &target), Some(25.0));
        assert_eq!(vectors.distance(3, &target), Some(1.0));
        let mut cosine = Vectors::new(spec(Numeral::Float32, Metric::Cosine));
        cosine.insert(1, VectorBlob::Own(blob(0.0, 2.0)), || 0.5);
        let target = cosine.target(&blob(5.0, 0.0));
        assert_eq!(cosine.distance(1, &target), Some(1.0));
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
        assert_eq!(vectors.distance(2, &target), Some(0.0));
        vectors.remove(2);
        assert_eq!((vectors.len(), vectors.has_several()), (2, false));
        assert_eq!(vectors.distance(1, &target), Some(16.0));
        assert_eq!(vectors.distance(3, &target), Some(16.0));
        assert_eq!(vectors.distance(2, &target), None);
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
    fn points(
        random: &mut fastrand::Rng,
        dim: usize,
        centres: usize,
        count: usize,
    ) -> Vec<Vec<f32>> {
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
            go_on: &|| true,
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
                .map(|slot| (vectors.distance_at(slot, &target), vectors.doc_at(slot)))
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
            (Metric::L2, 20, [0.6, 0.95]),
            (Metric::Cosine, 20, [0.6, 0.95]),
            (Metric::InnerProduct, 0, [0.3, 0.75]),
        ];
        for (metric, centres, floor) in floors {
            let all = points(&mut random, 32, centres, 1050);
            let mut vectors = Vectors::new(graph_of(8, 32, metric));
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
                    "{metric:?}, {centres} centres, {sight}: {recall}"
                );
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
            go_on: &|| true,
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
                let found = vectors.distance(doc as u64, &target).unwrap();
                assert!(
                    (found - f64::from(wanted)).abs() < 1e-4,
                    "{found}, {wanted}"
                );
            }
            // A vector alone takes 384 bytes.
            assert!(vectors.bytes() < 300 * 100, "{}", vectors.bytes());
            drop(blobs);
            assert!(vectors.bytes() > 384 * 100);
        }
    }
}
