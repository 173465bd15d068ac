//! WAIT and WAITAOF: until others have it, too.

use crate::command::Flag::Blocking;
use crate::command::{AckWish, Arg, Command, Done, Fail, Flow, Run, SessionCall};
use crate::state::replication::Acks;

const ON_REPLICA: &str = "WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.";

pub const WAIT: Command = Command {
    name: "wait",
    summary: "Waits until replicas have this connection's writes",
    since: "3.0.0",
    flags: &[Blocking],
    args: &[Arg::int("numreplicas"), Arg::int("timeout")],
    run: Run::Session(wait),
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    ..Command::PLAIN
};

fn wait(call: &mut SessionCall<'_>) -> Done {
    if call.server.replication.is_replica() {
        return Err(Fail::Says(ON_REPLICA));
    }
    let replicas = call.args.int()?;
    let deadline_ms = call.args.timeout_ms(call.now_ms)?;
    block(call, replicas.max(0) as u64, None, deadline_ms)
}

pub const WAITAOF: Command = Command {
    name: "waitaof",
    summary: "Waits until this connection's writes are on the disk, here and at replicas",
    since: "7.2.0",
    flags: &[Blocking],
    args: &[
        Arg::int("numlocal"),
        Arg::int("numreplicas"),
        Arg::int("timeout"),
    ],
    run: Run::Session(waitaof),
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    ..Command::PLAIN
};

fn waitaof(call: &mut SessionCall<'_>) -> Done {
    let out_of_range = Fail::Says("value is out of range, must be between 0 and 1");
    let local = call.args.int_in(0..=1, out_of_range)?;
    let replicas = call.args.positive()?;
    let deadline_ms = call.args.timeout_ms(call.now_ms)?;
    if call.server.replication.is_replica() {
        return Err(Fail::said(ON_REPLICA.replacen("WAIT", "WAITAOF", 1)));
    }
    if local == 1 && !call.server.config.appendonly.get() {
        return Err(Fail::Says(
            "WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    let end = call.server.journal.end().0;
    block(call, replicas as u64, Some((end, local == 1)), deadline_ms)
}

fn block(
    call: &mut SessionCall<'_>,
    replicas: u64,
    log: Option<(u64, bool)>,
    deadline_ms: Option<u64>,
) -> Done {
    let server = call.server;
    let acks = Acks {
        // All edits up to now: among them are those of this connection.
        offset: server.journal.backlog.end(),
        replicas,
        log,
    };
    let count = acks.count(&server.replication, &server.journal);
    if acks.are_enough(count) {
        call.out.raw(&acks.reply(count));
        return Ok(Flow::Done);
    }
    Ok(Flow::Acks(Box::new(AckWish { acks, deadline_ms })))
}
