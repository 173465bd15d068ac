//! A list: one listpack while it is small, a chain of nodes when it grows.
//!
//! The encodings and the points where one turns into the other are those of
//! Redis 7.4, `OBJECT ENCODING` included. An element is always read in place.

mod chain;
mod node;

use crate::types::listpack::Listpack;
use crate::types::{Limits, Piece, TypeRef};
use chain::Chain;
use node::Room;
pub use node::{ListNode, NodeRef};

/// Elements in the order of their places.
#[derive(Clone, Debug)]
pub struct List {
    shape: ListShape,
}

#[derive(Clone, Debug)]
enum ListShape {
    Packed(Listpack),
    Chain(Box<Chain>),
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    pub fn new() -> Self {
        Self::from_listpack(Listpack::new())
    }

    /// A list of these elements. Where they are too many for one listpack,
    /// the next edit that grows the list turns it into a chain.
    pub fn from_listpack(pack: Listpack) -> Self {
        Self {
            shape: ListShape::Packed(pack),
        }
    }

    /// A list of these nodes, from a file. A single small one is a listpack.
    pub fn from_nodes(nodes: impl IntoIterator<Item = ListNode>, limits: &Limits) -> Self {
        let room = Room::new(limits.list_size);
        let mut chain = Chain::new(room);
        for node in nodes {
            if !node.is_empty() {
                chain.push_node(node);
            }
        }
        let shape = match chain.packed_within(&room) {
            Some(pack) => ListShape::Packed(pack),
            None => ListShape::Chain(Box::new(chain)),
        };
        Self { shape }
    }

    pub fn len(&self) -> usize {
        match &self.shape {
            ListShape::Packed(pack) => pack.len(),
            ListShape::Chain(chain) => chain.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The nodes in order, for who saves the list: a small one is one node.
    pub fn nodes(&self) -> impl Iterator<Item = NodeRef<'_>> {
        let (one, many) = match &self.shape {
            ListShape::Packed(pack) => (Some(NodeRef::Packed(pack)), None),
            ListShape::Chain(chain) => (None, Some(chain.nodes().map(ListNode::view))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    pub fn push_front(&mut self, elem: &[u8], limits: &Limits) {
        match self.room_for(elem, limits) {
            ListShape::Packed(pack) => pack.push_front(elem),
            ListShape::Chain(chain) => chain.push_front(elem),
        }
    }

    pub fn push_back(&mut self, elem: &[u8], limits: &Limits) {
        match self.room_for(elem, limits) {
            ListShape::Packed(pack) => pack.push_back(elem),
            ListShape::Chain(chain) => chain.push_back(elem),
        }
    }

    pub fn front(&self) -> Option<Piece<'_>> {
        self.iter_from(0, false).next()
    }

    pub fn back(&self) -> Option<Piece<'_>> {
        self.iter_from(self.len().checked_sub(1)?, true).next()
    }

    pub fn pop_front(&mut self) -> Option<Vec<u8>> {
        let elem = self.front()?.to_vec();
        self.drop_front(1);
        Some(elem)
    }

    pub fn pop_back(&mut self) -> Option<Vec<u8>> {
        let elem = self.back()?.to_vec();
        self.drop_back(1);
        Some(elem)
    }

    /// Removes the first `count` elements, or all: one move of bytes however
    /// many they are. Who pops many reads them first, with `iter_from`.
    pub fn drop_front(&mut self, count: usize) {
        match &mut self.shape {
            ListShape::Packed(pack) => remove(pack, 0, count),
            ListShape::Chain(chain) => chain.drop_front(count),
        }
        self.settle();
    }

    /// Removes the last `count` elements, or all.
    pub fn drop_back(&mut self, count: usize) {
        match &mut self.shape {
            ListShape::Packed(pack) => {
                let len = pack.len();
                remove(pack, len.saturating_sub(count), count);
            }
            ListShape::Chain(chain) => chain.drop_back(count),
        }
        self.settle();
    }

    /// Keeps the elements from `start` to `stop`, both included.
    pub fn trim(&mut self, start: usize, stop: usize) {
        let len = self.len();
        if start > stop || start >= len {
            return self.drop_front(len);
        }
        // Both cuts before settling: the list is judged by what remains.
        let back = len - 1 - stop.min(len - 1);
        match &mut self.shape {
            ListShape::Packed(pack) => {
                remove(pack, len - back, back);
                remove(pack, 0, start);
            }
            ListShape::Chain(chain) => {
                chain.drop_back(back);
                chain.drop_front(start);
            }
        }
        self.settle();
    }

    /// The element at `index`; below zero it counts from the end.
    pub fn get(&self, index: i64) -> Option<Piece<'_>> {
        self.iter_from(self.place(index)?, false).next()
    }

    /// The elements from `index` on, to the end or back to the start.
    pub fn iter_from(&self, index: usize, reverse: bool) -> ListIter<'_> {
        let (at, offset) = match &self.shape {
            ListShape::Packed(_) => (0, index),
            ListShape::Chain(chain) => chain.locate(index).unwrap_or((usize::MAX, 0)),
        };
        let node = self.node(at);
        ListIter {
            list: self,
            at,
            node,
            cursor: node.and_then(|node| node.seek(offset)),
            reverse,
        }
    }

