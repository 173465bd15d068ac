//! The log turned on and off while the server runs, and ended.

use std::io;
use std::sync::Arc;

use super::aof;
use super::job::JobKind;
use super::store::Store;
use crate::config::special::reason;

/// Why a backup fails whose log ended, and with it what follows the base.
const LOG_STOPPED: &str = "appendonly is stopped";

impl Store {
    /// Whether the log can be turned on, if that is wanted: asked before anything acts on what was set.
    pub fn may_turn_on_log(&self) -> Result<(), &'static str> {
        let begins = self.config.appendonly.get() && !self.log.is_running();
        if !begins || self.loading.is_on() {
            return Ok(());
        }
        aof::try_place(self).map_err(|why| {
            tracing::warn!("{why}");
            "Unable to turn on AOF. Check server logs."
        })
    }

    /// Acts on `appendonly` and `appendfsync` after they were set.
    /// `later`: a transaction is under way, which a rewrite waits for.
    pub fn apply_config(self: &Arc<Self>, dirty: u64, later: bool) {
        let (wanted, running) = (self.config.appendonly.get(), self.log.is_running());
        if wanted {
            self.keep_log_of_backup();
        }
        if self.loading.is_on() {
            self.journal.ring();
        } else if wanted && !running {
            self.turn_on_log(dirty, later);
        } else if !self.keeps_log() && (running || self.log.is_beginning()) {
            self.turn_off_log();
        } else {
            self.journal.ring();
            if self.log.has_history() && !self.is_busy() {
                // `aof-disable-auto-gc` may have been set back.
                let (dir, filename) = (aof::folder(&self.config), aof::filename(&self.config));
                if let Err(error) = aof::collect(self, &dir, &filename) {
                    tracing::warn!("Can't remove old files of the log: {}", reason(&error));
                }
            }
        }
    }

    fn turn_on_log(&self, dirty: u64, later: bool) {
        let mut busy = self.busy.lock();
        match busy.running {
            // It is being turned on. If that was given up, the cron begins anew.
            Some(running) if running.kind == JobKind::Rewrite => return,
            None if !later => {
                // Nothing else is under way.
                let _ = self.begin_in(&mut busy, JobKind::Rewrite, dirty, None, None);
                return;
            }
            _ => busy.waiting = Some(JobKind::Rewrite),
        }
        tracing::info!("AOF background was scheduled");
    }

    /// Ends the log though a rewrite may be under way: that is given up, and nobody waits for its end, as who turns the log off may
    /// hold what it still needs.
    fn turn_off_log(&self) {
        // What can't be written now would not be written later either.
        if let Err(error) = self.stop_log() {
            tracing::error!(
                "The end of the append only file is missing: {}",
                reason(&error)
            );
        }
        self.take_stock();
    }

    /// Stops writing the log, with everything in it. A rewrite under way comes to nothing; it may still remove its files.
    pub fn stop_log(&self) -> io::Result<()> {
        let _unsealed = self.while_nobody_seals();
        let stopped = self.stop_writing_log();
        self.lose_backup(LOG_STOPPED);
        stopped
    }

    pub(super) fn stop_writing_log(&self) -> io::Result<()> {
        if self.abandon(JobKind::Rewrite) {
            tracing::info!("Killing running AOF rewrite child: {}", std::process::id());
        }
        aof::stop(self)
    }

    /// Stops writing the log, and waits until no rewrite touches its files.
    pub fn end_log(&self) -> io::Result<()> {
        let stopped = self.stop_log();
        if self
            .running()
            .is_some_and(|running| running.kind == JobKind::Rewrite)
        {
            drop(self.alone());
        }
        stopped
    }
}
