//! What the owner of slots that move whole has yet to give, what is given at one time, and what has come.

use std::collections::HashSet;

use crate::cluster::SlotSet;
use crate::engine::ShardKey;
use crate::types::Bstr;

/// Keys of one piece, at most.
pub const PIECE_KEYS: usize = 256;

/// Bytes of names and values after which a piece ends: one value more may be of any size.
pub const PIECE_BYTES: usize = 1 << 20;

/// A walk over the keys of one shard, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardWalk {
    pub shard: usize,
    pub at: u64,
}

/// What the owner has yet to give; and of the node that gets it, what has come.
#[derive(Debug, Default)]
pub(super) struct ToGive {
    /// Shards whose keys of these slots have yet to be listed.
    pub walks: Vec<ShardWalk>,
    pub names: Vec<Bstr>,
    /// Keys that have changed since the move began.
    pub changed: HashSet<Bstr>,
    /// All has been given, and commands are held back: what expires or is evicted from now on does so on the other side, too, or
    /// is there once more.
    pub is_whole: bool,
    /// Until when commands are held back.
    pub held_until_ms: u64,
    /// That has passed once, and leave had been given.
    pub is_late: bool,
    /// Slots that have been taken, and all of whose keys stand where clients find them.
    pub landed: SlotSet,
}

impl ToGive {
    /// All keys of these slots.
    pub fn all_of(slots: &SlotSet) -> Self {
        let mut shards: Vec<usize> = slots.iter().map(ShardKey::shard_of_slot).collect();
        shards.sort_unstable();
        shards.dedup();
        let walks = shards.into_iter().map(|shard| ShardWalk { shard, at: 0 });
        ToGive {
            walks: walks.collect(),
            ..ToGive::default()
        }
    }

    /// How many keys are known to be left, and whether some have yet to be listed or copied.
    pub fn left(&self) -> (usize, bool) {
        let lists = !self.walks.is_empty() || !self.names.is_empty();
        (self.names.len() + self.changed.len(), lists)
    }

    /// Some of the keys that were there at first.
    pub fn some_names(&mut self) -> Option<Vec<Bstr>> {
        let from = self.names.len().saturating_sub(PIECE_KEYS);
        (!self.names.is_empty()).then(|| self.names.split_off(from))
    }

    /// Some of the keys that have changed.
    pub fn some_changed(&mut self) -> Option<Vec<Bstr>> {
        let some: Vec<Bstr> = self.changed.iter().take(PIECE_KEYS).cloned().collect();
        for key in &some {
            self.changed.remove(key);
        }
        (!some.is_empty()).then_some(some)
    }
}

/// A key as one node sends it to another.
pub struct SentKey {
    pub name: Bstr,
    pub deadline_ms: Option<u64>,
    /// Whether it is protected from eviction.
    pub blessed: bool,
    /// As DUMP gives it; empty if there is no such key any more.
    pub payload: Vec<u8>,
}

/// What becomes of keys that have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagedFate {
    Land,
    Drop,
    Keep,
}

/// What the owner gives next.
pub enum NextPiece {
    /// Nothing, but some more keys of these slots are to be listed.
    List(ShardWalk, SlotSet),
    Keys(Vec<Bstr>),
    /// Nothing, and if nobody changes these slots' keys any more, there is nothing more.
    Last(SlotSet),
    Nothing,
}
