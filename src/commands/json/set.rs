//! Values set and merged.

use smallvec::SmallVec;

use super::place::{
    check_depth, check_growth, discard, effort, held, hits, parsed, path, prepared, utf8, value_in,
    wants_preparation,
};
use crate::command::Flag::DenyOom;
use crate::command::{
    Arg, Begin, Command, Done, Fail, Find, Flow, KeySpec, KeyUse, Prepared, Run, WriteCall,
};
use crate::engine::Edit;
use crate::types::Json;
use crate::types::json::path::{PathEffort, PathEnd, Spelled};
use crate::types::json::{FieldName, JsonNode, ObjectView, PathStep};

pub const SET: Command = Command {
    name: "json.set",
    summary: "Sets the values at a path of a document, or the whole document",
    cost: "O(M+N) for the old value's size M and the new one's N",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::text("path"),
        Arg::text("value"),
        Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")]).optional(),
        Arg::text("format").token("FORMAT").optional(),
    ],
    run: Run::Write(set),
    ..Command::PLAIN
};

/// Which values may be set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MaySet {
    Any,
    New,
    There,
}

const AT_ROOT: Fail = Fail::Says("new objects must be created at the root");

/// A place at which a value is put.
enum SetAt {
    /// Over the value there.
    Over(Vec<PathStep>),
    /// Into the object there, under a name that it doesn't have.
    Into(Vec<PathStep>, FieldName),
}

/// Where a path says that a value be put.
fn spots(
    root: &JsonNode,
    path: Spelled<'_>,
    presence: MaySet,
    effort: &mut PathEffort,
) -> Result<Vec<SetAt>, Fail> {
    let path = parsed(path)?;
    let there = hits(path.as_ref(), root, effort)?;
    if presence != MaySet::New && !there.is_empty() {
        return Ok(there.into_iter().map(SetAt::Over).collect());
    }
    if presence == MaySet::There {
        return Ok(Vec::new());
    }
    let fixed = path.split_last();
    let (parents, last) = fixed.ok_or(Fail::Code("Err wrong static path".into()))?;
    match last {
        PathEnd::Name(name) => {
            let name = FieldName::new(name.as_bytes());
            let parents = hits(parents, root, effort)?.into_iter();
            Ok(parents
                .map(|steps| SetAt::Into(steps, name.clone()))
                .collect())
        }
        PathEnd::Place if there.is_empty() => Err(Fail::Says("array index out of range")),
        PathEnd::Place => Ok(Vec::new()),
    }
}

fn check_spots(spots: &[SetAt], node: &JsonNode) -> Result<(), Fail> {
    spots.iter().try_for_each(|spot| match spot {
        SetAt::Over(steps) => check_depth(steps.len(), node),
        SetAt::Into(steps, _) => check_depth(steps.len() + 1, node),
    })
}

/// Puts a value there. False if there is no such place any more, or no object.
fn put(json: &mut Edit<'_, Json>, spot: &SetAt, node: &JsonNode) -> bool {
    match spot {
        SetAt::Over(steps) => {
            let mut write = |held: &mut JsonNode| std::mem::replace(held, node.clone());
            let old = json.root.edit_at(steps, &mut write);
            let there = old.is_some();
            old.into_iter().for_each(|old| discard(json, old));
            there
        }
        SetAt::Into(steps, name) => {
            let mut add = |held: &mut JsonNode| add_field(held, name, node);
            json.root.edit_at(steps, &mut add) == Some(true)
        }
    }
}

fn add_field(object: &mut JsonNode, name: &FieldName, node: &JsonNode) -> bool {
    let fields = object.as_object();
    let adds = fields.is_some_and(|fields| fields.find(name.as_bytes()).is_none());
    if adds {
        object.set_field(name, node.clone());
    }
    adds
}

/// Whether the format that is named is one in which values come.
fn format(call: &mut WriteCall<'_>) -> Result<(), Fail> {
    let word = call
        .args
        .next()
        .map_err(|_| Fail::arity(&call.entry.full_name))?;
    // In capitals only. RedisJSON has BSON, too.
    match word {
        b"JSON" | b"STRING" => Ok(()),
        _ => Err(Fail::Says("wrong format")),
    }
}

