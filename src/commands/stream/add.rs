//! Entries in at one end, and out at the other.

use super::id::{self, WantedId};
use super::idempotency::{PRODUCER, Sender};
use super::references::{self, CONDITION};
use super::reply;
use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::engine::Garbage;
use crate::types::Type;
use crate::types::stream::{Id, IdText, References, Stream, Trim, TrimBound, Trimmed};

/// What a rough trim may remove at most, in nodes and in entries.
const ROUGH_NODES: usize = 100;
const ROUGH_ENTRIES: usize = 10_000;
const ROUGH_ENTRIES_MAX: usize = 1_000_000;

const TRIM: &[Arg] = &[
    Arg::one_of(
        "strategy",
        &[
            Arg::word("maxlen", "MAXLEN"),
            Arg::word("minid", "MINID").since("6.2.0"),
        ],
    ),
    Arg::one_of(
        "operator",
        &[Arg::word("equal", "="), Arg::word("approximately", "~")],
    )
    .optional(),
    Arg::text("threshold"),
    Arg::int("count").token("LIMIT").optional().since("6.2.0"),
];

pub const XADD: Command = Command {
    name: "xadd",
    summary: "Adds an entry to a stream",
    cost: "O(1), and O(N) for N entries trimmed",
    since: "5.0.0",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::word("nomkstream", "NOMKSTREAM")
            .optional()
            .since("6.2.0"),
        CONDITION,
        PRODUCER,
        Arg::block("trim", TRIM).optional(),
        Arg::one_of("id-selector", &[Arg::word("auto-id", "*"), Arg::text("id")]),
        Arg::block("data", &[Arg::text("field"), Arg::text("value")]).many(),
    ],
    arity: Some(-5),
    run: Run::Write(xadd),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

/// How XADD and XTRIM are asked to trim.
#[derive(Default)]
struct TrimOptions {
    bound: Option<TrimBound>,
    is_rough: bool,
    limit: Option<usize>,
    references: Option<References>,
}

impl TrimOptions {
    /// Takes one option if it is one of trimming.
    fn take(&mut self, args: &mut Args<'_>) -> Result<bool, Fail> {
        if args.word_with("MAXLEN", 1) {
            self.begin(args)?;
            let len = u64::try_from(args.int()?)
                .map_err(|_| Fail::Says("The MAXLEN argument must be >= 0."))?;
            self.bound = Some(TrimBound::Len(len));
        } else if args.word_with("MINID", 1) {
            self.begin(args)?;
            self.bound = Some(TrimBound::From(id::parse(args.next()?, 0)?));
        } else if args.word_with("LIMIT", 1) {
            let limit = usize::try_from(args.int()?)
                .map_err(|_| Fail::Says("The LIMIT argument must be >= 0."))?;
            self.limit = Some(limit);
        } else if !references::take_condition(args, &mut self.references) {
            return Ok(false);
        }
        Ok(true)
    }

