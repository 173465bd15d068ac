//! A graph in which the nodes nearest to a point are found by walking: a hierarchical navigable small world.
//!
//! Nodes are numbers from 0 on, without holes. What a node stands for, and how far two of them are from each other, is the
//! caller's: the graph asks a [`Space`]. Every node stands on level 0, one in four of these on the next one, and so on; on each
//! level it has links to nodes that are near in different directions. Links are mutual, so that a node can be taken out and
//! those that it leaves behind are linked with each other. See Malkov and Yashunin, <https://arxiv.org/abs/1603.09320>.
//!
//! Copies share their parts: one for a snapshot is made in a moment.

mod link;
mod search;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

pub use search::{WalkWish, Walker};

use super::rows::Rows;

/// No node stands higher.
pub const LEVEL_MAX: usize = 16;
/// Links of a node: double of it on level 0.
pub const LINKS_MIN: usize = 4;
pub const LINKS_MAX: usize = 4096;
/// One node in so many of a level stands on the next one, too.
const LEVEL_SHARE: f64 = 0.25;

/// How far nodes are from each other.
pub trait Space {
    fn between(&self, one: u32, other: u32) -> f32;
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

/// The level of a new node, from numbers between 0 and 1.
pub fn level(mut draw: impl FnMut() -> f64) -> usize {
    (0..LEVEL_MAX).take_while(|_| draw() < LEVEL_SHARE).count()
}

/// A node's links.
#[derive(Clone, Debug, Default)]
struct Vertex {
    base: Vec<u32>,
    /// Those of the levels from 1 on, if it stands there.
    upper: Option<Box<Upper>>,
}

/// Lists of links, one for each level. Few nodes have any, so the others keep a pointer for them and no more.
#[derive(Clone, Debug)]
struct Upper(Vec<Vec<u32>>);

impl Vertex {
    fn new(level: usize) -> Self {
        let upper = || Box::new(Upper(vec![Vec::new(); level]));
        Vertex {
            base: Vec::new(),
            upper: (level > 0).then(upper),
        }
    }

    fn level(&self) -> usize {
        self.upper.as_ref().map_or(0, |upper| upper.0.len())
    }

    fn links(&self, level: usize) -> &[u32] {
        match level.checked_sub(1) {
            None => &self.base,
            Some(at) => {
                let upper = self.upper.as_ref().and_then(|upper| upper.0.get(at));
                upper.map_or(&[], |links| links)
            }
        }
    }

    fn links_mut(&mut self, level: usize) -> &mut Vec<u32> {
        match (level.checked_sub(1), &mut self.upper) {
            (None, _) => &mut self.base,
            (Some(at), Some(upper)) => &mut upper.0[at],
            (Some(_), None) => panic!("a node has links on its levels alone"),
        }
    }
}

/// Room is made for so many links at a time.
const ROOM: usize = 4;

/// Bytes of a list of so many links.
fn room(links: usize) -> usize {
    links.next_multiple_of(ROOM) * size_of::<u32>()
}

/// Why links are no graph: some aren't mutual, or name a node that isn't there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsound;

#[derive(Clone, Debug)]
pub struct Graph {
    nodes: Rows<Vertex>,
    /// Where a search begins: no node that is reached stands higher.
    entry: Option<u32>,
    /// Links that a node should have on a level.
    links: usize,
    /// Bytes of all lists of links: asked often, so never summed up.
    bytes: usize,
}

impl Graph {
    /// An empty graph whose nodes have about so many links.
    pub fn new(links: usize) -> Self {
        Graph {
            nodes: Rows::new(1),
            entry: None,
            links,
            bytes: 0,
        }
    }

