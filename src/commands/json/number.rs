//! Arithmetic with the numbers at a path.

use std::collections::HashMap;

use super::place::{NO_DOCUMENT, at, edit, effort, held, no_path, path, places, said, utf8};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::types::json::{JsonNode, JsonSeen, PathStep, parse_all, text_of};

const ARGS: &[Arg] = &[
    Arg::key("key", KeyUse::READ_UPDATE),
    Arg::text("path"),
    Arg::double("value"),
];

pub const NUMINCRBY: Command = Command {
    name: "json.numincrby",
    summary: "Adds to the numbers at a path",
    cost: "O(1) for one value, O(N) for the document's size N else",
    args: ARGS,
    run: Run::Write(|call| calculate(call, "json.numincrby", ADD)),
    ..Command::PLAIN
};

pub const NUMMULTBY: Command = Command {
    name: "json.nummultby",
    summary: "Multiplies the numbers at a path",
    cost: "O(1) for one value, O(N) for the document's size N else",
    args: ARGS,
    run: Run::Write(|call| calculate(call, "json.nummultby", MULTIPLY)),
    ..Command::PLAIN
};

pub const NUMPOWBY: Command = Command {
    name: "json.numpowby",
    summary: "Raises the numbers at a path to a power",
    cost: "O(1) for one value, O(N) for the document's size N else",
    args: ARGS,
    run: Run::Write(|call| calculate(call, "json.numpowby", POWER)),
    ..Command::PLAIN
};

/// What is done to two integers, and to two doubles.
#[derive(Clone, Copy)]
struct Arithmetic {
    ints: fn(i64, i64) -> i64,
    floats: fn(f64, f64) -> f64,
}

// As in RedisJSON, integers that become too large begin anew at the other end.
const ADD: Arithmetic = Arithmetic {
    ints: i64::wrapping_add,
    floats: |a, b| a + b,
};
const MULTIPLY: Arithmetic = Arithmetic {
    ints: i64::wrapping_mul,
    floats: |a, b| a * b,
};
const POWER: Arithmetic = Arithmetic {
    ints: |a, b| a.wrapping_pow(b as u32),
    floats: f64::powf,
};

impl Arithmetic {
    fn of(self, held: &JsonNode, operand: &JsonNode) -> Result<JsonNode, Fail> {
        if let (JsonNode::Int(a), JsonNode::Int(b)) = (held, operand) {
            return Ok(JsonNode::Int((self.ints)(*a, *b)));
        }
        let result = (self.floats)(float(held), float(operand));
        match result.is_finite() {
            true => Ok(JsonNode::Float(result)),
            false => Err(Fail::Says("result is not a number")),
        }
    }
}

fn float(node: &JsonNode) -> f64 {
    match node.see() {
        JsonSeen::Int(n) => n as f64,
        JsonSeen::Large(n) => n as f64,
        JsonSeen::Float(n) => n,
        _ => f64::NAN,
    }
}

fn is_number(node: &JsonNode) -> bool {
    matches!(
        node.see(),
        JsonSeen::Int(_) | JsonSeen::Large(_) | JsonSeen::Float(_)
    )
}

fn operand(text: &str) -> Result<JsonNode, Fail> {
    let node = parse_all(text).map_err(said)?;
    match is_number(&node) {
        true => Ok(node),
        false => Err(Fail::code("bad input number")),
    }
}

fn calculate(call: &mut WriteCall<'_>, event: &'static str, how: Arithmetic) -> Done {
    let (key, path) = (call.args.next()?, path(&mut call.args)?);
    let text = utf8(call.args.next()?)?;
    let places = places(
        &call.db,
        key,
        path,
        &is_number,
        &mut effort(call.server, call.user),
    )?;
    let mut results: Vec<Option<JsonNode>> = vec![None; places.len()];
    if places.iter().any(Option::is_some) {
        // It is looked at only if there is a number.
        let operand = operand(text)?;
        let root = held(&call.db, key)?.ok_or(NO_DOCUMENT)?;
        // What comes to stand at each place, which may be named twice.
        let mut now: HashMap<&[PathStep], JsonNode> = HashMap::new();
        for (place, result) in places.iter().zip(&mut results) {
            let Some(place) = place else { continue };
            let held = now.get(&place[..]).or_else(|| at(root, place));
            let computed = how.of(held.unwrap_or(&JsonNode::Null), &operand)?;
            *result = Some(computed.clone());
            now.insert(place, computed);
        }
        let mut json = edit(&mut call.db, key)?;
        for (place, node) in now {
            let mut put = |held: &mut JsonNode| *held = node.clone();
            json.root.edit_at(place, &mut put);
        }
        json.announce(event);
    }
    if call.out.resp3() {
        call.out.array(results.len());
        for result in &results {
            match result {
                Some(JsonNode::Int(n)) => call.out.int(*n),
                Some(node) => call.out.double(float(node)),
                None => call.out.null(),
            }
        }
    } else if path.is_legacy() {
        let last = results.iter().flatten().next_back();
        let or = " or does not contains a number";
        let last = last.ok_or_else(|| no_path(&path.whole(), or))?;
        call.out.bulk(text_of(last));
    } else {
        let results = results.into_iter().map(Option::unwrap_or_default).collect();
        call.out.bulk(text_of(&JsonNode::array(results)));
    }
    Ok(Flow::Done)
}
