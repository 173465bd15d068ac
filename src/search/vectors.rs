//! The vectors of one attribute, each in a slot that belongs to a document, and the graph that finds the nearest of them.
//! Copies share their parts.

mod many;
mod numbers;
mod shared;
mod sketch;
mod spaces;
#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use super::distance::TOGETHER;
use super::schema::{GraphWish, VectorSpec};
use crate::types::graph::{Graph, LINKS_MAX, LINKS_MIN, Near, WalkWish, Walker, level};
use crate::types::{OrdSet, Rows};
use numbers::{Numbers, TargetNumbers};
pub(super) use shared::VectorBlob;
use sketch::{Sketch, Sketches};
use spaces::VectorSpaces;

/// A vector that others are compared with.
pub struct VectorTarget {
    numbers: TargetNumbers,
    /// Where the others have sketches.
    sketch: Option<Sketch>,
}

/// Vectors in slots; each slot belongs to one document.
#[derive(Clone, Debug)]
pub struct Vectors {
    spec: VectorSpec,
    numbers: Numbers,
    /// Of long vectors of single floats.
    sketches: Option<Sketches>,
    /// The place of the newest one in the graph was sought without sketches.
    is_exact: bool,
    docs: Rows<u64>,
    /// Each document with the slots that it has: one, unless it is JSON.
    slots: OrdSet<(u64, u32)>,
    /// How many documents there are.
    all: usize,
    /// Of HNSW: a node for each slot, of the same number.
    graph: Option<Graph>,
}

/// What a walk through a graph is told: how many vectors it keeps in sight, and what is done before so many are looked at. It
/// goes on for as long as the answer is yes.
pub struct VectorWalk<'w> {
    pub sight: usize,
    pub go_on: &'w dyn Fn(usize) -> bool,
}

/// So many are looked at before others may have their turns.
pub const LOOKED_AT_ONCE: usize = TOGETHER;

/// A walk by sketches keeps some more in sight: of what is about as far as the last, the wrong ones may seem nearer.
const BESIDE: usize = 2;
const BESIDE_PART: usize = 8;

/// On level 0 a node has this many times as many links as M says, at most.
const BASE_LINKS: usize = 4;

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

/// The slots of a document, from its first on.
fn own_slots<'v>(
    doc: u64,
    from: impl Iterator<Item = (&'v (u64, u32), &'v ())>,
) -> impl Iterator<Item = u32> {
    let own = from.take_while(move |((held, _), ())| *held == doc);
    own.map(|((_, slot), ())| *slot)
}

