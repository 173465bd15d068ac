//! Linking a new node with those around it, and those around a node that goes with each other.

use hashbrown::HashSet;

use super::search::Seen;
use super::{Graph, Near, Space, WalkWish, Walker};

/// Where a node that goes leaves others without links, so many nodes are looked at to find new ones.
const REPAIR_COUNT: usize = 100;
/// The nearest of these are found.
const NEAREST: WalkWish = WalkWish {
    count: REPAIR_COUNT,
    effort: usize::MAX,
};
/// A node is compared with so many others, at most, to see whether it leads elsewhere: nodes may have thousands of links.
const COMPARED: usize = 64;
/// Of so many links, from the farthest on, one is sought that can be spared.
const SPARE_SOUGHT: usize = 8;
/// At one insert so many nodes that are full may give up a link: more would cost a distance for each of their links.
const DISPLACING_MAX: usize = 64;
/// Of a node that is to give up a link so many links are measured, at most.
const MEASURED_MAX: usize = 128;
/// Neighbours of a node that goes are linked with one of so many others, which keeps the work linear.
const REPAIR_WINDOW: usize = 64;
/// About so many links are followed to see whether a node hangs together with those around it.
const FOLLOWED_MAX: usize = 1024;
/// Where one of many may do, so many are measured at once.
const ASKED_AT_ONCE: usize = 8;
/// So many islands are linked with what is nearest to them, and others with the one before.
const ISLANDS_WALKED_MAX: usize = 10_000;

/// Where a node is to stand: its level, and what is around it there and on those below, from the highest on.
pub struct NodePlace {
    level: usize,
    around: Vec<Around>,
}

/// Nodes that were found near one on a level, from the nearest on, and in the order in which they are to be linked.
struct Around {
    found: Vec<Near>,
    chosen: Vec<Near>,
}

impl NodePlace {
    /// The nodes that were found near it on level 0, from the nearest on.
    pub fn nearest(&self) -> &[Near] {
        self.around.last().map_or(&[], |around| &around.found)
    }
}

impl Graph {
    /// Adds a node on this level and those below, linked with the best of so many nodes around it. Its number is the next one,
    /// under which the space knows it already.
    pub fn insert(&mut self, level: usize, count: usize, space: &impl Space) -> u32 {
        let node = self.len() as u32;
        let place = self.place(&[(node, level)], count, space);
        self.insert_at(&place, space)
    }

    /// Seeks the place of the last of these nodes, each with its level, which are about to be added one after another: among so
    /// many nodes of the graph around it, and the others of these. The space knows them all already.
    pub fn place(&self, fresh: &[(u32, usize)], count: usize, space: &impl Space) -> NodePlace {
        let (&(node, level), others) = fresh.split_last().expect("there is one to be placed");
        let mut search = around(node, space);
        let wish = WalkWish {
            count,
            effort: usize::MAX,
        };
        let (nodes, levels): (Vec<u32>, Vec<usize>) = others.iter().copied().unzip();
        let mut beside: Vec<(Near, usize)> =
            search.all_near(&nodes).into_iter().zip(levels).collect();
        beside.sort_unstable();
        let mut from: Vec<Near> = search.descend(self, level).into_iter().collect();
        let mut around = Vec::with_capacity(level + 1);
        for level in (0..=level).rev() {
            if level <= self.top() && !from.is_empty() {
                from = search.walk(self, level, &from, wish, |_| true);
            }
            let mut found = match level <= self.top() {
                true => from.clone(),
                false => Vec::new(),
            };
            let beside = beside.iter().filter(|(_, own)| *own >= level);
            found.extend(beside.take(count).map(|(near, _)| *near));
            found.sort_unstable();
            found.truncate(count);
            let chosen = self.diverse(&found, self.links, space);
            around.push(Around { found, chosen });
        }
        NodePlace { level, around }
    }

    /// Adds a node where a place was found for it. What was to be added before it has been.
    pub fn insert_at(&mut self, place: &NodePlace, space: &impl Space) -> u32 {
        let is_highest = self
            .entry
            .is_none_or(|entry| place.level > self.level(entry));
        let node = self.table.push(place.level);
        let levels = (0..=place.level).rev();
        for (level, around) in levels.zip(&place.around) {
            self.connect_with(node, level, around, space);
        }
        if is_highest {
            self.entry = Some(node);
        }
        node
    }

    /// Links a node with some of those that were found near it, which are sorted.
    fn connect(&mut self, node: u32, level: usize, found: Vec<Near>, space: &impl Space) {
        let chosen = self.diverse(&found, self.links, space);
        self.connect_with(node, level, &Around { found, chosen }, space);
    }

