//! Blocking and waking: commands that found nothing wait under the lock that their attempt held.
//!
//! Whoever changes a key serves its blocked clients in the same unit, oldest first, and goes on until quiet. Being
//! served, timing out and leaving all happen under locks on the blocked client's shards, so each
//! blocked client is told exactly one thing.

pub mod wake;

use std::sync::Arc;

use super::Worker;
use super::limit::is_full;
use super::refusals::{OOM, refused_by_disk};
use super::rights::{self, Asker};
use super::role::may_write;
use super::unit::{Call, Unit};
use crate::acl::{Context, User};
use crate::command::session::Session;
use crate::command::{AckWish, CommandEntry, Fail, Flag, Flow, OnTimeout, Park, Preparation};
use crate::engine::{BlockedCommand, Place, SHARDS, ShardKey, ShardSet, Shards, Waiter};
use crate::resp::{Reply, encode};
use crate::state::client::{Client, Fate, Unblock, Wait};
use crate::state::clients::Clients;
use crate::state::pause::{KeyWait, PauseMode};
use crate::state::replication::{AckWaiter, Acks};
use crate::state::shared::Shared;
use crate::types::Bstr;
use crate::util::{clock, crash};

/// A blocked command, as its keys' queues hold it.
pub struct Parked {
    entry: &'static CommandEntry,
    args: Vec<Bstr>,
    db: usize,
    resp3: bool,
    /// Its client is a source of what is imported.
    imports: bool,
    client: Arc<Client>,
    user: Option<Arc<User>>,
    /// Keys it waits for.
    places: Vec<Place>,
    /// What becomes of it. It is served under the locks of `places`.
    wait: Arc<Wait>,
}

impl BlockedCommand for Parked {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A blocked client as its own connection holds it.
pub struct Blocked {
    parked: Arc<Parked>,
    ticket: u64,
    deadline_ms: Option<u64>,
    /// When it looks again, though no key has changed.
    look_ms: Option<u64>,
    on_timeout: OnTimeout,
    /// It waits for replicas: what they have acknowledged when its time is up is its reply.
    acks: Option<Acks>,
    /// What it had taken before it was blocked.
    pub(super) nanos: u64,
}

impl Parked {
    pub(super) fn new(
        session: &Session,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
        park: &Park,
        clients: &Clients,
    ) -> Self {
        let mut args: Vec<Bstr> = argv.iter().map(|arg| Bstr::new(arg)).collect();
        for (at, meant) in &park.resolved {
            args[*at] = meant.clone();
        }
        Parked {
            entry,
            args,
            db: session.db,
            resp3: session.resp3,
            imports: session.imports,
            client: session.client.clone(),
            user: session.user.clone(),
            places: park
                .keys
                .iter()
                .map(|at| (session.db, Bstr::new(argv[*at])))
                .collect(),
            wait: clients.block(&session.client),
        }
    }

    /// Its arguments as a request.
    fn request(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&self.args, &mut bytes);
        bytes
    }

    fn of(waiter: &Waiter) -> &Parked {
        let parked = waiter.command.as_any().downcast_ref();
        parked.expect("blocked commands are made here")
    }

    /// Runs a blocked client's command again; it stays blocked if that still finds nothing, perhaps until a time.
    fn serve(&self, worker: &Worker, unit: &mut Unit<'_>, ticket: u64, key: &[u8]) -> Option<u64> {
        if self.wait.is_decided() || self.client.mailbox.is_closing() {
            return None;
        }
        let argv: Vec<&[u8]> = self.args.iter().map(|arg| &arg[..]).collect();
        let mut out = Reply::new(self.resp3);
        let job = Call {
            entry: self.entry,
            argv: &argv,
            db: self.db,
            touch: true,
            imports: self.imports,
            scripted: false,
            woken: Some(key),
            user: self.user.as_deref(),
            hashed: None,
            parts: false,
            preparation: Preparation::None,
        };
        let held_back = self.must_wait(&worker.shared, &argv);
        let asked = match held_back {
            true => Ok(()),
            false => self.ask_again(worker, &argv),
        };
        let mut fate = self.wait.fate();
        if *fate != Fate::Blocked {
            // CLIENT UNBLOCK came first.
            return None;
        }
        *fate = if held_back {
            Fate::Woken(Unblock::Again)
        } else {
            let served = match asked {
                Err(fail) => {
                    worker.reject(self.entry, &fail, &mut out);
                    Ok(Flow::Done)
                }
                Ok(()) => {
                    crash::point("serve");
                    worker.call(unit, &job, &mut out)
                }
            };
            match served.map(blocks_again) {
                Ok(Some(park)) => return park.look_ms,
                Ok(None) => {}
                Err(fail) => {
                    out = Reply::new(self.resp3);
                    worker.answer_error(self.entry, &fail, &mut out);
                }
            }
            Fate::Served(out.into_bytes())
        };
        drop(fate);
        self.leave(unit, ticket);
        worker.shared.clients.set_unblocked(&self.client);
        self.client.mailbox.ring();
        None
    }

