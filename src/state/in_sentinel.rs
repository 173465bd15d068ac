//! The one way in which a Sentinel's state is changed, [`Shared::in_sentinel`], and what follows from a change.
//!
//! Under the state's lock the file is written and synced, as other Sentinels depend on votes that were given, and events are
//! published, in the order of the changes; what sockets and scripts have to do with it is left to the monitor.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::sentinel::Watching;
use super::shared::Shared;
use crate::sentinel::{EventLevel, Sentinel, SentinelAction};
use crate::util::clock;

/// The status of a process that was asked to fail.
const CRASHED: i32 = 99;

/// Whether the file was written, for whoever has asked for that.
pub type Saved = bool;

/// A time as C's `ctime` writes it.
fn local_text(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    let at = at.to_zoned(TimeZone::system());
    at.strftime("%a %b %e %H:%M:%S %Y").to_string()
}

impl Shared {
    /// Tells the state of something, or asks it. What follows is done when this returns, but for what is done to sockets and
    /// scripts; whether the file could be written, if it had to be.
    pub fn in_sentinel<T>(
        &self,
        watching: &Watching,
        change: impl FnOnce(&mut Sentinel) -> T,
    ) -> (T, Saved) {
        let mut state = watching.state.lock();
        state.at_moment(clock::now_ms() as i64);
        let outcome = change(&mut state);
        let actions = state.finish();
        let saved = !actions.save || self.saves_sentinel(&state);
        for action in actions.list {
            self.carry_out_sentinel(watching, action);
        }
        (outcome, saved)
    }

    fn saves_sentinel(&self, state: &Sentinel) -> bool {
        let file = Path::new(&self.about.config_file);
        match self.rewrite_file(file, false, Some(&state.lines())) {
            Ok(()) => {
                tracing::info!("Sentinel new configuration saved on disk");
                true
            }
            Err(error) => {
                tracing::warn!(
                    "WARNING: Sentinel was not able to save the new configuration on disk!!!: {error}"
                );
                false
            }
        }
    }

    fn carry_out_sentinel(&self, watching: &Watching, action: SentinelAction) {
        match action {
            SentinelAction::Event {
                level,
                channel,
                text,
            } => {
                match level {
                    EventLevel::Debug => tracing::trace!("{channel} {text}"),
                    EventLevel::Verbose => tracing::debug!("{channel} {text}"),
                    EventLevel::Notice => tracing::info!("{channel} {text}"),
                    EventLevel::Warning => tracing::warn!("{channel} {text}"),
                }
                if level != EventLevel::Debug {
                    self.broker.publish(channel.as_bytes(), text.as_bytes());
                }
            }
            SentinelAction::Log(text) => tracing::warn!("{text}"),
            SentinelAction::LogDelay(until_ms) => tracing::warn!(
                "Next failover delay: I will not start a failover before {}",
                local_text(until_ms)
            ),
            SentinelAction::Crash => {
                tracing::warn!("Sentinel CRASH because of SENTINEL simulate-failure");
                std::process::exit(CRASHED);
            }
            // The monitor is gone once the server stops.
            action => drop(watching.to_monitor.send(action)),
        }
    }
}
