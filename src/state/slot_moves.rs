//! Slots that move whole from one node to another: what this node knows of the moves that it takes part in.
//!
//! The node that gets the slots asks their owner for the keys, a piece at a time: first for those that are there, then
//! again for what has changed meanwhile, and at last, once the owner holds back whatever names keys of these slots, for what
//! is left. It keeps them in a database that no client reaches (`exec::lost::staged`), which its log and its replicas have, too. When
//! they have all, it asks the owner for leave, takes the slots under a new epoch, holds their clients back until the keys
//! have come to where clients find them, and is done. Until it takes the slots they are their owner's, whatever fails.
//!
//! The owner ends a move at any time before it has given leave: then the slots stay its own. The other node takes them only
//! shortly after it has asked for leave, counted from before it asked. An owner that has given leave and hears nothing of it
//! until long after that has therefore not lost its slots, or hears of it once it hears of other nodes: it goes on only after one
//! more node timeout in which it has reached most of them, and claims its slots anew, under an epoch above the one that
//! the other may have taken and told nobody. Until then nobody knows whose the slots are, and their clients aren't held
//! back for it: they are told to try again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use super::move_ends::{NOT_TAKEN, export_end, import_end};
use super::move_gives::{NextPiece, ToGive};
use super::pause::HeldSlots;
use crate::cluster::{NodeId, SlotSet, View, slot_of};
use crate::types::Bstr;
use crate::util::ranked::{Mutex, rank};

