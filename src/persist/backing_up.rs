//! BACKUP of Redis 8.10: a base and the edits that follow it, in a folder of their own, while the server goes on.
//!
//! The files are the log's, under a second name: a rewrite makes the base, edits go to the increment behind it, and the end
//! of the backup is where the log goes on in another file. A server without a log writes one as long as the backup takes.
//! No rewrite begins while edits are gathered, as it would take the increment away.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::Store;
use super::aof::{self, Manifest};
use super::backup::{BackupReport, BackupState, Phase};
use super::job::JobKind;
use crate::config::special::reason;
use crate::util::ranked::MutexGuard;

const ALREADY: &str = "A backup is already in progress, ABORT it first";
const SEALED: &str = "A sealed backup exists, CLEANUP it first";
const NOT_EMPTY: &str = "The backup directory is not empty";
const NOT_READY: &str = "No backup ready to seal (must be in the incrementing state)";
const NONE: &str = "No backup in progress";
const IN_PROGRESS: &str = "Backup is in progress";

const BY_USER: &str = "aborted by user";

impl Store {
    /// Whether the log is to be written, be it for a backup alone.
    pub(super) fn keeps_log(&self) -> bool {
        self.config.appendonly.get() || self.backup.keeps_log()
    }

    /// BACKUP START. `later`: a transaction is under way, which the base is to have whole.
    pub fn start_backup(&self, dirty: u64, now_s: u64, later: bool) -> Result<(), String> {
        let mut state = self.backup.state.lock();
        match state.told.phase {
            Phase::Sealed => return Err(SEALED.into()),
            phase if phase.is_under_way() => return Err(ALREADY.into()),
            _ => {}
        }
        let folder = self.config.place_of(&self.config.backupdirname.get());
        self.make_room(&folder)?;
        let log_folder = aof::folder(&self.config);
        let is_own = !self.config.appendonly.get();
        *state = BackupState {
            told: BackupReport {
                phase: Phase::Pending,
                start_s: now_s,
                ..BackupReport::default()
            },
            folder,
            ended: state.ended,
            log_folder: Some(log_folder).filter(|folder| is_own && !folder.exists()),
            ..BackupState::default()
        };
        self.backup.keeps_log.store(is_own, Ordering::Release);
        let mut busy = self.busy.lock();
        match busy.running {
            Some(running) if running.kind == JobKind::Rewrite && running.job > state.ended => {}
            None if !later => {
                // Nothing else is under way.
                let _ = self.begin_in(&mut busy, JobKind::Rewrite, dirty, None, None);
            }
            _ => {
                busy.waiting = Some(JobKind::Rewrite);
                return Ok(());
            }
        }
        state.told.phase = Phase::Snapshotting;
        state.job = busy.running.map(|running| running.job);
        Ok(())
    }

    /// Makes the backup's folder, which holds nothing yet.
    fn make_room(&self, folder: &Path) -> Result<(), String> {
        let failed = |error: io::Error| {
            let folder = folder.display();
            format!(
                "Can't use the backup directory {folder}: {}",
                reason(&error)
            )
        };
        self.disk.make_dir(folder).map_err(failed)?;
        let mut files = fs::read_dir(folder).map_err(failed)?;
        match files.next() {
            Some(_) => Err(NOT_EMPTY.into()),
            None => Ok(()),
        }
    }

    /// Whether a rewrite that is about to begin may do so: it may be the one that a backup has waited for, or take its
    /// increment away.
    pub(super) fn may_rewrite_beside_backup(&self, job: u64) -> bool {
        let mut state = self.backup.state.lock();
        if state.told.phase == Phase::Pending {
            state.told.phase = Phase::Snapshotting;
            state.job = Some(job);
        }
        !matches!(state.told.phase, Phase::Incrementing | Phase::Sealing)
    }

    /// A rewrite has ended: its base is the backup's, if that wants it.
    pub(super) fn rewrote_for_backup(&self, job: u64, done: &io::Result<()>) {
        let mut state = self.backup.state.lock();
        state.ended = state.ended.max(job);
        if !state.told.phase.is_under_way() {
            // It was given up meanwhile.
            return self.remove_own_log(&mut state);
        }
        if state.told.phase != Phase::Snapshotting || state.job != Some(job) {
            return;
        }
        if let Err(error) = done {
            return self.fail(
                &mut state,
                &format!("AOF rewrite failed: {}", reason(error)),
            );
        }
        if !self.log.is_running() {
            // It was begun when no edits were to follow the base.
            state.told.phase = Phase::Pending;
            self.begin_later(JobKind::Rewrite);
            return;
        }
        let base = self.log.manifest().base;
        let names = base.iter().map(|part| part.name.as_str());
        let folder = state.folder.clone();
        match self.pin(&folder, names, &mut state.told.files) {
            Ok(()) => {
                state.told.phase = Phase::Incrementing;
                tracing::info!("The backup has its base; edits follow until BACKUP SEAL");
            }
            Err(error) => self.fail(
                &mut state,
                &format!("Can't keep the base: {}", reason(&error)),
            ),
        }
    }

