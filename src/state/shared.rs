//! What all workers share beside the keyspace: configuration, clients, broker, statistics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use bytes::Bytes;
use hashbrown::HashMap;
use tokio_util::sync::CancellationToken;

use super::clients::Clients;
use super::clustering::Clustering;
use super::guards::Guards;
use super::hotkeys::Hotkeys;
use super::latency::LatencyMonitor;
use super::links::Links;
use super::moves::SlotMoves;
use super::pause::{Pause, PauseFor, PauseMode};
use super::replication::Replication;
use super::sentinel::Watching;
use super::slot_costs::SlotCosts;
use super::slowlog::Slowlog;
use super::stats::Stats;
use crate::acl::{AclLog, Users};
use crate::config::Config;
use crate::config::values::Share;
use crate::engine::{Garbage, Rules, SHARDS, ShardSet};
use crate::journal::Journal;
use crate::persist::Store;
use crate::pubsub::{Broker, Mailbox, Tracking};
use crate::script::{Functions, Scripts};
use crate::search::Searches;
use crate::tls::Tls;
use crate::util::cpu::CpuTime;
use crate::util::oom::OomScore;
use crate::util::ranked::{Mutex, RwLock, rank};
use crate::util::words;

pub struct Shared {
    pub config: Arc<Config>,
    /// What edits need of the configuration; replaced whole when that changes.
    pub rules: ArcSwap<Rules>,
    pub users: Users,
    /// ACL LOG.
    pub acl_log: AclLog,
    pub clients: Clients,
    pub broker: Broker,
    pub tracking: Tracking,
    pub monitors: Monitors,
    pub stats: Stats,
    pub slowlog: Slowlog,
    pub large_requests: Slowlog,
    pub large_replies: Slowlog,
    pub latency: LatencyMonitor,
    pub hotkeys: Hotkeys,
    pub journal: Arc<Journal>,
    /// The data files.
    pub store: Arc<Store>,
    pub scripts: Arc<Scripts>,
    pub search: Arc<Searches>,
    pub pause: Pause,
    /// Whether something has changed that commands ask about before they run.
    pub guards: Guards,
    pub about: About,
    pub replication: Replication,
    /// The cluster that this server is a node of, if it is one.
    pub clustering: Option<Clustering>,
    /// Whom this server watches, if it is a Sentinel.
    pub watching: Option<Watching>,
    /// What slots have cost.
    pub slot_costs: SlotCosts,
    /// Slots that move whole.
    pub slot_moves: SlotMoves,
    /// Connections of MIGRATE.
    pub links: Links,
    /// Samples of rates, for INFO's `instantaneous_*`.
    pub rates: Mutex<Rates, { rank("rates") }>,
    /// What the first worker's thread has used until a moment ago.
    pub first_worker_cpu: Mutex<CpuTime, { rank("first worker's time") }>,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: AtomicBool,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: AtomicBool,
    pub oom_score: OomScore,
    /// Times `used_memory` was found above `maxmemory` and nothing could go.
    pub oom_refusals: AtomicU64,
    pub tls: Tls,
    /// Opens other sockets, as the configuration says now; on failure puts it back by the function that it is given.
    pub reopen: OnceLock<Box<Reopen>>,
    /// Ends every listener, connection and background task.
    pub stop: CancellationToken,
    /// Whether the server waits for its replicas before it stops, and until when.
    pub stopping: Mutex<Option<Stopping>, { rank("stopping") }>,
}

