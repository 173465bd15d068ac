//! FT.SEARCH.

use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashSet;

use super::asked::{no_such_index, query};
use super::fields::{all, chosen};
use super::hit::{Hit, HitRank};
use super::load::{DocumentPlace, READ_AHEAD, READ_UNITS, ReadFate, Tries, look_ahead, read};
use super::measured::SearchProfile;
use super::options::{QueryOptions, SearchWish};
use super::reply::{FoundRow, ReplyTail, write};
use super::summary::summarize;
use super::{SEARCHES, refused, rights, shown, wrong_arity};
use crate::command::Flag::ReadOnly;
use crate::command::{Command, Done, Fail, Flow, ReadCall, Run};
use crate::search::{
    Definition, DocumentIndex, Effort, EvalRules, Evaluator, FieldKind, Match, QueryNode,
    ROWS_TOGETHER, Scorer, SortKey, check_distance_names, distance_names, explained, score_above,
};

pub const SEARCH: Command = Command {
    name: "ft.search",
    summary: "Searches the index with a textual query, returning either documents or just ids",
    cost: "O(N)",
    flags: &[ReadOnly],
    run: Run::Read(search),
    ..SEARCHES
};

/// The lists of one query take no more than this part of `maxmemory`.
const MEMORY_SHARE: usize = 4;

/// What a search has found, before documents are read.
struct Hits {
    total: usize,
    hits: Vec<Hit>,
    /// They are to be sorted by a value that only documents know.
    unsorted: bool,
    definition: Arc<Definition>,
    /// The number of the last change of the index that was looked at.
    edits: u64,
}

fn search(call: &mut ReadCall<'_>) -> Done {
    let args = call.args.rest();
    let Some((name, rest)) = args.split_first() else {
        return Err(wrong_arity("FT.SEARCH"));
    };
    run(call, name, rest, None)
}

/// Searches, with notes of how that goes, if they are wanted.
pub fn run(
    call: &mut ReadCall<'_>,
    name: &[u8],
    rest: &[&[u8]],
    mut profile: Option<SearchProfile>,
) -> Done {
    let mut tries = Tries::begin();
    loop {
        // As the data may be others by then, nothing is kept of a try.
        let index = frozen(call, name)?;
        let wish = SearchWish::parse(rest, call.server.search.defaults())?;
        let effort = effort(call, &index, &wish.asked);
        let hits = found(call, &index, &wish, &mut profile, &effort)?;
        let mut late = was_late(&effort, &wish.asked)?;
        if let Some((total, rows)) = rows(call, name, &wish, hits, &effort)? {
            late |= was_late(&effort, &wish.asked)?;
            if let Some(profile) = profile.as_mut().filter(|_| !wish.no_content) {
                profile.step("Loader", rows.len());
            }
            let tail = ReplyTail {
                late,
                profile,
                failed: None,
            };
            write(call.out, &wish, total, &rows, &tail);
            return Ok(Flow::Done);
        }
        if !tries.go_on() {
            return Ok(Flow::Whole);
        }
    }
}

/// A copy of an index, to be searched while nothing is locked.
pub fn frozen(call: &ReadCall<'_>, name: &[u8]) -> Result<Arc<DocumentIndex>, Fail> {
    rights::check(call.server, call.user, name)?;
    let first = call.db.index() == 0;
    // Only what runs alone is left half-way: a part of a transaction or a script is not.
    let within = !call.parts;
    let search = &call.server.search;
    let index = first.then(|| search.frozen(name, within)).flatten();
    index.ok_or_else(|| no_such_index(name))
}

/// What an evaluation may take: a part of the memory that there is.
pub fn effort<'c>(
    call: &ReadCall<'c>,
    index: &DocumentIndex,
    asked: &QueryOptions<'_>,
) -> Effort<'c> {
    let bytes_max = match call.server.config.maxmemory.get() as usize {
        0 => usize::MAX,
        bytes => bytes / MEMORY_SHARE,
    };
    Effort::new(call.turns, index.docs.len(), bytes_max).until(asked.defaults.timeout_ms)
}

