//! Entries read as they come. What XREAD and XREADGROUP are asked for, and how they wait for it.
//!
//! A reader that finds nothing may be blocked. Whatever wakes it, it then does all that it was asked to do once
//! more, so that it can be told that its group is gone, or its key, or that the key holds something else.

use super::{id, reply};
use crate::command::Flag::{Blocking, Neither, ReadOnly};
use crate::command::{
    Arg, Args, Begin, Command, Done, Fail, Find, Flow, KeySpec, KeyUse, OnTimeout, Park, Plan, Run,
    WriteCall,
};
use crate::resp::{Deferred, Reply};
use crate::types::Bstr;
use crate::types::stream::{Id, IdText, Stream};

pub const fn keys_behind_streams(from: i32) -> KeySpec {
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

pub const COUNT: Arg = Arg::int("count").token("COUNT").optional();
pub const MAXCOUNT: Arg = Arg::int("maxcount")
    .token("MAXCOUNT")
    .optional()
    .since("8.10.0");
pub const MAXSIZE: Arg = Arg::int("maxsize")
    .token("MAXSIZE")
    .optional()
    .since("8.10.0");
pub const BLOCK: Arg = Arg::int("milliseconds").token("BLOCK").optional();

pub const STREAMS: Arg = Arg::block(
    "streams",
    &[Arg::key("key", KeyUse::READ).many(), Arg::text("id").many()],
)
.token("STREAMS");

pub const XREAD: Command = Command {
    name: "xread",
    summary: "Returns the entries of streams after given ids, or waits for some",
    cost: "O(N) for N entries returned",
    since: "5.0.0",
    // What may block is a writer by its handler's type.
    flags: &[Blocking, ReadOnly, Neither],
    args: &[COUNT, MAXCOUNT, MAXSIZE, BLOCK, STREAMS],
    keys: Some(&[keys_behind_streams(1)]),
    plan: Plan::AllIf(|argv| hides_keys(argv, 1)),
    run: Run::Write(xread),
    ..Command::PLAIN
};

/// Whether a name that is the word STREAMS hides from the key specification where the keys begin.
pub fn hides_keys(argv: &[&[u8]], from: usize) -> bool {
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
pub struct ReadOptions<'a> {
    /// Group and consumer.
    pub reader: Option<(&'a [u8], &'a [u8])>,
    pub limits: Caps,
    /// Block if there is nothing: until a time, or for ever.
    block: Option<Option<u64>>,
    /// What is delivered need not be acknowledged.
    pub no_ack: bool,
    /// Entries that were pending for so long are claimed.
    pub claim_ms: Option<i64>,
    /// The position of the first key.
    keys_at: usize,
    pub keys: &'a [&'a [u8]],
    pub ids: &'a [&'a [u8]],
}

/// How much is wanted at most; 0 for any number.
#[derive(Clone, Copy, Default)]
pub struct Caps {
    /// Entries of each stream.
    count: usize,
    /// Entries of all streams.
    count_all: usize,
    /// Bytes of the reply, though one entry is always given.
    bytes: usize,
}

