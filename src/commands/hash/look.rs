//! Reading hashes.

use crate::command::Flag::Fast;
use crate::command::sample::Draw;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Rest, Run, scan};
use crate::resp::Reply;
use crate::types::{Hash, HashRef, Piece, Type, TypeRef};
use crate::util::chance;

pub const HGET: Command = Command {
    name: "hget",
    summary: "Returns the value of a field",
    since: "2.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), Arg::text("field")],
    run: Run::Read(hget),
    ..Command::PLAIN
};

fn hget(call: &mut ReadCall<'_>) -> Done {
    let (key, field) = (call.args.next()?, call.args.next()?);
    let now_ms = call.db.now_ms();
    let hash = call.db.read::<Hash>(key)?;
    call.out
        .piece_or_null(hash.and_then(|hash| hash.get(field, now_ms)));
    Ok(Flow::Done)
}

pub const HMGET: Command = Command {
    name: "hmget",
    summary: "Returns the values of several fields",
    cost: "O(N) for N fields",
    since: "2.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), Arg::text("field").many()],
    run: Run::Read(hmget),
    ..Command::PLAIN
};

fn hmget(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let now_ms = call.db.now_ms();
    let hash = call.db.read::<Hash>(key)?;
    let fields = call.args.rest();
    call.out.array(fields.len());
    for field in fields {
        call.out
            .piece_or_null(hash.and_then(|hash| hash.get(field, now_ms)));
    }
    Ok(Flow::Done)
}

