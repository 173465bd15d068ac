//! `redis.call` and `redis.pcall`: a command that a script calls.
//!
//! It takes the road of a client's, from the script's own checks on, and runs under the locks that the script's unit holds.
//! What it logs is logged with the rest.

use std::sync::atomic::Ordering;

use mlua::{Lua, MultiValue, Value};
use smallvec::SmallVec;

use super::Worker;
use super::admit;
use super::fiber::{Stage, error_table};
use super::rights::{self, Asker};
use super::script::Run;
use super::slots::{self, Manner, Slotted};
use super::transfer::transfer_held;
use super::unit::Call;
use crate::acl::Context;
use crate::cluster::View;
use crate::command::{Entry, Fail, Flag, Flow, Run as Kind};
use crate::resp::Reply;
use crate::script::{Raised, argument, from_reply, raised};
use crate::util::crash;

impl Worker {
    /// `redis.call` and `redis.pcall`.
    pub(super) fn call_from_script(
        &self,
        stage: &Stage<'_>,
        lua: &Lua,
        args: MultiValue,
        raise: bool,
    ) -> mlua::Result<Value> {
        stage.host.account();
        let mut run = stage.run.borrow_mut();
        let Some(run) = run.as_mut() else {
            return Err(raised("ERR redis.call can only be used in a script"));
        };
        let mut out = Reply::new(stage.host.is_resp3());
        let done = match command_of(&args) {
            Ok(words) => {
                let argv: SmallVec<[&[u8]; 8]> = words.iter().map(|word| &word[..]).collect();
                self.run_for_script(run, stage.host.reach(), &argv, &mut out)
            }
            Err(fail) => Err(fail),
        };
        if let Err(fail) = done {
            let text = fail.text();
            out = Reply::new(false);
            out.error(text.as_bytes());
            self.shared.stats.error(text.as_bytes());
            self.stats().counters.error_replies.add(1);
        }
        match stage.host.hand_over(|| from_reply(lua, out.bytes()))? {
            Ok(value) => Ok(value),
            Err(error) if raise => Err(mlua::Error::external(Raised {
                counted: true,
                ..error
            })),
            Err(error) => error_table(lua, &error.text),
        }
    }

    /// Runs one command for a script; what it fails with is counted by the caller.
    fn run_for_script(
        &self,
        run: &mut Run<'_>,
        (log, replicas): (bool, bool),
        argv: &[&[u8]],
        out: &mut Reply,
    ) -> Result<(), Fail> {
        let entry = self.admit_for_script(run, argv)?;
        let mut started = self.watch.read();
        let recorded = run.unit.effects.log.len();
        let done = match entry.command.run {
            Kind::Session(_) | Kind::Container => {
                let done = self.call_session(&mut run.session, entry, argv, out);
                if let Ok(Flow::TellReplicas) = done {
                    run.unit.effects.tell_replicas(run.session.db, argv);
                }
                done
            }
            Kind::Read(_) | Kind::Write(_) => {
                let call = Call {
                    scripted: true,
                    ..Call::of(&run.session, entry, argv)
                };
                let unit = &mut run.unit;
                self.index_written(unit, entry);
                let done = match crash::catch(|| self.call(unit, &call, out)) {
                    Ok(done) => done,
                    // Lua may catch it, and would go on with half of what the script has done.
                    Err(_) if run.unit.effects.touched => crash::end(
                        "A script's command panicked after it had changed data: the server ends, so that no half of the script stays.",
                    ),
                    Err(panic) => crash::pass_on(panic),
                };
                let done = match done {
                    Ok(Flow::Transfer(transfer)) => {
                        transfer_held(self, &mut run.unit, run.session.db, *transfer, out)
                            .map(|()| Flow::Done)
                    }
                    done => done,
                };
                if entry.is(Flag::ReadOnly) {
                    let effects = &mut run.unit.effects;
                    self.track_reads(&run.session, effects, entry, argv);
                    if let Some(keys) = run.declared.take() {
                        self.track_declared(&run.session, effects, &keys);
                    }
                }
                done
            }
        };
        for record in run.unit.effects.log.records_mut(recorded) {
            record.reach.log &= log;
            record.reach.replicas &= replicas;
        }
        if self.shared.monitors.any() && !entry.is(Flag::SkipMonitor) && !entry.is(Flag::Admin) {
            self.feed_monitors(run.session.db, "lua", entry, argv);
        }
        let nanos = self.lap(&mut started);
        self.count(&run.session, entry, argv, nanos);
        done.and_then(|flow| self.settle_for_script(flow, out))
            .inspect_err(|_| self.stats().commands[entry.id].failed.add(1))
    }

