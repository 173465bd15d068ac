//! When slots that move whole come to the end of their way, as the owner and the node that gets them see it.

use super::one::{MoveState, SlotMove};
use crate::cluster::{NodeView, View};

/// A move whose other end is silent for so long has failed.
const SILENT_MS_MAX: u64 = 30_000;

pub const NOT_TAKEN: &str = "the other node did not take the slots in time";

/// Why an import comes to an end, as the cluster looks now.
pub fn import_end(one: &SlotMove, view: &View) -> Option<&'static str> {
    let theirs = |owner: Option<&NodeView>| owner.is_some_and(|node| node.id == one.source);
    let mut slots = one.slots.iter();
    if one.is_unsure() {
        return None;
    }
    if !view.me().is_master() {
        return Some("this node is a replica by now");
    }
    slots
        .any(|slot| !theirs(view.owner_node(slot)) || view.importing_from(slot).is_some())
        .then_some("a slot has another owner or state by now")
}

/// How an export comes to an end, as the cluster looks now, where commands are held back until a time that `is_late` if it
/// is the second one; [`MoveState::TakingOver`] if the second one begins.
pub fn export_end(
    one: &SlotMove,
    held_until_ms: u64,
    is_late: bool,
    view: &View,
    now_ms: u64,
) -> Option<(MoveState, &'static str)> {
    let failed = |why| Some((MoveState::Failed, why));
    let owned = one.slots.iter().filter(|slot| view.owns(*slot)).count();
    let theirs = |owner: Option<&NodeView>| owner.is_some_and(|node| node.id == one.dest);
    let mut slots = one.slots.iter();
    if one.is_unsure() && owned == 0 && slots.all(|slot| theirs(view.owner_node(slot))) {
        return Some((MoveState::Done, ""));
    }
    if owned < one.slots.len() || !view.me().is_master() {
        return failed("the slots are no longer this node's");
    }
    let silent_ms = now_ms.saturating_sub(one.updated_ms);
    match one.state {
        // Whoever reaches few masters may not hear what the others know.
        MoveState::TakingOver if is_late && !view.hears_most => Some((MoveState::TakingOver, "")),
        MoveState::TakingOver if now_ms > held_until_ms => match is_late {
            true => failed(NOT_TAKEN),
            false => Some((MoveState::TakingOver, "")),
        },
        MoveState::TakingOver => None,
        _ if one
            .slots
            .iter()
            .any(|slot| view.migrating_to(slot).is_some()) =>
        {
            failed("a slot has another state by now")
        }
        MoveState::HeldBack if now_ms > held_until_ms => {
            failed("commands were held back for too long")
        }
        MoveState::Copying | MoveState::CatchingUp if silent_ms > SILENT_MS_MAX => {
            failed("the other node is silent")
        }
        _ => None,
    }
}
