//! Neighbours of vectors: found by looking at all of them, at those of some documents, or by a walk through a graph.

use std::collections::BinaryHeap;
use std::rc::Rc;

use smallvec::SmallVec;

use super::{Evaluator, Match, MatchKind};
use crate::search::index::Column;
use crate::search::numbers::Ordered;
use crate::search::query::{Nearest, QueryKind, QueryNode, WalkAsked};
use crate::search::vectors::{LOOKED_AT_ONCE, VectorTarget, VectorWalk, Vectors};

/// For each vector that it keeps in sight, a walk looks at so many, here and there in memory. It isn't worth that where as many are
/// all that there are.
const WALK_COST: usize = 16;
/// So many dimensions are one more unit of work.
const UNIT_DIMENSIONS: usize = 256;

/// The nearest of those that were offered: of those that are as far, the older ones.
struct NearestHeap {
    count: usize,
    held: BinaryHeap<(Ordered, u64)>,
}

impl NearestHeap {
    fn offer(&mut self, distance: f64, doc: u64) {
        let offered = (Ordered(distance), doc);
        if self.held.len() < self.count {
            self.held.push(offered);
        } else if let Some(mut farthest) = self.held.peek_mut()
            && offered < *farthest
        {
            *farthest = offered;
        }
    }

    /// What is farther than this is none of them.
    fn reach(&self) -> f64 {
        let farthest = self.held.peek().filter(|_| self.held.len() >= self.count);
        farthest.map_or(f64::INFINITY, |(distance, _)| distance.0)
    }
}

