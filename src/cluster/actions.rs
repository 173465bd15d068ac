//! What happens, and what follows from it: the state is told of a moment, and answers with what is to be done outside of it.

use bytes::Bytes;

use super::node::{LinkId, NodeAddress};
use super::slots::SlotSet;

/// When something happens, and what else this node knows then.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    pub now_ms: u64,
    /// The end of the stream of edits: its own, or its master's as far as it was applied.
    pub repl_offset: u64,
    /// Whether it copies somebody.
    pub has_master: bool,
    /// Whether the link to its master stands.
    pub master_linked: bool,
    /// For how long nothing has come from its master.
    pub master_silent_ms: u64,
}

/// What is to be done outside of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write the file of nodes before long.
    Save,
    /// Open a connection.
    Connect {
        link: LinkId,
        ip: String,
        port: u16,
    },
    Send {
        link: LinkId,
        frame: Bytes,
    },
    Close {
        link: LinkId,
    },
    /// Become a replica of the node at this place.
    Follow {
        place: NodeAddress,
    },
    /// Become a master.
    Lead,
    /// Give a message to the subscribers of a channel.
    Deliver {
        channel: Bytes,
        message: Bytes,
        sharded: bool,
    },
    /// Hold clients' writes back, as a replica is about to take over.
    Pause {
        until_ms: u64,
    },
    Unpause,
    /// Nothing is written any more once the pause holds: say so over this connection, by [`super::Cluster::tell_paused`].
    TellPaused {
        link: LinkId,
    },
    /// Delete the keys of slots that this node has lost to another, as long as [`super::Cluster::is_dropping`] says so; and then
    /// tell it by [`super::Cluster::dropped`].
    DropKeys {
        slots: SlotSet,
        loss: u64,
    },
    /// Delete all keys.
    DropAllKeys,
    /// Take slots whole from their owner, by the name of the move.
    Import {
        id: String,
    },
    /// Ask another node to take slots whole from this one.
    OfferSlots {
        id: String,
    },
    /// Look what has become of slots that move whole.
    SettleMoves,
    /// Do what is to be done about leave to take slots, of which the moves know.
    SeeToLeaves,
    /// Move staged keys to where clients find them, if their slots are this node's, or else drop them.
    SettleStaged,
}

/// What follows from something that happened.
#[derive(Debug, Default)]
pub struct Actions {
    /// The file of nodes is to be written before anything else is done.
    pub save: bool,
    /// And it is to have reached the disk: somebody depends on what it says, even if the machine fails.
    pub sync: bool,
    pub list: Vec<Action>,
    /// Another picture is to take the place of the one that commands see.
    pub view: bool,
}

/// What is left to do once a call has ended.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    pub save: bool,
    /// The file is to be written, and to have reached the disk.
    pub sync: bool,
    /// The file is to be written, but nobody waits for it.
    pub note: bool,
    pub update_state: bool,
    pub view: bool,
    /// A pong goes to every node, as what it says has changed.
    pub tell_all: bool,
    /// An election may go on.
    pub failover: bool,
    /// A manual failover may go on.
    pub manual: bool,
}
