//! SYNC and PSYNC: a connection that becomes a replica's.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc::{Sender, channel};

use crate::command::Flag::{Admin, NoAsyncLoading, NoMulti, NoScript};
use crate::command::{Arg, Command, Done, Fail, Feed, Flow, Run, SessionCall};
use crate::journal::BacklogPosition;
use crate::state::client::ReplicationPart;
use crate::state::replication::{Failover, Replica, ReplicaConf, ReplicaStage, SendOrder};
use crate::util::number;

/// Orders that may wait for a replica's connection: what it is too slow for stays with the snapshot.
const ORDERS: usize = 16;

pub const SYNC: Command = Command {
    name: "sync",
    summary: "Makes the connection a replica's: a snapshot, and then every edit",
    flags: &[Admin, NoScript, NoAsyncLoading, NoMulti],
    run: Run::Session(sync),
    ..Command::PLAIN
};

pub const PSYNC: Command = Command {
    name: "psync",
    summary: "Makes the connection a replica's: what follows an offset of a history, or all of it",
    since: "2.8.0",
    flags: &[Admin, NoScript, NoAsyncLoading, NoMulti],
    args: &[Arg::text("replicationid"), Arg::int("offset")],
    run: Run::Session(psync),
    arity: Some(-3),
    ..Command::PLAIN
};

fn sync(call: &mut SessionCall<'_>) -> Done {
    if !may_begin(call)? {
        return Ok(Flow::Done);
    }
    begin_full(call, true)
}

fn psync(call: &mut SessionCall<'_>) -> Done {
    if call.session.replica.is_some() {
        return Ok(Flow::Done);
    }
    let (id, offset) = (call.args.next()?, call.args.next()?);
    if call.args.word("FAILOVER") {
        take_over(call, id)?;
    }
    if !may_begin(call)? {
        return Ok(Flow::Done);
    }
    let Some(offset) = number::parse_i64(offset) else {
        let name = name(call);
        tracing::info!("Replica {name} asks for synchronization but with a wrong offset");
        return Err(Fail::NOT_INTEGER);
    };
    match resume(call, id, offset) {
        Some(position) => begin_partial(call, position),
        None => begin_full(call, false),
    }
}

/// Whether this server can have replicas now; `false` if the connection is one already.
fn may_begin(call: &mut SessionCall<'_>) -> Result<bool, Fail> {
    let session = &*call.session;
    if session.replica.is_some() || session.monitor {
        return Ok(false);
    }
    let replication = &call.server.replication;
    let state = replication.state();
    if state.failover != Failover::None {
        return Err(Fail::code("NOMASTERLINK Can't SYNC while failing over"));
    }
    if state.master.is_some() && !state.is_linked() {
        return Err(Fail::code(
            "NOMASTERLINK Can't SYNC while not connected with my master",
        ));
    }
    drop(state);
    if is_stranger(call) && call.server.stages_keys() {
        tracing::warn!(
            "Replica {} is refused for now: keys of slots that move whole are on their way here, and it is no node of a cluster of this make.",
            name(call)
        );
        return Err(Fail::code(
            "NOMASTERLINK Can't SYNC while keys of slots that move whole are on their way here",
        ));
    }
    if !call.out.is_empty() {
        return Err(Fail::Says("SYNC and PSYNC are invalid with pending output"));
    }
    Ok(true)
}

/// Whether it can't follow what becomes of keys that no client reaches.
fn is_stranger(call: &SessionCall<'_>) -> bool {
    let conf = call.session.replica_conf.as_deref();
    conf.is_none_or(ReplicaConf::is_stranger)
}

/// A master that fails over to us asks to be our replica.
fn take_over(call: &mut SessionCall<'_>, id: &[u8]) -> Result<(), Fail> {
    let replication = &call.server.replication;
    if !replication.is_replica() {
        return Err(Fail::Says("PSYNC FAILOVER can't be sent to a master."));
    }
    if !id.eq_ignore_ascii_case(replication.state().id.as_bytes()) {
        return Err(Fail::Says("PSYNC FAILOVER replid must match my replid."));
    }
    call.server.lead();
    tracing::info!(
        "MASTER MODE enabled (failover request from '{}')",
        call.session.client.address
    );
    Ok(())
}

