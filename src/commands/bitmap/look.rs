//! Counting and finding bits.

use std::ops::Range;

use super::bit;
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, ReadCall, Rest, Run};
use crate::resp::Reply;
use crate::types::{Text, Type};

/// Bits that are counted before it is asked whether there are enough of them.
const BLOCK_BITS: u64 = 8 * 65_536;

const UNIT: Arg = Arg::one_of(
    "unit",
    &[Arg::word("byte", "BYTE"), Arg::word("bit", "BIT")],
)
.optional()
.since("7.0.0");

pub const BITCOUNT: Command = Command {
    name: "bitcount",
    summary: "Counts the bits that are set",
    cost: "O(N) for N bytes",
    since: "2.6.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::block(
            "range",
            &[
                Arg::int("start"),
                Arg::block("end-unit-block", &[Arg::int("end"), UNIT]).optional(),
            ],
        )
        .optional(),
    ],
    run: Run::Read(bitcount),
    ..Command::PLAIN
};

/// A part of a string, in bytes or bits.
struct BitRange {
    start: i64,
    /// Without one, the part goes to the end.
    end: Option<i64>,
    bits: bool,
}

impl BitRange {
    fn parse(args: &mut Args<'_>, end_first: bool) -> Result<Option<Self>, Fail> {
        if args.is_empty() {
            return Ok(None);
        }
        if args.len() > 3 {
            return Err(Fail::SYNTAX);
        }
        let start = args.int()?;
        let end = (!args.is_empty()).then(|| args.int()).transpose();
        let bits = args.word("BIT");
        let unit = if bits || args.word("BYTE") {
            Ok(())
        } else {
            args.end()
        };
        // Which fault is told, of two: BITCOUNT looks at the end first, BITPOS at the unit.
        let end = if end_first {
            end.and_then(|end| unit.map(|()| end))?
        } else {
            unit.and(end)?
        };
        Ok(Some(BitRange { start, end, bits }))
    }

    /// The bits meant, of a string of this many bytes. BITPOS lets ends cross that meet at the string's start.
    fn range(&self, len: usize, may_cross: bool) -> Range<u64> {
        let total = if self.bits {
            len as i64 * 8
        } else {
            len as i64
        };
        let (start, end) = (self.start, self.end.unwrap_or(-1));
        if !may_cross && start < 0 && end < 0 && start > end {
            return 0..0;
        }
        let from_end = |at: i64| if at < 0 { at.saturating_add(total) } else { at };
        let (start, end) = (from_end(start).max(0), from_end(end).max(0).min(total - 1));
        if start > end {
            return 0..0;
        }
        let unit = if self.bits { 1 } else { 8 };
        start as u64 * unit..(end as u64 + 1) * unit
    }
}

fn bitcount(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let part = BitRange::parse(&mut call.args, true)?;
    let mut digits = itoa::Buffer::new();
    let bytes = call
        .db
        .read::<Text>(key)?
        .map_or(&b""[..], |text| text.as_bytes(&mut digits));
    let range = part.map_or(0..bytes.len() as u64 * 8, |part| {
        part.range(bytes.len(), false)
    });
    call.out.int(count(bytes, range) as i64);
    Ok(Flow::Done)
}

fn count(bytes: &[u8], range: Range<u64>) -> u64 {
    let (first, last) = (range.start.div_ceil(8), range.end / 8);
    if first >= last {
        return range.map(|at| u64::from(bit(bytes, at))).sum();
    }
    let ragged = (range.start..first * 8).chain(last * 8..range.end);
    let ragged: u64 = ragged.map(|at| u64::from(bit(bytes, at))).sum();
    let (words, rest) = bytes[first as usize..last as usize].as_chunks::<8>();
    let words = words
        .iter()
        .map(|word| u64::from(u64::from_ne_bytes(*word).count_ones()));
    let rest = rest.iter().map(|byte| u64::from(byte.count_ones()));
    ragged + words.sum::<u64>() + rest.sum::<u64>()
}

pub const BITPOS: Command = Command {
    name: "bitpos",
    summary: "Finds the first bit that is set, or clear",
    cost: "O(N) for N bytes",
    since: "2.8.7",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::int("bit"),
        Arg::block(
            "range",
            &[
                Arg::int("start"),
                Arg::block("end-unit-block", &[Arg::int("end"), UNIT]).optional(),
            ],
        )
        .optional(),
    ],
    run: Run::Read(bitpos),
    ..Command::PLAIN
};

fn bitpos(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let wanted = match call.args.int()? {
        wanted @ 0..=1 => wanted as u8,
        _ => return Err(Fail::Says("The bit argument must be 1 or 0.")),
    };
    let part = BitRange::parse(&mut call.args, false)?;
    let mut digits = itoa::Buffer::new();
    let Some(text) = call.db.read::<Text>(key)? else {
        call.out.int(if wanted == 1 { -1 } else { 0 });
        return Ok(Flow::Done);
    };
    let bytes = text.as_bytes(&mut digits);
    let range = part.as_ref().map_or(0..bytes.len() as u64 * 8, |part| {
        part.range(bytes.len(), true)
    });
    // Without an end, zeros go on behind the string.
    let open = part.as_ref().is_none_or(|part| part.end.is_none());
    let found = match first(bytes, range.clone(), wanted) {
        Some(at) => at as i64,
        None if wanted == 0 && open && !range.is_empty() => bytes.len() as i64 * 8,
        None => -1,
    };
    call.out.int(found);
    Ok(Flow::Done)
}

