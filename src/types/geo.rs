//! Positions on the earth as scores of a sorted set.
//!
//! Longitude and latitude are cut into 2^26 steps each and their bits woven
//! into one 52-bit number, so that places near each other mostly have scores
//! near each other. A search looks into the cell around its centre and the
//! eight beside it, as ranges of scores, and measures what it finds there.
//! Every formula rounds where Redis's rounds: equal digits, equal order.

use smallvec::SmallVec;

use crate::util::number::write_i64;

/// Steps that a score is made of, on each axis, as a power of two.
const STEP_MAX: u32 = 26;
const LONGITUDE: Axis = Axis {
    min: -180.0,
    max: 180.0,
};
/// Mercator's projection ends before the poles.
const LATITUDE: Axis = Axis {
    min: -85.05112878,
    max: 85.05112878,
};
/// The text of GEOHASH is the common one, which has the poles.
const LATITUDE_TO_POLES: Axis = Axis {
    min: -90.0,
    max: 90.0,
};
const EARTH_RADIUS_M: f64 = 6372797.560856;
/// Half the length of the equator in Mercator's projection.
const MERCATOR_MAX_M: f64 = 20037726.37;
const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;
const GEOHASH_DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

#[derive(Clone, Copy)]
struct Axis {
    min: f64,
    max: f64,
}

impl Axis {
    fn holds(&self, degrees: f64) -> bool {
        (self.min..=self.max).contains(&degrees)
    }

    /// The step that the degrees fall in. The upper end is one step too far,
    /// and stays so: Redis stores it like that.
    fn step_of(&self, degrees: f64, steps: u32) -> u32 {
        let share = (degrees - self.min) / (self.max - self.min);
        (share * f64::from(1_u32 << steps)) as u32
    }

    /// Where a step begins.
    fn start_of(&self, step: f64, steps: u32) -> f64 {
        self.min + (step / f64::from(1_u32 << steps)) * (self.max - self.min)
    }

    fn middle_of(&self, step: u32, steps: u32) -> f64 {
        let start = self.start_of(f64::from(step), steps);
        let end = self.start_of(f64::from(step.wrapping_add(1)), steps);
        ((start + end) / 2.0).clamp(self.min, self.max)
    }
}

/// A place, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinates {
    pub longitude: f64,
    pub latitude: f64,
}

impl Coordinates {
    /// Whether a score can stand for the position.
    pub fn is_valid(&self) -> bool {
        LONGITUDE.holds(self.longitude) && LATITUDE.holds(self.latitude)
    }

    /// The score of a valid position.
    pub fn score(&self) -> f64 {
        Cell::of(*self, STEP_MAX).bits() as f64
    }

    /// The middle of the cell that a score names.
    pub fn of_score(score: f64) -> Coordinates {
        // A score that GEOADD did not write may have any value: it is taken
        // for 64 bits in two's complement.
        let bits = if score < 0.0 {
            score as i64 as u64
        } else {
            score as u64
        };
        Coordinates {
            longitude: LONGITUDE.middle_of(every_second_bit(bits >> 1), STEP_MAX),
            latitude: LATITUDE.middle_of(every_second_bit(bits), STEP_MAX),
        }
    }

    /// The eleven characters that GEOHASH replies. There are bits for ten and
    /// a half; the last is always zero.
    pub fn geohash(&self) -> [u8; 11] {
        let longitude = LONGITUDE.step_of(self.longitude, STEP_MAX);
        let latitude = LATITUDE_TO_POLES.step_of(self.latitude, STEP_MAX);
        let bits = weave(longitude, latitude);
        std::array::from_fn(|at| match at {
            10 => b'0',
            _ => GEOHASH_DIGITS[(bits >> (47 - at * 5)) as usize & 31],
        })
    }

    /// The distance along the surface, in metres.
    pub fn distance_m(&self, other: &Coordinates) -> f64 {
        let half_sine = |from: f64, to: f64| ((radians(to) - radians(from)) / 2.0).sin();
        let across = half_sine(self.longitude, other.longitude);
        if across == 0.0 {
            return latitude_distance_m(self.latitude, other.latitude);
        }
        let up = half_sine(self.latitude, other.latitude);
        let cosines = radians(self.latitude).cos() * radians(other.latitude).cos();
        let haversine = up * up + cosines * across * across;
        2.0 * EARTH_RADIUS_M * haversine.sqrt().asin()
    }
}

fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_PER_DEGREE
}

fn degrees(radians: f64) -> f64 {
    radians / RADIANS_PER_DEGREE
}

fn latitude_distance_m(a: f64, b: f64) -> f64 {
    EARTH_RADIUS_M * (radians(b) - radians(a)).abs()
}