    /// Gives files of the log a second name in a folder, and notes down which.
    fn pin<'n>(
        &self,
        folder: &Path,
        names: impl Iterator<Item = &'n str>,
        pinned: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        let log_folder = aof::folder(&self.config);
        for name in names {
            let place = folder.join(name);
            self.disk.link(&log_folder.join(name), &place)?;
            pinned.push(place);
        }
        self.disk.sync_dir(folder)
    }

    /// Whether a backup can be sealed.
    pub fn may_seal_backup(&self) -> Result<(), String> {
        match self.backup.phase() {
            Phase::Incrementing => Ok(()),
            _ => Err(NOT_READY.into()),
        }
    }

    /// BACKUP SEAL. It waits for the disk.
    pub fn seal_backup(&self, now_s: u64) -> Result<(), String> {
        let _alone = self.while_nobody_seals();
        let folder = {
            let mut state = self.backup.state.lock();
            if state.told.phase != Phase::Incrementing {
                return Err(NOT_READY.into());
            }
            state.told.phase = Phase::Sealing;
            state.folder.clone()
        };
        let mut files = Vec::new();
        let sealed = self.end_increment().and_then(|manifest| {
            let names = manifest.increments.iter().map(|part| part.name.as_str());
            self.pin(&folder, names, &mut files)?;
            let path = Manifest::path(&folder, &aof::filename(&self.config));
            files.push(path.clone());
            self.disk.replace(&path, manifest.text().as_bytes())
        });
        let mut state = self.backup.state.lock();
        state.told.files.extend(files);
        match sealed {
            Ok(()) => {
                state.told.phase = Phase::Sealed;
                state.told.end_s = now_s;
                self.remove_own_log(&mut state);
                tracing::info!("The backup in {} is sealed", folder.display());
                Ok(())
            }
            Err(error) => {
                let why = format!("Can't seal the backup: {}", reason(&error));
                self.fail(&mut state, &why);
                self.remove_own_log(&mut state);
                Err(why)
            }
        }
    }

    /// Ends the increment with all edits that were made so far; returns the files that the log was made of until then.
    fn end_increment(&self) -> io::Result<Manifest> {
        if !self.backup.keeps_log() {
            return aof::rotate(self);
        }
        let manifest = self.log.manifest();
        aof::stop(self)?;
        self.backup.keeps_log.store(false, Ordering::Release);
        Ok(manifest)
    }

    /// BACKUP ABORT.
    pub fn abort_backup(&self) -> Result<(), String> {
        let mut state = self.backup.state.lock();
        match state.told.phase {
            Phase::Sealing => return Err(IN_PROGRESS.into()),
            phase if !phase.is_under_way() => return Err(NONE.into()),
            _ => {}
        }
        self.fail(&mut state, BY_USER);
        Ok(())
    }

    /// Waits until no backup is being sealed, and keeps any from it.
    pub(super) fn while_nobody_seals(&self) -> MutexGuard<'_, ()> {
        self.backup.sealing.lock()
    }

    /// A backup that is under way can't go on. One that is being sealed tells by itself what comes of that.
    pub(super) fn lose_backup(&self, why: &str) {
        let mut state = self.backup.state.lock();
        if state.told.phase.is_under_way() && state.told.phase != Phase::Sealing {
            self.fail(&mut state, why);
        }
    }

    fn fail(&self, state: &mut BackupState, why: &str) {
        tracing::warn!("The backup has failed: {why}");
        self.remove_files(state);
        let waited = state.told.phase == Phase::Pending;
        state.told.phase = Phase::Failed;
        state.told.error = why.to_owned();
        if !self.backup.keeps_log.swap(false, Ordering::AcqRel) {
            return;
        }
        if waited {
            self.forget_waiting(JobKind::Rewrite);
        }
        // Nobody relies on what can't be written.
        let _ = self.stop_writing_log();
        self.remove_own_log(state);
    }

    /// Removes the files of a backup.
    fn remove_files(&self, state: &mut BackupState) {
        for file in state.told.files.drain(..) {
            if let Err(error) = self.disk.remove(&file)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("Can't remove {}: {}", file.display(), reason(&error));
            }
        }
    }

    /// Removes the log that was written for a backup alone, unless somebody still writes there or wants it.
    fn remove_own_log(&self, state: &mut BackupState) {
        if self.log.is_running() || self.is_rewriting(state.ended) {
            return;
        }
        let Some(folder) = state.log_folder.take() else {
            return;
        };
        let manifest = self.log.take_manifest();
        let parts = manifest.parts().chain(&manifest.history);
        let files = parts.map(|part| folder.join(&part.name));
        let manifest = Manifest::path(&folder, &aof::filename(&self.config));
        for file in files.chain([manifest]) {
            // What is not there needn't go, and what stays is in the way of disk space alone.
            let _ = self.disk.remove(&file);
        }
        let _ = fs::remove_dir(&folder);
    }

    /// Whether a rewrite is under way that comes after this one.
    fn is_rewriting(&self, ended: u64) -> bool {
        let running = self.running();
        running.is_some_and(|running| running.kind == JobKind::Rewrite && running.job > ended)
    }

    /// BACKUP CLEANUP.
    pub fn clean_up_backup(&self) -> Result<(), String> {
        let mut state = self.backup.state.lock();
        if state.told.phase.is_under_way() {
            return Err(IN_PROGRESS.into());
        }
        self.remove_files(&mut state);
        state.told = BackupReport::default();
        Ok(())
    }

    /// The log is on: it stays, and so does its folder, whatever becomes of a backup.
    pub(super) fn keep_log_of_backup(&self) {
        self.backup.keeps_log.store(false, Ordering::Release);
        self.backup.state.lock().log_folder = None;
    }

    /// Ten times a second: a sealed backup that was kept for long enough, a log of its own that can't be written.
    pub(super) fn watch_backup(&self, now_s: u64) {
        let kept_s = self.config.backup_sealed_ttl.get() as u64;
        let is_sealed = kept_s > 0 && self.backup.phase() == Phase::Sealed;
        if is_sealed && now_s >= self.backup.report().end_s + kept_s {
            tracing::info!("The sealed backup is removed, as backup-sealed-ttl says");
            let _ = self.clean_up_backup();
        } else if self.backup.keeps_log()
            && let Some(error) = self.log.error()
        {
            self.lose_backup(&format!("Can't write the append only file: {error}"));
        }
    }
}
