//! Linking a new node with those around it, and those around a node that goes with each other.

use super::{Graph, Near, Space, Vertex, WalkWish, Walker};

/// Where a node that goes leaves others without links, so many nodes are looked at to find new ones.
const REPAIR_COUNT: usize = 100;
/// A node is compared with so many others, at most, to see whether it leads elsewhere: nodes may have thousands of links.
const COMPARED: usize = 64;
/// Of so many links, from the farthest on, one is sought that can be spared.
const SPARE_SOUGHT: usize = 8;
/// Neighbours of a node that goes are linked with one of so many others, which keeps the work linear.
const REPAIR_WINDOW: usize = 64;

impl Graph {
    /// Adds a node on this level and those below, linked with the best of so many nodes around it. Its number is the next one,
    /// under which the space knows it already.
    pub fn insert(&mut self, level: usize, count: usize, space: &impl Space) -> u32 {
        let fresh = Vertex::new(level);
        self.bytes += self.node_bytes(&fresh);
        let node = self.push(fresh);
        let mut search = Walker {
            distance: |other| space.between(node, other),
        };
        let Some(entry) = search.descend(self, level) else {
            self.entry = Some(node);
            return node;
        };
        let top = self.top();
        let mut from = vec![entry];
        let wish = WalkWish {
            count,
            effort: usize::MAX,
        };
        for level in (0..=level.min(top)).rev() {
            from = search.walk(self, level, &from, wish, |_| true);
            self.connect(node, level, &from, space);
        }
        if level > top {
            self.entry = Some(node);
        }
        node
    }

    /// Links a node with some of those that were found near it, which are sorted.
    fn connect(&mut self, node: u32, level: usize, found: &[Near], space: &impl Space) {
        // Half as many more on level 0, where there is room for double: the others are as good as certain to be found then.
        let wanted = self.links + if level == 0 { self.links / 2 } else { 0 };
        for near in self.diverse(found, wanted, space) {
            if self.links(node, level).len() >= wanted {
                break;
            }
            self.link(node, near, level, self.links / 2, space);
        }
        // All of them have enough links already: some give one up, and keep others.
        for near in found {
            if self.links(node, level).len() >= self.links.div_ceil(4) {
                break;
            }
            if !self.links(node, level).contains(&near.node) {
                self.yield_link(node, *near, level, space);
            }
        }
    }

    /// The nodes that were found, in the order in which they are to be linked: so many first that are nearer to the point than
    /// to each other, so that links lead in different directions, and then the others.
    fn diverse(&self, found: &[Near], wanted: usize, space: &impl Space) -> Vec<Near> {
        let mut chosen: Vec<Near> = Vec::with_capacity(found.len());
        let mut others = Vec::new();
        let mut rest = found.iter();
        for near in rest.by_ref() {
            let hidden = |nearer: &Near| space.between(nearer.node, near.node) < near.distance;
            match chosen.iter().take(COMPARED).any(hidden) {
                true => others.push(*near),
                false => chosen.push(*near),
            }
            if chosen.len() == wanted {
                break;
            }
        }
        chosen.extend(others);
        chosen.extend(rest);
        chosen
    }

    /// Links two nodes. If the second one has as many links as it may, it gives one up that can be spared, to a node that is
    /// farther from it than the first and keeps `enough` of its own.
    fn link(&mut self, node: u32, to: Near, level: usize, enough: usize, space: &impl Space) {
        if self.links(to.node, level).len() >= self.links_max(level) {
            let mut links = self.measured(to.node, level, space);
            links.retain(|link| {
                link.distance >= to.distance && self.links(link.node, level).len() > enough
            });
            let Some(spare) = self.spare(to.node, links, level, space) else {
                return;
            };
            self.part(to.node, spare, level);
        }
        self.join(node, to.node, level);
    }

