//! SLOWLOG: the last slow commands.

use crate::command::Flag::{Admin, Loading, Stale};
use crate::command::{Arg, Command, Done, Fail, Flow, Run, SessionCall, help};
use crate::resp::Reply;
use crate::state::slowlog::Slowlog;

pub const SLOWLOG: Command = Command {
    name: "slowlog",
    summary: "Looks at the last slow commands",
    cost: "Depends on subcommand.",
    since: "2.2.12",
    run: Run::Container,
    subcommands: &[&GET, &HELP, &LEN, &RESET],
    ..Command::PLAIN
};

const HELP: Command = Command {
    since: "6.2.0",
    ..help::HELP
};

const GET: Command = Command {
    name: "get",
    summary: "Returns the newest entries: number, time, microseconds, arguments, address, client name",
    cost: "O(N) for N entries",
    since: "2.2.12",
    flags: &[Admin, Loading, Stale],
    args: &[Arg::int("count").optional()],
    run: Run::Session(get),
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    ..Command::PLAIN
};

/// Entries returned when none says how many.
const COUNT: usize = 10;

fn get(call: &mut SessionCall<'_>) -> Done {
    let count = match call.args.len() {
        0 => Some(COUNT),
        1 => {
            let bad = Fail::Says("count should be greater than or equal to -1");
            usize::try_from(call.args.int_in(-1..=i64::MAX, bad)?).ok()
        }
        _ => return Err(help::misused(&call.args, call.entry)),
    };
    write(&call.server.slowlog, count, call.out);
    Ok(Flow::Done)
}

/// Writes the newest entries of a log.
pub(super) fn write(log: &Slowlog, count: Option<usize>, out: &mut Reply) {
    let entries = log.newest(count);
    out.array(entries.len());
    for entry in entries {
        out.array(6);
        out.int(entry.id as i64);
        out.int(entry.time_s as i64);
        out.int(entry.measure as i64);
        out.array(entry.args.len());
        entry.args.iter().for_each(|arg| out.bulk(arg));
        out.bulk(entry.address);
        out.bulk(entry.client_name);
    }
}

const LEN: Command = Command {
    name: "len",
    summary: "Counts the entries",
    since: "2.2.12",
    flags: &[Admin, Loading, Stale],
    run: Run::Session(len),
    tips: &[
        "request_policy:all_nodes",
        "response_policy:agg_sum",
        "nondeterministic_output",
    ],
    ..Command::PLAIN
};

fn len(call: &mut SessionCall<'_>) -> Done {
    call.out.count(call.server.slowlog.len());
    Ok(Flow::Done)
}

const RESET: Command = Command {
    name: "reset",
    summary: "Forgets all entries",
    cost: "O(N) for N entries",
    since: "2.2.12",
    flags: &[Admin, Loading, Stale],
    run: Run::Session(reset),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Command::PLAIN
};

fn reset(call: &mut SessionCall<'_>) -> Done {
    call.server.slowlog.reset();
    call.out.ok();
    Ok(Flow::Done)
}
