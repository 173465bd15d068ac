//! Numbers and places as attributes hold them.

use crate::types::geo::Coordinates;
use crate::util::number;

/// A number in the order of numbers: none of those that are indexed is NaN.
#[derive(Clone, Copy, Debug)]
pub struct Ordered(pub f64);

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Both zeros are one number.
        (self.0 + 0.0).total_cmp(&(other.0 + 0.0))
    }
}

/// The number that a text is.
pub fn number_of(text: &[u8]) -> Option<f64> {
    number::parse_double(text).filter(|n| !n.is_nan())
}

/// The place that a text is: longitude and latitude.
pub fn geo_of(text: &[u8]) -> Option<Coordinates> {
    let text = text.trim_ascii();
    let at = text.iter().position(|byte| matches!(byte, b',' | b' '))?;
    let longitude = number_of(text[..at].trim_ascii())?;
    let latitude = number_of(text[at + 1..].trim_ascii())?;
    let position = Coordinates {
        longitude,
        latitude,
    };
    position.is_valid().then_some(position)
}
