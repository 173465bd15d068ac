//! CLIENT PAUSE, UNPAUSE and UNBLOCK: other connections held back and woken.

use crate::command::Flag::{Admin, Loading, NoScript, Stale};
use crate::command::{Arg, Command, Done, Fail, Flow, Run, SessionCall, help};
use crate::state::client::Unblock;
use crate::state::pause::{PauseFor, PauseMode};

pub const PAUSE: Command = Command {
    name: "pause",
    summary: "Holds back all commands, or all writes, for a while",
    since: "3.0.0",
    flags: &[Admin, NoScript, Loading, Stale],
    args: &[
        Arg::int("timeout"),
        Arg::one_of(
            "mode",
            &[Arg::word("write", "WRITE"), Arg::word("all", "ALL")],
        )
        .optional()
        .since("6.2.0"),
    ],
    run: Run::Session(pause),
    ..Command::PLAIN
};

fn pause(call: &mut SessionCall<'_>) -> Done {
    let mut mode = call.args;
    mode.next()?;
    let mode = match mode.rest() {
        [] => PauseMode::All,
        [word] if word.eq_ignore_ascii_case(b"ALL") => PauseMode::All,
        [word] if word.eq_ignore_ascii_case(b"WRITE") => PauseMode::Write,
        [_] => return Err(Fail::Says("CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(help::misused(&call.args, call.entry)),
    };
    let until_ms = call.args.timeout_ms(call.now_ms)?;
    let until_ms = until_ms.unwrap_or(0);
    call.server
        .hold_back(PauseFor::Client, until_ms, mode, call.now_ms);
    call.out.ok();
    Ok(Flow::Done)
}

pub const UNPAUSE: Command = Command {
    name: "unpause",
    summary: "Lets go what CLIENT PAUSE holds back",
    cost: "O(N) for N clients held back",
    since: "6.2.0",
    flags: &[Admin, NoScript, Loading, Stale],
    run: Run::Session(unpause),
    ..Command::PLAIN
};

fn unpause(call: &mut SessionCall<'_>) -> Done {
    call.server.pause.stop(PauseFor::Client);
    call.out.ok();
    Ok(Flow::Done)
}

pub const UNBLOCK: Command = Command {
    name: "unblock",
    summary: "Wakes a client from a blocking command",
    since: "5.0.0",
    flags: &[Admin, NoScript, Loading, Stale],
    args: &[
        Arg::int("client-id"),
        Arg::one_of(
            "unblock-type",
            &[Arg::word("timeout", "TIMEOUT"), Arg::word("error", "ERROR")],
        )
        .optional(),
    ],
    run: Run::Session(unblock),
    ..Command::PLAIN
};

fn unblock(call: &mut SessionCall<'_>) -> Done {
    let mut how = call.args;
    how.next()?;
    let how = match how.rest() {
        [] => Unblock::Timeout,
        [word] if word.eq_ignore_ascii_case(b"TIMEOUT") => Unblock::Timeout,
        [word] if word.eq_ignore_ascii_case(b"ERROR") => Unblock::Error,
        [_] => {
            return Err(Fail::Says(
                "CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ));
        }
        _ => return Err(help::misused(&call.args, call.entry)),
    };
    let id = call.args.int()?;
    let clients = &call.server.clients;
    let client = u64::try_from(id).ok().and_then(|id| clients.get(id));
    call.out
        .int(client.is_some_and(|client| clients.unblock(&client, how)));
    Ok(Flow::Done)
}
