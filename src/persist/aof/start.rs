//! The log at start: found, taken over from older servers, read, and continued.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};

use super::increment::Increment;
use super::manifest::{AofFile, Manifest};
use super::place::{filename, folder};
use super::read::{AofEnd, Apply, LogFile, run_updates};
use super::rewrite::collect;
use super::writer;
use crate::config::special::reason;
use crate::persist::disk::DRAFT;
use crate::persist::job::NO_JOB;
use crate::persist::window::Window;
use crate::persist::{Store, rdb};
use crate::util::clock::{self, Timer};

/// Finds the log's files; a single file that an older server wrote becomes the base. False if there are none.
pub fn take_over(store: &Store) -> Result<bool> {
    let config = &store.config;
    let (dir, filename) = (folder(config), filename(config));
    let manifest_path = Manifest::path(&dir, &filename);
    remove_drafts(store, &dir);
    match fs::read(&manifest_path) {
        Ok(text) => {
            let manifest = Manifest::parse(&text)
                .with_context(|| format!("Fatal error reading {}", manifest_path.display()))?;
            let single = config.place_of(filename.as_bytes());
            if let Some(base) = manifest.base.as_ref().filter(|base| base.name == filename)
                && !dir.join(&base.name).exists()
                && single.is_file()
            {
                // An upgrade that was interrupted between manifest and move.
                store.disk.rename(&single, &dir.join(&base.name))?;
            }
            *store.log.manifest.lock() = manifest;
            return Ok(true);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(cannot_open_manifest(&manifest_path, &error)),
    }
    if !config.appendonly.get() {
        return Ok(false);
    }
    let (single, moved) = (config.place_of(filename.as_bytes()), dir.join(&filename));
    if !single.is_file() && !moved.is_file() {
        return Ok(false);
    }
    store.disk.make_dir(&dir)?;
    if single.is_file() {
        store.disk.rename(&single, &moved).with_context(|| {
            format!(
                "Error trying to move the old AOF file {} into dir {}",
                single.display(),
                dir.display()
            )
        })?;
    }
    let manifest = Manifest {
        base: Some(AofFile {
            name: filename.clone(),
            number: 1,
        }),
        ..Manifest::default()
    };
    store
        .disk
        .replace(&manifest_path, manifest.text().as_bytes())?;
    *store.log.manifest.lock() = manifest;
    tracing::info!(
        "Successfully migrated an old-style AOF configuration ({filename}) into {}",
        dir.display()
    );
    Ok(true)
}

/// What a crash may have left half-written.
fn remove_drafts(store: &Store, dir: &Path) {
    let Ok(files) = fs::read_dir(dir) else {
        return; // There is no log yet.
    };
    for file in files.flatten() {
        if file
            .file_name()
            .as_encoded_bytes()
            .starts_with(DRAFT.as_bytes())
        {
            // One that stays is only in the way of disk space.
            let _ = store.disk.remove(&file.path());
        }
    }
}

/// Reads all files of the log, in order, and goes on writing in the last one.
pub fn load(store: &Arc<Store>, apply: &mut Apply<'_>) -> Result<()> {
    let (dir, filename) = (folder(&store.config), filename(&store.config));
    read_all(store, &dir, &store.log.manifest(), true, apply)?;
    if store.config.appendonly.get() {
        go_on(store, &dir, &filename)?;
    }
    Ok(())
}

/// Reads all files that a manifest elsewhere names. They are left as they are.
pub fn load_from(store: &Store, path: &Path, apply: &mut Apply<'_>) -> Result<()> {
    let text = fs::read(path).map_err(|error| cannot_open_manifest(path, &error))?;
    let manifest = Manifest::parse(&text)
        .with_context(|| format!("Fatal error reading {}", path.display()))?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    read_all(store, dir, &manifest, false, apply)
}

/// Reads a log's files, in order. What was never written whole at the end of the last one may be cut off, if it is ours.
fn read_all(
    store: &Store,
    dir: &Path,
    manifest: &Manifest,
    is_ours: bool,
    apply: &mut Apply<'_>,
) -> Result<()> {
    let parts: Vec<&AofFile> = manifest.parts().collect();
    let len = |part: &&AofFile| {
        let data = fs::metadata(dir.join(&part.name));
        data.map(|data| data.len())
            .map_err(|error| cannot_open(part, &error))
    };
    let lens = parts.iter().map(len).collect::<Result<Vec<u64>>>()?;
    let total = lens.iter().sum();
    store.loading.total_bytes.store(total, Ordering::Relaxed);
    let began = Timer::start();
    for (at, part) in parts.iter().enumerate() {
        let began = Timer::start();
        let end = read_part(store, dir, part, apply)?;
        if let AofEnd::Torn { at: offset, why } = end {
            // The next file is named before the first edit goes there.
            let is_last = lens[at + 1..].iter().all(|len| *len == 0);
            cut(store, dir, part, offset, why, is_last && is_ours)?;
        }
        let kind = if Some(*part) == manifest.base.as_ref() {
            "base"
        } else {
            "incr"
        };
        tracing::info!(
            "DB loaded from {kind} file {}: {:.3} seconds",
            part.name,
            began.elapsed().as_secs_f64()
        );
    }
    tracing::info!(
        "DB loaded from append only file: {:.3} seconds",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

fn cannot_open_manifest(path: &Path, error: &io::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "Fatal error: can't open the AOF manifest file {} for reading: {}",
        path.display(),
        reason(error)
    )
}

fn cannot_open(part: &AofFile, error: &io::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "Fatal error: can't open the append log file {} for reading: {}",
        part.name,
        reason(error)
    )
}

fn read_part(store: &Store, dir: &Path, part: &AofFile, apply: &mut Apply<'_>) -> Result<AofEnd> {
    let file = File::open(dir.join(&part.name)).map_err(|error| cannot_open(part, &error))?;
    let rules = store.load_rules(true, Some(file.metadata()?.len()));
    let mut window = Window::new(file, &store.loading);
    window.fill(9)?;
    if rdb::is_snapshot(window.bytes()) {
        tracing::info!("Reading RDB base file on AOF loading...");
        let mut loaded = rdb::load(&mut window, &store.engine, &rules).with_context(|| {
            format!(
                "Error reading the RDB preamble of the file {}, AOF loading aborted",
                part.name
            )
        })?;
        store.keep_original(&dir.join(&part.name), &loaded)?;
        let updates = std::mem::take(&mut loaded.updates);
        store.loaded(loaded);
        run_updates(&updates, apply)?;
    }
    LogFile::new(&mut window, &part.name).replay(apply)
}

/// Cuts off what was never written whole, and keeps it beside the file, if there is room: a full disk is how most of them
/// come about.
fn cut(store: &Store, dir: &Path, part: &AofFile, at: u64, why: &str, last: bool) -> Result<()> {
    let name = &part.name;
    if !last || !store.config.aof_load_truncated.get() {
        bail!(
            "Unexpected end of file reading the append only file {name} (offset {at}: {why}). You can: 1) Make a backup \
             of your AOF file, then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the \
             'aof-load-truncated' configuration option to yes and restart the server."
        );
    }
    let path = dir.join(name);
    let mut whole = fs::read(&path)?;
    let bytes = whole.split_off(at as usize);
    tracing::warn!("!!! Warning: short read while loading the AOF file {name}!!!");
    let aside = dir.join(format!("{name}.cut-{at}-{}", clock::now_ms()));
    let (len, aside_name) = (bytes.len(), aside.display());
    let kept = match store.disk.replace_like(&aside, &path, &bytes) {
        Ok(()) => format!("{len} bytes are cut off and kept in {aside_name}"),
        Err(error) => format!(
            "{len} bytes are cut off and lost, as they can't be kept in {aside_name}: {}",
            reason(&error)
        ),
    };
    if is_shared(&path)? {
        store.disk.replace(&path, &whole)?;
    } else {
        let mut file = store.disk.append(&path)?;
        file.truncate(at)?;
        file.sync()?;
    }
    tracing::warn!("Truncating the AOF {name} at offset {at}: {why}; {kept}");
    tracing::warn!("AOF {name} loaded anyway because aof-load-truncated is enabled");
    Ok(())
}

/// Whether others may rely on a file as it is: it has a second name, as what is kept and backups have, or another owner.
fn is_shared(path: &Path) -> io::Result<bool> {
    let data = fs::symlink_metadata(path)?;
    let is_ours = data.uid() == rustix::process::geteuid().as_raw();
    Ok(data.is_symlink() || data.nlink() > 1 || !is_ours)
}

/// Begins to write: to the last increment, or to a first one.
fn go_on(store: &Arc<Store>, dir: &Path, filename: &str) -> Result<()> {
    let mut manifest = store.log.manifest.lock().clone();
    let part = match manifest.increments.last() {
        Some(part) => part.clone(),
        None => {
            let part = manifest.next_increment(filename);
            tracing::info!("Creating AOF incr file {} on server start", part.name);
            drop(store.disk.create(&dir.join(&part.name))?);
            manifest.increments.push(part.clone());
            let path = Manifest::path(dir, filename);
            store.disk.replace(&path, manifest.text().as_bytes())?;
            part
        }
    };
    let path = dir.join(&part.name);
    let increment = Increment::open(&*store.disk, &path)
        .with_context(|| format!("Can't open the append-only file {}", path.display()))?;
    store.log.set_files(manifest, dir);
    if let Err(error) = collect(store, dir, filename) {
        // They are in the way of disk space alone, and go at the next rewrite.
        tracing::warn!("Can't remove old files of the log: {}", reason(&error));
    }
    writer::start(store, NO_JOB, store.journal.reader(), increment)?;
    Ok(())
}
