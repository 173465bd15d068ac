//! Pending entries that change hands.

use super::{id, no_group, reply};
use crate::command::Flag::Fast;
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, Run, WriteCall, quoted};
use crate::engine::Edit;
use crate::resp::Reply;
use crate::types::stream::{Group, Id, IdText, Owner, Pending, Stream};

pub const XCLAIM: Command = Command {
    name: "xclaim",
    summary: "Gives pending entries to another consumer",
    cost: "O(log N) for each entry, N being those pending in the group",
    since: "5.0.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::text("group"),
        Arg::text("consumer"),
        Arg::text("min-idle-time"),
        Arg::text("id").many(),
        Arg::int("ms").token("IDLE").optional(),
        Arg::unix_time("unix-time-milliseconds")
            .token("TIME")
            .optional(),
        Arg::int("count").token("RETRYCOUNT").optional(),
        Arg::word("force", "FORCE").optional(),
        Arg::word("justid", "JUSTID").optional(),
        Arg::text("lastid").token("LASTID").optional(),
    ],
    run: Run::Write(xclaim),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

pub const XAUTOCLAIM: Command = Command {
    name: "xautoclaim",
    summary: "Gives pending entries that nobody has worked at for a while to another consumer",
    cost: "O(1) if COUNT is small",
    since: "6.2.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::DELETE),
        Arg::text("group"),
        Arg::text("consumer"),
        Arg::text("min-idle-time"),
        Arg::text("start"),
        Arg::int("count").token("COUNT").optional(),
        Arg::word("justid", "JUSTID").optional(),
    ],
    run: Run::Write(xautoclaim),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

/// Entries examined for each one claimed.
const ATTEMPTS: usize = 10;

/// How entries are claimed.
#[derive(Default)]
struct Terms {
    idle_ms_min: i64,
    /// When the claimed entries count as delivered.
    delivered_ms: i64,
    deliveries: Option<u64>,
    /// Claims entries that aren't pending as well.
    force: bool,
    just_ids: bool,
    /// Moves the group's last id there, if that is forward.
    last_id: Id,
}

/// What became of the entries.
#[derive(Default)]
struct ClaimOutcome {
    made_consumer: bool,
    claimed: Vec<Pending>,
    /// Pending entries that are no longer in the stream, and so no longer pending.
    gone: Vec<Id>,
    moved: bool,
    last_id: Id,
    entries_read: Option<u64>,
}

impl Terms {
    /// XCLAIM's options, which follow its ids.
    fn parse(idle_ms_min: i64, args: &mut Args<'_>, now_ms: u64) -> Result<Self, Fail> {
        let mut terms = Terms {
            idle_ms_min,
            ..Terms::default()
        };
        let mut delivered_ms = None;
        while let Some(option) = args.peek() {
            if args.word("FORCE") {
                terms.force = true;
            } else if args.word("JUSTID") {
                terms.just_ids = true;
            } else if args.word_with("IDLE", 1) {
                let fail = Fail::Says("Invalid IDLE option argument for XCLAIM");
                delivered_ms = Some((now_ms as i64).wrapping_sub(args.int_or(fail)?));
            } else if args.word_with("TIME", 1) {
                let fail = Fail::Says("Invalid TIME option argument for XCLAIM");
                delivered_ms = Some(args.int_or(fail)?);
            } else if args.word_with("RETRYCOUNT", 1) {
                let fail = Fail::Says("Invalid RETRYCOUNT option argument for XCLAIM");
                terms.deliveries = u64::try_from(args.int_or(fail)?).ok();
            } else if args.word_with("LASTID", 1) {
                terms.last_id = id::parse(args.next()?, 0)?;
            } else {
                let option = quoted(option);
                return Err(Fail::said(format!("Unrecognized XCLAIM option '{option}'")));
            }
        }
        // A time that makes no sense is a client's clock going wrong, and no reason to refuse.
        terms.delivered_ms = delivered_ms
            .filter(|time| (0..=now_ms as i64).contains(time))
            .unwrap_or(now_ms as i64);
        Ok(terms)
    }

