//! Streams: nodes as they stand, ids and counters, and groups with what is pending.

use super::fault::{Fault, Fault::Broken, Read};
use super::kind;
use super::read::RdbReader;
use super::write::{RdbWriter, Spill};
use crate::types::stream::{
    Consumer, DURATION_MAX_S, Group, IDS_MAX, Id, Idempotency, Placed, Stream,
};
use crate::types::{Bstr, Listpack};

/// What stands for a number of entries read that isn't known.
const UNKNOWN: u64 = u64::MAX;

impl RdbReader<'_> {
    pub(super) fn stream(&mut self, kind: u8) -> Read<Stream> {
        let mut stream = Stream::default();
        for _ in 0..self.count()? {
            let first: [u8; 16] = (*self.string()?).try_into().map_err(|_| Broken)?;
            let pack: Listpack = self.listpack()?;
            if !stream.load_node(Id::from_bytes(first), pack) {
                return Err(Broken);
            }
        }
        // The nodes tell how many there are, and which is the first.
        self.count()?;
        let last_id = self.id()?.max(stream.last_id());
        stream.set_last_id(last_id);
        stream.entries_added = stream.len() as u64;
        if kind != kind::STREAM {
            self.id()?;
            stream.max_deleted_id = self.id()?;
            stream.entries_added = self.count()?;
        }
        for _ in 0..self.count()? {
            let name = Bstr::new(&self.string()?);
            let group = self.group(kind, &stream)?;
            if stream.groups.insert(name, group).is_some() {
                return Err(Broken);
            }
        }
        stream.has_released = stream
            .groups
            .values()
            .any(|group| !group.released().is_empty());
        if kind >= kind::STREAM_4 {
            stream.idempotency = self.producers()?.map(Box::new);
        }
        Ok(stream)
    }

    fn group(&mut self, kind: u8, stream: &Stream) -> Read<Group> {
        let last_id = self.id()?;
        let entries_read = match kind {
            kind::STREAM => stream.entries_up_to(last_id),
            _ => Some(self.count()?).filter(|read| *read != UNKNOWN),
        };
        let mut group = Group::new(last_id, entries_read);
        let mut pending = Vec::new();
        for _ in 0..self.count()? {
            let id = Id::from_bytes(self.array()?);
            let delivered_ms = i64::from_le_bytes(self.array()?);
            pending.push((id, delivered_ms, self.count()?));
        }
        // Written in order, and looked up by order.
        if !pending.is_sorted_by(|(one, ..), (next, ..)| one < next) {
            return Err(Broken);
        }
        let mut owned = vec![false; pending.len()];
        for _ in 0..self.count()? {
            let name = self.string()?;
            let seen_ms = i64::from_le_bytes(self.array()?);
            let active_ms = match kind {
                kind::STREAM_3.. => i64::from_le_bytes(self.array()?),
                _ => seen_ms,
            };
            let (owner, is_new) = group.find_or_add_consumer(&name, 0);
            if !is_new {
                return Err(Fault::Says("Duplicate stream consumer detected"));
            }
            let consumer = group.consumer_mut(owner);
            (consumer.seen_ms, consumer.active_ms) = (seen_ms, active_ms);
            for _ in 0..self.count()? {
                let id = Id::from_bytes(self.array()?);
                let at = pending
                    .binary_search_by_key(&id, |(id, ..)| *id)
                    .map_err(|_| Broken)?;
                if std::mem::replace(&mut owned[at], true) {
                    return Err(Broken);
                }
                let (_, delivered_ms, deliveries) = pending[at];
                group.put(Group::record(id, owner, delivered_ms, deliveries));
            }
        }
        if kind >= kind::STREAM_5 {
            self.released(&mut group, &pending, &mut owned)?;
        }
        // Each pending entry has one consumer or was given back, or counts would not add up.
        if owned.contains(&false) {
            return Err(Broken);
        }
        Ok(group)
    }

    /// Pending entries that nobody owns, in the order in which they were given back.
    fn released(
        &mut self,
        group: &mut Group,
        pending: &[(Id, i64, u64)],
        owned: &mut [bool],
    ) -> Read<()> {
        for _ in 0..self.count()? {
            let id = Id::from_bytes(self.array()?);
            let at = pending
                .binary_search_by_key(&id, |(id, ..)| *id)
                .map_err(|_| Broken)?;
            if std::mem::replace(&mut owned[at], true) {
                return Err(Broken);
            }
            group.release(id, pending[at].2);
        }
        Ok(())
    }

    /// What is remembered of producers; nothing if none ever was there and all is as it is by default.
    fn producers(&mut self) -> Read<Option<Idempotency>> {
        let (duration_s, ids_max) = (self.count()?, self.count()?);
        // As XCFGSET has it.
        if !(1..=DURATION_MAX_S).contains(&duration_s) || !(1..=IDS_MAX).contains(&ids_max) {
            return Err(Fault::Says("idempotency settings out of range"));
        }
        let mut known = Idempotency::new(duration_s, ids_max as usize);
        for _ in 0..self.count()? {
            let producer = self.string()?;
            let mut ids = Vec::new();
            for _ in 0..self.count()? {
                ids.push((Bstr::new(&self.string()?), self.id()?));
            }
            if !known.load(&producer, ids) {
                return Err(Fault::Says("Duplicate idempotent producer or ID detected"));
            }
        }
        (known.added, known.duplicates) = (self.count()?, self.count()?);
        let is_fresh = known.is_empty() && (known.added, known.duplicates) == (0, 0);
        let by_default = (duration_s, ids_max) == (100, 100);
        Ok((!is_fresh || !by_default).then_some(known))
    }

    fn id(&mut self) -> Read<Id> {
        Ok(Id::new(self.count()?, self.count()?))
    }
}

