//! Reading sets.

use hashbrown::HashSet;

use crate::command::Flag::Fast;
use crate::command::parts::is_among;
use crate::command::{Arg, Command, Done, Flow, KeyUse, ReadCall, Rest, Run, scan};
use crate::types::{Bstr, LiveSet, Set, Type, TypeRef};

pub const SCARD: Command = Command {
    name: "scard",
    summary: "Counts the members of a set",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(scard),
    ..Command::PLAIN
};

fn scard(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    call.out
        .count(call.db.read::<Set>(key)?.map_or(0, Set::len));
    Ok(Flow::Done)
}

pub const SISMEMBER: Command = Command {
    name: "sismember",
    summary: "Tells whether something is a member of a set",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK), Arg::text("member")],
    run: Run::Read(sismember),
    ..Command::PLAIN
};

fn sismember(call: &mut ReadCall<'_>) -> Done {
    let (key, member) = (call.args.next()?, call.args.next()?);
    call.out.int(
        call.db
            .members(key)?
            .is_some_and(|set| set.contains(member)),
    );
    Ok(Flow::Done)
}

pub const SMISMEMBER: Command = Command {
    name: "smismember",
    summary: "Tells which of several things are members of a set",
    cost: "O(N) for N things",
    since: "6.2.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::READ), Arg::text("member").many()],
    run: Run::Read(smismember),
    ..Command::PLAIN
};

fn smismember(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let set = call.db.members(key)?;
    let members = call.args.rest();
    call.out.array(members.len());
    for member in members {
        call.out.int(set.is_some_and(|set| set.contains(member)));
    }
    Ok(Flow::Done)
}

pub const SMEMBERS: Command = Command {
    name: "smembers",
    summary: "Returns all members of a set",
    cost: "O(N) for N members",
    args: &[Arg::key("key", KeyUse::READ)],
    run: Run::Read(smembers),
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

fn smembers(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let set = call.db.members(key)?;
    call.out.set(set.map_or(0, LiveSet::count));
    match set {
        Some(set) if set.len() >= Rest::MIN => {
            let due: HashSet<Bstr> = set.due().cloned().collect();
            Ok(Flow::Rest(Box::new(Rest {
                len: set.len(),
                value: set.whole().frozen().wrap(),
                write: Box::new(move |value, range, out| {
                    let set = Set::of(value).expect("it is given that set");
                    let members = range.map(|pos| set.nth(pos));
                    members
                        .filter(|member| !is_among(&due, member))
                        .for_each(|member| out.piece(member));
                }),
            })))
        }
        set => {
            let members = set.iter().flat_map(|set| set.iter());
            members.for_each(|member| call.out.piece(member));
            Ok(Flow::Done)
        }
    }
}

pub const SSCAN: Command = Command {
    name: "sscan",
    summary: "Walks over the members of a set, a few per call",
    cost: "O(1) per call, O(N) for a whole walk over N members",
    since: "2.8.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::int("cursor"),
        Arg::pattern("pattern").token("MATCH").optional(),
        Arg::int("count").token("COUNT").optional(),
    ],
    run: Run::Read(sscan),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn sscan(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let cursor = scan::cursor(call.args.next()?)?;
    let Some(set) = call.db.members(key)? else {
        scan::reply_empty(call.out);
        return Ok(Flow::Done);
    };
    let options = scan::ScanOptions::parse(&mut call.args, None)?;
    let mut digits = itoa::Buffer::new();
    let mut found = Vec::new();
    let next = set.scan(cursor, options.count, |member| {
        let member = member.as_bytes(&mut digits);
        if options.fits(member) {
            found.push(member.to_vec());
        }
    });
    scan::reply(next, &found, call.out);
    Ok(Flow::Done)
}
