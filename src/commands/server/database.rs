//! Whole databases, and the time: DBSIZE, FLUSHALL, SWAPDB, TIME.

use super::persistence::waited_for;
use crate::command::Flag::{Fast, Loading, Stale};
use crate::command::{
    Arg, Args, AwaitedJob, Command, Databases, Done, Fail, Flow, Plan, ReadCall, Run, SessionCall,
    WriteCall,
};
use crate::persist::JobKind;
use crate::util::clock;

pub const DBSIZE: Command = Command {
    name: "dbsize",
    summary: "Counts the keys of this database",
    flags: &[Fast],
    run: Run::Read(dbsize),
    plan: Plan::Each,
    categories: &["keyspace"],
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    ..Command::PLAIN
};

fn dbsize(call: &mut ReadCall<'_>) -> Done {
    call.out.count(call.db.len());
    Ok(Flow::Done)
}

const ASYNC: &[Arg] = &[Arg::one_of(
    "flush-type",
    &[
        Arg::word("async", "ASYNC").since("4.0.0"),
        Arg::word("sync", "SYNC").since("6.2.0"),
    ],
)
.optional()];

pub const FLUSHDB: Command = Command {
    name: "flushdb",
    summary: "Removes all keys of this database",
    cost: "O(1) for the client; the keys are freed elsewhere",
    args: ASYNC,
    run: Run::Write(flushdb),
    plan: Plan::All,
    categories: &["keyspace", "dangerous"],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Command::PLAIN
};

fn flushdb(call: &mut WriteCall<'_>) -> Done {
    check_flush(&mut call.args)?;
    call.db.flush();
    forget_indexes(call);
    // Even if there was nothing here: a replica may have what we have not.
    call.db.log(call.args.all());
    call.out.ok();
    Ok(Flow::Done)
}

/// At once: a transaction may make others.
fn forget_indexes(call: &mut WriteCall<'_>) {
    let gone = call.server.forget_indexes();
    call.db.effects().garbage.push(gone);
}

/// ASYNC and SYNC are the same here: what is large is never freed on a client's time.
fn check_flush(args: &mut Args<'_>) -> Result<(), Fail> {
    if !args.is_empty() && !args.word("ASYNC") && !args.word("SYNC") {
        return Err(Fail::SYNTAX);
    }
    args.end()
}

pub const FLUSHALL: Command = Command {
    name: "flushall",
    summary: "Removes all keys of all databases",
    cost: "O(1) for the client; the keys are freed elsewhere",
    args: ASYNC,
    run: Run::Write(flushall),
    plan: Plan::All,
    databases: Databases::Everywhere,
    categories: &["keyspace", "dangerous"],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Command::PLAIN
};

fn flushall(call: &mut WriteCall<'_>) -> Done {
    check_flush(&mut call.args)?;
    for index in 0..call.server.store.databases() {
        call.db.other(index).flush();
    }
    forget_indexes(call);
    call.db.log(call.args.all());
    let server = call.server;
    server.store.abandon(JobKind::Save);
    // Replicas that come back get the empty snapshot.
    server.store.abandon(JobKind::Sync);
    if !server.config.save.get().0.is_empty() {
        // So that a crash doesn't bring the keys back. It begins when this command's locks are let go.
        let (told, done) = waited_for(server);
        let dirty = server.stats.totals().dirty + call.db.changes();
        if server.store.begin(JobKind::Save, dirty, Some(told)).is_ok() {
            return Ok(Flow::Wait(AwaitedJob { done, failed: None }));
        }
        server.store.begin_later(JobKind::Save);
    }
    call.out.ok();
    Ok(Flow::Done)
}

pub const SWAPDB: Command = Command {
    name: "swapdb",
    summary: "Exchanges two databases",
    cost: "O(N) for N clients that watch or wait for keys of either",
    since: "4.0.0",
    flags: &[Fast],
    args: &[Arg::int("index1"), Arg::int("index2")],
    run: Run::Write(swapdb),
    plan: Plan::All,
    databases: Databases::Named(|argv, visit| {
        let (first, second) = indexes(&mut Args::new(argv, 1))?;
        visit(1, first);
        visit(2, second);
        Ok(())
    }),
    categories: &["keyspace", "dangerous"],
    ..Command::PLAIN
};

fn swapdb(call: &mut WriteCall<'_>) -> Done {
    let why = "SWAPDB is not allowed in cluster mode";
    call.server.without_cluster(why)?;
    let (first, second) = indexes(&mut call.args)?;
    let databases = call.server.config.databases.get();
    let known = |index| (0..databases).contains(&index);
    if !known(first) || !known(second) {
        return Err(Fail::Says("DB index is out of range"));
    }
    if first != second {
        call.db.swap(first as usize, second as usize);
    }
    call.out.ok();
    Ok(Flow::Done)
}

fn indexes(args: &mut Args<'_>) -> Result<(i64, i64), Fail> {
    let first = index(args, "invalid first DB index")?;
    Ok((first, index(args, "invalid second DB index")?))
}

fn index(args: &mut Args<'_>, bad: &'static str) -> Result<i64, Fail> {
    args.int_in(i64::from(i32::MIN)..=i64::from(i32::MAX), Fail::Says(bad))
}

pub const TIME: Command = Command {
    name: "time",
    summary: "Returns the time in seconds, and the microseconds of that second",
    since: "2.6.0",
    flags: &[Loading, Stale, Fast],
    run: Run::Session(time),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn time(call: &mut SessionCall<'_>) -> Done {
    let now_us = match call.session.began_us {
        0 => clock::now_us(),
        began_us => began_us,
    };
    call.out.array(2);
    call.out.bulk_int((now_us / 1_000_000) as i64);
    call.out.bulk_int((now_us % 1_000_000) as i64);
    Ok(Flow::Done)
}
