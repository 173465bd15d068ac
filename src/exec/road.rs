//! The road of one request: find, admit, lock, run, commit.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::admit::Verdict;
use super::aside::Aside;
use super::park::{Blocked, Parked};
use super::slots::{Slotted, check_moving};
use super::stage::Stage;
use super::unit::{Call, Unit};
use super::watches::watch_keys;
use super::{Long, Look, Next, Worker};
use crate::command::session::Session;
use crate::command::{CommandEntry, Fail, Flag, Flow, Plan, Preparation, Run};
use crate::engine::ShardSet;
use crate::journal::Answer;
use crate::state::away::Away;
use crate::util::clock::Reading;

/// What came of a command.
pub(super) enum Ran {
    Flow(Flow),
    /// Its client was blocked while its locks were held.
    Blocked(Box<Blocked>),
    /// It was left half-way, holding nothing.
    Left(Box<Aside>),
    /// The guards have moved since they were asked, and nothing was done.
    Moved,
}

impl Worker {
    /// Runs one request. `started` is when the one before it ended, and is moved to this one's end.
    pub fn run(
        self: &Rc<Self>,
        session: &mut Session,
        argv: &[&[u8]],
        look: Option<Look>,
        out: &mut Answer,
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
        out: &mut Answer,
        started: &mut Reading,
    ) -> Next {
        let verdict = self.admit(session, argv, look);
        let mailbox = &session.client.mailbox;
        if self.shared.config.maxmemory.get() > 0 && !mailbox.is_empty() {
            // Room was made for it: who tracks what had to go hears that first.
            mailbox.drain_into(out.reply().buf_mut());
            out.depends().saw(self.shared.journal.end());
        }
        let mark = out.reply().mark();
        let (look, counted) = match verdict {
            Verdict::Run(look) => (look, None),
            Verdict::Counted(look, slot) => (look, Some(slot)),
            Verdict::Queued => {
                out.reply().simple("QUEUED");
                self.finish_reply(session, mark, out.reply());
                return Next::Continue;
            }
            Verdict::Paused => return Next::Paused,
            Verdict::Gone => return Next::Abort,
            Verdict::Attack => {
                tracing::warn!(
                    "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection from {} aborted.",
                    session.client.address
                );
                return Next::Abort;
            }
            Verdict::Refused(entry, fail) => {
                if session.user.as_ref().is_some_and(|user| user.is_gone()) {
                    // Deleted a moment ago: the connection was to be closed before it asked.
                    return Next::Abort;
                }
                self.refuse(session, entry, &fail, out.reply());
                self.finish_reply(session, mark, out.reply());
                return Next::Continue;
            }
        };
        let entry = look.entry;
        session
            .client
            .last_command
            .store(entry.id as u32, Ordering::Relaxed);
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
            let nanos = self.present.nanos(begun, *started);
            let bytes = out.reply().since(mark).len();
            self.account.count_for_slot(slot, argv, nanos, bytes);
        }
        next
    }

    /// Runs a request that was admitted.
    pub(super) fn perform<'w>(
        &'w self,
        stage: Option<&Stage<'w>>,
        session: &mut Session,
        look: Look,
        argv: &[&[u8]],
        out: &mut Answer,
        started: &mut Reading,
    ) -> Next {
        let mark = out.reply().mark();
        let entry = look.entry;
        let done = self.handle(stage, session, look, argv, out);
        let mut next = match done {
            Ok(Ran::Flow(Flow::Done)) => Next::Continue,
            Ok(Ran::Flow(flow)) => self.follow(stage, session, entry, argv, flow, out),
            Ok(Ran::Blocked(blocked)) => Next::Block(blocked),
            Ok(Ran::Left(aside)) => Next::Rest(Box::new(Long::aside(entry, aside))),
            Ok(Ran::Moved) => Next::Again,
            Err(fail) => {
                self.answer_failed(session, entry, argv, &fail, mark, out.reply());
                Next::Continue
            }
        };
        if let Next::Again = next {
            return next;
        }
        self.account.show_monitors(session, entry, argv);
        if self.asked.take_moved() {
            self.shared.pass_guards();
        }
        self.read_what_was_set(entry);
        let nanos = self.present.lap(started);
        self.present.pass(nanos);
        match &mut next {
            // It counts when it wakes.
            Next::Block(blocked) => blocked.nanos = nanos,
            // It counts when its reply is whole.
            Next::Rest(long) => {
                long.nanos = nanos;
                long.written = out.reply().since(mark).len();
            }
            _ => {
                self.account.count(session, entry, argv, nanos);
                let sizes = (nanos, out.reply().since(mark).len());
                self.account.note_sizes(session, entry, argv, sizes);
            }
        }
        self.end_reply(session, entry, mark, &next, out.reply());
        next
    }

    /// Runs a request's handler, and what it asks for that may fail.
    #[inline]
    fn handle<'w>(
        &'w self,
        stage: Option<&Stage<'w>>,
        session: &mut Session,
        look: Look,
        argv: &[&[u8]],
        out: &mut Answer,
    ) -> Result<Ran, Fail> {
        let mut done = self.run_admitted(session, look, argv, out);
        if let Ok(Ran::Flow(Flow::Script(wish))) = done {
            let stage = stage.expect("commands that run scripts say so by their flag");
            done = stage.script(self, session, look.entry, argv, &wish, out);
        }
        if let Ok(Ran::Flow(Flow::Watch)) = done {
            let watched = watch_keys(self, session, &argv[1..], out.depends());
            session.publish_profile();
            done = watched.map(|()| Ran::Flow(Flow::Done));
        }
        done
    }

    pub(super) fn run_admitted(
        &self,
        session: &mut Session,
        look: Look,
        argv: &[&[u8]],
        out: &mut Answer,
    ) -> Result<Ran, Fail> {
        let entry = look.entry;
        match entry.command.run {
            Run::Session(_) | Run::Container => self.run_session(session, entry, argv, out),
            Run::Read(_) if matches!(entry.command.plan, Plan::Aside) => {
                self.run_aside(session, look, argv, out)
            }
            Run::Read(_) => {
                let call = Call::looked(session, look, argv);
                let mut unit = self.begin(call.shards())?;
                if let Some(instead) = self.instead(&unit, session, entry, argv) {
                    self.let_go_of(unit);
                    return instead;
                }
                call.warm(&unit.locked);
                let done = self.call(&mut unit, &call, out.reply());
                self.track_reads(session, &mut unit.effects, entry, argv);
                self.commit(unit, Some(session.client.id), out.depends());
                done.map(Ran::Flow)
            }
            Run::Write(_) => match self.run_write(session, look, argv, Preparation::Offered, out) {
                Ok(Ran::Flow(Flow::Prepare(make))) => {
                    let made = RefCell::new(make(argv).into_iter());
                    self.run_write(session, look, argv, Preparation::Made(&made), out)
                }
                ran => ran,
            },
        }
    }

    fn run_write(
        &self,
        session: &mut Session,
        look: Look,
        argv: &[&[u8]],
        preparation: Preparation<'_>,
        out: &mut Answer,
    ) -> Result<Ran, Fail> {
        let entry = look.entry;
        let call = Call {
            preparation,
            ..Call::looked(session, look, argv)
        };
        let mut unit = self.begin_write(call.shards())?;
        if let Some(instead) = self.instead(&unit, session, entry, argv) {
            self.let_go_of(unit);
            return instead;
        }
        call.warm(&unit.locked);
        let done = self.call(&mut unit, &call, out.reply());
        if entry.is(Flag::ReadOnly) {
            // XREAD: it can only block, as no reader can.
            self.track_reads(session, &mut unit.effects, entry, argv);
        }
        let ran = match done {
            Ok(Flow::Park(park)) => {
                let clients = &self.shared.clients;
                let parked = Parked::new(session, entry, argv, &park, clients);
                let blocked = Blocked::for_keys(&mut unit, parked, &park, clients);
                Ok(Ran::Blocked(Box::new(blocked)))
            }
            Ok(Flow::Transfer(mut transfer)) => {
                // Still locked: whoever comes to these keys next is held back.
                let leaves = transfer.leaves;
                transfer.away = leaves.then(|| Away::new(&self.shared, &transfer.keys));
                Ok(Ran::Flow(Flow::Transfer(transfer)))
            }
            done => done.map(Ran::Flow),
        };
        self.commit(unit, Some(session.client.id), out.depends());
        ran
    }

    fn run_aside(
        &self,
        session: &mut Session,
        look: Look,
        argv: &[&[u8]],
        out: &mut Answer,
    ) -> Result<Ran, Fail> {
        if self.guards_moved() {
            return Ok(Ran::Moved);
        }
        match Aside::begin(self, session, look.entry, argv, out) {
            Ok(ended) => {
                out.reply().raw(&ended.reply.into_bytes());
                ended.done.map(Ran::Flow)
            }
            Err(aside) => Ok(Ran::Left(aside)),
        }
    }

    /// Runs a command that works on the session and the server: in this worker's turn if others notice what it does, as
    /// it locks nothing by which they could tell when it has ended.
    fn run_session(
        &self,
        session: &mut Session,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
        out: &mut Answer,
    ) -> Result<Ran, Fail> {
        if let Plan::All = entry.command.plan {
            let unit = self.begin(ShardSet::ALL)?;
            if self.guards_moved() {
                self.let_go_of(unit);
                return Ok(Ran::Moved);
            }
            let done = self.call_session(session, entry, argv, out.reply());
            self.commit(unit, Some(session.client.id), out.depends());
            return done.map(Ran::Flow);
        }
        let noticed = !entry.is(Flag::Fast) || entry.is(Flag::PubSub);
        let _turn = noticed.then(|| self.shared.guards.turn(self.id));
        if noticed && self.guards_moved() {
            return Ok(Ran::Moved);
        }
        self.call_session(session, entry, argv, out.reply())
            .map(Ran::Flow)
    }

    /// What comes of a request that may not run after all, now that its keys are locked: it is admitted anew, or its
    /// keys are at another node.
    #[inline]
    pub(super) fn instead(
        &self,
        unit: &Unit<'_>,
        session: &Session,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
    ) -> Option<Result<Ran, Fail>> {
        if self.guards_moved() {
            return Some(Ok(Ran::Moved));
        }
        let moving = check_moving(self, unit, session, Slotted::One(entry, argv));
        moving.err().map(Err)
    }
}
