//! Pops that find something or nothing at once.

use super::{ENDS, End};
use crate::command::Flag::Fast;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::engine::Edit;
use crate::resp::Reply;
use crate::types::List;

pub const LPOP: Command = Command {
    name: "lpop",
    summary: "Takes elements from the head of a list",
    cost: "O(N) for N elements",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ_DELETE),
        Arg::int("count").optional().since("6.2.0"),
    ],
    run: Run::Write(|call| pop(call, End::Left)),
    ..Command::PLAIN
};

pub const RPOP: Command = Command {
    name: "rpop",
    summary: "Takes elements from the tail of a list",
    cost: "O(N) for N elements",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::READ_DELETE),
        Arg::int("count").optional().since("6.2.0"),
    ],
    run: Run::Write(|call| pop(call, End::Right)),
    ..Command::PLAIN
};

fn pop(call: &mut WriteCall<'_>, end: End) -> Done {
    let key = call.args.next()?;
    if call.args.len() > 1 {
        return Err(Fail::arity(call.entry.command.name));
    }
    let count = match call.args.is_empty() {
        true => None,
        false => Some(call.args.positive()?),
    };
    let Some(mut list) = call.db.edit::<List>(key)? else {
        match count {
            Some(_) => call.out.null_array(),
            None => call.out.null(),
        }
        return Ok(Flow::Done);
    };
    match count {
        None => {
            call.out.piece_or_null(end.peek(&list));
            end.drop(&mut list, 1);
            list.announce(end.popped());
        }
        Some(0) => call.out.array(0),
        Some(count) => take(&mut list, end, count, call.out),
    }
    Ok(Flow::Done)
}

/// Takes up to `count` elements and answers with them.
pub(super) fn take(list: &mut Edit<'_, List>, end: End, count: usize, out: &mut Reply) {
    let count = count.min(list.len());
    out.array(count);
    let from = if end == End::Left { 0 } else { list.len() - 1 };
    list.iter_from(from, end == End::Right)
        .take(count)
        .for_each(|piece| out.piece(piece));
    end.drop(list, count);
    list.announce(end.popped());
}

pub const LMPOP: Command = Command {
    name: "lmpop",
    summary: "Takes elements from the first of several lists that has any",
    cost: "O(N+M) for N keys and M elements",
    since: "7.0.0",
    args: &[
        Arg::int("numkeys"),
        Arg::key("key", KeyUse::READ_DELETE).many(),
        Arg::one_of("where", ENDS),
        Arg::int("count").token("COUNT").optional(),
    ],
    run: Run::Write(lmpop),
    ..Command::PLAIN
};

fn lmpop(call: &mut WriteCall<'_>) -> Done {
    let options = LMPopOptions::parse(call)?;
    if !options.serve(call, options.keys)? {
        call.out.null_array();
    }
    Ok(Flow::Done)
}

/// What LMPOP and BLMPOP ask for.
pub(super) struct LMPopOptions<'a> {
    pub keys: &'a [&'a [u8]],
    end: End,
    count: usize,
}

impl<'a> LMPopOptions<'a> {
    pub fn parse(call: &mut WriteCall<'a>) -> Result<Self, Fail> {
        let keys = call
            .args
            .counted(Fail::Says("numkeys should be greater than 0"))?;
        let end = End::parse(&mut call.args)?;
        let mut count = None;
        while !call.args.is_empty() {
            if count.is_some() || !call.args.word_with("COUNT", 1) {
                return Err(Fail::SYNTAX);
            }
            let fail = Fail::Says("count should be greater than 0");
            count = Some(call.args.int_in(1..=i64::MAX, fail)? as usize);
        }
        Ok(LMPopOptions {
            keys,
            end,
            count: count.unwrap_or(1),
        })
    }

    /// Pops from the first of these keys that has elements; false if none has.
    pub fn serve(&self, call: &mut WriteCall<'_>, keys: &[&[u8]]) -> Result<bool, Fail> {
        for key in keys {
            let Some(mut list) = call.db.edit::<List>(key)? else {
                continue;
            };
            let count = self.count.min(list.len());
            call.out.array(2);
            call.out.bulk(key);
            take(&mut list, self.end, count, call.out);
            drop(list);
            call.db.log(&[
                self.end.pop_word(),
                key,
                itoa::Buffer::new().format(count).as_bytes(),
            ]);
            return Ok(true);
        }
        Ok(false)
    }
}
