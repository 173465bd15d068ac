//! The side of the slots' owner: what it gives, a piece at a time, and the leave to take them.

use super::gives::{NextPiece, ToGive};
use super::list::SlotMoves;
use super::one::{MoveSide, MoveState, SlotMove};
use crate::cluster::{GivenLeave, NodeId, slot_of};
use crate::types::Bstr;
use crate::util::chance;

/// For how long the owner holds commands back before it has given leave, at most.
const HOLD_MS_MAX: u64 = 10_000;
/// How long the owner waits, once it has given leave, to hear that the slots have gone.
pub(super) const GRANT_MS_MAX: u64 = 10_000;

impl SlotMoves {
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

    /// Leave that was given, and of which it isn't known what came of it.
    pub fn leaves(&self) -> Vec<GivenLeave> {
        let mut moves = self.moves.lock();
        let granted = moves.exports().filter(|(one, _)| one.is_unsure());
        let leave = |one: &SlotMove| GivenLeave {
            dest: one.dest,
            slots: one.slots.clone(),
        };
        granted.map(|(one, _)| leave(one)).collect()
    }

    /// This node had given leave before it was started anew. What it had to give has been given, and it is not known before
    /// then what came of it.
    pub fn resume(&self, leave: GivenLeave, source: NodeId, until_ms: u64) {
        let id = chance::identity();
        let mut one = SlotMove::new(&id, MoveSide::Export, leave.slots, source, leave.dest);
        one.state = MoveState::TakingOver;
        one.held_ms = Some(one.created_ms);
        let give = ToGive {
            is_whole: true,
            is_late: true,
            held_until_ms: until_ms,
            ..ToGive::default()
        };
        self.begin_with(one, give);
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
}
