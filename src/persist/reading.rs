//! The data files read into the keyspace: at start, for DEBUG, and as a master sends them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};

use super::Store;
use super::aof::{self, Apply, run_updates};
use super::job::NO_JOB;
use super::loading::Loading;
use super::rdb::{self, LoadedSnapshot};
use super::window::Window;
use crate::config::Config;
use crate::config::special::reason;
use crate::engine::{Engine, Rules};
use crate::util::clock::{self, Timer};

/// What `preload-file` names.
enum Preload {
    Snapshot(PathBuf),
    /// A manifest.
    Log(PathBuf),
}

impl Preload {
    fn of(config: &Config) -> Option<Preload> {
        let name = config.preload_file.get();
        if let Some(path) = name.strip_prefix(b"rdb:") {
            return Some(Preload::Snapshot(config.place_of(path)));
        }
        let path = name.strip_prefix(b"aof:")?;
        Some(Preload::Log(config.place_of(path)))
    }
}

impl Store {
    /// Reads the data files into an empty keyspace, and begins to write the log if there is to be one.
    /// `apply` runs a command of the log.
    pub fn open(self: &Arc<Self>, apply: &mut Apply<'_>) -> Result<()> {
        self.remove_drafts();
        let has_log = aof::take_over(self)?;
        if let Some(preload) = Preload::of(&self.config) {
            return self.preload(preload, has_log, apply);
        }
        if !self.config.appendonly.get() {
            if has_log {
                tracing::warn!(
                    "There is an append only log beside the snapshot file, which is not read, as appendonly is off"
                );
            }
            return self.load_snapshot(&self.snapshot_path(), (false, false), apply);
        }
        if has_log {
            return aof::load(self, apply);
        }
        if self.snapshot_path().is_file() {
            tracing::warn!(
                "appendonly is on, but there is no log yet: it begins with what the snapshot file holds"
            );
        }
        self.load_snapshot(&self.snapshot_path(), (false, false), apply)?;
        self.begin_log()
    }

    /// Begins the log with the data as they are.
    fn begin_log(self: &Arc<Self>) -> Result<()> {
        aof::try_place(self).map_err(anyhow::Error::msg)?;
        tracing::info!("Creating AOF base file on server start");
        aof::rewrite(self, NO_JOB).context("Can't create the append only file")
    }

    /// Starts with the data of another file, which stays as it is; the log, if there is to be one, begins anew with them.
    fn preload(
        self: &Arc<Self>,
        preload: Preload,
        has_log: bool,
        apply: &mut Apply<'_>,
    ) -> Result<()> {
        match preload {
            Preload::Snapshot(path) => {
                anyhow::ensure!(
                    path.is_file(),
                    "Fatal error: can't open the preload file {}",
                    path.display()
                );
                self.load_snapshot(&path, (false, false), apply)?;
            }
            Preload::Log(manifest) if has_log && manifest == aof::manifest_path(&self.config) => {
                return aof::load(self, apply);
            }
            Preload::Log(manifest) => aof::load_from(self, &manifest, apply)?,
        }
        if self.config.appendonly.get() {
            self.begin_log()?;
            // A log that was there has been rewritten.
            self.saves.lock().rewrites += 1;
        }
        Ok(())
    }

    /// DEBUG RELOAD's and DEBUG LOADAOF's second half: reads the files into the keyspace.
    pub fn reload(
        self: &Arc<Self>,
        from_log: bool,
        replace: bool,
        apply: &mut Apply<'_>,
    ) -> Result<()> {
        if from_log {
            return aof::load(self, apply);
        }
        // What has died and still stands is yet to be told of.
        self.load_snapshot(&self.snapshot_path(), (replace, true), apply)
    }

