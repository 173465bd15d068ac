//! What the threads that do chores are told to do.

use std::sync::mpsc::Sender;

use crate::cluster::{LinkId, SlotSet};
use crate::state::moves::SentKey;

pub enum Chore {
    /// Writes the file of nodes.
    Save,
    /// Waits until no client writes any more, and tells a replica so.
    TellPaused(LinkId),
}

pub enum KeyChore {
    /// Deletes the keys of slots that another node owns now.
    DropKeys(SlotSet, u64),
    DropAllKeys,
    /// Does what a move of whole slots to here needs.
    OfMove(KeysOfMove),
    /// Keys are staged here whose slots may be this node's by now.
    SettleStaged,
}

/// What a move of whole slots to here needs done to keys; who asks is told once it is done.
pub enum KeysOfMove {
    /// What another move has left, that was broken off, goes.
    Clear(String, SlotSet, Sender<Result<(), String>>),
    /// As long as the move of this name goes on.
    Stage(String, Vec<SentKey>, Sender<Result<(), String>>),
    /// Log and replicas have what was staged.
    Settle(Sender<Result<(), String>>),
    /// The move of this name has taken the slots.
    Land(String, SlotSet, Sender<Result<(), String>>),
    Drop(SlotSet),
}
