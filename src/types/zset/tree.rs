//! The order of a sorted set: a counted B+-tree of (score, position).
//!
//! A position names a member in the table beside the tree, so no member is
//! copied here; who needs the order among equal scores asks the table, in the
//! `before` that he brings. Twelve bytes an item in leaves that ascending or
//! descending inserts fill to the brim, and every node counts what is below it:
//! insert, remove, rank and "the item at this rank" all cost O(log N).

use std::ops::Range;

/// Fills an allocation of 1 KiB: 84 scores, 84 positions and the length.
const LEAF_MAX: usize = 84;

/// Sixteen bytes a child are searched on the way down, so 1 KiB of them.
const FAN_MAX: usize = 64;

/// One element of the order: its score, and where its member stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    pub score: f64,
    pub position: u32,
}

/// All items, in the order that `before` gave each time one was inserted.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Node,
    len: usize,
    /// Bytes of all nodes, kept as they come and go: asked after every edit.
    bytes: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    pub fn new() -> Self {
        let root = Node::Leaf(Box::default());
        let bytes = root.own_bytes();
        Self {
            root,
            len: 0,
            bytes,
        }
    }

    /// Bytes on the heap. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.bytes
    }

    /// How many items `before` holds for. They must be the first ones; if they
    /// are not, the answer is some rank of the set, and nothing breaks.
    pub fn partition_point(&self, before: impl Fn(Item) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return rank + leaf.slot(&before),
                Node::Inner(inner) => {
                    let slot = inner.slot(&before);
                    rank += total(&inner.counts[..slot]);
                    node = &inner.children[slot];
                }
            }
        }
    }

    /// Puts `item` behind every item that `before` holds for.
    pub fn insert(&mut self, item: Item, before: impl Fn(Item) -> bool) {
        if self.root.is_full() {
            // A new root above the old one: the only way to grow in height.
            let mut above = Box::new(Inner::new());
            let old = std::mem::replace(&mut self.root, Node::Leaf(Box::default()));
            above.put(0, old);
            let above = Node::Inner(above);
            self.bytes += above.own_bytes();
            self.root = above;
        }
        self.bytes += self.root.insert(item, &before);
        self.len += 1;
    }

    /// Takes out the item at `rank`, which must be below `len`.
    pub fn remove_at(&mut self, rank: usize) -> Item {
        assert!(rank < self.len, "rank {rank} of {} items", self.len);
        let (item, freed) = self.root.remove_at(rank);
        self.bytes -= freed;
        self.len -= 1;
        if let Node::Inner(inner) = &mut self.root
            && inner.children.len() == 1
        {
            let only = inner.children.remove(0);
            self.bytes -= self.root.own_bytes();
            self.root = only;
        }
        item
    }

    /// Says that the member of the item at `rank` now stands at `position`.
    pub fn set_position(&mut self, rank: usize, position: u32) {
        let mut rank = rank;
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Leaf(leaf) => {
                    leaf.positions[rank] = position;
                    return;
                }
                Node::Inner(inner) => {
                    let (slot, below) = inner.child_at(rank);
                    if below == 0 {
                        inner.positions[slot] = position;
                    }
                    rank = below;
                    node = &mut inner.children[slot];
                }
            }
        }
    }

    /// The items of these ranks, from either end. Finding the next leaf is a
    /// walk from the root, paid once for some sixty items.
    pub fn iter(&self, ranks: Range<usize>) -> Iter<'_> {
        assert!(ranks.end <= self.len, "{ranks:?} of {} items", self.len);
        Iter {
            tree: self,
            ranks,
            leaf: None,
        }
    }

    fn leaf_of(&self, rank: usize) -> (&Leaf, usize) {
        assert!(rank < self.len, "rank {rank} of {} items", self.len);
        let mut rank = rank;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, rank),
                Node::Inner(inner) => {
                    let (slot, below) = inner.child_at(rank);
                    rank = below;
                    node = &inner.children[slot];
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
/// Items of a range of ranks. See [`Tree::iter`].
pub struct Iter<'a> {
    tree: &'a Tree,
    ranks: Range<usize>,
    /// The leaf read last, and the rank of its first item.
    leaf: Option<(&'a Leaf, usize)>,
}

impl Iter<'_> {
    fn read(&mut self, rank: usize) -> Item {
        if let Some((leaf, start)) = self.leaf
            && (start..start + leaf.len).contains(&rank)
        {
            return leaf.at(rank - start);
        }
        let (leaf, slot) = self.tree.leaf_of(rank);
        self.leaf = Some((leaf, rank - slot));
        leaf.at(slot)
    }
}