    /// Claims one entry for a consumer, if it is there and idle enough.
    fn claim(
        &self,
        stream: &Stream,
        group: &mut Group,
        owner: Owner,
        id: Id,
        now_ms: u64,
    ) -> Claimed {
        let held = group.pending().get(id);
        if stream.get(id).is_none() {
            return if held.is_some() && group.acknowledge(id) {
                Claimed::Gone
            } else {
                Claimed::Nothing
            };
        }
        let deliveries = match held {
            None if !self.force => return Claimed::Nothing,
            Some(held)
                if self.idle_ms_min > 0
                    && held.owner().is_some()
                    && held.idle_ms(now_ms) < self.idle_ms_min =>
            {
                return Claimed::Nothing;
            }
            Some(held) if self.just_ids => held.deliveries,
            Some(held) => held.deliveries_after(),
            // What FORCE makes counts as delivered once before.
            None => 1 + u64::from(!self.just_ids),
        };
        let deliveries = self.deliveries.unwrap_or(deliveries);
        let pending = Group::record(id, owner, self.delivered_ms, deliveries);
        group.put(pending.clone());
        group.consumer_mut(owner).active_ms = now_ms as i64;
        Claimed::Yes(pending)
    }
}

enum Claimed {
    Yes(Pending),
    Gone,
    Nothing,
}

impl ClaimOutcome {
    /// Begins a claim for the consumer of this name, who is made if need be.
    fn begin(group: &mut Group, consumer: &[u8], now_ms: u64) -> (Owner, Self) {
        let (owner, made_consumer) = group.find_or_add_consumer(consumer, now_ms);
        group.consumer_mut(owner).seen_ms = now_ms as i64;
        let outcome = ClaimOutcome {
            made_consumer,
            ..ClaimOutcome::default()
        };
        (owner, outcome)
    }

    fn add(&mut self, id: Id, claimed: Claimed) {
        match claimed {
            Claimed::Yes(pending) => self.claimed.push(pending),
            Claimed::Gone => self.gone.push(id),
            Claimed::Nothing => {}
        }
    }

    /// Says what changed. What counts as delivered before now may be due for who waits for entries to claim.
    fn tell(&self, stream: &mut Edit<'_, Stream>, now_ms: u64) {
        let is_earlier = |pending: &Pending| pending.delivered_ms() < now_ms as i64;
        if self.claimed.iter().any(is_earlier) {
            stream.wake();
        }
        if self.made_consumer {
            stream.announce_aside("xgroup-createconsumer");
        }
        if !self.claimed.is_empty() || !self.gone.is_empty() || self.moved {
            stream.note();
        }
    }

    /// What the log and replicas are told: each entry as it is pending now.
    fn log(&self, call: &mut WriteCall<'_>, key: &[u8], name: &[u8], consumer: &[u8]) {
        if !call.db.effects().wanted.log {
            return;
        }
        let (mut room, mut last_room) = (IdText::default(), IdText::default());
        let last_id = self.last_id.text(&mut last_room);
        // Claims make their consumer, so that it needs no line of its own.
        if self.made_consumer && self.claimed.is_empty() {
            call.db
                .log(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer]);
        }
        for id in &self.gone {
            call.db.log(&[b"XACK", key, name, id.text(&mut room)]);
        }
        for pending in &self.claimed {
            let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
            call.db.log(&[
                b"XCLAIM",
                key,
                name,
                consumer,
                b"0",
                pending.id.text(&mut room),
                b"TIME",
                time.format(pending.delivered_ms()).as_bytes(),
                b"RETRYCOUNT",
                count.format(pending.deliveries as i64).as_bytes(),
                b"FORCE",
                b"JUSTID",
                b"LASTID",
                last_id,
            ]);
        }
        if self.moved {
            let read = self.entries_read.map_or(-1, |read| read as i64);
            call.db.log(&[
                b"XGROUP",
                b"SETID",
                key,
                name,
                last_id,
                b"ENTRIESREAD",
                itoa::Buffer::new().format(read).as_bytes(),
            ]);
        }
    }
}

/// The least idle time; less than nothing is nothing.
fn idle_ms_min(args: &mut Args<'_>, command: &'static str) -> Result<i64, Fail> {
    let fail = Fail::said(format!("Invalid min-idle-time argument for {command}"));
    Ok(args.int_or(fail)?.max(0))
}

