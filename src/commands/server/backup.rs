//! BACKUP: a copy of the data as of one moment, whose files can be fetched while the server goes on. It is Redis 8.10's.

use tokio::sync::oneshot;

use crate::command::Flag::{Admin, NoScript, Stale};
use crate::command::{AwaitedJob, Command, Done, Fail, Flow, Run, SessionCall, help};
use crate::persist::JobOutcome;
use crate::util::thread;

pub const BACKUP: Command = Command {
    name: "backup",
    summary: "Makes a backup of the data",
    cost: "Depends on subcommand.",
    since: "8.10.0",
    run: Run::Container,
    subcommands: &[&ABORT, &CLEANUP, &HELP, &LIST, &SEAL, &START, &STATUS],
    ..Command::PLAIN
};

const HELP: Command = Command {
    since: "8.10.0",
    ..help::HELP
};

/// What those have in common that change something.
const ORDER: Command = Command {
    since: "8.10.0",
    flags: &[Admin, NoScript],
    ..Command::PLAIN
};

/// What those have in common that tell something.
const QUESTION: Command = Command {
    since: "8.10.0",
    flags: &[Admin, Stale],
    ..Command::PLAIN
};

const START: Command = Command {
    name: "start",
    summary: "Starts a backup into the folder that backupdirname names",
    run: Run::Session(start),
    ..ORDER
};

fn start(call: &mut SessionCall<'_>) -> Done {
    let (dirty, now_s) = (call.server.stats.totals().dirty, call.now_ms / 1000);
    let later = call.session.in_exec;
    let started = call.server.store.start_backup(dirty, now_s, later);
    answer(call, started)
}

fn answer(call: &mut SessionCall<'_>, done: Result<(), String>) -> Done {
    done.map_err(Fail::said)?;
    call.out.ok();
    Ok(Flow::Done)
}

const SEAL: Command = Command {
    name: "seal",
    summary: "Ends the backup with all edits that were made so far",
    run: Run::Session(seal),
    ..ORDER
};

fn seal(call: &mut SessionCall<'_>) -> Done {
    let (store, now_s) = (call.server.store.clone(), call.now_ms / 1000);
    if call.session.in_exec {
        let sealed = store.seal_backup(now_s);
        return answer(call, sealed);
    }
    store.may_seal_backup().map_err(Fail::said)?;
    // Other clients of this worker don't wait for the disk.
    let (told, done) = oneshot::channel();
    let body = move || {
        let outcome = match store.seal_backup(now_s) {
            Ok(()) => JobOutcome::Done,
            Err(_) => JobOutcome::Failed,
        };
        // Who asked may be gone.
        let _ = told.send(outcome);
    };
    thread::start("backup", body)
        .map_err(|error| Fail::said(format!("Can't start a thread: {error}")))?;
    Ok(Flow::Wait(AwaitedJob {
        done,
        failed: Some("ERR The backup could not be sealed. Check BACKUP STATUS."),
    }))
}

const ABORT: Command = Command {
    name: "abort",
    summary: "Gives up a backup that is not sealed",
    run: Run::Session(abort),
    ..ORDER
};

fn abort(call: &mut SessionCall<'_>) -> Done {
    let aborted = call.server.store.abort_backup();
    answer(call, aborted)
}

const CLEANUP: Command = Command {
    name: "cleanup",
    summary: "Removes the files of a sealed backup",
    run: Run::Session(cleanup),
    ..ORDER
};

fn cleanup(call: &mut SessionCall<'_>) -> Done {
    let cleaned = call.server.store.clean_up_backup();
    answer(call, cleaned)
}

const LIST: Command = Command {
    name: "list",
    summary: "Lists the backup's files that change no more",
    run: Run::Session(list),
    ..QUESTION
};

fn list(call: &mut SessionCall<'_>) -> Done {
    let files = call.server.store.backup.report().files;
    call.out.array(files.len());
    for file in files {
        call.out.bulk(file.as_os_str().as_encoded_bytes());
    }
    Ok(Flow::Done)
}

const STATUS: Command = Command {
    name: "status",
    summary: "Tells how far the backup has come",
    run: Run::Session(status),
    ..QUESTION
};

fn status(call: &mut SessionCall<'_>) -> Done {
    let report = call.server.store.backup.report();
    call.out.map(4);
    call.out.bulk(b"state");
    call.out.bulk(report.phase.name().as_bytes());
    call.out.bulk(b"error");
    call.out.bulk(report.error.as_bytes());
    call.out.bulk(b"start_time");
    call.out.int(report.start_s as i64);
    call.out.bulk(b"end_time");
    call.out.int(report.end_s as i64);
    Ok(Flow::Done)
}
