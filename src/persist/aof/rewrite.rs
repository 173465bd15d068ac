//! A new base in the place of the old one and its increments, while edits go on.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;

use super::manifest::{Manifest, Part};
use super::writer::{Increment, Order};
use super::{carried_out, commands, filename, folder, start_writer, stop_writer};
use crate::engine::Snapshot;
use crate::journal::Seq;
use crate::persist::Store;
use crate::persist::disk::{DiskFile, Pushed, draft_of};
use crate::persist::rdb;

/// Writes the data as it stands into a new base, and edits from now on into a new increment.
///
/// Starts the log if it isn't written yet. Whatever goes wrong, the files named by the manifest
/// hold everything that was in them.
pub fn rewrite(store: &Arc<Store>, job: u64) -> io::Result<()> {
    let begins = store.config.appendonly.get() && !store.log.is_running();
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
    let continued = running || config.appendonly.get();
    let increment = continued
        .then(|| {
            tracing::info!("Creating AOF incr file {} on background rewrite", part.name);
            let file = store.disk.create(&dir.join(&part.name))?;
            io::Result::Ok(Increment { file, len: 0 })
        })
        .transpose()?;

    let (done, told) = sync_channel(1);
    let mut reader = None;
    let mut order = increment.map(|to| Order::Switch {
        mark: Seq::default(),
        to,
        publish: publish(store, &old, &part, &dir, &filename),
        done,
    });
    let given_up = || store.is_abandoned(job);
    let snapshot = Snapshot::begin(&store.engine, &given_up, || {
        let _change = store.log.change.lock();
        // While all is locked: nothing that follows the mark can be written before the writer knows of it.
        if given_up() {
            // The log has been stopped, or is about to be.
        } else if !running && continued {
            reader = Some(store.journal.reader());
        } else if let Some(mut order) = order.take() {
            order.set_mark(store.journal.mark());
            store.log.orders.lock().push_back(order);
        }
    });
    let starting = reader.is_some();
    // Of a file that the writer has been given, the manifest tells.
    let unnamed = order.is_some();
    let begun = match (reader, order) {
        (Some(reader), Some(Order::Switch { to, .. })) => {
            let _change = store.log.change.lock();
            match given_up() {
                true => Err(io::Error::other("it was given up")),
                false => start_writer(store, reader, to),
            }
        }
        (None, Some(_)) => Err(io::Error::other("it was given up")),
        _ if running => carried_out(store, &told),
        _ => Ok(()),
    };
    let begun = begun.and_then(|()| snapshot.ok_or_else(|| io::Error::other("it was given up")));
    let snapshot = begun.inspect_err(|_| {
        if unnamed {
            // It is in nobody's way if it stays.
            let _ = store.disk.remove(&dir.join(&part.name));
        }
    })?;
    store.progress.begin(&snapshot.census);

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
        return collect(store, &dir, &filename);
    };
    if starting {
        let _ = stop_writer(store);
    }
    // A folder that can't be synced fails after the new manifest has taken the old one's place: then it counts,
    // and so do the files that it names. Those that it retires stay, for the case that a power cut brings the old one back.
    let in_force = |manifest: &Manifest| fs::read(&path).ok() == Some(manifest.text().into());
    if let Some(manifest) = named.filter(in_force) {
        store.log.set_files(manifest, &dir);
    } else if starting {
        tracing::info!(
            "Removing the temp incr aof file {} in the background",
            part.name
        );
        let _ = store.disk.remove(&dir.join(&part.name));
    }
    Err(error)
}

/// Makes the manifest name a further increment.
fn publish(
    store: &Arc<Store>,
    old: &Manifest,
    part: &Part,
    dir: &Path,
    filename: &str,
) -> Box<dyn FnOnce() -> io::Result<()> + Send> {
    let mut manifest = old.clone();
    manifest.increments.push(part.clone());
    let path = Manifest::path(dir, filename);
    let (store, dir) = (store.clone(), dir.to_owned());
    Box::new(move || {
        store.disk.replace(&path, manifest.text().as_bytes())?;
        store.log.set_files(manifest, &dir);
        Ok(())
    })
}

fn write_base(
    store: &Store,
    job: u64,
    dir: &Path,
    filename: &str,
    old: &Manifest,
    snapshot: Snapshot<'_>,
) -> io::Result<Part> {
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
            rdb::save(snapshot, &store.functions(), &rules, file, wrote).map(drop)
        } else {
            let timestamp = store.config.aof_timestamp_enabled.get();
            let file = Pushed::new(file, sync_often);
            commands::save(snapshot, &store.functions(), timestamp, file, wrote)
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
