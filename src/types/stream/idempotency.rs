//! What producers added to a stream lately, so that what one sends again is added once.
//!
//! Each entry that a producer adds may have an id of the producer's own. For a while, and for so many of them, the
//! stream remembers which entry such an id stands for. What is too old counts as forgotten wherever it is asked for, and is
//! removed as more is remembered.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::id::Id;
use crate::types::Bstr;

/// Ids of one producer. Their entries' ids grow, but for a log that says otherwise.
#[derive(Clone, Debug, Default)]
struct Producer {
    entries: HashMap<Bstr, Id>,
    /// The ids in the order in which they came.
    order: VecDeque<Bstr>,
}

impl Producer {
    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            self.entries.remove(&oldest);
        }
    }

    fn oldest(&self) -> Option<Id> {
        self.order.front().map(|iid| self.entries[iid])
    }
}

#[derive(Clone, Debug)]
pub struct Idempotency {
    /// For how long an id is remembered.
    duration_s: u64,
    /// Ids remembered of each producer.
    ids_max: usize,
    /// Behind pointers that copies share. None is empty.
    producers: BTreeMap<Bstr, Arc<Producer>>,
    /// Ids that all of them have, those that are too old included.
    ids: usize,
    /// Ids ever remembered.
    pub added: u64,
    /// Entries that were not added, as they had been.
    pub duplicates: u64,
    /// When the producers are to be looked through next.
    sweep_ms: u64,
}

/// Seconds for which ids may be remembered, and how many of each producer.
pub const DURATION_MAX_S: u64 = 86_400;
pub const IDS_MAX: u64 = 10_000;

impl Idempotency {
    pub fn new(duration_s: u64, ids_max: usize) -> Self {
        Idempotency {
            duration_s,
            ids_max,
            producers: BTreeMap::new(),
            ids: 0,
            added: 0,
            duplicates: 0,
            sweep_ms: 0,
        }
    }

    pub fn duration_s(&self) -> u64 {
        self.duration_s
    }

    pub fn ids_max(&self) -> usize {
        self.ids_max
    }

    /// Sets how long and how many ids are remembered. A change forgets all of them, and returns what was forgotten, which is for
    /// someone else to free.
    pub fn configure(&mut self, duration_s: u64, ids_max: usize) -> Option<Self> {
        if (duration_s, ids_max) == (self.duration_s, self.ids_max) {
            return None;
        }
        let (added, duplicates) = (self.added, self.duplicates);
        let empty = Idempotency {
            added,
            duplicates,
            ..Idempotency::new(duration_s, ids_max)
        };
        Some(std::mem::replace(self, empty))
    }

