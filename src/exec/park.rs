//! Sleeping and waking: commands that found nothing wait under the lock that their attempt held.
//!
//! Whoever changes a key serves its sleepers in the same unit, oldest first, and goes on until quiet. Being
//! served, timing out and leaving all happen under locks on the sleeper's shards, so each
//! sleeper is told exactly one thing.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Worker;
use super::rights::{self, Asker};
use super::unit::{Call, Unit};
use crate::acl::{Context, User};
use crate::command::client::{Client, Unblock};
use crate::command::replication::{AckWaiter, Acks};
use crate::command::session::Session;
use crate::command::shared::Shared;
use crate::command::{AckWish, Entry, Fail, Flag, Flow, OnTimeout, Park};
use crate::engine::{Place, ShardSet, Shards, Sleeper, Waiter, shard_of};
use crate::journal::Seq;
use crate::resp::Reply;
use crate::types::Bstr;
use crate::util::{clock, crash, keyhash};

/// A command asleep, as its keys' queues hold it.
pub struct Parked {
    entry: &'static Entry,
    args: Vec<Bstr>,
    db: usize,
    resp3: bool,
    client: Arc<Client>,
    user: Option<Arc<User>>,
    /// Keys it waits for.
    places: Vec<Place>,
    /// What it was served, once it was. Set under the locks of `places`.
    reply: Mutex<Option<Vec<u8>>>,
}

impl Sleeper for Parked {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A sleeper as its own connection holds it.
pub struct Sleep {
    parked: Arc<Parked>,
    ticket: u64,
    pub deadline_ms: Option<u64>,
    on_timeout: OnTimeout,
    /// It waits for replicas: what they have acknowledged when its time is up is its reply.
    acks: Option<Acks>,
    /// What it had taken before it fell asleep.
    pub(super) nanos: u64,
}

impl Parked {
    pub(super) fn new(
        session: &Session,
        entry: &'static Entry,
        argv: &[&[u8]],
        park: &Park,
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
            client: session.client.clone(),
            user: session.user.clone(),
            places: park
                .keys
                .iter()
                .map(|at| (session.db, Bstr::new(argv[*at])))
                .collect(),
            reply: Mutex::new(None),
        }
    }
}

impl Sleep {
    /// Waits for time alone.
    pub(super) fn without_keys(
        session: &Session,
        entry: &'static Entry,
        argv: &[&[u8]],
        park: &Park,
    ) -> Self {
        let parked = Arc::new(Parked::new(session, entry, argv, park));
        Sleep {
            parked,
            ticket: 0,
            deadline_ms: park.deadline_ms,
            on_timeout: park.on_timeout,
            acks: None,
            nanos: 0,
        }
    }

    /// Waits for replicas to acknowledge.
    pub(super) fn for_acks(
        session: &Session,
        entry: &'static Entry,
        argv: &[&[u8]],
        wish: &AckWish,
        shared: &Shared,
    ) -> Self {
        let park = Park {
            keys: Default::default(),
            deadline_ms: wish.deadline_ms,
            on_timeout: OnTimeout::Null,
            resolved: Vec::new(),
        };
        let mut sleep = Self::without_keys(session, entry, argv, &park);
        sleep.acks = Some(wish.acks);
        let parked = Arc::downgrade(&sleep.parked);
        shared.replication.add_waiter(AckWaiter {
            acks: wish.acks,
            tell: Box::new(move |reply| {
                let Some(parked) = parked.upgrade() else {
                    return false;
                };
                if let Some(reply) = reply {
                    *parked.reply.lock() = Some(reply);
                    parked.client.mailbox.ring();
                }
                true
            }),
        });
        sleep
    }

    /// What its arguments take. Names of keys are not counted again, though the shards' queues have them, too: limits are
    /// set for what clients sent.
    pub fn bytes(&self) -> usize {
        let args = &self.parked.args;
        let heap: usize = args.iter().map(Bstr::heap_bytes).sum();
        heap + size_of_val(&args[..])
    }

    /// Whether it has been served.
    pub fn is_served(&self) -> bool {
        self.parked.reply.lock().is_some()
    }
}

/// Why a sleeper gets up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    Served,
    TimedOut,
    /// CLIENT UNBLOCK ... ERROR.
    Unblocked,
    /// The server has become a replica.
    Moved,
    Gone,
}

impl Worker {
    pub(super) fn park(
        &self,
        unit: &mut Unit<'_>,
        parked: Parked,
        park: &Park,
        reach: ShardSet,
    ) -> Sleep {
        let parked = Arc::new(parked);
        let ticket = self.shared.clients.new_ticket();
        for place in &parked.places {
            let shard = unit.locked.shard_mut(shard_of(keyhash::hash(&place.1)));
            let waiter = Waiter {
                ticket,
                reach,
                sleeper: parked.clone(),
            };
            shard.waiters.park(place.clone(), waiter);
        }
        Sleep {
            parked,
            ticket,
            deadline_ms: park.deadline_ms,
            on_timeout: park.on_timeout,
            acks: None,
            nanos: 0,
        }
    }

