//! The way to the server's end: what replicas still need, what is saved before it, and what keeps it up.
//!
//! A script that has changed something ends first, and so does one that must be obeyed. SHUTDOWN NOSAVE alone cuts it
//! off, and then log and replicas hear nothing of it. One that has changed nothing is ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::command::Shutdown;
use crate::script::RunningScript;
use crate::state::pause::{PauseFor, PauseMode};
use crate::state::shared::{Shared, Stopping};
use crate::state::surroundings::{tell_status, tell_supervisor};
use crate::util::clock;

/// Between two looks at the replicas.
const PATIENCE: Duration = Duration::from_millis(10);

/// A stop that was asked for.
#[derive(Debug)]
pub struct Stop {
    wish: Shutdown,
    by: StopSource,
    /// Scripts are waited for before replicas are.
    for_scripts: bool,
    /// Replicas have until then to take what they lack. None: nobody waits for them.
    patient_until_ms: Option<u64>,
}

/// Who asks for a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSource {
    /// Whose NOSAVE doesn't wait for scripts.
    Client,
    Signal,
}

/// SHUTDOWN or a signal wants a stop: whoever speaks from here on finds it going on, and may abort it while it waits.
pub fn ask_to_stop(shared: &Shared, mut wish: Shutdown, by: StopSource) -> Stop {
    if shared.watching.is_some() {
        // A Sentinel has no keys, and no replicas.
        wish.save = Some(false);
    }
    tracing::warn!("User requested shutdown...");
    tell_supervisor(&shared.config, &[NotifyState::Stopping]);
    let mut asked = Stop {
        wish,
        by,
        for_scripts: false,
        patient_until_ms: None,
    };
    asked.for_scripts = asked.spares_scripts() && has_unended(shared);
    if asked.for_scripts {
        tracing::info!("Waiting for scripts before shutting down.");
        begin_to_wait(shared, u64::MAX);
    } else {
        asked.be_patient(shared);
    }
    asked
}

impl Stop {
    fn spares_scripts(&self) -> bool {
        self.by == StopSource::Signal || self.wish.save != Some(false)
    }

    /// Gives replicas time, unless that isn't wished.
    fn be_patient(&mut self, shared: &Shared) {
        if !self.wish.now && !shared.store.loading.is_on() {
            self.patient_until_ms = be_patient(shared);
        }
    }
}

/// Whether scripts run for long that may not be ended half-way.
fn has_unended(shared: &Shared) -> bool {
    let unended = |one: &Arc<RunningScript>| one.obeyed || one.wrote.load(Ordering::Acquire);
    shared.scripts.busy().iter().any(unended)
}

/// Waits for replicas and saves, and then stops everything; false if the server stays up. Takes as long as that takes.
pub fn stop(shared: &Shared, mut asked: Stop) -> bool {
    if shared.store.loading.is_on() {
        end(shared);
        return true;
    }
    if asked.for_scripts {
        if !wait(shared, u64::MAX, || !has_unended(shared)) {
            return false;
        }
        // They have had something to say.
        asked.be_patient(shared);
    }
    if !await_keys(shared, &mut asked) {
        return false;
    }
    if let Some(until_ms) = asked.patient_until_ms
        && !wait(shared, until_ms, || all_have_it(shared))
    {
        return false;
    }
    count_replicas(shared);
    let stopped = save_and_stop(shared, &asked);
    if !stopped {
        tracing::warn!(
            "Errors trying to shut down the server. Check the logs for more information."
        );
        shared.pause.stop(PauseFor::Stop);
    }
    stopped
}

/// Waits until what MIGRATE carries has arrived and is deleted here, as neither files nor replicas would hear of it
/// later; false if the server stays up.
fn await_keys(shared: &Shared, asked: &mut Stop) -> bool {
    let now_ms = clock::now_ms();
    shared.hold_back(PauseFor::Stop, u64::MAX, PauseMode::Write, now_ms);
    shared.pass_guards();
    if !shared.pause.has_away() {
        return true;
    }
    tracing::info!("Waiting for keys on their way to another server before shutting down.");
    begin_to_wait(shared, u64::MAX);
    if !wait(shared, u64::MAX, || !shared.pause.has_away()) {
        return false;
    }
    if asked.patient_until_ms.is_none() {
        asked.be_patient(shared);
    }
    true
}

