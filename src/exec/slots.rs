//! Whether a request's keys are this node's, or whom the client is sent to: MOVED, ASK, TRYAGAIN, CROSSSLOT and CLUSTERDOWN.
//!
//! One check for all: commands, what MULTI queues, EXEC with all that it runs, scripts by the keys that they declare and
//! by what they call, clients that are blocked, sharded channels. It is made on a request's admission, on the picture of
//! the cluster that holds at that moment; another picture moves the guards, so that whoever locks its keys afterwards is
//! asked again. Where a slot is on the move, what matters is which of the keys are here, and that is looked at under
//! their locks.

use std::sync::Arc;

use bytes::Bytes;

use super::declared::is_declared_writer;
use super::unit::Unit;
use super::{Look, Worker};
use crate::cluster::{NONE, NodeView, View, slot_of};
use crate::command::session::{Asking, Multi, Session};
use crate::command::{CommandEntry, Fail, Flag, Run};
use crate::commands::tell_left;
use crate::config::choices::EndpointType;
use crate::engine::{Place, ShardKey, ShardSet, Shards};
use crate::pubsub::Channels;
use crate::resp::Reply;
use crate::state::clustering::Clustering;
use crate::state::shared::Shared;

/// What is asked about.
#[derive(Clone, Copy)]
pub(super) enum Slotted<'a> {
    One(&'static CommandEntry, &'a [&'a [u8]]),
    /// EXEC, with what MULTI has queued.
    Queue(&'static CommandEntry, &'a Multi),
}

impl<'a> Slotted<'a> {
    pub fn of(session: &'a Session, entry: &'static CommandEntry, argv: &'a [&'a [u8]]) -> Self {
        match &session.multi {
            Some(multi) if entry.is(Flag::RunsQueue) => Slotted::Queue(entry, multi),
            _ => Slotted::One(entry, argv),
        }
    }

    fn entry(&self) -> &'static CommandEntry {
        match self {
            Slotted::One(entry, _) | Slotted::Queue(entry, _) => entry,
        }
    }

    /// Visits all commands, and of each all that belongs to a slot.
    fn each(&self, mut visit: impl FnMut(&CommandEntry, &[u8])) {
        match self {
            Slotted::One(entry, argv) => entry.each_slotted(argv, |at| visit(entry, argv[at])),
            Slotted::Queue(_, multi) => {
                for queued in &multi.queue {
                    let argv: Vec<&[u8]> = queued.args.iter().map(|arg| &arg[..]).collect();
                    let entry = queued.entry;
                    entry.each_slotted(&argv, |at| visit(entry, argv[at]));
                }
            }
        }
    }

    /// The slot of the first thing that belongs to one.
    pub fn slot(&self) -> Option<u16> {
        let mut slot = None;
        self.each(|_, key| slot = slot.or(Some(slot_of(key))));
        slot
    }

    fn any(&self, such: impl Fn(&CommandEntry) -> bool) -> bool {
        match self {
            Slotted::One(entry, _) => such(entry),
            Slotted::Queue(_, multi) => multi.queue.iter().any(|queued| such(queued.entry)),
        }
    }
}

/// Where a request may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    Here,
    /// Here if all of its keys are, as their slot leaves; else at the other node.
    Leaving(u16),
    /// Here if all of its several keys have come.
    Coming,
}

/// What of a session matters here.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub asking: bool,
    pub reads_here: bool,
    /// The client speaks TLS.
    pub tls: bool,
}

impl Manner {
    pub fn of(session: &Session) -> Self {
        Manner {
            asking: session.asking != Asking::No,
            reads_here: session.reads_here,
            tls: session.tls,
        }
    }
}

pub(super) const DOWN: &str = "CLUSTERDOWN The cluster is down";
pub(super) const DOWN_READS: &str =
    "CLUSTERDOWN The cluster is down and only accepts read commands";
const UNBOUND: &str = "CLUSTERDOWN Hash slot not served";
pub(super) const CROSS: &str = "CROSSSLOT Keys in request don't hash to the same slot";
pub(super) const TRY_AGAIN: &str = "TRYAGAIN Multiple keys request during rehashing of slot";

/// The cluster's picture, if clients may be sent elsewhere: as of when the guards were asked.
pub(super) fn cluster_picture(worker: &Worker) -> Option<Arc<View>> {
    let clustering = worker.shared.redirecting()?;
    Some(worker.picture.as_of(worker.asked.when(), clustering))
}

/// Whether a request may be served here, as far as its slots tell.
#[inline]
pub(super) fn check_slots(
    worker: &Worker,
    clustering: &Clustering,
    session: &Session,
    look: Look,
    argv: &[&[u8]],
) -> Result<(), Fail> {
    let Look { entry, at } = look;
    let is_here = |view: &View| {
        view.is_settled()
            && (at.is_some_and(|at| view.owns(at.slot()))
                && view.is_ok
                && !clustering.pulse.is_late(worker.now_ms())
                || !needs_slots(entry))
    };
    match worker.picture.says(worker.asked.when(), is_here) {
        true => Ok(()),
        false => check_slowly(worker, clustering, session, entry, argv),
    }
}