impl Iterator for Iter<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let rank = self.ranks.next()?;
        Some(self.read(rank))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Item> {
        let rank = self.ranks.next_back()?;
        Some(self.read(rank))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// All leaves stand at the same depth, and siblings are of one kind.
#[derive(Clone, Debug)]
enum Node {
    Leaf(Box<Leaf>),
    Inner(Box<Inner>),
}

/// Items in two columns. Never empty, unless it is the root of an empty tree.
#[derive(Clone, Debug)]
struct Leaf {
    len: usize,
    scores: [f64; LEAF_MAX],
    positions: [u32; LEAF_MAX],
}

/// Children, and for each its first item and how many items it holds. Never
/// fewer than two children at rest.
#[derive(Clone, Debug)]
struct Inner {
    scores: [f64; FAN_MAX],
    positions: [u32; FAN_MAX],
    counts: [u32; FAN_MAX],
    children: Vec<Node>,
}

impl Node {
    fn own_bytes(&self) -> usize {
        match self {
            Node::Leaf(_) => size_of::<Leaf>(),
            Node::Inner(_) => size_of::<Inner>() + FAN_MAX * size_of::<Node>(),
        }
    }

    fn sibling(&self) -> Node {
        match self {
            Node::Leaf(_) => Node::Leaf(Box::default()),
            Node::Inner(_) => Node::Inner(Box::new(Inner::new())),
        }
    }

    /// Items of a leaf, children of an inner node.
    fn slots(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len,
            Node::Inner(inner) => inner.children.len(),
        }
    }

    fn slots_max(&self) -> usize {
        match self {
            Node::Leaf(_) => LEAF_MAX,
            Node::Inner(_) => FAN_MAX,
        }
    }

    fn is_full(&self) -> bool {
        self.slots() == self.slots_max()
    }

    /// Whether a full neighbour gains enough by handing items over.
    fn has_room(&self) -> bool {
        self.slots() <= self.slots_max() / 4 * 3
    }

    fn is_sparse(&self) -> bool {
        self.slots() < self.slots_max() / 3
    }

    fn first(&self) -> Item {
        match self {
            Node::Leaf(leaf) => leaf.at(0),
            Node::Inner(inner) => inner.first_of(0),
        }
    }

    fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len,
            Node::Inner(inner) => total(&inner.counts[..inner.children.len()]),
        }
    }

    fn slot(&self, before: &impl Fn(Item) -> bool) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.slot(before),
            Node::Inner(inner) => inner.slot(before),
        }
    }

    /// Inserts below a node that is not full. Returns the bytes of new nodes.
    fn insert(&mut self, item: Item, before: &impl Fn(Item) -> bool) -> usize {
        match self {
            Node::Leaf(leaf) => {
                leaf.put(leaf.slot(before), item);
                0
            }
            Node::Inner(inner) => inner.insert(item, before),
        }
    }

    /// Returns the item and the bytes of the nodes that went.
    fn remove_at(&mut self, rank: usize) -> (Item, usize) {
        match self {
            Node::Leaf(leaf) => (leaf.take(rank), 0),
            Node::Inner(inner) => inner.remove_at(rank),
        }
    }

    /// Moves the border to the next sibling so that this node has `keep` of
    /// the slots of both. Splits, merges and evens out, all three.
    fn move_border(&mut self, next: &mut Node, keep: usize) {
        match (self, next) {
            (Node::Leaf(leaf), Node::Leaf(next)) => leaf.move_border(next, keep),
            (Node::Inner(inner), Node::Inner(next)) => inner.move_border(next, keep),
            _ => unreachable!("siblings stand at one depth"),
        }
    }
}

impl Default for Leaf {
    fn default() -> Self {
        Self {
            len: 0,
            scores: [0.0; LEAF_MAX],
            positions: [0; LEAF_MAX],
        }
    }
}