    fn admit_for_script(&self, run: &mut Run<'_>, argv: &[&[u8]]) -> Result<&'static Entry, Fail> {
        let Ok(entry) = admit::find(&self.shared.registry, argv) else {
            return Err(Fail::Says("Unknown Redis command called from script"));
        };
        if !entry.arity_fits(argv.len()) {
            return Err(Fail::Says(
                "Wrong number of args calling Redis command from script",
            ));
        }
        let denied =
            entry.is(Flag::NoScript) && !self.shared.scripts.allow_denied.load(Ordering::Relaxed);
        if denied {
            return Err(Fail::Says("This Redis command is not allowed from script"));
        }
        let reject = |fail| {
            self.stats().commands[entry.id].rejected.add(1);
            Err(fail)
        };
        let asker = Asker::of(&run.session, Context::Lua);
        if let Err(denied) = self.check_rights(&asker, entry, argv) {
            let why = rights::reason(denied, asker.user, entry);
            return reject(Fail::said(format!("ACL failure in script: {why}")));
        }
        if entry.is(Flag::Write) || entry.is(Flag::MayReplicate) {
            if run.read_only {
                return reject(Fail::Says(
                    "Write commands are not allowed from read-only scripts.",
                ));
            }
            // A script that has changed something is let finish, whatever has happened since.
            if entry.is(Flag::Write) && !run.obeyed && !run.wrote() {
                if self.shared.replication.is_guarded()
                    && let Err(fail) = self.may_write()
                {
                    return reject(fail);
                }
                if let Some(trouble) = self.shared.store.trouble() {
                    return reject(admit::refused_by_disk(trouble));
                }
            }
        }
        if entry.is(Flag::DenyOom) && run.short && !run.wrote() && run.flags.legacy {
            return reject(Fail::code(
                "OOM command not allowed when used memory > 'maxmemory'.",
            ));
        }
        let guarded = self.shared.replication.is_guarded() && !run.obeyed;
        if guarded && !entry.is(Flag::Stale) && self.is_stale() {
            return reject(Fail::Says("Can not execute the command on a stale replica"));
        }
        if !run.obeyed
            && let Some(view) = self.picture()
            && let Err(fail) = self.check_called(run, &view, entry, argv)
        {
            return reject(fail);
        }
        if !run.unit.locked.covers(entry.shards(argv)) {
            return reject(Fail::Says(
                "Script attempted to access a key that it was not seen to declare",
            ));
        }
        Ok(entry)
    }
}

impl Worker {
    /// Whether a script may touch these keys here, in a cluster.
    fn check_called(
        &self,
        run: &mut Run<'_>,
        view: &View,
        entry: &'static Entry,
        argv: &[&[u8]],
    ) -> Result<(), Fail> {
        let request = Slotted::One(entry, argv);
        let manner = Manner::of(&run.session);
        let stood = self
            .stand(view, manner, request)
            .and_then(|stand| self.look_for_keys(view, &run.unit, &run.session, request, stand));
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
        if run.flags.legacy || run.flags.allow_cross_slot_keys {
            return Ok(());
        }
        match (request.slot(), run.slot) {
            (Some(slot), Some(held)) if slot != held => Err(Fail::Says(
                "Script attempted to access keys that do not hash to the same slot",
            )),
            (slot, held) => {
                run.slot = held.or(slot);
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