/// Appends a distance with four decimals.
pub fn write_distance(distance: f64, out: &mut Vec<u8>) {
    let scaled = (distance * 10_000.0).round_ties_even() as i64;
    if scaled < 0 {
        out.push(b'-');
    }
    let scaled = scaled.unsigned_abs();
    write_i64((scaled / 10_000) as i64, out);
    out.push(b'.');
    for unit in [1000, 100, 10, 1] {
        out.push(b'0' + (scaled / unit % 10) as u8);
    }
}

/// Weaves two numbers: longitude in the odd bits, latitude in the even ones.
fn weave(longitude: u32, latitude: u32) -> u64 {
    spread(longitude) << 1 | spread(latitude)
}

/// Puts a zero bit above each bit, by moving ever smaller halves apart.
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// The even bits, moved together: what `spread` spread.
fn every_second_bit(bits: u64) -> u32 {
    let mut bits = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

/// One field of a grid of `2^steps` by `2^steps` fields over the map.
#[derive(Clone, Copy, PartialEq)]
struct Cell {
    longitude: u32,
    latitude: u32,
    steps: u32,
}

impl Cell {
    fn of(position: Coordinates, steps: u32) -> Cell {
        Cell {
            longitude: LONGITUDE.step_of(position.longitude, steps),
            latitude: LATITUDE.step_of(position.latitude, steps),
            steps,
        }
    }

    fn bits(&self) -> u64 {
        weave(self.longitude, self.latitude)
    }

    /// The cell some steps east and north, round the edges of the map.
    fn beside(&self, east: i32, north: i32) -> Cell {
        let go = |step: u32, by: i32| match by {
            0 => step,
            by => step.wrapping_add_signed(by) & ((1 << self.steps) - 1),
        };
        Cell {
            longitude: go(self.longitude, east),
            latitude: go(self.latitude, north),
            steps: self.steps,
        }
    }

    fn west(&self) -> f64 {
        LONGITUDE.start_of(f64::from(self.longitude), self.steps)
    }

    fn east(&self) -> f64 {
        LONGITUDE.start_of(f64::from(self.longitude + 1), self.steps)
    }

    fn south(&self) -> f64 {
        LATITUDE.start_of(f64::from(self.latitude), self.steps)
    }

    fn north(&self) -> f64 {
        LATITUDE.start_of(f64::from(self.latitude + 1), self.steps)
    }

    /// The scores inside: from the first, up to but without the second.
    fn scores(&self) -> (f64, f64) {
        let shift = 2 * (STEP_MAX - self.steps);
        let bits = self.bits();
        ((bits << shift) as f64, ((bits + 1) << shift) as f64)
    }
}

/// What a search looks for around its centre.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Circle {
        radius_m: f64,
    },
    Box {
        width_m: f64,
        height_m: f64,
    },
    /// The last corner is joined to the first. Its sides are straight on a map of longitudes and latitudes.
    Polygon {
        corners: Vec<Coordinates>,
    },
}

/// The middle of a polygon's corners: the one of the points in space, as seen from the centre of the earth.
pub fn middle(corners: &[Coordinates]) -> Coordinates {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for corner in corners {
        let (longitude, latitude) = (radians(corner.longitude), radians(corner.latitude));
        x += latitude.cos() * longitude.cos();
        y += latitude.cos() * longitude.sin();
        z += latitude.sin();
    }
    let count = corners.len() as f64;
    let (x, y, z) = (x / count, y / count, z / count);
    Coordinates {
        longitude: degrees(y.atan2(x)),
        latitude: degrees(z.atan2((x * x + y * y).sqrt())),
    }
}

/// Whether a position lies within a polygon: a line from it to the east crosses an odd number of sides.
fn is_within(corners: &[Coordinates], position: &Coordinates) -> bool {
    let before = corners.iter().cycle().skip(corners.len().max(1) - 1);
    let mut inside = false;
    for (one, other) in corners.iter().zip(before) {
        let crosses = (one.latitude > position.latitude) != (other.latitude > position.latitude);
        let is_east = || {
            let slope = (other.longitude - one.longitude) * (position.latitude - one.latitude)
                / (other.latitude - one.latitude);
            position.longitude < slope + one.longitude
        };
        inside ^= crosses && is_east();
    }
    inside
}

/// A search for members around a place.
#[derive(Clone, Debug, PartialEq)]
pub struct GeoSearch {
    pub centre: Coordinates,
    pub shape: Shape,
}