/// The value of the third argument.
fn third(argv: &[&[u8]]) -> Prepared {
    prepared(argv[3..=3].iter())
}

fn set(call: &mut WriteCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path(&mut call.args)?);
    let text = utf8(call.args.next()?)?;
    let mut presence = MaySet::Any;
    while !call.args.is_empty() {
        if presence == MaySet::Any && call.args.word("NX") {
            presence = MaySet::New;
        } else if presence == MaySet::Any && call.args.word("XX") {
            presence = MaySet::There;
        } else if call.args.word("FORMAT") {
            format(call)?;
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    if wants_preparation(call, &[text.as_bytes()]) {
        return Ok(Flow::Prepare(third));
    }
    let document = held(&call.db, key)?;
    let node = value_in(call, text)?;
    let mut effort = effort(call.server, call.user);
    let spots = match (document, path.is_root()) {
        (Some(_), true) if presence == MaySet::New => Vec::new(),
        (None, _) if presence == MaySet::There => Vec::new(),
        (None, false) => return Err(AT_ROOT),
        (_, true) => vec![SetAt::Over(Vec::new())],
        (Some(root), false) => spots(root, path, presence, &mut effort)?,
    };
    check_spots(&spots, &node)?;
    check_growth(spots.len(), (text.len(), 1), &mut effort)?;
    match !spots.is_empty() && put_all(call, key, &spots, &node, "json.set")? {
        true => call.out.ok(),
        false => call.out.null(),
    }
    Ok(Flow::Done)
}

/// Puts a value at all of these places, and announces it; false if it came to none.
fn put_all(
    call: &mut WriteCall<'_>,
    key: &[u8],
    spots: &[SetAt],
    node: &JsonNode,
    event: &'static str,
) -> Result<bool, Fail> {
    let mut json = call.db.edit_or_create::<Json>(key)?;
    let mut any = false;
    for spot in spots {
        any |= put(&mut json, spot, node);
    }
    if any {
        json.announce(event);
    }
    Ok(any)
}

pub const MSET: Command = Command {
    name: "json.mset",
    summary: "Sets values in several documents at once",
    cost: "O(K*(M+N)) for K values, their old sizes M and the new ones N",
    since: "2.6.0",
    flags: &[DenyOom],
    args: &[Arg::block(
        "triplet",
        &[
            Arg::key("key", KeyUse::READ_UPDATE),
            Arg::text("path"),
            Arg::text("value"),
        ],
    )
    .many()],
    keys: Some(&[KeySpec {
        used: KeyUse::READ_UPDATE,
        begin: Begin::Index(1),
        find: Find::Range {
            last: -3,
            step: 3,
            limit: 0,
        },
    }]),
    run: Run::Write(mset),
    ..Command::PLAIN
};

/// All places are found before the first value is set, as in RedisJSON.
fn mset(call: &mut WriteCall<'_>) -> Done {
    let triplets = call.args.rest();
    if !triplets.len().is_multiple_of(3) {
        return Err(Fail::arity("json.mset"));
    }
    let texts: SmallVec<[&[u8]; 16]> = triplets.iter().skip(2).step_by(3).copied().collect();
    if wants_preparation(call, &texts) {
        let make = |argv: &[&[u8]]| prepared(argv.iter().skip(3).step_by(3));
        return Ok(Flow::Prepare(make));
    }
    let mut wanted = Vec::new();
    let mut effort = effort(call.server, call.user);
    for triplet in triplets.chunks_exact(3) {
        let (key, path) = (triplet[0], Spelled::new(utf8(triplet[1])?));
        let spots = match held(&call.db, key)? {
            _ if path.is_root() => vec![SetAt::Over(Vec::new())],
            Some(root) => spots(root, path, MaySet::Any, &mut effort)?,
            None => return Err(AT_ROOT),
        };
        let node = value_in(call, utf8(triplet[2])?)?;
        check_spots(&spots, &node)?;
        let size = (triplet[2].len(), 1);
        check_growth(spots.len(), size, &mut effort)?;
        wanted.push((key, spots, node));
    }
    for (key, spots, node) in wanted {
        if !spots.is_empty() {
            put_all(call, key, &spots, &node, "json.mset")?;
        }
    }
    call.out.ok();
    Ok(Flow::Done)
}

pub const MERGE: Command = Command {
    name: "json.merge",
    summary: "Merges a value into the values at a path: RFC 7396",
    cost: "O(M+N) for the old value's size M and the new one's N",
    since: "2.6.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::text("path"),
        Arg::text("value"),
        Arg::text("format").token("FORMAT").optional(),
    ],
    run: Run::Write(merge_into),
    ..Command::PLAIN
};

