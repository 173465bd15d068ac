//! FT.AGGREGATE: rows of what a query finds, and what steps make of them.

use std::sync::Arc;

use hashbrown::HashSet;

use super::fields::value_of;
use super::find::{effort, evaluated, frozen, was_late};
use super::hit::{Hit, HitRank};
use super::load::{DocumentPlace, READ_AHEAD, READ_UNITS, ReadFate, Tries, look_ahead, read};
use super::measured::SearchProfile;
use super::options::{QueryOptions, unknown};
use super::pipeline::{RowFlow, RowStep, property};
use super::reply::{ReplyTail, write_rows};
use super::wants::Wants;
use super::{SEARCHES, refused, wrong_arity};
use crate::command::Flag::ReadOnly;
use crate::command::{Command, Done, Fail, Flow, ReadCall, Run};
use crate::search::{
    ALL_FIELDS, Definition, DocumentIndex, Effort, Match, QueryDefaults, QueryRules, ROWS_TOGETHER,
    Row, RowCursor, RowValue, SortKey, Words, check_distance_names, distance_names, parse, score,
};

pub const AGGREGATE: Command = Command {
    name: "ft.aggregate",
    summary: "Run a search query on an index and perform aggregate transformations on the results",
    cost: "O(1)",
    flags: &[ReadOnly],
    run: Run::Read(aggregate),
    ..SEARCHES
};

/// Fields that LOAD names, each with what it is called.
pub enum Load {
    All,
    Named(Vec<(Vec<u8>, Vec<u8>)>),
}

pub struct AggregateWish<'a> {
    pub asked: QueryOptions<'a>,
    pub loads: Vec<Load>,
    add_scores: bool,
    pub steps: Vec<RowStep>,
    /// Rows at once, and for how long they are kept.
    cursor: Option<(usize, u64)>,
}

/// Rows of a cursor at once, unless told otherwise.
const CURSOR_ROWS: usize = 1000;
/// For how long a cursor is kept unread, at most.
const CURSOR_IDLE_MS: u64 = 300_000;

impl<'a> AggregateWish<'a> {
    /// Nothing is made of the results yet.
    pub fn of(asked: QueryOptions<'a>) -> Self {
        AggregateWish {
            asked,
            loads: Vec::new(),
            add_scores: false,
            steps: Vec::new(),
            cursor: None,
        }
    }

    fn parse(args: &'a [&'a [u8]], defaults: QueryDefaults) -> Result<Self, Fail> {
        let Some((query, rest)) = args.split_first() else {
            return Err(Fail::code("No query string provided"));
        };
        let mut wish = AggregateWish::of(QueryOptions::new(query, defaults));
        let mut words = Words::new(rest);
        while !words.is_empty() {
            if wish.asked.option(&mut words)? {
                continue;
            }
            if let Some(step) = RowStep::parse(&mut words)? {
                wish.steps.push(step);
                continue;
            }
            if words.word("LOAD") {
                if wish
                    .steps
                    .iter()
                    .any(|step| matches!(step, RowStep::Group(_)))
                {
                    return Err(Fail::code(
                        "LOAD cannot be applied after projectors or reducers",
                    ));
                }
                let load = load(&mut words)?;
                wish.loads.push(load);
            } else if words.word("ADDSCORES") {
                wish.add_scores = true;
            } else if words.word("WITHCURSOR") {
                wish.cursor = Some(cursor(&mut words)?);
            } else {
                return Err(unknown(&words));
            }
        }
        Ok(wish)
    }

    /// The properties that rows need of documents. A step that asks for one that its rows can't have is refused.
    fn needed(&self, index: &DocumentIndex, given: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Fail> {
        let mut known: HashSet<Vec<u8>> = given.iter().cloned().collect();
        for load in &self.loads {
            match load {
                Load::All => {
                    let fields = index.definition.fields.iter();
                    known.extend(fields.map(|field| field.name.to_vec()));
                }
                Load::Named(fields) => known.extend(fields.iter().map(|(_, name)| name.clone())),
            }
        }
        let mut wants = Wants::new(&index.definition, known);
        self.steps.iter().try_for_each(|step| wants.step(step))?;
        Ok(wants.needed)
    }
}

pub fn load(words: &mut Words<'_>) -> Result<Load, Fail> {
    if words.word("*") {
        return Ok(Load::All);
    }
    let count = words.count("LOAD").map_err(refused)?;
    let mut taken = Words::new(words.take("LOAD", count).map_err(refused)?);
    let mut fields = Vec::new();
    while let Some(name) = taken.maybe() {
        let name = property(name);
        let called = match taken.word("AS") {
            true => taken.value("LOAD").map_err(refused)?,
            false => name,
        };
        fields.push((name.to_vec(), called.to_vec()));
    }
    Ok(Load::Named(fields))
}

