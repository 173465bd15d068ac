//! Members in, and their scores changed.

use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::types::ZSet;
use crate::types::zset::Inserted;

pub const ZADD: Command = Command {
    name: "zadd",
    summary: "Adds members to a sorted set, or moves the ones it has",
    cost: "O(log(N)) for each member",
    since: "1.2.0",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")])
            .optional()
            .since("3.0.2"),
        Arg::one_of(
            "comparison",
            &[Arg::word("gt", "GT"), Arg::word("lt", "LT")],
        )
        .optional()
        .since("6.2.0"),
        Arg::word("change", "CH").optional().since("3.0.2"),
        Arg::word("increment", "INCR").optional().since("3.0.2"),
        Arg::block("data", &[Arg::double("score"), Arg::text("member")]).many(),
    ],
    run: Run::Write(zadd),
    ..Command::PLAIN
};

pub const ZINCRBY: Command = Command {
    name: "zincrby",
    summary: "Adds to the score of a member, which may be new",
    cost: "O(log(N))",
    since: "1.2.0",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::int("increment"),
        Arg::text("member"),
    ],
    run: Run::Write(zincrby),
    ..Command::PLAIN
};

#[derive(Default)]
struct ZAddOptions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
    changed: bool,
    incr: bool,
}

impl ZAddOptions {
    fn parse(args: &mut Args<'_>) -> Self {
        let mut options = ZAddOptions::default();
        loop {
            if args.word("NX") {
                options.nx = true;
            } else if args.word("XX") {
                options.xx = true;
            } else if args.word("GT") {
                options.gt = true;
            } else if args.word("LT") {
                options.lt = true;
            } else if args.word("CH") {
                options.changed = true;
            } else if args.word("INCR") {
                options.incr = true;
            } else {
                return options;
            }
        }
    }

    fn check(&self, pairs: usize) -> Result<(), Fail> {
        if self.nx && self.xx {
            return Err(Fail::Says(
                "XX and NX options at the same time are not compatible",
            ));
        }
        if (self.nx && (self.gt || self.lt)) || (self.gt && self.lt) {
            return Err(Fail::Says(
                "GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if self.incr && pairs > 1 {
            return Err(Fail::Says(
                "INCR option supports a single increment-element pair",
            ));
        }
        Ok(())
    }

    /// The score a member gets that has this one now, or none; `None` if it is to be left alone.
    fn new_score(&self, held: Option<f64>, given: f64) -> Result<Option<f64>, Fail> {
        let Some(held) = held else {
            return Ok((!self.xx).then_some(given));
        };
        if self.nx {
            return Ok(None);
        }
        let score = if self.incr { held + given } else { given };
        if score.is_nan() {
            return Err(Fail::Says("resulting score is not a number (NaN)"));
        }
        let kept = (self.lt && score >= held) || (self.gt && score <= held);
        Ok((!kept).then_some(score))
    }
}

fn zadd(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let options = ZAddOptions::parse(&mut call.args);
    add(call, key, &options)
}

fn zincrby(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    // ZADD's options stand here, too, though nobody documents them.
    let options = ZAddOptions {
        incr: true,
        ..ZAddOptions::parse(&mut call.args)
    };
    add(call, key, &options)
}

/// Reads all pairs, then adds them.
fn add(call: &mut WriteCall<'_>, key: &[u8], options: &ZAddOptions) -> Done {
    let pairs = call
        .args
        .pairs()
        .filter(|pairs| pairs.len() != 0)
        .ok_or(Fail::SYNTAX)?;
    options.check(pairs.len())?;
    let parse = |(score, member)| match crate::util::number::parse_double(score) {
        Some(score) => Ok((score, member)),
        None => Err(Fail::NOT_FLOAT),
    };
    let pairs: Vec<(f64, &[u8])> = pairs.map(parse).collect::<Result<_, _>>()?;
    let limits = &call.db.rules().limits;
    let mut zset = call.db.edit_or_create::<ZSet>(key)?;
    zset.expect(pairs.len(), limits);
    let (mut added, mut moved, mut score) = (0, 0, None);
    for (given, member) in &pairs {
        score = options.new_score(zset.score(member), *given)?;
        if let Some(score) = score {
            match zset.insert(member, score, limits) {
                Inserted::Added => added += 1,
                Inserted::Moved => moved += 1,
                Inserted::Same => {}
            }
        }
    }
    if added + moved > 0 {
        zset.announce(if options.incr { "zincr" } else { "zadd" });
    }
    drop(zset);
    if options.incr {
        call.out.double_or_null(score);
    } else {
        call.out.count(if options.changed {
            added + moved
        } else {
            added
        });
    }
    Ok(Flow::Done)
}
