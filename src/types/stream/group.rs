//! A consumer group: how far it has read, and which deliveries wait for their acknowledgement.
//!
//! A pending entry stands twice: in the group's list with its owner, and in the owner's list of ids.
//! The two never disagree, because this file alone changes them. One that was given back has no owner, and
//! stands in the group's list alone.

use std::collections::BTreeSet;

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
    /// Of those that nobody owns, which were given back earlier: [`FIRST_RELEASED`] and up, below every time there is.
    delivered_ms: i64,
    pub deliveries: u64,
    owner: Option<Owner>,
}

/// Stands for the time of the first pending entry that was given back.
const FIRST_RELEASED: i64 = i64::MIN;

/// A number of deliveries that is never exceeded: the entry is given up.
pub const DELIVERIES_MAX: u64 = i64::MAX as u64;

impl Placed for Pending {
    const BLOCK_MAX: usize = 256;

    fn id(&self) -> Id {
        self.id
    }
}

impl Pending {
    /// Nobody, if it was given back.
    pub fn owner(&self) -> Option<Owner> {
        self.owner
    }

    /// When it was delivered last; 0 if it was given back since.
    pub fn delivered_ms(&self) -> i64 {
        match self.owner {
            Some(_) => self.delivered_ms,
            None => 0,
        }
    }

    pub fn idle_ms(&self, now_ms: u64) -> i64 {
        (now_ms as i64).saturating_sub(self.delivered_ms())
    }

    /// Its deliveries and one more.
    pub fn deliveries_after(&self) -> u64 {
        match self.deliveries {
            DELIVERIES_MAX => DELIVERIES_MAX,
            deliveries => deliveries.wrapping_add(1),
        }
    }

    fn age(&self) -> Age {
        (self.delivered_ms, self.id)
    }
}

/// What pending entries are claimed in the order of: those given back first, then those delivered the longest ago.
type Age = (i64, Id);

/// Pending entries by their age, but for those that a search has found to have left the stream. Made when first one is claimed by its
/// age, as most groups never do that, and kept from then on. No copy has it: copies are for readers, and must cost nothing.
#[derive(Debug, Default)]
struct Ages(Option<BTreeSet<Age>>);

impl Clone for Ages {
    fn clone(&self) -> Self {
        Ages(None)
    }
}

impl Ages {
    fn change(&mut self, before: Option<Age>, after: Option<Age>) {
        if let Some(ages) = &mut self.0 {
            before.map(|age| ages.remove(&age));
            ages.extend(after);
        }
    }

    fn heap_bytes(&self) -> usize {
        // A tree's nodes are about two thirds full.
        let len = self.0.as_ref().map_or(0, BTreeSet::len);
        len * size_of::<Age>() * 3 / 2
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
    ages: Ages,
    /// The time that stands for the next pending entry which is given back, over [`FIRST_RELEASED`].
    released: i64,
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

    /// The name of a pending entry's owner; empty if nobody owns it.
    pub fn owner_name(&self, pending: &Pending) -> &[u8] {
        let owner = pending.owner.map(|owner| self.consumer(owner));
        owner.map_or(b"", Consumer::name)
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
            if let Some(pending) = self.pending.remove(*id) {
                self.ages.change(Some(pending.age()), None);
            }
        }
        Some(consumer.pending.len())
    }

    /// Records a delivery to a consumer, whoever had the entry before.
    pub fn deliver(&mut self, id: Id, owner: Owner, now_ms: u64) {
        let delivery = Pending {
            id,
            delivered_ms: now_ms as i64,
            deliveries: 1,
            owner: Some(owner),
        };
        self.put(delivery);
    }

    /// Puts a pending entry, in the place of the one with its id if there is one.
    pub fn put(&mut self, pending: Pending) {
        let (id, owner, age) = (pending.id, pending.owner, pending.age());
        let mut before = None;
        if self.pending.last().is_none_or(|last| last.id < id) {
            self.pending.push(pending);
        } else if let Some(held) = self.pending.get_mut(id) {
            before = Some(std::mem::replace(held, pending));
        } else {
            self.pending.insert(pending);
        }
        let age_before = before.as_ref().map(Pending::age);
        self.ages.change(age_before, Some(age));
        let owner_before = before.and_then(|before| before.owner);
        if owner_before == owner {
            return;
        }
        if let Some(before) = owner_before {
            self.consumer_mut(before).pending.remove(id);
        }
        if let Some(owner) = owner {
            self.consumer_mut(owner).pending.insert(id);
        }
    }

    /// A pending entry of this consumer, as a file tells of it.
    pub fn record(id: Id, owner: Owner, delivered_ms: i64, deliveries: u64) -> Pending {
        Pending {
            id,
            delivered_ms,
            deliveries,
            owner: Some(owner),
        }
    }

    /// Says that a pending entry was delivered to its owner once more.
    pub fn redeliver(&mut self, id: Id, now_ms: u64) {
        if let Some(pending) = self.pending.get_mut(id) {
            let before = pending.age();
            pending.delivered_ms = now_ms as i64;
            pending.deliveries = pending.deliveries_after();
            let after = pending.age();
            self.ages.change(Some(before), Some(after));
        }
    }

    /// Takes a pending entry from its owner, if it has one, or makes one that nobody owns. It stands behind those that were given
    /// back before, and before all others.
    pub fn release(&mut self, id: Id, deliveries: u64) {
        self.put(Pending {
            id,
            delivered_ms: FIRST_RELEASED + self.released,
            deliveries,
            owner: None,
        });
        self.released += 1;
    }

    /// Pending entries that nobody owns, those first that were given back first.
    pub fn released(&self) -> Vec<&Pending> {
        // Most groups never had any.
        if self.released == 0 {
            return Vec::new();
        }
        let unowned = |pending: &&Pending| pending.owner.is_none();
        let mut released: Vec<&Pending> = self.pending.iter().filter(unowned).collect();
        released.sort_by_key(|pending| pending.delivered_ms);
        released
    }

    /// Pending entries: those that were given back first, then those that were delivered the longest ago. Those that were passed over
    /// are not among them.
    pub fn by_age(&mut self) -> impl Iterator<Item = &Pending> {
        let Group { pending, ages, .. } = self;
        let ages = ages
            .0
            .get_or_insert_with(|| pending.iter().map(Pending::age).collect());
        ages.iter()
            .map(|(_, id)| pending.get(*id).expect("what has an age is pending"))
    }

    /// Says that these pending entries have left the stream: they are in no order of ages until something happens to them.
    pub fn pass_over(&mut self, gone: &[Id]) {
        for id in gone {
            let age = self.pending.get(*id).map(Pending::age);
            self.ages.change(age, None);
        }
    }

    /// Says that entries with ids that have left the stream may be added again.
    pub(super) fn pass_over_none(&mut self) {
        self.ages = Ages(None);
    }

    /// Forgets a pending entry; false if there is none.
    pub fn acknowledge(&mut self, id: Id) -> bool {
        let Some(pending) = self.pending.remove(id) else {
            return false;
        };
        self.ages.change(Some(pending.age()), None);
        if let Some(owner) = pending.owner {
            self.consumer_mut(owner).pending.remove(id);
        }
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
            + self.ages.heap_bytes()
    }

    /// Pieces that dropping it frees.
    pub fn free_effort(&self) -> usize {
        self.pending.blocks() + self.consumers.len()
    }
}
