//! What nodes say to each other while slots move: CLUSTER SYNCSLOTS. The node that gets the slots
//! speaks; and the one that has them, to its replicas.

use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::moves::{begin_import, hold_as_told, remembered};
use super::order::range;
use super::{ORDER, clustering};
use crate::cluster::{GivenLeave, NodeId, SlotSet, slot_of};
use crate::command::{Arg, AwaitedJob, Command, Done, Fail, Flow, Run, SessionCall};
use crate::engine::{Db, Effects, Entry, Now, ShardKey, ShardSet};
use crate::persist::{JobOutcome, rdb};
use crate::state::moves::{
    LeaveOrder, MoveSide, MoveState, NextPiece, PIECE_BYTES, SentKey, ShardWalk, SlotMove,
};
use crate::state::shared::Shared;
use crate::types::{Bstr, Value};
use crate::util::clock;

pub const SYNCSLOTS: Command = Command {
    name: "syncslots",
    summary: "What nodes say to each other while whole slots move",
    cost: "O(N) for N keys asked for",
    since: "8.4.0",
    arity: Some(-3),
    args: &[
        Arg::text("what"),
        Arg::text("task-id").optional(),
        Arg::text("argument").optional().many(),
    ],
    run: Run::Session(sync_slots),
    ..ORDER
};

/// Keys that are looked at under one lock.
const LISTED: usize = 4096;
const GONE: Fail = Fail::Says("There is no such move of slots under way");
/// What a server of another make hears.
const OTHERWISE: Fail = Fail::Says(
    "This node moves whole slots with nodes of its own make alone: move them by CLUSTER SETSLOT and MIGRATE",
);

pub fn sync_slots(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    if call.session.began_us != 0 {
        return Err(Fail::Says(
            "CLUSTER SYNCSLOTS is not allowed in transactions and scripts",
        ));
    }
    let what = call.args.next()?.to_ascii_uppercase();
    let id = String::from_utf8_lossy(call.args.next().map_err(|_| OTHERWISE)?).into_owned();
    match &what[..] {
        b"BEGIN" => begin(call, &id),
        b"NEXT" => next(call, &id),
        b"HOLD" => hold(call, &id),
        b"GRANT" => grant(call, &id),
        b"CANCEL" => cancel(call, &id),
        b"LEAVES" => hear(call, &id),
        b"TAKE" => {
            let ranges = ranges(call)?;
            begin_import(call.server, clustering(call.server)?, &id, &ranges, false)?;
            call.out.ok();
            Ok(Flow::Done)
        }
        _ => Err(OTHERWISE),
    }
}

fn ranges(call: &mut SessionCall<'_>) -> Result<Vec<(u16, u16)>, Fail> {
    let mut ranges = Vec::new();
    while !call.args.is_empty() {
        ranges.push(range(call.args.next()?, call.args.next()?)?);
    }
    Ok(ranges)
}

/// A node asks for slots: from now on what changes their keys is noted.
fn begin(call: &mut SessionCall<'_>, id: &str) -> Done {
    let server = call.server;
    let dest = NodeId::parse(call.args.next()?).ok_or(Fail::SYNTAX)?;
    let ranges = ranges(call)?;
    let slots: SlotSet = ranges
        .iter()
        .flat_map(|(first, last)| *first..=*last)
        .collect();
    let view = clustering(server)?.view().clone();
    let owns = view.me().is_master() && slots.iter().all(|slot| view.owns(slot));
    if slots.is_empty()
        || !owns
        || !view
            .find(dest.as_bytes())
            .is_some_and(|node| node.is_master())
    {
        return Err(Fail::Says("Slots are not served by this node."));
    }
    if !view.is_settled() {
        return Err(Fail::Says(
            "all slot states must be STABLE to start a slot migration task.",
        ));
    }
    // What it began before it was started again, or of which this node has not heard that it was given up.
    server
        .slot_moves
        .begins_anew(id, &dest, &slots, clock::now_ms());
    let offered = server.slot_moves.find(id, MoveSide::Export);
    let is_offered = offered.as_ref().is_some_and(|one| {
        let waits = matches!(one.state, MoveState::Begun | MoveState::Copying);
        one.dest == dest && one.slots == slots && waits
    });
    if offered.is_some() && !is_offered {
        return Err(GONE);
    }
    let moving = server.slot_moves.moving(MoveSide::Export);
    if !is_offered && slots.iter().any(|slot| moving.has(slot)) {
        return Err(Fail::Says("another ASM task is already in progress"));
    }
    let mut one = SlotMove::new(id, MoveSide::Export, slots, view.me().id, dest);
    one.created_ms = offered.map_or(one.created_ms, |one| one.created_ms);
    one.state = MoveState::Copying;
    let tracking = &server.tracking;
    let ended_max = remembered(server);
    server
        .slot_moves
        .begin(one, ended_max, || tracking.note_all(true));
    call.out.ok();
    Ok(Flow::Done)
}