fn cursor(words: &mut Words<'_>) -> Result<(usize, u64), Fail> {
    let (mut count, mut idle_ms) = (CURSOR_ROWS, CURSOR_IDLE_MS);
    loop {
        if words.word("COUNT") {
            count = words
                .count_in("COUNT", 1..=u64::from(u32::MAX))
                .map_err(refused)? as usize;
        } else if words.word("MAXIDLE") {
            let asked = words.count_in("MAXIDLE", 1..=u64::from(u32::MAX));
            idle_ms = asked.map_err(refused)?.min(CURSOR_IDLE_MS);
        } else {
            return Ok((count, idle_ms));
        }
    }
}

/// What a query has found for rows: documents, and which properties are to be read of them.
pub struct RowsFound {
    pub hits: Vec<Hit>,
    pub definition: Arc<Definition>,
    /// The number of the last change of the index that was looked at.
    pub edits: u64,
    pub needed: Vec<Vec<u8>>,
}

fn aggregate(call: &mut ReadCall<'_>) -> Done {
    let args = call.args.rest();
    let Some((name, rest)) = args.split_first() else {
        return Err(wrong_arity("FT.AGGREGATE"));
    };
    run(call, name, rest, None)
}

/// Searches and works on the rows, with notes of how that goes, if they are wanted.
pub fn run(
    call: &mut ReadCall<'_>,
    name: &[u8],
    rest: &[&[u8]],
    mut profile: Option<SearchProfile>,
) -> Done {
    let defaults = call.server.search.defaults();
    let wish = AggregateWish::parse(rest, defaults)?;
    let mut tries = Tries::begin();
    loop {
        let index = frozen(call, name)?;
        let effort = effort(call, &index, &wish.asked);
        let found = found(call, &index, &wish, &mut profile, &effort)?;
        let mut late = was_late(&effort, &wish.asked)?;
        if let Some(rows) = rows(call, name, &wish, &found, &effort)? {
            late |= was_late(&effort, &wish.asked)?;
            let index = found.definition.name.clone();
            let tail = ReplyTail {
                late,
                profile,
                failed: None,
            };
            return answer(call, index, &wish, rows, (&effort, tail));
        }
        if !tries.go_on() {
            return Ok(Flow::Whole);
        }
    }
}

fn found(
    call: &ReadCall<'_>,
    index: &DocumentIndex,
    wish: &AggregateWish<'_>,
    profile: &mut Option<SearchProfile>,
    effort: &Effort<'_>,
) -> Result<RowsFound, Fail> {
    let rules = QueryRules {
        definition: &index.definition,
        params: &wish.asked.params,
        dialect: wish.asked.dialect,
        verbatim: wish.asked.verbatim,
        no_stopwords: false,
        in_fields: ALL_FIELDS,
    };
    let node = parse(wish.asked.query, &rules).map_err(refused)?;
    check_distance_names(&node, &index.definition).map_err(refused)?;
    call.server.search.note_dialect(wish.asked.dialect);
    if let Some(profile) = profile {
        profile.parsed();
    }
    let mut given: Vec<Vec<u8>> = Vec::new();
    distance_names(&node, &mut |name| given.push(name.to_vec()));
    if wish.add_scores {
        given.push(b"__score".to_vec());
    }
    let needed = wish.needed(index, &given)?;
    let scorer = wish.asked.scorer;
    let rules = wish.asked.rules(wish.add_scores);
    let scored = wish.add_scores.then_some(scorer);
    let found = evaluated(index, &node, (rules, effort), profile, scored)?;
    Ok(RowsFound {
        hits: hits_of(index, wish, &found, effort),
        definition: index.definition.clone(),
        edits: index.edits,
        needed,
    })
}

/// All that was found, as long as there is time.
fn hits_of(
    index: &DocumentIndex,
    wish: &AggregateWish<'_>,
    found: &Match,
    effort: &Effort<'_>,
) -> Vec<Hit> {
    let mut hits = Vec::with_capacity(found.docs.len());
    let units = found.parts();
    let parts = found.docs.chunks(ROWS_TOGETHER);
    let parts = parts.take_while(|_| !effort.is_late());
    for (doc, row) in parts.flat_map(|docs| index.rows_of(docs)) {
        effort.tick(units);
        let score = match wish.add_scores {
            true => score(wish.asked.scoring(), index, found, doc, row),
            false => 0.0,
        };
        let sort = SortKey::Nothing;
        let mut hit = Hit::new(HitRank { doc, score, sort }, &row.key);
        found.each_distance(doc, &mut |name, distance| {
            hit.distances.push((name.to_vec(), distance));
        });
        hits.push(hit);
    }
    hits
}

