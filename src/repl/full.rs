//! Full syncs: one snapshot for all replicas that wait for one, to their sockets or by way of the snapshot file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::config::special::reason;
use crate::persist::disk::DiskFile;
use crate::persist::rdb::{SnapshotForm, is_same};
use crate::persist::{JobKind, Store};
use crate::state::replication::{Replica, ReplicaStage, SendOrder, SnapshotFilter, new_id};
use crate::state::shared::Shared;

/// Bytes of one order: with those that may wait, what a snapshot can be ahead of a slow replica.
const PIECE_BYTES: usize = 64 * 1024;
/// Between two looks at a replica that is too slow.
const PATIENCE: Duration = Duration::from_millis(2);
/// The mark at the end of a snapshot whose length isn't told.
const MARK_BYTES: usize = 40;

type Waiting = Vec<(Arc<Replica>, Sender<SendOrder>)>;

/// Begins a snapshot for the replicas that wait for one, if it is time and nothing else is being written.
pub fn begin(shared: &Arc<Shared>, now_ms: u64) {
    let config = &shared.config;
    let mut waiting = shared.replication.replicas();
    let unread = &shared.replication.unread;
    let is_due = |one: &Replica| now_ms >= one.since_ms + unread.rest_ms(one);
    waiting.retain(|one| one.stage() == ReplicaStage::WaitBegin && is_due(one));
    // One snapshot is the same for all that it is for.
    let Some((filter, form)) = waiting.first().map(|one| one.conf.wants()) else {
        return;
    };
    waiting.retain(|one| one.conf.wants() == (filter, form));
    let streamed = match config.repl_diskless_sync.get() {
        true => true,
        false => match is_own(shared, filter, form) {
            Some(is_own) => !is_own,
            // A script holds what is to be counted: it is looked at again.
            None => return,
        },
    };
    let streamed = streamed && waiting.iter().all(|one| one.conf.eof);
    let most = config.repl_diskless_sync_max_replicas.get() as usize;
    let waited_ms = waiting
        .iter()
        .map(|one| now_ms.saturating_sub(one.since_ms));
    let waited_ms = waited_ms.max().unwrap_or(0);
    let delay_ms = config.repl_diskless_sync_delay.get() as u64 * 1000;
    if streamed && waited_ms < delay_ms && (most == 0 || waiting.len() < most) {
        return;
    }
    if shared.store.is_busy() {
        return;
    }
    let pairs = |one: Arc<Replica>| {
        let sender = one.orders.lock().take();
        sender.map(|sender| (one, sender))
    };
    let waiting: Waiting = waiting.into_iter().filter_map(pairs).collect();
    let to = if streamed { "replicas sockets" } else { "disk" };
    tracing::info!("Starting BGSAVE for SYNC with target: {to}");
    // Nobody begins another one for them.
    let all: Vec<_> = waiting.iter().map(|(one, _)| one.clone()).collect();
    all.iter()
        .for_each(|one| one.set_stage(ReplicaStage::WaitEnd));
    let work = {
        let shared = shared.clone();
        Box::new(move |job| {
            let store = &shared.store;
            let done = if streamed {
                to_sockets(&shared, store, job, waiting, (filter, form))
            } else {
                by_file(&shared, store, job, waiting, form)
            };
            // Who came meanwhile need not wait for the next look.
            shared.replication.bell.notify_one();
            done
        })
    };
    let pid = std::process::id();
    match shared.store.begin_sync(work) {
        Ok(()) if streamed => tracing::info!("Background RDB transfer started by pid {pid}"),
        Ok(()) => tracing::info!("Background saving started by pid {pid}"),
        // The senders went with the work: their connections end.
        Err(_) => tracing::warn!("BGSAVE for replication failed: something else is being written"),
    }
}

/// Whether what replicas want is what stands in the snapshot file, which is this server's own, too.
fn is_own(shared: &Shared, filter: SnapshotFilter, form: SnapshotForm) -> Option<bool> {
    if filter != SnapshotFilter::default() {
        return Some(false);
    }
    let store = &shared.store;
    let census = store.engine.census(&|| shared.scripts.is_busy())?;
    Some(is_same(form, store.form(), &census))
}

/// What holds at the instant of the snapshot: every shard is locked.
fn attach(shared: &Shared, waiting: &Waiting) {
    let (replication, journal) = (&shared.replication, &shared.journal);
    let mut state = replication.state();
    if journal.begin_backlog(shared.config.repl_backlog_size.get()) && state.master.is_none() {
        state.forget_history(new_id());
        tracing::info!(
            "Replication backlog created, my new replication IDs are '{}' and '{}'",
            state.id,
            state.id2
        );
    }
    for (replica, _) in waiting {
        replica.set_position(journal.backlog.attach(None).map(Arc::new));
    }
}

/// The line that tells a replica where the stream begins that follows its snapshot.
fn line(shared: &Shared, replica: &Replica) -> Bytes {
    let Some(position) = replica.position().filter(|_| !replica.plain) else {
        return Bytes::new();
    };
    let id = shared.replication.state().id.clone();
    format!("+FULLRESYNC {id} {}\r\n", position.at()).into()
}