impl Shared {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another part that was made before"
    )]
    pub fn new(
        config: Arc<Config>,
        users: Users,
        stats: Stats,
        about: About,
        journal: Arc<Journal>,
        store: Arc<Store>,
        clustering: Option<Clustering>,
        watching: Option<Watching>,
    ) -> Self {
        let guards = Guards::new(stats.threads());
        let shared = Shared {
            config,
            rules: Default::default(),
            users,
            acl_log: Default::default(),
            clients: Default::default(),
            broker: Default::default(),
            tracking: Default::default(),
            monitors: Default::default(),
            stats,
            slowlog: Default::default(),
            hotkeys: Default::default(),
            large_requests: Default::default(),
            large_replies: Default::default(),
            latency: Default::default(),
            journal,
            search: store.searches.clone(),
            store,
            scripts: Default::default(),
            pause: Default::default(),
            guards,
            tls: Tls::default(),
            replication: Default::default(),
            clustering,
            watching,
            links: Default::default(),
            slot_costs: Default::default(),
            slot_moves: Default::default(),
            about,
            rates: Default::default(),
            first_worker_cpu: Default::default(),
            active_expire: true.into(),
            cron_paused: false.into(),
            oom_score: Default::default(),
            oom_refusals: Default::default(),
            reopen: Default::default(),
            stop: CancellationToken::new(),
            stopping: Default::default(),
        };
        shared.apply_config();
        shared
    }

    /// What INFO and HELLO call the server's mode.
    pub fn mode(&self) -> &'static str {
        match (&self.watching, &self.clustering) {
            (Some(_), _) => "sentinel",
            (None, Some(_)) => "cluster",
            (None, None) => "standalone",
        }
    }

    /// Connections of the cluster's bus.
    pub fn cluster_connections(&self) -> usize {
        let clustering = self.clustering.as_ref();
        clustering.map_or(0, |on| on.look(|cluster| cluster.connections()))
    }

    /// Whether any database has keys.
    pub fn has_keys(&self) -> bool {
        let engine = &self.store.engine;
        (0..SHARDS).any(|id| engine.keys_in(id) > 0)
    }

    /// The cluster, if clients may be sent to other nodes of it: one that is alone has everything.
    #[inline]
    pub fn redirecting(&self) -> Option<&Clustering> {
        let lone = &self.config.cluster_lone_node;
        self.clustering.as_ref().filter(|_| !lone.get())
    }

    /// Holds clients back until a time.
    pub fn hold_back(&self, by: PauseFor, until_ms: u64, mode: PauseMode, now_ms: u64) {
        self.pause.start(by, until_ms, mode, now_ms);
        self.guards.moved();
    }

    /// Waits until every command that may have asked the guards before they moved has ended. The caller holds no shard
    /// and no turn. What a long script holds is passed over: it had begun long before.
    pub fn pass_guards(&self) {
        for id in 0..SHARDS {
            let shard = ShardSet::one(id);
            drop(
                self.store
                    .engine
                    .lock_unless(shard, &|| self.scripts.is_busy()),
            );
        }
        self.guards.pass_turns();
    }

    /// Puts other functions in the place of those there are, in the data files too.
    pub fn publish_functions(&self, functions: Functions) {
        let codes = functions.libraries.values();
        self.store
            .set_functions(codes.map(|library| library.code.clone()).collect());
        self.scripts.functions.store(Arc::new(functions));
    }

    /// Drops all indexes, as their keys have gone: what is left of them is garbage.
    pub fn forget_indexes(&self) -> Garbage {
        let mut catalog = self.search.catalog.write();
        let gone = catalog.take();
        self.search.settle(&catalog);
        self.search.drop_cursors(None);
        Garbage::Indexes(gone)
    }

    /// Bytes kept for slow replicas alone.
    pub fn held_for_replicas(&self) -> u64 {
        self.journal.backlog.held() + self.replication.buffer_bytes()
    }

    /// Holds what clients take against `maxmemory-clients`.
    pub fn apply_client_memory(&self) {
        let limit = match self.config.maxmemory_clients.get() {
            Share::Bytes(bytes) => bytes,
            Share::Percent(percent) => {
                (self.config.maxmemory.get() as f64 / 100.0 * f64::from(percent)) as u64
            }
        };
        self.clients.limit_memory(limit as usize);
        self.evict_clients();
    }

    /// Closes the largest clients until the others are below `maxmemory-clients`.
    pub fn evict_clients(&self) {
        if self.clients.weights.is_over() {
            let closed = self.clients.weights.evict();
            let counters = &self.stats.worker(0).counters;
            counters.evicted_clients.add_shared(closed as u64);
        }
    }

    /// Copies out of the configuration what is kept elsewhere: after start and after every change.
    pub fn apply_config(&self) {
        self.guards.moved();
        self.rules.store(Arc::new(Rules::of(&self.config)));
        crate::util::memory::purge_in_background(self.config.jemalloc_bg_thread.get());
        self.apply_replication();
        self.apply_cluster();
        self.apply_client_memory();
        let keys_max = self.config.tracking_table_max_keys.get() as usize;
        self.tracking.limit(keys_max);
    }
}

/// Changes the sockets that are listened on; closes them if it is given nothing.
pub type Reopen = dyn Fn(Option<&dyn Fn()>) -> Result<(), ()> + Send + Sync;

/// Facts that hold for the life of the process.
pub struct About {
    pub run_id: String,
    pub started_ms: u64,
    pub executable: String,
    /// Absolute; empty without a file.
    pub config_file: String,
    pub workers: usize,
    /// The first TCP port listened on.
    pub port: u16,
}

/// A stop that waits for replicas.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopping {
    pub until_ms: u64,
    /// SHUTDOWN ABORT.
    pub aborted: bool,
    /// Those who asked for it.
    pub asked: usize,
}

/// Rates as of the last sample.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    pub commands_per_second: u64,
    pub input_bytes_per_second: f64,
    pub output_bytes_per_second: f64,
}

/// Clients in MONITOR.
#[derive(Default)]
pub struct Monitors {
    mailboxes: RwLock<HashMap<u64, Arc<Mailbox>>, { rank("monitors") }>,
    any: AtomicBool,
}

impl Monitors {
    #[inline]
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    pub fn add(&self, client: u64, mailbox: Arc<Mailbox>) {
        let mut held = self.mailboxes.write();
        held.insert(client, mailbox);
        self.any.store(true, Ordering::Relaxed);
    }

    pub fn remove(&self, client: u64) {
        let mut held = self.mailboxes.write();
        held.remove(&client);
        self.any.store(!held.is_empty(), Ordering::Relaxed);
    }

    /// Shows a command to all of them.
    pub fn feed(&self, now_us: u64, db: usize, address: &str, argv: &[&[u8]]) {
        let mut line = format!(
            "+{}.{:06} [{db} {address}]",
            now_us / 1_000_000,
            now_us % 1_000_000
        )
        .into_bytes();
        for arg in argv {
            line.push(b' ');
            line.extend_from_slice(&words::quote(arg));
        }
        line.extend_from_slice(b"\r\n");
        let line = Bytes::from(line);
        for mailbox in self.mailboxes.read().values() {
            if !mailbox.is_closing() {
                mailbox.push(line.clone());
            }
        }
    }
}
