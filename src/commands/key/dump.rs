//! DUMP and RESTORE: a value as bytes, from here or from another server.

use std::sync::atomic::Ordering;

use crate::command::Flag::{Asking, DenyOom};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::engine::{Access, Class, Deadline};
use crate::persist::rdb;

pub const DUMP: Command = Command {
    name: "dump",
    summary: "Returns a value as bytes that RESTORE takes",
    cost: "O(N) for a value of N bytes",
    since: "2.6.0",
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(dump),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn dump(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let dialect = call.server.config.rdb_dialect.get().into();
    let payload = call.db.value(key).map(|value| rdb::dump(value, dialect));
    call.out.bulk_or_null(payload.as_deref());
    Ok(Flow::Done)
}

pub const RESTORE: Command = Command {
    name: "restore",
    summary: "Makes a key of bytes that DUMP gave",
    cost: "O(N) for a value of N bytes",
    since: "2.6.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::OVERWRITE),
        Arg::int("ttl"),
        Arg::text("serialized-value"),
        Arg::word("replace", "REPLACE").optional().since("3.0.0"),
        Arg::word("absttl", "ABSTTL").optional().since("5.0.0"),
        Arg::int("seconds")
            .token("IDLETIME")
            .optional()
            .since("5.0.0"),
        Arg::int("frequency")
            .token("FREQ")
            .optional()
            .since("5.0.0"),
    ],
    run: Run::Write(restore),
    categories: &["keyspace", "dangerous"],
    ..Command::PLAIN
};

/// What MIGRATE sends to a cluster's node, which takes it for a slot that is on its way there.
pub const RESTORE_ASKING: Command = Command {
    name: "restore-asking",
    summary: "Makes a key, of a slot that is on its way to this node, of bytes that DUMP gave",
    since: "3.0.0",
    flags: &[DenyOom, Asking],
    ..RESTORE
};

/// What RESTORE was told beside the payload.
#[derive(Default)]
struct RestoreOptions {
    replace: bool,
    absolute: bool,
    idle: Option<u64>,
    frequency: Option<u8>,
}

fn options(call: &mut WriteCall<'_>) -> Result<RestoreOptions, Fail> {
    let mut told = RestoreOptions::default();
    while !call.args.is_empty() {
        if call.args.word("REPLACE") {
            told.replace = true;
        } else if call.args.word("ABSTTL") {
            told.absolute = true;
        } else if told.frequency.is_none() && call.args.word_with("IDLETIME", 1) {
            let seconds = call.args.int()?;
            told.idle = Some(
                u64::try_from(seconds)
                    .map_err(|_| Fail::Says("Invalid IDLETIME value, must be >= 0"))?,
            );
        } else if told.idle.is_none() && call.args.word_with("FREQ", 1) {
            let counter = call.args.int()?;
            let fail = Fail::Says("Invalid FREQ value, must be >= 0 and <= 255");
            told.frequency = Some(u8::try_from(counter).map_err(|_| fail)?);
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    Ok(told)
}

fn restore(call: &mut WriteCall<'_>) -> Done {
    let (key, ttl, payload) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let RestoreOptions {
        replace,
        absolute,
        idle,
        frequency,
    } = options(call)?;
    if !replace && call.db.exists(key) {
        return Err(Fail::code("BUSYKEY Target key name already exists."));
    }
    let ttl = crate::util::number::parse_i64(ttl).ok_or(Fail::NOT_INTEGER)?;
    let ttl = u64::try_from(ttl).map_err(|_| Fail::Says("Invalid TTL value, must be >= 0"))?;
    let trusted = call.server.store.skip_checksums.load(Ordering::Relaxed);
    let dumped = rdb::check_dump(payload, trusted)
        .ok_or(Fail::Says("DUMP payload version or checksum are wrong"))?;
    let rules = call.db.rules();
    let value = dumped.value(&rules.limits).map_err(|fault| {
        let kind = rdb::kind_name(payload.first().copied().unwrap_or_default());
        tracing::warn!("RESTORE: {kind} integrity check failed: {fault}");
        Fail::Says("Bad data format")
    })?;

    // The log and the replicas get what older servers read, too.
    let dialect = call.server.config.rdb_dialect.get().into();
    let rewritten = dumped.for_older(value.as_ref(), dialect);

    let now_ms = call.db.clock_ms();
    let deadline = match ttl {
        0 => None,
        at if absolute => Some(at),
        // No deadline is beyond what 64 bits with a sign can tell.
        after => Some(after.saturating_add(now_ms).min(i64::MAX as u64)),
    };
    let blessed = call.db.is_blessed(key);
    let before = replace.then(|| call.db.drop_quietly(key)).flatten();
    call.out.ok();
    if deadline.is_some_and(|at| at <= call.db.over_ms()) {
        // It has died on its way here.
        call.db.log(&[b"DEL", key]);
        return Ok(Flow::Done);
    }
    // What the present policy doesn't ask for is passed over.
    let access = match (idle, frequency) {
        (Some(seconds), _) if !rules.access.lfu => Access::with_idle_seconds(seconds, now_ms),
        (_, Some(counter)) if rules.access.lfu => Access::with_frequency(counter, now_ms),
        _ => Access::fresh(&rules.access, now_ms),
    };
    call.db.put(
        key,
        value.into(),
        deadline.map_or(Deadline::Clear, Deadline::At),
        access,
    );
    call.db.bless(key, blessed);
    call.db.announce(Class::Generic, "restore", key);
    call.db.announce_overwritten(key, before);
    let mut digits = itoa::Buffer::new();
    let mut record = call.args.all().to_vec();
    record[0] = b"RESTORE";
    if let Some(payload) = &rewritten {
        record[3] = payload;
    }
    if let Some(at) = deadline.filter(|_| !absolute) {
        record[2] = digits.format(at).as_bytes();
        record.push(b"ABSTTL");
    }
    call.db.log(&record);
    Ok(Flow::Done)
}
