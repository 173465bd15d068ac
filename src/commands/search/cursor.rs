//! FT.CURSOR: rows that FT.AGGREGATE has left to be read.

use super::{OF_INDEX, rights, wrong_arity};
use crate::command::Flag::ReadOnly;
use crate::command::{Arg, Command, Done, Fail, Flow, Run, SessionCall};
use crate::util::number;

use super::reply::{ReplyTail, write_rows};

pub const CURSOR: Command = Command {
    name: "ft.cursor",
    summary: "Reads from a cursor, or deletes it",
    cost: "O(1)",
    flags: &[ReadOnly],
    args: &[
        Arg::text("action"),
        Arg::text("index"),
        Arg::text("cursor_id"),
        Arg::text("arg").optional().many(),
    ],
    run: Run::Session(cursor),
    ..OF_INDEX
};

fn cursor(call: &mut SessionCall<'_>) -> Done {
    let args = call.args.rest();
    let [action, name, id, rest @ ..] = args else {
        return Err(wrong_arity("FT.CURSOR"));
    };
    let id = number::parse_i64(id).and_then(|id| u64::try_from(id).ok());
    let id = id.ok_or(Fail::code("Bad cursor ID"))?;
    rights::check(call.server, call.session.user.as_deref(), name)?;
    let search = &call.server.search;
    // Who may read an index may read its cursors alone.
    let index: Box<[u8]> = search.catalog.read().resolved(name).into();
    match action.to_ascii_uppercase().as_slice() {
        b"READ" => read(call, (&index, id), rest),
        b"DEL" => {
            if !search.drop_cursor(&index, id) {
                return Err(Fail::code("Cursor does not exist"));
            }
            call.out.ok();
            Ok(Flow::Done)
        }
        _ => Err(Fail::code("Unknown subcommand")),
    }
}

fn read(call: &mut SessionCall<'_>, at: (&[u8], u64), rest: &[&[u8]]) -> Done {
    let count = match rest {
        [] => None,
        [word, count] if word.eq_ignore_ascii_case(b"COUNT") => {
            let count = number::parse_i64(count).filter(|n| *n > 0);
            let count = count.ok_or(Fail::code("Bad value for COUNT"))?;
            Some(count as usize)
        }
        _ => return Err(Fail::SYNTAX),
    };
    let search = &call.server.search;
    let found = search.next_rows(at, count, call.now_ms);
    let (rows, more) = found.ok_or(Fail::code("Cursor not found"))?;
    call.out.array(2);
    write_rows(call.out, rows.len(), &rows, &ReplyTail::default());
    call.out.int(if more { at.1 as i64 } else { 0 });
    Ok(Flow::Done)
}
