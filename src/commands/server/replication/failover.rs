//! FAILOVER: a master that wants to become the replica of one of its replicas.

use crate::command::Flag::{Admin, NoScript, Stale};
use crate::command::replication::{Failover, Master, Stage};
use crate::command::shared::{PauseFor, PauseMode};
use crate::command::{Arg, Command, Done, Fail, Flow, Run, SessionCall};

pub const FAILOVER: Command = Command {
    name: "failover",
    summary: "Hands the master's part over to a replica that has everything",
    since: "6.2.0",
    flags: &[Admin, NoScript, Stale],
    args: &[
        Arg::block(
            "target",
            &[
                Arg::text("host"),
                Arg::int("port"),
                Arg::word("force", "FORCE").optional(),
            ],
        )
        .token("TO")
        .optional(),
        Arg::word("abort", "ABORT").optional(),
        Arg::int("milliseconds").token("TIMEOUT").optional(),
    ],
    run: Run::Session(failover),
    ..Command::PLAIN
};

fn failover(call: &mut SessionCall<'_>) -> Done {
    call.server.never_in_cluster(
        "FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.",
    )?;
    let (mut target, mut timeout_ms) = (None, None);
    let (mut force, mut abort) = (false, false);
    while !call.args.is_empty() {
        if timeout_ms.is_none() && call.args.word_with("TIMEOUT", 1) {
            let ms = call.args.int()?;
            if ms <= 0 {
                return Err(Fail::Says("FAILOVER timeout must be greater than 0"));
            }
            timeout_ms = Some(ms as u64);
        } else if !abort && call.args.word("ABORT") {
            abort = true;
        } else if target.is_none() && call.args.word_with("TO", 2) {
            let host = String::from_utf8_lossy(call.args.next()?).into_owned();
            let port = call.args.int()?;
            let port = u16::try_from(port).map_err(|_| Fail::SYNTAX)?;
            target = Some(Master { host, port });
        } else if !force && target.is_some() && call.args.word("FORCE") {
            force = true;
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    let server = call.server;
    let replication = &server.replication;
    let running = replication.state().failover != Failover::None;
    if running {
        if abort {
            server.abort_failover("Failover manually aborted");
            call.out.ok();
            return Ok(Flow::Done);
        }
        return Err(Fail::Says("FAILOVER already in progress."));
    }
    if abort {
        return Err(Fail::Says("No failover in progress."));
    }
    if replication.is_replica() {
        return Err(Fail::Says(
            "FAILOVER is not valid when server is a replica.",
        ));
    }
    let replicas = replication.replicas();
    if replicas.is_empty() {
        return Err(Fail::Says("FAILOVER requires connected replicas."));
    }
    if force && (timeout_ms.is_none() || target.is_none()) {
        return Err(Fail::Says(
            "FAILOVER with force option requires both a timeout and target HOST and IP.",
        ));
    }
    if let Some(Master { host, port }) = &target {
        let found = replicas
            .iter()
            .find(|one| one.conf.port == *port && one.ip().eq_ignore_ascii_case(host));
        match found {
            None => {
                return Err(Fail::Says(
                    "FAILOVER target HOST and PORT is not a replica.",
                ));
            }
            Some(found) if found.stage() != Stage::Online => {
                return Err(Fail::Says("FAILOVER target replica is not online."));
            }
            Some(_) => tracing::info!("FAILOVER requested to {host}:{port}."),
        }
    } else {
        tracing::info!("FAILOVER requested.");
    }
    replication.state().failover = Failover::WaitForSync {
        target,
        deadline_ms: timeout_ms.map(|ms| call.now_ms + ms),
        force,
    };
    server.hold_back(PauseFor::Failover, u64::MAX, PauseMode::Write, call.now_ms);
    replication.bell.notify_one();
    call.out.ok();
    Ok(Flow::Done)
}
