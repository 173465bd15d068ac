//! What all workers share beside the keyspace: configuration, clients, broker, statistics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use tokio_util::sync::CancellationToken;

use super::client::Clients;
use super::clustering::Clustering;
use super::guards::Guards;
use super::hotkeys::Hotkeys;
use super::latency::LatencyMonitor;
use super::links::Links;
use super::replication::Replication;
use super::sentinel::Watching;
use super::slot_costs::SlotCosts;
use super::slot_moves::SlotMoves;
use super::slowlog::Slowlog;
use super::stats::Stats;
use super::{Entry, Fail, Flag, Plan, Registry};
use crate::acl::{Log, Users};
use crate::cluster::{SlotSet, slot_of};
use crate::config::Config;
use crate::config::values::Share;
use crate::engine::{Garbage, Rules, SHARDS};
use crate::journal::Journal;
use crate::persist::Store;
use crate::pubsub::{Broker, Mailbox, Tracking};
use crate::script::{Functions, Scripts};
use crate::search::Searches;
use crate::tls::Tls;
use crate::types::Bstr;
use crate::util::cpu::CpuTime;
use crate::util::oom::OomScore;
use crate::util::ranked::{Mutex, RwLock, rank};
use crate::util::{clock, words};

pub struct Shared {
    pub config: Arc<Config>,
    /// What edits need of the configuration; replaced whole when that changes.
    pub rules: ArcSwap<Rules>,
    pub registry: Registry,
    pub users: Users,
    /// ACL LOG.
    pub acl_log: Log,
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
    /// What those hear who come while a script runs for long.
    pub fn busy_fail(&self) -> Fail {
        let busy = self.scripts.busy();
        Fail::code(if busy.iter().any(|running| running.is_function) {
            "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
        } else {
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
        })
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

    /// Refuses what Redis doesn't do in cluster mode: where all slots are one node's, nothing stands against it.
    pub fn without_cluster(&self, why: &'static str) -> Result<(), Fail> {
        match self.redirecting() {
            Some(_) => Err(Fail::Says(why)),
            None => Ok(()),
        }
    }

    /// Refuses what would make a replica of this server, in any cluster mode: a node that is all of its cluster tells
    /// clients that it is a master, whom they write to.
    pub fn never_in_cluster(&self, why: &'static str) -> Result<(), Fail> {
        match self.clustering {
            Some(_) => Err(Fail::Says(why)),
            None => Ok(()),
        }
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

/// What CLIENT PAUSE holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseMode {
    All,
    Write,
}

/// Who holds clients back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseFor {
    /// CLIENT PAUSE.
    Client,
    /// The server stops, once its replicas have everything.
    Stop,
    Failover,
}

/// CLIENT PAUSE, and what else holds clients back.
#[derive(Default)]
pub struct Pause {
    /// Until when anything may be held back: no command looks further once that is over.
    any_ms: AtomicU64,
    until_ms: AtomicU64,
    all: AtomicBool,
    by: Mutex<HeldBack, { rank("pause") }>,
    bell: tokio::sync::Notify,
}

#[derive(Default)]
struct HeldBack {
    /// Until when, and whether everything, for each of those who may want it.
    by: [(u64, bool); 3],
    /// Keys on their way to another server: what names them is held back until they have left.
    away: HashSet<Bstr>,
    /// Slots about to be another node's: what names a key of theirs is held back, too.
    slots: SlotSet,
}

impl Pause {
    /// Pauses until a time; a pause under way is only ever made longer and stricter.
    pub fn start(&self, by: PauseFor, until_ms: u64, mode: PauseMode, now_ms: u64) {
        let mut held = self.by.lock();
        let (until, all) = &mut held.by[by as usize];
        *all = mode == PauseMode::All || *until > now_ms && *all;
        *until = until_ms.max(*until);
        self.tell(&held, now_ms);
    }

    /// Whether these hold clients back.
    pub fn is_for(&self, by: PauseFor, now_ms: u64) -> bool {
        self.until_ms.load(Ordering::Acquire) > now_ms && self.by.lock().by[by as usize].0 > now_ms
    }

    pub fn stop(&self, by: PauseFor) {
        let mut held = self.by.lock();
        held.by[by as usize] = (0, false);
        self.tell(&held, 0);
        self.bell.notify_waiters();
    }

