//! Replication as everyone sees it: this server's part in it, its replicas, its link to a master.
//!
//! What a command asks on its way is one relaxed load: whether there is anything to be asked at all. The rest stands
//! behind a lock that replication's own threads and commands take.

mod replica;
mod role;
mod unread;
mod wait;
mod word;

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hashbrown::HashSet;
use parking_lot::Condvar;
use tokio::sync::Notify;

pub use replica::{HEARS_STAGED, Replica, ReplicaConf, ReplicaStage, SendOrder, SnapshotFilter};
pub use unread::Unread;
pub use wait::{AckWaiter, Acks};
pub use word::StreamWord;

use crate::engine::Place;
use crate::journal::Epoch;
use crate::util::chance;
use crate::util::ranked::{Mutex, MutexGuard, RwLock, rank};

/// Forty hexadecimal digits that no other history of edits has.
pub fn new_id() -> String {
    chance::identity()
}

/// Whom to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    pub host: String,
    pub port: u16,
}

/// How far the link to the master has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    #[default]
    None,
    Connect,
    Connecting,
    Handshake,
    Transfer,
    Connected,
}

impl Link {
    /// ROLE's word.
    pub fn word(self) -> &'static str {
        match self {
            Link::None => "none",
            Link::Connect => "connect",
            Link::Connecting => "connecting",
            Link::Handshake => "handshake",
            Link::Transfer => "sync",
            Link::Connected => "connected",
        }
    }
}

/// How far FAILOVER has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Failover {
    #[default]
    None,
    WaitForSync {
        target: Option<Master>,
        deadline_ms: Option<u64>,
        force: bool,
    },
    InProgress,
}

impl Failover {
    pub fn word(&self) -> &'static str {
        match self {
            Failover::None => "no-failover",
            Failover::WaitForSync { .. } => "waiting-for-sync",
            Failover::InProgress => "failover-in-progress",
        }
    }
}

/// What changes rarely, or matters to few.
#[derive(Debug)]
pub struct ReplicationState {
    /// Names this history of edits.
    pub id: String,
    /// Names the one that it continues, which is the same up to this offset.
    pub id2: String,
    pub second_offset: Option<u64>,
    pub master: Option<Master>,
    pub link: Link,
    /// Whether the data here are what the id and the stream's end say: then the rest of the stream will do.
    pub resumable: bool,
    pub down_since_ms: u64,
    pub failover: Failover,
    /// The last replica left at this time.
    pub alone_since_ms: u64,
    epoch: Epoch,
    socket: Option<TcpStream>,
}

/// Numbers that INFO shows.
#[derive(Default)]
pub struct ReplicationCounts {
    pub sync_full: AtomicU64,
    pub sync_partial_ok: AtomicU64,
    pub sync_partial_err: AtomicU64,
    pub input_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
    /// Errors that the master's commands met.
    pub unexpected_errors: AtomicU64,
}

impl ReplicationCounts {
    pub fn reset(&self) {
        let all = [
            &self.sync_full,
            &self.sync_partial_ok,
            &self.sync_partial_err,
            &self.input_bytes,
            &self.output_bytes,
            &self.unexpected_errors,
        ];
        all.iter()
            .for_each(|count| count.store(0, Ordering::Relaxed));
    }
}

/// How far the transfer of a snapshot from the master has come.
#[derive(Default)]
pub struct Transfer {
    /// 0 while it isn't known.
    pub total: AtomicU64,
    pub read: AtomicU64,
    pub last_io_ms: AtomicU64,
    /// The data of before are served until the new ones are whole.
    pub aside: AtomicBool,
}

pub struct Replication {
    state: Mutex<ReplicationState, { rank("replication") }>,
    changed: Condvar,
    replica: AtomicBool,
    guarded: AtomicBool,
    good: AtomicUsize,
    replicas: RwLock<Vec<Arc<Replica>>, { rank("replicas") }>,
    waiters: Mutex<Vec<AckWaiter>, { rank("acknowledgement waiters") }>,
    /// What clients wrote into a writable replica that has a deadline.
    pub own_keys: Mutex<HashSet<Place>, { rank("own keys") }>,
    /// Someone waits for acknowledgements: replicas are asked for them.
    pub wants_acks: AtomicBool,
    /// Wakes the task that begins full syncs and asks for acknowledgements.
    pub bell: Notify,
    pub counts: ReplicationCounts,
    pub unread: Unread,
    pub transfer: Transfer,
    /// The master was last heard at this time.
    pub last_io_ms: AtomicU64,
    /// The master's stream, up to where it was read.
    pub read_offset: AtomicU64,
    /// The stream may tell of keys that no client reaches up to here: who can't follow begins with a snapshot.
    pub staged_to: AtomicU64,
}

impl Default for Replication {
    fn default() -> Self {
        Replication {
            state: Mutex::new(ReplicationState {
                id: new_id(),
                id2: "0".repeat(40),
                second_offset: None,
                master: None,
                link: Link::None,
                resumable: false,
                down_since_ms: 0,
                failover: Failover::None,
                alone_since_ms: 0,
                epoch: Epoch::default(),
                socket: None,
            }),
            changed: Condvar::new(),
            replica: AtomicBool::new(false),
            guarded: AtomicBool::new(false),
            good: AtomicUsize::new(0),
            replicas: RwLock::default(),
            waiters: Mutex::default(),
            own_keys: Mutex::default(),
            wants_acks: AtomicBool::new(false),
            bell: Notify::new(),
            counts: ReplicationCounts::default(),
            unread: Unread::default(),
            transfer: Transfer::default(),
            last_io_ms: AtomicU64::new(0),
            staged_to: AtomicU64::new(0),
            read_offset: AtomicU64::new(0),
        }
    }
}

