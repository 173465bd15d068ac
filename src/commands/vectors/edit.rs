//! Elements in and out, and their attributes.

use super::given::{Given, mismatch, project};
use super::{KEY, arity};
use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, Run, WriteCall};
use crate::types::VectorSet;
use crate::types::graph::{self, LEVEL_SHARE, LINKS_MAX, LINKS_MIN};
use crate::types::vectors::{Quantization, VectorForm};
use crate::util::chance;

/// Nodes that are looked at to link a new one well, where nothing is said.
const EXPLORATION: usize = 200;
const EXPLORATION_MAX: i64 = 1_000_000;
const LINKS: usize = 16;

pub const VADD: Command = Command {
    name: "vadd",
    summary: "Adds an element with a vector, or gives one another vector",
    cost: "O(log(N)) for N elements",
    since: "8.0.0",
    flags: &[DenyOom],
    args: &[
        KEY,
        Arg::int("dim").token("REDUCE").optional(),
        Arg::one_of(
            "format",
            &[Arg::word("fp32", "FP32"), Arg::word("values", "VALUES")],
        ),
        Arg::text("vector"),
        Arg::text("element"),
        Arg::word("cas", "CAS").optional(),
        Arg::one_of(
            "quant_type",
            &[
                Arg::word("noquant", "NOQUANT"),
                Arg::word("bin", "BIN"),
                Arg::word("q8", "Q8"),
            ],
        )
        .optional(),
        Arg::int("build-exploration-factor").token("EF").optional(),
        Arg::text("attributes").token("SETATTR").optional(),
        Arg::int("numlinks").token("M").optional(),
    ],
    arity: Some(-1),
    run: Run::Write(vadd),
    ..Command::PLAIN
};

/// What may follow the element.
struct AddOptions<'a> {
    quantization: Quantization,
    exploration: usize,
    links: usize,
    attributes: Option<&'a [u8]>,
}

impl<'a> AddOptions<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Self, Fail> {
        let mut options = AddOptions {
            quantization: Quantization::Byte,
            exploration: EXPLORATION,
            links: LINKS,
            attributes: None,
        };
        let links = LINKS_MIN as i64..=LINKS_MAX as i64;
        while !args.is_empty() {
            if args.word("CAS") {
                // It asks for work on another thread, which changes nothing of what comes of it.
            } else if args.word_with("EF", 1) {
                let invalid = Fail::Says("invalid EF");
                options.exploration = args.int_in(1..=EXPLORATION_MAX, invalid)? as usize;
            } else if args.word_with("M", 1) {
                let invalid = Fail::Says("invalid M");
                options.links = args.int_in(links.clone(), invalid)? as usize;
            } else if args.word_with("SETATTR", 1) {
                options.attributes = Some(args.next()?);
            } else if args.word("NOQUANT") {
                options.quantization = Quantization::None;
            } else if args.word("BIN") {
                options.quantization = Quantization::Bit;
            } else if args.word("Q8") {
                options.quantization = Quantization::Byte;
            } else {
                return Err(Fail::Says("invalid option after element"));
            }
        }
        Ok(options)
    }
}

/// Whether the vector may stand in this set.
fn check(set: &VectorSet, given: &Given, options: &AddOptions<'_>) -> Result<(), Fail> {
    if set.form().quantization != options.quantization {
        return Err(Fail::Says(
            "asked quantization mismatch with existing vector set",
        ));
    }
    if set.graph().links_wanted() != options.links {
        return Err(Fail::Says(
            "asked M value mismatch with existing vector set",
        ));
    }
    let kept = match set.projection() {
        None => given.vector.len(),
        Some(_) => given.reduce.unwrap_or(0),
    };
    if kept != set.form().dimension {
        return Err(mismatch(given.vector.len(), set));
    }
    if given.reduce.is_some() && set.projection().is_none() {
        return Err(Fail::Says(
            "cannot add projection to existing set without projection",
        ));
    }
    Ok(())
}

fn vadd(call: &mut WriteCall<'_>) -> Done {
    arity(&call.args, 5..=usize::MAX, "VADD")?;
    let key = call.args.next()?;
    let given = Given::parse(&mut call.args, true)?;
    let name = call.args.next().map_err(|_| Fail::arity("VADD"))?;
    let options = AddOptions::parse(&mut call.args)?;
    let mut set = call.db.edit_or_create::<VectorSet>(key)?;
    if set.is_fresh() {
        let form = VectorForm {
            quantization: options.quantization,
            dimension: given.reduce.unwrap_or(given.vector.len()),
        };
        let fresh = VectorSet::new(form, given.projection()?, options.links);
        *set = fresh;
    } else {
        check(&set, &given, &options)?;
    }
    let vector = match set.projection() {
        Some(projection) => project(&given.vector, projection)?,
        None => given.vector,
    };
    let level = graph::level(LEVEL_SHARE, chance::fraction);
    let node = (level, options.exploration);
    let added = set.insert(name, vector, options.attributes, node);
    set.touch_new();
    drop(set);
    call.out.bool(added);
    Ok(Flow::Done)
}

pub const VREM: Command = Command {
    name: "vrem",
    summary: "Removes an element",
    cost: "O(log(N)) for N elements",
    since: "8.0.0",
    args: &[KEY, Arg::text("element")],
    arity: Some(-1),
    run: Run::Write(vrem),
    ..Command::PLAIN
};

fn vrem(call: &mut WriteCall<'_>) -> Done {
    arity(&call.args, 3..=3, "VREM")?;
    let (key, name) = (call.args.next()?, call.args.next()?);
    let mut removed = false;
    if let Some(mut set) = call.db.edit::<VectorSet>(key)? {
        match set.find(name) {
            Some(_) => {
                removed = set.remove(name);
                set.touch();
            }
            None => set.signal(),
        }
    }
    call.out.bool(removed);
    Ok(Flow::Done)
}

pub const VSETATTR: Command = Command {
    name: "vsetattr",
    summary: "Gives an element attributes, or takes them from it if they are empty",
    since: "8.0.0",
    flags: &[Fast],
    args: &[KEY, Arg::text("element"), Arg::text("json")],
    arity: Some(-1),
    run: Run::Write(vsetattr),
    ..Command::PLAIN
};

fn vsetattr(call: &mut WriteCall<'_>) -> Done {
    arity(&call.args, 4..=4, "VSETATTR")?;
    let (key, name, text) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let mut found = false;
    if let Some(mut set) = call.db.edit::<VectorSet>(key)? {
        match set.find(name) {
            Some(at) => {
                set.set_attributes(at, text);
                set.touch();
                found = true;
            }
            None => set.signal(),
        }
    }
    call.out.bool(found);
    Ok(Flow::Done)
}
