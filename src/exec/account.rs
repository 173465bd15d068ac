//! What is kept, or shown, of a command that ran: its time, counters, MONITOR, and the logs of commands that took long, or had a
//! large request or a large reply.

use std::sync::Arc;

use crate::command::session::{ReplyMode, Session};
use crate::command::{CommandEntry, Flag, redacted};
use crate::state::hotkeys::Cost;
use crate::state::shared::Shared;
use crate::state::slot_costs::SlotCost;
use crate::state::slowlog::{Slowlog, SlowlogRoom};
use crate::state::stats::WorkerStats;
use crate::util::clock;

/// What a worker keeps of the commands that it ran.
pub(super) struct Account {
    shared: Arc<Shared>,
    /// Its own part of the statistics.
    stats: Arc<WorkerStats>,
}

impl Account {
    pub fn new(shared: Arc<Shared>, worker: usize) -> Self {
        let stats = shared.stats.worker(worker).clone();
        Account { shared, stats }
    }

    #[inline]
    pub fn stats(&self) -> &WorkerStats {
        &self.stats
    }

    /// Time, slow log and counters of a command that ran.
    pub fn count(
        &self,
        session: &Session,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
        nanos: u64,
    ) {
        let stats = &self.stats;
        stats.counters.commands.add(1);
        session.commands.set(session.commands.get() + 1);
        let config = &self.shared.config;
        stats.commands[entry.id].ran(nanos, config.latency_tracking.get());
        let micros = nanos / 1000;
        let slower_than = config.slowlog_log_slower_than.get();
        if slower_than >= 0 && micros >= slower_than as u64 && !entry.is(Flag::SkipSlowlog) {
            let len_max = config.slowlog_max_len.get() as usize;
            let log = (&self.shared.slowlog, len_max);
            self.log_command(log, session, entry, argv, micros);
        }
        let threshold_ms = config.latency_monitor_threshold.get() as u64;
        if threshold_ms > 0 && micros / 1000 >= threshold_ms {
            let event = if entry.is(Flag::Fast) {
                "fast-command"
            } else {
                "command"
            };
            self.shared
                .latency
                .note(event, clock::now_ms() / 1000, micros / 1000);
        }
    }

    /// Counts what a request has cost for its slot.
    #[cold]
    pub fn count_for_slot(&self, slot: u16, argv: &[&[u8]], nanos: u64, reply_bytes: usize) {
        let cost = SlotCost {
            nanos,
            bytes_in: encoded_bytes(argv) as u64,
            bytes_out: reply_bytes as u64,
        };
        self.shared.slot_costs.add(slot, cost);
    }

    /// Tells MONITOR of a command that has run.
    #[inline]
    pub fn show_monitors(&self, session: &Session, entry: &CommandEntry, argv: &[&[u8]]) {
        if self.shared.monitors.any() && !entry.is(Flag::SkipMonitor) && !entry.is(Flag::Admin) {
            self.feed_monitors(session.db, &Self::address(session), entry, argv);
        }
    }

    /// Tells MONITOR of a command that runs a script, before what the script calls, or as it fails.
    pub fn show_script(&self, session: &Session, argv: &[&[u8]]) {
        if self.shared.monitors.any() {
            let (db, address) = (session.db, Self::address(session));
            self.shared
                .monitors
                .feed(clock::now_us(), db, &address, argv);
        }
    }

    /// Shows a command without what nobody is to see.
    #[cold]
    pub fn feed_monitors(&self, db: usize, address: &str, entry: &CommandEntry, argv: &[&[u8]]) {
        let hidden = redacted(entry, argv);
        let shown = hidden.as_deref().unwrap_or(argv);
        self.shared
            .monitors
            .feed(clock::now_us(), db, address, shown);
    }

    /// A client's address as MONITOR shows it.
    pub fn address(session: &Session) -> String {
        let client = &session.client;
        if client.unix {
            format!("unix:{}", client.address.trim_end_matches(":0"))
        } else {
            client.address.clone()
        }
    }

    /// Logs a command that ran at once, if its reply or its request is large, and counts what its keys took.
    #[inline]
    pub fn note_sizes(
        &self,
        session: &Session,
        entry: &CommandEntry,
        argv: &[&[u8]],
        (nanos, reply_bytes): (u64, usize),
    ) {
        if self.shared.hotkeys.is_on() {
            self.note_keys(session, entry, argv, (nanos, reply_bytes));
        }
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
    pub fn log_large(
        &self,
        session: &Session,
        entry: &CommandEntry,
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

    /// Tells HOTKEYS what a command took. What a script calls counts as the script's, and what EXEC runs is for its own keys, but
    /// in the sum of all commands it is EXEC's.
    #[cold]
    pub fn note_keys(
        &self,
        session: &Session,
        entry: &CommandEntry,
        argv: &[&[u8]],
        (nanos, reply_bytes): (u64, usize),
    ) {
        let mut keys = Vec::new();
        entry.each_key(argv, |at| keys.push(argv[at]));
        let cost = Cost {
            micros: nanos / 1000,
            bytes: (encoded_bytes(argv) + reply_bytes) as u64,
        };
        self.shared.hotkeys.note(cost, &keys, session.in_exec);
    }

    #[cold]
    pub fn log_command(
        &self,
        (log, entries_max): (&Slowlog, usize),
        session: &Session,
        entry: &CommandEntry,
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
        log.push(clock::now_ms() / 1000, measure, argv, whose, room);
    }
}

/// Bytes of a request as it is sent: each part stands behind its length, in lines.
fn encoded_bytes(argv: &[&[u8]]) -> usize {
    let digits = |n: usize| n.checked_ilog10().map_or(1, |tens| tens as usize + 1);
    let line = |n: usize| digits(n) + 3;
    let parts = argv.iter().map(|arg| line(arg.len()) + arg.len() + 2);
    line(argv.len()) + parts.sum::<usize>()
}
