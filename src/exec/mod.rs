//! The road of a command: find, admit, lock, run, commit.
//!
//! `Worker::run` takes one request to its reply. What can't be answered at once comes back as
//! a [`Next`] for the connection to act on; nothing here waits or touches a socket.

mod account;
mod admit;
mod aside;
mod called;
mod commit;
mod evict;
mod fiber;
mod indexes;
mod long;
mod lost;
mod next;
mod own;
mod park;
mod relay;
mod replay;
mod reply;
mod rights;
mod script;
mod session;
mod settle;
mod slots;
mod stop;
mod sweep;
mod transaction;
mod transfer;
mod turn;
mod unit;

use transaction::Ended;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

pub use long::Long;
pub use next::Next;
pub use park::{Blocked, Wake, Woken};
pub use relay::{Relay, Relayed};
pub use stop::{By, abort, ask_to_stop, stop, wait_for_cron};
pub use transfer::{Journey, Landing};

use crate::cluster::View;
use crate::command::session::{Session, Watches};
use crate::command::shared::Shared;
use crate::command::stats::WorkerStats;
use crate::command::{Entry, Fail, Flag, Flow, Found};
use crate::engine::{Effects, Engine, Glance, Now, Rules, ShardKey};
use crate::journal::{Depends, Porter};
use crate::resp::{Mark, Reply};
use crate::util::clock::{self, Reading, Stopwatch};

/// The clock is read anew after commands that took longer than this: deadlines are milliseconds.
const TIME_NANOS_MAX: u64 = 500_000;

/// One thread's way to the data: everything it needs to run commands.
pub struct Worker {
    pub id: usize,
    pub shared: Arc<Shared>,
    pub engine: Arc<Engine>,
    /// Its own part of the statistics.
    stats: Arc<WorkerStats>,
    watch: Stopwatch,
    /// The time of the command under way: that of the batch, read anew after commands that took a while.
    now: Cell<Now>,
    /// What commands took since it was read.
    nanos: Cell<u64>,
    rules: RefCell<Arc<Rules>>,
    /// Memory was short when the command under way was let in, and no room could be made.
    short: Cell<bool>,
    /// Watches that have ended while a long script held their shards, which don't know it yet.
    unwatched: RefCell<Vec<Watches>>,
    /// Effects not in use, kept for their buffers.
    #[expect(
        clippy::vec_box,
        reason = "they are large, and taken out and put back at every command"
    )]
    effects: RefCell<Vec<Box<Effects>>>,
    eviction: RefCell<evict::Eviction>,
    /// Values too large to drop on a client's time go here.
    garbage: std::sync::mpsc::Sender<crate::engine::Garbage>,
    /// Wakes the sweep when a deadline was set that it doesn't expect yet.
    alarm: Arc<sweep::Alarm>,
    /// What the replies depend on that were written since this was last taken.
    depends: Cell<Depends>,
    /// How often the guards had moved when they were asked about the present command.
    asked: Cell<u64>,
    /// A command has moved them, and they are to be passed before it is answered.
    moved: Cell<bool>,
    /// The cluster's picture as of when the guards were asked so often.
    view: RefCell<(u64, Option<Arc<View>>)>,
    /// Slots are on the move in it, so that keys are looked for under their locks.
    unsettled: Cell<bool>,
    /// Tells this worker's connections that the journal's gate has moved.
    pub porter: Porter,
}

pub use sweep::Alarm;

/// What is known of a request before it runs.
#[derive(Clone, Copy)]
pub struct Look {
    entry: &'static Entry,
    /// Where the one key is kept whose shard is all that will be locked, if that has been hashed.
    at: Option<ShardKey>,
}

impl Look {
    /// Of a request that runs at once.
    fn unhashed(entry: &'static Entry) -> Self {
        Look { entry, at: None }
    }
}

