//! All moves of slots that this node takes part in: how they begin, go on, end, and whom they hold back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use super::ends::{NOT_TAKEN, export_end, import_end};
use super::gives::ToGive;
use super::leaves::LeaveOrder;
use super::one::{MoveSide, MoveState, SlotMove};
use crate::cluster::{NodeId, SlotSet, View};
use crate::state::pause::HeldSlots;
use crate::util::ranked::{Mutex, rank};

/// Slots whose keys go without a word, at most: of more moves that were done while no key went, it isn't known any more.
const GONE_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Moves {
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
    pub(super) fn exports(&mut self) -> impl Iterator<Item = (&mut SlotMove, &mut ToGive)> {
        let all = self.running.iter_mut().map(|(one, give)| (one, give));
        all.filter(|(one, _)| one.side == MoveSide::Export)
    }

    pub(super) fn export(&mut self, id: &str) -> Option<(&mut SlotMove, &mut ToGive)> {
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
    pub(super) fn held(&self) -> HeldSlots {
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
    pub(super) giving: ArcSwap<SlotSet>,
    pub(super) moves: Mutex<Moves, { rank("slot moves") }>,
    /// For the thread that sees to leave.
    pub(super) leave_orders: Mutex<VecDeque<LeaveOrder>, { rank("slot moves") }>,
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

    /// Goes on with a move that was under way when this node stopped.
    pub(super) fn begin_with(&self, one: SlotMove, give: ToGive) {
        let mut moves = self.moves.lock();
        moves.running.push((one, give));
        self.tell(&mut moves);
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

    pub(super) fn end_each<'e>(
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

    /// What the thread that sees to leave is to do next.
    pub fn next_leave_order(&self) -> Option<LeaveOrder> {
        self.leave_orders.lock().pop_front()
    }

    /// Slots whose clients aren't served here at present.
    pub(super) fn held(&self) -> HeldSlots {
        self.moves.lock().held()
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
                give.held_until_ms = give.held_until_ms.max(now_ms + node_timeout_ms);
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
