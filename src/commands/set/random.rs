//! Members at random.

use crate::command::Flag::Fast;
use crate::command::sample::Draw;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::types::Set;

pub const SPOP: Command = Command {
    name: "spop",
    summary: "Takes members at random out of a set",
    cost: "O(N) for N members taken",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ_DELETE),
        Arg::int("count").optional().since("3.2.0"),
    ],
    run: Run::Write(spop),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn spop(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let count = match call.args.len() {
        0 => None,
        1 => Some(call.args.positive()?),
        _ => return Err(Fail::SYNTAX),
    };
    let mut set = call.db.edit::<Set>(key)?;
    let taken = match &mut set {
        Some(set) => set.take_some(count.unwrap_or(1)),
        None => Vec::new(),
    };
    let Some(mut set) = set.filter(|_| !taken.is_empty()) else {
        match count {
            Some(_) => call.out.set(0),
            None => call.out.null(),
        }
        return Ok(Flow::Done);
    };
    set.announce("spop");
    drop(set);
    let mut record: Vec<&[u8]> = vec![b"SREM", key];
    record.extend(taken.iter().map(|member| &member[..]));
    call.db.log(&record);
    if count.is_some() {
        call.out.set(taken.len());
    }
    taken.iter().for_each(|member| call.out.bulk(member));
    Ok(Flow::Done)
}

pub const SRANDMEMBER: Command = Command {
    name: "srandmember",
    summary: "Returns members at random",
    cost: "O(N) for N members returned",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::int("count").optional().since("2.6.0"),
    ],
    run: Run::Read(srandmember),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn srandmember(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let count = match call.args.len() {
        0 => None,
        1 => Some(call.args.mirrored_int()?),
        _ => return Err(Fail::SYNTAX),
    };
    // Of a set whose members are all due nothing is left to see.
    let set = call.db.members(key)?.filter(|set| !set.is_empty());
    let Some(set) = set else {
        match count {
            None => call.out.null(),
            Some(_) => call.out.array(0),
        }
        return Ok(Flow::Done);
    };
    let seen = set.count();
    let draw = count.map_or(Draw::WithRepeats(1), Draw::of);
    if count.is_some() {
        call.out.array(draw.size(seen));
    }
    for place in draw.seen(set.len(), seen, |place| set.is_seen(place)) {
        if call.out.is_full() {
            break;
        }
        call.out.piece(set.nth(place));
    }
    Ok(Flow::Done)
}