impl<S: Spill> RdbWriter<S> {
    pub(super) fn stream(&mut self, kind: u8, stream: &Stream) {
        self.len(stream.nodes().len() as u64);
        for node in stream.nodes().iter() {
            self.string(&node.id().to_bytes());
            self.string(node.pack().as_bytes());
        }
        self.len(stream.len() as u64);
        self.id(stream.last_id());
        if kind != kind::STREAM {
            self.id(stream.first_id());
            self.id(stream.max_deleted_id);
            self.len(stream.entries_added);
        }
        self.len(stream.groups.len() as u64);
        for (name, group) in &stream.groups {
            self.string(name);
            self.group(kind, group);
        }
        if kind >= kind::STREAM_4 {
            self.producers(stream.idempotency.as_deref());
        }
    }

    fn producers(&mut self, known: Option<&Idempotency>) {
        let fresh = Idempotency::new(100, 100);
        let known = known.unwrap_or(&fresh);
        self.len(known.duration_s());
        self.len(known.ids_max() as u64);
        self.len(known.len() as u64);
        for (producer, ids) in known.producers() {
            self.string(producer);
            self.len(ids.len() as u64);
            for (iid, id) in ids {
                self.string(iid);
                self.id(id);
                self.pour();
            }
        }
        self.len(known.added);
        self.len(known.duplicates);
    }

    fn group(&mut self, kind: u8, group: &Group) {
        self.id(group.last_id);
        if kind != kind::STREAM {
            self.len(group.entries_read.unwrap_or(UNKNOWN));
        }
        self.len(group.pending().len() as u64);
        for pending in group.pending().iter() {
            self.out.extend_from_slice(&pending.id.to_bytes());
            self.out
                .extend_from_slice(&pending.delivered_ms().to_le_bytes());
            self.len(pending.deliveries);
            self.pour();
        }
        let released = group.released();
        let as_owned = kind < kind::STREAM_5 && !released.is_empty();
        let nobody = group.find_consumer(b"").map(|owner| group.consumer(owner));
        self.len((group.consumers().len() + usize::from(as_owned && nobody.is_none())) as u64);
        if as_owned {
            // Before 8.8 each has an owner: one without a name, who comes before all others.
            let mut ids: Vec<Id> = released.iter().map(|pending| pending.id).collect();
            ids.extend(nobody.iter().flat_map(|nobody| nobody.pending().iter()));
            ids.sort_unstable();
            self.consumer_head(kind, b"", nobody.map_or((0, -1), times));
            self.ids(ids.len(), ids.into_iter());
        }
        for consumer in group.consumers() {
            if as_owned && consumer.name().is_empty() {
                continue;
            }
            self.consumer_head(kind, consumer.name(), times(consumer));
            let pending = consumer.pending();
            self.ids(pending.len(), pending.iter().copied());
        }
        if kind >= kind::STREAM_5 {
            self.ids(released.len(), released.iter().map(|pending| pending.id));
        }
    }

    fn consumer_head(&mut self, kind: u8, name: &[u8], (seen_ms, active_ms): (i64, i64)) {
        self.string(name);
        self.out.extend_from_slice(&seen_ms.to_le_bytes());
        if kind >= kind::STREAM_3 {
            self.out.extend_from_slice(&active_ms.to_le_bytes());
        }
    }

    fn ids(&mut self, len: usize, ids: impl Iterator<Item = Id>) {
        self.len(len as u64);
        for id in ids {
            self.out.extend_from_slice(&id.to_bytes());
            self.pour();
        }
    }

    fn id(&mut self, id: Id) {
        self.len(id.ms);
        self.len(id.seq);
    }
}

/// When a consumer was seen, and when it last got something.
fn times(consumer: &Consumer) -> (i64, i64) {
    (consumer.seen_ms, consumer.active_ms)
}
