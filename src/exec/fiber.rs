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

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use mlua::{MultiValue, Value};

use super::relay::Streamed;
use super::script::Run;
use super::{Look, Next, Worker};
use crate::acl::User;
use crate::command::session::Session;
use crate::command::{Entry, Reload, Touched};
use crate::journal::Answer;
use crate::persist::rdb::Update;
use crate::script::{Host, Running, Scripts};
use crate::types::Bstr;
use crate::util::clock::{Reading, Timer};

/// Most of it is never touched, and takes no memory.
const STACK_BYTES: usize = 16 << 20;
/// Instructions between two looks at the clock are few enough for this: the least time between two leaves.
const SLICE: Duration = Duration::from_millis(1);

/// A library's code that takes longer to load is given up.
const LOAD_MAX: Duration = Duration::from_millis(500);
/// One that was accepted before has more time: on a busy machine it may take longer than it did then, and without it
/// its functions would be missing on this worker alone.
const FOLLOW_MAX: Duration = Duration::from_secs(10);

/// What may run scripts.
pub(super) enum Job {
    Request(Box<Request>),
    /// Reading the data files, at start or as DEBUG wants it; how it ended.
    Load(Option<Reload>, Option<anyhow::Result<()>>),
    /// Edits that came with a master's snapshot; how running them ended.
    Updates(Vec<Update>, Option<anyhow::Result<()>>),
    Streamed(Box<Streamed>),
    /// Lua forgets what was flushed, and collects its garbage.
    Tidy,
}

/// A client's request.
pub(super) struct Request {
    session: Session,
    entry: &'static Entry,
    argv: Vec<Bstr>,
    out: Answer,
    started: Reading,
    next: Next,
}

enum Go {
    Job(Job),
    On,
}

enum Step {
    Done(Job),
    Busy,
}

struct Fiber(Coroutine<Go, Step, (), DefaultStack>);

thread_local! {
    /// The fiber of the worker whose thread this is; made when the first script comes.
    static FIBER: Cell<Option<Fiber>> = const { Cell::new(None) };
    /// A script was left on it half-way.
    static LEFT: Cell<bool> = const { Cell::new(false) };
    /// Scripts have run since somebody last looked.
    static RAN: Cell<bool> = const { Cell::new(false) };
}

/// No script has run for this long where Lua's garbage is collected though it is little.
const IDLE: Duration = Duration::from_secs(1);

/// Where scripts run: what commands that come from a script need of it.
pub(super) struct Stage<'w> {
    pub host: Host,
    /// The script under way, while it is not in a command.
    pub run: RefCell<Option<Run<'w>>>,
    /// What runs here must be obeyed.
    obeys: Cell<bool>,
    /// The server stops, and a script was ended half-way.
    cut: Cell<bool>,
    /// By a clock that nobody sets.
    started: Cell<Timer>,
    long: RefCell<Option<Arc<Running>>>,
    scripts: Arc<Scripts>,
}

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
    fn resume(mut self, go: Go) -> Step {
        LEFT.set(false);
        let step = match self.0.resume(go) {
            CoroutineResult::Yield(step) => step,
            CoroutineResult::Return(()) => unreachable!("a fiber serves for ever"),
        };
        LEFT.set(matches!(step, Step::Busy));
        FIBER.set(Some(self));
        step
    }
}

/// Runs jobs for ever: the fiber is dropped while it waits for the next.
fn serve(worker: &Rc<Worker>, yielder: &Yielder<Go, Step>, first: Job) {
    let scripts = worker.shared.scripts.clone();
    let stage = Stage {
        host: Host::new(scripts.clone()).expect("a Lua state can be made"),
        scripts,
        run: RefCell::default(),
        obeys: Cell::new(false),
        cut: Cell::new(false),
        started: Cell::new(Timer::start()),
        long: RefCell::default(),
    };
    let lua = stage.host.lua.clone();
    let ended = lua.scope(|scope| {
        let call =
            scope.create_function(|lua, args: MultiValue| stage.call(worker, lua, args, true))?;
        let pcall =
            scope.create_function(|lua, args: MultiValue| stage.call(worker, lua, args, false))?;
        let acl = scope.create_function(|_, args: MultiValue| stage.may_call(worker, &args))?;
        let tick = scope.create_function(|_, ()| Ok(stage.tick(worker, yielder)))?;
        stage.host.attach(call, pcall, acl, tick)?;
        let mut job = first;
        loop {
            job.run(worker, &stage);
            match yielder.suspend(Step::Done(job)) {
                Go::Job(next) => job = next,
                Go::On => unreachable!("there is nothing to go on with"),
            }
        }
    });
    let ended: mlua::Result<()> = ended;
    ended.expect("functions can be made in a new Lua state");
}