impl Evaluator<'_> {
    fn vectors(&self, field: usize) -> Option<&Vectors> {
        match &self.index.columns[field] {
            Column::Vectors(vectors) => Some(vectors),
            _ => None,
        }
    }

    /// The nearest documents, or those that are as good as certain to be.
    pub(super) fn nearest(&self, node: &QueryNode, wish: &Nearest) -> Match {
        let Some(vectors) = self.vectors(wish.field) else {
            return Match::nothing();
        };
        let inner = match wish.among.kind {
            QueryKind::Every => None,
            _ => Some(self.eval(&wish.among, None)),
        };
        let among = inner.as_ref().map(|inner| &inner.docs[..]);
        let target = vectors.target(&wish.blob);
        let count = usize::try_from(wish.count).unwrap_or(usize::MAX);
        let found = match sight(vectors, node.walk, count) {
            Some(sight) if walks(vectors, sight, among, node.walk) => {
                let is_among =
                    |doc: u64| among.is_none_or(|among| among.binary_search(&doc).is_ok());
                let go_on = self.each_step(vectors);
                let walk = VectorWalk {
                    sight,
                    go_on: &go_on,
                };
                vectors.nearest(&target, count, &walk, &is_among)
            }
            _ => self.nearest_of_all(vectors, &target, count, among),
        };
        let found = found.into_iter().map(|(distance, doc)| (doc, distance));
        distances(node, found.collect(), inner)
    }

    /// The nearest of all documents, or of these.
    fn nearest_of_all(
        &self,
        vectors: &Vectors,
        target: &VectorTarget,
        count: usize,
        among: Option<&[u64]>,
    ) -> Vec<(f64, u64)> {
        let mut nearest = NearestHeap {
            count,
            held: BinaryHeap::new(),
        };
        self.each_distance(vectors, target, (among, f64::INFINITY), |distance, doc| {
            nearest.offer(distance, doc);
            nearest.reach()
        });
        let found = nearest.held.into_iter();
        found.map(|(distance, doc)| (distance.0, doc)).collect()
    }

    /// Visits the distances of all documents, or of these, that are not farther than a reach, and perhaps of others. Each visit
    /// says how far the next may be.
    fn each_distance(
        &self,
        vectors: &Vectors,
        target: &VectorTarget,
        (among, mut reach): (Option<&[u64]>, f64),
        mut visit: impl FnMut(f64, u64) -> f64,
    ) {
        let all = (among.is_none() && vectors.has_several()).then(|| self.every(None));
        let go_on = self.each_step(vectors);
        match among.or(all.as_deref()) {
            Some(among) => {
                let parts = among.chunks(LOOKED_AT_ONCE);
                for docs in parts.take_while(|docs| go_on(docs.len())) {
                    vectors.distances(docs, target, |doc, distance| {
                        visit(distance, doc);
                    });
                }
            }
            None => {
                let all = vectors.len();
                let parts = (0..all).step_by(LOOKED_AT_ONCE);
                for from in parts.take_while(|_| go_on(LOOKED_AT_ONCE)) {
                    let to = all.min(from + LOOKED_AT_ONCE);
                    let slots: SmallVec<[u32; LOOKED_AT_ONCE]> = (from as u32..to as u32).collect();
                    vectors.measure_within(&slots, target, reach, |slot, distance| {
                        reach = visit(distance, vectors.doc_at(slot as usize));
                    });
                }
            }
        }
    }

    /// What is done before so many vectors are looked at: others have their turns, and it may be late.
    fn each_step(&self, vectors: &Vectors) -> impl Fn(usize) -> bool {
        let units = 1 + vectors.dimensions() / UNIT_DIMENSIONS;
        move |count| {
            self.effort.tick(units * count);
            !self.effort.is_late()
        }
    }

    /// The documents within a radius.
    pub(super) fn within(
        &self,
        node: &QueryNode,
        field: usize,
        radius: f64,
        blob: &[u8],
        among: Option<&[u64]>,
    ) -> Match {
        let Some(vectors) = self.vectors(field) else {
            return Match::nothing();
        };
        let target = vectors.target(blob);
        let mut found = Vec::new();
        match (sight(vectors, node.walk, 1), vectors.graph_wish()) {
            (Some(sight), Some(graph)) if walks(vectors, sight, among, node.walk) => {
                let go_on = self.each_step(vectors);
                let walk = VectorWalk {
                    sight,
                    go_on: &go_on,
                };
                let epsilon = node.walk.epsilon.unwrap_or(graph.epsilon);
                let within = vectors
                    .within(&target, radius, (epsilon, &walk))
                    .into_iter();
                let within = within
                    .filter(|(_, doc)| among.is_none_or(|among| among.binary_search(doc).is_ok()));
                found.extend(within.map(|(distance, doc)| (doc, distance)));
            }
            _ => self.each_distance(vectors, &target, (among, radius), |distance, doc| {
                found.extend((distance <= radius).then_some((doc, distance)));
                radius
            }),
        }
        distances(node, found, None)
    }
}

/// How many vectors a walk keeps in sight; nothing where there is no graph.
fn sight(vectors: &Vectors, asked: WalkAsked, count: usize) -> Option<usize> {
    let usual = vectors.graph_wish()?.ef_runtime as usize;
    Some(asked.sight.unwrap_or(usual).max(count))
}

/// Whether to walk, where there is a graph. Where few documents are let through, a walk would go far for each of them: looking at
/// these is exact, and takes no longer.
fn walks(vectors: &Vectors, sight: usize, among: Option<&[u64]>, asked: WalkAsked) -> bool {
    let (all, cost) = (vectors.len(), sight.saturating_mul(WALK_COST));
    match (among, asked.walks) {
        (None, _) => all > cost,
        (Some(_), Some(walks)) => walks,
        (Some(among), None) => among.len().saturating_mul(among.len()) > cost.saturating_mul(all),
    }
}

fn distances(node: &QueryNode, mut found: Vec<(u64, f64)>, inner: Option<Rc<Match>>) -> Match {
    found.sort_unstable_by_key(|(doc, _)| *doc);
    let (docs, values) = found.into_iter().unzip();
    Match::new(
        docs,
        node.weight,
        MatchKind::Distances {
            name: node.distance_as.clone(),
            values,
            inner,
        },
    )
}
