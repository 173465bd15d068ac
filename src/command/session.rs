//! A connection's own state: what its task alone reads and writes.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hashbrown::HashSet;

use super::{CommandEntry, Fail};
use crate::acl::User;
use crate::engine::Place;
use crate::pubsub::{Channels, TrackingMode};
use crate::state::client::Client;
use crate::state::replication::{Replica, ReplicaConf};
use crate::types::Bstr;
use crate::util::clock;

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// The next command's reply is dropped.
    SkipNext,
    /// This command's reply is dropped.
    Skip,
}

/// ASKING, which holds for the request after it, or for the transaction that this begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asking {
    #[default]
    No,
    /// For the next request.
    Next,
    /// For this one.
    Now,
}

/// A command queued by MULTI.
pub struct Queued {
    pub entry: &'static CommandEntry,
    pub args: Vec<Bstr>,
}

/// An open MULTI.
#[derive(Default)]
pub struct Multi {
    pub queue: Vec<Queued>,
    /// What `queue` takes.
    pub bytes: usize,
    /// A command was refused while queueing: EXEC will refuse all.
    pub refused: bool,
    /// The database that what was queued goes to, if it leaves the client's.
    pub db: Option<usize>,
}

/// CLIENT TRACKING of this connection.
#[derive(Clone, Debug, Default)]
pub struct SessionTracking {
    pub mode: TrackingMode,
    /// CLIENT CACHING yes or no, for the next command only.
    pub caching: Option<bool>,
}

impl SessionTracking {
    /// Whether what the client reads now is to be remembered.
    pub fn wants_reads(&self) -> bool {
        let mode = &self.mode;
        let held_back = mode.opt_in && self.caching != Some(true)
            || mode.opt_out && self.caching == Some(false);
        !mode.bcast && !held_back
    }
}

/// Keys that WATCH was given since the last transaction.
#[derive(Default)]
pub struct Watches {
    pub keys: Vec<Place>,
    /// Raised when one of them changes; shared with the shards. Those of the next transaction have another one, so that
    /// keys which a long script keeps from being let go can't fail it.
    pub broken: Option<Arc<AtomicBool>>,
}

impl Watches {
    pub fn is_broken(&self) -> bool {
        let broken = self.broken.as_ref();
        broken.is_some_and(|broken| broken.load(Ordering::Acquire))
    }
}

pub struct Session {
    pub client: Arc<Client>,
    pub db: usize,
    /// Who the client is; nobody for a master and the log, who may do everything.
    pub user: Option<Arc<User>>,
    /// It has logged in, or came when that was not asked for.
    pub authenticated: bool,
    pub resp3: bool,
    /// It speaks TLS.
    pub tls: bool,
    pub multi: Option<Multi>,
    pub watches: Watches,
    pub reply: ReplyMode,
    pub no_touch: bool,
    /// CLIENT IMPORT-SOURCE: as long as data are imported, nothing is dead for this client.
    pub imports: bool,
    /// CLIENT CAPA redirect: what a replica may not answer is sent to its master.
    pub follows_redirects: bool,
    /// READONLY: this client may read from a replica.
    pub reads_here: bool,
    /// ASKING: this client's next command may reach a slot that is on its way here.
    pub asking: Asking,
    /// The cluster's picture by which its sharded channels were last looked at.
    pub picture: u64,
    /// Commands run so far.
    pub commands: Cell<u64>,
    pub monitor: bool,
    pub channels: HashSet<Bytes>,
    pub patterns: HashSet<Bytes>,
    pub shard_channels: HashSet<Bytes>,
    pub tracking: Option<SessionTracking>,
    /// What REPLCONF told, and the replica that this connection became.
    pub replica_conf: Option<Box<ReplicaConf>>,
    pub replica: Option<Arc<Replica>>,
    /// A command of EXEC closes the connection, once that has been answered.
    pub leaves: bool,
    /// EXEC is running what was queued.
    pub in_exec: bool,
    /// When the transaction or the script began that runs, in microseconds: what TIME says in it. 0 outside of them.
    pub began_us: u64,
}

/// A name that a client may give itself: it must not break a line of CLIENT LIST.
pub fn check_name(name: &[u8]) -> Result<String, Fail> {
    match std::str::from_utf8(name) {
        Ok(text) if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) => Ok(text.to_string()),
        _ => Err(Fail::Says(
            "Client names cannot contain spaces, newlines or special characters.",
        )),
    }
}

impl Session {
    pub fn new(client: Arc<Client>, user: Option<Arc<User>>) -> Self {
        Session {
            client,
            db: 0,
            authenticated: user.as_ref().is_none_or(|user| user.is_open()),
            user,
            resp3: false,
            tls: false,
            multi: None,
            watches: Watches::default(),
            reply: ReplyMode::On,
            no_touch: false,
            imports: false,
            follows_redirects: false,
            reads_here: false,
            asking: Asking::No,
            picture: 0,
            commands: Cell::new(0),
            monitor: false,
            channels: HashSet::new(),
            patterns: HashSet::new(),
            shard_channels: HashSet::new(),
            tracking: None,
            replica_conf: None,
            replica: None,
            leaves: false,
            in_exec: false,
            began_us: 0,
        }
    }

