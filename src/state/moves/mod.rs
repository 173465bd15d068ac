//! Slots that move whole from one node to another: what this node knows of the moves that it takes part in.
//!
//! The node that gets the slots asks their owner for the keys, a piece at a time: first for those that are there, then
//! again for what has changed meanwhile, and at last, once the owner holds back whatever names keys of these slots, for what
//! is left. It keeps them in a database that no client reaches (`exec::lost::staged`), which its log and its replicas have, too. When
//! they have all, it asks the owner for leave, takes the slots under a new epoch, holds their clients back until the keys
//! have come to where clients find them, and is done. Until it takes the slots they are their owner's, whatever fails.
//!
//! The owner ends a move at any time before it has given leave: then the slots stay its own. The other node takes them only
//! shortly after it has asked for leave, counted from before it asked. An owner that has given leave and hears nothing of it
//! until long after that has therefore not lost its slots, or hears of it once it hears of other nodes: it goes on only after one
//! more node timeout in which it has reached most of them, and claims its slots anew, under an epoch above the one that
//! the other may have taken and told nobody. Until then nobody knows whose the slots are, and their clients aren't held
//! back for it: they are told to try again. Before leave is given, it is noted in the file of nodes, and told to the owner's
//! replicas, which note it, too: an owner that is started anew, or a replica that takes its place, is in the same doubt.

mod ends;
mod gives;
mod holds;
mod leaves;
mod list;
mod one;
mod owner;
#[cfg(test)]
mod tests;

pub use gives::{NextPiece, PIECE_BYTES, PIECE_KEYS, SentKey, ShardWalk, StagedFate};
pub use leaves::LeaveOrder;
pub use list::SlotMoves;
pub use one::{MoveSide, MoveState, SlotMove};
