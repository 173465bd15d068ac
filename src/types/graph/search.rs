//! Walking towards what is nearest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;

use super::{Graph, Near};

/// What a search is to find.
#[derive(Clone, Copy, Debug)]
pub struct WalkWish {
    /// How many nodes, and as many are kept in sight while it walks.
    pub count: usize,
    /// How many nodes it goes to, at most, where not every node is welcome.
    pub effort: usize,
}

/// A search by distance from a point.
pub struct Walker<M> {
    /// Appends nodes, in their order, with their distances from the point.
    pub measure: M,
}

/// Some of the nodes, as those that a walk has seen.
pub(super) struct Seen(Vec<u64>);

impl Seen {
    pub(super) fn new(len: usize) -> Self {
        Seen(vec![0; len.div_ceil(64)])
    }

    /// Marks a node, and tells whether that is new.
    pub(super) fn mark(&mut self, node: u32) -> bool {
        let (word, bit) = (&mut self.0[node as usize / 64], 1 << (node % 64));
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    pub(super) fn has(&self, node: u32) -> bool {
        self.0[node as usize / 64] & 1 << (node % 64) != 0
    }
}

/// So many nodes are measured at once where all are looked at.
const MEASURED_AT_ONCE: u32 = 64;

impl<M: FnMut(&[u32], &mut Vec<Near>)> Walker<M> {
    pub(super) fn near(&mut self, node: u32) -> Near {
        let near = self.all_near(&[node]);
        near[0]
    }

    pub(super) fn all_near(&mut self, nodes: &[u32]) -> Vec<Near> {
        let mut near = Vec::with_capacity(nodes.len());
        (self.measure)(nodes, &mut near);
        near
    }

    /// Goes down from the top to above this level, each time to the nearest link until none is nearer.
    pub(super) fn descend(&mut self, graph: &Graph, to: usize) -> Option<Near> {
        let entry = graph.entry?;
        let mut at = self.near(entry);
        let mut near = Vec::new();
        for level in (to + 1..=graph.top()).rev() {
            loop {
                near.clear();
                (self.measure)(graph.links(at.node, level), &mut near);
                match near.iter().min() {
                    Some(nearer) if *nearer < at => at = *nearer,
                    _ => break,
                }
            }
        }
        Some(at)
    }

    /// The nearest nodes of a level that are welcome, from the nearest on, found by walking on from these.
    pub(super) fn walk(
        &mut self,
        graph: &Graph,
        level: usize,
        from: &[Near],
        wish: WalkWish,
        mut welcome: impl FnMut(u32) -> bool,
    ) -> Vec<Near> {
        let mut seen = Seen::new(graph.len());
        let mut open: BinaryHeap<Reverse<Near>> = BinaryHeap::new();
        let mut found: BinaryHeap<Near> = BinaryHeap::new();
        let (mut fresh, mut measured) = (Vec::new(), Vec::new());
        for near in from {
            seen.mark(near.node);
            open.push(Reverse(*near));
            if welcome(near.node) {
                found.push(*near);
            }
        }
        // Coming to where it begins is one step, as in Redis: with an effort of one it looks at no other node.
        let mut effort = 1;
        while let Some(Reverse(at)) = open.pop() {
            let is_full = found.len() >= wish.count;
            let beyond = found
                .peek()
                .is_some_and(|worst| at.distance > worst.distance);
            if is_full && beyond || effort >= wish.effort {
                break;
            }
            effort += 1;
            let links = graph.links(at.node, level).iter().copied();
            fresh.clear();
            fresh.extend(links.filter(|link| seen.mark(*link)));
            measured.clear();
            // The links of what comes next are on their way while these are measured.
            if let Some(Reverse(next)) = open.peek() {
                black_box(graph.links(next.node, level).first());
            }
            (self.measure)(&fresh, &mut measured);
            for &near in &measured {
                let worst = found.peek().filter(|_| found.len() >= wish.count);
                if worst.is_some_and(|worst| near >= *worst) {
                    continue;
                }
                open.push(Reverse(near));
                if welcome(near.node) {
                    found.push(near);
                    if found.len() > wish.count {
                        found.pop();
                    }
                }
            }
        }
        found.into_sorted_vec()
    }

    /// The nearest nodes that are welcome, from the nearest on. As good as certain, not certain.
    pub fn run(
        &mut self,
        graph: &Graph,
        wish: WalkWish,
        welcome: impl FnMut(u32) -> bool,
    ) -> Vec<Near> {
        match self.descend(graph, 0) {
            Some(entry) => self.walk(graph, 0, &[entry], wish, welcome),
            None => Vec::new(),
        }
    }

    /// The nodes that are not farther than `reach`, in no order: those that are near each other are found by one another, from
    /// the nearest on, which are sought as a search finds them.
    pub fn run_within(&mut self, graph: &Graph, wish: WalkWish, reach: f32) -> Vec<Near> {
        let mut found = self.run(graph, wish, |_| true);
        found.retain(|near| near.distance <= reach);
        let mut seen = Seen::new(graph.len());
        for near in &found {
            seen.mark(near.node);
        }
        let mut at = 0;
        while at < found.len() {
            let links = graph.links(found[at].node, 0).iter().copied();
            let fresh: Vec<u32> = links.filter(|link| seen.mark(*link)).collect();
            let near = self.all_near(&fresh).into_iter();
            found.extend(near.filter(|near| near.distance <= reach));
            at += 1;
        }
        found
    }

    /// The nearest nodes that are welcome among all that there are, each of which is looked at.
    pub fn run_over_all(
        &mut self,
        graph: &Graph,
        count: usize,
        mut welcome: impl FnMut(u32) -> bool,
    ) -> Vec<Near> {
        let mut found: BinaryHeap<Near> = BinaryHeap::new();
        let all = graph.len() as u32;
        for from in (0..all).step_by(MEASURED_AT_ONCE as usize) {
            let to = all.min(from + MEASURED_AT_ONCE);
            for near in self.all_near(&(from..to).collect::<Vec<u32>>()) {
                let worst = found.peek().filter(|_| found.len() >= count);
                if worst.is_some_and(|worst| near >= *worst) || !welcome(near.node) {
                    continue;
                }
                found.push(near);
                if found.len() > count {
                    found.pop();
                }
            }
        }
        found.into_sorted_vec()
    }
}
