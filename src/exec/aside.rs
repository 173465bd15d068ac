//! Searches: each runs on a stack of its own, which the worker leaves after a moment to serve others, until it is done.
//!
//! While one is left it holds no lock. If its client goes, it is dropped where it stands.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

use super::Worker;
use crate::acl::User;
use crate::command::session::{ReplyMode, Session};
use crate::command::{Args, CommandEntry, Done, Fail, Flow, ReadCall, ReadDb, Run};
use crate::engine::{Db, Effects, Engine, Now, Rules, ShardSet};
use crate::journal::{Answer, Depends};
use crate::resp::Reply;
use crate::state::shared::Shared;
use crate::types::Bstr;
use crate::util::clock::Timer;
use crate::util::turns::Turns;

/// Most of it is never touched, and takes no memory.
const STACK_BYTES: usize = 2 << 20;
/// Stacks that a worker keeps for searches to come.
const STACKS_KEPT: usize = 4;
/// For so long the searches that a worker has left go on, all of them together, before the sockets are looked at again.
const SLICE: Duration = Duration::from_millis(1);
/// But none for less than this.
const SLICE_MIN: Duration = Duration::from_micros(50);

thread_local! {
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
    /// Searches that this worker has left half-way.
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

/// A command that was left half-way.
pub(super) struct Aside {
    routine: Coroutine<(), (), AsideEnd, DefaultStack>,
    /// Nobody is to hear its reply.
    pub silent: bool,
    _left: LeftOne,
}

/// What came of it.
pub(super) struct AsideEnd {
    pub done: Done,
    pub reply: Reply,
    effects: Box<Effects>,
}

/// Counts a command for as long as it is left.
struct LeftOne;

impl LeftOne {
    fn new() -> Self {
        LEFT.set(LEFT.get() + 1);
        LeftOne
    }
}

impl Drop for LeftOne {
    fn drop(&mut self) {
        // A thread that ends may have lost its count.
        let _ = LEFT.try_with(|left| left.set(left.get() - 1));
    }
}

/// What the command is run with.
struct AsideJob {
    entry: &'static CommandEntry,
    argv: Vec<Bstr>,
    db: usize,
    now: Now,
    touch: bool,
    resp3: bool,
    user: Option<Arc<User>>,
    rules: Arc<Rules>,
    shared: Arc<Shared>,
    engine: Arc<Engine>,
}

impl AsideJob {
    /// Runs it with nothing locked, and once more with everything locked if that is asked for.
    fn run(&self, turns: &Turns<'_>) -> AsideEnd {
        let ended = self.run_on(ShardSet::EMPTY, turns);
        match ended.done {
            Ok(Flow::Whole) => self.run_on(ShardSet::ALL, &Turns::none()),
            _ => ended,
        }
    }

    fn run_on(&self, shards: ShardSet, turns: &Turns<'_>) -> AsideEnd {
        let Run::Read(run) = self.entry.command.run else {
            unreachable!("only commands that read are left half-way");
        };
        let argv: Vec<&[u8]> = self.argv.iter().map(|arg| &arg[..]).collect();
        let mut effects = Box::<Effects>::default();
        let mut reply = Reply::new(self.resp3);
        let parts = shards.is_empty();
        let is_busy = || self.shared.scripts.is_busy();
        let Some(mut locked) = self.engine.lock_unless(shards, &is_busy) else {
            return AsideEnd {
                done: Err(self.shared.busy_fail()),
                reply,
                effects,
            };
        };
        let view = Db::new(
            &mut locked,
            self.db,
            self.now,
            &mut effects,
            &self.rules,
            self.touch,
            None,
        );
        let done = run(&mut ReadCall {
            scripted: false,
            parts,
            args: Args::new(&argv, self.entry.words),
            db: ReadDb::new(view),
            out: &mut reply,
            entry: self.entry,
            server: &self.shared,
            user: self.user.as_deref(),
            turns,
        });
        AsideEnd {
            done,
            reply,
            effects,
        }
    }
}

impl Aside {
    /// Begins a command that may be left half-way, and goes on with it for a while.
    pub(super) fn begin(
        worker: &Worker,
        session: &mut Session,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
        out: &mut Answer,
    ) -> Result<AsideEnd, Box<Self>> {
        let resp3 = out.reply().resp3();
        let job = AsideJob {
            entry,
            argv: argv.iter().map(|arg| Bstr::new(arg)).collect(),
            db: session.db,
            now: worker.time_for(session.imports),
            touch: !session.no_touch,
            resp3,
            user: session.user.clone(),
            rules: worker.present.rules().clone(),
            shared: worker.shared.clone(),
            engine: worker.engine.clone(),
        };
        let kept = STACKS.with_borrow_mut(Vec::pop);
        let Some(stack) = kept.or_else(|| DefaultStack::new(STACK_BYTES).ok()) else {
            return Ok(AsideEnd {
                done: Err(Fail::Says("no memory is left for a search")),
                reply: Reply::new(resp3),
                effects: Box::default(),
            });
        };
        let routine = Coroutine::with_stack(stack, move |yielder, ()| {
            let since = Cell::new(Timer::start());
            let look = || {
                let slice = (SLICE / LEFT.get().max(1)).max(SLICE_MIN);
                if since.get().elapsed() > slice {
                    yielder.suspend(());
                    since.set(Timer::start());
                }
            };
            job.run(&Turns::new(&look))
        });
        let silent = session.reply != ReplyMode::On;
        let aside = Box::new(Aside {
            routine,
            silent,
            _left: LeftOne::new(),
        });
        let begun = aside.go_on(worker, out.depends());
        if begun.is_err() && session.reply == ReplyMode::Skip {
            session.reply = ReplyMode::On;
        }
        begun
    }

    /// Goes on with it for a while.
    pub(super) fn go_on(
        mut self: Box<Self>,
        worker: &Worker,
        depends: &mut Depends,
    ) -> Result<AsideEnd, Box<Self>> {
        match self.routine.resume(()) {
            CoroutineResult::Yield(()) => Err(self),
            CoroutineResult::Return(mut ended) => {
                STACKS.with_borrow_mut(|stacks| {
                    let stack = self.routine.into_stack();
                    if stacks.len() < STACKS_KEPT {
                        stacks.push(stack);
                    }
                });
                end(worker, &mut ended.effects);
                // What it saw was edited before now.
                depends.saw(worker.shared.journal.end());
                Ok(ended)
            }
        }
    }
}

fn end(worker: &Worker, effects: &mut Effects) {
    let counters = &worker.stats().counters;
    counters.keyspace_hits.add(effects.hits.take());
    counters.keyspace_misses.add(effects.misses.take());
    let dead = std::mem::take(effects.dead.get_mut());
    if !dead.is_empty() {
        worker.remove_dead(dead);
    }
}