impl Leaf {
    fn at(&self, slot: usize) -> Item {
        debug_assert!(slot < self.len);
        Item {
            score: self.scores[slot],
            position: self.positions[slot],
        }
    }

    fn slot(&self, before: &impl Fn(Item) -> bool) -> usize {
        partition(
            &self.scores[..self.len],
            &self.positions[..self.len],
            before,
        )
    }

    fn put(&mut self, slot: usize, item: Item) {
        put(&mut self.scores, self.len, slot, item.score);
        put(&mut self.positions, self.len, slot, item.position);
        self.len += 1;
    }

    fn take(&mut self, slot: usize) -> Item {
        let item = self.at(slot);
        self.scores.copy_within(slot + 1..self.len, slot);
        self.positions.copy_within(slot + 1..self.len, slot);
        self.len -= 1;
        item
    }

    fn move_border(&mut self, next: &mut Leaf, keep: usize) {
        let lens = (self.len, next.len);
        move_border(&mut self.scores, &mut next.scores, lens, keep);
        move_border(&mut self.positions, &mut next.positions, lens, keep);
        next.len = self.len + next.len - keep;
        self.len = keep;
    }
}

impl Inner {
    fn new() -> Self {
        Self {
            scores: [0.0; FAN_MAX],
            positions: [0; FAN_MAX],
            counts: [0; FAN_MAX],
            children: Vec::with_capacity(FAN_MAX),
        }
    }

    fn first_of(&self, slot: usize) -> Item {
        Item {
            score: self.scores[slot],
            position: self.positions[slot],
        }
    }

    /// The child where the items that `before` holds for end.
    fn slot(&self, before: &impl Fn(Item) -> bool) -> usize {
        let len = self.children.len();
        partition(&self.scores[..len], &self.positions[..len], before).saturating_sub(1)
    }

    /// The child that holds `rank`, and the rank within it.
    fn child_at(&self, rank: usize) -> (usize, usize) {
        let mut below = rank;
        for (slot, &count) in self.counts[..self.children.len()].iter().enumerate() {
            if below < count as usize {
                return (slot, below);
            }
            below -= count as usize;
        }
        unreachable!("a parent counted more items than its children hold");
    }

    fn put(&mut self, slot: usize, node: Node) {
        let len = self.children.len();
        let first = node.first();
        put(&mut self.scores, len, slot, first.score);
        put(&mut self.positions, len, slot, first.position);
        put(&mut self.counts, len, slot, small(node.count()));
        self.children.insert(slot, node);
    }

    fn take(&mut self, slot: usize) -> Node {
        let len = self.children.len();
        self.scores.copy_within(slot + 1..len, slot);
        self.positions.copy_within(slot + 1..len, slot);
        self.counts.copy_within(slot + 1..len, slot);
        self.children.remove(slot)
    }

    fn see_first(&mut self, slot: usize) {
        let first = self.children[slot].first();
        self.scores[slot] = first.score;
        self.positions[slot] = first.position;
    }

    fn insert(&mut self, item: Item, before: &impl Fn(Item) -> bool) -> usize {
        let mut grown = 0;
        let mut slot = self.slot(before);
        if self.children[slot].is_full() {
            grown = self.make_room(slot, before);
            slot = self.slot(before);
        }
        grown += self.children[slot].insert(item, before);
        self.counts[slot] += 1;
        self.see_first(slot);
        grown
    }

    /// Makes a full child less full: with the help of a sibling, or by a split.
    fn make_room(&mut self, slot: usize, before: &impl Fn(Item) -> bool) -> usize {
        if slot > 0 && self.children[slot - 1].has_room() {
            self.even_out(slot - 1);
            return 0;
        }
        if slot + 1 < self.children.len() && self.children[slot + 1].has_room() {
            self.even_out(slot);
            return 0;
        }
        let child = &mut self.children[slot];
        // Who inserts at an end will probably go on there: leave the items
        // behind him in a full node, so that sorted input packs the leaves.
        let keep = match child.slot(before) {
            0 => 2,
            at if at + 1 >= child.slots() => child.slots() - 2,
            _ => child.slots() / 2,
        };
        let mut next = child.sibling();
        child.move_border(&mut next, keep);
        let grown = next.own_bytes();
        self.counts[slot] = small(child.count());
        self.put(slot + 1, next);
        grown
    }