#[inline(never)]
fn check_slowly(
    worker: &Worker,
    clustering: &Clustering,
    session: &Session,
    entry: &'static CommandEntry,
    argv: &[&[u8]],
) -> Result<(), Fail> {
    let view = worker.picture.as_of(worker.asked.when(), clustering);
    worker.picture.unsettled.set(!view.is_settled());
    if !needs_slots(entry) {
        return Ok(());
    }
    let request = Slotted::of(session, entry, argv);
    let stand = stand(worker, &view, Manner::of(session), request)?;
    // What takes its locks itself looks again under them.
    let queues = session.multi.is_some() && !entry.is(Flag::InMulti);
    let alone = queues || matches!(entry.command.run, Run::Session(_));
    if stand != Stand::Here && alone && !entry.is(Flag::RunsQueue) {
        let mut set = ShardSet::EMPTY;
        request.each(|_, key| set.add(ShardKey::of(key)));
        let unit = worker.begin(set)?;
        let found = look_for_keys(worker, &view, &unit, session, request, stand);
        worker.let_go_of(unit);
        return found;
    }
    Ok(())
}

/// Looks under the locks of a request's keys whether they are here, if their slot is on the move; says where the
/// client is sent otherwise.
#[inline]
pub(super) fn check_moving(
    worker: &Worker,
    unit: &Unit<'_>,
    session: &Session,
    request: Slotted<'_>,
) -> Result<(), Fail> {
    match worker.picture.unsettled.get() {
        true => check_moving_slowly(worker, unit, session, request),
        false => Ok(()),
    }
}

#[cold]
fn check_moving_slowly(
    worker: &Worker,
    unit: &Unit<'_>,
    session: &Session,
    request: Slotted<'_>,
) -> Result<(), Fail> {
    let Some(view) = cluster_picture(worker) else {
        return Ok(());
    };
    let stand = stand(worker, &view, Manner::of(session), request)?;
    look_for_keys(worker, &view, unit, session, request, stand)
}

/// Where a request may be served, before its keys are looked for.
pub(super) fn stand(
    worker: &Worker,
    view: &View,
    manner: Manner,
    request: Slotted<'_>,
) -> Result<Stand, Fail> {
    let slots = match slots_of(view, request)? {
        Some(slots) => slots,
        None => return Ok(Stand::Here),
    };
    let entry = request.entry();
    let channels = request.any(CommandEntry::has_channels);
    let writes = request.any(|entry| entry.is(Flag::Write))
        || matches!(request, Slotted::One(entry, argv) if is_declared_writer(&worker.shared, entry, argv));
    if !view.is_ok {
        check_down(&worker.shared, channels, writes)?;
    }
    if writes && slots.owner == view.myself && is_bus_late(worker) {
        return Err(Fail::code(DOWN));
    }
    let leaves = slots.owner == view.myself && view.migrating_to(slots.slot).is_some();
    let comes = !leaves && view.importing_from(slots.slot).is_some();
    if (leaves || comes) && entry.is(Flag::NeverLogged) {
        return Ok(Stand::Here);
    }
    // No key is looked for.
    let keyless = request.any(CommandEntry::has_slots_alone);
    if leaves && !keyless {
        return Ok(Stand::Leaving(slots.slot));
    }
    if comes && (manner.asking || entry.is(Flag::Asking)) {
        return Ok(match slots.several && !keyless {
            true => Stand::Coming,
            false => Stand::Here,
        });
    }
    let copies = view.my_master() == Some(slots.owner);
    if slots.owner == view.myself || (manner.reads_here || channels) && copies && !writes {
        return Ok(Stand::Here);
    }
    let owner = &view.nodes[usize::from(slots.owner)];
    Err(sent_to(
        &worker.shared,
        "MOVED",
        slots.slot,
        owner,
        manner.tls,
    ))
}

/// Whether the bus has not been heard of for so long that another node may own this one's slots, and the picture would
/// not tell.
fn is_bus_late(worker: &Worker) -> bool {
    let clustering = worker.shared.redirecting();
    clustering.is_some_and(|on| on.pulse.is_late(worker.now_ms()))
}

