//! What lies around a place: GEOSEARCH, and GEORADIUS before it.

use super::{UNIT, position, reply_position, unit};
use crate::command::Flag::DenyOom;
use crate::command::{
    Arg, Args, Begin, Command, Done, Fail, Find, Flow, KeySpec, KeyUse, Plan, ReadCall, Run,
    Touched, WriteCall, quoted,
};
use crate::engine::{Class, Deadline};
use crate::resp::Reply;
use crate::types::geo::{self, Position, Search, Shape};
use crate::types::zset::{ScoreBound, ScoreRange};
use crate::types::{Type, ZSet};
use crate::util::number;

const FROM: Arg = Arg::one_of(
    "from",
    &[
        Arg::text("member").token("FROMMEMBER"),
        Arg::block(
            "longitude_latitude",
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
    ],
);
const ORDER: Arg = Arg::one_of(
    "order",
    &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
)
.optional();
const COUNT: Arg = Arg::block(
    "count",
    &[
        Arg::int("count").token("COUNT"),
        Arg::word("any", "ANY").optional(),
    ],
)
.optional();
/// GEORADIUS tells since when its COUNT has ANY.
const COUNT_SINCE: Arg = Arg::block(
    "count",
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
    summary: "Returns the places within a circle or a box",
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
    summary: "Stores the places within a circle or a box",
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Search,
    SearchStore,
    Radius,
    RadiusRo,
    Member,
    MemberRo,
}

impl Spelling {
    fn is_search(self) -> bool {
        matches!(self, Spelling::Search | Spelling::SearchStore)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Asc,
    Desc,
}

/// What is asked for. Without a key to search in, places of members stay open.
#[derive(Default)]
struct Wish<'a> {
    centre: Option<Position>,
    shape: Option<Shape>,
    /// Metres of the unit that distances are given in.
    metres: f64,
    order: Option<Order>,
    count: usize,
    any: bool,
    with_coord: bool,
    with_dist: bool,
    with_hash: bool,
    store: Option<&'a [u8]>,
    store_dist: bool,
}

struct Found {
    member: Vec<u8>,
    score: f64,
    distance: f64,
}

fn member_position(zset: Option<&ZSet>, member: &[u8]) -> Result<Option<Position>, Fail> {
    let Some(zset) = zset else {
        return Ok(None);
    };
    let score = zset
        .score(member)
        .ok_or(Fail::Says("could not decode requested zset member"))?;
    Ok(Some(Position::of_score(score)))
}

fn length(args: &mut Args<'_>, not_a_number: &'static str) -> Result<f64, Fail> {
    number::parse_double(args.next()?).ok_or(Fail::Says(not_a_number))
}

impl<'a> Wish<'a> {
    /// Parses what follows the source key.
    fn parse(
        args: &mut Args<'a>,
        spelling: Spelling,
        store: Option<&'a [u8]>,
        zset: Option<&ZSet>,
    ) -> Result<Self, Fail> {
        let mut wish = Wish {
            metres: 1.0,
            store,
            ..Wish::default()
        };
        match spelling {
            Spelling::Radius | Spelling::RadiusRo => {
                wish.centre = Some(position(args)?);
                wish.circle(args)?;
            }
            // Without a key nothing of this is looked at.
            Spelling::Member | Spelling::MemberRo if zset.is_none() => drop(args.take(3)?),
            Spelling::Member | Spelling::MemberRo => {
                wish.centre = member_position(zset, args.next()?)?;
                wish.circle(args)?;
            }
            Spelling::Search | Spelling::SearchStore => {}
        }
        let (mut from, mut by) = (None, None);
        while !args.is_empty() {
            wish.option(args, spelling, zset, &mut from, &mut by)?;
        }
        if wish.store.is_some() && (wish.with_dist || wish.with_hash || wish.with_coord) {
            let who = if spelling == Spelling::SearchStore {
                "GEOSEARCHSTORE"
            } else {
                "STORE option in GEORADIUS"
            };
            return Err(Fail::said(format!(
                "{who} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let name = quoted(args.name());
        if spelling.is_search() && from.is_none() {
            return Err(Fail::said(format!(
                "exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
            )));
        }
        if spelling.is_search() && by.is_none() {
            return Err(Fail::said(format!(
                "exactly one of BYRADIUS and BYBOX can be specified for {name}"
            )));
        }
        if wish.any && wish.count == 0 {
            return Err(Fail::Says("the ANY argument requires COUNT argument"));
        }
        if wish.count > 0 && wish.order.is_none() && !wish.any {
            wish.order = Some(Order::Asc);
        }
        Ok(wish)
    }

    /// Takes one option. `from` and `by` remember which of two ways was chosen.
    fn option(
        &mut self,
        args: &mut Args<'a>,
        spelling: Spelling,
        zset: Option<&ZSet>,
        from: &mut Option<&'static str>,
        by: &mut Option<&'static str>,
    ) -> Result<(), Fail> {
        let search = spelling.is_search();
        let stores = matches!(spelling, Spelling::Radius | Spelling::Member);
        if args.word("WITHDIST") {
            self.with_dist = true;
        } else if args.word("WITHHASH") {
            self.with_hash = true;
        } else if args.word("WITHCOORD") {
            self.with_coord = true;
        } else if args.word("ANY") {
            self.any = true;
        } else if args.word("ASC") {
            self.order = Some(Order::Asc);
        } else if args.word("DESC") {
            self.order = Some(Order::Desc);
        } else if args.word_with("COUNT", 1) {
            let count = args.int()?;
            if count <= 0 {
                return Err(Fail::Says("COUNT must be > 0"));
            }
            self.count = count as usize;
        } else if stores && args.word_with("STORE", 1) {
            self.store = Some(args.next()?);
            self.store_dist = false;
        } else if stores && args.word_with("STOREDIST", 1) {
            self.store = Some(args.next()?);
            self.store_dist = true;
        } else if search && *from != Some("lonlat") && args.word_with("FROMMEMBER", 1) {
            self.centre = member_position(zset, args.next()?)?;
            *from = Some("member");
        } else if search && *from != Some("member") && args.word_with("FROMLONLAT", 2) {
            self.centre = Some(position(args)?);
            *from = Some("lonlat");
        } else if search && *by != Some("box") && args.word_with("BYRADIUS", 2) {
            self.circle(args)?;
            *by = Some("radius");
        } else if search && *by != Some("radius") && args.word_with("BYBOX", 3) {
            self.rectangle(args)?;
            *by = Some("box");
        } else if spelling == Spelling::SearchStore && args.word("STOREDIST") {
            self.store_dist = true;
        } else {
            return Err(Fail::SYNTAX);
        }
        Ok(())
    }

    fn circle(&mut self, args: &mut Args<'_>) -> Result<(), Fail> {
        let radius = length(args, "need numeric radius")?;
        if radius < 0.0 {
            return Err(Fail::Says("radius cannot be negative"));
        }
        self.metres = unit(args)?;
        self.shape = Some(Shape::Circle {
            radius_m: radius * self.metres,
        });
        Ok(())
    }

    fn rectangle(&mut self, args: &mut Args<'_>) -> Result<(), Fail> {
        let width = length(args, "need numeric width")?;
        let height = length(args, "need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err(Fail::Says("height or width cannot be negative"));
        }
        self.metres = unit(args)?;
        self.shape = Some(Shape::Box {
            width_m: width * self.metres,
            height_m: height * self.metres,
        });
        Ok(())
    }

    /// Everything within, in the order and number asked for.
    fn find(&self, zset: Option<&ZSet>) -> Vec<Found> {
        let (Some(zset), Some(centre), Some(shape)) = (zset, self.centre, self.shape) else {
            return Vec::new();
        };
        let search = Search { centre, shape };
        let enough = if self.any { self.count } else { usize::MAX };
        let mut found = Vec::new();
        for (min, max) in search.score_ranges() {
            let range = ScoreRange {
                min: ScoreBound {
                    value: min,
                    exclusive: false,
                },
                max: ScoreBound {
                    value: max,
                    exclusive: true,
                },
            };
            for (member, score) in zset.iter_ranks(zset.score_range(&range), false) {
                if found.len() == enough {
                    break;
                }
                if let Some(distance) = search.distance_within_m(&Position::of_score(score)) {
                    let distance = distance / self.metres;
                    found.push(Found {
                        member: member.to_vec(),
                        score,
                        distance,
                    });
                }
            }
        }
        match self.order {
            Some(Order::Asc) => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
            Some(Order::Desc) => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
            None => {}
        }
        if self.count > 0 {
            found.truncate(self.count);
        }
        found
    }

    fn reply(&self, found: &[Found], out: &mut Reply) {
        let extras = usize::from(self.with_dist)
            + usize::from(self.with_hash)
            + usize::from(self.with_coord);
        out.array(found.len());
        for one in found {
            if extras > 0 {
                out.array(1 + extras);
            }
            out.bulk(&one.member);
            if self.with_dist {
                let mut text = Vec::new();
                geo::write_distance(one.distance, &mut text);
                out.bulk(&text);
            }
            if self.with_hash {
                out.int(one.score as i64);
            }
            if self.with_coord {
                reply_position(Position::of_score(one.score), out);
            }
        }
    }
}

fn answer(call: &mut ReadCall<'_>, spelling: Spelling) -> Done {
    let key = call.args.next()?;
    let zset = call.db.read::<ZSet>(key)?;
    let wish = Wish::parse(&mut call.args, spelling, None, zset)?;
    wish.reply(&wish.find(zset), call.out);
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
    let touched = Touched {
        entry: call.entry,
        argv: &told,
    };
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
    let wish = Wish::parse(&mut call.args, spelling, target, zset)?;
    let found = wish.find(zset);
    let Some(target) = wish.store else {
        wish.reply(&found, call.out);
        return Ok(Flow::Done);
    };
    may_store(call, spelling, target)?;
    let mut result = ZSet::new();
    for one in &found {
        result.insert(
            &one.member,
            if wish.store_dist {
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
