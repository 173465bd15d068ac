//! CLUSTER SLOT-STATS: what each of this node's slots holds and costs.

use super::clustering;
use crate::cluster::SLOTS;
use crate::command::{Args, Done, Fail, Flow, ReadCall};
use crate::engine::GaveUp;
use crate::state::slot_costs::SlotCost;
use crate::util::number;

/// What is told of a slot beside its keys, while `cluster-slot-stats-enabled` is on.
type Metric = (&'static str, fn(&SlotCost) -> u64);

const COSTS: &[Metric] = &[
    ("cpu-usec", |cost| cost.nanos / 1000),
    ("network-bytes-in", |cost| cost.bytes_in),
    ("network-bytes-out", |cost| cost.bytes_out),
];

struct SlotOrder {
    /// The keys, or one of the costs.
    by: Option<&'static Metric>,
    limit: usize,
    ascending: bool,
}

enum SlotFilter {
    Range(u16, u16),
    Ordered(SlotOrder),
}

struct SlotRow {
    slot: u16,
    keys: u64,
    cost: SlotCost,
}

pub fn slot_stats(call: &mut ReadCall<'_>) -> Done {
    let clustering = clustering(call.server)?;
    let costs = call.server.config.cluster_slot_stats_enabled.get();
    let filter = filter(&mut call.args, costs)?;
    let (first, last) = match &filter {
        SlotFilter::Range(first, last) => (*first, *last),
        SlotFilter::Ordered(_) => (0, SLOTS as u16 - 1),
    };
    let view = clustering.view();
    let scripts = &call.server.scripts;
    let mut rows = Vec::new();
    for slot in (first..=last).filter(|slot| view.serves(*slot)) {
        let keys = call.db.count_in_slot(slot, &|| scripts.is_busy());
        let keys = keys.map_err(|GaveUp| call.server.busy_fail())?;
        rows.push(SlotRow {
            slot,
            keys: keys as u64,
            cost: call.server.slot_costs.of(slot),
        });
    }
    if let SlotFilter::Ordered(order) = filter {
        let value = |row: &SlotRow| order.by.map_or(row.keys, |(_, of)| of(&row.cost));
        match order.ascending {
            true => rows.sort_by_key(|row| (value(row), row.slot)),
            false => rows.sort_by_key(|row| (u64::MAX - value(row), row.slot)),
        }
        rows.truncate(order.limit);
    }
    call.out.array(rows.len());
    for row in rows {
        call.out.array(2);
        call.out.int(row.slot);
        call.out.map(1 + if costs { COSTS.len() } else { 0 });
        call.out.bulk("key-count");
        call.out.count(row.keys as usize);
        for (name, of) in COSTS.iter().filter(|_| costs) {
            call.out.bulk(name);
            call.out.count(of(&row.cost) as usize);
        }
    }
    Ok(Flow::Done)
}

fn filter(args: &mut Args<'_>, costs: bool) -> Result<SlotFilter, Fail> {
    if args.word("SLOTSRANGE") {
        if args.len() != 2 {
            return Err(super::order::bad_count(args));
        }
        let (first, last) = (slot(args.next()?)?, slot(args.next()?)?);
        if first > last {
            return Err(Fail::said(format!(
                "Start slot number {first} is greater than end slot number {last}"
            )));
        }
        return Ok(SlotFilter::Range(first, last));
    }
    if !args.word("ORDERBY") || args.is_empty() {
        return Err(Fail::SYNTAX);
    }
    ordered(args, costs).map(SlotFilter::Ordered)
}

fn slot(text: &[u8]) -> Result<u16, Fail> {
    let number = number::parse_i64(text).and_then(|number| u16::try_from(number).ok());
    let slot = number.filter(|slot| usize::from(*slot) < SLOTS);
    slot.ok_or(Fail::Says("Invalid or out of range slot"))
}

fn ordered(args: &mut Args<'_>, costs: bool) -> Result<SlotOrder, Fail> {
    const TWICE: Fail = Fail::Says("Multiple filters of the same type are disallowed.");
    let metric = args.next()?;
    let is = |name: &str| metric.eq_ignore_ascii_case(name.as_bytes());
    let by = COSTS.iter().find(|(name, _)| costs && is(name));
    if by.is_none() && !is("key-count") {
        return Err(Fail::Says("Unrecognized sort metric for ORDERBY."));
    }
    let (mut limit, mut ascending) = (None, None);
    while !args.is_empty() {
        if args.word_with("LIMIT", 1) {
            let count = number::parse_i64(args.next()?);
            let count = count.filter(|count| (1..=SLOTS as i64).contains(count));
            let count = count.ok_or(Fail::Says(
                "Limit has to lie in between 1 and 16384 (maximum number of slots).",
            ))?;
            if limit.replace(count as usize).is_some() {
                return Err(TWICE);
            }
        } else if args.word("ASC") {
            if ascending.replace(true).is_some() {
                return Err(TWICE);
            }
        } else if args.word("DESC") {
            if ascending.replace(false).is_some() {
                return Err(TWICE);
            }
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    Ok(SlotOrder {
        by,
        limit: limit.unwrap_or(SLOTS),
        ascending: ascending.unwrap_or(false),
    })
}
