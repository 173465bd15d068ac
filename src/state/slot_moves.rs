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
//! the other may have taken and told nobody.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::move_ends::{NOT_TAKEN, export_end, import_end};
use crate::cluster::{NodeId, SlotSet, View, slot_of};
use crate::types::Bstr;
use crate::util::ranked::{Mutex, rank};

/// For how long the owner holds commands back before it has given leave, at most.
const HOLD_MS_MAX: u64 = 10_000;
/// How long the owner waits, once it has given leave, to hear that the slots have gone.
const GRANT_MS_MAX: u64 = 10_000;
/// Keys of one piece, at most.
pub const PIECE_KEYS: usize = 256;

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

/// What the owner has yet to give.
#[derive(Debug, Default)]
struct ToGive {
    /// Slots whose keys have yet to be listed.
    slots: Vec<u16>,
    names: Vec<Bstr>,
    /// Keys that have changed since the move began.
    changed: HashSet<Bstr>,
    /// All has been given, and commands are held back: what expires or is evicted from now on does so on the other side, too, or
    /// is there once more.
    is_whole: bool,
    /// Until when commands are held back.
    held_until_ms: u64,
    /// That has passed once, and leave had been given.
    is_late: bool,
    /// The slots have gone, and their keys are still here.
    keys_go: bool,
}

impl ToGive {
    /// How many keys are left, and whether some have yet to be listed.
    fn left(&self) -> (usize, bool) {
        let lists = !self.slots.is_empty() || !self.names.is_empty();
        (self.names.len() + self.changed.len(), lists)
    }
}

#[derive(Default)]
struct Moves {
    /// Oldest first.
    all: Vec<(SlotMove, ToGive)>,
    /// Nobody is let in until it is known what becomes of keys that came here for another node, or before this one stopped.
    holds_all: bool,
}

impl Moves {
    fn running(&mut self) -> impl Iterator<Item = (&mut SlotMove, &mut ToGive)> {
        let all = self.all.iter_mut().map(|(one, give)| (one, give));
        all.filter(|(one, _)| !one.state.has_ended())
    }

    fn exports(&mut self) -> impl Iterator<Item = (&mut SlotMove, &mut ToGive)> {
        self.running()
            .filter(|(one, _)| one.side == MoveSide::Export)
    }

    fn export(&mut self, id: &str) -> Option<(&mut SlotMove, &mut ToGive)> {
        self.exports().find(|(one, _)| one.id == id)
    }

    /// Slots whose clients wait here.
    fn held(&mut self) -> SlotSet {
        if self.holds_all {
            return SlotSet::all();
        }
        let holds = |one: &SlotMove| match one.side {
            MoveSide::Import => one.is_unsure(),
            MoveSide::Export => one.is_unsure() || one.state == MoveState::HeldBack,
        };
        let held = self.running().filter(|(one, _)| holds(one));
        held.flat_map(|(one, _)| one.slots.iter().collect::<Vec<_>>())
            .collect()
    }
}

/// A key as one node sends it to another.
pub struct SentKey {
    pub name: Bstr,
    pub deadline_ms: Option<u64>,
    /// Whether it is protected from eviction.
    pub blessed: bool,
    /// As DUMP gives it; empty if there is no such key any more.
    pub payload: Vec<u8>,
}

/// What becomes of keys that have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagedFate {
    Land,
    Drop,
    Keep,
}

/// What the owner gives next.
pub enum NextPiece {
    /// Nothing, but the keys of a slot are to be listed.
    List(u16),
    Keys(Vec<Bstr>),
    /// Nothing, and if nobody changes these slots' keys any more, there is nothing more.
    Last(SlotSet),
    Nothing,
}

