//! The data files: SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE.

use tokio::sync::oneshot;

use crate::command::Flag::{Admin, Fast, Loading, NoAsyncLoading, NoMulti, NoScript, Stale};
use crate::command::{Arg, AwaitedJob, Command, Done, Fail, Flow, Run, SessionCall};
use crate::persist::{JobKind, JobOutcome, Told};
use crate::state::shared::Shared;

pub const SAVE: Command = Command {
    name: "save",
    summary: "Writes a snapshot, and answers when it is written",
    cost: "O(N) for N keys",
    flags: &[Admin, NoScript, NoAsyncLoading, NoMulti],
    run: Run::Session(save),
    ..Command::PLAIN
};

const SAVING: Fail = Fail::Says("Background save already in progress");

fn save(call: &mut SessionCall<'_>) -> Done {
    let store = &call.server.store;
    if store
        .running()
        .is_some_and(|running| running.kind != JobKind::Rewrite)
    {
        return Err(SAVING);
    }
    let (told, done) = waited_for(call.server);
    let dirty = call.server.stats.totals().dirty;
    store
        .begin(JobKind::Save, dirty, Some(told))
        .map_err(|_| Fail::Says("The log is being rewritten: can't SAVE right now"))?;
    Ok(Flow::Wait(AwaitedJob {
        done,
        failed: Some("ERR"),
    }))
}

/// For a client that waits for a job, unless a long script is in its way.
pub(super) fn waited_for(server: &Shared) -> (Told, oneshot::Receiver<JobOutcome>) {
    let (outcome, done) = oneshot::channel();
    let scripts = server.scripts.clone();
    let held = Box::new(move || scripts.is_busy());
    (Told { outcome, held }, done)
}

pub const BGSAVE: Command = Command {
    name: "bgsave",
    summary: "Begins to write a snapshot",
    flags: &[Admin, NoScript, NoAsyncLoading],
    args: &[Arg::one_of(
        "operation",
        &[
            Arg::word("schedule", "SCHEDULE").since("3.2.2"),
            Arg::word("cancel", "CANCEL").since("8.1.0"),
        ],
    )
    .optional()],
    run: Run::Session(bgsave),
    ..Command::PLAIN
};

fn bgsave(call: &mut SessionCall<'_>) -> Done {
    if call.args.len() == 1 && call.args.word("CANCEL") {
        return cancel(call);
    }
    let schedule = call.args.word("SCHEDULE");
    if !call.args.is_empty() {
        return Err(Fail::SYNTAX);
    }
    let store = &call.server.store;
    let dirty = call.server.stats.totals().dirty;
    match store.begin(JobKind::Save, dirty, None) {
        Ok(()) => call.out.simple("Background saving started"),
        Err(JobKind::Save | JobKind::Sync) => return Err(SAVING),
        Err(JobKind::Rewrite) if schedule => {
            store.begin_later(JobKind::Save);
            call.out.simple("Background saving scheduled");
        }
        Err(JobKind::Rewrite) => {
            return Err(Fail::Says(
                "Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
            ));
        }
    }
    Ok(Flow::Done)
}

/// Gives up a snapshot that is being written and for which nobody waits, or one that waits for the log's rewriting.
fn cancel(call: &mut SessionCall<'_>) -> Done {
    let store = &call.server.store;
    if store.abandon_save() {
        tracing::info!("Background saving will be aborted due to user request");
        call.out.simple("Background saving cancelled");
    } else if store.forget_waiting(JobKind::Save) {
        call.out.simple("Scheduled background saving cancelled");
    } else {
        return Err(Fail::Says(
            "Background saving is currently not in progress or scheduled",
        ));
    }
    Ok(Flow::Done)
}

pub const BGREWRITEAOF: Command = Command {
    name: "bgrewriteaof",
    summary: "Begins to rewrite the append only file",
    flags: &[Admin, NoScript, NoAsyncLoading],
    run: Run::Session(bgrewriteaof),
    ..Command::PLAIN
};

fn bgrewriteaof(call: &mut SessionCall<'_>) -> Done {
    let store = &call.server.store;
    let dirty = call.server.stats.totals().dirty;
    if call.session.in_exec || store.backup.postpones_rewrites() {
        // In a transaction Redis can't fork, and clients know its words.
        store.begin_later(JobKind::Rewrite);
        call.out
            .simple("Background append only file rewriting scheduled");
        return Ok(Flow::Done);
    }
    match store.begin(JobKind::Rewrite, dirty, None) {
        Ok(()) => call
            .out
            .simple("Background append only file rewriting started"),
        Err(JobKind::Rewrite) => {
            return Err(Fail::Says(
                "Background append only file rewriting already in progress",
            ));
        }
        Err(JobKind::Save | JobKind::Sync) => {
            store.begin_later(JobKind::Rewrite);
            call.out
                .simple("Background append only file rewriting scheduled");
        }
    }
    Ok(Flow::Done)
}

pub const LASTSAVE: Command = Command {
    name: "lastsave",
    summary: "Tells when the last snapshot was written",
    flags: &[Loading, Stale, Fast],
    run: Run::Session(lastsave),
    categories: &["admin", "dangerous"],
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn lastsave(call: &mut SessionCall<'_>) -> Done {
    let saved_s = call.server.store.saves.lock().last_save_s;
    call.out.int(saved_s as i64);
    Ok(Flow::Done)
}
