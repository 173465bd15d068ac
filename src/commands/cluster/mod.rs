//! CLUSTER, and what clients of a cluster say to its nodes. Where there is no cluster mode, each of these says so, so that
//! a client can tell such a server from one too old to ask.
//!
//! `look` answers from the picture that the node has of its cluster, `keys` from its keys; `order` changes something.

mod keys;
mod look;
mod moves;
mod order;
mod scan;
mod stats;
mod sync;

use crate::command::Flag::{Admin, Fast, Loading, Neither, NoAsyncLoading, NoScript, Stale};
use crate::command::session::Asking;
use crate::command::{Arg, Command, Done, Fail, Family, Flow, Plan, Run, SessionCall, help};
use crate::state::clustering::Clustering;
use crate::state::shared::Shared;

pub const FAMILY: Family = Family {
    group: "cluster",
    category: "",
    commands: &[&ASKING, &CLUSTER, &scan::CLUSTERSCAN, &READONLY, &READWRITE],
};

const NO_CLUSTER: Fail = Fail::Says("This instance has cluster support disabled");

/// The cluster that this server is a node of.
fn clustering(server: &Shared) -> Result<&Clustering, Fail> {
    server.clustering.as_ref().ok_or(NO_CLUSTER)
}

const ASKING: Command = Command {
    name: "asking",
    summary: "Lets the next command reach a slot that is on its way to this node",
    since: "3.0.0",
    flags: &[Fast],
    categories: &["connection"],
    run: Run::Session(asking),
    ..Command::PLAIN
};

fn asking(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    call.session.asking = Asking::Next;
    call.out.ok();
    Ok(Flow::Done)
}

const READONLY: Command = Command {
    name: "readonly",
    summary: "Lets this connection read from a replica's slots",
    since: "3.0.0",
    flags: &[Fast, Loading, Stale],
    categories: &["connection"],
    run: Run::Session(|call| read_here(call, true)),
    ..Command::PLAIN
};

/// Who has said that it follows redirections may read from a replica that is no cluster's; all others hear what Redis says.
fn read_here(call: &mut SessionCall<'_>, here: bool) -> Done {
    if !call.session.follows_redirects {
        clustering(call.server)?;
    }
    call.session.reads_here = here;
    call.out.ok();
    Ok(Flow::Done)
}

const READWRITE: Command = Command {
    name: "readwrite",
    summary: "Sends this connection's reads to the slots' masters again",
    since: "3.0.0",
    flags: &[Fast, Loading, Stale],
    categories: &["connection"],
    run: Run::Session(|call| read_here(call, false)),
    ..Command::PLAIN
};

const CLUSTER: Command = Command {
    name: "cluster",
    summary: "Looks at a cluster's nodes and slots, and moves them",
    cost: "Depends on subcommand.",
    since: "3.0.0",
    run: Run::Container,
    subcommands: &[
        &ADDSLOTS,
        &ADDSLOTSRANGE,
        &BUMPEPOCH,
        &moves::CANCELSLOTMIGRATIONS,
        &COUNT_FAILURE_REPORTS,
        &COUNTKEYSINSLOT,
        &DELSLOTS,
        &DELSLOTSRANGE,
        &FAILOVER,
        &FLUSHSLOT,
        &FLUSHSLOTS,
        &FORGET,
        &GETKEYSINSLOT,
        &moves::GETSLOTMIGRATIONS,
        &HELP,
        &INFO,
        &KEYSLOT,
        &LINKS,
        &MEET,
        &moves::MIGRATESLOTS,
        &moves::MIGRATION,
        &MYID,
        &MYSHARDID,
        &NODES,
        &REPLICAS,
        &REPLICATE,
        &RESET,
        &SAVECONFIG,
        &SET_CONFIG_EPOCH,
        &SETSLOT,
        &SHARDS,
        &SLAVES,
        &SLOT_STATS,
        &SLOTS,
        &sync::SYNCSLOTS,
    ],
    ..Command::PLAIN
};

/// A subcommand that looks.
const LOOK: Command = Command {
    since: "3.0.0",
    flags: &[Stale],
    ..Command::PLAIN
};

/// A subcommand that changes the cluster.
const ORDER: Command = Command {
    since: "3.0.0",
    flags: &[Admin, Stale, NoAsyncLoading],
    ..Command::PLAIN
};

const VARIES: &[&str] = &["nondeterministic_output"];
const NODE: &[Arg] = &[Arg::text("node-id")];
const SLOT: &[Arg] = &[Arg::int("slot")];
const SLOT_LIST: &[Arg] = &[Arg::int("slot").many()];
const SLOT_RANGES: &[Arg] =
    &[Arg::block("range", &[Arg::int("start-slot"), Arg::int("end-slot")]).many()];

