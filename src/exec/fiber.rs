//! A worker's fiber: the stack of its own on which scripts run, so that a long one can be left for a while.
//!
//! A script is one plain call until it has run for `busy-reply-threshold`. From then on it is left now and
//! then, its locks held, and the worker's other clients hear that the server is busy.
//!
//! While it is left, this thread holds locks that no value on its stack shows. So whatever else it does meanwhile never waits
//! for a lock: [`crate::engine::Patience`] says who may.
//!
//! Scripts of a log and of a master's stream must be obeyed, as Redis calls it: nothing refuses or ends them. They run on the
//! threads that load and follow a master, which have no clients, and are never left.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use mlua::MultiValue;

use super::stage::{RAN, Stage};
use super::{Look, Next, Worker};
use crate::command::CommandEntry;
use crate::command::session::Session;
use crate::journal::Answer;
use crate::types::Bstr;
use crate::util::clock::Reading;

/// Most of it is never touched, and takes no memory.
const STACK_BYTES: usize = 16 << 20;

/// What is done on the fiber, to its end.
type Act = Box<dyn for<'w> FnOnce(&'w Rc<Worker>, &Stage<'w>)>;

/// What may run scripts.
enum FiberJob {
    Request(Box<ScriptRequest>),
    /// What files hold, or a master sends.
    Obeyed(Act),
    /// Lua forgets what was flushed, and collects its garbage.
    Tidy,
}

/// A client's request.
struct ScriptRequest {
    session: Session,
    entry: &'static CommandEntry,
    argv: Vec<Bstr>,
    out: Answer,
    started: Reading,
    next: Next,
}

enum Go {
    Job(FiberJob),
    On,
}

enum FiberStep {
    /// The job has ended; a request is given back with what it was run with.
    Done(Option<Box<ScriptRequest>>),
    Busy,
}

struct Fiber(Coroutine<Go, FiberStep, (), DefaultStack>);

thread_local! {
    /// The fiber of the worker whose thread this is; made when the first script comes.
    static FIBER: Cell<Option<Fiber>> = const { Cell::new(None) };
    /// A script was left on it half-way.
    static LEFT: Cell<bool> = const { Cell::new(false) };
}

/// No script has run for this long where Lua's garbage is collected though it is little.
const IDLE: Duration = Duration::from_secs(1);

impl Fiber {
    fn new(worker: Rc<Worker>) -> Self {
        let stack = DefaultStack::new(STACK_BYTES).expect("memory for a stack");
        Fiber(Coroutine::with_stack(stack, move |yielder, go| {
            let Go::Job(first) = go else {
                unreachable!("a fiber begins with a job");
            };
            serve(&worker, yielder, first);
        }))
    }

    /// Goes on, and keeps the fiber for the next script. A panic drops it.
    fn resume(mut self, go: Go) -> FiberStep {
        LEFT.set(false);
        let step = match self.0.resume(go) {
            CoroutineResult::Yield(step) => step,
            CoroutineResult::Return(()) => unreachable!("a fiber serves for ever"),
        };
        LEFT.set(matches!(step, FiberStep::Busy));
        FIBER.set(Some(self));
        step
    }
}

/// Runs jobs for ever: the fiber is dropped while it waits for the next.
fn serve(worker: &Rc<Worker>, yielder: &Yielder<Go, FiberStep>, first: FiberJob) {
    let stage = Stage::new(worker.shared.scripts.clone());
    let lua = stage.host.lua.clone();
    let ended = lua.scope(|scope| {
        let call =
            scope.create_function(|lua, args: MultiValue| stage.call(worker, lua, args, true))?;
        let pcall =
            scope.create_function(|lua, args: MultiValue| stage.call(worker, lua, args, false))?;
        let acl = scope.create_function(|_, args: MultiValue| stage.may_call(worker, &args))?;
        let tick = scope.create_function(|_, ()| {
            let leave = || drop(yielder.suspend(FiberStep::Busy));
            Ok(stage.tick(worker, leave))
        })?;
        stage.host.attach(call, pcall, acl, tick)?;
        let mut job = first;
        loop {
            let done = job.run(worker, &stage);
            job = match yielder.suspend(FiberStep::Done(done)) {
                Go::Job(next) => next,
                Go::On => unreachable!("there is nothing to go on with"),
            };
        }
    });
    let ended: mlua::Result<()> = ended;
    ended.expect("functions can be made in a new Lua state");
}

