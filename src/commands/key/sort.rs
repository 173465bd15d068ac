//! SORT and SORT_RO: a collection's elements in order, or what keys named after them hold.

use std::cmp::Ordering;

use self::Follows::{By, Get};
use crate::cluster::{slot_of, slot_of_pattern};
use crate::command::Flag::DenyOom;
use crate::command::{
    Arg, Args, Begin, Command, Done, Fail, Find, Flow, KeySpec, KeyUse, Plan, ReadCall, Run,
    Touched, WriteCall, reads_every_key,
};
use crate::engine::{Class, Db, Deadline};
use crate::resp::Reply;
use crate::state::shared::Shared;
use crate::types::{List, Text, Type, ValueRef};
use crate::util::number;

const BY: Arg = Arg::pattern("by-pattern").token("BY").optional();
const LIMIT: Arg = Arg::block("limit", &[Arg::int("offset"), Arg::int("count")])
    .token("LIMIT")
    .optional();
const GET: Arg = Arg::pattern("get-pattern")
    .token("GET")
    .optional()
    .many_with_token();
const ORDER: Arg = Arg::one_of(
    "order",
    &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
)
.optional();
const ALPHA: Arg = Arg::word("sorting", "ALPHA").optional();

const SORTED: KeySpec = KeySpec {
    used: KeyUse::READ,
    begin: Begin::Index(1),
    find: Find::Range {
        last: 0,
        step: 1,
        limit: 0,
    },
};
/// Keys that BY and GET name depend on the elements.
const NAMED: KeySpec = KeySpec {
    used: KeyUse::READ,
    begin: Begin::Unknown,
    find: Find::Unknown,
};
const STORED: KeySpec = KeySpec {
    used: KeyUse::OVERWRITE,
    begin: Begin::Unknown,
    find: Find::Unknown,
};

pub const SORT: Command = Command {
    name: "sort",
    summary: "Sorts a list, set or sorted set, and may store the result",
    cost: "O(N+M*log(M)) for N elements, of which M are returned",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::READ),
        BY,
        LIMIT,
        GET,
        ORDER,
        ALPHA,
        Arg::key("destination", KeyUse::OVERWRITE)
            .token("STORE")
            .optional(),
    ],
    run: Run::Write(sort),
    categories: &["set", "sortedset", "list", "dangerous"],
    keys: Some(&[SORTED, NAMED, STORED]),
    more_keys: Some(destination),
    plan: Plan::AllIf(follows_patterns),
    ..Command::PLAIN
};

pub const SORT_RO: Command = Command {
    name: "sort_ro",
    summary: "Sorts a list, set or sorted set",
    cost: "O(N+M*log(M)) for N elements, of which M are returned",
    since: "7.0.0",
    args: &[Arg::key("key", KeyUse::READ), BY, LIMIT, GET, ORDER, ALPHA],
    run: Run::Read(sort_ro),
    categories: &["set", "sortedset", "list", "dangerous"],
    keys: Some(&[SORTED, NAMED]),
    plan: Plan::AllIf(follows_patterns),
    ..Command::PLAIN
};

/// Whether keys beside the ones named are read.
fn follows_patterns(argv: &[&[u8]]) -> bool {
    argv.windows(2).skip(2).any(|pair| {
        let word = pair[0];
        (word.eq_ignore_ascii_case(b"BY") || word.eq_ignore_ascii_case(b"GET"))
            && pair[1].contains(&b'*')
    })
}

/// The last STORE is the one that counts.
fn destination(argv: &[&[u8]], visit: &mut dyn FnMut(usize)) {
    let mut found = None;
    let mut at = 2;
    while at < argv.len() {
        let word = argv[at];
        if word.eq_ignore_ascii_case(b"LIMIT") {
            at += 2;
        } else if word.eq_ignore_ascii_case(b"BY") || word.eq_ignore_ascii_case(b"GET") {
            at += 1;
        } else if word.eq_ignore_ascii_case(b"STORE") && at + 1 < argv.len() {
            found = Some(at + 1);
            at += 1;
        }
        at += 1;
    }
    found.into_iter().for_each(visit);
}

struct SortOptions<'a> {
    key: &'a [u8],
    by: Option<&'a [u8]>,
    /// BY names no element's key: nothing is to be compared.
    unsorted: bool,
    /// What comes out must not depend on the order of a hash table: it is stored, or a script goes on with it.
    ordered: bool,
    descending: bool,
    alpha: bool,
    offset: i64,
    /// Negative for all.
    count: i64,
    gets: Vec<&'a [u8]>,
    store: Option<&'a [u8]>,
}

