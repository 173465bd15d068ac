//! Loading: commands of the log run here, one after another, as if it were the beginning of time.
//!
//! Redis before 7.0 logged scripts rather than what they did, so it all runs on the fiber, where scripts can.
//!
//! At time 0 nothing is dead. So a key that has died since is still there for the commands that
//! were given while it lived, and goes when the sweep begins.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Worker;
use super::fiber::{Job, Stage};
use super::unit::Call;
use crate::command::client::Client;
use crate::command::session::Session;
use crate::command::{Fail, Flow, FunctionLoad, Reload, Run};
use crate::engine::Rules;
use crate::persist::aof::Apply;
use crate::resp::Reply;
use crate::script::Host;
use crate::util::{clock, memory};

/// Commands between two moments at which this thread's memory is counted.
const COMMANDS_PER_COUNT: u64 = 1024;

impl Worker {
    /// Reads the data files into an empty keyspace: the body of the loading thread.
    pub fn load(self: &Rc<Self>) -> Result<()> {
        match self.obey(Job::Load(None)) {
            Job::Load(Some(done)) => done,
            _ => unreachable!("it ends with the job that it began with"),
        }
    }

    pub(super) fn load_on<'w>(&'w self, stage: &Stage<'w>) -> Result<()> {
        let wish = Reload {
            flush: true,
            ..Reload::default()
        };
        self.replaying(stage, &wish, |apply| self.shared.store.open(apply))
    }

    /// DEBUG RELOAD and DEBUG LOADAOF: empties the keyspace and reads it back from its files.
    pub(super) fn reload<'w>(&'w self, stage: &Stage<'w>, wish: Reload) -> Result<()> {
        let store = &self.shared.store;
        let dirty = self.shared.stats.totals().dirty;
        if wish.save && !store.save_now(dirty) {
            bail!("Error trying to save the DB, check server logs.");
        }
        // Before the log ends: the cron would begin another.
        store.loading.begin(0);
        let done = self.read_back(stage, wish);
        store.loading.end();
        done
    }

    fn read_back<'w>(&'w self, stage: &Stage<'w>, wish: Reload) -> Result<()> {
        let store = &self.shared.store;
        if wish.from_log {
            store.end_log()?;
        }
        if wish.flush {
            self.engine.clear();
        }
        self.replaying(stage, &wish, |apply| {
            store.reload(wish.from_log, wish.merge, apply)
        })
    }

    fn replaying<'w>(
        &'w self,
        stage: &Stage<'w>,
        wish: &Reload,
        read: impl FnOnce(&mut Apply<'_>) -> Result<()>,
    ) -> Result<()> {
        let now_ms = clock::now_ms();
        let client = Client::new(0, String::new(), String::new(), -1, self.id, now_ms);
        let mut session = Session::new(Arc::new(client), None);
        let mut rules = Rules::of(&self.shared.config);
        rules.access.not_before_ms = now_ms;
        let before = self.rules.replace(Arc::new(rules));
        self.now_ms.set(0);
        let mut count = 0;
        let done = read(&mut |argv| {
            // Libraries of the base come before what the log adds to them.
            self.take_functions(wish)?;
            count += 1;
            if count % COMMANDS_PER_COUNT == 0 {
                memory::publish();
            }
            let delay_us = self.shared.config.key_load_delay.get().max(0);
            if delay_us > 0 {
                std::thread::sleep(Duration::from_micros(delay_us as u64));
            }
            stage.obey(|| self.replay(stage, &mut session, argv))
        });
        let done = done.and_then(|()| self.take_functions(wish));
        self.rules.replace(before);
        self.begin_batch();
        self.take_depends();
        // What was read back is no change since the last save.
        let saves = &mut self.shared.store.saves.lock();
        saves.dirty_then = self.shared.stats.totals().dirty;
        memory::publish();
        done
    }

    /// What others do on this thread meanwhile is done at the present time.
    pub(super) fn aside(&self, act: impl FnOnce()) {
        let (now_ms, rules) = (self.now_ms.get(), self.rules.borrow().clone());
        act();
        self.now_ms.set(now_ms);
        self.rules.replace(rules);
    }

    fn replay<'w>(
        &'w self,
        stage: &Stage<'w>,
        session: &mut Session,
        argv: &[&[u8]],
    ) -> Result<()> {
        let entry = match super::admit::find(&self.shared.registry, argv) {
            Ok(entry) if entry.arity_fits(argv.len()) => entry,
            _ => bail!("Unknown command '{}'", String::from_utf8_lossy(argv[0])),
        };
        let mut out = Reply::new(false);
        let done = match entry.command.run {
            Run::Session(_) | Run::Container => self.call_session(session, entry, argv, &mut out),
            Run::Read(_) | Run::Write(_) => {
                let call = Call::of(session, entry, argv);
                let mut unit = self.begin_write_patiently(call.shards());
                let done = self.call(&mut unit, &call, &mut out);
                // Whoever reads edits has had these.
                unit.effects.log.clear();
                self.commit(unit, None);
                done
            }
        };
        let done = match done {
            Ok(Flow::Script(wish)) => self.script(stage, session, argv, &wish, &mut out),
            done => done.map(drop),
        };
        if let Err(fail) = done {
            // It failed when it was logged, too, or it would not be in the log in this state.
            tracing::debug!(
                "While loading, '{}' failed: {}",
                entry.full_name,
                fail.text()
            );
        }
        Ok(())
    }

    /// Takes over libraries that came with a snapshot.
    pub(super) fn adopt_libraries(&self, load: &FunctionLoad) -> Result<(), Fail> {
        let host = Host::new(self.shared.scripts.clone())
            .map_err(|error| Fail::said(error.to_string()))?;
        self.load_functions(load, &|code| host.load_library(code))
            .map(drop)
    }

    /// Takes over the libraries that the base of what is being read has brought.
    fn take_functions(&self, wish: &Reload) -> Result<()> {
        let codes = self.shared.store.take_loaded_functions();
        if codes.is_empty() {
            return Ok(());
        }
        let load = FunctionLoad {
            codes,
            replace: wish.flush || wish.merge,
            flush: wish.flush,
            restore: true,
        };
        match self.adopt_libraries(&load) {
            Ok(()) => Ok(()),
            Err(fail) => bail!("Failed loading functions: {}", fail.text()),
        }
    }

    /// Whether the sweep must wait: what is being loaded decides for itself what is dead.
    pub(super) fn is_loading(&self) -> bool {
        self.shared.store.loading.is_on()
    }
}
