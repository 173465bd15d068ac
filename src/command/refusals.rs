//! Refusals that many commands share, as they depend on the server's state.

use super::{CommandEntry, Fail, Flag, Plan};
use crate::state::pause::{KeyWait, Pause};
use crate::state::shared::Shared;

impl Shared {
    /// What those hear who come while a script runs for long.
    pub fn busy_fail(&self) -> Fail {
        let busy = self.scripts.busy();
        Fail::code(if busy.iter().any(|running| running.is_function) {
            "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
        } else {
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
        })
    }

    /// Refuses what Redis doesn't do in cluster mode: where all slots are one node's, nothing stands against it.
    pub fn without_cluster(&self, why: &'static str) -> Result<(), Fail> {
        match self.redirecting() {
            Some(_) => Err(Fail::Says(why)),
            None => Ok(()),
        }
    }

    /// Refuses what would make a replica of this server, in any cluster mode: a node that is all of its cluster tells
    /// clients that it is a master, whom they write to.
    pub fn never_in_cluster(&self, why: &'static str) -> Result<(), Fail> {
        match self.clustering {
            Some(_) => Err(Fail::Says(why)),
            None => Ok(()),
        }
    }
}

impl Pause {
    /// What keys on their way do to a command: one that it names, or all if it may touch any; if it keeps to the slot of the
    /// keys that it names, all of that one.
    pub fn wait_for_keys(
        &self,
        entry: &CommandEntry,
        argv: &[&[u8]],
        keeps_to_slot: bool,
    ) -> KeyWait {
        let Some(held) = self.held_keys() else {
            return KeyWait::Nothing;
        };
        let any = match entry.command.plan {
            Plan::All => true,
            Plan::AllIf(all) => all(argv),
            _ => entry.is(Flag::Scripted) && !keeps_to_slot,
        };
        let mut awaits = match any {
            true => held.of_any(),
            false => KeyWait::Nothing,
        };
        entry.each_key(argv, |at| {
            awaits = awaits.max(match keeps_to_slot {
                true => held.of_keys_slot(argv[at]),
                false => held.of_key(argv[at]),
            });
        });
        awaits
    }
}
