//! Several strings set together: all of them, or none.

use super::compare::Demand;
use super::value::store;
use crate::command::Flag::DenyOom;
use crate::command::expiry::{EXPIRATION_OR_KEEPTTL, ExpiryOption};
use crate::command::{
    Arg, Begin, Command, Done, Fail, Find, Flow, KeySpec, KeyUse, Run, WriteCall,
};
use crate::engine::Deadline;

pub const MSETEX: Command = Command {
    name: "msetex",
    summary: "Sets several strings at once, and their time to live",
    cost: "O(N) for N keys",
    since: "8.4.0",
    flags: &[DenyOom],
    args: &[
        Arg::int("numkeys"),
        Arg::block(
            "data",
            &[Arg::key("key", KeyUse::OVERWRITE), Arg::text("value")],
        )
        .many(),
        Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")]).optional(),
        EXPIRATION_OR_KEEPTTL,
    ],
    keys: Some(&[KeySpec {
        used: KeyUse::OVERWRITE,
        begin: Begin::Index(1),
        find: Find::Count {
            num: 0,
            first: 1,
            step: 2,
        },
    }]),
    run: Run::Write(msetex),
    tips: &[
        "request_policy:multi_shard",
        "response_policy:all_succeeded",
    ],
    ..Command::PLAIN
};

fn msetex(call: &mut WriteCall<'_>) -> Done {
    let count = call
        .args
        .int_in(1..=i64::from(i32::MAX), Fail::Says("invalid numkeys value"))?;
    let pairs = call.args.take(2 * count as usize);
    let pairs = pairs.map_err(|_| Fail::Says("wrong number of key-value pairs"))?;
    let mut demand = Demand::None;
    let (mut keep, mut said) = (false, None);
    while !call.args.is_empty() {
        if demand.take_presence(&mut call.args) {
            // It is asked once all options are read.
        } else if said.is_none() && call.args.word("KEEPTTL") {
            keep = true;
        } else if keep || said.is_some() {
            return Err(Fail::SYNTAX);
        } else {
            said = Some(ExpiryOption::take(&mut call.args)?.ok_or(Fail::SYNTAX)?);
        }
    }
    let deadline = match said {
        Some(said) => Deadline::At(said.deadline_ms(call.entry, call.db.now())?),
        None if keep => Deadline::Keep,
        None => Deadline::Clear,
    };
    for pair in pairs.chunks_exact(2) {
        if !demand.is_met(&call.db, pair[0])? {
            call.out.int(false);
            return Ok(Flow::Done);
        }
    }
    for pair in pairs.chunks_exact(2) {
        store(call, pair[0], pair[1], deadline);
    }
    call.out.int(true);
    Ok(Flow::Done)
}
