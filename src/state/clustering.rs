//! The cluster as all workers share it: a picture that requests look at, the state behind a lock, and the file of nodes.
//!
//! `in_cluster` has the one way in which the state is changed.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::pulse::Pulse;
use crate::cluster::{Action, Cluster, ClusterSettings, View};
use crate::config::Config;
use crate::persist::disk::{Disk, DiskFile, draft_of};
use crate::util::ranked::{Mutex, rank};

/// Added to clients' port where no other one is given for the bus.
pub const BUS_PORT_ABOVE: i64 = 10000;

/// Which reply is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptFor {
    Nodes,
    Slots,
    Shards,
}

/// A reply that was made once, for everybody who asks.
pub struct KeptReply {
    /// The picture that it was made of.
    pub picture: u64,
    pub made_ms: u64,
    pub bytes: Bytes,
}

impl KeptReply {
    /// How old it may be: times and offsets are in no picture.
    pub const FRESH_MS: u64 = 100;
}

/// For each of [`KeptFor`], in both protocols, to clients with TLS and without.
const KEPT: usize = 3 * 2 * 2;

/// The file as it was last written.
struct Written {
    _lock: File,
    /// The number of its text.
    number: u64,
    text: String,
    /// Through which it was written, as long as text and name may not have reached the disk.
    unsynced: Option<Box<dyn DiskFile>>,
}

/// What is asked of a text for the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FileWrite {
    /// It outlives this process.
    Kept,
    /// It outlives the machine's failure.
    Synced,
    /// Somebody has asked for it, whether the file says it already or not.
    Anyway,
}

pub struct Clustering {
    pub(super) state: Mutex<Cluster, { rank("cluster") }>,
    pub(super) view: ArcSwap<View>,
    /// Whether the bus keeps up.
    pub pulse: Pulse,
    /// The port that the bus listens on, for the life of the process.
    pub bus_port: u16,
    /// The data files have been read.
    ready: AtomicBool,
    file: PathBuf,
    /// Keeps other nodes from the file.
    lock: Mutex<Written, { rank("cluster file") }>,
    /// Counts the texts for the file.
    texts: AtomicU64,
    /// The file is about to be written, and nobody waits for it.
    pub(super) noted: AtomicBool,
    kept: [ArcSwap<Option<KeptReply>>; KEPT],
    to_bus: UnboundedSender<Action>,
    /// Taken by the bus when it begins.
    for_bus: Mutex<Option<UnboundedReceiver<Action>>, { rank("cluster") }>,
}

impl Clustering {
    pub fn new(mut cluster: Cluster, bus_port: u16, file: PathBuf, lock: File) -> Self {
        let view = cluster.view();
        let (to_bus, for_bus) = unbounded_channel();
        Clustering {
            state: Mutex::new(cluster),
            view: ArcSwap::from_pointee(view),
            pulse: Pulse::default(),
            bus_port,
            ready: AtomicBool::new(false),
            file,
            lock: Mutex::new(Written {
                _lock: lock,
                number: 0,
                text: String::new(),
                unsynced: None,
            }),
            texts: AtomicU64::new(0),
            noted: AtomicBool::new(false),
            kept: Default::default(),
            to_bus,
            for_bus: Mutex::new(Some(for_bus)),
        }
    }

    /// What the cluster looked like after its last change.
    #[inline]
    pub fn view(&self) -> arc_swap::Guard<Arc<View>> {
        self.view.load()
    }

    /// Where a reply is kept.
    pub fn kept_at(&self, kind: KeptFor, resp3: bool, tls: bool) -> &ArcSwap<Option<KeptReply>> {
        &self.kept[(kind as usize * 2 + usize::from(resp3)) * 2 + usize::from(tls)]
    }

    /// Forgets the replies that are kept, as a directive that is in them has changed.
    pub(super) fn forget_kept(&self) {
        self.kept.iter().for_each(|kept| kept.store(Arc::default()));
    }

