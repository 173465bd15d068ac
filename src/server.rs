//! The server put together: configuration to threads, and back down in order.

mod arrivals;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use sd_notify::NotifyState;
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::acl::Users;
use crate::background;
use crate::bus::{self, Bus};
use crate::command::Registry;
use crate::commands;
use crate::config::Config;
use crate::config::file::{FileError, Loaded, Rename};
use crate::engine::{Engine, Service, place_by_slots};
use crate::exec::{Alarm, Sweep, Worker};
use crate::journal::Journal;
use crate::monitor;
use crate::net::{Accepted, Buffers, Listeners, Spoken};
use crate::persist::Store;
use crate::persist::disk::Disk;
use crate::repl;
use crate::state::sentinel::Watching;
use crate::state::shared::{About, Shared};
use crate::state::stats::Stats;
use crate::state::surroundings::tell_supervisor;
use crate::state::users;
use crate::util::{chance, clock, memory, thread};

/// Threads that count and ask as workers do: the sweep, the cron, the loader, the link to a master and the cluster's bus.
const BESIDE: usize = 5;

/// A server built and listening, not yet serving.
pub struct Server {
    shared: Arc<Shared>,
    registry: &'static Registry,
    engine: Arc<Engine>,
    runtime: LocalRuntime,
    listeners: Listeners,
    bus: Bus,
}

impl Server {
    /// Builds everything the configuration asks for and opens its sockets.
    pub fn new(
        config: Arc<Config>,
        loaded: &Loaded,
        config_file: Option<&Path>,
        disk: Arc<dyn Disk>,
        watching: Option<Watching>,
    ) -> Result<Self> {
        let workers = workers(&config, watching.is_some());
        let registry = registry(watching.is_some(), &loaded.renames)?;
        let users = Users::new(registry.catalog());
        users::check_lines(&users, loaded, &config)?;
        users::begin(&users, loaded, &config).map_err(anyhow::Error::msg)?;
        let runtime = runtime()?;
        let listeners = runtime.block_on(async { Listeners::open(&config) })?;
        let clustering = bus::open(&config, &disk)?;
        let bus = Bus::open(&config, clustering.as_ref())?;
        if listeners.tcp_ports().next().is_none() && !listeners.has_unix() {
            bail!("Configured to not listen anywhere, exiting.");
        }
        let port = listeners.tcp_ports().next().unwrap_or(0);
        let about = about(config_file, workers, port);
        let stats = Stats::new(workers + BESIDE, registry.names());
        if clustering.is_some() {
            place_by_slots();
            limit_databases(&config);
        }
        let (engine, journal) = (Arc::<Engine>::default(), Arc::<Journal>::default());
        let store = Store::new(config.clone(), engine.clone(), journal.clone(), disk);
        let shared = Arc::new(Shared::new(
            config,
            users,
            stats,
            about,
            journal,
            Arc::new(store),
            clustering,
            watching,
        ));
        background::raise_file_limit(&shared.config);
        shared.tls.configure(&shared.config).map_err(|why| {
            tracing::warn!("{why}");
            anyhow::anyhow!("Failed to configure TLS. Check logs for more info.")
        })?;
        let (doors, config) = (listeners.doors.clone(), shared.config.clone());
        let reopen = move |put_back: Option<&dyn Fn()>| {
            let Some(put_back) = put_back else {
                doors.close();
                return Ok(());
            };
            let changed = doors.change(&config, put_back);
            changed.map_err(|error| tracing::warn!("{error:#}"))
        };
        let told = shared.reopen.set(Box::new(reopen));
        debug_assert!(told.is_ok(), "a server is built once");
        repl::begin(&shared);
        // The log says so if it can't be set.
        let _ = shared.apply_oom_score();
        // Until it runs and has read its files.
        shared.store.loading.begin(0);
        Ok(Server {
            shared,
            registry,
            engine,
            runtime,
            listeners,
            bus,
        })
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub fn mode(&self) -> &'static str {
        self.shared.mode()
    }

    /// The first TCP port listened on.
    pub fn port(&self) -> u16 {
        self.shared.about.port
    }