fn to_sockets(
    shared: &Arc<Shared>,
    store: &Arc<Store>,
    job: u64,
    waiting: Waiting,
    (filter, form): (SnapshotFilter, SnapshotForm),
) -> bool {
    let mark: String = new_id();
    debug_assert_eq!(mark.len(), MARK_BYTES);
    let mut fan = Fan {
        store: store.clone(),
        job,
        waiting: Vec::new(),
    };
    let filter = (filter.no_data, filter.no_functions);
    let done = store
        .save_to(
            job,
            filter,
            form,
            &mut Lines {
                fan: &mut fan,
                shared,
                waiting: waiting.clone(),
                mark: &mark,
            },
            || attach(shared, &waiting),
            |out| out.sync(),
        )
        .and_then(|()| fan.send(|_| SendOrder::Bytes(mark.clone().into())));
    drop(waiting);
    match &done {
        Ok(()) => {
            let up = fan.waiting.len();
            tracing::info!(
                "Diskless rdb transfer, done reading from pipe, {up} replicas still up."
            );
            let done = fan.send(|_| SendOrder::Done { streamed: true });
            tracing::info!("Background RDB transfer terminated with success");
            done.is_ok()
        }
        Err(_) if fan.waiting.is_empty() => {
            tracing::info!("Diskless rdb transfer, last replica dropped, killing fork child.");
            tracing::warn!("Background transfer terminated by signal 10");
            false
        }
        Err(error) => {
            tracing::warn!("Background transfer error: {}", reason(error));
            false
        }
    }
}

/// The snapshot's way out: the first thing asked of it is to tell the replicas what comes.
struct Lines<'a> {
    fan: &'a mut Fan,
    shared: &'a Shared,
    waiting: Waiting,
    mark: &'a str,
}

impl DiskFile for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.chunks(PIECE_BYTES) {
            let piece = Bytes::copy_from_slice(piece);
            self.fan.send(|_| SendOrder::Bytes(piece.clone()))?;
        }
        Ok(bytes.len())
    }

    /// There is nothing to be made safe. Asked before the first byte, it tells where the stream begins.
    fn sync(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.fan.waiting = std::mem::take(&mut self.waiting);
        let head = format!("$EOF:{}\r\n", self.mark);
        self.fan.send(|replica| {
            let line = [&line(self.shared, replica)[..], head.as_bytes()];
            SendOrder::Bytes(line.concat().into())
        })
    }

    fn truncate(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Sends the same to several replicas, as fast as the slowest takes it.
struct Fan {
    store: Arc<Store>,
    job: u64,
    waiting: Waiting,
}

impl Fan {
    fn send(&mut self, order: impl Fn(&Replica) -> SendOrder) -> io::Result<()> {
        let (store, job) = (&self.store, self.job);
        let mut given_up = false;
        self.waiting.retain(|(replica, sender)| {
            let mut next = order(replica);
            loop {
                match sender.try_send(next) {
                    Ok(()) => return true,
                    Err(TrySendError::Closed(_)) => return false,
                    Err(TrySendError::Full(back)) => next = back,
                }
                given_up |= store.is_given_up(job);
                if given_up {
                    return true;
                }
                std::thread::sleep(PATIENCE);
            }
        });
        match (given_up, self.waiting.is_empty()) {
            (true, _) => Err(io::Error::other("it was given up")),
            (_, true) => Err(io::Error::other("the last replica was dropped")),
            _ => Ok(()),
        }
    }
}

fn by_file(
    shared: &Arc<Shared>,
    store: &Arc<Store>,
    job: u64,
    waiting: Waiting,
    form: SnapshotForm,
) -> bool {
    let dirty = shared.stats.totals().dirty;
    let tell = |replica: &Arc<Replica>, sender: &Sender<SendOrder>| {
        // Nothing was sent yet, so there is room for it.
        let _ = sender.try_send(SendOrder::Bytes(line(shared, replica)));
    };
    let saved = store.save(job, dirty, false, || {
        attach(shared, &waiting);
        waiting
            .iter()
            .for_each(|(replica, sender)| tell(replica, sender));
    });
    if !saved {
        tracing::warn!("SYNC failed. BGSAVE child returned an error");
        return false;
    }
    tracing::info!("Background saving terminated with success");
    let path = store.snapshot_path();
    for (replica, sender) in &waiting {
        match open(&path, form) {
            Ok((len, file)) => {
                // Who has gone doesn't want it.
                let _ = sender.try_send(SendOrder::File(file, len));
            }
            Err(error) => tracing::warn!(
                "SYNC failed. Can't open/stat DB after BGSAVE for replica {}: {}",
                replica.name(),
                reason(&error)
            ),
        }
    }
    let config = &shared.config;
    let kept = config.appendonly.get() || !config.save.get().0.is_empty();
    if config.rdb_del_sync_files.get() && !kept {
        tracing::info!(
            "Removing the RDB file {} used to feed replicas in a persistence-less instance",
            path.display()
        );
        // It is open wherever it is still to be sent.
        let _ = store.disk.remove(&path);
    }
    true
}

/// The file, and its length. Data may have come meanwhile that its reader has no form for: then it comes back for another.
fn open(path: &Path, form: SnapshotForm) -> io::Result<(u64, File)> {
    let (file, mut head) = (File::open(path)?, [0; 9]);
    file.read_exact_at(&mut head, 0)?;
    match form.reads(&head) {
        true => Ok((file.metadata()?.len(), file)),
        false => Err(io::Error::other(
            "it is of a version that the replica does not read",
        )),
    }
}

/// Gives up a snapshot that nobody waits for any more; one that is the server's own as well goes on.
pub fn give_up(shared: &Shared) {
    let running = shared.store.running();
    if running.is_none_or(|running| running.kind != JobKind::Sync) {
        return;
    }
    let replicas = shared.replication.replicas();
    let awaited = replicas
        .iter()
        .any(|one| one.stage() == ReplicaStage::WaitEnd);
    if !awaited && shared.config.save.get().0.is_empty() {
        shared.store.abandon(JobKind::Sync);
    }
}
