//! `redis.call` and `redis.pcall`: a command that a script calls.
//!
//! It takes the road of a client's, from the script's own checks on, and runs under the locks that the script's unit holds.
//! What it logs is logged with the rest.

use std::sync::atomic::Ordering;

use mlua::{Lua, MultiValue, Value};
use smallvec::SmallVec;

use super::Worker;
use super::find::find;
use super::refusals::refused_by_disk;
use super::rights::{self, Asker};
use super::role::{is_stale, may_write};
use super::settle::settle_for_script;
use super::slots::{self, Manner, Slotted};
use super::stage::{ScriptRun, Stage};
use super::transfer::transfer_held;
use super::unit::Call;
use crate::acl::Context;
use crate::cluster::View;
use crate::command::{CommandEntry, Fail, Flag, Flow, Run};
use crate::resp::Reply;
use crate::script::{Raised, argument, from_reply, raised};
use crate::util::crash;

impl Stage<'_> {
    /// `redis.call` and `redis.pcall`.
    pub(super) fn call(
        &self,
        worker: &Worker,
        lua: &Lua,
        args: MultiValue,
        raise: bool,
    ) -> mlua::Result<Value> {
        self.host.account();
        let mut run = self.run.borrow_mut();
        let Some(run) = run.as_mut() else {
            return Err(raised("ERR redis.call can only be used in a script"));
        };
        let mut out = Reply::new(self.host.is_resp3());
        let done = match command_of(&args) {
            Ok(words) => {
                let argv: SmallVec<[&[u8]; 8]> = words.iter().map(|word| &word[..]).collect();
                run.call(worker, self.host.reach(), &argv, &mut out)
            }
            Err(fail) => Err(fail),
        };
        if let Err(fail) = done {
            let text = fail.text();
            out = Reply::new(false);
            out.error(text.as_bytes());
            worker.shared.stats.error(text.as_bytes());
            worker.stats().counters.error_replies.add(1);
        }
        match self.host.hand_over(|| from_reply(lua, out.bytes()))? {
            Ok(value) => Ok(value),
            Err(error) if raise => Err(mlua::Error::external(Raised {
                counted: true,
                ..error
            })),
            Err(error) => error_table(lua, &error.text),
        }
    }
}