    /// Looks at what pictures don't show.
    pub fn look<T>(&self, look: impl FnOnce(&Cluster) -> T) -> T {
        look(&self.state.lock())
    }

    /// What sockets and keys have to do, for the bus, which asks once.
    pub fn actions(&self) -> Option<UnboundedReceiver<Action>> {
        self.for_bus.lock().take()
    }

    /// The data files have been read: what other nodes say may change the keys from now on.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Has something done by the bus, which is gone once the server stops.
    pub fn send(&self, action: Action) {
        drop(self.to_bus.send(action));
    }

    /// Writes the file as things are.
    pub fn save(&self, disk: &Arc<dyn Disk>) -> io::Result<()> {
        let state = self.state.lock();
        let (number, text) = self.text(&state);
        self.write(disk, number, text, FileWrite::Anyway)
    }

    /// Writes the file for whoever has noted something in it.
    pub fn save_noted(&self, disk: &Arc<dyn Disk>) -> io::Result<()> {
        match self.noted.swap(false, Ordering::AcqRel) {
            true => {
                let (number, text) = self.text(&self.state.lock());
                self.write(disk, number, text, FileWrite::Kept)
            }
            // It was written for all who asked.
            false => Ok(()),
        }
    }

    /// What the file is to say, and how many texts there were before.
    pub(super) fn text(&self, state: &Cluster) -> (u64, String) {
        let number = self.texts.fetch_add(1, Ordering::Relaxed) + 1;
        (number, state.file_text())
    }

    pub(super) fn write(
        &self,
        disk: &Arc<dyn Disk>,
        number: u64,
        text: String,
        how: FileWrite,
    ) -> io::Result<()> {
        let sync = how != FileWrite::Kept;
        let mut written = self.lock.lock();
        // A later one is there already.
        if written.number > number {
            return Ok(());
        }
        if text != written.text || how == FileWrite::Anyway {
            self.put(disk, &mut written, number, text, sync)?;
        } else if sync && let Some(file) = &mut written.unsynced {
            file.sync()?;
        }
        if sync && written.unsynced.is_some() {
            disk.sync_dir(self.file.parent().unwrap_or(Path::new("/")))?;
            written.unsynced = None;
        }
        Ok(())
    }

    /// Puts a text in the place of the one that is there, in one step; with `sync`, the text has reached the disk before.
    fn put(
        &self,
        disk: &Arc<dyn Disk>,
        written: &mut Written,
        number: u64,
        text: String,
        sync: bool,
    ) -> io::Result<()> {
        let draft = draft_of(&self.file);
        let drafted = disk.create(&draft).and_then(|mut file| {
            disk.permit(&draft, &self.file)?;
            file.write_all(text.as_bytes())?;
            if sync {
                file.sync()?;
            }
            // The lock is on the file, not on its name: at no time is there one under that name without it.
            Ok((file, lock_file(&draft)?))
        });
        let (file, lock) = match drafted {
            Ok(drafted) => drafted,
            Err(error) => return disk.put(&draft, &self.file, Err(error)),
        };
        disk.put(&draft, &self.file, Ok(()))?;
        *written = Written {
            _lock: lock,
            number,
            text,
            unsynced: Some(file),
        };
        Ok(())
    }
}

/// Opens a file, or makes it, and locks it as long as it stays open.
pub fn lock_file(path: &Path) -> Result<File, TryLockError> {
    loop {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .append(true)
            .open(path)
            .map_err(TryLockError::Error)?;
        file.try_lock()?;
        // Whoever has it may have put another one there meanwhile, with a lock of its own.
        let locked = file.metadata().map_err(TryLockError::Error)?;
        let is_there = |there: Metadata| (there.dev(), there.ino()) == (locked.dev(), locked.ino());
        if fs::metadata(path).is_ok_and(is_there) {
            return Ok(file);
        }
    }
}

/// The port that the bus listens on, as the directives say at start.
pub fn bus_port(config: &Config) -> i64 {
    let main = match config.tls_cluster.get() {
        true => config.tls_port.get(),
        false => config.port.get(),
    };
    match config.cluster_port.get() {
        0 => main + BUS_PORT_ABOVE,
        set => set,
    }
}

