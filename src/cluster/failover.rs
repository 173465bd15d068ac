//! How far a failover has come: the election that this replica stands in, and a failover that somebody has asked for.

use std::collections::BTreeSet;

use super::node::At;

/// Why a replica doesn't take over yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hindrance {
    #[default]
    None,
    DataAge,
    WaitingDelay,
    Expired,
    WaitingVotes,
}

impl Hindrance {
    pub fn says(self) -> &'static str {
        match self {
            Hindrance::None => "Unknown reason code",
            Hindrance::DataAge => {
                "Disconnected from master for longer than allowed. Please check the \
                 'cluster-replica-validity-factor' configuration option."
            }
            Hindrance::WaitingDelay => "Waiting the delay before I can start a new failover.",
            Hindrance::Expired => "Failover attempt expired.",
            Hindrance::WaitingVotes => "Waiting for votes, but majority still not reached.",
        }
    }
}

/// An election that a replica stands in.
#[derive(Debug, Default)]
pub(super) struct Election {
    /// When votes are, or were, asked for.
    pub at_ms: u64,
    /// Who has voted for this node.
    pub votes: BTreeSet<At>,
    pub asked: bool,
    pub rank: u64,
    /// The epoch that the votes are for.
    pub epoch: u64,
    pub hindrance: Hindrance,
    pub logged_ms: u64,
}

/// A failover that somebody has asked for.
#[derive(Debug, Default)]
pub(super) struct ManualFailover {
    /// Until when it must have succeeded; 0 while there is none.
    pub end_ms: u64,
    /// Of a master: who takes over.
    pub replica: Option<At>,
    /// Of a master: nothing is written any more.
    pub stopped: bool,
    /// Of a replica: how far its master's stream goes, once that has stopped.
    pub master_offset: Option<u64>,
    /// Of a replica: it may ask for votes.
    pub can_start: bool,
}
