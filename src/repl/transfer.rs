//! A snapshot from the master: its bytes as a file of their own, and the way into the keyspace.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Result, anyhow};
use bytes::Buf;

use super::wire::{Lost, Wire};
use crate::config::choices::DisklessLoad;
use crate::config::special::reason;
use crate::engine::Engine;
use crate::exec::Worker;
use crate::persist::disk::{DiskFile, draft_of};
use crate::persist::rdb::{LoadedSnapshot, Update};
use crate::persist::{JobKind, Store};
use crate::state::replication::{Link, Replication};
use crate::state::shared::Shared;
use crate::state::surroundings::tell_status;
use crate::util::clock;

const PIECE_BYTES: usize = 256 * 1024;
/// Bytes written before they are pushed to the disk.
const SYNC_BYTES: u64 = 8 << 20;
const MARK_BYTES: usize = 40;
/// Between two signs of life to the master while loading.
const NEWLINE_MS: u64 = 1000;

/// Where the snapshot ends.
enum SnapshotEnd {
    After(u64),
    Mark([u8; MARK_BYTES]),
}

/// The snapshot's bytes, read off the wire up to its end.
struct Payload<'w> {
    wire: &'w mut Wire,
    replication: &'w Replication,
    end: SnapshotEnd,
    /// Its end was read.
    over: bool,
    newline_ms: u64,
    lost: Option<Lost>,
}

impl<'w> Payload<'w> {
    /// Reads the line that tells how the end is found.
    fn begin(wire: &'w mut Wire, shared: &'w Shared) -> Result<Self, Lost> {
        let head = wire.line()?;
        let end = match head.strip_prefix('$') {
            Some(rest) => match (rest.strip_prefix("EOF:"), rest.parse()) {
                (Some(mark), _) => mark.as_bytes().try_into().ok().map(SnapshotEnd::Mark),
                (None, Ok(len)) => Some(SnapshotEnd::After(len)),
                (None, Err(_)) => None,
            },
            None => {
                if let Some(error) = head.strip_prefix('-') {
                    tracing::warn!("MASTER aborted replication with an error: {error}");
                    return Err(Lost::Told);
                }
                None
            }
        };
        let Some(end) = end else {
            tracing::warn!(
                "Bad protocol from MASTER, the first byte is not '$' (we received '{head}'), are you sure the host and port are right?"
            );
            return Err(Lost::Told);
        };
        let transfer = &shared.replication.transfer;
        let total = match end {
            SnapshotEnd::After(len) => len,
            SnapshotEnd::Mark(_) => 0,
        };
        transfer.total.store(total, Ordering::Relaxed);
        transfer.read.store(0, Ordering::Relaxed);
        transfer
            .last_io_ms
            .store(clock::now_ms(), Ordering::Relaxed);
        Ok(Payload {
            over: matches!(end, SnapshotEnd::After(0)),
            wire,
            replication: &shared.replication,
            end,
            newline_ms: 0,
            lost: None,
        })
    }

    fn fill(&mut self) -> io::Result<bool> {
        self.wire.fill().map_err(|lost| {
            let told = match &lost {
                Lost::Failed(error) => io::Error::new(error.kind(), reason(error)),
                Lost::Silent => io::ErrorKind::TimedOut.into(),
                Lost::Stale | Lost::Told | Lost::Rejected => {
                    io::Error::other("the master is not followed any more")
                }
            };
            self.lost = Some(lost);
            told
        })
    }

    /// Bytes of the snapshot that can be taken now.
    fn ready(&mut self) -> usize {
        let input = &self.wire.input;
        match &self.end {
            SnapshotEnd::After(left) => input.len().min(*left as usize),
            // The mark is the last that comes before we answer, so it ends what was read, or comes yet.
            SnapshotEnd::Mark(mark) if input.ends_with(mark) => input.len() - MARK_BYTES,
            SnapshotEnd::Mark(_) => input.len().saturating_sub(MARK_BYTES),
        }
    }

    fn is_marked(&self) -> bool {
        matches!(&self.end, SnapshotEnd::Mark(mark) if self.wire.input[..] == mark[..])
    }

    /// Reads to the end, whatever follows the snapshot in it.
    fn drain(&mut self) -> io::Result<()> {
        let mut rest = vec![0; 4096];
        while self.read(&mut rest)? > 0 {}
        Ok(())
    }
}

impl Read for Payload<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.over {
                return Ok(0);
            }
            if self.is_marked() {
                self.wire.input.advance(MARK_BYTES);
                self.over = true;
                return Ok(0);
            }
            let ready = self.ready();
            if ready > 0 {
                let count = ready.min(out.len());
                self.wire.input.copy_to_slice(&mut out[..count]);
                if let SnapshotEnd::After(left) = &mut self.end {
                    *left -= count as u64;
                    self.over = *left == 0;
                }
                let transfer = &self.replication.transfer;
                transfer.read.fetch_add(count as u64, Ordering::Relaxed);
                return Ok(count);
            }
            if self.fill()? {
                let transfer = &self.replication.transfer;
                transfer
                    .last_io_ms
                    .store(self.wire.heard_ms, Ordering::Relaxed);
            }
            if clock::now_ms() >= self.newline_ms + NEWLINE_MS {
                self.newline_ms = clock::now_ms();
                // The master needs a sign of life; if it is gone, reading will tell.
                let _ = self.wire.write(b"\n");
            }
        }
    }
}

