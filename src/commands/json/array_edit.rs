//! Arrays at a path, edited.

use super::array::start_in;
use super::look::counts;
use super::place::{
    PlacesIn, at, check_depth, check_growth, discard, edit, effort, held, no_path, order, path,
    path_or_root, places, prepared, utf8, value_in, wants_preparation,
};
use super::shape::{ReplyShape, spread};
use super::text::integer;
use crate::command::Flag::DenyOom;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::types::json::path::{PathEffort, Spelled};
use crate::types::json::{ArrayView, JsonNode, PathStep, Spacing, text_of};

fn is_array(node: &JsonNode) -> bool {
    node.as_array().is_some()
}

/// Elements of an array for which an edit counts once more.
const CHUNK: usize = 64;

/// What an edit of one array comes to, and what it took out.
type Edited<R> = Option<(R, Option<JsonNode>)>;

/// Edits all arrays at these places, and announces it. The results are in the order of the places.
fn edit_all<R: Clone>(
    call: &mut WriteCall<'_>,
    key: &[u8],
    places: &PlacesIn,
    event: &'static str,
    effort: &mut PathEffort,
    edit_one: &mut dyn FnMut(&mut JsonNode) -> Edited<R>,
) -> Result<Vec<Option<R>>, Fail> {
    if let Some(root) = held(&call.db, key)? {
        for place in places.iter().flatten() {
            // A place may be named often, and all chunks of its array be looked at each time.
            effort.looks(at(root, place).map_or(0, len_of) / CHUNK)?;
        }
    }
    let mut results = vec![None; places.len()];
    if places.iter().any(Option::is_some) {
        let mut json = edit(&mut call.db, key)?;
        let mut any = false;
        // What is inside an array before it, and its last elements first: so every place is still the one that was found.
        let mut turns: Vec<(usize, &Vec<PathStep>)> = places
            .iter()
            .enumerate()
            .filter_map(|(at, place)| Some((at, place.as_ref()?)))
            .collect();
        turns.sort_by(|(_, a), (_, b)| order(a, b));
        for (at, place) in turns {
            let mut on_array = |node: &mut JsonNode| match is_array(node) {
                true => edit_one(node),
                false => None,
            };
            let edited = json.root.edit_at(place, &mut on_array).flatten();
            if let Some((came_to, taken)) = edited {
                any = true;
                results[at] = Some(came_to);
                taken.into_iter().for_each(|node| discard(&mut json, node));
            }
        }
        if any {
            json.announce(event);
        }
    }
    Ok(results)
}

/// The lengths that arrays have now.
fn answer(
    call: &mut WriteCall<'_>,
    path: Spelled<'_>,
    lens: &[Option<usize>],
    shown: &str,
) -> Done {
    if path.is_legacy() {
        let last = lens.iter().flatten().next_back();
        let last = last.ok_or_else(|| no_path(shown, " or not an array"))?;
        call.out.count(*last);
    } else {
        counts(lens, call.out);
    }
    Ok(Flow::Done)
}

fn len_of(node: &JsonNode) -> usize {
    node.as_array().map_or(0, ArrayView::len)
}

/// The arrays at a path, and the values that all of them are to get, which they have room for.
fn given(
    call: &mut WriteCall<'_>,
    key: &[u8],
    path: Spelled<'_>,
    effort: &mut PathEffort,
) -> Result<(PlacesIn, Vec<JsonNode>), Fail> {
    let texts = call.args.rest();
    let values: Vec<JsonNode> = texts
        .iter()
        .map(|text| value_in(call, utf8(text)?))
        .collect::<Result<_, _>>()?;
    let places = places(&call.db, key, path, &is_array, effort)?;
    check_depths(&places, &values)?;
    let count = places.iter().flatten().count();
    let size = (texts.iter().map(|text| text.len()).sum(), values.len());
    check_growth(count, size, effort)?;
    Ok((places, values))
}

fn check_depths(places: &PlacesIn, values: &[JsonNode]) -> Result<(), Fail> {
    let deepest = places.iter().flatten().map(Vec::len).max();
    let Some(above) = deepest else {
        return Ok(());
    };
    values
        .iter()
        .try_for_each(|node| check_depth(above + 1, node))
}

pub const ARRAPPEND: Command = Command {
    name: "json.arrappend",
    summary: "Appends values to the arrays at a path",
    cost: "O(1) for each value and one array, O(N) for the document's size N else",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::text("path"),
        Arg::text("value").many(),
    ],
    run: Run::Write(arrappend),
    ..Command::PLAIN
};

fn arrappend(call: &mut WriteCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path(&mut call.args)?);
    if wants_preparation(call, call.args.clone().rest()) {
        let make = |argv: &[&[u8]]| prepared(argv.iter().skip(3));
        return Ok(Flow::Prepare(make));
    }
    let mut effort = effort(call.server, call.user);
    let (places, values) = given(call, key, path, &mut effort)?;
    let lens = edit_all(
        call,
        key,
        &places,
        "json.arrappend",
        &mut effort,
        &mut |node| {
            node.insert(len_of(node), values.clone());
            Some((len_of(node), None))
        },
    )?;
    answer(call, path, &lens, path.text)
}

pub const ARRINSERT: Command = Command {
    name: "json.arrinsert",
    summary: "Inserts values into the arrays at a path",
    cost: "O(N) for the size N of the array or, for several, of the document",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::text("path"),
        Arg::int("index"),
        Arg::text("value").many(),
    ],
    run: Run::Write(arrinsert),
    ..Command::PLAIN
};

