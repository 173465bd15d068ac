//! How far a BACKUP has come, and what is told of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::util::ranked::{Mutex, rank};

/// How far a backup has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Idle,
    /// It waits for a rewrite that can begin.
    Pending,
    /// A rewrite writes the base.
    Snapshotting,
    /// The base is there, and edits are gathered.
    Incrementing,
    /// Its end is being written.
    Sealing,
    Sealed,
    Failed,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::Pending => "pending",
            Phase::Snapshotting => "snapshotting",
            Phase::Incrementing | Phase::Sealing => "incrementing",
            Phase::Sealed => "sealed",
            Phase::Failed => "failed",
        }
    }

    pub fn is_under_way(self) -> bool {
        !matches!(self, Phase::Idle | Phase::Sealed | Phase::Failed)
    }
}

/// What is told of a backup. Times are Unix times in seconds.
#[derive(Clone, Debug, Default)]
pub struct BackupReport {
    pub phase: Phase,
    /// Why it failed.
    pub error: String,
    pub start_s: u64,
    pub end_s: u64,
    /// Those that change no more.
    pub files: Vec<PathBuf>,
}

#[derive(Default)]
pub struct Backup {
    pub(super) state: Mutex<BackupState, { rank("backup") }>,
    /// Held while a backup is sealed: the log is not stopped meanwhile.
    pub(super) sealing: Mutex<(), { rank("backup's end") }>,
    /// The log is written for the backup alone.
    pub(super) keeps_log: AtomicBool,
}

#[derive(Default)]
pub(super) struct BackupState {
    pub told: BackupReport,
    pub folder: PathBuf,
    /// The rewrite that makes the base.
    pub job: Option<u64>,
    /// The last rewrite that has ended.
    pub ended: u64,
    /// The log's folder, if it was made for the backup: it goes with the log.
    pub log_folder: Option<PathBuf>,
}

impl Backup {
    /// Whether the log is written for the backup alone.
    pub(super) fn keeps_log(&self) -> bool {
        self.keeps_log.load(Ordering::Acquire)
    }

    /// Whether no rewrite may begin for now.
    pub fn postpones_rewrites(&self) -> bool {
        matches!(self.phase(), Phase::Incrementing | Phase::Sealing)
    }

    pub fn phase(&self) -> Phase {
        self.state.lock().told.phase
    }

    pub fn report(&self) -> BackupReport {
        self.state.lock().told.clone()
    }
}
