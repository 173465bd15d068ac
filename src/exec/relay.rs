//! A replica applies its master's stream: each command, or MULTI ... EXEC as a whole, is a unit like any other.
//!
//! Its bytes are passed on to replicas of our own while its shards are locked and before it runs, in the one step that
//! asks whether this master is still the one to follow: so the offset says at any time what is in the data. It is
//! replayed, and so nothing is dead: keys go when the master says so.
//!
//! Masters before Redis 7.0 send scripts rather than what they did: units with such run on the fiber. Replicas of ours get
//! them as they came, and our log gets what they did.

use std::rc::Rc;
use std::sync::Arc;

use super::Worker;
use super::find::find;
use super::park::serve_blocked;
use super::replay::adopt_libraries;
use super::role::check_protected;
use super::stage::Stage;
use super::unit::{Call, Unit};
use crate::command::session::Session;
use crate::command::{CommandEntry, Flag, Flow, FunctionLoad, Run, ScriptWish};
use crate::engine::{Db, Engine, ShardSet};
use crate::journal::{Answer, Depends, Epoch};
use crate::state::client::Client;
use crate::state::replication::StreamWord;
use crate::state::shared::Shared;
use crate::types::Bstr;
use crate::util::{clock, crash};

/// A master's stream as far as it was applied.
pub struct Relay {
    pub session: Session,
    epoch: Epoch,
    /// Commands since a MULTI, and the stream's bytes from there on.
    group: Option<Vec<Vec<Bstr>>>,
    held: Vec<u8>,
}

/// What came of a command of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relayed {
    Done,
    /// The master asks for an acknowledgement.
    Asked,
    /// It is not our master any more; nothing was done.
    Stale,
}

fn borrowed(argvs: &[Vec<Bstr>]) -> Vec<Vec<&[u8]>> {
    let argvs = argvs.iter();
    argvs
        .map(|argv| argv.iter().map(|arg| &arg[..]).collect())
        .collect()
}

impl Relay {
    pub fn new(client: Arc<Client>, epoch: Epoch, db: usize) -> Self {
        let mut session = Session::new(client, None);
        session.db = db;
        Relay {
            session,
            epoch,
            group: None,
            held: Vec::new(),
        }
    }

    /// Bytes that were read and not yet applied: an open transaction's.
    pub fn held_bytes(&self) -> u64 {
        self.held.len() as u64
    }

    /// Applies one command of the stream, whose bytes are `raw`.
    pub fn take(&mut self, worker: &Rc<Worker>, argv: &[&[u8]], raw: &[u8]) -> Relayed {
        self.held.extend_from_slice(raw);
        let word = StreamWord::of(argv);
        if word == StreamWord::Begin {
            self.group = Some(Vec::new());
            return Relayed::Done;
        }
        if let Some(group) = &mut self.group
            && word != StreamWord::End
        {
            group.push(argv.iter().map(|arg| Bstr::new(arg)).collect());
            return Relayed::Done;
        }
        let applied = match (self.group.take(), word) {
            (Some(group), _) => {
                let argvs = borrowed(&group);
                let argvs: Vec<&[&[u8]]> = argvs.iter().map(|argv| &argv[..]).collect();
                self.apply(worker, &argvs)
            }
            (None, StreamWord::Ping | StreamWord::Conf | StreamWord::GetAck) => {
                self.apply(worker, &[])
            }
            (None, StreamWord::Begin | StreamWord::End | StreamWord::Command) => {
                self.apply(worker, &[argv])
            }
        };
        match (applied, word) {
            (false, _) => Relayed::Stale,
            (true, StreamWord::GetAck) => Relayed::Asked,
            (true, _) => Relayed::Done,
        }
    }

