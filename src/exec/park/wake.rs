//! The end of a wait: a blocked client is taken off its keys, and told what became of it.

use super::Blocked;
use crate::command::session::Session;
use crate::command::{Fail, Flag};
use crate::engine::{ShardKey, ShardSet};
use crate::exec::Worker;
use crate::exec::role::check_redirect;
use crate::exec::slots::blocked_sent_away;
use crate::journal::{Answer, Seq};
use crate::resp::Reply;
use crate::state::client::{Fate, Unblock};

/// Why a blocked client goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// What becomes of it has been decided.
    Decided,
    TimedOut,
    Gone,
}

/// What its connection does once a blocked client goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Woken {
    GoesOn,
    /// It closes, once it has been answered.
    Leaves,
    /// It runs this request anew.
    Again(Vec<u8>),
}

impl Blocked {
    /// Takes a blocked client off its keys and writes what it is told: what it was served, if it was. Nothing if that is still
    /// to be done, as a long script holds its keys.
    pub fn wake(
        &self,
        worker: &Worker,
        session: &mut Session,
        wake: Wake,
        out: &mut Answer,
    ) -> Option<Woken> {
        let mark = out.reply().mark();
        let mut started = worker.present.read_watch();
        let parked = &*self.parked;
        let mut set = ShardSet::EMPTY;
        parked
            .places
            .iter()
            .for_each(|place| set.add(ShardKey::of(&place.1)));
        let mut unit = worker.begin(set).ok()?;
        // From here on nobody else decides it.
        let decided = Fate::Woken(Unblock::Timeout);
        let fate = std::mem::replace(&mut *parked.wait.fate(), decided);
        if let Fate::Served(_) = fate {
            // What served it was this client's own edit.
            out.depends().wrote(Seq(unit.locked.stamp()));
        } else {
            parked.leave(&mut unit, self.ticket);
        }
        worker.commit(unit, None, out.depends());
        let out = out.reply();
        let woken = match fate {
            Fate::Served(reply) => {
                out.raw(&reply);
                Woken::GoesOn
            }
            _ if wake == Wake::Gone => return Some(Woken::GoesOn),
            Fate::Blocked => self.tell_woken(worker, session, Unblock::Timeout, out),
            Fate::Woken(why) => self.tell_woken(worker, session, why, out),
        };
        if let Woken::Again(_) = woken {
            // It counts when it ends.
            return Some(woken);
        }
        let argv: Vec<&[u8]> = parked.args.iter().map(|arg| &arg[..]).collect();
        let nanos = self.nanos + worker.present.lap(&mut started);
        worker.account.count(session, parked.entry, &argv, nanos);
        let bytes = out.since(mark).len();
        worker
            .account
            .log_large(session, parked.entry, &argv, bytes);
        if worker.shared.hotkeys.is_on() {
            worker
                .account
                .note_keys(session, parked.entry, &argv, (nanos, bytes));
        }
        worker.finish_reply(session, mark, out);
        Some(woken)
    }

    /// Answers a client that waits no longer, and was not served.
    fn tell_woken(
        &self,
        worker: &Worker,
        session: &Session,
        why: Unblock,
        out: &mut Reply,
    ) -> Woken {
        let parked = &*self.parked;
        let fail = match why {
            Unblock::Again => return Woken::Again(parked.request()),
            Unblock::Timeout => {
                match &self.acks {
                    Some(acks) => {
                        let count = acks.count(&worker.shared.replication, &worker.shared.journal);
                        out.raw(&acks.reply(count));
                    }
                    None => self.on_timeout.write(out),
                }
                return Woken::GoesOn;
            }
            Unblock::Error => Fail::code("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            Unblock::Moved => {
                let redirect = session
                    .follows_redirects
                    .then(|| check_redirect(&worker.shared).err());
                redirect.flatten().unwrap_or(Fail::code(
                    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
                ))
            }
            Unblock::Elsewhere => {
                match blocked_sent_away(&worker.shared, session, parked.entry, &parked.places) {
                    Some(fail) => fail,
                    // Its slot has come back meanwhile.
                    None => return Woken::Again(parked.request()),
                }
            }
        };
        worker.answer_error(parked.entry, &fail, out);
        match why {
            Unblock::Moved => Woken::Leaves,
            _ => Woken::GoesOn,
        }
    }

    /// A server that became a replica wakes its blocked clients; one that was blocked in that moment was passed over. No
    /// replica lets a client block that would write.
    pub fn look_again(&self, worker: &Worker, session: &Session) {
        let (parked, shared) = (&self.parked, &worker.shared);
        if blocked_sent_away(&worker.shared, session, parked.entry, &parked.places).is_some() {
            shared.clients.unblock(&parked.client, Unblock::Elsewhere);
        }
        if parked.entry.is(Flag::Write)
            && shared.replication.is_replica()
            && shared.config.replica_read_only.get()
        {
            shared.clients.unblock(&parked.client, Unblock::Moved);
        }
    }
}
