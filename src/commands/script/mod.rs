//! Scripts and functions. They run in `exec`, which holds the locks; here their words are read.

mod eval;
mod function;
mod manage;

use crate::command::{Fail, Family, SessionCall};

pub const FAMILY: Family = Family {
    group: "scripting",
    category: "scripting",
    commands: &[
        &eval::EVAL,
        &eval::EVAL_RO,
        &eval::EVALSHA,
        &eval::EVALSHA_RO,
        &eval::FCALL,
        &eval::FCALL_RO,
        &manage::SCRIPT,
        &function::FUNCTION,
    ],
};

/// ASYNC or SYNC, or nothing, for what is forgotten at once in any case.
fn flush_word(call: &mut SessionCall<'_>, fail: &'static str) -> Result<(), Fail> {
    if !call.args.is_empty() && !call.args.word("ASYNC") && !call.args.word("SYNC") {
        return Err(Fail::Says(fail));
    }
    call.args.end().map_err(|_| Fail::Says(fail))
}

/// No more than this many arguments may follow.
fn at_most(call: &SessionCall<'_>, count: usize, container: &str) -> Result<(), Fail> {
    if call.args.len() <= count {
        return Ok(());
    }
    let given = String::from_utf8_lossy(call.args.all()[1]);
    Err(Fail::said(format!(
        "unknown subcommand or wrong number of arguments for '{given}'. Try {container} HELP."
    )))
}

/// SCRIPT KILL and FUNCTION KILL: each only for its own.
fn kill(call: &mut SessionCall<'_>, function: bool) -> Result<(), Fail> {
    let busy = call.server.scripts.busy();
    let Some(first) = busy.first() else {
        return Err(Fail::code("NOTBUSY No scripts in execution right now."));
    };
    if busy.iter().any(|running| running.obeyed) {
        return Err(Fail::code(
            "UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be killed.",
        ));
    }
    if first.is_function != function {
        return Err(call.server.busy_fail());
    }
    let wrote = |running: &std::sync::Arc<crate::script::RunningScript>| {
        running.wrote.load(std::sync::atomic::Ordering::Acquire)
    };
    if busy.iter().any(wrote) {
        return Err(Fail::code(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        ));
    }
    call.server.scripts.kill_all();
    call.out.ok();
    Ok(())
}
