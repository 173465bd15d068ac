//! Values as JSON text.

use std::collections::HashSet;

use super::place::{TOO_LARGE, document, effort, end_of, no_path, parsed, utf8};
use super::shape::{ReplyShape, spread};
use crate::command::{Arg, Begin, Command, Done, Fail, Find, Flow, KeySpec, KeyUse, ReadCall, Run};
use crate::resp::Reply;
use crate::types::json::path::{JsonPath, PathEffort, Spelled};
use crate::types::json::{JsonNode, Spacing, TextWriter};

pub const GET: Command = Command {
    name: "json.get",
    summary: "Returns the values at paths of a document",
    cost: "O(N) for the document's size N",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("indent").token("INDENT").optional(),
        Arg::text("newline").token("NEWLINE").optional(),
        Arg::text("space").token("SPACE").optional(),
        Arg::text("format").token("FORMAT").optional(),
        Arg::text("path").optional().many(),
    ],
    run: Run::Read(get),
    ..Command::PLAIN
};

struct GetWish<'a> {
    spacing: Spacing<'a>,
    shape: ReplyShape,
    paths: Vec<Spelled<'a>>,
}

/// What is wished. An argument that is no UTF-8 ends the list of paths, as in RedisJSON.
fn wish<'a>(call: &mut ReadCall<'a>) -> Result<GetWish<'a>, Fail> {
    let mut wish = GetWish {
        spacing: Spacing::default(),
        shape: ReplyShape::Text,
        paths: Vec::new(),
    };
    let resp3 = call.out.resp3();
    let args = &mut call.args;
    let missing = |_| Fail::arity("json.get");
    while let Some(Ok(_)) = args.peek().map(utf8) {
        if args.word("INDENT") {
            wish.spacing.indent = args.next().map_err(missing)?;
        } else if args.word("NEWLINE") {
            wish.spacing.newline = args.next().map_err(missing)?;
        } else if args.word("SPACE") {
            wish.spacing.space = args.next().map_err(missing)?;
        } else if args.word("FORMAT") {
            if !resp3 && wish.paths.is_empty() {
                return Err(Fail::Says("FORMAT argument is not supported on RESP2"));
            }
            // In capitals only.
            wish.shape = match args.next().map_err(missing)? {
                b"STRING" => ReplyShape::Text,
                b"EXPAND1" => ReplyShape::Flat,
                b"EXPAND" => ReplyShape::Expanded,
                _ => return Err(Fail::Says("wrong reply format")),
            };
        } else if !args.word("NOESCAPE") {
            wish.paths.push(Spelled::new(utf8(args.next()?)?));
        }
    }
    if wish.paths.is_empty() {
        wish.paths.push(Spelled::new("."));
    }
    if !resp3 {
        wish.shape = ReplyShape::Text;
    }
    Ok(wish)
}

fn get(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let wish = wish(call)?;
    let Some(root) = document(&call.db, key)? else {
        call.out.null();
        return Ok(Flow::Done);
    };
    let mut effort = effort(call.server, call.user);
    match (wish.shape, &wish.paths[..]) {
        (ReplyShape::Text, [path]) => {
            let wanted = (*path, &parsed(*path)?);
            let there = text_at(root, wanted, wish.spacing, call.out, &mut effort)?;
            there.ok_or_else(|| no_path(&path.whole(), ""))?;
        }
        (ReplyShape::Text, _) => several(root, &wish, call.out, &mut effort)?,
        (shape, paths) => {
            let found: Vec<Vec<&JsonNode>> = paths
                .iter()
                .map(|path| match path.parse() {
                    Ok(path) => Ok(path.as_ref().values(root, &mut effort)?),
                    Err(_) => Ok(Vec::new()),
                })
                .collect::<Result<_, Fail>>()?;
            let end = end_of(call.out, &effort);
            call.out.array(found.len());
            for values in found {
                call.out.array(values.len());
                for node in values {
                    spread(node, shape, wish.spacing, call.out, end)?;
                }
            }
        }
    }
    Ok(Flow::Done)
}

/// Answers with what one path leads to: a list of values, or one value. Nothing is said if it is of the older kind, and
/// leads nowhere.
fn text_at(
    root: &JsonNode,
    (path, parsed): (Spelled<'_>, &JsonPath),
    spacing: Spacing<'_>,
    out: &mut Reply,
    effort: &mut PathEffort,
) -> Result<Option<()>, Fail> {
    let values = parsed.as_ref().values(root, effort)?;
    if path.is_legacy() && values.is_empty() {
        return Ok(None);
    }
    let len = out.bulk_by(|out| {
        let mut text = TextWriter::new(out, spacing, effort.may_write());
        match values[..] {
            [first, ..] if path.is_legacy() => text.node(first),
            _ => text.array(values.into_iter()),
        }
        text.finish().ok_or(TOO_LARGE)
    })?;
    effort.written(len)?;
    Ok(Some(()))
}

/// What several paths lead to, each under the path; those that are no paths are left out.
fn several(
    root: &JsonNode,
    wish: &GetWish<'_>,
    out: &mut Reply,
    effort: &mut PathEffort,
) -> Result<(), Fail> {
    let legacy = wish.paths.iter().all(|path| path.is_legacy());
    let mut found: Vec<(&str, Vec<&JsonNode>)> = Vec::new();
    let mut seen = HashSet::new();
    for path in &wish.paths {
        let Ok(parsed) = path.parse() else {
            continue;
        };
        let values = parsed.as_ref().values(root, effort)?;
        if legacy && values.is_empty() {
            return Err(no_path(path.text, ""));
        }
        if seen.insert(path.text) {
            found.push((path.text, values));
        }
    }
    out.bulk_by(|out| {
        let mut text = TextWriter::new(out, wish.spacing, effort.may_write());
        text.object(
            found.into_iter(),
            |text, path| text.quoted(path.as_bytes()),
            |text, values| match legacy {
                true => values.first().into_iter().for_each(|node| text.node(node)),
                false => text.array(values.into_iter()),
            },
        );
        text.finish().ok_or(TOO_LARGE)
    })?;
    Ok(())
}

pub const MGET: Command = Command {
    name: "json.mget",
    summary: "Returns the values at one path of several documents",
    cost: "O(N) for the documents' sizes N",
    args: &[Arg::key("key", KeyUse::READ).many(), Arg::text("path")],
    keys: Some(&[KeySpec {
        used: KeyUse::READ,
        begin: Begin::Index(1),
        find: Find::Range {
            last: -2,
            step: 1,
            limit: 0,
        },
    }]),
    run: Run::Read(mget),
    ..Command::PLAIN
};

/// A null for what is no document, or has nothing there.
fn mget(call: &mut ReadCall<'_>) -> Done {
    let args = call.args.rest();
    let (path, keys) = args.split_last().ok_or(Fail::SYNTAX)?;
    let path = Spelled::new(utf8(path)?);
    let parsed = path.parse().ok();
    let mut effort = effort(call.server, call.user);
    call.out.array(keys.len());
    for key in keys {
        let there = match (&parsed, document(&call.db, key)) {
            (Some(parsed), Ok(Some(root))) => {
                let wanted = (path, parsed);
                text_at(root, wanted, Spacing::default(), call.out, &mut effort)?
            }
            _ => None,
        };
        if there.is_none() {
            call.out.null();
        }
    }
    Ok(Flow::Done)
}
