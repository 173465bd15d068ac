//! Entries delivered to one consumer of a group: new ones, those it has not acknowledged, and those that others have had for too
//! long.

use super::read::{
    BLOCK, Budget, COUNT, From, MAXCOUNT, MAXSIZE, ReadOptions, STREAMS, Served, finish,
    hides_keys, keys_behind_streams,
};
use super::{id, no_group, reply};
use crate::command::Flag::Blocking;
use crate::command::{Arg, Command, Done, Fail, Flow, Plan, Run, WriteCall};
use crate::resp::Reply;
use crate::types::stream::{Group, Id, IdText, Owner, Pending, Stream};

pub const XREADGROUP: Command = Command {
    name: "xreadgroup",
    summary: "Returns new entries to one consumer of a group, or those it has not acknowledged, or waits for some",
    cost: "O(N) for N entries returned",
    since: "5.0.0",
    flags: &[Blocking],
    args: &[
        Arg::block("group-block", &[Arg::text("group"), Arg::text("consumer")]).token("GROUP"),
        COUNT,
        MAXCOUNT,
        MAXSIZE,
        BLOCK,
        Arg::int("min-idle-time")
            .token("CLAIM")
            .optional()
            .since("8.4.0"),
        Arg::word("noack", "NOACK").optional(),
        STREAMS,
    ],
    keys: Some(&[keys_behind_streams(4)]),
    plan: Plan::AllIf(|argv| hides_keys(argv, 4)),
    run: Run::Write(xreadgroup),
    ..Command::PLAIN
};

fn xreadgroup(call: &mut WriteCall<'_>) -> Done {
    let options = ReadOptions::parse(call, true)?;
    let Some((name, consumer)) = options.reader else {
        unreachable!("parsing a group's reader finds a group");
    };
    let from = group_ids(call, &options, name)?;
    let now_ms = call.db.clock_ms();
    let mut served = Served::new(call.out, options.limits);
    let (mut deliveries, mut look_ms) = (Vec::new(), None);
    for (key, from) in options.keys.iter().zip(&from) {
        if served.is_enough() {
            break;
        }
        call.db.counted(key);
        let Some(mut edit) = call.db.edit::<Stream>(key)? else {
            continue;
        };
        let delivery = edit.with_group(name, |stream, group| {
            let (owner, is_new) = group.find_or_add_consumer(consumer, now_ms);
            group.consumer_mut(owner).seen_ms = now_ms as i64;
            let mut delivery = Delivery {
                key,
                made_consumer: is_new,
                claimed: Vec::new(),
                ids: Vec::new(),
                last_id: group.last_id,
                entries_read: None,
            };
            match *from {
                From::After(id) => {
                    let (out, budget) = served.stream(key);
                    let ids = history(group, owner, id, budget.room());
                    again(stream, group, &ids, now_ms, (out, budget));
                }
                From::New => {
                    let room = served.budget.room();
                    let due = options.claim_ms.map_or(Overdue::default(), |idle_ms| {
                        Overdue::find(stream, group, idle_ms, now_ms, room)
                    });
                    look_ms = [look_ms, due.next_ms].into_iter().flatten().min();
                    if !due.ids.is_empty() || has_new(stream, group) {
                        let reply = served.stream(key);
                        delivery.deliver(stream, group, owner, (&options, &due), now_ms, reply);
                    }
                }
            }
            delivery
        });
        let delivery = delivery.expect("the group was found before");
        if delivery.made_consumer {
            edit.announce_aside("xgroup-createconsumer");
        }
        if !delivery.ids.is_empty() || !delivery.claimed.is_empty() {
            edit.note();
        }
        deliveries.push(delivery);
    }
    let any = served.close();
    for delivery in &deliveries {
        delivery.log(call, &options, now_ms);
    }
    if any {
        return Ok(Flow::Done);
    }
    // What isn't pending yet may be by then.
    let look_ms = options
        .claim_ms
        .map(|idle_ms| look_ms.unwrap_or(now_ms.saturating_add(idle_ms as u64)));
    finish(call, &options, &from, look_ms)
}

/// Which entries of each stream, if every key has the group.
fn group_ids(
    call: &WriteCall<'_>,
    options: &ReadOptions<'_>,
    name: &[u8],
) -> Result<Vec<From>, Fail> {
    let one = |key: &[u8], id: &[u8]| {
        let stream = call.db.read::<Stream>(key)?;
        if stream.and_then(|stream| stream.group(name)).is_none() {
            return Err(no_group(key, name, " in XREADGROUP with GROUP option"));
        }
        match id {
            b"$" => Err(Fail::Says(
                "The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
            )),
            b"+" => Err(Fail::Says(
                "The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.",
            )),
            b">" => Ok(From::New),
            id => match id::parse(id, 0)? {
                Id::MAX => Ok(From::New),
                id => Ok(From::After(id)),
            },
        }
    };
    options
        .keys
        .iter()
        .zip(options.ids)
        .map(|(key, id)| one(key, id))
        .collect()
}

fn has_new(stream: &Stream, group: &Group) -> bool {
    stream.last_id() > group.last_id
        && stream
            .last_entry_id()
            .is_some_and(|last| last > group.last_id)
}

/// Pending entries that have left the stream, which one search comes upon at most: as many as XAUTOCLAIM examines.
const GONE_MAX: usize = 1000;

/// Pending entries that are to be claimed.
#[derive(Default)]
struct Overdue {
    ids: Vec<Id>,
    /// When the next one is, if none is yet.
    next_ms: Option<u64>,
}