    fn begin(&mut self, args: &mut Args<'_>) -> Result<(), Fail> {
        if self.bound.is_some() {
            return Err(Fail::Says(
                "syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        self.is_rough = args.word_with("~", 1);
        if !self.is_rough {
            args.word_with("=", 1);
        }
        Ok(())
    }

    /// What to do, once all options are known. A log that is being read says what was done, so it isn't limited.
    fn finish(&self, node_entries: usize, is_replay: bool) -> Result<Option<Trim>, Fail> {
        let Some(bound) = self.bound else {
            return match self.limit {
                None => Ok(None),
                Some(0) if is_replay => Ok(None),
                Some(0) => Err(Fail::Says(
                    "syntax error, LIMIT cannot be used without the special ~ option",
                )),
                Some(_) => Err(Fail::Says(
                    "syntax error, LIMIT cannot be used without specifying a trimming strategy",
                )),
            };
        };
        let limit = match self.limit {
            _ if is_replay => 0,
            Some(_) if !self.is_rough => {
                return Err(Fail::Says(
                    "syntax error, LIMIT cannot be used without the special ~ option",
                ));
            }
            Some(limit) => limit,
            None if !self.is_rough => 0,
            None => match node_entries.saturating_mul(ROUGH_NODES) {
                0 => ROUGH_ENTRIES,
                entries => entries.min(ROUGH_ENTRIES_MAX),
            },
        };
        Ok(Some(Trim {
            bound,
            is_rough: self.is_rough,
            limit,
            references: self.references.unwrap_or_default(),
        }))
    }
}

fn trim_of(options: &TrimOptions, call: &WriteCall<'_>) -> Result<Option<Trim>, Fail> {
    let node_entries = call.db.rules().limits.stream_node_entries;
    options.finish(node_entries, call.server.store.loading.is_on())
}

/// What XADD is asked to add.
struct Addition<'a> {
    wanted: WantedId,
    pairs: &'a [&'a [u8]],
    sender: Option<Sender<'a>>,
    trim: Option<Trim>,
    must_exist: bool,
}

impl<'a> Addition<'a> {
    fn parse(call: &mut WriteCall<'a>) -> Result<Self, Fail> {
        let (mut options, mut must_exist) = (TrimOptions::default(), false);
        let (mut wanted, mut sender) = (None, None);
        while wanted.is_none() && !call.args.is_empty() {
            if call.args.peek() == Some(b"*") || !options.take(&mut call.args)? {
                if call.args.word("NOMKSTREAM") {
                    must_exist = true;
                } else if !Sender::take(&mut call.args, &mut sender)? {
                    wanted = Some(id::parse_wanted(call.args.next()?)?);
                }
            }
        }
        // A master says which id the entry got there.
        if sender.is_some() && wanted.is_some_and(|id| id != WantedId::Next) && call.user.is_some()
        {
            return Err(Fail::Says(
                "syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs",
            ));
        }
        let trim = trim_of(&options, call)?;
        let pairs = call.args.rest();
        let (Some(wanted), 2.., 0) = (wanted, pairs.len(), pairs.len() % 2) else {
            return Err(Fail::arity("xadd"));
        };
        if wanted == WantedId::Exactly(Id::MIN) {
            return Err(Fail::Says(
                "The ID specified in XADD must be greater than 0-0",
            ));
        }
        Ok(Addition {
            wanted,
            pairs,
            sender,
            trim,
            must_exist,
        })
    }

