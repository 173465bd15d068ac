//! DEBUG: what tests and the curious may do to a server.
//!
//! Its subcommands are in a table of their own: to Redis's clients they are arguments, not commands.

mod cluster;
mod digest;
mod files;
mod keys;
mod replies;
mod time;

use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::Signal;

use crate::command::Flag::{Admin, Loading, Neither, NoScript, Protected, Stale};
use crate::command::{Command, Done, Fail, Flow, Plan, Run, WriteCall};
use crate::config::REDIS_VERSION;
use crate::config::values::parse_bytes;
use crate::engine::{Access, Entry};
use crate::state::replication::new_id;
use crate::types::{Text, Value};
use crate::util::{crash, number};

pub const DEBUG: Command = Command {
    name: "debug",
    summary: "Looks inside the server, for tests",
    cost: "Depends on subcommand.",
    flags: &[Admin, NoScript, Loading, Stale, Neither, Protected],
    run: Run::Write(debug),
    arity: Some(-2),
    plan: Plan::AllIf(|argv| {
        argv.get(1)
            .and_then(|name| find(name))
            .is_some_and(|sub| sub.keys)
    }),
    ..Command::PLAIN
};

struct Sub {
    name: &'static str,
    usage: &'static str,
    says: &'static str,
    /// How many arguments follow the name.
    args: RangeInclusive<usize>,
    /// Whether it works on keys.
    keys: bool,
    run: fn(&mut WriteCall<'_>) -> Done,
}

const fn sub(
    name: &'static str,
    usage: &'static str,
    says: &'static str,
    args: RangeInclusive<usize>,
    run: fn(&mut WriteCall<'_>) -> Done,
) -> Sub {
    Sub {
        name,
        usage,
        says,
        args,
        keys: false,
        run,
    }
}

impl Sub {
    const fn on_keys(self) -> Self {
        Sub { keys: true, ..self }
    }
}

const MANY: usize = usize::MAX;

static SUBS: &[Sub] = &[
    sub(
        "change-repl-id",
        "",
        "Begin a new replication history.",
        0..=0,
        change_repl_id,
    ),
    sub(
        "clock",
        "<FREEZE [<ms>]|ADVANCE <ms>|SET <ms>|RUN>",
        "Stop the clock here or at a Unix time, move it ahead, set it, or have it go on from where it is.",
        1..=2,
        time::set_clock,
    ),
    sub(
        "clusterlink",
        "KILL <to|from|all> <node-id>",
        "Break the connections with a node of the cluster.",
        3..=3,
        cluster::kill_links,
    ),
    sub(
        "config-rewrite-force-all",
        "",
        "Write every directive to the configuration file, defaults too.",
        0..=0,
        rewrite_config,
    ),
    sub(
        "digest",
        "",
        "Return a fingerprint of all data.",
        0..=0,
        keys::digest,
    )
    .on_keys(),
    sub(
        "digest-value",
        "<key> [<key> ...]",
        "Return fingerprints of values.",
        0..=MANY,
        keys::digest_value,
    )
    .on_keys(),
    sub(
        "drop-cluster-packet-filter",
        "<packet-type>",
        "Leave frames of this type unheard on the cluster's bus, or none (-1).",
        1..=1,
        cluster::drop_frames,
    ),
    sub(
        "replicate",
        "<word> [<word> ...]",
        "Say something to replicas, as if it were a command.",
        1..=MANY,
        replicate,
    ),
    sub(
        "error",
        "<string>",
        "Answer with this error.",
        1..=1,
        replies::error,
    ),
    sub(
        "set-skip-checksum-validation",
        "<0|1>",
        "Believe payloads and snapshots whose checksum is wrong.",
        1..=1,
        skip_checksums,
    ),
    sub(
        "set-disable-deny-scripts",
        "<0|1>",
        "Let scripts call commands that they may not call.",
        1..=1,
        allow_denied,
    ),
    sub(
        "slotmigration",
        "PREVENT-PAUSE <0|1>",
        "Keep slots that move whole from here on their way.",
        2..=2,
        cluster::stay,
    ),
    sub(
        "fail-job",
        "",
        "Make the snapshot or rewrite under way fail.",
        0..=0,
        files::fail_job,
    ),
    sub(
        "htstats",
        "<dbid>",
        "Describe the tables of a database.",
        1..=1,
        keys::htstats,
    )
    .on_keys(),
    sub(
        "htstats-key",
        "<key>",
        "Describe the table of a value.",
        1..=1,
        keys::htstats_key,
    )
    .on_keys(),
    sub(
        "listpack",
        "<key>",
        "Log the elements of a listpack.",
        1..=1,
        keys::listpack,
    )
    .on_keys(),
    sub(
        "loadaof",
        "",
        "Empty the keyspace, and read it back from the append only file.",
        0..=0,
        files::loadaof,
    ),
    sub(
        "log",
        "<message>",
        "Write a message to the log.",
        1..=1,
        log,
    ),
    sub(
        "object",
        "<key>",
        "Describe a value and its entry.",
        1..=2,
        keys::object,
    )
    .on_keys(),
    sub(
        "panic",
        "",
        "End the server as a bug would, with a report in the log.",
        0..=0,
        panic,
    ),
    #[cfg(debug_assertions)]
    sub(
        "panic-at",
        "<place> [<passes>]",
        "Panic at a place, once it has been passed so often.",
        1..=2,
        panic_at,
    ),
    sub(
        "pause-cron",
        "<0|1>",
        "Stop or go on with what is done ten times a second.",
        1..=1,
        pause_cron,
    ),
    sub(
        "populate",
        "<count> [<prefix>] [<size>]",
        "Create string keys named prefix:<number>.",
        1..=3,
        keys::populate,
    )
    .on_keys(),
    sub(
        "protocol",
        "<type>",
        "Answer with a value of this type.",
        1..=1,
        replies::protocol,
    ),
    sub(
        "quicklist-packed-threshold",
        "<size>",
        "Accepted: nodes of lists have a size of their own.",
        1..=1,
        packed_threshold,
    ),
    sub(
        "reload",
        "[<option> ...]",
        "Save, empty the keyspace, and read it back. NOSAVE and NOFLUSH leave out a step, MERGE replaces.",
        0..=MANY,
        files::reload,
    ),
    sub(
        "replybuffer",
        "<option> <value>",
        "Accepted: reply buffers shrink by themselves.",
        2..=2,
        replybuffer,
    ),
    sub(
        "seed",
        "<number>",
        "Begin all random choices anew from a number, which repeats them.",
        1..=1,
        time::seed,
    ),
    sub(
        "segfault",
        "",
        "End the server by SIGSEGV, with a report in the log.",
        0..=0,
        segfault,
    ),
    sub(
        "set-active-expire",
        "<0|1>",
        "Stop or go on removing keys that nobody touches.",
        1..=1,
        set_active_expire,
    ),
    sub(
        "aof-flush-sleep",
        "<microseconds>",
        "Wait before each write to the append only file.",
        1..=1,
        files::aof_flush_sleep,
    ),
    sub(
        "sleep",
        "<seconds>",
        "Keep this connection's thread busy.",
        1..=1,
        sleep,
    ),
    sub(
        "structsize",
        "",
        "Return the sizes of some structures.",
        0..=0,
        structsize,
    ),
];

fn find(name: &[u8]) -> Option<&'static Sub> {
    SUBS.iter()
        .find(|sub| name.eq_ignore_ascii_case(sub.name.as_bytes()))
}

fn debug(call: &mut WriteCall<'_>) -> Done {
    let name = call.args.next()?;
    if name.eq_ignore_ascii_case(b"HELP") && call.args.is_empty() {
        return help(call);
    }
    match find(name) {
        Some(sub) if sub.args.contains(&call.args.len()) => (sub.run)(call),
        _ => {
            let name = String::from_utf8_lossy(name);
            Err(Fail::said(format!(
                "unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG HELP."
            )))
        }
    }
}

fn help(call: &mut WriteCall<'_>) -> Done {
    let mut lines =
        vec!["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:".to_owned()];
    for sub in SUBS {
        lines.push(
            format!("{} {}", sub.name.to_ascii_uppercase(), sub.usage)
                .trim_end()
                .to_owned(),
        );
        lines.push(format!("    {}", sub.says));
    }
    lines.extend(["HELP".to_owned(), "    Prints this help.".to_owned()]);
    call.out.lines(lines.iter().map(String::as_str));
    Ok(Flow::Done)
}

fn ok(call: &mut WriteCall<'_>) -> Done {
    call.out.ok();
    Ok(Flow::Done)
}

/// A number as C's `atoi` and `atof` read it: what is none is zero.
fn seconds(text: &[u8]) -> f64 {
    number::parse_double(text).unwrap_or(0.0)
}

/// The longest DEBUG SLEEP.
const DAY: Duration = Duration::from_secs(86_400);

fn sleep(call: &mut WriteCall<'_>) -> Done {
    let seconds = seconds(call.args.next()?).max(0.0);
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(DAY).min(DAY);
    call.out.ok();
    Ok(Flow::Stall(time))
}

fn set_active_expire(call: &mut WriteCall<'_>) -> Done {
    let on = seconds(call.args.next()?) != 0.0;
    call.server
        .active_expire
        .store(on, std::sync::atomic::Ordering::Relaxed);
    ok(call)
}

fn rewrite_config(call: &mut WriteCall<'_>) -> Done {
    super::config::rewrite_now(call.server, true)?;
    ok(call)
}

fn pause_cron(call: &mut WriteCall<'_>) -> Done {
    let on = call.args.int()? != 0;
    call.server.cron_paused.store(on, Ordering::Relaxed);
    ok(call)
}

fn change_repl_id(call: &mut WriteCall<'_>) -> Done {
    tracing::info!("Changing replication IDs after receiving change-repl-id");
    call.server.replication.state().forget_history(new_id());
    ok(call)
}

fn replicate(call: &mut WriteCall<'_>) -> Done {
    let words = call.args.rest();
    call.server.journal.backlog.say(words);
    ok(call)
}

fn log(call: &mut WriteCall<'_>) -> Done {
    tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(call.args.next()?));
    ok(call)
}

