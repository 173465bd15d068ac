//! Arrays at a path, looked at.

use super::look::counts;
use super::place::{
    NO_DOCUMENT, document, effort, first, no_path, parsed, path, path_or_root, said, type_name,
    utf8, wrong_value,
};
use super::text::integer;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run};
use crate::types::json::path::{PathEffort, TooMuch};
use crate::types::json::{ArrayView, JsonNode, parse_all};

pub const ARRLEN: Command = Command {
    name: "json.arrlen",
    summary: "Returns the lengths of the arrays at a path",
    cost: "O(1) for one value, O(N) for the document's size N else",
    args: &[Arg::key("key", KeyUse::READ), Arg::text("path").optional()],
    arity: Some(-2),
    run: Run::Read(arrlen),
    ..Command::PLAIN
};

fn arrlen(call: &mut ReadCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path_or_root(&mut call.args)?);
    let Some(root) = document(&call.db, key)? else {
        if !path.is_legacy() {
            return Err(NO_DOCUMENT);
        }
        call.out.null();
        return Ok(Flow::Done);
    };
    let followed = parsed(path)?;
    let values = followed
        .as_ref()
        .values(root, &mut effort(call.server, call.user))?;
    let lens: Vec<Option<usize>> = values
        .iter()
        .map(|node| node.as_array().map(ArrayView::len))
        .collect();
    if !path.is_legacy() {
        counts(&lens, call.out);
        return Ok(Flow::Done);
    }
    match lens.first() {
        Some(Some(len)) => call.out.count(*len),
        Some(None) => return Err(no_path(path.text, " or not an array")),
        None => return Err(no_path(path.text, "")),
    }
    Ok(Flow::Done)
}

pub const ARRINDEX: Command = Command {
    name: "json.arrindex",
    summary: "Returns where a value stands in the arrays at a path",
    cost: "O(N) for the size N of the array or, for several, of the document",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("path"),
        Arg::text("value"),
        Arg::int("start").optional(),
        Arg::int("stop").optional(),
    ],
    run: Run::Read(arrindex),
    ..Command::PLAIN
};

fn arrindex(call: &mut ReadCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path(&mut call.args)?);
    let text = utf8(call.args.next()?)?;
    let mut range = [0; 2];
    for place in &mut range {
        if let Some(word) = call.args.peek() {
            *place = integer(word)?;
            call.args.next()?;
        }
    }
    if !call.args.is_empty() {
        return Err(Fail::arity("json.arrindex"));
    }
    let wanted = parse_all(text).map_err(said)?;
    let root = document(&call.db, key)?.ok_or_else(|| no_path(path.text, ""))?;
    let mut effort = effort(call.server, call.user);
    if path.is_legacy() {
        let node = first(root, path, &mut effort)?;
        let elements = node.as_array();
        let elements = elements.ok_or_else(|| wrong_value("array", type_name(node)))?;
        let at = index_of(&wanted, elements, range, &mut effort)?;
        call.out.int(at);
        return Ok(Flow::Done);
    }
    let path = parsed(path)?;
    let values = path.as_ref().values(root, &mut effort)?;
    call.out.array(values.len());
    for node in values {
        match node.as_array() {
            Some(elements) => {
                let at = index_of(&wanted, elements, range, &mut effort)?;
                call.out.int(at);
            }
            None => call.out.null(),
        }
    }
    Ok(Flow::Done)
}

/// A place counted from the first element, which is one of the array's.
pub fn start_in(start: i64, len: i64) -> i64 {
    match start < 0 {
        true => (len.saturating_add(start)).max(0),
        false => start.min(len - 1).max(0),
    }
}

/// Where the value stands in this range, whose end of 0 is the array's, or -1.
fn index_of(
    wanted: &JsonNode,
    elements: ArrayView<'_>,
    [start, end]: [i64; 2],
    effort: &mut PathEffort,
) -> Result<i64, TooMuch> {
    let len = elements.len() as i64;
    let start = start_in(start, len);
    let end = match end {
        0 => len,
        ..0 => len.saturating_add(end),
        end => end.min(len),
    };
    for at in start..end {
        if let Some(node) = elements.get(at as usize)
            && effort.equal(node, wanted)?
        {
            return Ok(at);
        }
    }
    Ok(-1)
}
