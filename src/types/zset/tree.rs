//! The order of a sorted set: a counted B+-tree of (score, position).
//!
//! A position names a member in the table beside the tree, so no member is
//! copied here; who needs the order among equal scores asks the table, in the
//! `before` that he brings. Twelve bytes an item in leaves that ascending or
//! descending inserts fill to the brim, and every node counts what is below it:
//! insert, remove, rank and "the item at this rank" all cost O(log N).

pub use super::node::Item;
use super::node::{Inner, Leaf, TreeNode, total};
use std::ops::Range;
use triomphe::Arc;

/// All items, in the order that `before` gave each time one was inserted.
#[derive(Clone, Debug)]
pub struct Tree {
    root: TreeNode,
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
        let root = TreeNode::Leaf(Arc::default());
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
                TreeNode::Leaf(leaf) => return rank + leaf.slot(&before),
                TreeNode::Inner(inner) => {
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
            let mut above = Inner::new();
            let old = std::mem::replace(&mut self.root, TreeNode::Leaf(Arc::default()));
            above.put(0, old);
            let above = TreeNode::Inner(Arc::new(above));
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
        if let TreeNode::Inner(inner) = &mut self.root
            && inner.children.len() == 1
        {
            let only = Arc::make_mut(inner).children.remove(0);
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
                TreeNode::Leaf(leaf) => {
                    Arc::make_mut(leaf).positions[rank] = position;
                    return;
                }
                TreeNode::Inner(inner) => {
                    let (slot, below) = inner.child_at(rank);
                    let inner = Arc::make_mut(inner);
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
    pub fn iter(&self, ranks: Range<usize>) -> TreeIter<'_> {
        assert!(ranks.end <= self.len, "{ranks:?} of {} items", self.len);
        TreeIter {
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
                TreeNode::Leaf(leaf) => return (leaf, rank),
                TreeNode::Inner(inner) => {
                    let (slot, below) = inner.child_at(rank);
                    rank = below;
                    node = &inner.children[slot];
                }
            }
        }
    }
}

/// Items of a range of ranks. See [`Tree::iter`].
#[derive(Clone, Debug)]
pub struct TreeIter<'a> {
    tree: &'a Tree,
    ranks: Range<usize>,
    /// The leaf read last, and the rank of its first item.
    leaf: Option<(&'a Leaf, usize)>,
}

impl TreeIter<'_> {
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

impl Iterator for TreeIter<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let rank = self.ranks.next()?;
        Some(self.read(rank))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl DoubleEndedIterator for TreeIter<'_> {
    fn next_back(&mut self) -> Option<Item> {
        let rank = self.ranks.next_back()?;
        Some(self.read(rank))
    }
}

impl ExactSizeIterator for TreeIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Checks counts, firsts, depths and fill of everything below, and
    /// returns (depth, items, bytes).
    fn check(node: &TreeNode, root: bool) -> (usize, usize, usize) {
        match node {
            TreeNode::Leaf(leaf) => {
                assert!(root || leaf.len > 0, "an empty leaf");
                (0, leaf.len, node.own_bytes())
            }
            TreeNode::Inner(inner) => {
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
