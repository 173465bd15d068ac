//! Several elements at once from one list to another.
//!
//! All of them are taken before the first is added. The log has them as elements added and taken, which every version knows.

use super::{ENDS, End};
use crate::command::Flag::{Blocking, DenyOom};
use crate::command::{
    Arg, Args, Command, Done, Fail, Flow, KeyUse, OnTimeout, Run, WriteCall, timeout,
};
use crate::types::{Limits, List};

const SOURCE: Arg = Arg::key("source", KeyUse::READ_DELETE);
const TARGET: Arg = Arg::key("destination", KeyUse::INSERT);
const HOW_MANY: Arg = Arg::block(
    "how-many",
    &[
        Arg::one_of(
            "selector",
            &[
                Arg::int("count").token("COUNT"),
                Arg::int("exactly").token("EXACTLY"),
            ],
        ),
        Arg::one_of(
            "ordering",
            &[Arg::word("obo", "OBO"), Arg::word("bulk", "BULK")],
        ),
    ],
)
.optional();

pub const LMOVEM: Command = Command {
    name: "lmovem",
    summary: "Takes elements from one list and adds them to another",
    cost: "O(N) for N elements moved",
    since: "8.10.0",
    flags: &[DenyOom],
    args: &[
        SOURCE,
        TARGET,
        Arg::one_of("wherefrom", ENDS),
        Arg::one_of("whereto", ENDS),
        HOW_MANY,
    ],
    run: Run::Write(lmovem),
    ..Command::PLAIN
};

pub const BLMOVEM: Command = Command {
    name: "blmovem",
    summary: "Takes elements from one list and adds them to another, or waits for some",
    cost: "O(N) for N elements moved",
    since: "8.10.0",
    flags: &[DenyOom, Blocking],
    args: &[
        SOURCE,
        TARGET,
        Arg::one_of("wherefrom", ENDS),
        Arg::one_of("whereto", ENDS),
        Arg::double("timeout"),
        HOW_MANY,
    ],
    run: Run::Write(blmovem),
    ..Command::PLAIN
};

/// What is to be moved, and how.
struct Conveyance<'a> {
    from: &'a [u8],
    to: &'a [u8],
    take: End,
    add: End,
    count: usize,
    /// Fewer than that are not moved.
    is_exact: bool,
    /// They come to stand as if each had been added as soon as it was taken, and not in the order in which they stood.
    one_by_one: bool,
}

