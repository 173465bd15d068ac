//! A large sorted set: the table of members beside the tree of their order.
//!
//! An item of the tree names its member by its position in the table. When a
//! removal moves the table's last member into the hole, its item follows.

use super::inserted::Inserted;
use super::tree::{Item, Tree, TreeIter};
use crate::types::Piece;
use crate::types::bstr::Bstr;
use crate::types::dense::{Far, Keyed, Shared};
use crate::util::keyhash;
use std::ops::Range;

/// Members, and one item in the tree for each.
#[derive(Clone, Debug, Default)]
pub struct Sorted {
    members: Shared<Member>,
    tree: Tree,
    /// Heap bytes of the names that do not stand in the table itself.
    name_bytes: usize,
}

#[derive(Clone, Debug)]
struct Member {
    name: Bstr,
    score: f64,
}

impl Keyed for Member {
    fn key(&self) -> &[u8] {
        &self.name
    }
}

impl Sorted {
    /// A set of these pairs, which come in order and each once.
    pub fn from_ascending<'a>(pairs: impl Iterator<Item = (Piece<'a>, f64)>) -> Self {
        let mut sorted = Self::default();
        for (name, score) in pairs {
            match name {
                Piece::Bytes(name) => sorted.insert(name, score),
                Piece::Int(int) => sorted.insert(itoa::Buffer::new().format(int).as_bytes(), score),
            };
        }
        sorted
    }

    pub fn frozen(&self) -> Self {
        Self {
            members: self.members.frozen(),
            tree: self.tree.clone(),
            ..*self
        }
    }

    pub fn far(&self, member: &[u8]) -> Option<&dyn Far> {
        self.members.far(member)
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn heap_bytes(&self) -> usize {
        self.members.heap_bytes() + self.tree.heap_bytes() + self.name_bytes
    }

    pub fn score(&self, name: &[u8]) -> Option<f64> {
        let position = self.members.find(keyhash::hash(name), name)?;
        Some(self.members.at(position).score)
    }

    pub fn rank(&self, name: &[u8]) -> Option<usize> {
        self.score(name).map(|score| self.rank_of(score, name))
    }

    pub fn insert(&mut self, name: &[u8], score: f64) -> Inserted {
        let hash = keyhash::hash(name);
        if let Some(position) = self.members.find(hash, name) {
            let old = self.members.at(position).score;
            if old == score {
                return Inserted::Same;
            }
            let item = self.tree.remove_at(self.rank_of(old, name));
            self.members.at_mut(position).score = score;
            self.place(Item { score, ..item }, name);
            return Inserted::Moved;
        }
        let member = Member {
            name: Bstr::new(name),
            score,
        };
        self.name_bytes += member.name.heap_bytes();
        let position = self.members.push(hash, member);
        let position = u32::try_from(position).expect("a table holds no more positions");
        self.place(Item { score, position }, name);
        Inserted::Added
    }

    pub fn remove(&mut self, name: &[u8]) -> bool {
        match self.rank(name) {
            Some(rank) => {
                self.take(rank);
                true
            }
            None => false,
        }
    }

    /// Takes out the member at `rank`, which is below `len`.
    pub fn take(&mut self, rank: usize) -> (Bstr, f64) {
        let item = self.tree.remove_at(rank);
        let last = self.members.len() - 1;
        if item.position as usize != last {
            let moved = self.members.at(last);
            let rank = self.rank_of(moved.score, &moved.name);
            self.tree.set_position(rank, item.position);
        }
        let member = self.members.swap_remove(item.position as usize);
        self.name_bytes -= member.name.heap_bytes();
        (member.name, member.score)
    }

    /// The member at a place of the table.
    pub fn at(&self, place: usize) -> Option<(Piece<'_>, f64)> {
        if place >= self.members.len() {
            return None;
        }
        let member = self.members.at(place);
        Some((Piece::Bytes(&member.name), member.score))
    }

    pub fn iter(&self, ranks: Range<usize>, reverse: bool) -> SortedIter<'_> {
        SortedIter {
            members: &self.members,
            items: self.tree.iter(ranks),
            reverse,
        }
    }

    /// How many members, from the first on, have scores that `before` holds for.
    pub fn partition_by_score(&self, before: impl Fn(f64) -> bool) -> usize {
        self.tree.partition_point(|item| before(item.score))
    }

    /// How many members, from the first on, have names that `before` holds for.
    pub fn partition_by_name(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        self.tree
            .partition_point(|item| before(&self.members.at(item.position as usize).name))
    }

    fn rank_of(&self, score: f64, name: &[u8]) -> usize {
        self.tree
            .partition_point(is_before(&self.members, score, name))
    }

    fn place(&mut self, item: Item, name: &[u8]) {
        self.tree
            .insert(item, is_before(&self.members, item.score, name));
    }
}

/// The order of the set. Names are fetched only where scores are equal.
fn is_before(members: &Shared<Member>, score: f64, name: &[u8]) -> impl Fn(Item) -> bool {
    move |item| {
        item.score < score
            || (item.score == score && *members.at(item.position as usize).name < *name)
    }
}

/// Members in one direction. See [`Sorted::iter`].
#[derive(Clone, Debug)]
pub struct SortedIter<'a> {
    members: &'a Shared<Member>,
    items: TreeIter<'a>,
    reverse: bool,
}

impl<'a> Iterator for SortedIter<'a> {
    type Item = (Piece<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        let item = if self.reverse {
            self.items.next_back()
        } else {
            self.items.next()
        }?;
        let member = self.members.at(item.position as usize);
        Some((Piece::Bytes(&member.name), item.score))
    }
}