    /// Forgets what is over: a strict pause may end before a lenient one.
    pub fn settle(&self, now_ms: u64) {
        if self.until_ms.load(Ordering::Relaxed) > now_ms {
            let held = self.by.lock();
            let before = self.all.load(Ordering::Relaxed);
            self.tell(&held, now_ms);
            if before && !self.all.load(Ordering::Relaxed) {
                self.bell.notify_waiters();
            }
        }
    }

    fn tell(&self, held: &HeldBack, now_ms: u64) {
        let running = held.by.iter().filter(|(until_ms, _)| *until_ms > now_ms);
        let all = running.clone().any(|(_, all)| *all);
        let until_ms = running.map(|(until_ms, _)| *until_ms).max().unwrap_or(0);
        self.all.store(all, Ordering::Relaxed);
        self.until_ms.store(until_ms, Ordering::Release);
        let any_ms = match held.away.is_empty() && held.slots.is_empty() {
            true => until_ms,
            false => u64::MAX,
        };
        self.any_ms.store(any_ms, Ordering::Release);
    }

    /// Whether any command may be held back.
    #[inline]
    pub fn is_any(&self, now_ms: u64) -> bool {
        self.any_ms.load(Ordering::Acquire) > now_ms
    }

    #[inline]
    pub fn active(&self, now_ms: u64) -> Option<PauseMode> {
        if self.until_ms.load(Ordering::Acquire) <= now_ms {
            return None;
        }
        Some(if self.all.load(Ordering::Relaxed) {
            PauseMode::All
        } else {
            PauseMode::Write
        })
    }

    /// Waits for the pause to end, or to be lifted, or for keys to have left.
    pub async fn over(&self) {
        let lifted = self.bell.notified();
        let until_ms = match self.until_ms.load(Ordering::Acquire) {
            // Keys alone hold anybody back, until the bell rings.
            over if over <= clock::now_ms() => self.any_ms.load(Ordering::Acquire),
            until_ms => until_ms,
        };
        tokio::select! {
            () = clock::until(until_ms) => {}
            () = lifted => {}
        }
    }

    /// Holds back what names keys of these slots, and of no others; whether that is a change.
    pub fn hold_slots(&self, slots: SlotSet, now_ms: u64) -> bool {
        let mut held = self.by.lock();
        if held.slots == slots {
            return false;
        }
        held.slots = slots;
        self.tell(&held, now_ms);
        self.bell.notify_waiters();
        true
    }

    /// Whether slots are about to be another node's.
    pub fn holds_slots(&self) -> bool {
        !self.by.lock().slots.is_empty()
    }

    /// Whether keys are on their way to another server.
    pub fn has_away(&self) -> bool {
        !self.by.lock().away.is_empty()
    }

    /// Whether a command waits for keys on their way: for one that it names, or for all if it may touch any; if it keeps to
    /// the slot of the keys that it names, for all of that one.
    pub fn awaits_keys(&self, entry: &Entry, argv: &[&[u8]], keeps_to_slot: bool) -> bool {
        let held = self.by.lock();
        if held.away.is_empty() && held.slots.is_empty() {
            return false;
        }
        let touches_any = match entry.command.plan {
            Plan::All => true,
            Plan::AllIf(all) => all(argv),
            _ => entry.is(Flag::Scripted) && !keeps_to_slot,
        };
        let mut awaits = touches_any;
        entry.each_key(argv, |at| {
            awaits |= !held.slots.is_empty() && held.slots.has(slot_of(argv[at]));
            awaits |= match keeps_to_slot {
                true => {
                    let slot = slot_of(argv[at]);
                    held.away.iter().any(|key| slot_of(key) == slot)
                }
                false => held.away.contains(argv[at]),
            }
        });
        awaits
    }
}

/// Keys on their way to another server, for as long as this lives.
pub struct Away {
    shared: Arc<Shared>,
    keys: Vec<Bstr>,
}

impl Away {
    /// To be called under the locks of the keys. Nobody else's are among them, as this command would have been held back.
    pub fn new(shared: &Arc<Shared>, keys: &[Bstr]) -> Self {
        let mut held = shared.pause.by.lock();
        held.away.extend(keys.iter().cloned());
        shared.pause.tell(&held, clock::now_ms());
        drop(held);
        shared.guards.moved();
        Away {
            shared: shared.clone(),
            keys: keys.to_vec(),
        }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let pause = &self.shared.pause;
        let mut held = pause.by.lock();
        for key in &self.keys {
            held.away.remove(key);
        }
        pause.tell(&held, clock::now_ms());
        pause.bell.notify_waiters();
    }
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