    /// Entries up to this time are too old.
    fn old_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.duration_s.saturating_mul(1000))
    }

    /// The entry that a producer's id stands for.
    pub fn find(&self, producer: &[u8], iid: &[u8], now_ms: u64) -> Option<Id> {
        let id = *self.producers.get(producer)?.entries.get(iid)?;
        (id.ms > self.old_ms(now_ms)).then_some(id)
    }

    /// Remembers what a producer's id stands for, whatever it did before.
    pub fn remember(&mut self, producer: &[u8], iid: &[u8], id: Id, now_ms: u64) {
        self.forget_old(now_ms);
        let ids_max = self.ids_max;
        let held = self.producers.entry(Bstr::new(producer)).or_default();
        let held = Arc::make_mut(held);
        let iid = Bstr::new(iid);
        if held.entries.insert(iid.clone(), id).is_some() {
            held.order.retain(|other| **other != *iid);
        } else {
            self.ids += 1;
        }
        held.order.push_back(iid);
        while held.order.len() > ids_max {
            held.forget_oldest();
            self.ids -= 1;
        }
        self.added = self.added.wrapping_add(1);
    }

    /// Takes back what was remembered when it was saved; false if an id comes twice. What is too old by now is found out when
    /// it is asked for.
    pub fn load(&mut self, producer: &[u8], ids: impl IntoIterator<Item = (Bstr, Id)>) -> bool {
        let mut held = Producer::default();
        for (iid, id) in ids {
            if held.entries.insert(iid.clone(), id).is_some() {
                return false;
            }
            held.order.push_back(iid);
            if held.order.len() > self.ids_max {
                held.forget_oldest();
            }
        }
        // None is empty.
        let producer = Bstr::new(producer);
        held.order.is_empty() || self.producers.insert(producer, Arc::new(held)).is_none()
    }

    /// Removes what is too old, four times in the span for which ids are kept.
    fn forget_old(&mut self, now_ms: u64) {
        if now_ms < self.sweep_ms {
            return;
        }
        self.sweep_ms = now_ms.saturating_add(self.duration_s.saturating_mul(250));
        let old_ms = self.old_ms(now_ms);
        let is_old = |producer: &Producer| producer.oldest().is_some_and(|id| id.ms <= old_ms);
        let ids = &mut self.ids;
        self.producers.retain(|_, producer| {
            if is_old(producer) {
                let producer = Arc::make_mut(producer);
                while is_old(producer) {
                    producer.forget_oldest();
                    *ids -= 1;
                }
            }
            !producer.order.is_empty()
        });
    }

    /// How many producers and how many of their ids are remembered. Each producer's are searched, not counted, as they grow.
    pub fn counts(&self, now_ms: u64) -> (usize, usize) {
        let old_ms = self.old_ms(now_ms);
        let living = |producer: &Arc<Producer>| {
            let is_old = |iid: &Bstr| producer.entries[iid].ms <= old_ms;
            producer.order.len() - producer.order.partition_point(is_old)
        };
        let counts = self.producers.values().map(living);
        counts
            .filter(|count| *count > 0)
            .fold((0, 0), |(producers, ids), count| {
                (producers + 1, ids + count)
            })
    }

    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Pieces that dropping it frees.
    pub fn free_effort(&self) -> usize {
        self.producers.len() + self.ids
    }

    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// Producers, with their ids in the order in which they came and what they stand for.
    pub fn producers(
        &self,
    ) -> impl Iterator<Item = (&[u8], impl ExactSizeIterator<Item = (&[u8], Id)>)> {
        self.producers.iter().map(|(name, producer)| {
            let ids = producer.order.iter();
            (&**name, ids.map(|iid| (&**iid, producer.entries[iid])))
        })
    }

    pub fn heap_bytes(&self) -> usize {
        let bytes = |(name, producer): (&Bstr, &Arc<Producer>)| {
            let ids: usize = producer.order.iter().map(Bstr::heap_bytes).sum();
            let entry = 2 * size_of::<Bstr>() + size_of::<Id>() + 1;
            name.heap_bytes()
                + size_of::<(Bstr, Producer)>()
                + producer.order.len() * entry
                + 2 * ids
        };
        self.producers.iter().map(bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_remembered_for_its_time_and_as_long_as_there_is_room() {
        let mut known = Idempotency::new(10, 2);
        known.remember(b"p", b"a", Id::new(1_000, 0), 1_000);
        known.remember(b"p", b"b", Id::new(2_000, 0), 2_000);
        known.remember(b"q", b"a", Id::new(3_000, 0), 3_000);
        assert_eq!(known.find(b"p", b"a", 10_999), Some(Id::new(1_000, 0)));
        assert_eq!(known.find(b"p", b"a", 11_000), None);
        assert_eq!(known.counts(11_000), (2, 2));
        known.remember(b"p", b"c", Id::new(4_000, 0), 4_000);
        assert_eq!(
            known.find(b"p", b"a", 4_000),
            None,
            "there was room for two"
        );
        assert_eq!(known.find(b"q", b"a", 4_000), Some(Id::new(3_000, 0)));
        known.remember(b"p", b"b", Id::new(5_000, 0), 5_000);
        assert_eq!(known.find(b"p", b"b", 5_000), Some(Id::new(5_000, 0)));
        assert_eq!(known.counts(5_000), (2, 3));
        // All that is old goes when something new comes.
        known.remember(b"r", b"a", Id::new(60_000, 0), 60_000);
        assert_eq!((known.len(), known.added), (1, 6));
        assert_eq!((known.counts(60_000), known.free_effort()), ((1, 1), 2));
        assert!(known.configure(10, 2).is_none() && known.len() == 1);
        let forgotten = known.configure(10, 3).expect("it is another size");
        assert_eq!(forgotten.free_effort(), 2);
        assert_eq!((known.len(), known.added, known.free_effort()), (0, 6, 0));
    }
}
