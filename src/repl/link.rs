//! The link to a master: a thread that connects, catches up, and applies the stream, for as long as there is a master.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Buf;
use smallvec::SmallVec;

use super::transfer;
use super::wire::{Lost, Wire};
use crate::config::special::reason;
use crate::exec::{Relay, Relayed, Worker};
use crate::journal::Epoch;
use crate::persist::rdb::CAPABILITY;
use crate::resp::{Codec, ProtoLimits, Request};
use crate::state::client::Client;
use crate::state::pause::PauseFor;
use crate::state::replication::{Failover, HEARS_STAGED, Link, Master};
use crate::state::shared::Shared;
use crate::state::surroundings::tell_status;
use crate::util::{clock, crash, memory};

/// Between two attempts.
const REST: Duration = Duration::from_secs(1);
/// The most of them, while the master's snapshots can't be read.
const RESTS_MAX: u32 = 60;
const ACK_MS: u64 = 1000;
/// The Valkey whose snapshots are read.
const VALKEY_READ: &[u8] = b"9.1.0";
/// What is read ahead while clients are paused.
const HELD_BYTES_MAX: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_millis(10);
const LIMITS: ProtoLimits = ProtoLimits {
    bulk_max: u64::MAX,
    authenticated: true,
};

/// Follows whoever is to be followed, until the server stops: the body of the link's thread.
pub fn follow(worker: &Rc<Worker>) {
    let shared = worker.shared.clone();
    let replication = &shared.replication;
    // Snapshots in a row that came to nothing.
    let mut unread = 0;
    while !shared.stop.is_cancelled() {
        let Some((master, epoch)) = replication.wait_for_master(Duration::from_millis(100)) else {
            continue;
        };
        if shared.store.loading.is_on() {
            // The data files come first.
            std::thread::sleep(Duration::from_millis(10));
            continue;
        }
        let mut attempt = Attempt {
            worker,
            master,
            epoch,
            began: LinkStage::Connect,
        };
        let lost = attempt.run();
        attempt.tell(&lost);
        unread = match (attempt.began, &lost) {
            (LinkStage::Transfer, Lost::Told | Lost::Failed(_)) => unread + 1,
            _ => 0,
        };
        if unread == 2 {
            tracing::warn!(
                "Two snapshots in a row came to nothing: the next attempts will come less and less often. The log here or that of the master tells why."
            );
        }
        if replication.set_link(epoch, Link::Connect, clock::now_ms())
            && !matches!(lost, Lost::Stale)
        {
            if let Lost::Rejected = lost {
                shared.abort_failover("Failover target rejected psync request");
            }
            if attempt.began != LinkStage::Stream {
                rest(&shared, epoch, unread);
            } else {
                let Master { host, port } = &attempt.master;
                tracing::info!("Reconnecting to MASTER {host}:{port}");
            }
        }
        memory::publish();
    }
}

