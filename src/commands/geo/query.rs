//! What a search for places asks for: around what, how far, in which order, and what is told of each.

use super::{position, reply_position, unit};
use crate::command::{Args, Fail, quoted};
use crate::resp::Reply;
use crate::types::ZSet;
use crate::types::geo::{self, Coordinates, GeoSearch, Shape};
use crate::types::zset::{ScoreBound, ScoreRange};
use crate::util::number;

/// How a search that is no circle and no box is remembered.
const POLYGON: &str = "polygon";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
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
enum GeoOrder {
    Asc,
    Desc,
}

/// What is asked for. Without a key to search in, places of members stay open.
#[derive(Default)]
pub struct GeoQuery<'a> {
    centre: Option<Coordinates>,
    shape: Option<Shape>,
    /// Metres of the unit that distances are given in.
    metres: f64,
    order: Option<GeoOrder>,
    count: usize,
    any: bool,
    with_coord: bool,
    with_dist: bool,
    with_hash: bool,
    pub store: Option<&'a [u8]>,
    pub store_dist: bool,
}

pub struct GeoPoint {
    pub member: Vec<u8>,
    pub score: f64,
    pub distance: f64,
}

fn member_position(zset: Option<&ZSet>, member: &[u8]) -> Result<Option<Coordinates>, Fail> {
    let Some(zset) = zset else {
        return Ok(None);
    };
    let score = zset
        .score(member)
        .ok_or(Fail::Says("could not decode requested zset member"))?;
    Ok(Some(Coordinates::of_score(score)))
}

fn length(args: &mut Args<'_>, not_a_number: &'static str) -> Result<f64, Fail> {
    number::parse_double(args.next()?).ok_or(Fail::Says(not_a_number))
}

impl<'a> GeoQuery<'a> {
    /// Parses what follows the source key.
    pub fn parse(
        args: &mut Args<'a>,
        spelling: Spelling,
        store: Option<&'a [u8]>,
        zset: Option<&ZSet>,
    ) -> Result<Self, Fail> {
        let mut query = GeoQuery {
            metres: 1.0,
            store,
            ..GeoQuery::default()
        };
        match spelling {
            Spelling::Radius | Spelling::RadiusRo => {
                query.centre = Some(position(args)?);
                query.circle(args)?;
            }
            // Without a key nothing of this is looked at.
            Spelling::Member | Spelling::MemberRo if zset.is_none() => drop(args.take(3)?),
            Spelling::Member | Spelling::MemberRo => {
                query.centre = member_position(zset, args.next()?)?;
                query.circle(args)?;
            }
            Spelling::Search | Spelling::SearchStore => {}
        }
        let (mut from, mut by) = (None, None);
        while !args.is_empty() {
            query.option(args, spelling, zset, &mut from, &mut by)?;
        }
        if query.store.is_some() && (query.with_dist || query.with_hash || query.with_coord) {
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
        if spelling.is_search() && from.is_none() && by != Some(POLYGON) {
            return Err(Fail::said(format!(
                "exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
            )));
        }
        if spelling.is_search() && by.is_none() {
            return Err(Fail::said(format!(
                "exactly one of BYRADIUS and BYBOX can be specified for {name}"
            )));
        }
        if query.any && query.count == 0 {
            return Err(Fail::Says("the ANY argument requires COUNT argument"));
        }
        if query.count > 0 && query.order.is_none() && !query.any {
            query.order = Some(GeoOrder::Asc);
        }
        Ok(query)
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
            self.order = Some(GeoOrder::Asc);
        } else if args.word("DESC") {
            self.order = Some(GeoOrder::Desc);
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
        } else if search
            && *by == Some(POLYGON)
            && (args.word("FROMMEMBER") || args.word("FROMLONLAT"))
        {
            // A polygon has a middle of its own.
            return Err(Fail::SYNTAX);
        } else if search && *from != Some("lonlat") && args.word_with("FROMMEMBER", 1) {
            self.centre = member_position(zset, args.next()?)?;
            *from = Some("member");
        } else if search && *from != Some("member") && args.word_with("FROMLONLAT", 2) {
            self.centre = Some(position(args)?);
            *from = Some("lonlat");
        } else if search
            && from.is_none()
            && matches!(*by, None | Some(POLYGON))
            && args.word_with("BYPOLYGON", 1)
        {
            self.polygon(args)?;
            *by = Some(POLYGON);
        } else if search && matches!(*by, None | Some("radius")) && args.word_with("BYRADIUS", 2) {
            self.circle(args)?;
            *by = Some("radius");
        } else if search && matches!(*by, None | Some("box")) && args.word_with("BYBOX", 3) {
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

    fn polygon(&mut self, args: &mut Args<'_>) -> Result<(), Fail> {
        let fail = Fail::Says("invalid number of vertices");
        let count = args.int_or(fail)?;
        if count < 3 || count > (args.len() / 2) as i64 {
            return Err(Fail::said(format!(
                "{} BYPOLYGON must have at least 3 vertices",
                quoted(args.name())
            )));
        }
        let corners: Vec<Coordinates> = (0..count)
            .map(|_| position(args))
            .collect::<Result<_, _>>()?;
        self.metres = 1.0;
        self.centre = Some(geo::middle(&corners));
        self.shape = Some(Shape::Polygon { corners });
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
    pub fn find(&self, zset: Option<&ZSet>) -> Vec<GeoPoint> {
        let (Some(zset), Some(centre), Some(shape)) = (zset, self.centre, &self.shape) else {
            return Vec::new();
        };
        let search = GeoSearch {
            centre,
            shape: shape.clone(),
        };
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
                if let Some(distance) = search.distance_within_m(&Coordinates::of_score(score)) {
                    let distance = distance / self.metres;
                    found.push(GeoPoint {
                        member: member.to_vec(),
                        score,
                        distance,
                    });
                }
            }
        }
        match self.order {
            Some(GeoOrder::Asc) => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
            Some(GeoOrder::Desc) => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
            None => {}
        }
        if self.count > 0 {
            found.truncate(self.count);
        }
        found
    }

    pub fn reply(&self, found: &[GeoPoint], out: &mut Reply) {
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
                reply_position(Coordinates::of_score(one.score), out);
            }
        }
    }
}
