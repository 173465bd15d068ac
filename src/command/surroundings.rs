//! What the process is told of, and tells, outside: its supervisor, and the kernel's killer.

use std::env;

use sd_notify::NotifyState;

use super::shared::Shared;
use crate::config::{Config, OomScoreAdj, Supervised};
use crate::util::oom::Score;

/// The supervisor that the configuration names and that is there; `No` without one.
pub fn supervisor(config: &Config) -> Supervised {
    let is_there = |supervisor: Supervised| match supervisor {
        Supervised::Upstart => env::var_os("UPSTART_JOB").is_some(),
        Supervised::Systemd => env::var_os("NOTIFY_SOCKET").is_some(),
        Supervised::Auto | Supervised::No => false,
    };
    let named = match config.supervised.get() {
        Supervised::Auto => vec![Supervised::Upstart, Supervised::Systemd],
        named => vec![named],
    };
    named
        .into_iter()
        .find(|supervisor| is_there(*supervisor))
        .unwrap_or(Supervised::No)
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