    fn remove_at(&mut self, rank: usize) -> (Item, usize) {
        let (slot, below) = self.child_at(rank);
        let (item, mut freed) = self.children[slot].remove_at(below);
        self.counts[slot] -= 1;
        if self.children[slot].is_sparse() {
            freed += self.mend(slot);
        } else if below == 0 {
            self.see_first(slot);
        }
        (item, freed)
    }

    /// Joins a sparse child with a sibling, or evens the two out.
    fn mend(&mut self, slot: usize) -> usize {
        let slot = slot.saturating_sub(1);
        let both = self.children[slot].slots() + self.children[slot + 1].slots();
        // Joined nodes get some room, or the next insert would split them again.
        if both > self.children[slot].slots_max() / 4 * 3 {
            self.even_out(slot);
            return 0;
        }
        let mut next = self.take(slot + 1);
        let child = &mut self.children[slot];
        child.move_border(&mut next, both);
        self.counts[slot] = small(child.count());
        self.see_first(slot);
        next.own_bytes()
    }

    /// Gives a child and the one behind it the same number of slots.
    fn even_out(&mut self, slot: usize) {
        let (front, back) = self.children.split_at_mut(slot + 1);
        let (child, next) = (&mut front[slot], &mut back[0]);
        let keep = (child.slots() + next.slots()) / 2;
        child.move_border(next, keep);
        self.counts[slot] = small(child.count());
        self.counts[slot + 1] = small(next.count());
        self.see_first(slot);
        self.see_first(slot + 1);
    }

    fn move_border(&mut self, next: &mut Inner, keep: usize) {
        let lens = (self.children.len(), next.children.len());
        move_border(&mut self.scores, &mut next.scores, lens, keep);
        move_border(&mut self.positions, &mut next.positions, lens, keep);
        move_border(&mut self.counts, &mut next.counts, lens, keep);
        if keep < lens.0 {
            next.children.splice(..0, self.children.drain(keep..));
        } else {
            self.children.extend(next.children.drain(..keep - lens.0));
        }
    }
}

/// Counts fit: a position is a `u32`, so there are no more items than that.
fn small(count: usize) -> u32 {
    u32::try_from(count).expect("more items than positions")
}

fn total(counts: &[u32]) -> usize {
    counts.iter().map(|&count| count as usize).sum()
}

