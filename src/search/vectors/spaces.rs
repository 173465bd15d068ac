//! How the graph of some vectors is told distances: by sketches where these tell vectors apart, else by the vectors themselves.

use super::numbers::{BetweenSlots, Numbers};
use super::sketch::Sketches;
use crate::search::schema::Metric;
use crate::types::graph::{Graph, NodePlace};

pub(super) struct VectorSpaces<'v> {
    exact: BetweenSlots<'v>,
    sketches: Option<&'v Sketches>,
}

/// A place in the graph.
pub(super) struct VectorPlace {
    place: NodePlace,
    /// It was sought without sketches.
    pub is_exact: bool,
}

impl<'v> VectorSpaces<'v> {
    pub fn of(numbers: &'v Numbers, sketches: &'v Option<Sketches>, metric: Metric) -> Self {
        VectorSpaces {
            exact: BetweenSlots { numbers, metric },
            sketches: sketches.as_ref().filter(|held| held.are_known()),
        }
    }

    /// Seeks the place of the last of these nodes.
    pub fn place(&self, graph: &Graph, fresh: &[(u32, usize)], sight: usize) -> VectorPlace {
        let (node, _) = fresh[fresh.len() - 1];
        let rough = self.sketches.and_then(|sketches| {
            let place = graph.place(fresh, sight, sketches);
            (!sketches.are_blurred_around(place.nearest(), node)).then_some(place)
        });
        let is_exact = rough.is_none();
        let place = rough.unwrap_or_else(|| graph.place(fresh, sight, &self.exact));
        VectorPlace { place, is_exact }
    }

    pub fn insert(&self, graph: &mut Graph, found: &VectorPlace) {
        match self.sketches.filter(|_| !found.is_exact) {
            Some(sketches) => graph.insert_at(&found.place, sketches),
            None => graph.insert_at(&found.place, &self.exact),
        };
    }

    /// Takes a node's links away, and links those around it with each other.
    pub fn unlink(&self, graph: &mut Graph, node: u32, exactly: bool) {
        match self.sketches.filter(|_| !exactly) {
            Some(sketches) => graph.unlink(node, sketches),
            None => graph.unlink(node, &self.exact),
        }
    }
}
