//! SHUTDOWN: the server's end, or a stay of it.

use crate::command::Flag::{Admin, AllowBusy, Loading, NoMulti, NoScript, Stale};
use crate::command::{Arg, Command, Done, Fail, Flow, Run, SessionCall, Shutdown};

pub const SHUTDOWN: Command = Command {
    name: "shutdown",
    summary: "Stops the server",
    cost: "O(1), and O(N) for N keys to save",
    flags: &[Admin, NoScript, Loading, Stale, NoMulti, AllowBusy],
    args: &[
        Arg::one_of(
            "save-selector",
            &[Arg::word("nosave", "NOSAVE"), Arg::word("save", "SAVE")],
        )
        .optional(),
        Arg::word("now", "NOW").optional().since("7.0.0"),
        Arg::word("force", "FORCE").optional().since("7.0.0"),
        Arg::word("safe", "SAFE").optional().since("9.0.0"),
        Arg::word("failover", "FAILOVER").optional().since("9.0.0"),
        Arg::word("abort", "ABORT").optional().since("7.0.0"),
    ],
    run: Run::Session(shutdown),
    ..Command::PLAIN
};

fn shutdown(call: &mut SessionCall<'_>) -> Done {
    let (mut save, mut nosave, mut abort) = (false, false, false);
    let (mut safe, mut failover) = (false, false);
    let mut wish = Shutdown::default();
    for word in call.args.rest() {
        match word.to_ascii_lowercase().as_slice() {
            b"save" => save = true,
            b"nosave" => nosave = true,
            b"now" => wish.now = true,
            b"force" => wish.force = true,
            // What a voting member of a cluster must not do: outside of one nothing is unsafe.
            b"safe" => safe = true,
            b"failover" => failover = true,
            b"abort" => abort = true,
            _ => return Err(Fail::SYNTAX),
        }
    }
    if save && nosave || abort && (save || nosave || wish.now || wish.force || safe || failover) {
        return Err(Fail::SYNTAX);
    }
    if failover {
        return Err(Fail::Says(
            "SHUTDOWN FAILOVER is only supported in cluster mode.",
        ));
    }
    if call.server.scripts.is_busy() && !nosave && !abort {
        return Err(call.server.busy_fail());
    }
    wish.save = (save || nosave).then_some(save);
    Ok(Flow::Shutdown((!abort).then_some(wish)))
}