impl Caps {
    /// Takes one option if it is one of these.
    fn take(&mut self, args: &mut Args<'_>) -> Result<bool, Fail> {
        if args.word_with("COUNT", 1) {
            self.count = args.int()?.max(0) as usize;
        } else if args.word_with("MAXCOUNT", 1) {
            self.count_all = above_zero(args.int()?, "MAXCOUNT must be a positive integer")?;
        } else if args.word_with("MAXSIZE", 1) {
            self.bytes = above_zero(args.int()?, "MAXSIZE must be a positive integer")?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn above_zero(n: i64, fail: &'static str) -> Result<usize, Fail> {
    match n {
        1.. => Ok(n as usize),
        _ => Err(Fail::Says(fail)),
    }
}

/// What a reply has room for.
pub struct Budget {
    limits: Caps,
    /// The reply's length when the command began.
    start: usize,
    entries: usize,
}

impl Budget {
    fn new(limits: Caps, out: &Reply) -> Self {
        Budget {
            limits,
            start: out.len(),
            entries: 0,
        }
    }

    /// No more streams are looked at.
    fn is_spent(&self, out: &Reply) -> bool {
        let Caps {
            count_all, bytes, ..
        } = self.limits;
        count_all > 0 && self.entries >= count_all
            || bytes > 0 && self.entries > 0 && out.len() - self.start >= bytes
    }

    /// Whether one more entry of a stream may be written, of which so many are. It then counts as written.
    pub fn admits(&mut self, written: usize, out: &Reply) -> bool {
        let is_full = self.limits.count > 0 && written >= self.limits.count;
        let admits = !is_full && !self.is_spent(out);
        self.entries += usize::from(admits);
        admits
    }

    /// How many entries of one stream may be written.
    pub fn room(&self) -> usize {
        let limit = |max: usize| if max == 0 { usize::MAX } else { max };
        let left = limit(self.limits.count_all) - self.entries;
        left.min(limit(self.limits.count))
    }
}

/// Which entries of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    After(Id),
    /// Those that the group was not given yet.
    New,
}

impl<'a> ReadOptions<'a> {
    pub fn parse(call: &mut WriteCall<'a>, is_group: bool) -> Result<Self, Fail> {
        let (mut limits, mut block, mut reader) = (Caps::default(), None, None);
        let (mut no_ack, mut claim_ms) = (false, None);
        let args = &mut call.args;
        loop {
            if args.word_with("BLOCK", 1) {
                block = Some(args.timeout_ms(call.db.clock_ms())?);
            } else if limits.take(args)? {
                continue;
            } else if args.word_with("STREAMS", 1) {
                break;
            } else if args.word_with("GROUP", 2) {
                of_groups("GROUP", is_group)?;
                reader = Some((args.next()?, args.next()?));
            } else if args.word("NOACK") {
                of_groups("NOACK", is_group)?;
                no_ack = true;
            } else if args.word_with("CLAIM", 1) {
                of_groups("CLAIM", is_group)?;
                let fail = Fail::Says("min-idle-time is not an integer or out of range");
                claim_ms = Some(args.int_or(fail)?);
                if claim_ms < Some(0) {
                    return Err(Fail::Says("min-idle-time must be a positive integer"));
                }
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
        if limits.count_all > 0 && limits.count > limits.count_all {
            return Err(Fail::Says(
                "MAXCOUNT must be greater than or equal to COUNT",
            ));
        }
        let keys_at = args.position();
        let (keys, ids) = {
            let rest = args.rest();
            rest.split_at(rest.len() / 2)
        };
        Ok(ReadOptions {
            reader,
            limits,
            block,
            no_ack,
            claim_ms,
            keys_at,
            keys,
            ids,
        })
    }

    /// Blocks the client until one of the keys changes, or until a time at which there may be something to claim; `from` tells what
    /// `$` meant.
    fn block(&self, from: &[From], look_ms: Option<u64>) -> Flow {
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
            look_ms,
            on_timeout: OnTimeout::NullArray,
            resolved,
        }))
    }
}

/// An option that XREAD doesn't have.
fn of_groups(option: &str, is_group: bool) -> Result<(), Fail> {
    match is_group {
        true => Ok(()),
        false => Err(Fail::said(format!(
            "The {option} option is only supported by XREADGROUP. You called XREAD instead."
        ))),
    }
}

/// The reply: streams by name, as many as had something.
pub struct Served<'o> {
    out: &'o mut Reply,
    open: Option<Deferred>,
    streams: usize,
    pub budget: Budget,
}

impl<'o> Served<'o> {
    pub fn new(out: &'o mut Reply, limits: Caps) -> Self {
        Served {
            budget: Budget::new(limits, out),
            out,
            open: None,
            streams: 0,
        }
    }

    /// There is as much as was wanted.
    pub fn is_enough(&self) -> bool {
        self.budget.is_spent(self.out)
    }

    /// Begins a stream's part; its entries follow.
    pub fn stream(&mut self, key: &[u8]) -> (&mut Reply, &mut Budget) {
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
        (self.out, &mut self.budget)
    }

    /// Whether there was anything.
    pub fn close(self) -> bool {
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
    let options = ReadOptions::parse(call, false)?;
    if call.woken_in_vain::<Stream>() {
        return Ok(options.block(&[], None));
    }
    let mut from = Vec::with_capacity(options.keys.len());
    for (key, id) in options.keys.iter().zip(options.ids) {
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
    let mut served = Served::new(call.out, options.limits);
    for (key, from) in options.keys.iter().zip(&from) {
        if served.is_enough() {
            break;
        }
        let (Some(stream), From::After(after)) = (call.db.read::<Stream>(key)?, from) else {
            continue;
        };
        if stream.last_id() > *after
            && let Some(next) = after.next()
            && stream.last_entry_id().is_some_and(|last| last > *after)
        {
            let (out, budget) = served.stream(key);
            let (open, mut written) = (out.open_array(), 0);
            for entry in stream.range(next, Id::MAX) {
                if !budget.admits(written, out) {
                    break;
                }
                reply::entry(&entry, out);
                written += 1;
            }
            out.close(open, written);
        }
    }
    if served.close() {
        return Ok(Flow::Done);
    }
    finish(call, &options, &from, None)
}

/// There was nothing.
pub fn finish(
    call: &mut WriteCall<'_>,
    options: &ReadOptions<'_>,
    from: &[From],
    look_ms: Option<u64>,
) -> Done {
    if options.block.is_some() {
        return Ok(options.block(from, look_ms));
    }
    call.out.null_array();
    Ok(Flow::Done)
}