/// A file that is read while the master waits for us.
struct Patient<'w> {
    file: File,
    wire: &'w mut Wire,
    newline_ms: u64,
    lost: Option<Lost>,
}

impl Read for Patient<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let now_ms = clock::now_ms();
        if now_ms >= self.newline_ms + NEWLINE_MS {
            self.newline_ms = now_ms;
            // Nothing is read off the wire meanwhile, so its silence says nothing.
            self.wire.heard_ms = now_ms;
            if let Err(lost) = self.wire.check().and_then(|()| self.wire.write(b"\n")) {
                self.lost = Some(lost);
                return Err(io::Error::other("the master is not followed any more"));
            }
        }
        self.file.read(out)
    }
}

/// Takes a whole snapshot off the wire, into the keyspace.
pub fn receive(worker: &Rc<Worker>, wire: &mut Wire, id: &str, offset: u64) -> Result<(), Lost> {
    let shared = worker.shared.clone();
    let replication = &shared.replication;
    if !replication.set_link(wire.epoch, Link::Transfer, clock::now_ms()) {
        return Err(Lost::Stale);
    }
    let same = replication.state().id == id;
    let epoch = wire.epoch;
    let payload = Payload::begin(wire, &shared)?;
    let from = match payload.end {
        SnapshotEnd::Mark(_) => "streamed RDB from master with EOF".to_owned(),
        SnapshotEnd::After(len) => format!("{len} bytes from master"),
    };
    let load = shared.config.repl_diskless_load.get();
    let straight = match load {
        DisklessLoad::Disabled => false,
        DisklessLoad::OnEmptyDb => {
            (0..crate::engine::SHARDS).all(|id| worker.engine.keys_in(id) == 0)
        }
        DisklessLoad::Swapdb => true,
    };
    let to = if straight { "to parser" } else { "to disk" };
    tracing::info!("MASTER <-> REPLICA sync: receiving {from} {to}");
    if straight {
        load_straight(worker, payload, load == DisklessLoad::Swapdb, same)?;
    } else {
        load_by_file(worker, payload)?;
    }
    // What follows is the stream: from here on the data are the master's.
    let size = shared.config.repl_backlog_size.get();
    {
        let mut state = replication.state();
        if !shared.journal.restart_stream(epoch, offset, size) {
            return Err(Lost::Stale);
        }
        state.forget_history(id.to_owned());
        state.resumable = true;
    }
    tracing::info!("MASTER <-> REPLICA sync: Finished with success");
    tell_status(
        &shared.config,
        "MASTER <-> REPLICA sync: Finished with success. Ready to accept connections in read-write mode.",
    );
    if shared.config.appendonly.get() {
        tracing::info!("AOF background was scheduled");
        let dirty = shared.stats.totals().dirty;
        // If something else is being written, the cron begins it later.
        let _ = shared.store.begin(JobKind::Rewrite, dirty, None);
    }
    Ok(())
}

/// Ends what reads and writes the data of before.
fn clear_the_way(shared: &Shared) {
    // Until here the data of before could have been continued.
    shared.replication.state().resumable = false;
    shared.replication.disconnect_replicas();
    shared.store.abandon(JobKind::Save);
    if let Err(error) = shared.store.end_log() {
        tracing::error!(
            "The end of the append only file is missing: {}",
            reason(&error)
        );
    }
}

fn load_straight(
    worker: &Rc<Worker>,
    mut payload: Payload<'_>,
    swap: bool,
    same: bool,
) -> Result<(), Lost> {
    let shared = &worker.shared;
    let store = &shared.store;
    let _turn = store.loads.lock();
    let total = shared.replication.transfer.total.load(Ordering::Relaxed);
    // What is here is an earlier state of the same data: it is worth reading until the new ones are whole.
    let aside = swap && same;
    let fresh = swap.then(Arc::<Engine>::default);
    if aside {
        shared
            .replication
            .transfer
            .aside
            .store(true, Ordering::Release);
    } else {
        store.loading.begin(total);
    }
    if fresh.is_none() {
        clear_the_way(shared);
        tracing::info!("MASTER <-> REPLICA sync: Flushing old data");
        worker.empty();
    }
    tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    let into = fresh.as_ref().unwrap_or(&worker.engine);
    let loaded = store.load_from(&mut payload, (total > 0).then_some(total), into);
    let loaded = loaded.and_then(|loaded| {
        payload.drain().map_err(|error| anyhow!(reason(&error)))?;
        Ok(loaded)
    });
    let done = loaded.and_then(|loaded| match &fresh {
        Some(fresh) => take_over(worker, payload.wire, fresh, loaded),
        None => finish(worker, loaded),
    });
    if let Err(error) = &done {
        tracing::warn!(
            "Internal error in RDB reading: {error:#}. Failed trying to load the MASTER synchronization DB from socket, check server logs"
        );
        if fresh.is_none() {
            worker.empty();
        }
    }
    shared
        .replication
        .transfer
        .aside
        .store(false, Ordering::Release);
    store.loading.end();
    done.map_err(|_| payload.lost.take().unwrap_or(Lost::Told))
}

