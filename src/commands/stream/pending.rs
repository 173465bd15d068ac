//! What consumers have not acknowledged: told, and acknowledged.

use super::{id, no_group, reply};
use crate::command::Flag::Fast;
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::resp::Reply;
use crate::types::stream::{Consumer, Group, Id, Pending, Stream};

pub const XACK: Command = Command {
    name: "xack",
    summary: "Acknowledges entries that a group was given",
    cost: "O(1) for each entry",
    since: "5.0.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::text("group"),
        Arg::text("id").many(),
    ],
    run: Run::Write(xack),
    ..Command::PLAIN
};

fn xack(call: &mut WriteCall<'_>) -> Done {
    let (key, name) = (call.args.next()?, call.args.next()?);
    call.db.counted(key);
    let stream = call.db.edit::<Stream>(key)?;
    let Some(mut stream) = stream.filter(|stream| stream.group(name).is_some()) else {
        call.out.int(0);
        return Ok(Flow::Done);
    };
    let ids = id::parse_all(call.args.rest())?;
    let acknowledged = stream.with_group(name, |_, group| {
        ids.iter().filter(|id| group.acknowledge(**id)).count()
    });
    let acknowledged = acknowledged.unwrap_or(0);
    if acknowledged > 0 {
        stream.note();
    }
    drop(stream);
    call.out.count(acknowledged);
    Ok(Flow::Done)
}

pub const XPENDING: Command = Command {
    name: "xpending",
    summary: "Tells what a group was given and has not acknowledged",
    cost: "O(N) for N entries returned, O(M) for M consumers in the short form",
    since: "5.0.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("group"),
        Arg::block(
            "filters",
            &[
                Arg::int("min-idle-time")
                    .token("IDLE")
                    .optional()
                    .since("6.2.0"),
                Arg::text("start"),
                Arg::text("end"),
                Arg::int("count"),
                Arg::text("consumer").optional(),
            ],
        )
        .optional(),
    ],
    run: Run::Read(xpending),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

/// Which pending entries XPENDING's long form tells of.
struct PendingFilter<'a> {
    idle_ms_min: i64,
    from: Id,
    to: Id,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> PendingFilter<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Self, Fail> {
        if !(3..=6).contains(&args.len()) {
            return Err(Fail::SYNTAX);
        }
        let mut idle_ms_min = 0;
        if args.word("IDLE") {
            idle_ms_min = args.int()?;
            if args.len() < 3 {
                return Err(Fail::SYNTAX);
            }
        }
        let (from, to) = (args.next()?, args.next()?);
        let count = args.int()?.max(0) as usize;
        let (from, to) = (id::parse_start(from)?, id::parse_end(to)?);
        Ok(PendingFilter {
            idle_ms_min,
            from,
            to,
            count,
            // What may follow the consumer isn't looked at, as in Redis.
            consumer: args.rest().first().copied(),
        })
    }

    fn answer(&self, group: &Group, now_ms: u64, out: &mut Reply) {
        let fits = |pending: &&Pending| {
            self.idle_ms_min == 0
                || pending.owner().is_none()
                || pending.idle_ms(now_ms) >= self.idle_ms_min
        };
        let all = group.pending_from(self.from);
        let found: Vec<&Pending> = match self.consumer {
            None => all
                .take_while(|pending| pending.id <= self.to)
                .filter(fits)
                .take(self.count)
                .collect(),
            Some(name) => {
                let Some(owner) = group.find_consumer(name) else {
                    return out.array(0);
                };
                let ids = group.consumer(owner).pending();
                ids.from(ids.seek(self.from))
                    .take_while(|id| **id <= self.to)
                    .filter_map(|id| group.pending().get(*id))
                    .filter(fits)
                    .take(self.count)
                    .collect()
            }
        };
        out.array(found.len());
        for pending in found {
            out.array(4);
            reply::id(pending.id, out);
            out.bulk(group.owner_name(pending));
            out.int(match pending.owner() {
                Some(_) => pending.idle_ms(now_ms).max(0),
                None => -1,
            });
            out.int(pending.deliveries as i64);
        }
    }
}

fn xpending(call: &mut ReadCall<'_>) -> Done {
    let (key, name) = (call.args.next()?, call.args.next()?);
    let filter = match call.args.is_empty() {
        true => None,
        false => Some(PendingFilter::parse(&mut call.args)?),
    };
    let stream = call.db.read::<Stream>(key)?;
    let group = stream
        .and_then(|stream| stream.group(name))
        .ok_or_else(|| no_group(key, name, ""))?;
    match filter {
        Some(filter) => filter.answer(group, call.db.clock_ms(), call.out),
        None => summary(group, call.out),
    }
    Ok(Flow::Done)
}

/// How many entries are pending, from which to which, and whose they are.
fn summary(group: &Group, out: &mut Reply) {
    out.array(4);
    out.count(group.pending().len());
    let (Some(first), Some(last)) = (group.pending().first(), group.pending().last()) else {
        out.null();
        out.null();
        return out.null_array();
    };
    reply::id(first.id, out);
    reply::id(last.id, out);
    let busy = |consumer: &&Consumer| !consumer.pending().is_empty();
    out.array(group.consumers().filter(busy).count());
    for consumer in group.consumers().filter(busy) {
        out.array(2);
        out.bulk(consumer.name());
        out.bulk_int(consumer.pending().len() as i64);
    }
}