/// The place for what is inserted; a negative index counts from the end.
fn insertion(index: i64, len: usize) -> Option<usize> {
    let len = len as i64;
    let index = if index < 0 {
        len.saturating_add(index)
    } else {
        index
    };
    (0..=len).contains(&index).then_some(index as usize)
}

fn arrinsert(call: &mut WriteCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path(&mut call.args)?);
    let index = integer(call.args.next()?)?;
    if wants_preparation(call, call.args.clone().rest()) {
        let make = |argv: &[&[u8]]| prepared(argv.iter().skip(4));
        return Ok(Flow::Prepare(make));
    }
    let mut effort = effort(call.server, call.user);
    let (places, values) = given(call, key, path, &mut effort)?;
    let root = held(&call.db, key)?;
    let fits = |steps: &Vec<PathStep>| {
        let node = root.and_then(|root| at(root, steps));
        node.is_none_or(|node| insertion(index, len_of(node)).is_some())
    };
    if !places.iter().flatten().all(fits) {
        return Err(Fail::Says("index out of bounds"));
    }
    let lens = edit_all(
        call,
        key,
        &places,
        "json.arrinsert",
        &mut effort,
        &mut |node| {
            node.insert(insertion(index, len_of(node))?, values.clone());
            Some((len_of(node), None))
        },
    )?;
    answer(call, path, &lens, &path.whole())
}

pub const ARRPOP: Command = Command {
    name: "json.arrpop",
    summary: "Removes an element from the arrays at a path, and returns it",
    cost: "O(N) for the size N of the array, O(1) if it is the last element; for several arrays, of the document",
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::text("format").token("FORMAT").optional(),
        Arg::text("path").optional(),
        Arg::int("index").optional(),
    ],
    arity: Some(-2),
    run: Run::Write(arrpop),
    ..Command::PLAIN
};

/// The shape that is wished for what is popped, if there is a word for it.
fn shape(call: &mut WriteCall<'_>) -> Result<ReplyShape, Fail> {
    let args = &mut call.args;
    if !args.word_with("FORMAT", 1) {
        return Ok(ReplyShape::Text);
    }
    let shape = match args.next()? {
        b"STRINGS" => ReplyShape::Text,
        b"EXPAND1" => ReplyShape::Flat,
        b"EXPAND" => ReplyShape::Expanded,
        _ => return Err(Fail::Says("wrong reply format")),
    };
    match call.out.resp3() {
        true => Ok(shape),
        false => Err(Fail::Says("FORMAT argument is not supported on RESP2")),
    }
}

fn arrpop(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let shape = shape(call)?;
    let path = path_or_root(&mut call.args)?;
    if path.is_legacy() && shape != ReplyShape::Text {
        let told = "Legacy paths are supported only with FORMAT STRINGS";
        return Err(Fail::code(told));
    }
    // What is no index is the last one's, as in RedisJSON.
    let index = call.args.peek().map(integer);
    let index = index.and_then(Result::ok).unwrap_or(-1);
    let mut effort = effort(call.server, call.user);
    let places = places(&call.db, key, path, &is_array, &mut effort)?;
    let popped = edit_all(
        call,
        key,
        &places,
        "json.arrpop",
        &mut effort,
        &mut |node| {
            let len = len_of(node) as i64;
            let at = PathStep::At(start_in(index, len) as usize);
            let taken = node.remove(&at)?;
            Some((taken.clone(), Some(taken)))
        },
    )?;
    if path.is_legacy() {
        let arrays = places
            .iter()
            .zip(popped)
            .filter(|(place, _)| place.is_some());
        let last = arrays.last().map(|(_, popped)| popped);
        let last = last.ok_or_else(|| no_path(&path.whole(), " or not an array"))?;
        call.out.bulk_or_null(last.as_ref().map(text_of).as_deref());
        return Ok(Flow::Done);
    }
    call.out.array(popped.len());
    for node in &popped {
        match node {
            None => call.out.null(),
            Some(node) if shape == ReplyShape::Text => call.out.bulk(text_of(node)),
            Some(node) => spread(node, shape, Spacing::default(), call.out, usize::MAX)?,
        }
    }
    Ok(Flow::Done)
}

pub const ARRTRIM: Command = Command {
    name: "json.arrtrim",
    summary: "Keeps a range of the elements of the arrays at a path",
    cost: "O(N) for the size N of the array or, for several, of the document",
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::text("path"),
        Arg::int("start"),
        Arg::int("stop"),
    ],
    run: Run::Write(arrtrim),
    ..Command::PLAIN
};

/// The elements from `start` to `stop`, both included, as a range of places.
fn kept(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let place = |index: i64| match index < 0 {
        true => len.saturating_add(index).max(0),
        false => index.min(len - 1).max(0),
    };
    let stop = place(stop);
    let start = if start < len { place(start) } else { stop + 1 };
    match start > stop || len == 0 {
        true => (0, 0),
        false => (start as usize, stop as usize + 1),
    }
}

fn arrtrim(call: &mut WriteCall<'_>) -> Done {
    let (key, path) = (call.args.next()?, path(&mut call.args)?);
    let (start, stop) = (integer(call.args.next()?)?, integer(call.args.next()?)?);
    let mut effort = effort(call.server, call.user);
    let places = places(&call.db, key, path, &is_array, &mut effort)?;
    let lens = edit_all(
        call,
        key,
        &places,
        "json.arrtrim",
        &mut effort,
        &mut |node| {
            let (start, end) = kept(start, stop, len_of(node));
            // A copy, so that what goes is not freed here.
            let before = node.clone();
            node.keep(start, end);
            Some((len_of(node), Some(before)))
        },
    )?;
    answer(call, path, &lens, &path.whole())
}
