//! Moves of slots without sockets: how they are listed, whom they hold back, and when an owner in doubt goes on.

use std::sync::Arc;

use super::list::SlotMoves;
use super::one::{MoveSide, MoveState, SlotMove};
use super::owner::GRANT_MS_MAX;
use crate::cluster::{Cluster, ClusterSettings, NodeId, SlotSet, View, slot_of};
use crate::types::Bstr;
use crate::util::chance::Rng;

fn one(id: &str, side: MoveSide, slots: &[u16], state: MoveState) -> SlotMove {
    let mut rng = Rng::with_seed(1);
    SlotMove {
        id: id.to_owned(),
        side,
        slots: slots.iter().copied().collect(),
        source: NodeId::random(&mut rng),
        dest: NodeId::random(&mut rng),
        state,
        error: String::new(),
        created_ms: 0,
        updated_ms: 0,
        ended_ms: None,
        held_ms: None,
    }
}

fn key(name: &str) -> Bstr {
    Bstr::new(name.as_bytes())
}

#[test]
fn a_write_waits_for_no_move_of_other_slots() {
    let moves = SlotMoves::default();
    let (moving, queued, other) = (key("foo"), key("bar"), key("123456789"));
    let slots = [slot_of(&moving)];
    let export = one("a", MoveSide::Export, &slots, MoveState::Copying);
    assert!(moves.begin(export, 9, || {}));
    let export = one("b", MoveSide::Export, &[slot_of(&queued)], MoveState::Begun);
    assert!(moves.begin(export, 9, || {}));
    // Whoever asked for the lock would never get it.
    let held = moves.moves.lock();
    moves.changed([&queued, &other].into_iter(), false, 1);
    drop(held);
    assert_eq!(moves.left("a"), Some((0, true)));
    moves.changed([&other, &moving].into_iter(), false, 1);
    assert_eq!(moves.left("a"), Some((1, true)));
    moves.end("a", MoveSide::Export, MoveState::Failed, "", 2);
    let held = moves.moves.lock();
    moves.changed([&moving].into_iter(), false, 1);
    drop(held);
}

#[test]
fn moves_are_listed_as_they_are_under_way_and_the_last_that_have_ended() {
    let moves = SlotMoves::default();
    for (id, slot) in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)] {
        let import = one(id, MoveSide::Import, &[slot], MoveState::Begun);
        assert!(moves.begin(import, 2, || {}));
        let again = one("other", MoveSide::Import, &[slot], MoveState::Begun);
        assert!(!moves.begin(again, 2, || {}));
    }
    for id in ["b", "d", "a"] {
        moves.end(id, MoveSide::Import, MoveState::Done, "", 1);
    }
    let import = one("f", MoveSide::Import, &[1], MoveState::Begun);
    assert!(moves.begin(import, 2, || {}));
    let ids: Vec<String> = moves.list().into_iter().map(|one| one.id).collect();
    assert_eq!(ids, ["f", "e", "c", "a", "d"]);
    assert_eq!(moves.moving(MoveSide::Import).to_string(), "1 3 5");
    assert_eq!(moves.cancel(None, "", 2), 3);
    assert!(!moves.is_running());
}

#[test]
fn slots_that_have_been_taken_are_served_as_their_keys_land() {
    let moves = SlotMoves::default();
    let import = one("a", MoveSide::Import, &[1, 2, 3], MoveState::TakingOver);
    assert!(moves.begin(import, 2, || {}));
    let waiting = || moves.moves.lock().held().waiting.to_string();
    assert_eq!(waiting(), "1-3");
    moves.landed("a", &[1, 2].into_iter().collect());
    moves.landed("b", &SlotSet::one(3));
    assert_eq!(waiting(), "3");
    moves.hold_all(true);
    assert_eq!(waiting(), "0-16383");
}

/// Leave was given, and nothing is heard of it.
#[test]
fn an_owner_in_doubt_goes_on_once_it_has_reached_most_others_for_long_enough() {
    const TIMEOUT_MS: u64 = 1000;
    let mut rng = Rng::with_seed(1);
    let me = NodeId::random(&mut rng);
    let mut view = Cluster::new(me, me, ClusterSettings::default(), rng).view();
    view.owners = Arc::new([0; crate::cluster::SLOTS]);
    view.is_ok = false;
    let moves = SlotMoves::default();
    let export = one("a", MoveSide::Export, &[7], MoveState::Copying);
    moves.begin(export, 9, || {});
    moves.listed(
        "a",
        crate::engine::ShardKey::shard_of_slot(7),
        0,
        Vec::new(),
    );
    assert!(moves.hold("a", 0) && moves.is_whole("a") && moves.grant("a", 0));
    let settle = |view: &View, now_ms| {
        let mut slots = None;
        let unsure = moves.settle(view, now_ms, TIMEOUT_MS, |held, _| slots = Some(held));
        let held = slots.expect("it is told");
        (held.waiting.len(), held.doubtful.len(), unsure)
    };
    view.hears_most = true;
    assert_eq!(settle(&view, GRANT_MS_MAX), (1, 0, false));
    let late_ms = GRANT_MS_MAX + 1;
    assert_eq!(settle(&view, late_ms), (0, 1, false));
    assert_eq!(settle(&view, late_ms + TIMEOUT_MS), (0, 1, false));
    view.hears_most = false;
    let cut_ms = late_ms + 5 * TIMEOUT_MS;
    assert_eq!(settle(&view, cut_ms), (0, 1, false));
    view.hears_most = true;
    assert_eq!(settle(&view, cut_ms + TIMEOUT_MS), (0, 1, false));
    assert_eq!(settle(&view, cut_ms + TIMEOUT_MS + 1), (0, 0, true));
    assert!(!moves.is_running());
}
