//! What comes of what a handler asked for, and the end of its reply.

use super::stage::Stage;
use super::transaction::Ended;
use super::watches::end_watches;
use super::{Blocked, Journey, Long, Next, Worker};
use crate::command::session::Session;
use crate::command::{CommandEntry, Flag, Flow};
use crate::journal::Answer;
use crate::resp::{Reply, ReplyMark};

impl Worker {
    /// Does what a handler asked for.
    pub(super) fn follow<'w>(
        &'w self,
        stage: Option<&Stage<'w>>,
        session: &mut Session,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
        flow: Flow,
        out: &mut Answer,
    ) -> Next {
        match flow {
            Flow::Done | Flow::Whole => return Next::Continue,
            Flow::LogAlone => {
                self.log_alone(session, argv, out.depends());
                return Next::Continue;
            }
            Flow::TellReplicas => {
                self.tell_replicas(session, argv);
                return Next::Continue;
            }
            Flow::Replica(feed) => return Next::Replica(feed),
            Flow::Rest(rest) => return Next::Rest(Box::new(Long::rest(entry, rest))),
            Flow::Names(names) => return Next::Rest(Box::new(Long::names(entry, *names))),
            Flow::Acks(wish) => {
                let blocked = Blocked::for_acks(session, entry, argv, &wish, &self.shared);
                return Next::Block(Box::new(blocked));
            }
            Flow::Park(park) => {
                // Handlers that touch keys were parked under their locks; this one waits for time alone.
                let clients = &self.shared.clients;
                let blocked = Blocked::without_keys(session, entry, argv, &park, clients);
                return Next::Block(Box::new(blocked));
            }
            Flow::Exec => return self.follow_exec(stage, session, entry, out),
            Flow::Discard => {
                session.multi = None;
                end_watches(self, session);
            }
            Flow::Script(_) | Flow::Watch | Flow::Prepare(_) => unreachable!("done by now"),
            Flow::Unwatch => end_watches(self, session),
            Flow::Reset => self.reset(session, out.reply()),
            Flow::Close => return Next::Close,
            Flow::Stall(time) => {
                // Here, so that the time counts as the command's own.
                std::thread::sleep(time);
                self.begin_batch();
                return Next::Continue;
            }
            Flow::Shutdown(wish) => return Next::Shutdown(wish),
            Flow::Wait(job) => return Next::Wait(job),
            Flow::Transfer(transfer) => {
                return Next::Transfer(Box::new(Journey::new(entry, transfer)));
            }
            Flow::Reload(wish) => match self.begin_reload(wish) {
                Ok(job) => return Next::Wait(job),
                Err(fail) => {
                    self.answer_error(entry, &fail, out.reply());
                    return Next::Continue;
                }
            },
        }
        session.publish_profile();
        Next::Continue
    }

    /// Runs a transaction.
    fn follow_exec<'w>(
        &'w self,
        stage: Option<&Stage<'w>>,
        session: &mut Session,
        entry: &'static CommandEntry,
        out: &mut Answer,
    ) -> Next {
        match self.exec(stage, session, entry, out) {
            Ok(Ended::Done) => {}
            Ok(Ended::Moved) => return Next::Again,
            Err(fail) => self.answer_error(entry, &fail, out.reply()),
        }
        session.publish_profile();
        match std::mem::take(&mut session.leaves) {
            true => Next::Close,
            false => Next::Continue,
        }
    }

    /// CONFIG SET holds for what follows in the same batch, and a new `maxmemory` at once.
    pub(super) fn read_what_was_set(&self, entry: &CommandEntry) {
        if !entry.is(Flag::Admin) {
            return;
        }
        self.present.read_rules(&self.shared);
        if entry.is(Flag::SetsLimits) && self.shared.config.maxmemory.get() > 0 {
            // What a long script holds goes when it has ended.
            let _ = self.eviction.make_room(self);
        }
    }

    /// Ends the reply to a command that ran, unless it is still to come.
    #[inline]
    pub(super) fn end_reply(
        &self,
        session: &mut Session,
        entry: &CommandEntry,
        mark: ReplyMark,
        next: &Next,
        out: &mut Reply,
    ) {
        if let Some(tracking) = &mut session.tracking
            && !entry.is(Flag::KeepsCaching)
            && session.multi.is_none()
        {
            // It was for this one command, or transaction, whether that read anything or not.
            tracking.caching = None;
        }
        match next {
            // Their replies are still to come.
            Next::Block(_)
            | Next::Rest(_)
            | Next::Wait(_)
            | Next::Transfer(_)
            | Next::Shutdown(_) => {}
            // What is said to a replica is no reply.
            Next::Replica(_) => {}
            _ if entry.is(Flag::Pushes) => {
                // What is pushed is heard though replies are off.
                self.finish_reply(session, out.mark(), out);
            }
            _ => self.finish_reply(session, mark, out),
        }
    }
}
