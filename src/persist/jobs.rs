//! The thread that writes snapshots and rewrites the log, one at a time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;

use super::disk::{DiskFile, snapshot_draft_of};
use super::job::{BusyJobs, Job, JobKind, JobOutcome, RunningJob, Told, Work};
use super::{Store, aof, rdb};
use crate::config::special::reason;
use crate::engine::Snapshot;
use crate::util::ranked::{rank, wait_for_thread};
use crate::util::{clock, crash, memory, thread};

impl Store {
    /// Starts the thread.
    pub fn start_jobs(self: &Arc<Self>) -> io::Result<()> {
        let (sender, jobs) = channel();
        *self.jobs.lock() = Some(sender);
        let store = self.clone();
        let body = move || {
            thread::stand_back();
            for job in jobs {
                match job {
                    Job::Do {
                        running,
                        dirty,
                        told,
                        work,
                    } => {
                        crash::point("snapshot");
                        let outcome = match (running.kind, work) {
                            (_, Some(work)) => ended(work(running.job)),
                            (JobKind::Rewrite, None) => ended(store.rewrite(running.job)),
                            (_, None) => store.save_for(running.job, dirty, told.as_ref()),
                        };
                        store.busy.lock().ended(running.job);
                        store.take_stock();
                        memory::publish();
                        if let Some(told) = told {
                            // Who asked may be gone.
                            let _ = told.outcome.send(outcome);
                        }
                    }
                    Job::End(told) => {
                        let _ = told.send(());
                        return;
                    }
                }
            }
        };
        thread::start("snapshot", body).map(drop)
    }

    /// Ends the thread, and with it what it does.
    pub(super) fn end_jobs(&self) {
        let Some(jobs) = self.jobs.lock().take() else {
            return;
        };
        wait_for_thread(rank("one snapshot at a time"));
        let (told, ended) = channel();
        // If the thread has panicked, there is nothing to wait for.
        if jobs.send(Job::End(told)).is_ok() {
            let _ = ended.recv();
        }
    }

    /// Begins a save or a rewrite; what runs already is the error. `dirty` is the count of edits before it.
    pub fn begin(&self, kind: JobKind, dirty: u64, told: Option<Told>) -> Result<(), JobKind> {
        self.begin_in(&mut self.busy.lock(), kind, dirty, told, None)
    }

    /// Begins to write a snapshot for replicas, unless something else is under way.
    pub fn begin_sync(&self, work: Work) -> Result<(), JobKind> {
        self.begin_in(&mut self.busy.lock(), JobKind::Sync, 0, None, Some(work))
    }

    /// Begins what has waited its turn; whether there was anything.
    pub(super) fn begin_waiting(&self, dirty: u64) -> bool {
        let postpones = self.backup.postpones_rewrites();
        let mut busy = self.busy.lock();
        let postponed = |kind: &JobKind| *kind == JobKind::Rewrite && postpones;
        let Some(kind) = busy.waiting.filter(|kind| !postponed(kind)) else {
            return false;
        };
        // In one step, so that nobody sees it neither waiting nor under way.
        if self.begin_in(&mut busy, kind, dirty, None, None).is_ok() {
            busy.waiting = None;
        }
        true
    }

    pub(super) fn begin_in(
        &self,
        busy: &mut BusyJobs,
        kind: JobKind,
        dirty: u64,
        told: Option<Told>,
        work: Option<Work>,
    ) -> Result<(), JobKind> {
        // One that was given up ends in a moment, and the thread does one job after another.
        if let Some(running) = busy.running.filter(|one| !self.is_abandoned(one.job)) {
            return Err(running.kind);
        }
        let pid = std::process::id();
        match kind {
            JobKind::Save => tracing::info!("Background saving started by pid {pid}"),
            JobKind::Rewrite => {
                tracing::info!("Background append only file rewriting started by pid {pid}");
            }
            // It says itself where it goes.
            JobKind::Sync => {}
        }
        busy.begun += 1;
        let running = RunningJob {
            kind,
            since_ms: clock::now_ms(),
            job: busy.begun,
            is_awaited: told.is_some(),
        };
        let job = Job::Do {
            running,
            dirty,
            told,
            work,
        };
        let jobs = self.jobs.lock();
        // Without the thread the server is stopping, and whoever waits is told by the dropped sender.
        let sent = jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        busy.running = sent.then_some(running);
        self.saves.lock().jobs += 1;
        Ok(())
    }

    /// Has it begun once what runs now has ended.
    pub fn begin_later(&self, kind: JobKind) {
        self.busy.lock().waiting = Some(kind);
    }

    /// Has a job that waits its turn never begin; whether there was one.
    pub fn forget_waiting(&self, kind: JobKind) -> bool {
        self.busy
            .lock()
            .waiting
            .take_if(|waiting| *waiting == kind)
            .is_some()
    }

    /// Whether a job waits its turn.
    pub fn is_waiting(&self, kind: JobKind) -> bool {
        self.busy.lock().waiting == Some(kind)
    }

    fn save_for(&self, job: u64, dirty: u64, told: Option<&Told>) -> JobOutcome {
        let Some(told) = told.filter(|told| told.waits()) else {
            return ended(self.save(job, dirty, false, || {}));
        };
        let saved = self.save_unless(job, dirty, true, &told.held, || {});
        saved.map_or(JobOutcome::Held, ended)
    }

