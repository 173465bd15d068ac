//! Neighbours of vectors, found by looking at all of them.

use std::collections::BinaryHeap;
use std::rc::Rc;

use super::{Evaluator, Match, MatchKind};
use crate::search::index::Column;
use crate::search::numbers::Ordered;
use crate::search::query::{Nearest, QueryKind, QueryNode};
use crate::search::vectors::Vectors;

impl Evaluator<'_> {
    fn vectors(&self, field: usize) -> Option<&Vectors> {
        match &self.index.columns[field] {
            Column::Vectors(vectors) => Some(vectors),
            _ => None,
        }
    }

    /// The nearest documents; of those that are as far, the older ones.
    pub(super) fn nearest(&self, node: &QueryNode, wish: &Nearest) -> Match {
        let Some(vectors) = self.vectors(wish.field) else {
            return Match::nothing();
        };
        let inner = match wish.among.kind {
            QueryKind::Every => None,
            _ => Some(self.eval(&wish.among, None)),
        };
        let target = vectors.target(&wish.blob);
        let count = usize::try_from(wish.count).unwrap_or(usize::MAX);
        let mut held = BinaryHeap::new();
        let mut offer = |distance: f64, doc: u64| {
            let offered = (Ordered(distance), doc);
            if held.len() < count {
                held.push(offered);
            } else if held.peek().is_some_and(|farthest| offered < *farthest) {
                held.pop();
                held.push(offered);
            }
        };
        match &inner {
            None if vectors.has_several() => {
                for doc in self.ticking(self.index.docs.keys()) {
                    if let Some(distance) = vectors.distance(*doc, &target) {
                        offer(distance, *doc);
                    }
                }
            }
            Some(inner) => {
                for doc in self.ticking(inner.docs.iter()) {
                    if let Some(distance) = vectors.distance(*doc, &target) {
                        offer(distance, *doc);
                    }
                }
            }
            None => {
                for slot in self.ticking(0..vectors.len()) {
                    offer(vectors.distance_at(slot, &target), vectors.doc_at(slot));
                }
            }
        }
        let found = held.into_iter().map(|(distance, doc)| (doc, distance.0));
        distances(node, found.collect(), inner)
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
        let all = vectors.has_several().then(|| self.every(None));
        match among.or(all.as_deref()) {
            Some(among) => {
                for doc in self.ticking(among.iter()) {
                    if let Some(distance) = vectors.distance(*doc, &target) {
                        found.push((*doc, distance));
                    }
                }
            }
            None => {
                for slot in self.ticking(0..vectors.len()) {
                    found.push((vectors.doc_at(slot), vectors.distance_at(slot, &target)));
                }
            }
        }
        found.retain(|(_, distance)| *distance <= radius);
        distances(node, found, None)
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
