//! SCRIPT: the texts that EVALSHA finds, and the end of one that runs too long.

use crate::command::Flag::{AllowBusy, NoScript, Scripted};
use crate::command::{Arg, Command, Done, Fail, Flow, Run, ScriptWish, SessionCall, help};

pub const SCRIPT: Command = Command {
    name: "script",
    summary: "Manages scripts",
    cost: "Depends on subcommand.",
    since: "2.6.0",
    run: Run::Container,
    subcommands: &[&DEBUG, &EXISTS, &FLUSH, &HELP, &KILL, &LOAD, &SHOW],
    ..Command::PLAIN
};

const HELP: Command = Command {
    flags: &[crate::command::Flag::Loading, crate::command::Flag::Stale],
    ..help::HELP
};

const DEBUG: Command = Command {
    name: "debug",
    summary: "Is refused: there is no debugger",
    since: "3.2.0",
    flags: &[NoScript],
    args: &[Arg::one_of(
        "mode",
        &[
            Arg::word("yes", "YES"),
            Arg::word("sync", "SYNC"),
            Arg::word("no", "NO"),
        ],
    )],
    run: Run::Session(debug),
    ..Command::PLAIN
};

fn debug(call: &mut SessionCall<'_>) -> Done {
    if call.args.word("NO") {
        call.out.ok();
        return Ok(Flow::Done);
    }
    if !call.args.word("YES") && !call.args.word("SYNC") {
        return Err(Fail::Says("Use SCRIPT DEBUG YES/SYNC/NO"));
    }
    Err(Fail::Says(
        "The Lua debugger is not supported by this server",
    ))
}

const EXISTS: Command = Command {
    name: "exists",
    summary: "Tells which scripts are held",
    cost: "O(N) for N scripts",
    since: "2.6.0",
    flags: &[NoScript],
    args: &[Arg::text("sha1").many()],
    run: Run::Session(exists),
    tips: &[
        "request_policy:all_shards",
        "response_policy:agg_logical_and",
    ],
    ..Command::PLAIN
};

fn exists(call: &mut SessionCall<'_>) -> Done {
    let shas = call.args.rest();
    call.out.array(shas.len());
    for sha in shas {
        let sha = String::from_utf8_lossy(sha).to_ascii_lowercase();
        call.out.int(call.server.scripts.get(&sha).is_some());
    }
    Ok(Flow::Done)
}

const FLUSH: Command = Command {
    name: "flush",
    summary: "Forgets all scripts",
    cost: "O(N) for N scripts",
    since: "2.6.0",
    flags: &[NoScript],
    args: &[Arg::one_of(
        "flush-type",
        &[
            Arg::word("async", "ASYNC").since("6.2.0"),
            Arg::word("sync", "SYNC").since("6.2.0"),
        ],
    )
    .optional()],
    run: Run::Session(flush),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Command::PLAIN
};

fn flush(call: &mut SessionCall<'_>) -> Done {
    super::flush_word(call, "SCRIPT FLUSH only support SYNC|ASYNC option")?;
    call.server.scripts.flush();
    call.out.ok();
    Ok(Flow::Done)
}

const KILL: Command = Command {
    name: "kill",
    summary: "Ends the script that runs, if it has changed nothing",
    since: "2.6.0",
    flags: &[NoScript, AllowBusy],
    run: Run::Session(|call| super::kill(call, false).map(|()| Flow::Done)),
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    ..Command::PLAIN
};

const SHOW: Command = Command {
    name: "show",
    summary: "Returns the text of a script",
    since: "8.0.0",
    flags: &[NoScript, crate::command::Flag::Stale],
    args: &[Arg::text("sha1")],
    run: Run::Session(show),
    ..Command::PLAIN
};

fn show(call: &mut SessionCall<'_>) -> Done {
    let sha = String::from_utf8_lossy(call.args.next()?).to_ascii_lowercase();
    let held = call.server.scripts.get(&sha);
    let held = held.ok_or_else(|| Fail::code("NOSCRIPT No matching script."))?;
    call.out.bulk(&held.body);
    Ok(Flow::Done)
}

const LOAD: Command = Command {
    name: "load",
    summary: "Keeps a script for EVALSHA, and returns its SHA1",
    cost: "O(N) for a script of N bytes",
    since: "2.6.0",
    flags: &[NoScript, crate::command::Flag::Stale, Scripted],
    args: &[Arg::text("script")],
    run: Run::Session(|_| Ok(Flow::Script(Box::new(ScriptWish::Load)))),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Command::PLAIN
};
