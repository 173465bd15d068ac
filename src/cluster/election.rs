//! How a replica takes a dead master's place: by the votes of most masters, of which each has one in an epoch.

use super::actions::Moment;
use super::failover::{Election, Hindrance};
use super::frame::{FrameHeader, FrameKind, mark};
use super::node::{At, flag};
use super::state::Cluster;

/// Before it asks for votes a replica lets the news of the failure spread, and then waits for chance.
const DELAY_MS: u64 = 500;
const DELAY_CHANCE_MS: u64 = 500;
/// And so long for each replica of the same master that has more of its stream.
const RANK_DELAY_MS: u64 = 1000;
/// The time for votes, at least.
const VOTES_MS_MIN: u64 = 2000;
/// A reason not to take over is logged again after so long.
const LOG_AGAIN_MS: u64 = 5 * 60 * 1000;
/// And not before the master has failed for longer than usual.
const LOG_AFTER_MS: u64 = 5000;

impl Cluster {
    /// Votes for a replica that asks, if it may have the vote.
    pub(super) fn hear_auth_request(&mut self, from: At, header: &FrameHeader, moment: Moment) {
        if !self.me().votes() {
            return;
        }
        let called = self.nodes[from].called();
        let master = match self.may_vote(from, header, moment) {
            Ok(master) => master,
            Err(why) => {
                tracing::warn!("Failover auth denied to {called}: {why}");
                return;
            }
        };
        self.last_vote_epoch = self.current_epoch;
        self.nodes[master].voted_ms = moment.now_ms;
        // The vote is on the disk before it is sent: nobody gets another in this epoch after a restart.
        self.pending.sync = true;
        self.send_word(from, FrameKind::AuthAck, 0, moment);
        tracing::info!(
            "Failover auth granted to {called} for epoch {}",
            self.current_epoch
        );
    }

    fn may_vote(&self, from: At, header: &FrameHeader, moment: Moment) -> Result<At, String> {
        let (asked, current) = (header.current_epoch, self.current_epoch);
        if asked < current {
            return Err(format!("reqEpoch ({asked}) < curEpoch({current})"));
        }
        if self.last_vote_epoch == current {
            return Err(format!("already voted for epoch {current}"));
        }
        let node = &self.nodes[from];
        if node.is_master() {
            return Err("it is a master node".into());
        }
        let Some(at) = node.master else {
            return Err("I don't know its master".into());
        };
        let master = &self.nodes[at];
        if !master.is(flag::FAIL) && header.marks & mark::FORCE_ACK == 0 {
            return Err("its master is up".into());
        }
        let rest_ms = self.settings.node_timeout_ms * 2;
        let since_ms = moment.now_ms.saturating_sub(master.voted_ms);
        if master.voted_ms != 0 && since_ms < rest_ms {
            let left_ms = rest_ms - since_ms;
            return Err(format!(
                "can't vote about this master before {left_ms} milliseconds"
            ));
        }
        for slot in header
            .slots
            .iter()
            .filter(|slot| !self.unclaimed.has(*slot))
        {
            let owner = self.owner(slot).map(|owner| self.nodes[owner].config_epoch);
            if let Some(epoch) = owner.filter(|epoch| *epoch > header.config_epoch) {
                let asked = header.config_epoch;
                return Err(format!("slot {slot} epoch ({epoch}) > reqEpoch ({asked})"));
            }
        }
        Ok(at)
    }

    /// A vote has come, if it is for the election under way.
    pub(super) fn hear_vote(&mut self, from: At, header: &FrameHeader) {
        let election = &mut self.election;
        let counts = self.nodes[from].votes() && election.asked;
        if counts && header.current_epoch >= election.epoch {
            election.votes.insert(from);
            self.pending.failover = true;
        }
    }

    /// Other replicas of this one's master that have more of its stream.
    fn rank(&self, moment: Moment) -> u64 {
        let Some(master) = self.me().master else {
            return 0;
        };
        let ahead = self.nodes.replicas(master).filter(|(at, node)| {
            let competes = *at != self.myself && !node.is(flag::NO_FAILOVER);
            competes && node.repl_offset > moment.repl_offset
        });
        ahead.count() as u64
    }