fn merge_into(call: &mut WriteCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path(&mut call.args)?);
    let text = utf8(call.args.next()?)?;
    while !call.args.is_empty() {
        if !call.args.word("FORMAT") {
            return Err(Fail::SYNTAX);
        }
        format(call)?;
    }
    if wants_preparation(call, &[text.as_bytes()]) {
        return Ok(Flow::Prepare(third));
    }
    let document = held(&call.db, key)?;
    let patch = value_in(call, text)?;
    let is_new = document.is_none();
    let mut effort = effort(call.server, call.user);
    let spots = match document {
        _ if path.is_root() => vec![SetAt::Over(Vec::new())],
        Some(root) => spots(root, path, MaySet::Any, &mut effort)?,
        None => return Err(AT_ROOT),
    };
    check_spots(&spots, &patch)?;
    let size = (text.len(), patch.count());
    check_growth(spots.len(), size, &mut effort)?;
    if spots.is_empty() {
        call.out.null();
        return Ok(Flow::Done);
    }
    let mut json = call.db.edit_or_create::<Json>(key)?;
    let mut any = false;
    for spot in &spots {
        any |= match spot {
            SetAt::Over(steps) if !is_new => {
                let mut old = Vec::new();
                let mut merge = |held: &mut JsonNode| merge(held, &patch, &mut old);
                let there = json.root.edit_at(steps, &mut merge).is_some();
                old.into_iter().for_each(|old| discard(&mut json, old));
                there
            }
            // What is new stays as it is, nulls and all.
            spot => put(&mut json, spot, &patch),
        };
    }
    match any {
        true => {
            json.announce("json.merge");
            call.out.ok();
        }
        false => call.out.null(),
    }
    Ok(Flow::Done)
}

/// Merges a patch into a value: a null takes a field away. What is no longer there is left in `old`.
fn merge(held: &mut JsonNode, patch: &JsonNode, old: &mut Vec<JsonNode>) {
    let Some(fields) = patch.as_object() else {
        old.push(std::mem::replace(held, patch.clone()));
        return;
    };
    if held.as_object().is_none() {
        old.push(std::mem::replace(held, JsonNode::object(Vec::new())));
    }
    let comes_or_goes = |(name, patch): &(&FieldName, &JsonNode)| {
        let held = held.as_object();
        let is_there = held.is_some_and(|held| held.find(name.as_bytes()).is_some());
        is_there == matches!(patch, JsonNode::Null)
    };
    let moving = fields.iter().filter(comes_or_goes).take(2).count();
    match moving {
        2 => held.edit_fields(|held| merge_fields(held, fields, old)),
        _ => merge_fields(held, fields, old),
    }
}

fn merge_fields(held: &mut JsonNode, fields: ObjectView<'_>, old: &mut Vec<JsonNode>) {
    for (name, patch) in fields.iter() {
        let step = PathStep::Name(name.clone());
        if matches!(patch, JsonNode::Null) {
            old.extend(held.remove(&step));
            continue;
        }
        if held
            .edit_at(std::slice::from_ref(&step), &mut |held| {
                merge(held, patch, old)
            })
            .is_none()
        {
            let mut fresh = JsonNode::Null;
            merge(&mut fresh, patch, old);
            held.set_field(name, fresh);
        }
    }
}
