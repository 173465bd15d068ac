//! DEBUG's hands on the clock and on chance: with both given, a run can be repeated.

use std::time::Duration;

use crate::command::{Done, Fail, Flow, WriteCall};
use crate::util::{chance, clock};

const WORDS: Fail = Fail::Says("DEBUG CLOCK takes FREEZE [<ms>], ADVANCE <ms>, SET <ms>, or RUN.");

pub fn set_clock(call: &mut WriteCall<'_>) -> Done {
    let word = call.args.next()?.to_ascii_uppercase();
    let time_ms = match call.args.is_empty() {
        true => None,
        false => Some(call.args.positive()? as u64),
    };
    match (word.as_slice(), time_ms) {
        (b"FREEZE", at_ms) => clock::freeze(at_ms),
        (b"ADVANCE", Some(by_ms)) => clock::advance(by_ms),
        (b"SET", Some(at_ms)) => clock::set(at_ms),
        (b"RUN", None) => clock::run(),
        _ => return Err(WORDS),
    }
    call.out.ok();
    // After a stall, the rest of the batch looks at the clock anew.
    Ok(Flow::Stall(Duration::ZERO))
}

pub fn seed(call: &mut WriteCall<'_>) -> Done {
    let number = call.args.int()?;
    chance::seed(number as u64);
    call.out.ok();
    Ok(Flow::Done)
}
