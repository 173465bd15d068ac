//! A new base in the place of the old one and its increments, while edits go on.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::increment::{Increment, Switch};
use super::manifest::{AofFile, Manifest};
use super::place::{filename, folder};
use super::tail::Tail;
use super::{commands, writer};
use crate::config::special::reason;
use crate::engine::Snapshot;
use crate::persist::Store;
use crate::persist::disk::{DiskFile, Pushed, draft_of};
use crate::persist::job::NO_JOB;
use crate::persist::rdb;

/// Writes the data as it stands into a new base, and edits from now on into a new increment.
///
/// Starts the log if it isn't written yet. Whatever goes wrong, the files named by the manifest
/// hold everything that was in them.
pub fn rewrite(store: &Arc<Store>, job: u64) -> io::Result<()> {
    let begins = store.keeps_log() && !store.log.is_running();
    store.log.beginning.store(begins, Ordering::Release);
    let done = rewrite_all(store, job);
    store.log.beginning.store(false, Ordering::Release);
    done
}

fn rewrite_all(store: &Arc<Store>, job: u64) -> io::Result<()> {
    let config = &store.config;
    let (dir, filename) = (folder(config), filename(config));
    store.disk.make_dir(&dir)?;
    let old = store.log.manifest.lock().clone();
    let part = old.next_increment(&filename);
    let running = store.log.is_running();
    // BGREWRITEAOF while the log is off makes a base that nothing follows.
    let continued = running || store.keeps_log();
    // No manifest names its first increment before there is a base.
    let begins_log = continued && !running;
    let mut increment = continued
        .then(|| Increment::create(&*store.disk, &dir.join(&part.name)))
        .transpose()?;
    if running {
        tracing::info!("Creating AOF incr file {} on background rewrite", part.name);
        publish(store, &old, &part, &dir, &filename)?;
    } else if begins_log && job == NO_JOB {
        tracing::info!("Creating AOF incr file {} on server start", part.name);
    }
    let mut begins = None;
    let given_up = || store.is_abandoned(job);
    let snapshot = Snapshot::begin(&store.engine, &given_up, || {
        // While all is locked: nothing that follows the mark can be written before the switch is known.
        match increment.take() {
            _ if given_up() => {}
            Some(to) if running => {
                let mark = store.journal.mark();
                store.log.course.push_switch(Switch { mark, to });
            }
            Some(to) => begins = Some((store.journal.reader(), to)),
            None => {}
        }
    });
    let begun = match begins {
        Some((reader, to)) => writer::start(store, job, reader, to),
        None if running => switch_now(store),
        None => Ok(()),
    };
    let begun = begun.and_then(|()| snapshot.ok_or_else(|| io::Error::other("it was given up")));
    let snapshot = begun.inspect_err(|_| {
        if begins_log {
            let _ = writer::stop(store);
            let _ = store.disk.remove(&dir.join(&part.name));
        }
    })?;
    store.progress.begin(&snapshot.census, &store.config);

    let path = Manifest::path(&dir, &filename);
    let mut named = None;
    let installed = write_base(store, job, &dir, &filename, &old, snapshot).and_then(|base| {
        // The newest first, as Redis lists them.
        let retired = old.increments.iter().rev().chain(&old.base);
        let history = retired.chain(&old.history).cloned().collect();
        let manifest = named.insert(Manifest {
            base: Some(base),
            increments: continued.then(|| part.clone()).into_iter().collect(),
            history,
        });
        store.disk.replace(&path, manifest.text().as_bytes())
    });
    let Err(error) = installed else {
        store.log.set_files(named.expect("it was installed"), &dir);
        store.with_tail(Tail::forget_older);
        return collect(store, &dir, &filename);
    };
    if begins_log {
        let _ = writer::stop(store);
    }
    // A folder that can't be synced fails after the new manifest has taken the old one's place: then it counts,
    // and so do the files that it names. Those that it retires stay, for the case that a power cut brings the old one back.
    let in_force = |manifest: &Manifest| fs::read(&path).ok() == Some(manifest.text().into());
    if let Some(manifest) = named.filter(in_force) {
        store.log.set_files(manifest, &dir);
    } else if begins_log {
        tracing::info!(
            "Removing the temp incr aof file {} in the background",
            part.name
        );
        let _ = store.disk.remove(&dir.join(&part.name));
    }
    Err(error)
}

