//! COMMANDLOG: the last commands that took long, or whose request or reply was large. It is Valkey's.

use super::slowlog;
use crate::command::Flag::{Admin, Loading, Stale};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, Run, SessionCall, help};
use crate::state::shared::Shared;
use crate::state::slowlog::Slowlog;

pub const COMMANDLOG: Command = Command {
    name: "commandlog",
    summary: "Looks at the last commands that were slow or large",
    cost: "Depends on subcommand.",
    since: "8.1.0",
    run: Run::Container,
    subcommands: &[&GET, &HELP, &LEN, &RESET],
    ..Command::PLAIN
};

const HELP: Command = Command {
    since: "8.1.0",
    ..help::HELP
};

const TYPE: Arg = Arg::one_of(
    "type",
    &[
        Arg::word("slow", "SLOW"),
        Arg::word("large-request", "LARGE-REQUEST"),
        Arg::word("large-reply", "LARGE-REPLY"),
    ],
);

/// The log of a type.
fn log_of<'s>(args: &mut Args<'_>, server: &'s Shared) -> Result<&'s Slowlog, Fail> {
    match () {
        () if args.word("slow") => Ok(&server.slowlog),
        () if args.word("large-request") => Ok(&server.large_requests),
        () if args.word("large-reply") => Ok(&server.large_replies),
        () => Err(Fail::Says(
            "type should be one of the following: slow, large-request, large-reply",
        )),
    }
}

const GET: Command = Command {
    name: "get",
    summary: "Returns the newest entries: number, time, microseconds or bytes, arguments, address, client name",
    cost: "O(N) for N entries",
    since: "8.1.0",
    flags: &[Admin, Loading, Stale],
    args: &[Arg::int("count"), TYPE],
    run: Run::Session(get),
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    arity: Some(4),
    ..Command::PLAIN
};

fn get(call: &mut SessionCall<'_>) -> Done {
    let bad = Fail::Says("count should be greater than or equal to -1");
    let count = usize::try_from(call.args.int_in(-1..=i64::MAX, bad)?).ok();
    let log = log_of(&mut call.args, call.server)?;
    slowlog::write(log, count, call.out);
    Ok(Flow::Done)
}

const LEN: Command = Command {
    name: "len",
    summary: "Counts the entries",
    since: "8.1.0",
    flags: &[Admin, Loading, Stale],
    args: &[TYPE],
    run: Run::Session(len),
    tips: &[
        "request_policy:all_nodes",
        "response_policy:agg_sum",
        "nondeterministic_output",
    ],
    arity: Some(3),
    ..Command::PLAIN
};

fn len(call: &mut SessionCall<'_>) -> Done {
    let log = log_of(&mut call.args, call.server)?;
    call.out.count(log.len());
    Ok(Flow::Done)
}

const RESET: Command = Command {
    name: "reset",
    summary: "Forgets all entries",
    cost: "O(N) for N entries",
    since: "8.1.0",
    flags: &[Admin, Loading, Stale],
    args: &[TYPE],
    run: Run::Session(reset),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arity: Some(3),
    ..Command::PLAIN
};

fn reset(call: &mut SessionCall<'_>) -> Done {
    log_of(&mut call.args, call.server)?.reset();
    call.out.ok();
    Ok(Flow::Done)
}
