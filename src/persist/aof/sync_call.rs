//! What the thread that syncs the log is told.

use std::time::Duration;

use parking_lot::Condvar;

use crate::util::clock::Timer;
use crate::util::ranked::{Mutex, rank};

/// Syncs under `everysec` come twice a second, so that nothing waits for longer than one even if the disk is slow.
const SYNC_EVERY: Duration = Duration::from_millis(500);

#[derive(Default)]
pub struct SyncCall {
    wish: Mutex<SyncWish, { rank("log sync") }>,
    bell: Condvar,
}

#[derive(Clone, Copy, Default)]
pub struct SyncWish {
    /// There is something to sync.
    pub due: bool,
    /// It is not to wait for its time.
    pub at_once: bool,
    pub ended: bool,
}

impl SyncCall {
    /// Forgets what was called for before the log began.
    pub fn begin(&self) {
        *self.wish.lock() = SyncWish::default();
    }

    pub fn make(&self, wish: SyncWish) {
        let mut held = self.wish.lock();
        held.due |= wish.due;
        held.at_once |= wish.at_once;
        held.ended |= wish.ended;
        self.bell.notify_one();
    }

    /// Sleeps until a sync is due, the last of which began then; `false` at the end.
    pub fn wait(&self, last: Timer) -> bool {
        let mut held = self.wish.lock();
        held.wait_while(&self.bell, |wish| !wish.due && !wish.ended);
        let left = SYNC_EVERY.saturating_sub(last.elapsed());
        let early = |wish: &mut SyncWish| !wish.at_once && !wish.ended;
        held.wait_while_for(&self.bell, early, left);
        !std::mem::take(&mut *held).ended
    }
}
