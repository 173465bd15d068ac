//! What the server asks of its data files: save, rewrite, load, how is it going.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::aof::Log;
use super::backup::Backup;
use super::disk::{DRAFT, Disk, is_left_behind, snapshot_draft_of};
use super::job::{BusyJobs, Job, JobKind, NO_JOB, RunningJob};
use super::loading::Loading;
use super::rdb::{self, AccessMark, Beside, Origin};
use crate::config::special::reason;
use crate::config::{Config, MaxmemoryPolicy};
use crate::engine::{Census, Engine, Patience};
use crate::journal::Journal;
use crate::search::Searches;
use crate::util::clock;
use crate::util::ranked::{Mutex, MutexGuard, rank};

/// Seconds before a save that failed is tried again.
const RETRY_SECONDS: u64 = 5;
/// The longest rest of rewrites that fail again and again.
const REST_MINUTES_MAX: u64 = 60;

pub struct Store {
    pub config: Arc<Config>,
    pub engine: Arc<Engine>,
    pub journal: Arc<Journal>,
    pub disk: Arc<dyn Disk>,
    pub log: Log,
    pub backup: Backup,
    pub loading: Loading,
    pub saves: Mutex<Saves, { rank("saves") }>,
    pub progress: Progress,
    pub(super) jobs: Mutex<Option<Sender<Job>>, { rank("jobs") }>,
    pub(super) busy: Mutex<BusyJobs, { rank("job under way") }>,
    /// Jobs have numbers. Those up to this one end before they are done.
    pub(super) abandoned: AtomicU64,
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION.
    pub skip_checksums: AtomicBool,
    /// Whether this is a node of a cluster that has others, and so may hold keys that are to become its own.
    pub stages: AtomicBool,
    /// And up to this one they fail: DEBUG FAIL-JOB.
    pub(super) failing: AtomicU64,
    /// Held while a snapshot is taken: there is one at a time, and it waits for shards.
    one_at_a_time: Mutex<(), { rank("one snapshot at a time") }>,
    /// Held while data are read into the keyspace.
    pub loads: Mutex<(), { rank("loads") }>,
    /// Whether the server's end must leave a snapshot of the last edit.
    saves_at_end: AtomicBool,
    functions: Mutex<Vec<Vec<u8>>, { rank("saved functions") }>,
    /// Whose indexes are written.
    pub searches: Arc<Searches>,
    /// Those that a snapshot brought and that nobody has compiled yet.
    pub(super) loaded_functions: Mutex<Vec<Vec<u8>>, { rank("loaded functions") }>,
    /// Whether [`Store::trouble`] is worth a closer look.
    troubled: AtomicBool,
    /// Tells which history of edits the data are a part of.
    pub tell_origin: OnceLock<Box<dyn Fn() -> Option<Origin> + Send + Sync>>,
    /// Tells which commands a log may hold, and so a snapshot.
    pub admit: OnceLock<rdb::Admit>,
    /// What the snapshot said of it that was read last.
    pub loaded_origin: Mutex<Option<Origin>, { rank("loaded origin") }>,
}

/// What became of saving, for INFO. Times are Unix times in seconds.
#[derive(Clone, Debug)]
pub struct Saves {
    pub last_save_s: u64,
    pub last_try_s: u64,
    pub last_ok: bool,
    /// Seconds the last one took; -1 before the first.
    pub last_took_s: i64,
    pub count: u64,
    /// Edits counted when the last good one began.
    pub dirty_then: u64,
    pub keys_loaded: u64,
    pub keys_expired: u64,
    pub rewrites: u64,
    pub rewrite_ok: bool,
    pub rewrite_took_s: i64,
    pub rewrites_failed_in_row: u64,
    pub rewrite_try_s: u64,
    /// Failures in a row when the log was told of a rest.
    rest_told: u64,
    /// Jobs begun, of both kinds.
    pub jobs: u64,
}

impl Saves {
    /// How long a failed rewrite rests before the server tries again by itself. Each try leaves another
    /// increment behind, so the third in a row begins to wait for minutes.
    pub fn rewrite_rest_s(&self) -> u64 {
        match self.rewrites_failed_in_row {
            0 => 0,
            1 | 2 => RETRY_SECONDS,
            failed => 60 * REST_MINUTES_MAX.min(1 << (failed - 3).min(10)),
        }
    }
}

