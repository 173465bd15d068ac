//! Things in the order of their ids, in blocks that copies share.
//!
//! A copy counts up one reference for each block, so that a snapshot can take a stream of millions of
//! entries in a moment; whoever edits a shared block copies that block alone.

use std::collections::VecDeque;
use std::sync::Arc;

use super::id::Id;
use crate::util::thread;

/// Something with an id.
pub trait Placed: Clone {
    /// Items of one block. A block is copied whole when it is shared, and shifted when an item goes.
    const BLOCK_MAX: usize;

    fn id(&self) -> Id;
}

impl Placed for Id {
    const BLOCK_MAX: usize = 256;

    fn id(&self) -> Id {
        *self
    }
}

/// Where an item stands, until the next change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    block: usize,
    item: usize,
}

#[derive(Clone, Debug)]
pub struct Shelf<T> {
    /// Ids grow from block to block and inside each. Never holds an empty block.
    blocks: VecDeque<Arc<VecDeque<T>>>,
    len: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf {
            blocks: VecDeque::new(),
            len: 0,
        }
    }
}

impl<T> Drop for Shelf<T> {
    fn drop(&mut self) {
        thread::drop_each(self.blocks.drain(..));
    }
}

impl<T: Placed> Shelf<T> {
    /// Neighbours that hold no more than this together become one block.
    const JOIN_MAX: usize = T::BLOCK_MAX / 2;

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many blocks there are: what a copy costs.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Bytes on the heap, not counting what items own themselves.
    pub fn heap_bytes(&self) -> usize {
        let block = size_of::<Arc<VecDeque<T>>>() + size_of::<VecDeque<T>>() + 16;
        // All but the last block are full or nearly so.
        let items = self
            .blocks
            .back()
            .map_or(0, |last| self.len - last.len() + last.capacity());
        self.blocks.len() * block + items * size_of::<T>()
    }

    pub fn first(&self) -> Option<&T> {
        self.blocks.front().and_then(|block| block.front())
    }

    pub fn last(&self) -> Option<&T> {
        self.blocks.back().and_then(|block| block.back())
    }

