//! A stream: entries in the order of their ids, and the groups that read them.
//!
//! Many small entries stand together in a node, in the bytes that files carry; nodes and pending entries
//! stand on shelves whose blocks copies share. So a stream is loaded and saved by copying nodes, and a
//! snapshot takes one of any size in a moment.

mod group;
mod id;
mod idempotency;
mod node;
mod references;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use group::{Consumer, DELIVERIES_MAX, Group, Owner, Pending};
pub use id::{Id, IdText};
pub use idempotency::{DURATION_MAX_S, IDS_MAX, Idempotency};
pub use node::{StreamEntry, StreamNode};
pub use references::{Forgotten, References};
pub use shelf::Shelf;

use super::{Bstr, Limits, Listpack, TypeRef};
pub use shelf::Placed;
use shelf::Spot;

/// No node may have more bytes, whatever the limits say.
const NODE_BYTES_MAX: usize = 1 << 30;

/// What a stream is cut down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimBound {
    /// At most so many entries.
    Len(u64),
    /// No entry below this id.
    From(Id),
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug)]
pub struct Trim {
    pub bound: TrimBound,
    /// Only whole nodes go, so more may stay than the bound says.
    pub is_rough: bool,
    /// At most so many entries go; 0 for any number.
    pub limit: usize,
    pub references: References,
}

/// What a trim took away.
#[derive(Debug, Default)]
pub struct Trimmed {
    pub entries: usize,
    /// The last entry that went, where entries were looked at one by one.
    pub last_id: Id,
    /// What was pending of the entries that went.
    pub forgotten: Forgotten,
    nodes: Shelf<StreamNode>,
}

impl Trimmed {
    /// The nodes that went whole, which are for someone else to free.
    pub fn rest(self) -> Option<Stream> {
        let rest = Stream {
            nodes: self.nodes,
            ..Stream::default()
        };
        (!rest.nodes.is_empty()).then_some(rest)
    }
}

/// An entry's bytes are more than a node can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

#[derive(Clone, Debug, Default)]
pub struct Stream {
    nodes: Shelf<StreamNode>,
    /// Entries that aren't deleted.
    len: usize,
    /// Bytes of all nodes' packs: asked often, so never summed up.
    bytes: usize,
    /// The first entry's id, or zero.
    first_id: Id,
    /// The last id that was given to an entry, which may be gone by now. No node holds a larger one.
    last_id: Id,
    /// The largest id that XDEL removed.
    pub max_deleted_id: Id,
    /// Entries ever added.
    pub entries_added: u64,
    pub groups: BTreeMap<Bstr, Group>,
    /// Whether pending entries were ever given back to a group.
    pub has_released: bool,
    /// What producers added lately, once one has said who it is.
    pub idempotency: Option<Box<Idempotency>>,
}

impl Stream {
    /// A stream of nothing else: as such goes what producers added to whoever frees it.
    pub fn of_known(known: Idempotency) -> Self {
        Stream {
            idempotency: Some(Box::new(known)),
            ..Stream::default()
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn first_id(&self) -> Id {
        self.first_id
    }

    pub fn last_id(&self) -> Id {
        self.last_id
    }

    pub fn nodes(&self) -> &Shelf<StreamNode> {
        &self.nodes
    }

    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// Changes a group beside the stream it reads.
    pub fn with_group<T>(
        &mut self,
        name: &[u8],
        act: impl FnOnce(&Stream, &mut Group) -> T,
    ) -> Option<T> {
        let mut group = std::mem::take(self.groups.get_mut(name)?);
        let done = act(self, &mut group);
        *self.groups.get_mut(name)? = group;
        Some(done)
    }

    /// Whether only files of later versions carry it whole: those of Redis 8.6 have producers, those of 8.8 what was given back.
    pub fn is_later(&self) -> bool {
        self.idempotency.is_some() || self.has_released
    }

    // Reading entries.

    /// The node in which this id would stand: the last one that doesn't begin behind it.
    fn node_of(&self, id: Id) -> Spot {
        let spot = self.nodes.seek(id);
        match self.nodes.at(spot) {
            Some(node) if node.id() == id => spot,
            _ => self.nodes.before(spot).unwrap_or(spot),
        }
    }

    /// Entries between two ids, both included.
    pub fn range(&self, from: Id, to: Id) -> impl Iterator<Item = StreamEntry<'_>> {
        self.nodes
            .from(self.node_of(from))
            .flat_map(StreamNode::walk)
            .filter(|entry| !entry.is_dead)
            .skip_while(move |entry| entry.id < from)
            .take_while(move |entry| entry.id <= to)
    }

    /// The entries of a range, the last one first.
    pub fn range_back(&self, from: Id, to: Id) -> impl Iterator<Item = StreamEntry<'_>> {
        let end = match to.next() {
            Some(after) => self.nodes.seek(after),
            None => self.nodes.end(),
        };
        self.nodes
            .back_from(end)
            .flat_map(StreamNode::walk_back)
            .filter(|entry| !entry.is_dead)
            .skip_while(move |entry| entry.id > to)
            .take_while(move |entry| entry.id >= from)
    }

