//! A consumer group: how far it has read, and which deliveries wait for their acknowledgement.
//!
//! A pending entry stands twice: in the group's list with its owner, and in the owner's list of ids.
//! The two never disagree, because this file alone changes them.

use super::id::Id;
use super::shelf::{Placed, Shelf};
use crate::types::Bstr;

/// A consumer's number in its group. Numbers of consumers that are gone are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(u32);

/// A delivery that wasn't acknowledged yet.
#[derive(Clone, Debug)]
pub struct Pending {
    pub id: Id,
    pub delivered_ms: i64,
    pub deliveries: u64,
    owner: Owner,
}

impl Placed for Pending {
    const BLOCK_MAX: usize = 256;

    fn id(&self) -> Id {
        self.id
    }
}

impl Pending {
    pub fn owner(&self) -> Owner {
        self.owner
    }

    pub fn idle_ms(&self, now_ms: u64) -> i64 {
        (now_ms as i64).wrapping_sub(self.delivered_ms)
    }
}

#[derive(Clone, Debug)]
pub struct Consumer {
    name: Bstr,
    /// When it last asked for something.
    pub seen_ms: i64,
    /// When it last got something; -1 if it never did.
    pub active_ms: i64,
    pending: Shelf<Id>,
}

impl Consumer {
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Ids of the entries that it was given and has not acknowledged.
    pub fn pending(&self) -> &Shelf<Id> {
        &self.pending
    }
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last entry that was delivered.
    pub last_id: Id,
    /// How many entries of the stream's whole life it has read, if that is known.
    pub entries_read: Option<u64>,
    pending: Shelf<Pending>,
    /// By number.
    consumers: Vec<Option<Consumer>>,
    /// Numbers in the order of names.
    order: Vec<Owner>,
    free: Vec<Owner>,
}

impl Group {
    pub fn new(last_id: Id, entries_read: Option<u64>) -> Self {
        Group {
            last_id,
            entries_read,
            ..Group::default()
        }
    }

    pub fn pending(&self) -> &Shelf<Pending> {
        &self.pending
    }

    pub fn consumer(&self, owner: Owner) -> &Consumer {
        self.consumers[owner.0 as usize]
            .as_ref()
            .expect("numbers are those of consumers that are there")
    }

    pub fn consumer_mut(&mut self, owner: Owner) -> &mut Consumer {
        self.consumers[owner.0 as usize]
            .as_mut()
            .expect("numbers are those of consumers that are there")
    }

    /// Consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.order.iter().map(|owner| self.consumer(*owner))
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.order
            .binary_search_by(|owner| self.consumer(*owner).name().cmp(name))
    }

    pub fn find_consumer(&self, name: &[u8]) -> Option<Owner> {
        self.place(name).ok().map(|at| self.order[at])
    }

    /// The consumer of this name, and whether it was made now.
    pub fn find_or_add_consumer(&mut self, name: &[u8], now_ms: u64) -> (Owner, bool) {
        let at = match self.place(name) {
            Ok(at) => return (self.order[at], false),
            Err(at) => at,
        };
        let consumer = Consumer {
            name: Bstr::new(name),
            seen_ms: now_ms as i64,
            active_ms: -1,
            pending: Shelf::default(),
        };
        let owner = self.free.pop().unwrap_or_else(|| {
            self.consumers.push(None);
            Owner(self.consumers.len() as u32 - 1)
        });
        self.consumers[owner.0 as usize] = Some(consumer);
        self.order.insert(at, owner);
        (owner, true)
    }

    /// Removes a consumer and all that is pending for it: how many entries that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let at = self.place(name).ok()?;
        let owner = self.order.remove(at);
        let consumer = self.consumers[owner.0 as usize].take()?;
        self.free.push(owner);
        for id in consumer.pending.iter() {
            self.pending.remove(*id);
        }
        Some(consumer.pending.len())
    }

    /// Records a delivery to a consumer, whoever had the entry before.
    pub fn deliver(&mut self, id: Id, owner: Owner, now_ms: u64) {
        let delivery = Pending {
            id,
            delivered_ms: now_ms as i64,
            deliveries: 1,
            owner,
        };
        self.put(delivery);
    }

    /// Puts a pending entry, in the place of the one with its id if there is one.
    pub fn put(&mut self, pending: Pending) {
        let (id, owner) = (pending.id, pending.owner);
        if self.pending.last().is_none_or(|last| last.id < id) {
            self.pending.push(pending);
        } else if let Some(held) = self.pending.get_mut(id) {
            let before = std::mem::replace(held, pending).owner;
            if before == owner {
                return;
            }
            self.consumer_mut(before).pending.remove(id);
        } else {
            self.pending.insert(pending);
        }
        self.consumer_mut(owner).pending.insert(id);
    }

    /// A pending entry of this consumer, as a file tells of it.
    pub fn record(id: Id, owner: Owner, delivered_ms: i64, deliveries: u64) -> Pending {
        Pending {
            id,
            delivered_ms,
            deliveries,
            owner,
        }
    }

    /// Says that a pending entry was delivered to its owner once more.
    pub fn redeliver(&mut self, id: Id, now_ms: u64) {
        if let Some(pending) = self.pending.get_mut(id) {
            pending.delivered_ms = now_ms as i64;
            pending.deliveries = pending.deliveries.wrapping_add(1);
        }
    }

    /// Forgets a pending entry; false if there is none.
    pub fn acknowledge(&mut self, id: Id) -> bool {
        let Some(pending) = self.pending.remove(id) else {
            return false;
        };
        self.consumer_mut(pending.owner).pending.remove(id);
        true
    }

    /// The pending entries from this id on.
    pub fn pending_from(&self, id: Id) -> impl Iterator<Item = &Pending> {
        self.pending.from(self.pending.seek(id))
    }

    pub fn heap_bytes(&self) -> usize {
        let consumers: usize = self
            .consumers()
            .map(|consumer| consumer.name.heap_bytes() + consumer.pending.heap_bytes())
            .sum();
        consumers
            + self.consumers.capacity() * size_of::<Option<Consumer>>()
            + self.order.capacity() * size_of::<Owner>()
            + self.pending.heap_bytes()
    }

    /// Pieces that dropping it frees.
    pub fn free_effort(&self) -> usize {
        self.pending.blocks() + self.consumers.len()
    }
}
