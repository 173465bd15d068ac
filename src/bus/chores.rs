//! What the cluster wants done that may have to wait for others: on threads of their own, where one thing is done after another.

use std::rc::Rc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::moves::work_on_move;
use super::orders::{Chore, KeyChore};
use crate::exec::{Staging, Worker};
use crate::state::clustering::Clustering;
use crate::state::moves::{MoveSide, StagedFate};
use crate::state::pause::PauseFor;
use crate::state::shared::Shared;
use crate::util::clock;

/// Between two looks at the keys that travel.
const PATIENCE: Duration = Duration::from_millis(10);

/// Does chores until nobody sends any.
pub fn work(shared: &Shared, clustering: &Clustering, chores: Receiver<Chore>) {
    for chore in chores {
        match chore {
            Chore::Save => {
                if let Err(error) = clustering.save_noted(&shared.store.disk) {
                    tracing::error!("Fatal: can't update cluster config file: {error}");
                    shared.stop.cancel();
                }
            }
            Chore::TellPaused(link) => {
                shared.pass_guards();
                if !all_arrived(shared) {
                    // The replica has given up by now.
                    continue;
                }
                shared.in_cluster(clustering, |cluster, moment| {
                    cluster.tell_paused(link, moment);
                });
            }
        }
    }
}

/// Does what is to be done to keys until nobody sends any more.
pub fn work_on_keys(worker: Worker, clustering: &Clustering, chores: Receiver<KeyChore>) {
    let worker = Rc::new(worker);
    let shared = &worker.shared;
    for chore in chores {
        match chore {
            KeyChore::DropKeys(slots, loss) => {
                let is_dropping = |slot| clustering.look(|cluster| cluster.is_dropping(slot, loss));
                let going = |slot| !shared.stop.is_cancelled() && is_dropping(slot);
                let silently = shared.slot_moves.have_gone(&slots);
                let count = worker.drop_slots(&slots, silently, going);
                // What is left when the server stops goes at its next start, as the file of nodes says.
                if !shared.stop.is_cancelled() {
                    shared.in_cluster(clustering, |cluster, _| cluster.dropped(loss));
                }
                if count > 0 {
                    tracing::info!("Deleted {count} keys of slots that another node owns now.");
                }
            }
            KeyChore::DropAllKeys => worker.empty(),
            KeyChore::OfMove(keys) => work_on_move(&worker, keys),
            KeyChore::SettleStaged => {
                settle_staged(&worker, clustering);
                shared.slot_moves.hold_all(false);
                shared.settle_moves(clustering);
            }
        }
    }
    worker.end_scripts();
}

/// Ends moves of slots to here of which there are only their keys: the slots are this node's, or they are not.
fn settle_staged(worker: &Worker, clustering: &Clustering) {
    let fate = |slot| {
        let view = clustering.view();
        let moving = || worker.shared.slot_moves.moving(MoveSide::Import).has(slot);
        match view.owns(slot) {
            _ if !view.me().is_master() => StagedFate::Keep,
            true => StagedFate::Land,
            false if moving() => StagedFate::Keep,
            false => StagedFate::Drop,
        }
    };
    let slots = Staging(worker).staged_slots();
    let count = Staging(worker).settle_staged(&slots, fate);
    tracing::info!(
        "Keys of the slots {slots} had come here by moves that are over: {count} of them stay, and those of slots that are not this node's are dropped."
    );
}

/// Waits until no key is on its way to another server, whose deletion here the replica would lack; false if the time for
/// the failover ends before.
fn all_arrived(shared: &Shared) -> bool {
    let pause = &shared.pause;
    while pause.has_away() || pause.holds_slots() {
        if !pause.is_for(PauseFor::Failover, clock::now_ms()) || shared.stop.is_cancelled() {
            return false;
        }
        std::thread::sleep(PATIENCE);
    }
    true
}
