//! One move of slots, as the node on either side knows it.

use crate::cluster::{NodeId, SlotSet};
use crate::util::clock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveSide {
    Import,
    Export,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveState {
    /// The other node has yet to answer.
    Begun,
    /// The keys that are there.
    Copying,
    /// What has changed meanwhile.
    CatchingUp,
    /// The owner holds commands back.
    HeldBack,
    /// The owner has given leave.
    TakingOver,
    Done,
    Failed,
    Canceled,
}

impl MoveState {
    pub fn has_ended(self) -> bool {
        matches!(
            self,
            MoveState::Done | MoveState::Failed | MoveState::Canceled
        )
    }
}

#[derive(Clone, Debug)]
pub struct SlotMove {
    pub id: String,
    pub side: MoveSide,
    pub slots: SlotSet,
    pub source: NodeId,
    pub dest: NodeId,
    pub state: MoveState,
    pub error: String,
    pub created_ms: u64,
    /// When it last got on.
    pub updated_ms: u64,
    pub ended_ms: Option<u64>,
    /// When commands began to be held back here.
    pub held_ms: Option<u64>,
}

impl SlotMove {
    /// A move that begins now.
    pub fn new(id: &str, side: MoveSide, slots: SlotSet, source: NodeId, dest: NodeId) -> Self {
        let now_ms = clock::now_ms();
        SlotMove {
            id: id.to_owned(),
            side,
            slots,
            source,
            dest,
            state: MoveState::Begun,
            error: String::new(),
            created_ms: now_ms,
            updated_ms: now_ms,
            ended_ms: None,
            held_ms: None,
        }
    }

    /// The slots may change hands at any time: only who knows whether they do ends it.
    pub fn is_unsure(&self) -> bool {
        self.state == MoveState::TakingOver
    }

    pub(super) fn end(&mut self, state: MoveState, error: &str, now_ms: u64) {
        self.state = state;
        self.error = error.to_owned();
        self.updated_ms = now_ms;
        self.ended_ms = Some(now_ms);
        let (id, slots) = (&self.id, &self.slots);
        let what = match self.side {
            MoveSide::Import => "Import",
            MoveSide::Export => "Export",
        };
        match state {
            MoveState::Done => tracing::info!("{what} {id} of slots {slots} is done."),
            _ => tracing::warn!("{what} {id} of slots {slots} has come to nothing: {error}"),
        }
    }
}
