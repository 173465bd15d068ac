//! What values are: types, names of fields, and values as the older protocol shows them.

use super::place::{
    NO_DOCUMENT, TOO_LARGE, document, effort, end_of, first, first_if_any, no_path, parsed,
    path_or_root, type_name, wrong_value,
};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run};
use crate::resp::Reply;
use crate::types::json::{FieldName, JsonNode, JsonSeen, ObjectView};

const ARGS: &[Arg] = &[Arg::key("key", KeyUse::READ), Arg::text("path").optional()];

pub const TYPE: Command = Command {
    name: "json.type",
    summary: "Returns the types of the values at a path",
    cost: "O(1) for one value, O(N) for the document's size N else",
    args: ARGS,
    arity: Some(-2),
    run: Run::Read(type_of),
    ..Command::PLAIN
};

fn type_of(call: &mut ReadCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path_or_root(&mut call.args)?);
    let mut effort = effort(call.server, call.user);
    let root = document(&call.db, key)?;
    // The answer is in a list of its own.
    if call.out.resp3() {
        call.out.array(1);
    }
    match root {
        None => call.out.null(),
        Some(root) if path.is_legacy() => match first_if_any(root, path, &mut effort)? {
            Some(node) => call.out.bulk(type_name(node)),
            None => call.out.null(),
        },
        Some(root) => {
            let path = parsed(path)?;
            let values = path.as_ref().values(root, &mut effort)?;
            call.out.array(values.len());
            values
                .iter()
                .for_each(|node| call.out.bulk(type_name(node)));
        }
    }
    Ok(Flow::Done)
}

pub const OBJKEYS: Command = Command {
    name: "json.objkeys",
    summary: "Returns the names of the fields of objects at a path",
    cost: "O(N) for the document's size N",
    args: ARGS,
    arity: Some(-2),
    run: Run::Read(objkeys),
    ..Command::PLAIN
};

fn objkeys(call: &mut ReadCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path_or_root(&mut call.args)?);
    let mut effort = effort(call.server, call.user);
    let root = match document(&call.db, key)? {
        None if path.is_legacy() => {
            call.out.null();
            return Ok(Flow::Done);
        }
        root => root.ok_or(NO_DOCUMENT)?,
    };
    if path.is_legacy() {
        match first_if_any(root, path, &mut effort)?.map(JsonNode::as_object) {
            Some(Some(fields)) => names(fields, call.out),
            Some(None) => return Err(no_path(&path.whole(), " or not an object")),
            None => call.out.null(),
        }
        return Ok(Flow::Done);
    }
    let path = parsed(path)?;
    let values = path.as_ref().values(root, &mut effort)?;
    let end = end_of(call.out, &effort);
    call.out.array(values.len());
    for node in values {
        if call.out.len() > end {
            return Err(TOO_LARGE);
        }
        match node.as_object() {
            Some(fields) => names(fields, call.out),
            None => call.out.null(),
        }
    }
    Ok(Flow::Done)
}

fn names(fields: ObjectView<'_>, out: &mut Reply) {
    out.array(fields.len());
    let bytes = |(name, _): (&FieldName, _)| out.bulk(name.as_bytes());
    fields.iter().for_each(bytes);
}

pub const OBJLEN: Command = Command {
    name: "json.objlen",
    summary: "Returns how many fields the objects at a path have",
    cost: "O(1) for one value, O(N) for the document's size N else",
    args: ARGS,
    arity: Some(-2),
    run: Run::Read(objlen),
    ..Command::PLAIN
};

fn objlen(call: &mut ReadCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path_or_root(&mut call.args)?);
    let mut effort = effort(call.server, call.user);
    let Some(root) = document(&call.db, key)? else {
        if !path.is_legacy() {
            return Err(no_path(&path.whole(), " or not an object"));
        }
        call.out.null();
        return Ok(Flow::Done);
    };
    if path.is_legacy() {
        let len = match first_if_any(root, path, &mut effort)? {
            Some(node) => match node.as_object() {
                Some(fields) => Some(fields.len()),
                None => return Err(wrong_value("object", type_name(node))),
            },
            None => None,
        };
        count_or_null(len, call.out);
        return Ok(Flow::Done);
    }
    let path = parsed(path)?;
    let values = path.as_ref().values(root, &mut effort)?;
    let lens: Vec<Option<usize>> = values
        .iter()
        .map(|node| node.as_object().map(ObjectView::len))
        .collect();
    counts(&lens, call.out);
    Ok(Flow::Done)
}

fn count_or_null(count: Option<usize>, out: &mut Reply) {
    match count {
        Some(count) => out.count(count),
        None => out.null(),
    }
}

/// A list of counts, with a null for what has none.
pub fn counts(counts: &[Option<usize>], out: &mut Reply) {
    out.array(counts.len());
    counts.iter().for_each(|count| count_or_null(*count, out));
}

pub const RESP: Command = Command {
    name: "json.resp",
    summary: "Returns the values at a path as values of the protocol",
    cost: "O(N) for the document's size N",
    args: ARGS,
    arity: Some(-2),
    run: Run::Read(resp),
    ..Command::PLAIN
};

fn resp(call: &mut ReadCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path_or_root(&mut call.args)?);
    let mut effort = effort(call.server, call.user);
    let Some(root) = document(&call.db, key)? else {
        call.out.null();
        return Ok(Flow::Done);
    };
    if path.is_legacy() {
        let node = first(root, path, &mut effort)?;
        let end = end_of(call.out, &effort);
        spread(node, call.out, end)?;
        return Ok(Flow::Done);
    }
    let path = parsed(path)?;
    let values = path.as_ref().values(root, &mut effort)?;
    let end = end_of(call.out, &effort);
    call.out.array(values.len());
    for node in values {
        spread(node, call.out, end)?;
    }
    Ok(Flow::Done)
}

/// Containers begin with a sign that tells which they are. The reply must not become longer than `end`.
fn spread(node: &JsonNode, out: &mut Reply, end: usize) -> Result<(), Fail> {
    if out.len() > end {
        return Err(TOO_LARGE);
    }
    match node.see() {
        JsonSeen::Null => out.null(),
        JsonSeen::Bool(yes) => out.simple(if yes { "true" } else { "false" }),
        JsonSeen::Int(n) => out.int(n),
        JsonSeen::Large(n) => out.double(n as f64),
        JsonSeen::Float(n) => out.double(n),
        JsonSeen::Text(text) => out.bulk(text),
        JsonSeen::Array(elements) => {
            out.array(elements.len() + 1);
            out.simple("[");
            for node in elements.iter() {
                spread(node, out, end)?;
            }
        }
        JsonSeen::Object(fields) => {
            out.array(2 * fields.len() + 1);
            out.simple("{");
            for (name, node) in fields.iter() {
                out.bulk(name.as_bytes());
                spread(node, out, end)?;
            }
        }
    }
    Ok(())
}