    /// Logs what the entry was called, and how long a plain trim left the stream, so that it comes out the same again.
    fn log(&self, call: &mut WriteCall<'_>, key: &[u8], id: Id, kept: Option<usize>) {
        if !call.db.effects().wanted.log {
            return;
        }
        let mut room = IdText::default();
        let mut digits = itoa::Buffer::new();
        let mut record: Vec<&[u8]> = vec![b"XADD", key];
        if let Some(len) = kept {
            record.extend([b"MAXLEN", &b"="[..], digits.format(len).as_bytes()]);
        }
        record.push(id.text(&mut room));
        record.extend(self.pairs);
        call.db.log(&record);
    }
}

fn xadd(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let addition = Addition::parse(call)?;
    if addition.must_exist && !call.db.exists(key) {
        call.out.null();
        return Ok(Flow::Done);
    }
    let (now_ms, limits) = (call.db.clock_ms(), call.db.rules().limits);
    let mut edit = call.db.edit_or_create::<Stream>(key)?;
    let stream = &mut *edit;
    let mention = addition.sender.map(|sender| sender.mention(addition.pairs));
    if let Some(mention) = &mention
        && let Some(id) = mention.repeated(stream, now_ms)
    {
        edit.note();
        drop(edit);
        reply::id(id, call.out);
        mention.log(call, key, id);
        return Ok(Flow::Done);
    }
    let id = pick(stream, addition.wanted, now_ms)?;
    stream
        .append(id, addition.pairs, &limits)
        .map_err(|_| Fail::Says("Elements are too large to be stored"))?;
    let setup = mention
        .as_ref()
        .and_then(|mention| mention.remember(stream, id, &call.server.config, now_ms));
    let trimmed = addition.trim.as_ref().map(|trim| stream.trim(trim));
    let left = Left::of(stream);
    edit.announce("xadd");
    if trimmed.as_ref().is_some_and(|trimmed| trimmed.entries > 0) {
        edit.announce("xtrim");
    }
    drop(edit);
    reply::id(id, call.out);
    let references = addition.trim.as_ref().map(|trim| trim.references);
    let is_plain = references == Some(References::Keep);
    addition.log(call, key, id, is_plain.then_some(left.len));
    if let Some(setup) = setup {
        setup.log(call, key);
    }
    if let Some(mention) = mention {
        mention.log(call, key, id);
    }
    if let (Some(references), Some(trimmed)) = (references, trimmed) {
        if !is_plain && trimmed.entries > 0 {
            log_trim(call, key, references, &trimmed, left);
        }
        discard(trimmed, call);
    }
    Ok(Flow::Done)
}

/// What a trim left.
#[derive(Clone, Copy)]
struct Left {
    len: usize,
    first_id: Id,
}

impl Left {
    fn of(stream: &Stream) -> Self {
        Left {
            len: stream.len(),
            first_id: stream.first_id(),
        }
    }
}

/// Logs a trim that took something, so that the same entries go again: as the length it left, which every version knows, where
/// no entry before the last one that went was spared.
fn log_trim(
    call: &mut WriteCall<'_>,
    key: &[u8],
    references: References,
    trimmed: &Trimmed,
    left: Left,
) {
    references::log_forgotten(call, key, &trimmed.forgotten);
    let spared = left.len > 0 && left.first_id < trimmed.last_id;
    match trimmed.last_id.next() {
        Some(after) if references == References::Spare && spared => {
            let mut room = IdText::default();
            let after = after.text(&mut room);
            call.db
                .log(&[b"XTRIM", key, b"MINID", b"=", after, b"ACKED"]);
        }
        _ => {
            let mut digits = itoa::Buffer::new();
            let len = digits.format(left.len).as_bytes();
            call.db.log(&[b"XTRIM", key, b"MAXLEN", b"=", len]);
        }
    }
}

/// The new entry's id.
fn pick(stream: &Stream, wanted: WantedId, now_ms: u64) -> Result<Id, Fail> {
    if stream.last_id() == Id::MAX {
        return Err(Fail::Says(
            "The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let id = match wanted {
        WantedId::Next => stream.next_id(now_ms),
        WantedId::NextIn(ms) if ms == stream.last_id().ms => {
            stream.last_id().next().filter(|id| id.ms == ms)
        }
        WantedId::NextIn(ms) => Some(Id::new(ms, 0)),
        WantedId::Exactly(id) => Some(id),
    };
    id.filter(|id| *id > stream.last_id()).ok_or(Fail::Says(
        "The ID specified in XADD is equal or smaller than the target stream top item",
    ))
}

pub const XTRIM: Command = Command {
    name: "xtrim",
    summary: "Removes a stream's oldest entries",
    cost: "O(N) for N entries removed",
    since: "5.0.0",
    args: &[Arg::key("key", KeyUse::DELETE), Arg::block("trim", TRIM)],
    arity: Some(-4),
    run: Run::Write(xtrim),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn xtrim(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let mut options = TrimOptions::default();
    while !call.args.is_empty() {
        if !options.take(&mut call.args)? {
            return Err(Fail::SYNTAX);
        }
    }
    if options.bound.is_none() && options.limit.is_none_or(|limit| limit == 0) {
        return Err(Fail::Says(
            "syntax error, XTRIM must be called with a trimming strategy",
        ));
    }
    let Some(trim) = trim_of(&options, call)? else {
        return Err(Fail::SYNTAX);
    };
    let Some(mut stream) = call.db.edit::<Stream>(key)? else {
        call.out.int(0);
        return Ok(Flow::Done);
    };
    let trimmed = stream.trim(&trim);
    let left = Left::of(&stream);
    let entries = trimmed.entries;
    if entries > 0 {
        stream.announce("xtrim");
    }
    drop(stream);
    if entries > 0 {
        log_trim(call, key, trim.references, &trimmed, left);
    }
    discard(trimmed, call);
    call.out.count(entries);
    Ok(Flow::Done)
}

/// Frees what was trimmed once nothing is locked, and elsewhere if it is much.
fn discard(trimmed: Trimmed, call: &mut WriteCall<'_>) {
    if let Some(rest) = trimmed.rest() {
        call.db.effects().garbage.push(Garbage::Value(rest.wrap()));
    }
}