impl Job {
    fn run<'w>(&mut self, worker: &'w Rc<Worker>, stage: &Stage<'w>) {
        match self {
            Job::Request(request) => request.run(worker, stage),
            Job::Load(wish, done) => *done = Some(stage.load(worker, *wish)),
            Job::Updates(updates, done) => *done = Some(stage.update(worker, updates)),
            Job::Tidy => stage.host.tidy(),
            Job::Streamed(streamed) => stage.obey(|| streamed.run(worker, stage)),
        }
    }
}

impl Request {
    fn run<'w>(&mut self, worker: &'w Rc<Worker>, stage: &Stage<'w>) {
        let Request {
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

impl Drop for Stage<'_> {
    /// A script that ended in a panic keeps nobody waiting.
    fn drop(&mut self) {
        if let Some(running) = self.long.get_mut().take() {
            self.scripts.end_busy(&running);
        }
    }
}

impl Stage<'_> {
    /// Whether what runs here must be obeyed: neither this server's part in replication, nor want of memory, nor a
    /// disk that fails, nor SCRIPT KILL keeps it from what it did elsewhere.
    pub fn obeys(&self) -> bool {
        self.obeys.get()
    }

    /// Does what must be obeyed.
    pub fn obey<T>(&self, act: impl FnOnce() -> T) -> T {
        self.obeys.set(true);
        let done = act();
        self.obeys.set(false);
        done
    }

    /// Whether the server stops, and has ended a script half-way: nobody is to hear what it did.
    pub fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// A script begins: its time counts from here.
    pub fn begin(&self) {
        RAN.set(true);
        self.started.set(Timer::start());
    }

    /// A script has ended.
    pub fn end(&self, worker: &Worker) {
        if let Some(running) = self.long.borrow_mut().take() {
            worker.shared.scripts.end_busy(&running);
        }
    }

    /// Called now and then while Lua runs; true ends the script.
    fn tick(&self, worker: &Worker, yielder: &Yielder<Go, Step>) -> bool {
        if self.must_cut(worker) {
            return true;
        }
        self.host.account();
        let elapsed = self.started.get().elapsed();
        if self.run.borrow().is_none() {
            // A library is being loaded, which nobody waits for that long.
            let most = match self.host.is_following() {
                true => FOLLOW_MAX,
                false => LOAD_MAX,
            };
            return elapsed >= most && !self.obeys();
        }
        let threshold_ms = worker.shared.config.busy_reply_threshold.get().max(0) as u64;
        if elapsed < Duration::from_millis(threshold_ms).max(SLICE) {
            return false;
        }
        let known = self.long.borrow().clone();
        let running = known.unwrap_or_else(|| self.grow_long(worker));
        let wrote = self.run.borrow().as_ref().is_some_and(Run::wrote);
        running.wrote.store(wrote, Ordering::Release);
        if self.obeys() {
            return self.must_cut(worker);
        }
        // Asked for by another thread, that may come after a write.
        let is_killed = || !wrote && running.kill.load(Ordering::Acquire);
        if is_killed() {
            return true;
        }
        worker.aside(|| drop(yielder.suspend(Step::Busy)));
        is_killed() || self.must_cut(worker)
    }

    fn must_cut(&self, worker: &Worker) -> bool {
        let cuts = || self.obeys() || self.scripts.cut.load(Ordering::Acquire);
        let cut = worker.shared.stop.is_cancelled() && cuts();
        self.cut.set(self.cut.get() || cut);
        cut
    }

