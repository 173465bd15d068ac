//! Whether a request may run: ordered checks, and the first refusal wins.

use std::sync::atomic::Ordering;

use super::declared::{is_declared_harmless, is_declared_writer, keeps_to_slot};
use super::find::find;
use super::refusals::{LOADING, OOM, STALE, refused_by_disk};
use super::rights::{self, Asker};
use super::role::{check_protected, check_redirect, is_stale, may_write};
use super::slots::{Slotted, check_slots};
use super::{Look, Worker};
use crate::acl::Context;
use crate::command::session::{Queued, Session};
use crate::command::{CommandEntry, Fail, Flag, Run};
use crate::state::clustering::Clustering;
use crate::state::pause::{KeyWait, PauseMode};

/// For keys of slots that another node may have taken by now, or not.
const DOUBTFUL: &str =
    "TRYAGAIN It is not known yet whether another node has taken the slots of these keys";

pub(super) enum Verdict {
    Run(Look),
    /// To be run, and what it costs counted for its slot.
    Counted(Look, u16),
    /// Kept for EXEC.
    Queued,
    Paused,
    /// The client is about to be closed, and runs nothing more.
    Gone,
    /// An HTTP request that a browser was made to send: closed without a word.
    Attack,
    Refused(Option<&'static CommandEntry>, Fail),
}

impl Worker {
    pub(super) fn admit(
        &self,
        session: &mut Session,
        argv: &[&[u8]],
        look: Option<Look>,
    ) -> Verdict {
        self.asked.now(&self.shared.guards);
        if session.client.mailbox.is_closing() {
            return Verdict::Gone;
        }
        let clustering = self.shared.clustering.as_ref();
        if clustering.is_some() {
            session.hears_request();
        }
        let look = match look {
            Some(look) => look,
            None => match find(self.registry, argv) {
                Ok(entry) => Look::unhashed(entry),
                Err(_) if is_http(argv[0]) => return Verdict::Attack,
                Err(fail) => return Verdict::Refused(None, fail),
            },
        };
        let entry = look.entry;
        match self.check(session, clustering, look, argv) {
            Err(fail) => return Verdict::Refused(Some(entry), fail),
            Ok(()) => match self.is_paused(session, entry, argv) {
                KeyWait::Nothing => {}
                KeyWait::Waits => return Verdict::Paused,
                KeyWait::Doubtful => {
                    return Verdict::Refused(Some(entry), Fail::code(DOUBTFUL));
                }
            },
        }
        if session.multi.is_some() && !entry.is(Flag::InMulti) {
            self.follow_queued(session, entry, argv);
            session.enqueue(entry, argv);
            return Verdict::Queued;
        }
        if clustering.is_some()
            && self.shared.config.cluster_slot_stats_enabled.get()
            && let Some(slot) = Slotted::of(session, entry, argv).slot()
        {
            return Verdict::Counted(look, slot);
        }
        Verdict::Run(look)
    }

    fn check(
        &self,
        session: &Session,
        clustering: Option<&Clustering>,
        look: Look,
        argv: &[&[u8]],
    ) -> Result<(), Fail> {
        let entry = look.entry;
        if !entry.arity_fits(argv.len()) {
            return Err(Fail::arity(&entry.full_name));
        }
        if entry.is(Flag::Protected) {
            check_protected(&self.shared, session, entry)?;
        }
        if !session.authenticated
            && !entry.is(Flag::NoAuth)
            && !self.shared.users.default().is_open()
        {
            return Err(Fail::code("NOAUTH Authentication required."));
        }
        if session.multi.is_some() && entry.is(Flag::NoMulti) {
            return Err(Fail::Says("Command not allowed inside a transaction"));
        }
        if session
            .user
            .as_ref()
            .is_some_and(|user| !user.is_unlimited())
        {
            self.check_user(session, entry, argv)?;
        }
        if let Some(clustering) = clustering
            && !self.shared.config.cluster_lone_node.get()
        {
            check_slots(self, clustering, session, look, argv)?;
        }
        if self.shared.scripts.is_busy() {
            self.check_busy(entry)?;
        } else if self.shared.config.maxmemory.get() > 0 {
            self.check_memory(session, entry)?;
        }
        if let Some(trouble) = self.shared.store.trouble()
            && (is_any(session, entry, &[Flag::Write]) || entry.is(Flag::ShowsTrouble))
        {
            return Err(refused_by_disk(trouble));
        }
        if self.shared.replication.is_guarded() {
            self.check_part(session, entry, argv)?;
        }
        if !session.resp3 && session.is_subscriber() && !entry.is(Flag::WhileSubscribed) {
            return Err(Fail::said(format!(
                "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                entry.full_name
            )));
        }
        if self.is_loading() && !is_answered_while_loading(session, entry) {
            return Err(Fail::code(LOADING));
        }
        if session.replica.is_some() {
            check_replica(session, entry)?;
        }
        Ok(())
    }

