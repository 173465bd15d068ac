//! A unit of work: shards locked, commands run on them, one commit.
//!
//! Command, EXEC, blocked client, expiry and eviction all come through here.

use smallvec::SmallVec;

use super::{Look, Worker};
use crate::acl::User;
use crate::command::session::{ReplyMode, Session};
use crate::command::{
    Args, CommandEntry, Done, Fail, Flag, Flow, Preparation, ReadCall, ReadDb, Run, SessionCall,
    WriteCall,
};
use crate::config::EventClasses;
use crate::engine::{
    Db, Effects, EffectsWanted, Hashed, Locked, Now, Patience, ShardKey, ShardSet, Shards,
};
use crate::resp::Reply;
use crate::util::crash;
use crate::util::turns::Turns;

/// Shards locked and what was done to them so far.
pub(super) struct Unit<'w> {
    pub locked: Locked<'w>,
    pub effects: Box<Effects>,
}

/// A read or write command to be run under a unit's locks.
pub(super) struct Call<'a> {
    pub entry: &'static CommandEntry,
    pub argv: &'a [&'a [u8]],
    pub db: usize,
    /// Whether reads move access clocks.
    pub touch: bool,
    /// Its client is a source of what is imported.
    pub imports: bool,
    /// A script calls it.
    pub scripted: bool,
    /// The key that woke the command, if its client was blocked.
    pub woken: Option<&'a [u8]>,
    pub user: Option<&'a User>,
    /// Its key, if it has one and that has been hashed.
    pub hashed: Option<Hashed<'a>>,
    /// Whether a long reply may be written in parts.
    pub parts: bool,
    pub preparation: Preparation<'a>,
}

impl<'a> Call<'a> {
    pub fn of(session: &'a Session, entry: &'static CommandEntry, argv: &'a [&'a [u8]]) -> Self {
        Call {
            entry,
            argv,
            db: session.db,
            touch: !session.no_touch,
            imports: session.imports,
            scripted: false,
            woken: None,
            user: session.user.as_deref(),
            hashed: entry.lone_key(argv).map(Hashed::new),
            parts: false,
            preparation: Preparation::None,
        }
    }

    /// The call of a request that was looked at before.
    #[inline]
    pub fn looked(session: &'a Session, look: Look, argv: &'a [&'a [u8]]) -> Self {
        let entry = look.entry;
        let key = entry.lone_key(argv).zip(look.at);
        Call {
            entry,
            argv,
            db: session.db,
            touch: !session.no_touch,
            imports: session.imports,
            scripted: false,
            woken: None,
            user: session.user.as_deref(),
            hashed: key.map(|(key, at)| Hashed::known(key, at)),
            parts: session.reply == ReplyMode::On,
            preparation: Preparation::None,
        }
    }

    /// The shards to lock.
    #[inline]
    pub fn shards(&self) -> ShardSet {
        match self.hashed {
            Some(hashed) => ShardSet::of(hashed.at),
            None => self.entry.shards_alone(self.argv),
        }
    }

    /// Calls its keys into the cache at the same time, if they are several.
    #[inline]
    pub fn warm(&self, locked: &Locked<'_>) {
        // One that looks at one shard after another holds none yet.
        if self.hashed.is_none() && !locked.is_empty() {
            let mut keys: SmallVec<[ShardKey; 16]> = SmallVec::new();
            let note = |at: usize| keys.push(ShardKey::of(self.argv[at]));
            self.entry.each_key(self.argv, note);
            locked.warm(self.db, &keys);
        }
    }
}

impl Worker {
    /// Whether the guards have moved since they were asked about the present command. To be looked at under its locks.
    #[inline]
    pub(super) fn guards_moved(&self) -> bool {
        self.shared.guards.moves() != self.asked.when()
    }

    /// Lets go of a unit with which nothing was done.
    #[cold]
    pub(super) fn let_go_of(&self, unit: Unit<'_>) {
        self.effects.borrow_mut().push(unit.effects);
    }