    /// Takes a blocked client out of the queues of all its keys.
    fn leave(&self, unit: &mut Unit<'_>, ticket: u64) {
        for place in &self.places {
            unit.locked
                .shard_mut(ShardKey::of(&place.1).shard())
                .waiters
                .leave(place, ticket);
        }
    }

    /// Whether clients are held back that would run this command.
    fn must_wait(&self, shared: &Shared, argv: &[&[u8]]) -> bool {
        let (pause, now_ms) = (&shared.pause, clock::now_ms());
        let paused = match pause.active(now_ms) {
            None => false,
            Some(PauseMode::All) => true,
            Some(PauseMode::Write) => self.entry.is(Flag::Write),
        };
        let by_keys = || pause.wait_for_keys(self.entry, argv, false) != KeyWait::Nothing;
        paused || pause.is_any(now_ms) && by_keys()
    }

    /// Asks the guards about a blocked client that is to be served: what it was allowed when it was blocked may have been taken
    /// from it since, by those too whose locks are held here.
    fn ask_again(&self, worker: &Worker, argv: &[&[u8]]) -> Result<(), Fail> {
        let entry = self.entry;
        let asker = Asker {
            user: self.user.as_deref(),
            client: &self.client,
            context: Context::Toplevel,
            db: self.db,
        };
        asker
            .check(worker, entry, argv)
            .map_err(|denied| rights::refusal(denied, self.user.as_deref(), entry))?;
        if entry.is(Flag::DenyOom) && is_full(&worker.shared) {
            return Err(Fail::code(OOM));
        }
        if !entry.is(Flag::Write) {
            return Ok(());
        }
        if let Some(trouble) = worker.shared.store.trouble() {
            return Err(refused_by_disk(trouble));
        }
        match worker.shared.replication.is_guarded() {
            true => may_write(&worker.shared),
            false => Ok(()),
        }
    }
}

impl Blocked {
    /// Waits for time alone.
    pub(super) fn without_keys(
        session: &Session,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
        park: &Park,
        clients: &Clients,
    ) -> Self {
        let parked = Arc::new(Parked::new(session, entry, argv, park, clients));
        Blocked {
            parked,
            ticket: 0,
            deadline_ms: park.deadline_ms,
            look_ms: None,
            on_timeout: park.on_timeout,
            acks: None,
            nanos: 0,
        }
    }

    /// Waits for its keys, on their shards' queues.
    pub(super) fn for_keys(
        unit: &mut Unit<'_>,
        parked: Parked,
        park: &Park,
        clients: &Clients,
    ) -> Blocked {
        let reach = unit.locked.set();
        let parked = Arc::new(parked);
        let ticket = clients.new_ticket();
        for place in &parked.places {
            let shard = unit.locked.shard_mut(ShardKey::of(&place.1).shard());
            let waiter = Waiter {
                ticket,
                reach,
                command: parked.clone(),
            };
            shard.waiters.park(place.clone(), waiter);
        }
        Blocked {
            parked,
            ticket,
            deadline_ms: park.deadline_ms,
            look_ms: not_at_once(park.look_ms),
            on_timeout: park.on_timeout,
            acks: None,
            nanos: 0,
        }
    }

    /// Waits for replicas to acknowledge.
    pub(super) fn for_acks(
        session: &Session,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
        wish: &AckWish,
        shared: &Shared,
    ) -> Self {
        let park = Park {
            keys: Default::default(),
            deadline_ms: wish.deadline_ms,
            look_ms: None,
            on_timeout: OnTimeout::Null,
            resolved: Vec::new(),
        };
        let mut blocked = Self::without_keys(session, entry, argv, &park, &shared.clients);
        blocked.acks = Some(wish.acks);
        let parked = Arc::downgrade(&blocked.parked);
        shared.replication.add_waiter(AckWaiter {
            acks: wish.acks,
            tell: Box::new(move |reply| {
                let Some(parked) = parked.upgrade() else {
                    return false;
                };
                if let Some(reply) = reply
                    && parked.wait.decide(Fate::Served(reply))
                {
                    parked.client.mailbox.ring();
                }
                true
            }),
        });
        blocked
    }

