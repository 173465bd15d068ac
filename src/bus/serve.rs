//! The bus at work: it listens, connects, ticks, and does what the state wants done.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::runtime::LocalOptions;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;

use super::chores::{work, work_on_keys};
use super::leaves::see_to_leaves;
use super::link::{Complaints, PeerLink};
use super::moves::{import, offer_all};
use super::orders::{Chore, KeyChore};
use crate::cluster::{Action, LinkId};
use crate::config::Config;
use crate::exec::Worker;
use crate::net::{Buffers, Dial, NetStream, listen, shake_hands};
use crate::state::clustering::Clustering;
use crate::state::moves::{MoveSide, MoveState};
use crate::state::shared::Shared;
use crate::util::{memory, thread};

const TICK: Duration = Duration::from_millis(100);
/// While a manual failover waits for the stream, which holds clients back.
const HURRY: Duration = Duration::from_millis(10);
/// The time for a connection to stand and to agree on TLS, at least.
const PATIENCE_MS_MIN: u64 = 1000;

/// What can't be: the bus is started where there is a cluster.
const NO_CLUSTER: &str = "the bus is started where there is a cluster";

/// The bus's sockets, open.
pub struct Bus(Vec<TcpListener>);

impl Bus {
    /// Listens where clients are listened for; on no socket where there is no cluster, or no other node of it.
    pub fn open(config: &Config, clustering: Option<&Clustering>) -> Result<Self> {
        let lone = config.cluster_lone_node.get();
        let Some(clustering) = clustering.filter(|_| !lone) else {
            return Ok(Bus(Vec::new()));
        };
        let port = clustering.bus_port;
        let backlog = config.tcp_backlog.get() as i32;
        let mut open = Vec::new();
        for name in &config.bind.get().0 {
            let (name, optional) = match name.strip_prefix('-') {
                Some(name) => (name, true),
                None => (name.as_str(), false),
            };
            match listen(name, port, backlog) {
                Ok(socket) => open.push(socket),
                Err(_) if optional => {}
                Err(error) => {
                    return Err(error.context(format!(
                        "Failed listening on port {port} (cluster), aborting."
                    )));
                }
            }
        }
        if open.is_empty() {
            bail!("Failed listening on port {port} (cluster), aborting.");
        }
        Ok(Bus(open))
    }
}

/// Starts the bus's threads. `worker` is for what is done to keys.
pub fn serve(bus: Bus, worker: Worker) -> Result<Vec<JoinHandle<Result<()>>>> {
    let shared = worker.shared.clone();
    if shared.redirecting().is_none() {
        return Ok(Vec::new());
    }
    let (chores, waiting) = channel();
    let (key_chores, key_waiting) = channel();
    let server = shared.clone();
    let chore = thread::start("cluster-chores", move || {
        let clustering = server.clustering.as_ref();
        work(&server, clustering.context(NO_CLUSTER)?, waiting);
        Ok(())
    })?;
    let server = shared.clone();
    let key_chore = thread::start("cluster-keys", move || {
        let clustering = server.clustering.as_ref();
        work_on_keys(worker, clustering.context(NO_CLUSTER)?, key_waiting);
        Ok(())
    })?;
    let (leaves, woken) = channel();
    let server = shared.clone();
    let leave = thread::start("cluster-leaves", move || {
        let clustering = server.clustering.as_ref();
        see_to_leaves(&server, clustering.context(NO_CLUSTER)?, woken);
        Ok(())
    })?;
    let (offers, offered) = channel();
    let server = shared.clone();
    let offer = thread::start("cluster-offers", move || {
        offer_all(&server, offered);
        Ok(())
    })?;
    let orders = Orders {
        chores,
        key_chores,
        leaves,
        offers,
    };
    let thread = thread::start("cluster", move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .context("Can't start a runtime")?;
        runtime.block_on(Carrier::run(shared, bus, orders))
    })?;
    Ok(vec![thread, chore, key_chore, leave, offer])
}

/// Where the bus's other threads are told what to do. They end when this goes.
struct Orders {
    chores: Sender<Chore>,
    key_chores: Sender<KeyChore>,
    /// Wakes the one that sees to leave to take slots.
    leaves: Sender<()>,
    /// Moves of slots that other nodes are asked to begin.
    offers: Sender<String>,
}

/// What the tasks of the bus share.
struct Carrier {
    shared: Arc<Shared>,
    /// Where frames for each connection go. Whoever takes one out closes the connection.
    links: RefCell<HashMap<LinkId, UnboundedSender<Bytes>>>,
    orders: Orders,
    buffers: Buffers,
    complaints: Complaints,
}