    /// A user who may not do everything.
    #[inline(never)]
    fn check_user(
        &self,
        session: &Session,
        entry: &CommandEntry,
        argv: &[&[u8]],
    ) -> Result<(), Fail> {
        if session.user.as_ref().is_some_and(|user| user.is_gone()) {
            return Err(Fail::code("NOAUTH Authentication required."));
        }
        // What is logged of the client tells what it was about to do.
        let last = &session.client.last_command;
        last.store(entry.id as u32, Ordering::Relaxed);
        let context = match session.multi {
            Some(_) => Context::Multi,
            None => Context::Toplevel,
        };
        Asker::of(session, context)
            .check(self, entry, argv)
            .map_err(|denied| rights::refusal(denied, session.user.as_deref(), entry))
    }

    /// Notes which database a command that is queued goes to: the rights to what comes after it are those in there.
    fn follow_queued(&self, session: &mut Session, entry: &CommandEntry, argv: &[&[u8]]) {
        let databases = self.shared.config.databases.get() as usize;
        if let Some(multi) = &mut session.multi
            && !multi.refused
            && let Some(db) = entry.enters(argv, databases)
        {
            multi.db = Some(db);
        }
    }

    /// While a script runs for long there is little else to be done.
    #[cold]
    fn check_busy(&self, entry: &CommandEntry) -> Result<(), Fail> {
        if self.is_loading() && !entry.is(Flag::Loading) {
            // It is a script of the log, or one that ran before loading began.
            return Err(Fail::code(LOADING));
        }
        if !entry.is(Flag::AllowBusy) {
            return Err(self.shared.busy_fail());
        }
        Ok(())
    }

    /// What a replica may do, and a master that wants replicas.
    #[cold]
    fn check_part(
        &self,
        session: &Session,
        entry: &CommandEntry,
        argv: &[&[u8]],
    ) -> Result<(), Fail> {
        let queued = || session.multi.iter().flat_map(|multi| &multi.queue);
        let is_exec = entry.is(Flag::RunsQueue);
        let queued_writes = |one: &Queued| {
            one.entry.is(Flag::Write)
                || one.entry.is(Flag::Scripted) && {
                    let args: Vec<&[u8]> = one.args.iter().map(|arg| &arg[..]).collect();
                    is_declared_writer(&self.shared, one.entry, &args)
                }
        };
        let writes = entry.is(Flag::Write)
            || session.multi.is_some() && is_declared_writer(&self.shared, entry, argv)
            || is_exec && queued().any(queued_writes);
        // A cluster's node has its own way to send clients elsewhere.
        if session.follows_redirects && self.shared.clustering.is_none() {
            // A script that doesn't say what it does is no command that reads.
            let reads = |entry: &CommandEntry| entry.is(Flag::ReadOnly);
            let reads = reads(entry) || is_exec && queued().any(|one| reads(one.entry));
            if writes
                || is_declared_writer(&self.shared, entry, argv)
                || reads && !session.reads_here
            {
                check_redirect(&self.shared)?;
            }
        }
        let stale =
            entry.is(Flag::Stale) && !(is_exec && queued().any(|one| !one.entry.is(Flag::Stale)));
        if writes {
            may_write(&self.shared)?;
        }
        if !stale && is_stale(&self.shared) {
            return Err(Fail::code(STALE));
        }
        let looks_later =
            entry.is(Flag::NoAsyncLoading) || is_any(session, entry, &[Flag::NoAsyncLoading]);
        if looks_later && self.shared.replication.loads_aside() {
            return Err(Fail::code(LOADING));
        }
        Ok(())
    }

    /// Makes room when memory is short, and refuses what could need more if there is none to make.
    fn check_memory(&self, session: &Session, entry: &CommandEntry) -> Result<(), Fail> {
        if !self.eviction.look(self)? {
            return Ok(());
        }
        let exec_grows = entry.is(Flag::RunsQueue)
            && session.multi.as_ref().is_some_and(|multi| {
                multi
                    .queue
                    .iter()
                    .any(|queued| queued.entry.is(Flag::DenyOom))
            });
        if entry.is(Flag::DenyOom) || exec_grows {
            return Err(Fail::code(OOM));
        }
        Ok(())
    }

