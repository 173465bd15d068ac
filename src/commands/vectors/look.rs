//! Looking at vector sets and their elements.

use std::ops::Bound;

use super::{KEY, arity};
use crate::command::Flag::Fast;
use crate::command::sample::Draw;
use crate::command::{Arg, Command, Done, Fail, Flow, ReadCall, ReadDb, Run};
use crate::types::VectorSet;
use crate::types::vectors::{KeptVector, Quantization};
use crate::util::{chance, number};

pub const VCARD: Command = Command {
    name: "vcard",
    summary: "Counts the elements of a vector set",
    since: "8.0.0",
    flags: &[Fast],
    args: &[KEY],
    arity: Some(-1),
    run: Run::Read(vcard),
    ..Command::PLAIN
};

fn vcard(call: &mut ReadCall<'_>) -> Done {
    arity(&call.args, 2..=2, "VCARD")?;
    let set = call.db.read::<VectorSet>(call.args.next()?)?;
    call.out.count(set.map_or(0, VectorSet::len));
    Ok(Flow::Done)
}

pub const VDIM: Command = Command {
    name: "vdim",
    summary: "Returns how many numbers each vector of a set has",
    since: "8.0.0",
    flags: &[Fast],
    args: &[KEY],
    arity: Some(-1),
    run: Run::Read(vdim),
    ..Command::PLAIN
};

fn vdim(call: &mut ReadCall<'_>) -> Done {
    arity(&call.args, 2..=2, "VDIM")?;
    let set = call.db.read::<VectorSet>(call.args.next()?)?;
    let set = set.ok_or(Fail::Says("key does not exist"))?;
    call.out.count(set.form().dimension);
    Ok(Flow::Done)
}

/// An element that a command names, and the set that has it.
type OneElement<'a> = Option<(&'a VectorSet, usize)>;

fn named<'a>(db: &'a ReadDb<'_>, key: &[u8], name: &[u8]) -> Result<OneElement<'a>, Fail> {
    let set = db.read::<VectorSet>(key)?;
    Ok(set.and_then(|set| Some((set, set.find(name)?))))
}

pub const VEMB: Command = Command {
    name: "vemb",
    summary: "Returns about the vector of an element, or what is kept of it",
    cost: "O(N) for N numbers",
    since: "8.0.0",
    flags: &[Fast],
    args: &[
        KEY,
        Arg::text("element"),
        Arg::word("raw", "RAW").optional(),
    ],
    arity: Some(-1),
    run: Run::Read(vemb),
    ..Command::PLAIN
};

fn vemb(call: &mut ReadCall<'_>) -> Done {
    arity(&call.args, 3..=usize::MAX, "VEMB")?;
    let (key, name) = (call.args.next()?, call.args.next()?);
    let raw = call.args.word("RAW");
    while call.args.word("RAW") {}
    call.args.end().map_err(|_| Fail::Says("invalid option"))?;
    let Some((set, at)) = named(&call.db, key, name)? else {
        call.out.null();
        return Ok(Flow::Done);
    };
    let form = set.form();
    if !raw {
        let vector = form.restore(set.row(at));
        call.out.array(vector.len());
        vector
            .into_iter()
            .for_each(|one| call.out.double(f64::from(one)));
        return Ok(Flow::Done);
    }
    let kept = KeptVector::of(set.row(at));
    let has_range = form.quantization == Quantization::Byte;
    call.out.array(3 + usize::from(has_range));
    call.out.simple(form.quantization.word());
    call.out.bulk(kept.bytes);
    call.out.double(f64::from(kept.length));
    if has_range {
        call.out.double(f64::from(kept.range));
    }
    Ok(Flow::Done)
}

pub const VGETATTR: Command = Command {
    name: "vgetattr",
    summary: "Returns the attributes of an element",
    since: "8.0.0",
    flags: &[Fast],
    args: &[KEY, Arg::text("element")],
    arity: Some(-1),
    run: Run::Read(vgetattr),
    ..Command::PLAIN
};

fn vgetattr(call: &mut ReadCall<'_>) -> Done {
    arity(&call.args, 3..=3, "VGETATTR")?;
    let (key, name) = (call.args.next()?, call.args.next()?);
    let text = named(&call.db, key, name)?.and_then(|(set, at)| set.attributes(at));
    call.out.bulk_or_null(text);
    Ok(Flow::Done)
}

pub const VISMEMBER: Command = Command {
    name: "vismember",
    summary: "Tells whether a vector set has an element",
    since: "8.2.0",
    args: &[KEY, Arg::text("element")],
    arity: Some(-1),
    run: Run::Read(vismember),
    ..Command::PLAIN
};

fn vismember(call: &mut ReadCall<'_>) -> Done {
    arity(&call.args, 3..=3, "VISMEMBER")?;
    let (key, name) = (call.args.next()?, call.args.next()?);
    let found = named(&call.db, key, name)?.is_some();
    call.out.bool(found);
    Ok(Flow::Done)
}

pub const VINFO: Command = Command {
    name: "vinfo",
    summary: "Tells about a vector set",
    since: "8.0.0",
    flags: &[Fast],
    args: &[KEY],
    arity: Some(-1),
    run: Run::Read(vinfo),
    ..Command::PLAIN
};