/// Rests before the next attempt: for longer and longer while snapshots come to nothing.
fn rest(shared: &Shared, epoch: Epoch, unread: u32) {
    let rests = match unread {
        0 | 1 => 1,
        times => RESTS_MAX.min(1 << (times - 1).min(16)),
    };
    if rests > 1 {
        tracing::info!("Trying again in {rests} seconds.");
    }
    let replication = &shared.replication;
    for _ in 0..rests {
        if shared.stop.is_cancelled() || !replication.is_current(epoch) {
            return;
        }
        replication.rest(epoch, REST);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LinkStage {
    Connect,
    Handshake,
    Transfer,
    Stream,
}

struct Attempt<'w> {
    worker: &'w Rc<Worker>,
    master: Master,
    epoch: Epoch,
    began: LinkStage,
}

/// What the master offers.
enum Offer {
    All {
        id: String,
        offset: u64,
    },
    Rest {
        id: Option<String>,
    },
    /// It knows SYNC alone.
    Plain,
}

impl Attempt<'_> {
    fn run(&mut self) -> Lost {
        let linked = crash::catch(|| self.link());
        match linked {
            Ok(Ok(never)) => match never {},
            Ok(Err(lost)) => lost,
            Err(_) => {
                // What it was at may be half done: the data are not to be continued.
                self.worker.shared.replication.state().resumable = false;
                tracing::error!("A bug: the link to the master panicked; please report it.");
                Lost::Told
            }
        }
    }

    fn link(&mut self) -> Result<std::convert::Infallible, Lost> {
        let shared = self.worker.shared.clone();
        let replication = &shared.replication;
        let Master { host, port } = &self.master;
        tracing::info!("Connecting to MASTER {host}:{port}");
        replication.set_link(self.epoch, Link::Connecting, clock::now_ms());
        tracing::info!("MASTER <-> REPLICA sync started");
        let mut wire = Wire::connect(&shared, self.worker.id, &self.master, self.epoch)?;
        tracing::info!("Non blocking connect for SYNC fired the event.");
        self.began = LinkStage::Handshake;
        replication.set_link(self.epoch, Link::Handshake, clock::now_ms());
        self.introduce(&mut wire)?;
        match self.ask_for_stream(&mut wire)? {
            Offer::Rest { id } => self.resume(id)?,
            Offer::All { id, offset } => {
                self.began = LinkStage::Transfer;
                transfer::receive(self.worker, &mut wire, &id, offset)?;
            }
            Offer::Plain => {
                self.began = LinkStage::Transfer;
                wire.say(&[b"SYNC"])?;
                let id = crate::state::replication::new_id();
                transfer::receive(self.worker, &mut wire, &id, 0)?;
                replication.state().resumable = false;
            }
        }
        self.began = LinkStage::Stream;
        let now_ms = clock::now_ms();
        replication.last_io_ms.store(now_ms, Ordering::Relaxed);
        wire.heard_ms = now_ms;
        shared.clients.add(wire.client.clone());
        let _listed = Listed(&shared.clients, wire.client.id);
        if !replication.set_link(self.epoch, Link::Connected, now_ms) {
            return Err(Lost::Stale);
        }
        self.stream(&mut wire)
    }

    /// Who we are, and what we can do.
    fn introduce(&self, wire: &mut Wire) -> Result<(), Lost> {
        let config = &self.worker.shared.config;
        let pong = wire.ask(&[b"PING"])?;
        let lives = ["+", "-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
        if !lives.iter().any(|head| pong.starts_with(head)) {
            tracing::warn!("Error reply to PING from master: '{pong}'");
            return Err(Lost::Told);
        }
        tracing::info!("Master replied to PING, replication can continue...");
        let (user, password) = (config.masteruser.get(), config.masterauth.get());
        if !password.is_empty() {
            let answer = match &user[..] {
                [] => wire.ask(&[b"AUTH", &password])?,
                user => wire.ask(&[b"AUTH", user, &password])?,
            };
            if answer.starts_with('-') {
                tracing::warn!("Unable to AUTH to MASTER: {answer}");
                return Err(Lost::Told);
            }
        }
        let announced = config.replica_announce_port.get();
        let port = match (announced, config.tls_port.get()) {
            (1.., _) => announced,
            (_, port @ 1..) if config.tls_replication.get() => port,
            _ => config.port.get(),
        };
        let port = port.to_string();
        let mut told = vec![(
            vec![&b"listening-port"[..], port.as_bytes()],
            "listening-port",
        )];
        let ip = config.replica_announce_ip.get();
        if !ip.is_empty() {
            told.push((vec![b"ip-address", &ip], "ip-address"));
        }
        let mut can = vec![
            &b"capa"[..],
            b"eof",
            b"capa",
            b"psync2",
            b"capa",
            CAPABILITY,
        ];
        // Elsewhere a client would see them in a database of its own.
        if self.worker.shared.redirecting().is_some() {
            can.extend([&b"capa"[..], HEARS_STAGED]);
        }
        told.push((can, "capa"));
        // A Valkey sends no fields with deadlines to who doesn't say that it reads them.
        told.push((vec![b"version", VALKEY_READ], "version"));
        for (words, what) in told {
            let mut all = vec![&b"REPLCONF"[..]];
            all.extend(words);
            let answer = wire.ask(&all)?;
            if answer.starts_with('-') {
                tracing::info!(
                    "(Non critical) Master does not understand REPLCONF {what}: {answer}"
                );
            }
        }
        Ok(())
    }

    fn ask_for_stream(&self, wire: &mut Wire) -> Result<Offer, Lost> {
        let shared = &self.worker.shared;
        let replication = &shared.replication;
        let (id, next, failover) = {
            let state = replication.state();
            let failover = state.failover == Failover::InProgress;
            if state.resumable {
                let next = (shared.journal.backlog.end() + 1).to_string();
                tracing::info!(
                    "Trying a partial resynchronization (request {}:{next}).",
                    state.id
                );
                (state.id.clone(), next, failover)
            } else {
                tracing::info!("Partial resynchronization not possible (no cached master)");
                ("?".to_owned(), "-1".to_owned(), failover)
            }
        };
        let mut words = vec![&b"PSYNC"[..], id.as_bytes(), next.as_bytes()];
        if failover {
            tracing::info!("Initiating a failover PSYNC request to replica.");
            words.push(b"FAILOVER");
        }
        let answer = wire.ask(&words)?;
        let mut parts = answer.split(' ');
        let offer = match parts.next().unwrap_or_default() {
            "+FULLRESYNC" => {
                let id = parts.next().filter(|id| id.len() == 40);
                let offset = parts.next().and_then(|offset| offset.parse().ok());
                match (id, offset) {
                    (Some(id), Some(offset)) => Offer::All {
                        id: id.to_owned(),
                        offset,
                    },
                    _ => {
                        tracing::warn!("Master replied with wrong +FULLRESYNC syntax.");
                        return Err(Lost::Told);
                    }
                }
            }
            "+CONTINUE" => Offer::Rest {
                id: parts.next().map(str::to_owned).filter(|id| id.len() == 40),
            },
            "-NOMASTERLINK" | "-LOADING" => {
                tracing::info!(
                    "Master is currently unable to PSYNC but should be in the future: {answer}"
                );
                return Err(Lost::Told);
            }
            _ if failover => {
                return Err(Lost::Rejected);
            }
            head => {
                if head.starts_with('-') && !answer.starts_with("-ERR") {
                    tracing::warn!("Unexpected reply to PSYNC from master: {answer}");
                } else {
                    tracing::info!(
                        "Master does not support PSYNC or is in error state (reply: {answer})"
                    );
                }
                tracing::info!("Retrying with SYNC...");
                return Ok(Offer::Plain);
            }
        };
        if failover {
            self.failed_over();
        }
        match &offer {
            Offer::All { id, offset } => tracing::info!("Full resync from master: {id}:{offset}"),
            _ => tracing::info!("Successful partial resynchronization with master."),
        }
        Ok(offer)
    }

    /// The target has taken over: writes are refused from here on because we are a replica.
    fn failed_over(&self) {
        let shared = &self.worker.shared;
        shared.replication.state().failover = Failover::None;
        shared.pause.stop(PauseFor::Failover);
    }

    /// The data here are an earlier state of the master's, whose history may have another name by now.
    fn resume(&self, id: Option<String>) -> Result<(), Lost> {
        let shared = &self.worker.shared;
        let mut state = shared.replication.state();
        if let Some(id) = id.filter(|id| *id != state.id) {
            let end = shared.journal.backlog.end();
            state.begin_history(id, end);
            tracing::info!("Master replication ID changed to {}", state.id);
            drop(state);
            // Replicas of ours come back, and learn the name.
            shared.replication.disconnect_replicas();
        }
        tracing::info!("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
        tell_status(
            &shared.config,
            "MASTER <-> REPLICA sync: Partial Resynchronization accepted. Ready to accept connections in read-write mode.",
        );
        Ok(())
    }

    fn stream(&self, wire: &mut Wire) -> Result<std::convert::Infallible, Lost> {
        let worker = self.worker;
        let shared = &worker.shared;
        let backlog = &shared.journal.backlog;
        let db = backlog.selected().unwrap_or(0);
        let client: Arc<Client> = wire.client.clone();
        let mut relay = Relay::new(client, self.epoch, db);
        let mut codec = Codec::default();
        let mut request = Request::default();
        let mut acks = LogAcks::default();
        let mut acked_ms = 0;
        loop {
            let mut used = 0;
            let mut asked = false;
            worker.begin_relay();
            // What is paused waits here, as clients' commands do.
            let paused = shared.pause.active(clock::now_ms()).is_some();
            loop {
                if paused {
                    break;
                }
                let whole = codec.next(&wire.input[used..], &LIMITS, &mut request);
                let whole = whole.map_err(|error| {
                    tracing::warn!("Protocol error from master: {error}");
                    Lost::Told
                })?;
                if !whole {
                    break;
                }
                let len = request.len();
                let raw = &wire.input[used..used + len];
                let argv: SmallVec<[&[u8]; 8]> = request.args(&wire.input[used..]).collect();
                match relay.take(worker, &argv, raw) {
                    Relayed::Done => {}
                    Relayed::Asked => asked = true,
                    Relayed::Stale => return Err(Lost::Stale),
                }
                used += len;
            }
            wire.input.advance(used);
            worker.end_batch();
            let read = backlog.end() + relay.held_bytes() + wire.input.len() as u64;
            shared
                .replication
                .read_offset
                .store(read, Ordering::Relaxed);
            let now_ms = clock::now_ms();
            if asked || now_ms >= acked_ms + ACK_MS {
                acked_ms = now_ms;
                acks.say(self, wire)?;
            }
            if wire.input.len() > HELD_BYTES_MAX {
                wire.check()?;
                std::thread::sleep(PATIENCE);
            } else {
                wire.fill()?;
            }
        }
    }

    /// Says why the link ended.
    fn tell(&self, lost: &Lost) {
        match (self.began, lost) {
            (LinkStage::Stream, _) => {
                if let Lost::Silent = lost {
                    tracing::warn!("MASTER timeout: no data nor PING received...");
                }
                tracing::info!("Connection with master lost.");
                tracing::info!("Caching the disconnected master state.");
            }
            (_, Lost::Stale | Lost::Told | Lost::Rejected) => {}
            (LinkStage::Connect, Lost::Failed(error)) => {
                tracing::warn!("Error condition on socket for SYNC: {}", reason(error));
            }
            (LinkStage::Handshake, Lost::Failed(error)) => {
                tracing::warn!("Failed to read response from the server: {}", reason(error))
            }
            (LinkStage::Transfer, Lost::Failed(error)) => {
                tracing::warn!("I/O error trying to sync with MASTER: {}", reason(error))
            }
            (LinkStage::Transfer, Lost::Silent) => tracing::warn!(
                "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in redis.conf to a larger value."
            ),
            (_, Lost::Silent) => tracing::warn!("Timeout connecting to the MASTER..."),
        }
    }
}

/// Takes the link off the list of clients again.
struct Listed<'c>(&'c crate::state::clients::Clients, u64);

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.0.remove(self.1);
    }
}

/// Acknowledgements: what was applied, and what of it our own log has on the disk.
#[derive(Default)]
struct LogAcks {
    logged: u64,
    /// An offset of the stream, and the end of the log that belongs to it.
    pending: Option<(u64, u64)>,
}

impl LogAcks {
    fn say(&mut self, attempt: &Attempt<'_>, wire: &mut Wire) -> Result<(), Lost> {
        let shared = &attempt.worker.shared;
        let end = shared.journal.backlog.end();
        let offset = end.to_string();
        let mut words = vec![&b"REPLCONF"[..], b"ACK", offset.as_bytes()];
        let logged;
        if shared.store.log.is_running() {
            if let Some((offset, log)) = self.pending
                && shared.journal.is_durable_to(log)
            {
                self.logged = offset;
                self.pending = None;
            }
            self.pending.get_or_insert((end, shared.journal.end().0));
            logged = self.logged.to_string();
            words.extend([&b"FACK"[..], logged.as_bytes()]);
        }
        wire.say(&words)
    }
}