    /// Replaces the element at `index`. False where there is none.
    pub fn set(&mut self, index: i64, elem: &[u8], limits: &Limits) -> bool {
        let Some(index) = self.place(index) else {
            return false;
        };
        match self.room_for(elem, limits) {
            ListShape::Packed(pack) => {
                let cursor = pack.seek(index).expect("a place in the list");
                pack.replace(cursor, elem);
            }
            ListShape::Chain(chain) => chain.set(index, elem),
        }
        self.settle();
        true
    }

    /// Puts `elem` beside the first element equal to `pivot`. False where
    /// there is no such element.
    pub fn insert(&mut self, pivot: &[u8], before: bool, elem: &[u8], limits: &Limits) -> bool {
        let Some(index) = self.iter_from(0, false).position(|piece| piece.is(pivot)) else {
            return false;
        };
        let index = index + usize::from(!before);
        match self.room_for(elem, limits) {
            ListShape::Packed(pack) => match pack.seek(index) {
                Some(cursor) => pack.insert(cursor, elem),
                None => pack.push_back(elem),
            },
            ListShape::Chain(chain) => chain.insert(index, elem),
        }
        true
    }

    /// Removes elements equal to `elem`: `count` of them from the front, or
    /// from the back where it is below zero, or all where it is zero.
    pub fn remove(&mut self, count: i64, elem: &[u8]) -> usize {
        let reverse = count < 0;
        let count = match usize::try_from(count.unsigned_abs()) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(count) => count,
        };
        let removed = match &mut self.shape {
            ListShape::Packed(pack) => node::remove_equal(pack, elem, count, reverse),
            ListShape::Chain(chain) => chain.remove_equal(elem, count, reverse),
        };
        if removed > 0 {
            self.settle();
        }
        removed
    }

    fn place(&self, index: i64) -> Option<usize> {
        let len = self.len();
        let index = if index < 0 {
            len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?
        } else {
            usize::try_from(index).ok()?
        };
        (index < len).then_some(index)
    }

    fn node(&self, at: usize) -> Option<NodeRef<'_>> {
        match &self.shape {
            ListShape::Packed(pack) => (at == 0).then_some(NodeRef::Packed(pack)),
            ListShape::Chain(chain) => chain.node(at).map(ListNode::view),
        }
    }

    /// The shape which `elem` is going into: a chain, where the listpack would
    /// grow past the limits.
    fn room_for(&mut self, elem: &[u8], limits: &Limits) -> &mut ListShape {
        let room = Room::new(limits.list_size);
        match &mut self.shape {
            ListShape::Packed(pack) => {
                if !room.holds(pack.as_bytes().len() + elem.len(), pack.len() + 1) {
                    let mut chain = Box::new(Chain::new(room));
                    let pack = std::mem::take(pack);
                    if !pack.is_empty() {
                        chain.push_node(ListNode::packed(pack));
                    }
                    self.shape = ListShape::Chain(chain);
                }
            }
            ListShape::Chain(chain) => chain.set_room(room),
        }
        &mut self.shape
    }

    /// After an edit that may have made the list smaller.
    fn settle(&mut self) {
        if let ListShape::Chain(chain) = &mut self.shape
            && let Some(pack) = chain.shrunk()
        {
            self.shape = ListShape::Packed(pack);
        }
    }
}

fn remove(pack: &mut Listpack, offset: usize, count: usize) {
    if let Some(cursor) = pack.seek(offset) {
        pack.remove_many(cursor, count);
    }
}

/// Elements in one direction. See [`List::iter_from`].
#[derive(Clone, Debug)]
pub struct ListIter<'a> {
    list: &'a List,
    at: usize,
    node: Option<NodeRef<'a>>,
    /// The next element, in the node.
    cursor: Option<usize>,
    reverse: bool,
}