    /// `redis.acl_check_cmd`: whether the script's user may call a command.
    fn may_call(&self, worker: &Worker, args: &MultiValue) -> mlua::Result<bool> {
        use crate::script::{argument, raised};
        if args.is_empty() {
            return Err(raised(
                "ERR Please specify at least one argument for this redis lib call",
            ));
        }
        let words: Option<Vec<Vec<u8>>> = args.iter().map(argument).collect();
        let Some(words) = words else {
            return Err(raised(
                "ERR Lua redis lib command arguments must be strings or integers",
            ));
        };
        let argv: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
        match super::admit::find(worker.registry, &argv) {
            Ok(entry) => {
                let run = self.run.borrow();
                let user = run.as_ref().and_then(Run::user);
                let db = run.as_ref().map_or(0, |run| run.session.db);
                let touched = Touched::new(entry, &argv, db, &worker.shared);
                let may =
                    |user: &User| user.is_unlimited() || user.rights().check(&touched).is_ok();
                Ok(user.is_none_or(may))
            }
            Err(_) => Err(raised(
                "ERR Invalid command passed to redis.acl_check_cmd()",
            )),
        }
    }

    #[cold]
    fn grow_long(&self, worker: &Worker) -> Arc<Running> {
        let run = self.run.borrow();
        let running = Arc::new(Running {
            is_function: run.as_ref().is_some_and(|run| run.is_function),
            name: run.as_ref().map(|run| run.name.clone()).unwrap_or_default(),
            command: run
                .as_ref()
                .map(|run| run.command.clone())
                .unwrap_or_default(),
            started: self.started.get(),
            obeyed: self.obeys(),
            wrote: AtomicBool::new(false),
            kill: AtomicBool::new(false),
        });
        tracing::warn!(
            "Slow script detected: still in execution after {} milliseconds. You can try killing the script using the {} command. Script name is: {}.",
            self.started.get().elapsed().as_millis(),
            if running.is_function {
                "FUNCTION KILL"
            } else {
                "SCRIPT KILL"
            },
            running.name
        );
        worker.shared.scripts.begin_busy(running.clone());
        *self.long.borrow_mut() = Some(running.clone());
        running
    }
}

impl Worker {
    /// Runs a request on the fiber.
    pub(super) fn on_fiber(
        self: &Rc<Self>,
        session: &mut Session,
        entry: &'static Entry,
        argv: &[&[u8]],
        out: &mut Answer,
        started: &mut Reading,
    ) -> Next {
        let mut stand_in = Session::new(session.client.clone(), session.user.clone());
        stand_in.authenticated = session.authenticated;
        let resp3 = out.reply().resp3();
        let request = Box::new(Request {
            session: std::mem::replace(session, stand_in),
            entry,
            argv: argv.iter().map(|arg| Bstr::new(arg)).collect(),
            out: std::mem::replace(out, Answer::new(resp3)),
            started: *started,
            next: Next::Continue,
        });
        let step = fiber(self).resume(Go::Job(Job::Request(request)));
        take(step, session, out, started)
    }

    /// Runs on the fiber what must be obeyed, to its end.
    pub(super) fn obey(self: &Rc<Self>, job: Job) -> Job {
        match fiber(self).resume(Go::Job(job)) {
            Step::Done(job) => job,
            Step::Busy => unreachable!("what must be obeyed is not left half-way"),
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
            fiber.resume(Go::Job(Job::Tidy));
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
fn take(step: Step, session: &mut Session, out: &mut Answer, started: &mut Reading) -> Next {
    match step {
        Step::Busy => Next::Busy,
        Step::Done(Job::Request(request)) => {
            *session = request.session;
            *out = request.out;
            *started = request.started;
            request.next
        }
        Step::Done(_) => unreachable!("it ends with the job that it began with"),
    }
}

/// What a failed `redis.pcall` gives back.
pub(super) fn error_table(lua: &mlua::Lua, text: &[u8]) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(text)?)?;
    table.raw_set("ignore_error_stats_update", true)?;
    Ok(Value::Table(table))
}
