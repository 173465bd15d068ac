//! What is written in reply beside what handlers write: errors, and what CLIENT REPLY keeps back.

use super::Worker;
use super::watches::end_watches;
use crate::command::session::{ReplyMode, Session};
use crate::command::{CommandEntry, Fail, Flag};
use crate::resp::{Reply, ReplyMark};

impl Worker {
    /// Writes an error reply to a command that ran.
    pub(super) fn answer_error(&self, entry: &CommandEntry, fail: &Fail, out: &mut Reply) {
        let text = fail.text();
        out.error(text.as_bytes());
        let stats = self.stats();
        if !matches!(fail, Fail::Counted(_)) {
            self.shared.stats.error(text.as_bytes());
            stats.counters.error_replies.add(1);
        }
        stats.commands[entry.id].failed.add(1);
    }

    /// Cuts off what a command that failed has written, and writes its error reply.
    pub(super) fn answer_failed(
        &self,
        session: &Session,
        entry: &CommandEntry,
        argv: &[&[u8]],
        fail: &Fail,
        mark: ReplyMark,
        out: &mut Reply,
    ) {
        out.cut(mark);
        if let Fail::Login(name) = fail {
            self.log_failed_login(session, name, argv[0]);
        }
        self.answer_error(entry, fail, out);
    }

    /// Writes an error reply to a request that never ran.
    pub(super) fn refuse(
        &self,
        session: &mut Session,
        entry: Option<&CommandEntry>,
        fail: &Fail,
        out: &mut Reply,
    ) {
        let exec = entry.is_some_and(|entry| entry.is(Flag::RunsQueue));
        let text = if exec {
            fail.aborting().into()
        } else {
            fail.text()
        };
        if exec {
            session.multi = None;
            end_watches(self, session);
            session.publish_profile();
        }
        self.write_error(&text, out);
        if let Some(entry) = entry {
            self.stats().commands[entry.id].rejected.add(1);
        }
        if let Some(multi) = &mut session.multi {
            multi.refused = true;
        }
    }

    /// Refuses a command that had been let in before, and then blocked.
    pub(super) fn reject(&self, entry: &CommandEntry, fail: &Fail, out: &mut Reply) {
        self.write_error(&fail.text(), out);
        self.stats().commands[entry.id].rejected.add(1);
    }

    /// Writes an error reply, and counts it.
    pub(super) fn write_error(&self, text: &str, out: &mut Reply) {
        out.error(text.as_bytes());
        self.shared.stats.error(text.as_bytes());
        self.stats().counters.error_replies.add(1);
    }

    /// CLIENT REPLY: drops what shall not be answered.
    #[inline]
    pub fn finish_reply(&self, session: &mut Session, mark: ReplyMark, out: &mut Reply) {
        match session.reply {
            ReplyMode::On => {}
            ReplyMode::Off => out.cut(mark),
            ReplyMode::SkipNext => {
                out.cut(mark);
                session.reply = ReplyMode::Skip;
            }
            ReplyMode::Skip => {
                out.cut(mark);
                session.reply = ReplyMode::On;
            }
        }
    }
}
