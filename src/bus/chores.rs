//! What the cluster wants done that may have to wait for others: on a thread of its own, one after another.

use std::rc::Rc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::cluster::{LinkId, SlotSet};
use crate::command::shared::{PauseFor, Shared};
use crate::exec::Worker;
use crate::util::clock;

/// Between two looks at the keys that travel.
const PATIENCE: Duration = Duration::from_millis(10);

pub enum Chore {
    /// Writes the file of nodes.
    Save,
    /// Deletes the keys of slots that another node owns now.
    DropKeys(SlotSet, u64),
    DropAllKeys,
    /// Waits until no client writes any more, and tells a replica so.
    TellPaused(LinkId),
}

/// Does chores until nobody sends any.
pub fn work(worker: Worker, chores: Receiver<Chore>) {
    let worker = Rc::new(worker);
    let shared = worker.shared.clone();
    let Some(clustering) = &shared.clustering else {
        return;
    };
    for chore in chores {
        match chore {
            Chore::Save => {
                if let Err(error) = clustering.save_noted(&shared.store.disk) {
                    tracing::error!("Fatal: can't update cluster config file: {error}");
                    shared.stop.cancel();
                }
            }
            Chore::DropKeys(slots, loss) => {
                let going = |slot| clustering.look(|cluster| cluster.is_dropping(slot, loss));
                let count = worker.drop_slots(&slots, going);
                shared.in_cluster(clustering, |cluster, _| cluster.dropped(loss));
                if count > 0 {
                    tracing::info!("Deleted {count} keys of slots that another node owns now.");
                }
            }
            Chore::DropAllKeys => worker.empty(),
            Chore::TellPaused(link) => {
                shared.pass_guards();
                if !all_arrived(&shared) {
                    // The replica has given up by now.
                    continue;
                }
                shared.in_cluster(clustering, |cluster, moment| {
                    cluster.tell_paused(link, moment);
                });
            }
        }
    }
    worker.end_scripts();
}

/// Waits until no key is on its way to another server, whose deletion here the replica would lack; false if the time for
/// the failover ends before.
fn all_arrived(shared: &Shared) -> bool {
    let pause = &shared.pause;
    while pause.has_away() {
        if !pause.is_for(PauseFor::Failover, clock::now_ms()) || shared.stop.is_cancelled() {
            return false;
        }
        std::thread::sleep(PATIENCE);
    }
    true
}
