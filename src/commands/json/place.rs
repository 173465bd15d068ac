//! What the commands share: paths and values among arguments, and places in a document that is to be edited.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::acl::User;
use crate::command::{Args, Fail, Preparation, Prepared, WriteCall};
use crate::engine::{Db, Edit};
use crate::resp::Reply;
use crate::state::shared::Shared;
use crate::types::json::path::{JsonPath, PathEffort, PathRef, Spelled, TooMuch};
use crate::types::json::{DEPTH_MAX, JsonNode, JsonSeen, PathStep, parse};
use crate::types::{Json, Type};

pub const WRONG_KEY: Fail = Fail::Code(Cow::Borrowed("Existing key has wrong Redis type"));
pub const NO_DOCUMENT: Fail =
    Fail::Says("could not perform this operation on a key that doesn't exist");
pub const NO_UTF8: Fail = Fail::Code(Cow::Borrowed("Couldn't parse as UTF-8 string"));
pub const TOO_LARGE: Fail = Fail::Says("string exceeds maximum allowed size (proto-max-bulk-len)");
pub const TOO_MUCH: Fail = Fail::Says("following the path takes too many steps");
const TOO_DEEP: Fail = Fail::Says("recursion limit exceeded");

impl From<TooMuch> for Fail {
    fn from(_: TooMuch) -> Self {
        TOO_MUCH
    }
}

pub fn utf8(bytes: &[u8]) -> Result<&str, Fail> {
    std::str::from_utf8(bytes).map_err(|_| NO_UTF8)
}

/// The next argument, which must be a path.
pub fn path<'a>(args: &mut Args<'a>) -> Result<Spelled<'a>, Fail> {
    Ok(Spelled::new(utf8(args.next()?)?))
}

/// The next argument as a path; the whole document if there is none.
pub fn path_or_root<'a>(args: &mut Args<'a>) -> Result<Spelled<'a>, Fail> {
    match args.is_empty() {
        true => Ok(Spelled::new(".")),
        false => path(args),
    }
}

pub fn parsed(path: Spelled<'_>) -> Result<JsonPath, Fail> {
    path.parse().map_err(Fail::code)
}

fn value(text: &str) -> Result<JsonNode, Fail> {
    parse(text).map_err(|error| Fail::code(error.to_string()))
}

/// Texts that are longer are read before the document's shard is locked: that takes longer than locking it twice.
const LONG_TEXT: usize = 4096;

/// Whether these texts are worth it.
pub fn wants_preparation(call: &WriteCall<'_>, texts: &[&[u8]]) -> bool {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    bytes > LONG_TEXT && matches!(call.preparation, Preparation::Offered)
}

/// Reads texts before anything is locked.
pub fn prepared<'t>(texts: impl Iterator<Item = &'t &'t [u8]>) -> Prepared {
    let made = texts.map(|text| {
        let root = value(utf8(text)?)?;
        Ok(Json { root }.wrap())
    });
    made.collect()
}

/// An argument that is a value, which may be here already.
pub fn value_in(call: &WriteCall<'_>, text: &str) -> Result<JsonNode, Fail> {
    if let Preparation::Made(made) = call.preparation
        && let Some(made) = made.borrow_mut().next()
    {
        let made = made?;
        let json = Json::of(made.as_ref()).expect("documents are made of these texts");
        return Ok(json.root.clone());
    }
    value(text)
}

/// What goes wrong with a value whose error text begins with `ERR`.
pub fn said(error: serde_json::Error) -> Fail {
    Fail::said(error.to_string())
}

/// `Path '$.a' does not exist`, and perhaps what else may be wrong.
pub fn no_path(path: &str, or: &str) -> Fail {
    Fail::said(format!("Path '{path}' does not exist{or}"))
}

/// What was found is of another type.
pub fn wrong_value(wanted: &str, found: &str) -> Fail {
    Fail::code(format!(
        "WRONGTYPE wrong type of path value - expected {wanted} but found {found}"
    ))
}

/// What JSON.TYPE calls a value.
pub fn type_name(node: &JsonNode) -> &'static str {
    match node.see() {
        JsonSeen::Null => "null",
        JsonSeen::Bool(_) => "boolean",
        JsonSeen::Int(_) | JsonSeen::Large(_) => "integer",
        JsonSeen::Float(_) => "number",
        JsonSeen::Text(_) => "string",
        JsonSeen::Array(_) => "array",
        JsonSeen::Object(_) => "object",
    }
}

/// The document at a key, for those who look at it.
pub fn document<'d>(db: &'d Db<'_>, key: &[u8]) -> Result<Option<&'d JsonNode>, Fail> {
    let json = db.read::<Json>(key).map_err(|_| WRONG_KEY)?;
    Ok(json.map(|json| &json.root))
}

/// The document at a key, for those who are about to edit it.
pub fn held<'d>(db: &'d Db<'_>, key: &[u8]) -> Result<Option<&'d JsonNode>, Fail> {
    let json = db.held::<Json>(key).map_err(|_| WRONG_KEY)?;
    Ok(json.map(|json| &json.root))
}