impl Replication {
    pub fn state(&self) -> MutexGuard<'_, ReplicationState> {
        self.state.lock()
    }

    #[inline]
    pub fn is_replica(&self) -> bool {
        self.replica.load(Ordering::Relaxed)
    }

    /// Whether replication may have a say in what a command may do.
    #[inline]
    pub fn is_guarded(&self) -> bool {
        self.guarded.load(Ordering::Relaxed)
    }

    /// Looks again whether it has: after a change of roles or of the configuration.
    fn guard(&self, min_replicas: i64) {
        let guarded = self.is_replica() || min_replicas > 0;
        self.guarded.store(guarded, Ordering::Relaxed);
    }

    /// Whether a master's snapshot is being loaded while the data of before are served.
    pub fn loads_aside(&self) -> bool {
        self.transfer.aside.load(Ordering::Acquire)
    }

    /// Replicas heard of lately.
    pub fn good_replicas(&self) -> usize {
        self.good.load(Ordering::Relaxed)
    }

    /// Bytes on their way from the backlog to replicas' sockets.
    pub fn buffer_bytes(&self) -> u64 {
        let replicas = self.replicas();
        let bytes = replicas
            .iter()
            .map(|one| one.client.reply_capacity.load(Ordering::Relaxed));
        bytes.sum::<usize>() as u64
    }

    pub fn replicas(&self) -> Vec<Arc<Replica>> {
        self.replicas.read().clone()
    }

    /// Counts them anew.
    pub fn count_good(&self, now_ms: u64, lag_max_s: u64) -> usize {
        let replicas = self.replicas.read();
        let good = replicas
            .iter()
            .filter(|one| one.stage() == ReplicaStage::Online && one.lag_s(now_ms) <= lag_max_s);
        let good = good.count();
        self.good.store(good, Ordering::Relaxed);
        good
    }

    pub fn add_replica(&self, replica: Arc<Replica>) {
        self.replicas.write().push(replica);
        self.bell.notify_one();
    }

    pub fn remove_replica(&self, replica: &Arc<Replica>, now_ms: u64) {
        let mut replicas = self.replicas.write();
        replicas.retain(|held| !Arc::ptr_eq(held, replica));
        // Until they are counted anew: who is gone is not a good one.
        self.good.fetch_min(replicas.len(), Ordering::Relaxed);
        if replicas.is_empty() {
            self.state.lock().alone_since_ms = now_ms;
        }
    }

    /// Closes the connections of all replicas: they come back, and learn what has changed.
    pub fn disconnect_replicas(&self) {
        for replica in self.replicas.read().iter() {
            replica.client.mailbox.close();
        }
    }

    /// Waits until there is a master to follow, or the time is up.
    pub fn wait_for_master(&self, time: Duration) -> Option<(Master, Epoch)> {
        let mut state = self.state.lock();
        if state.master.is_none() {
            state.wait_for(&self.changed, time);
        }
        let epoch = state.epoch;
        state.master.clone().map(|master| (master, epoch))
    }

    /// Rests before the next attempt; less if the roles change.
    pub fn rest(&self, epoch: Epoch, time: Duration) {
        let mut state = self.state.lock();
        if state.epoch == epoch {
            state.wait_for(&self.changed, time);
        }
    }

    /// The link has come so far; `false` if it is not wanted any more.
    pub fn set_link(&self, epoch: Epoch, link: Link, now_ms: u64) -> bool {
        let mut state = self.state.lock();
        if state.epoch != epoch {
            return false;
        }
        if state.link == Link::Connected && link != Link::Connected {
            state.down_since_ms = now_ms;
        }
        state.link = link;
        true
    }

    pub fn is_current(&self, epoch: Epoch) -> bool {
        self.state.lock().epoch == epoch
    }

    /// Keeps a hand on the link's socket, so that a change of roles can end it at once.
    pub fn hold_socket(&self, epoch: Epoch, socket: Option<TcpStream>) -> bool {
        let mut state = self.state.lock();
        if state.epoch != epoch {
            return false;
        }
        state.socket = socket;
        true
    }
}

impl ReplicationState {
    fn drop_link(&mut self) {
        if let Some(socket) = self.socket.take() {
            // It may be closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Whether the master's data are here, or coming in.
    pub fn is_linked(&self) -> bool {
        self.link == Link::Connected
    }

    /// The present history becomes the one before, and another begins.
    pub fn begin_history(&mut self, id: String, end: u64) {
        self.id2 = std::mem::replace(&mut self.id, id);
        self.second_offset = Some(end + 1);
    }

    /// Another history begins that continues none.
    pub fn forget_history(&mut self, id: String) {
        self.id = id;
        self.id2 = "0".repeat(40);
        self.second_offset = None;
    }
}