fn vinfo(call: &mut ReadCall<'_>) -> Done {
    arity(&call.args, 2..=2, "VINFO")?;
    let Some(set) = call.db.read::<VectorSet>(call.args.next()?)? else {
        call.out.null_array();
        return Ok(Flow::Done);
    };
    let (form, graph) = (set.form(), set.graph());
    let projected = set.projection().map_or(0, |projection| projection.from());
    let figures = [
        ("hnsw-m", graph.links_wanted() as i64),
        ("vector-dim", form.dimension as i64),
        ("projection-input-dim", projected as i64),
        ("size", set.len() as i64),
        ("max-level", graph.top() as i64),
        ("attributes-count", set.with_attributes() as i64),
        ("vset-uid", set.id() as i64),
        ("hnsw-max-node-uid", set.added() as i64),
    ];
    call.out.map(1 + figures.len());
    call.out.simple("quant-type");
    call.out.simple(form.quantization.word());
    for (name, figure) in figures {
        call.out.simple(name);
        call.out.int(figure);
    }
    Ok(Flow::Done)
}

pub const VLINKS: Command = Command {
    name: "vlinks",
    summary: "Returns the elements that an element is linked with, on each level",
    since: "8.0.0",
    flags: &[Fast],
    args: &[
        KEY,
        Arg::text("element"),
        Arg::word("withscores", "WITHSCORES").optional(),
    ],
    arity: Some(-1),
    run: Run::Read(vlinks),
    ..Command::PLAIN
};

fn vlinks(call: &mut ReadCall<'_>) -> Done {
    arity(&call.args, 3..=4, "VLINKS")?;
    let (key, name) = (call.args.next()?, call.args.next()?);
    let with_scores = call.args.word("WITHSCORES");
    call.args.end().map_err(|_| Fail::arity("VLINKS"))?;
    let Some((set, at)) = named(&call.db, key, name)? else {
        call.out.null();
        return Ok(Flow::Done);
    };
    let (graph, node) = (set.graph(), at as u32);
    call.out.array(1 + graph.level(node));
    for level in (0..=graph.level(node)).rev() {
        let links = graph.links(node, level);
        match with_scores {
            true => call.out.map(links.len()),
            false => call.out.array(links.len()),
        }
        for link in links {
            let link = *link as usize;
            call.out.bulk(set.name(link));
            if with_scores {
                let score = 1.0 - f64::from(set.between(at, link)) / 2.0;
                call.out.double(f64::from(score as f32));
            }
        }
    }
    Ok(Flow::Done)
}

pub const VRANDMEMBER: Command = Command {
    name: "vrandmember",
    summary: "Returns elements at random",
    cost: "O(N) for N elements returned",
    since: "8.0.0",
    args: &[KEY, Arg::int("count").optional()],
    arity: Some(-1),
    run: Run::Read(vrandmember),
    ..Command::PLAIN
};

fn vrandmember(call: &mut ReadCall<'_>) -> Done {
    arity(&call.args, 2..=3, "VRANDMEMBER")?;
    let key = call.args.next()?;
    let count = match call.args.is_empty() {
        true => None,
        false => Some(
            call.args
                .int_or(Fail::Says("COUNT value is not an integer"))?,
        ),
    };
    if count == Some(0) {
        call.out.array(0);
        return Ok(Flow::Done);
    }
    let set = call.db.read::<VectorSet>(key)?;
    match (set, count) {
        (Some(_), Some(i64::MIN)) => return Err(Fail::UNMIRRORED),
        (Some(set), Some(count)) => {
            let draw = Draw::of(count);
            call.out.array(draw.size(set.len()));
            for at in draw.positions(set.len()) {
                if call.out.is_full() {
                    break;
                }
                call.out.bulk(set.name(at));
            }
        }
        (Some(set), None) => call.out.bulk(set.name(chance::within(0..set.len()))),
        (None, Some(_)) => call.out.array(0),
        (None, None) => call.out.null(),
    }
    Ok(Flow::Done)
}

pub const VRANGE: Command = Command {
    name: "vrange",
    summary: "Returns elements between two names, in their order",
    cost: "O(N) for N elements of the set",
    since: "8.4.0",
    args: &[
        KEY,
        Arg::text("start"),
        Arg::text("end"),
        Arg::int("count").optional(),
    ],
    arity: Some(-1),
    run: Run::Read(vrange),
    ..Command::PLAIN
};

/// One end of a range of names.
fn end<'a>(text: &'a [u8], which: &'static str) -> Result<Bound<&'a [u8]>, Fail> {
    match text {
        b"-" | b"+" => Ok(Bound::Unbounded),
        [b'[', name @ ..] if !name.is_empty() => Ok(Bound::Included(name)),
        [b'(', name @ ..] if !name.is_empty() => Ok(Bound::Excluded(name)),
        _ => Err(Fail::said(format!("invalid {which} range format"))),
    }
}

fn vrange(call: &mut ReadCall<'_>) -> Done {
    arity(&call.args, 4..=5, "VRANGE")?;
    let (key, start, stop) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let count = match call.args.peek() {
        Some(text) => number::parse_i64(text).ok_or(Fail::Says("invalid COUNT value"))?,
        None => -1,
    };
    let range = (end(start, "start")?, end(stop, "end")?);
    if start == b"+" || stop == b"-" {
        return Err(Fail::Says(
            "'-' can only be used as first argument, '+' only as second",
        ));
    }
    let Some(set) = call.db.read::<VectorSet>(key)? else {
        call.out.array(0);
        return Ok(Flow::Done);
    };
    let names = (0..set.len()).map(|at| set.name(at));
    let is_inside = |name: &&[u8]| std::ops::RangeBounds::<[u8]>::contains(&range, *name);
    let mut inside: Vec<&[u8]> = names.filter(is_inside).collect();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count < inside.len() {
        if count > 0 {
            inside.select_nth_unstable(count - 1);
        }
        inside.truncate(count);
    }
    inside.sort_unstable();
    call.out.array(inside.len());
    inside.into_iter().for_each(|name| call.out.bulk(name));
    Ok(Flow::Done)
}