    /// Applies commands as one unit; `false` if that is not to be done any more.
    fn apply(&mut self, worker: &Rc<Worker>, argvs: &[&[&[u8]]]) -> bool {
        let entry_of = |argv: &&[&[u8]]| {
            let found = find(worker.registry, argv).ok();
            found.filter(|entry| entry.arity_fits(argv.len()))
        };
        let entries: Vec<Option<&'static CommandEntry>> = argvs.iter().map(entry_of).collect();
        let scripted = |entry: &CommandEntry| entry.is(Flag::Scripted);
        if !entries.iter().flatten().any(|entry| scripted(entry)) {
            return self.apply_unit(worker, None, argvs, &entries);
        }
        let owned = |argv: &&[&[u8]]| argv.iter().map(|arg| Bstr::new(arg)).collect();
        let stand_in = Relay::new(self.session.client.clone(), self.epoch, self.session.db);
        let mut relay = std::mem::replace(self, stand_in);
        let argvs: Vec<Vec<Bstr>> = argvs.iter().map(owned).collect();
        let (relay, applied) = worker.obey(move |worker, stage| {
            let argvs = borrowed(&argvs);
            let argvs: Vec<&[&[u8]]> = argvs.iter().map(|argv| &argv[..]).collect();
            let apply = || relay.apply_unit(worker, Some(stage), &argvs, &entries);
            let applied = stage.obey(apply);
            (relay, applied)
        });
        *self = relay;
        applied
    }

    fn apply_unit<'w>(
        &mut self,
        worker: &'w Worker,
        stage: Option<&Stage<'w>>,
        argvs: &[&[&[u8]]],
        entries: &[Option<&'static CommandEntry>],
    ) -> bool {
        let mut set = ShardSet::EMPTY;
        for (argv, entry) in argvs.iter().zip(entries) {
            let Some(entry) = entry else { continue };
            if entry.is(Flag::Scripted) {
                set = ShardSet::ALL;
            } else if matches!(entry.command.run, Run::Read(_) | Run::Write(_)) {
                set.union(entry.shards(argv));
            }
        }
        let mut unit = worker.begin_write_patiently(set);
        if self.session.client.mailbox.is_closing() {
            // CLIENT KILL has been answered: the link begins anew.
            self.held.clear();
            worker.let_go_of(unit);
            return false;
        }
        // What the stream has selected once these have run: a replica of ours that resumes here goes on in it.
        let mut words = argvs.iter().rev();
        let selected = words.find_map(|argv| StreamWord::selected(argv));
        let selected = selected.map_or(self.session.db, |db| db as usize);
        let shared = &worker.shared;
        let staged = shared.store.staged_db();
        let enters = |argv: &&[&[u8]]| {
            let db = StreamWord::selected(argv).map(|db| db as usize);
            db.is_some() && db == staged
        };
        let tells_of_staged = staged == Some(self.session.db) || argvs.iter().any(enters);
        if tells_of_staged {
            shared.replication.drop_strangers();
        }
        let backlog = &shared.journal.backlog;
        if !backlog.relay(self.epoch, &self.held, selected) {
            self.held.clear();
            worker.let_go_of(unit);
            return false;
        }
        if tells_of_staged {
            shared.note_staged();
        }
        self.held.clear();
        crash::point("link");
        // Those that touch no key and log themselves do so once the locks are gone.
        let mut alone = Vec::new();
        for (argv, entry) in argvs.iter().zip(entries) {
            unit = self.apply_one(worker, stage, unit, argv, *entry, &mut alone);
        }
        if !unit.effects.ready.is_empty() {
            serve_blocked(worker, &mut unit);
        }
        // Replicas of ours have had the master's bytes, also if this server has become a master meanwhile.
        for record in unit.effects.log.records_mut(0) {
            record.reach.replicas = false;
        }
        if stage.is_some_and(Stage::is_cut) {
            // Half of a script is worse than none of it.
            unit.effects.log.clear();
        }
        worker.commit_alone(unit);
        for argv in alone {
            worker.log_alone(&self.session, argv, &mut Depends::default());
        }
        true
    }