impl GeoSearch {
    /// The distance of a position from the centre, in metres, if it lies within.
    pub fn distance_within_m(&self, position: &Coordinates) -> Option<f64> {
        match &self.shape {
            Shape::Polygon { corners } => {
                is_within(corners, position).then(|| self.centre.distance_m(position))
            }
            &Shape::Circle { radius_m } => {
                let distance = self.centre.distance_m(position);
                (distance <= radius_m).then_some(distance)
            }
            &Shape::Box { width_m, height_m } => {
                let up = latitude_distance_m(position.latitude, self.centre.latitude);
                // A box is as wide as it says on the parallel of the position.
                let below = Coordinates {
                    longitude: self.centre.longitude,
                    latitude: position.latitude,
                };
                let inside = up <= height_m / 2.0 && position.distance_m(&below) <= width_m / 2.0;
                inside.then(|| self.centre.distance_m(position))
            }
        }
    }

    /// The ranges of scores that hold everything within, in the order in which
    /// members are found: from each first score, up to but without its second.
    pub fn score_ranges(&self) -> SmallVec<[(f64, f64); 9]> {
        let bounds = self.bounds();
        let mut steps = self.steps();
        // A polygon may reach far to one side of its middle, which may lie beyond the edge of the map.
        let once = !matches!(self.shape, Shape::Polygon { .. });
        while steps > 1 && !bounds.fit_around(&Cell::of(self.centre, steps)) {
            steps -= 1;
            if once {
                break;
            }
        }
        let cell = Cell::of(self.centre, steps);
        // Sides of the cell behind which the search does not reach. With two
        // columns there is no telling which side a neighbour lies on.
        let sides = steps >= 2;
        let no_south = sides && cell.south() < bounds.south;
        let no_north = sides && cell.north() > bounds.north;
        let no_west = sides && cell.west() < bounds.west;
        let no_east = sides && cell.east() > bounds.east;

        let mut ranges = SmallVec::new();
        let mut last = None;
        for (east, north) in [
            (0, 0),
            (0, 1),
            (0, -1),
            (1, 0),
            (-1, 0),
            (1, 1),
            (-1, 1),
            (1, -1),
            (-1, -1),
        ] {
            let useless = (north < 0 && no_south)
                || (north > 0 && no_north)
                || (east < 0 && no_west)
                || (east > 0 && no_east);
            let beside = cell.beside(east, north);
            // On a small grid the way round leads to the same cell twice.
            if useless || last == Some(beside) {
                continue;
            }
            ranges.push(beside.scores());
            last = ((east, north) != (0, 0)).then_some(beside);
        }
        ranges
    }

    /// How fine a grid has cells about as large as the search.
    fn steps(&self) -> u32 {
        let mut reach_m = match &self.shape {
            Shape::Polygon { .. } => self.bounds().reach_m(self.centre),
            &Shape::Circle { radius_m } => radius_m,
            &Shape::Box { width_m, height_m } => {
                let (half_width, half_height) = (width_m / 2.0, height_m / 2.0);
                (half_width * half_width + half_height * half_height).sqrt()
            }
        };
        if reach_m == 0.0 {
            return STEP_MAX;
        }
        let mut steps: i32 = 1;
        // Past the finest grid, with room for what is taken off, more makes no difference.
        while reach_m < MERCATOR_MAX_M && steps < 64 {
            reach_m *= 2.0;
            steps += 1;
        }
        // Cells are narrower towards the poles, where more of them are needed.
        let from_equator = self.centre.latitude.abs();
        steps -= 2 + i32::from(from_equator > 66.0) + i32::from(from_equator > 80.0);
        steps.clamp(1, STEP_MAX as i32) as u32
    }

    fn bounds(&self) -> BoundingBox {
        let (half_width, half_height) = match &self.shape {
            Shape::Polygon { corners } => return BoundingBox::around(corners),
            &Shape::Circle { radius_m } => (radius_m, radius_m),
            &Shape::Box { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
        };
        let Coordinates {
            longitude,
            latitude,
        } = self.centre;
        let up = degrees(half_height / EARTH_RADIUS_M);
        // The edge nearer to the pole spans more degrees.
        let polar = if latitude < 0.0 {
            latitude - up
        } else {
            latitude + up
        };
        let across = degrees(half_width / EARTH_RADIUS_M / radians(polar).cos());
        BoundingBox {
            west: longitude - across,
            east: longitude + across,
            south: latitude - up,
            north: latitude + up,
        }
    }
}

/// The degrees between which a search reaches.
struct BoundingBox {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl BoundingBox {
    fn around(corners: &[Coordinates]) -> Self {
        let nowhere = BoundingBox {
            west: f64::INFINITY,
            east: f64::NEG_INFINITY,
            south: f64::INFINITY,
            north: f64::NEG_INFINITY,
        };
        corners.iter().fold(nowhere, |bounds, corner| BoundingBox {
            west: bounds.west.min(corner.longitude),
            east: bounds.east.max(corner.longitude),
            south: bounds.south.min(corner.latitude),
            north: bounds.north.max(corner.latitude),
        })
    }