impl ScriptRun<'_> {
    /// Runs one command for a script; what it fails with is counted by the caller.
    fn call(
        &mut self,
        worker: &Worker,
        (log, replicas): (bool, bool),
        argv: &[&[u8]],
        out: &mut Reply,
    ) -> Result<(), Fail> {
        let entry = self.admit(worker, argv)?;
        let mut started = worker.present.read_watch();
        let recorded = self.unit.effects.log.len();
        let done = match entry.command.run {
            Run::Session(_) | Run::Container => {
                let done = worker.call_session(&mut self.session, entry, argv, out);
                if let Ok(Flow::TellReplicas) = done {
                    self.unit.effects.tell_replicas(self.session.db, argv);
                }
                done
            }
            Run::Read(_) | Run::Write(_) => {
                let call = Call {
                    scripted: true,
                    ..Call::of(&self.session, entry, argv)
                };
                let unit = &mut self.unit;
                worker.index_written(unit, entry);
                let done = match crash::catch(|| worker.call(unit, &call, out)) {
                    Ok(done) => done,
                    // Lua may catch it, and would go on with half of what the script has done.
                    Err(_) if self.unit.effects.touched => crash::end(
                        "A script's command panicked after it had changed data: the server ends, so that no half of the script stays.",
                    ),
                    Err(panic) => crash::pass_on(panic),
                };
                let done = match done {
                    Ok(Flow::Transfer(transfer)) => {
                        transfer_held(worker, &mut self.unit, self.session.db, *transfer, out)
                            .map(|()| Flow::Done)
                    }
                    done => done,
                };
                if entry.is(Flag::ReadOnly) {
                    let effects = &mut self.unit.effects;
                    worker.track_reads(&self.session, effects, entry, argv);
                    if let Some(keys) = self.declared.take() {
                        worker.track_declared(&self.session, effects, &keys);
                    }
                }
                done
            }
        };
        for record in self.unit.effects.log.records_mut(recorded) {
            record.reach.log &= log;
            record.reach.replicas &= replicas;
        }
        if worker.shared.monitors.any() && !entry.is(Flag::SkipMonitor) && !entry.is(Flag::Admin) {
            worker
                .account
                .feed_monitors(self.session.db, "lua", entry, argv);
        }
        let nanos = worker.present.lap(&mut started);
        worker.account.count(&self.session, entry, argv, nanos);
        done.and_then(|flow| settle_for_script(&worker.shared, flow, out))
            .inspect_err(|_| worker.stats().commands[entry.id].failed.add(1))
    }

    fn admit(&mut self, worker: &Worker, argv: &[&[u8]]) -> Result<&'static CommandEntry, Fail> {
        let Ok(entry) = find(worker.registry, argv) else {
            return Err(Fail::Says("Unknown Redis command called from script"));
        };
        if !entry.arity_fits(argv.len()) {
            return Err(Fail::Says(
                "Wrong number of args calling Redis command from script",
            ));
        }
        let denied =
            entry.is(Flag::NoScript) && !worker.shared.scripts.allow_denied.load(Ordering::Relaxed);
        if denied {
            return Err(Fail::Says("This Redis command is not allowed from script"));
        }
        let reject = |fail| {
            worker.stats().commands[entry.id].rejected.add(1);
            Err(fail)
        };
        let asker = Asker::of(&self.session, Context::Lua);
        if let Err(denied) = asker.check(worker, entry, argv) {
            let why = rights::reason(denied, asker.user, entry);
            return reject(Fail::said(format!("ACL failure in script: {why}")));
        }
        if entry.is(Flag::Write) || entry.is(Flag::MayReplicate) {
            if self.read_only {
                return reject(Fail::Says(
                    "Write commands are not allowed from read-only scripts.",
                ));
            }
            // A script that has changed something is let finish, whatever has happened since.
            if entry.is(Flag::Write) && !self.obeyed && !self.wrote() {
                if worker.shared.replication.is_guarded()
                    && let Err(fail) = may_write(&worker.shared)
                {
                    return reject(fail);
                }
                if let Some(trouble) = worker.shared.store.trouble() {
                    return reject(refused_by_disk(trouble));
                }
            }
        }
        if entry.is(Flag::DenyOom) && self.short && !self.wrote() && self.flags.legacy {
            return reject(Fail::code(
                "OOM command not allowed when used memory > 'maxmemory'.",
            ));
        }
        let guarded = worker.shared.replication.is_guarded() && !self.obeyed;
        if guarded && !entry.is(Flag::Stale) && is_stale(&worker.shared) {
            return reject(Fail::Says("Can not execute the command on a stale replica"));
        }
        if !self.obeyed
            && let Some(view) = slots::cluster_picture(worker)
            && let Err(fail) = self.check_slots(worker, &view, entry, argv)
        {
            return reject(fail);
        }
        if !self.unit.locked.covers(entry.shards(argv)) {
            return reject(Fail::Says(
                "Script attempted to access a key that it was not seen to declare",
            ));
        }
        Ok(entry)
    }

    /// Whether a script may touch these keys here, in a cluster.
    fn check_slots(
        &mut self,
        worker: &Worker,
        view: &View,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
    ) -> Result<(), Fail> {
        let request = Slotted::One(entry, argv);
        let manner = Manner::of(&self.session);
        let stood = slots::stand(worker, view, manner, request).and_then(|stand| {
            slots::look_for_keys(worker, view, &self.unit, &self.session, request, stand)
        });
        if let Err(fail) = stood {
            return Err(match &*fail.text() {
                slots::DOWN_READS => Fail::Says(
                    "Script attempted to execute a write command while the cluster is down and readonly",
                ),
                slots::DOWN => {
                    Fail::Says("Script attempted to execute a command while the cluster is down")
                }
                slots::CROSS => Fail::said(format!(
                    "Command '{}' in script attempted to access keys that don't hash to the same slot",
                    entry.full_name
                )),
                slots::TRY_AGAIN => Fail::said(format!(
                    "Unable to execute command '{}' in script because undeclared keys were accessed during rehashing of the slot",
                    entry.full_name
                )),
                _ => Fail::Says("Script attempted to access a non local key in a cluster node"),
            });
        }
        if self.flags.legacy || self.flags.allow_cross_slot_keys {
            return Ok(());
        }
        match (request.slot(), self.slot) {
            (Some(slot), Some(held)) if slot != held => Err(Fail::Says(
                "Script attempted to access keys that do not hash to the same slot",
            )),
            (slot, held) => {
                self.slot = held.or(slot);
                Ok(())
            }
        }
    }
}

fn command_of(args: &MultiValue) -> Result<SmallVec<[Vec<u8>; 8]>, Fail> {
    if args.is_empty() {
        return Err(Fail::Says(
            "Please specify at least one argument for this redis lib call",
        ));
    }
    let words: Option<_> = args.iter().map(argument).collect();
    words.ok_or(Fail::Says(
        "Lua redis lib command arguments must be strings or integers",
    ))
}

/// What a failed `redis.pcall` gives back.
fn error_table(lua: &Lua, text: &[u8]) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(text)?)?;
    table.raw_set("ignore_error_stats_update", true)?;
    Ok(Value::Table(table))
}
