//! Streams: nodes as they stand, ids and counters, and groups with what is pending.

use super::kind;
use super::read::{Fault, Fault::Broken, Read, Reader};
use super::write::{Spill, Writer};
use crate::types::stream::{Group, Id, Placed, Stream};
use crate::types::{Bstr, Listpack};

/// What stands for a number of entries read that isn't known.
const UNKNOWN: u64 = u64::MAX;

impl Reader<'_> {
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
                kind::STREAM_3 => i64::from_le_bytes(self.array()?),
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
        // Each pending entry has one consumer, or counts would not add up.
        if owned.contains(&false) {
            return Err(Broken);
        }
        Ok(group)
    }

    fn id(&mut self) -> Read<Id> {
        Ok(Id::new(self.count()?, self.count()?))
    }
}

impl<S: Spill> Writer<S> {
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
        self.len(group.consumers().len() as u64);
        for consumer in group.consumers() {
            self.string(consumer.name());
            self.out.extend_from_slice(&consumer.seen_ms.to_le_bytes());
            if kind == kind::STREAM_3 {
                self.out
                    .extend_from_slice(&consumer.active_ms.to_le_bytes());
            }
            self.len(consumer.pending().len() as u64);
            for id in consumer.pending().iter() {
                self.out.extend_from_slice(&id.to_bytes());
                self.pour();
            }
        }
    }

    fn id(&mut self, id: Id) {
        self.len(id.ms);
        self.len(id.seq);
    }
}