    /// Takes the next step towards the master's place, if this is a replica whose master is dead or gives way.
    pub(super) fn strive(&mut self, moment: Moment) {
        let manual = self.manual.end_ms != 0 && self.manual.can_start;
        if !self.may_strive(manual) {
            self.election.hindrance = Hindrance::None;
            return;
        }
        if !manual && self.data_are_old(moment) {
            return self.hindered(Hindrance::DataAge, moment);
        }
        let now_ms = moment.now_ms;
        let timeout_ms = (self.settings.node_timeout_ms * 2).max(VOTES_MS_MIN);
        let age_ms = now_ms.saturating_sub(self.election.at_ms);
        if self.election.at_ms == 0 || age_ms > timeout_ms * 2 {
            return self.schedule_election(moment);
        }
        if !self.election.asked && self.manual.end_ms == 0 {
            self.lower_rank(moment);
        }
        if now_ms < self.election.at_ms {
            return self.hindered(Hindrance::WaitingDelay, moment);
        }
        if age_ms > timeout_ms {
            return self.hindered(Hindrance::Expired, moment);
        }
        if !self.election.asked {
            return self.ask_for_votes(moment);
        }
        if self.election.votes.len() < self.quorum() {
            return self.hindered(Hindrance::WaitingVotes, moment);
        }
        self.win();
    }

    fn may_strive(&self, manual: bool) -> bool {
        let me = self.me();
        let Some(master) = me.master.filter(|_| me.is_replica()) else {
            return false;
        };
        let master = &self.nodes[master];
        let asked = manual || master.is(flag::FAIL) && !self.settings.no_failover;
        asked && !master.slots.is_empty()
    }

    /// Whether this replica has been without its master for so long that another's data are to be preferred.
    fn data_are_old(&self, moment: Moment) -> bool {
        let settings = &self.settings;
        if settings.validity_factor == 0 {
            return false;
        }
        let mut age_ms = moment.master_silent_ms;
        // The master had to be silent for so long before it was held for dead.
        if age_ms > settings.node_timeout_ms {
            age_ms -= settings.node_timeout_ms;
        }
        let factor = settings.validity_factor;
        let valid_ms = settings.node_timeout_ms.saturating_mul(factor);
        age_ms > settings.repl_ping_period_ms.saturating_add(valid_ms)
    }

    fn schedule_election(&mut self, moment: Moment) {
        let rank = match self.manual.end_ms {
            0 => self.rank(moment),
            _ => 0,
        };
        let delay_ms = match self.manual.end_ms {
            0 => DELAY_MS + self.rng.u64(0..DELAY_CHANCE_MS) + rank * RANK_DELAY_MS,
            _ => {
                self.pending.failover = true;
                0
            }
        };
        self.election = Election {
            at_ms: moment.now_ms + delay_ms,
            rank,
            epoch: self.election.epoch,
            hindrance: self.election.hindrance,
            logged_ms: self.election.logged_ms,
            ..Election::default()
        };
        tracing::info!(
            "Start of election delayed for {delay_ms} milliseconds (rank #{rank}, offset {}).",
            moment.repl_offset
        );
        // The other replicas learn how far this one has come, and give way if they have less.
        self.broadcast_pong(true, moment);
    }

    fn lower_rank(&mut self, moment: Moment) {
        let rank = self.rank(moment);
        if rank > self.election.rank {
            let added_ms = (rank - self.election.rank) * RANK_DELAY_MS;
            self.election.at_ms += added_ms;
            self.election.rank = rank;
            tracing::info!(
                "Replica rank updated to #{rank}, added {added_ms} milliseconds of delay."
            );
        }
    }

    fn ask_for_votes(&mut self, moment: Moment) {
        let Some(epoch) = self.raise_epoch() else {
            return;
        };
        self.election.epoch = epoch;
        self.election.asked = true;
        tracing::info!(
            "Starting a failover election for epoch {}.",
            self.current_epoch
        );
        let marks = match self.manual.end_ms {
            0 => 0,
            _ => mark::FORCE_ACK,
        };
        self.broadcast_word(FrameKind::AuthRequest, marks, moment);
        self.changed();
    }

    fn win(&mut self) {
        tracing::info!("Failover election won: I'm the new master.");
        let epoch = self.election.epoch;
        let me = self.me_mut();
        if me.config_epoch < epoch {
            me.config_epoch = epoch;
            tracing::info!("configEpoch set to {epoch} after successful failover");
        }
        self.replace_master();
    }

    /// Notes why nothing happens, and logs it now and then if that lasts.
    fn hindered(&mut self, why: Hindrance, moment: Moment) {
        let election = &mut self.election;
        let again = moment.now_ms.saturating_sub(election.logged_ms) >= LOG_AGAIN_MS;
        if why == election.hindrance && !again {
            return;
        }
        self.election.hindrance = why;
        let master = self.me().master.map(|master| &self.nodes[master]);
        let usual_ms = self.settings.node_timeout_ms + LOG_AFTER_MS;
        let failed_ms = master.map_or(0, |master| master.failed_ms);
        if moment.now_ms.saturating_sub(failed_ms) < usual_ms {
            return;
        }
        self.election.logged_ms = moment.now_ms;
        tracing::warn!("Currently unable to failover: {}", why.says());
        if why == Hindrance::WaitingVotes {
            tracing::warn!(
                "Needed quorum: {}. Number of votes received so far: {}",
                self.quorum(),
                self.election.votes.len()
            );
        }
    }
}
