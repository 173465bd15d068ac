//! Reading hashes.

use hashbrown::HashSet;

use crate::command::Flag::Fast;
use crate::command::parts::is_among;
use crate::command::sample::Draw;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Rest, Run, scan};
use crate::resp::Reply;
use crate::types::{Bstr, Hash, HashRef, Piece, Type, TypeRef};

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
    begin(call.out, hash.count(now_ms));
    if hash.len() >= Rest::MIN {
        let due: HashSet<Bstr> = hash.due(now_ms).cloned().collect();
        return Ok(Flow::Rest(Box::new(Rest {
            len: hash.len(),
            value: hash.frozen().wrap(),
            write: Box::new(move |value, range, out| {
                let hash = Hash::of(value).expect("it is given that hash");
                let pairs = range.map(|pos| hash.nth(pos));
                pairs
                    .filter(|(field, _)| !is_among(&due, field))
                    .for_each(|pair| show(pair, out));
            }),
        })));
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
        .filter(|hash| !hash.is_all_due(now_ms))
    else {
        match count {
            None => call.out.null(),
            Some(_) => call.out.array(0),
        }
        return Ok(Flow::Done);
    };
    let seen = hash.count(now_ms);
    let draw = count.map_or(Draw::WithRepeats(1), Draw::of);
    let pairs_apart = with_values && call.out.resp3();
    let flat = with_values && !call.out.resp3();
    if count.is_some() {
        call.out.array(draw.size(seen) * if flat { 2 } else { 1 });
    }
    let places = draw.seen(hash.len(), seen, |place| hash.is_seen(place, now_ms));
    for (field, value) in places.map(|place| hash.nth(place)) {
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
    let options = scan::ScanOptions::parse(&mut call.args, Some("NOVALUES"))?;
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
