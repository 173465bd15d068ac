//! The nodes of the tree: leaves of items, and inner nodes that count them.
//!
//! A split, a merge and an exchange between siblings are all one act: moving
//! the border between them. Parents know each child's first item and number of
//! items, and put them right on the way back from every edit. Copies share
//! nodes; an edit copies those on its way.

use triomphe::Arc;

use crate::util::thread;

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

/// All leaves stand at the same depth, and siblings are of one kind.
#[derive(Clone, Debug)]
pub enum TreeNode {
    Leaf(Arc<Leaf>),
    Inner(Arc<Inner>),
}

/// Items in two columns. Never empty, unless it is the root of an empty tree.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub len: usize,
    scores: [f64; LEAF_MAX],
    pub positions: [u32; LEAF_MAX],
}

/// Children, and for each its first item and how many items it holds. Never
/// fewer than two children at rest.
#[derive(Clone, Debug)]
pub struct Inner {
    scores: [f64; FAN_MAX],
    pub positions: [u32; FAN_MAX],
    pub counts: [u32; FAN_MAX],
    pub children: Vec<TreeNode>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        thread::drop_each(self.children.drain(..));
    }
}

impl TreeNode {
    pub fn own_bytes(&self) -> usize {
        match self {
            TreeNode::Leaf(_) => size_of::<Leaf>(),
            TreeNode::Inner(_) => size_of::<Inner>() + FAN_MAX * size_of::<TreeNode>(),
        }
    }

    fn sibling(&self) -> TreeNode {
        match self {
            TreeNode::Leaf(_) => TreeNode::Leaf(Arc::default()),
            TreeNode::Inner(_) => TreeNode::Inner(Arc::new(Inner::new())),
        }
    }

    /// Items of a leaf, children of an inner node.
    fn slots(&self) -> usize {
        match self {
            TreeNode::Leaf(leaf) => leaf.len,
            TreeNode::Inner(inner) => inner.children.len(),
        }
    }

    fn slots_max(&self) -> usize {
        match self {
            TreeNode::Leaf(_) => LEAF_MAX,
            TreeNode::Inner(_) => FAN_MAX,
        }
    }

    pub fn is_full(&self) -> bool {
        self.slots() == self.slots_max()
    }

    /// Whether a full neighbour gains enough by handing items over.
    fn has_room(&self) -> bool {
        self.slots() <= self.slots_max() / 4 * 3
    }

    fn is_sparse(&self) -> bool {
        self.slots() < self.slots_max() / 3
    }

    pub fn first(&self) -> Item {
        match self {
            TreeNode::Leaf(leaf) => leaf.at(0),
            TreeNode::Inner(inner) => inner.first_of(0),
        }
    }

    fn count(&self) -> usize {
        match self {
            TreeNode::Leaf(leaf) => leaf.len,
            TreeNode::Inner(inner) => total(&inner.counts[..inner.children.len()]),
        }
    }

    pub fn slot(&self, before: &impl Fn(Item) -> bool) -> usize {
        match self {
            TreeNode::Leaf(leaf) => leaf.slot(before),
            TreeNode::Inner(inner) => inner.slot(before),
        }
    }

    /// Inserts below a node that is not full. Returns the bytes of new nodes.
    pub fn insert(&mut self, item: Item, before: &impl Fn(Item) -> bool) -> usize {
        match self {
            TreeNode::Leaf(leaf) => {
                let slot = leaf.slot(before);
                Arc::make_mut(leaf).put(slot, item);
                0
            }
            TreeNode::Inner(inner) => Arc::make_mut(inner).insert(item, before),
        }
    }

    /// Returns the item and the bytes of the nodes that went.
    pub fn remove_at(&mut self, rank: usize) -> (Item, usize) {
        match self {
            TreeNode::Leaf(leaf) => (Arc::make_mut(leaf).take(rank), 0),
            TreeNode::Inner(inner) => Arc::make_mut(inner).remove_at(rank),
        }
    }

    /// Moves the border to the next sibling so that this node has `keep` of
    /// the slots of both. Splits, merges and evens out, all three.
    fn move_border(&mut self, next: &mut TreeNode, keep: usize) {
        match (self, next) {
            (TreeNode::Leaf(leaf), TreeNode::Leaf(next)) => {
                Arc::make_mut(leaf).move_border(Arc::make_mut(next), keep);
            }
            (TreeNode::Inner(inner), TreeNode::Inner(next)) => {
                Arc::make_mut(inner).move_border(Arc::make_mut(next), keep);
            }
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
    pub fn at(&self, slot: usize) -> Item {
        debug_assert!(slot < self.len);
        Item {
            score: self.scores[slot],
            position: self.positions[slot],
        }
    }

    pub fn slot(&self, before: &impl Fn(Item) -> bool) -> usize {
        partition(
            &self.scores[..self.len],
            &self.positions[..self.len],
            before,
        )
    }

    pub fn put(&mut self, slot: usize, item: Item) {
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
    pub fn new() -> Self {
        Self {
            scores: [0.0; FAN_MAX],
            positions: [0; FAN_MAX],
            counts: [0; FAN_MAX],
            children: Vec::with_capacity(FAN_MAX),
        }
    }

    pub fn first_of(&self, slot: usize) -> Item {
        Item {
            score: self.scores[slot],
            position: self.positions[slot],
        }
    }

    /// The child where the items that `before` holds for end.
    pub fn slot(&self, before: &impl Fn(Item) -> bool) -> usize {
        let len = self.children.len();
        partition(&self.scores[..len], &self.positions[..len], before).saturating_sub(1)
    }

    /// The child that holds `rank`, and the rank within it.
    pub fn child_at(&self, rank: usize) -> (usize, usize) {
        let mut below = rank;
        for (slot, &count) in self.counts[..self.children.len()].iter().enumerate() {
            if below < count as usize {
                return (slot, below);
            }
            below -= count as usize;
        }
        unreachable!("a parent counted more items than its children hold");
    }

    pub fn put(&mut self, slot: usize, node: TreeNode) {
        let len = self.children.len();
        let first = node.first();
        put(&mut self.scores, len, slot, first.score);
        put(&mut self.positions, len, slot, first.position);
        put(&mut self.counts, len, slot, small(node.count()));
        self.children.insert(slot, node);
    }

    fn take(&mut self, slot: usize) -> TreeNode {
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

    pub fn insert(&mut self, item: Item, before: &impl Fn(Item) -> bool) -> usize {
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

    pub fn remove_at(&mut self, rank: usize) -> (Item, usize) {
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

pub fn total(counts: &[u32]) -> usize {
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
