//! FAILOVER: a master that wants to become the replica of one of its replicas.

use crate::command::Flag::{Admin, NoScript, Stale};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, Run, SessionCall};
use crate::state::pause::{PauseFor, PauseMode};
use crate::state::replication::{Failover, Master, ReplicaStage};

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

#[derive(Default)]
struct FailoverWish {
    target: Option<Master>,
    timeout_ms: Option<u64>,
    force: bool,
    abort: bool,
}

fn wish(args: &mut Args<'_>) -> Result<FailoverWish, Fail> {
    let mut wish = FailoverWish::default();
    while !args.is_empty() {
        if wish.timeout_ms.is_none() && args.word_with("TIMEOUT", 1) {
            let ms = args.int()?;
            if ms <= 0 {
                return Err(Fail::Says("FAILOVER timeout must be greater than 0"));
            }
            wish.timeout_ms = Some(ms as u64);
        } else if !wish.abort && args.word("ABORT") {
            wish.abort = true;
        } else if wish.target.is_none() && args.word_with("TO", 2) {
            let host = String::from_utf8_lossy(args.next()?).into_owned();
            let port = args.int()?;
            let port = u16::try_from(port).map_err(|_| Fail::SYNTAX)?;
            wish.target = Some(Master { host, port });
        } else if !wish.force && wish.target.is_some() && args.word("FORCE") {
            wish.force = true;
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    Ok(wish)
}

fn failover(call: &mut SessionCall<'_>) -> Done {
    call.server.never_in_cluster(
        "FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.",
    )?;
    let FailoverWish {
        target,
        timeout_ms,
        force,
        abort,
    } = wish(&mut call.args)?;
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
            Some(found) if found.stage() != ReplicaStage::Online => {
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
