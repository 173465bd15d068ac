//! Values removed, and emptied.

use super::place::{discard, edit, effort, held, hits, order, parsed, path_or_root, places};
use crate::command::{Arg, Command, Done, Flow, KeyUse, Run, WriteCall};
use crate::engine::Class;
use crate::types::json::{JsonNode, JsonSeen, PathStep};

pub const DEL: Command = Command {
    name: "json.del",
    summary: "Removes the values at a path of a document, or the whole document",
    cost: "O(N) for the document's size N",
    args: &[
        Arg::key("key", KeyUse::READ_DELETE),
        Arg::text("path").optional(),
    ],
    arity: Some(-2),
    run: Run::Write(del),
    ..Command::PLAIN
};

pub const FORGET: Command = Command {
    name: "json.forget",
    summary: "Does what JSON.DEL does",
    ..DEL
};

fn del(call: &mut WriteCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path_or_root(&mut call.args)?);
    let Some(root) = held(&call.db, key)? else {
        call.out.int(0);
        return Ok(Flow::Done);
    };
    if path.is_root() {
        call.db.drop_quietly(key);
        call.db.announce(Class::Module, "json.del", key);
        call.out.int(1);
        return Ok(Flow::Done);
    }
    let places = outermost(hits(
        parsed(path)?.as_ref(),
        root,
        &mut effort(call.server, call.user),
    )?);
    let mut removed = 0;
    if !places.is_empty() {
        let mut json = edit(&mut call.db, key)?;
        for places in places.chunk_by(|one, other| parent(one) == parent(other)) {
            let taken = match parent(&places[0]) {
                Some(parent) => {
                    let mut take = |held: &mut JsonNode| take_all(held, places);
                    json.root.edit_at(parent, &mut take).unwrap_or_default()
                }
                // The root by a path that found it among others.
                None => vec![std::mem::take(&mut json.root)],
            };
            removed += taken.len() as i64;
            taken.into_iter().for_each(|node| discard(&mut json, node));
        }
        if removed > 0 {
            json.announce("json.del");
        }
    }
    call.out.int(removed);
    Ok(Flow::Done)
}

fn parent(place: &[PathStep]) -> Option<&[PathStep]> {
    place.split_last().map(|(_, parent)| parent)
}

/// Takes what stands at the last steps of these places out of a container.
fn take_all(held: &mut JsonNode, places: &[Vec<PathStep>]) -> Vec<JsonNode> {
    let take = |held: &mut JsonNode| {
        let steps = places.iter().filter_map(|place| place.last());
        steps.filter_map(|step| held.remove(step)).collect()
    };
    match places {
        [_] => take(held),
        _ => held.edit_fields(take),
    }
}

/// Places in an order in which they can be removed one after another, without those inside others.
fn outermost(mut places: Vec<Vec<PathStep>>) -> Vec<Vec<PathStep>> {
    places.sort_by(|a, b| order(a, b));
    places.dedup();
    // Behind a place come those above it, if they are among them.
    let mut kept: Vec<Vec<PathStep>> = Vec::new();
    for place in places.into_iter().rev() {
        let is_inside = |outer: &Vec<PathStep>| place.starts_with(outer);
        // Above stands what was kept last, as all that is inside a place stands together with it.
        if !kept.last().is_some_and(is_inside) {
            kept.push(place);
        }
    }
    kept.reverse();
    kept
}

pub const CLEAR: Command = Command {
    name: "json.clear",
    summary: "Empties arrays and objects at a path, and sets numbers to zero",
    cost: "O(N) for the document's size N",
    since: "2.0.0",
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::text("path").optional(),
    ],
    arity: Some(-2),
    run: Run::Write(clear),
    ..Command::PLAIN
};

fn clear(call: &mut WriteCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path_or_root(&mut call.args)?);
    let holds_something = |node: &JsonNode| match node.see() {
        JsonSeen::Array(elements) => !elements.is_empty(),
        JsonSeen::Object(fields) => !fields.is_empty(),
        JsonSeen::Int(n) => n != 0,
        JsonSeen::Large(_) => true,
        JsonSeen::Float(n) => n != 0.0,
        _ => false,
    };
    let places = places(
        &call.db,
        key,
        path,
        &holds_something,
        &mut effort(call.server, call.user),
    )?;
    // What is inside another one is emptied with it.
    let places = outermost(places.into_iter().flatten().collect());
    let mut cleared = 0;
    if !places.is_empty() {
        let mut json = edit(&mut call.db, key)?;
        for place in places {
            let mut empty = |held: &mut JsonNode| {
                let emptied = match held.see() {
                    JsonSeen::Array(_) => JsonNode::array(Vec::new()),
                    JsonSeen::Object(_) => JsonNode::object(Vec::new()),
                    _ => JsonNode::Int(0),
                };
                std::mem::replace(held, emptied)
            };
            let old = json.root.edit_at(&place, &mut empty);
            cleared += i64::from(old.is_some());
            old.into_iter().for_each(|node| discard(&mut json, node));
        }
        json.announce("json.clear");
    }
    call.out.int(cleared);
    Ok(Flow::Done)
}