pub const BITRANGEINTARRAY: Command = Command {
    name: "bitrangeintarray",
    summary: "Returns the offsets of the bits that are set, or clear",
    cost: "O(N+M) for N bytes and M offsets",
    since: "8.12.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::int("start"),
        Arg::int("end"),
        Arg::one_of(
            "unit",
            &[Arg::word("byte", "BYTE"), Arg::word("bit", "BIT")],
        )
        .optional(),
        Arg::int("count").token("LIMIT").optional(),
        Arg::word("zeros", "ZEROS").optional(),
    ],
    run: Run::Read(bitrangeintarray),
    ..Command::PLAIN
};

fn bitrangeintarray(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let (start, end) = (call.args.int()?, call.args.int()?);
    let (mut unit, mut limit, mut wanted) = (None, u64::MAX, 1);
    while !call.args.is_empty() {
        if unit.is_none() && (call.args.word("BYTE") || call.args.word("BIT")) {
            let word = call.args.all()[call.args.position() - 1];
            unit = Some(word.eq_ignore_ascii_case(b"BIT"));
        } else if call.args.word_with("LIMIT", 1) {
            let few = Fail::Says("LIMIT should be greater than 0");
            limit = call.args.int_in(1..=i64::MAX, few)? as u64;
        } else if call.args.word("ZEROS") {
            wanted = 0;
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    let part = BitRange {
        start,
        end: Some(end),
        bits: unit.unwrap_or(false),
    };
    let mut digits = itoa::Buffer::new();
    let text = call.db.read::<Text>(key)?;
    let bytes = text.map_or(&b""[..], |text| text.as_bytes(&mut digits));
    let (hits, range) = hits(bytes, part.range(bytes.len(), false), wanted, limit);
    call.out.array(hits as usize);
    if hits < Rest::MIN as u64 || !call.parts {
        offsets(bytes, range, 0, wanted, call.out);
        return Ok(Flow::Done);
    }
    // A copy of the bytes that the reply tells of, as they are now.
    let from = range.start / 8;
    let copied = &bytes[from as usize..range.end.div_ceil(8) as usize];
    let (start, end) = (range.start - from * 8, range.end - from * 8);
    Ok(Flow::Rest(Box::new(Rest {
        len: copied.len(),
        value: Text::from_bytes(copied).wrap(),
        write: Box::new(move |value, part, out| {
            let mut digits = itoa::Buffer::new();
            let text = Text::of(value).expect("it is given that string");
            let (first, last) = (part.start as u64 * 8, part.end as u64 * 8);
            let range = first.max(start)..last.min(end);
            offsets(text.as_bytes(&mut digits), range, from * 8, wanted, out);
        }),
    })))
}

/// Counts the wanted bits of a range up to a limit; the range then ends behind the last that was counted.
fn hits(bytes: &[u8], range: Range<u64>, wanted: u8, limit: u64) -> (u64, Range<u64>) {
    let (mut found, mut at) = (0, range.start);
    while at < range.end {
        let block = at..range.end.min(at + BLOCK_BITS);
        let set = count(bytes, block.clone());
        let hits = if wanted == 1 {
            set
        } else {
            BLOCK_BITS.min(range.end - at) - set
        };
        if found + hits >= limit {
            while found < limit
                && let Some(hit) = first(bytes, at..block.end, wanted)
            {
                found += 1;
                at = hit + 1;
            }
            return (found, range.start..at);
        }
        found += hits;
        at = block.end;
    }
    (found, range)
}

/// Writes the offsets of the wanted bits of a range, counted from `base`.
fn offsets(bytes: &[u8], range: Range<u64>, base: u64, wanted: u8, out: &mut Reply) {
    let mut at = range.start;
    while !out.is_full()
        && let Some(hit) = first(bytes, at..range.end, wanted)
    {
        out.int((base + hit) as i64);
        at = hit + 1;
    }
}

fn first(bytes: &[u8], range: Range<u64>, wanted: u8) -> Option<u64> {
    let dull = if wanted == 1 { 0 } else { 0xff };
    let mut at = range.start;
    while at < range.end {
        if at & 7 == 0 && at + 8 <= range.end && bytes[(at >> 3) as usize] == dull {
            let whole = &bytes[(at >> 3) as usize..(range.end >> 3) as usize];
            at += 8 * dull_bytes(whole, dull) as u64;
        } else if bit(bytes, at) == wanted {
            return Some(at);
        } else {
            at += 1;
        }
    }
    None
}

/// How many bytes there are without a hit before the first that has one: they are passed over, eight of them at once.
fn dull_bytes(bytes: &[u8], dull: u8) -> usize {
    let words = bytes.chunks_exact(8);
    let words = words.take_while(|word| *word == [dull; 8]).count() * 8;
    let rest = bytes[words..].iter();
    words + rest.take_while(|byte| **byte == dull).count()
}
