//! Loading: commands of the log run here, one after another.
//!
//! Redis before 7.0 logged scripts rather than what they did, so it all runs on the fiber, where scripts can.
//!
//! While the log is replayed nothing is dead. So a key that has died since is still there for the commands that
//! were given while it lived, and goes when the sweep begins.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::oneshot;

use super::Worker;
use super::find::find;
use super::park::serve_all_blocked;
use super::refusals::LOADING;
use super::script::load_functions;
use super::stage::Stage;
use super::unit::Call;
use crate::command::session::Session;
use crate::command::{AwaitedJob, Fail, Flag, Flow, FunctionLoad, Reload, Run};
use crate::engine::{Engine, Patience, ShardSet};
use crate::journal::Answer;
use crate::persist::aof::Apply;
use crate::persist::rdb::Update;
use crate::persist::{JobOutcome, run_updates};
use crate::script::Host;
use crate::state::client::Client;
use crate::state::shared::Shared;
use crate::util::ranked::PutAside;
use crate::util::{clock, memory, thread};

/// Commands between two moments at which this thread's memory is counted.
const COMMANDS_PER_COUNT: u64 = 1024;

impl Worker {
    /// Has the store ask which commands may stand in a snapshot: the edits of keys, and those of functions.
    fn admit_edits(&self) {
        let registry = self.registry;
        let told = self.shared.store.admit.set(Arc::new(move |argv| {
            let unknown = || -> String {
                let name = String::from_utf8_lossy(argv[0]);
                name.escape_debug().take(64).collect()
            };
            let entry = find(registry, argv).map_err(|_| unknown())?;
            let is_edit = entry.is(Flag::Write) && !entry.is(Flag::NeverLogged);
            match is_edit && entry.arity_fits(argv.len()) {
                true => Ok(()),
                false => Err(entry.full_name.replace('|', " ").to_uppercase()),
            }
        }));
        debug_assert!(told.is_ok(), "a server starts once");
    }

    /// Reads the data files into an empty keyspace: the body of the loading thread.
    pub fn load(self: &Rc<Self>) -> Result<()> {
        self.admit_edits();
        self.read_files(None)
    }

    fn read_files(self: &Rc<Self>, wish: Option<Reload>) -> Result<()> {
        self.obey(move |worker, stage| stage.load(worker, wish))
    }

    /// Runs the edits that came with a master's snapshot on top of it.
    pub fn run_updates(self: &Rc<Self>, updates: Vec<Update>) -> Result<()> {
        if updates.is_empty() {
            return Ok(());
        }
        self.obey(move |worker, stage| stage.update(worker, &updates))
    }

    /// Runs edits on a keyspace that nobody sees yet.
    pub fn run_updates_in(&self, engine: &Arc<Engine>, updates: Vec<Update>) -> Result<()> {
        let aside = Rc::new(Worker::new(
            self.id,
            self.shared.clone(),
            self.registry,
            engine.clone(),
            self.garbage.clone(),
            self.alarm.clone(),
        ));
        let done = aside.run_updates(updates);
        aside.end_scripts();
        done
    }

    /// DEBUG RELOAD and DEBUG LOADAOF: empties the keyspace and reads it back from its files. That takes long and waits for
    /// locks, so it is done on a thread of its own; all others are told meanwhile that the server is loading.
    pub(super) fn begin_reload(&self, wish: Reload) -> Result<AwaitedJob, Fail> {
        let shared = self.shared.clone();
        if !shared.store.loading.begin_alone() {
            return Err(Fail::code(LOADING));
        }
        shared.guards.moved();
        // The thread that loaded at start has ended.
        let id = shared.about.workers + 2;
        let loader = Worker::new(
            id,
            shared.clone(),
            self.registry,
            self.engine.clone(),
            self.garbage.clone(),
            self.alarm.clone(),
        );
        let (told, done) = oneshot::channel();
        let reload = move || {
            let loader = Rc::new(loader);
            let outcome = loader.reload_alone(wish);
            loader.end_scripts();
            shared.store.loading.end();
            // Who asked may be gone.
            let _ = told.send(outcome);
        };
        if thread::start("loading", reload).is_err() {
            self.shared.store.loading.end();
        }
        let failed = "ERR Error trying to load the RDB dump, check server logs.";
        Ok(AwaitedJob {
            done,
            failed: Some(failed),
        })
    }

    fn reload_alone(self: &Rc<Self>, wish: Reload) -> JobOutcome {
        let scripts = &self.shared.scripts;
        // Nobody is let in from here on: once all are out, nobody holds a lock for long.
        let out = self
            .engine
            .lock_unless(ShardSet::ALL, &|| scripts.is_busy());
        if out.is_none() {
            return JobOutcome::Held;
        }
        drop(out);
        let store = &self.shared.store;
        let _turn = store.loads.lock();
        // What had its turn before has ended it.
        store.loading.begin(0);
        match self.read_files(Some(wish)) {
            Ok(()) => JobOutcome::Done,
            Err(error) => {
                tracing::warn!("{error:#}");
                JobOutcome::Failed
            }
        }
    }

    /// What others do on this thread meanwhile is done at the present time; the script goes on at its own.
    pub(super) fn aside(&self, act: impl FnOnce()) {
        let held = PutAside::all();
        self.present.leave_for(act);
        held.take_back();
    }