/// How far the job under way has come.
#[derive(Default)]
pub struct Progress {
    pub total: AtomicU64,
    pub done: AtomicU64,
    /// `rdb-key-save-delay` as it was when the job began: as in Redis, a later one is for later jobs.
    delay_us: AtomicU64,
}

impl Progress {
    pub(super) fn begin(&self, census: &Census, config: &Config) {
        let delay_us = config.rdb_key_save_delay.get().max(0) as u64;
        self.delay_us.store(delay_us, Ordering::Relaxed);
        let total: usize = census.databases.iter().map(|db| db.keys).sum();
        self.total.store(total as u64, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }
}

/// Why writes are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskTrouble {
    Snapshot,
    Log(String),
}

impl Store {
    pub fn new(
        config: Arc<Config>,
        engine: Arc<Engine>,
        journal: Arc<Journal>,
        disk: Arc<dyn Disk>,
    ) -> Self {
        let saves = Saves {
            last_save_s: clock::now_ms() / 1000,
            last_try_s: 0,
            last_ok: true,
            last_took_s: -1,
            count: 0,
            dirty_then: 0,
            keys_loaded: 0,
            keys_expired: 0,
            rewrites: 0,
            rewrite_ok: true,
            rewrite_took_s: -1,
            rewrites_failed_in_row: 0,
            rewrite_try_s: 0,
            rest_told: 0,
            jobs: 0,
        };
        Store {
            config,
            engine,
            journal,
            disk,
            log: Log::default(),
            backup: Backup::default(),
            loading: Loading::default(),
            saves: Mutex::new(saves),
            progress: Progress::default(),
            jobs: Mutex::default(),
            busy: Mutex::default(),
            abandoned: AtomicU64::new(0),
            skip_checksums: AtomicBool::new(false),
            stages: AtomicBool::new(false),
            failing: AtomicU64::new(0),
            one_at_a_time: Mutex::default(),
            loads: Mutex::default(),
            saves_at_end: AtomicBool::new(false),
            functions: Mutex::default(),
            searches: Arc::default(),
            loaded_functions: Mutex::default(),
            troubled: AtomicBool::new(false),
            tell_origin: OnceLock::new(),
            admit: OnceLock::new(),
            loaded_origin: Mutex::default(),
        }
    }

    /// Whether a snapshot is being written, for itself or for the log.
    pub fn is_busy(&self) -> bool {
        self.busy.lock().running.is_some()
    }

    /// What is being written, and since when.
    pub fn running(&self) -> Option<RunningJob> {
        self.busy.lock().running
    }

    /// Why writes must be refused now.
    #[inline]
    pub fn trouble(&self) -> Option<DiskTrouble> {
        if !self.troubled.load(Ordering::Relaxed) {
            return None;
        }
        self.look_for_trouble()
    }

    #[cold]
    fn look_for_trouble(&self) -> Option<DiskTrouble> {
        let config = &self.config;
        if config.stop_writes_on_bgsave_error.get()
            && !config.save.get().0.is_empty()
            && !self.saves.lock().last_ok
        {
            return Some(DiskTrouble::Snapshot);
        }
        self.log.error().map(DiskTrouble::Log)
    }

    /// Looks again whether writes must be refused: after a save and after a failed write.
    pub(super) fn take_stock(&self) {
        let troubled = !self.saves.lock().last_ok || self.log.error().is_some();
        self.troubled.store(troubled, Ordering::Relaxed);
    }

    pub fn snapshot_path(&self) -> PathBuf {
        self.config.place_of(&self.config.dbfilename.get())
    }