impl Overdue {
    /// The oldest up to a number of them. What has left the stream stays pending for whoever has it, and no later search comes upon it.
    fn find(stream: &Stream, group: &mut Group, idle_ms: i64, now_ms: u64, max: usize) -> Self {
        let mut due = Overdue::default();
        let mut gone = Vec::new();
        for pending in group.by_age() {
            if pending.idle_ms(now_ms) < idle_ms {
                let at = pending.delivered_ms().saturating_add(idle_ms);
                due.next_ms = Some(at.max(0) as u64);
                break;
            }
            if stream.get(pending.id).is_some() {
                due.ids.push(pending.id);
                if due.ids.len() == max {
                    break;
                }
            } else if gone.len() == GONE_MAX {
                due.next_ms = Some(now_ms);
                break;
            } else {
                gone.push(pending.id);
            }
        }
        group.pass_over(&gone);
        due
    }
}

/// What the consumer has not acknowledged after an id.
fn history(group: &Group, owner: Owner, after: Id, max: usize) -> Vec<Id> {
    let pending = group.consumer(owner).pending();
    let from = pending.seek(after.next().unwrap_or(Id::MAX));
    pending.from(from).take(max).copied().collect()
}

/// Answers with entries that were delivered before.
fn again(
    stream: &Stream,
    group: &mut Group,
    ids: &[Id],
    now_ms: u64,
    (out, budget): (&mut Reply, &mut Budget),
) {
    let (open, mut written) = (out.open_array(), 0);
    for id in ids {
        if !budget.admits(written, out) {
            break;
        }
        written += 1;
        match stream.get(*id) {
            Some(entry) => {
                reply::entry(&entry, out);
                group.redeliver(*id, now_ms);
            }
            None => {
                // Deleted since: the id alone tells the consumer to acknowledge it.
                out.array(2);
                reply::id(*id, out);
                out.null_array();
            }
        }
    }
    out.close(open, written);
}

/// What one stream's group gave to a consumer, as the log has it.
struct Delivery<'a> {
    key: &'a [u8],
    made_consumer: bool,
    /// What others had, or nobody.
    claimed: Vec<Pending>,
    /// What is new.
    ids: Vec<Id>,
    last_id: Id,
    entries_read: Option<u64>,
}

impl Delivery<'_> {
    /// Answers with entries that were pending for too long, and with those that nobody in the group was given yet; all of them are the
    /// consumer's now.
    fn deliver(
        &mut self,
        stream: &Stream,
        group: &mut Group,
        owner: Owner,
        (options, due): (&ReadOptions<'_>, &Overdue),
        now_ms: u64,
        (out, budget): (&mut Reply, &mut Budget),
    ) {
        let (open, mut written) = (out.open_array(), 0);
        for id in &due.ids {
            let (Some(entry), Some(held)) = (stream.get(*id), group.pending().get(*id)) else {
                continue;
            };
            if !budget.admits(written, out) {
                break;
            }
            written += 1;
            out.array(4);
            reply::body(&entry, out);
            out.int(held.idle_ms(now_ms));
            out.int(held.deliveries as i64);
            let pending = Group::record(*id, owner, now_ms as i64, held.deliveries_after());
            group.put(pending.clone());
            self.claimed.push(pending);
        }
        let from = group.last_id.next().unwrap_or(Id::MAX);
        for entry in stream.range(from, Id::MAX) {
            if !budget.admits(written, out) {
                break;
            }
            written += 1;
            out.array(if options.claim_ms.is_some() { 4 } else { 2 });
            reply::body(&entry, out);
            if options.claim_ms.is_some() {
                out.int(0);
                out.int(0);
            }
            group.entries_read = stream.read_counter(group, entry.id);
            group.last_id = entry.id;
            if !options.no_ack {
                group.deliver(entry.id, owner, now_ms);
            }
            self.ids.push(entry.id);
        }
        out.close(open, written);
        group.consumer_mut(owner).active_ms = now_ms as i64;
        self.last_id = group.last_id;
        self.entries_read = group.entries_read;
    }

    fn log(&self, call: &mut WriteCall<'_>, options: &ReadOptions<'_>, now_ms: u64) {
        let Some((name, consumer)) = options.reader else {
            return;
        };
        if !call.db.effects().wanted.log {
            return;
        }
        // Claims make their consumer, so that it needs no line of its own.
        let delivered = if options.no_ack { &[] } else { &self.ids[..] };
        if self.made_consumer && delivered.is_empty() && self.claimed.is_empty() {
            call.db
                .log(&[b"XGROUP", b"CREATECONSUMER", self.key, name, consumer]);
        }
        let claimed = self
            .claimed
            .iter()
            .map(|pending| (pending.id, pending.deliveries));
        let mut room = IdText::default();
        let last_id = self.last_id.text(&mut room);
        for (id, deliveries) in claimed.chain(delivered.iter().map(|id| (*id, 1))) {
            let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
            call.db.log(&[
                b"XCLAIM",
                self.key,
                name,
                consumer,
                b"0",
                id.text(&mut IdText::default()),
                b"TIME",
                time.format(now_ms).as_bytes(),
                b"RETRYCOUNT",
                count.format(deliveries as i64).as_bytes(),
                b"FORCE",
                b"JUSTID",
                b"LASTID",
                last_id,
            ]);
        }
        if self.ids.is_empty() {
            return;
        }
        let read = self.entries_read.map_or(-1, |read| read as i64);
        call.db.log(&[
            b"XGROUP",
            b"SETID",
            self.key,
            name,
            last_id,
            b"ENTRIESREAD",
            itoa::Buffer::new().format(read).as_bytes(),
        ]);
    }
}