    /// Locks shards for a unit that only reads. Fails while a long script holds one of them.
    pub(super) fn begin(&self, set: ShardSet) -> Result<Unit<'_>, Fail> {
        if set == ShardSet::ALL || set.is_empty() {
            // INFO shows what was in use before it: the locks alone are some thousand bytes.
            crate::util::memory::publish();
        }
        let scripts = &self.shared.scripts;
        match self.engine.lock_unless(set, &|| scripts.is_busy()) {
            Some(locked) => Ok(self.unit(locked)),
            None => Err(self.shared.busy_fail()),
        }
    }

    fn unit<'w>(&'w self, locked: Locked<'w>) -> Unit<'w> {
        let mut effects = self.effects.borrow_mut().pop().unwrap_or_default();
        // Under the locks: whoever begins to read the log locks everything once, and misses nothing after.
        effects.wanted = self.wanted();
        Unit { locked, effects }
    }

    /// Locks shards for a unit that may write, and those that serving the blocked clients in them may touch.
    pub(super) fn begin_write(&self, set: ShardSet) -> Result<Unit<'_>, Fail> {
        self.reach_blocked(set, |set| self.begin(set))
    }

    /// Locks them however long that takes, on a thread without clients.
    pub(super) fn begin_write_patiently(&self, set: ShardSet) -> Unit<'_> {
        let patience = Patience::of_this_thread();
        let unit = self.reach_blocked(set, |set| Ok(self.unit(self.engine.lock(set, patience))));
        unit.unwrap_or_else(|_: Fail| unreachable!("patience does not fail"))
    }

    fn reach_blocked<'w>(
        &'w self,
        set: ShardSet,
        begin: impl Fn(ShardSet) -> Result<Unit<'w>, Fail>,
    ) -> Result<Unit<'w>, Fail> {
        let mut set = set;
        loop {
            let mut unit = begin(set)?;
            let mut reach = set;
            unit.locked.each(|shard| {
                if !shard.waiters.is_empty() {
                    reach.union(shard.waiters.whole_reach());
                }
            });
            if reach == set {
                return Ok(unit);
            }
            // Nothing is done yet, so the locks can be let go and taken anew, lowest first.
            set = reach;
            self.effects.borrow_mut().push(unit.effects);
        }
    }

    fn wanted(&self) -> EffectsWanted {
        let on = self.shared.config.notify_keyspace_events.get();
        // Without a kind of channel, no event goes anywhere.
        let heard = on.has(EventClasses::CHANNELS);
        EffectsWanted {
            events: if heard { on.bits() } else { 0 },
            log: self.shared.journal.has_readers(),
            changed: self.shared.tracking.is_active(),
            // What is being read from files is indexed when all of it is there.
            indexed: self.shared.search.is_active() && !self.is_loading(),
        }
    }

    /// The time that a client's command runs at. As long as data are imported, nothing is dead for the client that brings them.
    #[inline]
    pub(super) fn time_for(&self, imports: bool) -> Now {
        let now = self.present.now();
        match imports && self.shared.config.import_mode.get() {
            true => Now::Replaying(now.clock_ms()),
            false => now,
        }
    }

    /// Runs one read or write command under the unit's locks, and records what to log of it.
    pub(super) fn call(&self, unit: &mut Unit<'_>, job: &Call<'_>, out: &mut Reply) -> Done {
        let Call {
            db,
            touch,
            scripted,
            entry,
            argv,
            user,
            hashed,
            ..
        } = *job;
        let rules = self.present.rules();
        let args = Args::new(argv, entry.words);
        let dirty = unit.effects.dirty;
        unit.effects.rewritten = false;
        unit.effects.faded.get_mut().clear();
        let writes = matches!(entry.command.run, Run::Write(_));
        unit.effects.writes = writes && unit.effects.wanted.log;
        let view = Db::new(
            &mut unit.locked,
            db,
            self.time_for(job.imports),
            &mut unit.effects,
            &rules,
            touch,
            hashed,
        );
        crash::point(if writes { "write" } else { "read" });
        let done = match entry.command.run {
            Run::Read(run) => run(&mut ReadCall {
                scripted,
                parts: job.parts,
                args,
                db: ReadDb::new(view),
                out,
                entry,
                server: &self.shared,
                user,
                turns: &Turns::none(),
            }),
            Run::Write(run) => run(&mut WriteCall {
                woken: job.woken,
                scripted,
                preparation: job.preparation,
                args,
                db: view,
                out,
                entry,
                server: &self.shared,
                user,
            }),
            Run::Session(_) | Run::Container => unreachable!("session commands take no locks"),
        };
        let done = match done {
            Ok(Flow::Rest(rest)) if !job.parts => {
                (rest.write)(rest.value.as_ref(), 0..rest.len, out);
                Ok(Flow::Done)
            }
            done => done,
        };
        let effects = &mut unit.effects;
        if effects.dirty > dirty {
            crash::point("edited");
        }
        if effects.wanted.log && effects.dirty > dirty && !effects.rewritten && done.is_ok() {
            if !effects.dead.get_mut().is_empty() || !effects.faded.get_mut().is_empty() {
                self.bury(unit);
            }
            unit.effects.log.push(db, argv);
        }
        done
    }

    /// Removes what the command came upon dead, before it is logged: whoever reads the log finds dead what it says is. So it
    /// goes though data are imported, by a client that writes beside their source, as it goes in Valkey where it is written to;
    /// and on a replica that lets clients write, as in Redis. What a master sends finds nothing dead.
    #[cold]
    fn bury(&self, unit: &mut Unit<'_>) {
        if self.is_loading() {
            return;
        }
        let Unit { locked, effects } = unit;
        // At a dead key's place there may be another one by now, which is as the command left it.
        for (db, key) in std::mem::take(effects.dead.get_mut()) {
            let shard = locked.shard_mut(ShardKey::of(&key).shard());
            shard.expire_now(db, &key, self.now_ms(), effects);
        }
        for (db, key) in std::mem::take(effects.faded.get_mut()) {
            let shard = locked.shard_mut(ShardKey::of(&key).shard());
            shard.expire_all_now(db, &key, self.now_ms(), effects);
        }
    }

    pub(super) fn call_session(
        &self,
        session: &mut Session,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
        out: &mut Reply,
    ) -> Done {
        let Run::Session(run) = entry.command.run else {
            // A container without a subcommand has failed its arity already.
            unreachable!("containers don't run");
        };
        let args = Args::new(argv, entry.words);
        let mut call = SessionCall {
            args,
            out,
            entry,
            session,
            server: &self.shared,
            registry: self.registry,
            now_ms: self.now_ms(),
        };
        let guards = &self.shared.guards;
        let done = self.asked.note_moves(guards, || run(&mut call));
        if done.is_err() && entry.is(Flag::Scripted) && entry.is(Flag::SkipMonitor) {
            self.account.show_script(session, argv);
        }
        done
    }
}