    /// Reads a snapshot: whether its keys take the place of others, and whether those are kept that have died.
    fn load_snapshot(
        &self,
        path: &Path,
        (replace, keep_dead): (bool, bool),
        apply: &mut Apply<'_>,
    ) -> Result<()> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => anyhow::bail!(
                "Fatal error loading the DB, check server logs. Exiting: {}: {}",
                path.display(),
                reason(&error)
            ),
            Ok(file) => file,
        };
        let began = Timer::start();
        let len = file.metadata()?.len();
        self.loading.total_bytes.store(len, Ordering::Relaxed);
        let mut window = Window::new(file, &self.loading);
        let rules = rdb::LoadRules {
            replace,
            ..self.load_rules(keep_dead, Some(len))
        };
        let mut loaded = rdb::load(&mut window, &self.engine, &rules)
            .with_context(|| format!("Fatal error loading the DB {}", path.display()))?;
        self.keep_original(path, &loaded)?;
        let updates = std::mem::take(&mut loaded.updates);
        self.loaded(loaded);
        run_updates(&updates, apply)?;
        tracing::info!(
            "DB loaded from disk: {:.3} seconds",
            began.elapsed().as_secs_f64()
        );
        Ok(())
    }

    /// Reads a snapshot that a master sends into a keyspace. Dead keys stay: the master removes them.
    /// How long it is is told where it is known.
    pub fn load_from(
        &self,
        source: impl Read + Send,
        len: Option<u64>,
        into: &Engine,
    ) -> Result<LoadedSnapshot> {
        let mut window = Window::new(source, &self.loading);
        let rules = self.load_rules(true, len);
        let loaded = rdb::load(&mut window, into, &rules)?;
        tracing::info!(
            "Done loading RDB, keys loaded: {}, keys expired: {}.",
            loaded.keys,
            loaded.expired
        );
        let mut saves = self.saves.lock();
        saves.keys_loaded = loaded.keys;
        saves.keys_expired = loaded.expired;
        Ok(loaded)
    }

    /// Looks through a snapshot of so many bytes that a master sent, before anything makes room for it: an error says why it
    /// is refused.
    pub fn check_from(&self, source: impl Read + Send, len: u64) -> Result<()> {
        // Nobody is told that the server is loading: it answers with what it has.
        let loading = Loading::default();
        let rules = self.load_rules(true, Some(len));
        rdb::check(&mut Window::new(source, &loading), &rules)
    }

    /// The database of keys whose slots another node has yet, if there may be any: the one above those that clients can select.
    pub fn staged_db(&self) -> Option<usize> {
        let stages = self.stages.load(Ordering::Relaxed);
        stages.then(|| self.config.databases.get() as usize)
    }

    /// All databases that may have keys.
    pub fn databases(&self) -> usize {
        let own = self.config.databases.get() as usize;
        own + usize::from(self.staged_db().is_some())
    }

    /// How a snapshot of so many bytes is read, if it is known how many.
    pub(super) fn load_rules(&self, keep_dead: bool, len: Option<u64>) -> rdb::LoadRules {
        let config = &self.config;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        rdb::LoadRules {
            len,
            rules: Rules::of(config),
            databases: self.databases(),
            checksum: config.rdbchecksum.get() && !self.skip_checksums.load(Ordering::Relaxed),
            keep_dead,
            continues: !keep_dead,
            replace: false,
            now_ms: clock::now_ms(),
            threads: cores.clamp(1, 4),
            key_delay_us: config.key_load_delay.get().max(0) as u64,
            hide_names: config.hide_user_data_from_log.get(),
            skip_unknown: config.rdb_skip_unknown.get(),
            admit: self.admit.get().cloned(),
        }
    }

    pub(super) fn loaded(&self, loaded: LoadedSnapshot) {
        tracing::info!(
            "Done loading RDB, keys loaded: {}, keys expired: {}.",
            loaded.keys,
            loaded.expired
        );
        if loaded.empty > 0 {
            tracing::info!("empty keys skipped: {}", loaded.empty);
        }
        *self.loaded_functions.lock() = loaded.functions;
        *self.loaded_origin.lock() = loaded.origin;
        let mut saves = self.saves.lock();
        saves.keys_loaded = loaded.keys;
        saves.keys_expired = loaded.expired;
    }
}
