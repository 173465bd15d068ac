//! Timeouts of commands that may sleep.

use super::Fail;
use crate::util::number;

/// The time at which a timeout in seconds is up; `None` for one of zero, which is never.
pub fn deadline_ms(text: &[u8], now_ms: u64) -> Result<Option<u64>, Fail> {
    let wrong = Fail::Says("timeout is not a float or out of range");
    let seconds = number::parse_double(text).ok_or_else(|| wrong.clone())?;
    let ms = (seconds * 1000.0).ceil();
    if ms > i64::MAX as f64 {
        return Err(wrong);
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