    /// Serves until stopped. This thread becomes the first worker.
    pub fn run(self) -> Result<()> {
        let Server {
            shared,
            registry,
            engine,
            runtime,
            listeners,
            bus,
        } = self;
        let garbage = background::start_freeing(&shared)?;
        let alarm = Arc::new(Alarm::default());
        let worker = |id| {
            Worker::new(
                id,
                shared.clone(),
                registry,
                engine.clone(),
                garbage.clone(),
                alarm.clone(),
            )
        };
        let count = shared.about.workers;

        let sweep = sweep(worker(count))?;
        let mut hands = Vec::new();
        let mut threads = Vec::new();
        // Whoever sees a connection close finds the files whole: no socket is closed before they are.
        let files = Arc::new(Mutex::new(()));
        let unfinished = files.lock();
        let (serving, served) = channel::<()>();
        for id in 1..count {
            let (hand, mut sockets) = unbounded_channel();
            hands.push(hand);
            let worker = worker(id);
            let (files, serving) = (files.clone(), serving.clone());
            let thread = thread::start(&format!("worker-{id}"), move || {
                let stop = worker.shared.stop.clone();
                let runtime = self::runtime().inspect_err(|_| stop.cancel())?;
                let worker = Rc::new(worker);
                runtime.block_on(async {
                    let _service = Service::begin();
                    let buffers = begin(&worker);
                    loop {
                        tokio::select! {
                            Some(socket) = sockets.recv() => arrivals::start(&worker, &buffers, socket),
                            () = stop.cancelled() => break,
                        }
                    }
                    worker.end_scripts();
                });
                drop(serving);
                drop(files.lock());
                anyhow::Ok(())
            })?;
            threads.push(thread);
        }

        shared.store.start_jobs()?;
        let loader = load(worker(count + 2), Ready::of(&listeners))?;
        let link = follow(worker(count + 3))?;
        let carriers = carry(bus, worker(count + 4))?;
        let first = Rc::new(worker(0));
        runtime.block_on(async {
            let _service = Service::begin();
            background::start(&shared, &alarm);
            let buffers = begin(&first);
            let hand = {
                let (first, shared) = (first.clone(), shared.clone());
                let next = std::cell::Cell::new(0);
                let hands: Rc<[UnboundedSender<Accepted>]> = hands.into();
                Rc::new(move |socket: Accepted| {
                    let Some(socket) = arrivals::welcome(&shared, socket) else {
                        return;
                    };
                    let at = next.replace((next.get() + 1) % (hands.len() + 1));
                    match hands.get(at.wrapping_sub(1)) {
                        // A worker that is gone means that the server is stopping.
                        Some(hand) => drop(hand.send(socket)),
                        None => arrivals::start(&first, &buffers, socket),
                    }
                })
            };
            tokio::select! {
                () = listeners.accept(move |socket| hand(socket)) => {}
                () = shared.stop.cancelled() => {}
            }
            first.end_scripts();
        });
        alarm.ring();
        drop(serving);
        // Nothing is ever sent: the channel closes with the last of them.
        let _ = served.recv();
        for thread in [sweep, link].into_iter().chain(carriers) {
            joined(thread)??;
        }
        let loaded = joined(loader)?;
        if let Err(error) = loaded
            && !shared.store.loading.is_halted()
        {
            return Err(error);
        }
        shared.store.close(shared.stats.totals().dirty);
        drop(unfinished);
        for thread in threads {
            joined(thread)??;
        }
        tracing::warn!("Redis is now ready to exit, bye bye...");
        Ok(())
    }
}

fn about(config_file: Option<&Path>, workers: usize, port: u16) -> About {
    let text = |path: &Path| path.display().to_string();
    let whole = |file: &Path| text(&std::path::absolute(file).unwrap_or(file.into()));
    About {
        run_id: chance::identity(),
        started_ms: clock::now_ms(),
        executable: text(&std::env::current_exe().unwrap_or_default()),
        config_file: config_file.map(whole).unwrap_or_default(),
        workers,
        port,
    }
}

/// How many threads serve clients: a Sentinel has little to do.
fn workers(config: &Config, sentinel: bool) -> usize {
    let workers = match config.io_threads.get() {
        0 if sentinel => 1,
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        set => set as usize,
    };
    config.io_threads.put(workers as i64);
    workers
}

/// Starts what connects to other nodes of a cluster, or to whomever a Sentinel watches.
fn carry(bus: Bus, worker: Worker) -> Result<Vec<JoinHandle<Result<()>>>> {
    let shared = worker.shared.clone();
    let mut threads = bus::serve(bus, worker)?;
    threads.extend(monitor::serve(&shared)?);
    Ok(threads)
}

/// Follows the master, if there is one, on a thread of its own.
fn follow(linked: Worker) -> Result<JoinHandle<Result<()>>> {
    Ok(thread::start("replication", move || {
        let linked = Rc::new(linked);
        repl::follow(&linked);
        linked.end_scripts();
        Ok(())
    })?)
}

/// The slots of a cluster are those of its nodes' first databases.
fn limit_databases(config: &Config) {
    let count = config.databases.get();
    if count > 1 && !config.cluster_lone_node.get() {
        tracing::warn!(
            "WARNING: Changing databases number from {count} to 1 since we are in cluster mode"
        );
        config.databases.put(1);
    }
}