pub(super) fn look_for_keys(
    worker: &Worker,
    view: &View,
    unit: &Unit<'_>,
    session: &Session,
    request: Slotted<'_>,
    stand: Stand,
) -> Result<(), Fail> {
    if stand == Stand::Here {
        return Ok(());
    }
    let (mut here, mut missing) = (0, 0);
    let due_ms = worker.time_for(session.imports).due_ms();
    request.each(|_, key| {
        let shard = unit.locked.shard(ShardKey::of(key).shard());
        match shard.has_live(session.db, key, due_ms) {
            true => here += 1,
            false => missing += 1,
        }
    });
    match stand {
        _ if missing == 0 => Ok(()),
        Stand::Leaving(slot) if here == 0 => {
            let to = view.migrating_to(slot).expect("the slot leaves");
            match to.id == view.me().id {
                true => Ok(()),
                false => Err(sent_to(&worker.shared, "ASK", slot, to, session.tls)),
            }
        }
        _ => Err(Fail::code(TRY_AGAIN)),
    }
}

fn check_down(shared: &Shared, channels: bool, writes: bool) -> Result<(), Fail> {
    let config = &shared.config;
    match channels {
        true if config.cluster_allow_pubsubshard_when_down.get() => Ok(()),
        true => Err(Fail::code(DOWN)),
        false if !config.cluster_allow_reads_when_down.get() => Err(Fail::code(DOWN)),
        false if writes => Err(Fail::code(DOWN_READS)),
        false => Ok(()),
    }
}

fn sent_to(shared: &Shared, word: &str, slot: u16, node: &NodeView, tls: bool) -> Fail {
    let port = if tls {
        node.place.tls_port
    } else {
        node.place.tcp_port
    };
    let host = match shared.config.cluster_preferred_endpoint_type.get() {
        EndpointType::Ip => &node.place.ip,
        EndpointType::Hostname if node.hostname.is_empty() => "?",
        EndpointType::Hostname => &node.hostname,
        EndpointType::UnknownEndpoint => "",
    };
    Fail::code(format!("{word} {slot} {host}:{port}"))
}

/// Why a blocked client is to wait at another node, if its keys are that one's.
pub(super) fn blocked_sent_away(
    shared: &Shared,
    session: &Session,
    entry: &CommandEntry,
    places: &[Place],
) -> Option<Fail> {
    let clustering = shared.redirecting()?;
    let (_, key) = places.first()?;
    sent_away(shared, &clustering.view(), session, entry, key)
}

/// Why a client may not go on waiting for a key, or listening to a sharded channel, at this node.
fn sent_away(
    shared: &Shared,
    view: &View,
    session: &Session,
    entry: &CommandEntry,
    name: &[u8],
) -> Option<Fail> {
    if !view.is_ok {
        return Some(Fail::code(DOWN));
    }
    let slot = slot_of(name);
    let owner = view.owner(slot);
    let copies = view.my_master() == Some(owner);
    let reads = session.reads_here && !entry.is(Flag::Write);
    if view.owns(slot) || copies && reads || view.importing_from(slot).is_some() {
        return None;
    }
    Some(match view.owner_node(slot) {
        None => Fail::code(UNBOUND),
        Some(owner) => sent_to(shared, "MOVED", slot, owner, session.tls),
    })
}

/// Ends the subscriptions to sharded channels that other nodes have now, and tells the client.
pub fn leave_channels(shared: &Shared, session: &mut Session, out: &mut Reply) {
    let Some(clustering) = shared.redirecting() else {
        return;
    };
    let view = clustering.view();
    if std::mem::replace(&mut session.picture, view.number) == view.number {
        return;
    }
    let lost = |channel: &Bytes| {
        let owner = view.owner(slot_of(channel));
        owner != view.myself && (owner == NONE || view.my_master() != Some(owner))
    };
    let gone: Vec<Bytes> = session
        .shard_channels
        .iter()
        .filter(|one| lost(one))
        .cloned()
        .collect();
    for channel in gone {
        session.shard_channels.remove(&channel);
        let broker = &shared.broker;
        broker.unsubscribe(Channels::Shard, &channel, session.client.id);
        tell_left(session, &channel, out);
        session.publish_profile();
    }
}

fn needs_slots(entry: &CommandEntry) -> bool {
    entry.has_slotted() || entry.is(Flag::RunsQueue)
}

/// The slot of a request.
struct Slots {
    slot: u16,
    owner: u16,
    /// It names more than one thing.
    several: bool,
}

/// The one slot of a request, if it names anything that belongs to one.
fn slots_of(view: &View, request: Slotted<'_>) -> Result<Option<Slots>, Fail> {
    let mut found: Result<Option<Slots>, Fail> = Ok(None);
    let mut first: Vec<u8> = Vec::new();
    request.each(|_, key| {
        let slot = slot_of(key);
        match &mut found {
            Ok(None) => {
                let owner = view.owner(slot);
                found = match owner {
                    NONE => Err(Fail::code(UNBOUND)),
                    owner => Ok(Some(Slots {
                        slot,
                        owner,
                        several: false,
                    })),
                };
                first = key.to_vec();
            }
            Ok(Some(held)) if held.slot != slot => found = Err(Fail::code(CROSS)),
            Ok(Some(held)) => held.several |= first != key,
            Err(_) => {}
        }
    });
    found
}
