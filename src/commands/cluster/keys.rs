//! What a node's keys tell: CLUSTER KEYSLOT, COUNTKEYSINSLOT and GETKEYSINSLOT.

use super::clustering;
use super::order::no_more;
use crate::cluster::{SLOTS, slot_of};
use crate::command::{Done, Fail, Flow, ReadCall, SessionCall, WriteCall};
use crate::engine::GaveUp;
use crate::util::number;

pub fn slot_of_key(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    let key = call.args.next()?;
    call.out.int(slot_of(key));
    Ok(Flow::Done)
}

pub fn count(call: &mut ReadCall<'_>) -> Done {
    clustering(call.server)?;
    let slot = slot(call.args.int()?).ok_or(Fail::Says("Invalid slot"))?;
    let scripts = &call.server.scripts;
    let count = call.db.count_in_slot(slot, &|| scripts.is_busy());
    let count = count.map_err(|GaveUp| call.server.busy_fail())?;
    call.out.count(count);
    Ok(Flow::Done)
}

pub fn list(call: &mut ReadCall<'_>) -> Done {
    const BAD: Fail = Fail::Says("Invalid slot or number of keys");
    clustering(call.server)?;
    let (wanted, max) = (call.args.int()?, call.args.int()?);
    let slot = slot(wanted).ok_or(BAD)?;
    let max = usize::try_from(max).map_err(|_| BAD)?;
    let scripts = &call.server.scripts;
    let names = call.db.names_in_slot(slot, max, &|| scripts.is_busy());
    let names = names.map_err(|GaveUp| call.server.busy_fail())?;
    call.out.array(names.len());
    names.iter().for_each(|name| call.out.bulk(name));
    Ok(Flow::Done)
}

/// CLUSTER FLUSHSLOT of Valkey 9.0.
pub fn flush(call: &mut WriteCall<'_>) -> Done {
    clustering(call.server)?;
    let number = number::parse_i64(call.args.next()?);
    let slot = number
        .and_then(slot)
        .ok_or(Fail::Says("Invalid or out of range slot"))?;
    if !call.args.is_empty() && !call.args.word("ASYNC") && !call.args.word("SYNC") {
        return Err(Fail::SYNTAX);
    }
    no_more(&call.args)?;
    let names = call.db.names_in_slot(slot, usize::MAX, &|| false);
    // All shards are held, so there is nobody to wait for.
    for name in names.unwrap_or_default() {
        if call.db.delete(&name) {
            call.db.log(&[b"DEL", &name]);
        }
    }
    call.out.ok();
    Ok(Flow::Done)
}

/// A slot by its number, if there is one.
fn slot(number: i64) -> Option<u16> {
    let slots = 0..SLOTS as i64;
    slots.contains(&number).then_some(number as u16)
}
