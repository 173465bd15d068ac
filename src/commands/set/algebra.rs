//! Intersections, unions and differences.

use crate::command::Flag::DenyOom;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::engine::{Class, Db, Deadline};
use crate::types::{LiveSet, Piece, Set, Type};

#[derive(Clone, Copy, PartialEq, Eq)]
enum SetOperation {
    Inter,
    Union,
    Diff,
}

pub const SINTER: Command = Command {
    name: "sinter",
    summary: "Returns the members that all of several sets have",
    cost: "O(N*M) for the smallest set of N members and M sets",
    args: &[Arg::key("key", KeyUse::READ).many()],
    run: Run::Read(|call| answer(call, SetOperation::Inter)),
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

pub const SINTERSTORE: Command = Command {
    name: "sinterstore",
    summary: "Stores the members that all of several sets have",
    cost: "O(N*M) for the smallest set of N members and M sets",
    flags: &[DenyOom],
    args: &[
        Arg::key("destination", KeyUse::OVERWRITE),
        Arg::key("key", KeyUse::READ).many(),
    ],
    run: Run::Write(|call| store(call, SetOperation::Inter, "sinterstore")),
    ..Command::PLAIN
};

pub const SUNION: Command = Command {
    name: "sunion",
    summary: "Returns the members that any of several sets has",
    cost: "O(N) for N members in all sets",
    args: &[Arg::key("key", KeyUse::READ).many()],
    run: Run::Read(|call| answer(call, SetOperation::Union)),
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

pub const SUNIONSTORE: Command = Command {
    name: "sunionstore",
    summary: "Stores the members that any of several sets has",
    cost: "O(N) for N members in all sets",
    flags: &[DenyOom],
    args: &[
        Arg::key("destination", KeyUse::OVERWRITE),
        Arg::key("key", KeyUse::READ).many(),
    ],
    run: Run::Write(|call| store(call, SetOperation::Union, "sunionstore")),
    ..Command::PLAIN
};

pub const SDIFF: Command = Command {
    name: "sdiff",
    summary: "Returns the members of the first set that no other has",
    cost: "O(N) for N members in all sets",
    args: &[Arg::key("key", KeyUse::READ).many()],
    run: Run::Read(|call| answer(call, SetOperation::Diff)),
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

pub const SDIFFSTORE: Command = Command {
    name: "sdiffstore",
    summary: "Stores the members of the first set that no other has",
    cost: "O(N) for N members in all sets",
    flags: &[DenyOom],
    args: &[
        Arg::key("destination", KeyUse::OVERWRITE),
        Arg::key("key", KeyUse::READ).many(),
    ],
    run: Run::Write(|call| store(call, SetOperation::Diff, "sdiffstore")),
    ..Command::PLAIN
};

fn answer(call: &mut ReadCall<'_>, operation: SetOperation) -> Done {
    let keys = call.args.rest();
    let open = call.out.open_set();
    let mut count = 0;
    combine(operation, sources(&call.db, keys)?, |piece| {
        call.out.piece(piece);
        count += 1;
        true
    });
    call.out.close(open, count);
    Ok(Flow::Done)
}

fn store(call: &mut WriteCall<'_>, operation: SetOperation, event: &'static str) -> Done {
    let target = call.args.next()?;
    let limits = &call.db.rules().limits;
    let mut result = Set::new();
    let mut digits = itoa::Buffer::new();
    let keys = call.args.rest();
    let sources = sources(&call.db, keys)?;
    let timed = timed(operation, &sources);
    combine(operation, sources, |piece| {
        let member = piece.as_bytes(&mut digits);
        result.insert(member, limits);
        // The nearest of the deadlines that it has in any of them.
        let deadlines = timed.iter().filter_map(|set| set.deadline(member));
        if let Some(deadline) = deadlines.min() {
            result.set_deadline(member, deadline, limits);
        }
        true
    });
    let len = result.len();
    if len == 0 {
        call.db.delete(target);
    } else {
        call.db.set(target, result.wrap(), Deadline::Clear);
        call.db.announce(Class::Set, event, target);
    }
    call.out.count(len);
    Ok(Flow::Done)
}

type Sources<'a> = Vec<Option<LiveSet<'a>>>;

fn sources<'a>(db: &'a Db<'_>, keys: &[&[u8]]) -> Result<Sources<'a>, Fail> {
    let sets = keys.iter().map(|key| db.members(key));
    Ok(sets.collect::<Result<_, _>>()?)
}

/// The sets whose members bring their deadlines into the result.
fn timed<'a>(operation: SetOperation, sets: &Sources<'a>) -> Vec<LiveSet<'a>> {
    let sets = match operation {
        SetOperation::Diff => &sets[..1],
        SetOperation::Inter | SetOperation::Union => sets,
    };
    let is_timed = |set: &LiveSet<'_>| set.whole().next_deadline().is_some();
    sets.iter().flatten().copied().filter(is_timed).collect()
}

/// Visits each member of the result once, until `visit` says that it has enough.
fn combine(operation: SetOperation, sets: Sources<'_>, mut visit: impl FnMut(Piece<'_>) -> bool) {
    let mut digits = itoa::Buffer::new();
    match operation {
        SetOperation::Inter => {
            let Some(mut sets) = sets.into_iter().collect::<Option<Vec<_>>>() else {
                return;
            };
            sets.sort_by_key(|set| set.len());
            for piece in sets[0].iter() {
                let member = piece.as_bytes(&mut digits);
                if sets[1..].iter().all(|set| set.contains(member)) && !visit(piece) {
                    break;
                }
            }
        }
        SetOperation::Union => {
            let sets: Vec<_> = sets.into_iter().flatten().collect();
            for (at, set) in sets.iter().enumerate() {
                for piece in set.iter() {
                    let member = piece.as_bytes(&mut digits);
                    // Seen before if an earlier set has it: no table of what was seen is needed.
                    if !sets[..at].iter().any(|set| set.contains(member)) && !visit(piece) {
                        return;
                    }
                }
            }
        }
        SetOperation::Diff => {
            let Some(first) = sets[0] else {
                return;
            };
            let others: Vec<_> = sets[1..].iter().flatten().copied().collect();
            for piece in first.iter() {
                let member = piece.as_bytes(&mut digits);
                if !others.iter().any(|set| set.contains(member)) && !visit(piece) {
                    break;
                }
            }
        }
    }
}