fn allow_denied(call: &mut WriteCall<'_>) -> Done {
    let on = call.args.int()? != 0;
    let held = &call.server.scripts.allow_denied;
    held.store(on, Ordering::Relaxed);
    ok(call)
}

fn skip_checksums(call: &mut WriteCall<'_>) -> Done {
    let skip = call.args.int()? != 0;
    call.server
        .store
        .skip_checksums
        .store(skip, Ordering::Relaxed);
    ok(call)
}

fn segfault(call: &mut WriteCall<'_>) -> Done {
    let signal = Signal::SEGV;
    if call.server.config.crash_log_enabled.get() {
        crash::report(&crash::by_signal(REDIS_VERSION, signal));
    }
    crash::end_by(signal)
}

fn panic(call: &mut WriteCall<'_>) -> Done {
    if call.server.config.crash_log_enabled.get() {
        tracing::error!("------------------------------------------------");
        tracing::error!("!!! Software Failure. Press left mouse button to continue");
        tracing::error!("Guru Meditation: called by Unreachable");
        crash::report(&format!("{REDIS_VERSION} panicked on request"));
    }
    std::process::abort()
}

#[cfg(debug_assertions)]
fn panic_at(call: &mut WriteCall<'_>) -> Done {
    let place = call.args.next()?;
    let passes = match call.args.is_empty() {
        true => 0,
        false => call.args.positive()?,
    };
    crash::plant(&String::from_utf8_lossy(place), passes as u64);
    ok(call)
}

fn replybuffer(call: &mut WriteCall<'_>) -> Done {
    if call.args.word("PEAK-RESET-TIME") {
        if !call.args.word("NEVER") && !call.args.word("RESET") {
            call.args.int()?;
        }
        return ok(call);
    }
    if call.args.word("RESIZING") {
        return ok(call);
    }
    Err(Fail::Says(
        "unknown subcommand or wrong number of arguments for 'replybuffer'. Try DEBUG HELP.",
    ))
}

fn packed_threshold(call: &mut WriteCall<'_>) -> Done {
    let largest = (4 << 30) - (1 << 20);
    let size = parse_bytes(call.args.next()?).filter(|size| *size <= largest);
    size.ok_or(Fail::Says(
        "argument must be a memory value bigger than 1 and smaller than 4gb",
    ))?;
    ok(call)
}

fn structsize(call: &mut WriteCall<'_>) -> Done {
    call.out.bulk(format!(
        "bits:{} entry:{} value:{} text:{} access:{} ",
        usize::BITS,
        size_of::<Entry>(),
        size_of::<Value>(),
        size_of::<Text>(),
        size_of::<Access>()
    ));
    Ok(Flow::Done)
}