    #[inline]
    fn is_paused(&self, session: &Session, entry: &CommandEntry, argv: &[&[u8]]) -> KeyWait {
        match self.shared.pause.is_any(self.now_ms()) {
            true => self.is_held_back(session, entry, argv),
            false => KeyWait::Nothing,
        }
    }

    #[cold]
    fn is_held_back(&self, session: &Session, entry: &CommandEntry, argv: &[&[u8]]) -> KeyWait {
        if session.replica.is_some() {
            // It touches no key, and what it has received is to be heard meanwhile.
            return KeyWait::Nothing;
        }
        let paused = match self.shared.pause.active(self.now_ms()) {
            None => false,
            Some(PauseMode::All) => !entry.is(Flag::ThroughPause),
            Some(PauseMode::Write) => {
                is_any(session, entry, &[Flag::Write, Flag::MayReplicate])
                    && !is_declared_harmless(&self.shared, entry, argv)
            }
        };
        match paused {
            true => KeyWait::Waits,
            false => self.wait_for_keys(session, entry, argv),
        }
    }

    /// What keys that are on their way to another server do to it.
    fn wait_for_keys(&self, session: &Session, entry: &CommandEntry, argv: &[&[u8]]) -> KeyWait {
        let awaits = |entry: &CommandEntry, argv: &[&[u8]]| {
            let keeps_to_slot = keeps_to_slot(&self.shared, entry, argv);
            self.shared.pause.wait_for_keys(entry, argv, keeps_to_slot)
        };
        match &session.multi {
            None => awaits(entry, argv),
            Some(multi) if entry.is(Flag::RunsQueue) => {
                let queued = multi.queue.iter().map(|queued| {
                    let argv: Vec<&[u8]> = queued.args.iter().map(|arg| &arg[..]).collect();
                    awaits(queued.entry, &argv)
                });
                queued.max().unwrap_or(KeyWait::Nothing)
            }
            Some(_) => KeyWait::Nothing,
        }
    }
}

/// On a replica's link nothing is asked of the keyspace.
#[cold]
fn check_replica(session: &Session, entry: &CommandEntry) -> Result<(), Fail> {
    let flags = [Flag::Write, Flag::ReadOnly, Flag::MayReplicate];
    if !flags.iter().any(|flag| entry.is(*flag)) && !is_any(session, entry, &flags) {
        return Ok(());
    }
    let last = &session.client.last_command;
    last.store(entry.id as u32, Ordering::Relaxed);
    tracing::warn!(
        "== CRITICAL == This master is sending an error to its replica: 'ERR Replica can't interact with the keyspace' after processing the command '{}'",
        entry.full_name
    );
    Err(Fail::Says("Replica can't interact with the keyspace"))
}

/// What looks at the cluster needs no data: whoever puts one together asks replicas while they load. Redis, which serves
/// nobody while it loads a little, is hardly ever seen loading. Scripts, and what changes a cluster, wait for the data.
fn is_answered_while_loading(session: &Session, entry: &CommandEntry) -> bool {
    let answered = |entry: &CommandEntry| {
        let needs_data = entry.is(Flag::NoAsyncLoading) || entry.is(Flag::NoScript);
        let looks = entry.is(Flag::Stale) && !needs_data;
        entry.is(Flag::Loading) || looks && matches!(entry.command.run, Run::Session(_))
    };
    answered(entry) && !(entry.is(Flag::RunsQueue) && is_queued(session, |one| !answered(one)))
}

/// What a browser sends that was made to talk to this port.
fn is_http(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:")
}

/// Whether it is one of these, at once or as what EXEC will run.
fn is_any(session: &Session, entry: &CommandEntry, flags: &[Flag]) -> bool {
    let one = |entry: &CommandEntry| flags.iter().any(|flag| entry.is(*flag));
    match entry.is(Flag::RunsQueue) {
        true => is_queued(session, one),
        false => session.multi.is_none() && one(entry),
    }
}

/// Whether EXEC will run such a command.
fn is_queued(session: &Session, such: impl Fn(&CommandEntry) -> bool) -> bool {
    let mut queued = session.multi.iter().flat_map(|multi| &multi.queue);
    queued.any(|queued| such(queued.entry))
}
