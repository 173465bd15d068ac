//! Ranges of a sorted set as clients write them: by score, by name.
//!
//! Accepts and refuses exactly the texts that Redis 8.2 does, its leniencies
//! included: as a score bound nothing is zero, and too large a number is infinite.
//! What came with C's `strtod` before, blanks and hexadecimal digits, is refused.

/// One end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreBound {
    pub value: f64,
    /// Whether the value itself is out of the range.
    pub exclusive: bool,
}

/// Scores from `min` to `max`. An inverted one is empty, not an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    pub min: ScoreBound,
    pub max: ScoreBound,
}

/// One end of a range of names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LexBound<'a> {
    /// `-`: before every name.
    Lowest,
    /// `+`: behind every name.
    Highest,
    /// `[name`
    Including(&'a [u8]),
    /// `(name`
    Excluding(&'a [u8]),
}

/// Names from `min` to `max`. An inverted one is empty, not an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LexRange<'a> {
    pub min: LexBound<'a>,
    pub max: LexBound<'a>,
}

impl ScoreBound {
    /// `None` is the client's "min or max is not a float".
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (exclusive, number) = match text.strip_prefix(b"(") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let value = parse_leniently(number)?;
        Some(Self { value, exclusive })
    }
}

impl ScoreRange {
    /// Every score.
    pub const ALL: Self = Self {
        min: ScoreBound {
            value: f64::NEG_INFINITY,
            exclusive: false,
        },
        max: ScoreBound {
            value: f64::INFINITY,
            exclusive: false,
        },
    };

    /// `None` is the client's "min or max is not a float".
    pub fn parse(min: &[u8], max: &[u8]) -> Option<Self> {
        Some(Self {
            min: ScoreBound::parse(min)?,
            max: ScoreBound::parse(max)?,
        })
    }

    /// Whether `score` stands before the range.
    pub fn is_behind(&self, score: f64) -> bool {
        score < self.min.value || (self.min.exclusive && score == self.min.value)
    }

    /// Whether `score` stands in the range or before it.
    pub fn reaches(&self, score: f64) -> bool {
        score < self.max.value || (!self.max.exclusive && score == self.max.value)
    }

    pub fn contains(&self, score: f64) -> bool {
        !self.is_behind(score) && self.reaches(score)
    }
}

impl<'a> LexBound<'a> {
    /// `None` is the client's "min or max not valid string range item".
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        match text {
            // As to C, a zero byte ends the text.
            [b'-'] | [b'-', 0, ..] => Some(Self::Lowest),
            [b'+'] | [b'+', 0, ..] => Some(Self::Highest),
            [b'[', name @ ..] => Some(Self::Including(name)),
            [b'(', name @ ..] => Some(Self::Excluding(name)),
            _ => None,
        }
    }
}

impl<'a> LexRange<'a> {
    /// `None` is the client's "min or max not valid string range item".
    pub fn parse(min: &'a [u8], max: &'a [u8]) -> Option<Self> {
        Some(Self {
            min: LexBound::parse(min)?,
            max: LexBound::parse(max)?,
        })
    }

    /// Whether `name` stands before the range.
    pub fn is_behind(&self, name: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Including(min) => name < min,
            LexBound::Excluding(min) => name <= min,
        }
    }

    /// Whether `name` stands in the range or before it.
    pub fn reaches(&self, name: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Including(max) => name <= max,
            LexBound::Excluding(max) => name < max,
        }
    }

    pub fn contains(&self, name: &[u8]) -> bool {
        !self.is_behind(name) && self.reaches(name)
    }
}

/// A decimal number up to the end, or up to a zero byte. One out of range is no score, but as a bound it has a meaning: the
/// standard library rounds it to zero or infinity, as Redis does.
fn parse_leniently(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line was answered so by redis-server.
    #[test]
    fn score_bounds_are_decimal_numbers() {
        let taken: [(&[u8], f64); 12] = [
            (b"", 0.0),
            (b"1.5", 1.5),
            (b"+1.5e3", 1500.0),
            (b"1.", 1.0),
            (b".5", 0.5),
            (b"1e999", f64::INFINITY),
            (b"-1e999", f64::NEG_INFINITY),
            (b"1e-999", 0.0),
            (b"inf", f64::INFINITY),
            (b"+INF", f64::INFINITY),
            (b"-infinity", f64::NEG_INFINITY),
            (b"3\0junk", 3.0),
        ];
        for (text, value) in taken {
            let bound = ScoreBound::parse(text).unwrap_or_else(|| panic!("{text:?}"));
            assert_eq!((bound.value, bound.exclusive), (value, false), "{text:?}");
            let open = ScoreBound::parse(&[b"(", text].concat()).unwrap();
            assert_eq!((open.value, open.exclusive), (value, true), "{text:?}");
        }
        for text in [
            "1 ", "  ", " 1", "\t1", "0x10", "0x1.8", "-0x1p-1", "x", "1x", "1e", "0x", ".", "-",
            "nan", "NaN", "((1", "1_0", "INFx", "[1",
        ] {
            assert_eq!(ScoreBound::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(ScoreBound::parse(b"\xff"), None);
    }

    #[test]
    fn scores_at_an_open_end_are_out() {
        let range = ScoreRange::parse(b"(1", b"2").unwrap();
        assert!(!range.contains(1.0) && range.contains(1.5) && range.contains(2.0));
        assert!(range.is_behind(1.0) && range.reaches(1.0) && !range.reaches(2.5));
        assert!(ScoreRange::ALL.contains(f64::INFINITY));
        assert!(ScoreRange::parse(b"-0", b"0").unwrap().contains(0.0));
        assert!(!ScoreRange::parse(b"2", b"1").unwrap().contains(1.5));
    }

    #[test]
    fn lex_bounds_say_how_they_hold() {
        assert_eq!(LexBound::parse(b"-"), Some(LexBound::Lowest));
        assert_eq!(LexBound::parse(b"+"), Some(LexBound::Highest));
        assert_eq!(LexBound::parse(b"["), Some(LexBound::Including(b"")));
        assert_eq!(LexBound::parse(b"(+"), Some(LexBound::Excluding(b"+")));
        for text in ["", "a", "+1", "-a", "1"] {
            assert_eq!(LexBound::parse(text.as_bytes()), None, "{text}");
        }
        let range = LexRange::parse(b"[b", b"(d").unwrap();
        assert!(range.is_behind(b"azz") && range.contains(b"b") && range.contains(b"czz"));
        assert!(!range.contains(b"d") && !range.reaches(b"d"));
        let none = LexRange::parse(b"+", b"-").unwrap();
        assert!(!none.contains(b"") && !none.contains(b"\xff"));
    }
}
