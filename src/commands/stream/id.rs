//! Ids as clients write them: whole, in part, and as ends of ranges.

use crate::command::Fail;
use crate::types::stream::Id;
use crate::util::number::parse_u64_like_c;

const INVALID: Fail = Fail::Says("Invalid stream ID specified as stream command argument");
/// Longer texts are no ids.
const TEXT_MAX: usize = 127;

/// What an id is given to a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedId {
    /// `*`: whatever comes next.
    Next,
    /// `ms-*`: the next one in this millisecond.
    NextIn(u64),
    Exactly(Id),
}

/// The parts of an id, up to the first zero byte as in C.
fn split(text: &[u8]) -> Result<(u64, Option<&[u8]>), Fail> {
    if text.len() > TEXT_MAX {
        return Err(INVALID);
    }
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let (ms, seq) = match text.iter().position(|byte| *byte == b'-') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    Ok((parse_u64_like_c(ms).ok_or(INVALID)?, seq))
}

/// An id; `seq` stands for the part that may be missing.
pub fn parse(text: &[u8], seq: u64) -> Result<Id, Fail> {
    let (ms, rest) = split(text)?;
    match rest {
        Some(rest) => Ok(Id::new(ms, parse_u64_like_c(rest).ok_or(INVALID)?)),
        None => Ok(Id::new(ms, seq)),
    }
}

/// Reads an ID, or `-` and `+` for the smallest and the largest.
pub fn parse_or_edge(text: &[u8], seq: u64) -> Result<Id, Fail> {
    match text {
        b"-" => Ok(Id::MIN),
        b"+" => Ok(Id::MAX),
        text => parse(text, seq),
    }
}

/// What XADD is asked to call its entry.
pub fn parse_wanted(text: &[u8]) -> Result<WantedId, Fail> {
    if text == b"*" {
        return Ok(WantedId::Next);
    }
    match split(text)? {
        (ms, Some(b"*")) => Ok(WantedId::NextIn(ms)),
        _ => parse(text, 0).map(WantedId::Exactly),
    }
}

/// Several ids.
pub fn parse_all(texts: &[&[u8]]) -> Result<Vec<Id>, Fail> {
    texts.iter().map(|text| parse(text, 0)).collect()
}

/// Where a range begins; `(` leaves the id itself out.
pub fn parse_start(text: &[u8]) -> Result<Id, Fail> {
    match text.strip_prefix(b"(") {
        Some(id) if !id.is_empty() => {
            let fail = Fail::Says("invalid start ID for the interval");
            parse(id, 0)?.next().ok_or(fail)
        }
        _ => parse_or_edge(text, 0),
    }
}

/// Where a range ends.
pub fn parse_end(text: &[u8]) -> Result<Id, Fail> {
    match text.strip_prefix(b"(") {
        Some(id) if !id.is_empty() => {
            let fail = Fail::Says("invalid end ID for the interval");
            parse(id, u64::MAX)?.prev().ok_or(fail)
        }
        _ => parse_or_edge(text, u64::MAX),
    }
}