const ADDSLOTS: Command = Command {
    name: "addslots",
    summary: "Gives this node slots that have no owner",
    cost: "O(N) for N slots given",
    args: SLOT_LIST,
    run: Run::Session(order::add_slots),
    ..ORDER
};

const ADDSLOTSRANGE: Command = Command {
    name: "addslotsrange",
    summary: "Gives this node ranges of slots that have no owner",
    cost: "O(N) for N slots in the ranges given",
    since: "7.0.0",
    args: SLOT_RANGES,
    run: Run::Session(order::add_ranges),
    ..ORDER
};

const BUMPEPOCH: Command = Command {
    name: "bumpepoch",
    summary: "Raises this node's epoch above all others",
    tips: VARIES,
    run: Run::Session(order::bump_epoch),
    ..ORDER
};

const COUNT_FAILURE_REPORTS: Command = Command {
    name: "count-failure-reports",
    summary: "Counts the nodes that hold a node for dead",
    cost: "O(N) for N reports",
    flags: &[Admin, Stale],
    args: NODE,
    tips: VARIES,
    run: Run::Session(look::count_failure_reports),
    ..LOOK
};

const COUNTKEYSINSLOT: Command = Command {
    name: "countkeysinslot",
    summary: "Counts this node's keys in a slot",
    args: SLOT,
    flags: &[Stale, Neither],
    run: Run::Read(keys::count),
    plan: Plan::Each,
    ..LOOK
};

const DELSLOTS: Command = Command {
    name: "delslots",
    summary: "Makes this node forget who owns slots",
    cost: "O(N) for N slots given",
    args: SLOT_LIST,
    run: Run::Session(order::del_slots),
    ..ORDER
};

const DELSLOTSRANGE: Command = Command {
    name: "delslotsrange",
    summary: "Makes this node forget who owns ranges of slots",
    cost: "O(N) for N slots in the ranges given",
    since: "7.0.0",
    args: SLOT_RANGES,
    run: Run::Session(order::del_ranges),
    ..ORDER
};

const FAILOVER: Command = Command {
    name: "failover",
    summary: "Puts this replica in its master's place",
    args: &[Arg::one_of(
        "options",
        &[
            Arg::word("force", "FORCE"),
            Arg::word("takeover", "TAKEOVER"),
        ],
    )
    .optional()],
    run: Run::Session(order::failover),
    ..ORDER
};

const FLUSHSLOTS: Command = Command {
    name: "flushslots",
    summary: "Takes all of this node's slots from it",
    run: Run::Session(order::flush_slots),
    ..ORDER
};

const FORGET: Command = Command {
    name: "forget",
    summary: "Strikes a node off this node's list",
    args: NODE,
    run: Run::Session(order::forget),
    ..ORDER
};

const FLUSHSLOT: Command = Command {
    name: "flushslot",
    summary: "Deletes all keys of a slot",
    cost: "O(N) for N keys of the slot",
    since: "9.0.0",
    flags: &[Admin, NoAsyncLoading],
    args: &[
        Arg::int("slot"),
        Arg::one_of(
            "flush-type",
            &[Arg::word("async", "ASYNC"), Arg::word("sync", "SYNC")],
        )
        .optional(),
    ],
    categories: &["keyspace"],
    run: Run::Write(keys::flush),
    plan: Plan::All,
    ..Command::PLAIN
};

const GETKEYSINSLOT: Command = Command {
    name: "getkeysinslot",
    summary: "Returns some of this node's keys in a slot",
    cost: "O(N) for N keys returned",
    args: &[Arg::int("slot"), Arg::int("count")],
    tips: VARIES,
    flags: &[Stale, Neither],
    run: Run::Read(keys::list),
    plan: Plan::Each,
    ..LOOK
};

/// OrderRefused like its siblings where there is no cluster mode.
const HELP: Command = Command {
    run: Run::Session(|call| {
        clustering(call.server)?;
        help::help(call)
    }),
    ..help::HELP
};

const INFO: Command = Command {
    name: "info",
    summary: "Tells how the cluster is, as this node sees it",
    tips: VARIES,
    run: Run::Session(look::info),
    ..LOOK
};

const KEYSLOT: Command = Command {
    name: "keyslot",
    summary: "Tells which slot a key belongs to",
    cost: "O(N) for N bytes of the key",
    args: &[Arg::text("key")],
    run: Run::Session(keys::slot_of_key),
    ..LOOK
};

const LINKS: Command = Command {
    name: "links",
    summary: "Lists this node's connections with the other nodes",
    cost: "O(N) for N nodes",
    since: "7.0.0",
    tips: VARIES,
    run: Run::Session(look::links),
    ..LOOK
};

const MEET: Command = Command {
    name: "meet",
    summary: "Makes this node and another know each other",
    args: &[
        Arg::text("ip"),
        Arg::int("port"),
        Arg::int("cluster-bus-port").optional().since("4.0.0"),
    ],
    run: Run::Session(order::meet),
    ..ORDER
};