impl Vectors {
    pub fn new(spec: VectorSpec) -> Self {
        Vectors {
            spec,
            numbers: Numbers::new(&spec),
            sketches: Numbers::have_sketches(&spec).then(|| Sketches::new(spec.dim, spec.metric)),
            is_exact: false,
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
        own_slots(doc, self.slots.range((doc, 0)..))
    }

    /// Whether a document has several.
    pub fn has_several(&self) -> bool {
        self.all < self.docs.len()
    }

    pub fn bytes(&self) -> usize {
        let graph = self.graph.as_ref().map_or(0, Graph::heap_bytes);
        let sketches = self.sketches.as_ref().map_or(0, Sketches::heap_bytes);
        let numbers = self.numbers.heap_bytes() + sketches;
        numbers + self.docs.heap_bytes() + self.slots.heap_bytes() + graph
    }

    /// Reads a vector that documents are compared with.
    pub fn target(&self, blob: &[u8]) -> VectorTarget {
        let numbers = self.numbers.target(&self.spec, blob);
        let sketch = match (&numbers, &self.sketches) {
            (TargetNumbers::Single(numbers), Some(_)) => Some(Sketch::new(numbers, 1.0)),
            _ => None,
        };
        let sketch = sketch.filter(Sketch::is_known);
        VectorTarget { numbers, sketch }
    }

    /// Adds a document's vector; its length was checked. Numbers between 0 and 1 are drawn for its place in the graph.
    pub(super) fn insert(&mut self, doc: u64, blob: VectorBlob, draw: impl FnMut() -> f64) {
        self.push(doc, blob);
        if let (Some(graph), Some(wish)) = (&mut self.graph, &self.spec.graph) {
            let fresh = [(graph.nodes() as u32, level_of(wish, draw))];
            let spaces = VectorSpaces::of(&self.numbers, &self.sketches, self.spec.metric);
            let place = spaces.place(graph, &fresh, sight_of(wish));
            self.is_exact = place.is_exact;
            spaces.insert(graph, &place);
        }
    }

    /// Keeps a vector, which is still to be found a place in the graph.
    fn push(&mut self, doc: u64, blob: VectorBlob) {
        self.numbers.push(&self.spec, blob);
        if let Some(sketches) = &mut self.sketches {
            sketches.push(self.numbers.sketch(self.docs.len()));
        }
        let slot = u32::try_from(self.docs.len()).expect("no index has billions of vectors");
        self.all += usize::from(!self.has(doc));
        self.slots.insert((doc, slot), ());
        self.docs.push([doc]);
    }

    /// Has a document's vectors belong to another one, which has the very same ones; false if it has others.
    pub(super) fn hand_over(&mut self, doc: u64, to: u64, blobs: &[VectorBlob]) -> bool {
        let own: Vec<u32> = self.slots_of(doc).collect();
        let is_held = |(slot, blob): (&u32, &VectorBlob)| {
            self.numbers.holds(&self.spec, *slot as usize, blob)
        };
        if own.is_empty() || own.len() != blobs.len() || !own.iter().zip(blobs).all(is_held) {
            return false;
        }
        for (slot, blob) in own.into_iter().zip(blobs) {
            self.numbers.replace(slot as usize, blob);
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
            let spaces = VectorSpaces::of(&self.numbers, &self.sketches, self.spec.metric);
            spaces.unlink(graph, slot, self.is_exact);
            graph.swap_remove(slot);
        }
        self.numbers.swap_remove(slot as usize);
        if let Some(sketches) = &mut self.sketches {
            sketches.swap_remove(slot as usize);
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
        let held = self.sketches.as_ref().filter(|held| held.are_known());
        let mut sketches = held.zip(target.sketch.as_ref());
        let mut sight = walk.sight.max(count).min(self.len().max(1));
        loop {
            let beside = sketches.map_or(0, |_| BESIDE + sight / BESIDE_PART);
            let wish = WalkWish {
                count: sight + beside,
                effort: usize::MAX,
            };
            let mut walker = self.walker(target, sketches, walk);
            let near = walker.run(graph, wish, |node| welcome(self.doc_at(node as usize)));
            if let Some((held, target)) = sketches
                && held.are_blurred(&near, target)
            {
                sketches = None;
                continue;
            }
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
            .walker(target, None, walk)
            .run_within(graph, wish, reach as f32);
        let mut found = self.documents_of(near, target);
        found.retain(|(distance, _)| *distance <= radius);
        found
    }

    /// A walk by the distances of vectors, or of their sketches.
    fn walker<'w>(
        &'w self,
        target: &'w VectorTarget,
        sketches: Option<(&'w Sketches, &'w Sketch)>,
        walk: &'w VectorWalk<'_>,
    ) -> Walker<impl FnMut(&[u32], &mut Vec<Near>) + 'w> {
        let near = |node: u32, distance: f32| Near { distance, node };
        Walker {
            measure: move |nodes: &[u32], found: &mut Vec<Near>| {
                for part in nodes.chunks(LOOKED_AT_ONCE) {
                    match ((walk.go_on)(part.len()), sketches) {
                        (true, Some((sketches, target))) => {
                            sketches.rough(part, target, |node, distance| {
                                found.push(near(node, distance));
                            });
                        }
                        (true, None) => self.measure(part, target, |node, distance| {
                            found.push(near(node, distance as f32));
                        }),
                        // What is left to be looked at is passed by.
                        (false, _) => {
                            found.extend(part.iter().map(|node| near(*node, f32::INFINITY)));
                        }
                    }
                }
            },
        }
    }

    /// The documents of vectors, each once with the distance of its nearest one: from the nearest on, and of those that are
    /// as far, the older ones first.
    fn documents_of(&self, near: Vec<Near>, target: &VectorTarget) -> Vec<(f64, u64)> {
        let slots: Vec<u32> = near.into_iter().map(|near| near.node).collect();
        let mut found: Vec<(f64, u64)> = Vec::with_capacity(slots.len());
        self.measure(&slots, target, |slot, distance| {
            found.push((distance, self.doc_at(slot as usize)));
        });
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

    /// Visits those of some documents that have a vector, in their order, with its distance from the target: the nearest, if it has
    /// several.
    pub fn distances(&self, docs: &[u64], target: &VectorTarget, mut visit: impl FnMut(u64, f64)) {
        let (mut walk, mut slots) = (self.slots.walk(), Vec::with_capacity(docs.len()));
        for doc in docs {
            let own = own_slots(*doc, walk.seek(&(*doc, 0)));
            slots.extend(own);
        }
        let mut last: Option<(u64, f64)> = None;
        self.measure(&slots, target, |slot, distance| {
            let doc = self.doc_at(slot as usize);
            match &mut last {
                Some((held, nearest)) if *held == doc => {
                    if distance.total_cmp(nearest).is_lt() {
                        *nearest = distance;
                    }
                }
                _ => {
                    if let Some((doc, nearest)) = last.replace((doc, distance)) {
                        visit(doc, nearest);
                    }
                }
            }
        });
        if let Some((doc, nearest)) = last {
            visit(doc, nearest);
        }
    }

    /// Visits slots, in their order, with the distances of their vectors from the target.
    pub fn measure(&self, slots: &[u32], target: &VectorTarget, mut visit: impl FnMut(u32, f64)) {
        let (target, metric) = (&target.numbers, self.spec.metric);
        let known = |distance: f64| {
            if distance.is_nan() {
                f64::NAN
            } else {
                distance
            }
        };
        // What is no number is the farthest, whatever its sign.
        let visit = |slot, distance| visit(slot, known(distance));
        self.numbers.measure(slots, target, metric, visit);
    }

    /// Visits those slots, in their order, whose vectors are not farther from the target than this, and perhaps others.
    pub fn measure_within(
        &self,
        slots: &[u32],
        target: &VectorTarget,
        reach: f64,
        visit: impl FnMut(u32, f64),
    ) {
        let sketches = self.sketches.as_ref().zip(target.sketch.as_ref());
        let Some((sketches, sketch)) = sketches.filter(|_| reach.is_finite()) else {
            return self.measure(slots, target, visit);
        };
        let mut left: SmallVec<[u32; LOOKED_AT_ONCE]> = SmallVec::new();
        sketches.at_least(slots, sketch, |slot, least| {
            left.extend((f64::from(least) <= reach).then_some(slot));
        });
        self.measure(&left, target, visit);
    }
}