/// What the directives say of the cluster.
pub fn settings_of(config: &Config, bus_port: u16) -> ClusterSettings {
    let port = |announced: i64, own: i64| if announced != 0 { announced } else { own } as u16;
    let text = |bytes: Arc<Vec<u8>>| String::from_utf8_lossy(&bytes).into_owned();
    let (tcp, tls) = (config.port.get(), config.tls_port.get());
    ClusterSettings {
        node_timeout_ms: config.cluster_node_timeout.get() as u64,
        validity_factor: config.cluster_replica_validity_factor.get() as u64,
        migration_barrier: config.cluster_migration_barrier.get() as usize,
        allow_migration: config.cluster_allow_replica_migration.get(),
        full_coverage: config.cluster_require_full_coverage.get(),
        no_failover: config.cluster_replica_no_failover.get(),
        blacklist_ttl_ms: config.cluster_blacklist_ttl.get() as u64 * 1000,
        manual_failover_ms: config.cluster_manual_failover_timeout.get() as u64,
        repl_ping_period_ms: config.repl_ping_replica_period.get() as u64 * 1000,
        link_bytes_max: config.cluster_link_sendbuf_limit.get() as usize,
        announce_ip: text(config.cluster_announce_ip.get()),
        tcp_port: port(config.cluster_announce_port.get(), tcp),
        tls_port: port(config.cluster_announce_tls_port.get(), tls),
        bus_port: port(config.cluster_announce_bus_port.get(), i64::from(bus_port)),
        tls: config.tls_cluster.get(),
        hostname: text(config.cluster_announce_hostname.get()),
        human_name: text(config.cluster_announce_human_nodename.get()),
        lone: config.cluster_lone_node.get(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::NodeId;
    use crate::persist::disk::OsDisk;
    use crate::util::chance::Rng;

    fn on(file: &Path) -> Clustering {
        let mut rng = Rng::with_seed(3);
        let id = NodeId::random(&mut rng);
        let cluster = Cluster::new(id, id, ClusterSettings::default(), rng);
        let lock = lock_file(file).unwrap();
        Clustering::new(cluster, 1, file.to_owned(), lock)
    }

    #[test]
    fn a_nodes_file_is_locked_at_all_times() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nodes.conf");
        let clustering = on(&file);
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut tries = 0;
                while !done.load(Ordering::Relaxed) || tries == 0 {
                    tries += 1;
                    if !matches!(lock_file(&file), Err(TryLockError::WouldBlock)) {
                        return false;
                    }
                }
                true
            });
            for number in 1..1000 {
                let text = format!("{number}\n");
                clustering
                    .write(&disk, number, text, FileWrite::Kept)
                    .unwrap();
            }
            clustering.save(&disk).unwrap();
            done.store(true, Ordering::Relaxed);
            assert!(other.join().unwrap(), "somebody else has locked it");
        });
    }

    #[test]
    fn what_the_file_says_already_is_not_written_again_unless_somebody_asks() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nodes.conf");
        let clustering = on(&file);
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        let mut number = 0;
        let mut writes = |text: &str, how| {
            let before = fs::metadata(&file).unwrap().ino();
            number += 1;
            clustering
                .write(&disk, number, text.to_owned(), how)
                .unwrap();
            fs::metadata(&file).unwrap().ino() != before
        };
        assert!(writes("one", FileWrite::Kept));
        assert!(!writes("one", FileWrite::Kept));
        let is_synced = || clustering.lock.lock().unsynced.is_none();
        assert!(!is_synced());
        assert!(!writes("one", FileWrite::Synced) && is_synced());
        assert!(!writes("one", FileWrite::Synced) && !writes("one", FileWrite::Kept));
        assert!(writes("one", FileWrite::Anyway) && writes("two", FileWrite::Kept));
        clustering
            .write(&disk, 1, "old".to_owned(), FileWrite::Kept)
            .unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
    }
}