impl<'a> Conveyance<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Self, Fail> {
        Ok(Conveyance {
            from: args.next()?,
            to: args.next()?,
            take: End::parse(args)?,
            add: End::parse(args)?,
            count: 1,
            is_exact: false,
            one_by_one: false,
        })
    }

    /// How many, and in which order.
    fn parse_how_many(&mut self, args: &mut Args<'a>) -> Result<(), Fail> {
        if args.is_empty() {
            return Ok(());
        }
        self.is_exact = args.word_with("EXACTLY", 2);
        if !self.is_exact && !args.word_with("COUNT", 2) {
            return Err(Fail::SYNTAX);
        }
        let fail = Fail::Says("count should be greater than 0");
        self.count = args.int_in(1..=i64::MAX, fail)? as usize;
        self.one_by_one = args.word("OBO");
        if !self.one_by_one && !args.word("BULK") {
            return Err(Fail::SYNTAX);
        }
        args.end()
    }

    /// The elements that are to be moved, in the order in which they come to stand; none if there are too few.
    fn choose(&self, list: &List) -> Vec<Vec<u8>> {
        let count = self.count.min(list.len());
        if self.is_exact && count < self.count {
            return Vec::new();
        }
        let first = match self.take {
            End::Left => 0,
            End::Right => list.len() - count,
        };
        let mut chosen: Vec<Vec<u8>> = list
            .iter_from(first, false)
            .take(count)
            .map(|element| element.to_vec())
            .collect();
        // Between opposite ends both ways come to the same.
        if self.one_by_one && self.take == self.add {
            chosen.reverse();
        }
        chosen
    }

    /// Moves the elements and answers with them; false if there are too few.
    fn serve(&self, call: &mut WriteCall<'_>) -> Result<bool, Fail> {
        let Some(source) = call.db.held::<List>(self.from)? else {
            return Ok(false);
        };
        let chosen = self.choose(source);
        if chosen.is_empty() {
            return Ok(false);
        }
        call.db.held::<List>(self.to)?;
        if self.from == self.to {
            self.turn(call, &chosen)?;
        } else {
            self.shift(call, &chosen)?;
        }
        call.out.array(chosen.len());
        chosen.iter().for_each(|element| call.out.bulk(element));
        Ok(true)
    }

    /// Within one list, which is never empty for others.
    fn turn(&self, call: &mut WriteCall<'_>, chosen: &[Vec<u8>]) -> Result<(), Fail> {
        let limits = &call.db.rules().limits;
        let mut list = call.db.edit_or_create::<List>(self.from)?;
        let (count, is_all) = (chosen.len(), chosen.len() == list.len());
        let stays = self.take == self.add && (count == 1 || !self.one_by_one);
        if !stays {
            self.take.drop(&mut list, count);
            self.add_all(&mut list, chosen, limits);
        }
        list.announce(self.add.pushed());
        list.announce(self.take.popped());
        drop(list);
        if stays {
            let end = self.take.word();
            call.db.log(&[b"LMOVE", self.from, self.from, end, end]);
        } else if self.take != self.add {
            self.log_added(call, chosen);
            self.log_taken(call, self.take, count);
        } else if is_all {
            // What stood there before is at the other end by then.
            self.log_added(call, chosen);
            self.log_taken(call, self.take.other(), count);
        } else {
            self.log_taken(call, self.take, count);
            self.log_added(call, chosen);
        }
        Ok(())
    }

    fn shift(&self, call: &mut WriteCall<'_>, chosen: &[Vec<u8>]) -> Result<(), Fail> {
        let limits = &call.db.rules().limits;
        let mut target = call.db.edit_or_create::<List>(self.to)?;
        self.add_all(&mut target, chosen, limits);
        target.announce(self.add.pushed());
        drop(target);
        if let Some(mut source) = call.db.edit::<List>(self.from)? {
            self.take.drop(&mut source, chosen.len());
            source.announce(self.take.popped());
        }
        self.log_added(call, chosen);
        self.log_taken(call, self.take, chosen.len());
        Ok(())
    }

    fn add_all(&self, list: &mut List, chosen: &[Vec<u8>], limits: &Limits) {
        self.in_order(chosen)
            .for_each(|element| self.add.push(list, element, limits));
    }

    /// The elements in the order in which they are added.
    fn in_order<'e>(&self, chosen: &'e [Vec<u8>]) -> impl Iterator<Item = &'e Vec<u8>> {
        let is_back = self.add == End::Left;
        let len = chosen.len();
        (0..len).map(move |at| &chosen[if is_back { len - 1 - at } else { at }])
    }

    fn log_added(&self, call: &mut WriteCall<'_>, chosen: &[Vec<u8>]) {
        if !call.db.effects().wanted.log {
            return;
        }
        let word = match self.add {
            End::Left => &b"LPUSH"[..],
            End::Right => b"RPUSH",
        };
        let mut record = vec![word, self.to];
        record.extend(self.in_order(chosen).map(|element| &element[..]));
        call.db.log(&record);
    }

    fn log_taken(&self, call: &mut WriteCall<'_>, end: End, count: usize) {
        let mut digits = itoa::Buffer::new();
        let count = digits.format(count).as_bytes();
        call.db.log(&[end.pop_word(), self.from, count]);
    }
}

fn lmovem(call: &mut WriteCall<'_>) -> Done {
    let mut wish = Conveyance::parse(&mut call.args)?;
    wish.parse_how_many(&mut call.args)?;
    if !wish.serve(call)? {
        call.out.null_array();
    }
    Ok(Flow::Done)
}

fn blmovem(call: &mut WriteCall<'_>) -> Done {
    let mut wish = Conveyance::parse(&mut call.args)?;
    let deadline_ms = timeout::deadline_ms(call.args.next()?, call.db.clock_ms())?;
    wish.parse_how_many(&mut call.args)?;
    if !call.woken_in_vain::<List>() && wish.serve(call)? {
        return Ok(Flow::Done);
    }
    super::block::block_on(1..2, deadline_ms, OnTimeout::NullArray)
}