    /// Serves sleepers of changed keys, and of those that serving them changes, until quiet.
    pub(super) fn serve_sleepers(&self, unit: &mut Unit<'_>) {
        // What is served is a command of its own; what came before it may have taken long. A master's stream has no time.
        if self.now_ms() > 0 {
            self.now_ms.set(clock::now_ms());
        }
        let mut next = 0;
        while next < unit.effects.ready.len() {
            let place = unit.effects.ready[next].clone();
            next += 1;
            let shard = unit.locked.shard_mut(shard_of(keyhash::hash(&place.1)));
            for waiter in shard.waiters.of(&place) {
                unit.effects.log.cut();
                self.serve(unit, &waiter, &place.1);
            }
        }
        unit.effects.ready.clear();
    }

    /// Runs a sleeper's command again; it sleeps on if that still finds nothing.
    fn serve(&self, unit: &mut Unit<'_>, waiter: &Waiter, key: &[u8]) {
        let parked = waiter
            .sleeper
            .as_any()
            .downcast_ref::<Parked>()
            .expect("sleepers are made here");
        if parked.reply.lock().is_some() {
            return;
        }
        let argv: Vec<&[u8]> = parked.args.iter().map(|arg| &arg[..]).collect();
        let mut out = Reply::new(parked.resp3);
        let job = Call {
            entry: parked.entry,
            argv: &argv,
            db: parked.db,
            touch: true,
            scripted: false,
            woken: Some(key),
            user: parked.user.as_deref(),
            hashed: None,
            parts: false,
        };
        // What it was allowed when it fell asleep may have been taken from it since.
        let asker = Asker {
            user: parked.user.as_deref(),
            client: &parked.client,
            context: Context::Toplevel,
        };
        if let Err(denied) = self.check_rights(&asker, parked.entry, &argv) {
            self.reject(
                parked.entry,
                &rights::refusal(denied, parked.user.as_deref(), parked.entry),
                &mut out,
            );
            forget(unit, parked, waiter.ticket);
            *parked.reply.lock() = Some(out.into_bytes());
            parked.client.mailbox.ring();
            return;
        }
        crash::point("serve");
        match self.call(unit, &job, &mut out) {
            Ok(Flow::Park(_)) => return,
            Ok(_) => {}
            Err(fail) => {
                out = Reply::new(parked.resp3);
                self.answer_error(parked.entry, &fail, &mut out);
            }
        }
        forget(unit, parked, waiter.ticket);
        *parked.reply.lock() = Some(out.into_bytes());
        parked.client.mailbox.ring();
    }

    /// Takes a sleeper off its keys and writes what it is told: what it was served, if it was. `false` if that is still
    /// to be done, as a long script holds its keys.
    pub fn wake(&self, session: &mut Session, sleep: &Sleep, wake: Wake, out: &mut Reply) -> bool {
        let mark = out.mark();
        let mut started = self.watch.read();
        let parked = &*sleep.parked;
        let mut set = ShardSet::EMPTY;
        parked
            .places
            .iter()
            .for_each(|place| set.add(keyhash::hash(&place.1)));
        let Ok(mut unit) = self.begin(set) else {
            return false;
        };
        let served = parked.reply.lock().take();
        if served.is_none() {
            forget(&mut unit, parked, sleep.ticket);
        } else {
            // What served it was this client's own edit.
            self.wrote(Seq(unit.locked.stamp()));
        }
        self.commit(unit, None);
        match (served, wake) {
            (Some(reply), _) => out.raw(&reply),
            (None, Wake::Unblocked) => {
                let fail = Fail::code("UNBLOCKED client unblocked via CLIENT UNBLOCK");
                self.answer_error(parked.entry, &fail, out);
            }
            (None, Wake::Moved) => {
                let fail = Fail::code(
                    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
                );
                self.answer_error(parked.entry, &fail, out);
            }
            (None, Wake::TimedOut | Wake::Served) => match &sleep.acks {
                Some(acks) => {
                    let count = acks.count(&self.shared.replication, &self.shared.journal);
                    out.raw(&acks.reply(count));
                }
                None => sleep.on_timeout.write(out),
            },
            (None, Wake::Gone) => return true,
        }
        let argv: Vec<&[u8]> = parked.args.iter().map(|arg| &arg[..]).collect();
        let nanos = sleep.nanos + self.lap(&mut started);
        self.count(session, parked.entry, &argv, nanos);
        self.finish_reply(session, mark, out);
        true
    }

    /// A server that became a replica wakes its sleepers; one that fell asleep in that moment was passed over. No
    /// replica lets a client sleep that would write.
    pub fn look_again(&self, sleep: &Sleep) {
        let (parked, shared) = (&sleep.parked, &self.shared);
        if parked.entry.is(Flag::Write)
            && shared.replication.is_replica()
            && shared.config.replica_read_only.get()
        {
            parked.client.unblock(Unblock::Moved);
        }
    }

    /// Why the bell may have rung for a sleeper.
    pub fn woken(&self, sleep: &Sleep) -> Option<Wake> {
        if sleep.is_served() {
            return Some(Wake::Served);
        }
        match sleep.parked.client.take_unblock() {
            Unblock::No => None,
            Unblock::Timeout => Some(Wake::TimedOut),
            Unblock::Error => Some(Wake::Unblocked),
            Unblock::Moved => Some(Wake::Moved),
        }
    }
}

/// Takes a sleeper out of the queues of all its keys.
fn forget(unit: &mut Unit<'_>, parked: &Parked, ticket: u64) {
    for place in &parked.places {
        unit.locked
            .shard_mut(shard_of(keyhash::hash(&place.1)))
            .waiters
            .leave(place, ticket);
    }
}