    /// What a script's commands run in: its caller's, but for what they must leave as it is.
    pub fn for_script(of: &Session) -> Self {
        let mut own = Session::new(of.client.clone(), None);
        own.db = of.db;
        own.no_touch = of.no_touch;
        own.imports = of.imports;
        own.user = of.user.clone();
        own.tracking = of.tracking.clone();
        own.asking = of.asking;
        own.reads_here = of.reads_here;
        own.began_us = match of.began_us {
            0 => clock::now_us(),
            of_transaction => of_transaction,
        };
        own
    }

    /// Makes the client this user's.
    pub fn be(&mut self, user: Arc<User>, authenticated: bool) {
        self.client.profile.lock().user = Some(user.clone());
        self.user = Some(user);
        self.authenticated = authenticated;
    }

    /// Whether a RESP2 client is confined to the commands of a subscriber.
    #[inline]
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions() > 0
    }

    pub fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shard_channels.len()
    }

    pub fn subscribed(&mut self, kind: Channels) -> &mut HashSet<Bytes> {
        match kind {
            Channels::Plain => &mut self.channels,
            Channels::Pattern => &mut self.patterns,
            Channels::Shard => &mut self.shard_channels,
        }
    }

    /// A request comes to a cluster's node.
    #[inline]
    pub fn hears_request(&mut self) {
        if self.asking != Asking::No && self.multi.is_none() {
            self.asking = match self.asking {
                Asking::Next => Asking::Now,
                _ => Asking::No,
            };
        }
    }

    /// The request that came will come again.
    #[cold]
    pub fn hears_again(&mut self) {
        if self.asking == Asking::Now && self.multi.is_none() {
            self.asking = Asking::Next;
        }
    }

    /// The database that the next command runs in, or will where it is queued.
    pub fn db_of_next(&self) -> usize {
        let queued = self.multi.as_ref().and_then(|multi| multi.db);
        queued.unwrap_or(self.db)
    }

    /// Queues a command for EXEC, if MULTI was called.
    pub fn enqueue(&mut self, entry: &'static CommandEntry, argv: &[&[u8]]) {
        let Some(multi) = &mut self.multi else {
            return;
        };
        let args: Vec<Bstr> = argv.iter().map(|arg| Bstr::new(arg)).collect();
        let heap_bytes: usize = args.iter().map(Bstr::heap_bytes).sum();
        multi.bytes += size_of::<Queued>() + args.len() * size_of::<Bstr>() + heap_bytes;
        multi.queue.push(Queued { entry, args });
        self.client.profile.lock().multi = multi.queue.len() as i64;
        self.publish_bytes();
    }

    /// Shows what this state takes, in time that doesn't depend on how much that is: names are not counted, as the
    /// broker and the shards have them too.
    fn publish_bytes(&self) {
        let multi = self.multi.as_ref().map_or(0, |multi| multi.bytes);
        let watched = self.watches.keys.capacity() * size_of::<Place>();
        let names = [&self.channels, &self.patterns, &self.shard_channels];
        let names: usize = names.map(HashSet::allocation_size).iter().sum();
        let mode = self.tracking.as_ref().map(|tracking| &tracking.mode);
        let prefixes = mode.map_or(0, |mode| {
            let each = |prefix: &Vec<u8>| size_of::<Vec<u8>>() + prefix.len();
            mode.prefixes.iter().map(each).sum()
        });
        let client = &self.client;
        client.multi_bytes.store(multi + watched, Ordering::Relaxed);
        client
            .listening_bytes
            .store(names + prefixes, Ordering::Relaxed);
    }

    /// Shows to CLIENT LIST how many commands have run.
    pub fn publish_commands(&self) {
        let commands = &self.client.commands;
        commands.store(self.commands.get(), Ordering::Relaxed);
    }

    /// Shows the present state to CLIENT LIST. Called after whatever changes it.
    pub fn publish_profile(&self) {
        self.publish_bytes();
        let mut profile = self.client.profile.lock();
        profile.channels = self.channels.len();
        profile.patterns = self.patterns.len();
        profile.shard_channels = self.shard_channels.len();
        profile.multi = self
            .multi
            .as_ref()
            .map_or(-1, |multi| multi.queue.len() as i64);
        profile.watched = self.watches.keys.len();
        profile.watch_broken = self.watches.broken.clone();
        profile.monitor = self.monitor;
        profile.no_touch = self.no_touch;
        profile.imports = self.imports;
        profile.follows_redirects = self.follows_redirects;
        profile.resp3 = self.resp3;
        profile.tracking = self.tracking.is_some();
        let mode = self.tracking.as_ref().map(|tracking| &tracking.mode);
        profile.tracking_bcast = mode.is_some_and(|mode| mode.bcast);
        profile.redirect = match mode {
            None => -1,
            Some(mode) => mode.redirect.map_or(0, |id| id as i64),
        };
    }
}
