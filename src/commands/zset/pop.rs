//! The lowest and highest members out, at once or when there are some.

use super::reply;
use crate::command::Flag::{Blocking, Fast};
use crate::command::{
    Arg, Args, Command, Done, Fail, Flow, KeyUse, OnTimeout, Park, Run, WriteCall, timeout,
};
use crate::types::ZSet;

#[derive(Clone, Copy, PartialEq, Eq)]
enum ScoreEnd {
    Min,
    Max,
}

impl ScoreEnd {
    fn event(self) -> &'static str {
        match self {
            ScoreEnd::Min => "zpopmin",
            ScoreEnd::Max => "zpopmax",
        }
    }

    fn word(self) -> &'static [u8] {
        match self {
            ScoreEnd::Min => b"ZPOPMIN",
            ScoreEnd::Max => b"ZPOPMAX",
        }
    }
}

const ENDS: Arg = Arg::one_of("where", &[Arg::word("min", "MIN"), Arg::word("max", "MAX")]);

pub const ZPOPMIN: Command = Command {
    name: "zpopmin",
    summary: "Takes the members with the lowest scores",
    cost: "O(log(N)*M) for M members taken",
    since: "5.0.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ_DELETE),
        Arg::int("count").optional(),
    ],
    run: Run::Write(|call| pop(call, ScoreEnd::Min)),
    ..Command::PLAIN
};

pub const ZPOPMAX: Command = Command {
    name: "zpopmax",
    summary: "Takes the members with the highest scores",
    cost: "O(log(N)*M) for M members taken",
    since: "5.0.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ_DELETE),
        Arg::int("count").optional(),
    ],
    run: Run::Write(|call| pop(call, ScoreEnd::Max)),
    ..Command::PLAIN
};

fn pop(call: &mut WriteCall<'_>, end: ScoreEnd) -> Done {
    let key = call.args.next()?;
    let count = match call.args.len() {
        0 => None,
        1 => Some(call.args.positive()?),
        _ => return Err(Fail::SYNTAX),
    };
    let taken = match count {
        Some(0) => {
            call.db.read::<ZSet>(key)?;
            Vec::new()
        }
        _ => take(call, key, end, count.unwrap_or(1))?,
    };
    let nested = count.is_some() && call.out.resp3();
    call.out
        .array(if nested { taken.len() } else { 2 * taken.len() });
    for (member, score) in &taken {
        if nested {
            call.out.array(2);
        }
        call.out.bulk(member);
        call.out.double(*score);
    }
    Ok(Flow::Done)
}

/// Takes up to `count` members from an end; none if there is no such key.
fn take(
    call: &mut WriteCall<'_>,
    key: &[u8],
    end: ScoreEnd,
    count: usize,
) -> Result<Vec<(Vec<u8>, f64)>, Fail> {
    let Some(mut zset) = call.db.edit::<ZSet>(key)? else {
        return Ok(Vec::new());
    };
    let count = count.min(zset.len());
    let ranks = match end {
        ScoreEnd::Min => 0..count,
        ScoreEnd::Max => zset.len() - count..zset.len(),
    };
    let taken = zset.iter_ranks(ranks.clone(), end == ScoreEnd::Max);
    let taken = taken
        .map(|(member, score)| (member.to_vec(), score))
        .collect();
    zset.remove_ranks(ranks, |_, _| {});
    zset.announce(end.event());
    drop(zset);
    call.db.log(&[
        end.word(),
        key,
        itoa::Buffer::new().format(count).as_bytes(),
    ]);
    Ok(taken)
}

pub const ZMPOP: Command = Command {
    name: "zmpop",
    summary: "Takes members from the first of several sorted sets that has any",
    cost: "O(K)+O(M*log(N)) for K keys and M members taken",
    since: "7.0.0",
    args: &[
        Arg::int("numkeys"),
        Arg::key("key", KeyUse::READ_DELETE).many(),
        ENDS,
        Arg::int("count").token("COUNT").optional(),
    ],
    run: Run::Write(zmpop),
    ..Command::PLAIN
};

/// What ZMPOP and BZMPOP ask for.
struct ZMPopOptions<'a> {
    keys: &'a [&'a [u8]],
    end: ScoreEnd,
    count: usize,
}

