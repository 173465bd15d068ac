//! Reading lists.

use crate::command::Flag::Fast;
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, ReadCall, Run};
use crate::types::List;

pub const LLEN: Command = Command {
    name: "llen",
    summary: "Returns the length of a list",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(llen),
    ..Command::PLAIN
};

fn llen(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    call.out
        .count(call.db.read::<List>(key)?.map_or(0, List::len));
    Ok(Flow::Done)
}

pub const LRANGE: Command = Command {
    name: "lrange",
    summary: "Returns the elements from one index to another",
    cost: "O(S+N) for N elements at a distance of S from an end",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::int("start"),
        Arg::int("stop"),
    ],
    run: Run::Read(lrange),
    ..Command::PLAIN
};

fn lrange(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let (start, stop) = (call.args.int()?, call.args.int()?);
    let list = call.db.read::<List>(key)?;
    let range = list.map_or(0..0, |list| super::span(list.len(), start, stop));
    call.out.array(range.len());
    if let Some(list) = list.filter(|_| !range.is_empty()) {
        list.iter_from(range.start, false)
            .take(range.len())
            .for_each(|piece| call.out.piece(piece));
    }
    Ok(Flow::Done)
}

pub const LINDEX: Command = Command {
    name: "lindex",
    summary: "Returns the element at an index",
    cost: "O(N) for N elements up to the index",
    args: &[Arg::key("key", KeyUse::READ), Arg::int("index")],
    run: Run::Read(lindex),
    ..Command::PLAIN
};

fn lindex(call: &mut ReadCall<'_>) -> Done {
    let (key, index) = (call.args.next()?, call.args.next()?);
    let list = call.db.read::<List>(key)?;
    let Some(list) = list else {
        call.out.null();
        return Ok(Flow::Done);
    };
    let index = crate::util::number::parse_i64(index).ok_or(Fail::NOT_INTEGER)?;
    call.out.piece_or_null(list.get(index));
    Ok(Flow::Done)
}

pub const LPOS: Command = Command {
    name: "lpos",
    summary: "Returns the indexes of an element's occurrences",
    cost: "O(N) for N elements looked at",
    since: "6.0.6",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("element"),
        Arg::int("rank").token("RANK").optional(),
        Arg::int("num-matches").token("COUNT").optional(),
        Arg::int("len").token("MAXLEN").optional(),
    ],
    run: Run::Read(lpos),
    ..Command::PLAIN
};

struct LPosOptions {
    rank: i64,
    /// `None` for the first match alone, 0 for all.
    count: Option<usize>,
    /// Elements compared at most; 0 for all.
    max_len: usize,
}

impl LPosOptions {
    fn parse(args: &mut Args<'_>) -> Result<Self, Fail> {
        let mut search = LPosOptions {
            rank: 1,
            count: None,
            max_len: 0,
        };
        while !args.is_empty() {
            if args.word_with("RANK", 1) {
                search.rank = args.mirrored_int()?;
                if search.rank == 0 {
                    return Err(Fail::Says(
                        "RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
                    ));
                }
            } else if args.word_with("COUNT", 1) {
                let fail = Fail::Says("COUNT can't be negative");
                search.count = Some(args.int_in(0..=i64::MAX, fail)? as usize);
            } else if args.word_with("MAXLEN", 1) {
                let fail = Fail::Says("MAXLEN can't be negative");
                search.max_len = args.int_in(0..=i64::MAX, fail)? as usize;
            } else {
                return Err(Fail::SYNTAX);
            }
        }
        Ok(search)
    }

    fn run(&self, list: &List, element: &[u8]) -> Vec<usize> {
        let backwards = self.rank < 0;
        let skip = self.rank.unsigned_abs() as usize - 1;
        let wanted = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        let compared = if self.max_len == 0 {
            usize::MAX
        } else {
            self.max_len
        };
        let last = list.len() - 1;
        let pieces = list.iter_from(if backwards { last } else { 0 }, backwards);
        let hits = pieces
            .take(compared)
            .enumerate()
            .filter(|(_, piece)| piece.is(element));
        let at = |step: usize| if backwards { last - step } else { step };
        hits.skip(skip)
            .take(wanted)
            .map(|(step, _)| at(step))
            .collect()
    }
}

fn lpos(call: &mut ReadCall<'_>) -> Done {
    let (key, element) = (call.args.next()?, call.args.next()?);
    let search = LPosOptions::parse(&mut call.args)?;
    let found = call
        .db
        .read::<List>(key)?
        .map_or(Vec::new(), |list| search.run(list, element));
    match (search.count, found.first()) {
        (Some(_), _) => {
            call.out.array(found.len());
            found.iter().for_each(|at| call.out.count(*at));
        }
        (None, Some(at)) => call.out.count(*at),
        (None, None) => call.out.null(),
    }
    Ok(Flow::Done)
}
