//! Timeouts of commands that may block.

use super::Fail;
use crate::util::extended::Extended;
use crate::util::number;

/// The time at which a timeout in seconds is up; `None` for one of zero, which is never.
pub fn deadline_ms(text: &[u8], now_ms: u64) -> Result<Option<u64>, Fail> {
    let wrong = Fail::Says("timeout is not a float or out of range");
    // Redis reads it as a `long double`: what a double can't hold may be a number all the same.
    let seconds = number::parse_double(text)
        .or_else(|| Extended::parse(text).map(|seconds| seconds.nearest_double()));
    let ms = (seconds.ok_or(wrong)? * 1000.0).ceil();
    if ms > i64::MAX as f64 {
        return Err(Fail::Says("timeout is out of range"));
    }
    if ms < 0.0 {
        return Err(Fail::Says("timeout is negative"));
    }
    if ms == 0.0 {
        return Ok(None);
    }
    match (ms as i64).checked_add(now_ms as i64) {
        Some(deadline) => Ok(Some(deadline as u64)),
        None => Err(Fail::Says("timeout is out of range")),
    }
}