    /// How far its corners are from a place at most.
    fn reach_m(&self, centre: Coordinates) -> f64 {
        let corners = [
            (self.west, self.north),
            (self.east, self.north),
            (self.west, self.south),
            (self.east, self.south),
        ];
        let distance = |(longitude, latitude)| {
            centre.distance_m(&Coordinates {
                longitude,
                latitude,
            })
        };
        corners.into_iter().map(distance).fold(0.0, f64::max)
    }

    /// Whether a cell and its neighbours cover all of it.
    fn fit_around(&self, cell: &Cell) -> bool {
        cell.beside(0, 1).north() >= self.north
            && cell.beside(0, -1).south() <= self.south
            && cell.beside(1, 0).east() >= self.east
            && cell.beside(-1, 0).west() <= self.west
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALERMO: Coordinates = Coordinates {
        longitude: 13.361389,
        latitude: 38.115556,
    };
    const CATANIA: Coordinates = Coordinates {
        longitude: 15.087269,
        latitude: 37.502669,
    };

    fn stored(position: Coordinates) -> Coordinates {
        Coordinates::of_score(position.score())
    }

    #[test]
    fn scores_are_those_of_redis() {
        assert_eq!(PALERMO.score(), 3479099956230698.0);
        assert_eq!(CATANIA.score(), 3479447370796909.0);
        assert_eq!(stored(PALERMO).longitude, 13.361389338970184);
        assert_eq!(stored(PALERMO).latitude, 38.1155563954963);
        assert_eq!(&stored(PALERMO).geohash(), b"sqc8b49rny0");
        assert_eq!(&stored(CATANIA).geohash(), b"sqdtr74hyu0");
    }

    #[test]
    fn distances_are_those_of_redis() {
        let mut out = Vec::new();
        write_distance(stored(PALERMO).distance_m(&stored(CATANIA)), &mut out);
        assert_eq!(out, b"166274.1516");
        out.clear();
        write_distance(0.00005, &mut out);
        assert_eq!(out, b"0.0000");
    }

    #[test]
    fn what_lies_within_lies_in_the_ranges() {
        let mut seed = 1_u64;
        let mut chance = || {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (seed >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut found = 0;
        for _ in 0..200_000 {
            let centre = Coordinates {
                longitude: chance() * 340.0 - 170.0,
                latitude: chance() * 160.0 - 80.0,
            };
            let size = 10_f64.powf(chance() * 6.0);
            let shape = if chance() < 0.5 {
                Shape::Circle { radius_m: size }
            } else {
                Shape::Box {
                    width_m: size,
                    height_m: size * 2.0 * chance(),
                }
            };
            let search = GeoSearch { centre, shape };
            let reach = size / 50_000.0;
            let place = Coordinates {
                longitude: centre.longitude + (chance() - 0.5) * reach,
                latitude: centre.latitude + (chance() - 0.5) * reach,
            };
            if !place.is_valid() || search.distance_within_m(&place).is_none() {
                continue;
            }
            found += 1;
            let (score, ranges) = (place.score(), search.score_ranges());
            let inside = |&(first, end): &(f64, f64)| first <= score && score < end;
            assert_eq!(
                ranges.iter().filter(|range| inside(range)).count(),
                1,
                "{search:?} {place:?}"
            );
        }
        assert!(found > 10_000, "{found}");
    }

    #[test]
    fn what_lies_within_a_polygon_lies_in_the_ranges_however_wide_it_is() {
        let mut chance = fastrand::Rng::with_seed(1);
        let mut found = 0;
        for _ in 0..20_000 {
            let widest = [1.0, 40.0, 360.0][chance.usize(..3)];
            let (middle, height) = (chance.f64() * 360.0 - 180.0, 170.0 * chance.f64());
            let mut place = || Coordinates {
                longitude: (middle + (chance.f64() - 0.5) * widest).clamp(-180.0, 180.0),
                latitude: (chance.f64() - 0.5) * height,
            };
            let corners: Vec<Coordinates> = (0..5).map(|_| place()).collect();
            let place = Coordinates::of_score(place().score());
            let search = GeoSearch {
                centre: super::middle(&corners),
                shape: Shape::Polygon { corners },
            };
            if search.distance_within_m(&place).is_none() {
                continue;
            }
            found += 1;
            let (score, ranges) = (place.score(), search.score_ranges());
            let inside = |&&(first, end): &&(f64, f64)| first <= score && score < end;
            let count = ranges.iter().filter(inside).count();
            assert_eq!(count, 1, "{search:?} {place:?}");
        }
        assert!(found > 1_000, "{found}");
    }

    #[test]
    fn any_score_has_a_position() {
        for score in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -1.0,
            1e300,
            0.5,
            u64::MAX as f64,
        ] {
            assert!(Coordinates::of_score(score).is_valid(), "{score}");
        }
    }
}
