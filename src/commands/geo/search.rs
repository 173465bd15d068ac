//! What lies around a place: GEOSEARCH, and GEORADIUS before it.

use super::UNIT;
use super::query::{GeoQuery, Spelling};
use crate::command::Flag::DenyOom;
use crate::command::{
    Arg, Begin, Command, Done, Fail, Find, Flow, KeySpec, KeyUse, Plan, ReadCall, Run, Touched,
    WriteCall,
};
use crate::engine::{Class, Deadline};
use crate::types::{Type, ZSet};

const FROM: Arg = Arg::one_of(
    "from",
    &[
        Arg::text("member").token("FROMMEMBER"),
        Arg::block(
            "fromlonlat",
            &[Arg::double("longitude"), Arg::double("latitude")],
        )
        .token("FROMLONLAT"),
    ],
);
const BY: Arg = Arg::one_of(
    "by",
    &[
        Arg::block("circle", &[Arg::double("radius").token("BYRADIUS"), UNIT]),
        Arg::block(
            "box",
            &[
                Arg::double("width").token("BYBOX"),
                Arg::double("height"),
                UNIT,
            ],
        ),
        Arg::block(
            "polygon",
            &[
                Arg::int("num-vertices").token("BYPOLYGON"),
                Arg::block(
                    "vertex",
                    &[Arg::double("longitude"), Arg::double("latitude")],
                )
                .many(),
            ],
        ),
    ],
);
const ORDER: Arg = Arg::one_of(
    "order",
    &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
)
.optional();
const COUNT: Arg = Arg::block(
    "count-block",
    &[
        Arg::int("count").token("COUNT"),
        Arg::word("any", "ANY").optional(),
    ],
)
.optional();
/// GEORADIUS tells since when its COUNT has ANY.
const COUNT_SINCE: Arg = Arg::block(
    "count-block",
    &[
        Arg::int("count").token("COUNT"),
        Arg::word("any", "ANY").optional().since("6.2.0"),
    ],
)
.optional();
const WITHCOORD: Arg = Arg::word("withcoord", "WITHCOORD").optional();
const WITHDIST: Arg = Arg::word("withdist", "WITHDIST").optional();
const WITHHASH: Arg = Arg::word("withhash", "WITHHASH").optional();
const STORE: Arg = Arg::key("key", KeyUse::OVERWRITE).token("STORE").optional();
const STOREDIST: Arg = Arg::key("key", KeyUse::OVERWRITE)
    .token("STOREDIST")
    .optional();
const COST: &str = "O(N+log(M)) for N members in the area's cells and M within";

const SOURCE: KeySpec = KeySpec {
    used: KeyUse::READ,
    begin: Begin::Index(1),
    find: Find::Range {
        last: 0,
        step: 1,
        limit: 0,
    },
};

const fn target(word: &'static str, from: i32) -> KeySpec {
    KeySpec {
        used: KeyUse::OVERWRITE,
        begin: Begin::Keyword(word, from),
        find: Find::Range {
            last: 0,
            step: 1,
            limit: 0,
        },
    }
}

/// Whether the key specifications, which find the first STORE, may miss the one that counts, which is the last.
fn stores_twice(argv: &[&[u8]]) -> bool {
    let stores = |word: &&&[u8]| {
        word.eq_ignore_ascii_case(b"STORE") || word.eq_ignore_ascii_case(b"STOREDIST")
    };
    argv.iter().skip(4).filter(stores).count() > 1
}

pub const GEOSEARCH: Command = Command {
    name: "geosearch",
    summary: "Returns the places within a circle, a box or a polygon",
    cost: COST,
    since: "6.2.0",
    args: &[
        Arg::key("key", KeyUse::READ),
        FROM,
        BY,
        ORDER,
        COUNT,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
    ],
    run: Run::Read(|call| answer(call, Spelling::Search)),
    ..Command::PLAIN
};

pub const GEOSEARCHSTORE: Command = Command {
    name: "geosearchstore",
    summary: "Stores the places within a circle, a box or a polygon",
    cost: COST,
    since: "6.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("destination", KeyUse::OVERWRITE),
        Arg::key("source", KeyUse::READ),
        FROM,
        BY,
        ORDER,
        COUNT,
        Arg::word("storedist", "STOREDIST").optional(),
    ],
    run: Run::Write(|call| write(call, Spelling::SearchStore)),
    ..Command::PLAIN
};

