//! Sentinel, less its sockets: which masters are watched, who is down, who is to take a dead master's place, and how all
//! Sentinels come to agree on that.
//!
//! [`Sentinel`] is a state machine. It is told what happens (a reply came, a connection is lost, some time has passed, somebody
//! gave an order) and when; it answers with [`SentinelActions`]: commands to send, events to publish, a file to write, scripts to
//! run. It has no clock, no sockets, no locks and no chance but what it is given, so that a test runs several of them, and a
//! seed repeats the run.
//!
//! A Sentinel of Redis that is told the same does the same: `periodic` has what is asked of whom and how often, `info` and `hello`
//! what is learned from the answers, `down` when somebody counts as down, `election` who may act on it, and `failover` what is done
//! then. What others say is checked before it is taken in: names and addresses get into the file; `names` has them looked
//! up.

mod actions;
mod address;
mod conf;
mod describe;
mod down;
mod election;
mod events;
mod failover;
mod group;
mod hello;
mod info;
mod instance;
mod link;
mod names;
mod orders;
mod periodic;
mod periods;
mod promotion;
mod replies;
mod script_queue;
mod scripts;
mod set;
mod settings;
mod state;
mod tick;
mod wire;
mod wiring;

pub use actions::{Again, EventLevel, SentinelAction, SentinelActions};
pub use conf::{Outside, turn};
pub use describe::Fields;
pub use group::MasterGroup;
pub use instance::{Instance, InstanceKind};
pub use link::WireId;
pub use orders::SentinelRefused;
pub use periodic::HELLO_CHANNEL;
pub use script_queue::{JobId, PendingScript};
pub use settings::{LOG_LEVEL, settings_of};
pub use state::{Sentinel, SentinelHome};

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
