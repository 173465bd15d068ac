//! Slots that move whole, as operators order it: CLUSTER MIGRATION as in Redis 8.4, and CLUSTER MIGRATESLOTS and its
//! siblings as in Valkey 9.

use super::order::{range, slot};
use super::{ORDER, clustering};
use crate::cluster::{Action, NodeId, SlotSet};
use crate::command::{Arg, Command, Databases, Done, Fail, Flow, Run, SessionCall};
use crate::resp::Reply;
use crate::state::clustering::Clustering;
use crate::state::moves::{MoveSide, MoveState, SlotMove};
use crate::state::shared::Shared;
use crate::util::{chance, clock};

pub const CANCELSLOTMIGRATIONS: Command = Command {
    name: "cancelslotmigrations",
    summary: "Ends all moves of whole slots that this node takes part in",
    cost: "O(N) for N moves under way",
    since: "9.0.0",
    run: Run::Session(cancel_migrations),
    databases: Databases::Everywhere,
    ..ORDER
};

pub const GETSLOTMIGRATIONS: Command = Command {
    name: "getslotmigrations",
    summary: "Lists the moves of whole slots that this node takes part in, or did of late",
    cost: "O(N) for N moves",
    since: "9.0.0",
    run: Run::Session(get_migrations),
    ..ORDER
};

pub const MIGRATESLOTS: Command = Command {
    name: "migrateslots",
    summary: "Moves whole slots of this node to others",
    cost: "O(N) for N slots given",
    since: "9.0.0",
    arity: Some(-4),
    args: &[Arg::block(
        "migration",
        &[
            Arg::block("range", &[Arg::int("start-slot"), Arg::int("end-slot")])
                .token("SLOTSRANGE")
                .many(),
            Arg::text("node-id").token("NODE"),
        ],
    )
    .many()],
    run: Run::Session(migrate_slots),
    databases: Databases::Everywhere,
    ..ORDER
};

pub const MIGRATION: Command = Command {
    name: "migration",
    summary: "Takes whole slots from another node, and tells or ends such moves",
    cost: "O(N) for N slots given",
    since: "8.4.0",
    arity: Some(-4),
    args: &[Arg::one_of(
        "subcommand",
        &[
            Arg::block("range", &[Arg::int("start-slot"), Arg::int("end-slot")])
                .token("IMPORT")
                .many(),
            Arg::block(
                "cancel",
                &[Arg::one_of(
                    "what",
                    &[Arg::text("task-id").token("ID"), Arg::word("all", "ALL")],
                )],
            )
            .token("CANCEL"),
            Arg::block(
                "status",
                &[Arg::one_of(
                    "what",
                    &[Arg::text("task-id").token("ID"), Arg::word("all", "ALL")],
                )],
            )
            .token("STATUS"),
        ],
    )],
    run: Run::Session(migration),
    databases: Databases::Everywhere,
    ..ORDER
};

const UNKNOWN: Fail = Fail::Says("unknown argument");

pub fn migration(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    let entry = call.entry;
    let arity = || Fail::arity(&entry.full_name);
    if call.args.word("IMPORT") {
        if call.args.is_empty() || !call.args.len().is_multiple_of(2) {
            return Err(arity());
        }
        return import(call);
    }
    let cancels = call.args.word("CANCEL");
    if !cancels && !call.args.word("STATUS") {
        return Err(UNKNOWN);
    }
    let id = if call.args.word("ID") {
        Some(call.args.next().map_err(|_| arity())?)
    } else if call.args.word("ALL") {
        None
    } else {
        return Err(UNKNOWN);
    };
    if !call.args.is_empty() {
        return Err(arity());
    }
    let id = id.map(|id| String::from_utf8_lossy(id).into_owned());
    let moves = &call.server.slot_moves;
    if cancels {
        let why = "Cancelled due to user request";
        let count = moves.cancel(id.as_deref(), why, clock::now_ms());
        hold_as_told(call.server);
        call.out.count(count);
        return Ok(Flow::Done);
    }
    let mut all = moves.list();
    all.retain(|one| id.as_ref().is_none_or(|id| *id == one.id));
    call.out.array(all.len());
    all.iter().for_each(|one| write_status(one, call.out));
    Ok(Flow::Done)
}

fn ranges_text(slots: &SlotSet) -> String {
    let ranges = slots.ranges().into_iter();
    let texts: Vec<String> = ranges
        .map(|(first, last)| format!("{first}-{last}"))
        .collect();
    texts.join(" ")
}