/// Has the log go on in a new file, and returns the files that it was made of until then, with all of it on the disk.
/// No rewrite may be under way.
pub fn rotate(store: &Store) -> io::Result<Manifest> {
    let (dir, filename) = (folder(&store.config), filename(&store.config));
    let old = store.log.manifest();
    let part = old.next_increment(&filename);
    let to = Increment::create(&*store.disk, &dir.join(&part.name))?;
    publish(store, &old, &part, &dir, &filename)?;
    let rotated = store.with_tail(|tail| {
        let mark = store.journal.mark();
        store.log.course.push_switch(Switch { mark, to });
        let done = tail.write().and_then(|()| tail.sync());
        store.wrote_log(tail, &done);
        done
    });
    rotated.unwrap_or_else(|| Err(io::Error::other("the log was turned off")))?;
    Ok(old)
}

/// Makes the log's folder, and a file in it that goes again: whether a log can be begun there. The error is for the log.
pub fn try_place(store: &Store) -> Result<(), String> {
    let dir = folder(&store.config);
    store.disk.make_dir(&dir).map_err(|error| {
        format!(
            "Can't open or create append-only dir {}: {}",
            dir.display(),
            reason(&error)
        )
    })?;
    let draft = draft_of(&dir.join(format!("{}.incr", filename(&store.config))));
    store.disk.create(&draft).map_err(|error| {
        format!(
            "Can't open the append-only file {}: {}",
            draft.display(),
            reason(&error)
        )
    })?;
    // One that stays is removed at the next start.
    let _ = store.disk.remove(&draft);
    Ok(())
}

/// Has the log go on in its new file, which it does by itself if it can't now.
fn switch_now(store: &Store) -> io::Result<()> {
    let switched = store.with_tail(|tail| {
        let done = tail.write();
        store.wrote_log(tail, &done);
        done
    });
    switched.unwrap_or_else(|| Err(io::Error::other("the log was turned off")))
}

/// Makes the manifest name a further increment, while edits still go to the one before: whoever reads the files in
/// between finds the new one empty.
fn publish(
    store: &Store,
    old: &Manifest,
    part: &AofFile,
    dir: &Path,
    filename: &str,
) -> io::Result<()> {
    let mut manifest = old.clone();
    manifest.increments.push(part.clone());
    let path = Manifest::path(dir, filename);
    let text = manifest.text();
    let named = store.disk.replace(&path, text.as_bytes());
    // A folder that can't be synced fails after the new manifest has taken the old one's place.
    if named.is_ok() || fs::read(&path).ok() == Some(text.into()) {
        *store.log.manifest.lock() = manifest;
    } else {
        let _ = store.disk.remove(&dir.join(&part.name));
    }
    named
}

fn write_base(
    store: &Store,
    job: u64,
    dir: &Path,
    filename: &str,
    old: &Manifest,
    snapshot: Snapshot<'_>,
) -> io::Result<AofFile> {
    let preamble = store.config.aof_use_rdb_preamble.get();
    let base = old.next_base(filename, if preamble { "rdb" } else { "aof" });
    let path = dir.join(&base.name);
    let draft = draft_of(&path);
    let written = store.disk.create(&draft).and_then(|mut file| {
        let file: &mut dyn DiskFile = &mut *file;
        let wrote = |keys| store.wrote(job, keys);
        let sync_often = store.config.aof_rewrite_incremental_fsync.get();
        if preamble {
            let rules = rdb::SaveRules {
                aof_base: true,
                sync_often,
                ..store.save_rules()
            };
            rdb::save(snapshot, &store.beside(false), &rules, file, wrote).map(drop)
        } else {
            let timestamp = store.config.aof_timestamp_enabled.get();
            let file = Pushed::new(file, sync_often);
            commands::save(snapshot, &store.beside(false), timestamp, file, wrote)
        }
    });
    store.disk.install(&draft, &path, written)?;
    tracing::info!(
        "Successfully renamed the temporary AOF base file into {}",
        base.name
    );
    Ok(base)
}

/// Removes files that no longer count, and what names them.
pub fn collect(store: &Store, dir: &Path, filename: &str) -> io::Result<()> {
    let mut manifest = store.log.manifest.lock().clone();
    if manifest.history.is_empty() || store.config.aof_disable_auto_gc.get() {
        return Ok(());
    }
    for part in &manifest.history {
        tracing::info!("Removing the history file {} in the background", part.name);
        match store.disk.remove(&dir.join(&part.name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    manifest.history.clear();
    let path = Manifest::path(dir, filename);
    store.disk.replace(&path, manifest.text().as_bytes())?;
    *store.log.manifest.lock() = manifest;
    Ok(())
}