impl<'a> Iterator for ListIter<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let (node, cursor) = (self.node?, self.cursor?);
        self.cursor = if self.reverse {
            node.prev(cursor)
        } else {
            node.next(cursor)
        };
        if self.cursor.is_none() {
            self.at = if self.reverse {
                self.at.wrapping_sub(1)
            } else {
                self.at + 1
            };
            self.node = self.list.node(self.at);
            self.cursor = self.node.and_then(|node| {
                if self.reverse {
                    node.last()
                } else {
                    node.first()
                }
            });
        }
        Some(node.get(cursor))
    }
}

impl<'a> TypeRef<'a> for &'a List {
    type Whole = List;

    #[inline]
    fn see(list: &'a List) -> Self {
        list
    }

    fn encoding(self) -> &'static str {
        match &self.shape {
            ListShape::Packed(_) => "listpack",
            ListShape::Chain(_) => "quicklist",
        }
    }

    /// O(1).
    fn heap_bytes(self) -> usize {
        match &self.shape {
            ListShape::Packed(pack) => pack.heap_bytes(),
            ListShape::Chain(chain) => size_of::<Chain>() + chain.heap_bytes(),
        }
    }

    fn detached(self) -> List {
        self.clone()
    }

    /// A list frees by the node; most nodes hold more than 64 elements, and a large element alone is one.
    fn free_effort(self) -> usize {
        self.len() / 64
    }

    fn holds_nothing(self) -> bool {
        self.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    fn limits(list_size: i64) -> Limits {
        Limits {
            list_size,
            ..Limits::default()
        }
    }

    fn texts(list: &List) -> Vec<Vec<u8>> {
        list.iter_from(0, false)
            .map(|piece| piece.to_vec())
            .collect()
    }

    fn list_of(elems: &[&str], limits: &Limits) -> List {
        let mut list = List::new();
        for elem in elems {
            list.push_back(elem.as_bytes(), limits);
        }
        list
    }

    fn same(list: &List, model: &VecDeque<Vec<u8>>) {
        assert_eq!(list.len(), model.len());
        assert!(texts(list).iter().eq(model));
        if let Some(last) = list.len().checked_sub(1) {
            let back = list.iter_from(last, true).map(|piece| piece.to_vec());
            assert!(back.eq(model.iter().rev().cloned()));
        }
        let nodes: usize = list.nodes().map(|node| node.len()).sum();
        assert_eq!(nodes, list.len());
        if let ListShape::Chain(chain) = &list.shape {
            assert!(chain.nodes().all(|node| node.len() == node.view().len()));
            assert!(chain.nodes().all(|node| !node.is_empty()), "an empty node");
            let summed: usize = chain.nodes().map(ListNode::heap_bytes).sum();
            assert!(chain.heap_bytes() >= summed);
        }
    }

    fn any_elem(chance: &mut fastrand::Rng) -> Vec<u8> {
        match chance.u8(..) {
            0..=1 => vec![b'x'; chance.usize(4_000..10_000)],
            2..=60 => vec![b'a' + chance.u8(0..26); chance.usize(0..300)],
            61..=120 => chance.i64(..).to_string().into_bytes(),
            _ => chance.u8(0..40).to_string().into_bytes(),
        }
    }

    fn remove_from(model: &mut VecDeque<Vec<u8>>, count: i64, elem: &[u8]) -> usize {
        let mut found: Vec<_> = (0..model.len()).filter(|&at| model[at] == elem).collect();
        if count < 0 {
            found.reverse();
        }
        if count != 0 {
            found.truncate(count.unsigned_abs() as usize);
        }
        found.sort_unstable();
        for at in found.iter().rev() {
            model.remove(*at);
        }
        found.len()
    }

    #[test]
    fn agrees_with_a_deque() {
        for (seed, list_size) in [-2, -1, 1, 3, 128, 0, -9].into_iter().enumerate() {
            let mut chance = fastrand::Rng::with_seed(seed as u64);
            let limits = limits(list_size);
            let mut list = List::new();
            let mut model: VecDeque<Vec<u8>> = VecDeque::new();
            for step in 0..6_000 {
                let len = model.len();
                let elem = any_elem(&mut chance);
                // Long stretches of growing and of shrinking.
                let shrinking = step / 1_000 % 2 == 1;
                match chance.u8(0..if shrinking { 16 } else { 12 }) {
                    0..=3 => {
                        list.push_back(&elem, &limits);
                        model.push_back(elem);
                    }
                    4..=6 => {
                        list.push_front(&elem, &limits);
                        model.push_front(elem);
                    }
                    7 => assert_eq!(list.pop_front(), model.pop_front()),
                    8 => assert_eq!(list.pop_back(), model.pop_back()),
                    9 => {
                        let index = chance.usize(0..len + 2);
                        let told = if index < len && chance.bool() {
                            index as i64 - len as i64
                        } else {
                            index as i64
                        };
                        assert_eq!(list.set(told, &elem, &limits), index < len);
                        if let Some(place) = model.get_mut(index) {
                            place.clone_from(&elem);
                        }
                    }
                    10 => {
                        let pivot = any_elem(&mut chance);
                        let before = chance.bool();
                        let found = model.iter().position(|one| *one == pivot);
                        assert_eq!(list.insert(&pivot, before, &elem, &limits), found.is_some());
                        if let Some(at) = found {
                            model.insert(at + usize::from(!before), elem);
                        }
                    }
                    11 => {
                        let count = chance.i64(-3..4);
                        let removed = remove_from(&mut model, count, &elem);
                        assert_eq!(list.remove(count, &elem), removed);
                    }
                    12 if len > 0 => {
                        let (start, stop) =
                            (chance.usize(0..10), len - chance.usize(0..10).min(len));
                        list.trim(start, stop);
                        let kept = if start > stop {
                            VecDeque::new()
                        } else {
                            let kept = model.into_iter().skip(start).take(stop - start + 1);
                            kept.collect()
                        };
                        model = kept;
                    }
                    _ => {
                        let count = chance.usize(0..8);
                        list.drop_front(count);
                        list.drop_back(1);
                        model.drain(..count.min(len));
                        model.pop_back();
                    }
                }
                if step % 50 == 0 {
                    same(&list, &model);
                    let index = chance.i64(-60..60);
                    let told = if index < 0 {
                        model.len().checked_sub(index.unsigned_abs() as usize)
                    } else {
                        Some(index as usize)
                    };
                    let told = told.and_then(|index| model.get(index).cloned());
                    assert_eq!(list.get(index).map(|piece| piece.to_vec()), told);
                }
            }
            same(&list, &model);
            let clone = list.clone();
            list.trim(1, 0);
            assert!(list.is_empty() && list.encoding() == "listpack");
            same(&clone, &model);
        }
    }

    #[test]
    fn entries_limit_the_listpack_and_half_of_them_bring_it_back() {
        let limits = limits(4);
        let mut list = list_of(&["a", "b", "c", "d"], &limits);
        assert_eq!(list.encoding(), "listpack");
        list.push_back(b"e", &limits);
        assert_eq!(list.encoding(), "quicklist");
        assert_eq!(list.nodes().count(), 2);
        list.pop_back();
        list.pop_back();
        assert_eq!((list.len(), list.encoding()), (3, "quicklist"));
        list.pop_back();
        assert_eq!((list.len(), list.encoding()), (2, "listpack"));
    }

    #[test]
    fn a_large_element_stands_alone() {
        let limits = limits(-2);
        let large = vec![b'x'; 9_000];
        let mut list = list_of(&["a"], &limits);
        list.push_back(&large, &limits);
        list.push_back(b"b", &limits);
        assert_eq!(list.encoding(), "quicklist");
        let plain: Vec<_> = list
            .nodes()
            .map(|n| matches!(n, NodeRef::Plain(_)))
            .collect();
        assert_eq!(plain, [false, true, false]);
        assert_eq!(list.remove(0, &large), 1);
        assert_eq!(texts(&list), [b"a", b"b"]);
        assert!(list.set(0, &large, &limits));
        assert_eq!(list.get(0).map(|piece| piece.to_vec()), Some(large));
        assert!(list.set(0, b"c", &limits));
        assert_eq!(texts(&list), [b"c", b"b"]);
    }

    #[test]
    fn nodes_from_a_file_make_the_list_they_were() {
        let limits = limits(3);
        let list = list_of(&["a", "1", "b", "2", "c", "-3", "d"], &limits);
        let nodes = list.nodes().map(|node| match node {
            NodeRef::Packed(pack) => ListNode::packed(pack.clone()),
            NodeRef::Plain(elem) => ListNode::plain(elem.into()),
        });
        let read = List::from_nodes(nodes, &limits);
        assert_eq!((texts(&read), read.encoding()), (texts(&list), "quicklist"));
        let mut pack = Listpack::new();
        pack.push_back(b"a");
        let small = List::from_nodes([ListNode::packed(pack)], &limits);
        assert_eq!((small.len(), small.encoding()), (1, "listpack"));
        assert!(List::from_nodes([], &limits).is_empty());
    }
}