impl Worker {
    pub fn new(
        id: usize,
        shared: Arc<Shared>,
        engine: Arc<Engine>,
        garbage: std::sync::mpsc::Sender<crate::engine::Garbage>,
        alarm: Arc<Alarm>,
    ) -> Self {
        let rules = shared.rules.load_full();
        Worker {
            id,
            stats: shared.stats.worker(id).clone(),
            shared,
            engine,
            watch: Stopwatch::default(),
            now: Cell::new(Now::Live(clock::now_ms())),
            nanos: Cell::new(0),
            rules: RefCell::new(rules),
            short: Cell::new(false),
            unwatched: RefCell::default(),
            effects: RefCell::default(),
            eviction: RefCell::default(),
            garbage,
            alarm,
            depends: Cell::default(),
            asked: Cell::default(),
            moved: Cell::default(),
            view: RefCell::default(),
            unsettled: Cell::default(),
            porter: Porter::default(),
        }
    }

    pub fn stats(&self) -> &WorkerStats {
        &self.stats
    }

    /// Microseconds between two readings of this worker's watch.
    #[inline]
    pub fn micros(&self, from: Reading, to: Reading) -> u64 {
        self.watch.micros(from, to)
    }

    /// What the replies depend on that were written since the last call.
    #[inline]
    pub fn take_depends(&self) -> Depends {
        self.depends.take()
    }

    /// The time of day of the command under way.
    pub fn now_ms(&self) -> u64 {
        self.now.get().clock_ms()
    }