fn write_status(one: &SlotMove, out: &mut Reply) {
    let time = |ms: Option<u64>| ms.map_or(-1, |ms| ms as i64);
    let state = match one.state {
        MoveState::Begun => "none",
        MoveState::Copying if one.side == MoveSide::Import => "accumulate-buffer",
        MoveState::Copying => "send-bulk-and-stream",
        MoveState::CatchingUp if one.side == MoveSide::Import => "streaming-buffer",
        MoveState::CatchingUp => "send-stream",
        MoveState::HeldBack if one.side == MoveSide::Import => "wait-stream-eof",
        MoveState::HeldBack => "handoff",
        MoveState::TakingOver if one.side == MoveSide::Import => "takeover",
        MoveState::TakingOver => "stream-eof",
        MoveState::Done => "completed",
        MoveState::Failed => "failed",
        MoveState::Canceled => "canceled",
    };
    let held_ms = match (one.state, one.ended_ms, one.held_ms) {
        (MoveState::Done, Some(ended), Some(held)) => ended.saturating_sub(held) as i64,
        _ => 0,
    };
    let side = match one.side {
        MoveSide::Import => "import",
        MoveSide::Export => "migrate",
    };
    let slots = ranges_text(&one.slots);
    out.map(12);
    let texts = [
        ("id", one.id.as_str()),
        ("slots", slots.as_str()),
        ("source", one.source.as_str()),
        ("dest", one.dest.as_str()),
        ("operation", side),
        ("state", state),
        ("last_error", one.error.as_str()),
    ];
    for (name, text) in texts {
        out.bulk(name);
        out.bulk(text);
    }
    let numbers = [
        ("retries", 0),
        ("create_time", one.created_ms as i64),
        ("start_time", one.created_ms as i64),
        ("end_time", time(one.ended_ms)),
        ("write_pause_ms", held_ms),
    ];
    for (name, number) in numbers {
        out.bulk(name);
        out.int(number);
    }
}

fn import(call: &mut SessionCall<'_>) -> Done {
    let on = clustering(call.server)?;
    let mut ranges = Vec::new();
    while !call.args.is_empty() {
        ranges.push(range(call.args.next()?, call.args.next()?)?);
    }
    let id = chance::identity();
    begin_import(call.server, on, &id, &ranges, true)?;
    call.out.bulk(&id);
    Ok(Flow::Done)
}

/// Begins to take slots from their owner; if it is to be `alone`, no other move may be under way.
pub fn begin_import(
    server: &Shared,
    on: &Clustering,
    id: &str,
    ranges: &[(u16, u16)],
    alone: bool,
) -> Result<(), Fail> {
    let mut slots = SlotSet::default();
    for slot in ranges.iter().flat_map(|(first, last)| *first..=*last) {
        if !slots.add(slot) {
            return Err(Fail::said(format!("Slot {slot} specified multiple times")));
        }
    }
    let view = on.view();
    let Some(master) = view.me().is_master().then(|| view.me().id) else {
        return Err(Fail::Says("slot migration not allowed on replica."));
    };
    if !view.is_settled() {
        return Err(Fail::Says(
            "all slot states must be STABLE to start a slot migration task.",
        ));
    }
    let moving = server.slot_moves.moving(MoveSide::Import);
    let mut source: Option<NodeId> = None;
    for (first, last) in ranges {
        if (*first..=*last).any(|slot| moving.has(slot)) {
            return Err(Fail::said(format!(
                "overlapping import exists for slot range: {first}-{last}"
            )));
        }
        for slot in *first..=*last {
            let owner = view.owner_node(slot);
            let owner = owner.ok_or_else(|| Fail::said(format!("slot has no owner: {slot}")))?;
            if *source.get_or_insert(owner.id) != owner.id {
                return Err(Fail::Says("slots belong to different source nodes"));
            }
        }
    }
    let source = source.ok_or(Fail::SYNTAX)?;
    if source == master {
        return Err(Fail::Says(
            "this node is already the owner of the slot range",
        ));
    }
    if alone && server.slot_moves.is_running() {
        return Err(Fail::Says("another ASM task is already in progress"));
    }
    if server.replication.has_strangers() {
        return Err(Fail::Says(
            "slots come whole to a node only if all of its replicas are nodes of a cluster, of its own make",
        ));
    }
    let one = SlotMove::new(id, MoveSide::Import, slots, source, master);
    if !server.slot_moves.begin(one, remembered(server), || {}) {
        // Another worker was asked at the same time.
        return Err(Fail::Says("another ASM task is already in progress"));
    }
    on.send(Action::Import { id: id.to_owned() });
    Ok(())
}

/// How many moves that have ended are told of.
pub fn remembered(server: &Shared) -> usize {
    server.config.cluster_slot_migration_log_max_len.get() as usize
}