fn save_and_stop(shared: &Shared, asked: &Stop) -> bool {
    let (store, wish) = (&shared.store, asked.wish);
    // A log that a backup alone has begun is owed to nobody.
    if store.log.is_beginning() && shared.config.appendonly.get() {
        if !wish.force {
            tracing::warn!("Writing initial AOF, can't exit");
            return false;
        }
        tracing::warn!("Writing initial AOF. Exit anyway.");
    }
    if asked.spares_scripts() {
        // Those that have changed something don't heed it.
        shared.scripts.kill_all();
    } else {
        shared.scripts.cut.store(true, Ordering::Release);
    }
    let points = shared.config.save.get();
    if wish.save.unwrap_or(!points.0.is_empty()) {
        // Nobody changes anything from here on, but for those who are at it already.
        let now_ms = clock::now_ms();
        shared.hold_back(PauseFor::Stop, u64::MAX, PauseMode::All, now_ms);
        shared.pass_guards();
        tracing::warn!("Saving the final RDB snapshot before exiting.");
        tell_status(&shared.config, "Saving the final RDB snapshot");
        let saved = store.save_at_end(shared.stats.totals().dirty);
        if !saved && !wish.force {
            tracing::warn!("Error trying to save the DB, can't exit.");
            tell_status(&shared.config, "Error trying to save the DB, can't exit.");
            return false;
        }
    }
    end(shared);
    true
}

/// Nobody is let in from here on, and everything stops.
fn end(shared: &Shared) {
    if let Some(reopen) = shared.reopen.get() {
        // Closing can't fail.
        let _ = reopen(None);
    }
    // A replica may be at it, too.
    shared.store.loading.halt();
    shared.stop.cancel();
}

/// Whether no replica lacks anything. Of one that has yet to get a snapshot this is so while there was nothing to tell.
fn all_have_it(shared: &Shared) -> bool {
    let end = shared.journal.backlog.end();
    let replicas = shared.replication.replicas();
    replicas.iter().all(|one| one.acked() == end)
}

/// A signal asks for a stop, which begins at the cron's next turn; false if it was aborted before.
pub fn wait_for_cron(shared: &Shared) -> bool {
    if !shared.cron_paused.load(Ordering::Relaxed) {
        return true;
    }
    let stopping = Stopping {
        until_ms: u64::MAX,
        ..Stopping::default()
    };
    shared.stopping.lock().get_or_insert(stopping);
    while shared.cron_paused.load(Ordering::Relaxed) {
        if shared.stopping.lock().is_none_or(|one| one.aborted) {
            break;
        }
        std::thread::sleep(PATIENCE);
    }
    let stopping = shared.stopping.lock().take();
    stopping.is_some_and(|one| !one.aborted)
}

/// Gives replicas the time that the configuration says to take what they lack, and says when that ends; None if they
/// lack nothing.
fn be_patient(shared: &Shared) -> Option<u64> {
    let timeout_ms = shared.config.shutdown_timeout.get() as u64 * 1000;
    if timeout_ms == 0 || all_have_it(shared) {
        return None;
    }
    let now_ms = clock::now_ms();
    shared.hold_back(PauseFor::Stop, u64::MAX, PauseMode::Write, now_ms);
    shared.pass_guards();
    tracing::info!("Waiting for replicas before shutting down.");
    Some(begin_to_wait(shared, now_ms + timeout_ms))
}

/// From here on the wait may be aborted. Says when it ends.
fn begin_to_wait(shared: &Shared, until_ms: u64) -> u64 {
    let mut stopping = shared.stopping.lock();
    let stopping = stopping.get_or_insert(Stopping {
        until_ms,
        ..Stopping::default()
    });
    stopping.asked += 1;
    stopping.until_ms = stopping.until_ms.min(until_ms);
    stopping.until_ms
}

/// Waits as was begun, until it is over; false if that was aborted.
fn wait(shared: &Shared, until_ms: u64, is_over: impl Fn() -> bool) -> bool {
    let mut aborted = false;
    while !aborted && clock::now_ms() < until_ms && !is_over() && !shared.stop.is_cancelled() {
        std::thread::sleep(PATIENCE);
        aborted = shared.stopping.lock().is_some_and(|one| one.aborted);
    }
    let mut stopping = shared.stopping.lock();
    if let Some(held) = &mut *stopping {
        held.asked -= 1;
        if held.asked == 0 {
            *stopping = None;
            if aborted {
                shared.pause.stop(PauseFor::Stop);
            }
        }
    }
    !aborted
}

/// SHUTDOWN ABORT: the server stays; false if it wasn't about to stop.
pub fn abort(shared: &Shared) -> bool {
    let mut stopping = shared.stopping.lock();
    let Some(stopping) = &mut *stopping else {
        return false;
    };
    stopping.aborted = true;
    tracing::info!("Shutdown manually aborted.");
    true
}

/// Tells the log who is left behind.
fn count_replicas(shared: &Shared) {
    let end = shared.journal.backlog.end();
    let now_ms = clock::now_ms();
    let replicas = shared.replication.replicas();
    let mut in_sync = 0;
    for replica in &replicas {
        let behind = end - replica.acked().min(end);
        if behind == 0 {
            in_sync += 1;
            continue;
        }
        tracing::info!(
            "Lagging replica {} reported offset {behind} behind master, lag={}, state={}.",
            replica.name(),
            replica.lag_s(now_ms),
            replica.stage().word()
        );
    }
    if !replicas.is_empty() {
        let all = replicas.len();
        tracing::info!("{in_sync} of {all} replicas are in sync when shutting down.");
    }
}
