//! SENTINEL: what a Sentinel knows of masters, their replicas and other Sentinels, and how it is told what to do.
//!
//! `look` answers from the state, `order` changes it.

mod help;
mod look;
mod order;

use crate::command::Flag::{Admin, Loading, NoScript, Stale};
use crate::command::{Arg, Command, Fail, Family, Run};
use crate::sentinel::SentinelRefused;
use crate::state::sentinel::Watching;
use crate::state::shared::Shared;

pub const FAMILY: Family = Family {
    group: "sentinel",
    category: "",
    commands: &[&SENTINEL],
};

/// Whom this server watches: without a Sentinel there is no such command.
fn watching(server: &Shared) -> &Watching {
    let watching = server.watching.as_ref();
    watching.expect("SENTINEL is a command of Sentinels alone")
}

fn refused(why: SentinelRefused) -> Fail {
    match why {
        SentinelRefused::Says(text) => Fail::said(text),
        SentinelRefused::Code(text) => Fail::code(text),
    }
}

const SENTINEL: Command = Command {
    name: "sentinel",
    summary: "Looks at the masters that a Sentinel watches, and tells it what to do",
    cost: "Depends on subcommand.",
    since: "2.8.4",
    flags: &[Admin],
    run: Run::Container,
    subcommands: &[
        &CKQUORUM,
        &CONFIG,
        &DEBUG,
        &FAILOVER,
        &FLUSHCONFIG,
        &GET_MASTER_ADDR_BY_NAME,
        &HELP,
        &INFO_CACHE,
        &IS_MASTER_DOWN_BY_ADDR,
        &MASTER,
        &MASTERS,
        &MONITOR,
        &MYID,
        &PENDING_SCRIPTS,
        &REMOVE,
        &REPLICAS,
        &RESET,
        &SENTINELS,
        &SET,
        &SIMULATE_FAILURE,
        &SLAVES,
    ],
    ..Command::PLAIN
};

const PLAIN: Command = Command {
    since: "2.8.4",
    flags: &[Admin],
    ..Command::PLAIN
};

const NAME: &[Arg] = &[Arg::text("master-name")];

const CKQUORUM: Command = Command {
    name: "ckquorum",
    summary: "Tells whether enough Sentinels are reached to fail a master over",
    args: NAME,
    run: Run::Session(look::ckquorum),
    ..PLAIN
};

const CONFIG: Command = Command {
    name: "config",
    summary: "Shows and sets what belongs to no single master",
    cost: "O(N) for N settings",
    since: "6.2.0",
    args: &[Arg::one_of(
        "action",
        &[
            Arg::block("set", &[Arg::text("parameter"), Arg::text("value")])
                .token("SET")
                .many(),
            Arg::text("parameter").token("GET").many(),
        ],
    )],
    arity: Some(-4),
    run: Run::Session(order::config),
    ..PLAIN
};

const DEBUG: Command = Command {
    name: "debug",
    summary: "Shows and sets how long things take, and how often they are done",
    cost: "O(N) for N settings",
    since: "7.0.0",
    args: &[
        Arg::block("data", &[Arg::text("parameter"), Arg::text("value")])
            .optional()
            .many(),
    ],
    run: Run::Session(order::debug),
    ..PLAIN
};

const FAILOVER: Command = Command {
    name: "failover",
    summary: "Fails a master over without asking other Sentinels",
    args: NAME,
    run: Run::Session(order::failover),
    ..PLAIN
};

const FLUSHCONFIG: Command = Command {
    name: "flushconfig",
    summary: "Writes the configuration file",
    run: Run::Session(order::flushconfig),
    ..PLAIN
};

const GET_MASTER_ADDR_BY_NAME: Command = Command {
    name: "get-master-addr-by-name",
    summary: "Returns where a master is",
    args: NAME,
    run: Run::Session(look::address),
    ..PLAIN
};

const HELP: Command = Command {
    name: "help",
    summary: "Returns this text",
    since: "6.2.0",
    flags: &[Loading, Stale],
    run: Run::Session(help::help),
    ..Command::PLAIN
};