    /// Looks a request up, to run it later. Nothing for one that will be refused: it is told why in its turn.
    #[inline]
    pub fn look<'a>(&self, arg: impl Fn(usize) -> Option<&'a [u8]>) -> Option<Look> {
        match self.shared.registry.find(arg(0)?, arg(1)) {
            Found::Entry(entry) => Some(Look {
                entry,
                at: entry.lone_key_at().and_then(arg).map(ShardKey::of),
            }),
            Found::NoSubcommand(_) | Found::Unknown => None,
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

    /// Runs one request. `started` is when the one before it ended, and is moved to this one's end.
    pub fn run(
        self: &Rc<Self>,
        session: &mut Session,
        argv: &[&[u8]],
        look: Option<Look>,
        out: &mut Reply,
        started: &mut Reading,
    ) -> Next {
        loop {
            match self.ask_and_run(session, argv, look, out, started) {
                Next::Again => session.hears_again(),
                Next::Paused => {
                    session.hears_again();
                    return Next::Paused;
                }
                next => return next,
            }
        }
    }

    fn ask_and_run(
        self: &Rc<Self>,
        session: &mut Session,
        argv: &[&[u8]],
        look: Option<Look>,
        out: &mut Reply,
        started: &mut Reading,
    ) -> Next {
        let verdict = self.admit(session, argv, look);
        let mailbox = &session.client.mailbox;
        if self.shared.config.maxmemory.get() > 0 && !mailbox.is_empty() {
            // Room was made for it: who tracks what had to go hears that first.
            mailbox.drain_into(out.buf_mut());
            self.saw(self.shared.journal.end());
        }
        let mark = out.mark();
        let (look, counted) = match verdict {
            admit::Verdict::Run(look) => (look, None),
            admit::Verdict::Counted(look, slot) => (look, Some(slot)),
            admit::Verdict::Queued => {
                out.simple("QUEUED");
                self.finish_reply(session, mark, out);
                return Next::Continue;
            }
            admit::Verdict::Paused => return Next::Paused,
            admit::Verdict::Gone => return Next::Abort,
            admit::Verdict::Attack => {
                tracing::warn!(
                    "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection from {} aborted.",
                    session.client.address
                );
                return Next::Abort;
            }
            admit::Verdict::Refused(entry, fail) => {
                if session.user.as_ref().is_some_and(|user| user.is_gone()) {
                    // Deleted a moment ago: the connection was to be closed before it asked.
                    return Next::Abort;
                }
                self.refuse(session, entry, &fail, out);
                self.finish_reply(session, mark, out);
                return Next::Continue;
            }
        };
        let entry = look.entry;
        session
            .client
            .last_command
            .store(entry.id as u32, std::sync::atomic::Ordering::Relaxed);
        let scripted = entry.is(Flag::Scripted)
            || entry.is(Flag::RunsQueue)
                && session.multi.as_ref().is_some_and(|multi| {
                    let mut queued = multi.queue.iter();
                    queued.any(|queued| queued.entry.is(Flag::Scripted))
                });
        let begun = *started;
        let next = if scripted {
            self.on_fiber(session, entry, argv, out, started)
        } else {
            self.perform(None, session, look, argv, out, started)
        };
        if let Some(slot) = counted {
            let nanos = self.watch.nanos(begun, *started);
            self.count_for_slot(slot, argv, nanos, out.since(mark).len());
        }
        next
    }

    /// Runs a request that was admitted.
    fn perform<'w>(
        &'w self,
        stage: Option<&fiber::Stage<'w>>,
        session: &mut Session,
        look: Look,
        argv: &[&[u8]],
        out: &mut Reply,
        started: &mut Reading,
    ) -> Next {
        let mark = out.mark();
        let entry = look.entry;
        let done = self.handle(stage, session, look, argv, out);
        let mut next = match done {
            Ok(unit::Ran::Flow(Flow::Done)) => Next::Continue,
            Ok(unit::Ran::Flow(flow)) => self.follow(stage, session, entry, argv, flow, out),
            Ok(unit::Ran::Blocked(blocked)) => Next::Block(blocked),
            Ok(unit::Ran::Left(aside)) => Next::Rest(Box::new(Long::aside(entry, aside))),
            Ok(unit::Ran::Moved) => Next::Again,
            Err(fail) => {
                out.cut(mark);
                if let Fail::Login(name) = &fail {
                    self.log_failed_login(session, name, argv[0]);
                }
                self.answer_error(entry, &fail, out);
                Next::Continue
            }
        };
        if let Next::Again = next {
            return next;
        }
        self.show_monitors(session, entry, argv);
        if self.moved.take() {
            self.shared.pass_guards();
        }
        self.read_what_was_set(entry);
        let nanos = self.lap(started);
        self.nanos.set(self.nanos.get() + nanos);
        if self.nanos.get() > TIME_NANOS_MAX {
            // What comes next happens at a later time.
            self.read_clock();
        }
        match &mut next {
            // It counts when it wakes.
            Next::Block(blocked) => blocked.nanos = nanos,
            // It counts when its reply is whole.
            Next::Rest(long) => {
                long.nanos = nanos;
                long.written = out.since(mark).len();
            }
            _ => {
                self.count(session, entry, argv, nanos);
                let sizes = (nanos, out.since(mark).len());
                self.note_sizes(session, entry, argv, sizes);
            }
        }
        self.end_reply(session, entry, mark, &next, out);
        next
    }

    /// Runs a request's handler, and what it asks for that may fail.
    #[inline]
    fn handle<'w>(
        &'w self,
        stage: Option<&fiber::Stage<'w>>,
        session: &mut Session,
        look: Look,
        argv: &[&[u8]],
        out: &mut Reply,
    ) -> Result<unit::Ran, Fail> {
        let mut done = self.run_admitted(session, look, argv, out);
        if let Ok(unit::Ran::Flow(Flow::Script(wish))) = done {
            let stage = stage.expect("commands that run scripts say so by their flag");
            done = self.script(stage, session, look.entry, argv, &wish, out);
        }
        if let Ok(unit::Ran::Flow(Flow::Watch)) = done {
            let watched = self.watch_keys(session, &argv[1..]);
            session.publish_profile();
            done = watched.map(|()| unit::Ran::Flow(Flow::Done));
        }
        done
    }

    /// Ends the reply to a command that ran, unless it is still to come.
    #[inline]
    fn end_reply(
        &self,
        session: &mut Session,
        entry: &Entry,
        mark: Mark,
        next: &Next,
        out: &mut Reply,
    ) {
        if let Some(tracking) = &mut session.tracking
            && !entry.is(Flag::KeepsCaching)
            && session.multi.is_none()
        {
            // It was for this one command, or transaction, whether that read anything or not.
            tracking.caching = None;
        }
        match next {
            // Their replies are still to come.
            Next::Block(_)
            | Next::Rest(_)
            | Next::Wait(_)
            | Next::Transfer(_)
            | Next::Shutdown(_) => {}
            // What is said to a replica is no reply.
            Next::Replica(_) => {}
            _ if entry.is(Flag::Pushes) => {
                // What is pushed is heard though replies are off.
                self.finish_reply(session, out.mark(), out);
            }
            _ => self.finish_reply(session, mark, out),
        }
    }

    /// CONFIG SET holds for what follows in the same batch, and a new `maxmemory` at once.
    fn read_what_was_set(&self, entry: &Entry) {
        if !entry.is(Flag::Admin) {
            return;
        }
        self.read_rules();
        if entry.is(Flag::SetsLimits) && self.shared.config.maxmemory.get() > 0 {
            // What a long script holds goes when it has ended.
            let _ = self.make_room();
        }
    }

    /// Does what a handler asked for.
    fn follow<'w>(
        &'w self,
        stage: Option<&fiber::Stage<'w>>,
        session: &mut Session,
        entry: &'static Entry,
        argv: &[&[u8]],
        flow: Flow,
        out: &mut Reply,
    ) -> Next {
        match flow {
            Flow::Done | Flow::Whole => return Next::Continue,
            Flow::LogAlone => {
                self.log_alone(session, argv);
                return Next::Continue;
            }
            Flow::TellReplicas => {
                self.tell_replicas(session, argv);
                return Next::Continue;
            }
            Flow::Replica(feed) => return Next::Replica(feed),
            Flow::Rest(rest) => return Next::Rest(Box::new(Long::rest(entry, rest))),
            Flow::Names(names) => return Next::Rest(Box::new(Long::names(entry, *names))),
            Flow::Acks(wish) => {
                let blocked = park::Blocked::for_acks(session, entry, argv, &wish, &self.shared);
                return Next::Block(Box::new(blocked));
            }
            Flow::Park(park) => {
                // Handlers that touch keys were parked under their locks; this one waits for time alone.
                let clients = &self.shared.clients;
                let blocked = park::Blocked::without_keys(session, entry, argv, &park, clients);
                return Next::Block(Box::new(blocked));
            }
            Flow::Exec => return self.follow_exec(stage, session, entry, out),
            Flow::Discard => {
                session.multi = None;
                self.unwatch(session);
            }
            Flow::Script(_) | Flow::Watch | Flow::Prepare(_) => unreachable!("done by now"),
            Flow::Unwatch => self.unwatch(session),
            Flow::Reset => self.reset(session, out),
            Flow::Close => return Next::Close,
            Flow::Stall(time) => {
                // Here, so that the time counts as the command's own.
                std::thread::sleep(time);
                self.begin_batch();
                return Next::Continue;
            }
            Flow::Shutdown(wish) => return Next::Shutdown(wish),
            Flow::Wait(job) => return Next::Wait(job),
            Flow::Transfer(transfer) => {
                return Next::Transfer(Box::new(Journey::new(entry, transfer)));
            }
            Flow::Reload(wish) => match self.begin_reload(wish) {
                Ok(job) => return Next::Wait(job),
                Err(fail) => {
                    self.answer_error(entry, &fail, out);
                    return Next::Continue;
                }
            },
        }
        session.publish_profile();
        Next::Continue
    }

    /// Runs a transaction.
    fn follow_exec<'w>(
        &'w self,
        stage: Option<&fiber::Stage<'w>>,
        session: &mut Session,
        entry: &'static Entry,
        out: &mut Reply,
    ) -> Next {
        match self.exec(stage, session, entry, out) {
            Ok(Ended::Done) => {}
            Ok(Ended::Moved) => return Next::Again,
            Err(fail) => self.answer_error(entry, &fail, out),
        }
        session.publish_profile();
        match std::mem::take(&mut session.leaves) {
            true => Next::Close,
            false => Next::Continue,
        }
    }
}
