//! A replica as its master sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

use crate::journal::BacklogPosition;
use crate::persist::rdb::SnapshotForm;
use crate::state::client::Client;
use crate::util::ranked::{Mutex, rank};

/// The capability of a replica that keeps what is staged for it where no client reaches it.
pub const HEARS_STAGED: &[u8] = b"staged-slots";

/// What a replica has told of itself by REPLCONF.
#[derive(Clone, Debug, Default)]
pub struct ReplicaConf {
    pub port: u16,
    pub ip: Option<String>,
    /// It finds the end of a snapshot by a mark, so that none of the snapshot needs to be kept.
    pub eof: bool,
    /// It knows that a history may get another name.
    pub psync2: bool,
    /// It wants a snapshot and nothing after it.
    pub rdb_only: bool,
    pub filter: SnapshotFilter,
    /// It knows of keys that no client reaches.
    pub hears_staged: bool,
    /// The snapshots that it reads, if it has told.
    pub reads: Option<SnapshotForm>,
}

impl ReplicaConf {
    /// Whether it can't follow what becomes of keys that no client reaches, as a node of a cluster can.
    pub fn is_stranger(&self) -> bool {
        !self.rdb_only && !self.hears_staged
    }

    /// What its snapshot must be like; replicas with the same can share one. Who tells nothing gets the lowest version.
    pub fn wants(&self) -> (SnapshotFilter, SnapshotForm) {
        (self.filter, self.reads.unwrap_or(SnapshotForm::untold()))
    }
}

/// What of a snapshot it wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotFilter {
    pub no_data: bool,
    pub no_functions: bool,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ReplicaStage {
    /// A snapshot will be begun for it.
    WaitBegin = 0,
    /// One is being written.
    WaitEnd = 1,
    /// One is being sent from its file.
    SendBulk = 2,
    Online = 3,
}

impl ReplicaStage {
    pub fn word(self) -> &'static str {
        match self {
            ReplicaStage::WaitBegin | ReplicaStage::WaitEnd => "wait_bgsave",
            ReplicaStage::SendBulk => "send_bulk",
            ReplicaStage::Online => "online",
        }
    }
}

/// What its connection is to send before the stream.
pub enum SendOrder {
    Bytes(Bytes),
    File(std::fs::File, u64),
    /// The snapshot is whole. `streamed`: the replica must say that it found its end.
    Done {
        streamed: bool,
    },
}

pub struct Replica {
    pub client: Arc<Client>,
    pub conf: ReplicaConf,
    /// It came by SYNC, as in the times before partial resynchronization.
    pub plain: bool,
    stage: AtomicU8,
    acked: AtomicU64,
    acked_log: AtomicU64,
    acked_ms: AtomicU64,
    acks: AtomicU64,
    pub since_ms: u64,
    pub orders: Mutex<Option<Sender<SendOrder>>, { rank("replica orders") }>,
    position: Mutex<Option<Arc<BacklogPosition>>, { rank("replica position") }>,
}

impl Replica {
    pub fn new(
        client: Arc<Client>,
        conf: ReplicaConf,
        plain: bool,
        orders: Option<Sender<SendOrder>>,
        now_ms: u64,
    ) -> Self {
        Replica {
            client,
            conf,
            plain,
            stage: AtomicU8::new(ReplicaStage::WaitBegin as u8),
            acked: AtomicU64::new(0),
            acked_log: AtomicU64::new(0),
            acked_ms: AtomicU64::new(now_ms),
            acks: AtomicU64::new(0),
            since_ms: now_ms,
            orders: Mutex::new(orders),
            position: Mutex::default(),
        }
    }

    pub fn stage(&self) -> ReplicaStage {
        match self.stage.load(Ordering::Acquire) {
            0 => ReplicaStage::WaitBegin,
            1 => ReplicaStage::WaitEnd,
            2 => ReplicaStage::SendBulk,
            _ => ReplicaStage::Online,
        }
    }

    pub fn set_stage(&self, stage: ReplicaStage) {
        self.stage.store(stage as u8, Ordering::Release);
    }

    /// It counts as heard of now.
    pub fn seen(&self, now_ms: u64) {
        self.acked_ms.store(now_ms, Ordering::Relaxed);
    }

    /// It has told us up to where it has the stream.
    pub fn acknowledge_start(&self, offset: u64, now_ms: u64) {
        self.acked.fetch_max(offset, Ordering::AcqRel);
        self.seen(now_ms);
    }

    pub fn acknowledge(&self, offset: u64, logged: Option<u64>, now_ms: u64) {
        self.acked.fetch_max(offset, Ordering::AcqRel);
        if let Some(logged) = logged {
            self.acked_log.fetch_max(logged, Ordering::AcqRel);
        }
        self.acks.fetch_add(1, Ordering::AcqRel);
        self.seen(now_ms);
    }

    /// Whether it has acknowledged anything.
    pub fn has_acknowledged(&self) -> bool {
        self.acks.load(Ordering::Acquire) > 0
    }

    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Acquire)
    }

    /// What its own log has on the disk.
    pub fn acked_log(&self) -> u64 {
        self.acked_log.load(Ordering::Acquire)
    }

    pub fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.acked_ms.load(Ordering::Relaxed))
    }

    pub fn lag_s(&self, now_ms: u64) -> u64 {
        // Whole seconds of the clock, as Redis counts them.
        (now_ms / 1000).saturating_sub(self.acked_ms.load(Ordering::Relaxed) / 1000)
    }

    pub fn set_position(&self, position: Option<Arc<BacklogPosition>>) {
        *self.position.lock() = position;
    }

    pub fn position(&self) -> Option<Arc<BacklogPosition>> {
        self.position.lock().clone()
    }

    pub fn behind(&self) -> u64 {
        let position = self.position.lock();
        position.as_ref().map_or(0, |position| position.behind())
    }

    /// Where it listens: as it said, or where it came from.
    pub fn ip(&self) -> String {
        if let Some(ip) = &self.conf.ip {
            return ip.clone();
        }
        let address = &self.client.address;
        let host = address
            .rsplit_once(':')
            .map_or(&address[..], |(host, _)| host);
        host.trim_matches(['[', ']']).to_owned()
    }

    /// What the log calls it.
    pub fn name(&self) -> String {
        if self.conf.port != 0 {
            format!("{}:{}", self.ip(), self.conf.port)
        } else {
            format!("client id #{}", self.client.id)
        }
    }
}