const MYID: Command = Command {
    name: "myid",
    summary: "Returns this node's name",
    run: Run::Session(look::my_id),
    ..LOOK
};

const MYSHARDID: Command = Command {
    name: "myshardid",
    summary: "Returns the name of the shard that this node is in",
    since: "7.2.0",
    tips: VARIES,
    run: Run::Session(look::my_shard),
    ..LOOK
};

const NODES: Command = Command {
    name: "nodes",
    summary: "Lists the nodes that this node knows, in the form of its file",
    cost: "O(N) for N nodes",
    tips: VARIES,
    run: Run::Session(look::nodes),
    ..LOOK
};

const REPLICAS: Command = Command {
    name: "replicas",
    summary: "Lists a master's replicas",
    cost: "O(N) for N replicas",
    since: "5.0.0",
    flags: &[Admin, Stale],
    args: NODE,
    tips: VARIES,
    run: Run::Session(look::replicas),
    ..LOOK
};

const REPLICATE: Command = Command {
    name: "replicate",
    summary: "Makes this node a replica of a master, or one without any",
    args: &[Arg::one_of(
        "args",
        &[
            Arg::text("node-id"),
            Arg::block("no-one", &[Arg::word("no", "NO"), Arg::word("one", "ONE")]).since("9.0.0"),
        ],
    )],
    arity: Some(-3),
    run: Run::Session(order::replicate),
    ..ORDER
};

const RESET: Command = Command {
    name: "reset",
    summary: "Makes this node forget all others and its slots",
    cost: "O(N) for N known nodes, and for N keys if it flushes them",
    flags: &[Admin, NoScript, Stale],
    args: &[Arg::one_of(
        "reset-type",
        &[Arg::word("hard", "HARD"), Arg::word("soft", "SOFT")],
    )
    .optional()],
    run: Run::Session(order::reset),
    ..ORDER
};

const SAVECONFIG: Command = Command {
    name: "saveconfig",
    summary: "Writes what this node knows of the cluster to its file",
    run: Run::Session(order::save),
    ..ORDER
};

const SET_CONFIG_EPOCH: Command = Command {
    name: "set-config-epoch",
    summary: "Gives a new node its epoch",
    args: &[Arg::int("config-epoch")],
    run: Run::Session(order::set_config_epoch),
    ..ORDER
};

const SETSLOT: Command = Command {
    name: "setslot",
    summary: "Gives a slot to a node, or begins or ends its move",
    args: &[
        Arg::int("slot"),
        Arg::one_of(
            "subcommand",
            &[
                Arg::text("importing").token("IMPORTING"),
                Arg::text("migrating").token("MIGRATING"),
                Arg::text("node").token("NODE"),
                Arg::word("stable", "STABLE"),
            ],
        ),
    ],
    run: Run::Session(order::set_slot),
    ..ORDER
};

const SHARDS: Command = Command {
    name: "shards",
    summary: "Lists the shards with their slots and nodes",
    cost: "O(N) for N nodes",
    since: "7.0.0",
    tips: VARIES,
    flags: &[Loading, Stale],
    run: Run::Session(look::shards),
    ..LOOK
};

const SLAVES: Command = Command {
    name: "slaves",
    since: "3.0.0",
    deprecated: Some(("5.0.0", "`CLUSTER REPLICAS`")),
    ..REPLICAS
};

const SLOT_STATS: Command = Command {
    name: "slot-stats",
    summary: "Returns what slots of this node hold and cost",
    cost: "O(N) for N slots, O(N*log(N)) with ORDERBY",
    since: "8.2.0",
    flags: &[Loading, Stale, Neither],
    tips: &["nondeterministic_output", "request_policy:all_shards"],
    args: &[Arg::one_of(
        "filter",
        &[
            Arg::block(
                "slotsrange",
                &[Arg::int("start-slot"), Arg::int("end-slot")],
            )
            .token("SLOTSRANGE"),
            Arg::block(
                "orderby",
                &[
                    Arg::text("metric"),
                    Arg::int("limit").token("LIMIT").optional(),
                    Arg::one_of(
                        "order",
                        &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
                    )
                    .optional(),
                ],
            )
            .token("ORDERBY"),
        ],
    )],
    arity: Some(-4),
    run: Run::Read(stats::slot_stats),
    plan: Plan::Each,
    ..LOOK
};

const SLOTS: Command = Command {
    name: "slots",
    summary: "Lists the ranges of slots with their nodes",
    cost: "O(N) for N nodes",
    tips: VARIES,
    deprecated: Some(("7.0.0", "`CLUSTER SHARDS`")),
    flags: &[Loading, Stale],
    run: Run::Session(look::slots),
    ..LOOK
};