fn partition(scores: &[f64], positions: &[u32], before: &impl Fn(Item) -> bool) -> usize {
    let (mut low, mut high) = (0, scores.len());
    while low < high {
        let middle = (low + high) / 2;
        let item = Item {
            score: scores[middle],
            position: positions[middle],
        };
        if before(item) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn put<T: Copy>(column: &mut [T], len: usize, slot: usize, value: T) {
    column.copy_within(slot..len, slot + 1);
    column[slot] = value;
}

fn move_border<T: Copy>(left: &mut [T], right: &mut [T], lens: (usize, usize), keep: usize) {
    let (left_len, right_len) = lens;
    if keep < left_len {
        let moved = left_len - keep;
        right.copy_within(..right_len, moved);
        right[..moved].copy_from_slice(&left[keep..left_len]);
    } else {
        let moved = keep - left_len;
        left[left_len..keep].copy_from_slice(&right[..moved]);
        right.copy_within(moved..right_len, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Checks counts, firsts, depths and fill of everything below, and
    /// returns (depth, items, bytes).
    fn check(node: &Node, root: bool) -> (usize, usize, usize) {
        match node {
            Node::Leaf(leaf) => {
                assert!(root || leaf.len > 0, "an empty leaf");
                (0, leaf.len, node.own_bytes())
            }
            Node::Inner(inner) => {
                assert!(inner.children.len() >= 2, "an only child");
                let (mut items, mut bytes, mut depths) = (0, node.own_bytes(), BTreeSet::new());
                for (slot, child) in inner.children.iter().enumerate() {
                    let (depth, below, child_bytes) = check(child, false);
                    assert_eq!(inner.counts[slot] as usize, below);
                    assert_eq!(inner.first_of(slot), child.first());
                    depths.insert(depth);
                    items += below;
                    bytes += child_bytes;
                }
                assert_eq!(depths.len(), 1, "leaves at different depths");
                (depths.pop_first().unwrap() + 1, items, bytes)
            }
        }
    }

    fn check_tree(tree: &Tree) {
        let (_, items, bytes) = check(&tree.root, true);
        assert_eq!(tree.len, items);
        assert_eq!(tree.heap_bytes(), bytes);
    }

    /// Positions double as names here: order by score, then by name.
    fn behind(score: i64, name: u32) -> impl Fn(Item) -> bool {
        move |item| (item.score as i64, item.position) < (score, name)
    }

    fn add(tree: &mut Tree, score: i64, name: u32) {
        let item = Item {
            score: score as f64,
            position: name,
        };
        tree.insert(item, behind(score, name));
    }

    fn same(tree: &Tree, model: &BTreeSet<(i64, u32)>) {
        check_tree(tree);
        let seen: Vec<_> = tree.iter(0..tree.len).collect();
        let told: Vec<_> = model.iter().copied().collect();
        let seen: Vec<_> = seen.iter().map(|i| (i.score as i64, i.position)).collect();
        assert_eq!(seen, told);
        let back: Vec<_> = tree.iter(0..tree.len).rev().map(|i| i.position).collect();
        assert!(back.iter().eq(told.iter().rev().map(|(_, name)| name)));
        for (rank, &(score, name)) in told.iter().enumerate().step_by(7) {
            assert_eq!(tree.partition_point(behind(score, name)), rank);
            assert_eq!(tree.iter(rank..rank + 1).next().unwrap().position, name);
        }
    }

    #[test]
    fn agrees_with_an_ordered_set() {
        let mut chance = fastrand::Rng::with_seed(7);
        for spread in [1, 50, 1_000_000] {
            let mut tree = Tree::new();
            let mut model = BTreeSet::new();
            // Grow, hover, shrink to nothing: every split and every merge.
            for (steps, grow) in [(100_000, 0.9), (60_000, 0.5), (300_000, 0.1)] {
                for _ in 0..steps {
                    if chance.f64() < grow {
                        let (score, name) = (chance.i64(0..spread), chance.u32(..));
                        if model.insert((score, name)) {
                            add(&mut tree, score, name);
                        }
                    } else if tree.len > 0 {
                        let rank = chance.usize(0..tree.len);
                        let item = tree.remove_at(rank);
                        assert!(model.remove(&(item.score as i64, item.position)));
                    }
                }
                same(&tree, &model);
            }
            assert!(tree.len < 100);
        }
    }

    #[test]
    fn sorted_input_fills_the_leaves() {
        let (mut up, mut down, mut any) = (Tree::new(), Tree::new(), Tree::new());
        let mut chance = fastrand::Rng::with_seed(3);
        let count = 100_000;
        for step in 0..count {
            add(&mut up, step.into(), step);
            add(&mut down, -i64::from(step), step);
            add(&mut any, chance.i64(..1 << 50), step);
        }
        for (tree, bytes_max) in [(&up, 13.2), (&down, 13.2), (&any, 17.0)] {
            check_tree(tree);
            let bytes = tree.heap_bytes() as f64 / f64::from(count);
            assert!(bytes < bytes_max, "{bytes} bytes an item");
        }
    }

    #[test]
    fn a_position_follows_its_member() {
        let mut tree = Tree::new();
        for step in 0..10_000 {
            add(&mut tree, step, 0);
        }
        for rank in 0..10_000 {
            tree.set_position(rank, rank as u32 + 1);
        }
        check_tree(&tree);
        assert!(tree.iter(0..10_000).map(|i| i.position).eq(1..=10_000));
    }

    #[test]
    fn partitions_of_nonsense_stay_within() {
        let mut tree = Tree::new();
        assert_eq!(tree.partition_point(|_| true), 0);
        for step in 0..5_000 {
            add(&mut tree, step, step as u32);
        }
        for modulus in 2..50 {
            assert!(tree.partition_point(|item| item.position % modulus == 0) <= 5_000);
        }
    }
}
