//! A graph in which the nodes nearest to a point are found by walking: a hierarchical navigable small world.
//!
//! Nodes are numbers from 0 on, without holes. What a node stands for, and how far two of them are from each other, is the
//! caller's: the graph asks a [`Space`]. Every node stands on level 0, some of these on the next one, and so on; on each
//! level it has links to nodes that are near in different directions. Links are mutual, so that a node can be taken out and
//! those that it leaves behind are linked with each other. See Malkov and Yashunin, <https://arxiv.org/abs/1603.09320>.
//!
//! Copies share their parts: one for a snapshot is made in a moment.

mod link;
mod search;
mod table;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

pub use link::NodePlace;
pub use search::{WalkWish, Walker};

use table::LinkTable;

/// No node stands higher.
pub const LEVEL_MAX: usize = 16;
/// Links of a node: double of it on level 0.
pub const LINKS_MIN: usize = 4;
pub const LINKS_MAX: usize = 4096;
/// Of a level's nodes, such a part stands on the next one, too, where nothing else is wanted.
pub const LEVEL_SHARE: f64 = 0.25;

/// How far nodes are from each other.
pub trait Space {
    /// Appends nodes, in their order, with their distances from one. It is asked for several at once, so that the memory of all of
    /// them can be waited for at the same time.
    fn measure(&self, from: u32, nodes: &[u32], near: &mut Vec<Near>);
}

/// A node at a distance. The order is that of distances, and among equals that of nodes. What is no number is the farthest.
#[derive(Clone, Copy, Debug)]
pub struct Near {
    pub distance: f32,
    pub node: u32,
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        let known = |near: &Near| match near.distance.is_nan() {
            true => f32::INFINITY,
            false => near.distance,
        };
        let distance = known(self).total_cmp(&known(other));
        distance.then(self.node.cmp(&other.node))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Near {}

/// The level of a new node, from numbers between 0 and 1, where such a part of each level's nodes stands on the next one.
pub fn level(share: f64, mut draw: impl FnMut() -> f64) -> usize {
    (0..LEVEL_MAX).take_while(|_| draw() < share).count()
}

/// Why links are no graph: some aren't mutual, or name a node that isn't there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsound;

/// No node of a graph has so many times as many links as its nodes have on average, and this many more.
const EVENLY: usize = 8;
const ROOM_MIN: usize = 64;

#[derive(Clone, Debug)]
pub struct Graph {
    table: LinkTable,
    /// Where a search begins: no node that is reached stands higher.
    entry: Option<u32>,
    /// Links that a node should have on a level.
    links: usize,
    /// Links that it may have on level 0.
    base: usize,
}

impl Graph {
    /// An empty graph whose nodes have about so many links, and double of it on level 0 at most.
    pub fn new(links: usize) -> Self {
        Self::with_base(links, 2 * links)
    }

    /// An empty graph whose nodes have about so many links, and on level 0 as many as another number at most. Where all are about as far
    /// from each other, some are near to many: the more links these may have, the more of the nearest are found.
    pub fn with_base(links: usize, base: usize) -> Self {
        Graph {
            table: LinkTable::new(),
            entry: None,
            links,
            base,
        }
    }

    /// A graph of these nodes, each with its links on each level. They must be sound: mutual, each there once, none to itself.
    pub fn from_links(links: usize, nodes: Vec<Vec<Vec<u32>>>) -> Result<Self, Unsound> {
        let counts = nodes.iter().flatten().map(Vec::len);
        let (widest, all) = (counts.clone().max().unwrap_or(0), counts.sum::<usize>());
        // Rows are of one width: of a file that has most of its links at one node, they would take far more than the file.
        if widest > ROOM_MIN + EVENLY * (all / nodes.len().max(1)) {
            return Err(Unsound);
        }
        let mut graph = Graph::new(links);
        for mut levels in nodes {
            if !(1..=LEVEL_MAX + 1).contains(&levels.len()) {
                return Err(Unsound);
            }
            levels.iter_mut().for_each(|links| links.sort_unstable());
            let node = graph.table.push(levels.len() - 1);
            for (level, links) in levels.iter().enumerate() {
                let most = graph.links_max(level).max(links.len());
                links
                    .iter()
                    .for_each(|to| graph.table.add(node, *to, level, most));
            }
        }
        for node in 0..graph.len() as u32 {
            graph.check(node)?;
            let level = graph.level(node);
            if graph.entry.is_none_or(|entry| level > graph.level(entry)) {
                graph.entry = Some(node);
            }
        }
        Ok(graph)
    }

    /// Whether each of a node's links, which are sorted, is sound.
    fn check(&self, node: u32) -> Result<(), Unsound> {
        for level in 0..=self.level(node) {
            let links = self.links(node, level);
            let twice = links.windows(2).any(|pair| pair[0] == pair[1]);
            let is_sound = |link: &u32| {
                *link != node
                    && (*link as usize) < self.len()
                    && self.links(*link, level).binary_search(&node).is_ok()
            };
            if twice || !links.iter().all(is_sound) {
                return Err(Unsound);
            }
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.table.len()
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.len()
    }

    /// Links that a node should have on a level: double of it on level 0.
    pub fn links_wanted(&self) -> usize {
        self.links
    }

    /// The level on which searches begin.
    pub fn top(&self) -> usize {
        self.entry.map_or(0, |entry| self.level(entry))
    }

    pub fn level(&self, node: u32) -> usize {
        self.table.level(node)
    }

    #[inline]
    pub fn links(&self, node: u32, level: usize) -> &[u32] {
        self.table.links(node, level)
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    /// Links that a node has on a level, at most.
    fn links_max(&self, level: usize) -> usize {
        if level == 0 { self.base } else { self.links }
    }

    fn is_full(&self, node: u32, level: usize) -> bool {
        self.links(node, level).len() >= self.links_max(level)
    }

    fn join(&mut self, one: u32, other: u32, level: usize) {
        debug_assert!(one != other && !self.links(one, level).contains(&other));
        let most = self.links_max(level);
        self.table.add(one, other, level, most);
        self.table.add(other, one, level, most);
    }

    fn part(&mut self, one: u32, other: u32, level: usize) {
        self.table.remove(one, other, level);
        self.table.remove(other, one, level);
    }

    /// Takes out a node that was unlinked; the last one takes its number.
    pub fn swap_remove(&mut self, node: u32) {
        debug_assert!((0..=self.level(node)).all(|level| self.links(node, level).is_empty()));
        let last = self.len() as u32 - 1;
        self.table.swap_remove(node);
        if node == last {
            return;
        }
        if self.entry == Some(last) {
            self.entry = Some(node);
        }
        for level in 0..=self.level(node) {
            for link in self.links(node, level).to_vec() {
                self.table.renumber(link, (last, node), level);
            }
        }
    }
}