    /// Links two nodes, though the second one must give up a link for that. If it can spare none, the first one takes its place
    /// between the second and another: nothing is cut off, and neither of them has more links than before.
    fn yield_link(&mut self, node: u32, to: Near, level: usize, space: &impl Space) {
        if self.links(to.node, level).len() >= self.links_max(level) {
            let links = self.measured(to.node, level, space);
            let own = self.links(node, level);
            let between = links.iter().filter(|link| !own.contains(&link.node)).max();
            let between = between.map(|link| link.node);
            match (self.spare(to.node, links, level, space), between) {
                (Some(spare), _) => self.part(to.node, spare, level),
                (None, Some(other)) => {
                    self.part(to.node, other, level);
                    self.join(node, other, level);
                }
                (None, None) => return,
            }
        }
        self.join(node, to.node, level);
    }

    /// Which of these links a node can spare: the two have a link in common, so that nothing is cut off. One of the farthest,
    /// if its node is nearer to the common one even better.
    fn spare(
        &self,
        node: u32,
        mut links: Vec<Near>,
        level: usize,
        space: &impl Space,
    ) -> Option<u32> {
        links.sort_unstable();
        let own = self.links(node, level);
        let mut spare = None;
        for link in links.iter().rev().take(SPARE_SOUGHT) {
            let others = self.links(link.node, level).iter().take(COMPARED);
            let mut common = others.filter(|other| own.contains(other)).peekable();
            if common.peek().is_none() {
                continue;
            }
            if common.any(|other| space.between(*other, link.node) < link.distance) {
                return Some(link.node);
            }
            spare = spare.or(Some(link.node));
        }
        spare
    }

    /// A node's links with their distances.
    fn measured(&self, node: u32, level: usize, space: &impl Space) -> Vec<Near> {
        let links = self.links(node, level).iter();
        links
            .map(|link| Near {
                distance: space.between(node, *link),
                node: *link,
            })
            .collect()
    }

    /// Takes a node out of the reach of the others, which are linked with each other in its place.
    pub fn unlink(&mut self, node: u32, space: &impl Space) {
        if self.entry == Some(node) {
            self.entry = self.next_entry(node);
        }
        for level in (0..=self.level(node)).rev() {
            let mut around = self.measured(node, level, space);
            around.sort_unstable();
            for near in &around {
                self.part(node, near.node, level);
            }
            for at in 0..around.len() {
                self.mend(&around, at, level, space);
            }
        }
    }

    /// Gives a node that lost a link another one, to the nearest of those that lost one as well.
    fn mend(&mut self, around: &[Near], at: usize, level: usize, space: &impl Space) {
        let node = around[at].node;
        let max = self.links_max(level);
        if self.links(node, level).len() < max {
            let from = at.saturating_sub(REPAIR_WINDOW / 2);
            let others = around[from..].iter().take(REPAIR_WINDOW);
            let open = others.map(|near| near.node).filter(|other| {
                let links = self.links(*other, level);
                *other != node && links.len() < max && !links.contains(&node)
            });
            let measured = open.map(|other| Near {
                distance: space.between(node, other),
                node: other,
            });
            if let Some(nearest) = measured.min() {
                self.join(node, nearest.node, level);
            }
        }
        if self.links(node, level).is_empty() {
            self.reconnect(node, level, space);
        }
    }

    /// Finds links for a node that has none left.
    fn reconnect(&mut self, node: u32, level: usize, space: &impl Space) {
        let mut search = Walker {
            distance: |other| space.between(node, other),
        };
        let wish = WalkWish {
            count: REPAIR_COUNT,
            effort: usize::MAX,
        };
        let Some(entry) = search.descend(self, level) else {
            return;
        };
        if self.level(entry.node) < level {
            return;
        }
        let mut found = search.walk(self, level, &[entry], wish, |other| other != node);
        found.retain(|near| near.node != node);
        self.connect(node, level, &found, space);
    }

    /// Where searches begin once this node is gone: at one of its highest links, or at the highest node that there is.
    fn next_entry(&self, node: u32) -> Option<u32> {
        let levels = (1..=self.level(node)).rev();
        let mut linked = levels.filter_map(|level| {
            let links = self.links(node, level).iter().copied();
            links.max_by_key(|link| self.level(*link))
        });
        let all = || (0..self.len() as u32).filter(|other| *other != node);
        linked
            .next()
            .or_else(|| all().max_by_key(|other| self.level(*other)))
    }
}
