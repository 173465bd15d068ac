//! Redis Cluster, less its sockets: who is in it, who owns which slot, who lives, and who takes over from whom.
//!
//! [`Cluster`] is a state machine. It is told what happens (a frame came, a connection stands, a tenth of a second has
//! passed, somebody gave an order) and at which [`Moment`]; it answers with [`Actions`]: frames to send, a master to follow,
//! a file to write. It has no clock, no sockets, no locks and no chance but what it is given, so that a hundred of them run
//! in one test, and a seed repeats the run.
//!
//! A node that is given the same frames as one of Redis says the same: `frame` has the bytes, `receive` what each frame
//! does, `gossip` who is told of whom, `failure` when a node is dead, `election` and `manual` who takes its place, `claims` how
//! two that claim one slot agree, `migration` which replica moves to a master that has none.

mod actions;
mod claims;
mod conf;
mod election;
mod failover;
mod failure;
mod finish;
mod frame;
mod gossip;
mod handover;
mod leave;
mod link;
mod manual;
mod migration;
mod node;
mod orders;
mod owners;
mod picture;
mod receive;
mod send;
mod serving;
mod settings;
mod slots;
mod state;
mod strangers;
mod tick;
mod view;

pub use actions::{Action, Actions, Moment};
pub use conf::NodesReader;
pub use frame::{BadFrame, Extension, Frame, FrameBody, FrameHeader, FrameKind, Gossip};
pub use handover::{claim_anew, give_leave, hear_leaves, keep_leaves, leaves_given, take_over};
pub use leave::GivenLeave;
pub use link::{BusLink, LinkEnd};
pub use node::{At, ClusterNode, LinkId, NodeAddress, NodeId, Nodes, flag, flag_words};
pub use orders::{FailoverWay, OrderRefused};
pub use picture::{ClusterFigures, LinkFigures};
pub use settings::ClusterSettings;
pub use slots::{SLOT_BYTES, SLOTS, SlotSet, slot_of, slot_of_pattern};
pub use state::Cluster;
pub use view::{NONE, NodeView, Owners, View};

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
