//! Entries read as they come, by everyone or by one consumer of a group.
//!
//! A reader that finds nothing may sleep. Whatever wakes it, it then does all that it was asked to do once
//! more, so that it can be told that its group is gone, or its key, or that the key holds something else.

use super::{id, no_group, reply};
use crate::command::Flag::{Blocking, Neither, ReadOnly};
use crate::command::{
    Arg, Begin, Command, Done, Fail, Find, Flow, KeySpec, KeyUse, OnTimeout, Park, Plan, Run,
    WriteCall,
};
use crate::resp::{Deferred, Reply};
use crate::types::Bstr;
use crate::types::stream::{Group, Id, IdText, Owner, Stream};

const fn keys_behind_streams(from: i32) -> KeySpec {
    KeySpec {
        used: KeyUse::READ,
        begin: Begin::Keyword("STREAMS", from),
        find: Find::Range {
            last: -1,
            step: 1,
            limit: 2,
        },
    }
}

const STREAMS: Arg = Arg::block(
    "streams",
    &[Arg::key("key", KeyUse::READ).many(), Arg::text("id").many()],
)
.token("STREAMS");

pub const XREAD: Command = Command {
    name: "xread",
    summary: "Returns the entries of streams after given ids, or waits for some",
    cost: "O(N) for N entries returned",
    since: "5.0.0",
    // What may sleep is a writer by its handler's type.
    flags: &[Blocking, ReadOnly, Neither],
    args: &[
        Arg::int("count").token("COUNT").optional(),
        Arg::int("milliseconds").token("BLOCK").optional(),
        STREAMS,
    ],
    keys: Some(&[keys_behind_streams(1)]),
    plan: Plan::AllIf(|argv| hides_keys(argv, 1)),
    run: Run::Write(xread),
    ..Command::PLAIN
};

pub const XREADGROUP: Command = Command {
    name: "xreadgroup",
    summary: "Returns new entries to one consumer of a group, or those it has not acknowledged, or waits for some",
    cost: "O(N) for N entries returned",
    since: "5.0.0",
    flags: &[Blocking],
    args: &[
        Arg::block(
            "group_consumer",
            &[Arg::text("group"), Arg::text("consumer")],
        )
        .token("GROUP"),
        Arg::int("count").token("COUNT").optional(),
        Arg::int("milliseconds").token("BLOCK").optional(),
        Arg::word("noack", "NOACK").optional(),
        STREAMS,
    ],
    keys: Some(&[keys_behind_streams(4)]),
    plan: Plan::AllIf(|argv| hides_keys(argv, 4)),
    run: Run::Write(xreadgroup),
    ..Command::PLAIN
};

/// Whether a name that is the word STREAMS hides from the key specification where the keys begin.
fn hides_keys(argv: &[&[u8]], from: usize) -> bool {
    let is_word = |at: usize, word: &str| argv[at].eq_ignore_ascii_case(word.as_bytes());
    let mut at = 1;
    while at < argv.len() {
        at += if is_word(at, "STREAMS") {
            break;
        } else if is_word(at, "GROUP") {
            3
        } else if is_word(at, "NOACK") {
            1
        } else {
            2
        };
    }
    (from..at.min(argv.len())).any(|at| is_word(at, "STREAMS"))
}

/// What was asked for.
struct Wish<'a> {
    /// Group and consumer.
    reader: Option<(&'a [u8], &'a [u8])>,
    /// Entries of each stream; 0 for all.
    count: usize,
    /// Sleep if there is nothing: until a time, or for ever.
    block: Option<Option<u64>>,
    /// What is delivered need not be acknowledged.
    no_ack: bool,
    /// The position of the first key.
    keys_at: usize,
    keys: &'a [&'a [u8]],
    ids: &'a [&'a [u8]],
}

/// Which entries of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    After(Id),
    /// Those that the group was not given yet.
    New,
}