/// Puts a whole snapshot in the place of what is here. All that may fail comes first.
fn take_over(
    worker: &Rc<Worker>,
    wire: &Wire,
    fresh: &Arc<Engine>,
    loaded: LoadedSnapshot,
) -> Result<()> {
    let shared = &worker.shared;
    let updates = loaded.updates.into_iter();
    let (of_functions, of_keys) = updates.partition(Update::is_of_functions);
    worker.run_updates_in(fresh, of_keys)?;
    let is_followed = || {
        let checked = wire.check();
        checked.map_err(|_| anyhow!("the master is not followed any more"))
    };
    is_followed()?;
    // Libraries that don't compile leave those that are here.
    worker.adopt_functions(loaded.functions)?;
    clear_the_way(shared);
    let _quiet = shared.store.quiet();
    is_followed()?;
    worker.adopt(fresh);
    worker.run_updates(of_functions)
}

fn finish(worker: &Rc<Worker>, loaded: LoadedSnapshot) -> Result<()> {
    worker.adopt_functions(loaded.functions)?;
    worker.run_updates(loaded.updates)
}

fn load_by_file(worker: &Rc<Worker>, mut payload: Payload<'_>) -> Result<(), Lost> {
    let shared = &worker.shared;
    let store = &shared.store;
    let path = store.snapshot_path();
    let draft = draft_of(&path);
    let written = keep(store, &draft, &mut payload);
    if let Err(error) = written {
        let _ = store.disk.remove(&draft);
        if let Some(lost) = payload.lost.take() {
            return Err(lost);
        }
        tracing::warn!(
            "Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA synchronization: {}",
            reason(&error)
        );
        return Err(Lost::Told);
    }
    check(store, &draft, &mut payload)?;
    clear_the_way(shared);
    let opened = {
        let _quiet = store.quiet();
        store
            .disk
            .install(&draft, &path, Ok(()))
            .and_then(|()| File::open(&path))
    };
    let file = opened.inspect_err(|error| {
        tracing::warn!(
            "Failed trying to rename the temp DB into {} in MASTER <-> REPLICA synchronization: {}",
            path.display(),
            reason(error)
        );
    })?;
    let total = file.metadata()?.len();
    let _turn = store.loads.lock();
    store.loading.begin(total);
    tracing::info!("MASTER <-> REPLICA sync: Flushing old data");
    worker.empty();
    tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    let mut patient = Patient {
        file,
        wire: payload.wire,
        newline_ms: clock::now_ms(),
        lost: None,
    };
    let loaded = store.load_from(&mut patient, Some(total), &worker.engine);
    let done = loaded.and_then(|loaded| finish(worker, loaded));
    if let Err(error) = &done {
        tracing::warn!(
            "Failed trying to load the MASTER synchronization DB from disk, check server logs: {error:#}"
        );
        worker.empty();
    }
    store.loading.end();
    patient.wire.heard_ms = clock::now_ms();
    let config = &shared.config;
    let kept = config.appendonly.get() || !config.save.get().0.is_empty();
    if config.rdb_del_sync_files.get() && !kept {
        tracing::info!(
            "Removing the RDB file obtained from the master. This replica has persistence disabled"
        );
        let _ = store.disk.remove(&path);
    }
    done.map_err(|_| patient.lost.take().unwrap_or(Lost::Told))
}

/// Looks through the snapshot while what is here still stands. One that is refused takes the place of nothing.
fn check(store: &Store, draft: &Path, payload: &mut Payload<'_>) -> Result<(), Lost> {
    let mut patient = Patient {
        file: File::open(draft)?,
        wire: payload.wire,
        newline_ms: clock::now_ms(),
        lost: None,
    };
    let len = patient.file.metadata()?.len();
    let checked = store.check_from(&mut patient, len);
    patient.wire.heard_ms = clock::now_ms();
    checked.map_err(|error| {
        let _ = store.disk.remove(draft);
        patient.lost.take().unwrap_or_else(|| {
            tracing::warn!(
                "The snapshot that the MASTER sent is refused, and the data of before stay: {error:#}"
            );
            Lost::Told
        })
    })
}

/// Writes the snapshot to a file.
fn keep(store: &Store, draft: &Path, payload: &mut Payload<'_>) -> io::Result<()> {
    let mut file = store.disk.create(draft)?;
    let file: &mut dyn DiskFile = &mut *file;
    let mut piece = vec![0; PIECE_BYTES];
    let mut unsynced = 0;
    loop {
        let count = payload.read(&mut piece)?;
        if count == 0 {
            return file.sync();
        }
        file.write_all(&piece[..count])?;
        unsynced += count as u64;
        if unsynced >= SYNC_BYTES {
            file.sync()?;
            unsynced = 0;
        }
    }
}
