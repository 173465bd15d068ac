//! The nodes of a long list, each up to the size that `list-max-listpack-size`
//! allows: both ends cost O(1), an index costs a walk over node lengths.

use super::node::{ListNode, Room};
use crate::types::listpack::Listpack;
use crate::util::thread;
use std::collections::VecDeque;

/// A list in nodes. The only ways to change one are `add`, `edit` and `take`,
/// which keep the sums right.
#[derive(Clone, Debug)]
pub struct Chain {
    nodes: VecDeque<ListNode>,
    /// Elements of all nodes.
    len: usize,
    /// Heap bytes of all nodes: asked after every edit, so never summed up.
    bytes: usize,
    /// As the last writer had it: an element is removed under the same limits.
    room: Room,
}

impl Drop for Chain {
    fn drop(&mut self) {
        thread::drop_each(self.nodes.drain(..));
    }
}

impl Chain {
    pub fn new(room: Room) -> Self {
        Self {
            nodes: VecDeque::new(),
            len: 0,
            bytes: 0,
            room,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn heap_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<ListNode>() + self.bytes
    }

    pub fn node(&self, at: usize) -> Option<&ListNode> {
        self.nodes.get(at)
    }

    pub fn nodes(&self) -> impl Iterator<Item = &ListNode> {
        self.nodes.iter()
    }

    pub fn set_room(&mut self, room: Room) {
        self.room = room;
    }

    pub fn push_front(&mut self, elem: &[u8]) {
        if self.node_takes(0, elem) {
            self.edit(0, |node| node.push_front(elem));
        } else {
            self.fill(0);
            self.add(0, ListNode::of(elem, &self.room));
        }
    }

    pub fn push_back(&mut self, elem: &[u8]) {
        let end = self.nodes.len();
        if end > 0 && self.node_takes(end - 1, elem) {
            self.edit(end - 1, |node| node.push_back(elem));
        } else {
            self.fill(end.wrapping_sub(1));
            self.add(end, ListNode::of(elem, &self.room));
        }
    }

    /// A node at an end is full: what it kept for growth is given back.
    fn fill(&mut self, at: usize) {
        if at < self.nodes.len() {
            self.edit(at, ListNode::shrink);
        }
    }

    /// Puts a whole node at the end.
    pub fn push_node(&mut self, node: ListNode) {
        self.add(self.nodes.len(), node);
    }

    /// The node that holds the element at `index`, and its offset there.
    pub fn locate(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index < self.len / 2 {
            let mut left = index;
            for (at, node) in self.nodes.iter().enumerate() {
                if left < node.len() {
                    return Some((at, left));
                }
                left -= node.len();
            }
        }
        let mut start = self.len;
        for (at, node) in self.nodes.iter().enumerate().rev() {
            start -= node.len();
            if start <= index {
                return Some((at, index - start));
            }
        }
        unreachable!("a list counted more elements than its nodes hold");
    }

    /// Puts `elem` in front of the element at `index`, or at the end.
    pub fn insert(&mut self, index: usize, elem: &[u8]) {
        let Some((at, offset)) = self.locate(index) else {
            return self.push_back(elem);
        };
        if self.node_takes(at, elem) {
            return self.edit(at, |node| node.insert(offset, elem));
        }
        // The new element goes to a border between nodes: the one in front of
        // this node, or one cut through it.
        let border = if offset == 0 {
            at
        } else {
            let mut back = None;
            self.edit(at, |node| back = Some(node.split(offset)));
            self.add(at + 1, back.expect("a split leaves a back"));
            at + 1
        };
        if border > 0 && self.node_takes(border - 1, elem) {
            self.edit(border - 1, |node| node.push_back(elem));
        } else if self.node_takes(border, elem) {
            self.edit(border, |node| node.push_front(elem));
        } else {
            self.add(border, ListNode::of(elem, &self.room));
        }
    }

    /// Replaces the element at `index`, which is in the list.
    pub fn set(&mut self, index: usize, elem: &[u8]) {
        let (at, offset) = self.locate(index).expect("an index in the list");
        if self.nodes[at].takes_instead(elem, &self.room) {
            self.edit(at, |node| node.replace(offset, elem));
        } else {
            self.edit(at, |node| node.remove(offset, 1));
            self.tidy(at);
            self.insert(index, elem);
        }
    }

    pub fn drop_front(&mut self, count: usize) {
        let mut left = count.min(self.len);
        while left > 0 {
            let node_len = self.nodes[0].len();
            if node_len <= left {
                self.take(0);
                left -= node_len;
            } else {
                self.edit(0, |node| node.remove(0, left));
                left = 0;
            }
        }
    }

    pub fn drop_back(&mut self, count: usize) {
        let mut left = count.min(self.len);
        while left > 0 {
            let last = self.nodes.len() - 1;
            let node_len = self.nodes[last].len();
            if node_len <= left {
                self.take(last);
                left -= node_len;
            } else {
                self.edit(last, |node| node.remove(node_len - left, left));
                left = 0;
            }
        }
    }

    /// Removes up to `count` elements equal to `elem`. Returns how many.
    pub fn remove_equal(&mut self, elem: &[u8], count: usize, reverse: bool) -> usize {
        let mut removed = 0;
        let mut left_nodes = self.nodes.len();
        let mut at = if reverse { left_nodes } else { 0 };
        while left_nodes > 0 && removed < count {
            left_nodes -= 1;
            at -= usize::from(reverse);
            let before = self.nodes.len();
            let mut found = 0;
            self.edit(at, |node| {
                found = node.remove_equal(elem, count - removed, reverse);
            });
            removed += found;
            if found > 0 {
                self.tidy(at);
            }
            // Forwards, a node that went leaves the next one in its place.
            let went = before - self.nodes.len();
            at += usize::from(!reverse).saturating_sub(went);
        }
        removed
    }

    /// The only node's listpack, once it is well within what one may hold.
    pub fn shrunk(&mut self) -> Option<Listpack> {
        self.packed_within(&self.room.half())
    }

    /// The whole list as one listpack, where it is no more than that.
    pub fn packed_within(&mut self, room: &Room) -> Option<Listpack> {
        match self.nodes.front() {
            None => Some(Listpack::new()),
            Some(node) if self.nodes.len() == 1 && node.fits_alone(room) => {
                self.take(0).into_packed()
            }
            Some(_) => None,
        }
    }

    /// After removals: an empty node goes, a small one joins the one before.
    fn tidy(&mut self, at: usize) {
        if self.nodes[at].is_empty() {
            self.take(at);
        } else if at > 0 && self.nodes[at - 1].takes_all_of(&self.nodes[at], &self.room) {
            let node = self.take(at);
            self.edit(at - 1, |previous| previous.append(&node));
        }
    }

    fn node_takes(&self, at: usize, elem: &[u8]) -> bool {
        self.nodes
            .get(at)
            .is_some_and(|node| node.takes(elem, &self.room))
    }

    fn add(&mut self, at: usize, node: ListNode) {
        self.len += node.len();
        self.bytes += node.heap_bytes();
        self.nodes.insert(at, node);
    }

    fn edit(&mut self, at: usize, edit: impl FnOnce(&mut ListNode)) {
        let node = &mut self.nodes[at];
        self.len -= node.len();
        self.bytes -= node.heap_bytes();
        edit(node);
        self.len += node.len();
        self.bytes += node.heap_bytes();
    }

    fn take(&mut self, at: usize) -> ListNode {
        let node = self.nodes.remove(at).expect("a node of the list");
        self.len -= node.len();
        self.bytes -= node.heap_bytes();
        node
    }
}