impl<'a> ZMPopOptions<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Self, Fail> {
        let keys = args.counted(Fail::Says("numkeys should be greater than 0"))?;
        let end = if args.word("MIN") {
            ScoreEnd::Min
        } else if args.word("MAX") {
            ScoreEnd::Max
        } else {
            return Err(Fail::SYNTAX);
        };
        let mut count = None;
        while !args.is_empty() {
            if count.is_some() || !args.word_with("COUNT", 1) {
                return Err(Fail::SYNTAX);
            }
            let fail = Fail::Says("count should be greater than 0");
            count = Some(args.int_in(1..=i64::MAX, fail)? as usize);
        }
        Ok(ZMPopOptions {
            keys,
            end,
            count: count.unwrap_or(1),
        })
    }

    fn serve(&self, call: &mut WriteCall<'_>, keys: &[&[u8]]) -> Result<bool, Fail> {
        for key in keys {
            let taken = take(call, key, self.end, self.count)?;
            if !taken.is_empty() {
                call.out.array(2);
                call.out.bulk(key);
                reply::pairs(taken.iter(), call.out);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn zmpop(call: &mut WriteCall<'_>) -> Done {
    let options = ZMPopOptions::parse(&mut call.args)?;
    if !options.serve(call, options.keys)? {
        call.out.null_array();
    }
    Ok(Flow::Done)
}

pub const BZMPOP: Command = Command {
    name: "bzmpop",
    summary: "Takes members from the first of several sorted sets that has any, or waits for some",
    cost: "O(K)+O(M*log(N)) for K keys and M members taken",
    since: "7.0.0",
    flags: &[Blocking],
    args: &[
        Arg::double("timeout"),
        Arg::int("numkeys"),
        Arg::key("key", KeyUse::READ_DELETE).many(),
        ENDS,
        Arg::int("count").token("COUNT").optional(),
    ],
    run: Run::Write(bzmpop),
    ..Command::PLAIN
};

fn bzmpop(call: &mut WriteCall<'_>) -> Done {
    let time = call.args.next()?;
    let options = ZMPopOptions::parse(&mut call.args)?;
    let deadline_ms = timeout::deadline_ms(time, call.db.clock_ms())?;
    if !call.woken_in_vain::<ZSet>() && options.serve(call, options.keys)? {
        return Ok(Flow::Done);
    }
    let keys = (3..3 + options.keys.len()).collect();
    Ok(Flow::Park(Box::new(Park {
        keys,
        deadline_ms,
        look_ms: None,
        on_timeout: OnTimeout::NullArray,
        resolved: Vec::new(),
    })))
}

pub const BZPOPMIN: Command = Command {
    name: "bzpopmin",
    summary: "Takes the lowest member of the first of several sorted sets that has any, or waits for one",
    cost: "O(log(N))",
    since: "5.0.0",
    flags: &[Blocking, Fast],
    args: &[
        Arg::key("key", KeyUse::READ_DELETE).many(),
        Arg::double("timeout"),
    ],
    run: Run::Write(|call| block(call, ScoreEnd::Min)),
    ..Command::PLAIN
};

pub const BZPOPMAX: Command = Command {
    name: "bzpopmax",
    summary: "Takes the highest member of the first of several sorted sets that has any, or waits for one",
    cost: "O(log(N))",
    since: "5.0.0",
    flags: &[Blocking, Fast],
    args: &[
        Arg::key("key", KeyUse::READ_DELETE).many(),
        Arg::double("timeout"),
    ],
    run: Run::Write(|call| block(call, ScoreEnd::Max)),
    ..Command::PLAIN
};

fn block(call: &mut WriteCall<'_>, end: ScoreEnd) -> Done {
    let keys = call.args.take(call.args.len() - 1)?;
    let deadline_ms = timeout::deadline_ms(call.args.next()?, call.db.clock_ms())?;
    // Woken by one key, it takes from the first of all that has something by now.
    let looked_at: &[&[u8]] = if call.woken_in_vain::<ZSet>() {
        &[]
    } else {
        keys
    };
    for key in looked_at {
        let taken = take(call, key, end, 1)?;
        if let Some((member, score)) = taken.first() {
            call.out.array(3);
            call.out.bulk(key);
            call.out.bulk(member);
            call.out.double(*score);
            return Ok(Flow::Done);
        }
    }
    let keys = (1..1 + keys.len()).collect();
    Ok(Flow::Park(Box::new(Park {
        keys,
        deadline_ms,
        look_ms: None,
        on_timeout: OnTimeout::NullArray,
        resolved: Vec::new(),
    })))
}
