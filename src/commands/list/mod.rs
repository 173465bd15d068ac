//! Lists: queues, stacks, and what waits for them.

mod block;
mod edit;
mod look;
mod moves;
mod pop;
mod push;
mod rotate;

use crate::command::{Arg, Args, Fail, Family};
use crate::types::{Limits, List, Piece};

pub const FAMILY: Family = Family {
    group: "list",
    category: "list",
    commands: &[
        &push::LPUSH,
        &push::RPUSH,
        &push::LPUSHX,
        &push::RPUSHX,
        &pop::LPOP,
        &pop::RPOP,
        &pop::LMPOP,
        &block::BLPOP,
        &block::BRPOP,
        &block::BLMPOP,
        &block::BLMOVE,
        &block::BRPOPLPUSH,
        &rotate::LMOVE,
        &rotate::RPOPLPUSH,
        &moves::LMOVEM,
        &moves::BLMOVEM,
        &look::LLEN,
        &look::LRANGE,
        &look::LINDEX,
        &look::LPOS,
        &edit::LSET,
        &edit::LINSERT,
        &edit::LREM,
        &edit::LTRIM,
    ],
};

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Left,
    Right,
}

const ENDS: &[Arg] = &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")];

impl End {
    fn parse(args: &mut Args<'_>) -> Result<Self, Fail> {
        if args.word("LEFT") {
            Ok(End::Left)
        } else if args.word("RIGHT") {
            Ok(End::Right)
        } else {
            Err(Fail::SYNTAX)
        }
    }

    /// The event of a pop at this end.
    fn popped(self) -> &'static str {
        match self {
            End::Left => "lpop",
            End::Right => "rpop",
        }
    }

    /// The event of a push at this end.
    fn pushed(self) -> &'static str {
        match self {
            End::Left => "lpush",
            End::Right => "rpush",
        }
    }

    /// The command that pops at this end, as the log has it.
    fn pop_word(self) -> &'static [u8] {
        match self {
            End::Left => b"LPOP",
            End::Right => b"RPOP",
        }
    }

    fn word(self) -> &'static [u8] {
        match self {
            End::Left => b"LEFT",
            End::Right => b"RIGHT",
        }
    }

    fn other(self) -> Self {
        match self {
            End::Left => End::Right,
            End::Right => End::Left,
        }
    }

    fn push(self, list: &mut List, element: &[u8], limits: &Limits) {
        match self {
            End::Left => list.push_front(element, limits),
            End::Right => list.push_back(element, limits),
        }
    }

    fn peek(self, list: &List) -> Option<Piece<'_>> {
        match self {
            End::Left => list.front(),
            End::Right => list.back(),
        }
    }

    fn drop(self, list: &mut List, count: usize) {
        match self {
            End::Left => list.drop_front(count),
            End::Right => list.drop_back(count),
        }
    }
}

/// The elements from `start` to `stop`, both included and counted from the end if negative.
fn span(len: usize, start: i64, stop: i64) -> std::ops::Range<usize> {
    let len = len as i64;
    let from_end = |at: i64| if at < 0 { at.saturating_add(len) } else { at };
    let (start, stop) = (from_end(start).max(0), from_end(stop).min(len - 1));
    if start > stop {
        0..0
    } else {
        start as usize..stop as usize + 1
    }
}