fn xclaim(call: &mut WriteCall<'_>) -> Done {
    let (key, name, consumer) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let now_ms = call.db.clock_ms();
    call.db.counted(key);
    let stream = call.db.edit::<Stream>(key)?;
    let mut stream = stream
        .filter(|stream| stream.group(name).is_some())
        .ok_or_else(|| no_group(key, name, ""))?;
    let idle_ms_min = idle_ms_min(&mut call.args, "XCLAIM")?;
    let mut ids = Vec::new();
    while let Some(id) = call.args.peek().and_then(|text| id::parse(text, 0).ok()) {
        ids.push(id);
        call.args.next()?;
    }
    let terms = Terms::parse(idle_ms_min, &mut call.args, now_ms)?;
    let outcome = stream.with_group(name, |stream, group| {
        let (owner, mut outcome) = ClaimOutcome::begin(group, consumer, now_ms);
        if terms.last_id > group.last_id {
            group.last_id = terms.last_id;
            outcome.moved = true;
        }
        for id in &ids {
            let claimed = terms.claim(stream, group, owner, *id, now_ms);
            outcome.add(*id, claimed);
        }
        outcome.last_id = group.last_id;
        outcome.entries_read = group.entries_read;
        outcome
    });
    let outcome = outcome.expect("the group was found before");
    answer(&stream, &outcome.claimed, terms.just_ids, call.out);
    outcome.tell(&mut stream, now_ms);
    drop(stream);
    outcome.log(call, key, name, consumer);
    Ok(Flow::Done)
}

/// The claimed entries, or their ids.
fn answer(stream: &Stream, claimed: &[Pending], just_ids: bool, out: &mut Reply) {
    if just_ids {
        out.array(claimed.len());
        return claimed
            .iter()
            .for_each(|pending| reply::id(pending.id, out));
    }
    let entries = claimed.iter().filter_map(|pending| stream.get(pending.id));
    reply::entries(entries, 0, out);
}

fn xautoclaim(call: &mut WriteCall<'_>) -> Done {
    let (key, name, consumer) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let now_ms = call.db.clock_ms();
    let mut terms = Terms {
        idle_ms_min: idle_ms_min(&mut call.args, "XAUTOCLAIM")?,
        delivered_ms: now_ms as i64,
        ..Terms::default()
    };
    let from = id::parse_start(call.args.next()?)?;
    let mut count = 100;
    while !call.args.is_empty() {
        if call.args.word_with("COUNT", 1) {
            let fail = Fail::Says("COUNT must be > 0");
            count = call.args.int_in(1..=i64::MAX / 16, fail)? as usize;
        } else if call.args.word("JUSTID") {
            terms.just_ids = true;
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    call.db.counted(key);
    let stream = call.db.edit::<Stream>(key)?;
    let mut stream = stream
        .filter(|stream| stream.group(name).is_some())
        .ok_or_else(|| no_group(key, name, ""))?;
    let outcome = stream.with_group(name, |stream, group| {
        let (owner, mut outcome) = ClaimOutcome::begin(group, consumer, now_ms);
        let mut next = Some(from);
        let mut attempts = count * ATTEMPTS;
        // What is gone counts as well: the reply is no longer than asked for.
        while outcome.claimed.len() + outcome.gone.len() < count && attempts > 0 {
            let Some(id) = next.and_then(|next| first_pending(group, next)) else {
                next = None;
                break;
            };
            let claimed = terms.claim(stream, group, owner, id, now_ms);
            outcome.add(id, claimed);
            next = id.next();
            attempts -= 1;
        }
        outcome.last_id = group.last_id;
        let next = next.and_then(|next| first_pending(group, next));
        (outcome, next.unwrap_or_default())
    });
    let (outcome, next) = outcome.expect("the group was found before");
    call.out.array(3);
    reply::id(next, call.out);
    answer(&stream, &outcome.claimed, terms.just_ids, call.out);
    call.out.array(outcome.gone.len());
    outcome.gone.iter().for_each(|id| reply::id(*id, call.out));
    outcome.tell(&mut stream, now_ms);
    drop(stream);
    outcome.log(call, key, name, consumer);
    Ok(Flow::Done)
}

/// The first pending entry from an id on.
fn first_pending(group: &Group, from: Id) -> Option<Id> {
    group.pending_from(from).next().map(|pending| pending.id)
}