    /// Keys written by a job; an error ends it.
    pub(super) fn wrote(&self, job: u64, keys: u64) -> io::Result<()> {
        self.progress.done.fetch_add(keys, Ordering::Relaxed);
        let mut waited_us = 0;
        loop {
            if job <= self.abandoned.load(Ordering::Relaxed) {
                return Err(io::Error::other("it was given up"));
            }
            if job <= self.failing.load(Ordering::Relaxed) {
                return Err(io::Error::other("it was made to fail"));
            }
            // In small steps, so that it can be given up.
            let delay_us = self.progress.delay_us.load(Ordering::Relaxed) * keys;
            if waited_us >= delay_us {
                return Ok(());
            }
            let step_us = (delay_us - waited_us).min(10_000);
            std::thread::sleep(Duration::from_micros(step_us));
            waited_us += step_us;
        }
    }

    /// The form of this server's own files.
    pub fn form(&self) -> rdb::SnapshotForm {
        rdb::SnapshotForm {
            dialect: self.config.rdb_dialect.get().into(),
            version: self.config.rdb_version.get().number(),
            most: None,
        }
    }

    pub(super) fn save_rules(&self) -> rdb::SaveRules {
        let config = &self.config;
        rdb::SaveRules {
            form: self.form(),
            compress: config.rdbcompression.get(),
            checksum: config.rdbchecksum.get(),
            sync_often: config.rdb_save_incremental_fsync.get(),
            access: match config.maxmemory_policy.get() {
                MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu => {
                    Some(AccessMark::Frequency)
                }
                MaxmemoryPolicy::AllkeysLru
                | MaxmemoryPolicy::VolatileLru
                | MaxmemoryPolicy::AllkeysLrm
                | MaxmemoryPolicy::VolatileLrm => Some(AccessMark::Idle),
                _ => None,
            },
            aof_base: false,
            origin: None,
            no_data: false,
            eager: false,
        }
    }

    /// Libraries of functions that a file brought, to be written back.
    pub fn functions(&self) -> Vec<Vec<u8>> {
        self.functions.lock().clone()
    }

    /// What is written beside the keys; without functions, where nobody wants them.
    pub(super) fn beside(&self, no_functions: bool) -> Beside {
        Beside {
            functions: match no_functions {
                true => Vec::new(),
                false => self.functions(),
            },
            searches: self.searches.outline().makings(),
        }
    }

