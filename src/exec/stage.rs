//! Where scripts run, and the one that is under way: what must be obeyed, how long it takes, and when it is ended.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mlua::MultiValue;

use super::Worker;
use super::find::find;
use super::unit::Unit;
use crate::acl::User;
use crate::command::Touched;
use crate::command::session::Session;
use crate::script::{Flags, Host, RunningScript, Scripts, argument, raised};
use crate::types::Bstr;
use crate::util::clock::Timer;

/// Instructions between two looks at the clock are few enough for this: the least time between two leaves.
const SLICE: Duration = Duration::from_millis(1);

/// A library's code that takes longer to load is given up.
const LOAD_MAX: Duration = Duration::from_millis(500);
/// One that was accepted before has more time: on a busy machine it may take longer than it did then, and without it
/// its functions would be missing on this worker alone.
const FOLLOW_MAX: Duration = Duration::from_secs(10);

thread_local! {
    /// Scripts have run since somebody last looked.
    pub(super) static RAN: Cell<bool> = const { Cell::new(false) };
}

/// A script under way.
pub(super) struct ScriptRun<'w> {
    pub unit: Unit<'w>,
    /// The session that its commands see: the client's database and tracking, and how a cluster's node is to take it, but
    /// nothing else of it.
    pub session: Session,
    /// The slot that all of its keys must be in, once it has touched one, in a cluster.
    pub slot: Option<u16>,
    pub flags: Flags,
    pub read_only: bool,
    /// Memory was short when it began.
    pub short: bool,
    /// It comes from a log or from a master.
    pub obeyed: bool,
    pub is_function: bool,
    pub name: String,
    pub command: Vec<Vec<u8>>,
    /// What its unit had changed before it began.
    pub dirty: u64,
    /// Who keeps the script's reply keeps it under the keys that it declares, whichever of them it reads: they are
    /// tracked with the first thing that it does read.
    pub declared: Option<Vec<Bstr>>,
}

impl ScriptRun<'_> {
    /// Whose script it is.
    pub fn user(&self) -> Option<&User> {
        self.session.user.as_deref()
    }

    /// Whether it has changed something.
    pub fn wrote(&self) -> bool {
        self.unit.effects.dirty > self.dirty
    }
}

/// Where scripts run: what commands that come from a script need of it.
pub(super) struct Stage<'w> {
    pub host: Host,
    /// The script under way, while it is not in a command.
    pub run: RefCell<Option<ScriptRun<'w>>>,
    /// What runs here must be obeyed.
    obeys: Cell<bool>,
    /// The server stops, and a script was ended half-way.
    cut: Cell<bool>,
    /// By a clock that nobody sets.
    started: Cell<Timer>,
    long: RefCell<Option<Arc<RunningScript>>>,
    scripts: Arc<Scripts>,
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
    pub fn new(scripts: Arc<Scripts>) -> Self {
        Stage {
            host: Host::new(scripts.clone()).expect("a Lua state can be made"),
            scripts,
            run: RefCell::default(),
            obeys: Cell::new(false),
            cut: Cell::new(false),
            started: Cell::new(Timer::start()),
            long: RefCell::default(),
        }
    }

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

    /// Called now and then while Lua runs; true ends the script. One that takes long is left for others on the way, by `leave`.
    pub fn tick(&self, worker: &Worker, leave: impl FnOnce()) -> bool {
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
        let wrote = self.run.borrow().as_ref().is_some_and(ScriptRun::wrote);
        running.wrote.store(wrote, Ordering::Release);
        if self.obeys() {
            return self.must_cut(worker);
        }
        // Asked for by another thread, that may come after a write.
        let is_killed = || !wrote && running.kill.load(Ordering::Acquire);
        if is_killed() {
            return true;
        }
        worker.aside(leave);
        is_killed() || self.must_cut(worker)
    }

    fn must_cut(&self, worker: &Worker) -> bool {
        let cuts = || self.obeys() || self.scripts.cut.load(Ordering::Acquire);
        let cut = worker.shared.stop.is_cancelled() && cuts();
        self.cut.set(self.cut.get() || cut);
        cut
    }

    /// `redis.acl_check_cmd`: whether the script's user may call a command.
    pub fn may_call(&self, worker: &Worker, args: &MultiValue) -> mlua::Result<bool> {
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
        match find(worker.registry, &argv) {
            Ok(entry) => {
                let run = self.run.borrow();
                let user = run.as_ref().and_then(ScriptRun::user);
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
    fn grow_long(&self, worker: &Worker) -> Arc<RunningScript> {
        let run = self.run.borrow();
        let running = Arc::new(RunningScript {
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
