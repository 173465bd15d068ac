//! CLUSTER FAILOVER: a replica takes over because somebody said so.
//!
//! Agreed: the replica asks its master (MFSTART), which holds its clients back and says in its pings how far its stream goes;
//! once the replica has that much, it asks for votes as it would if the master had failed.

use super::node::At;
use super::orders::FailoverWay;
use super::state::{Action, Cluster, Moment};

#[derive(Debug, Default)]
pub(super) struct ManualFailover {
    /// Until when it must have succeeded; 0 while there is none.
    pub end_ms: u64,
    /// Of a master: who takes over.
    pub replica: Option<At>,
    /// Of a replica: how far its master's stream goes, once that has stopped.
    pub master_offset: Option<u64>,
    /// Of a replica: it may ask for votes.
    pub can_start: bool,
}

impl Cluster {
    pub(super) fn begin_manual(&mut self, way: FailoverWay, master: At, _: Moment) {
        match way {
            FailoverWay::Takeover => {
                tracing::info!("Taking over the master (user request).");
                self.bump_alone();
                self.replace_master();
            }
            FailoverWay::Force => {
                tracing::info!("Forced failover user request accepted.");
                self.manual.can_start = true;
            }
            FailoverWay::Agreed => {
                tracing::info!("Manual failover user request accepted.");
                self.pending.ask_master = Some(master);
            }
        }
    }

    /// Takes the master's part and its slots.
    pub(super) fn replace_master(&mut self) {
        let Some(old) = self.me().master else {
            return;
        };
        self.become_master();
        self.actions.push(Action::Lead);
        let slots = self.nodes[old].slots.clone();
        for slot in slots.iter() {
            self.free_slot(slot);
            self.give_slot(slot, self.myself);
        }
        self.pending.tell_all = true;
        self.reset_manual();
        self.changed();
    }

    /// Gives a manual failover up, or ends it.
    pub(super) fn reset_manual(&mut self) {
        if self.manual.replica.is_some() {
            self.actions.push(Action::Unpause);
        }
        self.manual = ManualFailover::default();
    }
}