/// The next keys: whether some have yet to be listed (0), have changed (1), or there are none any more (2); how many are left;
/// and of each its name, its deadline, whether it is protected from eviction, and its value, which is empty if it has gone.
fn next(call: &mut SessionCall<'_>, id: &str) -> Done {
    let server = call.server;
    let moves = &server.slot_moves;
    loop {
        match moves.next(id, clock::now_ms()).ok_or(GONE)? {
            NextPiece::List(walk, slots) => {
                let (at, names) = list(server, walk, &slots)?;
                moves.listed(id, walk.shard, at, names);
            }
            NextPiece::Keys(names) => {
                let (given, kept) = read(server, names);
                let any = !given.is_empty();
                moves.give_back(id, kept);
                if !any {
                    return Err(server.busy_fail());
                }
                return answer(call, id, None, given);
            }
            NextPiece::Nothing => return answer(call, id, None, Vec::new()),
            NextPiece::Last(slots) => {
                // Whoever was let in before commands were held back has committed, or asks anew.
                let mut set = ShardSet::EMPTY;
                slots
                    .iter()
                    .for_each(|slot| set.union(ShardSet::one(ShardKey::shard_of_slot(slot))));
                let engine = &server.store.engine;
                let locked = engine.lock_unless(set, &|| server.scripts.is_busy());
                let locked = locked.ok_or_else(|| server.busy_fail())?;
                // What MIGRATE has sent away goes here once it has come there.
                let has_away = server.pause.has_away();
                let is_whole = !has_away && moves.is_whole(id);
                drop(locked);
                if has_away {
                    return answer(call, id, Some(1), Vec::new());
                }
                if is_whole {
                    return answer(call, id, Some(2), Vec::new());
                }
            }
        }
    }
}

fn answer(call: &mut SessionCall<'_>, id: &str, phase: Option<i64>, given: Vec<SentKey>) -> Done {
    let moves = &call.server.slot_moves;
    let (left, lists) = moves.left(id).ok_or(GONE)?;
    let lists = lists || moves.stays.load(Ordering::Relaxed);
    let out = &mut *call.out;
    out.array(2 + given.len() * 4);
    out.int(phase.unwrap_or(i64::from(!lists)));
    out.count(left);
    for key in given {
        out.bulk(&key.name);
        out.int(key.deadline_ms.unwrap_or(0) as i64);
        out.int(key.blessed);
        out.bulk(&key.payload);
    }
    Ok(Flow::Done)
}

/// Goes on with a walk over a shard: where it stands then, and the names that it has found.
fn list(server: &Shared, walk: ShardWalk, slots: &SlotSet) -> Result<(u64, Vec<Bstr>), Fail> {
    let set = ShardSet::one(walk.shard);
    let engine = &server.store.engine;
    let locked = engine.lock_unless(set, &|| server.scripts.is_busy());
    let mut locked = locked.ok_or_else(|| server.busy_fail())?;
    let (mut effects, rules) = (Effects::default(), server.rules.load_full());
    let now = Now::Live(clock::now_ms());
    let db = Db::new(&mut locked, 0, now, &mut effects, &rules, false, None);
    let (mut left, mut names) = (LISTED, Vec::new());
    let visit = |entry: &Entry| {
        let name = entry.key_name();
        if slots.has(slot_of(name)) {
            names.push(Bstr::new(name));
        }
    };
    let at = db.scan_shard(walk.shard, walk.at, &mut left, &|| false, visit);
    let at = at.map_err(|_| server.busy_fail())?;
    Ok((at, names))
}