/// Makes a row of each document, as long as there is time; nothing if one has changed meanwhile, and the search is to be done
/// again.
pub fn rows(
    call: &ReadCall<'_>,
    index: &[u8],
    wish: &AggregateWish<'_>,
    found: &RowsFound,
    effort: &Effort<'_>,
) -> Result<Option<Vec<Row>>, Fail> {
    let mut rows = Vec::with_capacity(found.hits.len());
    let reads = !found.needed.is_empty() || !wish.loads.is_empty();
    let path = found.needed.first().map(|name| found.definition.path(name));
    for (at, hit) in found.hits.iter().enumerate() {
        if reads && at.is_multiple_of(READ_AHEAD) {
            look_ahead(call, found.hits[at..].iter().map(|hit| &hit.key[..]), path);
        }
        effort.tick(READ_UNITS);
        if effort.is_late() {
            break;
        }
        let mut row = Row::default();
        for (name, distance) in &hit.distances {
            row.set(name, RowValue::Number(*distance));
        }
        if wish.add_scores {
            row.set(b"__score", RowValue::Number(hit.rank.score));
        }
        if !reads {
            rows.push(row);
            continue;
        }
        let at = DocumentPlace {
            index,
            kind: found.definition.source,
            key: &hit.key,
            doc: hit.rank.doc,
            edits: found.edits,
        };
        let fate = read(call, at, &mut |document| {
            fill(&mut row, wish, found, hit, document)
        })?;
        match fate {
            ReadFate::Changed if call.parts => return Ok(None),
            ReadFate::Read => {
                effort.hold_in_row(row.bytes()).map_err(refused)?;
                rows.push(row);
            }
            ReadFate::Changed | ReadFate::Dead => {}
        }
    }
    Ok(Some(rows))
}

fn fill(
    row: &mut Row,
    wish: &AggregateWish<'_>,
    found: &RowsFound,
    hit: &Hit,
    document: &dyn crate::search::Document,
) {
    let definition = &found.definition;
    let every = wish.asked.shows_every();
    for load in &wish.loads {
        match load {
            Load::All => {
                // A document has each of its names once: they are sought among what was there before.
                let held = row.0.len();
                for (name, value) in document.all(every) {
                    let value = RowValue::Text(value.into_owned());
                    match row.0[..held].iter_mut().find(|(held, _)| **held == *name) {
                        Some((_, held)) => *held = value,
                        None => row.push(&name, value),
                    }
                }
            }
            Load::Named(fields) => {
                for (name, called) in fields {
                    let value = match &name[..] {
                        b"__key" => Some(RowValue::text(&hit.key)),
                        b"__score" => None,
                        name => value_of(definition, hit, document, (name, every)),
                    };
                    if let Some(value) = value {
                        row.set(called, value);
                    }
                }
            }
        }
    }
    for name in &found.needed {
        let value = value_of(definition, hit, document, (name, every));
        match value {
            None => {}
            Some(RowValue::Text(text)) => {
                row.set(name, RowValue::Text(folded(definition, name, text)))
            }
            Some(value) => row.set(name, value),
        }
    }
}

/// A text as it is sorted: sortable texts are taken from where they are.
fn folded(definition: &Definition, name: &[u8], text: Vec<u8>) -> Vec<u8> {
    let field = definition.field(name).map(|at| &definition.fields[at]);
    match field.is_some_and(|field| field.sortable && !field.unf) {
        true => String::from_utf8_lossy(&text).to_lowercase().into_bytes(),
        false => text,
    }
}

fn answer(
    call: &mut ReadCall<'_>,
    index: Arc<[u8]>,
    wish: &AggregateWish<'_>,
    rows: Vec<Row>,
    (effort, mut tail): (&Effort<'_>, ReplyTail),
) -> Done {
    let mut flow = RowFlow::new(rows);
    for step in &wish.steps {
        flow.step(step, effort).map_err(refused)?;
        if let Some(profile) = &mut tail.profile {
            profile.step(step.name(), flow.rows.len());
        }
    }
    tail.late |= was_late(effort, &wish.asked)?;
    tail.failed = flow.failed.take();
    if let Some(why) = tail.failed.take_if(|_| flow.rows.is_empty()) {
        return Err(refused(why));
    }
    let total = flow.total();
    let mut rows = flow.rows;
    let Some((count, idle_ms)) = wish.cursor else {
        write_rows(call.out, total, &rows, &tail);
        return Ok(Flow::Done);
    };
    let rest = rows.split_off(count.min(rows.len()));
    let mut id = 0;
    if !rest.is_empty() {
        let kept = call.server.search.keep(RowCursor {
            index,
            rows: rest.into(),
            count,
            idle_ms_max: idle_ms,
            used_ms: call.db.clock_ms(),
        });
        id = kept.ok_or(Fail::code("Too many cursors allocated for index"))?;
    }
    call.out.array(2);
    write_rows(call.out, total, &rows, &tail);
    call.out.int(id as i64);
    Ok(Flow::Done)
}
