//! Whom a Sentinel watches, as all threads share it: the state behind a lock, and the way to the monitor.
//!
//! `in_sentinel` has the one way in which the state is changed.

use rustix::fs::{Access, access};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::config::Config;
use crate::sentinel::{Sentinel, SentinelAction};
use crate::util::ranked::{Mutex, rank};

pub struct Watching {
    pub(super) state: Mutex<Sentinel, { rank("sentinel") }>,
    pub(super) to_monitor: UnboundedSender<SentinelAction>,
    /// Taken by the monitor when it begins.
    for_monitor: Mutex<Option<UnboundedReceiver<SentinelAction>>, { rank("sentinel") }>,
}

impl Watching {
    pub fn new(sentinel: Sentinel) -> Self {
        let (to_monitor, for_monitor) = unbounded_channel();
        Watching {
            state: Mutex::new(sentinel),
            to_monitor,
            for_monitor: Mutex::new(Some(for_monitor)),
        }
    }

    /// What sockets and scripts have to do, for the monitor, which asks once.
    pub fn actions(&self) -> Option<UnboundedReceiver<SentinelAction>> {
        self.for_monitor.lock().take()
    }

    /// Looks at what needs no time to be told.
    pub fn look<T>(&self, look: impl FnOnce(&Sentinel) -> T) -> T {
        look(&self.state.lock())
    }
}

/// Whether there is a program at a path, which this process may run.
pub fn is_program(config: &Config, path: &[u8]) -> bool {
    access(config.place_of(path), Access::EXEC_OK).is_ok()
}