    pub fn get(&self, id: Id) -> Option<StreamEntry<'_>> {
        self.range(id, id).next()
    }

    /// The last entry that is still there.
    pub fn last_entry_id(&self) -> Option<Id> {
        let mut back = self.range_back(Id::MIN, Id::MAX);
        back.next().map(|entry| entry.id)
    }

    // Adding and removing entries.

    /// The id that an entry gets at this time; `None` when there is no larger one.
    pub fn next_id(&self, now_ms: u64) -> Option<Id> {
        if now_ms > self.last_id.ms {
            Some(Id::new(now_ms, 0))
        } else {
            self.last_id.next()
        }
    }

    /// Adds an entry behind all others. `pairs` are names and values in turn.
    pub fn append(&mut self, id: Id, pairs: &[&[u8]], limits: &Limits) -> Result<(), TooLarge> {
        debug_assert!(id > self.last_id);
        let room: usize = pairs.iter().map(|element| element.len()).sum();
        if room > NODE_BYTES_MAX {
            return Err(TooLarge);
        }
        let bytes_max = match limits.stream_node_bytes {
            0 => NODE_BYTES_MAX,
            max => max.min(NODE_BYTES_MAX),
        };
        let entries_max = limits.stream_node_entries;
        let takes = |node: &StreamNode| {
            let (live, dead) = node.counts();
            node.bytes() + room < bytes_max && (entries_max == 0 || live + dead < entries_max)
        };
        match self.nodes.last_mut() {
            Some(node) if takes(node) => {
                let before = node.bytes();
                node.append(id, pairs);
                self.bytes += node.bytes() - before;
            }
            last => {
                if let Some(full) = last {
                    full.close();
                }
                let node = StreamNode::new(id, pairs);
                self.bytes += node.bytes();
                self.nodes.push(node);
            }
        }
        self.len += 1;
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        if self.len == 1 {
            self.first_id = id;
        }
        Ok(())
    }

    /// Sets the id above which the next entry's must be: not below that of a living entry.
    pub fn set_last_id(&mut self, id: Id) {
        // Dead entries beyond it are in the way of new ones.
        while let Some(last) = self.nodes.last().filter(|last| last.last_id() > id) {
            let is_dead = last.live() == 0;
            let spot = self
                .nodes
                .before(self.nodes.end())
                .expect("there is a last");
            if is_dead {
                self.take_node(spot);
            } else {
                self.edit_node(spot, |node| node.cut_dead_above(id));
            }
        }
        if id < self.last_id {
            self.groups.values_mut().for_each(Group::pass_over_none);
        }
        self.last_id = id;
    }

    /// Removes one entry; false if there is none with this id.
    pub fn delete(&mut self, id: Id) -> bool {
        let spot = self.node_of(id);
        let Some((node, at)) = self
            .nodes
            .at(spot)
            .and_then(|node| Some((node, node.find(id)?)))
        else {
            return false;
        };
        if node.live() == 1 {
            self.take_node(spot);
        } else {
            self.edit_node(spot, |node| node.kill(&[at]));
            self.len -= 1;
        }
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id {
            self.find_first();
        }
        true
    }

    /// Removes entries from the first on, until the bound holds.
    pub fn trim(&mut self, trim: &Trim) -> Trimmed {
        if trim.references != References::Keep {
            return self.trim_each(trim);
        }
        let len = self.len;
        let mut nodes = Shelf::default();
        while let Some(node) = self.nodes.first() {
            if self.has_trimmed(trim, len - self.len, node.live()) {
                break;
            }
            let spot = self.nodes.start();
            if self.is_beyond(trim, node) {
                nodes.push_some(self.take_node(spot));
                continue;
            }
            if !trim.is_rough {
                let mut spare = self.len;
                self.len -= self.edit_node(spot, |node| {
                    node.kill_first(|id| match trim.bound {
                        TrimBound::Len(max) => {
                            let dies = spare as u64 > max;
                            spare -= usize::from(dies);
                            dies
                        }
                        TrimBound::From(from) => id < from,
                    })
                });
            }
            break;
        }
        if self.len < len {
            self.find_first();
        }
        Trimmed {
            entries: len - self.len,
            nodes,
            ..Trimmed::default()
        }
    }

    /// Whether a trim that took so many entries is done before a node of `live` ones.
    fn has_trimmed(&self, trim: &Trim, trimmed: usize, live: usize) -> bool {
        let holds = matches!(trim.bound, TrimBound::Len(max) if self.len as u64 <= max);
        holds || (trim.limit > 0 && trimmed + live > trim.limit)
    }

    /// Whether all of a node lies beyond the bound.
    fn is_beyond(&self, trim: &Trim, node: &StreamNode) -> bool {
        match trim.bound {
            TrimBound::Len(max) => (self.len - node.live()) as u64 >= max,
            TrimBound::From(id) => node.last_id() < id,
        }
    }

    fn take_node(&mut self, spot: Spot) -> Option<StreamNode> {
        let node = self.nodes.remove_at(spot)?;
        self.len -= node.live();
        self.bytes -= node.bytes();
        Some(node)
    }

    fn edit_node<T>(&mut self, spot: Spot, edit: impl FnOnce(&mut StreamNode) -> T) -> T {
        let node = self.nodes.at_mut(spot).expect("the spot was just found");
        let before = node.bytes();
        let done = edit(node);
        self.bytes = self.bytes - before + node.bytes();
        done
    }

    fn find_first(&mut self) {
        let first = self.range(Id::MIN, Id::MAX).next().map(|entry| entry.id);
        self.first_id = first.unwrap_or_default();
    }

    // What groups know of how far they are.

    /// Whether XDEL removed an entry that a reader standing at `from` had still before it.
    fn has_holes_after(&self, from: Id) -> bool {
        self.len > 0 && !self.max_deleted_id.is_zero() && from <= self.max_deleted_id
    }

    /// How many of the entries ever added stand up to this id, if that can be told.
    pub fn entries_up_to(&self, id: Id) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last_id || id == self.last_id {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        // Holes behind the first entry hide how many there were.
        if !self.max_deleted_id.is_zero() && self.max_deleted_id >= self.first_id {
            return None;
        }
        let before = self.entries_added.wrapping_sub(self.len as u64);
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less => Some(before),
            std::cmp::Ordering::Equal => Some(before.wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// What a group has read once it was given the entry with this id, which is beyond its last.
    pub fn read_counter(&self, group: &Group, id: Id) -> Option<u64> {
        // A group that stands before the first entry may have missed some that were trimmed.
        let counts_on = group.last_id >= self.first_id && !self.has_holes_after(group.last_id);
        match group.entries_read {
            Some(read) if counts_on => Some(read.wrapping_add(1)),
            _ if self.entries_added > 0 => self.entries_up_to(id),
            held => held,
        }
    }

    /// How many entries a group has still before it, if that can be told.
    pub fn lag(&self, group: &Group) -> Option<u64> {
        if self.entries_added == 0 || self.len == 0 {
            return Some(0);
        }
        // Nothing that is gone lies ahead: what lies ahead is all that there is.
        if self.first_id > group.last_id && self.first_id > self.max_deleted_id {
            return Some(self.len as u64);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_holes_after(group.last_id) => read,
            _ => self.entries_up_to(group.last_id)?,
        };
        Some(self.entries_added.wrapping_sub(read))
    }

    // Loading and counting.

    /// Adds a node that a file brought; false if it isn't one, or doesn't follow those before it.
    pub fn load_node(&mut self, first: Id, pack: Listpack) -> bool {
        let Some(node) = StreamNode::checked(first, pack) else {
            return false;
        };
        if self
            .nodes
            .last()
            .is_some_and(|last| last.last_id() >= first)
        {
            return false;
        }
        if self.len == 0 {
            let mut living = node.walk().filter(|entry| !entry.is_dead);
            self.first_id = living.next().map_or(Id::MIN, |entry| entry.id);
        }
        self.len += node.live();
        self.bytes += node.bytes();
        self.last_id = node.last_id();
        self.nodes.push(node);
        true
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let groups: usize = self
            .groups
            .iter()
            .map(|(name, group)| {
                name.heap_bytes() + size_of::<(Bstr, Group)>() + group.heap_bytes()
            })
            .sum();
        let known = self.idempotency.as_ref();
        let known = known.map_or(0, |known| size_of::<Idempotency>() + known.heap_bytes());
        self.nodes.heap_bytes() + self.bytes + groups + known
    }

    /// Pieces that dropping it frees.
    pub fn free_effort(&self) -> usize {
        let groups: usize = self.groups.values().map(Group::free_effort).sum();
        let known = self
            .idempotency
            .as_ref()
            .map_or(0, |known| known.free_effort());
        self.nodes.len() + groups + known
    }
}

/// A stream may outlive its entries: it keeps its last id and its groups.
impl<'a> TypeRef<'a> for &'a Stream {
    type Whole = Stream;

    #[inline]
    fn see(stream: &'a Stream) -> Self {
        stream
    }

    fn encoding(self) -> &'static str {
        "stream"
    }

    fn heap_bytes(self) -> usize {
        Stream::heap_bytes(self)
    }

    fn detached(self) -> Stream {
        self.clone()
    }

    fn free_effort(self) -> usize {
        Stream::free_effort(self)
    }
}