/// What a query finds, by these rules and with this effort.
pub fn evaluated(
    index: &DocumentIndex,
    node: &QueryNode,
    (rules, effort): (EvalRules, &Effort<'_>),
    profile: &mut Option<SearchProfile>,
    scorer: Option<Scorer>,
) -> Result<Rc<Match>, Fail> {
    if let Some(profile) = profile {
        profile.prepared();
    }
    let rules = EvalRules {
        counts: profile.is_some(),
        ..rules
    };
    let found = Evaluator::new(index, rules, effort).run(node);
    let found = found.map_err(refused)?;
    if let Some(profile) = profile {
        profile.found(&found, scorer);
    }
    Ok(found)
}

/// Whether a query was late, if it does not fail then: what was found until then has as long again for what comes next.
pub fn was_late(effort: &Effort<'_>, asked: &QueryOptions<'_>) -> Result<bool, Fail> {
    match effort.go_on() {
        true if asked.defaults.fails_late => Err(Fail::code("Timeout limit was reached")),
        late => Ok(late),
    }
}

/// Scoring a document by a part of the query is so many units of work.
const HIT_UNITS: usize = 8;

/// Of those that can't be among the results any more, so many are held beside others before they are dropped.
const RANKS_SPARE: usize = 256;

/// How results are sorted.
enum HitOrder {
    Score,
    Field(usize),
    Distance,
    /// By what only documents know.
    Document,
}

fn order_of(
    index: &DocumentIndex,
    node: &QueryNode,
    wish: &SearchWish<'_>,
) -> Result<HitOrder, Fail> {
    let Some((name, _)) = wish.sort else {
        return Ok(HitOrder::Score);
    };
    let mut is_distance = false;
    distance_names(node, &mut |held| is_distance |= held == name);
    if is_distance {
        return Ok(HitOrder::Distance);
    }
    let at = index.definition.field(name).ok_or_else(|| {
        let name = shown(name);
        Fail::code(format!("Property `{name}` not loaded nor in schema"))
    })?;
    let field = &index.definition.fields[at];
    Ok(match field.sortable || field.kind == FieldKind::Numeric {
        true => HitOrder::Field(at),
        false => HitOrder::Document,
    })
}

fn found(
    call: &ReadCall<'_>,
    index: &DocumentIndex,
    wish: &SearchWish<'_>,
    profile: &mut Option<SearchProfile>,
    effort: &Effort<'_>,
) -> Result<Hits, Fail> {
    let node = query(index, wish)?;
    check_distance_names(&node, &index.definition).map_err(refused)?;
    call.server.search.note_dialect(wish.asked.dialect);
    if let Some(profile) = profile {
        profile.parsed();
    }
    let order = order_of(index, &node, wish)?;
    wish.summary
        .check(&index.definition, wish.wanted.is_some())?;
    let scored = wish.with_scores || matches!(order, HitOrder::Score);
    let rules = EvalRules {
        slop: wish.slop,
        in_order: wish.in_order,
        ..wish.asked.rules(scored)
    };
    let scorer = scored.then_some(wish.asked.scorer);
    let found = evaluated(index, &node, (rules, effort), profile, scorer)?;
    if let Some(profile) = profile {
        profile.step("Sorter", found.docs.len());
    }
    let mut docs = found.docs.clone();
    if let Some(keys) = wish.in_keys {
        let wanted: HashSet<&[u8]> = keys.iter().copied().collect();
        let is_wanted = |doc: &u64| wanted.contains(&*index.docs[doc].key);
        docs.retain(is_wanted);
    }
    let total = docs.len();
    let mut ranks = match wish.limit {
        0 => Vec::new(),
        _ => ranks_of(index, wish, (&found, docs), (&order, scored), effort),
    };
    let unsorted = matches!(order, HitOrder::Document);
    if !unsorted {
        ranks.sort_by(|one, other| {
            call.turns.tick(1);
            order_in(wish, one, other)
        });
        cut(&mut ranks, wish);
    }
    let ranks = ranks.into_iter();
    let mut hits: Vec<Hit> = ranks.map(|rank| hit(index, rank, &found)).collect();
    for hit in &mut hits {
        beside(hit, index, wish, &found);
    }
    Ok(Hits {
        total,
        hits,
        unsorted,
        definition: index.definition.clone(),
        edits: index.edits,
    })
}

/// What decides the places of the documents that may be among the results.
fn ranks_of(
    index: &DocumentIndex,
    wish: &SearchWish<'_>,
    (found, docs): (&Match, Vec<u64>),
    (order, scored): (&HitOrder, bool),
    effort: &Effort<'_>,
) -> Vec<HitRank> {
    let mut ranks: Vec<HitRank> = Vec::new();
    let units = HIT_UNITS * found.parts();
    let most = match order {
        HitOrder::Document => usize::MAX,
        _ => wish.offset.saturating_add(wish.limit),
    };
    // Among equals the older ones come first, so the others need a higher score than the last of those that are kept.
    let mut last = f64::NEG_INFINITY;
    let parts = docs.chunks(ROWS_TOGETHER);
    for docs in parts.take_while(|_| !effort.is_late()) {
        for (doc, row) in index.rows_of(docs) {
            effort.tick(units);
            let score = match scored {
                true => score_above(wish.asked.scoring(), index, found, (doc, row), last),
                false => Some(0.0),
            };
            let Some(score) = score else { continue };
            let sort = match order {
                HitOrder::Field(at) => row.sort(*at),
                HitOrder::Distance => distance_of(found, doc, wish),
                HitOrder::Document | HitOrder::Score => SortKey::Nothing,
            };
            ranks.push(HitRank { doc, score, sort });
        }
        if ranks.len() >= most.saturating_mul(2).saturating_add(RANKS_SPARE) {
            first_of(&mut ranks, most, wish);
            if let (HitOrder::Score, Some(rank)) = (order, ranks.last()) {
                last = rank.score;
            }
        }
    }
    first_of(&mut ranks, most, wish);
    ranks
}

/// Keeps those that come first. What comes last of them stands last; the others are in no order.
fn first_of(ranks: &mut Vec<HitRank>, count: usize, wish: &SearchWish<'_>) {
    if ranks.len() > count {
        ranks.select_nth_unstable_by(count - 1, |one, other| order_in(wish, one, other));
        ranks.truncate(count);
    }
}

/// The distance by which results are sorted.
fn distance_of(found: &Match, doc: u64, wish: &SearchWish<'_>) -> SortKey {
    let name = wish.sort.map_or(&b""[..], |(name, _)| name);
    let mut sort = SortKey::Nothing;
    found.each_distance(doc, &mut |held, distance| {
        if held == name && sort == SortKey::Nothing {
            sort = SortKey::Number(distance);
        }
    });
    sort
}

fn hit(index: &DocumentIndex, rank: HitRank, found: &Match) -> Hit {
    let doc = rank.doc;
    let mut hit = Hit::new(rank, &index.docs[&doc].key);
    found.each_distance(doc, &mut |name, distance| {
        hit.distances.push((name.to_vec(), distance));
    });
    hit
}

/// Notes what replies tell of a hit beside its fields.
fn beside(hit: &mut Hit, index: &DocumentIndex, wish: &SearchWish<'_>, found: &Match) {
    if wish.explain_score {
        let row = &index.docs[&hit.rank.doc];
        hit.reason = Some(explained(
            wish.asked.scoring(),
            index,
            found,
            hit.rank.doc,
            row,
        ));
    }
    if wish.with_payloads {
        hit.payload = index.docs[&hit.rank.doc].payload.clone();
    }
    if wish.summary.is_asked() {
        found.each_word(hit.rank.doc, &mut |worth| {
            hit.words.push((worth.word.clone(), worth.idf));
        });
    }
}

/// Which of two results comes first: what has no value comes last either way, and among equals the older is the lesser.
fn order_in(wish: &SearchWish<'_>, one: &HitRank, other: &HitRank) -> Ordering {
    let by_age = one.doc.cmp(&other.doc);
    let Some((_, descending)) = wish.sort else {
        return other.score.total_cmp(&one.score).then(by_age);
    };
    let order = match (&one.sort, &other.sort) {
        (SortKey::Nothing, SortKey::Nothing) => Ordering::Equal,
        (SortKey::Nothing, _) => return Ordering::Greater,
        (_, SortKey::Nothing) => return Ordering::Less,
        (SortKey::Number(one), SortKey::Number(other)) => one.total_cmp(other),
        (SortKey::Text(one), SortKey::Text(other)) => one.cmp(other),
        (SortKey::Number(_), SortKey::Text(_)) => Ordering::Less,
        (SortKey::Text(_), SortKey::Number(_)) => Ordering::Greater,
    };
    let order = order.then(by_age);
    if descending { order.reverse() } else { order }
}

/// Leaves those that are asked for.
fn cut<T>(sorted: &mut Vec<T>, wish: &SearchWish<'_>) {
    sorted.drain(..wish.offset.min(sorted.len()));
    sorted.truncate(wish.limit);
}

/// Reads the documents, as long as there is time; nothing if one has changed since it was found, and the search is to be done again.
fn rows(
    call: &ReadCall<'_>,
    index: &[u8],
    wish: &SearchWish<'_>,
    mut found: Hits,
    effort: &Effort<'_>,
) -> Result<Option<(usize, Vec<FoundRow>)>, Fail> {
    if found.unsorted && !sort_by_documents(call, index, wish, &mut found, effort)? {
        return Ok(None);
    }
    let reads = !wish.no_content && wish.wanted.as_ref().is_none_or(|wanted| !wanted.is_empty());
    let mut rows = Vec::new();
    let (mut hits, mut seen) = (found.hits.into_iter(), 0);
    while let Some(hit) = hits.next() {
        if seen == 0 {
            let next = std::iter::once(&hit).chain(hits.as_slice());
            look_ahead(call, next.map(|hit| &hit.key[..]), None);
        }
        seen = (seen + 1) % READ_AHEAD;
        effort.tick(READ_UNITS);
        if effort.is_late() {
            break;
        }
        let mut fields = Vec::new();
        let at = DocumentPlace {
            index,
            kind: found.definition.source,
            key: &hit.key,
            doc: hit.rank.doc,
            edits: found.edits,
        };
        let fate = read(call, at, &mut |document| {
            if !reads {
                return;
            }
            fields = match &wish.wanted {
                Some(wanted) => chosen(&found.definition, &hit, document, wanted, wish),
                None => all(&found.definition, &hit, document, wish),
            };
            if wish.summary.is_asked() {
                summarize(&mut fields, &found.definition, &hit, wish);
            }
        })?;
        match fate {
            ReadFate::Changed if reads && call.parts => return Ok(None),
            // Its name is all that is asked.
            ReadFate::Changed if !reads => rows.push(FoundRow { hit, fields }),
            ReadFate::Read => rows.push(FoundRow { hit, fields }),
            ReadFate::Changed | ReadFate::Dead => {}
        }
    }
    Ok(Some((found.total, rows)))
}

/// Sorts what was found by a value that only documents know; false if one has changed since it was found.
fn sort_by_documents(
    call: &ReadCall<'_>,
    index: &[u8],
    wish: &SearchWish<'_>,
    found: &mut Hits,
    effort: &Effort<'_>,
) -> Result<bool, Fail> {
    let (name, _) = wish.sort.expect("it is sorted by a field");
    let at = found.definition.field(name).expect("it is in the schema");
    let path = found.definition.fields[at].path.clone();
    for hit in &mut found.hits {
        effort.tick(READ_UNITS);
        if effort.is_late() {
            break;
        }
        let at = DocumentPlace {
            index,
            kind: found.definition.source,
            key: &hit.key,
            doc: hit.rank.doc,
            edits: found.edits,
        };
        let mut key = SortKey::Nothing;
        let fate = read(call, at, &mut |document| {
            if let Some(text) = document.bytes(&path) {
                key = SortKey::Text(text.as_ref().into());
            }
        })?;
        if fate == ReadFate::Changed && call.parts {
            return Ok(false);
        }
        hit.rank.sort = key;
    }
    found.hits.sort_by(|one, other| {
        call.turns.tick(1);
        order_in(wish, &one.rank, &other.rank)
    });
    cut(&mut found.hits, wish);
    Ok(true)
}
