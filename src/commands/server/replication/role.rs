//! REPLICAOF and ROLE: which part this server plays.

use crate::command::Flag::{Admin, Fast, Loading, NoAsyncLoading, NoScript, Stale};
use crate::command::{Arg, Command, Done, Fail, Flow, Plan, Run, SessionCall};
use crate::state::replication::{Failover, Link, Master, ReplicaStage};

pub const REPLICAOF: Command = Command {
    name: "replicaof",
    summary: "Makes this server a replica of another one, or a master",
    since: "5.0.0",
    flags: &[Admin, NoScript, Stale, NoAsyncLoading],
    args: &[Arg::one_of(
        "args",
        &[
            Arg::block("host-port", &[Arg::text("host"), Arg::int("port")]),
            Arg::block("no-one", &[Arg::word("no", "NO"), Arg::word("one", "ONE")]),
        ],
    )],
    run: Run::Session(replicaof),
    arity: Some(3),
    // No edit is under way while the part changes: each is either in the stream of before, or refused.
    plan: Plan::All,
    ..Command::PLAIN
};

pub const SLAVEOF: Command = Command {
    name: "slaveof",
    since: "1.0.0",
    deprecated: Some(("5.0.0", "`REPLICAOF`")),
    ..REPLICAOF
};

fn replicaof(call: &mut SessionCall<'_>) -> Done {
    let (host, port) = (call.args.next()?, call.args.next()?);
    let server = call.server;
    server.never_in_cluster("REPLICAOF not allowed in cluster mode.")?;
    let client = call.session.client.address.clone();
    if server.replication.state().failover != Failover::None {
        return Err(Fail::Says("REPLICAOF not allowed while failing over."));
    }
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        if server.lead() {
            tracing::info!("MASTER MODE enabled (user request from '{client}')");
        }
        call.out.ok();
        return Ok(Flow::Done);
    }
    if call.session.replica.is_some() {
        return Err(Fail::Says("Command is not valid when client is a replica."));
    }
    let port = crate::util::number::parse_i64(port)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or(Fail::Says("Invalid master port"))?;
    let host = String::from_utf8_lossy(host).into_owned();
    let master = Master { host, port };
    let held = server.replication.state().master.clone();
    if held.is_some_and(|held| held.port == port && held.host.eq_ignore_ascii_case(&master.host)) {
        tracing::info!(
            "REPLICAOF would result into synchronization with the master we are already connected with. No operation performed."
        );
        call.out.simple("OK Already connected to specified master");
        return Ok(Flow::Done);
    }
    let Master { host, port } = &master;
    let line = format!("REPLICAOF {host}:{port} enabled (user request from '{client}')");
    server.follow(master);
    tracing::info!("{line}");
    call.out.ok();
    Ok(Flow::Done)
}

pub const ROLE: Command = Command {
    name: "role",
    summary: "Returns this server's part in replication",
    since: "2.8.12",
    flags: &[NoScript, Loading, Stale, Fast],
    run: Run::Session(role),
    categories: &["admin", "dangerous"],
    ..Command::PLAIN
};

fn role(call: &mut SessionCall<'_>) -> Done {
    if let Some(watching) = &call.server.watching {
        let out = &mut *call.out;
        out.array(2);
        out.bulk("sentinel");
        watching.look(|sentinel| {
            let names = sentinel.master_names();
            out.array(names.len());
            names.for_each(|name| out.bulk(name));
        });
        return Ok(Flow::Done);
    }
    let replication = &call.server.replication;
    let end = call.server.journal.backlog.end();
    let state = replication.state();
    let out = &mut *call.out;
    if let Some(master) = &state.master {
        out.array(5);
        out.bulk("slave");
        out.bulk(&master.host);
        out.int(i64::from(master.port));
        out.bulk(state.link.word());
        let linked = state.link == Link::Connected;
        out.int(if linked { end as i64 } else { -1 });
        return Ok(Flow::Done);
    }
    drop(state);
    let mut replicas = replication.replicas();
    replicas.retain(|replica| replica.stage() == ReplicaStage::Online);
    out.array(3);
    out.bulk("master");
    out.int(end as i64);
    out.array(replicas.len());
    for replica in replicas {
        out.array(3);
        out.bulk(replica.ip());
        out.bulk(replica.conf.port.to_string());
        out.bulk(replica.acked().to_string());
    }
    Ok(Flow::Done)
}