    /// What its arguments take. Names of keys are not counted again, though the shards' queues have them, too: limits are
    /// set for what clients sent.
    pub fn bytes(&self) -> usize {
        let args = &self.parked.args;
        let heap: usize = args.iter().map(Bstr::heap_bytes).sum();
        heap + size_of_val(&args[..])
    }

    /// When its time is up, or it has to look again.
    pub fn next_ms(&self) -> Option<u64> {
        [self.deadline_ms, self.look_ms].into_iter().flatten().min()
    }

    /// Whether it looks again before its time is up.
    pub fn is_to_look(&self) -> bool {
        self.look_ms
            .is_some_and(|look_ms| self.deadline_ms.is_none_or(|end_ms| look_ms <= end_ms))
    }

    /// Whether it has been served, or woken from outside.
    pub fn is_decided(&self) -> bool {
        self.parked.wait.is_decided()
    }

    /// Lets a blocked client look again because it is time; it may be served by that. Nothing if that is still to be done, as a long script
    /// holds its keys.
    pub fn retry(&mut self, worker: &Worker) -> Option<()> {
        if worker.is_loading() {
            self.look_ms = not_at_once(self.look_ms);
            return Some(());
        }
        let parked = &self.parked;
        let mut set = ShardSet::EMPTY;
        let keys = parked.places.iter().map(|place| ShardKey::of(&place.1));
        keys.for_each(|key| set.add(key));
        let mut unit = worker.begin_write(set).ok()?;
        let (_, key) = parked.places.first().expect("who looks has keys");
        let look_ms = parked.serve(worker, &mut unit, self.ticket, key);
        self.look_ms = not_at_once(look_ms);
        worker.commit_alone(unit);
        Some(())
    }
}

/// The least time between two looks of a blocked client.
const LOOK_REST_MS: u64 = 10;

/// Serves blocked clients of changed keys, and of those that serving them changes, until quiet.
pub(super) fn serve_blocked(worker: &Worker, unit: &mut Unit<'_>) {
    if worker.is_loading() && !worker.present.now().is_live() {
        // What is there while data are read may be gone by their end.
        unit.effects.ready.clear();
        return;
    }
    // What is served is a command of its own; what came before it may have taken long. A master's stream has no time.
    worker.present.read_clock_if_live();
    let mut next = 0;
    while next < unit.effects.ready.len() {
        let place = unit.effects.ready[next].clone();
        next += 1;
        let shard = unit.locked.shard_mut(ShardKey::of(&place.1).shard());
        for waiter in shard.waiters.of(&place) {
            unit.effects.log.cut();
            let parked = Parked::of(&waiter);
            parked.serve(worker, unit, waiter.ticket, &place.1);
        }
    }
    unit.effects.ready.clear();
}

/// Serves the blocked clients of all keys that are there once data have been read.
pub(super) fn serve_all_blocked(worker: &Worker) {
    for id in 0..SHARDS {
        let mut unit = worker.begin_write_patiently(ShardSet::one(id));
        let shard = unit.locked.shard_mut(id);
        unit.effects.ready.extend(shard.waiters.places().cloned());
        worker.commit_alone(unit);
    }
}

/// Between two looks of a blocked client others have their turn, whatever it looks for.
fn not_at_once(look_ms: Option<u64>) -> Option<u64> {
    look_ms.map(|look_ms| look_ms.max(clock::now_ms().saturating_add(LOOK_REST_MS)))
}

/// Whether a blocked client's command stays blocked: no such command ends in any other way than this, or done.
fn blocks_again(flow: Flow) -> Option<Box<Park>> {
    match flow {
        Flow::Park(park) => Some(park),
        Flow::Done => None,
        Flow::Exec
        | Flow::Discard
        | Flow::Watch
        | Flow::Unwatch
        | Flow::Reset
        | Flow::Close
        | Flow::Shutdown(_)
        | Flow::Wait(_)
        | Flow::Reload(_)
        | Flow::Script(_)
        | Flow::LogAlone
        | Flow::TellReplicas
        | Flow::Replica(_)
        | Flow::Acks(_)
        | Flow::Rest(_)
        | Flow::Names(_)
        | Flow::Transfer(_)
        | Flow::Prepare(_)
        | Flow::Whole
        | Flow::Stall(_) => unreachable!("a blocked client's command is done, or stays blocked"),
    }
}
