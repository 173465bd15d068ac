//! What the process is told of, and tells, outside: its supervisor, and the kernel's killer.

use std::env;

use sd_notify::NotifyState;

use super::shared::Shared;
use crate::config::{Config, OomScoreAdj, Supervised};
use crate::util::oom::Score;

/// The supervisor that the configuration names and that is there; `No` without one.
pub fn supervisor(config: &Config) -> Supervised {
    let named = config.supervised.get();
    let known = [
        (Supervised::Upstart, "UPSTART_JOB"),
        (Supervised::Systemd, "NOTIFY_SOCKET"),
    ];
    let is_it = |(kind, variable): &(Supervised, &str)| {
        (named == Supervised::Auto || named == *kind) && env::var_os(variable).is_some()
    };
    let found = known.into_iter().find(is_it);
    found.map_or(Supervised::No, |(kind, _)| kind)
}

/// Tells systemd, if it is the supervisor.
pub fn tell_supervisor(config: &Config, news: &[NotifyState<'_>]) {
    if supervisor(config) == Supervised::Systemd
        && let Err(error) = sd_notify::notify(news)
    {
        tracing::warn!("systemd supervision error: sd_notify: {error}");
    }
}

/// Tells systemd in words how it goes.
pub fn tell_status(config: &Config, status: &str) {
    tell_supervisor(config, &[NotifyState::Status(status)]);
}

impl Shared {
    /// Sets the kernel's out of memory score as the configuration has it for this server's part.
    pub fn apply_oom_score(&self) -> Result<(), &'static str> {
        let [master, replica, _] = self.config.oom_score_adj_values.get().0;
        let score = i32::from(match self.replication.is_replica() {
            true => replica,
            false => master,
        });
        let wanted = match self.config.oom_score_adj.get() {
            OomScoreAdj::No => None,
            OomScoreAdj::Yes | OomScoreAdj::Relative => Some(Score::Relative(score)),
            OomScoreAdj::Absolute => Some(Score::Absolute(score)),
        };
        self.oom_score.set(wanted).map_err(|error| {
            tracing::warn!("Unable to write oom_score_adj: {error}");
            "Failed to set current oom_score_adj. Check server logs."
        })
    }
}
