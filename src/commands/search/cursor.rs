//! FT.CURSOR: rows that FT.AGGREGATE has left to be read.

use super::{OF_INDEX, wrong_arity};
use crate::command::Flag::ReadOnly;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, SessionCall};
use crate::search::Row;
use crate::util::number;

use super::reply::write_rows;

pub const CURSOR: Command = Command {
    name: "ft.cursor",
    summary: "Reads from a cursor, or deletes it",
    cost: "O(1)",
    flags: &[ReadOnly],
    args: &[
        Arg::text("action"),
        Arg::key("index", KeyUse::READ_UPDATE),
        Arg::text("cursor_id"),
        Arg::text("arg").optional().many(),
    ],
    run: Run::Session(cursor),
    ..OF_INDEX
};

fn cursor(call: &mut SessionCall<'_>) -> Done {
    let args = call.args.rest();
    let [action, _, id, rest @ ..] = args else {
        return Err(wrong_arity("FT.CURSOR"));
    };
    let id = number::parse_i64(id).and_then(|id| u64::try_from(id).ok());
    let id = id.ok_or(Fail::code("Bad cursor ID"))?;
    match action.to_ascii_uppercase().as_slice() {
        b"READ" => read(call, id, rest),
        b"DEL" => {
            let mut cursors = call.server.search.cursors.lock();
            let gone = cursors.remove(&id);
            gone.ok_or(Fail::code("Cursor does not exist"))?;
            call.out.ok();
            Ok(Flow::Done)
        }
        _ => Err(Fail::code("Unknown subcommand")),
    }
}

fn read(call: &mut SessionCall<'_>, id: u64, rest: &[&[u8]]) -> Done {
    let count = match rest {
        [] => None,
        [word, count] if word.eq_ignore_ascii_case(b"COUNT") => {
            let count = number::parse_i64(count).filter(|n| *n > 0);
            let count = count.ok_or(Fail::code("Bad value for COUNT"))?;
            Some(count as usize)
        }
        _ => return Err(Fail::SYNTAX),
    };
    let mut cursors = call.server.search.cursors.lock();
    let now_ms = call.now_ms;
    cursors.retain(|_, held| now_ms.saturating_sub(held.used_ms) < held.idle_ms_max);
    let cursor = cursors.get_mut(&id);
    let cursor = cursor.ok_or(Fail::code("Cursor not found"))?;
    cursor.used_ms = now_ms;
    let count = count.unwrap_or(cursor.count).min(cursor.rows.len());
    let rows: Vec<Row> = cursor.rows.drain(..count).collect();
    let next = if cursor.rows.is_empty() { 0 } else { id };
    if next == 0 {
        cursors.remove(&id);
    }
    drop(cursors);
    call.out.array(2);
    write_rows(call.out, rows.len(), &rows);
    call.out.int(next as i64);
    Ok(Flow::Done)
}