impl FiberJob {
    fn run<'w>(self, worker: &'w Rc<Worker>, stage: &Stage<'w>) -> Option<Box<ScriptRequest>> {
        match self {
            FiberJob::Request(mut request) => {
                request.run(worker, stage);
                return Some(request);
            }
            FiberJob::Obeyed(act) => act(worker, stage),
            FiberJob::Tidy => stage.host.tidy(),
        }
        None
    }
}

impl ScriptRequest {
    fn run<'w>(&mut self, worker: &'w Rc<Worker>, stage: &Stage<'w>) {
        let ScriptRequest {
            session,
            entry,
            argv,
            out,
            started,
            ..
        } = self;
        let argv: Vec<&[u8]> = argv.iter().map(|arg| &arg[..]).collect();
        let look = Look::unhashed(entry);
        self.next = worker.perform(Some(stage), session, look, &argv, out, started);
    }
}

impl Worker {
    /// Runs a request on the fiber.
    pub(super) fn on_fiber(
        self: &Rc<Self>,
        session: &mut Session,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
        out: &mut Answer,
        started: &mut Reading,
    ) -> Next {
        let mut stand_in = Session::new(session.client.clone(), session.user.clone());
        stand_in.authenticated = session.authenticated;
        let resp3 = out.reply().resp3();
        let request = Box::new(ScriptRequest {
            session: std::mem::replace(session, stand_in),
            entry,
            argv: argv.iter().map(|arg| Bstr::new(arg)).collect(),
            out: std::mem::replace(out, Answer::new(resp3)),
            started: *started,
            next: Next::Continue,
        });
        let step = fiber(self).resume(Go::Job(FiberJob::Request(request)));
        take(step, session, out, started)
    }

    /// Does on the fiber what must be obeyed, to its end.
    pub(super) fn obey<T: 'static>(
        self: &Rc<Self>,
        act: impl for<'w> FnOnce(&'w Rc<Worker>, &Stage<'w>) -> T + 'static,
    ) -> T {
        let done = Rc::new(Cell::new(None));
        let told = done.clone();
        let act: Act = Box::new(move |worker, stage| told.set(Some(act(worker, stage))));
        match fiber(self).resume(Go::Job(FiberJob::Obeyed(act))) {
            FiberStep::Done(_) => done.take().expect("it was done to its end"),
            FiberStep::Busy => unreachable!("what must be obeyed is not left half-way"),
        }
    }

    /// Keeps Lua's memory small while no script runs here: what SCRIPT FLUSH forgets is freed, and garbage is.
    pub async fn keep_scripts_tidy(self: Rc<Self>) {
        let scripts = self.shared.scripts.clone();
        loop {
            let flushed = scripts.flushed.notified();
            let flushed = tokio::time::timeout(IDLE, flushed).await.is_ok();
            self.tidy_scripts(flushed);
        }
    }

    fn tidy_scripts(self: &Rc<Self>, flushed: bool) {
        let ran = RAN.replace(false);
        if (ran && !flushed) || LEFT.get() {
            return;
        }
        if let Some(fiber) = FIBER.take() {
            fiber.resume(Go::Job(FiberJob::Tidy));
            crate::util::memory::publish();
        }
    }

    /// Ends the fiber, and before it the script that may be on it: the worker's thread ends. One that has changed
    /// something goes on to its end, unless it is cut.
    pub fn end_scripts(&self) {
        while LEFT.get() {
            self.shared.scripts.kill_all();
            let Some(fiber) = FIBER.take() else {
                break;
            };
            fiber.resume(Go::On);
        }
        drop(FIBER.take());
    }
}

/// The fiber of this thread's worker.
fn fiber(worker: &Rc<Worker>) -> Fiber {
    FIBER.take().unwrap_or_else(|| Fiber::new(worker.clone()))
}

/// Goes on with a script that was left.
pub fn go_on(session: &mut Session, out: &mut Answer, started: &mut Reading) -> Next {
    let fiber = FIBER.take().expect("the fiber was left");
    take(fiber.resume(Go::On), session, out, started)
}

/// Takes back what a client's request was run with.
fn take(step: FiberStep, session: &mut Session, out: &mut Answer, started: &mut Reading) -> Next {
    match step {
        FiberStep::Busy => Next::Busy,
        FiberStep::Done(Some(request)) => {
            *session = request.session;
            *out = request.out;
            *started = request.started;
            request.next
        }
        FiberStep::Done(None) => unreachable!("it ends with the job that it began with"),
    }
}
