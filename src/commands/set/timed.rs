//! Members that are added with a time to live, as redis.io documents it since 8.12.

use super::deadline::{MEMBERS, Wording, log, take_members, unknown};
use crate::command::Flag::{DenyOom, Fast};
use crate::command::expiry::{EXPIRATION_OR_KEEPTTL, TimeUnit};
use crate::command::parts::deadline_of;
use crate::command::{Arg, Args, Command, CommandEntry, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::engine::Now;
use crate::types::{LiveSet, Set};

pub const SADDEX: Command = Command {
    name: "saddex",
    summary: "Adds members to a set, which may be new, and sets their time to live",
    cost: "O(N) for N members",
    since: "8.12.0",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::INSERT),
        Arg::one_of(
            "condition",
            &[Arg::word("mnx", "MNX"), Arg::word("mxx", "MXX")],
        )
        .optional(),
        EXPIRATION_OR_KEEPTTL,
        MEMBERS,
    ],
    run: Run::Write(saddex),
    ..Command::PLAIN
};

/// Which members there must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MembersThere {
    Any,
    None,
    All,
}

/// What becomes of the members' deadlines.
#[derive(Clone, Copy)]
enum Expiration {
    Clear,
    Keep,
    At(u64),
}

struct ToAdd<'a> {
    presence: MembersThere,
    expiration: Expiration,
    members: &'a [&'a [u8]],
}

/// The options, in any order.
fn wish<'a>(args: &mut Args<'a>, entry: &CommandEntry, now: Now) -> Result<ToAdd<'a>, Fail> {
    let units = [
        ("EX", TimeUnit::EX),
        ("PX", TimeUnit::PX),
        ("EXAT", TimeUnit::EXAT),
        ("PXAT", TimeUnit::PXAT),
    ];
    let only_one =
        Fail::Says("Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
    let wording = Wording {
        least: 1,
        few: &|| Fail::arity(&entry.full_name),
        no_count: Fail::Says("invalid number of members"),
    };
    let (mut presence, mut expiration) = (MembersThere::Any, None);
    let members = take_members(args, &wording, |args| {
        if let Some((_, unit)) = units.into_iter().find(|(word, _)| args.word(word)) {
            if expiration.is_some() {
                return Err(only_one.clone());
            }
            if args.is_empty() {
                return Err(Fail::Says("missing expire time"));
            }
            let deadline = deadline_of(args.int()?, unit, entry, now)?;
            expiration = Some(Expiration::At(deadline));
            return Ok(());
        }
        if args.word("KEEPTTL") {
            if expiration.is_some() {
                return Err(only_one.clone());
            }
            expiration = Some(Expiration::Keep);
            return Ok(());
        }
        let next = match () {
            () if args.word("MXX") => MembersThere::All,
            () if args.word("MNX") => MembersThere::None,
            () => return Err(unknown(args)),
        };
        if presence != MembersThere::Any {
            return Err(Fail::Says(
                "Only one of MXX or MNX arguments can be specified",
            ));
        }
        presence = next;
        Ok(())
    })?;
    Ok(ToAdd {
        presence,
        expiration: expiration.unwrap_or(Expiration::Clear),
        members,
    })
}

fn saddex(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let (now, limits) = (call.db.now(), &call.db.rules().limits);
    let ToAdd {
        presence,
        expiration,
        members,
    } = wish(&mut call.args, call.entry, now)?;
    let held = call.db.held::<Set>(key)?;
    let held = held.map(|set| LiveSet::new(set, now.due_ms()));
    let is_there = |member: &&&[u8]| held.is_some_and(|set| set.contains(member));
    let there = members.iter().filter(is_there).count();
    let fits = match presence {
        MembersThere::Any => true,
        MembersThere::None => there == 0,
        MembersThere::All => there == members.len(),
    };
    if !fits {
        call.db.mark(key);
        call.out.int(0);
        return Ok(Flow::Done);
    }
    call.out.int(1);
    if let Expiration::At(deadline) = expiration
        && deadline <= call.db.over_ms()
    {
        remove(call, key, members)?;
        return Ok(Flow::Done);
    }
    let mut set = call.db.edit_or_create::<Set>(key)?;
    let mut cleared = Vec::new();
    for member in members {
        set.insert(member, limits);
        match expiration {
            Expiration::Keep => {}
            Expiration::Clear if set.clear_deadline(member) => cleared.push(*member),
            Expiration::Clear => {}
            Expiration::At(deadline) => set.set_deadline(member, deadline, limits),
        }
    }
    set.announce_parts("sadd", members.iter().copied());
    if let Expiration::At(_) = expiration {
        set.announce_parts("sexpire", members.iter().copied());
    }
    drop(set);
    // What is logged are commands that say the same without a condition.
    call.db.log(&[&[b"SADD", key], members].concat());
    if let Expiration::At(deadline) = expiration {
        log(&mut call.db, key, deadline, members, &[]);
    }
    if !cleared.is_empty() {
        let count = cleared.len().to_string();
        let head: [&[u8]; 4] = [b"SPERSIST", key, b"MEMBERS", count.as_bytes()];
        call.db.log(&[&head, &cleared[..]].concat());
    }
    Ok(Flow::Done)
}

/// The members' time is over: those that are there go.
fn remove(call: &mut WriteCall<'_>, key: &[u8], members: &[&[u8]]) -> Result<(), Fail> {
    let Some(mut set) = call.db.edit::<Set>(key)? else {
        return Ok(());
    };
    let gone: Vec<&[u8]> = members
        .iter()
        .copied()
        .filter(|member| set.remove(member))
        .collect();
    if !gone.is_empty() {
        set.announce_parts("srem", gone.iter().copied());
        drop(set);
        log(&mut call.db, key, 0, &[], &gone);
    }
    Ok(())
}
