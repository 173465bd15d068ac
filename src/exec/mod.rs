//! The road of a command: find, admit, lock, run, commit. [`road`] is all of it on a few screens.
//!
//! [`Worker::run`] takes one request to its reply. What can't be answered at once comes back as
//! a [`Next`] for the connection to act on; nothing here waits or touches a socket.

mod account;
mod admit;
mod aside;
mod asked;
mod called;
mod commit;
mod declared;
mod evict;
mod fiber;
mod find;
mod follow;
mod indexes;
mod limit;
mod long;
mod lost;
mod next;
mod own;
mod park;
mod picture;
mod present;
mod refusals;
mod relay;
mod replay;
mod reply;
mod rights;
mod road;
mod role;
mod script;
mod session;
mod settle;
mod slots;
mod stage;
mod stop;
mod sweep;
mod transaction;
mod transfer;
mod unit;
mod watches;

use asked::AskedGuards;
use picture::SeenPicture;
use present::Present;

use std::cell::RefCell;
use std::sync::Arc;

pub use fiber::go_on;
pub use long::Long;
pub use lost::Staging;
pub use next::Next;
pub use park::Blocked;
pub use park::wake::{Wake, Woken};
pub use relay::{Relay, Relayed};
pub use slots::leave_channels;
pub use stop::{StopSource, abort, ask_to_stop, stop, wait_for_cron};
pub use transfer::{Journey, Landing};

use crate::command::session::{Session, Watches};
use crate::command::{CommandEntry, Lookup, Registry};
use crate::engine::{Effects, Engine, Glance, ShardKey};
use crate::journal::Porter;
use crate::state::shared::Shared;
use crate::state::stats::WorkerStats;
use crate::util::clock::Reading;
use crate::util::memory;

/// One thread's way to the data: everything it needs to run commands.
pub struct Worker {
    pub id: usize,
    pub shared: Arc<Shared>,
    registry: &'static Registry,
    pub engine: Arc<Engine>,
    account: account::Account,
    present: Present,
    /// Watches that have ended while a long script held their shards, which don't know it yet.
    ended_watches: RefCell<Vec<Watches>>,
    /// Effects not in use, kept for their buffers.
    #[expect(
        clippy::vec_box,
        reason = "they are large, and taken out and put back at every command"
    )]
    effects: RefCell<Vec<Box<Effects>>>,
    eviction: evict::Eviction,
    /// Values too large to drop on a client's time go here.
    garbage: std::sync::mpsc::Sender<crate::engine::Garbage>,
    /// Wakes the sweep when a deadline was set that it doesn't expect yet.
    alarm: Arc<sweep::Alarm>,
    asked: AskedGuards,
    picture: SeenPicture,
    /// Tells this worker's connections that the journal's gate has moved.
    pub porter: Porter,
}

pub use sweep::{Alarm, Sweep};

/// What is known of a request before it runs.
#[derive(Clone, Copy)]
pub struct Look {
    entry: &'static CommandEntry,
    /// Where the one key is kept whose shard is all that will be locked, if that has been hashed.
    at: Option<ShardKey>,
}

impl Look {
    /// Of a request that runs at once.
    fn unhashed(entry: &'static CommandEntry) -> Self {
        Look { entry, at: None }
    }
}

impl Worker {
    pub fn new(
        id: usize,
        shared: Arc<Shared>,
        registry: &'static Registry,
        engine: Arc<Engine>,
        garbage: std::sync::mpsc::Sender<crate::engine::Garbage>,
        alarm: Arc<Alarm>,
    ) -> Self {
        let rules = shared.rules.load_full();
        Worker {
            registry,
            id,
            account: account::Account::new(shared.clone(), id),
            shared,
            engine,
            present: Present::new(rules),
            ended_watches: RefCell::default(),
            effects: RefCell::default(),
            eviction: evict::Eviction::default(),
            garbage,
            alarm,
            asked: AskedGuards::default(),
            picture: SeenPicture::default(),
            porter: Porter::default(),
        }
    }

    pub fn stats(&self) -> &WorkerStats {
        self.account.stats()
    }

    /// Microseconds between two readings of this worker's watch.
    #[inline]
    pub fn micros(&self, from: Reading, to: Reading) -> u64 {
        self.present.micros(from, to)
    }

    /// The time of day of the command under way.
    pub fn now_ms(&self) -> u64 {
        self.present.now().clock_ms()
    }

    /// Reads the clock and the configuration, once for all requests of a batch.
    pub fn begin_batch(&self) -> Reading {
        self.present.read_clock();
        self.present.read_rules(&self.shared);
        self.look_at_ended_watches();
        self.present.read_watch()
    }

    /// Makes this thread's memory count.
    pub fn end_batch(&self) {
        memory::publish();
    }

    /// Looks a request up, to run it later. Nothing for one that will be refused: it is told why in its turn.
    #[inline]
    pub fn look<'a>(&self, arg: impl Fn(usize) -> Option<&'a [u8]>) -> Option<Look> {
        match self.registry.find(arg(0)?, arg(1)) {
            Lookup::Entry(entry) => Some(Look {
                entry,
                at: entry.lone_key_at().and_then(arg).map(ShardKey::of),
            }),
            Lookup::NoSubcommand(_) | Lookup::Unknown => None,
        }
    }

    /// Calls what these requests will look at into the cache, for all of them at the same time.
    #[inline]
    pub fn warm<'a>(
        &self,
        session: &Session,
        looks: impl Iterator<Item = (Look, impl Fn(usize) -> Option<&'a [u8]>)>,
    ) {
        let glances = looks.filter_map(|(look, arg)| {
            let member = look.entry.member_at.and_then(arg);
            look.at.map(|key| Glance { key, member })
        });
        self.engine.warm(session.db, glances);
    }
}