    fn apply_one<'w, 'a>(
        &mut self,
        worker: &'w Worker,
        stage: Option<&Stage<'w>>,
        unit: Unit<'w>,
        argv: &'a [&'a [u8]],
        entry: Option<&'static CommandEntry>,
        alone: &mut Vec<&'a [&'a [u8]]>,
    ) -> Unit<'w> {
        let mut unit = unit;
        let Some(entry) = entry else {
            let name = String::from_utf8_lossy(argv[0]);
            complain(
                &worker.shared,
                &name,
                "unknown command, or wrong number of arguments",
            );
            return unit;
        };
        let session = &mut self.session;
        if entry.is(Flag::Protected)
            && let Err(fail) = check_protected(&worker.shared, session, entry)
        {
            worker.stats().commands[entry.id].rejected.add(1);
            complain(&worker.shared, &entry.full_name, &fail.text());
            return unit;
        }
        let mut started = worker.present.read_watch();
        let mut out = Answer::new(false);
        let done = match entry.command.run {
            Run::Session(_) | Run::Container => {
                worker.call_session(session, entry, argv, out.reply())
            }
            Run::Read(_) | Run::Write(_) => {
                worker.call(&mut unit, &Call::of(session, entry, argv), out.reply())
            }
        };
        let done = match done {
            Ok(Flow::Script(wish)) => {
                let stage = stage.expect("commands that run scripts say so by their flag");
                let (held, done) =
                    stage.script_in_exec(worker, session, argv, &wish, unit, &mut out);
                unit = held;
                if done.is_ok() && matches!(*wish, ScriptWish::Function(_)) {
                    alone.push(argv);
                }
                done
            }
            Ok(Flow::LogAlone) => {
                alone.push(argv);
                Ok(())
            }
            done => done.map(drop),
        };
        worker.account.show_monitors(session, entry, argv);
        let nanos = worker.present.lap(&mut started);
        let client = &session.client;
        client
            .last_command
            .store(entry.id as u32, std::sync::atomic::Ordering::Relaxed);
        worker.account.count(session, entry, argv, nanos);
        if let Err(fail) = done {
            worker.stats().commands[entry.id].failed.add(1);
            complain(&worker.shared, &entry.full_name, &fail.text());
        }
        unit
    }
}

fn complain(shared: &Shared, command: &str, why: &str) {
    let counts = &shared.replication.counts;
    counts
        .unexpected_errors
        .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    tracing::warn!(
        "== CRITICAL == This replica is sending an error to its master: '{why}' after processing the command '{command}'"
    );
}

impl Worker {
    /// Reads clock and configuration before some commands of the stream.
    pub fn begin_relay(&self) {
        self.present.replay_from(clock::now_ms());
        self.present.read_rules(&self.shared);
    }

    /// Empties the keyspace, as FLUSHALL does, but tells neither log nor replicas.
    pub fn empty(&self) {
        self.begin_relay();
        let mut unit = self.begin_write_patiently(ShardSet::ALL);
        self.flush_all(&mut unit);
        self.commit_alone(unit);
    }

    fn flush_all(&self, unit: &mut Unit<'_>) {
        let rules = self.present.rules();
        for db in 0..self.shared.store.databases() {
            let Unit { locked, effects } = &mut *unit;
            Db::new(locked, db, self.present.now(), effects, &rules, false, None).flush();
        }
        unit.effects.garbage.push(self.shared.forget_indexes());
    }

    /// Puts the keys of another keyspace in the place of ours, in one step. No snapshot may be under way.
    pub fn adopt(&self, other: &Engine) {
        self.begin_relay();
        let mut unit = self.begin_write_patiently(ShardSet::ALL);
        self.flush_all(&mut unit);
        unit.locked.adopt(other);
        self.commit_alone(unit);
        self.alarm.ring();
    }

    /// Puts libraries that a master sent in the place of ours.
    pub fn adopt_functions(&self, codes: Vec<Vec<u8>>) -> anyhow::Result<()> {
        let load = FunctionLoad {
            codes,
            replace: true,
            flush: true,
            restore: true,
        };
        adopt_libraries(&self.shared, &load)
            .map_err(|fail| anyhow::anyhow!("Failed loading functions: {}", fail.text()))
    }

    /// Whether the sweep must wait: a replica's keys go when its master says so.
    pub(super) fn leaves_expiry(&self) -> bool {
        self.shared.replication.is_replica()
    }
}