    /// Writes a snapshot to its file, here and now. What fails while somebody waits for it is told to him, and
    /// refuses no writes.
    /// `at` is called in the instant of the snapshot.
    pub fn save(&self, job: u64, dirty: u64, awaited: bool, at: impl FnOnce()) -> bool {
        let saved = self.save_unless(job, dirty, awaited, &|| false, at);
        saved.unwrap_or(false)
    }

    /// Nothing is done if `held` says that somebody else keeps a shard for too long.
    fn save_unless(
        &self,
        job: u64,
        dirty: u64,
        awaited: bool,
        held: &dyn Fn() -> bool,
        at: impl FnOnce(),
    ) -> Option<bool> {
        let _alone = self.alone();
        let timer = clock::Timer::start();
        let mut origin = None;
        let give_up = || held() || self.is_abandoned(job);
        let snapshot = Snapshot::begin(&self.engine, &give_up, || {
            at();
            origin = self.origin();
        });
        let Some(snapshot) = snapshot else {
            tracing::info!("Background saving was given up");
            return None;
        };
        self.progress.begin(&snapshot.census, &self.config);
        let path = self.snapshot_path();
        let draft = snapshot_draft_of(&path);
        let written = self.disk.create(&draft).and_then(|mut file| {
            let file: &mut dyn DiskFile = &mut *file;
            let rules = rdb::SaveRules {
                origin,
                ..self.save_rules()
            };
            rdb::save(snapshot, &self.beside(false), &rules, file, |keys| {
                self.wrote(job, keys)
            })
            .map(drop)
        });
        let done = self.disk.install(&draft, &path, written);
        let now_ms = clock::now_ms();
        let mut saves = self.saves.lock();
        if done.is_err() && self.is_abandoned(job) {
            tracing::info!("Background saving was given up");
            return Some(false);
        }
        saves.last_ok = done.is_ok() || awaited && saves.last_ok;
        saves.last_try_s = now_ms / 1000;
        saves.last_took_s = timer.elapsed().as_secs() as i64;
        match &done {
            Ok(()) => {
                saves.count += 1;
                saves.last_save_s = now_ms / 1000;
                saves.dirty_then = dirty;
                tracing::info!("DB saved on disk");
            }
            Err(error) => {
                tracing::warn!(
                    "Error saving DB on disk: {}: {}",
                    path.display(),
                    reason(error)
                );
            }
        }
        Some(done.is_ok())
    }

    /// Writes a snapshot to replicas' sockets. `at` is called in its instant.
    pub fn save_to(
        &self,
        job: u64,
        filter: (bool, bool),
        form: rdb::SnapshotForm,
        out: &mut dyn DiskFile,
        at: impl FnOnce(),
        begun: impl FnOnce(&mut dyn DiskFile) -> io::Result<()>,
    ) -> io::Result<()> {
        let _alone = self.alone();
        let mut origin = None;
        let give_up = || self.is_abandoned(job);
        let snapshot = Snapshot::begin(&self.engine, &give_up, || {
            at();
            origin = self.origin();
        });
        let snapshot = snapshot.ok_or_else(|| io::Error::other("it was given up"))?;
        self.progress.begin(&snapshot.census, &self.config);
        let (no_data, no_functions) = filter;
        let beside = self.beside(no_functions);
        begun(out)?;
        let rules = rdb::SaveRules {
            form,
            origin,
            no_data,
            eager: self.config.rdb_key_save_delay.get() > 0,
            ..self.save_rules()
        };
        rdb::save(snapshot, &beside, &rules, out, |keys| self.wrote(job, keys)).map(drop)
    }

    /// Whether a job was told to end before it is done.
    pub(super) fn is_abandoned(&self, job: u64) -> bool {
        job <= self.abandoned.load(Ordering::Relaxed)
    }

    /// Whether a job was told to end before it is done, or to fail.
    pub fn is_given_up(&self, job: u64) -> bool {
        self.is_abandoned(job) || job <= self.failing.load(Ordering::Relaxed)
    }

    fn rewrite(self: &Arc<Self>, job: u64) -> bool {
        let _alone = self.alone();
        let timer = clock::Timer::start();
        if !self.may_rewrite_beside_backup(job) {
            self.begin_later(JobKind::Rewrite);
            return false;
        }
        let done = aof::rewrite(self, job);
        self.rewrote_for_backup(job, &done);
        let now_ms = clock::now_ms();
        let mut saves = self.saves.lock();
        if done.is_err() && self.is_abandoned(job) {
            tracing::info!("Background AOF rewrite was given up");
            return false;
        }
        saves.rewrite_ok = done.is_ok();
        saves.rewrite_try_s = now_ms / 1000;
        saves.rewrite_took_s = timer.elapsed().as_secs() as i64;
        match &done {
            Ok(()) => {
                saves.rewrites += 1;
                saves.rewrites_failed_in_row = 0;
                tracing::info!("Background AOF rewrite terminated with success");
                tracing::info!("Background AOF rewrite finished successfully");
            }
            Err(error) => {
                saves.rewrites_failed_in_row += 1;
                tracing::warn!(
                    "Background AOF rewrite terminated with error: {}",
                    reason(error)
                );
            }
        }
        done.is_ok()
    }
}

fn ended(well: bool) -> JobOutcome {
    match well {
        true => JobOutcome::Done,
        false => JobOutcome::Failed,
    }
}
