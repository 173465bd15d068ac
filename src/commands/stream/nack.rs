//! Pending entries given back by those who have them, so that others get them at once.

use super::references::IDS;
use super::{id, no_group};
use crate::command::Flag::Fast;
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, Run, WriteCall, quoted};
use crate::types::stream::{DELIVERIES_MAX, Stream};

pub const XNACK: Command = Command {
    name: "xnack",
    summary: "Gives pending entries back to their group, which delivers them to others at once",
    cost: "O(1) for each entry",
    since: "8.8.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::text("group"),
        Arg::one_of(
            "mode",
            &[
                Arg::word("silent", "SILENT"),
                Arg::word("fail", "FAIL"),
                Arg::word("fatal", "FATAL"),
            ],
        ),
        IDS,
        Arg::int("count").token("RETRYCOUNT").optional(),
        Arg::word("force", "FORCE").optional(),
    ],
    arity: Some(-7),
    run: Run::Write(xnack),
    ..Command::PLAIN
};

/// What the last delivery counts for.
#[derive(Clone, Copy)]
enum Mode {
    /// It doesn't count.
    Silent,
    /// It counts as any other.
    Fail,
    /// It counts as if there had been too many.
    Fatal,
    /// So many deliveries count in all.
    Count(u64),
}

impl Mode {
    fn parse(args: &mut Args<'_>) -> Result<Self, Fail> {
        if args.word("SILENT") {
            Ok(Mode::Silent)
        } else if args.word("FAIL") {
            Ok(Mode::Fail)
        } else if args.word("FATAL") {
            Ok(Mode::Fatal)
        } else {
            Err(Fail::Says("mode must be SILENT, FAIL, or FATAL"))
        }
    }

    fn deliveries(self, before: u64) -> u64 {
        match self {
            Mode::Silent => before.saturating_sub(1),
            Mode::Fail => before,
            Mode::Fatal => DELIVERIES_MAX,
            Mode::Count(count) => count,
        }
    }
}

/// What is asked for; the ids are not looked at yet.
struct Return<'a> {
    mode: Mode,
    ids: &'a [&'a [u8]],
    /// Makes entries pending that aren't.
    force: bool,
}

impl<'a> Return<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Self, Fail> {
        let mut wish = Return {
            mode: Mode::parse(args)?,
            ids: &[],
            force: false,
        };
        while let Some(option) = args.peek() {
            if args.word_with("IDS", 1) {
                let fail = Fail::Says("numids must be a positive integer");
                let count = args.int_in(1..=i64::from(i32::MAX), fail)? as usize;
                let fail = |_| Fail::Says("number of IDs doesn't match numids");
                wish.ids = args.take(count).map_err(fail)?;
            } else if args.word("FORCE") {
                wish.force = true;
            } else if args.word_with("RETRYCOUNT", 1) {
                let count = u64::try_from(args.int()?)
                    .map_err(|_| Fail::Says("Invalid RETRYCOUNT value, must be >= 0"))?;
                wish.mode = Mode::Count(count);
            } else {
                let option = quoted(option);
                return Err(Fail::said(format!("Unrecognized XNACK option '{option}'")));
            }
        }
        if wish.ids.is_empty() {
            return Err(Fail::Says("syntax error, expected IDS keyword"));
        }
        Ok(wish)
    }
}

fn xnack(call: &mut WriteCall<'_>) -> Done {
    let (key, name) = (call.args.next()?, call.args.next()?);
    let stream = call.db.edit::<Stream>(key)?;
    let mut stream = stream
        .filter(|stream| stream.group(name).is_some())
        .ok_or_else(|| no_group(key, name, ""))?;
    let wish = Return::parse(&mut call.args)?;
    let ids = id::parse_all(wish.ids)?;
    let released = stream.with_group(name, |stream, group| {
        let mut released = 0;
        for id in ids {
            let before = match group.pending().get(id) {
                Some(pending) => pending.deliveries,
                // What never was delivered was so no time.
                None if wish.force && stream.get(id).is_some() => 0,
                None => continue,
            };
            group.release(id, wish.mode.deliveries(before));
            released += 1;
        }
        released
    });
    let released = released.unwrap_or(0);
    if released > 0 {
        stream.has_released = true;
        stream.note();
        // Who waits for entries to claim can have these.
        stream.wake();
    }
    drop(stream);
    call.out.count(released);
    Ok(Flow::Done)
}