fn joined<T>(thread: JoinHandle<T>) -> Result<T> {
    let name = thread.thread().name().unwrap_or("?").to_owned();
    let panicked = |_| anyhow::anyhow!("the thread {name} panicked");
    thread.join().map_err(panicked)
}

/// Clients that come while so little is loaded are answered when that is done, rather than told to wait.
const SHORT_LOAD: Duration = Duration::from_millis(300);

/// Reads the data files on a thread of their own, and returns once that is done or has taken a while.
fn load(loader: Worker, ready: Ready) -> Result<JoinHandle<Result<()>>> {
    let shared = loader.shared.clone();
    let (done, waiting) = channel::<()>();
    let thread = thread::start("loading", move || {
        let loader = Rc::new(loader);
        // A Sentinel has no keys.
        let loaded = match &shared.watching {
            Some(_) => Ok(()),
            None => loader.load(),
        };
        loader.end_scripts();
        if repl::resume(&shared) {
            Sweep(&loader).now();
        }
        match &loaded {
            Ok(()) => {
                if let Some(clustering) = &shared.clustering {
                    let slots = loader.held_slots();
                    shared.in_cluster(clustering, |cluster, _| cluster.find_keys(&slots));
                    // The bus begins with it once it is there.
                    shared.hold_at_start();
                    clustering.set_ready();
                }
                shared.store.loading.end();
                ready.announce(&shared);
            }
            // It goes on loading until it is gone: what it acknowledged now would be kept nowhere.
            Err(_) => shared.stop.cancel(),
        }
        drop(done);
        loaded
    })?;
    // Nothing is ever sent: the channel closes.
    let _ = waiting.recv_timeout(SHORT_LOAD);
    Ok(thread)
}

/// Turns of connections between two looks at the sockets: one to hear and one to answer for each of some hundred.
const TURNS: u32 = 256;

fn runtime() -> Result<LocalRuntime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(TURNS)
        .build_local(LocalOptions::default())
        .context("Can't start a runtime")
}

/// What the log says once clients are served.
struct Ready {
    tcp: bool,
    tls: bool,
    unix: bool,
}

impl Ready {
    fn of(listeners: &Listeners) -> Self {
        Ready {
            tcp: listeners.speaks(Spoken::Clear),
            tls: listeners.speaks(Spoken::Tls),
            unix: listeners.has_unix(),
        }
    }

    fn announce(&self, shared: &Shared) {
        if self.tcp {
            tracing::info!("Ready to accept connections tcp");
        }
        if self.unix {
            tracing::info!("Ready to accept connections unix");
        }
        if self.tls {
            tracing::info!("Ready to accept connections tls");
        }
        warn_of_memory(shared.config.maxmemory.get());
        let status = match shared.replication.is_replica() {
            false => "Ready to accept connections",
            true => {
                "Ready to accept connections in read-only mode. Waiting for MASTER <-> REPLICA sync"
            }
        };
        let news = [NotifyState::Status(status), NotifyState::Ready];
        tell_supervisor(&shared.config, &news);
    }
}

/// A limit that is too low, as it costs the keys that were loaded, or writes.
fn warn_of_memory(limit: u64) {
    const LEAST: u64 = 1 << 20;
    let used = memory::used();
    if (1..LEAST).contains(&limit) {
        tracing::warn!(
            "WARNING: You specified a maxmemory value that is less than 1MB (current value is {limit} bytes). Are you sure \
             this is what you really want?"
        );
    } else if limit > 0 && limit < used {
        tracing::warn!(
            "WARNING: the maxmemory value ({limit}) is smaller than the memory usage after loading ({used}). This will result \
             in key eviction and/or the inability to accept new write commands depending on the maxmemory-policy."
        );
    }
}

/// Removes keys whose time has come.
fn sweep(worker: Worker) -> Result<JoinHandle<Result<()>>> {
    let sweep = move || {
        Sweep(&worker).forever();
        Ok(())
    };
    Ok(thread::start("expiry", sweep)?)
}

/// The commands by the names that they have here, which stay for as long as the process does.
fn registry(is_sentinel: bool, renames: &[Rename]) -> Result<&'static Registry> {
    let mut registry = Registry::new(commands::families(is_sentinel));
    for Rename { from, to, place } in renames {
        let renamed = registry.rename(from, to);
        renamed.map_err(|why| FileError::at(place, why))?;
    }
    Ok(Box::leak(Box::new(registry)))
}

/// Gets ready for this worker's connections.
fn begin(worker: &Rc<Worker>) -> Rc<Buffers> {
    let (worker, listener) = (worker.clone(), worker.clone());
    let listen = async move { listener.porter.listen(&listener.shared.journal.gate).await };
    tokio::task::spawn_local(listen);
    tokio::task::spawn_local(worker.keep_scripts_tidy());
    Rc::default()
}