/// The document at a key that was found there before.
pub fn edit<'d>(db: &'d mut Db<'_>, key: &[u8]) -> Result<Edit<'d, Json>, Fail> {
    let json = db.edit::<Json>(key).map_err(|_| WRONG_KEY)?;
    json.ok_or(NO_DOCUMENT)
}

/// Drops a value that was taken out of a document.
pub fn discard(json: &mut Edit<'_, Json>, node: JsonNode) {
    json.discard(Json { root: node }.wrap());
}

/// The first value that a path of the older kind leads to.
pub fn first<'d>(
    root: &'d JsonNode,
    path: Spelled<'_>,
    effort: &mut PathEffort,
) -> Result<&'d JsonNode, Fail> {
    let values = parsed(path)?.as_ref().values(root, effort)?;
    let first = values.first().copied();
    first.ok_or_else(|| no_path(&path.whole(), ""))
}

/// The first value that a path of the older kind leads to, or none if there is anything wrong with it.
pub fn first_if_any<'d>(
    root: &'d JsonNode,
    path: Spelled<'_>,
    effort: &mut PathEffort,
) -> Result<Option<&'d JsonNode>, Fail> {
    match path.parse() {
        Ok(path) => Ok(path.as_ref().values(root, effort)?.first().copied()),
        Err(_) => Ok(None),
    }
}

/// The places that a path leads to; of those that hold what doesn't fit, nothing but that they are there.
pub type PlacesIn = Vec<Option<Vec<PathStep>>>;

pub fn places(
    db: &Db<'_>,
    key: &[u8],
    path: Spelled<'_>,
    fits: &dyn Fn(&JsonNode) -> bool,
    effort: &mut PathEffort,
) -> Result<PlacesIn, Fail> {
    let root = held(db, key)?.ok_or(NO_DOCUMENT)?;
    Ok(parsed(path)?.as_ref().places(root, fits, effort)?)
}

/// The value at a place.
pub fn at<'d>(root: &'d JsonNode, steps: &[PathStep]) -> Option<&'d JsonNode> {
    let mut node = root;
    for step in steps {
        node = match step {
            PathStep::At(at) => node.as_array()?.get(*at)?,
            PathStep::Name(name) => node.as_object()?.find(name.as_bytes())?,
        };
    }
    Some(node)
}

/// A value that is put below so many containers must not make the document too deep.
pub fn check_depth(above: usize, node: &JsonNode) -> Result<(), Fail> {
    // No document is too deep by itself.
    match above > 0 && above + node.depth() > DEPTH_MAX {
        true => Err(TOO_DEEP),
        false => Ok(()),
    }
}

/// What a command may spend. What a master or the log says, which is nobody's command, was done once, and is done again.
pub fn effort(server: &Shared, user: Option<&User>) -> PathEffort {
    let max = usize::try_from(server.config.proto_max_bulk_len.get());
    match user {
        Some(_) => PathEffort::bounded(max.unwrap_or(usize::MAX)),
        None => PathEffort::endless(),
    }
}

/// How long a reply may become.
pub fn end_of(out: &Reply, effort: &PathEffort) -> usize {
    out.len().saturating_add(effort.may_write())
}

/// Values that are put into so many places must not make a document grow far beyond what a client sends. These are the bytes
/// of their text, and the nodes that each place has to itself.
pub fn check_growth(
    places: usize,
    (bytes, nodes): (usize, usize),
    effort: &mut PathEffort,
) -> Result<(), Fail> {
    let again = places.saturating_sub(1);
    if again > 0 && places.saturating_mul(bytes) > effort.may_write() {
        return Err(TOO_LARGE);
    }
    effort.written(again.saturating_mul(bytes))?;
    Ok(effort.looks(again.saturating_mul(nodes))?)
}

/// The places of a part of a path.
pub fn hits(
    path: PathRef<'_>,
    root: &JsonNode,
    effort: &mut PathEffort,
) -> Result<Vec<Vec<PathStep>>, Fail> {
    let hits = path.places(root, &|_| true, effort)?;
    Ok(hits.into_iter().flatten().collect())
}

/// Higher places of an array before lower ones, and what is inside a value before it.
pub fn order(a: &[PathStep], b: &[PathStep]) -> Ordering {
    let steps = a.iter().zip(b).map(|(a, b)| order_of_steps(a, b));
    let differ = steps.into_iter().find(|order| order.is_ne());
    differ.unwrap_or_else(|| b.len().cmp(&a.len()))
}

/// Names that are numbers are ordered as numbers: which field goes first decides which one takes its place.
fn order_of_steps(a: &PathStep, b: &PathStep) -> Ordering {
    let number = |step: &PathStep| match step {
        PathStep::At(at) => Some(*at),
        PathStep::Name(name) => std::str::from_utf8(name.as_bytes()).ok()?.parse().ok(),
    };
    match (number(a), number(b)) {
        (Some(x), Some(y)) if x != y => y.cmp(&x),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        // Different names may be the same number.
        _ => match (a, b) {
            (PathStep::Name(a), PathStep::Name(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => Ordering::Equal,
        },
    }
}