pub const HGETALL: Command = Command {
    name: "hgetall",
    summary: "Returns all fields with their values",
    cost: "O(N) for N fields",
    since: "2.0.0",
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(hgetall),
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

fn hgetall(call: &mut ReadCall<'_>) -> Done {
    each(call, Reply::map, |(field, value), out| {
        out.piece(field);
        out.piece(value);
    })
}

pub const HKEYS: Command = Command {
    name: "hkeys",
    summary: "Returns all fields",
    cost: "O(N) for N fields",
    since: "2.0.0",
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(hkeys),
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

fn hkeys(call: &mut ReadCall<'_>) -> Done {
    each(call, Reply::array, |(field, _), out| out.piece(field))
}

pub const HVALS: Command = Command {
    name: "hvals",
    summary: "Returns all values",
    cost: "O(N) for N fields",
    since: "2.0.0",
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(hvals),
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

fn hvals(call: &mut ReadCall<'_>) -> Done {
    each(call, Reply::array, |(_, value), out| out.piece(value))
}

type Pair<'a> = (Piece<'a>, Piece<'a>);

/// Answers with something of each pair of the hash named. Fields that are due aren't among them.
fn each(
    call: &mut ReadCall<'_>,
    begin: fn(&mut Reply, usize),
    show: fn(Pair<'_>, &mut Reply),
) -> Done {
    let key = call.args.next()?;
    let now_ms = call.db.now_ms();
    let Some(hash) = call.db.read::<Hash>(key)? else {
        begin(call.out, 0);
        return Ok(Flow::Done);
    };
    if hash.has_deadlines() {
        let count = hash.iter(now_ms).count();
        begin(call.out, count);
    } else {
        begin(call.out, hash.len());
        if hash.len() >= Rest::MIN {
            return Ok(Flow::Rest(Box::new(Rest {
                len: hash.len(),
                value: hash.frozen().wrap(),
                write: Box::new(move |value, range, out| {
                    let hash = Hash::of(value).expect("it is given that hash");
                    range.for_each(|pos| show(hash.nth(pos), out));
                }),
            })));
        }
    }
    hash.iter(now_ms).for_each(|pair| show(pair, call.out));
    Ok(Flow::Done)
}

pub const HLEN: Command = Command {
    name: "hlen",
    summary: "Counts the fields of a hash",
    since: "2.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(hlen),
    ..Command::PLAIN
};

fn hlen(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    call.out
        .count(call.db.read::<Hash>(key)?.map_or(0, HashRef::len));
    Ok(Flow::Done)
}

pub const HSTRLEN: Command = Command {
    name: "hstrlen",
    summary: "Returns the length of a field's value",
    since: "3.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK), Arg::text("field")],
    run: Run::Read(hstrlen),
    ..Command::PLAIN
};

fn hstrlen(call: &mut ReadCall<'_>) -> Done {
    let (key, field) = (call.args.next()?, call.args.next()?);
    let now_ms = call.db.now_ms();
    let hash = call.db.read::<Hash>(key)?;
    call.out.count(
        hash.and_then(|hash| hash.get(field, now_ms))
            .map_or(0, |value| value.len()),
    );
    Ok(Flow::Done)
}

pub const HEXISTS: Command = Command {
    name: "hexists",
    summary: "Tells whether a hash has a field",
    since: "2.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK), Arg::text("field")],
    run: Run::Read(hexists),
    ..Command::PLAIN
};

fn hexists(call: &mut ReadCall<'_>) -> Done {
    let (key, field) = (call.args.next()?, call.args.next()?);
    let now_ms = call.db.now_ms();
    let hash = call.db.read::<Hash>(key)?;
    call.out
        .int(hash.is_some_and(|hash| hash.get(field, now_ms).is_some()));
    Ok(Flow::Done)
}

pub const HRANDFIELD: Command = Command {
    name: "hrandfield",
    summary: "Returns fields at random",
    cost: "O(N) for N fields returned",
    since: "6.2.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::block(
            "options",
            &[
                Arg::int("count"),
                Arg::word("withvalues", "WITHVALUES").optional(),
            ],
        )
        .optional(),
    ],
    run: Run::Read(hrandfield),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn hrandfield(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let count = if call.args.is_empty() {
        None
    } else {
        Some(call.args.mirrored_int()?)
    };
    let with_values = call.args.word("WITHVALUES");
    call.args.end()?;
    if with_values && count.is_some_and(|count| count.unsigned_abs() > i64::MAX as u64 / 2) {
        return Err(Fail::Says("value is out of range"));
    }
    let now_ms = call.db.now_ms();
    let Some(hash) = call
        .db
        .read::<Hash>(key)?
        .filter(|hash| hash.iter(now_ms).next().is_some())
    else {
        match count {
            None => call.out.null(),
            Some(_) => call.out.array(0),
        }
        return Ok(Flow::Done);
    };
    // Positions of fields that readers may see; all of them, but for the moments before a sweep.
    let dead = hash.next_deadline().is_some_and(|due| due <= now_ms);
    let live: Option<Vec<usize>> = dead.then(|| {
        let seen = |place: &usize| hash.get(&hash.nth(*place).0.to_vec(), now_ms).is_some();
        (0..hash.len()).filter(seen).collect()
    });
    let len = live.as_ref().map_or(hash.len(), Vec::len);
    let pick = |place: usize| hash.nth(live.as_ref().map_or(place, |live| live[place]));
    let Some(count) = count else {
        call.out.piece(pick(chance::within(0..len)).0);
        return Ok(Flow::Done);
    };
    let draw = Draw::of(count);
    let pairs_apart = with_values && call.out.resp3();
    let flat = with_values && !call.out.resp3();
    call.out.array(draw.size(len) * if flat { 2 } else { 1 });
    for (field, value) in draw.positions(len).map(pick) {
        if call.out.is_full() {
            break;
        }
        if pairs_apart {
            call.out.array(2);
        }
        call.out.piece(field);
        if with_values {
            call.out.piece(value);
        }
    }
    Ok(Flow::Done)
}

pub const HSCAN: Command = Command {
    name: "hscan",
    summary: "Walks over the fields of a hash, a few per call",
    cost: "O(1) per call, O(N) for a whole walk over N fields",
    since: "2.8.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::int("cursor"),
        Arg::pattern("pattern").token("MATCH").optional(),
        Arg::int("count").token("COUNT").optional(),
        Arg::word("novalues", "NOVALUES").optional().since("7.4.0"),
    ],
    run: Run::Read(hscan),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn hscan(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let cursor = scan::cursor(call.args.next()?)?;
    let Some(hash) = call.db.read::<Hash>(key)? else {
        scan::reply_empty(call.out);
        return Ok(Flow::Done);
    };
    let options = scan::Options::parse(&mut call.args, Some("NOVALUES"))?;
    let mut found = Vec::new();
    let next = hash.scan(cursor, options.count, call.db.now_ms(), |field, value| {
        let field = field.to_vec();
        if options.fits(&field) {
            found.push(field);
            if !options.no_values {
                found.push(value.to_vec());
            }
        }
    });
    scan::reply(next, &found, call.out);
    Ok(Flow::Done)
}