    #[inline]
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.blocks
            .back_mut()
            .and_then(|block| Arc::make_mut(block).back_mut())
    }

    /// Where the first item stands.
    pub fn start(&self) -> Spot {
        Spot { block: 0, item: 0 }
    }

    /// Behind the last item.
    pub fn end(&self) -> Spot {
        Spot {
            block: self.blocks.len(),
            item: 0,
        }
    }

    /// The first item whose id isn't below this one; the end if there is none.
    pub fn seek(&self, id: Id) -> Spot {
        let ends_below = |block: &Arc<VecDeque<T>>| block.back().is_some_and(|last| last.id() < id);
        let block = self.blocks.partition_point(ends_below);
        let item = self
            .blocks
            .get(block)
            .map_or(0, |block| block.partition_point(|item| item.id() < id));
        Spot { block, item }
    }

    pub fn at(&self, spot: Spot) -> Option<&T> {
        self.blocks
            .get(spot.block)
            .and_then(|block| block.get(spot.item))
    }

    pub fn at_mut(&mut self, spot: Spot) -> Option<&mut T> {
        self.blocks
            .get_mut(spot.block)
            .and_then(|block| Arc::make_mut(block).get_mut(spot.item))
    }

    /// Where this id stands, if it does.
    pub fn find(&self, id: Id) -> Option<Spot> {
        let spot = self.seek(id);
        self.at(spot)
            .is_some_and(|item| item.id() == id)
            .then_some(spot)
    }

    pub fn get(&self, id: Id) -> Option<&T> {
        self.find(id).and_then(|spot| self.at(spot))
    }

    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.find(id).and_then(|spot| self.at_mut(spot))
    }

    /// The spot before this one.
    pub fn before(&self, spot: Spot) -> Option<Spot> {
        match spot.item.checked_sub(1) {
            Some(item) => Some(Spot { item, ..spot }),
            None => {
                let block = spot.block.checked_sub(1)?;
                let item = self.blocks[block].len() - 1;
                Some(Spot { block, item })
            }
        }
    }

    /// The item at this spot and those after it.
    pub fn from(&self, spot: Spot) -> impl Iterator<Item = &T> {
        let mut skip = spot.item;
        self.blocks
            .range(spot.block.min(self.blocks.len())..)
            .flat_map(move |block| block.range(std::mem::take(&mut skip)..))
    }

    /// The items before this spot, the nearest first.
    pub fn back_from(&self, spot: Spot) -> impl Iterator<Item = &T> {
        let mut end = Some(spot.item);
        self.blocks
            .range(..(spot.block + 1).min(self.blocks.len()))
            .rev()
            .enumerate()
            .flat_map(move |(at, block)| {
                // Behind the last block there is no item to stop at.
                let to = match end.take() {
                    Some(item) if at == 0 && spot.block < self.blocks.len() => item,
                    _ => block.len(),
                };
                block.range(..to).rev()
            })
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flat_map(|block| block.iter())
    }

    /// Puts an item behind all others.
    pub fn push(&mut self, item: T) {
        debug_assert!(self.last().is_none_or(|last| last.id() < item.id()));
        self.len += 1;
        match self.blocks.back_mut() {
            Some(last) if last.len() < T::BLOCK_MAX => Arc::make_mut(last).push_back(item),
            _ => self.blocks.push_back(Arc::new(VecDeque::from([item]))),
        }
    }

    /// Puts this item behind all others, if there is one.
    pub fn push_some(&mut self, item: Option<T>) {
        if let Some(item) = item {
            self.push(item);
        }
    }

    /// Puts an item at its place; false if its id is taken.
    pub fn insert(&mut self, item: T) -> bool {
        let spot = self.seek(item.id());
        if spot.block == self.blocks.len() {
            self.push(item);
            return true;
        }
        if self.at(spot).is_some_and(|held| held.id() == item.id()) {
            return false;
        }
        self.len += 1;
        let block = Arc::make_mut(&mut self.blocks[spot.block]);
        block.insert(spot.item, item);
        if block.len() > T::BLOCK_MAX {
            let back = block.split_off(block.len() / 2);
            self.blocks.insert(spot.block + 1, Arc::new(back));
        }
        true
    }

    /// Takes out the item at this spot.
    pub fn remove_at(&mut self, spot: Spot) -> Option<T> {
        let block = Arc::make_mut(self.blocks.get_mut(spot.block)?);
        let item = block.remove(spot.item)?;
        self.len -= 1;
        let left = block.len();
        if left == 0 {
            self.blocks.remove(spot.block);
        } else if left <= Self::JOIN_MAX {
            self.join(spot.block);
        }
        Some(item)
    }

    pub fn remove(&mut self, id: Id) -> Option<T> {
        self.find(id).and_then(|spot| self.remove_at(spot))
    }

    /// Puts a small block and the one after it together.
    fn join(&mut self, at: usize) {
        let Some(next) = self.blocks.get(at + 1) else {
            return;
        };
        if self.blocks[at].len() + next.len() > Self::JOIN_MAX {
            return;
        }
        let next = self.blocks.remove(at + 1).expect("it was just looked at");
        let block = Arc::make_mut(&mut self.blocks[at]);
        match Arc::try_unwrap(next) {
            Ok(next) => block.extend(next),
            Err(shared) => block.extend(shared.iter().cloned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_agrees_with_a_set_under_random_edits_and_copies_stay_as_they_were() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut shelf, mut model) = (Shelf::<Id>::default(), BTreeSet::new());
        let mut copies = Vec::new();
        for round in 0..30_000 {
            let id = Id::new(random.u64(0..3000), 0);
            // It grows, and then it shrinks.
            if random.u32(0..100) < if round < 15_000 { 70 } else { 20 } {
                assert_eq!(shelf.insert(id), model.insert(id));
            } else {
                assert_eq!(shelf.remove(id), model.take(&id));
            }
            assert_eq!(shelf.len(), model.len());
            if round % 1000 == 0 {
                copies.push((shelf.clone(), model.clone()));
                let from = shelf.seek(id);
                assert!(shelf.from(from).eq(model.range(id..)));
                assert!(shelf.back_from(from).eq(model.range(..id).rev()));
                let end = shelf.seek(Id::MAX);
                assert!(shelf.back_from(end).eq(model.iter().rev()));
            }
        }
        for (shelf, model) in copies {
            assert!(shelf.iter().eq(model.iter()));
        }
        assert!(shelf.blocks() <= 1 + 2 * shelf.len().div_ceil(Shelf::<Id>::JOIN_MAX / 2));
    }
}