pub const SINTERCARD: Command = Command {
    name: "sintercard",
    summary: "Counts the members that all of several sets have",
    cost: "O(N*M) for the smallest set of N members and M sets",
    since: "7.0.0",
    args: &[
        Arg::int("numkeys"),
        Arg::key("key", KeyUse::READ).many(),
        Arg::int("limit").token("LIMIT").optional(),
    ],
    run: Run::Read(|call| count(call, SetOperation::Inter)),
    ..Command::PLAIN
};

pub const SUNIONCARD: Command = Command {
    name: "sunioncard",
    summary: "Counts the members that any of several sets has",
    cost: "O(N) for N members in all sets",
    since: "8.10.0",
    args: &[
        Arg::int("numkeys"),
        Arg::key("key", KeyUse::READ).many(),
        Arg::word("approx", "APPROX").optional(),
        Arg::int("limit").token("LIMIT").optional(),
    ],
    run: Run::Read(|call| count(call, SetOperation::Union)),
    ..Command::PLAIN
};

pub const SDIFFCARD: Command = Command {
    name: "sdiffcard",
    summary: "Counts the members of the first set that no other has",
    cost: "O(N) for N members in all sets",
    since: "8.10.0",
    args: &[
        Arg::int("numkeys"),
        Arg::key("key", KeyUse::READ).many(),
        Arg::int("limit").token("LIMIT").optional(),
    ],
    run: Run::Read(|call| count(call, SetOperation::Diff)),
    ..Command::PLAIN
};

fn count(call: &mut ReadCall<'_>, operation: SetOperation) -> Done {
    let count = call
        .args
        .int_in(1..=i64::MAX, Fail::Says("numkeys should be greater than 0"))?;
    if count > call.args.len() as i64 {
        return Err(Fail::Says(
            "Number of keys can't be greater than number of args",
        ));
    }
    let keys = call.args.take(count as usize)?;
    let mut limit = 0;
    while !call.args.is_empty() {
        // Counting a union needs no memory here, so that there is nothing to be gained by an estimate.
        if operation == SetOperation::Union && call.args.word("APPROX") {
            continue;
        }
        if !call.args.word_with("LIMIT", 1) {
            return Err(Fail::SYNTAX);
        }
        limit = call
            .args
            .int_in(0..=i64::MAX, Fail::Says("LIMIT can't be negative"))?;
    }
    let mut found = 0;
    combine(operation, sources(&call.db, keys)?, |_| {
        found += 1;
        found != limit
    });
    call.out.int(found);
    Ok(Flow::Done)
}