impl<'a> SortOptions<'a> {
    /// `may_follow` says whether the user may read whatever keys the patterns lead to.
    fn parse(
        args: &mut Args<'a>,
        may_store: bool,
        may_follow: &MayFollow<'_>,
    ) -> Result<Self, Fail> {
        let mut options = SortOptions {
            key: args.next()?,
            by: None,
            unsorted: false,
            ordered: false,
            descending: false,
            alpha: false,
            offset: 0,
            count: -1,
            gets: Vec::new(),
            store: None,
        };
        while !args.is_empty() {
            if args.word("ASC") {
                options.descending = false;
            } else if args.word("DESC") {
                options.descending = true;
            } else if args.word("ALPHA") {
                options.alpha = true;
            } else if args.word_with("LIMIT", 2) {
                options.offset = args.int()?;
                options.count = args.int()?;
            } else if may_store && args.word_with("STORE", 1) {
                options.store = Some(args.next()?);
            } else if args.word_with("BY", 1) {
                let by = args.next()?;
                options.by = Some(by);
                let named = by.contains(&b'*');
                if named {
                    may_follow(By, by)?;
                }
                options.unsorted |= !named;
            } else if args.word_with("GET", 1) {
                let get = args.next()?;
                may_follow(Get, get)?;
                options.gets.push(get);
            } else {
                return Err(Fail::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// Whether keys may be read that an option's pattern names.
type MayFollow<'f> = dyn Fn(Follows, &[u8]) -> Result<(), Fail> + 'f;

/// The options that name keys after elements.
#[derive(Clone, Copy)]
enum Follows {
    By,
    Get,
}

/// Whether keys that a pattern names may be read: in a cluster, they must be in the slot of the key that is sorted, and
/// the user must be one who may read any.
fn may_follow(
    server: &Shared,
    key: &[u8],
    option: Follows,
    pattern: &[u8],
    reads_all: impl FnOnce() -> bool,
) -> Result<(), Fail> {
    let elsewhere = match option {
        By => {
            "BY option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots."
        }
        Get => {
            "GET option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots."
        }
    };
    let names_elements = pattern != b"#";
    if names_elements && slot_of_pattern(pattern) != Some(slot_of(key)) {
        server.without_cluster(elsewhere)?;
    }
    let denied = match option {
        By => "BY option of SORT denied due to insufficient ACL permissions.",
        Get => "GET option of SORT denied due to insufficient ACL permissions.",
    };
    match reads_all() {
        true => Ok(()),
        false => Err(Fail::Says(denied)),
    }
}

fn sort(call: &mut WriteCall<'_>) -> Done {
    let (user, entry, argv) = (call.user, call.entry, call.args.all());
    let server = call.server;
    let touched = Touched::new(entry, argv, call.db.index(), server);
    let may_follow = |option: Follows, pattern: &[u8]| {
        may_follow(server, argv[1], option, pattern, || {
            reads_every_key(user, &touched)
        })
    };
    let mut options = SortOptions::parse(&mut call.args, true, &may_follow)?;
    options.ordered = call.scripted || options.store.is_some();
    let elements = sorted(&call.db, &options)?;
    let Some(target) = options.store else {
        answer(&call.db, &options, &elements, call.out);
        return Ok(Flow::Done);
    };
    let mut list = List::new();
    let limits = &call.db.rules().limits;
    for element in &elements {
        if options.gets.is_empty() {
            list.push_back(element, limits);
        }
        for pattern in &options.gets {
            list.push_back(
                &look_up(&call.db, pattern, element).unwrap_or_default(),
                limits,
            );
        }
    }
    let len = list.len();
    if len == 0 {
        call.db.delete(target);
    } else {
        call.db.set(target, list.wrap(), Deadline::Clear);
        call.db.announce(Class::List, "sortstore", target);
    }
    call.out.count(len);
    Ok(Flow::Done)
}

fn sort_ro(call: &mut ReadCall<'_>) -> Done {
    let (user, entry, argv) = (call.user, call.entry, call.args.all());
    let server = call.server;
    let touched = Touched::new(entry, argv, call.db.index(), server);
    let may_follow = |option: Follows, pattern: &[u8]| {
        may_follow(server, argv[1], option, pattern, || {
            reads_every_key(user, &touched)
        })
    };
    let mut options = SortOptions::parse(&mut call.args, false, &may_follow)?;
    options.ordered = call.scripted;
    let elements = sorted(&call.db, &options)?;
    answer(&call.db, &options, &elements, call.out);
    Ok(Flow::Done)
}

fn answer(db: &Db<'_>, options: &SortOptions<'_>, elements: &[Vec<u8>], out: &mut Reply) {
    out.array(elements.len() * options.gets.len().max(1));
    for element in elements {
        if options.gets.is_empty() {
            out.bulk(element);
        }
        for pattern in &options.gets {
            out.bulk_or_null(look_up(db, pattern, element).as_deref());
        }
    }
}

/// The elements wanted, in the order wanted.
fn sorted(db: &Db<'_>, options: &SortOptions<'_>) -> Result<Vec<Vec<u8>>, Fail> {
    let mut elements: Vec<Vec<u8>> = match db.value(options.key) {
        None => Vec::new(),
        Some(ValueRef::List(list)) => {
            let backwards = options.unsorted && options.descending;
            let from = if backwards { list.len() - 1 } else { 0 };
            list.iter_from(from, backwards)
                .map(|piece| piece.to_vec())
                .collect()
        }
        Some(ValueRef::Set(set)) => {
            let live = db.live(options.key, set);
            live.iter().map(|piece| piece.to_vec()).collect()
        }
        Some(ValueRef::ZSet(zset)) => {
            let reverse = options.unsorted && options.descending;
            zset.iter_range(0, zset.len(), reverse)
                .map(|(member, _)| member.to_vec())
                .collect()
        }
        Some(_) => return Err(Fail::WRONG_TYPE),
    };
    let of_set = options.unsorted
        && options.ordered
        && matches!(db.peek(options.key), Some(ValueRef::Set(_)));
    if of_set {
        elements.sort();
        if options.descending {
            elements.reverse();
        }
    } else if !options.unsorted {
        elements = order(db, options, elements)?;
    }
    let from = options.offset.clamp(0, elements.len() as i64) as usize;
    let count = usize::try_from(options.count).unwrap_or(usize::MAX);
    let to = from.saturating_add(count).min(elements.len());
    elements.truncate(to);
    elements.drain(..from);
    Ok(elements)
}

fn order(
    db: &Db<'_>,
    options: &SortOptions<'_>,
    elements: Vec<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, Fail> {
    let weight = |element: &[u8]| match options.by {
        Some(pattern) => look_up(db, pattern, element),
        None => Some(element.to_vec()),
    };
    let turn = |order: Ordering| {
        if options.descending {
            order.reverse()
        } else {
            order
        }
    };
    if options.alpha {
        let mut keyed: Vec<_> = elements
            .into_iter()
            .map(|element| (weight(&element), element))
            .collect();
        keyed.sort_by(|a, b| turn(a.0.cmp(&b.0)));
        return Ok(keyed.into_iter().map(|(_, element)| element).collect());
    }
    let mut keyed = Vec::with_capacity(elements.len());
    for element in elements {
        let score = match weight(&element) {
            Some(text) => to_number(&text).ok_or(Fail::Says(
                "One or more scores can't be converted into double",
            ))?,
            None => 0.0,
        };
        keyed.push((score, element));
    }
    keyed.sort_by(|a, b| turn(a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1))));
    Ok(keyed.into_iter().map(|(_, element)| element).collect())
}

/// What an element weighs as a number, read as C reads one: to the first zero byte,
/// blanks before it skipped, and nothing at all for 0.
fn to_number(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next()?;
    if text.is_empty() {
        return Some(0.0);
    }
    number::parse_double(text.trim_ascii_start())
}

/// What a pattern leads to: `#` is the element, `k*` a string, `k*->f` a hash's field.
fn look_up(db: &Db<'_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = pattern.iter().position(|byte| *byte == b'*')?;
    let arrow = pattern[star..]
        .windows(2)
        .position(|pair| pair == b"->")
        .map(|at| star + at);
    let arrow = arrow.filter(|at| at + 2 < pattern.len());
    let (name, field) = match arrow {
        Some(at) => (&pattern[..at], Some(&pattern[at + 2..])),
        None => (pattern, None),
    };
    let key = [&name[..star], element, &name[star + 1..]].concat();
    match field {
        Some(field) => db.field(&key, field).map(|piece| piece.to_vec()),
        None => db
            .read::<Text>(&key)
            .ok()?
            .map(|text| text.as_bytes(&mut itoa::Buffer::new()).to_vec()),
    }
}