impl<'a> Wish<'a> {
    fn parse(call: &mut WriteCall<'a>, is_group: bool) -> Result<Self, Fail> {
        let (mut count, mut block, mut reader, mut no_ack) = (0, None, None, false);
        let args = &mut call.args;
        loop {
            if args.word_with("BLOCK", 1) {
                block = Some(args.timeout_ms(call.db.clock_ms())?);
            } else if args.word_with("COUNT", 1) {
                count = args.int()?.max(0) as usize;
            } else if args.word_with("STREAMS", 1) {
                break;
            } else if args.word_with("GROUP", 2) {
                if !is_group {
                    return Err(Fail::Says(
                        "The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                reader = Some((args.next()?, args.next()?));
            } else if args.word("NOACK") {
                if !is_group {
                    return Err(Fail::Says(
                        "The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                no_ack = true;
            } else {
                return Err(Fail::SYNTAX);
            }
        }
        if !args.len().is_multiple_of(2) {
            return Err(Fail::Says(if is_group {
                "Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."
            } else {
                "Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified."
            }));
        }
        if is_group && reader.is_none() {
            return Err(Fail::Says("Missing GROUP option for XREADGROUP"));
        }
        let keys_at = args.position();
        let (keys, ids) = {
            let rest = args.rest();
            rest.split_at(rest.len() / 2)
        };
        Ok(Wish {
            reader,
            count,
            block,
            no_ack,
            keys_at,
            keys,
            ids,
        })
    }

    /// A wish to sleep until one of the keys changes; `from` tells what `$` meant.
    fn sleep(&self, from: &[From]) -> Flow {
        let mut resolved = Vec::new();
        for (at, (id, from)) in self.ids.iter().zip(from).enumerate() {
            if let (b"$", From::After(id)) = (*id, from) {
                let text = Bstr::new(id.text(&mut IdText::default()));
                resolved.push((self.keys_at + self.keys.len() + at, text));
            }
        }
        Flow::Park(Box::new(Park {
            keys: (self.keys_at..self.keys_at + self.keys.len()).collect(),
            deadline_ms: self.block.flatten(),
            on_timeout: OnTimeout::NullArray,
            resolved,
        }))
    }
}

/// The reply: streams by name, as many as had something.
struct Served<'o> {
    out: &'o mut Reply,
    open: Option<Deferred>,
    streams: usize,
}

impl<'o> Served<'o> {
    fn new(out: &'o mut Reply) -> Self {
        Served {
            out,
            open: None,
            streams: 0,
        }
    }

    /// Begins a stream's part; its entries follow.
    fn stream(&mut self, key: &[u8]) -> &mut Reply {
        if self.open.is_none() {
            self.open = Some(if self.out.resp3() {
                self.out.open_map()
            } else {
                self.out.open_array()
            });
        }
        self.streams += 1;
        if !self.out.resp3() {
            self.out.array(2);
        }
        self.out.bulk(key);
        self.out
    }

    /// Whether there was anything.
    fn close(self) -> bool {
        match self.open {
            Some(open) => {
                self.out.close(open, self.streams);
                true
            }
            None => false,
        }
    }
}

fn xread(call: &mut WriteCall<'_>) -> Done {
    let wish = Wish::parse(call, false)?;
    if call.woken_in_vain::<Stream>() {
        return Ok(wish.sleep(&[]));
    }
    let mut from = Vec::with_capacity(wish.keys.len());
    for (key, id) in wish.keys.iter().zip(wish.ids) {
        let stream = call.db.read::<Stream>(key)?;
        from.push(From::After(match *id {
            b"$" => stream.map_or(Id::MIN, Stream::last_id),
            // The last entry is the one after the id before it.
            b"+" => stream
                .and_then(Stream::last_entry_id)
                .and_then(Id::prev)
                .unwrap_or_default(),
            b">" => {
                return Err(Fail::Says(
                    "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
                ));
            }
            id => id::parse(id, 0)?,
        }));
    }
    let mut served = Served::new(call.out);
    for (key, from) in wish.keys.iter().zip(&from) {
        let (Some(stream), From::After(after)) = (call.db.read::<Stream>(key)?, from) else {
            continue;
        };
        if stream.last_id() > *after
            && let Some(next) = after.next()
            && stream.last_entry_id().is_some_and(|last| last > *after)
        {
            let out = served.stream(key);
            reply::entries(stream.range(next, Id::MAX), wish.count, out);
        }
    }
    if served.close() {
        return Ok(Flow::Done);
    }
    finish(call, &wish, &from)
}

/// There was nothing.
fn finish(call: &mut WriteCall<'_>, wish: &Wish<'_>, from: &[From]) -> Done {
    if wish.block.is_some() {
        return Ok(wish.sleep(from));
    }
    call.out.null_array();
    Ok(Flow::Done)
}

fn xreadgroup(call: &mut WriteCall<'_>) -> Done {
    let wish = Wish::parse(call, true)?;
    let Some((name, consumer)) = wish.reader else {
        unreachable!("parsing a group's reader finds a group");
    };
    let from = group_ids(call, &wish, name)?;
    let now_ms = call.db.clock_ms();
    let mut served = Served::new(call.out);
    let mut deliveries = Vec::new();
    for (key, from) in wish.keys.iter().zip(&from) {
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
                ids: Vec::new(),
                last_id: group.last_id,
                entries_read: None,
            };
            match *from {
                From::After(id) => {
                    let ids = history(group, owner, id, wish.count);
                    again(stream, group, &ids, now_ms, served.stream(key));
                }
                From::New if has_new(stream, group) => {
                    let out = served.stream(key);
                    delivery.ids = deliver(stream, group, owner, &wish, now_ms, out);
                    delivery.last_id = group.last_id;
                    delivery.entries_read = group.entries_read;
                }
                From::New => {}
            }
            delivery
        });
        let delivery = delivery.expect("the group was found before");
        if delivery.made_consumer {
            edit.announce_aside("xgroup-createconsumer");
        }
        if !delivery.ids.is_empty() {
            edit.note();
        }
        deliveries.push(delivery);
    }
    let any = served.close();
    for delivery in &deliveries {
        delivery.log(call, &wish, now_ms);
    }
    if any {
        return Ok(Flow::Done);
    }
    finish(call, &wish, &from)
}

/// Which entries of each stream, if every key has the group.
fn group_ids(call: &WriteCall<'_>, wish: &Wish<'_>, name: &[u8]) -> Result<Vec<From>, Fail> {
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
    wish.keys
        .iter()
        .zip(wish.ids)
        .map(|(key, id)| one(key, id))
        .collect()
}

fn has_new(stream: &Stream, group: &Group) -> bool {
    stream.last_id() > group.last_id
        && stream
            .last_entry_id()
            .is_some_and(|last| last > group.last_id)
}

/// Answers with entries that nobody in the group was given yet, and says whose they are now.
fn deliver(
    stream: &Stream,
    group: &mut Group,
    owner: Owner,
    wish: &Wish<'_>,
    now_ms: u64,
    out: &mut Reply,
) -> Vec<Id> {
    group.consumer_mut(owner).active_ms = now_ms as i64;
    let from = group.last_id.next().unwrap_or(Id::MAX);
    let mut ids = Vec::new();
    let delivered = stream.range(from, Id::MAX).inspect(|entry| {
        group.entries_read = stream.read_counter(group, entry.id);
        group.last_id = entry.id;
        if !wish.no_ack {
            group.deliver(entry.id, owner, now_ms);
        }
        ids.push(entry.id);
    });
    reply::entries(delivered, wish.count, out);
    ids
}

/// What the consumer has not acknowledged after an id.
fn history(group: &Group, owner: Owner, after: Id, count: usize) -> Vec<Id> {
    let pending = group.consumer(owner).pending();
    let from = pending.seek(after.next().unwrap_or(Id::MAX));
    let count = if count == 0 { usize::MAX } else { count };
    pending.from(from).take(count).copied().collect()
}

/// Answers with entries that were delivered before.
fn again(stream: &Stream, group: &mut Group, ids: &[Id], now_ms: u64, out: &mut Reply) {
    out.array(ids.len());
    for id in ids {
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
}

/// What one stream's group gave to a consumer, as the log has it.
struct Delivery<'a> {
    key: &'a [u8],
    made_consumer: bool,
    ids: Vec<Id>,
    last_id: Id,
    entries_read: Option<u64>,
}

impl Delivery<'_> {
    fn log(&self, call: &mut WriteCall<'_>, wish: &Wish<'_>, now_ms: u64) {
        let Some((name, consumer)) = wish.reader else {
            return;
        };
        // Claims make their consumer, so that it needs no line of its own.
        let claims = !self.ids.is_empty() && !wish.no_ack;
        if self.made_consumer && !claims {
            call.db
                .log(&[b"XGROUP", b"CREATECONSUMER", self.key, name, consumer]);
        }
        if self.ids.is_empty() {
            return;
        }
        let (mut room, mut digits) = (IdText::default(), itoa::Buffer::new());
        let last_id = self.last_id.text(&mut room);
        let time = digits.format(now_ms).as_bytes();
        if !wish.no_ack {
            for id in &self.ids {
                call.db.log(&[
                    b"XCLAIM",
                    self.key,
                    name,
                    consumer,
                    b"0",
                    id.text(&mut IdText::default()),
                    b"TIME",
                    time,
                    b"RETRYCOUNT",
                    b"1",
                    b"FORCE",
                    b"JUSTID",
                    b"LASTID",
                    last_id,
                ]);
            }
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