    /// Whether the sweep must wait: what is being loaded decides for itself what is dead.
    pub(super) fn is_loading(&self) -> bool {
        self.shared.store.loading.is_on()
    }
}

impl<'w> Stage<'w> {
    fn load(&self, worker: &'w Worker, wish: Option<Reload>) -> Result<()> {
        if let Some(wish) = wish {
            return self.reload(worker, wish);
        }
        let wish = Reload {
            flush: true,
            ..Reload::default()
        };
        self.replaying(worker, &wish, |apply| worker.shared.store.open(apply))
    }

    fn update(&self, worker: &'w Worker, updates: &[Update]) -> Result<()> {
        self.replaying(worker, &Reload::default(), |apply| {
            run_updates(updates, apply)
        })
    }

    fn reload(&self, worker: &'w Worker, wish: Reload) -> Result<()> {
        let store = &worker.shared.store;
        let dirty = worker.shared.stats.totals().dirty;
        if wish.save && !store.save_now(dirty) {
            bail!("Error trying to save the DB, check server logs.");
        }
        if wish.from_log {
            store.end_log()?;
        }
        if wish.flush {
            worker.engine.clear(Patience::of_this_thread());
            drop(worker.shared.forget_indexes());
        }
        self.replaying(worker, &wish, |apply| {
            store.reload(wish.from_log, wish.merge, apply)
        })
    }

    fn replaying(
        &self,
        worker: &'w Worker,
        wish: &Reload,
        read: impl FnOnce(&mut Apply<'_>) -> Result<()>,
    ) -> Result<()> {
        let now_ms = clock::now_ms();
        let client = Client::new(0, String::new(), String::new(), -1, worker.id, now_ms);
        let mut session = Session::new(Arc::new(client), None);
        worker.present.read_rules(&worker.shared);
        worker.present.replay_from(now_ms);
        let mut count = 0;
        let done = read(&mut |argv| {
            // Libraries of the base come before what the log adds to them.
            take_functions(worker, wish)?;
            count += 1;
            if count % COMMANDS_PER_COUNT == 0 {
                memory::publish();
            }
            let delay_us = worker.shared.config.key_load_delay.get().max(0);
            if delay_us > 0 {
                std::thread::sleep(Duration::from_micros(delay_us as u64));
            }
            self.obey(|| self.replay(worker, &mut session, argv))
        });
        let done = done.and_then(|()| take_functions(worker, wish));
        worker.build_all_indexes();
        worker.begin_batch();
        serve_all_blocked(worker);
        // What was read back is no change since the last save.
        let saves = &mut worker.shared.store.saves.lock();
        saves.dirty_then = worker.shared.stats.totals().dirty;
        memory::publish();
        done
    }

    fn replay(&self, worker: &'w Worker, session: &mut Session, argv: &[&[u8]]) -> Result<()> {
        let entry = match find(worker.registry, argv) {
            Ok(entry) if entry.arity_fits(argv.len()) => entry,
            _ => bail!("Unknown command '{}'", String::from_utf8_lossy(argv[0])),
        };
        let mut out = Answer::new(false);
        let done = match entry.command.run {
            Run::Session(_) | Run::Container => {
                worker.call_session(session, entry, argv, out.reply())
            }
            Run::Read(_) | Run::Write(_) => {
                let call = Call::of(session, entry, argv);
                let mut unit = worker.begin_write_patiently(call.shards());
                let done = worker.call(&mut unit, &call, out.reply());
                // Whoever reads edits has had these.
                unit.effects.log.clear();
                worker.commit_alone(unit);
                done
            }
        };
        let done = match done {
            Ok(Flow::Script(wish)) => {
                let ran = self.script(worker, session, entry, argv, &wish, &mut out);
                ran.map(drop)
            }
            done => done.map(drop),
        };
        if let Err(fail) = done {
            // It failed when it was logged, too, or it would not be in the log in this state.
            // But for indexes that another server could make.
            if entry.categories.contains(&"search") {
                let names = argv.iter().skip(1).take(1);
                let name: String = names.map(|name| String::from_utf8_lossy(name)).collect();
                tracing::warn!(
                    "While loading, '{}' of '{name}' failed: {}",
                    entry.full_name,
                    fail.text()
                );
            } else {
                tracing::debug!(
                    "While loading, '{}' failed: {}",
                    entry.full_name,
                    fail.text()
                );
            }
        }
        Ok(())
    }
}

/// Takes over libraries that came with a snapshot.
pub(super) fn adopt_libraries(shared: &Shared, load: &FunctionLoad) -> Result<(), Fail> {
    let host = Host::new(shared.scripts.clone())
        .and_then(|host| host.close().map(|()| host))
        .map_err(|error| Fail::said(error.to_string()))?;
    load_functions(shared, load, &|code| host.load_library(code)).map(drop)
}

/// Takes over the libraries that the base of what is being read has brought.
fn take_functions(worker: &Worker, wish: &Reload) -> Result<()> {
    let codes = worker.shared.store.take_loaded_functions();
    if codes.is_empty() {
        return Ok(());
    }
    let load = FunctionLoad {
        codes,
        replace: wish.flush || wish.merge,
        flush: wish.flush,
        restore: true,
    };
    match adopt_libraries(&worker.shared, &load) {
        Ok(()) => Ok(()),
        Err(fail) => bail!("Failed loading functions: {}", fail.text()),
    }
}
