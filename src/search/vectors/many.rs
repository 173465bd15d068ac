//! Many vectors at once: threads share out the search for their places in the graph.

use super::spaces::VectorSpaces;
use super::{VectorBlob, Vectors, level_of, sight_of};
use crate::util::thread::share_out;

/// So many vectors are found places in the graph at the same time, at most, and such a part of those that it has: each of them is
/// compared with all before it.
const PLACED_MAX: usize = 256;
const PLACED_SHARE: usize = 8;
/// A thread takes so many of them at once.
const PLACED_AT_ONCE: usize = 8;

impl Vectors {
    /// Adds the vectors of documents that have none yet. Several threads seek their places in the graph, some at a time: each
    /// sees those before it, and the graph as it was before these.
    pub(in crate::search) fn insert_all(
        &mut self,
        drafted: Vec<(u64, Vec<VectorBlob>)>,
        mut draw: impl FnMut() -> f64,
        threads: usize,
    ) {
        for (doc, blobs) in drafted {
            blobs.into_iter().for_each(|blob| self.push(doc, blob));
        }
        let (Some(graph), Some(wish)) = (&mut self.graph, &self.spec.graph) else {
            return;
        };
        let spaces = VectorSpaces::of(&self.numbers, &self.sketches, self.spec.metric);
        let (mut from, all) = (graph.nodes(), self.docs.len());
        while from < all {
            // Few of a small graph's nodes don't see each other's links.
            let to = all.min(from + (from / PLACED_SHARE).clamp(1, PLACED_MAX));
            let fresh: Vec<(u32, usize)> = (from..to)
                .map(|node| (node as u32, level_of(wish, &mut draw)))
                .collect();
            let seen: Vec<&[(u32, usize)]> = (1..=fresh.len()).map(|at| &fresh[..at]).collect();
            let held = &*graph;
            let places = share_out(threads, seen, PLACED_AT_ONCE, |seen| {
                spaces.place(held, seen, sight_of(wish))
            });
            for place in &places {
                spaces.insert(graph, place);
                self.is_exact = place.is_exact;
            }
            from = to;
        }
    }
}