#[derive(Default)]
pub struct SlotMoves {
    /// DEBUG SLOTMIGRATION PREVENT-PAUSE: the owner never comes to the end of what it has to give.
    pub stays: AtomicBool,
    running: AtomicBool,
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
        let mut all: Vec<SlotMove> = moves.all.iter().rev().map(|(one, _)| one.clone()).collect();
        all.sort_by_key(|one| one.state.has_ended());
        all
    }

    pub fn find(&self, id: &str, side: MoveSide) -> Option<SlotMove> {
        let moves = self.moves.lock();
        let mut all = moves.all.iter().rev().map(|(one, _)| one);
        all.find(|one| one.id == id && one.side == side).cloned()
    }

    /// Slots that are on the move on a side.
    pub fn moving(&self, side: MoveSide) -> SlotSet {
        let mut moves = self.moves.lock();
        let running = moves.running().filter(|(one, _)| one.side == side);
        running
            .flat_map(|(one, _)| one.slots.iter().collect::<Vec<_>>())
            .collect()
    }

    /// Begins a move, and forgets those that have ended but the last `ended_max`. `note`, called before anybody asks for keys,
    /// has their changes told. False, and nothing is begun, if it is under way, or a slot comes here by another move.
    pub fn begin(&self, one: SlotMove, ended_max: usize, note: impl FnOnce()) -> bool {
        let mut moves = self.moves.lock();
        let comes = |other: &SlotMove| {
            let both = one.side == MoveSide::Import && other.side == MoveSide::Import;
            both && (one.id == other.id || one.slots.iter().any(|slot| other.slots.has(slot)))
        };
        if moves.running().any(|(other, _)| comes(other)) {
            return false;
        }
        // It was announced before.
        moves
            .all
            .retain(|(held, _)| held.id != one.id || held.side != one.side);
        let slots = match one.side {
            MoveSide::Import => Vec::new(),
            MoveSide::Export => {
                note();
                one.slots.iter().collect()
            }
        };
        let give = ToGive {
            slots,
            ..ToGive::default()
        };
        moves.all.push((one, give));
        let ended = |(one, _): &(SlotMove, ToGive)| one.state.has_ended();
        while moves.all.iter().filter(|one| ended(one)).count() > ended_max {
            let oldest = moves.all.iter().position(ended);
            oldest.map(|at| moves.all.remove(at));
        }
        self.tell(&mut moves);
        true
    }

    fn tell(&self, moves: &mut Moves) {
        let any = moves.running().next().is_some();
        self.running.store(any, Ordering::Release);
    }

    /// Changes a move that is under way; whether there is one.
    pub fn note(&self, id: &str, side: MoveSide, state: MoveState, now_ms: u64) -> bool {
        let mut moves = self.moves.lock();
        let found = moves.running().map(|(one, _)| one);
        let mut found = found.filter(|one| one.id == id && one.side == side);
        let Some(one) = found.next() else {
            return false;
        };
        one.state = state;
        one.updated_ms = now_ms;
        true
    }

    /// Ends a move, by who knows that the slots don't change hands, or that they have.
    pub fn end(&self, id: &str, side: MoveSide, state: MoveState, error: &str, now_ms: u64) {
        let mut moves = self.moves.lock();
        for (one, give) in moves.running() {
            if one.id == id && one.side == side {
                one.end(state, error, now_ms);
                *give = ToGive::default();
            }
        }
        self.tell(&mut moves);
    }

    /// Ends exports of some of these slots to a node that begins another one of them.
    pub fn begins_anew(&self, id: &str, dest: &NodeId, slots: &SlotSet, now_ms: u64) {
        let mut moves = self.moves.lock();
        for (one, give) in moves.exports() {
            let overlaps = slots.iter().any(|slot| one.slots.has(slot));
            if one.id != id && one.dest == *dest && overlaps && !one.is_unsure() {
                one.end(MoveState::Failed, "the other node began anew", now_ms);
                *give = ToGive::default();
            }
        }
        self.tell(&mut moves);
    }

    /// Ends the moves of this name, or all, but for those in which the slots may change hands at any time; returns how many.
    pub fn cancel(&self, id: Option<&str>, error: &str, now_ms: u64) -> usize {
        let mut moves = self.moves.lock();
        let mut count = 0;
        for (one, give) in moves.running() {
            if id.is_none_or(|id| id == one.id) && !one.is_unsure() {
                one.end(MoveState::Canceled, error, now_ms);
                *give = ToGive::default();
                count += 1;
            }
        }
        self.tell(&mut moves);
        count
    }

    /// Keys have changed: called under their locks.
    #[cold]
    pub fn changed<'k>(
        &self,
        keys: impl Iterator<Item = &'k Bstr> + Clone,
        flushed: bool,
        now_ms: u64,
    ) {
        let mut moves = self.moves.lock();
        for (one, give) in moves.running() {
            if flushed && !one.is_unsure() {
                let why = "Cancelled due to a flush";
                one.end(MoveState::Canceled, why, now_ms);
                *give = ToGive::default();
            } else if one.side == MoveSide::Export
                && !give.is_whole
                && one.state != MoveState::Begun
            {
                let moving = keys.clone().filter(|key| one.slots.has(slot_of(key)));
                give.changed.extend(moving.cloned());
            }
        }
        self.tell(&mut moves);
    }

    /// What comes next; nothing if there is no such move.
    pub fn next(&self, id: &str, now_ms: u64) -> Option<NextPiece> {
        let mut moves = self.moves.lock();
        let (one, give) = moves.export(id)?;
        one.updated_ms = now_ms;
        if !give.names.is_empty() {
            let from = give.names.len().saturating_sub(PIECE_KEYS);
            return Some(NextPiece::Keys(give.names.split_off(from)));
        }
        if let Some(slot) = give.slots.last() {
            return Some(NextPiece::List(*slot));
        }
        if one.state == MoveState::Copying {
            one.state = MoveState::CatchingUp;
        }
        if !give.changed.is_empty() {
            let some: Vec<Bstr> = give.changed.iter().take(PIECE_KEYS).cloned().collect();
            for key in &some {
                give.changed.remove(key);
            }
            return Some(NextPiece::Keys(some));
        }
        Some(match one.state {
            MoveState::HeldBack => NextPiece::Last(one.slots.clone()),
            _ => NextPiece::Nothing,
        })
    }

    /// The keys that a slot had once their changes were being noted.
    pub fn listed(&self, id: &str, slot: u16, names: Vec<Bstr>) {
        let mut moves = self.moves.lock();
        if let Some((_, give)) = moves.export(id) {
            give.slots.retain(|held| *held != slot);
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
        let mut moves = self.moves.lock();
        let mut gone = moves.all.iter_mut().filter(|(_, give)| give.keys_go);
        let found = gone.find(|(one, _)| slots.iter().all(|slot| one.slots.has(slot)));
        found.is_some_and(|(_, give)| std::mem::take(&mut give.keys_go))
    }

    /// Has nobody let in to any slot, or no longer, until [`SlotMoves::settle`] says otherwise.
    pub fn hold_all(&self, on: bool) {
        self.moves.lock().holds_all = on;
    }

    /// Looks at all moves by a picture of the cluster: what has gone has gone, and what has run out of time stays. `hold` is
    /// told the slots whose clients wait here, and whether changes of keys are still to be noted. Returns whether leave was
    /// given and it isn't known whether the other node has taken the slots.
    pub fn settle(
        &self,
        view: &View,
        now_ms: u64,
        node_timeout_ms: u64,
        hold: impl FnOnce(SlotSet, bool),
    ) -> bool {
        let mut moves = self.moves.lock();
        let mut unsure = false;
        for (one, give) in moves.running() {
            let end = match one.side {
                MoveSide::Import => import_end(one, view).map(|why| (MoveState::Failed, why)),
                MoveSide::Export => {
                    let end = export_end(one, give.held_until_ms, give.is_late, view, now_ms);
                    if end == Some((MoveState::TakingOver, "")) {
                        give.is_late = true;
                        give.held_until_ms = now_ms + node_timeout_ms;
                    }
                    end.filter(|(state, _)| state.has_ended())
                }
            };
            if let Some((state, why)) = end {
                unsure |= one.is_unsure() && state == MoveState::Failed && why == NOT_TAKEN;
                one.end(state, why, now_ms);
                *give = ToGive {
                    keys_go: state == MoveState::Done,
                    ..ToGive::default()
                };
            }
        }
        self.tell(&mut moves);
        let exports = moves.exports().next().is_some();
        hold(moves.held(), exports);
        unsure
    }
}