const INFO_CACHE: Command = Command {
    name: "info-cache",
    summary: "Returns what masters and replicas last said of themselves",
    cost: "O(N) for N instances",
    since: "3.2.0",
    args: &[Arg::text("nodename").many()],
    run: Run::Session(look::info_cache),
    ..PLAIN
};

const IS_MASTER_DOWN_BY_ADDR: Command = Command {
    name: "is-master-down-by-addr",
    summary: "Tells whether a master is down for this Sentinel, and gives its vote",
    args: &[
        Arg::text("ip"),
        Arg::int("port"),
        Arg::int("current-epoch"),
        Arg::text("runid"),
    ],
    run: Run::Session(order::is_master_down),
    ..PLAIN
};

const MASTER: Command = Command {
    name: "master",
    summary: "Returns what is known of a master",
    args: NAME,
    run: Run::Session(look::master),
    ..PLAIN
};

const MASTERS: Command = Command {
    name: "masters",
    summary: "Returns what is known of all masters",
    cost: "O(N) for N masters",
    run: Run::Session(look::masters),
    ..PLAIN
};

const MONITOR: Command = Command {
    name: "monitor",
    summary: "Begins to watch a master",
    args: &[
        Arg::text("name"),
        Arg::text("ip"),
        Arg::int("port"),
        Arg::int("quorum"),
    ],
    run: Run::Session(order::monitor),
    ..PLAIN
};

const MYID: Command = Command {
    name: "myid",
    summary: "Returns the id of this Sentinel",
    since: "6.2.0",
    run: Run::Session(look::myid),
    ..PLAIN
};

const PENDING_SCRIPTS: Command = Command {
    name: "pending-scripts",
    summary: "Returns the scripts that run or wait",
    run: Run::Session(look::pending_scripts),
    ..PLAIN
};

const REMOVE: Command = Command {
    name: "remove",
    summary: "Watches a master no longer",
    args: NAME,
    run: Run::Session(order::remove),
    ..PLAIN
};

const REPLICAS: Command = Command {
    name: "replicas",
    summary: "Returns what is known of a master's replicas",
    cost: "O(N) for N replicas",
    since: "5.0.0",
    args: NAME,
    run: Run::Session(look::replicas),
    ..PLAIN
};

const SLAVES: Command = Command {
    name: "slaves",
    since: "2.8.0",
    deprecated: Some(("5.0.0", "`SENTINEL REPLICAS`")),
    ..REPLICAS
};

const RESET: Command = Command {
    name: "reset",
    summary: "Forgets what was seen of the masters whose names match",
    cost: "O(N) for N masters",
    args: &[Arg::pattern("pattern")],
    run: Run::Session(order::reset),
    ..PLAIN
};

const SENTINELS: Command = Command {
    name: "sentinels",
    summary: "Returns what is known of the other Sentinels of a master",
    cost: "O(N) for N Sentinels",
    args: NAME,
    run: Run::Session(look::sentinels),
    ..PLAIN
};

const SET: Command = Command {
    name: "set",
    summary: "Changes how a master is watched",
    cost: "O(N) for N options",
    args: &[
        Arg::text("master-name"),
        Arg::block("data", &[Arg::text("option"), Arg::text("value")]).many(),
    ],
    arity: Some(-5),
    run: Run::Session(order::set),
    secrets: Some(|argv, hide| {
        let passwords = |at: &usize| argv[*at - 1].eq_ignore_ascii_case(b"auth-pass");
        (4..argv.len()).filter(passwords).for_each(hide);
    }),
    ..PLAIN
};

const SIMULATE_FAILURE: Command = Command {
    name: "simulate-failure",
    summary: "Has this Sentinel crash at a moment to come",
    since: "3.2.0",
    flags: &[Admin, NoScript],
    args: &[Arg::one_of(
        "mode",
        &[
            Arg::word("crash-after-election", "CRASH-AFTER-ELECTION"),
            Arg::word("crash-after-promotion", "CRASH-AFTER-PROMOTION"),
            Arg::word("help", "HELP"),
        ],
    )
    .optional()
    .many()],
    arity: Some(-3),
    run: Run::Session(order::simulate),
    ..PLAIN
};
