//! Commands that are logged: those that took long, and those with a large request or a large reply.

use super::Worker;
use crate::command::session::{ReplyMode, Session};
use crate::command::slowlog::{Slowlog, SlowlogRoom};
use crate::command::{Entry, Flag, redacted};

impl Worker {
    /// Logs a command that ran at once, if its reply or its request is large.
    #[inline]
    pub(super) fn note_sizes(
        &self,
        session: &Session,
        entry: &Entry,
        argv: &[&[u8]],
        reply_bytes: usize,
    ) {
        let config = &self.shared.config;
        let reply_min = config.commandlog_reply_larger_than.get();
        let request_min = config.commandlog_request_larger_than.get();
        // Compared without a sign, "never" is more than any number of bytes.
        if reply_bytes as u64 > reply_min as u64 || session.client.unread() > request_min as u64 {
            self.log_large(session, entry, argv, reply_bytes);
        }
    }

    /// Logs a command if its reply or its request is large.
    #[cold]
    pub(super) fn log_large(
        &self,
        session: &Session,
        entry: &Entry,
        argv: &[&[u8]],
        reply_bytes: usize,
    ) {
        if entry.is(Flag::SkipSlowlog) {
            return;
        }
        let (shared, config) = (&self.shared, &self.shared.config);
        let request_bytes = encoded_bytes(argv) as u64;
        if request_bytes > config.commandlog_request_larger_than.get() as u64 {
            let len_max = config.commandlog_large_request_max_len.get() as usize;
            let log = (&shared.large_requests, len_max);
            self.log_command(log, session, entry, argv, request_bytes);
        }
        let is_heard = session.reply == ReplyMode::On;
        if is_heard && reply_bytes as u64 > config.commandlog_reply_larger_than.get() as u64 {
            let len_max = config.commandlog_large_reply_max_len.get() as usize;
            let log = (&shared.large_replies, len_max);
            self.log_command(log, session, entry, argv, reply_bytes as u64);
        }
    }

    #[cold]
    pub(super) fn log_command(
        &self,
        (log, entries_max): (&Slowlog, usize),
        session: &Session,
        entry: &Entry,
        argv: &[&[u8]],
        measure: u64,
    ) {
        let hidden = redacted(entry, argv);
        let argv = hidden.as_deref().unwrap_or(argv);
        let client = &session.client;
        let name = client.profile.lock().name.clone();
        let config = &self.shared.config;
        let room = SlowlogRoom {
            args_max: config.slowlog_entry_max_argc.get() as usize,
            arg_bytes_max: config.slowlog_entry_max_string_len.get() as usize,
            entries_max,
        };
        let whose = (&client.address[..], &name[..]);
        log.push(self.now_ms() / 1000, measure, argv, whose, room);
    }
}

/// Bytes of a request as it is sent: each part stands behind its length, in lines.
fn encoded_bytes(argv: &[&[u8]]) -> usize {
    let digits = |n: usize| n.checked_ilog10().map_or(1, |tens| tens as usize + 1);
    let line = |n: usize| digits(n) + 3;
    let parts = argv.iter().map(|arg| line(arg.len()) + arg.len() + 2);
    line(argv.len()) + parts.sum::<usize>()
}
