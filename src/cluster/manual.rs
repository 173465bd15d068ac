//! CLUSTER FAILOVER: a replica takes over because somebody said so.
//!
//! Agreed: the replica asks its master (MFSTART), which holds its clients back and says in its pings how far its stream goes;
//! once the replica has that much, it asks for votes as it would if the master had failed.

use super::actions::{Action, Moment};
use super::failover::{Election, ManualFailover};
use super::frame::{FrameHeader, FrameKind, mark};
use super::node::{At, LinkId};
use super::orders::FailoverWay;
use super::state::Cluster;

/// A master holds its clients back for so many times what the failover may take.
const PAUSE_TIMES: u64 = 2;

impl Cluster {
    pub(super) fn begin_manual(&mut self, way: FailoverWay, master: At, moment: Moment) {
        // An election that went before has no say in this one.
        self.election = Election::default();
        match way {
            FailoverWay::Takeover => {
                tracing::info!("Taking over the master (user request).");
                self.bump_alone();
                self.replace_master();
            }
            FailoverWay::Force => {
                tracing::info!("Forced failover user request accepted.");
                self.manual.can_start = true;
                self.pending.manual = true;
            }
            FailoverWay::Agreed => {
                tracing::info!("Manual failover user request accepted.");
                self.send_word(master, FrameKind::ManualStart, 0, moment);
            }
        }
    }

    /// A replica of this master asks it to stop, as it takes over.
    pub(super) fn hear_manual_start(&mut self, from: At, link: LinkId, moment: Moment) {
        if self.nodes[from].master != Some(self.myself) || !self.me().is_master() {
            return;
        }
        self.reset_manual();
        let patience_ms = self.settings.manual_failover_ms;
        self.manual.end_ms = moment.now_ms + patience_ms;
        self.manual.replica = Some(from);
        tracing::info!(
            "Manual failover requested by replica {}.",
            self.nodes[from].called()
        );
        let until_ms = moment.now_ms + patience_ms * PAUSE_TIMES;
        self.actions.push(Action::Pause { until_ms });
        // It is told how far the stream goes, once nothing more is written.
        self.actions.push(Action::TellPaused { link });
    }

    /// The master has stopped, and says how far its stream goes.
    pub(super) fn hear_paused(&mut self, from: At, header: &FrameHeader) {
        let paused = header.marks & mark::PAUSED != 0;
        let mine = self.me().is_replica() && self.me().master == Some(from);
        if self.manual.end_ms == 0 || !paused || !mine || self.manual.master_offset.is_some() {
            return;
        }
        self.manual.master_offset = Some(header.repl_offset);
        self.pending.manual = true;
        tracing::info!(
            "Received replication offset for paused master manual failover: {}",
            header.repl_offset
        );
    }

    /// Goes on with a manual failover of this replica, once it has all of its master's stream.
    pub(super) fn go_on_manual(&mut self, moment: Moment) {
        let manual = &mut self.manual;
        let wanted = manual.master_offset;
        let caught_up = wanted.is_some_and(|offset| moment.repl_offset >= offset);
        if manual.end_ms != 0 && !manual.can_start && caught_up {
            manual.can_start = true;
            tracing::info!("All master replication stream processed, manual failover can start.");
        }
    }

    /// Tells a replica that takes over how far the stream goes, now that nothing more is written.
    pub fn tell_paused(&mut self, link: LinkId, moment: Moment) {
        if self.manual.replica.is_some() {
            self.manual.stopped = true;
            self.send_ping(link, FrameKind::Ping, moment);
        }
    }

    pub(super) fn give_up_manual(&mut self, moment: Moment) {
        if self.manual.end_ms != 0 && self.manual.end_ms < moment.now_ms {
            tracing::warn!("Manual failover timed out.");
            self.reset_manual();
        }
    }

    /// Whether a manual failover waits for the stream: it is looked at more often then.
    pub fn is_hurried(&self) -> bool {
        self.manual.end_ms != 0
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
        self.drop_keys_for_master();
        self.election = Election::default();
        self.pending.tell_all = true;
        self.pending.sync = true;
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