/// For how long the owner holds commands back before it has given leave, at most.
const HOLD_MS_MAX: u64 = 10_000;
/// How long the owner waits, once it has given leave, to hear that the slots have gone.
const GRANT_MS_MAX: u64 = 10_000;
/// Slots whose keys go without a word, at most: of more moves that were done while no key went, it isn't known any more.
const GONE_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveSide {
    Import,
    Export,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveState {
    /// The other node has yet to answer.
    Begun,
    /// The keys that are there.
    Copying,
    /// What has changed meanwhile.
    CatchingUp,
    /// The owner holds commands back.
    HeldBack,
    /// The owner has given leave.
    TakingOver,
    Done,
    Failed,
    Canceled,
}

impl MoveState {
    pub fn has_ended(self) -> bool {
        matches!(
            self,
            MoveState::Done | MoveState::Failed | MoveState::Canceled
        )
    }
}

#[derive(Clone, Debug)]
pub struct SlotMove {
    pub id: String,
    pub side: MoveSide,
    pub slots: SlotSet,
    pub source: NodeId,
    pub dest: NodeId,
    pub state: MoveState,
    pub error: String,
    pub created_ms: u64,
    /// When it last got on.
    pub updated_ms: u64,
    pub ended_ms: Option<u64>,
    /// When commands began to be held back here.
    pub held_ms: Option<u64>,
}

impl SlotMove {
    /// The slots may change hands at any time: only who knows whether they do ends it.
    pub fn is_unsure(&self) -> bool {
        self.state == MoveState::TakingOver
    }

    fn end(&mut self, state: MoveState, error: &str, now_ms: u64) {
        self.state = state;
        self.error = error.to_owned();
        self.updated_ms = now_ms;
        self.ended_ms = Some(now_ms);
        let (id, slots) = (&self.id, &self.slots);
        let what = match self.side {
            MoveSide::Import => "Import",
            MoveSide::Export => "Export",
        };
        match state {
            MoveState::Done => tracing::info!("{what} {id} of slots {slots} is done."),
            _ => tracing::warn!("{what} {id} of slots {slots} has come to nothing: {error}"),
        }
    }
}

#[derive(Default)]
struct Moves {
    /// Those under way, oldest first.
    running: Vec<(SlotMove, ToGive)>,
    /// Those that have ended, oldest first.
    ended: VecDeque<SlotMove>,
    /// Slots that have gone, and whose keys are still here.
    gone: VecDeque<SlotSet>,
    /// Nobody is let in until it is known what becomes of keys that came here for another node, or before this one stopped.
    holds_all: bool,
}

impl Moves {
    fn exports(&mut self) -> impl Iterator<Item = (&mut SlotMove, &mut ToGive)> {
        let all = self.running.iter_mut().map(|(one, give)| (one, give));
        all.filter(|(one, _)| one.side == MoveSide::Export)
    }

    fn export(&mut self, id: &str) -> Option<(&mut SlotMove, &mut ToGive)> {
        self.exports().find(|(one, _)| one.id == id)
    }

    fn find(&mut self, id: &str, side: MoveSide) -> Option<&mut SlotMove> {
        let mut running = self.running.iter_mut().map(|(one, _)| one);
        running.find(|one| one.id == id && one.side == side)
    }

    /// Ends each move for which there is a way to end, and why; returns how many.
    fn end_each(
        &mut self,
        now_ms: u64,
        mut end: impl FnMut(&SlotMove, &mut ToGive) -> Option<(MoveState, String)>,
    ) -> usize {
        let before = self.running.len();
        let (ended, gone) = (&mut self.ended, &mut self.gone);
        self.running.retain_mut(|(one, give)| {
            let Some((state, why)) = end(one, give) else {
                return true;
            };
            one.end(state, &why, now_ms);
            if state == MoveState::Done && one.side == MoveSide::Export {
                gone.push_back(one.slots.clone());
            }
            ended.push_back(one.clone());
            false
        });
        while self.gone.len() > GONE_MAX {
            self.gone.pop_front();
        }
        before - self.running.len()
    }

    /// Slots whose clients aren't served here at present.
    fn held(&self) -> HeldSlots {
        let mut held = HeldSlots::default();
        for (one, give) in &self.running {
            let waits = match one.side {
                MoveSide::Import => one.is_unsure(),
                MoveSide::Export => one.is_unsure() || one.state == MoveState::HeldBack,
            };
            match waits {
                true if give.is_late => held.doubtful.join(&one.slots),
                true => one
                    .slots
                    .iter()
                    .filter(|slot| !give.landed.has(*slot))
                    .for_each(|slot| {
                        held.waiting.add(slot);
                    }),
                false => {}
            }
        }
        if self.holds_all {
            held.waiting = SlotSet::all();
        }
        held
    }
}

#[derive(Default)]
pub struct SlotMoves {
    /// DEBUG SLOTMIGRATION PREVENT-PAUSE: the owner never comes to the end of what it has to give.
    pub stays: AtomicBool,
    running: AtomicBool,
    /// The slots whose keys are being given: each write of another slot passes by with a look at this.
    giving: ArcSwap<SlotSet>,
    moves: Mutex<Moves, { rank("slot moves") }>,
}

impl SlotMoves {
    /// Whether slots move from here or to here.
    #[inline]
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// All moves: those under way, and then those that have ended, the last ones first.
    pub fn list(&self) -> Vec<SlotMove> {
        let moves = self.moves.lock();
        let running = moves.running.iter().rev().map(|(one, _)| one);
        running.chain(moves.ended.iter().rev()).cloned().collect()
    }

    pub fn find(&self, id: &str, side: MoveSide) -> Option<SlotMove> {
        let moves = self.moves.lock();
        let running = moves.running.iter().rev().map(|(one, _)| one);
        let mut all = running.chain(moves.ended.iter().rev());
        all.find(|one| one.id == id && one.side == side).cloned()
    }

    /// Slots that are on the move on a side.
    pub fn moving(&self, side: MoveSide) -> SlotSet {
        let moves = self.moves.lock();
        let mut slots = SlotSet::default();
        let running = moves.running.iter().filter(|(one, _)| one.side == side);
        running.for_each(|(one, _)| slots.join(&one.slots));
        slots
    }

    /// Begins a move, and forgets those that have ended but the last `ended_max`. `note`, called before anybody asks for keys,
    /// has their changes told. False, and nothing is begun, if it is under way, or a slot comes here by another move.
    pub fn begin(&self, one: SlotMove, ended_max: usize, note: impl FnOnce()) -> bool {
        let mut moves = self.moves.lock();
        let comes = |other: &SlotMove| {
            let both = one.side == MoveSide::Import && other.side == MoveSide::Import;
            both && (one.id == other.id || one.slots.overlaps(&other.slots))
        };
        if moves.running.iter().any(|(other, _)| comes(other)) {
            return false;
        }
        // It was announced before.
        let is_other = |held: &SlotMove| held.id != one.id || held.side != one.side;
        moves.running.retain(|(held, _)| is_other(held));
        moves.ended.retain(is_other);
        let give = match one.side {
            MoveSide::Import => ToGive::default(),
            MoveSide::Export => {
                note();
                ToGive::all_of(&one.slots)
            }
        };
        moves.running.push((one, give));
        while moves.ended.len() > ended_max {
            moves.ended.pop_front();
        }
        self.tell(&mut moves);
        true
    }

    /// Tells those who don't lock the moves.
    fn tell(&self, moves: &mut Moves) {
        let mut giving = SlotSet::default();
        let exports = moves.exports().map(|(one, _)| one);
        exports
            .filter(|one| one.state != MoveState::Begun)
            .for_each(|one| giving.join(&one.slots));
        if **self.giving.load() != giving {
            self.giving.store(Arc::new(giving));
        }
        let any = !moves.running.is_empty();
        self.running.store(any, Ordering::Release);
    }

    /// Changes a move that is under way; whether there is one.
    pub fn note(&self, id: &str, side: MoveSide, state: MoveState, now_ms: u64) -> bool {
        let mut moves = self.moves.lock();
        let Some(one) = moves.find(id, side) else {
            return false;
        };
        let is_new = std::mem::replace(&mut one.state, state) != state;
        one.updated_ms = now_ms;
        if is_new {
            self.tell(&mut moves);
        }
        true
    }

    /// Ends a move, by who knows that the slots don't change hands, or that they have.
    pub fn end(&self, id: &str, side: MoveSide, state: MoveState, error: &str, now_ms: u64) {
        self.end_each(now_ms, |one| {
            let is = one.id == id && one.side == side;
            is.then_some((state, error))
        });
    }

    fn end_each<'e>(
        &self,
        now_ms: u64,
        end: impl Fn(&SlotMove) -> Option<(MoveState, &'e str)>,
    ) -> usize {
        let mut moves = self.moves.lock();
        let end = |one: &SlotMove, _: &mut ToGive| end(one).map(|(state, why)| (state, why.into()));
        let count = moves.end_each(now_ms, end);
        self.tell(&mut moves);
        count
    }

    /// Ends exports of some of these slots to a node that begins another one of them.
    pub fn begins_anew(&self, id: &str, dest: &NodeId, slots: &SlotSet, now_ms: u64) {
        self.end_each(now_ms, |one| {
            let is_theirs = one.side == MoveSide::Export && one.id != id && one.dest == *dest;
            let ends = is_theirs && slots.overlaps(&one.slots) && !one.is_unsure();
            ends.then_some((MoveState::Failed, "the other node began anew"))
        });
    }

    /// Ends the moves of this name, or all, but for those in which the slots may change hands at any time; returns how many.
    pub fn cancel(&self, id: Option<&str>, error: &str, now_ms: u64) -> usize {
        self.end_each(now_ms, |one| {
            let is = id.is_none_or(|id| id == one.id) && !one.is_unsure();
            is.then_some((MoveState::Canceled, error))
        })
    }

    /// Keys have changed: called under their locks. Whoever lists a slot's keys has had `giving` told before it locks them.
    #[cold]
    pub fn changed<'k>(&self, keys: impl Iterator<Item = &'k Bstr>, flushed: bool, now_ms: u64) {
        if flushed {
            let why = (MoveState::Canceled, "Cancelled due to a flush");
            self.end_each(now_ms, |one| (!one.is_unsure()).then_some(why));
        }
        let giving = self.giving.load();
        if giving.is_empty() {
            return;
        }
        let moving = keys.map(|key| (slot_of(key), key));
        let moving: Vec<(u16, &Bstr)> = moving.filter(|(slot, _)| giving.has(*slot)).collect();
        if moving.is_empty() {
            return;
        }
        let mut moves = self.moves.lock();
        for (one, give) in moves.exports() {
            if !give.is_whole && one.state != MoveState::Begun {
                let its = moving.iter().filter(|(slot, _)| one.slots.has(*slot));
                give.changed.extend(its.map(|(_, key)| (*key).clone()));
            }
        }
    }

    /// What comes next; nothing if there is no such move.
    pub fn next(&self, id: &str, now_ms: u64) -> Option<NextPiece> {
        let mut moves = self.moves.lock();
        let (one, give) = moves.export(id)?;
        one.updated_ms = now_ms;
        if let Some(names) = give.some_names() {
            return Some(NextPiece::Keys(names));
        }
        if let Some(walk) = give.walks.last() {
            return Some(NextPiece::List(*walk, one.slots.clone()));
        }
        if one.state == MoveState::Copying {
            one.state = MoveState::CatchingUp;
        }
        if let Some(changed) = give.some_changed() {
            return Some(NextPiece::Keys(changed));
        }
        Some(match one.state {
            MoveState::HeldBack => NextPiece::Last(one.slots.clone()),
            _ => NextPiece::Nothing,
        })
    }

    /// Keys that a shard had once their changes were being noted, and where the walk over it stands now: at 0, it is over.
    pub fn listed(&self, id: &str, shard: usize, at: u64, names: Vec<Bstr>) {
        let mut moves = self.moves.lock();
        if let Some((_, give)) = moves.export(id) {
            if let Some(walk) = give.walks.iter_mut().find(|walk| walk.shard == shard) {
                walk.at = at;
            }
            give.walks.retain(|walk| walk.shard != shard || at != 0);
            give.names.extend(names);
        }
    }

    /// Keys that were not given after all.
    pub fn give_back(&self, id: &str, names: impl IntoIterator<Item = Bstr>) {
        let mut moves = self.moves.lock();
        if let Some((_, give)) = moves.export(id) {
            give.changed.extend(names);
        }
    }

    /// How many keys are still to be given, and whether some have yet to be listed.
    pub fn left(&self, id: &str) -> Option<(usize, bool)> {
        let mut moves = self.moves.lock();
        let (_, give) = moves.export(id)?;
        Some(give.left())
    }

    /// Notes that all has been given, if it has; called while the slots' keys are locked and commands are held back.
    pub fn is_whole(&self, id: &str) -> bool {
        let mut moves = self.moves.lock();
        let Some((_, give)) = moves.export(id) else {
            return false;
        };
        give.is_whole = give.left() == (0, false);
        give.is_whole
    }

    /// All keys of some slots that were taken stand where clients find them.
    pub fn landed(&self, id: &str, slots: &SlotSet) {
        let mut moves = self.moves.lock();
        let mut imports = moves.running.iter_mut();
        if let Some((_, give)) =
            imports.find(|(one, _)| one.id == id && one.side == MoveSide::Import)
        {
            give.landed.join(slots);
        }
    }

    /// Begins to hold back what names keys of a move's slots; false if there is no such move.
    pub fn hold(&self, id: &str, now_ms: u64) -> bool {
        let mut moves = self.moves.lock();
        let export = moves.export(id).filter(|(one, _)| !one.is_unsure());
        let Some((one, give)) = export else {
            return false;
        };
        give.is_whole = false;
        one.state = MoveState::HeldBack;
        one.updated_ms = now_ms;
        one.held_ms.get_or_insert(now_ms);
        give.held_until_ms = now_ms + HOLD_MS_MAX;
        true
    }

    /// Gives leave to take the slots; false if they are not held back, or not any more.
    pub fn grant(&self, id: &str, now_ms: u64) -> bool {
        let mut moves = self.moves.lock();
        let Some((one, give)) = moves.export(id) else {
            return false;
        };
        if one.state != MoveState::HeldBack || !give.is_whole || now_ms >= give.held_until_ms {
            return false;
        }
        one.state = MoveState::TakingOver;
        one.updated_ms = now_ms;
        give.held_until_ms = now_ms + GRANT_MS_MAX;
        true
    }

    /// Whether these slots have just gone by a move, so that their keys go without a word. It is told once.
    pub fn have_gone(&self, slots: &SlotSet) -> bool {
        let gone = &mut self.moves.lock().gone;
        let found = gone
            .iter()
            .position(|one| slots.iter().all(|slot| one.has(slot)));
        found.and_then(|at| gone.remove(at)).is_some()
    }

    /// Has nobody let in to any slot, or no longer, until [`SlotMoves::settle`] says otherwise.
    pub fn hold_all(&self, on: bool) {
        self.moves.lock().holds_all = on;
    }

    /// Looks at all moves by a picture of the cluster: what has gone has gone, and what has run out of time stays. `hold` is
    /// told the slots whose clients aren't served here, and whether changes of keys are still to be noted. Returns whether leave was
    /// given and it isn't known whether the other node has taken the slots.
    pub fn settle(
        &self,
        view: &View,
        now_ms: u64,
        node_timeout_ms: u64,
        hold: impl FnOnce(HeldSlots, bool),
    ) -> bool {
        let mut moves = self.moves.lock();
        let mut unsure = false;
        let count = moves.end_each(now_ms, |one, give| {
            let end = match one.side {
                MoveSide::Import => import_end(one, view).map(|why| (MoveState::Failed, why)),
                MoveSide::Export => export_end(one, give.held_until_ms, give.is_late, view, now_ms),
            };
            let (state, why) = end?;
            if state == MoveState::TakingOver {
                give.is_late = true;
                give.held_until_ms = now_ms + node_timeout_ms;
                return None;
            }
            unsure |= one.is_unsure() && state == MoveState::Failed && why == NOT_TAKEN;
            Some((state, why.to_owned()))
        });
        if count > 0 {
            self.tell(&mut moves);
        }
        let exports = moves.exports().next().is_some();
        hold(moves.held(), exports);
        unsure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Cluster, ClusterSettings};
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
        view.reaches_most = true;
        assert_eq!(settle(&view, GRANT_MS_MAX), (1, 0, false));
        let late_ms = GRANT_MS_MAX + 1;
        assert_eq!(settle(&view, late_ms), (0, 1, false));
        assert_eq!(settle(&view, late_ms + TIMEOUT_MS), (0, 1, false));
        view.reaches_most = false;
        let cut_ms = late_ms + 5 * TIMEOUT_MS;
        assert_eq!(settle(&view, cut_ms), (0, 1, false));
        view.reaches_most = true;
        assert_eq!(settle(&view, cut_ms + TIMEOUT_MS), (0, 1, false));
        assert_eq!(settle(&view, cut_ms + TIMEOUT_MS + 1), (0, 0, true));
        assert!(!moves.is_running());
    }
}
