//! The end of a call: what was put off until all of it has happened, and what is to be done outside.

use super::actions::{Action, Actions, Moment};
use super::state::Cluster;

/// What follows from a call, and from what follows from it, is done at once, but not for ever.
const ROUNDS_MAX: usize = 4;

impl Cluster {
    /// Ends a call: goes on with elections, looks whether requests can be served, and gives what is to be done.
    pub fn finish(&mut self, moment: Moment) -> Actions {
        let mut view = false;
        let (mut save, mut sync, mut note) = (false, false, false);
        let mut asked_state = false;
        // Each of them may ask for another.
        for _ in 0..ROUNDS_MAX {
            let pending = std::mem::take(&mut self.pending);
            view |= pending.view || pending.save || pending.sync;
            view |= pending.note || pending.update_state;
            save |= pending.save || pending.sync;
            sync |= pending.sync;
            note |= pending.note;
            if pending.manual || pending.failover {
                self.go_on_manual(moment);
                self.strive(moment);
            }
            if pending.update_state && !asked_state {
                asked_state = true;
                view |= self.update_state(moment.now_ms);
            }
            if pending.tell_all {
                self.broadcast_pong(false, moment);
            }
        }
        if note && !save {
            self.actions.push(Action::Save);
        }
        Actions {
            save,
            sync,
            list: std::mem::take(&mut self.actions),
            view,
        }
    }
}