/// Ranges and whom they go to, for each move that is ordered.
fn orders(call: &mut SessionCall<'_>) -> Result<Vec<(SlotSet, NodeId)>, Fail> {
    let mut orders = Vec::new();
    let view = clustering(call.server)?.view().clone();
    let mut all = SlotSet::default();
    while !call.args.is_empty() {
        if !call.args.word("SLOTSRANGE") {
            return Err(Fail::SYNTAX);
        }
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        while let Some(first) = call.args.peek() {
            if first.eq_ignore_ascii_case(b"NODE") {
                break;
            }
            let first = slot(call.args.next()?)?;
            let last = call.args.next();
            let last = slot(last.map_err(|_| Fail::Says("No end slot for final slot range"))?)?;
            if first > last {
                return Err(Fail::said(format!(
                    "Start slot number {first} is greater than end slot number {last}."
                )));
            }
            if let Some((held, end)) = ranges
                .iter()
                .find(|(held, end)| first <= *end && *held <= last)
            {
                return Err(Fail::said(format!(
                    "Slot range {first}-{last} overlaps with previous range {held}-{end}."
                )));
            }
            ranges.push((first, last));
        }
        if ranges.is_empty() || !call.args.word("NODE") || call.args.is_empty() {
            return Err(Fail::SYNTAX);
        }
        let name = call.args.next()?;
        let Some(node) = view.find(name) else {
            let name = String::from_utf8_lossy(name);
            return Err(Fail::said(format!("Invalid node name: {name}")));
        };
        if node.id == view.me().id {
            return Err(Fail::Says("Target node can not be this node."));
        }
        if !node.is_master() {
            return Err(Fail::Says("Target node is not a master"));
        }
        for slot in ranges.iter().flat_map(|(first, last)| *first..=*last) {
            if !view.owns(slot) || !view.me().is_master() {
                return Err(Fail::Says("Slots are not served by this node."));
            }
            if !all.add(slot) {
                return Err(Fail::Says("Slot ranges in migrations overlap"));
            }
        }
        let slots = ranges.iter().flat_map(|(first, last)| *first..=*last);
        orders.push((slots.collect(), node.id));
    }
    let moving = call.server.slot_moves.moving(MoveSide::Export);
    if let Some(slot) = all.iter().find(|slot| moving.has(*slot)) {
        return Err(Fail::said(format!("I am already migrating slot {slot}.")));
    }
    Ok(orders)
}

pub fn migrate_slots(call: &mut SessionCall<'_>) -> Done {
    let on = clustering(call.server)?;
    let me = on.view().me().id;
    for (slots, node) in orders(call)? {
        let id = chance::identity();
        let one = SlotMove::new(&id, MoveSide::Export, slots, me, node);
        let (moves, ended_max) = (&call.server.slot_moves, remembered(call.server));
        moves.begin(one, ended_max, || {});
        on.send(Action::OfferSlots { id });
    }
    call.out.ok();
    Ok(Flow::Done)
}

pub fn cancel_migrations(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    let moves = &call.server.slot_moves;
    let count = moves.cancel(None, "", clock::now_ms());
    hold_as_told(call.server);
    if count == 0 {
        return Err(Fail::Says("No migrations ongoing"));
    }
    call.out.ok();
    Ok(Flow::Done)
}

pub fn get_migrations(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    let all = call.server.slot_moves.list();
    call.out.array(all.len());
    for one in &all {
        let state = match (one.side, one.state) {
            (MoveSide::Export, MoveState::Begun) => "connecting",
            (MoveSide::Import, MoveState::Begun) => "waiting-for-ack",
            (MoveSide::Export, MoveState::Copying) => "snapshotting",
            (MoveSide::Import, MoveState::Copying) => "receiving-snapshot",
            (MoveSide::Export, MoveState::CatchingUp) => "replicating",
            (MoveSide::Import, MoveState::CatchingUp) => "waiting-for-paused",
            (MoveSide::Export, MoveState::HeldBack) => "failover-paused",
            (MoveSide::Import, MoveState::HeldBack) => "failover-requested",
            (_, MoveState::TakingOver) => "failover-granted",
            (_, MoveState::Done) => "success",
            (_, MoveState::Failed) => "failed",
            (_, MoveState::Canceled) => "cancelled",
        };
        let side = match one.side {
            MoveSide::Import => "IMPORT",
            MoveSide::Export => "EXPORT",
        };
        let (out, slots) = (&mut *call.out, ranges_text(&one.slots));
        out.map(12);
        let texts = [
            ("name", one.id.as_str()),
            ("operation", side),
            ("slot_ranges", slots.as_str()),
            ("target_node", one.dest.as_str()),
            ("source_node", one.source.as_str()),
        ];
        for (name, text) in texts {
            out.bulk(name);
            out.bulk(text);
        }
        let times = [
            ("create_time", one.created_ms),
            ("last_update_time", one.updated_ms),
            ("last_ack_time", one.updated_ms),
        ];
        for (name, ms) in times {
            out.bulk(name);
            out.int((ms / 1000) as i64);
        }
        for (name, text) in [("state", state), ("message", one.error.as_str())] {
            out.bulk(name);
            out.bulk(text);
        }
        for name in ["cow_size", "remaining_repl_size"] {
            out.bulk(name);
            out.int(0);
        }
    }
    Ok(Flow::Done)
}

/// Holds back what the moves under way say, and lets go what they don't.
pub fn hold_as_told(server: &Shared) {
    if let Some(on) = &server.clustering {
        server.settle_moves(on);
    }
}
