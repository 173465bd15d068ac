//! Single places: adding and reading them.

use super::{UNIT, position, reply_position, unit};
use crate::command::Flag::DenyOom;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::types::ZSet;
use crate::types::geo::{self, Coordinates};
use crate::types::zset::Inserted;

pub const GEOADD: Command = Command {
    name: "geoadd",
    summary: "Adds places, or moves the ones that are there",
    cost: "O(log(N)) for each place",
    since: "3.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")])
            .optional()
            .since("6.2.0"),
        Arg::word("change", "CH").optional().since("6.2.0"),
        Arg::block(
            "data",
            &[
                Arg::double("longitude"),
                Arg::double("latitude"),
                Arg::text("member"),
            ],
        )
        .many(),
    ],
    run: Run::Write(geoadd),
    ..Command::PLAIN
};

fn geoadd(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let (mut nx, mut xx, mut changed) = (false, false, false);
    loop {
        if call.args.word("NX") {
            nx = true;
        } else if call.args.word("XX") {
            xx = true;
        } else if call.args.word("CH") {
            changed = true;
        } else {
            break;
        }
    }
    if !call.args.len().is_multiple_of(3) || (nx && xx) {
        return Err(Fail::SYNTAX);
    }
    let mut places = Vec::new();
    while !call.args.is_empty() {
        places.push((position(&mut call.args)?, call.args.next()?));
    }
    let limits = &call.db.rules().limits;
    let mut zset = call.db.edit_or_create::<ZSet>(key)?;
    let (mut added, mut moved) = (0, 0);
    for (position, member) in places {
        let held = zset.score(member).is_some();
        if (nx && held) || (xx && !held) {
            continue;
        }
        match zset.insert(member, position.score(), limits) {
            Inserted::Added => added += 1,
            Inserted::Moved => moved += 1,
            Inserted::Same => {}
        }
    }
    if added + moved > 0 {
        zset.announce("zadd");
    }
    call.out.count(if changed { added + moved } else { added });
    Ok(Flow::Done)
}

pub const GEOPOS: Command = Command {
    name: "geopos",
    summary: "Returns where places are",
    cost: "O(1) for each place",
    since: "3.2.0",
    args: &[Arg::key("key", KeyUse::READ), Arg::text("member").many()],
    run: Run::Read(geopos),
    arity: Some(-2),
    ..Command::PLAIN
};

fn geopos(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let zset = call.db.read::<ZSet>(key)?;
    let members = call.args.rest();
    call.out.array(members.len());
    for member in members {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => reply_position(Coordinates::of_score(score), call.out),
            None => call.out.null_array(),
        }
    }
    Ok(Flow::Done)
}

pub const GEOHASH: Command = Command {
    name: "geohash",
    summary: "Returns the geohashes of places as text",
    cost: "O(1) for each place",
    since: "3.2.0",
    args: &[Arg::key("key", KeyUse::READ), Arg::text("member").many()],
    run: Run::Read(geohash),
    arity: Some(-2),
    ..Command::PLAIN
};

fn geohash(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let zset = call.db.read::<ZSet>(key)?;
    let members = call.args.rest();
    call.out.array(members.len());
    for member in members {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => call.out.bulk(Coordinates::of_score(score).geohash()),
            None => call.out.null(),
        }
    }
    Ok(Flow::Done)
}

pub const GEODIST: Command = Command {
    name: "geodist",
    summary: "Returns the distance between two places",
    since: "3.2.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("member1"),
        Arg::text("member2"),
        UNIT.optional(),
    ],
    run: Run::Read(geodist),
    ..Command::PLAIN
};

fn geodist(call: &mut ReadCall<'_>) -> Done {
    let (key, first, second) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let metres = match call.args.len() {
        0 => 1.0,
        1 => unit(&mut call.args)?,
        _ => return Err(Fail::SYNTAX),
    };
    let zset = call.db.read::<ZSet>(key)?;
    let place = |member| {
        zset.and_then(|zset| zset.score(member))
            .map(Coordinates::of_score)
    };
    match (place(first), place(second)) {
        (Some(a), Some(b)) => {
            let mut text = Vec::new();
            geo::write_distance(a.distance_m(&b) / metres, &mut text);
            call.out.bulk(&text);
        }
        _ => call.out.null(),
    }
    Ok(Flow::Done)
}
