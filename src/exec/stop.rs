//! The way to the server's end: what is saved before it, and what keeps it up.

use crate::command::Shutdown;
use crate::command::shared::{PauseMode, Shared};
use crate::util::clock;

/// Saves as SHUTDOWN or a signal wants it, and then stops everything; false if saving failed and the server stays up.
/// Takes as long as saving takes.
pub fn stop(shared: &Shared, wish: Shutdown) -> bool {
    let store = &shared.store;
    tracing::warn!("User requested shutdown...");
    shared.scripts.kill_all();
    if store.loading.is_on() {
        store.loading.halt();
        shared.stop.cancel();
        return true;
    }
    let points = shared.config.save.get();
    if wish.save.unwrap_or(!points.0.is_empty()) {
        // Nobody changes anything from here on, but for those who are at it already.
        let now_ms = clock::now_ms();
        shared.pause.start(u64::MAX, PauseMode::All, now_ms);
        tracing::warn!("Saving the final RDB snapshot before exiting.");
        let saved = store.save_at_end(shared.stats.totals().dirty);
        if !saved && !wish.force {
            tracing::warn!("Error trying to save the DB, can't exit.");
            shared.pause.stop();
            return false;
        }
    }
    shared.stop.cancel();
    true
}
