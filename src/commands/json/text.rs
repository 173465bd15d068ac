//! Texts and booleans at a path.

use std::collections::HashMap;

use super::look::counts;
use super::place::{
    NO_DOCUMENT, PlacesIn, TOO_LARGE, at, document, edit, effort, first, held, no_path, parsed,
    path, path_or_root, places, said, type_name, utf8, wrong_value,
};
use crate::command::Flag::DenyOom;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::types::json::path::Spelled;
use crate::types::json::{JsonNode, PathStep, parse_all};

pub const STRAPPEND: Command = Command {
    name: "json.strappend",
    summary: "Appends to the texts at a path",
    cost: "O(1) for one value, O(N) for the document's size N else",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::text("path").optional(),
        Arg::text("value"),
    ],
    arity: Some(-3),
    run: Run::Write(strappend),
    ..Command::PLAIN
};

fn strappend(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let path = match call.args.len() {
        1 => Spelled::new("."),
        _ => path(&mut call.args)?,
    };
    let text = utf8(call.args.next()?)?;
    let places = places(
        &call.db,
        key,
        path,
        &|node| node.as_text().is_some(),
        &mut effort(call.server, call.user),
    )?;
    let mut lens = vec![None; places.len()];
    if places.iter().any(Option::is_some) {
        // It is looked at only if there is a text.
        let more = parse_all(text).map_err(said)?;
        let more = more.as_text().ok_or_else(|| wrong_value("string", text))?;
        let texts = appended(call, key, &places, more, &mut lens)?;
        let mut json = edit(&mut call.db, key)?;
        for (place, text) in texts {
            let mut put = |held: &mut JsonNode| *held = JsonNode::text(&text);
            json.root.edit_at(place, &mut put);
        }
        json.announce("json.strappend");
    }
    if !path.is_legacy() {
        counts(&lens, call.out);
        return Ok(Flow::Done);
    }
    let last = lens.into_iter().flatten().next_back();
    let last = last.ok_or_else(|| no_path(&path.whole(), " or not a string"))?;
    call.out.count(last);
    Ok(Flow::Done)
}

/// The texts that come to stand at these places, of which one may be named twice.
fn appended<'p>(
    call: &WriteCall<'_>,
    key: &[u8],
    places: &'p PlacesIn,
    more: &[u8],
    lens: &mut [Option<usize>],
) -> Result<HashMap<&'p [PathStep], Vec<u8>>, Fail> {
    let root = held(&call.db, key)?.ok_or(NO_DOCUMENT)?;
    let mut effort = effort(call.server, call.user);
    let room = effort.may_write();
    let mut texts: HashMap<&[PathStep], Vec<u8>> = HashMap::new();
    for (place, len) in places.iter().zip(lens) {
        let Some(place) = place else { continue };
        let text = texts.entry(place).or_insert_with(|| {
            let text = at(root, place).and_then(JsonNode::as_text);
            text.unwrap_or_default().to_vec()
        });
        text.extend_from_slice(more);
        if text.len() > room {
            return Err(TOO_LARGE);
        }
        effort.written(text.len().min(more.len().max(1)))?;
        *len = Some(text.len());
    }
    Ok(texts)
}

pub const STRLEN: Command = Command {
    name: "json.strlen",
    summary: "Returns the lengths of the texts at a path",
    cost: "O(1) for one value, O(N) for the document's size N else",
    args: &[Arg::key("key", KeyUse::READ), Arg::text("path").optional()],
    arity: Some(-2),
    run: Run::Read(strlen),
    ..Command::PLAIN
};

fn strlen(call: &mut ReadCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path_or_root(&mut call.args)?);
    let Some(root) = document(&call.db, key)? else {
        if !path.is_legacy() {
            return Err(NO_DOCUMENT);
        }
        call.out.null();
        return Ok(Flow::Done);
    };
    if path.is_legacy() {
        let node = first(root, path, &mut effort(call.server, call.user))?;
        let text = node.as_text();
        let text = text.ok_or_else(|| wrong_value("string", type_name(node)))?;
        call.out.count(text.len());
        return Ok(Flow::Done);
    }
    let path = parsed(path)?;
    let values = path
        .as_ref()
        .values(root, &mut effort(call.server, call.user))?;
    let lens: Vec<Option<usize>> = values
        .iter()
        .map(|node| node.as_text().map(<[u8]>::len))
        .collect();
    counts(&lens, call.out);
    Ok(Flow::Done)
}

pub const TOGGLE: Command = Command {
    name: "json.toggle",
    summary: "Turns the booleans at a path around",
    cost: "O(1) for one value, O(N) for the document's size N else",
    since: "2.0.0",
    flags: &[DenyOom],
    args: &[Arg::key("key", KeyUse::READ_UPDATE), Arg::text("path")],
    run: Run::Write(toggle),
    ..Command::PLAIN
};

fn toggle(call: &mut WriteCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path(&mut call.args)?);
    let is_bool = |node: &JsonNode| matches!(node, JsonNode::Bool(_));
    let places = places(
        &call.db,
        key,
        path,
        &is_bool,
        &mut effort(call.server, call.user),
    )?;
    let mut now: Vec<Option<bool>> = vec![None; places.len()];
    if places.iter().any(Option::is_some) {
        let mut json = edit(&mut call.db, key)?;
        for (place, now) in places.iter().zip(&mut now) {
            let mut turn = |held: &mut JsonNode| match held {
                JsonNode::Bool(yes) => {
                    *yes = !*yes;
                    Some(*yes)
                }
                _ => None,
            };
            *now = place
                .as_ref()
                .and_then(|place| json.root.edit_at(place, &mut turn).flatten());
        }
        json.announce("json.toggle");
    }
    if path.is_legacy() {
        let last: Option<bool> = now.into_iter().flatten().next_back();
        let last = last.ok_or_else(|| no_path(&path.whole(), " or not a bool"))?;
        call.out.bulk(if last { "true" } else { "false" });
        return Ok(Flow::Done);
    }
    call.out.array(now.len());
    for now in now {
        match now {
            Some(yes) => call.out.int(yes),
            None => call.out.null(),
        }
    }
    Ok(Flow::Done)
}

/// A place among the arguments of a command, which RedisJSON reads as an integer.
pub fn integer(bytes: &[u8]) -> Result<i64, Fail> {
    let text = std::str::from_utf8(bytes).ok();
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or(Fail::Code("Couldn't parse as integer".into()))
}