/// Reads keys, each under its lock; those that can't be had at present, or are too much at one time, come back.
fn read(server: &Shared, names: Vec<Bstr>) -> (Vec<SentKey>, Vec<Bstr>) {
    let dialect = server.config.rdb_dialect.get().into();
    let (mut given, mut kept, mut bytes) = (Vec::new(), Vec::new(), 0);
    for name in names {
        if bytes > PIECE_BYTES {
            kept.push(name);
            continue;
        }
        let Some(found) = read_one(server, &name) else {
            kept.push(name);
            continue;
        };
        let mut key = SentKey {
            name,
            deadline_ms: None,
            blessed: false,
            payload: Vec::new(),
        };
        if let Some(found) = found {
            key.deadline_ms = found.deadline_ms;
            key.blessed = found.blessed;
            key.payload = rdb::dump(found.value.as_ref(), dialect);
        }
        bytes += key.payload.len() + key.name.len();
        given.push(key);
    }
    (given, kept)
}

struct ReadKey {
    value: Value,
    deadline_ms: Option<u64>,
    blessed: bool,
}

/// A key, or that it has gone; nothing if it can't be had at present.
fn read_one(server: &Shared, name: &Bstr) -> Option<Option<ReadKey>> {
    let set = ShardSet::one(ShardKey::of(name).shard());
    let engine = &server.store.engine;
    let mut locked = engine.lock_unless(set, &|| server.scripts.is_busy())?;
    let (mut effects, rules) = (Effects::default(), server.rules.load_full());
    let now = Now::Live(clock::now_ms());
    let db = Db::new(&mut locked, 0, now, &mut effects, &rules, false, None);
    Some(db.peek(name).map(|value| ReadKey {
        value: value.frozen(),
        deadline_ms: db.deadline(name).flatten(),
        blessed: db.is_blessed(name),
    }))
}

/// From now on whatever names keys of these slots waits.
fn hold(call: &mut SessionCall<'_>, id: &str) -> Done {
    if !call.server.slot_moves.hold(id, clock::now_ms()) {
        return Err(GONE);
    }
    hold_as_told(call.server);
    call.out.ok();
    Ok(Flow::Done)
}

/// The other node may take the slots.
fn grant(call: &mut SessionCall<'_>, id: &str) -> Done {
    // Who owns them by now, as far as this node has heard.
    hold_as_told(call.server);
    let moves = &call.server.slot_moves;
    if !moves.grant(id, clock::now_ms()) {
        return Err(GONE);
    }
    let id = id.to_owned();
    let refused =
        "ERR This node could not note its leave to take the slots, or not tell a replica of it";
    order(call, refused, |told| LeaveOrder::Give { id, told })
}

/// This node's master names all leave that it has given.
fn hear(call: &mut SessionCall<'_>, master: &str) -> Done {
    let master = NodeId::parse(master.as_bytes()).ok_or(Fail::SYNTAX)?;
    let mut leaves = Vec::new();
    while !call.args.is_empty() {
        let word = str::from_utf8(call.args.next()?).ok();
        let leave = word.and_then(GivenLeave::parse);
        leaves.push(leave.ok_or(Fail::SYNTAX)?);
    }
    let refused = "ERR This node is no replica of that one";
    order(call, refused, |told| LeaveOrder::Hear {
        master,
        leaves,
        told,
    })
}

/// Has the disk and other nodes waited for by another thread.
fn order(
    call: &mut SessionCall<'_>,
    failed: &'static str,
    order: impl FnOnce(oneshot::Sender<JobOutcome>) -> LeaveOrder,
) -> Done {
    let server = call.server;
    let (told, done) = oneshot::channel();
    server.order_leave(clustering(server)?, order(told));
    Ok(Flow::Wait(AwaitedJob {
        done,
        failed: Some(failed),
    }))
}

fn cancel(call: &mut SessionCall<'_>, id: &str) -> Done {
    let (moves, now_ms) = (&call.server.slot_moves, clock::now_ms());
    let why = "the other node has given up";
    moves.end(id, MoveSide::Export, MoveState::Failed, why, now_ms);
    hold_as_told(call.server);
    call.out.ok();
    Ok(Flow::Done)
}