impl Carrier {
    async fn run(shared: Arc<Shared>, bus: Bus, orders: Orders) -> Result<()> {
        let carrier = Rc::new(Carrier {
            shared: shared.clone(),
            links: RefCell::default(),
            orders,
            buffers: Buffers::default(),
            complaints: Complaints::default(),
        });
        let Some(mut actions) = carrier.clustering().actions() else {
            bail!("the cluster's bus was started twice");
        };
        for listener in bus.0 {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::task::spawn_local(carrier.clone().accept(listener));
        }
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut hurry = tokio::time::interval(HURRY);
        hurry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let hurried = carrier.clustering().look(|cluster| cluster.is_hurried());
            tokio::select! {
                Some(action) = actions.recv() => carrier.act(action),
                _ = tick.tick() => carrier.tick(),
                _ = hurry.tick(), if hurried => carrier.hurry(),
                () = shared.stop.cancelled() => break,
            }
        }
        let saved = carrier.clustering().save_noted(&shared.store.disk);
        saved.context("can't update cluster config file")
    }

    fn clustering(&self) -> &Clustering {
        let clustering = self.shared.clustering.as_ref();
        clustering.expect(NO_CLUSTER)
    }

    fn tick(&self) {
        if self.clustering().is_ready() {
            let tick = |cluster: &mut crate::cluster::Cluster, moment| cluster.tick(moment);
            self.shared.in_cluster(self.clustering(), tick);
            let node_timeout_ms = self.shared.config.cluster_node_timeout.get() as u64;
            let pulse = &self.clustering().pulse;
            pulse.tick(crate::util::clock::now_ms(), node_timeout_ms);
            self.shared.settle_moves(self.clustering());
        }
        // What workers sent over the bus is freed here.
        memory::publish();
    }

    fn hurry(&self) {
        self.shared
            .in_cluster(self.clustering(), |cluster, _| cluster.hurry());
    }

    fn act(self: &Rc<Self>, action: Action) {
        // Chores end when the server does.
        match action {
            Action::Connect { link, ip, port } => {
                let frames = self.register(link);
                tokio::task::spawn_local(self.clone().connect(link, ip, port, frames));
            }
            Action::Send { link, frame } => {
                if let Some(link) = self.links.borrow().get(&link) {
                    // Its task may have ended a moment ago.
                    let _ = link.send(frame);
                }
            }
            Action::Close { link } => drop(self.links.borrow_mut().remove(&link)),
            Action::Deliver {
                channel,
                message,
                sharded,
            } => {
                let broker = &self.shared.broker;
                match sharded {
                    true => broker.publish_shard(&channel, &message),
                    false => broker.publish(&channel, &message),
                };
            }
            Action::Save => drop(self.orders.chores.send(Chore::Save)),
            Action::DropKeys { slots, loss } => {
                drop(self.orders.key_chores.send(KeyChore::DropKeys(slots, loss)));
            }
            Action::DropAllKeys => drop(self.orders.key_chores.send(KeyChore::DropAllKeys)),
            Action::TellPaused { link } => drop(self.orders.chores.send(Chore::TellPaused(link))),
            Action::Import { id } => self.import(id),
            Action::OfferSlots { id } => drop(self.orders.offers.send(id)),
            Action::SeeToLeaves => drop(self.orders.leaves.send(())),
            Action::SettleMoves => self.shared.settle_moves(self.clustering()),
            Action::SettleStaged => drop(self.orders.key_chores.send(KeyChore::SettleStaged)),
            // Done where they were decided: see `Shared::in_cluster`.
            Action::Follow { .. } | Action::Lead | Action::Pause { .. } | Action::Unpause => {}
        }
    }

    /// Begins to take slots, which waits for another node, on a thread of its own.
    fn import(&self, id: String) {
        let (shared, chores, name) = (
            self.shared.clone(),
            self.orders.key_chores.clone(),
            id.clone(),
        );
        let begin = move || import(&shared, &chores, &name);
        if let Err(error) = thread::start("cluster-import", begin) {
            let why = format!("no thread can be started: {error}");
            let now_ms = crate::util::clock::now_ms();
            let moves = &self.shared.slot_moves;
            moves.end(&id, MoveSide::Import, MoveState::Failed, &why, now_ms);
        }
    }

    fn register(&self, link: LinkId) -> UnboundedReceiver<Bytes> {
        let (sender, frames) = unbounded_channel();
        self.links.borrow_mut().insert(link, sender);
        frames
    }

    async fn accept(self: Rc<Self>, listener: tokio::net::TcpListener) {
        loop {
            match listener.accept().await {
                // What the others say may change the keys, which are being read.
                Ok(_) if !self.clustering().is_ready() => {}
                Ok((socket, from)) => {
                    tokio::task::spawn_local(self.clone().admit(socket, from));
                }
                Err(error) => {
                    tracing::warn!("Error accepting cluster node: {error}");
                    tokio::time::sleep(TICK).await;
                }
            }
        }
    }

    fn patience(&self) -> Duration {
        let timeout_ms = self.shared.config.cluster_node_timeout.get() as u64;
        Duration::from_millis(timeout_ms.max(PATIENCE_MS_MIN))
    }

    async fn admit(self: Rc<Self>, socket: TcpStream, from: SocketAddr) {
        // A socket that is gone already shows at its first read.
        let _ = socket.set_nodelay(true);
        let Ok(local) = socket.local_addr() else {
            return;
        };
        let (from, local) = (ip_of(from), ip_of(local));
        // It counts as a stranger's from now on, before it has agreed on TLS.
        let link = self
            .shared
            .in_cluster(self.clustering(), |cluster, moment| {
                cluster.accepted(from, local, moment)
            });
        let mut frames = self.register(link);
        let accepted = tokio::select! {
            accepted = self.accept_tls(socket) => accepted,
            // Nothing is sent to who has said nothing: it is to be closed.
            _ = frames.recv() => Err(io::ErrorKind::ConnectionAborted.into()),
        };
        match accepted {
            Ok(stream) => self.serve_link(link, stream, frames).await,
            Err(error) => {
                tracing::debug!("Error accepting cluster node connection: {error}");
                self.give_up(link);
            }
        }
    }

    async fn accept_tls(&self, socket: TcpStream) -> io::Result<NetStream> {
        if !self.shared.config.tls_cluster.get() {
            return Ok(NetStream::Tcp(socket));
        }
        let setup = self.shared.tls.setup();
        let setup = setup.ok_or(io::Error::other("TLS is not configured yet"))?;
        let mut stream = NetStream::accept_tls(socket, setup.bus.clone())?;
        shake_hands(&self.buffers, &mut stream, self.patience()).await?;
        Ok(stream)
    }

    async fn connect(
        self: Rc<Self>,
        link: LinkId,
        ip: String,
        port: u16,
        frames: UnboundedReceiver<Bytes>,
    ) {
        let dialled = tokio::time::timeout(self.patience(), self.dial(&ip, port)).await;
        let dialled = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let (stream, remote, local) = match dialled {
            Ok(dialled) => dialled,
            Err(error) => {
                tracing::debug!("Connection with a cluster node at {ip}:{port} failed: {error}");
                return self.give_up(link);
            }
        };
        self.shared
            .in_cluster(self.clustering(), |cluster, moment| {
                cluster.connected(link, remote, local, moment);
            });
        self.serve_link(link, stream, frames).await;
    }

    /// A connection didn't come to stand.
    fn give_up(&self, link: LinkId) {
        self.links.borrow_mut().remove(&link);
        self.shared
            .in_cluster(self.clustering(), |cluster, _| cluster.closed(link));
    }

    async fn dial(&self, ip: &str, port: u16) -> io::Result<(NetStream, String, String)> {
        let config = &self.shared.config;
        let tls = self.shared.tls.client(config.tls_cluster.get())?;
        let source = config.bind_source_addr.get();
        let source = String::from_utf8_lossy(&source).into_owned();
        let way = Dial {
            source: &source,
            tls,
            patience: self.patience(),
        };
        let dialled = way.to(&self.buffers, (ip, port)).await?;
        Ok((dialled.stream, ip_of(dialled.remote), ip_of(dialled.local)))
    }

    async fn serve_link(&self, id: LinkId, stream: NetStream, frames: UnboundedReceiver<Bytes>) {
        let waiting = self.clustering().look(|cluster| cluster.waiting(id));
        if let Some(waiting) = waiting {
            let link = PeerLink {
                id,
                shared: &self.shared,
                clustering: self.clustering(),
                complaints: &self.complaints,
                stream,
                frames,
                waiting,
            };
            link.serve().await;
        }
        self.links.borrow_mut().remove(&id);
    }
}

/// An address without its port; one of IPv4 that came in by a socket of IPv6 as what it is.
fn ip_of(address: SocketAddr) -> String {
    address.ip().to_canonical().to_string()
}