pub const GEORADIUS: Command = Command {
    name: "georadius",
    summary: "Returns, or stores, the places around a position",
    cost: COST,
    since: "3.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::double("longitude"),
        Arg::double("latitude"),
        Arg::double("radius"),
        UNIT,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
        COUNT_SINCE,
        ORDER,
        STORE,
        STOREDIST,
    ],
    run: Run::Write(|call| write(call, Spelling::Radius)),
    keys: Some(&[SOURCE, target("STORE", 6), target("STOREDIST", 6)]),
    plan: Plan::AllIf(stores_twice),
    deprecated: Some((
        "6.2.0",
        "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
    )),
    ..Command::PLAIN
};

pub const GEORADIUS_RO: Command = Command {
    name: "georadius_ro",
    summary: "Returns the places around a position",
    cost: COST,
    since: "3.2.10",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::double("longitude"),
        Arg::double("latitude"),
        Arg::double("radius"),
        UNIT,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
        COUNT_SINCE,
        ORDER,
    ],
    run: Run::Read(|call| answer(call, Spelling::RadiusRo)),
    deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
    ..Command::PLAIN
};

pub const GEORADIUSBYMEMBER: Command = Command {
    name: "georadiusbymember",
    summary: "Returns, or stores, the places around another",
    cost: COST,
    since: "3.2.0",
    flags: &[DenyOom],
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("member"),
        Arg::double("radius"),
        UNIT,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
        COUNT,
        ORDER,
        STORE,
        STOREDIST,
    ],
    run: Run::Write(|call| write(call, Spelling::Member)),
    keys: Some(&[SOURCE, target("STORE", 5), target("STOREDIST", 5)]),
    plan: Plan::AllIf(stores_twice),
    deprecated: Some((
        "6.2.0",
        "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
    )),
    ..Command::PLAIN
};

pub const GEORADIUSBYMEMBER_RO: Command = Command {
    name: "georadiusbymember_ro",
    summary: "Returns the places around another",
    cost: COST,
    since: "3.2.10",
    args: &[
        Arg::key("key", KeyUse::READ),
        Arg::text("member"),
        Arg::double("radius"),
        UNIT,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
        COUNT,
        ORDER,
    ],
    run: Run::Read(|call| answer(call, Spelling::MemberRo)),
    deprecated: Some((
        "6.2.0",
        "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
    )),
    ..Command::PLAIN
};

fn answer(call: &mut ReadCall<'_>, spelling: Spelling) -> Done {
    let key = call.args.next()?;
    let zset = call.db.read::<ZSet>(key)?;
    let query = GeoQuery::parse(&mut call.args, spelling, None, zset)?;
    query.reply(&query.find(zset), call.out);
    Ok(Flow::Done)
}

/// A target that the key specifications missed has not been held against the user's rights yet.
fn may_store(call: &WriteCall<'_>, spelling: Spelling, target: &[u8]) -> Result<(), Fail> {
    let Some(user) = call.user.filter(|user| !user.is_unlimited()) else {
        return Ok(());
    };
    let argv = call.args.all();
    if spelling == Spelling::SearchStore || !stores_twice(argv) {
        return Ok(());
    }
    let options_at = if spelling == Spelling::Member { 5 } else { 6 };
    let mut told = argv[..options_at].to_vec();
    told.extend([&b"STORE"[..], target]);
    let touched = Touched::new(call.entry, &told, call.db.index(), call.server);
    user.rights()
        .check(&touched)
        .map_err(|_| Fail::code("NOPERM No permissions to access a key"))
}

fn write(call: &mut WriteCall<'_>, spelling: Spelling) -> Done {
    let target = if spelling == Spelling::SearchStore {
        Some(call.args.next()?)
    } else {
        None
    };
    let key = call.args.next()?;
    let limits = &call.db.rules().limits;
    let zset = call.db.read::<ZSet>(key)?;
    let query = GeoQuery::parse(&mut call.args, spelling, target, zset)?;
    let found = query.find(zset);
    let Some(target) = query.store else {
        query.reply(&found, call.out);
        return Ok(Flow::Done);
    };
    may_store(call, spelling, target)?;
    let mut result = ZSet::new();
    for one in &found {
        result.insert(
            &one.member,
            if query.store_dist {
                one.distance
            } else {
                one.score
            },
            limits,
        );
    }
    if found.is_empty() {
        call.db.delete(target);
    } else {
        call.db.set(target, result.wrap(), Deadline::Clear);
        let event = if spelling == Spelling::SearchStore {
            "geosearchstore"
        } else {
            "georadiusstore"
        };
        call.db.announce(Class::ZSet, event, target);
    }
    call.out.count(found.len());
    Ok(Flow::Done)
}
