//! Places on Earth: sorted sets whose scores are geohashes.

mod look;
mod query;
mod search;

use crate::command::{Arg, Args, Fail, Family};
use crate::resp::Reply;
use crate::types::geo::Coordinates;

pub const FAMILY: Family = Family {
    group: "geo",
    category: "geo",
    commands: &[
        &look::GEOADD,
        &look::GEOPOS,
        &look::GEOHASH,
        &look::GEODIST,
        &search::GEOSEARCH,
        &search::GEOSEARCHSTORE,
        &search::GEORADIUS,
        &search::GEORADIUS_RO,
        &search::GEORADIUSBYMEMBER,
        &search::GEORADIUSBYMEMBER_RO,
    ],
};

const UNIT: Arg = Arg::one_of(
    "unit",
    &[
        Arg::word("m", "M"),
        Arg::word("km", "KM"),
        Arg::word("ft", "FT"),
        Arg::word("mi", "MI"),
    ],
);

/// The metres of a unit of length.
fn unit(args: &mut Args<'_>) -> Result<f64, Fail> {
    let units = [("M", 1.0), ("KM", 1000.0), ("FT", 0.3048), ("MI", 1609.34)];
    let found = units.into_iter().find(|(word, _)| args.word(word));
    found.map(|(_, metres)| metres).ok_or(Fail::Says(
        "unsupported unit provided. please use M, KM, FT, MI",
    ))
}

fn position(args: &mut Args<'_>) -> Result<Coordinates, Fail> {
    let position = Coordinates {
        longitude: args.double()?,
        latitude: args.double()?,
    };
    if position.is_valid() {
        return Ok(position);
    }
    let Coordinates {
        longitude,
        latitude,
    } = position;
    Err(Fail::said(format!(
        "invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
    )))
}

fn reply_position(position: Coordinates, out: &mut Reply) {
    out.array(2);
    for degrees in [position.longitude, position.latitude] {
        out.double(degrees);
    }
}