    /// A graph of these nodes, each with its links on each level. They must be sound: mutual, each there once, none to itself.
    pub fn from_links(links: usize, nodes: Vec<Vec<Vec<u32>>>) -> Result<Self, Unsound> {
        let mut graph = Graph::new(links);
        for mut levels in nodes {
            if !(1..=LEVEL_MAX + 1).contains(&levels.len()) {
                return Err(Unsound);
            }
            levels.iter_mut().for_each(|links| links.sort_unstable());
            let mut levels = levels.into_iter();
            let mut node = Vertex::new(levels.len() - 1);
            node.base = levels.next().unwrap_or_default();
            if let Some(upper) = &mut node.upper {
                upper.0 = levels.collect();
            }
            graph.bytes += graph.node_bytes(&node);
            graph.push(node);
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
        self.nodes.len()
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
        self.nodes.at(node as usize)[0].level()
    }

    #[inline]
    pub fn links(&self, node: u32, level: usize) -> &[u32] {
        self.nodes.at(node as usize)[0].links(level)
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.nodes.heap_bytes() + self.bytes
    }

    fn node_bytes(&self, node: &Vertex) -> usize {
        let lists = (0..=node.level()).map(|level| room(node.links(level).len()));
        let upper = match node.level() {
            0 => 0,
            levels => size_of::<Vec<Vec<u32>>>() + levels * size_of::<Vec<u32>>(),
        };
        lists.sum::<usize>() + upper
    }

    /// Links that a node has on a level, at most.
    fn links_max(&self, level: usize) -> usize {
        if level == 0 {
            2 * self.links
        } else {
            self.links
        }
    }

    fn is_full(&self, node: u32, level: usize) -> bool {
        self.links(node, level).len() >= self.links_max(level)
    }

    fn push(&mut self, node: Vertex) -> u32 {
        let at = u32::try_from(self.len()).expect("no graph has billions of nodes");
        self.nodes.push([node]);
        at
    }

    fn node_mut(&mut self, node: u32) -> &mut Vertex {
        &mut self.nodes.at_mut(node as usize)[0]
    }

    /// Adds one half of a link.
    fn add_half(&mut self, from: u32, to: u32, level: usize) {
        let links = self.node_mut(from).links_mut(level);
        if links.len() == links.capacity() {
            links.reserve_exact(ROOM);
        }
        links.push(to);
        let (before, now) = (room(links.len() - 1), room(links.len()));
        self.bytes += now - before;
    }

    fn remove_half(&mut self, from: u32, to: u32, level: usize) {
        let links = self.node_mut(from).links_mut(level);
        let at = links.iter().position(|link| *link == to);
        links.swap_remove(at.expect("links are mutual"));
        let (before, now) = (room(links.len() + 1), room(links.len()));
        // What is counted is room for those that are there, so there is never more than double of it.
        if links.capacity() > 2 * links.len().max(ROOM) {
            links.shrink_to(links.len().next_multiple_of(ROOM));
        }
        self.bytes -= before - now;
    }

    fn join(&mut self, one: u32, other: u32, level: usize) {
        debug_assert!(one != other && !self.links(one, level).contains(&other));
        self.add_half(one, other, level);
        self.add_half(other, one, level);
    }

    fn part(&mut self, one: u32, other: u32, level: usize) {
        self.remove_half(one, other, level);
        self.remove_half(other, one, level);
    }

    /// Takes out a node that was unlinked; the last one takes its number.
    pub fn swap_remove(&mut self, node: u32) {
        debug_assert!((0..=self.level(node)).all(|level| self.links(node, level).is_empty()));
        let last = self.len() as u32 - 1;
        self.bytes -= self.node_bytes(&self.nodes.at(node as usize)[0]);
        self.nodes.swap_remove(node as usize);
        if node == last {
            return;
        }
        if self.entry == Some(last) {
            self.entry = Some(node);
        }
        for level in 0..=self.level(node) {
            for link in self.links(node, level).to_vec() {
                let links = self.node_mut(link).links_mut(level);
                let half = links.iter_mut().find(|half| **half == last);
                *half.expect("links are mutual") = node;
            }
        }
    }
}
