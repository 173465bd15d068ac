//! EXEC: several commands as one unit, unless a watched key changed.

use super::Worker;
use super::rights::{self, Asker};
use super::settle::settle_in_exec;
use super::slots::{Slotted, check_moving};
use super::stage::Stage;
use super::transfer::transfer_held;
use super::unit::{Call, Unit};
use super::watches::{end_watches, watch_failed, watched_shards};
use crate::acl::Context;
use crate::command::session::{Multi, Session};
use crate::command::{CommandEntry, Fail, Flag, Flow, Run};
use crate::engine::ShardSet;
use crate::journal::Answer;
use crate::util::clock;

/// How far EXEC has come.
pub(super) enum Ended {
    Done,
    /// The guards have moved since they were asked, and nothing was done.
    Moved,
}

impl Worker {
    /// Runs what MULTI queued, whole, and writes EXEC's reply.
    pub(super) fn exec<'w>(
        &'w self,
        stage: Option<&Stage<'w>>,
        session: &mut Session,
        entry: &'static CommandEntry,
        out: &mut Answer,
    ) -> Result<Ended, Fail> {
        let Some(multi) = session.multi.take() else {
            return Err(Fail::Says("EXEC without MULTI"));
        };
        if multi.refused {
            end_watches(self, session);
            return Err(Fail::code(
                "EXECABORT Transaction discarded because of previous errors.",
            ));
        }
        let argvs: Vec<Vec<&[u8]>> = multi
            .queue
            .iter()
            .map(|queued| queued.args.iter().map(|arg| &arg[..]).collect())
            .collect();
        let unit = match self.begin_write(shards_of_queue(session, &multi, &argvs)) {
            Ok(unit) => unit,
            Err(fail) => {
                end_watches(self, session);
                return Err(Fail::code(fail.aborting()));
            }
        };
        if self.guards_moved() {
            self.let_go_of(unit);
            drop(argvs);
            session.multi = Some(multi);
            return Ok(Ended::Moved);
        }
        let exec = Slotted::Queue(entry, &multi);
        if let Err(fail) = check_moving(self, &unit, session, exec) {
            self.let_go_of(unit);
            end_watches(self, session);
            return Err(fail);
        }
        if watch_failed(self, session, &unit) {
            self.commit(unit, None, out.depends());
            end_watches(self, session);
            out.reply().null_array();
            return Ok(Ended::Done);
        }
        let mut unit = self.run_queue(stage, session, &multi, &argvs, unit, out);
        if stage.is_some_and(Stage::is_cut) {
            // Half of a transaction is worse than none of it.
            unit.effects.log.clear();
        }
        // All of it ran at the time when it began, however long it took.
        self.present.read_clock();
        self.commit(unit, Some(session.client.id), out.depends());
        end_watches(self, session);
        Ok(Ended::Done)
    }

    fn run_queue<'w>(
        &'w self,
        stage: Option<&Stage<'w>>,
        session: &mut Session,
        multi: &Multi,
        argvs: &[Vec<&[u8]>],
        mut unit: Unit<'w>,
        out: &mut Answer,
    ) -> Unit<'w> {
        out.reply().array(multi.queue.len());
        session.in_exec = true;
        session.began_us = clock::now_us();
        let mut started = self.present.read_watch();
        for (queued, argv) in multi.queue.iter().zip(argvs) {
            let entry = queued.entry;
            let mark = out.reply().mark();
            // Rules may have changed since it was queued.
            let asker = Asker::of(session, Context::Multi);
            if let Err(denied) = asker.check(self, entry, argv) {
                let why = rights::in_exec(denied);
                self.write_error(
                    &format!("NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: {why}"),
                    out.reply(),
                );
                continue;
            }
            let done = match entry.command.run {
                Run::Session(_) | Run::Container => {
                    self.call_session(session, entry, argv, out.reply())
                }
                Run::Read(_) | Run::Write(_) => {
                    self.index_written(&mut unit, entry);
                    let done = self.call(&mut unit, &Call::of(session, entry, argv), out.reply());
                    if entry.is(Flag::ReadOnly) {
                        self.track_reads(session, &mut unit.effects, entry, argv);
                    }
                    done
                }
            };
            let done = match done {
                Ok(Flow::Script(wish)) => {
                    let stage = stage.expect("scripts run on the fiber");
                    let (held, done) = stage.script_in_exec(self, session, argv, &wish, unit, out);
                    unit = held;
                    done.map(|()| Flow::Done)
                }
                Ok(Flow::Transfer(transfer)) => {
                    transfer_held(self, &mut unit, session.db, *transfer, out.reply())
                        .map(|()| Flow::Done)
                }
                done => done,
            };
            let settled = done.and_then(|flow| {
                settle_in_exec(&self.shared, session, argv, flow, &mut unit, out.reply())
            });
            if let Err(fail) = settled {
                self.answer_failed(session, entry, argv, &fail, mark, out.reply());
            }
            self.account.show_monitors(session, entry, argv);
            let nanos = self.present.lap(&mut started);
            self.account.count(session, entry, argv, nanos);
            let sizes = (nanos, out.reply().since(mark).len());
            self.account.note_sizes(session, entry, argv, sizes);
        }
        session.in_exec = false;
        session.began_us = 0;
        unit
    }
}

/// The shards of what MULTI has queued, and of what is watched.
fn shards_of_queue(session: &Session, multi: &Multi, argvs: &[Vec<&[u8]>]) -> ShardSet {
    let mut set = watched_shards(&session.watches.keys);
    for (queued, argv) in multi.queue.iter().zip(argvs) {
        let scripted = queued.entry.is(Flag::Scripted);
        set.union(if scripted {
            ShardSet::ALL
        } else {
            queued.entry.shards(argv)
        });
    }
    match set.is_empty() {
        // Some lock, so that it ends before what others do to its client is answered, or knows of it.
        true => ShardSet::one(0),
        false => set,
    }
}
