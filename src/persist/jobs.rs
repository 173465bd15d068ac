//! The thread that writes snapshots and rewrites the log, one at a time.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;

use tokio::sync::oneshot;

use super::disk::{DiskFile, draft_of};
use super::{Store, aof, rdb};
use crate::config::special::reason;
use crate::engine::Snapshot;
use crate::util::{clock, memory};

/// What can be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Save,
    Rewrite,
}

/// Told whether it went well.
pub type Told = oneshot::Sender<bool>;

pub(super) enum Job {
    Do(Kind, u64, Option<Told>),
    End(std::sync::mpsc::Sender<()>),
}

/// What is under way and since when, and what comes next.
#[derive(Default)]
pub(super) struct Busy {
    pub running: Option<(Kind, u64)>,
    pub waiting: Option<Kind>,
}

impl Store {
    /// Starts the thread.
    pub fn start_jobs(self: &Arc<Self>) -> io::Result<()> {
        let (sender, jobs) = channel();
        *self.jobs.lock() = Some(sender);
        let store = self.clone();
        let body = move || {
            for job in jobs {
                match job {
                    Job::Do(kind, dirty, told) => {
                        let done = match kind {
                            Kind::Save => store.save(dirty),
                            Kind::Rewrite => store.rewrite(),
                        };
                        store.busy.lock().running = None;
                        store.take_stock();
                        memory::publish();
                        if let Some(told) = told {
                            // Who asked may be gone.
                            let _ = told.send(done);
                        }
                    }
                    Job::End(told) => {
                        let _ = told.send(());
                        return;
                    }
                }
            }
        };
        std::thread::Builder::new()
            .name("snapshot".into())
            .spawn(body)
            .map(drop)
    }

    /// Ends the thread, and with it what it does.
    pub(super) fn end_jobs(&self) {
        let Some(jobs) = self.jobs.lock().take() else {
            return;
        };
        let (told, ended) = channel();
        // If the thread has panicked, there is nothing to wait for.
        if jobs.send(Job::End(told)).is_ok() {
            let _ = ended.recv();
        }
    }

    /// Begins a save or a rewrite; what runs already is the error. `dirty` is the count of edits before it.
    pub fn begin(&self, kind: Kind, dirty: u64, told: Option<Told>) -> Result<(), Kind> {
        let mut busy = self.busy.lock();
        if let Some((running, _)) = busy.running {
            return Err(running);
        }
        let pid = std::process::id();
        match kind {
            Kind::Save => tracing::info!("Background saving started by pid {pid}"),
            Kind::Rewrite => {
                tracing::info!("Background append only file rewriting started by pid {pid}");
            }
        }
        busy.running = Some((kind, clock::now_ms()));
        let jobs = self.jobs.lock();
        if jobs
            .as_ref()
            .is_none_or(|jobs| jobs.send(Job::Do(kind, dirty, told)).is_err())
        {
            busy.running = None;
        }
        Ok(())
    }

    /// Has it begun once what runs now has ended.
    pub fn begin_later(&self, kind: Kind) {
        self.busy.lock().waiting = Some(kind);
    }

    /// Whether a job waits its turn.
    pub fn is_waiting(&self, kind: Kind) -> bool {
        self.busy.lock().waiting == Some(kind)
    }

    /// Writes a snapshot to its file, here and now.
    pub(super) fn save(&self, dirty: u64) -> bool {
        let _alone = self.one_at_a_time.lock();
        let began_ms = clock::now_ms();
        let snapshot = Snapshot::begin(&self.engine, || {});
        self.progress.begin(&snapshot.census);
        let path = self.snapshot_path();
        let draft = draft_of(&path);
        let written = self.disk.create(&draft).and_then(|mut file| {
            let file: &mut dyn DiskFile = &mut *file;
            let rules = self.save_rules();
            rdb::save(snapshot, &self.functions(), &rules, file, |keys| {
                self.wrote(keys)
            })
            .map(drop)
        });
        let done = self.disk.install(&draft, &path, written);
        let now_ms = clock::now_ms();
        let mut saves = self.saves.lock();
        saves.last_ok = done.is_ok();
        saves.last_try_s = now_ms / 1000;
        saves.last_took_s = ((now_ms - began_ms) / 1000) as i64;
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
        done.is_ok()
    }

    fn rewrite(self: &Arc<Self>) -> bool {
        let _alone = self.one_at_a_time.lock();
        let began_ms = clock::now_ms();
        let done = aof::rewrite(self);
        let now_ms = clock::now_ms();
        let mut saves = self.saves.lock();
        saves.rewrite_ok = done.is_ok();
        saves.last_try_s = now_ms / 1000;
        saves.rewrite_took_s = ((now_ms - began_ms) / 1000) as i64;
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
