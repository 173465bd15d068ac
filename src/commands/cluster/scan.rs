//! CLUSTERSCAN of Valkey 9.1: a walk over all keys of a cluster, node after node.
//!
//! A cursor is `FINGERPRINT-{TAG}-POSITION`, opaque to clients but for the tag, by whose slot they find the node to ask. A step
//! walks over the keys of a run of slots, from the tag's on, which one shard has; the position says where in the shard's
//! table it stands, and how long the run was when it began. If some of its slots have gone to other nodes meanwhile, the
//! run ends before the first of these, and the walk goes on there. A position is good for one process: another one begins
//! the run anew.

use std::ops::Range;
use std::sync::OnceLock;

use super::clustering;
use crate::cluster::{SLOTS, View, slot_of};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, Plan, ReadCall, Run, scan};
use crate::engine::{Entry, GaveUp, SHARDS, ShardKey};
use crate::util::number;

pub const CLUSTERSCAN: Command = Command {
    name: "clusterscan",
    summary: "Walks over the keys of the cluster, a few per call",
    cost: "O(1) per call, O(N) for a whole walk over N keys",
    since: "9.1.0",
    args: &[
        Arg::key("cursor", KeyUse::CHANNEL),
        Arg::pattern("match-pattern").token("MATCH").optional(),
        Arg::int("count").token("COUNT").optional(),
        Arg::text("type").token("TYPE").optional(),
        Arg::int("slot").token("SLOT").optional(),
    ],
    run: Run::Read(scan_cluster),
    plan: Plan::Each,
    categories: &["keyspace"],
    tips: &[
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ],
    ..Command::PLAIN
};

const BAD_CURSOR: Fail = Fail::Says("Invalid cursor");
const OTHER_SLOT: Fail = Fail::Says("Cursor slot mismatch with SLOT argument");

/// Digits that tell this process from others.
const FINGERPRINT_LEN: usize = 8;
/// The cursor that begins a walk, and the one that ends it.
const BEGIN: &[u8] = b"0";

/// Where a walk stands.
#[derive(Debug, PartialEq, Eq)]
struct ClusterCursor {
    slot: u16,
    /// The position in the table, and the slots of the run; nothing if it is to begin.
    at: Option<(u64, u16)>,
}

impl ClusterCursor {
    fn parse(text: &[u8], fingerprint: &[u8]) -> Result<Self, Fail> {
        let mut parts = text.split(|byte| *byte == b'-');
        let (Some(printed), Some(_), Some(local), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BAD_CURSOR);
        };
        let local = number::parse_u64_like_c(local).ok_or(BAD_CURSOR)?;
        let run = local % RUN_MAX + 1;
        Ok(ClusterCursor {
            slot: slot_of(text),
            at: (printed == fingerprint).then_some((local / RUN_MAX, run as u16)),
        })
    }

    fn text(slot: u16, at: Option<(u64, u16)>, fingerprint: &[u8]) -> Vec<u8> {
        let (printed, local) = match at {
            Some((position, run)) => (fingerprint, position * RUN_MAX + u64::from(run) - 1),
            None => (&b"0"[..], 0),
        };
        let tag = tag_of(slot);
        [
            printed,
            b"-{",
            &tag[..],
            b"}-",
            local.to_string().as_bytes(),
        ]
        .concat()
    }
}

/// Slots of one shard.
const RUN_MAX: u64 = (SLOTS / SHARDS) as u64;

fn scan_cluster(call: &mut ReadCall<'_>) -> Done {
    let view = clustering(call.server)?.view().clone();
    let text = call.args.next()?;
    let options = scan::KeyOptions::parse(&mut call.args, true)?;
    let fingerprint = &call.server.about.run_id.as_bytes()[..FINGERPRINT_LEN];
    if text == BEGIN {
        call.out.array(2);
        let first = options.slot.unwrap_or(0);
        call.out.bulk(ClusterCursor::text(first, None, fingerprint));
        call.out.array(0);
        return Ok(Flow::Done);
    }
    let cursor = ClusterCursor::parse(text, fingerprint)?;
    if options.slot.is_some_and(|slot| slot != cursor.slot) {
        return Err(OTHER_SLOT);
    }
    let scripts = &call.server.scripts;
    let mark = call.out.mark();
    let mut found = 0;
    let mut left = options.count();
    let (mut slot, mut at) = (cursor.slot, cursor.at);
    let next = loop {
        let max = match (options.slot, at) {
            (Some(_), _) => 1,
            (None, Some((_, run))) => run,
            (None, None) => RUN_MAX as u16,
        };
        let run = run_of(&view, slot, max);
        let from = at.map_or(0, |(position, _)| position);
        let shard = ShardKey::shard_of_slot(slot);
        let visit = |entry: &Entry| {
            if run.contains(&slot_of(entry.key_name())) && options.fits(entry) {
                call.out.bulk(entry.key_name());
                found += 1;
            }
        };
        let stopped = call
            .db
            .scan_shard(shard, from, &mut left, &|| scripts.is_busy(), visit);
        let stopped = stopped.map_err(|GaveUp| call.server.busy_fail())?;
        if stopped > 0 {
            break Some((slot, Some((stopped, run.end - run.start))));
        }
        if options.slot.is_some() || usize::from(run.end) == SLOTS {
            break None;
        }
        (slot, at) = (run.end, None);
        if left == 0 || view.owner(slot) != view.owner(run.start) {
            break Some((slot, None));
        }
    };
    let next = match next {
        Some((slot, at)) => ClusterCursor::text(slot, at, fingerprint),
        None => BEGIN.to_vec(),
    };
    scan::insert_head(call.out, mark, &next, found);
    Ok(Flow::Done)
}

/// The slots from this one on that its owner has, in the same shard.
fn run_of(view: &View, slot: u16, max: u16) -> Range<u16> {
    let shard = ShardKey::shard_of_slot(slot);
    let owner = view.owner(slot);
    let slots = slot + 1..SLOTS as u16;
    let others = slots.take(usize::from(max) - 1);
    let more = others.take_while(|other| {
        view.owner(*other) == owner && ShardKey::shard_of_slot(*other) == shard
    });
    slot..more.last().unwrap_or(slot) + 1
}

type Tag = [u8; 3];

/// Something that falls into a slot.
fn tag_of(slot: u16) -> Tag {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static TAGS: OnceLock<Vec<Tag>> = OnceLock::new();
    let tags = TAGS.get_or_init(|| {
        let mut tags = vec![Tag::default(); SLOTS];
        for one in LETTERS {
            for two in LETTERS {
                for three in LETTERS {
                    let tag = [*one, *two, *three];
                    tags[usize::from(slot_of(&tag))] = tag;
                }
            }
        }
        tags
    });
    tags[usize::from(slot)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_to_its_slot_and_says_where_the_walk_stands() {
        for slot in 0..SLOTS as u16 {
            for at in [None, Some((1, 1)), Some((77, 64))] {
                let text = ClusterCursor::text(slot, at, b"abcdefgh");
                assert_eq!(slot_of(&text), slot);
                assert_eq!(
                    ClusterCursor::parse(&text, b"abcdefgh"),
                    Ok(ClusterCursor { slot, at })
                );
                let elsewhere = ClusterCursor::parse(&text, b"12345678");
                assert_eq!(elsewhere, Ok(ClusterCursor { slot, at: None }));
            }
        }
        for bad in [&b"x"[..], b"0-{a}", b"0-{a}-x", b"0-{a}-0-0", b""] {
            assert_eq!(ClusterCursor::parse(bad, b"abcdefgh"), Err(BAD_CURSOR));
        }
    }
}