/// The replica's place in the stream, if what it has is a part of our history and the rest is here.
fn resume(call: &SessionCall<'_>, id: &[u8], offset: i64) -> Option<BacklogPosition> {
    let replication = &call.server.replication;
    let name = name(call);
    let state = replication.state();
    let is = |own: &str| id.eq_ignore_ascii_case(own.as_bytes());
    let second = state.second_offset.map_or(-1, |offset| offset as i64);
    let known = is(&state.id) || is(&state.id2) && offset <= second;
    if !known {
        let asked = String::from_utf8_lossy(id);
        if id == b"?" {
            tracing::info!("Full resync requested by replica {name}");
        } else if !is(&state.id2) {
            tracing::info!(
                "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{asked}', my replication IDs are '{}' and '{}')",
                state.id,
                state.id2
            );
        } else {
            tracing::info!(
                "Partial resynchronization not accepted: Requested offset for second ID was {offset}, but I can reply up to {second}"
            );
        }
        return None;
    }
    let staged_to = replication.staged_to.load(Ordering::Acquire);
    if is_stranger(call) && u64::try_from(offset - 1).is_ok_and(|at| at < staged_to) {
        tracing::info!(
            "Partial resynchronization not accepted: what replica {name} lacks tells of keys of slots that moved whole, which it could not follow"
        );
        return None;
    }
    let backlog = &call.server.journal.backlog;
    let position = u64::try_from(offset - 1)
        .ok()
        .and_then(|at| backlog.attach(Some(at)));
    if position.is_none() {
        tracing::info!(
            "Unable to partial resync with replica {name} for lack of backlog (Replica request was: {offset})."
        );
        if offset > backlog.end() as i64 {
            tracing::warn!(
                "Warning: replica {name} tried to PSYNC with an offset that is greater than the master replication offset."
            );
        }
    }
    position
}

fn name(call: &SessionCall<'_>) -> String {
    let conf = call.session.replica_conf.clone().unwrap_or_default();
    let client = call.session.client.clone();
    Replica::new(client, *conf, false, None, call.now_ms).name()
}

fn begin_partial(call: &mut SessionCall<'_>, position: BacklogPosition) -> Done {
    let position = Arc::new(position);
    let (sender, orders) = channel(1);
    drop(sender);
    let replica = enlist(call, false, None);
    let id = call.server.replication.state().id.clone();
    if replica.conf.psync2 {
        call.out.simple(&format!("CONTINUE {id}"));
    } else {
        call.out.simple("CONTINUE");
    }
    tracing::info!(
        "Partial resynchronization request from {} accepted. Sending {} bytes of backlog starting from offset {}.",
        replica.name(),
        position.behind(),
        position.at() + 1
    );
    let counts = &call.server.replication.counts;
    counts.sync_partial_ok.fetch_add(1, Ordering::Relaxed);
    replica.acknowledge_start(position.at(), call.now_ms);
    replica.set_position(Some(position));
    replica.set_stage(ReplicaStage::Online);
    call.server.replication.add_replica(replica.clone());
    Ok(Flow::Replica(Box::new(Feed { replica, orders })))
}

fn begin_full(call: &mut SessionCall<'_>, plain: bool) -> Done {
    let replication = &call.server.replication;
    let counts = &replication.counts;
    if !plain {
        let asked = call.args.all().get(1).copied().unwrap_or_default();
        if asked != b"?" {
            counts.sync_partial_err.fetch_add(1, Ordering::Relaxed);
        }
    }
    counts.sync_full.fetch_add(1, Ordering::Relaxed);
    let (sender, orders) = channel(ORDERS);
    let replica = enlist(call, plain, Some(sender));
    replication.add_replica(replica.clone());
    Ok(Flow::Replica(Box::new(Feed { replica, orders })))
}

/// The session becomes a replica's.
fn enlist(
    call: &mut SessionCall<'_>,
    plain: bool,
    orders: Option<Sender<SendOrder>>,
) -> Arc<Replica> {
    let session = &mut *call.session;
    let conf = session.replica_conf.take().unwrap_or_default();
    let client = session.client.clone();
    client.profile.lock().part = ReplicationPart::Replica;
    let replica = Arc::new(Replica::new(client, *conf, plain, orders, call.now_ms));
    tracing::info!("Replica {} asks for synchronization", replica.name());
    session.replica = Some(replica.clone());
    replica
}