    /// Libraries that a snapshot brought, to be compiled.
    pub fn take_loaded_functions(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.loaded_functions.lock())
    }

    /// Libraries to be written from now on.
    pub fn set_functions(&self, codes: Vec<Vec<u8>>) {
        *self.functions.lock() = codes;
    }

    pub(super) fn origin(&self) -> Option<Origin> {
        self.tell_origin.get().and_then(|tell| tell())
    }

    /// Gives up what is being written. While the guard lives, no snapshot is under way.
    pub fn quiet(&self) -> MutexGuard<'_, ()> {
        for kind in [JobKind::Save, JobKind::Rewrite, JobKind::Sync] {
            self.abandon(kind);
        }
        self.alone()
    }

    /// While the guard lives, no snapshot is under way. One that is ends first, for which it may need any shard.
    pub(super) fn alone(&self) -> MutexGuard<'_, ()> {
        let _ = Patience::of_this_thread();
        self.one_at_a_time.lock()
    }

    /// Gives up a job of this kind; whether there was one.
    pub fn abandon(&self, kind: JobKind) -> bool {
        self.abandon_if(|running| running.kind == kind)
    }

    /// Gives up a save for which nobody waits; whether there was one.
    pub fn abandon_save(&self) -> bool {
        self.abandon_if(|running| running.kind == JobKind::Save && !running.is_awaited)
    }

    fn abandon_if(&self, is_meant: impl Fn(&RunningJob) -> bool) -> bool {
        let running = self.busy.lock().running;
        let Some(running) = running.filter(is_meant) else {
            return false;
        };
        self.abandoned.fetch_max(running.job, Ordering::Relaxed);
        true
    }

    /// Makes the job under way fail, for tests; false if there is none.
    pub fn fail_job(&self) -> bool {
        let running = self.busy.lock().running;
        if let Some(running) = running {
            self.failing.fetch_max(running.job, Ordering::Relaxed);
        }
        running.is_some()
    }

    /// Writes a snapshot on this thread, once no other is being written.
    pub fn save_now(&self, dirty: u64) -> bool {
        let done = self.save(NO_JOB, dirty, true, || {});
        self.take_stock();
        done
    }

    /// Saves at the server's end: a snapshot that is being written is given up for it.
    pub fn save_at_end(&self, dirty: u64) -> bool {
        for kind in [JobKind::Save, JobKind::Rewrite, JobKind::Sync] {
            self.abandon(kind);
        }
        let saved = self.save_now(dirty);
        self.saves_at_end.store(saved, Ordering::Relaxed);
        saved
    }

    /// Removes a snapshot that is being written: the process ends in its midst.
    pub fn remove_own_draft(&self) {
        // There need not be one.
        let _ = self.disk.remove(&snapshot_draft_of(&self.snapshot_path()));
    }

    /// What a crash may have left half-written.
    pub(super) fn remove_drafts(&self) {
        let path = self.snapshot_path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(Ok(files)) = path.parent().map(fs::read_dir) else {
            return;
        };
        for file in files.flatten() {
            let found = file.file_name().to_string_lossy().into_owned();
            let draft = found.starts_with(DRAFT) && found.ends_with(&format!("-{name}"));
            if draft || is_left_behind(&found) {
                // One that stays is only in the way of disk space.
                let _ = self.disk.remove(&file.path());
            }
        }
    }

    /// Ten times a second: saves that are due, jobs that wait their turn, a disk that is too slow.
    pub fn tick(self: &Arc<Self>, dirty: u64, now_ms: u64) {
        self.take_stock();
        self.watch_log();
        self.watch_backup(now_ms / 1000);
        if self.is_busy() || self.loading.is_on() {
            return;
        }
        if self.begin_waiting(dirty) {
            return;
        }
        let now_s = now_ms / 1000;
        let saves = self.saves.lock().clone();
        let rested = saves.last_ok || now_s > saves.last_try_s + RETRY_SECONDS;
        let changes = dirty.saturating_sub(saves.dirty_then);
        let points = self.config.save.get();
        let due = points.0.iter().find(|point| {
            changes >= point.changes && now_s.saturating_sub(saves.last_save_s) > point.seconds
        });
        if let Some(point) = due.filter(|_| rested) {
            tracing::info!(
                "{} changes in {} seconds. Saving...",
                point.changes,
                point.seconds
            );
            let _ = self.begin(JobKind::Save, dirty, None);
            return;
        }
        if self.backup.postpones_rewrites() {
            return;
        }
        // It could not be begun when it was turned on.
        let missing = self.keeps_log() && !self.log.is_running();
        let outgrown = self.log.has_outgrown(&self.config);
        if now_s < saves.rewrite_try_s + saves.rewrite_rest_s() {
            if missing || outgrown.is_some() {
                self.tell_rest();
            }
        } else if missing {
            let _ = self.begin(JobKind::Rewrite, dirty, None);
        } else if let Some(grown) = outgrown {
            tracing::info!("Starting automatic rewriting of AOF on {grown}% growth");
            let _ = self.begin(JobKind::Rewrite, dirty, None);
        }
    }

    /// Says once for each failure that there is a rest of minutes.
    fn tell_rest(&self) {
        let mut saves = self.saves.lock();
        let minutes = saves.rewrite_rest_s() / 60;
        if minutes > 0 && saves.rest_told != saves.rewrites_failed_in_row {
            saves.rest_told = saves.rewrites_failed_in_row;
            tracing::warn!(
                "Background AOF rewrite has repeatedly failed and triggered the limit, \
                 will retry in {minutes} minutes"
            );
        }
    }

    /// The server's last words to its files, once nothing else runs: the log's end, and a snapshot if there was an
    /// edit after the one that the stop made.
    pub fn close(&self, dirty: u64) {
        for kind in [JobKind::Save, JobKind::Rewrite, JobKind::Sync] {
            self.abandon(kind);
        }
        self.end_jobs();
        if let Err(error) = self.stop_log() {
            tracing::error!(
                "The end of the append only file is missing: {}",
                reason(&error)
            );
        }
        if self.saves_at_end.load(Ordering::Relaxed) && dirty != self.saves.lock().dirty_then {
            self.save(NO_JOB, dirty, true, || {});
        }
    }
}