    fn connect_with(&mut self, node: u32, level: usize, around: &Around, space: &impl Space) {
        let wanted = self.links;
        let mut displacing = 0;
        for near in &around.chosen {
            if self.links(node, level).len() >= wanted {
                break;
            }
            displacing += usize::from(self.is_full(near.node, level));
            if displacing <= DISPLACING_MAX || !self.is_full(near.node, level) {
                self.link(node, *near, level, self.links / 2, space);
            }
        }
        // All of them have enough links already: some give one up, and keep others.
        let least = self.links.div_ceil(4).min(DISPLACING_MAX);
        for near in &around.found {
            if self.links(node, level).len() >= least {
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
        let mut compared: Vec<u32> = Vec::new();
        for near in rest.by_ref() {
            if any_nearer(near.node, &compared, near.distance, space) {
                others.push(*near);
            } else {
                chosen.push(*near);
                compared.extend((compared.len() < COMPARED).then_some(near.node));
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
        if self.is_full(to.node, level) {
            let mut links = self.some_measured(to.node, node, level, space);
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
    /// between the second and another: nothing is cut off, and neither of them has more links than before. Whether that could be.
    fn yield_link(&mut self, node: u32, to: Near, level: usize, space: &impl Space) -> bool {
        if self.is_full(to.node, level) {
            let links = self.some_measured(to.node, node, level, space);
            let own = self.links(node, level);
            let has_room = own.len() + 2 <= self.links_max(level);
            let between = links.iter().filter(|link| !own.contains(&link.node)).max();
            let between = between.map(|link| link.node).filter(|_| has_room);
            match (self.spare(to.node, links, level, space), between) {
                (Some(spare), _) => self.part(to.node, spare, level),
                (None, Some(other)) => {
                    self.part(to.node, other, level);
                    self.join(node, other, level);
                }
                (None, None) => return false,
            }
        }
        self.join(node, to.node, level);
        true
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
        if links.len() > SPARE_SOUGHT {
            links.select_nth_unstable_by(SPARE_SOUGHT - 1, |one, other| other.cmp(one));
            links.truncate(SPARE_SOUGHT);
        }
        links.sort_unstable();
        let own = self.links(node, level);
        let mut spare = None;
        for link in links.iter().rev() {
            let others = self.links(link.node, level).iter().take(COMPARED).copied();
            let common: Vec<u32> = others.filter(|other| own.contains(other)).collect();
            if common.is_empty() {
                continue;
            }
            if any_nearer(link.node, &common, link.distance, space) {
                return Some(link.node);
            }
            spare = spare.or(Some(link.node));
        }
        spare
    }

    /// Some of a node's links with their distances; where it has many, others for the sake of another node.
    fn some_measured(&self, node: u32, sake: u32, level: usize, space: &impl Space) -> Vec<Near> {
        let links = self.links(node, level);
        let from = sake as usize % links.len().max(1);
        let turned = links[from..].iter().chain(&links[..from]);
        measured(node, turned.take(MEASURED_MAX), space)
    }

    /// Takes a node out of the reach of the others, which are linked with each other in its place.
    pub fn unlink(&mut self, node: u32, space: &impl Space) {
        if self.entry == Some(node) {
            self.entry = self.next_entry(node);
        }
        for level in (0..=self.level(node)).rev() {
            let mut around = measured(node, self.links(node, level), space);
            around.sort_unstable();
            for near in &around {
                self.part(node, near.node, level);
            }
            // From the nearest on they are made to hang together, each with one before it: then no island stays.
            let mut together = Seen::new(self.len());
            for at in 0..around.len() {
                self.mend(&around, at, &together, level, space);
                together.mark(around[at].node);
            }
        }
    }

    /// Gives a node that lost a link another one, to one of those that lost one as well. Those before it hang together.
    fn mend(
        &mut self,
        around: &[Near],
        at: usize,
        together: &Seen,
        level: usize,
        space: &impl Space,
    ) {
        let node = around[at].node;
        if at > 0 && !self.is_near_any(node, together, level) {
            let before = &around[at.saturating_sub(REPAIR_WINDOW)..at];
            let mut before = measured(node, before.iter().map(|near| &near.node), space);
            before.sort_unstable();
            return self.attach(node, &before, level, space);
        }
        if !self.is_full(node, level) {
            let from = at.saturating_sub(REPAIR_WINDOW / 2);
            let others = around[from..].iter().take(REPAIR_WINDOW);
            let open = others.map(|near| &near.node);
            let open = open.filter(|other| **other != node && !self.is_full(**other, level));
            let mut open = measured(node, open, space);
            open.sort_unstable();
            let links = self.links(node, level);
            let mut fresh = open.iter().filter(|near| !links.contains(&near.node));
            if let Some(nearest) = fresh.next() {
                self.join(node, nearest.node, level);
            }
        }
        if self.links(node, level).is_empty() {
            self.reconnect(node, level, space);
        }
    }

    /// Whether one of these nodes is found by following a node's links, not too many.
    fn is_near_any(&self, node: u32, these: &Seen, level: usize) -> bool {
        let mut seen: HashSet<u32> = HashSet::from([node]);
        let mut queue = vec![node];
        let (mut at, mut followed) = (0, 0);
        while at < queue.len() && followed < FOLLOWED_MAX {
            let links = self.links(queue[at], level);
            if links.iter().any(|link| these.has(*link)) {
                return true;
            }
            let fresh = links.iter().filter(|link| seen.insert(**link));
            queue.extend(fresh.take(FOLLOWED_MAX));
            (at, followed) = (at + 1, followed + links.len());
        }
        false
    }

    /// Links a node with one of these, with none of which it is linked: the nearest, and they are sorted, that has room.
    fn attach(&mut self, node: u32, to: &[Near], level: usize, space: &impl Space) {
        if self.is_full(node, level) {
            let links = self.some_measured(node, node, level, space);
            if let Some(spare) = self.spare(node, links, level, space) {
                self.part(node, spare, level);
            }
        }
        if let Some(open) = to.iter().find(|near| !self.is_full(near.node, level)) {
            return self.join(node, open.node, level);
        }
        let nearest = &to[..to.len().min(SPARE_SOUGHT)];
        if nearest
            .iter()
            .any(|near| self.yield_link(node, *near, level, space))
        {
            return;
        }
        let mut search = around(node, space);
        let wish = WalkWish {
            count: 1,
            effort: REPAIR_COUNT,
        };
        let open = search.walk(self, level, nearest, wish, |other| {
            other != node
                && !self.is_full(other, level)
                && !self.links(node, level).contains(&other)
        });
        // If none has room, a link more than a node should have is better than an island.
        if let Some(near) = open.first().or(to.first()) {
            self.join(node, near.node, level);
        }
    }

    /// Finds links for a node that has none left.
    fn reconnect(&mut self, node: u32, level: usize, space: &impl Space) {
        let mut search = Walker {
            measure: |nodes: &[u32], near: &mut Vec<Near>| {
                let from = near.len();
                space.measure(node, nodes, near);
                // It leads nowhere itself, though it may stand on the way.
                let own = near[from..].iter_mut().filter(|near| near.node == node);
                own.for_each(|near| near.distance = f32::INFINITY);
            },
        };
        let reached = search.descend(self, level);
        let leads_on = |near: &Near| near.node != node && self.level(near.node) >= level;
        let Some(from) = reached
            .filter(leads_on)
            .or_else(|| self.any_linked(level).map(|other| search.near(other)))
        else {
            return;
        };
        let mut found = search.walk(self, level, &[from], NEAREST, |other| other != node);
        found.retain(|near| near.node != node);
        self.connect(node, level, found, space);
    }

    /// A node that has links on this level.
    fn any_linked(&self, level: usize) -> Option<u32> {
        let mut nodes = 0..self.len() as u32;
        nodes.find(|node| !self.links(*node, level).is_empty())
    }

    /// Links those nodes with the others that no search finds, since no links lead to them on level 0.
    pub fn join_islands(&mut self, space: &impl Space) {
        let Some(entry) = self.entry else { return };
        let mut reached = Seen::new(self.len());
        self.mark_reached(entry, &mut reached);
        let (mut before, mut islands) = (entry, 0);
        for node in 0..self.len() as u32 {
            if reached.has(node) {
                continue;
            }
            let mut search = around(node, space);
            islands += 1;
            let found = if islands > ISLANDS_WALKED_MAX {
                vec![search.near(before)]
            } else {
                let from = search.descend(self, 0);
                let from = from.filter(|near| reached.has(near.node));
                let from = from.unwrap_or_else(|| search.near(entry));
                search.walk(self, 0, &[from], NEAREST, |_| true)
            };
            match self.links(node, 0).is_empty() {
                true => self.connect(node, 0, found, space),
                false => self.attach(node, &found, 0, space),
            }
            self.mark_reached(node, &mut reached);
            before = node;
        }
    }

    /// Marks a node and all that are found by following links on level 0 from there.
    fn mark_reached(&self, node: u32, reached: &mut Seen) {
        reached.mark(node);
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            let fresh = self
                .links(node, 0)
                .iter()
                .filter(|link| reached.mark(**link));
            open.extend(fresh);
        }
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

/// A search for what is near a node.
fn around<S: Space>(node: u32, space: &S) -> Walker<impl FnMut(&[u32], &mut Vec<Near>)> {
    Walker {
        measure: move |nodes: &[u32], near: &mut Vec<Near>| space.measure(node, nodes, near),
    }
}

/// Whether one of these is nearer to a node than a distance. They are looked at in parts.
fn any_nearer(node: u32, others: &[u32], distance: f32, space: &impl Space) -> bool {
    let mut near = Vec::with_capacity(ASKED_AT_ONCE);
    others.chunks(ASKED_AT_ONCE).any(|part| {
        near.clear();
        space.measure(node, part, &mut near);
        near.iter().any(|near| near.distance < distance)
    })
}

/// Nodes with their distances from one.
fn measured<'a>(
    from: u32,
    nodes: impl IntoIterator<Item = &'a u32>,
    space: &impl Space,
) -> Vec<Near> {
    let nodes: Vec<u32> = nodes.into_iter().copied().collect();
    around(from, space).all_near(&nodes)
}
